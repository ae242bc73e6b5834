//! What must be known of topics before the first message: how many partitions they have, and the largest batch.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::debug;

use super::admin::{is_unknown_topic, topic_settings};
use super::client::Client;
use super::error::{Error, remedy};
use super::layout::describe;
use super::ledger::TopicName;

/// Records of one key must have an order, and be found.
pub(super) fn check_partitions(topic: &str, partitions: i32) -> Result<(), Error> {
    if partitions == 1 {
        return Ok(());
    }
    Err(Error::Progress {
        topic: topic.to_owned(),
        reason: format!("it has {partitions} partitions, and must have one"),
        remedy: "give another topic, which is created if it does not exist",
    })
}

/// How many partitions each topic has, by one request for exactly these topics; again for a short while where one is
/// unknown, because a topic that was just created may not have got round yet.
pub(super) fn partitions_of(client: &Client, brokers: &str, names: &[TopicName]) -> Result<Vec<i32>, Error> {
    let topics: Vec<&str> = names.iter().map(|name| name.topic.as_str()).collect();
    let patience = Instant::now() + GETS_ROUND_WITHIN;
    let mut pause = Duration::from_millis(100);
    loop {
        let found = describe(client, brokers, &topics, OPEN_WITHIN)?;
        let Some((name, code)) =
            names.iter().zip(&found).find_map(|(name, f)| Some((name, *f.as_ref().err()?)))
        else {
            return Ok(found.into_iter().filter_map(Result::ok).collect());
        };
        let may_pass = is_unknown_topic(code)
            || code.is(Name::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
            || code.is(Name::RD_KAFKA_RESP_ERR__PARTIAL);
        if may_pass && Instant::now() < patience {
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
            continue;
        }
        let TopicName { topic, owner, .. } = name.clone();
        return Err(if is_unknown_topic(code) {
            Error::MissingTopic { topic, owner }
        } else {
            let doing = "asking for its partitions".to_owned();
            Error::Topic { topic, owner, doing, reason: code.text(), remedy: remedy(code.0) }
        });
    }
}

/// Enters each topic's `max.message.bytes`, where the brokers tell.
pub(super) fn ask_limits(client: &Client, brokers: &str, names: &mut [TopicName]) {
    let topics: Vec<&str> = names.iter().map(|name| name.topic.as_str()).collect();
    if topics.is_empty() {
        return;
    }
    match topic_settings(client, brokers, &topics, LIMITS_WITHIN) {
        Ok(told) => {
            for name in names {
                name.max_message_bytes = told
                    .get(&name.topic)
                    .and_then(|settings| settings.get("max.message.bytes")?.parse().ok());
            }
        }
        Err(error) => debug!(%error, "the limits of topics stay unknown"),
    }
}

/// Largest batch that a topic with this `max.message.bytes` takes for certain.
pub(super) fn batch_bytes_below(max_message_bytes: usize) -> usize {
    // librdkafka counts the whole request, but not what compression may add to data that does not compress. The brokers'
    // default, 1,048,588, leaves room for the batch size that is usual.
    (max_message_bytes - max_message_bytes / 22).max(1)
}

const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// The brokers may keep their limits to themselves; then their default is assumed.
const LIMITS_WITHIN: Duration = Duration::from_secs(2);

/// How long a topic that was just created may be unknown to some of the brokers: they take over what the controller has made
/// behind its answer, and make the logs of all other new partitions meanwhile.
pub(super) const GETS_ROUND_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::settings::BATCH_BYTES;
    use super::*;

    #[test]
    fn a_batch_stays_below_what_the_topics_take() {
        assert!(batch_bytes_below(1_048_588) >= BATCH_BYTES, "the default needs no second client");
        assert_eq!(batch_bytes_below(100_000), 95_455);
        assert_eq!(batch_bytes_below(0), 1);
    }
}
