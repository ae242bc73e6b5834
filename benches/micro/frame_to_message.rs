//! Frames to the key and value bytes of messages, as a session has them pass: the whole of our own side but for the
//! hand-over. `flat128_json` and `flat128_avro` are formats of messages; frames are protobuf.

use std::hint::black_box;

use materialize_kafka::encode::{Document, Fields};
use materialize_kafka::protocol::{Codec, RequestReader, Store, Tuple};

use super::decode::next;
use super::documents::Scenario;
use super::encoder::Encoder;
use super::frames::{Endless, Obvious, size};
use super::obvious_avro::Apache;
use super::obvious_json;
use super::table::{Subject, Table};

pub fn rows(table: &mut Table, scenarios: &[Scenario]) {
    for scenario in scenarios {
        let bytes = size(scenario, Codec::Proto);
        let what = format!("{}_json", scenario.name);
        let subject = Subject { name: "frame_to_message", what: &what, bytes };
        ours(table, subject, scenario, Encoder::json, |scenario| {
            move |key: &[u8], values: &[u8], doc: &[u8]| obvious_json::message(scenario, key, values, doc)
        });
        let what = format!("{}_avro", scenario.name);
        let subject = Subject { name: "frame_to_message", what: &what, bytes };
        ours(table, subject, scenario, Encoder::avro, |scenario| {
            let apache = Apache::new(scenario);
            move |key: &[u8], values: &[u8], doc: &[u8]| apache.message(scenario, key, values, doc)
        });
    }
}

/// Both rows of a subject: ours, and the obvious way.
fn ours<'s, O>(
    table: &mut Table,
    subject: Subject<'_>,
    scenario: &'s Scenario,
    encoder: fn(&Scenario) -> Encoder,
    obvious: impl Fn(&'s Scenario) -> O,
) where
    O: Fn(&[u8], &[u8], &[u8]) -> (Vec<u8>, Vec<u8>),
{
    let ours = || RequestReader::new(Endless::new(scenario, Codec::Proto), Some(Codec::Proto));
    let theirs = || Obvious::new(scenario, Codec::Proto);
    if table.compares() {
        let (mut ours, mut encoder) = (ours(), encoder(scenario));
        let (mut theirs, obvious) = (theirs(), obvious(scenario));
        for _ in &scenario.stores {
            let store = theirs.next();
            assert_eq!(
                encoder.message(&document(&next(&mut ours))),
                obvious(&store.key_packed, &store.values_packed, &store.doc_json),
                "{}",
                subject.what
            );
        }
    }
    table.ours(subject, || {
        let (mut reader, mut encoder) = (ours(), encoder(scenario));
        move |documents| {
            for _ in 0..documents {
                encoder.encode(&document(&next(&mut reader)));
            }
        }
    });
    let name = if subject.what.ends_with("avro") { "prost+apache_avro" } else { "prost+serde_json" };
    table.theirs(subject, name, || {
        let (mut reader, obvious) = (theirs(), obvious(scenario));
        move |documents| {
            for _ in 0..documents {
                let store = reader.next();
                black_box(obvious(&store.key_packed, &store.values_packed, &store.doc_json));
            }
        }
    });
}

fn document<'a>(store: &Store<'a>) -> Document<'a> {
    let fields = |tuple: Tuple<'a>| match tuple {
        Tuple::Packed(bytes) => Fields::Packed(bytes),
        Tuple::Json(text) => Fields::Json(text),
    };
    Document { key: fields(store.key), values: fields(store.values), doc: store.doc, delete: store.delete }
}
