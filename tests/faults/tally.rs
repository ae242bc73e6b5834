//! What landed, compared with what was stored and what of it was committed.
//!
//! The documents of a run are numbered from 0. Number `i` has the key `i % keys` and is the `i / keys`th of its key.
//! Each says also which session of the connector it was stored in: sessions are numbered from 0, and begin with the
//! first document that was not committed then. From this follows what the messages of one key must be, read in the
//! order in which they lie in their partition:
//!
//! * they are all in one partition;
//! * within a session each document is the one behind the document before it: nothing twice, nothing left out;
//! * the first one of a session is the first of its key that was not committed when the session began: so a consumer
//!   sees a key go back only to where the runtime had committed, never behind it;
//! * a *late* message, one of a connector that is dead behind one of a later session, repeats the message before it.
//!   What a connector had sent before it was killed may wait in the network, or in a broker that is stopped, until
//!   the next one's messages are there. Without transactions nobody fences it off; what must not be is that a
//!   consumer ends with an older document than the newest one.
//!
//! What breaks one of these is *out of order*. *Lost* is a document that was committed and is not there, *doubled* a
//! message whose document was there already: at-least-once delivery may double what was not committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

use crate::avro::Schemas;
use crate::flow::letters;

/// What the runtime did.
#[derive(Debug, Clone)]
pub struct Stored {
    pub topic: String,
    pub keys: u64,
    /// Letters of a document's text.
    pub letters: usize,
    /// Where the schemas are, if messages are Avro.
    pub registry: Option<String>,
    /// How many documents, from the first on, are committed.
    pub committed: u64,
    /// How many have been in a transaction.
    pub offered: u64,
    /// Where each session began.
    pub starts: Vec<u64>,
}

/// A message of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landed {
    pub partition: i32,
    pub number: u64,
    pub session: usize,
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub documents: u64,
    pub committed: u64,
    pub lost: u64,
    pub doubled: u64,
    /// Of those that are doubled.
    pub late: u64,
    pub out_of_order: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, committed, lost, doubled, late, out_of_order } = self;
        write!(
            f,
            "documents {documents}, committed {committed}, lost {lost}, doubled {doubled} (late {late}), \
             out of order {out_of_order}"
        )
    }
}

impl Tally {
    /// Reads the topic at `brokers` as consumers of this isolation level do, and counts.
    pub fn read(brokers: &str, stored: &Stored, isolation: &str) -> Self {
        Self::of(&landed(brokers, stored, isolation), stored)
    }

    /// Counts; `landed` is by key.
    pub fn of(landed: &BTreeMap<u64, Vec<Landed>>, stored: &Stored) -> Self {
        let mut tally = Self { documents: stored.offered, committed: stored.committed, ..Self::default() };
        for key in 0..stored.keys {
            let of_key = landed.get(&key).map_or(&[][..], Vec::as_slice);
            let mut there = vec![false; of(stored.offered, key, stored.keys)];
            // The newest that is not late.
            let mut newest: Option<Landed> = None;
            for message in of_key {
                let document = usize::try_from(message.number).ok().and_then(|number| there.get_mut(number));
                let document = document.expect("only what was stored has landed");
                tally.doubled += u64::from(std::mem::replace(document, true));
                let late = newest.is_some_and(|newest| newest.session > message.session);
                tally.late += u64::from(late);
                let right = match newest {
                    Some(newest) if newest.partition != message.partition => false,
                    Some(newest) if late => newest.number == message.number,
                    Some(newest) if newest.session == message.session => message.number == newest.number + 1,
                    _ => {
                        let start =
                            *stored.starts.get(message.session).expect("only our sessions have written");
                        message.number == first_of(start, key, stored.keys)
                    }
                };
                if !right {
                    tally.out_of_order += 1;
                    eprintln!("out of order: key {key}: {message:?} behind {newest:?}");
                }
                if !late {
                    newest = Some(*message);
                }
            }
            let committed = of(stored.committed, key, stored.keys);
            let lost = there[..committed].iter().filter(|there| !**there).count();
            if lost > 0 {
                eprintln!("lost: key {key}: {lost} of {committed}");
            }
            tally.lost += lost as u64;
        }
        tally
    }

    /// Asserts what at-least-once delivery promises.
    pub fn assert_nothing_lost(&self) {
        eprintln!("{self}");
        assert!(self.committed > 0, "nothing was committed: {self}");
        assert!(self.lost == 0 && self.out_of_order == 0, "{self}");
    }

    /// Asserts what one session promises, whatever the brokers went through, and all sessions together that deliver exactly
    /// once: not even doubled documents.
    pub fn assert_exact(&self) {
        self.assert_nothing_lost();
        assert_eq!((self.doubled, self.late), (0, 0), "{self}");
    }
}

/// How many of the first `documents` have this key.
fn of(documents: u64, key: u64, keys: u64) -> usize {
    usize::try_from(first_of(documents, key, keys)).expect("it fits into memory")
}

/// The number within its key of the first document with this key from `document` on.
fn first_of(document: u64, key: u64, keys: u64) -> u64 {
    document.saturating_sub(key).div_ceil(keys)
}

/// Everything in the topic, by key, in the order in which it lies there.
pub fn landed(brokers: &str, stored: &Stored, isolation: &str) -> BTreeMap<u64, Vec<Landed>> {
    let consumer = consumer(brokers, isolation);
    let topic = &stored.topic;
    let count = consumer.fetch_metadata(Some(topic), READ_WITHIN).unwrap().topics()[0].partitions().len();
    let partitions = 0..i32::try_from(count).unwrap();
    // A transaction that is open would hide what is behind it.
    let since = Instant::now();
    while ends(&consumer, topic, partitions.clone())
        != ends(&self::consumer(brokers, "read_uncommitted"), topic, partitions.clone())
    {
        assert!(since.elapsed() < READ_WITHIN, "a transaction stays open in {topic}");
        thread::sleep(Duration::from_millis(100));
    }
    let mut assigned = TopicPartitionList::new();
    for partition in partitions.clone() {
        assigned.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assigned).unwrap();
    let mut schemas = stored.registry.as_deref().map(Schemas::of);
    let mut left: BTreeSet<i32> = partitions.collect();
    let mut landed = BTreeMap::<u64, Vec<Landed>>::new();
    let mut limit = Instant::now() + READ_WITHIN;
    while !left.is_empty() {
        assert!(Instant::now() < limit, "the ends of partitions {left:?} of {topic} are not reached");
        let message = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                left.remove(&partition);
                continue;
            }
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            None => continue,
        };
        limit = Instant::now() + READ_WITHIN;
        let mut json = |bytes: &[u8]| match &mut schemas {
            Some(schemas) => schemas.decode(bytes),
            None => serde_json::from_slice(bytes).unwrap(),
        };
        let (key, value) = (json(message.key().expect("a key")), json(message.payload().expect("a value")));
        let number = |of: &Value| of.as_u64().unwrap_or_else(|| panic!("no numbers in {key} {value}"));
        let (key, number, session) = (
            number(key.get("id").unwrap_or(&key["_flow_key"]["p1"])),
            number(&value["number"]),
            number(&value["session"]),
        );
        assert_eq!(value["id"], key, "key and value are of one document");
        assert_eq!(value["text"], letters(key, number, stored.letters), "key {key}, number {number}");
        let session = usize::try_from(session).expect("a number of a session");
        landed.entry(key).or_default().push(Landed { partition: message.partition(), number, session });
    }
    landed
}

fn consumer(brokers: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "nobody")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", isolation)
        .create()
        .unwrap()
}

/// Behind the last message of each partition that this consumer may see.
fn ends(consumer: &BaseConsumer, topic: &str, partitions: std::ops::Range<i32>) -> Vec<i64> {
    partitions.map(|partition| consumer.fetch_watermarks(topic, partition, READ_WITHIN).unwrap().1).collect()
}

const READ_WITHIN: Duration = Duration::from_secs(30);

/// Two keys; three documents of each, in two sessions, the first of which had two documents committed.
#[test]
fn the_count_finds_what_is_lost_doubled_and_out_of_order() {
    let stored = Stored {
        topic: String::new(),
        keys: 2,
        letters: 0,
        registry: None,
        committed: 6,
        offered: 6,
        starts: vec![0, 2],
    };
    let key = |messages: &[(usize, u64)]| -> Vec<Landed> {
        messages.iter().map(|&(session, number)| Landed { partition: 0, number, session }).collect()
    };
    let right = key(&[(0, 0), (1, 1), (1, 2)]);
    let count = |other: Vec<Landed>| {
        let tally = Tally::of(&BTreeMap::from([(0, right.clone()), (1, other)]), &stored);
        (tally.lost, tally.doubled, tally.out_of_order)
    };
    assert_eq!(count(right.clone()), (0, 0, 0));
    assert_eq!(count(key(&[(0, 0), (0, 1), (1, 1), (1, 2)])), (0, 1, 0), "stored again");
    assert_eq!(count(key(&[])), (3, 0, 0));
    assert_eq!(count(key(&[(0, 0), (1, 1)])), (1, 0, 0), "the last one is missing");
    assert_eq!(count(key(&[(0, 0), (1, 2)])), (1, 0, 1), "one in between is missing");
    assert_eq!(count(key(&[(0, 0), (1, 2), (1, 1)])), (0, 0, 2), "exchanged");
    assert_eq!(count(key(&[(0, 0), (1, 1), (1, 1), (1, 2)])), (0, 1, 1), "twice in one session");
    assert_eq!(count(key(&[(0, 0), (1, 0), (1, 1), (1, 2)])), (0, 1, 1), "behind what was committed");
    assert_eq!(count(key(&[(0, 0), (1, 1), (0, 1), (1, 2)])), (0, 1, 0), "late");
    assert_eq!(count(key(&[(0, 0), (1, 1), (1, 2), (0, 1)])), (0, 1, 1), "late, and older than the newest");
    let mut moved = right.clone();
    moved[2].partition = 1;
    assert_eq!(count(moved), (0, 0, 1), "in another partition");
}
