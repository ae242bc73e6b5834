//! Peak memory of the real binary, under the budget of `DESIGN.md` whatever comes in and whatever the brokers do.
//!
//! Stores are written to its stdin from a small block of frames, again and again; the mock brokers are in this
//! process, so what is measured (`VmHWM`, by [`peak`]) is the connector's alone. Each test prints its figures:
//!
//! ```sh
//! cargo test --test memory -- --nocapture
//! cargo test --release --test memory -- --include-ignored --nocapture    # with 10,000,000 documents in a transaction
//! ```

#![allow(clippy::unwrap_used, reason = "it is test code")]

#[path = "../common/mod.rs"]
mod common;
mod peak;

use std::io::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use common::brokers::Servers;
use common::runtime::{Connector, Ended, build, open_request, store_request, stores};
use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::{Codec, RequestWriter};
use peak::Peak;
use serde_json::{Value, json};

// --- What comes in ---

#[test]
fn transactions_of_up_to_a_million_documents() {
    for count in [10_000, 100_000, 1_000_000] {
        assert_within_budget(&format!("a transaction of {count} documents"), transaction_of(count));
    }
}

#[test]
#[ignore = "minutes in a build without optimisation"]
fn a_transaction_of_ten_million_documents() {
    assert_within_budget("a transaction of 10,000,000 documents", transaction_of(10_000_000));
}

#[test]
fn documents_of_16_mb() {
    let task = Task::json(&json!({}));
    let mut connector = task.open();
    let peak = Peak::of(connector.id());
    connector.flush();
    let frames = task.frames(&[32_000_000]);
    for _ in 0..8 {
        connector.write(&frames);
    }
    connector.start_commit();
    connector.acknowledge();
    connector.end().assert_clean();
    assert_within_budget("eight documents of 16 MB, the text twice in each message", peak.read());
}

#[test]
fn a_thousand_bindings() {
    let topics: Vec<String> = (0..1_000).map(|number| format!("things-{number}")).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let servers = Servers::start(&names);
    for (format, config) in [("JSON", servers.json()), ("Avro", servers.avro())] {
        let mut task = build(TASK, &config);
        let binding = task.spec.bindings.swap_remove(0);
        for topic in &topics {
            let mut binding = binding.clone();
            binding.resource_config_json = json!({ "topic": topic }).to_string().into();
            binding.resource_path = vec![topic.clone()];
            task.spec.bindings.push(binding);
        }
        let mut documents = documents(&task, &[200; 1_000]);
        for (number, store) in (0..).zip(&mut documents) {
            store.binding = number;
        }
        let frames = encoded(&documents);
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.open(&task);
        let peak = Peak::of(connector.id());
        for _ in 0..3 {
            connector.flush();
            for _ in 0..100 {
                connector.write(&frames);
            }
            connector.start_commit();
            connector.acknowledge();
        }
        connector.end().assert_clean();
        assert_within_budget(&format!("1,000 bindings in {format}"), peak.read());
    }
}

// --- What the brokers do ---

#[test]
fn brokers_that_answer_no_produce_request() {
    for bytes in [100, 4_000, 1_000_000, 32_000_000] {
        let (ended, peak) = unanswered(STALL, &json!({}), bytes, |servers| {
            for broker in [0, 1] {
                servers.cluster.round_trip(broker, Duration::from_hours(1)).unwrap();
            }
        });
        assert_stalled(&ended);
        assert_within_budget(&format!("brokers that do not answer, messages of {bytes} bytes"), peak);
    }
}

#[test]
fn brokers_that_have_gone() {
    let (ended, peak) = unanswered(STALL, &json!({}), 4_000, |servers| {
        for broker in [0, 1] {
            servers.cluster.broker_down(broker).unwrap();
        }
    });
    assert_stalled(&ended);
    assert_within_budget("brokers that have gone", peak);
}

/// It takes connections and never says a word, so there is no session, whatever is written after Open.
#[test]
fn a_broker_that_listens_and_never_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut task = Task::json(&json!({}));
    let config =
        json!({ "bootstrap_servers": silent.local_addr().unwrap().to_string(), "message_format": "JSON" });
    task.task.spec.config_json = config.to_string().into();
    let frames = task.frames(&[4_000; 100]);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let peak = Peak::of(connector.id());
    connector.send(open_request(&task.task.spec));
    while connector.try_write(&frames).is_ok() {}
    let ended = connector.wait();
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.message().contains("no usable answer from the brokers at 127.0.0.1:"), "{}", ended.stderr);
    assert_within_budget("a broker that never answers", peak.read());
}

/// With other limits there is other memory: what the tests above look at does grow.
#[test]
fn limits_above_the_budget_are_seen_above_the_budget() {
    let advanced = json!({ "in_flight_bytes": 320 << 20 });
    // Time enough to fill it, without optimisation and beside other tests.
    let (ended, peak) = unanswered(5 * STALL, &advanced, 1_000_000, |servers| {
        for broker in [0, 1] {
            servers.cluster.broker_down(broker).unwrap();
        }
    });
    assert_stalled(&ended);
    assert!(peak > BUDGET, "{} MiB with in_flight_bytes of 320 MiB", peak >> 20);
}

// --- How they are made ---

/// The budget of `DESIGN.md`, "Promises, and who keeps them".
const BUDGET: u64 = 256 << 20;

const STALL: Duration = Duration::from_secs(2);

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id]
    schema:
      type: object
      properties:
        id: {type: integer}
        text: {type: string}
      required: [id]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields: {recommended: false, include: {text: {}, flow_document: {}}}
"#;

/// A task of one binding, and its brokers.
struct Task {
    servers: Servers,
    task: BuiltTask,
}

impl Task {
    fn json(advanced: &Value) -> Self {
        let servers = Servers::start(&["things"]);
        let mut config = servers.json();
        config["advanced"] = advanced.clone();
        let task = build(TASK, &config);
        Self { servers, task }
    }

    fn open(&self) -> Connector {
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.open(&self.task);
        connector
    }

    /// Stores of messages of so many bytes, encoded.
    fn frames(&self, bytes: &[usize]) -> Vec<u8> {
        encoded(&documents(&self.task, bytes))
    }
}

/// Documents whose messages have about so many bytes, each of a key of its own.
fn documents(task: &BuiltTask, bytes: &[usize]) -> Vec<StoreDoc> {
    let fixture: String = (0..)
        .zip(bytes)
        // The text is there twice: as a field and in the whole document.
        .map(|(id, bytes): (u32, &usize)| {
            format!("{}\n", json!(["acme/things", {"id": id, "text": "x".repeat(bytes / 2)}]))
        })
        .collect();
    stores(task, &fixture).swap_remove(0)
}

fn encoded(documents: &[StoreDoc]) -> Vec<u8> {
    let mut writer = RequestWriter::new(Vec::new(), Codec::Proto);
    for store in documents {
        writer.push(&store_request(store, Codec::Proto).into()).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Peak memory of a session with one transaction.
fn transaction_of(count: usize) -> u64 {
    const DISTINCT: usize = 10_000;
    let task = Task::json(&json!({}));
    let frames = task.frames(&[128; DISTINCT]);
    let mut connector = task.open();
    let peak = Peak::of(connector.id());
    connector.flush();
    for _ in 0..count / DISTINCT {
        connector.write(&frames);
    }
    connector.start_commit();
    connector.acknowledge();
    connector.end().assert_clean();
    peak.read()
}

/// Stores messages of so many bytes for as long as the connector takes them, with brokers that `befall` has spoilt.
fn unanswered(
    stall: Duration,
    advanced: &Value,
    bytes: usize,
    befall: impl FnOnce(&Servers),
) -> (Ended, u64) {
    let mut advanced = advanced.clone();
    advanced["stall_timeout"] = json!(format!("{}s", stall.as_secs()));
    let task = Task::json(&advanced);
    let frames = task.frames(&vec![bytes; (1_000_000 / bytes).max(1)]);
    let mut connector = task.open();
    let peak = Peak::of(connector.id());
    befall(&task.servers);
    connector.flush();
    while connector.try_write(&frames).is_ok() {}
    (connector.wait(), peak.read())
}

fn assert_stalled(ended: &Ended) {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.message().starts_with("no message was acknowledged for "), "{}", ended.stderr);
}

fn assert_within_budget(what: &str, peak: u64) {
    let mib = peak >> 20;
    let _gone = writeln!(std::io::stdout(), "{what}: {mib} MiB at most");
    assert!(peak < BUDGET, "{what}: {mib} MiB");
    // A measure that is not there must not pass.
    assert!(mib > 0, "{what}: nothing was measured");
}
