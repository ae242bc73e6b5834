//! Time to encode one document as Avro, from packed tuples to key and value bytes.
//!
//! `cargo bench --bench encode_avro`. The documents are made here, after the scenarios' shapes: flat128
//! has an integer key and five scalars; nested2k has scalars, an object three deep, an array of objects, an
//! array of strings and the root document of about 1 KB; `nested2k_spaced` is the same with white space in
//! the nested values, which therefore have to be parsed. `apache_avro` is that crate writing the same
//! values, which are given to it ready-made.

#![allow(missing_docs, reason = "criterion's macros make public items without documentation")]

use std::hint::black_box;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use materialize_kafka::encode::{AvroPlan, Buffer, Document, Fields, Layout, Scratch};
use materialize_kafka::schema::avro::{Field, Record, Schema};

/// A binding, its documents as they come, and the schema of its values as text.
struct Scenario {
    name: &'static str,
    plan: AvroPlan,
    schema: String,
    documents: Vec<Packed>,
}

/// What a Store carries.
struct Packed {
    key: Vec<u8>,
    values: Vec<u8>,
    doc: Vec<u8>,
}

/// Documents of a scenario: enough that no branch is learned by heart.
const DOCUMENTS: u32 = 512;
/// Bytes of a value before its Avro body.
const HEADER: usize = 5;

fn encode_avro(criterion: &mut Criterion) {
    for scenario in [flat(), nested("nested2k", ""), nested("nested2k_spaced", " ")] {
        let mut scratch = Scratch::default();
        let mut key = Vec::with_capacity(64);
        let mut value = Buffer::with_capacity(1 << 20);
        let mut encode = |packed: &Packed, value: &mut Buffer| {
            key.clear();
            value.abandon();
            let Packed { key: packed_key, values, doc } = packed;
            let (packed_key, values) = (Fields::Packed(packed_key), Fields::Packed(values));
            let doc = Document { key: packed_key, values, doc, delete: false };
            scenario.plan.encode(&doc, &mut scratch, &mut key, value).expect("the document fits")
        };
        let messages = scenario.documents.iter().map(|packed| {
            assert!(encode(packed, &mut value), "not a delete");
            value.message().to_vec()
        });
        let messages: Vec<Vec<u8>> = messages.collect();

        let mut group = criterion.benchmark_group(scenario.name);
        group.throughput(Throughput::Elements(DOCUMENTS.into()));
        group.bench_function("ours", |bencher| {
            bencher.iter(|| {
                for packed in &scenario.documents {
                    black_box(encode(packed, &mut value));
                    black_box(value.message());
                }
            });
        });

        let schema = apache_avro::Schema::parse_str(&scenario.schema).expect("the schema is legal");
        let values: Vec<Value> = messages.iter().map(|message| decode(&schema, message)).collect();
        let writer = GenericDatumWriter::builder(&schema).build().expect("the schema is complete");
        for (value, message) in values.iter().zip(&messages) {
            let theirs = writer.write_value_to_vec(value.clone()).expect("the value fits");
            assert_eq!(theirs, message[HEADER..], "both write the same bytes");
        }
        group.bench_function("apache_avro", |bencher| {
            bencher.iter_batched(
                || values.clone(),
                |values| values.into_iter().filter_map(|value| writer.write_value_to_vec(value).ok()).map(black_box).count(),
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

fn decode(schema: &apache_avro::Schema, message: &[u8]) -> Value {
    let mut body = &message[HEADER..];
    let reader = GenericDatumReader::builder(schema).build().expect("the schema is complete");
    reader.read_value(&mut body).expect("the message is Avro")
}

fn flat() -> Scenario {
    let fields = [
        ("active", Schema::Boolean),
        ("amount", Schema::Double),
        ("city", Schema::String),
        ("count", Schema::Long),
        ("id", Schema::Long),
        ("name", Schema::String),
    ];
    let documents = (0..DOCUMENTS).map(|i| {
        let mut values = vec![0x26 + u8::from(i % 3 == 0)];
        pack_float(f64::from(i * 7919 % 100_000) / 100.0, &mut values);
        pack_text(2, ["San Jose", "Lisbon", "Reykjavik", "São Paulo"][i as usize % 4], &mut values);
        pack_unsigned(u64::from(i * 31 % 1000), &mut values);
        pack_text(2, &format!("Ada Lovelace {i:08}"), &mut values);
        Packed { key: key(i), values, doc: Vec::new() }
    });
    let values = ["active", "amount", "city", "count", "name"];
    scenario("flat128", &fields, &values, None, documents.collect())
}

fn nested(name: &'static str, space: &str) -> Scenario {
    let geo = [("lat", Schema::Double), ("lon", Schema::Double)];
    let address = [
        ("city", Schema::String),
        ("geo", record("root.user.address.geo", &geo)),
        ("street", Schema::String),
        ("zip", Schema::String),
    ];
    let user = [
        ("address", record("root.user.address", &address)),
        ("age", Schema::Long),
        ("email", Schema::String),
        ("name", Schema::String),
        ("vip", Schema::Boolean),
    ];
    let item = [("price", Schema::Double), ("qty", Schema::Long), ("sku", Schema::String)];
    let fields = [
        ("flow_document", Schema::String),
        ("id", Schema::Long),
        ("items", Schema::Array(Box::new(record("root.items._items", &item)))),
        ("note", Schema::String),
        ("status", Schema::String),
        ("tags", Schema::Array(Box::new(Schema::String))),
        ("total", Schema::Double),
        ("ts", Schema::TimestampMicros),
        ("user", record("root.user", &user)),
    ];
    let documents = (0..DOCUMENTS).map(|i| {
        let item = |n: u32| {
            let cents = i * 7919 * n % 10_000;
            format!(r#"{{"price":{}.{},"qty":{n},"sku":"SKU-{:06}"}}"#, cents / 100, cents % 9 + 1, i * 41 * n)
        };
        let items = (1..=5).map(item).collect::<Vec<_>>().join(",");
        let items = format!("[{items}{space}]");
        let note = (0..500u32).map(|n| char::from(b'a' + u8::try_from((i + 1) * (n + 3) * 31 % 26).expect("small")));
        let note: String = note.collect();
        let tags = format!(r#"["alpha","beta","gamma","delta"{space}]"#);
        let address = format!(
            r#"{{"city":"San Jose","geo":{{"lat":51.{},"lon":-0.135}},"street":"12 St James's Square","zip":"SW1Y 4JH"}}"#,
            i % 999 * 10 + 1,
        );
        let user = format!(
            r#"{{"address":{address},"age":{},"email":"ada{i:05}@example.com","name":"Ada \"Countess\" Lovelace","vip":{}{space}}}"#,
            18 + i % 60,
            i % 2 == 0,
        );
        let total = f64::from(i * 7919 % 100_000) / 100.0;
        let ts = format!("2026-08-{:02}T16:03:08.{:03}Z", 1 + i % 28, i % 1000);
        let mut values = Vec::new();
        pack_text(1, &items, &mut values);
        pack_text(2, &note, &mut values);
        pack_text(2, "paid", &mut values);
        pack_text(1, &tags, &mut values);
        pack_float(total, &mut values);
        pack_text(2, &ts, &mut values);
        pack_text(1, &user, &mut values);
        let doc = format!(
            r#"{{"id":{i},"items":{items},"note":"{note}","status":"paid","tags":{tags},"total":{total},"ts":"{ts}","user":{user}}}"#
        );
        Packed { key: key(i), values, doc: doc.into_bytes() }
    });
    let values = ["items", "note", "status", "tags", "total", "ts", "user"];
    scenario(name, &fields, &values, Some("flow_document"), documents.collect())
}

fn scenario(
    name: &'static str,
    fields: &[(&str, Schema)],
    values: &[&str],
    document: Option<&str>,
    documents: Vec<Packed>,
) -> Scenario {
    let value = record("root", fields);
    let part = Field { name: "p1".to_owned(), schema: Schema::Long, default: None };
    let parts = Record { name: "root.Key.Parts".to_owned(), fields: vec![part], extra: None };
    let parts = Field { name: "_flow_key".to_owned(), schema: Schema::Record(parts), default: None };
    let key = Schema::Record(Record { name: "root.Key".to_owned(), fields: vec![parts], extra: None });
    let values: Vec<String> = values.iter().map(|&name| name.to_owned()).collect();
    let layout = Layout { keys: &["id".to_owned()], values: &values, document };
    let plan = AvroPlan::new(&layout, &key, 1, &value, 2).expect("schema and layout agree");
    Scenario { name, plan, schema: schema_text(&value), documents }
}

/// A record as open objects are mapped: all but required scalars of the root nullable, extras raw JSON.
fn record(name: &str, fields: &[(&str, Schema)]) -> Schema {
    let field = |(field, schema): &(&str, Schema)| {
        let required = *field == "id" || *field == "flow_document";
        let schema = if required { schema.clone() } else { nullable(schema.clone()) };
        Field { name: (*field).to_owned(), schema, default: None }
    };
    let raw = Schema::RawJson { name: format!("{name}._flow_extra.RawJSON") };
    let (fields, extra) = (fields.iter().map(field).collect(), Some(Box::new(nullable(raw))));
    Schema::Record(Record { name: name.to_owned(), fields, extra })
}

fn nullable(schema: Schema) -> Schema {
    Schema::Nullable(Box::new(schema))
}

fn schema_text(schema: &Schema) -> String {
    match schema {
        Schema::Boolean => r#""boolean""#.to_owned(),
        Schema::Long | Schema::TimestampMicros => r#""long""#.to_owned(),
        Schema::Double => r#""double""#.to_owned(),
        Schema::Nullable(inner) => format!(r#"[{},"null"]"#, schema_text(inner)),
        Schema::Array(items) => format!(r#"{{"type":"array","items":{}}}"#, schema_text(items)),
        Schema::RawJson { name } => {
            format!(r#"{{"name":"{name}","type":"record","fields":[{{"name":"json","type":"string"}}]}}"#)
        }
        Schema::Record(Record { name, fields, extra: Some(extra) }) => {
            let field = |Field { name, schema, .. }: &Field| {
                format!(r#"{{"name":"{name}","type":{}}},"#, schema_text(schema))
            };
            let fields: String = fields.iter().map(field).collect();
            let extra = format!(r#"{{"type":"map","values":{}}}"#, schema_text(extra));
            let extra = format!(r#"{{"name":"_flow_extra","type":{extra}}}"#);
            format!(r#"{{"name":"{name}","type":"record","fields":[{fields}{extra}]}}"#)
        }
        _ => r#""string""#.to_owned(),
    }
}

fn key(i: u32) -> Vec<u8> {
    let mut key = Vec::new();
    pack_unsigned(100_000_000 + u64::from(i), &mut key);
    key
}

fn pack_unsigned(value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let bytes = &bytes[value.leading_zeros() as usize / 8..];
    out.push(0x14 + u8::try_from(bytes.len()).expect("at most 8"));
    out.extend_from_slice(bytes);
}

fn pack_float(value: f64, out: &mut Vec<u8>) {
    let bits = value.to_bits();
    out.push(0x21);
    out.extend_from_slice(&if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }.to_be_bytes());
}

fn pack_text(code: u8, text: &str, out: &mut Vec<u8>) {
    out.push(code);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

criterion_group!(benches, encode_avro);
criterion_main!(benches);
