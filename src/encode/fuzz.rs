//! What `fuzz/` looks at of this room and nobody else may see. No part of the crate's interface.

use bumpalo::Bump;

pub use super::element::Element;
use super::error::{Error, Part};
use super::fields::Selection;
use super::tuple;

/// Reads a packed tuple of key fields, one element a name, and gives what `look` says of them.
///
/// # Errors
///
/// The tuple is malformed, or has another number of elements.
pub fn read_packed<T>(
    packed: &[u8],
    names: &[String],
    look: impl FnOnce(&[Element<'_>]) -> T,
) -> Result<T, Error> {
    let arena = Bump::new();
    let mut elements = Vec::new();
    tuple::read_packed(packed, Selection { part: Part::Key, names }, &arena, &mut elements)?;
    Ok(look(&elements))
}
