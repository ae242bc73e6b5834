//! Packed tuples to JSON messages: `cargo bench --bench encode_json`.
//!
//! `ours` is the plan; `serde_json` is the obvious way, a map of values that is written out. Both are asserted
//! to give the same bytes first. The time is that of one document.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use materialize_kafka::encode::{Buffer, Document, Fields, JsonPlan, Layout, Scratch};
use serde_json::{Map, Value};

mod documents;

use documents::{Packed, Scenario};

fn benches(criterion: &mut Criterion) {
    let scenarios = [
        documents::flat128(),
        documents::estuary("estuary1k", 800),
        documents::estuary("estuary64k", 65_536),
        documents::nested2k(),
    ];
    for scenario in &scenarios {
        let layout =
            Layout { keys: &scenario.keys, values: &scenario.values, document: scenario.document.as_deref() };
        let plan = JsonPlan::new(&layout).expect("distinct names");
        let mut scratch = Scratch::default();
        let mut key = Vec::new();
        let mut buffer = Buffer::default();
        let mut bytes = 0;
        for store in &scenario.stores {
            key.clear();
            plan.encode(&document(store), &mut scratch, &mut key, &mut buffer).expect("a whole Store");
            assert_eq!((key.clone(), buffer.message().to_vec()), obvious(scenario, store));
            bytes += key.len() + buffer.message().len();
            buffer.abandon();
        }
        let stores = scenario.stores.len();
        let mut group = criterion.benchmark_group(scenario.name);
        group.throughput(Throughput::Bytes((bytes / stores) as u64));
        // Chunks as the producer has them: messages lie one behind the other, and memory is used again.
        let mut chunk = Vec::with_capacity(CHUNK);
        group.bench_function("ours", |bencher| {
            bencher.iter_custom(|documents| {
                per_document(documents, &scenario.stores, |stores| {
                    chunk.clear();
                    let mut buffer = Buffer::from_vec(std::mem::take(&mut chunk));
                    for store in stores {
                        key.clear();
                        plan.encode(&document(store), &mut scratch, &mut key, &mut buffer)
                            .expect("a whole Store");
                        black_box((&key, buffer.message()));
                        buffer.finish();
                        if buffer.len() + CHUNK / 4 > CHUNK {
                            chunk = std::mem::take(&mut buffer).into_vec();
                            chunk.clear();
                            buffer = Buffer::from_vec(std::mem::take(&mut chunk));
                        }
                    }
                    chunk = buffer.into_vec();
                })
            });
        });
        group.bench_function("serde_json", |bencher| {
            bencher.iter_custom(|documents| {
                per_document(documents, &scenario.stores, |stores| {
                    for store in stores {
                        black_box(obvious(scenario, store));
                    }
                })
            });
        });
        group.finish();
    }
}

/// Runs whole rounds of all Stores, and gives the time that `documents` of them take.
fn per_document(documents: u64, stores: &[Packed], mut round: impl FnMut(&[Packed])) -> Duration {
    let rounds = documents.div_ceil(stores.len() as u64).max(1);
    let start = Instant::now();
    for _ in 0..rounds {
        round(black_box(stores));
    }
    #[expect(clippy::cast_precision_loss, reason = "a share of a measured time")]
    let share = documents as f64 / (rounds * stores.len() as u64) as f64;
    start.elapsed().mul_f64(share)
}

fn document(store: &Packed) -> Document<'_> {
    Document {
        key: Fields::Packed(&store.key),
        values: Fields::Packed(&store.values),
        doc: &store.doc,
        delete: false,
    }
}

fn obvious(scenario: &Scenario, store: &Packed) -> (Vec<u8>, Vec<u8>) {
    let mut object = Map::new();
    let mut add = |mut packed: &[u8], names: &[String]| {
        for name in names {
            let (value, rest) = unpack(packed);
            object.insert(name.clone(), value);
            packed = rest;
        }
        serde_json::to_vec(&object).expect("maps can be written")
    };
    let key = add(&store.key, &scenario.keys);
    let mut value = add(&store.values, &scenario.values);
    if let Some(field) = &scenario.document {
        let text = String::from_utf8(store.doc.clone()).expect("documents are text");
        object.insert(field.clone(), text.into());
        value = serde_json::to_vec(&object).expect("maps can be written");
    }
    (key, value)
}

fn unpack(packed: &[u8]) -> (Value, &[u8]) {
    let (code, rest) = (packed[0], &packed[1..]);
    let text = |rest: &[u8]| rest.iter().position(|byte| *byte == 0).expect("texts end");
    match code {
        1 => {
            let end = text(rest);
            (serde_json::from_slice(&rest[..end]).expect("nested JSON"), &rest[end + 1..])
        }
        2 => {
            let end = text(rest);
            let value = std::str::from_utf8(&rest[..end]).expect("UTF-8");
            (value.into(), &rest[end + 1..])
        }
        0x14..=0x1c => {
            let (bytes, rest) = rest.split_at(usize::from(code - 0x14));
            (bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte)).into(), rest)
        }
        0x21 => {
            let bits = u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"));
            let bits = if bits >> 63 == 1 { bits ^ 1 << 63 } else { !bits };
            (f64::from_bits(bits).into(), &rest[8..])
        }
        code => ((code == 0x27).into(), rest),
    }
}

/// Bytes of a chunk.
const CHUNK: usize = 1 << 20;

criterion_group!(all, benches);
criterion_main!(all);
