//! Headers and times of messages on real brokers, as consumers that are not ours see them.

use std::process::Command;

use jiff::Timestamp;
use serde_json::json;

use crate::broker::{assert_kcat_reads, unique};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, assert_says, specification, transaction};
use crate::failures::commit;

#[test]
fn headers_and_times_land_whatever_is_promised() {
    let Some(kafka) = services::kafka() else { return };
    for delivery in ["at_least_once", "exactly_once"] {
        let topic = unique("headers");
        let advanced = json!({
            "delivery": delivery,
            "progress_topic": unique("progress"),
            "headers": {"team": "billing"},
            "header_fields": ["operation", "published_at"],
            "timestamp": "at",
            // Else the broker, which looks every five minutes, deletes them as too old.
            "topic_config": {"retention.ms": "-1"},
        });
        let endpoint = Endpoint::json(&kafka.plaintext).set("advanced", advanced);
        let task = endpoint.task(&specification(&[&topic]));
        endpoint.apply(&task);
        let document = |id: i32, op: &str| json!({"_meta": {"op": op}, "id": id, "at": format!("2026-01-31T00:00:00.{id:03}Z")});
        let documents: Vec<_> =
            (0..300).map(|id| document(id, if id % 3 == 0 { "d" } else { "c" })).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        endpoint.run(&task, &stores(&task, &fixture));
        let all = read(&endpoint.config, &[&topic], 300);
        for record in &all[&topic] {
            let key = String::from_utf8(record.key.clone().unwrap()).unwrap();
            let id: i64 = key.trim_start_matches("{\"id\":").trim_end_matches('}').parse().unwrap();
            let operation = if id % 3 == 0 { "d" } else { "c" };
            let published = published(id);
            let expected =
                [("team", "billing"), ("flow_operation", operation), ("flow_published_at", &published[..])];
            let expected = expected.map(|(name, value)| (name.to_owned(), Some(value.as_bytes().to_vec())));
            assert_eq!(record.headers, expected, "{key}");
            assert_eq!(record.timestamp, Some(1_769_817_600_000 + id), "{key}");
            assert_eq!(record.value.is_none(), operation == "d", "{key}");
        }
        assert_kcat_reads(&kafka.plaintext, &topic, &all[&topic]);
        let expected: Vec<_> = (0..300)
            .map(|id| {
                let operation = if id % 3 == 0 { "d" } else { "c" };
                format!(
                    "{} team=billing,flow_operation={operation},flow_published_at={}",
                    1_769_817_600_000_i64 + id,
                    published(id)
                )
            })
            .collect();
        assert_eq!(of_kcat(&kafka.plaintext, &topic).unwrap_or_else(|| expected.clone()), expected);
    }
}

/// Of a batch that the brokers refuse, the message is told that is at fault, and by its timestamp.
#[test]
fn a_time_that_the_topic_does_not_take_is_told_with_its_document() {
    let Some(kafka) = services::kafka() else { return };
    let refused = |far: &[i32]| {
        let topic = unique("times");
        let endpoint = Endpoint::json(&kafka.plaintext)
            .set("advanced", json!({"timestamp": "at", "client_properties": {"linger.ms": "1000"}}));
        let task = endpoint.task(&specification(&[&topic]));
        endpoint.apply(&task);
        let now = Timestamp::now();
        let document = |id: i32| {
            let at = if far.contains(&id) { "9999-01-01T00:00:00Z".to_owned() } else { now.to_string() };
            json!({"id": id, "at": at})
        };
        let documents: Vec<_> = (0..30).map(document).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        let mut session = endpoint.session(&task);
        commit(&mut session, &stores(&task, &fixture)[0]);
        let failure = endpoint.failure(session);
        let message = format!("topic \"{topic}\" (binding 0, collection acme/0): a message of ");
        assert!(failure.starts_with(&message), "{failure}");
        assert!(far.iter().any(|id| failure.contains(&format!("(key {{\"id\":{id}}})"))), "{failure}");
        assert!(failure.contains("message.timestamp.after.max.ms"), "{failure}");
        assert!(!failure.contains("or the other one"), "{failure}");
        assert!(failure.chars().all(|c| !c.is_control() && c != '\u{fffd}'), "{failure:?}");
        failure
    };
    assert_says(
        &refused(&[29]),
        &[
            "INVALID_TIMESTAMP",
            "; the topic takes no timestamp that is so far from the brokers' time: raise its ",
        ],
    );
    assert_says(&refused(&(10..30).collect::<Vec<_>>()), &["INVALID_RECORD"]);
}

/// When a fixture's documents are published: one a second from the first day of 1970 on.
fn published(id: i64) -> String {
    format!("1970-01-01T00:{:02}:{:02}.000000000Z", id / 60, id % 60)
}

/// Timestamps and headers as kcat prints them, by time; none where it cannot be run.
fn of_kcat(brokers: &str, topic: &str) -> Option<Vec<String>> {
    let arguments = ["-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%T %h\n"];
    // That it is needed, or missed, is said by whoever asks it for keys and values.
    let output = Command::new("kcat").args(arguments).output().ok()?;
    let mut lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    Some(lines)
}
