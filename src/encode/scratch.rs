//! What encoding a document needs for a moment, used again for the next one: in steady state nothing is
//! allocated.

use bumpalo::Bump;

use super::avro::Memory;
use super::json::Slot;
use super::nested::Nested;

/// Memory that the plans of any number of bindings share, one document at a time.
#[derive(Default)]
pub struct Scratch {
    /// Unescaped strings of the current document.
    pub(super) arena: Bump,
    /// Between documents, the empty allocation of the elements that plans read.
    pub(super) slots: Vec<Slot<'static>>,
    pub(super) nested: Nested,
    /// Of walks along Avro types.
    pub(super) avro: Memory,
    /// What chooses the current document's partition, where that is not its key.
    pub(super) partition: Vec<u8>,
}

impl Scratch {
    /// Empties the arena for the next document. What an unusually large one took is given back, so that it
    /// does not stay for the life of the process.
    #[inline]
    pub(super) fn begin(&mut self) {
        if self.arena.allocated_bytes() > KEPT_BYTES {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
        self.nested.trim();
        self.avro.trim();
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Bytes of the arena that are kept from one document to the next.
const KEPT_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "long input: minutes in Miri")]
    fn the_arena_keeps_little() {
        let mut scratch = Scratch::default();
        scratch.arena.alloc_slice_fill_copy(1 << 20, 0u8);
        scratch.begin();
        assert!(scratch.arena.allocated_bytes() >= 1 << 20);
        scratch.arena.alloc_slice_fill_copy(8 << 20, 0u8);
        scratch.begin();
        assert!(scratch.arena.allocated_bytes() < 1 << 20);
    }
}
