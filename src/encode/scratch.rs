//! Memory that is reused from document to document.

use bumpalo::Bump;

use super::nested::Nested;

/// Reused memory of the encoders.
#[derive(Default)]
pub struct Scratch {
    pub(super) arena: Bump,
    pub(super) nested: Nested,
    pub(super) slots: Vec<usize>,
}
