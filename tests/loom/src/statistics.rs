//! In place of `src/kafka/statistics.rs`: what clients tell of themselves, which models do not.

pub(crate) struct Statistics;
