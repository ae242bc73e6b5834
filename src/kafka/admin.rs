//! Questions to the brokers: do they answer, which topics are there, how large may a batch be, make these topics.
//!
//! Every question is asynchronous in librdkafka: its answer comes as an event of the client's main queue, next to
//! the errors of its connections, which explain why an answer does not come.

#![allow(unsafe_code, reason = "librdkafka's admin calls")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{CStr, c_char, c_int};
use std::slice;
use std::time::{Duration, Instant};

use rdkafka_sys as sys;
use sys::rd_kafka_admin_op_t as Operation;
use sys::rd_kafka_resp_err_t as Name;
use tracing::debug;

use super::client::{Client, Code, Content, Detached, Event, Kind, c_name, millis, owned};
use super::error::{Error, connection_remedy, is_decisive, remedy};
use super::layout::describe;
use super::settings::client_settings;
use crate::config::{EndpointConfig, NewTopic};

/// Asks whether the brokers answer: one request that names no topic.
///
/// # Errors
///
/// [`Error::Unreachable`] within `timeout`, as soon as it is plain that no broker will answer.
pub fn probe(config: &EndpointConfig, timeout: Duration) -> Result<(), Error> {
    let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;
    let asked =
        Question::new(&client, &config.bootstrap_servers, "asking the brokers for themselves", timeout);
    asked.describe_cluster();
    let answer = asked.answer(sys::RD_KAFKA_EVENT_DESCRIBECLUSTER_RESULT)?;
    match answer.answer_error() {
        None => Ok(()),
        Some((code, text)) => Err(asked.refused(code, &text)),
    }
}

/// Creates those of `topics` that do not exist, and says which they were, in the order given. One that appears
/// meanwhile is left as it is.
///
/// # Errors
///
/// The first topic that could not be created, with the brokers' reason; [`Error::Unreachable`].
pub async fn create_missing(
    config: &EndpointConfig,
    topics: &[NewTopic],
    timeout: Duration,
) -> Result<Vec<String>, Error> {
    let (config, topics) = (config.clone(), topics.to_vec());
    tokio::task::spawn_blocking(move || create_now(&config, &topics, timeout))
        .await
        .unwrap_or_else(|error| Err(Error::Client { reason: format!("creating topics: {error}") }))
}

fn create_now(config: &EndpointConfig, topics: &[NewTopic], timeout: Duration) -> Result<Vec<String>, Error> {
    let mut seen = BTreeSet::new();
    let topics: Vec<&NewTopic> = topics.iter().filter(|topic| seen.insert(&topic.name)).collect();
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = Instant::now() + timeout;
    // A consumer's metadata requests create nothing, whatever the brokers allow.
    let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;

    let mut missing = Vec::new();
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let described = describe(&client, &config.bootstrap_servers, &names, timeout)?;
    for (&topic, found) in topics.iter().zip(described) {
        match found {
            Ok(_) => {}
            Err(code) if is_unknown_topic(code) => missing.push(topic),
            // Kafka also answers so for a topic that is missing where the user may create but not describe.
            Err(code) if code.is(Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => missing.push(topic),
            Err(code) => {
                let NewTopic { name, partitions, replication_factor, .. } = topic;
                return Err(create_error(name.as_str(), *partitions, *replication_factor, code, ""));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }

    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
    let asked = Question::new(&client, &config.bootstrap_servers, "creating topics", left);
    asked.create(&missing, false)?;
    let answer = asked.answer(sys::RD_KAFKA_EVENT_CREATETOPICS_RESULT)?;
    if let Some((code, text)) = answer.answer_error() {
        return Err(asked.refused(code, &text));
    }
    let mut created = Vec::new();
    let mut failure = None;
    for (topic, code, text) in created_topics(&answer) {
        if code.0 == 0 {
            created.push(topic);
        } else if !code.is(Name::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            let asked = missing.iter().find(|missing| missing.name.as_str() == topic);
            let (partitions, replicas) =
                asked.map_or((0, 0), |asked| (asked.partitions, asked.replication_factor));
            failure.get_or_insert_with(|| create_error(&topic, partitions, replicas, code, &text));
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(created),
    }
}

pub(super) fn create_error(topic: &str, partitions: i32, replication: i32, code: Code, text: &str) -> Error {
    let reason = if text.is_empty() { code.text() } else { format!("{}: {text}", code.text()) };
    Error::Create { topic: topic.to_owned(), partitions, replication, reason, remedy: remedy(code.0) }
}

pub(super) fn is_unknown_topic(code: Code) -> bool {
    code.is(Name::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) || code.is(Name::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
}

/// What the brokers tell of the settings of topics: values by name, by topic.
pub(super) fn topic_settings(
    client: &Client,
    brokers: &str,
    topics: &[&str],
    timeout: Duration,
) -> Result<HashMap<String, BTreeMap<String, String>>, Error> {
    let asked = Question::new(client, brokers, "asking for the settings of topics", timeout);
    asked.describe_configs(topics)?;
    let answer = asked.answer(sys::RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)?;
    if let Some((code, text)) = answer.answer_error() {
        return Err(asked.refused(code, &text));
    }
    // SAFETY: as in `layout::described_topics`.
    unsafe {
        let result = sys::rd_kafka_event_DescribeConfigs_result(answer.as_ptr());
        if result.is_null() {
            return Ok(HashMap::new());
        }
        let mut count = 0;
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        let mut found: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for &resource in items(resources, count) {
            let settings = found.entry(owned(sys::rd_kafka_ConfigResource_name(resource))).or_default();
            let mut entries = 0;
            let configs = sys::rd_kafka_ConfigResource_configs(resource, &mut entries);
            for &entry in items(configs, entries) {
                let name = owned(sys::rd_kafka_ConfigEntry_name(entry));
                settings.insert(name, owned(sys::rd_kafka_ConfigEntry_value(entry)));
            }
        }
        Ok(found)
    }
}

pub(super) fn created_topics(answer: &Event) -> Vec<(String, Code, String)> {
    // SAFETY: as in `layout::described_topics`.
    unsafe {
        let result = sys::rd_kafka_event_CreateTopics_result(answer.as_ptr());
        if result.is_null() {
            return Vec::new();
        }
        let mut count = 0;
        let topics = sys::rd_kafka_CreateTopics_result_topics(result, &mut count);
        items(topics, count)
            .iter()
            .map(|&topic| {
                let code = Code(rd_kafka_topic_result_error(topic));
                let text = owned(sys::rd_kafka_topic_result_error_string(topic));
                (owned(sys::rd_kafka_topic_result_name(topic)), code, text)
            })
            .collect()
    }
}

/// A question that waits for its answer.
pub(super) struct Question<'a> {
    client: &'a Client,
    brokers: &'a str,
    doing: &'a str,
    timeout: Duration,
    deadline: Instant,
}

impl<'a> Question<'a> {
    pub(super) fn new(client: &'a Client, brokers: &'a str, doing: &'a str, timeout: Duration) -> Self {
        Self { client, brokers, doing, timeout, deadline: Instant::now() + timeout }
    }

    /// Waits for the answer of event type `kind`. Meanwhile errors of connections are kept: once no broker is left
    /// that could answer, waiting longer would not help.
    pub(super) fn answer(&self, kind: i32) -> Result<Event, Error> {
        let mut last: Option<(Code, String)> = None;
        let mut give_up = self.deadline;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.unreachable(last));
            }
            let Some(event) = self.client.poll(left) else { continue };
            match event.content() {
                Content::Answer(other) if other == kind => {
                    // The request's own time-out says less than the connection's error.
                    return match (event.answer_error(), last) {
                        (Some((code, _)), last @ Some(_)) if code.is(Name::RD_KAFKA_RESP_ERR__TIMED_OUT) => {
                            Err(self.unreachable(last))
                        }
                        _ => Ok(event),
                    };
                }
                Content::Error { code, .. } if code.is(Name::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) => {
                    let decisive = last.as_ref().is_some_and(|(code, _)| is_decisive(code.0));
                    let patience = if decisive { Duration::ZERO } else { SECOND_CHANCE };
                    give_up = give_up.min(Instant::now() + patience);
                }
                Content::Error { code, text, .. } => last = Some((code, text)),
                // What matters in them comes as an error too, and is told once.
                Content::Log { facility, text, .. } => debug!(facility, "librdkafka: {text}"),
                Content::Answer(_) | Content::Delivered | Content::Statistics(_) => {}
            }
        }
    }

    fn unreachable(&self, last: Option<(Code, String)>) -> Error {
        let (code, reason) = match last {
            Some((code, text)) => (code.0, text),
            None if Instant::now() < self.deadline => {
                (0, "every connection was closed without a reason".to_owned())
            }
            None => (0, self.nothing_came()),
        };
        let remedy = connection_remedy(code, &reason);
        Error::Unreachable { doing: self.doing.to_owned(), brokers: self.brokers.to_owned(), reason, remedy }
    }

    fn nothing_came(&self) -> String {
        format!("nothing came within {:.1} s", self.timeout.as_secs_f64())
    }

    /// The error for an answer that is a refusal as a whole.
    pub(super) fn refused(&self, code: Code, text: &str) -> Error {
        if code.is(Name::RD_KAFKA_RESP_ERR__TIMED_OUT) {
            // librdkafka's words tell what it had in mind to do next.
            return self.unreachable(Some((code, self.nothing_came())));
        }
        Error::Unreachable {
            doing: self.doing.to_owned(),
            brokers: self.brokers.to_owned(),
            reason: format!("{}: {text}", code.text()),
            remedy: remedy(code.0),
        }
    }

    fn describe_cluster(&self) {
        // SAFETY: the client is live; librdkafka copies the options.
        unsafe {
            let options = options(self.client, Operation::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, self.timeout);
            sys::rd_kafka_DescribeCluster(self.client.as_ptr(), options, self.client.main());
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    }

    fn describe_configs(&self, topics: &[&str]) -> Result<(), Error> {
        let names = topics.iter().map(|topic| c_name(topic)).collect::<Result<Vec<_>, _>>()?;
        // SAFETY: the names are copied, and so are resources and options.
        unsafe {
            let mut resources: Vec<_> = names
                .iter()
                .map(|name| {
                    sys::rd_kafka_ConfigResource_new(
                        sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                        name.as_ptr(),
                    )
                })
                .collect();
            let options = options(self.client, Operation::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, self.timeout);
            sys::rd_kafka_DescribeConfigs(
                self.client.as_ptr(),
                resources.as_mut_ptr(),
                resources.len(),
                options,
                self.client.main(),
            );
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_ConfigResource_destroy_array(resources.as_mut_ptr(), resources.len());
        }
        Ok(())
    }

    /// Asks for topics; where it is only to be `checked`, none is made.
    pub(super) fn create(&self, topics: &[&NewTopic], checked: bool) -> Result<(), Error> {
        let mut wanted = Vec::with_capacity(topics.len());
        for NewTopic { name: topic, partitions, replication_factor, config } in topics {
            let name = c_name(topic.as_str())?;
            match new_topic(&name, *partitions, *replication_factor) {
                Ok(topic) => {
                    for (name, value) in config {
                        let (name, value) = (c_name(name)?, c_name(value)?);
                        // SAFETY: the topic is live; name and value are copied.
                        let _ = unsafe { rd_kafka_NewTopic_set_config(topic, name.as_ptr(), value.as_ptr()) };
                    }
                    wanted.push(topic);
                }
                Err(reason) => {
                    // SAFETY: these were made above and are not used again.
                    unsafe { sys::rd_kafka_NewTopic_destroy_array(wanted.as_mut_ptr(), wanted.len()) };
                    return Err(Error::Create {
                        topic: topic.to_string(),
                        partitions: *partitions,
                        replication: *replication_factor,
                        reason,
                        remedy: "see topic_partitions and topic_replication_factor",
                    });
                }
            }
        }
        // SAFETY: the topics are live and are copied, and so are the options.
        unsafe {
            let options = options(self.client, Operation::RD_KAFKA_ADMIN_OP_CREATETOPICS, self.timeout);
            let mut text: [c_char; 256] = [0; 256];
            // The brokers answer once the topics are there, or this time has passed.
            sys::rd_kafka_AdminOptions_set_operation_timeout(
                options,
                millis(self.timeout),
                text.as_mut_ptr(),
                text.len(),
            );
            let _set_for_this_operation = rd_kafka_AdminOptions_set_validate_only(
                options,
                c_int::from(checked),
                text.as_mut_ptr(),
                text.len(),
            );
            sys::rd_kafka_CreateTopics(
                self.client.as_ptr(),
                wanted.as_mut_ptr(),
                wanted.len(),
                options,
                self.client.main(),
            );
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_NewTopic_destroy_array(wanted.as_mut_ptr(), wanted.len());
        }
        Ok(())
    }
}

fn new_topic(
    name: &CStr,
    partitions: i32,
    replication: i32,
) -> Result<*mut sys::rd_kafka_NewTopic_t, String> {
    let mut text: [c_char; 256] = [0; 256];
    // SAFETY: the name is copied; at most `text.len()` bytes are written, ended by nul.
    unsafe {
        let topic =
            sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replication, text.as_mut_ptr(), text.len());
        if topic.is_null() { Err(owned(text.as_ptr())) } else { Ok(topic) }
    }
}

/// Options with a time-out. The caller destroys them.
pub(super) fn options(
    client: &Client,
    operation: Operation,
    timeout: Duration,
) -> *mut sys::rd_kafka_AdminOptions_t {
    let mut text: [c_char; 256] = [0; 256];
    // SAFETY: the client is live; at most `text.len()` bytes are written. The time-out is within librdkafka's hour.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(client.as_ptr(), operation);
        let timeout = timeout.min(Duration::from_secs(3600));
        sys::rd_kafka_AdminOptions_set_request_timeout(
            options,
            millis(timeout),
            text.as_mut_ptr(),
            text.len(),
        );
        options
    }
}

/// An array of librdkafka as a slice.
///
/// # Safety
///
/// `items` must be null or point to `count` live items.
pub(super) unsafe fn items<'a, T>(items: *mut *const T, count: usize) -> &'a [*const T] {
    if items.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: as the caller promised.
    unsafe { slice::from_raw_parts(items.cast_const(), count) }
}

// The bindings declare these with an `enum`, see `RawMessage`.
unsafe extern "C" {
    fn rd_kafka_AdminOptions_set_validate_only(
        options: *mut sys::rd_kafka_AdminOptions_t,
        validate_only: c_int,
        text: *mut c_char,
        text_len: usize,
    ) -> c_int;
    fn rd_kafka_NewTopic_set_config(
        topic: *mut sys::rd_kafka_NewTopic_t,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    fn rd_kafka_topic_result_error(topic: *const sys::rd_kafka_topic_result_t) -> c_int;
}

/// How long the brokers may come back after all were found down for a reason that may pass.
const SECOND_CHANCE: Duration = Duration::from_millis(1500);
