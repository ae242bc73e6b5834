//! What landed, as consumers of either isolation level see it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::player::Task;

/// What there is of the numbers below a limit, and of those beyond, which were never committed.
#[derive(Debug, PartialEq, Eq)]
pub struct Tally {
    pub lost: usize,
    pub doubled: usize,
    pub beyond: usize,
}

/// Every number once, and no other.
pub fn assert_once(task: &Task, numbers: u32) {
    let tally = tally(task, "read_committed", numbers);
    assert_eq!(tally, Tally { lost: 0, doubled: 0, beyond: 0 }, "under read_committed");
}

pub fn tally(task: &Task, isolation: &str, numbers: u32) -> Tally {
    let (within, beyond): (Vec<u32>, Vec<u32>) =
        read(task, isolation).into_iter().partition(|number| *number < numbers);
    let there = within.iter().collect::<BTreeSet<_>>().len();
    Tally {
        lost: usize::try_from(numbers).unwrap() - there,
        doubled: within.len() - there,
        beyond: beyond.len(),
    }
}

/// Waits until every number is there, whether or not its transaction is decided.
pub fn wait_for(task: &Task, numbers: u32) {
    let start = Instant::now();
    while tally(task, "read_uncommitted", numbers).lost > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "not all of {numbers} documents land");
    }
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
