//! A load of documents that are made, at real brokers: what it says at its end is what landed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::broker::{Admin, unique};
use crate::common::brokers::read;
use crate::common::services;
use crate::endpoint::Endpoint;

const DOCUMENTS: u64 = 30_000;

#[test]
fn a_load_says_what_landed_and_what_went_over_the_wire() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let admin = Admin::at(&kafka.plaintext);
    let plaintext = Endpoint::json(&kafka.plaintext);
    let certificates = json!({"ca_certificate": fs::read_to_string(&kafka.ca).unwrap()});
    let ways = [
        plaintext.clone().set("compression", json!("none")),
        plaintext.clone().set("compression", json!("zstd")),
        Endpoint::avro(&kafka.plaintext, &registry),
        Endpoint::json(&kafka.sasl_ssl)
            .login("SCRAM-SHA-512", &kafka.user)
            .set("tls", json!("system_certificates"))
            .set("tls_certificates", certificates),
    ];
    for endpoint in ways {
        let topic = unique("load");
        // A broker that has just heard of a topic may refuse whole batches, which are sent again.
        admin.create(&topic, 3);
        // Full batches, and at each commit the rest: on a slow machine there would be many small ones, each with its framing.
        let endpoint = endpoint.set("advanced", json!({"client_properties": {"linger.ms": 60_000}}));
        let figures = load(&endpoint.config, &topic);
        let records = read(&plaintext.config, &[&topic], usize::try_from(DOCUMENTS).unwrap());
        let bytes = records[&topic]
            .iter()
            .map(|record| [&record.key, &record.value].map(|part| part.as_ref().map_or(0, Vec::len)))
            .map(|[key, value]| key + value)
            .sum::<usize>();
        assert_eq!((&figures["documents"], &figures["transactions"]), (&json!(DOCUMENTS), &json!(6)));
        assert_eq!(figures["message_bytes"], bytes);
        // The broker writes batches as they come. A request has some framing besides, and a few are about other things.
        let written = log_bytes(&kafka.dir, &topic);
        let sent = figures["sent_bytes"].as_u64().unwrap();
        assert!(
            sent > written && sent < written + written / 50 + 4096,
            "{sent} for {written} in the log: {figures}"
        );
    }
}

/// The marks of transactions have offsets, and are given to no reader.
#[test]
fn what_was_written_in_transactions_is_read_back_without_a_wait() {
    let Some(kafka) = services::kafka() else { return };
    let advanced = json!({"delivery": "exactly_once", "progress_topic": unique("progress")});
    let endpoint = Endpoint::json(&kafka.plaintext).set("advanced", advanced);
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = preview(folder.path(), &endpoint.config, &unique("marks"))
        .args(["--transaction-size", "50", "--generate", "200", "--read-back"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 200);
    // So long a reader waits that waits in vain.
    assert!(started.elapsed() < Duration::from_secs(60), "{stderr}");
}

/// The figures of a load.
fn load(config: &Value, topic: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut command = preview(folder.path(), config, topic);
    command.args(["--transaction-size", "5000", "--sessions", "2,-1", "--generate", &DOCUMENTS.to_string()]);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A preview of a task with one topic, at the configuration's brokers.
fn preview(folder: &Path, config: &Value, topic: &str) -> Command {
    let source = folder.join("flow.json");
    let specification = json!({
        "collections": {"acme/made": {"key": ["/id"], "schema": {
            "type": "object", "required": ["id", "at", "note"],
            "properties": {
                "id": {"type": "integer"},
                "at": {"type": "string", "format": "date-time"},
                "note": {"type": "string", "minLength": 40, "maxLength": 80},
            },
        }}},
        "materializations": {"acme/load": {
            "endpoint": {"local": {"command": ["unused"], "protobuf": true, "config": config}},
            "bindings": [{"source": "acme/made", "resource": {"topic": topic}}],
        }},
    });
    fs::write(&source, specification.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["preview", "--live", "--output", "jsonl", "--source"]).arg(source);
    command.env_remove("LOG_LEVEL").env_remove("FLOW_RUNTIME_CODEC").stdin(Stdio::null());
    command
}

/// Bytes of a topic's logs at the broker.
fn log_bytes(cluster: &Path, topic: &str) -> u64 {
    let mut bytes = 0;
    for node in fs::read_dir(cluster).unwrap() {
        let Ok(partitions) = fs::read_dir(node.unwrap().path().join("data")) else { continue };
        for partition in partitions {
            let partition = partition.unwrap();
            let name = partition.file_name().into_string().unwrap();
            if name.rsplit_once('-').is_none_or(|(name, _)| name != topic) {
                continue;
            }
            for file in fs::read_dir(partition.path()).unwrap() {
                let file = file.unwrap();
                if file.path().extension().is_some_and(|extension| extension == "log") {
                    bytes += file.metadata().unwrap().len();
                }
            }
        }
    }
    bytes
}
