//! The sessions of a preview: a connector each, and the fixture's transactions sent through them.

use std::io::BufRead;

use super::connector::{Connector, Launch};
use super::error::Error;
use super::reader::Reader;
use super::task::{BuiltTask, StoreDoc, Transactions};
use crate::protocol::messages::flow;

/// Sends transactions: `limits` has how many for each session, a negative number being all that are
/// left. Without limits there is one session.
pub(super) fn run<R: BufRead>(
    launch: &Launch,
    task: &BuiltTask,
    mut transactions: Transactions<R>,
    limits: &[i64],
    reader: &mut Reader,
) -> Result<(), Error> {
    let overheads: Vec<usize> = task.spec.bindings.iter().map(overhead).collect();
    for limit in if limits.is_empty() { &[-1] } else { limits } {
        let mut connector = launch.start()?;
        connector.open(&task.spec)?;
        let mut left = u64::try_from(*limit).unwrap_or(u64::MAX);
        while left > 0 {
            let Some(transaction) = transactions.next_transaction()? else { break };
            left -= 1;
            connector.flush()?;
            for store in transaction {
                let store = store?;
                let overhead = usize::try_from(store.binding).ok().and_then(|index| overheads.get(index));
                send(&mut connector, store, overhead.copied().unwrap_or_default(), reader)?;
            }
            connector.start_commit()?;
            connector.acknowledge()?;
        }
        connector.end()?;
    }
    Ok(())
}

/// Sends a Store once there is room for its message.
fn send(
    connector: &mut Connector,
    store: StoreDoc,
    overhead: usize,
    reader: &mut Reader,
) -> Result<(), Error> {
    // Quotes and the like grow where a document becomes a text in another.
    let fields = store.key_packed.len() + store.values_packed.len() + store.doc_json.len();
    let bytes = overhead.saturating_add(fields.saturating_mul(2));
    if reader.is_full(bytes) {
        connector.push_on()?;
        if !reader.catch_up(|| connector.has_ended())? {
            return Err(connector.failed("taking Stores", None));
        }
    }
    reader.sent(bytes);
    connector.store(store)
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
