//! JSON pointers as Flow reads them: tolerant of a missing leading slash, decimal tokens are
//! indices.

use serde_json::Value;

/// A parsed JSON pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pointer(Vec<Token>);

/// One step of a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// The token as a property name, unescaped.
    name: String,
    /// What it means to an array: decimal text without sign or leading zero.
    index: Option<usize>,
}

impl Pointer {
    /// Parses `text`; every text is a pointer.
    pub(super) fn parse(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let tokens = text.strip_prefix('/').unwrap_or(text).split('/');
        Self(tokens.map(|token| Token { name: unescape(token), index: index(token) }).collect())
    }

    /// The value at this pointer in `document`, if there is one.
    pub(super) fn query<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get(&token.name),
            Value::Array(items) => items.get(token.index?),
            _ => None,
        })
    }
}

/// A pointer with the leading slash that users may leave out.
pub(super) fn normal(pointer: &str) -> String {
    if pointer.is_empty() || pointer.starts_with('/') { pointer.to_owned() } else { format!("/{pointer}") }
}

/// Replaces the escapes of a token, `~1` first: `~01` is `~1`.
fn unescape(token: &str) -> String {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~") } else { token.to_owned() }
}

/// The index that a token stands for: decimal digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let digits = !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit());
    (digits && (token == "0" || !token.starts_with('0'))).then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(pointer: &str, document: &Value) -> Option<Value> {
        Pointer::parse(pointer).query(document).cloned()
    }

    #[test]
    fn finds_what_flow_finds() {
        let document = json!({
            "": {"": 1}, "a": {"b": [10, {"c": 2}]}, "7": "seven", "01": "text", "x/y": 3, "p~1": 4, "-": 5, "+2": 6,
            "s": "scalar",
        });
        let cases = [
            ("/a/b/0", Some(json!(10))),
            ("a/b/1/c", Some(json!(2))),
            ("/", Some(json!({"": 1}))),
            ("//", Some(json!(1))),
            ("/7", Some(json!("seven"))),
            ("/01", Some(json!("text"))),
            ("/x~1y", Some(json!(3))),
            // Flow replaces `~1` before `~0`, so this is not the RFC's `p~1`, but ends up the same.
            ("/p~01", Some(json!(4))),
            ("/-", Some(json!(5))),
            ("/+2", Some(json!(6))),
            ("/a/b/2", None),
            ("/a/b/-", None),
            ("/a/b/00", None),
            ("/a/b/x", None),
            ("/s/0", None),
            ("/missing/deeper", None),
        ];
        for (pointer, expected) in cases {
            assert_eq!(query(pointer, &document), expected, "{pointer}");
        }
        assert_eq!(query("", &document), Some(document));
    }

    #[test]
    fn an_index_beyond_the_machine_is_a_name() {
        let document = json!({"99999999999999999999999": 1});
        assert_eq!(query("/99999999999999999999999", &document), Some(json!(1)));
    }
}
