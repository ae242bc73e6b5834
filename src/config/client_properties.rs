//! Which of librdkafka's properties a user may set: those that nothing here depends on.
//!
//! A property is refused by name where another option owns it, where a promise rests on it, or where it is about
//! something that this connector does not do. What is left is librdkafka's to judge, name and value.

use std::collections::BTreeMap;

use serde_json::json;

use super::error::Error;
use super::kinds::map;
use super::members::Members;
use super::option::options;

options! {
    /// Properties of the Kafka client.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ClientOptions {
        /// Properties of the Kafka client (librdkafka), by name, for what no other option says, such as linger.ms,
        /// batch.size, client.id or socket.keepalive.enable. Those that another option owns, or on which a promise
        /// rests (acks, enable.idempotence and others), are refused.
        pub client_properties: BTreeMap<String, String> = "Client properties", map()
            .then(check)
            .or(json!({}));
    }
}

impl ClientOptions {
    /// The largest batch that is asked for in bytes, if one is and it is not below zero, which librdkafka refuses.
    #[must_use]
    pub fn batch_bytes(&self) -> Option<usize> {
        self.client_properties.get("batch.size")?.trim().parse().ok()
    }
}

fn check(
    members: &Members<'_>,
    option: &str,
    properties: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    for (name, value) in &properties {
        let place = || members.entry(option, name);
        if let Some(why) = refusal(name) {
            return Err(members.refused(&place(), format!("this property cannot be set here: {why}")));
        }
        if let Some(expected) = misread(name, value) {
            // The value may be a secret that was pasted here.
            return Err(members.invalid(&place(), "***", expected.to_owned()));
        }
    }
    Ok(properties)
}

/// What is expected of a number that librdkafka would take for another one, if this is one: it reads the beginning that it
/// understands, and whole numbers in any base (`5ms` as 5, `010` as 8) and without regard to what 32 bits hold.
fn misread(name: &str, value: &str) -> Option<&'static str> {
    let value = value.trim();
    let digits = value.trim_start_matches(['+', '-']);
    let is_octal = digits.len() > 1 && digits.starts_with('0');
    if WHOLE_NUMBERS.contains(&name) && (is_octal || value.parse::<i32>().is_err()) {
        return Some(
            "expected a whole number in decimal digits, without a unit, of no more than 2147483647, such as 1000",
        );
    }
    let is_number = || value.parse::<f64>().is_ok_and(f64::is_finite);
    if NUMBERS.contains(&name) && !is_number() {
        return Some(
            "expected a number of milliseconds in decimal digits, without a unit, such as 20 or 0.5",
        );
    }
    None
}

/// Why a property may not be set, and what to do instead; none if it may.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let exact = REFUSED.iter().find(|(names, _)| names.contains(&name)).map(|(_, why)| *why);
    let by_beginning = || BEGINNINGS.iter().find(|(start, _)| name.starts_with(start)).map(|(_, why)| *why);
    if ALLOWED.contains(&name) { None } else { exact.or_else(by_beginning) }
}

/// Those whose values librdkafka reads as whole numbers; of those that are refused by name none. A test in the Kafka room
/// finds those that are missing.
const WHOLE_NUMBERS: &[&str] = &[
    "api.version.fallback.ms",
    "api.version.request.timeout.ms",
    "batch.num.messages",
    "batch.size",
    "broker.address.ttl",
    "compression.level",
    "connections.max.idle.ms",
    "message.copy.max.bytes",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.request.timeout.ms",
    "queue.buffering.backpressure.threshold",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.max.fails",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
];

/// The one that may have a fraction.
const NUMBERS: &[&str] = &["linger.ms"];

const READS_NOTHING: &str = "it is of consumers, and this connector writes: leave it out";
const DURABLE: &str =
    "a commit means that all in-sync replicas have every message, in order and once: leave it out";
const INTERNAL: &str = "the connector depends on it: leave it out";
const LOGS: &str =
    "logs are the connector's: set LOG_LEVEL in the environment, and debug among these properties";

/// Those of the families below that nothing depends on.
const ALLOWED: &[&str] = &["ssl.cipher.suites", "ssl.curves.list", "ssl.sigalgs.list"];

const BEGINNINGS: &[(&str, &str)] = &[
    ("sasl.", "use credentials"),
    ("ssl.", "use tls and tls_certificates"),
    ("https.", "use credentials"),
    ("test.mock.", INTERNAL),
    ("group.", READS_NOTHING),
    ("fetch.", READS_NOTHING),
    ("queued.", READS_NOTHING),
    ("offset.store.", READS_NOTHING),
    ("auto.commit.", READS_NOTHING),
];

const REFUSED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "use bootstrap_servers"),
    (&["security.protocol"], "use tls and credentials"),
    (&["enable.sasl.oauthbearer.unsecure.jwt"], "use credentials"),
    (&["ssl_key", "ssl_certificate", "ssl_ca"], "use tls_certificates"),
    (
        &["enable.ssl.certificate.verification"],
        "the brokers' certificates are always checked: give their authority in tls_certificates.ca_certificate",
    ),
    (&["compression.type", "compression.codec"], "use compression"),
    (&["transactional.id"], "use advanced.delivery"),
    (&["transaction.timeout.ms"], "use advanced.transaction_timeout"),
    (&["partitioner", "sticky.partitioning.linger.ms"], "use advanced.partitioner"),
    (&["queue.buffering.max.messages"], "use advanced.in_flight_messages"),
    (&["queue.buffering.max.kbytes"], "use advanced.in_flight_bytes"),
    (&["queue.buffering.max.ms"], "use linger.ms, which is the same"),
    (
        &["message.timeout.ms", "delivery.timeout.ms"],
        "messages have no age at which they are given up: use advanced.stall_timeout",
    ),
    (
        &["retries", "message.send.max.retries"],
        "messages are tried again as long as anything gets through: use advanced.stall_timeout",
    ),
    (
        &[
            "acks",
            "request.required.acks",
            "enable.idempotence",
            "enable.gapless.guarantee",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "queuing.strategy",
        ],
        DURABLE,
    ),
    (
        &["message.max.bytes"],
        "what a topic takes is decided by its max.message.bytes: use topic_config where the topic is created here",
    ),
    (&["allow.auto.create.topics"], "topics are created by Apply alone: leave it out"),
    (
        &["api.version.request", "broker.version.fallback"],
        "brokers are asked for what they know, and those that cannot say are too old: leave it out",
    ),
    (&["statistics.interval.ms"], "the connector watches itself: leave it out"),
    (&["log_level", "log.queue", "log.thread.name", "log.connection.close"], LOGS),
    (
        &[
            "builtin.features",
            "delivery.report.only.error",
            "enabled_events",
            "enable_sasl_queue",
            "plugin.library.paths",
            "internal.termination.signal",
            "topic.blacklist",
            "client.software.name",
            "client.software.version",
        ],
        INTERNAL,
    ),
    (
        &[
            "auto.offset.reset",
            "check.crcs",
            "consume.callback.max.messages",
            "coordinator.query.interval.ms",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "enable.partition.eof",
            "heartbeat.interval.ms",
            "isolation.level",
            "max.partition.fetch.bytes",
            "max.poll.interval.ms",
            "partition.assignment.strategy",
            "receive.message.max.bytes",
            "session.timeout.ms",
        ],
        READS_NOTHING,
    ),
];

#[cfg(test)]
mod tests {
    use super::super::EndpointConfig;
    use super::*;

    #[test]
    fn what_others_own_or_promises_rest_on_is_refused_by_name() {
        let rows = [
            ("bootstrap.servers", "use bootstrap_servers"),
            ("sasl.password", "use credentials"),
            ("sasl.made.up", "use credentials"),
            ("ssl.ca.pem", "use tls and tls_certificates"),
            ("compression.codec", "use compression"),
            ("queue.buffering.max.kbytes", "use advanced.in_flight_bytes"),
            ("fetch.min.bytes", READS_NOTHING),
            ("acks", DURABLE),
            ("test.mock.num.brokers", INTERNAL),
            (
                "api.version.request",
                "brokers are asked for what they know, and those that cannot say are too old: leave it out",
            ),
            (
                "broker.version.fallback",
                "brokers are asked for what they know, and those that cannot say are too old: leave it out",
            ),
        ];
        for (name, why) in rows {
            assert_eq!(refusal(name), Some(why), "{name}");
        }
        for name in [
            "linger.ms",
            "batch.size",
            "batch.num.messages",
            "client.id",
            "compression.level",
            "debug",
            "socket.keepalive.enable",
            "ssl.cipher.suites",
            "no.such.property",
        ] {
            assert_eq!(refusal(name), None, "{name}");
        }
    }

    #[test]
    fn a_refusal_names_the_property_and_not_its_value() {
        let parse = |properties: &str| {
            let config = format!(
                r#"{{"bootstrap_servers":"b","message_format":"JSON","advanced":{{"client_properties":{properties}}}}}"#
            );
            EndpointConfig::parse(config.as_bytes())
        };
        let config =
            parse(r#"{"linger.ms":20,"socket.keepalive.enable":true,"batch.size":"500000"}"#).unwrap();
        let client = config.advanced.client;
        assert_eq!(client.batch_bytes(), Some(500_000));
        let read: Vec<_> = client.client_properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            read,
            [("batch.size", "500000"), ("linger.ms", "20"), ("socket.keepalive.enable", "true")]
        );
        let error = parse(r#"{"linger.ms":1,"sasl.password":"hunter2"}"#).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(
            error.to_string(),
            "reading the endpoint configuration: /advanced/client_properties/sasl.password: this property cannot be set \
             here: use credentials"
        );
        assert_eq!(
            parse(r#"{"":"hunter2"}"#).unwrap_err().to_string(),
            "reading the endpoint configuration: /advanced/client_properties: a name in it is empty: fill it in, or take it \
             out"
        );
        let error = parse(r#"{"linger.ms":"hunter2"}"#).unwrap_err().to_string();
        assert_eq!(
            error,
            "reading the endpoint configuration: /advanced/client_properties/linger.ms is \"***\": expected a number of \
             milliseconds in decimal digits, without a unit, such as 20 or 0.5"
        );
        let error = parse(r#"{"batch.size":"0x1000000"}"#).unwrap_err().to_string();
        assert_eq!(
            error,
            "reading the endpoint configuration: /advanced/client_properties/batch.size is \"***\": expected a whole number \
             in decimal digits, without a unit, of no more than 2147483647, such as 1000"
        );
    }

    #[test]
    fn numbers_that_would_be_taken_for_others_are_refused() {
        for value in ["1000", " 1000 ", "0", "-1", "+5", "2147483647"] {
            assert_eq!(misread("batch.size", value), None, "{value:?}");
            assert_eq!(misread("linger.ms", value), None, "{value:?}");
        }
        for value in ["", "5ms", "1.5", "1e3", "0x10", "010", "-010", "1_000", "1 000", "99999999999", "inf"]
        {
            assert!(misread("batch.size", value).is_some(), "{value:?}");
        }
        for value in ["1.5", "0.5", "1e2"] {
            assert_eq!(misread("linger.ms", value), None, "{value:?}");
        }
        for value in ["", "5ms", "0x10", "1,5", "nan", "inf"] {
            assert!(misread("linger.ms", value).is_some(), "{value:?}");
        }
        assert_eq!(misread("client.id", "5ms"), None);
    }

    #[test]
    fn each_name_stands_once() {
        let mut names: Vec<_> = REFUSED.iter().flat_map(|(names, _)| *names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
