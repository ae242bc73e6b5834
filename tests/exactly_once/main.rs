//! Exactly-once delivery against real Apache Kafka: connectors are killed at random moments, shards split, zombies wake up,
//! topics vanish, and then every document must be there once for those who read committed messages only.
//!
//! `tests/services/with-kafka cargo test --test exactly_once` runs it; without servers every test says that it was skipped.
//! `EXACTLY_ONCE_KILLS` and `EXACTLY_ONCE_SEED` make the kill test longer, and another one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

#[path = "../kafka/broker.rs"]
#[allow(dead_code, reason = "this suite uses a part of it")]
mod broker;
#[path = "../common/mod.rs"]
mod common;
#[path = "../kafka/endpoint.rs"]
#[allow(dead_code, reason = "this suite uses a part of it")]
mod endpoint;

mod cost;
mod kills;
mod landed;
mod modes;
mod player;
mod records;
mod rights;
mod shards;
