//! What landed, as consumers of either isolation level see it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::player::Task;

/// How often each number below `numbers` is missing from, or too much in, what `isolation` shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    pub lost: usize,
    pub doubled: usize,
    pub seen: usize,
}

/// Every number once.
pub fn assert_once(task: &Task, numbers: u32) {
    let tally = tally(task, "read_committed", numbers);
    assert_eq!((tally.lost, tally.doubled), (0, 0), "under read_committed: {tally:?}");
}

pub fn tally(task: &Task, isolation: &str, numbers: u32) -> Tally {
    let mut counts = BTreeMap::new();
    for number in read(task, isolation) {
        *counts.entry(number).or_insert(0_usize) += 1;
    }
    assert!(counts.keys().all(|number| *number < numbers), "numbers that were never committed: {:?}", {
        counts.keys().filter(|number| **number >= numbers).collect::<Vec<_>>()
    });
    let seen = counts.values().sum();
    let there = counts.len();
    Tally { lost: usize::try_from(numbers).unwrap() - there, doubled: seen - there, seen }
}

/// All numbers in the task's topic, up to where `isolation` shows it, which must be its end.
pub fn read(task: &Task, isolation: &str) -> Vec<u32> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", task.endpoint.config["bootstrap_servers"].as_str().unwrap())
        .set("group.id", "nobody")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(&task.topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();
    let mut ends = 0;
    let mut numbers = Vec::new();
    let limit = Instant::now() + Duration::from_secs(60);
    while ends < PARTITIONS {
        assert!(Instant::now() < limit, "the topic has no end");
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                let value: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
                numbers.push(u32::try_from(value["id"].as_u64().unwrap()).unwrap());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    numbers
}

/// As `Endpoint::json` configures.
const PARTITIONS: i32 = 3;
