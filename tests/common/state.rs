//! What the runtime keeps for a connector that delivers exactly once: its state, and checkpoints.

use bytes::Bytes;
use materialize_kafka::protocol::messages::flow::{Checkpoint, CheckpointSource};
use materialize_kafka::protocol::messages::response::ConnectorState;
use prost::Message as _;
use serde_json::{Value, json};

/// Adds what a response says of the state.
pub fn add(state: &mut Value, added: Option<ConnectorState>) {
    let Some(added) = added else { return };
    let patch: Value = serde_json::from_slice(&added.updated_json).unwrap();
    if added.merge_patch { merge(state, &patch) } else { *state = patch }
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let into = into.as_object_mut().unwrap();
    for (name, value) in patch {
        if value.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The checkpoint of a runtime that has read so many documents.
pub fn checkpoint(position: u64) -> Bytes {
    let read_through = i64::try_from(position).expect("fewer documents");
    let source = CheckpointSource { read_through, ..Default::default() };
    let checkpoint = Checkpoint { sources: [(JOURNAL.to_owned(), source)].into(), ..Default::default() };
    checkpoint.encode_to_vec().into()
}

/// How many documents a checkpoint says were read; none where it is the runtime's own that counts.
pub fn position(checkpoint: &[u8]) -> Option<u64> {
    if checkpoint.is_empty() {
        return None;
    }
    let checkpoint = Checkpoint::decode(checkpoint).unwrap();
    let read_through = checkpoint.sources.get(JOURNAL).map_or(0, |source| source.read_through);
    Some(u64::try_from(read_through).unwrap())
}

const JOURNAL: &str = "acme/numbers/pivot=00;materialize";
