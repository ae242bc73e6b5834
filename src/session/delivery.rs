//! What a session promises about documents that are stored again, and how its commits keep that.
//!
//! *At least once*: a commit waits for acknowledgements, and the runtime alone knows how far it is. *Exactly once*: a commit
//! is one of Kafka's, with a record of the runtime's checkpoint in it, and Open goes on from the record. Before it reads
//! records it makes sure that nobody else can still add one: every shard whose range overlaps is fenced, those that have
//! only opened so far included, which is why a session registers before it writes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use tracing::{info, warn};

use super::progress::{
    Basis, Decision, Found, Newest, Range, Record, Shard, State, decide, from_wire, new_token, superseded,
};
use super::serve::OnFailure;
use crate::config::EndpointConfig;
use crate::kafka::{Committed, Manner, Outbox, ProgressReader, Topic, fence};
use crate::protocol::Codec;
use crate::protocol::messages::request;
use crate::protocol::messages::response::ConnectorState;

/// How a session commits.
pub(super) enum Delivery {
    /// `forget`: whether the state has to be rid of what it says of transactions, because it will not be true any more.
    AtLeastOnce { forget: bool },
    /// In Kafka's transactions.
    ExactlyOnce(Transactions),
}

/// The transactions of a session that delivers exactly once.
pub(super) struct Transactions {
    shard: Shard,
    token: String,
    /// Number of the last transaction.
    sequence: u64,
    codec: Codec,
    /// Entries of the state that the first commit makes needless.
    superseded: Vec<String>,
}

impl Delivery {
    /// At least once, after a state that may say something of transactions.
    pub(super) fn at_least_once(request: &request::Open) -> Self {
        // A state that cannot be read says something.
        Self::AtLeastOnce { forget: !matches!(State::read(&request.state_json), Ok(None)) }
    }

    /// Commits what was stored, and gives the state that goes with it.
    pub(super) fn commit(
        &mut self,
        outbox: &mut Outbox,
        request: &request::StartCommit,
    ) -> anyhow::Result<(Committed, Option<ConnectorState>)> {
        match self {
            Self::AtLeastOnce { forget } => {
                let committed = outbox.commit()?;
                Ok((committed, std::mem::take(forget).then(State::without)))
            }
            Self::ExactlyOnce(transactions) => transactions.commit(outbox, request),
        }
    }
}

impl Transactions {
    /// Opens an outbox for the transactions of `shard`, and finds out from which checkpoint they go on; none for the
    /// runtime's own.
    pub(super) fn open(
        config: &EndpointConfig,
        request: &request::Open,
        codec: Codec,
        topics: Vec<Topic>,
        measured: bool,
        on_failure: OnFailure,
    ) -> anyhow::Result<(Self, Outbox, Bytes)> {
        let name = request.materialization.as_ref().map(|spec| spec.name.clone()).unwrap_or_default();
        let shard = Shard { task: name, range: Range::of(request.range.as_ref())? };
        let state = State::read(&request.state_json)?;
        let id = shard.id();
        let manner = Manner { transactional_id: Some(&id), measured };

        let (outbox, reader) = thread::scope(|scope| {
            let reader = scope.spawn(|| ProgressReader::open(config));
            let outbox = Outbox::open_in(config, topics, manner, on_failure);
            (outbox, reader.join())
        });
        let mut outbox = outbox?;
        let mut reader =
            reader.map_err(|_| anyhow!("the thread that opens the progress topic panicked"))??;
        fence_others(config, &shard, &mut outbox, &mut reader)?;
        let (found, offsets) = records(&shard, reader)?;
        let Decision { basis, sequence, token } = decide(&shard, state.as_ref(), &found)?;
        let checkpoint = basis.checkpoint(codec)?;
        tell(&id, &basis, token.is_some());
        let token = token.unwrap_or_else(new_token);
        let superseded = state.map_or_else(Vec::new, |state| superseded(&shard, &state, &offsets));
        Ok((Self { shard, token, sequence, codec, superseded }, outbox, checkpoint))
    }

    fn commit(
        &mut self,
        outbox: &mut Outbox,
        request: &request::StartCommit,
    ) -> anyhow::Result<(Committed, Option<ConnectorState>)> {
        let checkpoint = from_wire(&request.runtime_checkpoint, self.codec)?;
        let sequence = self.sequence.saturating_add(1);
        let record = Record::new(self.shard.range, sequence, &self.token, checkpoint);
        let id = self.shard.id();
        let committed = outbox.commit_recorded(&id, &record.to_value())?;
        self.sequence = sequence;
        let superseded = std::mem::take(&mut self.superseded);
        Ok((committed, Some(State::with_transaction(&id, sequence, &self.token, &superseded))))
    }
}

/// Makes sure that no other session can commit anything in this shard's range from here on.
fn fence_others(
    config: &EndpointConfig,
    shard: &Shard,
    outbox: &mut Outbox,
    reader: &mut ProgressReader,
) -> anyhow::Result<()> {
    let mut fenced = BTreeSet::new();
    let mut registered = false;
    loop {
        let mut others = BTreeSet::new();
        reader.keys(|key| {
            let sibling = shard.sibling(key).map(|(sibling, _)| sibling);
            let overlapping =
                sibling.filter(|sibling| sibling != shard && sibling.range.overlaps(&shard.range));
            others.extend(overlapping.map(|sibling| sibling.id()).filter(|id| !fenced.contains(id)));
        })?;
        if others.is_empty() && registered {
            return Ok(());
        }
        let ids: Vec<String> = others.into_iter().collect();
        if !ids.is_empty() {
            info!(ids = ids.join(", "), "fencing sessions of other shards of this range");
            fence(config, &ids).context("fencing sessions of other shards of this range")?;
        }
        fenced.extend(ids);
        if !registered {
            // Whoever opens after this sees it, and fences us; whoever opened before is seen by the next look.
            let range = shard.range.to_string();
            outbox.commit_recorded(&shard.registration(), range.as_bytes())?;
            registered = true;
        }
    }
}

/// The newest committed record of each shard whose range overlaps, and where that of each shard of the task lies.
fn records(shard: &Shard, reader: ProgressReader) -> anyhow::Result<(Vec<Found>, BTreeMap<String, i64>)> {
    let mut newest = Newest::new(shard);
    reader.committed(|record| newest.add(&record.key.unwrap_or_default(), record.offset, record.value))?;
    Ok(newest.found()?)
}

fn tell(id: &str, basis: &Basis, has_token: bool) {
    match basis {
        Basis::Nothing => info!(id, "exactly once: nothing was recorded so far"),
        Basis::Record { key, sequence, ahead, .. } => {
            info!(id, key, sequence, ahead, "exactly once: going on from the progress record");
        }
        Basis::Stale => info!(
            id,
            "exactly once: progress records are ignored, which are of an earlier task of this name, or of the time before \
             this one delivered at least once"
        ),
        Basis::Gone { key } => warn!(
            id,
            key,
            "exactly once: a progress record that the runtime knows of is gone, so the runtime's own checkpoint is taken: \
             up to one transaction may be doubled. Was the topic deleted or truncated?"
        ),
    }
    if !has_token {
        info!(
            id,
            "exactly once: the runtime keeps no token from Apply, so the first transaction is not protected"
        );
    }
}
