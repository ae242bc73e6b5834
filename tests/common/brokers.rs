//! Embedded brokers and registry, and what landed in them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use materialize_kafka::config::EndpointConfig;
use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::kafka::{Consumer, Record, Start};
use materialize_kafka::registry::memory::{Options, Registry};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// librdkafka's mock brokers and a registry in memory, in this process.
pub struct Servers {
    pub cluster: Cluster,
    pub registry: Registry,
    runtime: Runtime,
}

impl Servers {
    /// One broker with `topics`, each of three partitions.
    pub fn start(topics: &[&str]) -> Self {
        let cluster = Cluster::new(1).unwrap();
        for topic in topics {
            cluster.create_topic(topic, PARTITIONS).unwrap();
        }
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = runtime.block_on(Registry::start(Options::default())).unwrap();
        Self { cluster, registry, runtime }
    }

    /// A configuration for JSON messages.
    pub fn json(&self) -> Value {
        json!({ "bootstrap_servers": self.cluster.bootstrap_servers(), "message_format": "JSON" })
    }

    /// A configuration for Avro messages.
    pub fn avro(&self) -> Value {
        json!({
            "bootstrap_servers": self.cluster.bootstrap_servers(),
            "message_format": "Avro",
            "schema_registry": { "endpoint": self.registry.url().to_string() },
        })
    }

    /// Everything in `topics`, expected to be `count` messages: by topic, each in order of partition and offset.
    pub fn read(&self, topics: &[&str], count: usize) -> BTreeMap<String, Vec<Record>> {
        read(&self.json(), topics, count)
    }

    /// Runs a future.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// Everything in `topics` of the brokers that `config` names. Waits until there are `count` messages, and then a
/// little, so that one too many is seen too.
pub fn read(config: &Value, topics: &[&str], count: usize) -> BTreeMap<String, Vec<Record>> {
    let config = EndpointConfig::parse(config.to_string().as_bytes()).unwrap();
    let names: Vec<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    let mut consumer = Consumer::open(&config, &names, Start::Beginning).unwrap();
    let mut all: BTreeMap<String, Vec<Record>> =
        names.iter().map(|name| (name.clone(), Vec::new())).collect();
    let (mut found, limit) = (0, Instant::now() + Duration::from_secs(120));
    loop {
        let wait = if found < count { Duration::from_millis(500) } else { Duration::from_millis(150) };
        match consumer.poll(wait).unwrap() {
            Some(record) => {
                all.get_mut(&record.topic).expect("a topic that was asked for").push(record);
                found += 1;
            }
            None if found >= count || Instant::now() > limit => break,
            None => {}
        }
    }
    assert_eq!(found, count, "messages in {topics:?}");
    for records in all.values_mut() {
        records.sort_by_key(|record| (record.partition, record.offset));
    }
    all
}

/// Partitions of the topics of [`Servers`].
pub const PARTITIONS: i32 = 3;
