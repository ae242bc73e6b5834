//! Any bytes as a packed tuple: the reader gives the elements that a slow reading of the format gives, bit for bit, or
//! the same fault of the same field at the same byte.
//!
//! The input: a byte, the number of fields, then the tuple.

use materialize_kafka::encode::Error;
use materialize_kafka::encode::fuzz::{Element, read_packed};
use serde_json::json;

use crate::Seeds;
use crate::tuple::{Fault, Stored, pack, stored};

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&count, packed)) = data.split_first() else { return };
    let names: Vec<String> = (0..count & 15).map(|field| format!("f{field}")).collect();
    let read = read_packed(packed, &names, |elements| elements.iter().map(told).collect::<Vec<_>>());
    match (read, expected(packed, &names)) {
        (Ok(elements), Ok(expected)) => assert_eq!(elements, expected),
        (Err(error), Err(expected)) => {
            assert_eq!(fault(&error), expected, "{error}");
            assert!(!error.to_string().is_empty());
        }
        (read, expected) => panic!("read {read:?}, expected {expected:?}"),
    }
}

/// What is wrong, the index of the field, and where it stands.
type Wrong = (Fault, usize, usize);

fn expected(packed: &[u8], names: &[String]) -> Result<Vec<Stored>, Wrong> {
    let mut elements = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let at = packed.len() - rest.len();
        if elements.len() == names.len() {
            return Err((Fault::Count, 0, 0));
        }
        elements.push(stored(&mut rest).map_err(|fault| (fault, elements.len(), at))?);
    }
    if elements.len() < names.len() { Err((Fault::Count, 0, 0)) } else { Ok(elements) }
}

fn fault(error: &Error) -> Wrong {
    let index = |field: &str| field[1..].parse().expect("the name of a field");
    match error {
        Error::CutElement { field, offset, .. } => (Fault::Cut, index(field), *offset),
        Error::ElementCode { field, offset, .. } => (Fault::Code, index(field), *offset),
        Error::IntegerOutOfRange { field, offset, .. } => (Fault::TooSmall, index(field), *offset),
        Error::TextNotUtf8 { field, offset, .. } => (Fault::NotUtf8, index(field), *offset),
        Error::TooFewElements { .. } | Error::TooManyElements { .. } => (Fault::Count, 0, 0),
        _ => panic!("a tuple has no such fault: {error}"),
    }
}

fn told(element: &Element<'_>) -> Stored {
    match *element {
        Element::Null => Stored::Null,
        Element::Bool(value) => Stored::Bool(value),
        Element::Unsigned(value) => Stored::Integer(value.into()),
        Element::Negative(value) => {
            assert!(value < 0, "{value} is not below zero");
            Stored::Integer(value.into())
        }
        Element::Float(value) => Stored::Float(value.to_bits()),
        Element::String(text) => Stored::String(text.to_owned()),
        Element::Json(text) => Stored::Json(text.to_owned()),
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let all = [
        json!(null),
        json!(true),
        json!(0),
        json!(255),
        json!(-256),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(-1.5),
        json!("a\0\u{e9} text of more than sixteen bytes"),
        json!({"a": [1]}),
    ];
    let seed = |count: u8, packed: &[u8]| [&[count], packed].concat();
    vec![
        ("all", seed(10, &pack(&all))),
        ("floats", seed(2, b"\x20\xbf\x8c\xcc\xcd\x21\xff\xf8\0\0\0\0\0\0")),
        ("not_the_shortest", seed(4, b"\x16\0\x01\x1c\0\0\0\0\0\0\0\0\x12\xff\xfe\x13\xff")),
        ("too_small", seed(2, b"\x27\x0c\0\0\0\0\0\0\0\0")),
        ("escapes", seed(2, b"\x02\0\xff\0\xff\0\x01a\0\xffb\0")),
        ("code", seed(1, b"\x30")),
    ]
}
