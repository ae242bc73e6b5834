//! What `benches/micro` measures of this room and nobody else may see. No part of the crate's interface.

#![allow(unsafe_code, reason = "librdkafka's partitioner, to compare with")]

use std::ptr::{null, null_mut};
use std::time::Duration;

use rdkafka_sys as sys;

use super::chunks::Chunks;
use super::ledger::{AckTracker, Reports, TopicName, tag};
use crate::config::Partitioning;

/// The partition, of `partitions`, of a message with this key.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    Partitioning::default().partition_of(key, partitions)
}

/// The same by librdkafka's own partitioner `consistent`.
#[must_use]
pub fn consistent(key: &[u8], partitions: i32) -> i32 {
    // SAFETY: the function reads `key.len()` bytes of the key and none of the other pointers.
    unsafe {
        sys::rd_kafka_msg_partitioner_consistent(
            null(),
            key.as_ptr().cast(),
            key.len(),
            partitions,
            null_mut(),
            null_mut(),
        )
    }
}

/// The partition by librdkafka's partitioner `murmur2`.
#[must_use]
pub fn murmur2(key: &[u8], partitions: i32) -> i32 {
    // SAFETY: the function reads `key.len()` bytes of the key and none of the other pointers.
    unsafe {
        sys::rd_kafka_msg_partitioner_murmur2(
            null(),
            key.as_ptr().cast(),
            key.len(),
            partitions,
            null_mut(),
            null_mut(),
        )
    }
}

/// A ledger of one topic, as the outbox and the delivery thread use theirs, without a client between them.
pub struct Ledger {
    tracker: AckTracker,
    reports: Reports,
}

impl Default for Ledger {
    fn default() -> Self {
        let (topic, owner) = ("bench".to_owned(), "bench".to_owned());
        let names = vec![TopicName { topic, owner, max_message_bytes: None }];
        let chunks = Chunks::new(1 << 10, usize::MAX);
        let tracker =
            AckTracker::new(names, String::new(), Duration::from_secs(60), chunks, Box::new(|_| {}));
        Self { tracker, reports: Reports::default() }
    }
}

impl Ledger {
    /// Fills a chunk with `messages`. Gives the tag of their reports.
    ///
    /// # Panics
    ///
    /// There is no room for another chunk, which no machine's memory brings about.
    pub fn fill(&self, messages: u64) -> usize {
        let chunk = self.tracker.update(|state| {
            let (chunk, memory) = state.chunks.take().expect("the limit is the address space");
            state.chunks.seal(chunk, memory, messages);
            chunk
        });
        tag(chunk, 0)
    }

    /// Enters messages as handed over.
    pub fn produce(&self, messages: u32, key_bytes: usize) {
        self.tracker.produce([(0, messages)], key_bytes, key_bytes, 0);
    }

    /// Enters an event of delivery reports, by their messages' tags.
    pub fn acknowledge(&mut self, tags: &[usize], key_len: usize) {
        self.reports.clear();
        for &tag in tags {
            self.reports.add(tag, key_len, key_len);
        }
        self.tracker.acknowledge(&self.reports);
    }

    /// Messages entered as handed over, and as acknowledged.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.tracker.produced(), self.tracker.acknowledged())
    }
}
