//! A side of a Store, in whichever form it came, to elements: one per selected field, in order.

use bumpalo::Bump;

use super::Fields;
use super::element::Elements;
use super::error::{Error, Part};
use super::json_fields::read_array;
use super::tuple::read_packed;

/// The fields that are expected of one side of a Store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selection<'p> {
    /// Which side.
    pub(super) part: Part,
    /// Names of its fields, in tuple order.
    pub(super) names: &'p [String],
}

impl Selection<'_> {
    /// Name of the field at `index`, for an error.
    pub(super) fn field(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }

    #[cold]
    pub(super) fn too_many(&self) -> Error {
        Error::TooManyElements { part: self.part, expected: self.names.to_vec() }
    }

    /// Checks the number of elements that came, which is not above the number of names.
    pub(super) fn complete(&self, found: usize) -> Result<(), Error> {
        if found == self.names.len() {
            return Ok(());
        }
        let expected = self.names.to_vec();
        Err(Error::TooFewElements { part: self.part, expected, found })
    }
}

/// Appends exactly one element per name of `selection` to `out`. What cannot be borrowed from `fields`
/// goes into `arena`. JSON texts within are not checked yet.
pub(super) fn read_fields<'a>(
    fields: Fields<'a>,
    selection: Selection<'_>,
    arena: &'a Bump,
    out: &mut impl Elements<'a>,
) -> Result<(), Error> {
    match fields {
        Fields::Packed([]) | Fields::Json([]) => match selection {
            Selection { names: [], .. } => Ok(()),
            Selection { part: Part::Values, names } => Err(Error::ValuesMissing { expected: names.to_vec() }),
            Selection { part: Part::Key, .. } => selection.complete(0),
        },
        Fields::Packed(packed) => read_packed(packed, selection, arena, out),
        Fields::Json(text) => read_array(text, selection, arena, out),
    }
}
