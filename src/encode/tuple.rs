//! Packed tuples (FoundationDB's tuple encoding, elements concatenated) to elements.

use bumpalo::Bump;

use super::element::{Element, Elements};
use super::error::Error;
use super::fields::Selection;
use super::text::plain_len;

/// Reads `packed`, which must hold one element per selected field.
pub(super) fn read_packed<'a>(
    packed: &'a [u8],
    selection: Selection<'_>,
    arena: &'a Bump,
    out: &mut impl Elements<'a>,
) -> Result<(), Error> {
    let mut at = 0;
    let mut count = 0;
    while let Some(&code) = packed.get(at) {
        if count == selection.names.len() {
            return Err(selection.too_many());
        }
        let next = match read_element(packed, at, code, arena, out) {
            Ok(next) => next,
            Err(fault) => return Err(fault.describe(code, at, count, selection)),
        };
        at = next;
        count += 1;
    }
    selection.complete(count)
}

/// Why an element cannot be read.
enum Fault {
    Cut,
    Code,
    TooSmall,
    NotUtf8,
}

impl Fault {
    #[cold]
    fn describe(self, code: u8, offset: usize, index: usize, selection: Selection<'_>) -> Error {
        let (part, field) = (selection.part, selection.field(index));
        match self {
            Self::Cut => Error::CutElement { part, field, offset },
            Self::Code => Error::ElementCode { part, field, code, offset },
            Self::TooSmall => Error::IntegerOutOfRange { part, field, offset },
            Self::NotUtf8 => Error::TextNotUtf8 { part, field, offset },
        }
    }
}

/// Appends the element at `at`, whose type code is `code`, and gives the offset behind it.
#[inline]
fn read_element<'a>(
    packed: &'a [u8],
    at: usize,
    code: u8,
    arena: &'a Bump,
    out: &mut impl Elements<'a>,
) -> Result<usize, Fault> {
    let body = at + 1;
    let rest = packed.get(body..).unwrap_or_default();
    match code {
        NULL => {
            out.push(Element::Null);
            Ok(body)
        }
        STRING => {
            let len = plain_len(rest);
            if let Some((&0, behind)) = rest.get(len..).and_then(<[u8]>::split_first)
                && behind.first() != Some(&ESCAPE)
            {
                out.push_plain(rest.get(..len).unwrap_or_default());
                return Ok(body + len + 1);
            }
            let (text, len) = read_text(rest, len, arena)?;
            out.push(Element::String(text));
            Ok(body + len)
        }
        BYTES => {
            let (text, len) = read_text(rest, 0, arena)?;
            out.push(Element::Json(text));
            Ok(body + len)
        }
        INTEGER_MIN..=INTEGER_MAX => {
            let len = usize::from(code.abs_diff(INTEGER_ZERO));
            let magnitude = read_unsigned(rest, len).ok_or(Fault::Cut)?;
            if code >= INTEGER_ZERO {
                out.push(Element::Unsigned(magnitude));
            } else {
                // What is stored is the value less one, in two's complement of the same length.
                let magnitude = (u64::MAX >> (64 - 8 * len)) - magnitude;
                out.push(match 0i64.checked_sub_unsigned(magnitude) {
                    Some(0) => Element::Unsigned(0),
                    Some(value) => Element::Negative(value),
                    None => return Err(Fault::TooSmall),
                });
            }
            Ok(body + len)
        }
        DOUBLE => {
            let bits = u64::from_be_bytes(*rest.first_chunk().ok_or(Fault::Cut)?);
            // Positive numbers have their sign flipped, negative ones all of their bits.
            let bits = if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits };
            out.push(Element::Float(f64::from_bits(bits)));
            Ok(body + 8)
        }
        FLOAT => {
            let bits = u32::from_be_bytes(*rest.first_chunk().ok_or(Fault::Cut)?);
            let bits = if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits };
            out.push(Element::Float(f64::from(f32::from_bits(bits))));
            Ok(body + 4)
        }
        FALSE | TRUE => {
            out.push(Element::Bool(code == TRUE));
            Ok(body)
        }
        _ => Err(Fault::Code),
    }
}

/// The first `len` bytes (at most 8) of `bytes`, big-endian.
#[inline]
fn read_unsigned(bytes: &[u8], len: usize) -> Option<u64> {
    if let Some(word) = bytes.first_chunk::<8>() {
        // One load, wherever there is more of the tuple behind; a shift by 64 for no bytes is two of 32.
        let shift = 32 - 4 * len;
        return Some((u64::from_be_bytes(*word) >> shift) >> shift);
    }
    Some(bytes.get(..len)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// The text at the start of `bytes`, up to a 0 that is not followed by 0xff, unescaped; and the length
/// of what was read. The first `passed` bytes are known to hold no 0.
fn read_text<'a>(bytes: &'a [u8], passed: usize, arena: &'a Bump) -> Result<(&'a str, usize), Fault> {
    let mut escapes = 0;
    let mut at = passed;
    let end = loop {
        at += memchr::memchr(0, bytes.get(at..).unwrap_or_default()).ok_or(Fault::Cut)?;
        if bytes.get(at + 1) != Some(&ESCAPE) {
            break at;
        }
        escapes += 1;
        at += 2;
    };
    let mut text = bytes.get(..end).unwrap_or_default();
    if escapes > 0 {
        let mut unescaped = bumpalo::collections::Vec::with_capacity_in(text.len() - escapes, arena);
        while let Some(zero) = memchr::memchr(0, text) {
            let (run, escaped) = text.split_at(zero + 1);
            unescaped.extend_from_slice_copy(run);
            text = escaped.get(1..).unwrap_or_default();
        }
        unescaped.extend_from_slice_copy(text);
        text = unescaped.into_bump_slice();
    }
    let text = simdutf8::basic::from_utf8(text).map_err(|_| Fault::NotUtf8)?;
    Ok((text, end + 1))
}

const NULL: u8 = 0x00;
const BYTES: u8 = 0x01;
const STRING: u8 = 0x02;
const INTEGER_MIN: u8 = 0x0c;
const INTEGER_ZERO: u8 = 0x14;
const INTEGER_MAX: u8 = 0x1c;
const FLOAT: u8 = 0x20;
const DOUBLE: u8 = 0x21;
const FALSE: u8 = 0x26;
const TRUE: u8 = 0x27;
/// Follows a 0 within a text, where a 0 alone ends it.
const ESCAPE: u8 = 0xff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::error::Part;
    use super::super::fixtures::{pack, unhex};
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|i| format!("f{i}")).collect()
    }

    fn read<'a>(packed: &'a [u8], count: usize, arena: &'a Bump) -> Result<Vec<Element<'a>>, Error> {
        let names = names(count);
        let mut out = Vec::new();
        read_packed(packed, Selection { part: Part::Values, names: &names }, arena, &mut out).map(|()| out)
    }

    #[test]
    fn the_table_of_packed_values() {
        for (packed, element) in [
            ("00", Element::Null),
            ("26", Element::Bool(false)),
            ("27", Element::Bool(true)),
            ("14", Element::Unsigned(0)),
            ("1501", Element::Unsigned(1)),
            ("15ff", Element::Unsigned(255)),
            ("160100", Element::Unsigned(256)),
            ("13fe", Element::Negative(-1)),
            ("1300", Element::Negative(-255)),
            ("12feff", Element::Negative(-256)),
            ("0c7fffffffffffffff", Element::Negative(i64::MIN)),
            ("1c7fffffffffffffff", Element::Unsigned(i64::MAX.unsigned_abs())),
            ("1cffffffffffffffff", Element::Unsigned(u64::MAX)),
            ("21bff4cccccccccccd", Element::Float(1.3)),
            ("214007ffffffffffff", Element::Float(-1.5)),
            ("21bff0000000000000", Element::Float(1.0)),
            ("02666f6f00", Element::String("foo")),
            ("0200", Element::String("")),
            ("026100ff6200", Element::String("a\0b")),
            ("0200ff00ff00", Element::String("\0\0")),
            ("015b22666f6f225d00", Element::Json("[\"foo\"]")),
            ("02c3a900", Element::String("é")),
            ("02225c0a00", Element::String("\"\\\n")),
            // Not the shortest form.
            ("160001", Element::Unsigned(1)),
            ("1c0000000000000000", Element::Unsigned(0)),
            ("12fffe", Element::Negative(-1)),
            ("13ff", Element::Unsigned(0)),
            // 1.1 with 32 bits.
            ("20bf8ccccd", Element::Float(1.100_000_023_841_858)),
            ("20407fffff", Element::Float(-1.0)),
        ] {
            let bytes = unhex(packed);
            let arena = Bump::new();
            assert_eq!(read(&bytes, 1, &arena), Ok(vec![element]), "{packed}");
            // And with more behind, where whole words can be loaded.
            let longer = [bytes.clone(), vec![0x14; 9]].concat();
            let elements = read(&longer, 10, &arena).expect("ten elements");
            assert_eq!(elements[0], element, "{packed}");
            // Every cut is noticed, but for one between an escaped 0 and its escape: it makes a whole string.
            for cut in (1..bytes.len()).filter(|&cut| !(bytes[0] <= 2 && bytes[cut..].starts_with(&[0xff]))) {
                assert!(
                    matches!(
                        read(&bytes[..cut], 1, &arena),
                        Err(Error::CutElement { offset: 0, ref field, .. }) if field == "f0"
                    ),
                    "{packed} cut to {cut}"
                );
            }
        }
    }

    #[test]
    fn floats_that_are_no_numbers_pass() {
        let arena = Bump::new();
        let packed = unhex("21fff800000000000021fff0000000000000");
        let elements = read(&packed, 2, &arena).expect("both are floats");
        assert!(matches!(elements[..], [Element::Float(nan), Element::Float(f64::INFINITY)] if nan.is_nan()));
    }

    #[test]
    fn what_cannot_be_read_names_field_and_offset() {
        let arena = Bump::new();
        let (part, field) = (Part::Values, "f1".to_owned());
        for code in
            (0..=u8::MAX).filter(|code| !matches!(code, 0..=2 | 0x0c..=0x1c | 0x20 | 0x21 | 0x26 | 0x27))
        {
            assert_eq!(
                read(&[0x15, 7, code, 0, 0], 3, &arena),
                Err(Error::ElementCode { part, field: field.clone(), code, offset: 2 })
            );
        }
        for packed in ["270c7ffffffffffffffe", "270c0000000000000000"] {
            assert_eq!(
                read(&unhex(packed), 2, &arena),
                Err(Error::IntegerOutOfRange { part, field: field.clone(), offset: 1 })
            );
        }
        for packed in ["2702ff00", "270261c300", "2701c300"] {
            assert_eq!(
                read(&unhex(packed), 2, &arena),
                Err(Error::TextNotUtf8 { part, field: field.clone(), offset: 1 })
            );
        }
        assert_eq!(
            read(&unhex("2714"), 1, &arena),
            Err(Error::TooManyElements { part, expected: vec!["f0".into()] })
        );
        assert_eq!(
            read(&unhex("27"), 2, &arena),
            Err(Error::TooFewElements { part, expected: names(2), found: 1 })
        );
    }

    proptest! {
        #[test]
        fn packed_values_are_read_back(values in prop::collection::vec(
            prop_oneof![
                Just(serde_json::Value::Null),
                any::<bool>().prop_map(Into::into),
                any::<u64>().prop_flat_map(|v| (0u32..64).prop_map(move |s: u32| serde_json::Value::from(v >> s))),
                any::<i64>().prop_flat_map(|v| (0u32..63).prop_map(move |s: u32| serde_json::Value::from(v >> s))),
                any::<f64>().prop_filter("JSON", |v| v.is_finite()).prop_map(Into::into),
                "[ -~]{0,90}".prop_map(Into::into),
                "[\0-\u{3}a\"é]{0,20}".prop_map(Into::into),
            ], 0..6))
        {
            let arena = Bump::new();
            let packed: Vec<u8> = values.iter().flat_map(pack).collect();
            let elements = read(&packed, values.len(), &arena).expect("what was packed");
            for (element, value) in elements.iter().zip(&values) {
                let back: serde_json::Value = match *element {
                    Element::Null => serde_json::Value::Null,
                    Element::Bool(v) => v.into(),
                    Element::Unsigned(v) => v.into(),
                    Element::Negative(v) => v.into(),
                    Element::Float(v) => v.into(),
                    Element::String(v) => v.into(),
                    Element::Json(v) => unreachable!("{v}"),
                };
                prop_assert_eq!(&back, value);
            }
        }

        #[test]
        fn no_bytes_are_a_panic(packed in prop::collection::vec(any::<u8>(), 0..40), count in 0usize..5) {
            let arena = Bump::new();
            let _ = read(&packed, count, &arena);
        }
    }
}
