//! Subjects by Confluent's strategies at a real registry: what is registered and with which level, what is only looked up,
//! whose version is written by, and what the registry would not take.

use apache_avro::types::Value as Avro;
use serde_json::{Value, json};

use crate::avro::{Schemas, fields};
use crate::broker::{Admin, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services::{self, Registry};
use crate::endpoint::{Endpoint, assert_says, specification, transaction};

fn endpoint(brokers: &str, registry: &Registry, options: Value) -> Endpoint {
    let mut endpoint = Endpoint::avro(brokers, registry);
    let config = endpoint.config["schema_registry"].as_object_mut().unwrap();
    config.extend(options.as_object().unwrap().clone());
    endpoint
}

/// A request of somebody else's to the registry, and its answer.
pub fn ask(registry: &Registry, method: &str, path: &str, body: &Value) -> Value {
    let Registry { url, login } = registry;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new().request(method.parse().unwrap(), format!("{url}/{path}"));
        let request =
            client.basic_auth(&login.user, Some(&login.password)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    })
}

#[test]
fn subjects_by_topic_with_a_level_of_their_own() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let topic = unique("subjects");
    let specification = specification(&[&topic]);
    let options = |more: Value| {
        let mut options = json!({"subject_strategy": "topic_name"});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        endpoint(&kafka.plaintext, &registry, options)
    };
    // Nothing is registered where that is not wanted: Validate tells the key, Apply key and value before it makes anything.
    let looking = options(json!({"auto_register": false}));
    let (key, value) = (format!("{topic}-key"), format!("{topic}-value"));
    let lacks = |subject: &str| format!("that of subject {subject:?}, of type AVRO: {{");
    let validate = crate::common::runtime::task(&specification, &looking.config).validate();
    assert_says(
        &looking.ask(validate).failure(),
        &[
            "looking up 2 schemas: the registry does not have ",
            &lacks(&key),
            "\"p1\"",
            "if those fields are selected that are likely to be",
            &lacks(&value),
            "; as schema_registry.auto_register",
        ],
    );
    let registers = options(json!({}));
    let mut task = registers.task(&specification);
    let config = std::mem::replace(&mut task.spec.config_json, looking.config.to_string().into());
    let both = ["looking up 2 schemas: ", &lacks(&key), &lacks(&value), "\"text\""];
    assert_says(&looking.ask_apply(&task).failure(), &both);
    let schemas = Schemas::of(&registry);
    assert_eq!(schemas.of_topic(&topic), []);
    let topics = Admin::at(&kafka.plaintext).topics(&topic);
    assert!(topics.is_empty(), "{topics:?}");
    // Open tells the same, should they be gone by then.
    let looks = std::mem::replace(&mut task.spec.config_json, config);
    registers.apply(&task);
    task.spec.config_json = looks;
    assert_says(&looking.ask_open(&task).failure(), &both);

    let registering = options(json!({"compatibility": "FORWARD"}));
    let document = json!({"id": 1, "text": "t"});
    let task = registering.task(&specification);
    registering.run(&task, &stores(&task, &transaction([(0, &document)])));
    let mut subjects: Vec<_> = schemas.of_topic(&topic).into_iter().map(|(subject, ..)| subject).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, [key.clone(), value]);
    for subject in &subjects {
        assert_eq!(
            ask(&registry, "GET", &format!("config/{subject}"), &Value::Null)["compatibilityLevel"],
            "FORWARD"
        );
    }
    // What is there is found.
    let task = looking.task(&specification);
    looking.run(&task, &stores(&task, &transaction([(0, &document)])));

    // A key of another type would not be taken.
    let other = specification.replace(r#""id":{"type":"integer"}"#, r#""id":{"type":"string"}"#);
    assert_ne!(other, specification);
    let validate = crate::common::runtime::task(&other, &registering.config).validate();
    assert_says(
        &registering.ask(validate).failure(),
        &[&format!(
            "checking the schema of subject {key:?}: it is not compatible with version 1: field \"_flow_key.p1\" is \"long\" there and \"string\" here"
        )],
    );
}

/// A schema as people write them: null first, narrower types, and no field for what is not wanted.
#[test]
fn a_schema_written_by_hand_is_written_by() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let topic = unique("by-hand");
    let schema = json!({"type": "record", "name": "Thing", "namespace": "com.acme", "fields": [
        {"name": "id", "type": "int"},
        {"name": "text", "type": ["null", {"type": "enum", "name": "Text", "symbols": ["s", "t"]}], "default": null},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null},
        {"name": "tags", "type": ["null", {"type": "array", "items": "string"}], "default": null},
        {"name": "source", "type": ["null", "string"]},
    ]});
    let versions = format!("subjects/{topic}-value/versions");
    ask(&registry, "POST", &versions, &json!({"schema": schema.to_string()}));
    let mut specification: Value = serde_json::from_str(&specification(&[&topic])).unwrap();
    let binding = &mut specification["materializations"]["acme/task"]["bindings"][0];
    binding["resource"]["key_format"] = json!("string");
    binding["fields"] = json!({"recommended": false, "include": {"text": {}, "at": {}, "tags": {}}});
    let options =
        json!({"subject_strategy": "topic_name", "use_latest_version": true, "auto_register": false});
    let latest = endpoint(&kafka.plaintext, &registry, options);
    let task = latest.task(&specification.to_string());
    latest.apply(&task);
    let document = json!({"id": 1, "text": "t", "at": "2026-01-31T00:00:00.123456Z", "tags": ["a"]});
    latest.run(&task, &stores(&task, &transaction([(0, &document), (0, &json!({"id": 2}))])));

    let records = &read(&latest.config, &[&topic], 2)[&topic];
    let schemas = Schemas::of(&registry);
    let of = |key: &[u8]| {
        let record = records.iter().find(|record| record.key.as_deref() == Some(key)).unwrap();
        fields(schemas.decode(record.value.as_ref().unwrap()).1)
    };
    let union = |value| Avro::Union(1, Box::new(value));
    let null = || Avro::Union(0, Box::new(Avro::Null));
    let expected = [
        ("id", Avro::Int(1)),
        ("text", union(Avro::Enum(1, "t".to_owned()))),
        ("at", union(Avro::TimestampMillis(1_769_817_600_123))),
        ("tags", union(Avro::Array(vec![Avro::String("a".to_owned())]))),
        ("source", null()),
    ];
    assert_eq!(of(b"1"), expected.map(|(name, value)| (name.to_owned(), value)).into());
    let nulls = ["text", "at", "tags", "source"].map(|name| (name.to_owned(), null()));
    assert_eq!(of(b"2"), nulls.into_iter().chain([("id".to_owned(), Avro::Int(2))]).collect());

    // A value that theirs does not hold fails the task.
    let large = json!({"id": 4_294_967_296_u64});
    let mut connector = latest.session(&task);
    connector.flush();
    connector.store(&stores(&task, &transaction([(0, &large)]))[0][0]);
    let failed = latest.failure(connector);
    assert_says(
        &failed,
        &[
            "/id: the value 4294967296 does not fit the Avro type \"int\", which the registered schema has there",
        ],
    );
}

#[test]
fn a_version_of_somebody_elses_is_written_by() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let topic = unique("latest");
    let specification = specification(&[&topic]);
    let named = endpoint(&kafka.plaintext, &registry, json!({"subject_strategy": "topic_name"}));
    let task = named.task(&specification);
    named.apply(&task);
    let document = json!({"id": 1, "text": "t"});
    named.run(&task, &stores(&task, &transaction([(0, &document)])));

    // Somebody turns the fields round, and adds one.
    let value = format!("{topic}-value");
    let latest = ask(&registry, "GET", &format!("subjects/{value}/versions/latest"), &Value::Null);
    let mut schema: Value = serde_json::from_str(latest["schema"].as_str().unwrap()).unwrap();
    let own = schema["fields"].as_array_mut().unwrap();
    let extra = own.pop().unwrap();
    own.reverse();
    own.push(json!({"name": "channel", "type": {"type": "map", "values": "long"}, "default": {"web": 3}}));
    own.push(extra);
    let id =
        ask(&registry, "POST", &format!("subjects/{value}/versions"), &json!({"schema": schema.to_string()}));

    let latest =
        json!({"subject_strategy": "topic_name", "use_latest_version": true, "auto_register": false});
    let latest = endpoint(&kafka.plaintext, &registry, latest);
    let task = latest.task(&specification);
    latest.run(&task, &stores(&task, &transaction([(0, &document)])));
    let records = &read(&latest.config, &[&topic], 2)[&topic];
    let schemas = Schemas::of(&registry);
    let mut values: Vec<_> =
        records.iter().map(|record| schemas.decode(record.value.as_ref().unwrap())).collect();
    let (used, second) = values.pop().unwrap();
    let (first, before) = values.pop().unwrap();
    assert_eq!(Some(u64::from(used)), id["id"].as_u64());
    assert_ne!(used, first);
    let (mut second, before) = (fields(second), fields(before));
    let channel = Avro::Map([("web".to_owned(), Avro::Long(3))].into());
    assert_eq!(second.remove("channel"), Some(channel));
    assert_eq!(second.get("text"), before.get("text"));
    assert_eq!(second.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}
