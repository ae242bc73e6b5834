//! What tests of this room share: packed tuples made the obvious way.

use serde_json::Value;

/// Packs one value as the runtime does.
pub(super) fn pack(value: &Value) -> Vec<u8> {
    let text = |code: u8, text: &str| {
        let mut packed = vec![code];
        for byte in text.bytes() {
            packed.push(byte);
            if byte == 0 {
                packed.push(0xff);
            }
        }
        packed.push(0);
        packed
    };
    match value {
        Value::Null => vec![0],
        Value::Bool(value) => vec![0x26 + u8::from(*value)],
        Value::Number(number) => {
            if let Some(value) = number.as_u64() {
                let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
                let len = u8::try_from(bytes.len()).expect("at most 8");
                [vec![0x14 + len], bytes].concat()
            } else if let Some(value) = number.as_i64() {
                let len = 8 - usize::try_from(value.unsigned_abs().leading_zeros() / 8).expect("at most 8");
                let bytes = (i128::from(value) - 1).to_be_bytes();
                [vec![0x14 - u8::try_from(len).expect("at most 8")], bytes[16 - len..].to_vec()].concat()
            } else {
                let bits = number.as_f64().expect("the last kind of number").to_bits();
                let bits = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
                [vec![0x21], bits.to_be_bytes().to_vec()].concat()
            }
        }
        Value::String(value) => text(2, value),
        Value::Array(_) | Value::Object(_) => text(1, &value.to_string()),
    }
}

/// Bytes from hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hex")).collect()
}
