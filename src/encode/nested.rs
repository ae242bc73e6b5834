//! Nested JSON in the one form that messages use: compact, members sorted bytewise at every level, of a
//! repeated member the last one's value, strings and numbers written as the rules say.

use super::element::Element;
use super::error::Fault;
use super::normal::is_normal;
use super::number::{write_float, write_integer};
use super::order::Order;
use super::parsed::{Parser, Value, View};
use super::sink::Sink;
use super::text::write_string;

/// What writing nested values needs besides the text; used again for each.
#[derive(Default)]
pub(super) struct Nested {
    pub(super) parser: Parser,
    pub(super) order: Order,
}

impl Nested {
    /// Writes the JSON `text` in normal form: copied where it is so already, parsed and written anew
    /// otherwise. Nothing is written when it is refused.
    pub(super) fn write_normal(&mut self, text: &str, out: &mut impl Sink) -> Result<(), Fault> {
        if is_normal(text) {
            out.put(text.as_bytes());
        } else {
            let parsed = self.parser.parse(text)?;
            out.reserve(text.len());
            write_value(parsed.root(), &mut self.order, out);
        }
        Ok(())
    }

    /// Gives back what an unusually large value took.
    pub(super) fn trim(&mut self) {
        self.parser.trim();
        self.order.trim();
    }
}

/// Writes a parsed value in normal form. Recursion is bounded by the parser's limit of depth.
pub(super) fn write_value(value: Value<'_>, order: &mut Order, out: &mut impl Sink) {
    match value.view() {
        View::Scalar(element) => write_scalar(&element, out),
        View::Array(items) => {
            out.push(b'[');
            for (i, item) in items.enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, order, out);
            }
            out.push(b']');
        }
        View::Object(members) => {
            out.push(b'{');
            let sorted = order.sort(&members);
            for i in sorted.clone() {
                if i > sorted.start {
                    out.push(b',');
                }
                let (name, value) = order.member(i, &members);
                write_string(name, out);
                out.push(b':');
                write_value(value, order, out);
            }
            order.release(sorted);
            out.push(b'}');
        }
    }
}

/// Writes a value that has none within.
#[inline]
pub(super) fn write_scalar(element: &Element<'_>, out: &mut impl Sink) {
    match *element {
        Element::Null => out.put(b"null"),
        Element::Bool(true) => out.put(b"true"),
        Element::Bool(false) => out.put(b"false"),
        Element::Unsigned(value) => write_integer(value, out),
        Element::Negative(value) => write_integer(value, out),
        Element::Float(value) => write_float(value, out),
        Element::String(text) => write_string(text, out),
        // Values that hold others are not scalars; their text would have to be checked first.
        Element::Json(_) => debug_assert!(false, "a JSON text is no scalar"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle;
    use super::*;

    /// By the pass that copies, where it applies, and by parsing.
    fn written(text: &str) -> (Result<String, Fault>, Result<String, Fault>) {
        let string = |out: Vec<u8>| String::from_utf8(out).expect("output is UTF-8");
        let mut nested = Nested::default();
        let mut out = Vec::new();
        let either = nested.write_normal(text, &mut out).map(|()| string(out));
        let mut out = Vec::new();
        let Nested { parser, order } = &mut nested;
        let parsed = parser.parse(text).map(|parsed| {
            write_value(parsed.root(), order, &mut out);
            string(out)
        });
        (either, parsed)
    }

    fn normal(text: &str) -> Result<String, String> {
        let (either, parsed) = written(text);
        assert_eq!(either, parsed, "{text}");
        either.map_err(|fault| fault.to_string())
    }

    #[test]
    fn the_rules_for_nested_values() {
        for (text, expected) in [
            (r#"{"Z":1,"a":2,"é":3,"":4,"10":5,"9":6}"#, r#"{"":4,"10":5,"9":6,"Z":1,"a":2,"é":3}"#),
            (r#"{"a":1,"b":{"y":1,"x":2},"a":{"c":[ ],"c":2}}"#, r#"{"a":{"c":2},"b":{"x":2,"y":1}}"#),
            (r#"{"a":1,"\u0061":2,"a":3,"b":4,"b":5}"#, r#"{"a":3,"b":5}"#),
            (r#"["\u00e9\/\u2028\ud83d\ude00\u001F\u007f\u0022"]"#, "[\"é/\u{2028}😀\\u001f\u{7f}\\\"\"]"),
            (
                "[1e2, 0.10 ,-0,18446744073709551616,1e-400,-1]",
                "[100.0,0.1,-0.0,1.8446744073709552e19,0.0,-1]",
            ),
            (
                "[9007199254740993.0,1e16,1E+15,0.000001,5e-324]",
                "[9007199254740992.0,1e16,1000000000000000.0,1e-6,5e-324]",
            ),
            (" \t\r\n{ } \n", "{}"),
            (" \"scalar\" ", "\"scalar\""),
            ("null", "null"),
            ("-0", "-0.0"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, fault) in [
            ("[1e400]", "number beyond the range of a 64-bit float at byte 1"),
            ("[\"\\ud800\"]", "lone surrogate in a string at byte 2"),
            ("[\"\\udc00\"]", "lone surrogate in a string at byte 2"),
            ("[\"a\tb\"]", "unescaped control character in a string at byte 3"),
            ("{} {}", "trailing text at byte 3"),
            ("[1,]", "expected a value at byte 3"),
            ("", "expected a value at byte 0"),
            ("[NaN]", "expected a value at byte 1"),
        ] {
            assert_eq!(normal(text), Err(fault.to_owned()), "{text}");
        }
    }

    #[test]
    fn nothing_is_written_of_what_is_refused() {
        let mut out = b"before".to_vec();
        assert!(Nested::default().write_normal("[1,2,", &mut out).is_err());
        assert_eq!(out, b"before");
    }

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn nesting_of_127_levels_is_the_limit() {
        let nested = |levels: usize, space: &str| {
            format!("{}{space}{}", "{\"a\":[".repeat(levels / 2), "]}".repeat(levels / 2))
        };
        for space in ["", " "] {
            assert!(normal(&format!("[{}]", nested(126, space))).is_ok());
            assert!(normal(&nested(128, space)).is_err());
            assert!(normal(&nested(10_000, space)).is_err());
        }
    }

    /// JSON texts of every kind, mostly well-formed.
    fn texts() -> impl Strategy<Value = String> {
        let space = || prop::sample::select(vec!["", "", "", "", " ", "\n", "\t \r"]);
        let string = || {
            prop::collection::vec(
                prop_oneof![
                    6 => "[a-c]{0,3}",
                    1 => "[ -~&&[^\"\\\\]]{0,20}",
                    1 => prop::sample::select(vec![
                        "é", "😀", "\u{7f}", "\u{2028}", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9", "\\u000a",
                        "\\u001f", "\\u001F", "\\ud83d\\ude00", "\\u0000", "\\b", "\\f", "\\t", "\\r", "\\u0022",
                    ]).prop_map(str::to_owned),
                ],
                0..4,
            )
            .prop_map(|parts| format!("\"{}\"", parts.concat()))
        };
        let number = prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            (-1000i64..1000).prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
            any::<f64>()
                .prop_filter("finite", |n| n.is_finite())
                .prop_map(|n| ryu::Buffer::new().format(n).to_owned()),
            "-?(0|[1-9][0-9]{0,24})",
            "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,25}",
            "-?(0|[1-9][0-9]{0,3})\\.0{0,8}[0-9]{1,9}",
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?[eE][+-]?[0-9]{1,3}",
        ];
        let leaf = prop_oneof![
            1 => prop::sample::select(vec!["null", "true", "false", "-0", "0.0", "1e400", "1e-400", "[]", "{}", "1e16", "2.2250738585072014e-308"])
                .prop_map(str::to_owned),
            3 => number,
            3 => string(),
        ];
        let value = leaf.prop_recursive(6, 48, 6, move |inner| {
            prop_oneof![
                prop::collection::vec((space(), inner.clone(), space()), 0..6).prop_map(|items| {
                    let items: Vec<_> =
                        items.into_iter().map(|(a, item, b)| format!("{a}{item}{b}")).collect();
                    format!("[{}]", items.join(","))
                }),
                (any::<bool>(), prop::collection::vec((space(), string(), space(), inner, space()), 0..6))
                    .prop_map(|(sorted, mut members)| {
                        if sorted {
                            members.sort_by(|a, b| a.1.cmp(&b.1));
                            members.dedup_by(|a, b| a.1 == b.1);
                        }
                        let members: Vec<_> = members
                            .into_iter()
                            .map(|(a, name, b, value, c)| format!("{a}{name}{b}:{b}{value}{c}"))
                            .collect();
                        format!("{{{}}}", members.join(","))
                    },),
            ]
        });
        (space(), value, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"))
    }

    /// Replaces, removes or repeats a few characters.
    fn mutated(text: &str, changes: &[(usize, u8, char)]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for &(at, kind, c) in changes {
            if chars.is_empty() {
                break;
            }
            let at = at % chars.len();
            match kind {
                0 => chars[at] = c,
                1 => drop(chars.remove(at)),
                2 => chars.insert(at, c),
                _ => chars.truncate(at),
            }
        }
        chars.into_iter().collect()
    }

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let (either, parsed) = written(text);
        prop_assert_eq!(&either, &parsed, "the pass that copies and the parser differ on {}", text);
        let expected = oracle::normal(text);
        prop_assert_eq!(either.as_deref().ok(), expected.as_deref(), "{}", text);
        prop_assert_eq!(either.is_err(), super::super::scan::refused(text), "{}", text);
        if let Ok(out) = either {
            let (ours, theirs): (serde_json::Value, serde_json::Value) = (
                serde_json::from_str(&out).expect("output is JSON"),
                serde_json::from_str(text).expect("input is JSON"),
            );
            prop_assert!(same(&ours, &theirs), "{} came out as {}", text, out);
            prop_assert!(is_normal(&out) || out.contains('\\'), "{} should be seen to be normal", out);
        }
        Ok(())
    }

    /// Equal but for the rounding of serde_json, which is off by one unit in the last place at times.
    fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
        use serde_json::Value::{Array, Number, Object};
        match (a, b) {
            (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Object(a), Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((m, a), (n, b))| m == n && same(a, b))
            }
            (Number(a), Number(b)) if a.is_f64() && b.is_f64() => {
                let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
                a == b || ((a - b) / b).abs() < 1e-15 || (a - b).abs() <= f64::MIN_POSITIVE
            }
            (a, b) => a == b,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        #[cfg_attr(miri, ignore = "whole documents of any text: minutes in Miri")]
        fn well_formed_texts_come_out_as_the_oracle_says(text in texts()) {
            agrees(&text)?;
        }

        #[test]
        #[cfg_attr(miri, ignore = "whole documents of any text: minutes in Miri")]
        fn damaged_texts_are_refused_when_the_oracle_refuses(
            text in texts(),
            changes in prop::collection::vec((any::<usize>(), 0u8..4, prop_oneof![
                prop::sample::select("\"\\{}[],:-+.eE0123456789tfnu/ \n\t\u{0}\u{c}\u{1f}\u{7f}\u{a0}é".chars().collect::<Vec<_>>()),
                any::<char>(),
            ]), 1..4),
        ) {
            agrees(&mutated(&text, &changes))?;
        }
    }
}
