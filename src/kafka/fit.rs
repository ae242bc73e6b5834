//! Whether topics are as a task needs them, asked before anything is made or written.
//!
//! What the brokers would say of a topic that is to be made is asked by a request that makes nothing. Of one that exists
//! they tell its replicas and properties. Where the user may not ask, nothing is said: Apply and Open find out.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::{debug, warn};

use super::admin::{Question, create_error, created_topics, is_unknown_topic, topic_settings};
use super::client::{Client, Detached, Kind};
use super::error::Error;
use super::layout::describe_layouts;
use super::settings::client_settings;
use crate::config::{EndpointConfig, NewTopic};

/// Asks whether the topics that are missing could be made, and whether those that exist know the properties that are
/// configured and take the batches that the producer is told to send.
///
/// # Errors
///
/// The first topic of which it is plain that it will not do.
pub fn check_topics(config: &EndpointConfig, topics: &[NewTopic], timeout: Duration) -> Result<(), Error> {
    if topics.is_empty() {
        return Ok(());
    }
    let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;
    let brokers = &config.bootstrap_servers;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let found = describe_layouts(&client, brokers, &names, timeout)?;
    let (mut missing, mut present) = (Vec::new(), Vec::new());
    for (topic, found) in topics.iter().zip(found) {
        match found {
            Ok(layout) => present.push((topic, layout)),
            Err(code) if is_unknown_topic(code) => missing.push(topic),
            Err(code) => debug!(topic = topic.name.as_str(), code = code.0, "the topic stays unchecked"),
        }
    }
    if !present.is_empty() {
        let names: Vec<&str> = present.iter().map(|(topic, _)| topic.name.as_str()).collect();
        match topic_settings(&client, brokers, &names, timeout) {
            Ok(told) => {
                for (topic, layout) in present {
                    // A topic whose settings the user may not see has none.
                    let told = told.get(topic.name.as_str()).filter(|settings| !settings.is_empty());
                    if let Some(settings) = told {
                        take(topic, misfits(config, topic, layout.replicas, settings))?;
                    }
                }
            }
            Err(error)
                if topics.iter().any(|topic| !topic.config.is_empty()) || batch_size(config).is_some() =>
            {
                warn!(%error, "the properties of topics stay unknown, and so whether those that are configured fit them");
            }
            Err(error) => debug!(%error, "the properties of topics stay unknown"),
        }
    }
    missing.retain(|topic| !topic.config.is_empty() || batch_size(config).is_some());
    check_missing(config, &client, &missing, timeout)
}

fn check_missing(
    config: &EndpointConfig,
    client: &Client,
    topics: &[&NewTopic],
    timeout: Duration,
) -> Result<(), Error> {
    if topics.is_empty() {
        return Ok(());
    }
    for topic in topics {
        take(topic, misfits_of_missing(config, topic))?;
    }
    let asked =
        Question::new(client, &config.bootstrap_servers, "asking whether topics can be made", timeout);
    asked.create(topics, true)?;
    let answer = asked.answer(sys::RD_KAFKA_EVENT_CREATETOPICS_RESULT)?;
    match answer.answer_error() {
        // Brokers before 0.10.2 and the embedded ones of a preview: what becomes of the topics, Apply finds out.
        Some((code, _)) if code.is(Name::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) => {
            debug!("the brokers cannot be asked whether topics can be made");
            return Ok(());
        }
        Some((code, text)) => return Err(asked.refused(code, &text)),
        None => {}
    }
    for (name, code, text) in created_topics(&answer) {
        let topic = topics.iter().find(|topic| topic.name.as_str() == name);
        let is_decisive = [
            Name::RD_KAFKA_RESP_ERR_INVALID_CONFIG,
            Name::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
            Name::RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
            Name::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
        ]
        .into_iter()
        .any(|name| code.is(name));
        match topic {
            Some(topic) if is_decisive => {
                return Err(create_error(&name, topic.partitions, topic.replication_factor, code, &text));
            }
            _ => debug!(topic = name, code = code.0, "whether the topic can be made"),
        }
    }
    Ok(())
}

/// Where a topic is not as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// It wants more replicas in sync than it has. Newer brokers (4.3 does) take the number of replicas in its place: hence no
    /// error.
    InSync {
        /// Its `min.insync.replicas`.
        min: String,
        /// Its replicas.
        replicas: i32,
    },
    /// It is there, with another value of a property that is configured.
    Differs {
        /// The property.
        property: String,
        /// Its value.
        present: String,
        /// The value that is configured.
        configured: String,
    },
    /// It is missing, and would not take the producer's batches if it was made with Kafka's default.
    AboveDefault {
        /// Bytes of a batch.
        batch: usize,
    },
    /// It will not do: [`Error::TopicProperty`], [`Error::BatchSize`].
    Refused(Error),
}

impl Misfit {
    /// What there is.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::InSync { min, replicas } => format!("{min} of {replicas}: {BEYOND_REPLICAS}"),
            Self::Differs { property, present, configured } => format!(
                "its {property} is {present:?}, and {configured:?} is configured: the topic exists, so topic_config does not \
                 change it"
            ),
            Self::AboveDefault { batch } => format!(
                "batches of {batch} bytes (batch.size of advanced.client_properties) are more than the {DEFAULT_LIMIT} that a \
                 topic takes by Kafka's default"
            ),
            Self::Refused(error) => {
                let text = error.to_string();
                text.rsplit_once("; ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
            }
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::InSync { .. } => "lower min.insync.replicas of the topic, or give it more replicas".to_owned(),
            Self::Differs { property, .. } => {
                format!("change {property} of the topic with Kafka's tools, or configure the value that it has")
            }
            Self::AboveDefault { .. } => {
                "set max.message.bytes in topic_config, or lower batch.size, unless the brokers' own default is higher".to_owned()
            }
            Self::Refused(error) => {
                error.to_string().rsplit_once("; ").map_or_else(String::new, |(_, remedy)| remedy.to_owned())
            }
        }
    }
}

/// Where a topic that exists is not as the configuration has it, by its replicas and its properties.
#[must_use]
pub fn misfits(
    config: &EndpointConfig,
    topic: &NewTopic,
    replicas: i32,
    found: &BTreeMap<String, String>,
) -> Vec<Misfit> {
    let mut misfits = Vec::from_iter(beyond_replicas(replicas, found));
    misfits.extend(topic.config.iter().filter_map(|(property, configured)| match found.get(property) {
        None => Some(Misfit::Refused(Error::TopicProperty {
            topic: topic.name.to_string(),
            property: property.clone(),
        })),
        Some(present) if present != configured => Some(Misfit::Differs {
            property: property.clone(),
            present: present.clone(),
            configured: configured.clone(),
        }),
        Some(_) => None,
    }));
    misfits.extend(check_batch(config, topic, found.get("max.message.bytes")).err().map(Misfit::Refused));
    misfits
}

/// The same of a topic that is missing, as far as that needs no broker.
#[must_use]
pub fn misfits_of_missing(config: &EndpointConfig, topic: &NewTopic) -> Option<Misfit> {
    match topic.config.get("max.message.bytes") {
        Some(limit) => check_batch(config, topic, Some(limit)).err().map(Misfit::Refused),
        None => batch_size(config)
            .filter(|batch| *batch > DEFAULT_LIMIT)
            .map(|batch| Misfit::AboveDefault { batch }),
    }
}

/// Whether a topic of so many replicas wants more of them in sync.
#[must_use]
pub fn beyond_replicas(replicas: i32, found: &BTreeMap<String, String>) -> Option<Misfit> {
    let min = found.get("min.insync.replicas").filter(|min| is_beyond(min, replicas))?;
    Some(Misfit::InSync { min: min.clone(), replicas })
}

/// Tells what can be lived with, and gives the error of what cannot.
fn take(topic: &NewTopic, misfits: impl IntoIterator<Item = Misfit>) -> Result<(), Error> {
    let topic = topic.name.as_str();
    let mut refused = None;
    for misfit in misfits {
        let remedy = misfit.remedy();
        match misfit {
            Misfit::InSync { min, replicas } => {
                warn!(topic, min_in_sync = min, replicas, "{BEYOND_REPLICAS}; {remedy}");
            }
            Misfit::Differs { property, present, configured } => {
                warn!(
                    topic,
                    property, present, configured, "the topic exists, so topic_config does not change it"
                );
            }
            misfit @ Misfit::AboveDefault { .. } => warn!(topic, "{}; {remedy}", misfit.reason()),
            Misfit::Refused(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether a topic's `min.insync.replicas` is more than it has replicas. Kafka takes that, in a topic's properties as well as by the
/// brokers' default.
fn is_beyond(min_in_sync: &str, replicas: i32) -> bool {
    min_in_sync.trim().parse::<i32>().is_ok_and(|min| replicas > 0 && min > replicas)
}

/// What that means.
const BEYOND_REPLICAS: &str = "min.insync.replicas of the topic is more than it has replicas: brokers that insist on it acknowledge no message, and \
     the session would end as stalled";

/// librdkafka does not split a batch that a broker refuses for its size.
fn check_batch(config: &EndpointConfig, topic: &NewTopic, limit: Option<&String>) -> Result<(), Error> {
    let limit: Option<usize> = limit.and_then(|limit| limit.trim().parse().ok());
    match (batch_size(config), limit) {
        (Some(batch), Some(limit)) if batch > limit => {
            Err(Error::BatchSize { topic: topic.name.to_string(), batch, limit })
        }
        _ => Ok(()),
    }
}

/// Kafka's default of `max.message.bytes`.
const DEFAULT_LIMIT: usize = 1_048_588;

fn batch_size(config: &EndpointConfig) -> Option<usize> {
    config.advanced.client.batch_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Resource;

    fn judged(advanced: &str, found: &[(&str, &str)]) -> (Vec<Misfit>, Option<Misfit>) {
        let config = format!(r#"{{"bootstrap_servers":"b","message_format":"JSON","advanced":{advanced}}}"#);
        let config = EndpointConfig::parse(config.as_bytes()).unwrap();
        let topic = config.topic(&Resource::parse(br#"{"topic":"t"}"#).unwrap()).unwrap();
        let found = found.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        (misfits(&config, &topic, 1, &found), misfits_of_missing(&config, &topic))
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_remedy() {
        let shown = |misfit: &Misfit| format!("{} -> {}", misfit.reason(), misfit.remedy());
        let (present, missing) = judged(
            r#"{"topic_config":{"cleanup.policy":"compact","nonsense":"1"},"client_properties":{"batch.size":"5000000"}}"#,
            &[("cleanup.policy", "delete"), ("max.message.bytes", "1048588"), ("min.insync.replicas", "2")],
        );
        let told: Vec<_> = present.iter().map(shown).collect();
        assert_eq!(
            told,
            [
                "2 of 1: min.insync.replicas of the topic is more than it has replicas: brokers that insist on it acknowledge \
                 no message, and the session would end as stalled -> lower min.insync.replicas of the topic, or give it more \
                 replicas",
                "its cleanup.policy is \"delete\", and \"compact\" is configured: the topic exists, so topic_config does not \
                 change it -> change cleanup.policy of the topic with Kafka's tools, or configure the value that it has",
                "topic \"t\": the brokers know no property \"nonsense\" of topics -> correct topic_config",
                "topic \"t\": batches of 5000000 bytes (batch.size of advanced.client_properties) are more than the 1048588 \
                 that it takes (its max.message.bytes) -> lower the one, or raise the other",
            ]
        );
        assert_eq!(
            shown(&missing.unwrap()),
            "batches of 5000000 bytes (batch.size of advanced.client_properties) are more than the 1048588 that a topic takes \
             by Kafka's default -> set max.message.bytes in topic_config, or lower batch.size, unless the brokers' own \
             default is higher"
        );

        let fits =
            r#"{"topic_config":{"max.message.bytes":"600000"},"client_properties":{"batch.size":"600000"}}"#;
        assert_eq!(judged(fits, &[("max.message.bytes", "600000")]), (vec![], None));
        let (_, missing) = judged(&fits.replacen("600000", "599999", 1), &[]);
        assert!(matches!(missing, Some(Misfit::Refused(Error::BatchSize { limit: 599_999, .. }))));
    }

    #[test]
    fn more_in_sync_than_there_are_is_beyond() {
        assert!(is_beyond("2", 1) && is_beyond(" 3", 2));
        assert!(!is_beyond("2", 2) && !is_beyond("1", 3));
        assert!(!is_beyond("2", 0) && !is_beyond("", 1), "what the brokers do not tell");
    }
}
