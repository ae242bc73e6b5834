//! librdkafka's mock brokers in this process, for preview and tests.
//!
//! They listen on loopback and speak enough of the protocol to produce and fetch. They know no admin request but
//! those that are metadata requests (topics are made with [`Cluster::create_topic`]), and drop a partition's oldest
//! batches above 5 MiB or 100,000 whether they were read or not.

#![allow(unsafe_code, reason = "librdkafka's mock cluster")]

use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka_sys as sys;

use super::client::{Client, Code, Kind, c_name, millis, owned};
use super::error::Error;

/// A cluster of mock brokers; it goes with this value.
pub struct Cluster {
    cluster: NonNull<sys::rd_kafka_mock_cluster_t>,
    /// After the cluster, which lives in this client.
    _client: Client,
}

// SAFETY: the mock cluster hands every call to its own thread, by a queue.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

/// A request that an error can be injected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Messages to write.
    Produce,
    /// Messages to read.
    Fetch,
    /// Topics and brokers.
    Metadata,
    /// An idempotent producer's identity.
    InitProducerId,
    /// Partitions that a transaction is to write to.
    AddPartitionsToTxn,
    /// The commit of a transaction, or its abortion.
    EndTxn,
}

/// An error that brokers answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The leader has moved; retried.
    NotLeader,
    /// The brokers are slow; retried.
    RequestTimedOut,
    /// Too few replicas in sync; retried.
    NotEnoughReplicas,
    /// The connection breaks.
    Disconnect,
    /// The batch is too large.
    MessageTooLarge,
    /// The user may not write the topic.
    TopicAuthorization,
    /// The user may not write at all.
    ClusterAuthorization,
    /// The topic's checks refuse the record.
    InvalidRecord,
    /// The producer's sequence has a hole; fatal.
    OutOfOrderSequence,
    /// The user may not use the transactional id.
    TransactionalIdAuthorization,
    /// Nobody coordinates transactions at the moment; retried.
    CoordinatorNotAvailable,
    /// The brokers have forgotten the transactional id; the transaction can only be aborted.
    InvalidProducerIdMapping,
    /// Somebody else has the transactional id; fatal.
    ProducerFenced,
}

impl Cluster {
    /// Starts `brokers` mock brokers, but at least two, numbered from 0.
    ///
    /// # Errors
    ///
    /// Sockets or threads that cannot be had.
    pub fn new(brokers: i32) -> Result<Self, Error> {
        let mut settings = ClientConfig::new();
        // Nobody polls this client.
        settings.set("log_level", "0");
        let client = Client::new(Kind::Producer, &settings, None)?;
        // SAFETY: the client is live, and outlives the cluster.
        let cluster = unsafe { sys::rd_kafka_mock_cluster_new(client.as_ptr(), (brokers - 1).max(1)) };
        let cluster = NonNull::new(cluster)
            .ok_or_else(|| Error::Mock { reason: format!("{brokers} brokers could not be started") })?;
        let cluster = Self { cluster, _client: client };
        // The mock numbers its brokers from 1 and says that the controller is 0; clients wait for ever for one that is
        // not there when they ask what only a controller is asked.
        // SAFETY: the cluster is live.
        let code = unsafe { sys::rd_kafka_mock_broker_add(cluster.cluster.as_ptr(), 0) };
        done(Code(code as i32), || "adding broker 0".to_owned())?;
        Ok(cluster)
    }

    /// Its addresses, as `bootstrap.servers` takes them.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        // SAFETY: the cluster is live; the string is its own, and copied.
        unsafe { owned(sys::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) }
    }

    /// Makes a topic with one replica of each partition.
    ///
    /// # Errors
    ///
    /// A name or number that the mock refuses; a topic that is there already.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), Error> {
        let topic = c_name(name)?;
        // SAFETY: the cluster is live, and the name for the call.
        let code =
            unsafe { sys::rd_kafka_mock_topic_create(self.cluster.as_ptr(), topic.as_ptr(), partitions, 1) };
        done(Code(code as i32), || format!("creating topic \"{name}\" with {partitions} partitions"))
    }

    /// Lets the newest batch of each of a topic's partitions be read however large it is.
    ///
    /// When a batch displaces all older ones, the mock takes its log to begin behind that batch, and refuses
    /// to give it away. It looks elsewhere for the beginning when it answers as a follower, which it does as
    /// soon as the leader is its own follower; but from version 11 of the request on it sends readers to the
    /// follower first, without an end.
    ///
    /// # Errors
    ///
    /// A topic that has not so many partitions.
    pub fn keep_newest_readable(&self, topic: &str, partitions: i32) -> Result<(), Error> {
        /// The version that zstd needs.
        const FETCH: i16 = 10;
        const ONLY_BROKER: i32 = 1;
        let name = c_name(topic)?;
        // SAFETY: the cluster is live.
        let code = unsafe {
            sys::rd_kafka_mock_set_apiversion(self.cluster.as_ptr(), Request::Fetch.number(), 4, FETCH)
        };
        done(Code(code as i32), || "limiting the version of fetches".to_owned())?;
        for partition in 0..partitions {
            // SAFETY: the cluster is live, and the name for the calls.
            let codes = unsafe {
                let cluster = self.cluster.as_ptr();
                [
                    sys::rd_kafka_mock_partition_set_follower(cluster, name.as_ptr(), partition, ONLY_BROKER),
                    sys::rd_kafka_mock_partition_set_follower_wmarks(
                        cluster,
                        name.as_ptr(),
                        partition,
                        0,
                        -1,
                    ),
                ]
            };
            for code in codes {
                done(Code(code as i32), || format!("preparing topic \"{topic}\", partition {partition}"))?;
            }
        }
        Ok(())
    }

    /// The next requests of this kind are answered with these errors, one each.
    pub fn request_errors(&self, request: Request, faults: &[Fault]) {
        let codes: Vec<sys::rd_kafka_resp_err_t> = faults.iter().map(|fault| fault.code()).collect();
        // SAFETY: the cluster is live; the array has as many errors as it says.
        unsafe {
            sys::rd_kafka_mock_push_request_errors_array(
                self.cluster.as_ptr(),
                request.number(),
                codes.len(),
                codes.as_ptr(),
            );
        }
    }

    /// Forgets the errors that were to come for this kind of request.
    pub fn clear_request_errors(&self, request: Request) {
        // SAFETY: the cluster is live.
        unsafe { sys::rd_kafka_mock_clear_request_errors(self.cluster.as_ptr(), request.number()) }
    }

    /// Every answer of a broker takes so long.
    ///
    /// # Errors
    ///
    /// A broker that is not there.
    pub fn round_trip(&self, broker: i32, time: Duration) -> Result<(), Error> {
        // SAFETY: the cluster is live.
        let code = unsafe { sys::rd_kafka_mock_broker_set_rtt(self.cluster.as_ptr(), broker, millis(time)) };
        done(Code(code as i32), || format!("setting the round trip of broker {broker}"))
    }

    /// Disconnects a broker and lets nobody connect.
    ///
    /// # Errors
    ///
    /// A broker that is not there.
    pub fn broker_down(&self, broker: i32) -> Result<(), Error> {
        // SAFETY: the cluster is live.
        let code = unsafe { sys::rd_kafka_mock_broker_set_down(self.cluster.as_ptr(), broker) };
        done(Code(code as i32), || format!("taking broker {broker} down"))
    }

    /// Lets a broker be connected to again.
    ///
    /// # Errors
    ///
    /// A broker that is not there.
    pub fn broker_up(&self, broker: i32) -> Result<(), Error> {
        // SAFETY: the cluster is live.
        let code = unsafe { sys::rd_kafka_mock_broker_set_up(self.cluster.as_ptr(), broker) };
        done(Code(code as i32), || format!("bringing broker {broker} up"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: the cluster is ours, and its client is still there.
        unsafe { sys::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr()) }
    }
}

impl Request {
    /// Kafka's number of the request.
    fn number(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Fetch => 1,
            Self::Metadata => 3,
            Self::InitProducerId => 22,
            Self::AddPartitionsToTxn => 24,
            Self::EndTxn => 26,
        }
    }
}

impl Fault {
    fn code(self) -> sys::rd_kafka_resp_err_t {
        use sys::rd_kafka_resp_err_t as Name;
        match self {
            Self::NotLeader => Name::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Self::RequestTimedOut => Name::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Self::NotEnoughReplicas => Name::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            Self::Disconnect => Name::RD_KAFKA_RESP_ERR__TRANSPORT,
            Self::MessageTooLarge => Name::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            Self::TopicAuthorization => Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Self::ClusterAuthorization => Name::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            Self::InvalidRecord => Name::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            Self::OutOfOrderSequence => Name::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            Self::TransactionalIdAuthorization => {
                Name::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            }
            Self::CoordinatorNotAvailable => Name::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            Self::InvalidProducerIdMapping => Name::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
            Self::ProducerFenced => Name::RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
        }
    }
}

fn done(code: Code, doing: impl FnOnce() -> String) -> Result<(), Error> {
    if code.0 == 0 { Ok(()) } else { Err(Error::Mock { reason: format!("{}: {}", doing(), code.text()) }) }
}
