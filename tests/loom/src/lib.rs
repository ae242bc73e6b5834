//! The ledger of acknowledgements under every order of its threads' steps.
//!
//! Compiles the connector's own `ledger.rs`, `chunks.rs` and `gather.rs`, over loom's locks instead of std's, and
//! nothing else of it: `cargo test --manifest-path tests/loom/Cargo.toml` takes seconds and needs no C. The models in
//! `models.rs` play the outbox, librdkafka and the delivery threads, as small as they can be and still go wrong.

#![cfg(test)]
#![allow(dead_code, reason = "the ledger has calls that no model makes")]

#[path = "../../../src/kafka/chunks.rs"]
mod chunks;
mod error;
#[path = "../../../src/kafka/gather.rs"]
mod gather;
#[path = "../../../src/kafka/ledger.rs"]
mod ledger;
mod models;
mod settings;
mod statistics;
mod sync;
mod watch;
