//! Single values by their Avro type: the rows of the reference's table, but for arrays and objects.

use std::fmt::{self, Write as _};

use super::adopted::write_adopted;
use super::binary::{Mend, write_double, write_length, write_long, write_measured, write_text};
use super::logical;
use super::mismatch::{Mismatch, What};
use super::node::{Kind, Node};
use crate::encode::element::Element;
use crate::encode::number::{write_float, write_integer};
use crate::encode::text::write_string;

/// Writes `scalar`, which is not [`Element::Json`], as `node` has it.
#[inline]
pub(super) fn write_scalar<S: Mend>(
    node: &Node,
    scalar: Element<'_>,
    out: &mut S,
) -> Result<(), Box<Mismatch>> {
    if node.nullable {
        // JSON text stands for every value, null too.
        if is_null(scalar) && !matches!(node.kind, Kind::RawJson) {
            out.push(NULL_BRANCH);
            return Ok(());
        }
        out.push(TYPE_BRANCH);
    }
    match (&node.kind, scalar) {
        (Kind::Boolean, Element::Bool(value)) => out.push(u8::from(value)),
        (Kind::Long, Element::Unsigned(value)) => match i64::try_from(value) {
            Ok(value) => write_long(value, out),
            Err(_) => return Err(Mismatch::scalar(node, scalar)),
        },
        (Kind::Long, Element::Negative(value)) => write_long(value, out),
        (Kind::Long, Element::Float(value)) => match whole(value) {
            Some(value) => write_long(value, out),
            None => return Err(Mismatch::scalar(node, scalar)),
        },
        (Kind::Double, Element::Float(value)) if value.is_finite() => write_double(value, out),
        (Kind::Double, Element::Unsigned(value)) => write_double(nearest_of_unsigned(value), out),
        (Kind::Double, Element::Negative(value)) => write_double(nearest_of_signed(value), out),
        (Kind::Double, Element::String(text)) => match text.parse() {
            Ok(value) => write_double(value, out),
            Err(_) => return Err(Mismatch::new(What::float_text(text))),
        },
        (Kind::String | Kind::Uuid, Element::String(text)) => write_text(text, out),
        (Kind::String, Element::Unsigned(value)) => {
            write_text(itoa::Buffer::new().format(value), out);
        }
        (Kind::String, Element::Negative(value)) => {
            write_text(itoa::Buffer::new().format(value), out);
        }
        (Kind::String, Element::Float(value)) if value.is_finite() && value.fract() == 0.0 => {
            let mut digits = Digits::default();
            // A finite float has at most 309 digits before the point and there is room for them.
            let _ = write!(digits, "{value}");
            let digits = digits.written();
            write_length(digits.len(), out);
            out.put(digits);
        }
        (Kind::Date, Element::String(text)) => match logical::days(text) {
            Some(days) => write_long(i64::from(days), out),
            None => return Err(Mismatch::scalar(node, scalar)),
        },
        (Kind::TimestampMicros, Element::String(text)) => match logical::micros(text) {
            Some(micros) => write_long(micros, out),
            None => return Err(Mismatch::scalar(node, scalar)),
        },
        (Kind::Duration, Element::String(text)) => match logical::duration(text) {
            Some(bytes) => out.put(&bytes),
            None => return Err(Mismatch::scalar(node, scalar)),
        },
        (Kind::RawJson, _) => write_raw_scalar(scalar, out),
        (Kind::Constant(constant), _) => out.put(&constant.0),
        _ => return write_adopted(node, scalar, out),
    }
    Ok(())
}

/// Writes the branch number that a value other than null needs before it.
#[inline]
pub(super) fn write_branch<S: Mend>(node: &Node, out: &mut S) {
    if node.nullable {
        out.push(TYPE_BRANCH);
    }
}

/// Branch numbers of `[X, "null"]`, as varints.
const TYPE_BRANCH: u8 = 0;
const NULL_BRANCH: u8 = 2;

/// Whether a value is null in JSON.
pub(super) fn is_null(scalar: Element<'_>) -> bool {
    match scalar {
        Element::Null => true,
        Element::Float(value) => !value.is_finite(),
        _ => false,
    }
}

fn write_raw_scalar<S: Mend>(scalar: Element<'_>, out: &mut S) {
    match scalar {
        Element::Null => write_text("null", out),
        Element::Bool(true) => write_text("true", out),
        Element::Bool(false) => write_text("false", out),
        // No number takes more than 63 bytes, so one byte for the length is enough.
        Element::Unsigned(value) => measured(0, out, |out| write_integer(value, out)),
        Element::Negative(value) => measured(0, out, |out| write_integer(value, out)),
        Element::Float(value) => measured(0, out, |out| write_float(value, out)),
        Element::String(text) | Element::Json(text) => {
            measured(text.len() + 2, out, |out| write_string(text, out));
        }
    }
}

fn measured<S: Mend>(least: usize, out: &mut S, write: impl FnOnce(&mut S)) {
    let Ok(()) = write_measured(least, out, |out| -> Result<(), std::convert::Infallible> {
        write(out);
        Ok(())
    });
}

/// The integer that a float without a fraction stands for, if a long can hold it.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked: its upper end is 2^63, exactly")]
pub(super) fn whole(value: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    (value.fract() == 0.0 && (-END..END).contains(&value)).then_some(value as i64)
}

#[expect(clippy::cast_precision_loss, reason = "a double takes any number, rounded to the nearest")]
fn nearest_of_unsigned(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a double takes any number, rounded to the nearest")]
fn nearest_of_signed(value: i64) -> f64 {
    value as f64
}

/// Room for the digits of any whole float, on the stack.
struct Digits {
    bytes: [u8; 320],
    len: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Self { bytes: [0; 320], len: 0 }
    }
}

impl Digits {
    fn written(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
