//! The obvious reader of packed tuples, for the obvious ways to encode.

use serde_json::Value;

use super::documents::{Packed, Scenario};

/// One element.
pub enum Element<'a> {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(u64),
    /// A double.
    Double(f64),
    /// A text.
    Text(&'a str),
    /// An array or an object, as JSON text.
    Json(&'a [u8]),
}

impl Element<'_> {
    /// As a value of its own.
    pub fn to_value(&self) -> Value {
        match *self {
            Self::Bool(value) => value.into(),
            Self::Integer(value) => value.into(),
            Self::Double(value) => value.into(),
            Self::Text(text) => text.into(),
            Self::Json(text) => serde_json::from_slice(text).expect("nested JSON"),
        }
    }
}

/// All elements of a Store's fields, keys before values.
pub fn elements<'a>(scenario: &Scenario, key: &'a [u8], values: &'a [u8]) -> Vec<Element<'a>> {
    let mut elements = Vec::with_capacity(scenario.keys.len() + scenario.values.len());
    for mut packed in [key, values] {
        while !packed.is_empty() {
            let (element, rest) = unpack(packed);
            elements.push(element);
            packed = rest;
        }
    }
    elements
}

/// The two tuples of a Store as texts of JSON arrays.
pub fn json(store: &Packed) -> [Vec<u8>; 2] {
    [&store.key, &store.values].map(|packed| {
        let mut packed = &packed[..];
        let mut array = Vec::new();
        while !packed.is_empty() {
            let (element, rest) = unpack(packed);
            array.push(element.to_value());
            packed = rest;
        }
        serde_json::to_vec(&array).expect("values can be written")
    })
}

fn unpack(packed: &[u8]) -> (Element<'_>, &[u8]) {
    let (code, rest) = (packed[0], &packed[1..]);
    let text = || rest.split_at(memchr::memchr(0, rest).expect("texts end"));
    match code {
        1 => {
            let (text, rest) = text();
            (Element::Json(text), &rest[1..])
        }
        2 => {
            let (text, rest) = text();
            (Element::Text(std::str::from_utf8(text).expect("UTF-8")), &rest[1..])
        }
        0x14..=0x1c => {
            let (bytes, rest) = rest.split_at(usize::from(code - 0x14));
            (Element::Integer(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))), rest)
        }
        0x21 => {
            let bits = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
            let bits = if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits };
            (Element::Double(f64::from_bits(bits)), &rest[8..])
        }
        code => (Element::Bool(code == 0x27), rest),
    }
}
