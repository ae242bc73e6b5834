//! What the log tells of a session with real brokers.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::broker::{Admin, unique};
use crate::common::runtime::stores;
use crate::common::services;
use crate::endpoint::{Endpoint, specification, transaction};

/// What librdkafka tells of itself comes every 10 s.
#[test]
fn the_figures_of_the_brokers_are_in_the_log() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("watched");
    // A broker that has just heard of a topic may refuse its first messages, which are then tried again.
    Admin::at(&kafka.plaintext).create(&topic, 3);
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = endpoint.task(&specification(&[&topic]));
    let mut session = endpoint.session(&task);
    let fixture = transaction([(0, &json!({"id": 7, "text": "seven"}))]);
    let documents = stores(&task, &fixture).remove(0);
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < Duration::from_secs(21) {
        session.transact(&documents);
        number += 1;
        thread::sleep(Duration::from_millis(200));
    }
    let ended = session.end();
    let most = 2 + usize::try_from(start.elapsed().as_secs() / 10).unwrap();
    ended.assert_clean();
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<&Value> = lines.iter().filter(|line| line["message"] == "committed").collect();
    assert!(told.len() <= most, "{} lines of {number} commits", told.len());
    let commits: u64 = told.iter().filter_map(|line| line["commits"].as_u64()).sum();
    assert_eq!(commits, number);
    let last = told.last().unwrap();
    assert_eq!((last["in_flight"].as_u64(), last["retries"].as_u64()), (Some(0), Some(0)), "{last}");
    assert_eq!(last["acknowledged"], last["stored"], "{last}");
    for field in ["round_trip_ms", "round_trip_p99_ms", "sent_bytes", "stored_bytes"] {
        assert!(last[field].as_f64().unwrap() > 0.0, "{field} of {last}");
    }
    assert!(last["slowest_broker"].as_str().unwrap().contains(&kafka.plaintext), "{last}");
}
