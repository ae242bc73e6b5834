use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use super::*;
use crate::preview::task::source::Source;
use crate::preview::task::{Fixture, StoreDoc};

fn task(text: &str) -> Task {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.yaml");
    fs::write(&path, text).unwrap();
    Task::new(Source::read(&path).unwrap().materialization(None).unwrap()).unwrap()
}

/// An answer that permits every field, as the connector's does.
fn permit(task: &Task) -> response::Validated {
    let constraint = |projection: &flow::Projection| {
        let r#type = ConstraintType::FieldOptional.into();
        (projection.field.clone(), response::Constraint { r#type, ..response::Constraint::default() })
    };
    let binding = |binding: &TaskBinding| ValidatedBinding {
        constraints: binding.collection.projections.iter().map(constraint).collect(),
        resource_path: vec![binding.resource["topic"].as_str().unwrap().to_owned()],
        delta_updates: true,
        ser_policy: Some(flow::SerPolicy {
            str_truncate_after: 65536,
            nested_obj_truncate_after: 1000,
            array_truncate_after: 1000,
        }),
        ..ValidatedBinding::default()
    };
    response::Validated { bindings: task.bindings.iter().map(binding).collect() }
}

fn build(task: Task) -> BuiltTask {
    let validated = permit(&task);
    task.build(&validated).unwrap()
}

fn stores(task: &BuiltTask, fixture: &str) -> Vec<Vec<StoreDoc>> {
    let mut transactions = task.transactions(Fixture::new("fixture", fixture.as_bytes()));
    let mut all = Vec::new();
    while let Some(transaction) = transactions.next_transaction().unwrap() {
        all.push(transaction.map(Result::unwrap).collect());
    }
    all
}

const EXAMPLE: &str = "
collections:
  acme/thing:
    schema:
      type: object
      properties:
        canary: {type: string}
        id: {type: integer, default: 5}
        slash/key: {type: string}
        slash/root: {type: boolean}
        value:
          type: object
          properties: {nested: {type: string}, slash/nested: {type: number}}
          required: [nested]
      required: [id, slash/key, value]
    key: [/id, /slash~1key, /value/nested]
materializations:
  acme/kafka:
    endpoint: {local: {command: [x], protobuf: true, config: {message_format: JSON, big: 18446744073709551615}}}
    bindings:
      - source: acme/thing
        resource: {topic: things}
        backfill: 2
        fields: {recommended: true, include: {flow_document: {}, canary: null}}
";

const EXAMPLE_FIXTURE: &str = r#"{"commit":true}
["acme/thing", {"id": 1, "slash/key": "one", "slash/root": true, "canary": "amputation's", "value": {"nested": "a", "slash/nested": 1.0}}]
"#;

/// A JSON message: the selected fields, and the document as a string.
fn message(selection: &flow::FieldSelection, store: &StoreDoc) -> String {
    let mut members = Map::new();
    for (names, values) in [(&selection.keys, &store.key_json), (&selection.values, &store.values_json)] {
        let values: Vec<Value> = serde_json::from_slice(values).unwrap();
        assert_eq!(names.len(), values.len());
        members.extend(names.iter().cloned().zip(values));
    }
    if !selection.document.is_empty() {
        let document = String::from_utf8(store.doc_json.clone()).unwrap();
        members.insert(selection.document.clone(), Value::from(document));
    }
    Value::Object(members).to_string()
}

#[test]
fn the_example_of_the_messages_reference() {
    let built = build(task(EXAMPLE));
    let selection = built.spec.bindings[0].field_selection.clone().unwrap();
    assert_eq!(selection.keys, ["id", "slash~1key", "value/nested"]);
    assert_eq!(selection.values, ["canary", "flow_published_at", "slash~1root", "value/slash~1nested"]);
    assert_eq!(selection.document, "flow_document");

    let transactions = stores(&built, EXAMPLE_FIXTURE);
    let [empty, one] = &transactions[..] else { panic!("{transactions:?}") };
    assert!(empty.is_empty());
    let [store] = &one[..] else { panic!("{one:?}") };
    assert_eq!(store.key_packed, b"\x15\x01\x02one\0\x02a\0");
    assert_eq!(store.key_json, br#"[1,"one","a"]"#);
    let document = r#"{"_meta":{"uuid":"7545a800-1dda-11b2-8000-071353030311"},"canary":"amputation's","id":1,"slash/key":"one","slash/root":true,"value":{"nested":"a","slash/nested":1.0}}"#;
    assert_eq!(
        message(&selection, store),
        format!(
            r#"{{"canary":"amputation's","flow_document":{},"flow_published_at":"1970-01-01T01:00:00.000000000Z","id":1,"slash~1key":"one","slash~1root":true,"value/nested":"a","value/slash~1nested":1.0}}"#,
            Value::from(document)
        )
    );
    let mut packed = b"\x02amputation's\0\x021970-01-01T01:00:00.000000000Z\0\x27\x21".to_vec();
    packed.extend_from_slice(b"\xbf\xf0\0\0\0\0\0\0");
    assert_eq!(store.values_packed, packed);
}

#[test]
fn requests_carry_the_task() {
    let asked = task(EXAMPLE);
    let validate = asked.validate();
    assert_eq!(validate.name, "acme/kafka");
    assert_eq!(validate.connector_type(), flow::ConnectorType::Local);
    assert_eq!(&validate.config_json[..], br#"{"big":18446744073709551615,"message_format":"JSON"}"#);
    assert_eq!(validate.last_materialization, None);
    let binding = &validate.bindings[0];
    assert_eq!(&binding.resource_config_json[..], br#"{"topic":"things"}"#);
    assert_eq!(binding.backfill, 2);
    assert_eq!(binding.group_by, ["id", "slash~1key", "value/nested"]);
    let config: BTreeMap<_, _> = [("flow_document".to_owned(), b"{}".to_vec())].into();
    assert_eq!(binding.field_config_json_map, config);

    let collection = binding.collection.clone().unwrap();
    assert_eq!((&collection.name[..], &collection.uuid_ptr[..]), ("acme/thing", "/_meta/uuid"));
    assert_eq!(collection.key, ["/id", "/slash~1key", "/value/nested"]);
    assert!(collection.partition_fields.is_empty() && collection.read_schema_json.is_empty());
    let schema: Value = serde_json::from_slice(&collection.write_schema_json).unwrap();
    assert_eq!(schema["required"], json!(["id", "slash/key", "value"]));
    let id = collection.projections.iter().find(|p| p.field == "id").unwrap();
    assert!(id.is_primary_key && !id.explicit);
    let inference = id.inference.clone().unwrap();
    assert_eq!((inference.exists(), &inference.types[..]), (flow::Exists::Must, &["integer".to_owned()][..]));
    assert_eq!(&inference.default_json[..], b"5");

    let spec = build(asked).spec;
    assert_eq!((spec.name, spec.connector_type), (validate.name, validate.connector_type));
    assert_eq!(spec.config_json, validate.config_json);
    let built = &spec.bindings[0];
    assert_eq!(built.resource_config_json, binding.resource_config_json);
    assert_eq!((&built.resource_path[..], built.delta_updates), (&["things".to_owned()][..], true));
    assert_eq!((built.backfill, &built.collection), (2, &binding.collection));
    assert_eq!(built.field_selection.clone().unwrap().field_config_json_map, config);
}

#[test]
fn a_changed_configuration_is_what_is_sent() {
    let mut asked = task(EXAMPLE);
    asked.config["message_format"] = json!("Avro");
    assert!(
        asked
            .validate()
            .config_json
            .starts_with(b"{\"big\":18446744073709551615,\"message_format\":\"Avro\"")
    );
    assert!(build(asked).spec.config_json.ends_with(b"\"Avro\"}"));
}

#[test]
fn absent_keys_take_their_default() {
    let built = build(task(EXAMPLE));
    let transactions = stores(&built, "[\"acme/thing\",{}]");
    assert_eq!(transactions[0][0].key_json, b"[5,null,null]");
}

#[test]
fn the_ordered_constraints_alone_count() {
    let asked = task(EXAMPLE);
    let mut validated = permit(&asked);
    let binding = &mut validated.bindings[0];
    for field in ["id", "slash~1key", "value/nested", "canary", "flow_document"] {
        let constraint = |r#type: ConstraintType| {
            Some(response::Constraint { r#type: r#type.into(), ..response::Constraint::default() })
        };
        for r#type in [ConstraintType::LocationRecommended, ConstraintType::FieldOptional] {
            let constraint = constraint(r#type);
            binding
                .projection_constraints
                .push(response::ProjectionConstraint { field: field.to_owned(), constraint });
        }
    }
    let built = asked.build(&validated).unwrap();
    assert_eq!(built.spec.bindings[0].field_selection.as_ref().unwrap().values, ["canary"]);
}

#[test]
fn answers_that_do_not_fit() {
    let error = |change: &dyn Fn(&mut response::Validated)| {
        let asked = task(EXAMPLE);
        let mut validated = permit(&asked);
        change(&mut validated);
        let message = asked.build(&validated).unwrap_err().to_string();
        message.split_once("usable: ").map_or(message.clone(), |(_, reason)| match reason.split_once("): ") {
            Some((_, reason)) => reason.to_owned(),
            None => reason.to_owned(),
        })
    };
    let entry =
        |field: &str, constraint| response::ProjectionConstraint { field: field.to_owned(), constraint };
    let folded = |name: &str| {
        let r#type = ConstraintType::FieldOptional.into();
        Some(response::Constraint {
            r#type,
            folded_field: name.to_owned(),
            ..response::Constraint::default()
        })
    };
    assert_eq!(error(&|v| v.bindings.clear()), "it has 0 bindings, the task has 1");
    assert_eq!(
        error(&|v| v.bindings[0].projection_constraints = vec![entry("", folded(""))]),
        "a constraint has no field"
    );
    assert_eq!(
        error(&|v| v.bindings[0].projection_constraints = vec![entry("id", None)]),
        "the constraint of field \"id\" is empty"
    );
    assert_eq!(
        error(&|v| v.bindings[0].projection_constraints =
            vec![entry("id", folded("a")), entry("id", folded("b"))]),
        "the constraints of field \"id\" fold it to different names"
    );
    assert_eq!(
        error(&|v| v.bindings[0].constraints.get_mut("id").unwrap().r#type = 99),
        "the constraint of field \"id\" has the unknown type 99"
    );
    assert!(
        error(&|v| v.bindings[0].constraints.get_mut("id").unwrap().r#type = 7)
            .contains("needs a backfill for it")
    );
}

#[test]
fn the_policy_of_the_answer_is_kept() {
    let asked = task(EXAMPLE);
    let mut validated = permit(&asked);
    let short =
        flow::SerPolicy { str_truncate_after: 3, nested_obj_truncate_after: 1, array_truncate_after: 0 };
    validated.bindings[0].ser_policy = Some(short.clone());
    let built = asked.build(&validated).unwrap();
    let store = &stores(&built, EXAMPLE_FIXTURE)[1][0];
    assert!(
        store.doc_json.ends_with(
            br#""canary":"amp","id":1,"slash/key":"one","slash/root":true,"value":{"nested":"a"}}"#
        )
    );
    assert!(store.values_json.starts_with(b"[\"amp\","));
    assert_eq!(built.spec.bindings[0].ser_policy, Some(short));

    let asked = task(EXAMPLE);
    let mut validated = permit(&asked);
    validated.bindings[0].ser_policy = None;
    let store = &stores(&asked.build(&validated).unwrap(), EXAMPLE_FIXTURE)[1][0];
    assert!(store.values_json.starts_with(b"[\"amputation's\","));
}

/// The folder of shared data, if it is there.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SHARED_DATA").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")).into(),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; SHARED_DATA names the folder that has it", path.display());
    None
}

fn read_task(folder: &Path) -> Task {
    Task::new(Source::read(&folder.join("flow.json")).unwrap().materialization(None).unwrap()).unwrap()
}

#[test]
fn github_webhooks() {
    let Some(folder) = shared("github-webhooks") else { return };
    let task = read_task(&folder);
    assert_eq!(task.bindings.len(), 8);
    let built = build(task);
    let fixture = fs::read_to_string(folder.join("fixture.jsonl")).unwrap();

    // What must come of it, by other means: the last document of each key of each transaction.
    let specification: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("flow.json")).unwrap()).unwrap();
    let mut expected = vec![BTreeMap::new()];
    let mut documents = 0;
    for line in fixture.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line.get("commit").is_some() {
            expected.push(BTreeMap::new());
            continue;
        }
        let (collection, document) = (line[0].as_str().unwrap(), &line[1]);
        let key = specification["collections"][collection]["key"].as_array().unwrap();
        let key: Vec<_> =
            key.iter().map(|ptr| document.pointer(ptr.as_str().unwrap()).unwrap().clone()).collect();
        let key = (collection.to_owned(), Value::from(key).to_string());
        expected.last_mut().unwrap().insert(key, document.clone());
        documents += 1;
    }
    assert_eq!(expected.pop().unwrap().len(), 0, "the fixture ends with a commit");
    assert_eq!((documents, expected.len()), (102, 3));

    let mut transactions = built.transactions(Fixture::new("fixture", fixture.as_bytes()));
    let mut delivered = 0;
    for (number, expected) in expected.iter().enumerate() {
        let transaction = transactions.next_transaction().unwrap().unwrap();
        delivered += transaction.documents;
        let stores: Vec<StoreDoc> = transaction.map(Result::unwrap).collect();
        assert_eq!(stores.len(), expected.len(), "transaction {number}");
        let order: Vec<_> = stores.iter().map(|store| (store.binding, store.key_packed.clone())).collect();
        assert!(order.is_sorted() && order.iter().collect::<BTreeSet<_>>().len() == order.len());
        for store in &stores {
            let binding = &built.spec.bindings[usize::try_from(store.binding).unwrap()];
            let collection = binding.collection.as_ref().unwrap().name.clone();
            let key = (collection, String::from_utf8(store.key_json.clone()).unwrap());
            let mut stored: Value = serde_json::from_slice(&store.doc_json).unwrap();
            stored.as_object_mut().unwrap().remove("_meta").unwrap();
            assert_eq!(stored, expected[&key], "transaction {number}, {key:?}");
            let selection = binding.field_selection.as_ref().unwrap();
            let message: Value = serde_json::from_str(&message(selection, store)).unwrap();
            for (field, value) in message.as_object().unwrap() {
                let pointer = format!("/{field}");
                if !matches!(field.as_str(), "flow_document" | "flow_published_at") {
                    let absent = || default(binding, field);
                    assert_eq!(
                        *value,
                        expected[&key].pointer(&pointer).cloned().unwrap_or_else(absent),
                        "{field}"
                    );
                }
            }
        }
    }
    assert!(transactions.next_transaction().unwrap().is_none());
    assert_eq!(delivered, documents);
}

/// What the collection's schema says of absent values.
fn default(binding: &flow::Binding, field: &str) -> Value {
    let projections = &binding.collection.as_ref().unwrap().projections;
    let inference = projections.iter().find(|p| p.field == field).unwrap().inference.as_ref().unwrap();
    serde_json::from_slice(&inference.default_json).unwrap_or_default()
}

#[test]
fn scenarios() {
    let Some(folder) = shared("scenarios") else { return };
    let built = build(read_task(&folder));
    let expected: [(&str, &[&str], &str); 5] = [
        ("flat128", &["active", "amount", "city", "count", "name"], ""),
        ("log1k", &["flow_published_at", "level", "message", "service", "ts"], ""),
        ("estuary1k", &["_meta/op", "flow_published_at", "payload"], ""),
        ("nested2k", &["items", "note", "status", "tags", "total", "ts", "user"], "flow_document"),
        ("estuary64k", &["_meta/op", "flow_published_at", "payload"], ""),
    ];
    assert_eq!(built.spec.bindings.len(), expected.len());
    for (binding, (name, values, document)) in (0_u32..).zip(expected) {
        let spec = &built.spec.bindings[usize::try_from(binding).unwrap()];
        assert_eq!(spec.resource_path, [format!("bench-{name}")]);
        let selection = spec.field_selection.as_ref().unwrap();
        assert_eq!(selection.keys, ["id"], "{name}");
        assert_eq!(selection.values, values, "{name}");
        assert_eq!(selection.document, document, "{name}");

        let fixture = fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let documents = fixture.lines().filter(|line| line.starts_with('[')).count();
        let all: Vec<_> = stores(&built, &fixture).into_iter().flatten().collect();
        assert_eq!(all.len(), documents, "{name}");
        assert!(
            all.iter()
                .all(|store| store.binding == binding && store.doc_json.is_empty() == document.is_empty())
        );
    }
}
