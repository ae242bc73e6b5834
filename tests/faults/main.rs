//! Faults of every kind while documents flow, and what landed compared with what was stored.
//!
//! `tests/services/with-kafka cargo test --test faults` runs it; without servers every test says that it was skipped.
//! Each test drives the real binary over pipes as Flow's runtime does ([`flow`]): when a connector has died, the next
//! one is given again what was not committed. In the end the topic is read and counted ([`tally`]).
//! Random moments come from `FAULTS_SEED` (default 1).
//!
//! | what fails | tests |
//! |---|---|
//! | connector killed | [`connector`]: `killed_*` |
//! | connector ended | [`connector`]: `terminated`, `stdin_closed_in_mid_transaction`, `stdout_closed_before_started_commit` |
//! | one of three brokers | [`three_brokers`]: `leader_killed_and_started_again`, `controller_killed_and_started_again`, `leader_stopped`, `restarted_during_a_commit` |
//! | the only broker | [`one_broker`]: `killed_within_the_stall_limit`, `killed_beyond_the_stall_limit` |
//! | network | [`network`] |
//! | below `min.insync.replicas` | [`three_brokers`]: `below_min_insync_*` |
//! | topic | `tests/kafka/failures.rs`: `a_topic_that_is_deleted_under_way_...`, `a_topic_that_grows_under_way_...` |
//! | message | `tests/kafka/end_to_end.rs`: `a_message_that_the_broker_refuses_as_too_large_...` |
//! | registry | [`registry`]: `ill_until_the_next_session`, `ill_for_a_while`; also `src/registry/tests`, `tests/kafka/validate.rs` |
//! | authorisation | `tests/kafka/failures.rs`: `a_right_that_is_withdrawn_under_way_...` |
//! | producer | [`producer`]: `fatal_error_of_the_idempotent_producer` |
//! | disk and pipes | [`pipes`] |
//! | all of it at random | [`long_run`], which takes minutes and is not run unless asked for |
//!
//! `tests/services/with-kafka cargo test --release --test faults -- --ignored long_run --nocapture` is that run; its
//! last line says how many kills and faults there were, and what was lost. With `FAULTS_DELIVERY=exactly_once` it delivers exactly
//! once. The broker and network rows are put to both ways to deliver, and those where brokers die to several producers as well.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

#[path = "../common/mod.rs"]
mod common;

mod avro;
mod brokers;
mod connector;
mod flow;
mod long_run;
mod network;
mod one_broker;
mod pipes;
mod producer;
mod proxy;
mod registry;
mod seed;
mod tally;
mod three_brokers;
