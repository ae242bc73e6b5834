//! Every way to connect that can be configured ends in messages that land.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::broker::{requests_of, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says, specification, transaction};
use crate::landed::{Format, assert_landed, expected};

#[test]
fn a_transaction_lands_over_every_login_and_encryption() {
    let Some(kafka) = services::kafka() else { return };
    let plaintext = Endpoint::json(&kafka.plaintext);
    let mut ways = vec![Endpoint::json(&kafka.ssl).tls(&kafka.ca)];
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        ways.push(Endpoint::json(&kafka.sasl_plaintext).login(mechanism, &kafka.user));
        ways.push(Endpoint::json(&kafka.sasl_ssl).login(mechanism, &kafka.user).tls(&kafka.ca));
    }
    for endpoint in ways {
        let topic = unique("login");
        let task = endpoint.task(&specification(&[&topic]));
        assert_eq!(endpoint.apply(&task), format!("create topic {topic}"));
        let documents: Vec<_> = (0..10).map(|id| json!({"id": id, "text": "over here"})).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        endpoint.run(&task, &stores(&task, &fixture));
        let records = read(&plaintext.config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
    }
}

/// Every codec that can be configured is one that the broker takes and consumers read.
#[test]
fn every_compression_is_read_back() {
    let Some(kafka) = services::kafka() else { return };
    for codec in ["none", "gzip", "lz4", "snappy", "zstd"] {
        let endpoint = Endpoint::json(&kafka.plaintext).set("compression", json!(codec));
        let topic = unique(codec);
        let task = endpoint.task(&specification(&[&topic]));
        endpoint.apply(&task);
        let documents: Vec<_> = (0..500).map(|id| json!({"id": id, "text": "again and again"})).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        endpoint.run(&task, &stores(&task, &fixture));
        let records = read(&endpoint.config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
        crate::broker::assert_kcat_reads(&kafka.plaintext, &topic, &records[&topic]);
    }
}

/// With an authority of one's own in the configuration nobody has to install anything on the machine.
#[test]
fn certificates_come_from_the_configuration() {
    let Some(kafka) = services::kafka() else { return };
    let certificate = pem(&kafka.client_certificate);
    let encrypted = json!({
        "ca_certificate": pem(&kafka.ca),
        "client_certificate": certificate,
        "client_key": pem(&kafka.client_key_encrypted),
        "client_key_password": kafka.client_key_password,
    });
    let ways = [
        certified(&kafka.ssl, json!({"ca_certificate": pem(&kafka.ca)})),
        certified(&kafka.mtls, own(&kafka.ca, &kafka.client_certificate, &kafka.client_key)),
        certified(&kafka.mtls, encrypted.clone()),
        certified(&kafka.sasl_ssl, json!({"ca_certificate": pem(&kafka.ca)})).login("PLAIN", &kafka.user),
        certified(&kafka.sasl_mtls, encrypted).login("SCRAM-SHA-512", &kafka.user),
    ];
    for endpoint in ways {
        let topic = unique("certificate");
        let task = endpoint.task(&specification(&[&topic]));
        assert_eq!(endpoint.apply(&task), format!("create topic {topic}"));
        let documents: Vec<_> = (0..10).map(|id| json!({"id": id, "text": "over here"})).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        endpoint.run(&task, &stores(&task, &fixture));
        let records = read(&Endpoint::json(&kafka.plaintext).config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
    }
}

#[test]
fn certificates_that_do_not_do_are_told_by_their_option() {
    let Some(kafka) = services::kafka() else { return };
    let client = "check tls_certificates.client_certificate and client_key";
    for (endpoint, parts) in [
        (
            certified(&kafka.ssl, json!({"ca_certificate": pem(&kafka.other_ca)})),
            [
                "certificate verify failed",
                "give the authority's certificate in tls_certificates.ca_certificate",
            ],
        ),
        (certified(&kafka.mtls, json!({"ca_certificate": pem(&kafka.ca)})), ["alert", client]),
        (
            certified(&kafka.mtls, own(&kafka.ca, &kafka.other_client_certificate, &kafka.other_client_key)),
            ["alert", client],
        ),
        (
            certified(&kafka.mtls, own(&kafka.ca, &kafka.client_certificate, &kafka.other_client_key)),
            [
                "starting the Kafka client: ",
                "; check that tls_certificates.client_key is the key of client_certificate",
            ],
        ),
        (
            certified(
                &kafka.mtls,
                json!({
                    "ca_certificate": pem(&kafka.ca),
                    "client_certificate": pem(&kafka.client_certificate),
                    "client_key": pem(&kafka.client_key_encrypted),
                    "client_key_password": "not-this",
                }),
            ),
            ["starting the Kafka client: ssl.key.pem", "check tls_certificates.client_key and its password"],
        ),
        (
            certified(
                &kafka.ssl,
                json!({"ca_certificate": "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"}),
            ),
            ["ssl.ca.pem", "check tls_certificates.ca_certificate"],
        ),
    ] {
        assert_says(&endpoint.validate().failure(), &parts);
    }
}

fn certified(brokers: &str, certificates: Value) -> Endpoint {
    Endpoint::json(brokers).set("tls", json!("system_certificates")).set("tls_certificates", certificates)
}

fn own(ca: &Path, certificate: &Path, key: &Path) -> Value {
    json!({"ca_certificate": pem(ca), "client_certificate": pem(certificate), "client_key": pem(key)})
}

fn pem(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// What is set beside the options reaches librdkafka, and what it does not take is told before anything runs.
#[test]
fn properties_of_the_client() {
    let Some(kafka) = services::kafka() else { return };
    let with = |properties: Value| {
        Endpoint::json(&kafka.plaintext).set("advanced", json!({"client_properties": properties}))
    };
    let endpoint =
        with(json!({"linger.ms": 7, "batch.size": 20000, "client.id": "somebody", "debug": "msg"}));
    let topic = unique("properties");
    let mut task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    let documents: Vec<_> = (0..500).map(|id| json!({"id": id, "text": "again and again"})).collect();
    let fixture = transaction(documents.iter().map(|document| (0, document)));
    let requests = requests_of("somebody", &kafka, || endpoint.run(&task, &stores(&task, &fixture)));
    assert!(!requests.is_empty(), "no request bears the name that was set");
    let records = read(&endpoint.config, &[&topic], documents.len());
    assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);

    for (properties, parts) in [
        (
            json!({"no.such.property": "hunter2"}),
            [
                "setting no.such.property was refused: ",
                "No such configuration property: \"no.such.property\"; see advanced.client_properties",
            ],
        ),
        (
            json!({"linger.ms": "hunter2"}),
            [
                "/advanced/client_properties/linger.ms is \"***\": ",
                "expected a number of milliseconds in decimal digits",
            ],
        ),
        (
            json!({"client.dns.lookup": "hunter2"}),
            ["setting client.dns.lookup was refused: ", "Invalid value \"***\" for configuration property"],
        ),
        (
            json!({"reconnect.backoff.ms": 20000}),
            ["starting the Kafka client: ", "`reconnect.backoff.max.ms`"],
        ),
        (
            json!({"batch.size": "0x1000000"}),
            [
                "/advanced/client_properties/batch.size is \"***\": ",
                "expected a whole number in decimal digits",
            ],
        ),
        (json!({"batch.size": 0}), ["setting batch.size was refused: ", "outside allowed range"]),
        (json!({"acks": "1"}), ["/advanced/client_properties/acks: ", "this property cannot be set here"]),
    ] {
        let message = with(properties.clone()).validate().failure();
        assert_says(&message, &parts);
        assert!(!message.contains("hunter2"), "{message}");
        task.spec.config_json = serde_json::to_vec(&with(properties).config).unwrap().into();
        assert_says(&endpoint.ask_open(&task).failure(), &parts);
    }
}
