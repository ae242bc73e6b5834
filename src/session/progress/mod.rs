//! Exactly-once delivery without I/O: what is recorded of a transaction, and where a session goes on.
//!
//! Each transaction ends with a [`Record`] in the progress topic, part of the same Kafka transaction as its documents. Its
//! key is the shard's transactional id. The record carries the runtime's checkpoint, so that a session can go on exactly
//! where Kafka is, whether or not the runtime has committed since. The connector's [`State`], which commits with the runtime's
//! checkpoint, holds the number of the last record: by it [`decide`] sees whether record and runtime belong together.

mod checkpoint;
mod decide;
mod error;
mod newest;
mod record;
mod shard;
mod state;
mod superseded;

pub(super) use checkpoint::from_wire;
pub(super) use decide::{Basis, Decision, Found, decide};
pub(super) use error::Error;
pub(super) use newest::Newest;
pub(super) use record::Record;
pub(super) use shard::{Range, Shard};
pub(super) use state::{State, new_token};
pub(super) use superseded::superseded;
