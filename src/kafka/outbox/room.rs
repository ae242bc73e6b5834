//! The memory that values are written to: which chunk is open, and how large it has become.

use super::{NONE, Outbox};
use crate::encode::Buffer;
use crate::kafka::error::Error;

impl Outbox {
    /// Takes another chunk, when there is room for one.
    #[cold]
    pub(super) fn next_chunk(&mut self) -> Result<(), Error> {
        if self.chunk_messages == 0 && !self.over {
            // Nobody reads this chunk yet, and what it has room for is what a chunk has room for.
            self.expected = 0;
            return Ok(());
        }
        if !self.buffer.message().is_empty() {
            // The message that is being written would have to move: it may grow where it is.
            return Ok(());
        }
        if self.small_bytes > 0 && !self.has_few_of_each() {
            self.hand_over()?;
            if self.buffer.is_empty() && !self.over {
                return Ok(());
            }
        }
        let memory = std::mem::take(&mut self.buffer).into_vec();
        // None is open meanwhile.
        let chunk = std::mem::replace(&mut self.chunk, NONE);
        let messages = std::mem::take(&mut self.chunk_messages);
        let taken = self.ledger.update(|state| {
            state.chunks.seal(chunk, memory, messages);
            state.chunks.take()
        });
        let (chunk, memory) = match taken {
            Some(taken) => taken,
            None => {
                // What holds the memory may be this batch itself.
                let handed_over = self.hand_over();
                let taken = handed_over.and_then(|()| self.wait(|state| state.chunks.take()));
                match taken {
                    Ok(taken) => taken,
                    Err(error) => {
                        // Keep to the rule that there is always an open chunk.
                        self.chunk = self.ledger.update(|state| state.chunks.adopt(0));
                        self.chunk_capacity = 0;
                        return Err(error);
                    }
                }
            }
        };
        self.chunk = chunk;
        self.chunk_capacity = memory.capacity();
        self.buffer = Buffer::from_vec(memory);
        self.over = false;
        Ok(())
    }

    /// Brings the ledger up to date when the buffer has moved to another allocation.
    #[inline]
    pub(super) fn settle_growth(&mut self) {
        if self.buffer.capacity() != self.chunk_capacity {
            self.note_growth();
        }
        // An allocation of the same size is another one all the same.
        if let Some(memory) = self.buffer.take_outgrown() {
            self.note_outgrown(memory);
        }
    }

    #[cold]
    fn note_growth(&mut self) {
        let capacity = self.buffer.capacity();
        if let Some(memory) = self.buffer.take_outgrown() {
            self.note_outgrown(memory);
            return;
        }
        let chunk = self.chunk;
        self.over = self.ledger.update(|state| {
            state.chunks.resize(chunk, capacity);
            state.chunks.is_over()
        });
        self.chunk_capacity = capacity;
    }

    #[cold]
    fn note_outgrown(&mut self, memory: Vec<u8>) {
        let capacity = self.buffer.capacity();
        let (chunk, messages) = (self.chunk, std::mem::take(&mut self.chunk_messages));
        (self.chunk, self.over) = self.ledger.update(|state| {
            state.chunks.seal(chunk, memory, messages);
            (state.chunks.adopt(capacity), state.chunks.is_over())
        });
        self.chunk_capacity = capacity;
    }
}
