//! Every format, read by consumers that are not ours: Confluent's client for Python with the registry's deserializers, Java's
//! console consumer, and kcat.
//!
//! Python's decodes what Avro and JSON schemas are for, and enforces the latter. The two others give bytes, which are decoded here:
//! Debian's kcat is built without Avro, and Confluent's deserializers for Java are not in Maven Central. Each has to find
//! the documents that were sent, and the same bytes as the others.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use apache_avro::types::Value as Avro;
use jiff::Timestamp;
use memchr::memmem;
use serde_json::{Value, json};

use crate::avro::Schemas;
use crate::broker::{cli, kcat, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services::{self, Kafka, Registry};
use crate::endpoint::{Endpoint, specification, transaction};

#[test]
fn confluents_python_client_decodes_every_format() {
    let Some(Landed { kafka, registry, cases, messages }) = landed() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/python-client");
    let output = Command::new(script)
        .args(["read", "--brokers", &kafka.plaintext, "--registry", &registry.url])
        .args(["--user", &registry.login.user, "--password", &registry.login.password])
        .args(cases.iter().map(|case| [&case.topic[..], case.key, case.value].join(",")))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_INSTALLED) && !services::required() {
        let _ = writeln!(io::stderr(), "skipped: reading every format with Confluent's client: {stderr}");
        return;
    }
    assert!(output.status.success(), "{stderr}");

    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut read: Vec<Message> = lines.iter().map(of_python).collect();
    read.sort_unstable();
    assert_same(&read, messages);
    for case in cases {
        let of_case = lines.iter().filter(|line| line["topic"] == case.topic);
        let value = |line: &Value| Some(line["value"].clone()).filter(|value| !value.is_null());
        case.assert_documents(of_case.map(|line| (line["key"].clone(), value(line))));
    }
}

/// The exit status of `python-client` where the client is not there.
const NOT_INSTALLED: i32 = 3;

fn of_python(line: &Value) -> Message {
    let number = |member: &str| line[member].as_i64().unwrap();
    let bytes = |member: &str| {
        let digits = line[member].as_str()?;
        let byte = |n: usize| u8::from_str_radix(&digits[n..n + 2], 16).unwrap();
        Some((0..digits.len()).step_by(2).map(byte).collect())
    };
    let headers = line["headers"].as_array().unwrap().iter();
    let headers = headers.map(|header| (text(&header[0]), text(&header[1]))).collect();
    Message {
        topic: text(&line["topic"]),
        partition: number("partition"),
        offset: number("offset"),
        timestamp: number("timestamp"),
        headers,
        key: bytes("key_bytes"),
        value: bytes("value_bytes"),
    }
}

#[test]
fn javas_console_consumer_reads_every_format() {
    let Some(Landed { kafka, registry, cases, messages }) = landed() else { return };
    let topics: Vec<&str> = cases.iter().map(|case| &case.topic[..]).collect();
    let separator = |name: &str, text: &str| format!("{name}={text}");
    let properties = [
        "print.timestamp=true".to_owned(),
        "print.partition=true".to_owned(),
        "print.offset=true".to_owned(),
        "print.headers=true".to_owned(),
        "print.key=true".to_owned(),
        separator("key.separator", FIELD_END),
        separator("line.separator", MESSAGE_END),
        separator("null.literal", NOTHING),
    ];
    let (count, topics) = (messages.len().to_string(), topics.join("|"));
    let mut arguments =
        vec!["console-consumer", "--bootstrap-server", &kafka.plaintext, "--include", &topics];
    arguments.extend(["--from-beginning", "--max-messages", &count, "--timeout-ms", "120000"]);
    for property in &properties {
        arguments.extend(["--formatter-property", property]);
    }
    let stdout = cli(&arguments);
    let mut read = Vec::new();
    let mut rest = &stdout[..];
    while let Some(end) = memmem::find(rest, MESSAGE_END.as_bytes()) {
        read.push(of_java(&rest[..end]));
        rest = &rest[end + MESSAGE_END.len()..];
    }
    assert_eq!(rest, b"");
    read.sort_unstable();
    assert_same(&read, messages);
    assert_bytes(cases, &read, &Schemas::of(registry));
}

/// Texts that are in no message.
const FIELD_END: &str = "<<end of field>>";
const MESSAGE_END: &str = "<<end of message>>";
const NOTHING: &str = "<<nothing>>";

fn of_java(message: &[u8]) -> Message {
    let mut fields = Vec::new();
    let mut start = 0;
    for end in memmem::find_iter(message, FIELD_END.as_bytes()) {
        fields.push(&message[start..end]);
        start = end + FIELD_END.len();
    }
    fields.push(&message[start..]);
    let [timestamp, partition, offset, headers, key, value] = fields[..] else { panic!("{fields:?}") };
    let text = |field: &[u8]| String::from_utf8(field.to_vec()).unwrap();
    let number = |field: &[u8], name: &str| text(field).strip_prefix(name).unwrap().parse().unwrap();
    let bytes = |field: &[u8]| Some(field.to_vec()).filter(|field| field != NOTHING.as_bytes());
    let headers: Vec<_> = text(headers)
        .split(',')
        .map(|header| header.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Message {
        // It shows none.
        topic: headers.iter().find(|(name, _)| name == "topic").unwrap().1.clone(),
        partition: number(partition, "Partition:"),
        offset: number(offset, "Offset:"),
        timestamp: number(timestamp, "CreateTime:"),
        headers,
        key: bytes(key),
        value: bytes(value),
    }
}

#[test]
fn kcat_reads_every_format() {
    let Some(Landed { kafka, registry, cases, messages }) = landed() else { return };
    let (group, count) = (unique("kcat"), messages.len().to_string());
    let mut arguments = vec!["-b", &kafka.plaintext, "-G", &group, "-c", &count, "-q"];
    arguments.extend(["-X", "auto.offset.reset=earliest", "-f", "%t %p %o %T %h %K %S %k%s"]);
    arguments.extend(cases.iter().map(|case| &case.topic[..]));
    let Some(stdout) = kcat(&arguments) else { return };
    let mut read = Vec::new();
    let mut rest = &stdout[..];
    while !rest.is_empty() {
        let mut word = || {
            let (word, after) = rest.split_at(memchr::memchr(b' ', rest).expect("a space behind a word"));
            rest = &after[1..];
            std::str::from_utf8(word).unwrap()
        };
        let (topic, partition, offset, timestamp) = (word(), word(), word(), word());
        let headers = word().split(',').map(|header| header.split_once('=').unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let [key, value] = [word(), word()].map(|length| length.parse::<i64>().unwrap());
        // -1 is the length of what is not there.
        let mut bytes = |length: i64| {
            let (bytes, after) = rest.split_at(usize::try_from(length).ok()?);
            rest = after;
            Some(bytes.to_vec())
        };
        let (key, value) = (bytes(key), bytes(value));
        let (partition, offset) = (partition.parse().unwrap(), offset.parse().unwrap());
        let timestamp = timestamp.parse().unwrap();
        read.push(Message { topic: topic.to_owned(), partition, offset, timestamp, headers, key, value });
    }
    read.sort_unstable();
    assert_same(&read, messages);
    assert_bytes(cases, &read, &Schemas::of(registry));
}

/// A message as every consumer shows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    topic: String,
    partition: i64,
    offset: i64,
    timestamp: i64,
    headers: Vec<(String, String)>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn assert_same(read: &[Message], landed: &[Message]) {
    for (read, landed) in read.iter().zip(landed) {
        assert_eq!(read, landed);
    }
    assert_eq!(read.len(), landed.len());
}

/// Asserts that bytes are the documents that were sent.
fn assert_bytes(cases: &[Case], read: &[Message], schemas: &Schemas) {
    for case in cases {
        let of_case = read.iter().filter(|message| message.topic == case.topic);
        case.assert_documents(of_case.map(|message| {
            let key = message.key.as_deref().expect("a key");
            let value = message.value.as_deref().map(|value| decoded(case.value, value, schemas));
            (decoded(case.key, key, schemas), value)
        }));
    }
}

fn decoded(format: &str, bytes: &[u8], schemas: &Schemas) -> Value {
    match format {
        "avro" => in_json(schemas.decode(bytes).1),
        "string" => Value::from(std::str::from_utf8(bytes).unwrap()),
        "json_schema" => {
            assert_eq!(bytes.first(), Some(&0), "the first byte");
            serde_json::from_slice(&bytes[5..]).unwrap()
        }
        _ => serde_json::from_slice(bytes).unwrap(),
    }
}

fn in_json(avro: Avro) -> Value {
    match avro {
        Avro::Record(fields) => fields.into_iter().map(|(name, value)| (name, in_json(value))).collect(),
        Avro::Map(entries) => entries.into_iter().map(|(name, value)| (name, in_json(value))).collect(),
        Avro::Array(items) => items.into_iter().map(in_json).collect(),
        Avro::Union(_, value) => in_json(*value),
        Avro::Null => Value::Null,
        Avro::Long(number) => number.into(),
        Avro::Double(number) => number.into(),
        Avro::String(text) => text.into(),
        other => panic!("{other:?} is of no type here"),
    }
}

/// What all the consumers read: published once for the tests of this file.
struct Landed {
    kafka: Kafka,
    registry: Registry,
    cases: Vec<Case>,
    /// As our own reader has them, in their order.
    messages: Vec<Message>,
}

/// None without servers, which is said.
fn landed() -> Option<&'static Landed> {
    static LANDED: OnceLock<Option<Landed>> = OnceLock::new();
    LANDED.get_or_init(land).as_ref()
}

fn land() -> Option<Landed> {
    let (kafka, registry) = (services::kafka()?, services::registry()?);
    // Deserializers find schemas by id, whatever their subjects are.
    let tasks = [("tombstone", "topic_hash"), ("document", "topic_name")].map(|(deletions, strategy)| {
        let (kafka, registry) = (kafka.clone(), registry.clone());
        thread::spawn(move || {
            let cases = Case::all(&unique(deletions), deletions);
            publish(&kafka, &registry, strategy, &cases);
            cases
        })
    });
    let cases: Vec<Case> = tasks.into_iter().flat_map(|task| task.join().unwrap()).collect();
    assert_eq!(cases.len(), 40);

    let names: Vec<&str> = cases.iter().map(|case| &case.topic[..]).collect();
    let count = cases.len() * DOCUMENTS.iter().map(|documents| documents.len()).sum::<usize>();
    let records = read(&Endpoint::json(&kafka.plaintext).config, &names, count);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut messages: Vec<Message> = records
        .into_values()
        .flatten()
        .map(|record| Message {
            topic: record.topic,
            partition: record.partition.into(),
            offset: record.offset,
            timestamp: record.timestamp.unwrap(),
            headers: record.headers.iter().map(|(k, v)| (k.clone(), text(v.as_deref().unwrap()))).collect(),
            key: record.key,
            value: record.value,
        })
        .collect();
    messages.sort_unstable();
    for case in &cases {
        case.assert_described(messages.iter().filter(|message| message.topic == case.topic));
    }
    Some(Landed { kafka, registry, cases, messages })
}

/// Publishes the documents to the topics of all cases in one session.
fn publish(kafka: &Kafka, registry: &Registry, strategy: &str, cases: &[Case]) {
    let mut specification: Value = serde_json::from_str(&specification(&["unused"])).unwrap();
    specification["materializations"]["acme/task"]["bindings"] = cases.iter().map(Case::binding).collect();
    let mut endpoint = Endpoint::avro(&kafka.plaintext, registry).set("topic_partitions", json!(2)).set(
        "advanced",
        json!({
            "header_fields": ["operation"],
            "timestamp": "at",
            // Else the broker, which looks every five minutes, deletes them as too old.
            "topic_config": {"retention.ms": "-1"},
        }),
    );
    endpoint.config["schema_registry"]["subject_strategy"] = json!(strategy);
    let task = endpoint.task(&specification.to_string());
    endpoint.apply(&task);
    let documents = DOCUMENTS.map(|texts| texts.iter().map(|text| parse(text)).collect::<Vec<_>>());
    let fixture = documents.iter().map(|documents| transaction(documents.iter().map(|one| (0, one))));
    endpoint.run(&task, &stores(&task, &fixture.collect::<String>()));
}

/// By transaction: all kinds of fields there and missing, a number beyond 53 bits; then an update and a deletion.
const DOCUMENTS: [&[&str]; 2] = [
    &[
        r#"{"_meta":{"op":"c"},"id":-7,"text":"é😀 \"\n\t\\\u0001","at":"2026-01-31T00:00:00.123456Z","tags":["z","a"],"part":{"share":0.5},"odd-name":7}"#,
        r#"{"_meta":{"op":"c"},"id":0}"#,
        r#"{"_meta":{"op":"c"},"id":12,"text":"","at":"2026-01-31T01:00:00Z","tags":[],"part":{},"odd-name":"seven"}"#,
        r#"{"_meta":{"op":"c"},"id":9007199254740993,"text":"t","at":"2026-01-31T02:00:00.5+02:00","tags":["t"]}"#,
    ],
    &[
        r#"{"_meta":{"op":"u"},"id":-7,"text":"again","at":"2026-01-31T03:00:00Z"}"#,
        r#"{"_meta":{"op":"d"},"id":12,"text":"gone","at":"2026-01-31T04:00:00Z"}"#,
    ],
];

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A binding's formats.
#[derive(Debug)]
struct Case {
    topic: String,
    key: &'static str,
    value: &'static str,
    root_document: &'static str,
    deletions: &'static str,
}

impl Case {
    /// All combinations that there are; Avro has the root document as a string only.
    fn all(prefix: &str, deletions: &'static str) -> Vec<Self> {
        let mut all = Vec::new();
        for key in ["avro", "json", "json_schema", "string"] {
            for value in ["avro", "json", "json_schema"] {
                for root_document in ["string", "json"] {
                    if (value, root_document) != ("avro", "json") {
                        let topic = [prefix, key, value, root_document].join("-");
                        all.push(Self { topic, key, value, root_document, deletions });
                    }
                }
            }
        }
        all
    }

    fn binding(&self) -> Value {
        json!({
            "source": "acme/0",
            "resource": {
                "topic": self.topic,
                "key_format": self.key,
                "value_format": self.value,
                "root_document": self.root_document,
                "deletions": self.deletions,
                "headers": {"topic": self.topic},
            },
            "fields": {"recommended": true, "require": {"flow_document": {}, "part": {}}},
        })
    }

    /// Asserts that decoded keys and values, of each key in their order, are the documents that were sent.
    fn assert_documents(&self, read: impl Iterator<Item = (Value, Option<Value>)>) {
        let mut found = BTreeMap::<String, Vec<Option<Value>>>::new();
        for (key, value) in read {
            found.entry(key.to_string()).or_default().push(value.map(without_uuid));
        }
        assert_eq!(found, self.expected(), "{self:?}");
    }

    /// Keys as text, and what is decoded of the values of each, in their order; none for a tombstone.
    fn expected(&self) -> BTreeMap<String, Vec<Option<Value>>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for (transaction, documents) in DOCUMENTS.iter().enumerate() {
            for (position, document) in documents.iter().enumerate() {
                let document = parse(document);
                let is_tombstone = self.deletions == "tombstone" && document["_meta"]["op"] == "d";
                let key = self.expected_key(&document["id"]).to_string();
                // When a fixture's documents are published.
                let published = format!("1970-01-01T{transaction:02}:00:{position:02}.000000000Z");
                let value = self.expected_value(document, &published);
                all.entry(key).or_default().push((!is_tombstone).then_some(value));
            }
        }
        all
    }

    fn expected_key(&self, id: &Value) -> Value {
        match self.key {
            "avro" => json!({"_flow_key": {"p1": id}}),
            "string" => json!(id.to_string()),
            _ => json!({"id": id}),
        }
    }

    fn expected_value(&self, document: Value, published: &str) -> Value {
        let mut fields = json!({"flow_published_at": published});
        for field in ["id", "text", "tags", "at", "part"] {
            fields[field] = document[field].clone();
        }
        let (name, op) = (&document["odd-name"], &document["_meta"]["op"]);
        if self.value == "avro" {
            // Canonical forms, which are what is registered, tell nothing of logical types.
            let at = fields["at"].as_str().map(|at| at.parse::<Timestamp>().unwrap().as_microsecond());
            fields["at"] = json!(at);
            if let Some(part) = fields["part"].as_object_mut() {
                part.entry("share").or_insert(Value::Null);
            }
            let raw = |value: &Value| json!({"json": value.to_string()});
            fields["_flow_extra"] = json!({"odd-name": raw(name), "_meta/op": raw(op)});
        } else {
            fields["odd-name"] = name.clone();
            fields["_meta/op"] = op.clone();
        }
        fields["flow_document"] = match self.root_document {
            "json" => document,
            _ => json!({"a string with": document}),
        };
        fields
    }

    /// Asserts what messages say beside key and value: of which topic, what happened, and when.
    fn assert_described<'a>(&self, messages: impl Iterator<Item = &'a Message>) {
        let times = |at: &Value| at.as_str().map(|at| at.parse::<Timestamp>().unwrap().as_millisecond());
        let mut expected: Vec<_> = DOCUMENTS
            .iter()
            .flat_map(|documents| documents.iter())
            .map(|document| parse(document))
            .filter_map(|document| Some((times(&document["at"])?, text(&document["_meta"]["op"]))))
            .collect();
        expected.sort_unstable();
        let mut found = Vec::new();
        for message in messages {
            let [(topic, name), (operation, op)] = &message.headers[..] else { panic!("{message:?}") };
            assert_eq!((&topic[..], name, &operation[..]), ("topic", &self.topic, "flow_operation"));
            found.push((message.timestamp, op.clone()));
        }
        found.sort_unstable();
        // One has no time of its own: it has that of sending, which is later than all others'.
        assert_eq!(found.pop().map(|(_, op)| op).as_deref(), Some("c"));
        assert_eq!(found, expected, "{self:?}");
    }
}

/// A value with its root document as it was sent; one in a string as `{"a string with": document}`.
fn without_uuid(mut value: Value) -> Value {
    let document = &mut value["flow_document"];
    if let Value::String(text) = document {
        *document = json!({"a string with": parse(text)});
    }
    for place in ["/_meta", "/a string with/_meta"] {
        if let Some(Value::Object(meta)) = document.pointer_mut(place) {
            assert!(meta.remove("uuid").is_some_and(|uuid| uuid.is_string()));
        }
    }
    value
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
