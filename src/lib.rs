//! Publishes the documents of Estuary Flow collections to Apache Kafka topics.
//!
//! The binary `materialize-kafka` speaks Flow's materialize protocol on stdin and stdout. A Store
//! crosses the process once: its bytes are decoded as borrowed slices ([`protocol`]), encoded by a
//! plan that was compiled when the binding was opened ([`encode`], from the schemas that
//! [`schema`] infers), and handed to librdkafka by the batch without a copy ([`kafka`]).
//! [`session`] is the order of things; [`preview`] plays the runtime's part for people, and [`check`] tells
//! them what is wrong with a configuration.
//!
//! Rooms import only rooms that stand before them in this order: [`protocol`], [`config`],
//! [`schema`], [`encode`], `http`, [`registry`], [`login`], [`kafka`], [`session`], [`preview`], [`check`].

pub mod check;
pub mod cli;
pub mod config;
pub mod encode;
mod http;
pub mod kafka;
pub mod log;
pub mod login;
pub mod preview;
pub mod protocol;
pub mod registry;
pub mod schema;
pub mod session;
pub mod terminal;
