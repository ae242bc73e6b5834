//! Both forms of a Store's fields once more, slow and obvious, by the reference and not by the connector's code.

use materialize_kafka::encode::Fields;
use serde_json::Value;
use serde_json::value::RawValue;

/// A field's value.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    /// Any value that JSON has.
    Json(Value),
    /// NaN and the infinities.
    NotANumber,
}

impl From<Value> for Element {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// Exactly `count` elements, in order. None where there are not so many, or one is malformed.
pub(crate) fn elements(fields: Fields<'_>, count: usize) -> Option<Vec<Element>> {
    let elements = match fields {
        Fields::Packed([]) | Fields::Json([]) => Vec::new(),
        Fields::Packed(packed) => unpack(packed)?,
        Fields::Json(text) => {
            // Each for itself: as parts of the array they might nest too deeply for serde_json.
            let texts: Vec<&RawValue> = serde_json::from_slice(text).ok()?;
            texts.into_iter().map(|text| json(text.get())).collect::<Option<_>>()?
        }
    };
    (elements.len() == count).then_some(elements)
}

fn json(text: &str) -> Option<Element> {
    serde_json::from_str(text).ok().map(Element::Json)
}

fn unpack(mut packed: &[u8]) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    while !packed.is_empty() {
        elements.push(match stored(&mut packed).ok()? {
            Stored::Null => Value::Null.into(),
            Stored::Json(text) => json(&text)?,
            Stored::String(text) => Value::String(text).into(),
            Stored::Integer(value) => match u64::try_from(value) {
                Ok(value) => Value::from(value).into(),
                Err(_) => Value::from(i64::try_from(value).ok()?).into(),
            },
            Stored::Float(bits) => float(f64::from_bits(bits)),
            Stored::Bool(value) => Value::Bool(value).into(),
        });
    }
    Some(elements)
}

/// An element of a packed tuple, bit for bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stored {
    Null,
    Bool(bool),
    /// From the smallest of i64 to the largest of u64.
    Integer(i128),
    /// As the bits of 64.
    Float(u64),
    String(String),
    /// Not parsed yet.
    Json(String),
}

/// What is wrong with an element, or with their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    Code,
    TooSmall,
    NotUtf8,
    Count,
}

/// Takes the element that `packed` begins with.
pub(crate) fn stored(packed: &mut &[u8]) -> Result<Stored, Fault> {
    Ok(match take(packed, 1)?[0] {
        0x00 => Stored::Null,
        0x01 => Stored::Json(text(packed)?),
        0x02 => Stored::String(text(packed)?),
        code @ 0x0c..=0x1c => Stored::Integer(integer(i32::from(code) - 0x14, packed)?),
        0x20 => {
            let bits = u32::try_from(ordered(take(packed, 4)?, 32)).expect("it has four bytes");
            Stored::Float(f64::from(f32::from_bits(bits)).to_bits())
        }
        0x21 => Stored::Float(ordered(take(packed, 8)?, 64)),
        0x26 => Stored::Bool(false),
        0x27 => Stored::Bool(true),
        _ => return Err(Fault::Code),
    })
}

fn take<'a>(packed: &mut &'a [u8], count: usize) -> Result<&'a [u8], Fault> {
    let (taken, rest) = packed.split_at_checked(count).ok_or(Fault::Cut)?;
    *packed = rest;
    Ok(taken)
}

/// A text that ends with a zero; a zero within it has 0xff behind.
fn text(packed: &mut &[u8]) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    loop {
        let byte = take(packed, 1)?[0];
        if byte == 0 {
            if packed.first() != Some(&0xff) {
                return String::from_utf8(bytes).map_err(|_| Fault::NotUtf8);
            }
            take(packed, 1)?;
        }
        bytes.push(byte);
    }
}

/// `length` is below zero for negative integers, of which the complement is stored.
fn integer(length: i32, packed: &mut &[u8]) -> Result<i128, Fault> {
    let count = usize::try_from(length.unsigned_abs()).expect("eight at most");
    let stored = take(packed, count)?.iter().fold(0_i128, |value, byte| value << 8 | i128::from(*byte));
    let value = if length < 0 { stored - ((1_i128 << (8 * count)) - 1) } else { stored };
    if value < i64::MIN.into() { Err(Fault::TooSmall) } else { Ok(value) }
}

/// The bits of a float that were turned so that they sort.
fn ordered(bytes: &[u8], width: u32) -> u64 {
    let stored = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let sign = 1_u64 << (width - 1);
    if stored & sign != 0 { stored ^ sign } else { !stored & (u64::MAX >> (64 - width)) }
}

fn float(value: f64) -> Element {
    serde_json::Number::from_f64(value).map_or(Element::NotANumber, |number| Element::Json(number.into()))
}

/// Packs values as the runtime does, for seeds.
pub(crate) fn pack(values: &[Value]) -> Vec<u8> {
    values.iter().flat_map(pack_one).collect()
}

fn pack_one(value: &Value) -> Vec<u8> {
    let text = |code: u8, text: &str| [&[code], text.replace('\0', "\0\u{ff}").as_bytes(), &[0]].concat();
    match value {
        Value::Null => vec![0],
        Value::Bool(value) => vec![0x26 + u8::from(*value)],
        Value::Number(number) => {
            let integer = number.as_u64().map(i128::from).or(number.as_i64().map(i128::from));
            if let Some(integer) = integer {
                let length = (16 - integer.unsigned_abs().leading_zeros() / 8).to_be_bytes()[3];
                let code = if integer < 0 { 0x14 - length } else { 0x14 + length };
                let stored = if integer < 0 { integer - 1 } else { integer };
                let bytes = stored.to_be_bytes();
                return [&[code], &bytes[16 - usize::from(length)..]].concat();
            }
            let bits = number.as_f64().expect("the last kind of number").to_bits();
            let bits = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
            [&[0x21][..], &bits.to_be_bytes()].concat()
        }
        Value::String(value) => text(2, value),
        Value::Array(_) | Value::Object(_) => text(1, &value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_packed_is_read_back() {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(255),
            json!(-256),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(-1.5),
            json!(1.25),
            json!("a\u{e9}"),
            json!([1, {"a": null}]),
            json!({}),
        ];
        let read = elements(Fields::Packed(&pack(&values)), values.len()).expect("well formed");
        for (read, value) in read.iter().zip(&values) {
            assert!(matches!(read, Element::Json(read) if read == value), "{read:?} {value}");
        }
    }
}
