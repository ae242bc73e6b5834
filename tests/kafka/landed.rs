//! What should have landed, from a fixture's text alone, and whether it did.

use std::collections::BTreeMap;
use std::iter;

use apache_avro::types::Value as Avro;
use materialize_kafka::kafka::Record;
use materialize_kafka::preview::task::BuiltTask;
use materialize_kafka::protocol::messages::flow;
use serde_json::Value;

use crate::avro::{self, Schemas};

/// Messages of a topic by their keys' parts as JSON: documents in the order of their transactions, none for a delete.
type Messages = BTreeMap<String, Vec<Option<Value>>>;

/// The messages of a fixture, by topic. Of documents with one key in one transaction the last one counts.
pub fn expected(task: &BuiltTask, fixture: &str) -> BTreeMap<String, Messages> {
    let mut all = BTreeMap::<String, Messages>::new();
    let mut transaction = BTreeMap::new();
    for line in fixture.lines().chain(iter::once(r#"{"commit":true}"#)).filter(|line| !line.is_empty()) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if line.is_object() {
            for ((topic, key), document) in std::mem::take(&mut transaction) {
                all.entry(topic).or_default().entry(key).or_default().push(document);
            }
            continue;
        }
        let of_collection = |b: &&flow::Binding| collection(b).name == line[0].as_str().unwrap();
        let binding = task.spec.bindings.iter().find(of_collection).expect("a binding of the collection");
        let document = line[1].take();
        let key: Vec<_> = collection(binding).key.iter().map(|pointer| document.pointer(pointer)).collect();
        let place = (binding.resource_path[0].clone(), serde_json::to_string(&key).unwrap());
        let deleted = document.pointer("/_meta/op").is_some_and(|op| op == "d");
        transaction.insert(place, Some(document).filter(|_| !deleted));
    }
    all
}

/// How many messages these are.
pub fn count(expected: &BTreeMap<String, Messages>) -> usize {
    expected.values().flat_map(BTreeMap::values).map(Vec::len).sum()
}

/// Asserts that records are the expected messages: none lost or doubled, those of one key in their order and in the
/// partition that librdkafka's `consistent` partitioner gives its bytes, each with all selected fields of its document.
pub fn assert_landed(
    task: &BuiltTask,
    expected: &BTreeMap<String, Messages>,
    records: &BTreeMap<String, Vec<Record>>,
    format: &Format<'_>,
    partitions: u32,
) {
    for binding in &task.spec.bindings {
        let topic = &binding.resource_path[0];
        let mut found = BTreeMap::<String, Vec<&Record>>::new();
        for record in &records[topic] {
            let key = record.key.as_deref().expect("a key");
            assert_eq!(
                u32::try_from(record.partition),
                Ok(crc32(key) % partitions),
                "partition of {record:?}"
            );
            found.entry(serde_json::to_string(&format.key(binding, key)).unwrap()).or_default().push(record);
        }
        let expected = &expected[topic];
        assert!(
            expected.keys().eq(found.keys()),
            "keys in {topic}: {:?}, not {:?}",
            found.keys(),
            expected.keys()
        );
        for (key, documents) in expected {
            let found = &found[key];
            assert_eq!(found.len(), documents.len(), "messages of key {key} in {topic}");
            for (record, document) in found.iter().zip(documents) {
                match (&record.value, document) {
                    (None, None) => {}
                    (Some(value), Some(document)) => assert_fields(binding, &format.fields(value), document),
                    (value, document) => panic!("{topic}, key {key}: {value:?} for {document:?}"),
                }
            }
        }
    }
}

fn assert_fields(binding: &flow::Binding, found: &BTreeMap<String, Field>, document: &Value) {
    let selection = binding.field_selection.as_ref().unwrap();
    let root = Some(&selection.document).filter(|field| !field.is_empty());
    let mut names: Vec<&String> = selection.keys.iter().chain(&selection.values).chain(root).collect();
    names.sort();
    assert!(found.keys().eq(names.iter().copied()), "fields {:?}, not {names:?}", found.keys());
    for name in names {
        let projection = collection(binding).projections.iter().find(|p| p.field == *name).unwrap();
        let pointer = &projection.ptr;
        let field = &found[name];
        let right = match pointer.as_str() {
            "" => field.text().is_some_and(|text| {
                serde_json::from_str(text)
                    .is_ok_and(|landed| without_uuid(landed) == without_uuid(document.clone()))
            }),
            "/_meta/uuid" if name == "flow_published_at" => {
                field.text().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
            // The runtime gives it a UUID.
            pointer if pointer.starts_with("/_meta") => true,
            pointer => {
                // The runtime puts a place's default where a document lacks it.
                let default = projection.inference.as_ref().map(|inference| &inference.default_json[..]);
                let default = default.and_then(|text| serde_json::from_slice::<Value>(text).ok());
                field.holds(document.pointer(pointer).or(default.as_ref()))
            }
        };
        assert!(right, "field {name:?} is {field:?} of {document}");
    }
}

/// The runtime gives each document one of its own.
fn without_uuid(mut document: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        let meta = members.get_mut("_meta").and_then(Value::as_object_mut);
        if meta.is_some_and(|meta| {
            meta.remove("uuid");
            meta.is_empty()
        }) {
            members.remove("_meta");
        }
    }
    document
}

/// How messages are written.
pub enum Format<'a> {
    Json,
    Avro(&'a Schemas),
}

/// A field of a message.
#[derive(Debug)]
enum Field {
    Json(Value),
    Avro(Avro),
}

impl Format<'_> {
    /// The parts of a key, in order.
    fn key(&self, binding: &flow::Binding, key: &[u8]) -> Vec<Value> {
        match self {
            Self::Json => {
                let mut members: BTreeMap<String, Value> = serde_json::from_slice(key).unwrap();
                let keys = &binding.field_selection.as_ref().unwrap().keys;
                let parts =
                    keys.iter().map(|field| members.remove(field).expect("the key's field")).collect();
                assert!(members.is_empty(), "too much in the key: {members:?}");
                parts
            }
            Self::Avro(schemas) => avro::key(schemas.decode(key).1)
                .into_iter()
                .map(|part| match part {
                    Avro::Long(number) => number.into(),
                    Avro::String(text) => text.into(),
                    part => panic!("a part of a key: {part:?}"),
                })
                .collect(),
        }
    }

    fn fields(&self, value: &[u8]) -> BTreeMap<String, Field> {
        match self {
            Self::Json => {
                let fields: BTreeMap<String, Value> = serde_json::from_slice(value).unwrap();
                fields.into_iter().map(|(name, value)| (name, Field::Json(value))).collect()
            }
            Self::Avro(schemas) => avro::fields(schemas.decode(value).1)
                .into_iter()
                .map(|(name, value)| (name, Field::Avro(value)))
                .collect(),
        }
    }
}

impl Field {
    fn holds(&self, json: Option<&Value>) -> bool {
        match self {
            Self::Json(value) => value == json.unwrap_or(&Value::Null),
            Self::Avro(value) => avro::holds(value, json),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Avro(Avro::Union(_, value)) if let Avro::String(text) = &**value => Some(text),
            Self::Avro(Avro::String(text)) => Some(text),
            Self::Avro(_) => None,
        }
    }
}

fn collection(binding: &flow::Binding) -> &flow::CollectionSpec {
    binding.collection.as_ref().expect("a binding has a collection")
}

/// The CRC32 of zlib and Ethernet, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
