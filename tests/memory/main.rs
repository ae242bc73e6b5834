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
use std::thread;
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
    let frames = task.frames(&[16_000_000]);
    assert!(frames.len() > 16_000_000, "{}", frames.len());
    for _ in 0..8 {
        connector.write(&frames);
    }
    connector.start_commit();
    connector.acknowledge();
    connector.end().assert_clean();
    assert_within_budget("eight documents of 16 MB", peak.read());
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
    thread::scope(|scope| {
        for bytes in [100, 4_000, 1_000_000, 16_000_000] {
            scope.spawn(move || {
                let (ended, peak) = unanswered(bytes, |servers| {
                    for broker in [0, 1] {
                        servers.cluster.round_trip(broker, Duration::from_hours(1)).unwrap();
                    }
                });
                assert_stalled(&ended);
                assert_within_budget(
                    &format!("brokers that do not answer, documents of {bytes} bytes"),
                    peak,
                );
            });
        }
    });
}

#[test]
fn brokers_that_have_gone() {
    let (ended, peak) = unanswered(4_000, go);
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

/// With other limits there is other memory: what the tests above look at does grow, and is seen to.
#[test]
fn limits_above_the_budget_are_seen_above_the_budget() {
    let task = Task::json(&json!({ "in_flight_bytes": 1 << 30 }));
    let frames = task.frames(&[1_000_000]);
    let mut connector = task.open();
    let peak = Peak::of(connector.id());
    go(&task.servers);
    connector.flush();
    while peak.so_far() < BUDGET {
        connector.try_write(&frames).expect("it ends at its stall limit of two minutes alone");
    }
    connector.kill();
}

// --- How they are made ---

/// The budget of `DESIGN.md`, "Promises, and who keeps them".
const BUDGET: u64 = 256 << 20;

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

    /// Stores of documents of so many bytes, encoded.
    fn frames(&self, bytes: &[usize]) -> Vec<u8> {
        encoded(&documents(&self.task, bytes))
    }
}

/// Documents of about so many bytes, each of a key of its own.
fn documents(task: &BuiltTask, bytes: &[usize]) -> Vec<StoreDoc> {
    let fixture: String = (0..bytes.len())
        .map(|id| format!("{}\n", json!(["acme/things", { "id": id, "text": "short" }])))
        .collect();
    let mut documents = stores(task, &fixture).swap_remove(0);
    for (store, bytes) in documents.iter_mut().zip(bytes) {
        // Put in afterwards, since a task's policy cuts texts beyond 64 KiB.
        store.doc_json = json!({ "id": 7, "text": "x".repeat(*bytes) }).to_string().into_bytes();
    }
    documents
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

/// Stores documents of so many bytes for as long as the connector takes them, with brokers that `befall` has spoilt.
fn unanswered(bytes: usize, befall: impl FnOnce(&Servers)) -> (Ended, u64) {
    // Time enough to fill what may be filled, without optimisation and beside other tests.
    let task = Task::json(&json!({ "stall_timeout": "10s" }));
    let frames = task.frames(&vec![bytes; (1_000_000 / bytes).max(1)]);
    let mut connector = task.open();
    let peak = Peak::of(connector.id());
    befall(&task.servers);
    connector.flush();
    while connector.try_write(&frames).is_ok() {}
    (connector.wait(), peak.read())
}

/// Nobody can connect to the brokers any more.
fn go(servers: &Servers) {
    for broker in [0, 1] {
        servers.cluster.broker_down(broker).unwrap();
    }
}

fn assert_stalled(ended: &Ended) {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.message().starts_with("no message was acknowledged for 10 s while "), "{}", ended.stderr);
}

fn assert_within_budget(what: &str, peak: u64) {
    let mib = peak >> 20;
    let _gone = writeln!(std::io::stdout(), "{what}: {mib} MiB at most");
    assert!(peak < BUDGET, "{what}: {mib} MiB");
    // A measure that is not there must not pass.
    assert!(mib > 0, "{what}: nothing was measured");
}
