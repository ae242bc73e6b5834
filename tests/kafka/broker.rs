//! The broker's side of things: topics as others make and see them, rights, and another client's view.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use materialize_kafka::kafka::Record;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use serde_json::Value;

use crate::common::services::{self, Kafka};
use crate::endpoint::within;

/// A topic's name that no other test and no other run has.
pub fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_micros();
    format!("{name}-{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Somebody who may do everything with topics.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub fn at(brokers: &str) -> Self {
        let client = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { client, runtime }
    }

    pub fn create(&self, topic: &str, partitions: i32) {
        self.create_with(topic, partitions, &[]);
    }

    /// With these properties of the topic's own.
    pub fn create_with(&self, topic: &str, partitions: i32, properties: &[(&str, &str)]) {
        self.create_unseen(topic, partitions, properties);
        self.settle();
    }

    pub fn delete(&self, topic: &str) {
        single(self.runtime.block_on(self.client.delete_topics(&[topic], &AdminOptions::new())).unwrap());
        self.settle();
    }

    /// Gives a topic more partitions, `count` in all.
    pub fn grow(&self, topic: &str, count: usize) {
        let partitions = NewPartitions::new(topic, count);
        let grown = self.client.create_partitions([&partitions], &AdminOptions::new());
        single(self.runtime.block_on(grown).unwrap());
        self.settle();
    }

    /// The topics whose names have `part` in them, with the number of partitions and of each one's replicas.
    pub fn topics(&self, part: &str) -> BTreeMap<String, (usize, usize)> {
        self.show();
        self.seen(part)
    }

    /// Waits until the broker goes by every change that the controller has made so far. It takes them over in their
    /// order, some at a time, of each lot the topics' names first, then their logs, and the rights last: the first marker
    /// may show before the rest of its lot is in force, the second is of a later one.
    pub fn settle(&self) {
        self.show();
        self.show();
    }

    /// Waits until the broker shows every topic that the controller has made so far: it shows them in their order, so
    /// it shows them when it shows one that is made now.
    fn show(&self) {
        let last = unique("marker");
        self.create_unseen(&last, 1, &[]);
        let start = Instant::now();
        while self.seen(&last).is_empty() {
            assert!(start.elapsed() < PATIENCE, "a topic that was created does not show for {PATIENCE:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn create_unseen(&self, topic: &str, partitions: i32, properties: &[(&str, &str)]) {
        let mut topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in properties {
            topic = topic.set(name, value);
        }
        single(self.runtime.block_on(self.client.create_topics([&topic], &AdminOptions::new())).unwrap());
    }

    fn seen(&self, part: &str) -> BTreeMap<String, (usize, usize)> {
        let metadata = self.client.inner().fetch_metadata(None, PATIENCE).unwrap();
        metadata
            .topics()
            .iter()
            .filter(|topic| topic.name().contains(part))
            .map(|topic| {
                let replicas = topic.partitions().iter().map(|partition| partition.replicas().len()).max();
                (topic.name().to_owned(), (topic.partitions().len(), replicas.unwrap_or(0)))
            })
            .collect()
    }
}

/// A broker with thousands of partitions, on a machine that has other things to do, takes its time.
const PATIENCE: Duration = Duration::from_secs(120);

fn single(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) {
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Gives the limited user the right to operations with a topic, or takes it away again.
pub fn acl(kafka: &Kafka, change: Change, operations: &[&str], topic: &str) {
    change_rights(kafka, change, operations, &["--topic", topic]);
}

/// Gives the limited user the connector's transactional ids, or takes them away again.
///
/// Tests of different suites change this right of one server: each begins by taking it away.
pub fn acl_of_transactional_ids(kafka: &Kafka, change: Change) {
    let ids = ["--transactional-id", "materialize-kafka/", "--resource-pattern-type", "prefixed"];
    change_rights(kafka, change, &["Describe", "Write"], &ids);
}

/// Returns when the broker goes by the change.
fn change_rights(kafka: &Kafka, change: Change, operations: &[&str], on: &[&str]) {
    let principal = format!("User:{}", kafka.limited.user);
    let mut arguments = vec!["acls", "--bootstrap-server", &kafka.plaintext];
    match change {
        Change::Allow => arguments.push("--add"),
        Change::Withdraw => arguments.extend(["--remove", "--force"]),
    }
    arguments.extend(["--allow-principal", &principal]);
    arguments.extend(on);
    for operation in operations {
        arguments.extend(["--operation", operation]);
    }
    cli(&arguments);
    Admin::at(&kafka.plaintext).settle();
}

/// What becomes of a right.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Allow,
    Withdraw,
}

/// What `work` had the connectors ask of the broker: the broker's log of complete requests, without those of others.
///
/// Requests of tests that run meanwhile are among them.
pub fn requests(kafka: &Kafka, work: impl FnOnce()) -> Vec<Value> {
    requests_of("materialize-kafka", kafka, work)
}

/// As [`requests`], of clients with another name.
pub fn requests_of(client: &str, kafka: &Kafka, work: impl FnOnce()) -> Vec<Value> {
    // The level is the broker's: who is done first would take it from under the other.
    static LEVEL: Mutex<()> = Mutex::new(());
    let _alone = LEVEL.lock().unwrap_or_else(PoisonError::into_inner);
    let log = kafka.dir.join("node1/console.log");
    let length = |path: &Path| usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let level = |level: &str| {
        let change = format!("kafka.request.logger={level}");
        let mut arguments = vec!["configs", "--bootstrap-server", &kafka.plaintext, "--entity-name", "1"];
        arguments.extend(["--entity-type", "broker-loggers", "--alter", "--add-config", &change]);
        cli(&arguments);
    };
    let start = length(&log);
    level("DEBUG");
    work();
    level("INFO");
    let lines = fs::read(&log).unwrap().split_off(start);
    String::from_utf8_lossy(&lines)
        .lines()
        .filter_map(|line| line.split_once("Completed request:"))
        .map(|(_, request)| serde_json::from_str::<Value>(request).unwrap())
        .filter(|request| request["requestHeader"]["clientId"] == client)
        .collect()
}

/// One of Kafka's own tools: what it prints.
pub fn cli(arguments: &[&str]) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/kafka");
    let output = Command::new(script).arg("cli").args(arguments).output().expect("Kafka's tools can be run");
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// What kcat prints. Where there is none, says so, unless servers were started for the tests: then it must be there.
pub fn kcat(arguments: &[&str]) -> Option<Vec<u8>> {
    let mut kcat = Command::new("kcat");
    let kcat = kcat.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = match kcat.spawn() {
        // It waits without end for as many messages as it was told.
        Ok(kcat) => within(KCAT_WITHIN, kcat.id(), || kcat.wait_with_output().expect("its output")),
        Err(error) => {
            assert!(!services::required(), "kcat is needed: {error}");
            let _ = writeln!(io::stderr(), "skipped: kcat {arguments:?}, which cannot be run: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

const KCAT_WITHIN: Duration = Duration::from_secs(60);

/// Asserts that kcat, where there is one, reads from a topic what our reader has read.
pub fn assert_kcat_reads(brokers: &str, topic: &str, records: &[Record]) {
    let arguments =
        ["-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %K %S %k%s"];
    let Some(stdout) = kcat(&arguments) else { return };
    let mut read = Vec::new();
    let mut rest = &stdout[..];
    while !rest.is_empty() {
        let [partition, offset, key, value] = [(); 4].map(|()| {
            let (number, after) = rest.split_at(memchr::memchr(b' ', rest).expect("a space behind a number"));
            rest = &after[1..];
            std::str::from_utf8(number).unwrap().parse::<i64>().unwrap()
        });
        // -1 is the length of what is not there.
        let [key, value] = [key, value].map(|length| {
            let (bytes, after) = rest.split_at(usize::try_from(length).ok()?);
            rest = after;
            Some(bytes)
        });
        read.push((partition, offset, key, value));
    }
    read.sort_unstable();
    let ours: Vec<_> = records
        .iter()
        .map(|r| (i64::from(r.partition), r.offset, r.key.as_deref(), r.value.as_deref()))
        .collect();
    assert_eq!(read, ours, "kcat has read something else from {topic}");
}
