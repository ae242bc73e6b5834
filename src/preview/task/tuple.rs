//! Packs JSON values as elements of the FoundationDB tuple layer.

use serde_json::{Number, Value};

use super::json::{self, Policy};

/// Appends `value` as one element. Returns whether the policy cut anything of it.
pub(super) fn pack(out: &mut Vec<u8>, value: &Value, policy: &Policy) -> bool {
    match value {
        Value::Null => out.push(NIL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Number(number) => pack_number(out, number),
        Value::String(text) => {
            let cut = policy.cut(text);
            out.push(STRING);
            pack_escaped(out, cut.as_bytes());
            return cut.len() < text.len();
        }
        Value::Array(_) | Value::Object(_) => {
            let mut text = Vec::new();
            let truncated = json::write(&mut text, value, policy);
            out.push(BYTES);
            pack_escaped(out, &text);
            return truncated;
        }
    }
    false
}

fn pack_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(unsigned) = number.as_u64() {
        let size = significant(unsigned);
        out.push(INT_ZERO + size);
        out.extend_from_slice(tail(&unsigned.to_be_bytes(), size));
    } else if let Some(negative) = number.as_i64() {
        let size = significant(negative.unsigned_abs());
        out.push(INT_ZERO - size);
        // i64::MIN wraps to i64::MAX, whose bytes are the right ones: 0c 7f ff ...
        out.extend_from_slice(tail(&negative.wrapping_sub(1).to_be_bytes(), size));
    } else {
        // A number of serde_json that is no integer is a finite float.
        let bits = number.as_f64().unwrap_or_default().to_bits();
        let ordered = if bits >> 63 == 0 { bits | (1 << 63) } else { !bits };
        out.push(DOUBLE);
        out.extend_from_slice(&ordered.to_be_bytes());
    }
}

/// How many bytes of `value` are significant: 0 to 8.
fn significant(value: u64) -> u8 {
    u8::try_from((u64::BITS - value.leading_zeros()).div_ceil(8)).unwrap_or(8)
}

/// The last `size` bytes.
fn tail(bytes: &[u8; 8], size: u8) -> &[u8] {
    &bytes[8 - usize::from(size.min(8))..]
}

/// Appends bytes with every zero escaped, and the zero that ends them.
fn pack_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((before, behind)) =
        memchr::memchr(0, rest).and_then(|zero| rest.split_at_checked(zero + 1))
    {
        out.extend_from_slice(before);
        out.push(0xff);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(0);
}

const NIL: u8 = 0x00;
const BYTES: u8 = 0x01;
const STRING: u8 = 0x02;
const INT_ZERO: u8 = 0x14;
const DOUBLE: u8 = 0x21;
/// The element `false`.
pub(super) const FALSE: u8 = 0x26;
/// The element `true`.
pub(super) const TRUE: u8 = 0x27;

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use serde_json::json;

    use super::*;

    fn packed(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        pack(&mut out, value, &Policy::default());
        out
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    #[test]
    fn table_of_elements() {
        let cases = [
            (json!(null), "00"),
            (json!(false), "26"),
            (json!(true), "27"),
            (json!(0), "14"),
            (json!(1), "1501"),
            (json!(255), "15ff"),
            (json!(256), "160100"),
            (json!(-1), "13fe"),
            (json!(-255), "1300"),
            (json!(-256), "12feff"),
            (json!(-257), "12fefe"),
            (json!(-65535), "120000"),
            (json!(-65536), "11feffff"),
            (json!(i64::MIN), "0c7fffffffffffffff"),
            (json!(i64::MIN + 1), "0c8000000000000000"),
            (json!(i64::MAX), "1c7fffffffffffffff"),
            (json!(u64::MAX), "1cffffffffffffffff"),
            (json!(1.3), "21bff4cccccccccccd"),
            (json!(-1.5), "214007ffffffffffff"),
            (json!(1.0), "21bff0000000000000"),
            (json!("foo"), "02666f6f00"),
            (json!("a\u{0}b"), "026100ff6200"),
            (json!(["foo"]), "015b22666f6f225d00"),
            (json!({"b": 1, "a": [1e16]}), "017b2261223a5b316531365d2c2262223a317d00"),
        ];
        for (value, expected) in cases {
            assert_eq!(hex(&packed(&value)), expected, "{value}");
        }
    }

    #[test]
    fn the_order_of_packed_keys_is_the_order_of_values() {
        let ordered = [
            json!(null),
            json!(""),
            json!("a"),
            json!("a\u{0}"),
            json!("a\u{1}"),
            json!("ab"),
            json!("é"),
            json!(i64::MIN),
            json!(i64::MIN + 1),
            json!(-257),
            json!(-256),
            json!(-255),
            json!(-1),
            json!(0),
            json!(1),
            json!(255),
            json!(256),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(-1e300),
            json!(-1.5),
            json!(-0.0),
            json!(0.0),
            json!(1.3),
            json!(1e300),
            json!(false),
            json!(true),
        ];
        for pair in ordered.windows(2) {
            assert!(packed(&pair[0]) < packed(&pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn the_policy_cuts_strings_and_containers() {
        let policy = Policy { string: 2, array: 1, nested_object: 1 };
        for (value, expected, cut) in [
            (json!("abc"), json!("ab"), true),
            (json!("ab"), json!("ab"), false),
            (json!(["abc"]), json!(["ab"]), true),
            (json!([1, 2]), json!([1]), true),
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 2}), false),
            (json!(12345), json!(12345), false),
        ] {
            let mut out = Vec::new();
            assert_eq!(pack(&mut out, &value, &policy), cut, "{value}");
            assert_eq!(out, packed(&expected), "{value}");
        }
    }
}
