//! The servers under `tests/services` are what the other suites take them for: each listener, user and
//! certificate works as its name says, and what should be refused is refused.

use std::time::Duration;

use rdkafka::{
    ClientConfig, ClientContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
};
use reqwest::StatusCode;

mod common;

use common::services::{self, Cluster, Kafka, Login, Missing, Registry};

#[test]
fn a_missing_variable_skips_and_is_named() {
    let only_the_address = |name: &str| match name {
        "TEST_KAFKA" => Ok("127.0.0.1:1".to_owned()),
        _ => Err(Missing(name.to_owned())),
    };
    let kafka = Kafka::from(&only_the_address);
    assert_eq!(kafka.as_ref().err(), Some(&Missing("TEST_KAFKA_SASL_PLAINTEXT".to_owned())));
    assert!(services::there_or_skipped(kafka, false).is_none());
    assert_eq!(Registry::from(&only_the_address).err(), Some(Missing("TEST_REGISTRY".to_owned())));
}

#[test]
#[should_panic(expected = "TEST_SERVICES_REQUIRED is set, but TEST_REGISTRY is not")]
fn a_missing_variable_fails_where_servers_were_started() {
    let registry = Registry::from(&|name| Err(Missing(name.to_owned())));
    services::there_or_skipped(registry, true);
}

#[test]
fn every_listener_lets_in_whom_it_should() {
    let Some(kafka) = services::kafka() else { return };
    let ca = kafka.ca.to_str().expect("a path of UTF-8");
    assert_eq!(brokers(&kafka.plaintext, &[]), Ok(1));
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for login in [&kafka.user, &kafka.limited] {
            for (address, protocol) in
                [(&kafka.sasl_plaintext, "SASL_PLAINTEXT"), (&kafka.sasl_ssl, "SASL_SSL")]
            {
                let settings = sasl(protocol, mechanism, login, &login.password, ca);
                assert_eq!(brokers(address, &settings), Ok(1), "{protocol} {mechanism} {}", login.user);
                let wrong = sasl(protocol, mechanism, login, "wrong", ca);
                let refusal = brokers(address, &wrong).expect_err("a wrong password is refused");
                assert!(refusal.contains("Authentication failed"), "{protocol} {mechanism}: {refusal}");
            }
        }
    }
}

#[test]
fn tls_is_checked_on_both_sides() {
    let Some(kafka) = services::kafka() else { return };
    let path = |path: &std::path::Path| path.to_str().expect("a path of UTF-8").to_owned();
    let (ca, other) = (path(&kafka.ca), path(&kafka.other_ca));
    let (certificate, key) = (path(&kafka.client_certificate), path(&kafka.client_key));

    let known = [("security.protocol", "SSL"), ("ssl.ca.location", ca.as_str())];
    assert_eq!(brokers(&kafka.ssl, &known), Ok(1));
    let unknown = [("security.protocol", "SSL"), ("ssl.ca.location", other.as_str())];
    let refusal = brokers(&kafka.ssl, &unknown).expect_err("an unknown authority is refused");
    assert!(refusal.contains("certificate verify failed"), "{refusal}");

    let mut with_certificate = known.to_vec();
    with_certificate
        .extend([("ssl.certificate.location", certificate.as_str()), ("ssl.key.location", key.as_str())]);
    assert_eq!(brokers(&kafka.mtls, &with_certificate), Ok(1));
    let refusal = brokers(&kafka.mtls, &known).expect_err("a client without a certificate is refused");
    assert!(refusal.contains("alert"), "{refusal}");
}

#[tokio::test]
async fn the_registry_wants_a_password() {
    let Some(registry) = services::registry() else { return };
    let subjects = format!("{}/subjects", registry.url);
    let client = reqwest::Client::new();
    let status = async |password: Option<&str>| {
        let mut request = client.get(&subjects);
        if let Some(password) = password {
            request = request.basic_auth(&registry.login.user, Some(password));
        }
        request.send().await.expect("the registry answers").status()
    };
    assert_eq!(status(None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(Some("wrong")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(Some(&registry.login.password)).await, StatusCode::OK);
}

#[test]
fn a_cluster_of_ones_own_loses_a_node_and_gets_it_back() {
    let Some(cluster) = Cluster::start(3, &[]) else { return };
    let at = cluster.bootstrap_servers();
    assert_eq!(brokers(at, &[]), Ok(3));
    cluster.kill(2);
    eventually(|| brokers(at, &[]) == Ok(2), "the killed node leaves the metadata");
    cluster.restart(2);
    eventually(|| brokers(at, &[]) == Ok(3), "the node is back");
    cluster.stop(3);
    eventually(|| brokers(at, &[]) == Ok(2), "a stopped node leaves the metadata as well");
    cluster.cont(3);
    eventually(|| brokers(at, &[]) == Ok(3), "and returns by itself");
}

fn sasl<'a>(
    protocol: &'a str,
    mechanism: &'a str,
    login: &'a Login,
    password: &'a str,
    ca: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut settings = vec![
        ("security.protocol", protocol),
        ("sasl.mechanism", mechanism),
        ("sasl.username", &login.user),
        ("sasl.password", password),
    ];
    if protocol == "SASL_SSL" {
        settings.push(("ssl.ca.location", ca));
    }
    settings
}

/// How many brokers the ones at `address` know of, or everything that the client said in vain.
fn brokers(address: &str, settings: &[(&str, &str)]) -> Result<usize, String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("group.id", "unused");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    let said = Said::default();
    let consumer: BaseConsumer<Said> = config.create_with_context(said).map_err(|error| error.to_string())?;
    // Reasons come through the event queue, which is served by polling: a little at a time until one of the two is there.
    for _ in 0..20 {
        match consumer.fetch_metadata(None, Duration::from_secs(1)) {
            Ok(metadata) => return Ok(metadata.brokers().len()),
            Err(_) => {
                let _ = consumer.poll(Duration::from_millis(100));
                let said = consumer.context().take();
                if said.iter().any(|line| line.contains("failed") || line.contains("alert")) {
                    return Err(said.join("\n"));
                }
            }
        }
    }
    Err(format!("no answer from {address}"))
}

/// What the client reported as errors.
#[derive(Default)]
struct Said(std::sync::Mutex<Vec<String>>);

impl Said {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nothing panics with the lock held"))
    }
}

impl ClientContext for Said {
    fn error(&self, error: KafkaError, reason: &str) {
        self.0.lock().expect("nothing panics with the lock held").push(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for Said {}

fn eventually(condition: impl Fn() -> bool, what: &str) {
    for _ in 0..240 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(condition(), "not within two minutes: {what}");
}
