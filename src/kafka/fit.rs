//! Whether topics are as a task needs them, asked before anything is made or written.
//!
//! What the brokers would say of a topic that is to be made is asked by a request that makes nothing. Of one that exists
//! they tell its properties. Where the user may not ask, nothing is said: Apply and Open find out.

use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::{debug, warn};

use super::admin::{Question, create_error, created_topics, describe, is_unknown_topic, topic_settings};
use super::client::{Client, Detached, Kind};
use super::error::Error;
use super::settings::client_settings;
use crate::config::{EndpointConfig, NewTopic};

/// Asks whether the topics that are missing could be made, and whether those that exist know the properties that are
/// configured and take the batches that the producer is told to send.
///
/// # Errors
///
/// The first topic of which it is plain that it will not do.
pub fn check_topics(config: &EndpointConfig, topics: &[NewTopic], timeout: Duration) -> Result<(), Error> {
    let asked_for = |topic: &&NewTopic| !topic.config.is_empty() || batch_size(config).is_some();
    let topics: Vec<&NewTopic> = topics.iter().filter(asked_for).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let found = describe(&client, &config.bootstrap_servers, &names, timeout)?;
    let mut missing = Vec::new();
    for (topic, found) in topics.iter().zip(found) {
        match found {
            Ok(_) => check_present(config, &client, topic, timeout)?,
            Err(code) if is_unknown_topic(code) => missing.push(*topic),
            Err(code) => debug!(topic = topic.name.as_str(), code = code.0, "the topic stays unchecked"),
        }
    }
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
    if let Some((code, text)) = answer.answer_error() {
        return Err(asked.refused(code, &text));
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
    client: &Client,
    topic: &NewTopic,
    timeout: Duration,
) -> Result<(), Error> {
    let name = topic.name.as_str();
    let found = match topic_settings(client, &config.bootstrap_servers, &[name], timeout) {
        Ok(mut found) => match found.remove(name) {
            Some(settings) if !settings.is_empty() => settings,
            _ => return Ok(()),
        },
        Err(error) => {
            debug!(%error, topic = name, "the topic's properties stay unknown");
            return Ok(());
        }
    };
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
