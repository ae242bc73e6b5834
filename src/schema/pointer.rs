//! JSON pointers as Flow reads and prints them.
//!
//! A token is kept as its text. Whether a text such as `7` means an array index or a property is decided where
//! it is used, since a schema location may be either.

/// The tokens of a pointer's text; a missing leading slash is tolerated, the empty text is the root.
pub(super) fn tokens(pointer: &str) -> impl Iterator<Item = String> {
    let rest = (!pointer.is_empty()).then(|| pointer.strip_prefix('/').unwrap_or(pointer));
    rest.into_iter().flat_map(|rest| rest.split('/')).map(unescape)
}

/// Replaces `~1` and then `~0`.
pub(super) fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// Appends one step to a pointer's text.
pub(super) fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(c),
        }
    }
}

/// The one text of the pointer that `text` means: with its leading slash, escaped as it must be.
pub(super) fn normal(text: &str) -> String {
    let mut pointer = String::with_capacity(text.len() + 1);
    for token in tokens(text) {
        push(&mut pointer, &token);
    }
    pointer
}

/// The array index that a token means: plain decimal digits without a leading zero or sign.
pub(super) fn index(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    if plain { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_tokens() {
        for (text, expected, printed) in [
            ("", &[][..], ""),
            ("/a/b", &["a", "b"], "/a/b"),
            ("a/b", &["a", "b"], "/a/b"),
            ("/", &[""], "/"),
            ("//", &["", ""], "//"),
            ("/p~01", &["p~1"], "/p~01"),
            ("/slash~1key", &["slash/key"], "/slash~1key"),
            ("/a~2b", &["a~2b"], "/a~02b"),
            ("/é", &["é"], "/é"),
        ] {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
            assert_eq!(normal(text), printed, "{text}");
        }
    }

    #[test]
    fn index_tokens() {
        for (token, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("123", Some(123)),
            ("01", None),
            ("+2", None),
            ("-3", None),
            ("-", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(index(token), expected, "{token:?}");
        }
    }
}
