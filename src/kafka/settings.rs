//! The configuration as librdkafka's properties.

use std::env;
use std::path::Path;

use rdkafka::ClientConfig;

use super::statistics;
use crate::config::{Credentials, EndpointConfig, Secret, Tls};

/// Properties that every client shares: addresses, login, encryption, name, logs.
///
/// System certificates are those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where either is set; else librdkafka looks
/// in the usual places, because a statically linked OpenSSL knows none.
#[must_use]
pub fn client_settings(config: &EndpointConfig) -> ClientConfig {
    settings_with(config, |name| env::var(name).ok().filter(|value| !value.is_empty()))
}

fn settings_with(config: &EndpointConfig, variable: impl Fn(&str) -> Option<String>) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("client.id", "materialize-kafka");
    for (name, value) in &config.advanced.client.client_properties {
        settings.set(name, value);
    }
    settings
        .set("bootstrap.servers", &config.bootstrap_servers)
        .set("security.protocol", config.security_protocol())
        // Logs come as events, or librdkafka prints them on stderr by itself.
        .set("log.queue", "true")
        // A topic comes into being through Apply, never because somebody asked for its metadata. A producer's
        // default is true.
        .set("allow.auto.create.topics", "false");
    match &config.credentials {
        None => {}
        Some(Credentials::UserPassword { mechanism, username, password }) => {
            settings
                .set("sasl.mechanism", mechanism.as_str())
                .set("sasl.username", username)
                .set("sasl.password", password.expose());
        }
        // The client gets its tokens by itself.
        Some(Credentials::OauthClientCredentials { .. } | Credentials::AwsMskIam { .. }) => {
            settings.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
    let certificates = config.tls_certificates.as_ref();
    if let Some(authority) = certificates.and_then(|certificates| certificates.ca_certificate.as_deref()) {
        settings.set("ssl.ca.pem", authority);
    } else if let Some(Tls::SystemCertificates) = config.tls {
        // librdkafka's one property takes a file or a folder; a file that names itself goes first.
        let place = variable("SSL_CERT_FILE")
            .filter(|file| Path::new(file).is_file())
            .or_else(|| variable("SSL_CERT_DIR").filter(|folder| Path::new(folder).is_dir()));
        settings.set("ssl.ca.location", place.as_deref().unwrap_or("probe"));
    }
    if let Some(certificates) = certificates {
        let own = [
            ("ssl.certificate.pem", certificates.client_certificate.as_deref()),
            ("ssl.key.pem", certificates.client_key.as_ref().map(Secret::expose)),
            ("ssl.key.password", certificates.client_key_password.as_ref().map(Secret::expose)),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                settings.set(name, value);
            }
        }
    }
    settings
}

/// Properties of the [`Outbox`](super::Outbox)'s producer. `batch_bytes` is the largest batch that all topics accept,
/// [`BATCH_BYTES`] where none of them has a limit below the brokers' default.
#[must_use]
pub fn producer_settings(config: &EndpointConfig, batch_bytes: usize) -> ClientConfig {
    let mut settings = client_settings(config);
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Age is no failure: messages wait behind backpressure, and a stall is noticed by the ledger.
        .set("message.timeout.ms", "0")
        // The most that librdkafka allows: the brokers' limit is the one that refuses a message. A batch is
        // bounded by batch.size, which only a single message may exceed.
        .set("message.max.bytes", MESSAGE_MAX_BYTES.to_string())
        // The outbox bounds both by its own limits; these are above them.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", i32::MAX.to_string())
        .set("compression.type", config.compression.as_str())
        .set("statistics.interval.ms", statistics::EVERY.as_millis().to_string());
    // topic.metadata.propagation.max.ms stays at 30 s, though a topic that is deleted within so long from the
    // session's start is reported only then. Less would end a session by the word of one broker that has not
    // yet heard of a topic that Apply has just made.
    let defaults = [
        // The commit's flush ignores the linger, so it costs no latency at the end of a transaction; during one,
        // an idempotent producer sends one request a partition and round trip: a larger batch is a faster one.
        ("linger.ms", LINGER_MS),
        ("batch.num.messages", "100000"),
        // New partitions of a grown topic are asked for by the delivery threads; this finds moved leaders.
        ("topic.metadata.refresh.interval.ms", "60000"),
    ];
    let properties = &config.advanced.client.client_properties;
    for (name, value) in defaults {
        if !properties.contains_key(name) {
            settings.set(name, value);
        }
    }
    // One below zero is left to librdkafka's judgement.
    if properties.contains_key("batch.size") == config.advanced.client.batch_bytes().is_some() {
        settings.set("batch.size", batch_bytes.to_string());
    }
    settings
}

/// Properties of a producer with a transactional id, to be added to others.
pub(super) fn transactional(settings: &mut ClientConfig, config: &EndpointConfig, id: &str) {
    settings
        .set("transactional.id", id)
        .set("transaction.timeout.ms", config.advanced.transaction_timeout.as_millis().to_string());
}

/// Largest message that librdkafka can be made to accept, in bytes of key, value and framing.
const MESSAGE_MAX_BYTES: usize = 1_000_000_000;

/// Largest key and value: framing of one message is below 100 bytes; a kilobyte leaves no doubt.
pub(super) const LARGEST_MESSAGE: usize = MESSAGE_MAX_BYTES - 1024;

/// Largest batch in bytes where the topics allow it: the brokers' default limit is 1,048,588, framing included.
pub const BATCH_BYTES: usize = 1_000_000;

const LINGER_MS: &str = "50";

#[cfg(test)]
mod tests {
    use super::super::client::owned;
    use super::*;
    use crate::config::EndpointConfig;

    fn config(more: &str) -> EndpointConfig {
        let json = format!(r#"{{"bootstrap_servers":"b:9092","message_format":"JSON"{more}}}"#);
        EndpointConfig::parse(json.as_bytes()).unwrap()
    }

    const LOGIN: &str = r#","credentials":{"auth_type":"user_password","mechanism":"SCRAM-SHA-256","username":"u","password":"secret"}"#;
    const TLS: &str = r#","tls":"system_certificates""#;

    #[test]
    fn tls_and_login_choose_the_protocol() {
        for (more, protocol) in [
            (String::new(), "PLAINTEXT"),
            (TLS.into(), "SSL"),
            (LOGIN.into(), "SASL_PLAINTEXT"),
            (format!("{TLS}{LOGIN}"), "SASL_SSL"),
        ] {
            let settings = client_settings(&config(&more));
            assert_eq!(settings.get("security.protocol"), Some(protocol));
            assert_eq!(settings.get("sasl.password").is_some(), protocol.starts_with("SASL"));
            assert_eq!(settings.get("ssl.ca.location").is_some(), protocol.ends_with("SSL"));
            assert!(!format!("{settings:?}").contains("secret"));
            settings.create_native_config().unwrap();
        }
    }

    #[test]
    fn certificates_come_from_the_environment_or_the_usual_places() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "").unwrap();
        let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
        let location = |cert_file: Option<&str>, cert_dir: Option<&str>| {
            let settings = settings_with(&config(TLS), |name| {
                if name == "SSL_CERT_FILE" { cert_file } else { cert_dir }.map(str::to_owned)
            });
            settings.get("ssl.ca.location").unwrap().to_owned()
        };
        assert_eq!(location(None, None), "probe");
        assert_eq!(location(Some(file), Some(folder)), file);
        assert_eq!(location(None, Some(folder)), folder);
        assert_eq!(location(Some("/no/such/file"), Some(folder)), folder);
        assert_eq!(location(Some("/no/such/file"), None), "probe");
    }

    #[test]
    fn librdkafka_takes_every_property_of_the_producer() {
        for compression in ["none", "gzip", "lz4", "snappy", "zstd"] {
            let config = config(&format!(r#","compression":"{compression}""#));
            let settings = producer_settings(&config, BATCH_BYTES);
            assert_eq!(settings.get("compression.type"), Some(compression));
            settings.create_native_config().unwrap();
            let mut settings = settings;
            transactional(&mut settings, &config, "id");
            assert_eq!(settings.get("transaction.timeout.ms"), Some("900000"));
            settings.create_native_config().unwrap();
        }
    }

    /// librdkafka takes the beginning of a text for a number; what it takes so is refused when the configuration is read.
    #[test]
    fn no_property_that_may_be_set_is_read_by_its_beginning() {
        let takes = |name: &str, value: &str| {
            ClientConfig::new()
                .set(name, value)
                .create_native_config()
                .ok()
                .and_then(|conf| conf.get(name).ok())
        };
        let mut numbers = 0;
        for name in property_names() {
            let ours = |value: &str| {
                let json = format!(
                    r#"{{"bootstrap_servers":"b","message_format":"JSON","advanced":{{"client_properties":{{"{name}":"{value}"}}}}}}"#
                );
                EndpointConfig::parse(json.as_bytes()).is_ok()
            };
            for number in ["7", "100", "1000"] {
                let Some(taken) = takes(&name, number) else { continue };
                let lenient = takes(&name, &format!("{number}x")) == Some(taken);
                if !lenient || !ours(number) {
                    continue;
                }
                numbers += 1;
                assert!(!ours(&format!("{number}x")), "{name} is a number for librdkafka");
                break;
            }
        }
        assert!(numbers >= 20, "{numbers} properties are numbers");
    }

    /// Of the client and of topics, as librdkafka lists them, which leaves out other names of the same.
    #[allow(unsafe_code, reason = "the list can be had from librdkafka alone")]
    fn property_names() -> Vec<String> {
        use rdkafka_sys as sys;
        let mut names = vec!["linger.ms".to_owned()];
        // SAFETY: each object lives until it is destroyed; the lists have `length` texts, names and values by turns.
        unsafe {
            let (conf, topic) = (sys::rd_kafka_conf_new(), sys::rd_kafka_topic_conf_new());
            let mut length = 0;
            let list = sys::rd_kafka_conf_dump(conf, &raw mut length);
            names.extend((0..length).step_by(2).map(|n| owned(*list.add(n))));
            sys::rd_kafka_conf_dump_free(list, length);
            let mut length = 0;
            let list = sys::rd_kafka_topic_conf_dump(topic, &raw mut length);
            names.extend((0..length).step_by(2).map(|n| owned(*list.add(n))));
            sys::rd_kafka_conf_dump_free(list, length);
            sys::rd_kafka_conf_destroy(conf);
            sys::rd_kafka_topic_conf_destroy(topic);
        }
        names
    }
}
