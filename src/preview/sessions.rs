//! The sessions of a preview: a connector each, and transactions sent through them.

use std::io::BufRead;
use std::time::Instant;

use super::connector::{Connector, Launch};
use super::error::Error;
use super::generate::Batches;
use super::load::Load;
use super::progress::Counters;
use super::reader::Reader;
use super::stop::Stop;
use super::task::{BuiltTask, StoreDoc, Transactions};
use crate::protocol::messages::flow;

/// Where documents come from.
pub(super) enum Documents<R> {
    Fixture(Transactions<R>),
    Generated(Batches),
}

/// How they are sent.
pub(super) struct Plan<'a> {
    pub(super) launch: &'a Launch,
    pub(super) task: &'a BuiltTask,
    /// How many transactions each session has, a negative number being all that are left. Without any there is one session.
    pub(super) sessions: &'a [i64],
    /// Documents after which the transaction is committed and nothing follows.
    pub(super) limit: Option<u64>,
    pub(super) counters: &'a Counters,
    /// For each binding, whether nothing is published of a deletion.
    pub(super) ignores: &'a [bool],
    /// Who reads messages back, if they are.
    pub(super) reader: Option<&'a mut Reader>,
    /// Says when nothing more is to be sent.
    pub(super) stop: &'a Stop,
}

impl Plan<'_> {
    /// Whether nothing is published of a deletion of this binding.
    fn ignores(&self, binding: u32) -> bool {
        usize::try_from(binding).ok().and_then(|index| self.ignores.get(index)).copied().unwrap_or_default()
    }
}

/// Sends the documents.
pub(super) fn run<R: BufRead>(mut plan: Plan<'_>, mut documents: Documents<R>) -> Result<Load, Error> {
    let overheads: Vec<usize> = plan.task.spec.bindings.iter().map(overhead).collect();
    let mut load = Load::default();
    for limit in if plan.sessions.is_empty() { &[-1] } else { plan.sessions } {
        if load.sessions > 0 && plan.stop.signal().is_some() {
            break;
        }
        let mut connector = plan.launch.start()?;
        connector.open(&plan.task.spec)?;
        let mut left = u64::try_from(*limit).unwrap_or(u64::MAX);
        let start = Instant::now();
        while left > 0
            && plan.stop.signal().is_none()
            && plan.limit.is_none_or(|limit| load.stores == 0 || load.stores < limit)
        {
            left -= 1;
            if !transaction(&mut plan, &mut documents, &mut connector, &overheads, &mut load)? {
                break;
            }
        }
        load.time += start.elapsed();
        load.sessions += 1;
        load.peak_memory = load.peak_memory.max(connector.peak_memory());
        connector.end()?;
    }
    if let Documents::Generated(batches) = &documents {
        load.waited = batches.waited();
    }
    load.stopped_by = plan.stop.close();
    Ok(load)
}

/// Sends one transaction; says whether there was one.
fn transaction<R: BufRead>(
    plan: &mut Plan<'_>,
    documents: &mut Documents<R>,
    connector: &mut Connector,
    overheads: &[usize],
    load: &mut Load,
) -> Result<bool, Error> {
    let room = |load: &Load| plan.limit.is_none_or(|limit| load.stores < limit);
    match documents {
        Documents::Fixture(transactions) => {
            let Some(transaction) = transactions.next_transaction()? else { return Ok(false) };
            connector.flush()?;
            for store in transaction {
                if !room(load) {
                    break;
                }
                let store = store?;
                let overhead = usize::try_from(store.binding).ok().and_then(|index| overheads.get(index));
                let fields = field_bytes(&store);
                // Quotes and the like grow where a document becomes a text in another.
                let bytes = overhead.copied().unwrap_or_default().saturating_add(fields.saturating_mul(2));
                let messages = u64::from(!(store.delete && plan.ignores(store.binding)));
                make_room(plan.reader.as_deref_mut(), connector, messages, bytes)?;
                connector.store(store)?;
                count(plan.counters, load, 1, fields);
            }
        }
        Documents::Generated(batches) => {
            if !batches.has_transaction() {
                return Ok(false);
            }
            connector.flush()?;
            // What was sent before a signal came is committed, so that all figures are of the same documents.
            while plan.stop.signal().is_none()
                && let Some(batch) = batches.next_batch()?
            {
                let ignored = batch.deletions.iter().filter(|binding| plan.ignores(**binding)).count();
                let messages = batch.stores.saturating_sub(u64::try_from(ignored).unwrap_or(u64::MAX));
                make_room(
                    plan.reader.as_deref_mut(),
                    connector,
                    messages,
                    batch.frames.len().saturating_mul(2),
                )?;
                connector.store_frames(&batch.frames)?;
                count(plan.counters, load, batch.stores, batch.frames.len());
            }
        }
    }
    let start = Instant::now();
    connector.start_commit()?;
    load.commits.push(start.elapsed());
    connector.acknowledge()?;
    Ok(true)
}

fn count(counters: &Counters, load: &mut Load, stores: u64, bytes: usize) {
    counters.sent(stores, bytes);
    load.stores += stores;
    load.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
}

/// Waits until there is room for messages of about so many bytes, and counts them.
fn make_room(
    reader: Option<&mut Reader>,
    connector: &mut Connector,
    messages: u64,
    bytes: usize,
) -> Result<(), Error> {
    let Some(reader) = reader else { return Ok(()) };
    if reader.is_full(bytes) {
        connector.push_on()?;
        if !reader.catch_up(|| connector.has_ended())? {
            return Err(connector.failed("taking Stores", None));
        }
    }
    reader.sent(messages, bytes);
    Ok(())
}

/// The bytes of a Store's fields, in the form that has most.
fn field_bytes(store: &StoreDoc) -> usize {
    store.key_packed.len() + store.values_packed.len() + store.doc_json.len()
}

/// The bytes that a message has besides its values: names of fields, and punctuation.
fn overhead(binding: &flow::Binding) -> usize {
    let Some(selection) = &binding.field_selection else { return 0 };
    let names = |names: &[String]| names.iter().map(|name| name.len() + PUNCTUATION).sum::<usize>();
    // Keys are in the value as well.
    2 * names(&selection.keys) + names(&selection.values) + selection.document.len() + PUNCTUATION
}

/// Quotes, colon, comma, and a null.
const PUNCTUATION: usize = 8;
