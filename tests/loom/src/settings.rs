//! The one setting that the ledger knows, as in `src/kafka/settings.rs`.

pub(crate) const BATCH_BYTES: usize = 1_000_000;
