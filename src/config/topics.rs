//! The topics that are created: names, numbers of partitions and replicas, properties.

use std::collections::BTreeMap;

use serde_json::json;

use super::error::{Error, Part};
use super::kinds::{map, text};
use super::option::{Setting, options};
use super::topic::Topic;
use super::{EndpointConfig, Resource};

options! {
    /// How topics are named and created.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct TopicOptions {
        /// What the names of all topics that documents go to begin with, before the name in the binding's resource.
        pub topic_prefix: String = "Topic prefix", text().parsed(read_prefix).or("");
        /// Properties of topics that are created, by Kafka's names, such as cleanup.policy, retention.ms,
        /// max.message.bytes or min.insync.replicas. Topics that exist are left as they are.
        pub topic_config: BTreeMap<String, String> = "Topic configuration", map().or(json!({}));
    }
}

/// A topic as it is created where it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its whole name.
    pub name: Topic,
    /// Its number of partitions.
    pub partitions: i32,
    /// Its number of replicas, or -1 for the brokers' default.
    pub replication_factor: i32,
    /// Its properties, by Kafka's names.
    pub config: BTreeMap<String, String>,
}

impl EndpointConfig {
    /// The topic of a binding, named and made as endpoint and resource say together.
    ///
    /// # Errors
    ///
    /// A name that is too long with its prefix, or that of [`Advanced::progress_topic`](super::Advanced); fewer replicas
    /// than must be in sync.
    pub fn topic(&self, resource: &Resource) -> Result<NewTopic, Error> {
        let invalid = |part: Part, place: &str, value: String, reason: String| Error::Invalid {
            part,
            pointer: place.to_owned(),
            value,
            reason,
        };
        let name = format!("{}{}", self.advanced.topics.topic_prefix, resource.topic);
        let name = Topic::new(name.as_str()).map_err(|error| {
            invalid(Part::Resource, "/topic", name, format!("{error}, with advanced.topic_prefix"))
        })?;
        self.check_topic(&name)?;
        let mut config = self.advanced.topics.topic_config.clone();
        config.extend(resource.topic_config.clone());
        let replication_factor = resource.replication_factor.unwrap_or(self.topic_replication_factor);
        let in_sync = config.get(IN_SYNC).and_then(|text| text.trim().parse::<i32>().ok());
        if let Some(in_sync) =
            in_sync.filter(|in_sync| replication_factor > 0 && *in_sync > replication_factor)
        {
            let reason = format!(
                "min.insync.replicas is more than the {replication_factor} replicas of the topic, so that nothing could be \
                 written: lower it, or raise the replication factor"
            );
            let (part, map) = if resource.topic_config.contains_key(IN_SYNC) {
                (Part::Resource, "/topic_config")
            } else {
                (Part::Endpoint, "/advanced/topic_config")
            };
            return Err(invalid(part, &format!("{map}/{IN_SYNC}"), in_sync.to_string(), reason));
        }
        let partitions = resource.partitions.unwrap_or(self.topic_partitions);
        Ok(NewTopic { name, partitions, replication_factor, config })
    }
}

const IN_SYNC: &str = "min.insync.replicas";

fn read_prefix(text: &str) -> Result<String, String> {
    // With a letter behind it, or an empty one would be no name.
    Topic::new(format!("{text}a")).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Partitions of a topic that the connector creates; 1 or more.
pub(super) fn partitions() -> Setting<Option<i32>> {
    Setting::new(json!({"type": "integer", "minimum": 1}), |members, name| {
        let Some(number) = members.integer(name)? else { return Ok(None) };
        match i32::try_from(number) {
            Ok(partitions @ 1..=MAX_PARTITIONS) => Ok(Some(partitions)),
            _ => {
                let reason = format!("expected 1 to {MAX_PARTITIONS} partitions");
                Err(members.invalid(name, &number.to_string(), reason))
            }
        }
    })
}

/// Replicas of a topic that the connector creates: 1 or more, or -1 for the brokers' default.
///
/// Zero and other negative numbers are refused. -1 is not: it is how Kafka itself spells "the brokers'
/// default" (KIP-464), librdkafka passes it on, and so the original connector accepted it.
pub(super) fn replication_factor() -> Setting<Option<i32>> {
    Setting::new(json!({"type": "integer", "minimum": -1}), |members, name| {
        let Some(number) = members.integer(name)? else { return Ok(None) };
        match i32::try_from(number) {
            Ok(factor @ (-1 | 1..=MAX_REPLICATION_FACTOR)) => Ok(Some(factor)),
            _ => {
                let reason = format!(
                    "expected 1 to {MAX_REPLICATION_FACTOR} replicas, or -1 for the brokers' default"
                );
                Err(members.invalid(name, &number.to_string(), reason))
            }
        }
    })
}

/// librdkafka's own limits for a topic to be created.
const MAX_PARTITIONS: i32 = 100_000;
const MAX_REPLICATION_FACTOR: i32 = 10_000;
