//! The memory that is lent to librdkafka: chunks of finished values, each kept until the delivery reports of all
//! its messages have come.
//!
//! The open chunk is with the writer; every other one is here. A chunk's count of messages due goes below zero
//! while it is open (reports come before the writer says how many there are), and is settled when it is sealed.

/// Chunks in use, and free ones to be used again.
#[derive(Debug)]
pub(super) struct Chunks {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    free: Vec<Vec<u8>>,
    /// Bytes of one ordinary chunk.
    size: usize,
    /// Bytes of chunks in use and of copies, above which no further one is taken.
    limit: usize,
    held: usize,
    /// Bytes of which librdkafka has copies, of messages without a delivery report: keys, and headers.
    copies: usize,
}

/// A chunk in use.
#[derive(Debug)]
struct Slot {
    /// The memory, once sealed.
    memory: Option<Vec<u8>>,
    capacity: usize,
    /// Messages handed in minus delivery reports.
    due: i64,
}

impl Chunks {
    pub(super) fn new(size: usize, limit: usize) -> Self {
        Self { slots: Vec::new(), vacant: Vec::new(), free: Vec::new(), size, limit, held: 0, copies: 0 }
    }

    /// A chunk to write to, if there is room for one; one chunk passes always.
    pub(super) fn take(&mut self) -> Option<(u32, Vec<u8>)> {
        let used = self.held + self.copies;
        if used > 0 && used + self.size > self.limit {
            return None;
        }
        let memory = self.free.pop().unwrap_or_else(|| Vec::with_capacity(self.size));
        Some((self.adopt(memory.capacity()), memory))
    }

    /// Takes note of an open chunk that the writer has allocated itself.
    pub(super) fn adopt(&mut self, capacity: usize) -> u32 {
        self.held += capacity;
        let slot = Slot { memory: None, capacity, due: 0 };
        if let Some(place) = self.vacant.pop() {
            self.slots[place as usize] = slot;
            return place;
        }
        self.slots.push(slot);
        u32::try_from(self.slots.len() - 1).expect("chunks in flight are bounded by memory")
    }

    /// Takes note that the open chunk has moved to another allocation.
    pub(super) fn resize(&mut self, place: u32, capacity: usize) {
        let slot = &mut self.slots[place as usize];
        self.held = self.held - slot.capacity + capacity;
        slot.capacity = capacity;
    }

    /// The chunk is full: `messages` of its messages go to librdkafka, or are there already.
    pub(super) fn seal(&mut self, place: u32, memory: Vec<u8>, messages: u64) {
        let slot = &mut self.slots[place as usize];
        slot.memory = Some(memory);
        slot.due += i64::try_from(messages).expect("a chunk has fewer messages than bytes");
        if slot.due == 0 {
            self.release(place);
        }
    }

    /// `messages` delivery reports of the chunk have come.
    pub(super) fn reported(&mut self, place: u32, messages: i64) {
        let slot = &mut self.slots[place as usize];
        slot.due -= messages;
        if slot.due == 0 && slot.memory.is_some() {
            self.release(place);
        }
    }

    /// So many bytes are about to be copied.
    pub(super) fn copied(&mut self, bytes: usize) {
        self.copies += bytes;
    }

    /// Copies of so many bytes are gone.
    pub(super) fn uncopied(&mut self, bytes: usize) {
        self.copies = self.copies.saturating_sub(bytes);
    }

    /// Whether there is room for copies of so many bytes more.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.held + self.copies + bytes <= self.limit
    }

    /// Bytes of chunks in use.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether there is room for another chunk.
    pub(super) fn is_over(&self) -> bool {
        self.held > self.limit
    }

    /// Chunks in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    fn release(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        self.held -= slot.capacity;
        self.vacant.push(place);
        let Some(mut memory) = slot.memory.take() else { return };
        let kept = self.free.len() * self.size;
        if memory.capacity() == self.size && self.held + kept + self.size <= self.limit {
            memory.clear();
            self.free.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_when_sealed_and_reported_in_either_order() {
        let mut chunks = Chunks::new(100, 300);
        let (a, memory_a) = chunks.take().unwrap();
        let (b, memory_b) = chunks.take().unwrap();
        chunks.reported(a, 2);
        chunks.seal(a, memory_a, 5);
        assert_eq!((chunks.in_use(), chunks.held()), (2, 200));
        chunks.reported(a, 3);
        assert_eq!((chunks.in_use(), chunks.held()), (1, 100));
        chunks.reported(b, 4);
        assert_eq!(chunks.in_use(), 1, "an open chunk stays, though all that is known of it was reported");
        chunks.seal(b, memory_b, 4);
        assert_eq!((chunks.in_use(), chunks.held()), (0, 0));
        assert_eq!(chunks.free.len(), 2);
    }

    #[test]
    fn no_chunk_beyond_the_limit_but_a_large_one_passes_alone() {
        let mut chunks = Chunks::new(100, 250);
        let (a, memory) = chunks.take().unwrap();
        let (b, _) = chunks.take().unwrap();
        assert!(chunks.take().is_none());
        chunks.resize(b, 1000);
        assert!(chunks.is_over());
        chunks.seal(a, memory, 0);
        assert!(chunks.take().is_none());
        chunks.seal(b, Vec::with_capacity(1000), 1);
        chunks.reported(b, 1);
        assert_eq!(chunks.held(), 0);
        assert_eq!(chunks.free.len(), 0, "neither memory of an odd size nor any above the limit is kept");
        assert_eq!(chunks.take().unwrap().0, b, "places are used again");
    }
}
