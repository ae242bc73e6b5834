//! Packed tuples to Avro messages: `cargo bench --bench encode_avro`.
//!
//! `ours` is the plan; `ours_parsed` is the plan with white space in the nested values, which then cannot be
//! written in one pass; `apache_avro` is that crate writing the same values, given to it ready-made. All are
//! asserted to give the same bytes first. The time is that of one document.

use std::hint::black_box;
use std::time::{Duration, Instant};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use materialize_kafka::encode::{AvroPlan, Buffer, Document, Fields, Scratch};
use materialize_kafka::schema::avro::{Field, Record, Schema};

mod documents;
#[path = "documents/avro.rs"]
mod schemas;

use documents::{Packed, Scenario};

/// Bytes of a value before its Avro body.
const HEADER: usize = 5;
/// Bytes of memory that messages are written to, one behind the other, before it is used again.
const CHUNK: usize = 1 << 20;

fn benches(criterion: &mut Criterion) {
    let scenarios = [
        documents::flat128(),
        documents::estuary("estuary1k", 800),
        documents::estuary("estuary64k", 65_536),
        documents::nested2k(),
    ];
    for scenario in &scenarios {
        let (plan, schema) = schemas::plan(scenario);
        let messages = encoded(&plan, &scenario.stores);
        let bytes: usize = messages.iter().map(Vec::len).sum();
        let mut group = criterion.benchmark_group(scenario.name);
        group.throughput(Throughput::Bytes((bytes / messages.len()) as u64));
        group.bench_function("ours", |bencher| {
            bencher.iter_custom(|documents| encode(documents, &plan, &scenario.stores));
        });
        if scenario.document.is_some() {
            let spaced = spaced(scenario);
            for (spaced, message) in encoded(&plan, &spaced).iter().zip(&messages) {
                assert_eq!(spaced, message, "white space does not count");
            }
            group.bench_function("ours_parsed", |bencher| {
                bencher.iter_custom(|documents| encode(documents, &plan, &spaced));
            });
        }
        let schema = apache_avro::Schema::parse_str(&text(&schema)).expect("the schema is legal");
        let reader = GenericDatumReader::builder(&schema).build().expect("the schema is complete");
        let decode =
            |message: &Vec<u8>| reader.read_value(&mut &message[HEADER..]).expect("the message is Avro");
        let values: Vec<Value> = messages.iter().map(decode).collect();
        let writer = GenericDatumWriter::builder(&schema).build().expect("the schema is complete");
        for (value, message) in values.iter().zip(&messages) {
            let theirs = writer.write_value_to_vec(value.clone()).expect("the value fits");
            assert_eq!(theirs, message[HEADER..], "both write the same bytes");
        }
        group.bench_function("apache_avro", |bencher| {
            bencher.iter_custom(|documents| {
                let rounds = documents.div_ceil(values.len() as u64);
                let mut spent = Duration::ZERO;
                for _ in 0..rounds {
                    let given = values.clone();
                    let start = Instant::now();
                    for value in given {
                        black_box(writer.write_value_to_vec(value).is_ok());
                    }
                    spent += start.elapsed();
                }
                share(spent, documents, rounds * values.len() as u64)
            });
        });
        group.finish();
    }
}

/// The time that encoding `documents` of the Stores takes.
fn encode(documents: u64, plan: &AvroPlan, stores: &[Packed]) -> Duration {
    let mut scratch = Scratch::default();
    let mut key = Vec::new();
    let mut buffer = Buffer::with_capacity(CHUNK);
    let rounds = documents.div_ceil(stores.len() as u64);
    let start = Instant::now();
    for _ in 0..rounds {
        for store in black_box(stores) {
            if buffer.len() + CHUNK / 4 > CHUNK {
                let mut chunk = buffer.into_vec();
                chunk.clear();
                buffer = Buffer::from_vec(chunk);
            }
            key.clear();
            plan.encode(&document(store), &mut scratch, &mut key, &mut buffer).expect("a whole Store");
            black_box((&key, buffer.message()));
            buffer.finish();
        }
    }
    share(start.elapsed(), documents, rounds * stores.len() as u64)
}

/// The part of `spent` that falls to `documents` of `done`.
#[expect(clippy::cast_precision_loss, reason = "a share of a measured time")]
fn share(spent: Duration, documents: u64, done: u64) -> Duration {
    spent.mul_f64(documents as f64 / done as f64)
}

fn encoded(plan: &AvroPlan, stores: &[Packed]) -> Vec<Vec<u8>> {
    let (mut scratch, mut key, mut buffer) = (Scratch::default(), Vec::new(), Buffer::default());
    let mut message = |store: &Packed| {
        buffer.abandon();
        plan.encode(&document(store), &mut scratch, &mut key, &mut buffer).expect("a whole Store");
        buffer.message().to_vec()
    };
    stores.iter().map(&mut message).collect()
}

fn document(store: &Packed) -> Document<'_> {
    Document {
        key: Fields::Packed(&store.key),
        values: Fields::Packed(&store.values),
        doc: &store.doc,
        delete: false,
    }
}

/// The Stores with a space at the end of each nested array or object.
fn spaced(scenario: &Scenario) -> Vec<Packed> {
    let space = |store: &Packed| {
        let mut values = Vec::new();
        for &byte in &store.values {
            if byte == 0 && matches!(values.last(), Some(b'}' | b']')) {
                values.insert(values.len() - 1, b' ');
            }
            values.push(byte);
        }
        Packed { key: store.key.clone(), values, doc: store.doc.clone() }
    };
    scenario.stores.iter().map(space).collect()
}

fn text(schema: &Schema) -> String {
    match schema {
        Schema::Boolean => r#""boolean""#.to_owned(),
        Schema::Long | Schema::TimestampMicros => r#""long""#.to_owned(),
        Schema::Double => r#""double""#.to_owned(),
        Schema::Nullable(inner) => format!(r#"[{},"null"]"#, text(inner)),
        Schema::Array(items) => format!(r#"{{"type":"array","items":{}}}"#, text(items)),
        Schema::RawJson { name } => {
            format!(r#"{{"name":"{name}","type":"record","fields":[{{"name":"json","type":"string"}}]}}"#)
        }
        Schema::Record(Record { name, fields, extra: Some(extra) }) => {
            let field = |Field { name, schema, .. }: &Field| {
                format!(r#"{{"name":"{name}","type":{}}},"#, text(schema))
            };
            let fields: String = fields.iter().map(field).collect();
            let extra = format!(r#"{{"type":"map","values":{}}}"#, text(extra));
            let extra = format!(r#"{{"name":"_flow_extra","type":{extra}}}"#);
            format!(r#"{{"name":"{name}","type":"record","fields":[{fields}{extra}]}}"#)
        }
        _ => r#""string""#.to_owned(),
    }
}

criterion_group!(all, benches);
criterion_main!(all);
