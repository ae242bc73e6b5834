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
use super::layout::{Layout, describe_layouts};
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
                        check_present(config, topic, layout, settings)?;
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
        check_batch(config, topic, topic.config.get("max.message.bytes"))?;
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

fn check_present(
    config: &EndpointConfig,
    topic: &NewTopic,
    layout: Layout,
    found: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let name = topic.name.as_str();
    if let Some(min_in_sync) = found.get("min.insync.replicas").filter(|min| is_beyond(min, layout.replicas))
    {
        warn!(
            topic = name,
            min_in_sync,
            replicas = layout.replicas,
            "{BEYOND_REPLICAS}; lower min.insync.replicas of the topic, or give it more replicas"
        );
    }
    for (property, value) in &topic.config {
        let Some(present) = found.get(property) else {
            return Err(Error::TopicProperty { topic: name.to_owned(), property: property.clone() });
        };
        if present != value {
            warn!(
                topic = name,
                property,
                present,
                configured = value,
                "the topic exists, so topic_config does not change it"
            );
        }
    }
    check_batch(config, topic, found.get("max.message.bytes"))
}

/// Whether a topic's `min.insync.replicas` is more than it has replicas. Kafka takes that, in a topic's properties as well as by the
/// brokers' default.
pub fn is_beyond(min_in_sync: &str, replicas: i32) -> bool {
    min_in_sync.trim().parse::<i32>().is_ok_and(|min| replicas > 0 && min > replicas)
}

/// What that means. Newer brokers (4.3 does) take the number of replicas in its place: hence no error.
pub const BEYOND_REPLICAS: &str = "min.insync.replicas of the topic is more than it has replicas: brokers that insist on it acknowledge no message, and \
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

fn batch_size(config: &EndpointConfig) -> Option<usize> {
    config.advanced.client.batch_bytes()
}

#[cfg(test)]
mod tests {
    use super::is_beyond;

    #[test]
    fn more_in_sync_than_there_are_is_beyond() {
        assert!(is_beyond("2", 1) && is_beyond(" 3", 2));
        assert!(!is_beyond("2", 2) && !is_beyond("1", 3));
        assert!(!is_beyond("2", 0) && !is_beyond("", 1), "what the brokers do not tell");
    }
}
