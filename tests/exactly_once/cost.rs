//! What it costs: time for a transaction and for opening, beside at-least-once delivery.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::services;
use crate::player::Task;

/// `cargo test --release --test exactly_once -- --ignored cost --nocapture`
#[test]
#[ignore = "it measures, and wants a machine that is otherwise idle"]
fn cost_of_a_transaction_and_of_opening() {
    let Some(kafka) = services::kafka() else { return };
    // By turns, so that what else the machine does meets both alike.
    for round in 1..=3 {
        for delivery in ["at_least_once", "exactly_once"] {
            let (mut task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
            task.deliver(delivery, &mut shard);
            // The first session of a task makes the brokers open files.
            shard.open(&task).end();
            let before = Instant::now();
            let mut session = shard.open(&task);
            let opened = before.elapsed();
            session.transact(DOCUMENTS, &mut shard);
            let mut times: Vec<Duration> = (0..TRANSACTIONS)
                .map(|_| {
                    session.flush();
                    session.store(DOCUMENTS);
                    let before = Instant::now();
                    session.start_commit();
                    let started = session.started_commit();
                    let time = before.elapsed();
                    session.commit(started, &mut shard);
                    session.connector.acknowledge();
                    time
                })
                .collect();
            session.end();
            times.sort();
            println!(
                "round {round}, {delivery}: opened in {opened:.1?} (process start included), StartCommit to StartedCommit \
                 median {:.1?}, 9 of 10 within {:.1?}",
                times[times.len() / 2],
                times[times.len() * 9 / 10]
            );
        }
    }
}

const DOCUMENTS: u32 = 100;
const TRANSACTIONS: usize = 60;
