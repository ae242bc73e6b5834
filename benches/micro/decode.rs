//! Frames to Stores, in both codecs: `flat128` as protobuf messages, `flat128_json` as JSON lines.
//!
//! Both sides read whole frames from a stream, so that copying them in counts; `read_alone` is that copying.

use std::hint::black_box;
use std::io::Read;

use materialize_kafka::protocol::{Codec, Incoming, RequestReader, Store, Tuple};

use super::documents::Scenario;
use super::frames::{Endless, Obvious, PIPE, size};
use super::table::{Subject, Table};

pub fn rows(table: &mut Table, scenarios: &[Scenario]) {
    for scenario in scenarios {
        for (codec, suffix, theirs) in [(Codec::Proto, "", "prost"), (Codec::Json, "_json", "serde_json")] {
            let what = format!("{}{suffix}", scenario.name);
            let subject = Subject { name: "decode", what: &what, bytes: size(scenario, codec) };
            if table.compares() {
                let mut ours = RequestReader::new(Endless::new(scenario, codec), Some(codec));
                let mut theirs = Obvious::new(scenario, codec);
                for _ in &scenario.stores {
                    let theirs = theirs.next();
                    let [key, values] = match codec {
                        Codec::Proto => {
                            [Tuple::Packed(&theirs.key_packed), Tuple::Packed(&theirs.values_packed)]
                        }
                        Codec::Json => [Tuple::Json(&theirs.key_json), Tuple::Json(&theirs.values_json)],
                    };
                    let doc = &theirs.doc_json[..];
                    let store = Store { binding: 0, key, values, doc, exists: false, delete: false };
                    assert_eq!(next(&mut ours), store, "{what}");
                }
            }
            table.ours(subject, || {
                let mut reader = RequestReader::new(Endless::new(scenario, codec), Some(codec));
                move |documents| {
                    for _ in 0..documents {
                        black_box(next(&mut reader));
                    }
                }
            });
            table.theirs(subject, theirs, || {
                let mut reader = Obvious::new(scenario, codec);
                move |documents| {
                    for _ in 0..documents {
                        black_box(reader.next());
                    }
                }
            });
        }
        read_alone(table, scenario);
    }
}

/// The next Store, as a session asks for it.
#[inline]
pub fn next(reader: &mut RequestReader<Endless>) -> Store<'_> {
    black_box(reader.has_frame());
    match reader.next() {
        Ok(Some(Incoming::Store(store))) => store,
        other => unreachable!("all are Stores: {other:?}"),
    }
}

fn read_alone(table: &mut Table, scenario: &Scenario) {
    let subject = Subject { name: "decode", what: scenario.name, bytes: size(scenario, Codec::Proto) };
    table.theirs(subject, "read_alone", || {
        let mut input = Endless::new(scenario, Codec::Proto);
        let mut buffer = vec![0; 4 * PIPE];
        let (mut at, mut due) = (0, 0_usize);
        move |documents| {
            due += subject.bytes * usize::try_from(documents).expect("64 bits");
            while due > 0 {
                let read = input.read(&mut buffer[at..]).expect("it does not end");
                at = if at + read + PIPE > buffer.len() { 0 } else { at + read };
                due = due.saturating_sub(read);
                black_box(&buffer);
            }
        }
    });
}
