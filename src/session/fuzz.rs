//! What `fuzz/` looks at of this room and nobody else may see: exactly-once delivery without brokers. No part of the
//! crate's interface.

use bytes::Bytes;

use super::progress::{Basis, Decision, Newest, Range, Record, Shard, State, decide, from_wire, superseded};
use crate::protocol::Codec;
use crate::protocol::messages::flow::RangeSpec;

/// A shard whose sessions deliver exactly once.
#[derive(Debug, Clone)]
pub struct Sessions {
    shard: Shard,
    codec: Codec,
}

/// What a session begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// Whether it goes on from a record.
    pub recorded: bool,
    /// What Opened carries.
    pub checkpoint: Bytes,
    /// Number of the last transaction that the runtime knows of.
    pub sequence: u64,
    /// The task's token, if it has one.
    pub token: Option<String>,
    /// Entries of the state that its first commit removes.
    pub superseded: Vec<String>,
}

impl Sessions {
    /// Of the task of this name.
    ///
    /// # Errors
    ///
    /// The range is none.
    pub fn new(task: &str, range: Option<&RangeSpec>, codec: Codec) -> anyhow::Result<Self> {
        Ok(Self { shard: Shard { task: task.to_owned(), range: Range::of(range)? }, codec })
    }

    /// The key of the shard's records.
    #[must_use]
    pub fn id(&self) -> String {
        self.shard.id()
    }

    /// The key of its registrations.
    #[must_use]
    pub fn registration(&self) -> String {
        self.shard.registration()
    }

    /// Begins a session with the state that the runtime has and the progress topic's records, keys and values.
    ///
    /// # Errors
    ///
    /// They are damaged, or do not belong together.
    pub fn begin(&self, state: &[u8], records: &[(Vec<u8>, Option<Vec<u8>>)]) -> anyhow::Result<Begin> {
        let state = State::read(state)?;
        let mut newest = Newest::new(&self.shard);
        for (offset, (key, value)) in (0..).zip(records) {
            newest.add(key, offset, value.clone());
        }
        let (found, offsets) = newest.found()?;
        let Decision { basis, sequence, token } = decide(&self.shard, state.as_ref(), &found)?;
        let superseded = state.map_or_else(Vec::new, |state| superseded(&self.shard, &state, &offsets));
        let recorded = matches!(basis, Basis::Record { .. });
        Ok(Begin { recorded, checkpoint: basis.checkpoint(self.codec)?, sequence, token, superseded })
    }

    /// What a transaction of this number records of the runtime's checkpoint, and its patch of the state.
    ///
    /// # Errors
    ///
    /// The checkpoint is none.
    pub fn commit(
        &self,
        sequence: u64,
        token: &str,
        superseded: &[String],
        checkpoint: &Bytes,
    ) -> anyhow::Result<(Vec<u8>, Bytes)> {
        let checkpoint = from_wire(checkpoint, self.codec)?;
        let record = Record::new(self.shard.range, sequence, token, checkpoint);
        let patch = State::with_transaction(&self.shard.id(), sequence, token, superseded);
        Ok((record.to_value(), patch.updated_json))
    }

    /// Reads a record's value and writes it anew.
    ///
    /// # Errors
    ///
    /// It is damaged, or of another shard.
    pub fn rewrite(&self, value: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(Record::read(&self.shard, value)?.to_value())
    }
}
