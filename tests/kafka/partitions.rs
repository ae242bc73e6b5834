//! Which partition messages go to: as Java's producer has it, by some key fields, whatever the schema's id.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use materialize_kafka::kafka::Record;
use serde_json::{Value, json};

use crate::broker::{Admin, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says, specification, transaction};
use crate::landed::crc32;

/// What Java's own producer does with the same keys, sent by Kafka's console producer.
#[test]
fn murmur2_puts_ten_thousand_keys_where_javas_producer_does() {
    let Some(kafka) = services::kafka() else { return };
    let [ours, javas] = [unique("murmur2"), unique("java")];
    let endpoint = Endpoint::json(&kafka.plaintext)
        .set("topic_partitions", json!(7))
        .set("advanced", json!({"partitioner": "murmur2"}));
    let task = endpoint.task(&specification(&[&ours]));
    endpoint.apply(&task);
    // Of 1 to 15 digits, so that keys have every length modulo 4.
    let ids: Vec<Value> = (0..KEYS).map(|n| json!(n * n * n * n % 1_000_000_000_000_007)).collect();
    let documents: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    endpoint.run(&task, &stores(&task, &transaction(documents.iter().map(|document| (0, document)))));
    let found = partitions(&endpoint, &ours, ids.len());

    Admin::at(&kafka.plaintext).create(&javas, 7);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/kafka");
    let mut producer = Command::new(script)
        .args(["cli", "console-producer", "--bootstrap-server", &kafka.plaintext, "--topic", &javas])
        .args(["--reader-property", "parse.key=true", "--reader-property", "key.separator=\t"])
        // By itself it gives a batch up after four times 1.5 s, each of which may have been written.
        .args(["--request-timeout-ms", "60000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines: String = found.keys().map(|key| format!("{key}\tv\n")).collect();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(producer.wait().unwrap().success());

    assert_eq!(found.len(), ids.len(), "keys that differ");
    assert!((0..7).all(|partition| found.values().filter(|found| **found == partition).count() > 1000));
    assert_eq!(partitions(&endpoint, &javas, ids.len()), found);
}

const KEYS: u64 = 10_000;

/// The partition of each key.
fn partitions(endpoint: &Endpoint, topic: &str, count: usize) -> BTreeMap<String, i32> {
    let records = read(&endpoint.config, &[topic], count).remove(topic).unwrap();
    assert_eq!(records.len(), count);
    records
        .into_iter()
        .map(|record| (String::from_utf8(record.key.unwrap()).unwrap(), record.partition))
        .collect()
}

#[test]
fn messages_that_agree_in_partition_by_share_a_partition() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let json = Endpoint::json(&kafka.plaintext);
    let landed = land(&json, &json!({"partition_by": ["region"]}));
    for (region, record) in &landed {
        let key = format!(r#"{{"region":"{region}"}}"#);
        assert_eq!(u32::try_from(record.partition).unwrap(), crc32(key.as_bytes()) % 3, "{record:?}");
    }
    let whole = |record: &Record| crc32(record.key.as_deref().unwrap()) % 3;
    let differ = landed.iter().filter(|(_, record)| i64::from(record.partition) != i64::from(whole(record)));
    assert!(differ.count() > 100, "the whole key has chosen");

    // The part of the key as Avro has it: length and text.
    let avro = Endpoint::avro(&kafka.plaintext, &registry);
    let part = |region: &str| [&[u8::try_from(2 * region.len()).unwrap()], region.as_bytes()].concat();
    for (region, record) in
        land(&avro, &json!({"partition_by": ["region"], "partition_without_prefix": true}))
    {
        assert_eq!(u32::try_from(record.partition).unwrap(), crc32(&part(&region)) % 3, "{record:?}");
    }
    for (region, record) in land(&avro, &json!({"partition_by": ["region"]})) {
        let key = [&record.key.as_ref().unwrap()[..5], &part(&region)].concat();
        assert_eq!(u32::try_from(record.partition).unwrap(), crc32(&key) % 3, "{record:?}");
    }
}

#[test]
fn the_schemas_id_can_be_left_out() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let avro = Endpoint::avro(&kafka.plaintext, &registry);
    let partition = |key: &[u8]| i32::try_from(crc32(key) % 3).unwrap();
    let key = |record: &Record| record.key.clone().unwrap();
    let without = avro.clone().set("advanced", json!({"partition_without_prefix": true}));
    assert!(land(&without, &json!({})).iter().all(|(_, r)| r.partition == partition(&key(r)[5..])));
    let back = land(&without, &json!({"partition_without_prefix": false}));
    assert!(back.iter().all(|(_, r)| r.partition == partition(&key(r))));
    assert!(back.iter().any(|(_, r)| r.partition != partition(&key(r)[5..])));
}

#[test]
fn a_partition_by_no_key_field_is_refused_in_validate() {
    let Some(kafka) = services::kafka() else { return };
    let mut specification: Value = serde_json::from_str(&specification(&["unused"])).unwrap();
    specification["materializations"]["acme/task"]["bindings"][0]["resource"]["partition_by"] =
        json!(["text"]);
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = crate::common::runtime::task(&specification.to_string(), &endpoint.config);
    assert_says(
        &endpoint.ask(task.validate()).failure(),
        &[
            "binding 0",
            "partition_by names \"text\", which is no key field of collection acme/0; expected some of id",
        ],
    );
}

/// Publishes documents of a collection with the key `/region`, `/id`; gives the region and the message of each.
fn land(endpoint: &Endpoint, resource: &Value) -> Vec<(String, Record)> {
    let topic = unique("by");
    let mut specification: Value = serde_json::from_str(&specification(&[&topic])).unwrap();
    let collection = &mut specification["collections"]["acme/0"];
    collection["key"] = json!(["/id", "/region"]);
    collection["schema"]["properties"]["region"] = json!({"type": "string"});
    collection["schema"]["required"] = json!(["id", "region"]);
    let all = &mut specification["materializations"]["acme/task"]["bindings"][0]["resource"];
    all.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    let task = endpoint.task(&specification.to_string());
    endpoint.apply(&task);
    let regions = ["eu", "us", "ap-south", "af", ""];
    let documents: Vec<Value> = (0..DOCUMENTS)
        .map(|id| json!({"id": id, "region": regions[id % regions.len()], "text": regions[id % regions.len()]}))
        .collect();
    endpoint.run(&task, &stores(&task, &transaction(documents.iter().map(|document| (0, document)))));
    let records = read(&endpoint.config, &[&topic], DOCUMENTS).remove(&topic).unwrap();
    assert_eq!(records.len(), DOCUMENTS);
    records.into_iter().map(|record| (region(&record, &regions), record)).collect()
}

const DOCUMENTS: usize = 500;

/// The region at the end of a key, as JSON or as Avro.
fn region(record: &Record, regions: &[&str]) -> String {
    let key = record.key.as_deref().unwrap();
    let key = key.strip_suffix(b"\"}").unwrap_or(key);
    let is_it = |region: &&&str| !region.is_empty() && key.ends_with(region.as_bytes());
    (*regions.iter().find(is_it).unwrap_or(&"")).to_owned()
}
