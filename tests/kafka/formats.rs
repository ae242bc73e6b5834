//! Keys and values of formats of their own.

use std::collections::BTreeMap;

use apache_avro::types::Value as Avro;
use materialize_kafka::kafka::Record;
use serde_json::{Value, json};

use crate::avro::{self, Schemas};
use crate::broker::{assert_kcat_reads, unique};
use crate::common::brokers::read;
use crate::common::runtime::{self, stores};
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says, specification, transaction};

#[test]
fn keys_are_text_beside_values_in_avro() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let endpoint =
        Endpoint::avro(&kafka.plaintext, &registry).set("advanced", json!({"key_format": "string"}));
    let schemas = Schemas::of(&registry);
    let topic = unique("string-avro");
    let records = land(&endpoint, &topic, &json!({}));
    assert_kcat_reads(&kafka.plaintext, &topic, &records);
    assert_eq!(schemas.of_topic(&topic).len(), 1, "the value's alone");
    for (record, id) in records.iter().zip(IDS) {
        assert_eq!(record.key.as_deref(), Some(id.to_string().as_bytes()));
        let Some(value) = &record.value else { continue };
        let fields = avro::fields(schemas.decode(value).1);
        assert_eq!(fields["id"], Avro::Long(id));
    }
    assert_eq!(records.iter().filter(|record| record.value.is_none()).count(), 1);
}

#[test]
fn keys_are_in_avro_beside_values_in_json() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    // The resource wins over the endpoint.
    let endpoint = Endpoint::avro(&kafka.plaintext, &registry)
        .set("advanced", json!({"key_format": "string", "value_format": "avro"}));
    let schemas = Schemas::of(&registry);
    let topic = unique("avro-json");
    let records = land(&endpoint, &topic, &json!({"key_format": "avro", "value_format": "json"}));
    assert_eq!(schemas.of_topic(&topic).len(), 1, "the key's alone");
    for (record, id) in records.iter().zip(IDS) {
        let (_, key) = schemas.decode(record.key.as_deref().unwrap());
        assert_eq!(avro::key(key), [Avro::Long(id)]);
        let Some(value) = &record.value else { continue };
        let value: Value = serde_json::from_slice(value).unwrap();
        assert_eq!(value["id"], id);
    }
}

#[test]
fn a_key_that_is_no_text_is_refused_in_validate() {
    let Some(kafka) = services::kafka() else { return };
    let mut specification: Value = serde_json::from_str(&specification(&["unused"])).unwrap();
    specification["collections"]["acme/0"]["key"] = json!(["/id", "/text"]);
    let endpoint = Endpoint::json(&kafka.plaintext).set("advanced", json!({"key_format": "string"}));
    let task = runtime::task(&specification.to_string(), &endpoint.config);
    assert_says(
        &endpoint.ask(task.validate()).failure(),
        &[
            "binding 0",
            "key_format string writes a single key field, and of collection acme/0 2 are selected (id, text)",
        ],
    );
}

#[test]
fn json_has_its_schemas_in_the_registry() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let endpoint = Endpoint::avro(&kafka.plaintext, &registry)
        .set("advanced", json!({"key_format": "json_schema", "value_format": "json_schema"}));
    let schemas = Schemas::of(&registry);
    let topic = unique("json-schema");
    let records = land(&endpoint, &topic, &json!({}));
    let registered: BTreeMap<u32, Value> = schemas
        .of_topic(&topic)
        .into_iter()
        .map(|(_, id, text)| (id, serde_json::from_str(&text).unwrap()))
        .collect();
    assert_eq!(registered.len(), 2);
    let body = |message: &[u8]| {
        let id = u32::from_be_bytes(message[1..5].try_into().unwrap());
        assert_eq!(message[0], 0);
        (&registered[&id], serde_json::from_slice::<Value>(&message[5..]).unwrap())
    };
    for (record, id) in records.iter().zip(IDS) {
        let (schema, key) = body(record.key.as_deref().unwrap());
        assert_eq!(key, json!({"id": id}));
        assert_eq!(schema["properties"], json!({"id": {"type": "integer"}}));
        let Some(value) = &record.value else { continue };
        let (schema, value) = body(value);
        assert_eq!(value["id"], id);
        let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&value), members(&schema["properties"]), "exactly these");
        assert_eq!(schema["properties"]["at"], json!({"type": ["null", "string"], "format": "date-time"}));
        assert!(schema["required"].as_array().unwrap().contains(&json!("id")), "{schema}");
    }
}

#[test]
fn the_root_document_is_embedded() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("document");
    let mut specification: Value = serde_json::from_str(&specification(&[&topic])).unwrap();
    let binding = &mut specification["materializations"]["acme/task"]["bindings"][0];
    binding["fields"] = json!({"recommended": false, "require": {"flow_document": {}}});
    let document = json!({"id": 1, "text": "t", "tags": ["z", "a"], "part": {"share": 0.5}});
    for (root_document, count) in [("json", 1), ("string", 2)] {
        let endpoint = Endpoint::json(&kafka.plaintext)
            .set("topic_partitions", json!(1))
            .set("advanced", json!({"root_document": root_document}));
        let task = endpoint.task(&specification.to_string());
        endpoint.apply(&task);
        endpoint.run(&task, &stores(&task, &transaction([(0, &document)])));
        let records = read(&endpoint.config, &[&topic], count).remove(&topic).unwrap();
        let value: Value = serde_json::from_slice(records[count - 1].value.as_deref().unwrap()).unwrap();
        let found = match &value["flow_document"] {
            Value::String(text) if root_document == "string" => serde_json::from_str(text).unwrap(),
            found => found.clone(),
        };
        for (name, expected) in document.as_object().unwrap() {
            assert_eq!(found[name], *expected, "{value}");
        }
    }
}

#[test]
fn deletions_are_tombstones_documents_or_nothing() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let json = Endpoint::json(&kafka.plaintext).set("advanced", json!({"delivery": "exactly_once"}));
    let avro = Endpoint::avro(&kafka.plaintext, &registry).set("advanced", json!({"deletions": "ignore"}));
    let schemas = Schemas::of(&registry);

    let messages = land(&json, &unique("tombstone"), &json!({}));
    let deleted: Vec<bool> = messages.iter().map(|message| message.value.is_none()).collect();
    assert_eq!(deleted, [false, false, true, false]);

    let messages = land(&json, &unique("document"), &json!({"deletions": "document"}));
    let operations: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::from_slice::<Value>(message.value.as_deref().unwrap()).unwrap())
        .map(|value| json!([value["id"], value["_meta/op"]]))
        .collect();
    assert_eq!(
        operations,
        [json!([IDS[0], "c"]), json!([IDS[1], "c"]), json!([IDS[2], "d"]), json!([IDS[3], "c"])]
    );
    let messages = land(&avro, &unique("document-avro"), &json!({"deletions": "document"}));
    let fields = avro::fields(schemas.decode(messages[2].value.as_deref().unwrap()).1);
    assert_eq!(fields["id"], Avro::Long(IDS[2]));

    for endpoint in [json.set("advanced", json!({"delivery": "exactly_once", "deletions": "ignore"})), avro] {
        let messages = land(&endpoint, &unique("ignore"), &json!({}));
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.value.is_some()));
    }
}

#[test]
fn deletions_that_nothing_would_show_are_refused_in_validate() {
    let Some(kafka) = services::kafka() else { return };
    let mut specification: Value = serde_json::from_str(&specification(&["unused"])).unwrap();
    specification["collections"]["acme/0"]["schema"]["properties"].as_object_mut().unwrap().remove("_meta");
    let endpoint = Endpoint::json(&kafka.plaintext).set("advanced", json!({"deletions": "document"}));
    let task = runtime::task(&specification.to_string(), &endpoint.config);
    assert_says(
        &endpoint.ask(task.validate()).failure(),
        &["binding 0", "collection acme/0 has no field of /_meta/op", "choose tombstone or ignore"],
    );
}

const IDS: [i64; 4] = [-7, 0, 12, 9_007_199_254_740_993];

/// Publishes a document for each of the ids, the third one as a deletion; gives the messages in the order of the ids.
fn land(endpoint: &Endpoint, topic: &str, resource: &Value) -> Vec<Record> {
    let mut specification: Value = serde_json::from_str(&specification(&[topic])).unwrap();
    let all = &mut specification["materializations"]["acme/task"]["bindings"][0]["resource"];
    all.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
    let endpoint = endpoint.clone().set("topic_partitions", json!(1));
    let task = endpoint.task(&specification.to_string());
    endpoint.apply(&task);
    let documents: Vec<Value> = IDS
        .iter()
        .enumerate()
        .map(|(n, id)| json!({"id": id, "text": "t", "_meta": {"op": if n == 2 { "d" } else { "c" }}}))
        .collect();
    // One at a time, for their order.
    let fixture: String = documents.iter().map(|document| transaction([(0, document)])).collect();
    endpoint.run(&task, &stores(&task, &fixture));
    let ignores = endpoint.config["advanced"]["deletions"] == "ignore" && resource.get("deletions").is_none();
    let records: BTreeMap<_, _> = read(&endpoint.config, &[topic], IDS.len() - usize::from(ignores));
    records[topic].clone()
}
