//! Headers and times of messages, by the real binary against embedded brokers.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use common::brokers::Servers;
use common::runtime::{Connector, build, stores, task};
use materialize_kafka::kafka::Record;
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::response::ConstraintType;
use serde_json::{Value, json};

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id]
    schema:
      type: object
      properties:
        _meta: {type: object, properties: {op: {type: string}, uuid: {type: string, format: uuid}}}
        id: {type: integer}
        at: {type: [string, "null"], format: date-time}
        text: {type: string}
      required: [id]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields: {recommended: true}
      - source: acme/things
        resource: {topic: others, headers: {origin: shop}, header_fields: [], timestamp: at}
        fields: {recommended: true}
      - source: acme/things
        resource: {topic: bare, headers: {}, header_fields: []}
        fields: {recommended: true}
"#;

/// Its documents are published from one o'clock of the first day on, one a second: a transaction takes an hour.
const FIXTURE: &str = r#"{"commit":true}
["acme/things",{"_meta":{"op":"c"},"id":1,"at":"2026-01-31T00:00:00.25Z","text":"one"}]
["acme/things",{"_meta":{"op":"u"},"id":2,"at":null,"text":"two"}]
["acme/things",{"_meta":{"op":"d"},"id":3,"at":"1960-01-01T00:00:00Z"}]
{"commit":true}
"#;

fn annotated(mut config: Value) -> Value {
    config["advanced"] = json!({
        "headers": {"team": "billing", "empty": ""},
        "header_fields": ["operation", "collection", "published_at"],
        "timestamp": "flow_published_at",
    });
    config
}

fn headers(record: &Record) -> Vec<(&str, &str)> {
    record
        .headers
        .iter()
        .map(|(name, value)| (&name[..], std::str::from_utf8(value.as_deref().unwrap()).unwrap()))
        .collect()
}

#[test]
fn messages_have_the_headers_and_times_that_were_asked_for() {
    for codec in [Codec::Proto, Codec::Json] {
        for is_avro in [false, true] {
            let servers = Servers::start(&["things", "others", "bare"]);
            let config = if is_avro { servers.avro() } else { servers.json() };
            let task = build(TASK, &annotated(config));
            let mut session = Connector::start(codec);
            session.open(&task);
            for stores in stores(&task, FIXTURE) {
                session.transact(&stores);
            }
            session.end().assert_clean();
            let all = servers.read(&["things", "others", "bare"], 9);

            let mut things: Vec<_> = all["things"].iter().collect();
            things.sort_by_key(|record| headers(record)[2].1.to_owned());
            for (record, (operation, second)) in things.iter().zip([("c", 0), ("d", 2), ("u", 1)]) {
                let published = &format!("1970-01-01T01:00:0{second}.000000000Z")[..];
                assert_eq!(
                    headers(record),
                    [
                        ("empty", ""),
                        ("team", "billing"),
                        ("flow_operation", operation),
                        ("flow_collection", "acme/things"),
                        ("flow_published_at", published),
                    ]
                );
                assert_eq!(record.timestamp, Some(3_600_000 + second * 1_000));
                assert_eq!(record.value.is_none(), operation == "d", "a tombstone has headers as well");
            }

            let now = |time: i64| time > 1_770_000_000_000;
            let mut times: Vec<_> = all["others"].iter().map(|record| record.timestamp.unwrap()).collect();
            times.sort_unstable();
            assert_eq!(times[0], 1_769_817_600_250);
            assert!(now(times[1]) && now(times[2]), "null, and before 1970: {times:?}");
            for record in &all["others"] {
                assert_eq!(headers(record), [("origin", "shop")]);
            }

            for record in &all["bare"] {
                assert!(record.headers.is_empty());
                let same = all["things"].iter().find(|other| other.key == record.key).unwrap();
                assert_eq!(record.timestamp, same.timestamp, "the endpoint's timestamp holds");
                assert_eq!(record.value, same.value, "headers change nothing else");
            }
        }
    }
}

#[test]
fn validate_requires_the_fields_that_are_needed() {
    let servers = Servers::start(&["things"]);
    let request = task(TASK, &annotated(servers.json())).validate();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let validated = connector.ask(request).validated.unwrap();
    connector.end().assert_clean();
    let required = |binding: usize| -> Vec<(&str, &str)> {
        let constraints = validated.bindings[binding].constraints.iter();
        let required =
            constraints.filter(|(_, constraint)| constraint.r#type() == ConstraintType::FieldRequired);
        required.map(|(field, constraint)| (&field[..], &constraint.reason[..])).collect()
    };
    assert_eq!(
        required(0),
        [
            ("_meta/op", "header_fields has operation"),
            ("flow_published_at", "header_fields has published_at"),
        ]
    );
    assert_eq!(required(1), [("at", "the messages' timestamp is taken of it")]);
}

#[test]
fn what_cannot_be_had_is_refused_with_a_remedy() {
    let servers = Servers::start(&["things"]);
    for (advanced, collection, expected) in [
        (
            json!({"timestamp": "when"}),
            None,
            "binding 0: timestamp names field \"when\", which collection acme/things does not have; name one of its \
             fields, or flow_published_at, or none",
        ),
        (
            json!({"timestamp": "text"}),
            None,
            "binding 0: timestamp names field \"text\", whose values may be other than points in time; by its schema it \
             must be an integer (milliseconds since 1970) or a string of format date-time",
        ),
        (
            json!({"header_fields": ["operation"]}),
            Some("_meta: {type: object, properties: {op: {type: string}, "),
            "binding 0: header_fields has operation, but collection acme/things has no field at /_meta/op; remove it, or \
             add that to the collection's schema",
        ),
        (
            json!({"header_fields": ["collection"], "headers": {"flow_collection": "mine"}}),
            None,
            "binding 0: reading the endpoint configuration: /advanced/headers/flow_collection: \
             header_fields has collection, which makes a header of this name: remove one of them",
        ),
    ] {
        let mut config = servers.json();
        config["advanced"] = advanced;
        let specification = match collection {
            Some(text) => TASK.replace(text, "_meta: {type: object, properties: {"),
            None => TASK.to_owned(),
        };
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.send(task(&specification, &config).validate());
        assert_eq!(connector.wait().message(), expected);
    }
}

/// A selection may be older than the option.
#[test]
fn a_session_says_which_field_is_not_selected_and_which_value_is_no_time() {
    let servers = Servers::start(&["things", "others", "bare"]);
    let mut task = build(TASK, &servers.json());
    for binding in &mut task.spec.bindings {
        binding.field_selection.as_mut().unwrap().values.retain(|field| field != "_meta/op");
    }
    for (advanced, expected) in [
        (
            json!({"header_fields": ["operation"]}),
            "binding 0: header_fields has operation, but no field at /_meta/op is selected; add it to the binding's fields",
        ),
        (
            json!({"timestamp": "_meta/op"}),
            "binding 0: timestamp names field \"_meta/op\", which is not selected; add it to the binding's fields",
        ),
    ] {
        let mut config = servers.json();
        config["advanced"] = advanced;
        task.spec.config_json = config.to_string().into();
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.send(common::runtime::open_request(&task.spec));
        assert_eq!(connector.wait().message(), expected);
    }

    let mut config = servers.json();
    config["advanced"] = json!({"timestamp": "text"});
    let mut task = build(TASK, &servers.json());
    task.spec.config_json = config.to_string().into();
    let mut session = Connector::start(Codec::Proto);
    session.open(&task);
    session.flush();
    session.store(&stores(&task, FIXTURE).concat()[0]);
    let message = session.end().message();
    assert!(
        message.starts_with(
            "binding 0, collection acme/things, topic \"things\": encoding the document with key {\"id\":1}: "
        ) && message.contains("field \"text\": the value one is no point in time"),
        "{message}"
    );
}
