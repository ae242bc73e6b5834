//! The failures that the ledger tells of by itself, as in `src/kafka/error.rs`, and one that models enter.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    Stalled {
        waited: Duration,
        due: u64,
        topics: String,
        brokers: String,
        last: String,
        large: Option<usize>,
    },
    Refused(u32),
}
