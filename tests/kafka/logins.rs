//! Every way to connect that can be configured ends in messages that land.

use serde_json::json;

use crate::broker::unique;
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, specification, transaction};
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
