//! The connector against real Apache Kafka and a real registry: what Validate finds out, what Apply makes, what
//! lands, and what failures look like.
//!
//! `tests/services/with-kafka cargo test --test kafka` runs it; without servers every test says that it was skipped.
//! Every case goes through the real binary. What landed is read with kcat and with our own reader, and Avro is
//! decoded by another implementation, with the schemas that the registry gives out. `consumers` has every format
//! read by the clients that users have.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

#[path = "../common/mod.rs"]
mod common;

mod apply;
mod avro;
mod broker;
mod check;
mod compatibility;
mod consumers;
mod end_to_end;
mod endpoint;
mod failures;
mod formats;
mod headers;
mod landed;
mod load;
mod logins;
mod partitions;
mod subjects;
mod tokens;
mod topics;
mod validate;
mod watched;
mod webhooks;
