//! Stand-in.
use bumpalo::{Bump, collections::Vec};

use super::{Error, Fields, element::Element};

pub(super) fn read_fields<'a>(
    fields: Fields<'a>,
    arena: &'a Bump,
    names: &[String],
    out: &mut Vec<'a, Element<'a>>,
) -> Result<(), Error> {
    let before = out.len();
    let bad = |what: &str| Error::StandIn(what.to_owned());
    match fields {
        Fields::Json(text) => {
            let raw: std::vec::Vec<&serde_json::value::RawValue> =
                serde_json::from_slice(text).map_err(|error| bad(&error.to_string()))?;
            for raw in raw {
                let value: serde_json::Value =
                    serde_json::from_str(raw.get()).map_err(|error| bad(&error.to_string()))?;
                out.push(match value {
                    serde_json::Value::Null => Element::Null,
                    serde_json::Value::Bool(b) => Element::Bool(b),
                    serde_json::Value::Number(n) => match (n.as_u64(), n.as_i64()) {
                        (Some(n), _) => Element::Unsigned(n),
                        (_, Some(n)) => Element::Negative(n),
                        _ => Element::Float(raw.get().parse().unwrap_or_default()),
                    },
                    serde_json::Value::String(s) => Element::String(arena.alloc_str(&s)),
                    _ => Element::Json(raw.get()),
                });
            }
        }
        Fields::Packed(mut bytes) => {
            while let Some((&code, rest)) = bytes.split_first() {
                let (element, rest) = match code {
                    0 => (Element::Null, rest),
                    0x26 | 0x27 => (Element::Bool(code == 0x27), rest),
                    1 | 2 => {
                        let end = memchr::memchr(0, rest).ok_or_else(|| bad("cut"))?;
                        let text = std::str::from_utf8(&rest[..end]).map_err(|_| bad("utf-8"))?;
                        let element = if code == 1 { Element::Json(text) } else { Element::String(text) };
                        (element, &rest[end + 1..])
                    }
                    0x14..=0x1c => {
                        let (number, rest) = rest.split_at(usize::from(code - 0x14));
                        let value = number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                        (Element::Unsigned(value), rest)
                    }
                    0x21 => {
                        let (number, rest) = rest.split_first_chunk::<8>().ok_or_else(|| bad("cut"))?;
                        let bits = u64::from_be_bytes(*number);
                        let bits = if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits };
                        (Element::Float(f64::from_bits(bits)), rest)
                    }
                    _ => return Err(bad("code")),
                };
                out.push(element);
                bytes = rest;
            }
        }
    }
    if out.len() - before == names.len() { Ok(()) } else { Err(bad("count")) }
}
