//! Exactly-once delivery through either codec, against embedded brokers: what Opened and StartedCommit carry.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use common::brokers::Servers;
use common::runtime::{Connector, build, open_request, stores};
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::{flow, request, response};
use prost::Message;
use serde_json::{Value, json};

const TASK: &str = r#"
collections:
  acme/things: {key: [/id], schema: {type: object, properties: {id: {type: integer}}, required: [id]}}
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings: [{source: acme/things, resource: {topic: things}, fields: {recommended: true}}]
"#;

const JSON: &str = r#"{"sources":{"j":{"readThrough":"7","producers":[{"id":"AQID","state":{"lastAck":"9","begin":"-1"}}]}}}"#;
/// A checkpoint that was recorded through one codec comes back through the other.
#[test]
fn a_checkpoint_that_kafka_alone_has_committed_comes_back_through_either_codec() {
    for before in [Codec::Proto, Codec::Json] {
        for after in [Codec::Proto, Codec::Json] {
            let servers = Servers::start(&["things"]);
            servers.cluster.create_topic("flow_progress", 1).unwrap();
            let mut config = servers.json();
            config["advanced"] = json!({"delivery": "exactly_once"});
            let task = build(TASK, &config);
            let documents = &stores(&task, "[\"acme/things\",{\"id\":1}]\n")[0];

            let (mut connector, opened) = open(&task.spec, before);
            assert_eq!(opened.runtime_checkpoint, "", "nothing was recorded");
            connector.flush();
            connector.store(&documents[0]);
            let checkpoint = if before == Codec::Json { JSON.as_bytes().to_vec() } else { protobuf() };
            let started = connector
                .ask(request::StartCommit { runtime_checkpoint: checkpoint.into(), ..Default::default() })
                .started_commit
                .unwrap();
            let state = started.state.unwrap();
            assert!(state.merge_patch);
            let patch: Value = serde_json::from_slice(&state.updated_json).unwrap();
            assert_eq!(
                patch,
                json!({"exactly_once": {"shards": {
                    "materialize-kafka/acme/task/00000000-ffffffff": {"sequence": 1, "token": "t"},
                }}})
            );
            connector.end().assert_clean();

            let (connector, opened) = open(&task.spec, after);
            let expected = if after == Codec::Json { JSON.as_bytes().to_vec() } else { protobuf() };
            assert_eq!(opened.runtime_checkpoint, expected, "{before:?}, then {after:?}");
            connector.end().assert_clean();
            servers.read(&["things"], 1);
        }
    }
}

/// The same checkpoint.
fn protobuf() -> Vec<u8> {
    let read: flow::Checkpoint = serde_json::from_str(JSON).unwrap();
    assert_eq!(read.sources["j"].producers[0].state.unwrap().begin, -1);
    read.encode_to_vec()
}

/// A session of a runtime that has Apply's token, and knows of no transaction.
fn open(spec: &flow::MaterializationSpec, codec: Codec) -> (Connector, response::Opened) {
    let mut connector = Connector::start(codec);
    connector.spec();
    let state_json = r#"{"exactly_once":{"token":"t"}}"#.into();
    let opened =
        connector.ask(request::Open { state_json, ..open_request(spec) }).opened.expect("Open is answered");
    connector.acknowledge();
    (connector, opened)
}
