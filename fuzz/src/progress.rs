//! Any bytes as the connector's state and as records of the progress topic: a session that delivers exactly once begins, or is
//! refused with a text. And one that begins and commits can be begun again:
//!
//! * With the patch of its commit, the next session goes on from its record, with the checkpoint and the number of it.
//! * Without the patch, for Kafka alone has committed, it goes on from the record all the same. (Unless the state has no
//!   token, or has several: no state is like that which the connector's patches have made.)
//! * What a commit removes of the state no other shard misses.
//! * A record that is read is the same when it is written and read again.
//!
//! The input: a byte of choices (codec, range), state and checkpoint behind their lengths, then records: a byte for the
//! key, a byte for the value, and behind their lengths those of them that are any bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::flow::{Checkpoint, RangeSpec};
use materialize_kafka::session::fuzz::{Begin, Sessions};
use serde_json::{Map, Value, json};

use crate::Seeds;
use crate::input::Input;

/// Runs the target once.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let codec = if choice & JSON_CODEC == 0 { Codec::Proto } else { Codec::Json };
    let sessions = sessions(usize::from(choice >> 1), codec);
    let (state, checkpoint) = (input.bytes(), Bytes::copy_from_slice(input.bytes()));
    let mut records = records(&sessions, codec, input);

    let first = match sessions.begin(state, &records) {
        Ok(begin) => begin,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(first.recorded || first.checkpoint.is_empty(), "{first:?}");
    let Some(next) = first.sequence.checked_add(1) else { return };
    let token = first.token.clone().unwrap_or_else(|| "made".to_owned());
    let (value, patch) = match sessions.commit(next, &token, &first.superseded, &checkpoint) {
        Ok(record) => record,
        Err(error) => return assert!(codec == Codec::Json && !error.to_string().is_empty()),
    };
    assert_eq!(sessions.rewrite(&value).expect("a record of ours"), value);
    records.push((sessions.id().into(), Some(value)));

    let both = sessions.begin(&merged(state, &patch), &records).expect("both have committed");
    assert!(both.recorded && same(&both.checkpoint, &checkpoint, codec), "{both:?} of {checkpoint:?}");
    assert_eq!(both.sequence, next);

    if is_protected(state) {
        assert_eq!(both.token.as_deref(), Some(&*token));
        let ahead = sessions.begin(state, &records).expect("Kafka alone has committed");
        let superseded = ahead.superseded.clone();
        assert_eq!(ahead, Begin { sequence: first.sequence, superseded, ..both });
        siblings(choice, codec, state, &patch, &records);
    }
}

/// That no other shard misses what the patch has removed of the state that all of them share.
fn siblings(choice: u8, codec: Codec, state: &[u8], patch: &[u8], records: &Records) {
    let pruned = value(patch)["exactly_once"]["shards"].clone();
    let mut kept = value(patch);
    let shards = kept["exactly_once"]["shards"].as_object_mut().expect("shards");
    shards.retain(|_, entry| !entry.is_null());
    if shards.len() == pruned.as_object().map_or(0, Map::len) {
        return;
    }
    for other in 0..RANGES.len() {
        if other == usize::from(choice >> 1) % RANGES.len() {
            continue;
        }
        let begin = |patch: &[u8]| {
            let begin = sessions(other, codec).begin(&merged(state, patch), records);
            // A shard that was merged into another one, and is there again, counts anew.
            begin
                .map(|begin| Begin { superseded: Vec::new(), sequence: 0, ..begin })
                .map_err(|error| error.to_string())
        };
        let (with, without) = (begin(kept.to_string().as_bytes()), begin(patch));
        assert_eq!(with, without);
    }
}

const JSON_CODEC: u8 = 1;
const TASK: &str = "acme/task";

const MIDDLE: u32 = 1 << 31;

/// All, its halves, a half of the clock.
const RANGES: [(u32, u32, u32, u32); 4] = [
    (0, u32::MAX, 0, u32::MAX),
    (0, MIDDLE - 1, 0, u32::MAX),
    (MIDDLE, u32::MAX, 0, u32::MAX),
    (0, u32::MAX, 0, MIDDLE - 1),
];

fn sessions(range: usize, codec: Codec) -> Sessions {
    let (key_begin, key_end, r_clock_begin, r_clock_end) = RANGES[range % RANGES.len()];
    let range = RangeSpec { key_begin, key_end, r_clock_begin, r_clock_end };
    Sessions::new(TASK, Some(&range), codec).expect("a range")
}

/// Keys and values of the topic.
type Records = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn records(sessions: &Sessions, codec: Codec, mut input: Input<'_>) -> Records {
    let mut records = Vec::new();
    while !input.is_empty() {
        let (key, value) = (input.byte(), input.byte());
        let of = self::sessions(usize::from(key & 3), codec);
        let key: Vec<u8> = match key >> 2 {
            0..8 => of.id().into(),
            8 => of.registration().into(),
            _ => input.bytes().into(),
        };
        let value = match value {
            0 => None,
            // As the connector writes them, with a number and one of two tokens.
            1..64 => {
                let token = if value & 1 == 0 { "t" } else { "u" };
                let written = of.commit(u64::from(value >> 1), token, &[], &Bytes::new());
                Some(written.expect("no checkpoint is one as well").0)
            }
            _ => Some(input.bytes().into()),
        };
        if let Some(value) = &value
            && let Ok(again) = sessions.rewrite(value)
        {
            assert_eq!(sessions.rewrite(&again).expect("what was written"), again);
        }
        records.push((key, value));
    }
    records
}

/// What the runtime makes of its state: RFC 7396.
fn merged(state: &[u8], patch: &[u8]) -> Vec<u8> {
    let mut state = if state.is_empty() { Value::Null } else { value(state) };
    merge(&mut state, &value(patch));
    state.to_string().into()
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Map::new().into();
    }
    let into = into.as_object_mut().expect("it has just been made one");
    for (name, patch) in patch {
        if patch.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name).or_insert(Value::Null), patch);
        }
    }
}

fn value(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("it was read before")
}

/// Whether the state has a token, and no other.
fn is_protected(state: &[u8]) -> bool {
    if state.is_empty() {
        return false;
    }
    let state = value(state);
    let Some(state) = state.get("exactly_once") else { return false };
    let shards = state.get("shards").and_then(Value::as_object).into_iter().flatten();
    let tokens = shards.filter_map(|(_, entry)| entry.get("token")).chain(state.get("token"));
    tokens.filter_map(Value::as_str).collect::<BTreeSet<_>>().len() == 1
}

/// Whether a checkpoint is what Opened tells of it.
fn same(told: &[u8], checkpoint: &[u8], codec: Codec) -> bool {
    let read = |json: &[u8]| serde_json::from_slice::<Checkpoint>(json).expect("it was read before");
    match codec {
        // In protobuf nothing would stand for the runtime's own, so an unknown field says that it is one.
        Codec::Proto if checkpoint.is_empty() => told == b"\xf8\xff\xff\xff\x0f\x01",
        Codec::Proto => told == checkpoint,
        Codec::Json if checkpoint.is_empty() => told == b"{}",
        Codec::Json => read(told) == read(checkpoint),
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let seed = |choice: u8, state: &Value, checkpoint: &[u8], records: &[u8]| {
        let state = if state.is_null() { String::new() } else { state.to_string() };
        let mut data = vec![choice];
        for bytes in [state.as_bytes(), checkpoint] {
            data.extend_from_slice(&u16::try_from(bytes.len()).expect("seeds are small").to_le_bytes());
            data.extend_from_slice(bytes);
        }
        data.extend_from_slice(records);
        data
    };
    let id = |range| sessions(range, Codec::Proto).id();
    let entry = |sequence: u64| json!({"sequence": sequence, "token": "t"});
    let checkpoint = br#"{"sources":{"a/journal;x":{"readThrough":"-5","producers":[{"id":"AQID","state":{"lastAck":"18446744073709551615","begin":-1}}]}},"ackIntents":{"j":"/w=="}}"#;
    let new = json!({"exactly_once": {"token": "t"}});
    let behind = json!({"other": 1, "exactly_once": {"token": "t", "shards": {id(0): entry(3)}}});
    let split = json!({"exactly_once": {"shards": {id(0): entry(4), id(1): entry(1)}}});
    let damaged = [&[0, 64, 2, 0][..], b"\x02x", &[36, 65, 10, 0], b"\x0e\0acme/other".as_slice()].concat();
    let raw =
        [&[3, 64, 31, 0][..], b"\x01\x15\xff\xff\xff\xff\x25\xff\xff\xff\x7f\x28\x03\x32\x01t\x3a\x02cp"]
            .concat();
    vec![
        ("nothing", seed(0, &Value::Null, b"", b"")),
        ("new", seed(0, &new, b"\x0a\x03\x0a\x01a", b"")),
        ("first_is_ahead", seed(JSON_CODEC, &new, b"{}", &[0, 2])),
        ("ahead", seed(JSON_CODEC, &behind, checkpoint, &[32, 64, 1, 0, b'-', 0, 8])),
        ("split", seed(1 << 1, &split, b"\x0a\x03\x0a\x01a", &[0, 8, 1, 2, 3, 0])),
        ("merged", seed(0, &split, b"", &[0, 8, 1, 2])),
        ("gone", seed(JSON_CODEC, &behind, checkpoint, b"")),
        ("stale", seed(0, &json!({}), b"", &[0, 7])),
        ("damaged", seed(0, &new, b"", &damaged)),
        ("raw", seed(3 << 1, &new, b"", &raw)),
    ]
}
