//! The progress topic: how it is made and checked, and how it is read for certain up to its end.
//!
//! Reading committed records up to "the end" is not enough: that end is the last stable offset, which an open transaction
//! holds back, and what is committed behind it would be missed. So the end is asked for without regard to transactions,
//! and committed records are read until they have got there.

#![allow(unsafe_code, reason = "librdkafka's admin calls")]

use std::thread;
use std::time::{Duration, Instant};

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::{info, warn};

use super::admin::{Question, create_error, created_topics, is_unknown_topic, topic_settings};
use super::client::{Code, Detached, Kind};
use super::consumer::{Consumer, Read, Record, Start};
use super::error::{Error, remedy};
use super::layout::describe;
use super::settings::client_settings;
use super::topics::{GETS_ROUND_WITHIN, check_partitions};
use crate::config::{EndpointConfig, NewTopic};

/// Creates the configuration's progress topic, unless it is there, and says whether it did. One that is there is checked.
///
/// # Errors
///
/// A topic that could not be created, with none but the settings that it must have either, or that has not one partition or is not compacted alone; brokers that do not answer.
pub fn prepare_progress_topic(config: &EndpointConfig, timeout: Duration) -> Result<bool, Error> {
    let topic = config.advanced.progress_topic.as_str();
    let replication = config.topic_replication_factor;
    let brokers = &config.bootstrap_servers;
    let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;

    let described = describe(&client, brokers, &[topic], timeout)?;
    let missing = match described.into_iter().next() {
        Some(Ok(partitions)) => {
            check_partitions(topic, partitions)?;
            false
        }
        Some(Err(code))
            if !is_unknown_topic(code) && !code.is(Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) =>
        {
            return Err(create_error(topic, 1, replication, code, ""));
        }
        Some(Err(_)) | None => true,
    };
    if missing {
        match create(&client, config, SETTINGS, timeout)? {
            Created::Now => return Ok(true),
            Created::Before => {}
            Created::Refused(code, text) if may_be_for_its_settings(code) => {
                let reason = reason(code, &text);
                for settings in [LARGE_RECORDS, INDISPENSABLE] {
                    match create(&client, config, settings, timeout)? {
                        Created::Now => {
                            warn!(topic, reason, "{}", left_out(settings));
                            return Ok(true);
                        }
                        Created::Before => break,
                        Created::Refused(again, _)
                            if settings != INDISPENSABLE && may_be_for_its_settings(again) => {}
                        Created::Refused(again, text) => {
                            return Err(refused(topic, replication, again, &text));
                        }
                    }
                }
            }
            Created::Refused(code, text) => return Err(create_error(topic, 1, replication, code, &text)),
        }
    }
    match topic_settings(&client, brokers, &[topic], timeout) {
        Ok(found) => {
            let policy = found.get(topic).and_then(|settings| settings.get("cleanup.policy"));
            check_policy(topic, policy.map(String::as_str))?;
        }
        Err(error) => {
            warn!(%error, topic, "whether the progress topic is compacted, and nothing else, is not known");
        }
    }
    Ok(false)
}

/// Checks a progress topic that is there, by its partitions and, where the brokers tell, its `cleanup.policy`.
///
/// # Errors
///
/// [`Error::Progress`]: it has not one partition, or is not compacted alone.
pub fn check_progress_topic(topic: &str, partitions: i32, policy: Option<&str>) -> Result<(), Error> {
    check_partitions(topic, partitions)?;
    check_policy(topic, policy)
}

/// What came of asking for the topic.
enum Created {
    Now,
    /// Another task was faster. It made the topic as we would have.
    Before,
    Refused(Code, String),
}

fn create(
    client: &Detached,
    config: &EndpointConfig,
    settings: &[(&str, &str)],
    timeout: Duration,
) -> Result<Created, Error> {
    let asked = Question::new(client, &config.bootstrap_servers, "creating the progress topic", timeout);
    let wanted = NewTopic {
        name: config.advanced.progress_topic.clone(),
        partitions: 1,
        replication_factor: config.topic_replication_factor,
        config: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    asked.create(&[&wanted], false)?;
    let answer = asked.answer(sys::RD_KAFKA_EVENT_CREATETOPICS_RESULT)?;
    if let Some((code, text)) = answer.answer_error() {
        return Err(asked.refused(code, &text));
    }
    Ok(match created_topics(&answer).into_iter().next() {
        Some((_, code, _)) if code.0 == 0 => Created::Now,
        Some((_, code, _)) if code.is(Name::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) => Created::Before,
        Some((_, code, text)) => Created::Refused(code, text),
        None => Created::Before,
    })
}

/// Managed services let only some settings be given: Confluent Cloud by a policy, MSK Serverless as invalid ones.
fn may_be_for_its_settings(code: Code) -> bool {
    code.is(Name::RD_KAFKA_RESP_ERR_INVALID_CONFIG) || code.is(Name::RD_KAFKA_RESP_ERR_POLICY_VIOLATION)
}

fn reason(code: Code, text: &str) -> String {
    if text.is_empty() { code.text() } else { format!("{}: {text}", code.text()) }
}

/// What is told of a topic that was made with these settings alone.
fn left_out(settings: &[(&str, &str)]) -> String {
    let listed = |settings: Vec<&(&str, &str)>| {
        let settings = settings.iter().map(|(name, value)| format!("{name}={value}"));
        settings.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "the brokers refused the progress topic's settings, so it was created with {} alone, and without {}. No promise \
         rests on these: Open reads more until the brokers compact by their own defaults",
        listed(settings.iter().collect()),
        listed(SETTINGS.iter().filter(|setting| !settings.contains(setting)).collect())
    );
    if settings == INDISPENSABLE {
        text.push_str(
            ", and a checkpoint above their max.message.bytes, which one of thousands of journals may be, ends the session with \
             an error before anything of its transaction is committed: if that happens, raise max.message.bytes of the topic",
        );
    }
    text
}

fn refused(topic: &str, replication: i32, code: Code, text: &str) -> Error {
    Error::Progress {
        topic: topic.to_owned(),
        reason: format!(
            "creating it with one partition, replication factor {replication} and cleanup.policy=compact alone: {}",
            reason(code, text)
        ),
        remedy: "create it by hand with one partition and cleanup.policy=compact, as far as the brokers' operator allows, and \
                 publish the task again",
    }
}

fn check_policy(topic: &str, policy: Option<&str>) -> Result<(), Error> {
    match policy {
        Some(policy) if policy.trim() != "compact" => Err(Error::Progress {
            topic: topic.to_owned(),
            reason: format!("its cleanup.policy is {policy:?}, so that records may be deleted for their age"),
            remedy: "set its cleanup.policy to compact",
        }),
        _ => Ok(()),
    }
}

/// Reads the progress topic, all of it.
pub struct ProgressReader {
    topic: String,
    /// Sees everything.
    all: Consumer,
    /// Sees what is committed.
    committed: Consumer,
    /// How far `all` has read.
    reached: i64,
    patience: Duration,
}

impl ProgressReader {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// Brokers that do not answer within ten seconds, a topic that is missing or may not be read.
    pub fn open(config: &EndpointConfig) -> Result<Self, Error> {
        let topic = config.advanced.progress_topic.to_string();
        let try_open = |isolation| {
            Consumer::open_with(config, std::slice::from_ref(&topic), Start::Beginning, |settings| {
                settings
                    .set("isolation.level", isolation)
                    .set("enable.partition.eof", "true")
                    // Of two readers, one waits for the other.
                    .set("queued.max.messages.kbytes", "8192");
            })
        };
        // A topic that was just created may not have got round yet.
        let patience = Instant::now() + GETS_ROUND_WITHIN;
        let open = |isolation| {
            loop {
                match try_open(isolation) {
                    Err(Error::Read { .. }) if Instant::now() < patience => thread::sleep(SLICE),
                    opened => return opened,
                }
            }
        };
        Ok(Self {
            all: open("read_uncommitted")?,
            committed: open("read_committed")?,
            reached: 0,
            patience: config.advanced.stall_timeout,
            topic,
        })
    }

    /// Gives the keys of the records that have come since the last call, those of open and of aborted transactions as
    /// well.
    ///
    /// # Errors
    ///
    /// What keeps the topic from being read up to its present end.
    pub fn keys(&mut self, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let end = self.end()?;
        let mut since = Instant::now();
        while self.reached < end {
            if let Some(reached) = step(&mut self.all, |record| each(&record.key.unwrap_or_default()))? {
                self.reached = reached;
                since = Instant::now();
            } else if since.elapsed() >= self.patience {
                return Err(Error::Read {
                    topic: self.topic.clone(),
                    reason: format!("nothing came from offset {} on for {:?}", self.reached, self.patience),
                    remedy: remedy(Name::RD_KAFKA_RESP_ERR__TIMED_OUT as i32),
                });
            }
        }
        Ok(())
    }

    /// Gives every committed record up to the present end, in order. Waits for transactions that are open before it.
    ///
    /// # Errors
    ///
    /// What keeps the topic from being read; a transaction that stays open for the stall time-out.
    pub fn committed(mut self, mut each: impl FnMut(Record)) -> Result<(), Error> {
        let end = self.end()?;
        let mut reached = 0;
        let mut since = Instant::now();
        let mut told = false;
        // Committed records are given out up to the first open transaction. To have got to the end is the proof that
        // everything before it is decided.
        while reached < end {
            if let Some(further) = step(&mut self.committed, &mut each)? {
                if further > reached {
                    (reached, since) = (further, Instant::now());
                }
                continue;
            }
            let waited = since.elapsed();
            if waited >= self.patience {
                return Err(Error::HeldBack { topic: self.topic, end, open: reached, waited: self.patience });
            }
            if waited >= TOLD_AFTER && !told {
                told = true;
                info!(topic = %self.topic, offset = reached, end, "waiting for a transaction of another task or shard");
            }
        }
        Ok(())
    }

    /// The high watermark.
    fn end(&self) -> Result<i64, Error> {
        Ok(self.all.end_offsets()?.first().map_or(0, |(_, _, end)| *end))
    }
}

/// Reads a record or the end, and says where reading goes on; none if nothing came.
fn step(consumer: &mut Consumer, each: impl FnOnce(Record)) -> Result<Option<i64>, Error> {
    Ok(match consumer.read(SLICE)? {
        Some(Read::Record(record)) => {
            let next = record.offset + 1;
            each(record);
            Some(next)
        }
        Some(Read::End { offset, .. }) => Some(offset),
        None => None,
    })
}

/// What no topic will do without. Nothing else is a promise's: how many replicas acknowledge a record is for the brokers' own
/// min.insync.replicas, as with any topic.
const INDISPENSABLE: &[(&str, &str)] = &[("cleanup.policy", "compact")];

/// What is tried in between: a checkpoint that is too large for its record stops a task, and services that refuse the rest let this be
/// given.
const LARGE_RECORDS: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("max.message.bytes", "8000000")];

/// Of a topic that is created, where the brokers let these be given. Every Open reads all of it, and only segments that are full are compacted. Records are small, but a
/// checkpoint of thousands of journals may be beyond the brokers' default of 1 MB; a segment must hold a record.
const SETTINGS: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.bytes", "8388608"),
    ("max.message.bytes", "8000000"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

const SLICE: Duration = Duration::from_millis(100);
const TOLD_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_brokers_refuse_are_left_out_and_told() {
        let of = |name: Name| may_be_for_its_settings(Code(name as i32));
        assert!(of(Name::RD_KAFKA_RESP_ERR_INVALID_CONFIG) && of(Name::RD_KAFKA_RESP_ERR_POLICY_VIOLATION));
        assert!(!of(Name::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR));
        assert!(LARGE_RECORDS.iter().chain(INDISPENSABLE).all(|setting| SETTINGS.contains(setting)));
        assert_eq!(
            left_out(LARGE_RECORDS),
            "the brokers refused the progress topic's settings, so it was created with cleanup.policy=compact, \
             max.message.bytes=8000000 alone, and without segment.bytes=8388608, min.cleanable.dirty.ratio=0.1. No promise \
             rests on these: Open reads more until the brokers compact by their own defaults"
        );
        assert_eq!(
            left_out(INDISPENSABLE),
            "the brokers refused the progress topic's settings, so it was created with cleanup.policy=compact alone, and \
             without segment.bytes=8388608, max.message.bytes=8000000, min.cleanable.dirty.ratio=0.1. No promise rests on \
             these: Open reads more until the brokers compact by their own defaults, and a checkpoint above their \
             max.message.bytes, which one of thousands of journals may be, ends the session with an error before anything \
             of its transaction is committed: if that happens, raise max.message.bytes of the topic"
        );
        assert_eq!(
            refused("p", 3, Code(Name::RD_KAFKA_RESP_ERR_POLICY_VIOLATION as i32), "not here").to_string(),
            "topic \"p\" (advanced.progress_topic): creating it with one partition, replication factor 3 and \
             cleanup.policy=compact alone: Broker: Policy violation (POLICY_VIOLATION): not here; create it by hand with one partition and cleanup.policy=compact, as far as the brokers' operator \
             allows, and publish the task again"
        );
    }

    #[test]
    fn only_a_topic_that_is_compacted_alone_will_do() {
        assert_eq!(check_policy("p", Some("compact")), Ok(()));
        assert_eq!(check_policy("p", None), Ok(()), "the brokers do not tell");
        for policy in ["delete", "compact,delete"] {
            assert_eq!(
                check_policy("p", Some(policy)).unwrap_err().to_string(),
                format!(
                    "topic \"p\" (advanced.progress_topic): its cleanup.policy is \"{policy}\", so that records may be \
                     deleted for their age; set its cleanup.policy to compact"
                )
            );
        }
        assert_eq!(
            check_partitions("p", 2).unwrap_err().to_string(),
            "topic \"p\" (advanced.progress_topic): it has 2 partitions, and must have one; give another topic, which is \
             created if it does not exist"
        );
    }
}
