//! The transactions of an open session.
//!
//! ```text
//! Opened -> Acknowledge -> ( Flush -> Store ... -> StartCommit -> Acknowledge ) ... -> end of input
//! ```
//!
//! StartedCommit is sent only when every message of the transaction has been acknowledged.

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};

use crate::encode::{Document, Fields, Scratch};
use crate::protocol::messages::{Response, response};
use crate::protocol::{Incoming, RequestReader, ResponseWriter, Store, Tuple};
use crate::session::annotate;
use crate::session::open::Opened;

/// Answers Opened, then serves transactions until the input ends. `input_is_ready` tells whether a read of it would
/// not wait.
pub(super) fn transact<R: Read, W: Write>(
    mut opened: Opened,
    requests: &mut RequestReader<R>,
    responses: &mut ResponseWriter<W>,
    input_is_ready: fn() -> bool,
) -> anyhow::Result<()> {
    let mut scratch = Scratch::default();
    let mut stage = Stage::Opened;
    let mut stored = 0_u64;

    let runtime_checkpoint = std::mem::take(&mut opened.checkpoint);
    responses.send(&response::Opened { runtime_checkpoint, ..Default::default() }.into())?;
    loop {
        while !requests.has_frame() {
            if !input_is_ready() {
                // The read may wait: what is encoded should be under way meanwhile.
                opened.outbox.hand_over()?;
                break;
            }
            if !requests.fill()? {
                break;
            }
        }
        let Some(request) = requests.next()? else {
            if stored > 0 {
                tracing::warn!(stored, "the input ended within a transaction, which is given up");
            } else if opened.measured
                && let Some(bytes) = opened.outbox.sent_bytes()
            {
                tracing::debug!(bytes, "{SENT}");
            }
            return Ok(());
        };
        let answer: Response = match (request, stage) {
            (Incoming::Store(store), Stage::Flushed) => {
                self::store(&store, &mut opened, &mut scratch)?;
                stored += 1;
                continue;
            }
            (Incoming::Flush(_), Stage::Opened | Stage::Acknowledged) => {
                stage = Stage::Flushed;
                response::Flushed::default().into()
            }
            (Incoming::StartCommit(request), Stage::Flushed) => {
                let start = Instant::now();
                opened.outbox.tracker().committing();
                let (committed, state) = opened.delivery.commit(&mut opened.outbox, &request)?;
                opened.outbox.tracker().committed();
                tracing::debug!(
                    documents = stored,
                    bytes = committed.bytes,
                    milliseconds = start.elapsed().as_millis(),
                    "{COMMITTED}"
                );
                stored = 0;
                stage = Stage::Committed;
                response::StartedCommit { state }.into()
            }
            (Incoming::Acknowledge(_), Stage::Opened | Stage::Committed) => {
                stage = Stage::Acknowledged;
                response::Acknowledged::default().into()
            }
            (Incoming::Load(load), _) => bail!(
                "a load of binding {} came, though every binding was validated as delta updates, which are never loaded",
                load.binding
            ),
            (request, stage) => bail!("{} came {}", request.name(), stage.describe()),
        };
        responses.send(&answer)?;
    }
}

/// What the log says at each commit; its field `bytes` has those of the keys and values.
pub(crate) const COMMITTED: &str = "the transaction is committed";

/// What the log says in the end of a session that is measured; its field `bytes` has those of all requests to the brokers.
pub(crate) const SENT: &str = "all that was sent to the brokers";

/// What the session has answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opened,
    Flushed,
    Committed,
    Acknowledged,
}

impl Stage {
    fn describe(self) -> &'static str {
        match self {
            Self::Opened => "after opened: expected acknowledge or flush",
            Self::Flushed => "after flushed: expected store or startCommit",
            Self::Committed => "after startedCommit: expected acknowledge",
            Self::Acknowledged => "after acknowledged: expected flush",
        }
    }
}

fn store(store: &Store<'_>, opened: &mut Opened, scratch: &mut Scratch) -> anyhow::Result<()> {
    let Opened { bindings, outbox, .. } = opened;
    let number = usize::try_from(store.binding).unwrap_or(usize::MAX);
    let binding = bindings.get(number).ok_or_else(|| {
        anyhow!("a store names binding {}, but there {}", store.binding, bindings_there(bindings.len()))
    })?;
    let mut document = Document {
        key: fields(store.key),
        values: fields(store.values),
        doc: store.doc,
        delete: store.delete,
    };
    if store.delete {
        match binding.deletion(document) {
            Some(deletion) => document = deletion,
            None => return Ok(()),
        }
    }
    let (key, value) = outbox.buffers()?;
    let encoded = binding.plan.encode(&document, scratch, key, value);
    let annotated = encoded.and_then(|has_value| {
        let annotation = binding.annotation.as_ref();
        Ok((has_value, annotation.map(|plan| plan.read(&document, scratch)).transpose()?))
    });
    let partition_key = binding.plan.partition_key(scratch);
    match annotated {
        Ok((has_value, None)) => Ok(outbox.push_by(number, has_value, partition_key)?),
        Ok((has_value, Some(annotation))) => {
            Ok(outbox.push_noted(number, has_value, partition_key, &annotate::note(&annotation))?)
        }
        Err(error) => {
            outbox.abandon();
            let key = binding.describe_key(&document, scratch);
            Err(error).with_context(|| {
                format!("binding {}, {}: encoding the document with {key}", store.binding, binding.describe())
            })
        }
    }
}

fn fields(tuple: Tuple<'_>) -> Fields<'_> {
    match tuple {
        Tuple::Packed(bytes) => Fields::Packed(bytes),
        Tuple::Json(text) => Fields::Json(text),
    }
}

fn bindings_there(count: usize) -> String {
    if count == 1 { "is 1 binding".to_owned() } else { format!("are {count} bindings") }
}
