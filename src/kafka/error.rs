//! What can go wrong between us and the brokers, and what a user can do about it.

use std::fmt::Write as _;
use std::time::Duration;

use rdkafka_sys::rd_kafka_resp_err_t as Name;

use crate::login;

/// A failure of the Kafka side. Every text says what was being done, what came, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// librdkafka refused its settings, or could not start.
    #[error("starting the Kafka client: {reason}")]
    Client {
        /// librdkafka's reason, without the value of any setting that is secret.
        reason: String,
    },
    /// The login needs a token, and none came.
    #[error("logging in to the brokers: {0}")]
    Login(#[from] login::Error),
    /// A thread could not be started, or ended before its time.
    #[error("the thread that receives delivery reports {reason}")]
    Thread {
        /// What happened to it.
        reason: String,
    },
    /// The brokers did not answer.
    #[error("{doing}: no usable answer from the brokers at {brokers}: {reason}; {remedy}")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// The configured addresses.
        brokers: String,
        /// What came instead of an answer.
        reason: String,
        /// What to check.
        remedy: &'static str,
    },
    /// A topic that messages are to be written to does not exist.
    #[error(
        "topic \"{topic}\" ({owner}): it does not exist; create it, or let Apply create it by publishing the task again"
    )]
    MissingTopic {
        /// The topic.
        topic: String,
        /// Whose topic it is.
        owner: String,
    },
    /// The brokers answered about a topic with an error.
    #[error("topic \"{topic}\" ({owner}): {doing}: {reason}; {remedy}")]
    Topic {
        /// The topic.
        topic: String,
        /// Whose topic it is.
        owner: String,
        /// What was being done.
        doing: String,
        /// The brokers' reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A topic could not be created.
    #[error(
        "creating topic \"{topic}\" with {partitions} partitions and replication factor {replication}: {reason}; {remedy}"
    )]
    Create {
        /// The topic.
        topic: String,
        /// Partitions asked for.
        partitions: i32,
        /// Replicas asked for.
        replication: i32,
        /// The brokers' reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A property of a topic that exists is not known to its brokers.
    #[error("topic \"{topic}\": the brokers know no property {property:?} of topics; correct topic_config")]
    TopicProperty {
        /// The topic.
        topic: String,
        /// The property's name.
        property: String,
    },
    /// The producer is told to send batches that a topic does not take.
    #[error(
        "topic \"{topic}\": batches of {batch} bytes (batch.size of advanced.client_properties) are more than the {limit} \
         that it takes (its max.message.bytes); lower the one, or raise the other"
    )]
    BatchSize {
        /// The topic.
        topic: String,
        /// Bytes of a batch.
        batch: usize,
        /// Bytes that the topic takes.
        limit: usize,
    },
    /// A message is larger than the client can send at all.
    #[error(
        "topic \"{topic}\" ({owner}): a message of {bytes} bytes (key {key}) is larger than the {limit} bytes that the client can send; leave large fields out of the field selection"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// Whose topic it is.
        owner: String,
        /// The key, shortened.
        key: String,
        /// Bytes of key and value.
        bytes: usize,
        /// Bytes that are possible.
        limit: usize,
    },
    /// A message was not delivered.
    #[error(
        "topic \"{topic}\" ({owner}): a message of {bytes} bytes (key {key}) was not delivered to partition {partition}: {reason}; {remedy}"
    )]
    Refused {
        /// The topic.
        topic: String,
        /// Whose topic it is.
        owner: String,
        /// The key, shortened.
        key: Box<str>,
        /// Bytes of key and value.
        bytes: usize,
        /// The partition.
        partition: i32,
        /// librdkafka's reason.
        reason: Box<str>,
        /// What to do.
        remedy: &'static str,
    },
    /// The idempotent producer cannot go on.
    #[error("the producer cannot go on: {reason}; {remedy}")]
    Fatal {
        /// librdkafka's reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Somebody else has taken the transactional id over.
    #[error(
        "transaction {id}: another instance of this task took over ({reason}); if none is to run beside this one, find who \
         uses this transactional id; what was not committed is sent again by the one that goes on"
    )]
    Fenced {
        /// The transactional id.
        id: String,
        /// librdkafka's reason.
        reason: String,
    },
    /// The brokers have given up the transaction for its age.
    #[error(
        "transaction {id}: it was open for {}, longer than the {} that it may be, and the brokers gave it up ({reason}); \
         raise advanced.transaction_timeout (up to transaction.max.timeout.ms of the brokers), or let the task commit \
         more often",
        seconds(Duration::from_secs(.age.as_secs())), seconds(*.timeout)
    )]
    TransactionTimedOut {
        /// The transactional id.
        id: String,
        /// Time since the transaction's first message.
        age: Duration,
        /// The time-out.
        timeout: Duration,
        /// librdkafka's reason.
        reason: String,
    },
    /// A step of a transaction failed.
    #[error("transaction {id}: {doing}: {reason}; {remedy}")]
    Transaction {
        /// The transactional id.
        id: String,
        /// The step.
        doing: &'static str,
        /// librdkafka's reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The progress topic is not as it must be.
    #[error("topic \"{topic}\" (advanced.progress_topic): {reason}; {remedy}")]
    Progress {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The progress topic cannot be read to its end, because of a transaction that is open there.
    #[error(
        "topic \"{topic}\" (advanced.progress_topic): its records cannot be read up to offset {end}, since a transaction of \
         another task or shard has been open at offset {open} for {}; end that task, or wait until its transaction times out \
         (kafka-transactions.sh find-hanging and abort help with one that nobody owns)",
        seconds(*.waited)
    )]
    HeldBack {
        /// The topic.
        topic: String,
        /// Where reading has to get to.
        end: i64,
        /// Where it can get.
        open: i64,
        /// How long that was so.
        waited: Duration,
    },
    /// Messages are due, and nothing was acknowledged for the stall time-out.
    #[error(
        "no message was acknowledged for {} while {due} are due ({topics}) at the brokers {brokers}; last error: {last}; \
         check that the brokers run and that enough replicas are in sync, or raise advanced.stall_timeout{}",
        seconds(*.waited), hung_up_on(*.large)
    )]
    Stalled {
        /// The stall time-out.
        waited: Duration,
        /// Messages without a delivery report.
        due: u64,
        /// Topics with how many messages each is due.
        topics: String,
        /// The configured addresses.
        brokers: String,
        /// librdkafka's last error.
        last: String,
        /// Bytes of the largest message, where it is so large that the brokers may refuse the request as a whole.
        large: Option<usize>,
    },
    /// Reading a topic back failed.
    #[error("reading topic \"{topic}\": {reason}; {remedy}")]
    Read {
        /// The topic, or several.
        topic: String,
        /// librdkafka's reason.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The mock cluster did not do what was asked.
    #[error("the mock cluster: {reason}")]
    Mock {
        /// librdkafka's reason.
        reason: String,
    },
}

/// The remedy for an error of the brokers about a topic or a message.
pub(super) fn remedy(code: i32) -> &'static str {
    const TABLE: &[(Name, &str)] = &[
        (
            Name::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
            "raise max.message.bytes of the topic, or leave large fields out of the field selection",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            "allow this user to describe, create and write the topic (operations Describe, Create and Write)",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            "allow this user IdempotentWrite on the cluster, or Write on the topic with brokers from 2.8",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
            "the topic or one of its partitions is gone: create it again, or publish the task again",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
            "the topic is gone: create it again, or publish the task again",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
            "the topic is gone, or has fewer partitions than before: create it again if it was deleted, then restart the task",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            "bring the missing replicas back, or lower min.insync.replicas of the topic",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            "bring the missing replicas back, or lower min.insync.replicas of the topic",
        ),
        (Name::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "check that the partition's leader runs and is reachable"),
        (Name::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, "check that the brokers run and keep up, then try again"),
        (Name::RD_KAFKA_RESP_ERR__TIMED_OUT, "check that the brokers run and keep up, then try again"),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
            "set topic_replication_factor to no more than the number of brokers",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_CONFIG,
            "correct topic_config: these brokers do not know the property, or do not take its value",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
            "set topic_partitions to a number that the brokers allow",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            "choose a topic name of at most 249 letters, digits, '.', '_' and '-'",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            "ask the cluster's operator for what its policy allows, or create the topic by hand",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_RECORD,
            "the topic's own checks refuse such records (a compacted topic needs keys; timestamps have to be within its \
             message.timestamp.before.max.ms and message.timestamp.after.max.ms; a schema check may be on)",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            "the topic takes no timestamp that is so far from the brokers' time: raise its message.timestamp.after.max.ms (an \
             hour ahead by default) or message.timestamp.before.max.ms, have it write its own \
             (message.timestamp.type=LogAppendTime), or name another field in timestamp, or none",
        ),
        (
            Name::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD,
            "it came in one batch with a record that is not valid",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
            "choose another compression: these brokers do not know this one",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
            "the topic keeps an old message format: raise its message.format.version",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "allow this user Describe and Write on the transactional ids that begin with materialize-kafka/",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
            "set advanced.transaction_timeout to no more than transaction.max.timeout.ms of the brokers",
        ),
        (
            Name::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            "check the brokers' topic __transaction_state: a small cluster needs transaction.state.log.replication.factor lowered",
        ),
        (Name::RD_KAFKA_RESP_ERR__FATAL, FATAL_REMEDY),
        (Name::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, FATAL_REMEDY),
        (Name::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, FATAL_REMEDY),
        (Name::RD_KAFKA_RESP_ERR__INCONSISTENT, FATAL_REMEDY),
        (Name::RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, FATAL_REMEDY),
    ];
    TABLE
        .iter()
        .find(|(name, _)| *name as i32 == code)
        .map_or("see the brokers' logs; a restart of the task tries again", |(_, remedy)| remedy)
}

pub(super) const FATAL_REMEDY: &str =
    "restart the task: what was not committed is sent again; if it comes back, see the brokers' logs";

/// What to check after an error of a connection, by its code and librdkafka's words.
pub(super) fn connection_remedy(code: i32, text: &str) -> &'static str {
    let is = |name: Name| name as i32 == code;
    if text.contains("Unsupported SASL mechanism") {
        mechanism_remedy(text)
    } else if text.contains("not valid in current SASL state") {
        "this port takes no login: remove credentials, or use the port of a SASL listener"
    } else if text.contains("connecting to a PLAINTEXT broker listener") {
        "this port does not speak TLS: remove tls, or use the port of a TLS listener"
    } else if text.contains("certificate verify failed") || text.contains("certificate could not be verified")
    {
        "the broker's certificate is of an authority that is not known here, or names another host: \
         give the authority's certificate in tls_certificates.ca_certificate, or name its file in SSL_CERT_FILE"
    } else if ["alert bad certificate", "alert certificate", "alert unknown ca", "certificate required"]
        .iter()
        .any(|alert| text.contains(alert))
    {
        "the brokers want a client certificate, of an authority that they know: check \
         tls_certificates.client_certificate and client_key"
    } else if text.contains("\"invalid_token\"") || text.contains("OAUTHBEARER token") {
        "the brokers do not take the token: check that they trust its issuer, its audience and scope (credentials.scope), and that \
         the clocks agree; for AWS MSK IAM check region and key of credentials, and the key's policy"
    } else if is(Name::RD_KAFKA_RESP_ERR__AUTHENTICATION)
        || is(Name::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
    {
        "check username, password and mechanism of credentials"
    } else if is(Name::RD_KAFKA_RESP_ERR__RESOLVE) || text.contains("Failed to resolve") {
        "check the host name in bootstrap_servers, and that it resolves from here"
    } else if text.contains("Connection refused") {
        "check host and port in bootstrap_servers, and that the broker runs"
    } else if text.contains("closed without a reason") {
        "brokers do so on a port with TLS (SSL, SASL_SSL) when it is spoken to without: set tls; and on a port with a login \
         (SASL) when there is none: set credentials; if neither is it, see the brokers' logs"
    } else if is(Name::RD_KAFKA_RESP_ERR__SSL) || text.contains("SSL") {
        "check that this port speaks TLS and that its certificate is valid"
    } else {
        "check host and port in bootstrap_servers, firewalls, and whether this port wants TLS (tls) or a login (credentials)"
    }
}

/// What to set where the brokers do not have our mechanism. librdkafka's words name ours, and then theirs: "SASL PLAIN
/// mechanism handshake failed: ...: broker's supported mechanisms: SCRAM-SHA-256,OAUTHBEARER (after 3ms in state ...)".
fn mechanism_remedy(text: &str) -> &'static str {
    let (ours, theirs) = text.split_once("Unsupported SASL mechanism").unwrap_or((text, ""));
    let theirs = theirs.rsplit_once(": ").map_or("", |(_, theirs)| theirs);
    let offers = |mechanisms: &[&str]| theirs.split([',', ' ']).any(|offered| mechanisms.contains(&offered));
    if offers(&["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]) {
        if ours.contains("SASL OAUTHBEARER") {
            "this port takes no tokens, but a user and a password: set credentials.auth_type to \"user_password\", and \
             credentials.mechanism to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, whichever is among those mechanisms"
        } else {
            "set credentials.mechanism to one of those mechanisms"
        }
    } else if offers(&["AWS_MSK_IAM"]) {
        "this port takes no passwords: set credentials.auth_type to \"aws_msk_iam\", with an AWS key"
    } else if offers(&["OAUTHBEARER"]) {
        "this port takes no passwords, but tokens: set credentials.auth_type to \"oauth_client_credentials\" (or to \
         \"aws_msk_iam\" for Amazon MSK)"
    } else {
        "use the port of a listener with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER: the connector has no other \
         mechanism (credentials.auth_type and credentials.mechanism say which)"
    }
}

/// Whether trying again cannot help: the brokers answered, and refused us.
pub(super) fn is_decisive(code: i32) -> bool {
    [
        Name::RD_KAFKA_RESP_ERR__AUTHENTICATION,
        Name::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        Name::RD_KAFKA_RESP_ERR__SSL,
        Name::RD_KAFKA_RESP_ERR__RESOLVE,
    ]
    .iter()
    .any(|name| *name as i32 == code)
}

/// A key as an error shows it: as text where it is text, else in hexadecimal, shortened.
pub(super) fn shown(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(char::is_control) => {
            let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
            if shown.len() < text.len() {
                shown.push_str("...");
            }
            shown
        }
        _ => {
            let mut shown = String::from("0x");
            for byte in key.iter().take(SHOWN_BYTES) {
                let _ = write!(shown, "{byte:02x}");
            }
            if key.len() > SHOWN_BYTES {
                shown.push_str("...");
            }
            shown
        }
    }
}

/// Brokers answer a request above their limit by closing the connection, and librdkafka sends it again for ever.
fn hung_up_on(large: Option<usize>) -> String {
    large.map_or_else(String::new, |bytes| {
        format!(
            "; the largest message was of {bytes} bytes: brokers close the connection, without a word, on a request above \
             their socket.request.max.bytes"
        )
    })
}

const SHOWN_CHARS: usize = 200;
const SHOWN_BYTES: usize = 64;

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
