//! What a client tells of itself every [`EVERY`] (every [`SOON`] in a session that is measured), of which little is kept.
//!
//! librdkafka's `STATISTICS.md` has the meaning and the unit of each member. As long as it keeps statistics, it enters each
//! message's time in its queue in a histogram (`rd_avg_add`), under a mutex that it takes anyway: a few dozen instructions, without
//! which no round trip is told.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

/// Time between two tellings, over which round trips are taken together.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// The same where somebody waits for the last one, to learn what was sent in all.
pub(super) const SOON: Duration = Duration::from_millis(500);

/// One client's statistics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Statistics {
    /// Messages that wait in the client: they are in no request yet.
    pub(super) queued: u64,
    /// Messages that were sent again, since the client started, as often as they were.
    pub(super) retries: u64,
    /// Bytes that went to the brokers since the client started: compressed, with all framing.
    pub(super) sent_bytes: u64,
    /// Of the broker whose round trips were the longest on average.
    pub(super) slowest: Option<RoundTrip>,
}

/// Round trips to a broker, of the latest stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoundTrip {
    /// Its address and number, as librdkafka writes them: `host:9092/1`.
    pub(super) broker: String,
    pub(super) average: Duration,
    /// Of a hundred, 99 took no longer.
    pub(super) p99: Duration,
}

impl Statistics {
    /// Reads librdkafka's JSON; none if it is not as its documentation says.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let told: Told = serde_json::from_str(text).ok()?;
        let partitions = || told.topics.values().flat_map(|topic| topic.partitions.values());
        let slowest = told
            .brokers
            .values()
            .filter(|broker| broker.rtt.cnt > 0)
            .max_by_key(|broker| broker.rtt.avg)
            .map(|broker| RoundTrip {
                broker: broker.name.clone(),
                average: micros(broker.rtt.avg),
                p99: micros(broker.rtt.p99),
            });
        Some(Self {
            // Of partitions librdkafka tells the first of two queues alone.
            queued: count(told.msg_cnt)
                .saturating_sub(partitions().map(|partition| count(partition.msgs_inflight)).sum()),
            // Its own `txretries` leaves Produce requests out.
            retries: partitions().map(Partition::sent_again).sum(),
            sent_bytes: count(told.tx_bytes),
            slowest,
        })
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn micros(number: i64) -> Duration {
    Duration::from_micros(count(number))
}

#[derive(Deserialize)]
struct Told {
    tx_bytes: i64,
    msg_cnt: i64,
    brokers: HashMap<String, Broker>,
    topics: HashMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    name: String,
    rtt: Window,
}

/// Microseconds.
#[derive(Deserialize)]
struct Window {
    avg: i64,
    p99: i64,
    cnt: i64,
}

#[derive(Deserialize)]
struct Topic {
    partitions: HashMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    /// Messages in all requests so far.
    txmsgs: i64,
    /// Number of the last message that was acknowledged. An idempotent producer numbers a partition's messages from 1.
    acked_msgid: i64,
    /// Messages in requests that are under way.
    msgs_inflight: i64,
}

impl Partition {
    /// What was in requests and came to nothing. The three figures are not of quite one moment: while an answer comes in it
    /// may be too much by what that acknowledges.
    fn sent_again(&self) -> u64 {
        count(self.txmsgs - self.acked_msgid - self.msgs_inflight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_librdkafkas_statistics_the_sums_and_the_slowest_broker_are_kept() {
        let text = r#"{
            "name": "materialize-kafka#producer-1", "msg_cnt": 9, "tx_bytes": 4096,
            "brokers": {
                "b1:9092/1": { "name": "b1:9092/1", "rtt": { "avg": 900, "p99": 2100, "cnt": 7 } },
                "b2:9092/2": { "name": "b2:9092/2", "rtt": { "avg": 4000, "p99": 9000, "cnt": 3 } },
                "b3:9092/bootstrap": { "name": "b3:9092/bootstrap", "rtt": { "avg": 5000, "p99": 5000, "cnt": 0 } }
            },
            "topics": {
                "a": { "partitions": {
                    "0": { "txmsgs": 13, "acked_msgid": 8, "msgs_inflight": 2 },
                    "-1": { "txmsgs": 0, "acked_msgid": 0, "msgs_inflight": 0 }
                } },
                "b": { "partitions": { "5": { "txmsgs": 20, "acked_msgid": 17, "msgs_inflight": 3 } } }
            }
        }"#;
        let expected = Statistics {
            queued: 4,
            retries: 3,
            sent_bytes: 4096,
            slowest: Some(RoundTrip {
                broker: "b2:9092/2".to_owned(),
                average: Duration::from_millis(4),
                p99: Duration::from_millis(9),
            }),
        };
        assert_eq!(Statistics::parse(text), Some(expected));
        for other in ["", "{}", r#"{"tx_bytes":"many","brokers":{},"topics":{}}"#] {
            assert_eq!(Statistics::parse(other), None);
        }
    }
}
