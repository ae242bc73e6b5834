//! Writes JSON values the way the runtime does: compact, members in byte order, floats as `ryu`
//! prints them, and cut to the connector's serialization policy.

use serde_json::{Number, Value};

/// How much of a value a connector wants; zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Bytes of a string.
    pub string: usize,
    /// Members of an object that is not the outermost value.
    pub nested_object: usize,
    /// Items of an array.
    pub array: usize,
}

impl Policy {
    /// The part of `text` that the policy lets pass: at most its limit, cut between characters.
    pub(super) fn cut<'t>(&self, text: &'t str) -> &'t str {
        if self.string == 0 || text.len() <= self.string {
            return text;
        }
        text.get(..text.floor_char_boundary(self.string)).unwrap_or_default()
    }
}

/// Containers that have this many around them are written empty, whatever the policy says:
/// readers of JSON commonly refuse more than 127 levels.
const DEPTH_LIMIT: usize = 126;

/// Appends `value` to `out`. Returns whether anything had to be cut.
pub(super) fn write(out: &mut Vec<u8>, value: &Value, policy: &Policy) -> bool {
    write_nested(out, value, policy, 0)
}

fn write_nested(out: &mut Vec<u8>, value: &Value, policy: &Policy, depth: usize) -> bool {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => {
            let cut = policy.cut(text);
            write_string(out, cut);
            return cut.len() < text.len();
        }
        Value::Array(items) => {
            let kept = kept(items.len(), policy.array, depth);
            let mut truncated = kept < items.len();
            out.push(b'[');
            for (i, item) in items.iter().take(kept).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                truncated |= write_nested(out, item, policy, depth + 1);
            }
            out.push(b']');
            return truncated;
        }
        Value::Object(members) => {
            let limit = if depth == 0 { 0 } else { policy.nested_object };
            let kept = kept(members.len(), limit, depth);
            let mut truncated = kept < members.len();
            out.push(b'{');
            for (i, (name, member)) in members.iter().take(kept).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, name);
                out.push(b':');
                truncated |= write_nested(out, member, policy, depth + 1);
            }
            out.push(b'}');
            return truncated;
        }
    }
    false
}

/// How many of a container's `len` children are written.
fn kept(len: usize, limit: usize, depth: usize) -> usize {
    match limit {
        _ if depth >= DEPTH_LIMIT => 0,
        0 => len,
        limit => len.min(limit),
    }
}

/// Appends a number; floats differ from serde_json's, which prints `1e16` as `1e+16`.
fn write_number(out: &mut Vec<u8>, number: &Number) {
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(unsigned), _, _) => out.extend_from_slice(itoa::Buffer::new().format(unsigned).as_bytes()),
        (_, Some(signed), _) => out.extend_from_slice(itoa::Buffer::new().format(signed).as_bytes()),
        (_, _, Some(float)) if float.is_finite() => {
            out.extend_from_slice(ryu::Buffer::new().format_finite(float).as_bytes());
        }
        // A number of serde_json is one of the three kinds, and finite.
        _ => out.extend_from_slice(b"null"),
    }
}

/// Appends a string with its quotes.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        let Some((plain, [byte, behind @ ..])) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(plain);
        rest = behind;
        match *byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0xf)]);
            }
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(value: &Value, policy: &Policy) -> (String, bool) {
        let mut out = Vec::new();
        let truncated = write(&mut out, value, policy);
        (String::from_utf8(out).unwrap(), truncated)
    }

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_print_as_the_messages_reference_says() {
        let cases = [
            ("1e2", "100.0"),
            ("0.10", "0.1"),
            ("-0", "-0.0"),
            ("0", "0"),
            ("1.0", "1.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "1.8446744073709552e19"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "-9.223372036854776e18"),
            ("1e-400", "0.0"),
            ("1e16", "1e16"),
            ("1e15", "1000000000000000.0"),
            ("1e-5", "0.00001"),
            ("1e-6", "1e-6"),
            ("1.5e300", "1.5e300"),
            ("5e-324", "5e-324"),
            // Rounds to the neighbour unless the parser is exact.
            ("2.638344616030823e-256", "2.638344616030823e-256"),
        ];
        for (given, expected) in cases {
            assert_eq!(text(&parsed(given), &Policy::default()).0, expected, "{given}");
        }
    }

    #[test]
    fn members_are_sorted_and_strings_escaped() {
        let value = parsed(
            "{\"Z\":1,\"a\":2,\"\\u00e9\":\"\\/\\u0001\\u001f\\u007f\\u2028\\b\\t\\n\\f\\r\\\"\\\\\",\"\":4, \"10\":5}",
        );
        let expected = "{\"\":4,\"10\":5,\"Z\":1,\"a\":2,\"é\":\"/\\u0001\\u001f\u{7f}\u{2028}\\b\\t\\n\\f\\r\\\"\\\\\"}";
        assert_eq!(text(&value, &Policy::default()), (expected.to_owned(), false));
    }

    #[test]
    fn strings_are_cut_between_characters() {
        let policy = Policy { string: 4, ..Policy::default() };
        let cases = [
            ("abcd", "abcd", false),
            ("abcde", "abcd", true),
            ("abcé", "abc", true),
            ("abé", "abé", false),
            ("a😀", "a", true),
            ("", "", false),
        ];
        for (given, expected, truncated) in cases {
            assert_eq!(text(&json!(given), &policy), (format!("\"{expected}\""), truncated), "{given}");
            assert_eq!(text(&json!({"a": given}), &policy).1, truncated, "{given} nested");
        }
        assert_eq!(text(&json!({"long name": 1}), &policy), ("{\"long name\":1}".to_owned(), false));
    }

    #[test]
    fn arrays_are_cut_at_every_level_and_objects_below_the_outermost() {
        let policy = Policy { array: 2, nested_object: 1, ..Policy::default() };
        let cases = [
            (json!([1, 2]), "[1,2]", false),
            (json!([1, 2, 3]), "[1,2]", true),
            (json!([[1, 2, 3]]), "[[1,2]]", true),
            (json!({"a": 1, "b": 2}), r#"{"a":1,"b":2}"#, false),
            (json!({"a": {"x": 1, "y": 2}, "b": 2}), r#"{"a":{"x":1},"b":2}"#, true),
            (json!([{"x": 1, "y": 2}]), r#"[{"x":1}]"#, true),
            (json!([{"x": 1}]), r#"[{"x":1}]"#, false),
        ];
        for (given, expected, truncated) in cases {
            assert_eq!(text(&given, &policy), (expected.to_owned(), truncated), "{given}");
        }
    }

    #[test]
    fn containers_at_depth_126_are_written_empty() {
        // 126 levels around it, then a container.
        let nested = |inner: Value| (0..126).fold(inner, |value, _| json!([value]));
        let around = |inner: &str| format!("{}{inner}{}", "[".repeat(126), "]".repeat(126));
        let none = Policy::default();
        assert_eq!(text(&nested(json!([1])), &none), (around("[]"), true));
        assert_eq!(text(&nested(json!({"a": 1})), &none), (around("{}"), true));
        assert_eq!(text(&nested(json!([])), &none), (around("[]"), false));
        assert_eq!(text(&nested(json!("x")), &none), (around("\"x\""), false));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn without_a_policy_serde_json_reads_the_same_value_back(value in any_value()) {
            let (text, truncated) = text(&value, &Policy::default());
            prop_assert!(!truncated);
            prop_assert_eq!(parsed(&text), value);
        }
    }
}
