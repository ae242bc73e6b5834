//! Kafka, by way of librdkafka: client settings, questions to the brokers, the batch producer and its
//! ledger of acknowledgements, a reader, transactions and the topic where they are recorded, and the
//! mock cluster.
//!
//! All of the crate's `unsafe` is in this room, in `client` (owned handles of librdkafka's objects), and in
//! the thin calls of `admin`, `inspect`, `layout`, `notes`, `progress`, `consumer`, `renewal`, `mock` and `exit` (`lending` and `bench` are for tests and benches). What is written is lent to librdkafka, by
//! `outbox`, without a copy; `ledger` owns the memory until the delivery reports of everything in it have come.
//!
//! Threads: the session's thread owns the [`Outbox`]; one thread named `delivery` polls librdkafka's main
//! queue (delivery reports, errors, logs, statistics), watches for a stall, tells in the log how things stand, and takes the client down in the end.

mod admin;
#[doc(hidden)]
pub mod bench;
mod blame;
mod chunks;
mod client;
mod consumer;
mod delivery;
mod error;
mod exit;
mod fit;
mod gather;
mod inspect;
mod layout;
mod ledger;
pub mod mock;
mod notes;
mod outbox;
mod partition;
mod progress;
mod renewal;
mod settings;
mod statistics;
mod sync;
mod topics;
mod transaction;
mod verdict;
mod watch;

#[cfg(test)]
mod lending;
#[cfg(test)]
mod tests;

pub use self::admin::{create_missing, probe};
pub use self::consumer::{Consumer, Read, Record, Start};
pub use self::error::Error;
pub use self::exit::exit_now;
pub use self::fit::{Misfit, beyond_replicas, check_topics, misfits, misfits_of_missing};
pub use self::inspect::{ClusterFacts, Inspection, Node, Operation, TopicFacts, Trouble};
pub use self::ledger::AckTracker;
pub use self::notes::{Header, Note};
pub use self::outbox::{Committed, Manner, Outbox, Topic};
pub use self::progress::{ProgressReader, check_progress_topic, prepare_progress_topic};
pub use self::settings::{BATCH_BYTES, client_settings, producer_settings};
pub use self::transaction::{could_transact, fence};
