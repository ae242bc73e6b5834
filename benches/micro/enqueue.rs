//! Ready-made messages to the brokers, librdkafka's mock in this process, and the commit after them.
//!
//! Brokers, librdkafka's threads and the sender share the machine's cores, so this is the rate of all of them together.
//! `rdkafka` is that crate's own producer with the same settings (but a shorter linger), which copies each message and
//! makes one call for it. A commit comes after 50,000 messages at the least, and is shared among them.
//!
//! The instructions of the row are those of the session's thread alone: what it costs to put a message in its place
//! and to hand it over, without what other threads do at their own pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use materialize_kafka::config::{EndpointConfig, Partitioning};
use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::kafka::{BATCH_BYTES, Outbox, Topic, producer_settings};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Message};

use super::documents::Scenario;
use super::encoder::{Encoder, document};
use super::table::{Subject, Table};

pub fn rows(table: &mut Table, scenarios: &[Scenario]) {
    for scenario in scenarios.iter().filter(|scenario| ["flat128", "nested2k"].contains(&scenario.name)) {
        let mut encoder = Encoder::json(scenario);
        let messages: Messages =
            scenario.stores.iter().map(|store| encoder.message(&document(store))).collect();
        let bytes =
            messages.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() / messages.len();
        let what = format!("{}_json", scenario.name);
        let subject = Subject { name: "enqueue", what: &what, bytes };
        table.counted(subject, "ours");
        table.waits(subject, "ours", || ours(&messages));
        table.waits(subject, "rdkafka", || rdkafka(&messages));
    }
}

type Messages = Vec<(Vec<u8>, Vec<u8>)>;

fn ours(messages: &Messages) -> impl FnMut(u64) {
    let (cluster, config) = brokers();
    let topics = vec![Topic {
        name: TOPIC.to_owned(),
        owner: "the bench".to_owned(),
        partitioning: Partitioning::default(),
    }];
    let mut outbox =
        Outbox::open(&config, topics, Box::new(|error| eprintln!("{error}"))).expect("brokers are there");
    let mut messages = messages.iter().cycle();
    move |documents| {
        for _ in 0..documents {
            let (key, value) = messages.next().expect("a cycle");
            let (keys, values) = outbox.buffers().expect("no failure");
            keys.extend_from_slice(key);
            values.put(value);
            outbox.push(0, true).expect("no failure");
        }
        let committed = outbox.commit().expect("no failure");
        assert_eq!(committed.messages, documents, "every message is acknowledged");
        // Brokers that stay as long as what is sent to them.
        let _ = &cluster;
    }
}

fn rdkafka(messages: &Messages) -> impl FnMut(u64) {
    let (cluster, config) = brokers();
    let delivered = Delivered::default();
    let mut settings = producer_settings(&config, BATCH_BYTES);
    settings
        .set("partitioner", "consistent")
        // Its flush does not end the linger for good, as ours does: librdkafka's own default.
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", config.advanced.in_flight_messages.to_string());
    let producer: BaseProducer<Delivered> =
        settings.create_with_context(delivered.clone()).expect("settings of the outbox");
    let mut messages = messages.iter().cycle();
    move |documents| {
        let before = delivered.0.load(Ordering::Relaxed);
        for _ in 0..documents {
            let (key, value) = messages.next().expect("a cycle");
            let mut record = BaseRecord::to(TOPIC).key(key).payload(value);
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
                producer.poll(Duration::from_millis(10));
                record = back;
            }
            producer.poll(Duration::ZERO);
        }
        // The crate's own wait goes by steps of 100 ms, even for a single message.
        while producer.in_flight_count() > 0 {
            let _ = producer.flush(Duration::ZERO);
            producer.poll(Duration::from_millis(1));
        }
        assert_eq!(delivered.0.load(Ordering::Relaxed) - before, documents, "every message is acknowledged");
        let _ = &cluster;
    }
}

/// Counts messages that are acknowledged.
#[derive(Clone, Default)]
struct Delivered(Arc<AtomicU64>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(message) = result {
            assert!(message.key().is_some(), "keys are given");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn brokers() -> (Cluster, EndpointConfig) {
    let cluster = Cluster::new(2).expect("loopback");
    cluster.create_topic(TOPIC, 6).expect("a new topic");
    let brokers = cluster.bootstrap_servers();
    let config = format!(r#"{{"bootstrap_servers":"{brokers}","message_format":"JSON"}}"#);
    (cluster, EndpointConfig::parse(config.as_bytes()).expect("a whole configuration"))
}

const TOPIC: &str = "enqueue";
