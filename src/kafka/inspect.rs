//! Questions whose answers are for people: who the brokers are, what this user may do, what would become of topics.
//!
//! Nothing is changed at the brokers: topics that are missing are created with "validate only". What the brokers do not
//! tell stays `None`; rights are told by brokers from 2.3 on (KIP-430).

#![allow(unsafe_code, reason = "librdkafka's admin calls")]

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::time::Duration;

use rdkafka_sys as sys;
use sys::rd_kafka_AclOperation_t as Acl;
use sys::rd_kafka_admin_op_t as AdminOperation;
use sys::rd_kafka_resp_err_t as Name;

use super::admin::{Question, create_error, created_topics, items, options, topic_settings};
use super::client::{Code, Detached, Kind, c_name, owned, rd_kafka_error_code};
use super::error::{Error, remedy};
use super::layout::fewest_replicas;
use super::settings::client_settings;
use crate::config::{EndpointConfig, NewTopic};

/// A client that only asks.
pub struct Inspection {
    client: Detached,
    brokers: String,
    timeout: Duration,
}

/// What the brokers say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The cluster's id, if it has one.
    pub id: Option<String>,
    /// The brokers, by the addresses that they tell their clients.
    pub nodes: Vec<Node>,
    /// What this user may do with the cluster, if the brokers tell.
    pub operations: Option<Vec<Operation>>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: i32,
    /// The host that clients are to connect to.
    pub host: String,
    /// The port there.
    pub port: u16,
}

/// What the brokers say of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// How many partitions it has.
    pub partitions: usize,
    /// Replicas of the partition that has the fewest.
    pub replicas: i32,
    /// What this user may do with it, if the brokers tell.
    pub operations: Option<Vec<Operation>>,
}

/// An operation of Kafka's access control that the connector needs somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Consume a topic.
    Read,
    /// Produce to a topic.
    Write,
    /// Make topics.
    Create,
    /// See that a topic is there.
    Describe,
    /// See a topic's settings.
    DescribeConfigs,
}

impl Operation {
    /// Kafka's name of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
        }
    }
}

/// Why there is no answer about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It does not exist.
    Missing,
    /// This user may not see it, if it is there.
    Hidden,
    /// Something else, in the brokers' words, and what to do.
    Other(String, &'static str),
}

impl Inspection {
    /// Starts a client with the settings that all clients have. Each question may take `timeout`.
    ///
    /// # Errors
    ///
    /// [`Error::Client`]: librdkafka refused a setting.
    pub fn new(config: &EndpointConfig, timeout: Duration) -> Result<Self, Error> {
        let client = Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref())?;
        Ok(Self { client, brokers: config.bootstrap_servers.clone(), timeout })
    }

    /// Asks the brokers for themselves, which takes connections, TLS and a login.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], with librdkafka's reason.
    pub fn cluster(&self) -> Result<ClusterFacts, Error> {
        let asked = self.question("asking the brokers for themselves");
        // SAFETY: the client is live; librdkafka copies the options.
        unsafe {
            let options = self.options(AdminOperation::RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER);
            sys::rd_kafka_DescribeCluster(self.client.as_ptr(), options, self.client.main());
            sys::rd_kafka_AdminOptions_destroy(options);
        }
        let answer = asked.answer(sys::RD_KAFKA_EVENT_DESCRIBECLUSTER_RESULT)?;
        if let Some((code, text)) = answer.answer_error() {
            return Err(asked.refused(code, &text));
        }
        // SAFETY: the event is an answer of this kind (null otherwise), and what it points to lives as long as it.
        unsafe {
            let result = sys::rd_kafka_event_DescribeCluster_result(answer.as_ptr());
            if result.is_null() {
                return Ok(ClusterFacts { id: None, nodes: Vec::new(), operations: None });
            }
            let mut count = 0;
            let nodes = sys::rd_kafka_DescribeCluster_result_nodes(result, &mut count);
            let nodes = items(nodes, count)
                .iter()
                .map(|&node| Node {
                    id: sys::rd_kafka_Node_id(node),
                    host: owned(sys::rd_kafka_Node_host(node)),
                    port: sys::rd_kafka_Node_port(node),
                })
                .collect();
            let id = owned(sys::rd_kafka_DescribeCluster_result_cluster_id(result));
            let mut count = 0;
            let allowed = sys::rd_kafka_DescribeCluster_result_authorized_operations(result, &mut count);
            Ok(ClusterFacts {
                id: (!id.is_empty()).then_some(id),
                nodes,
                operations: operations(allowed.cast(), count),
            })
        }
    }

    /// Asks for a topic, which is not created.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`].
    pub fn topic(&self, topic: &str) -> Result<Result<TopicFacts, Trouble>, Error> {
        let doing = format!("asking for topic \"{topic}\"");
        let asked = self.question(&doing);
        let name = c_name(topic)?;
        let mut pointer = name.as_ptr();
        // SAFETY: the name lives until the end of the block; librdkafka copies collection and options.
        unsafe {
            let topics = sys::rd_kafka_TopicCollection_of_topic_names(&raw mut pointer, 1);
            let options = self.options(AdminOperation::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
            sys::rd_kafka_DescribeTopics(self.client.as_ptr(), topics, options, self.client.main());
            sys::rd_kafka_AdminOptions_destroy(options);
            sys::rd_kafka_TopicCollection_destroy(topics);
        }
        let answer = asked.answer(sys::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT)?;
        if let Some((code, text)) = answer.answer_error() {
            return Err(asked.refused(code, &text));
        }
        // SAFETY: as in `cluster`.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(answer.as_ptr());
            if result.is_null() {
                return Ok(Err(Trouble::Missing));
            }
            let mut count = 0;
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
            let Some(&found) = items(topics, count).first() else { return Ok(Err(Trouble::Missing)) };
            let code = Code(rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(found)));
            if code.0 != 0 {
                return Ok(Err(trouble(code)));
            }
            let mut partitions = 0;
            let infos = sys::rd_kafka_TopicDescription_partitions(found, &mut partitions);
            let replicas = fewest_replicas(items(infos, partitions));
            let mut count = 0;
            let allowed = sys::rd_kafka_TopicDescription_authorized_operations(found, &mut count);
            Ok(Ok(TopicFacts { partitions, replicas, operations: operations(allowed.cast(), count) }))
        }
    }

    /// Asks whether a topic could be created, which it is not.
    ///
    /// # Errors
    ///
    /// [`Error::Create`] with the brokers' reason, [`Error::Unreachable`].
    pub fn could_create(&self, topic: &NewTopic) -> Result<(), Error> {
        let doing = format!("asking whether topic \"{}\" could be created", topic.name);
        let asked = self.question(&doing);
        asked.create(&[topic], true)?;
        let answer = asked.answer(sys::RD_KAFKA_EVENT_CREATETOPICS_RESULT)?;
        if let Some((code, text)) = answer.answer_error() {
            return Err(asked.refused(code, &text));
        }
        match created_topics(&answer).into_iter().next() {
            Some((name, code, text)) if code.0 != 0 => {
                Err(create_error(&name, topic.partitions, topic.replication_factor, code, &text))
            }
            _ => Ok(()),
        }
    }

    /// A topic's settings, as far as the brokers tell.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], which also stands for a refusal.
    pub fn settings(&self, topic: &str) -> Result<BTreeMap<String, String>, Error> {
        let mut told = topic_settings(&self.client, &self.brokers, &[topic], self.timeout)?;
        Ok(told.remove(topic).unwrap_or_default())
    }

    fn question<'a>(&'a self, doing: &'a str) -> Question<'a> {
        Question::new(&self.client, &self.brokers, doing, self.timeout)
    }

    /// Options with the time-out, which ask for rights as well. The caller destroys them.
    fn options(&self, operation: AdminOperation) -> *mut sys::rd_kafka_AdminOptions_t {
        let options = options(&self.client, operation, self.timeout);
        // SAFETY: the options are live; an error, were there one, is ours.
        unsafe {
            let error = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
            if !error.is_null() {
                sys::rd_kafka_error_destroy(error);
            }
        }
        options
    }
}

fn trouble(code: Code) -> Trouble {
    if code.is(Name::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        || code.is(Name::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    {
        Trouble::Missing
    } else if code.is(Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        Trouble::Hidden
    } else {
        Trouble::Other(code.text(), remedy(code.0))
    }
}

/// The rights that an answer lists: none where the brokers did not tell.
///
/// # Safety
///
/// `allowed` must be null or point to `count` live numbers.
unsafe fn operations(allowed: *const c_int, count: usize) -> Option<Vec<Operation>> {
    if allowed.is_null() {
        return None;
    }
    let has = |acl: Acl| {
        // SAFETY: as the caller promised. The enumeration's values are read as numbers, since brokers may have more.
        (0..count).any(|i| unsafe { *allowed.add(i) } == acl as c_int)
    };
    let all = [
        (Acl::RD_KAFKA_ACL_OPERATION_READ, Operation::Read),
        (Acl::RD_KAFKA_ACL_OPERATION_WRITE, Operation::Write),
        (Acl::RD_KAFKA_ACL_OPERATION_CREATE, Operation::Create),
        (Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE, Operation::Describe),
        (Acl::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, Operation::DescribeConfigs),
    ];
    let everything = has(Acl::RD_KAFKA_ACL_OPERATION_ALL);
    Some(all.into_iter().filter(|(acl, _)| everything || has(*acl)).map(|(_, operation)| operation).collect())
}

const _: () = assert!(size_of::<Acl>() == size_of::<c_int>());
