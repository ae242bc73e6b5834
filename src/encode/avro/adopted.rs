//! Values by types that no schema of our own has: those of a registered schema that is somebody else's.
//!
//! A binding's own types are the kinds of a [`Node`]; these stand behind one kind more, so that a document that is written by
//! its own schema pays for none of them. Which branch of a union and which types they are is settled by [`adopt`] and when the
//! plan is compiled.
//!
//! [`adopt`]: crate::schema::adopt

use std::fmt;

use super::binary::{Mend, write_length, write_long};
use super::logical;
use super::mismatch::Mismatch;
use super::node::{Kind, Node};
use super::scalar::{is_null, whole, write_scalar};
use crate::encode::element::Element;
use crate::schema::avro;

/// What to write values as.
#[derive(Debug)]
pub(super) enum Adopted {
    Int,
    Float,
    TimestampMillis,
    Enum(Symbols),
    Branch(Branch),
}

/// A branch of a union, which is not `[X, "null"]`.
#[derive(Debug)]
pub(super) struct Branch {
    /// The branch's number.
    index: usize,
    /// That of null, for values that are null. Of raw JSON none is: its text stands for null too.
    null: Option<usize>,
    node: Node,
}

impl Branch {
    pub fn new(branch: &avro::Branch, node: Node) -> Self {
        let null = branch.null.filter(|_| !matches!(node.kind, Kind::RawJson));
        Self { index: branch.index, null, node }
    }

    /// Writes the branch's number, and gives the type of what has to follow it.
    pub fn enter<S: Mend>(&self, out: &mut S) -> &Node {
        write_length(self.index, out);
        &self.node
    }
}

/// The symbols of an enum.
#[derive(Debug)]
pub(super) struct Symbols {
    in_order: Vec<String>,
    /// Positions in `in_order`, in ascending order of the symbols.
    sorted: Vec<usize>,
}

impl Symbols {
    pub fn new(symbols: &[String]) -> Self {
        let mut sorted: Vec<usize> = (0..symbols.len()).collect();
        sorted.sort_by_key(|i| symbols.get(*i));
        Self { in_order: symbols.to_vec(), sorted }
    }

    fn find(&self, text: &str) -> Option<usize> {
        let symbol = |i: &usize| self.in_order.get(*i).map_or("", String::as_str);
        let place = self.sorted.binary_search_by(|i| symbol(i).cmp(text)).ok()?;
        self.sorted.get(place).copied()
    }
}

/// Writes `scalar`, which is not [`Element::Json`], as `node` has it, if its kind is [`Kind::Adopted`].
#[inline(never)]
pub(super) fn write_adopted<S: Mend>(
    node: &Node,
    scalar: Element<'_>,
    out: &mut S,
) -> Result<(), Box<Mismatch>> {
    let Kind::Adopted(adopted) = &node.kind else { return Err(Mismatch::scalar(node, scalar)) };
    let written = match (&**adopted, scalar) {
        (Adopted::Branch(branch), _) => match branch.null {
            Some(null) if is_null(scalar) => {
                write_length(null, out);
                return Ok(());
            }
            _ => {
                let node = branch.enter(out);
                return write_scalar(node, scalar, out);
            }
        },
        (Adopted::Int, _) => int(scalar).map(|value| write_long(value.into(), out)),
        (Adopted::Float, _) => float(scalar).map(|value| out.put(&value.to_le_bytes())),
        (Adopted::TimestampMillis, Element::String(text)) => {
            // Toward the past, as the digits behind the microseconds.
            logical::micros(text).map(|micros| write_long(micros.div_euclid(1000), out))
        }
        (Adopted::Enum(symbols), Element::String(text)) => {
            symbols.find(text).map(|index| write_length(index, out))
        }
        _ => None,
    };
    written.ok_or_else(|| Mismatch::scalar(node, scalar))
}

/// The integer that a number without a fraction stands for, if an int can hold it.
fn int(scalar: Element<'_>) -> Option<i32> {
    match scalar {
        Element::Unsigned(value) => value.try_into().ok(),
        Element::Negative(value) => value.try_into().ok(),
        Element::Float(value) => whole(value)?.try_into().ok(),
        _ => None,
    }
}

/// The float nearest to a number, or to one in a string, as the clients for Java cast them; none where that is infinite, and the
/// number is not.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a float is what the registered schema asks for; what is too large for one is no float"
)]
fn float(scalar: Element<'_>) -> Option<f32> {
    match scalar {
        Element::Unsigned(value) => Some(value as f32),
        Element::Negative(value) => Some(value as f32),
        Element::Float(value) => Some(value as f32).filter(|float| float.is_finite()),
        Element::String(text) => {
            let value: f64 = text.parse().ok()?;
            Some(value as f32).filter(|float| float.is_finite() || !value.is_finite())
        }
        _ => None,
    }
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int => f.write_str(r#""int""#),
            Self::Float => f.write_str(r#""float""#),
            Self::TimestampMillis => f.write_str(r#"{"type":"long","logicalType":"timestamp-millis"}"#),
            Self::Enum(symbols) => {
                write!(f, r#"{{"type":"enum","symbols":["{}"]}}"#, symbols.in_order.join("\",\""))
            }
            // Of a larger union the branches that matter.
            Self::Branch(Branch { index, null, node }) => match null {
                Some(null) if null < index => write!(f, r#"["null",{node}]"#),
                Some(_) => write!(f, r#"[{node},"null"]"#),
                None => write!(f, "[{node}]"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
