//! Settings that few users touch.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::client_properties::ClientOptions;
use super::error::Error;
use super::format::FormatOptions;
use super::kinds::{choice, duration, filled, size};
use super::members::Members;
use super::option::{choices, options};
use super::partitioning::PartitionOptions;
use super::topic::Topic;
use super::topics::TopicOptions;

options! {
    /// Settings with defaults that suit nearly everyone.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Advanced, checked by one_producer_where_exactly_once {
        /// The task fails when brokers acknowledge nothing for so long while messages are due, such as 90s or 2m.
        pub stall_timeout: Duration = "Stall time-out", duration(STALL_TIMEOUT, "100ms to 24h").or("2m");
        /// Bytes of keys and values that may wait for acknowledgement. More needs more memory; a larger document
        /// passes alone.
        pub in_flight_bytes: usize = "Bytes in flight", size(IN_FLIGHT_BYTES).or(64 * 1024 * 1024);
        /// Messages that may wait for acknowledgement. More needs more memory.
        pub in_flight_messages: usize = "Messages in flight", size(IN_FLIGHT_MESSAGES).or(250_000);
        /// Instances of the Kafka client, among which the partitions are shared out. More than one compress in
        /// parallel, for machines with cores to spare; not with exactly_once.
        pub producers: usize = "Producers", size(PRODUCERS).or(1);
        /// What is promised about a document that is stored again, because its transaction was interrupted.
        pub delivery: Delivery = "Delivery", choice().or("at_least_once");
        /// Topic in which transactions are recorded, for exactly_once only. It is created if it does not exist:
        /// compacted, one partition. Tasks may share it, no binding may write to it.
        pub progress_topic: Topic = "Progress topic", filled()
            .parsed(|name| Topic::new(name).map_err(|error| error.to_string()))
            .or("flow_progress");
        /// How long a transaction may be open, from its first message on, before the brokers give it up; for
        /// exactly_once only. No more than transaction.max.timeout.ms of the brokers.
        pub transaction_timeout: Duration = "Transaction time-out", duration(TRANSACTION_TIMEOUT, "1s to 24h").or("15m");
    }
    flat {
        /// Properties of the Kafka client.
        pub client: ClientOptions;
        /// Names and properties of topics.
        pub topics: TopicOptions;
        /// How keys and values are written.
        pub formats: FormatOptions;
        /// How messages are dealt out to partitions.
        pub partitioning: PartitionOptions;
    }
}

choices! {
    /// What is promised about a document that the runtime stores again, because its transaction was interrupted.
    pub enum Delivery {
        /// It may land twice.
        AtLeastOnce = "at_least_once",
        /// Each transaction is one of Kafka's, so that consumers that read committed messages only
        /// (isolation.level=read_committed) see no document twice.
        ExactlyOnce = "exactly_once",
    }
}

fn one_producer_where_exactly_once(advanced: Advanced, members: &Members<'_>) -> Result<Advanced, Error> {
    if advanced.delivery == Delivery::ExactlyOnce && advanced.producers > 1 {
        return Err(members.invalid(
            "producers",
            &advanced.producers.to_string(),
            "with delivery exactly_once there is one transaction, of one producer: set producers to 1, or \
             delivery to at_least_once"
                .to_owned(),
        ));
    }
    Ok(advanced)
}

/// Less would take an ordinary pause for a stall; more is no longer a limit.
const STALL_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
/// From the least that librdkafka takes. The brokers have a limit of their own, `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
/// From one chunk of output to what librdkafka's own queue may hold (`queue.buffering.max.kbytes`).
const IN_FLIGHT_BYTES: RangeInclusive<usize> = 64 * 1024..=2_147_483_647;
/// Up to the largest value that librdkafka's own queue takes (`queue.buffering.max.messages`).
const IN_FLIGHT_MESSAGES: RangeInclusive<usize> = 1..=2_147_483_647;
const PRODUCERS: RangeInclusive<usize> = 1..=16;
