//! `materialize-kafka check` against the real servers: which step fails, and what the brokers tell of rights.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::broker::{Admin, Change, acl, acl_of_transactional_ids, unique};
use crate::common::services::{self, Login};
use crate::endpoint::Endpoint;

/// Checks a configuration on a machine that trusts one authority alone.
fn check(endpoint: &Endpoint, ca: Option<&Path>, topics: &[&str]) -> (Value, bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, endpoint.config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["check", "--output", "json", "--config"]).arg(&path);
    for topic in topics {
        command.args(["--topic", topic]);
    }
    if let Some(ca) = ca {
        command.env("SSL_CERT_FILE", ca);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for secret in ["-secret", "n0t-the-password"] {
        assert!(!text.contains(secret), "{text}");
    }
    (serde_json::from_str(&text).unwrap(), output.status.success())
}

/// Status and result of a step that has one finding, or of the one about `subject`.
fn finding<'a>(whole: &'a Value, check: &str, subject: &str) -> (&'a str, &'a str) {
    let found =
        whole["checks"].as_array().unwrap().iter().find(|finding| {
            finding["check"] == check && (subject.is_empty() || finding["subject"] == subject)
        });
    let found = found.unwrap_or_else(|| panic!("no {check} of {subject:?} in {whole:#}"));
    (found["status"].as_str().unwrap(), found["result"].as_str().unwrap())
}

#[test]
fn every_step_of_every_way_to_connect() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let (there, missing) = (unique("there"), unique("missing"));
    Admin::at(&kafka.plaintext).create(&there, 2);
    let wrong = Login { password: "n0t-the-password".into(), ..kafka.user.clone() };
    let plain = Endpoint::json(&kafka.plaintext);
    let secure = |login: &Login| Endpoint::json(&kafka.sasl_ssl).login("SCRAM-SHA-512", login).tls(&kafka.ca);
    let cases = [
        (
            plain.clone().registry(&registry.url, &registry.login),
            Some(&kafka.ca),
            ["skipped", "skipped", "ok"],
        ),
        (Endpoint::json(&kafka.ssl).tls(&kafka.ca), Some(&kafka.ca), ["ok", "skipped", "ok"]),
        (secure(&kafka.user), Some(&kafka.ca), ["ok", "ok", "ok"]),
        (
            Endpoint::json(&kafka.sasl_plaintext).login("PLAIN", &kafka.user),
            Some(&kafka.ca),
            ["skipped", "ok", "ok"],
        ),
        (secure(&wrong), Some(&kafka.ca), ["ok", "failed", "skipped"]),
        (
            Endpoint::json(&kafka.sasl_plaintext).login("PLAIN", &wrong),
            None,
            ["skipped", "failed", "skipped"],
        ),
        (secure(&kafka.user), Some(&kafka.other_ca), ["failed", "skipped", "skipped"]),
        (plain.clone().tls(&kafka.ca), Some(&kafka.ca), ["failed", "skipped", "skipped"]),
        // A port that wants TLS or a login hangs up without a word.
        (Endpoint::json(&kafka.ssl), None, ["skipped", "skipped", "failed"]),
    ];
    thread::scope(|scope| {
        for (endpoint, ca, expected) in cases {
            let (there, missing) = (&there, &missing);
            scope.spawn(move || {
                let (whole, ok) = check(&endpoint, ca.map(|ca| ca.as_path()), &[there, missing]);
                let found = ["TLS", "login", "brokers"].map(|step| finding(&whole, step, "").0);
                assert_eq!(found, expected, "{whole:#}");
                let well = expected[2] == "ok";
                assert_eq!(ok, well, "{whole:#}");
                if well {
                    assert!(finding(&whole, "brokers", "").1.starts_with("1 broker, cluster "), "{whole:#}");
                    assert_eq!(finding(&whole, "topic", there), ("ok", "it has 2 partitions"));
                    assert_eq!(finding(&whole, "rights", there), ("ok", "this user may Describe, Write"));
                    assert_eq!(finding(&whole, "max.message.bytes", there), ("ok", "1048588 bytes"));
                    let created = "Apply can create it, with 3 partitions and replication factor 1";
                    assert_eq!(finding(&whole, "topic", missing), ("ok", created));
                } else {
                    assert_eq!(finding(&whole, "topic", there).0, "skipped");
                }
                let registry = finding(&whole, "schema registry", "").0;
                let is_configured = endpoint.config.get("schema_registry").is_some();
                assert_eq!(registry, if is_configured { "ok" } else { "skipped" });
            });
        }
    });
    // Nothing was created by asking.
    let (whole, _) = check(&plain, None, &[&missing]);
    assert!(finding(&whole, "topic", &missing).1.starts_with("Apply can create it"), "{whole:#}");
}

#[test]
fn rights_that_lack_and_topics_that_cannot_be_created_are_told() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("seen");
    Admin::at(&kafka.plaintext).create(&topic, 1);
    let limited = Endpoint::json(&kafka.sasl_plaintext).login("PLAIN", &kafka.limited);
    let (whole, ok) = check(&limited, None, &[&topic]);
    assert!(!ok);
    let (status, result) = finding(&whole, "topic", &topic);
    assert_eq!(status, "failed");
    assert!(result.starts_with("this user may not see whether it is there"), "{result}");

    acl(&kafka, Change::Allow, &["Describe"], &topic);
    let (whole, ok) = check(&limited, None, &[&topic]);
    assert!(!ok);
    assert_eq!(finding(&whole, "topic", &topic).0, "ok");
    assert_eq!(finding(&whole, "rights", &topic), ("failed", "this user lacks Write"));
    assert_eq!(finding(&whole, "max.message.bytes", &topic).0, "warning", "DescribeConfigs is not allowed");

    let missing = unique("missing");
    let many = Endpoint::json(&kafka.plaintext).set("topic_replication_factor", json!(3));
    let (whole, ok) = check(&many, None, &[&missing]);
    assert!(!ok);
    let (status, result) = finding(&whole, "topic", &missing);
    assert_eq!(status, "failed");
    assert!(result.contains("INVALID_REPLICATION_FACTOR"), "{result}");
}

/// Asking who may do what takes rights on the cluster; trying does not.
#[test]
fn whether_transactions_can_be_had_is_tried() {
    let Some(kafka) = services::kafka() else { return };
    let advanced = json!({"delivery": "exactly_once", "progress_topic": unique("progress")});
    let limited = Endpoint::json(&kafka.sasl_plaintext)
        .login("PLAIN", &kafka.limited)
        .set("advanced", advanced.clone());
    acl_of_transactional_ids(&kafka, Change::Withdraw);
    let (whole, ok) = check(&limited, None, &[]);
    assert!(!ok);
    let (status, result) = finding(&whole, "transactions", "");
    assert!(status == "failed" && result.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "{whole:#}");
    assert!(
        whole
            .to_string()
            .contains("allow this user Describe and Write on the transactional ids that begin with"),
        "{whole:#}"
    );
    acl_of_transactional_ids(&kafka, Change::Allow);
    let (whole, _) = check(&limited, None, &[]);
    assert_eq!(finding(&whole, "transactions", "").0, "ok", "{whole:#}");
    acl_of_transactional_ids(&kafka, Change::Withdraw);

    let long = Endpoint::json(&kafka.plaintext).set("advanced", advanced);
    let (whole, ok) = check(&long, None, &[]);
    assert!(ok, "{whole:#}");
    let mut long = long;
    long.config["advanced"]["transaction_timeout"] = json!("1h");
    let (whole, ok) = check(&long, None, &[]);
    assert!(!ok);
    assert!(finding(&whole, "transactions", "").1.contains("INVALID_TRANSACTION_TIMEOUT"), "{whole:#}");
    // Where it is not configured, nothing is tried.
    let (whole, _) = check(&Endpoint::json(&kafka.plaintext), None, &[]);
    assert!(!whole.to_string().contains("transactions"), "{whole:#}");
}

/// The findings of a step about a topic: status and result.
fn all<'a>(whole: &'a Value, check: &str, subject: &str) -> Vec<(&'a str, &'a str)> {
    let of = |finding: &&Value| finding["check"] == check && finding["subject"] == subject;
    let found = whole["checks"].as_array().unwrap().iter().filter(of);
    found.map(|finding| (finding["status"].as_str().unwrap(), finding["result"].as_str().unwrap())).collect()
}

/// As Validate has them (`validate`): refused, or told.
#[test]
fn topics_that_are_not_as_they_are_configured_are_told() {
    let Some(kafka) = services::kafka() else { return };
    let (there, missing) = (unique("there"), unique("missing"));
    Admin::at(&kafka.plaintext).create(&there, 1);
    let advanced = |advanced: Value| Endpoint::json(&kafka.plaintext).set("advanced", advanced);

    let config = json!({"topic_config": {"nonsense": 1, "cleanup.policy": "compact"}});
    let (whole, ok) = check(&advanced(config), None, &[&there]);
    assert!(!ok);
    let found = all(&whole, "topic_config", &there);
    assert_eq!(found.iter().map(|(status, _)| *status).collect::<Vec<_>>(), ["warning", "failed"]);
    assert!(
        found[0].1.starts_with("its cleanup.policy is \"delete\", and \"compact\" is configured"),
        "{found:?}"
    );
    assert!(found[1].1.ends_with("the brokers know no property \"nonsense\" of topics"), "{found:?}");

    let config = json!({"client_properties": {"batch.size": "5000000"}});
    let (whole, ok) = check(&advanced(config.clone()), None, &[&there, &missing]);
    assert!(!ok);
    let [("failed", of_there)] = all(&whole, "max.message.bytes", &there)[..] else { panic!("{whole:#}") };
    assert!(of_there.contains("are more than the 1048588 that it takes"), "{of_there}");
    let [("warning", of_missing)] = all(&whole, "max.message.bytes", &missing)[..] else {
        panic!("{whole:#}")
    };
    assert!(of_missing.ends_with("by Kafka's default"), "{of_missing}");

    let small = json!({"client_properties": config["client_properties"], "topic_config": {"max.message.bytes": 4_999_999}});
    let (whole, ok) = check(&advanced(small), None, &[&missing]);
    assert!(!ok && all(&whole, "max.message.bytes", &missing)[0].0 == "failed", "{whole:#}");
}

#[test]
fn a_progress_topic_that_will_not_do_is_told() {
    let Some(kafka) = services::kafka() else { return };
    let several = unique("several");
    let deleted = unique("deleted");
    let admin = Admin::at(&kafka.plaintext);
    admin.create(&several, 3);
    admin.create(&deleted, 1);
    let check = |topic: &str| {
        let advanced = json!({"delivery": "exactly_once", "progress_topic": topic});
        check(&Endpoint::json(&kafka.plaintext).set("advanced", advanced), None, &[])
    };
    for (topic, expected) in [
        (&several, "it has 3 partitions, and must have one"),
        (&deleted, "its cleanup.policy is \"delete\", so that records may be deleted for their age"),
    ] {
        let (whole, ok) = check(topic);
        assert!(!ok);
        assert_eq!(all(&whole, "progress topic", topic), [("failed", expected)], "{whole:#}");
    }
}
