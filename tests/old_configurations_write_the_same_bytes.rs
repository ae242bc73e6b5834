//! What a configuration writes that has only the members of the first release, byte for byte: keys, values, tombstones, partitions,
//! headers, subjects and schemas. The snapshots were taken with commit 3ab5ef2, the last one before formats, subjects and partitions could
//! be chosen. They are what consumers have in their topics: a change in them is a change of somebody's pipeline.
//!
//! How such a configuration creates topics is in `tests/kafka/apply.rs`, since embedded brokers create none.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::brokers::Servers;
use common::runtime::{Connector, build, open_request, store_request, stores};
use materialize_kafka::config::Secret;
use materialize_kafka::kafka::Record;
use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::Codec;
use materialize_kafka::registry::memory::{Options, Registry};
use serde_json::{Value, json};

/// Every kind of field and key, and selections with and without the root document.
const TASK: &str = r#"
collections:
  acme/scalars:
    key: [/id]
    schema:
      type: object
      properties:
        _meta: {type: object, properties: {op: {type: string}, uuid: {type: string, format: uuid}}}
        id: {type: integer}
        text: {type: string}
        flag: {type: boolean}
        share: {type: number}
        count: {type: integer}
        at: {type: string, format: date-time}
        day: {type: string, format: date}
        of: {type: string, format: uuid}
        took: {type: string, format: duration}
        total: {type: string, format: number}
        units: {type: string, format: integer}
        maybe: {type: [string, "null"]}
        either: {type: [integer, string]}
        with-default: {type: integer, default: 3}
        size: {type: string, enum: [s, m, l]}
      required: [id, text, flag, share, count]
  acme/nested:
    key: [/part/id, /slash~1key, /day, /flag]
    schema:
      type: object
      properties:
        _meta: {type: object, properties: {op: {type: string}, uuid: {type: string, format: uuid}}}
        part:
          type: object
          properties:
            id: {type: string, format: uuid}
            deep: {type: object, properties: {share: {type: number}, odd-name: {type: string}}}
            closed:
              type: object
              properties: {a: {type: integer}, b: {type: [string, "null"]}}
              required: [a]
              additionalProperties: false
          required: [id]
        slash/key: {type: string}
        day: {type: string, format: date}
        flag: {type: boolean}
        tags: {type: array, items: {type: string}}
        lines:
          type: array
          items:
            type: object
            properties: {sku: {type: string}, price: {type: number}, odd-name: {type: integer}}
            required: [sku]
            additionalProperties: false
        counts: {type: object, additionalProperties: {type: integer}}
        anything: {}
        größe: {type: number}
        flow_extra: {type: string}
      required: [part, slash/key, day, flag]
  acme/stamped:
    key: [/at]
    schema:
      type: object
      properties:
        _meta: {type: object, properties: {op: {type: string}, uuid: {type: string, format: uuid}}}
        at: {type: string, format: date-time}
        text: {type: string}
      required: [at]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/scalars
        resource: {topic: scalars}
        fields: {recommended: true, include: {flow_document: {}}}
      - source: acme/nested
        resource: {topic: nested}
        fields:
          recommended: true
          include: {counts: {}, part: {}, part/deep: {}, part/deep/odd-name: {}, part/closed: {}, part/deep/share: {}, _meta/op: {}}
      - source: acme/stamped
        resource: {topic: stamped}
        fields: {recommended: false, include: {flow_published_at: {}}}
"#;

const TOPICS: [&str; 3] = ["nested", "scalars", "stamped"];

const FIXTURE: &str = r#"["acme/scalars",{"id":0,"text":"","flag":false,"share":0,"count":0}]
["acme/scalars",{"id":-1,"text":"\u0000\u001f\"\\/\b\f\n\r\t\u007f\u2028é😀","flag":true,"share":-0.0,"count":-9223372036854775808,"at":"2024-02-29T12:34:56.123456789Z","day":"1969-12-31","of":"7f1c4e52-6f1e-4a39-9c57-0d4f5a3b1e01","took":"P1Y2M3DT4H5M6.789S","total":"-12.50","units":"12345678901234567890","maybe":"m","either":"7","with-default":4,"size":"m"}]
["acme/scalars",{"id":9007199254740993,"text":"t","flag":true,"share":1e16,"count":9223372036854775807,"at":"1969-12-31T23:59:59.999999+02:00","day":"2026-02-28","of":"7F1C4E52-6F1E-4A39-9C57-0D4F5A3B1E01","took":"PT0S","total":"1e-7","units":"-7","maybe":null,"either":7,"size":"l"}]
["acme/scalars",{"id":12,"text":"t","flag":false,"share":0.000001,"count":1,"_meta":{"op":"d"}}]
["acme/nested",{"part":{"id":"7f1c4e52-6f1e-4a39-9c57-0d4f5a3b1e01","deep":{"share":0.5,"odd-name":"x","more":[1,{"b":2,"a":1}]},"closed":{"a":1,"b":null}},"slash/key":"k","day":"2026-01-31","flag":true,"tags":["z","a",""],"lines":[{"sku":"s","price":2.5,"odd-name":1},{"sku":"t"}],"counts":{"z":1,"a":-2},"anything":{"é":1e2,"a":[null,true,"t"],"":{}},"größe":1.5,"flow_extra":"f"}]
["acme/nested",{"part":{"id":"00000000-0000-0000-0000-000000000000"},"slash/key":"","day":"0001-01-01","flag":false,"tags":[],"lines":[],"counts":{},"anything":null}]
["acme/stamped",{"at":"2026-03-01T09:12:44.000001Z","text":"not selected"}]
{"commit":true}
["acme/nested",{"part":{"id":"00000000-0000-0000-0000-000000000000"},"slash/key":"","day":"0001-01-01","flag":false,"_meta":{"op":"d"}}]
["acme/stamped",{"at":"2026-03-01T09:12:44.000001Z","_meta":{"op":"u"}}]
["acme/stamped",{"at":"2026-03-01T09:12:44.000001Z","_meta":{"op":"d"}}]
["acme/scalars",{"id":0,"text":"again","flag":true,"share":123456.789,"count":2,"anything":"undeclared","_meta":{"op":"u"}}]
"#;

const MESSAGES: usize = 10;

/// The members of an endpoint's configuration that there were; login and TLS have no part in what is written.
fn configuration(servers: &Servers, format: &str) -> Value {
    json!({
        "bootstrap_servers": servers.cluster.bootstrap_servers(),
        "message_format": format,
        "compression": "zstd",
        "topic_partitions": 3,
        "topic_replication_factor": 1,
    })
}

#[test]
fn in_json() {
    for codec in [Codec::Proto, Codec::Json] {
        let servers = Servers::start(&TOPICS);
        let task = build(TASK, &configuration(&servers, "JSON"));
        let landed = landed(&servers, &task, codec);
        insta::allow_duplicates! { insta::assert_snapshot!("old_configuration_json", landed) }
    }
}

#[test]
fn in_avro() {
    for codec in [Codec::Proto, Codec::Json] {
        let servers = Servers::start(&TOPICS);
        let config = |registry: &Registry| {
            let mut config = configuration(&servers, "Avro");
            let url = registry.url().to_string();
            config["schema_registry"] = json!({"endpoint": url, "username": USER, "password": PASSWORD});
            config
        };
        let first = registry(&servers);
        let mut task = build(TASK, &config(&first));
        run(&task, codec, &[]);
        let registered = servers.block_on(schemas(&first));

        // Schemas are registered side by side, so their ids may be any. Here they are in the order of the subjects.
        let second = registry(&servers);
        servers.block_on(register(&second, &registered));
        task.spec.config_json = config(&second).to_string().into();
        let mut text = landed(&servers, &task, codec) + "\n" + &requests(&first) + "\n";
        for (subject, schema) in registered {
            writeln!(text, "{subject}\n  {schema}").unwrap();
        }
        insta::allow_duplicates! { insta::assert_snapshot!("old_configuration_avro", text) }
    }
}

const USER: &str = "user";
const PASSWORD: &str = "password";

fn registry(servers: &Servers) -> Registry {
    let login = Some((USER.to_owned(), Secret::new(PASSWORD)));
    servers.block_on(Registry::start(Options { login, ..Options::default() })).unwrap()
}

/// The messages of a session, as text: bytes that are no printable ASCII as `\xNN`.
fn landed(servers: &Servers, task: &BuiltTask, codec: Codec) -> String {
    run(task, codec, &stores(task, FIXTURE));
    let mut text = String::new();
    for (topic, records) in servers.read(&TOPICS, MESSAGES) {
        for record in &records {
            writeln!(text, "{topic} {}", line(record)).unwrap();
        }
    }
    text
}

fn line(record: &Record) -> String {
    let bytes = |bytes: &Option<Vec<u8>>| match bytes {
        Some(bytes) => format!("`{}`", bytes.escape_ascii()),
        None => "none".to_owned(),
    };
    let Record { partition, offset, headers, .. } = record;
    format!(
        "{partition} {offset} headers {headers:?}\n  key {}\n  value {}",
        bytes(&record.key),
        bytes(&record.value)
    )
}

fn run(task: &BuiltTask, codec: Codec, transactions: &[Vec<StoreDoc>]) {
    let mut session = Connector::start(codec);
    let _spec = session.spec();
    session.send(open_request(&task.spec));
    session.receive().opened.expect("Open is answered by Opened");
    session.acknowledge();
    for stores in transactions {
        session.flush();
        for store in stores {
            session.send(store_request(store, codec));
        }
        session.start_commit();
        session.acknowledge();
    }
    session.end().assert_clean();
}

/// All requests of a session to a registry but for questions, in the order of their text: method, path, type of the
/// body, whether there was a login.
fn requests(registry: &Registry) -> String {
    let seen = registry.requests().into_iter().filter(|seen| seen.method != "GET");
    let mut lines: Vec<String> = seen
        .map(|seen| format!("{} {} {} {}\n", seen.method, seen.path, seen.content_type, seen.authorization))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The schemas that a registry has, by subject; each subject has one version, and no level of its own.
async fn schemas(registry: &Registry) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for subject in ask(registry, "GET", "subjects", &Value::Null).await.as_array().unwrap() {
        let subject = subject.as_str().unwrap();
        let path = format!("subjects/{subject}/versions");
        assert_eq!(ask(registry, "GET", &path, &Value::Null).await, json!([1]), "{subject}");
        let level = ask(registry, "GET", &format!("config/{subject}"), &Value::Null).await;
        assert_eq!(level["error_code"], 40408, "{subject}: {level}");
        let version = ask(registry, "GET", &format!("{path}/1"), &Value::Null).await;
        assert_eq!(version.get("schemaType"), None, "{subject}: only Avro goes without saying");
        all.insert(subject.to_owned(), version["schema"].as_str().unwrap().to_owned());
    }
    all
}

async fn register(registry: &Registry, schemas: &BTreeMap<String, String>) {
    for (id, (subject, schema)) in (1..).zip(schemas) {
        let body = json!({"schema": schema, "schemaType": "AVRO"});
        let answer = ask(registry, "POST", &format!("subjects/{subject}/versions"), &body).await;
        assert_eq!(answer, json!({"id": id}));
    }
}

async fn ask(registry: &Registry, method: &str, path: &str, body: &Value) -> Value {
    let client = reqwest::Client::new();
    let url = registry.url().join(path).unwrap();
    let request = client.request(method.parse().unwrap(), url).basic_auth(USER, Some(PASSWORD));
    let answer = request.header("content-type", "application/json").body(body.to_string()).send().await;
    serde_json::from_str(&answer.unwrap().text().await.unwrap()).unwrap()
}
