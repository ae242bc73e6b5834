//! Sessions of the real binary against embedded brokers: what lands, in which order, and how they end.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use common::brokers::{PARTITIONS, Servers};
use common::runtime::{Connector, build, open_request, store_request, stores};
use materialize_kafka::kafka::Record;
use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::request;
use serde_json::{Value, json};

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id, /slash~1key, /value/nested]
    schema:
      type: object
      properties:
        _meta: {type: object, properties: {op: {type: string}, uuid: {type: string, format: uuid}}}
        id: {type: integer}
        slash/key: {type: string}
        slash/root: {type: boolean}
        canary: {type: string}
        value:
          type: object
          properties: {nested: {type: string}, slash/nested: {type: number}}
      required: [id, slash/key, value]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields:
          recommended: false
          include: {canary: {}, flow_document: {}, flow_published_at: {}, slash~1root: {}, value/slash~1nested: {}}
"#;

/// The first at once, the others (which follow within seconds) together.
#[test]
fn commits_are_told_in_the_log_with_their_figures_and_without_a_line_for_each() {
    let fixture: String = (0..6)
        .map(|id| format!("[\"acme/things\",{{\"id\":{id},\"slash/key\":\"a\",\"value\":{{\"nested\":\"b\"}}}}]\n{{\"commit\":true}}\n"))
        .collect();
    let servers = Servers::start(&["things"]);
    let task = build(TASK, &servers.json());
    let mut session = Connector::start(Codec::Proto);
    session.open(&task);
    for stores in stores(&task, &fixture) {
        session.transact(&stores);
    }
    let ended = session.end();
    ended.assert_clean();
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"] == "committed")
        .collect();
    assert!(lines.len() >= 2 && lines.len() < 6, "{}", ended.stderr);
    let commits: u64 = lines.iter().map(|line| line["commits"].as_u64().unwrap()).sum();
    assert_eq!((commits, &lines[0]["commits"]), (6, &json!(1)), "{}", ended.stderr);
    let last = lines.last().unwrap();
    for (field, value) in [
        ("level", json!("INFO")),
        ("stored", json!(6)),
        ("acknowledged", json!(6)),
        ("acknowledged_bytes", last["stored_bytes"].clone()),
        ("in_flight", json!(0)),
        ("in_flight_bytes", json!(0)),
        ("most", json!("binding 0, collection acme/things")),
        ("most_topic", json!("things")),
    ] {
        assert_eq!(last[field], value, "{field} of {last}");
    }
    for field in ["stored_bytes", "documents_per_s", "bytes_per_s", "most_documents"] {
        assert!(last[field].as_u64().unwrap() > 0, "{field} of {last}");
    }
    assert!(last["longest_commit_ms"].as_f64() >= last["commit_ms"].as_f64(), "{last}");
}

/// The example of the reference `messages.md`, "JSON messages", byte for byte.
#[test]
fn a_json_message_is_what_users_of_the_original_have_in_their_topics() {
    let fixture = r#"{"commit":true}
["acme/things",{"id":1,"slash/key":"one","slash/root":true,"canary":"amputation's","value":{"nested":"a","slash/nested":1.0}}]
"#;
    let key = r#"{"id":1,"slash~1key":"one","value/nested":"a"}"#;
    let value = concat!(
        r#"{"canary":"amputation's","flow_document":"{\"_meta\":{\"uuid\":\"7545a800-1dda-11b2-8000-071353030311\"},"#,
        r#"\"canary\":\"amputation's\",\"id\":1,\"slash/key\":\"one\",\"slash/root\":true,"#,
        r#"\"value\":{\"nested\":\"a\",\"slash/nested\":1.0}}","flow_published_at":"1970-01-01T01:00:00.000000000Z","#,
        r#""id":1,"slash~1key":"one","slash~1root":true,"value/nested":"a","value/slash~1nested":1.0}"#
    );
    for codec in [Codec::Proto, Codec::Json] {
        let servers = Servers::start(&["things"]);
        let task = build(TASK, &servers.json());
        run(&task, codec, &stores(&task, fixture));
        let records = servers.read(&["things"], 1);
        let record = &records["things"][0];
        assert_eq!(text(record.key.as_deref()), key);
        assert_eq!(text(record.value.as_deref()), value);
    }
}

#[test]
fn an_avro_message_is_the_same_in_both_codecs_and_a_delete_is_a_tombstone() {
    let fixture = r#"["acme/things",{"id":1,"slash/key":"one","value":{"nested":"a"}}]
["acme/things",{"_meta":{"op":"d"},"id":2,"slash/key":"two","value":{"nested":"b"}}]
"#;
    // One registry for both: another one might give other ids.
    let servers = Servers::start(&["things"]);
    let task = build(TASK, &servers.avro());
    for codec in [Codec::Proto, Codec::Json] {
        run(&task, codec, &stores(&task, fixture));
    }
    let mut records = servers.read(&["things"], 4).remove("things").unwrap();
    records.sort_by(|a, b| (&a.key, a.offset).cmp(&(&b.key, b.offset)));
    let mut records: Vec<_> = records.into_iter().map(|record| (record.key, record.value)).collect();
    records.dedup();
    assert_eq!(records.len(), 2, "{records:?}");
    // 0, the schema's id, then the parts: long, string, string (Avro 1.11, "Binary encoding").
    let key = records[0].0.as_deref().unwrap();
    assert_eq!((key[0], &key[5..]), (0, &b"\x02\x06one\x02a"[..]));
    assert_eq!(records[0].1.as_deref().map(|value| value[0]), Some(0));
    assert_eq!(records[1].1, None);
}

#[test]
fn a_classic_runtime_packs_tuples_into_json_lines() {
    let servers = Servers::start(&["things"]);
    let task = build(TASK, &servers.json());
    let stores = stores(&task, r#"["acme/things",{"id":1,"slash/key":"one","value":{"nested":"a"}}]"#);
    let mut connector = Connector::start(Codec::Json);
    connector.spec();
    connector.open(&task);
    connector.flush();
    let mut packed = store_request(&stores[0][0], Codec::Proto);
    packed.doc_json = stores[0][0].doc_json.clone().into();
    connector.send(packed);
    connector.start_commit();
    connector.end().assert_clean();
    let records = servers.read(&["things"], 1);
    assert_eq!(
        text(records["things"][0].key.as_deref()),
        r#"{"id":1,"slash~1key":"one","value/nested":"a"}"#
    );
}

/// Many transactions, few keys: each key's messages are all there, in the order of their Stores, and in the partition
/// that librdkafka's `consistent` partitioner gives its bytes.
#[test]
fn every_message_lands_once_in_order_and_in_its_partition() {
    const KEYS: usize = 40;
    const TRANSACTIONS: usize = 50;
    for format in [Servers::json, Servers::avro] {
        let servers = Servers::start(&["things"]);
        let task = build(TASK, &format(&servers));
        let fixture: String = (0..TRANSACTIONS)
            .map(|transaction| {
                let line = |key| {
                    let document = json!({"id": key, "slash/key": "k", "value": {"nested": "n"}, "canary": transaction.to_string()});
                    format!("{}\n", json!(["acme/things", document]))
                };
                (0..KEYS).map(line).collect::<String>() + "{\"commit\":true}\n"
            })
            .collect();
        run(&task, Codec::Proto, &stores(&task, &fixture));

        let records = servers.read(&["things"], KEYS * TRANSACTIONS).remove("things").unwrap();
        let mut by_key: BTreeMap<&[u8], Vec<&Record>> = BTreeMap::new();
        for record in &records {
            by_key.entry(record.key.as_deref().unwrap()).or_default().push(record);
        }
        assert_eq!(by_key.len(), KEYS);
        for (key, records) in by_key {
            let partition = i32::try_from(crc32(key) % u32::try_from(PARTITIONS).unwrap()).unwrap();
            assert!(records.iter().all(|record| record.partition == partition), "{records:?}");
            for (transaction, record) in records.iter().enumerate() {
                let value = String::from_utf8_lossy(record.value.as_deref().unwrap());
                let published = format!("1970-01-{:02}T{:02}:", 1 + transaction / 24, transaction % 24);
                assert!(value.contains(&published), "transaction {transaction} of key {key:?}: {value}");
            }
        }
    }
}

/// The runtime combines documents of one key, but two bindings of a topic may have the same keys.
#[test]
fn equal_keys_keep_their_order_within_a_transaction() {
    const KEYS: usize = 7;
    const STORES: usize = 5_000;
    let session = Session::start();
    let documents = session.documents(0..KEYS);
    let mut connector = session.connector();
    connector.flush();
    for number in 0..STORES {
        let mut store = documents[number % KEYS].clone();
        store.doc_json = number.to_string().into_bytes();
        connector.store(&store);
    }
    connector.start_commit();
    connector.end().assert_clean();

    let records = session.servers.read(&["things"], STORES).remove("things").unwrap();
    let mut by_key: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for record in &records {
        let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        let number = value["flow_document"].as_str().unwrap().parse().unwrap();
        by_key.entry(record.key.as_deref().unwrap()).or_default().push(number);
    }
    assert_eq!(by_key.len(), KEYS);
    for numbers in by_key.values() {
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + KEYS), "{numbers:?}");
    }
}

#[test]
fn a_session_may_have_empty_transactions_and_further_sessions_go_on() {
    let session = Session::start();
    let mut connector = session.connector();
    connector.transact([]);
    connector.transact(&session.documents(0..10));
    connector.transact([]);
    connector.end().assert_clean();
    let mut connector = session.connector();
    connector.transact(&session.documents(10..15));
    connector.end().assert_clean();
    session.servers.read(&["things"], 15);
}

#[test]
fn requests_may_be_sent_ahead_of_their_answers() {
    let session = Session::start();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(open_request(&session.task.spec));
    for _ in 0..3 {
        connector.send(request::Acknowledge::default());
        connector.send(request::Flush::default());
        for store in &session.documents(0..5) {
            connector.store(store);
        }
        connector.send(request::StartCommit::default());
    }
    connector.close();
    let mut answers = Vec::new();
    while let Some(response) = connector.try_receive() {
        answers.extend(response.names());
    }
    let expected =
        ["opened", "acknowledged", "flushed", "startedCommit", "acknowledged", "flushed", "startedCommit"];
    assert_eq!(answers[..7], expected);
    connector.end().assert_clean();
    session.servers.read(&["things"], 15);
}

#[test]
fn spec_comes_first_in_every_process_and_may_come_again() {
    for codec in [Codec::Proto, Codec::Json] {
        let mut connector = Connector::spawn(common::runtime::command(None), codec);
        let first = connector.spec();
        assert_eq!((first.protocol, first), (3_032_023, connector.spec()));
        connector.end().assert_clean();
    }
}

#[test]
fn the_end_of_input_right_after_started_commit_is_clean() {
    let session = Session::start();
    let mut connector = session.connector();
    connector.flush();
    for store in &session.documents(0..100) {
        connector.store(store);
    }
    connector.start_commit();
    connector.end().assert_clean();
    session.servers.read(&["things"], 100);
}

#[test]
fn the_end_of_input_after_start_commit_lets_the_commit_finish() {
    let session = Session::start();
    let mut connector = session.connector();
    connector.flush();
    for store in &session.documents(0..1000) {
        connector.store(store);
    }
    connector.send(request::StartCommit::default());
    connector.close();
    assert!(connector.receive().started_commit.is_some());
    connector.end().assert_clean();
    session.servers.read(&["things"], 1000);
}

#[test]
fn the_end_of_input_within_a_transaction_gives_it_up() {
    let session = Session::start();
    let mut connector = session.connector();
    connector.flush();
    for store in &session.documents(0..10) {
        connector.store(store);
    }
    let ended = connector.end();
    ended.assert_clean();
    assert!(
        ended.stderr.contains("the input ended within a transaction, which is given up"),
        "{}",
        ended.stderr
    );
}

#[test]
fn signals_end_a_session_at_once() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let session = Session::start();
        let mut connector = session.connector();
        connector.flush();
        for store in &session.documents(0..10) {
            connector.store(store);
        }
        let start = Instant::now();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &connector.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        let ended = connector.wait();
        assert!(start.elapsed() < END_WITHIN, "{:?}", start.elapsed());
        assert_eq!(ended.status, Some(status), "{}", ended.stderr);
        assert!(ended.message().starts_with(&format!("stopped by SIG{signal}")), "{}", ended.stderr);
    }
}

/// Whoever has had an answer has a connector that knows what to do with a signal.
#[test]
fn a_signal_right_after_the_first_answer_ends_as_any_other() {
    for _ in 0..10 {
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        let sent = Command::new("kill").args(["-s", "TERM", &connector.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = connector.wait();
        assert_eq!(ended.status, Some(143), "{}", ended.stderr);
        assert!(ended.message().starts_with("stopped by SIGTERM"), "{}", ended.stderr);
    }
}

#[test]
fn a_closed_stdout_is_an_error() {
    let session = Session::start();
    let mut connector = session.connector();
    connector.close_stdout();
    connector.send(request::Flush::default());
    let ended = connector.wait();
    assert_eq!(ended.status, Some(1));
    assert!(ended.message().starts_with("writing flushed: "), "{}", ended.stderr);
}

/// Whoever reads the logs may be gone before the runtime is.
#[test]
fn a_closed_stderr_is_no_error() {
    let open = json!({"open": {"materialization": {
        "name": "acme/task",
        "config": {"bootstrap_servers": "127.0.0.1:1", "message_format": "JSON"},
        "bindings": [],
    }}});
    let mut child = common::runtime::command(None).spawn().unwrap();
    drop(child.stderr.take());
    writeln!(child.stdin.take().unwrap(), "{open}").unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        stdout, "{\"opened\":{}}\n",
        "without bindings there is nothing to ask the brokers, who are not there"
    );
    assert_eq!(output.status.code(), Some(0));
}

/// The session waits for its next request when the brokers go away, and must not wait for ever.
#[test]
fn a_stall_ends_a_session_that_waits_for_input() {
    let session = Session::with(|config| config["advanced"] = json!({"stall_timeout": "3s"}));
    let mut connector = session.connector();
    connector.transact(&session.documents(0..3));
    session.servers.cluster.broker_down(1).unwrap();
    connector.flush();
    for store in &session.documents(3..6) {
        connector.store(store);
    }
    let start = Instant::now();
    let ended = connector.wait();
    assert!(start.elapsed() < END_WITHIN, "{:?}", start.elapsed());
    assert_eq!(ended.status, Some(1));
    let message = ended.message();
    assert!(message.starts_with(r#"no message was acknowledged for 3 s while 3 are due (topic "things", binding 0, collection acme/things: 3)"#), "{message}");
    assert!(message.contains(&session.servers.cluster.bootstrap_servers()), "{message}");
}

/// It is about an end that comes by itself, and not how fast the machine is.
const END_WITHIN: Duration = Duration::from_secs(60);

// --- How they are made ---

struct Session {
    servers: Servers,
    task: BuiltTask,
}

impl Session {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Self {
        let servers = Servers::start(&["things"]);
        let mut config = servers.json();
        change(&mut config);
        let task = build(TASK, &config);
        Self { servers, task }
    }

    fn connector(&self) -> Connector {
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.open(&self.task);
        connector
    }

    fn documents(&self, ids: std::ops::Range<usize>) -> Vec<StoreDoc> {
        let line = |id| {
            json!(["acme/things", {"id": id, "slash/key": "k", "value": {"nested": "n"}}]).to_string() + "\n"
        };
        stores(&self.task, &ids.map(line).collect::<String>()).swap_remove(0)
    }
}

fn run(task: &BuiltTask, codec: Codec, transactions: &[Vec<StoreDoc>]) {
    let mut connector = Connector::start(codec);
    connector.spec();
    connector.open(task);
    for stores in transactions {
        connector.transact(stores);
    }
    connector.end().assert_clean();
}

fn text(bytes: Option<&[u8]>) -> &str {
    std::str::from_utf8(bytes.expect("it is there")).expect("it is text")
}

/// The CRC32 of zlib and Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
