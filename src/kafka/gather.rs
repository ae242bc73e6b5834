//! Small values of a batch, put together by partition.
//!
//! Stores of many partitions come mixed. librdkafka's threads read the values of one partition at a time, long after
//! they were written and by way of another core's cache: where each lies alone, each is waited for. So a small
//! value is copied once more while it is still in this core's cache, to stand right behind the one before it of its
//! partition. For 128 bytes that takes a fifth off the CPU of the whole process (`benches/README.md`, "What was tried").
//!
//! ```text
//! open chunk  |a1|b1|a2|c1|b2|a3|...     as written; used again at once if nothing of it is lent
//! page        |a1|a2|a3|b1|b2|c1|...     as lent; one of the ledger's chunks, until all its reports have come
//! ```

use super::ledger::AckTracker;

/// Copies values to pages, and counts where they were copied from.
#[derive(Default)]
pub(super) struct Gathering {
    page: Option<Page>,
    /// Chunks that values of this batch were copied from, and how many of each.
    copied: Vec<(u32, u32)>,
}

/// A chunk of the ledger's that is being filled.
pub(super) struct Page {
    pub(super) chunk: u32,
    pub(super) memory: Vec<u8>,
    /// Messages of which the values are here.
    pub(super) messages: u64,
}

impl Gathering {
    /// Copies a value that was written to the chunk `from`. Gives where it is now and in which chunk, or none where
    /// there is no room for a page: then it must be lent where it lies.
    #[inline]
    pub(super) fn copy(&mut self, value: &[u8], from: u32, ledger: &AckTracker) -> Option<(*const u8, u32)> {
        if self.page.as_ref().is_none_or(|page| page.memory.capacity() - page.memory.len() < value.len()) {
            self.turn(ledger);
        }
        let page = self.page.as_mut()?;
        if page.memory.capacity() - page.memory.len() < value.len() {
            return None;
        }
        match self.copied.iter_mut().find(|(chunk, _)| *chunk == from) {
            Some((_, count)) => *count += 1,
            None => self.copied.push((from, 1)),
        }
        page.messages += 1;
        let start = page.memory.len();
        // Within the capacity, so that the values before it stay where they are.
        page.memory.extend_from_slice(value);
        Some((page.memory[start..].as_ptr(), page.chunk))
    }

    /// Ends a batch: the chunks that values were copied from are no longer needed for these. Gives how many of them
    /// were of the chunk that is open, of which the ledger does not know yet.
    pub(super) fn settle(&mut self, open: u32, ledger: &AckTracker) -> u64 {
        let mut of_open = 0;
        if self.copied.iter().all(|(chunk, _)| *chunk == open) {
            of_open = self.copied.iter().map(|(_, count)| u64::from(*count)).sum();
        } else {
            ledger.update(|state| {
                for &(chunk, count) in &self.copied {
                    if chunk == open {
                        of_open += u64::from(count);
                    } else {
                        state.chunks.reported(chunk, i64::from(count));
                    }
                }
            });
        }
        self.copied.clear();
        of_open
    }

    /// The page, which is to be sealed.
    pub(super) fn take_page(&mut self) -> Option<Page> {
        self.page.take()
    }

    /// Takes another page, if there is room for one.
    #[cold]
    fn turn(&mut self, ledger: &AckTracker) {
        let full = self.page.take();
        self.page = ledger.update(|state| {
            if let Some(Page { chunk, memory, messages }) = full {
                state.chunks.seal(chunk, memory, messages);
            }
            state.chunks.take().map(|(chunk, memory)| Page { chunk, memory, messages: 0 })
        });
    }
}
