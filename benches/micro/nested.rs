//! Nested JSON values to the normal form that messages have: compact, members sorted, numbers and strings written in
//! one way.
//!
//! The values are documents of `nested2k`, about 1 KB each. `normal1k` is as the runtime writes them, which a check
//! finds to be normal already, so that they are copied; `spaced1k` has white space, `reversed1k` has members in
//! descending order: both are parsed and written anew. `serde_json` parses into its map, which is sorted, and writes
//! that.

use std::hint::black_box;

use materialize_kafka::encode::{JsonPlan, Layout, Plan};
use serde_json::Value;

use super::documents::{self, Packed};
use super::encoder::{Encoder, document};
use super::table::{Subject, Table};

pub fn rows(table: &mut Table) {
    if table.skips("nested/") {
        return;
    }
    let texts: Vec<Vec<u8>> = documents::nested2k().stores.into_iter().map(|store| store.doc).collect();
    let written = |write: fn(&Value) -> String| {
        let write = |text: &Vec<u8>| write(&parse(text)).into_bytes();
        texts.iter().map(write).collect::<Vec<_>>()
    };
    let [spaced, reversed] = [written(spaced), written(reversed)];
    for (what, texts) in [("normal1k", &texts), ("spaced1k", &spaced), ("reversed1k", &reversed)] {
        let bytes = texts.iter().map(Vec::len).sum::<usize>() / texts.len();
        let subject = Subject { name: "nested", what, bytes };
        let stores: Vec<Packed> = texts.iter().map(|text| store(text)).collect();
        if table.compares() {
            let mut encoder = encoder();
            for (store, text) in stores.iter().zip(texts) {
                let (_, value) = encoder.message(&document(store));
                let expected = [b"{\"key\":0,\"value\":", &obvious(text)[..], b"}"].concat();
                assert_eq!(value, expected, "{what}");
            }
        }
        table.ours(subject, || {
            let mut encoder = encoder();
            let mut stores = stores.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    encoder.encode(&document(black_box(stores.next().expect("a cycle"))));
                }
            }
        });
        table.theirs(subject, "serde_json", || {
            let mut texts = texts.iter().cycle();
            move |documents| {
                for _ in 0..documents {
                    black_box(obvious(black_box(texts.next().expect("a cycle"))));
                }
            }
        });
    }
}

/// The encoder of messages with nothing but a key and the nested value.
fn encoder() -> Encoder {
    let [key, value] = ["key", "value"].map(|name| [name.to_owned()]);
    let layout = Layout { keys: &key, values: &value, document: None };
    Encoder::new(Plan::Json(JsonPlan::new(&layout).expect("distinct names")))
}

fn store(text: &[u8]) -> Packed {
    Packed { key: vec![0x14], values: [&[1], text, &[0]].concat(), doc: Vec::new() }
}

fn obvious(text: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&parse(text)).expect("values can be written")
}

fn parse(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("documents are JSON")
}

fn spaced(value: &Value) -> String {
    value.to_string().replace("\":", "\": ")
}

fn reversed(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev();
            let members: Vec<String> =
                members.map(|(name, value)| format!("{name:?}:{}", reversed(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(reversed).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}
