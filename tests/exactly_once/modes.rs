//! At least once and exactly once, by turns; and transactions that are too old, or interrupted by a broker.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::services::{self, Cluster};
use crate::endpoint::assert_says;
use crate::landed::{assert_once, tally, wait_for};
use crate::player::{Task, pause};

#[test]
fn modes_are_switched_there_and_back() {
    let Some(kafka) = services::kafka() else { return };
    let (mut task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.transact(10, &mut shard);
    session.end();
    assert!(shard.state["exactly_once"]["token"].is_string(), "{}", shard.state);

    task.deliver("at_least_once", &mut shard);
    let mut session = shard.open(&task);
    assert_eq!(session.position, 20);
    session.transact(10, &mut shard);
    assert_eq!(shard.state, json!({}), "the first commit leaves nothing of it");
    session.transact(10, &mut shard);
    session.end();

    // The record of the 20th is there, and stale.
    task.deliver("exactly_once", &mut shard);
    let mut session = shard.open(&task);
    assert_eq!(session.position, 40);
    // The very first transaction is protected already.
    session.flush();
    session.store(10);
    session.start_commit();
    session.started_commit();
    session.kill();
    let mut session = shard.open(&task);
    assert_eq!(session.position, 50);
    session.transact(10, &mut shard);
    session.end();
    assert_once(&task, 60);
}

/// Where the runtime keeps no state of Apply, all but the first transaction is protected.
#[test]
fn without_a_token_from_apply_the_second_transaction_is_protected() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    shard.state = json!({});
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.flush();
    session.store(10);
    session.start_commit();
    session.started_commit();
    session.kill();
    let mut session = shard.open(&task);
    assert_eq!(session.position, 20);
    session.transact(10, &mut shard);
    session.end();
    assert_once(&task, 30);
}

/// Twice in a row Kafka commits, and the runtime does not.
#[test]
fn kafka_may_be_ahead_again_and_again() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    for times in 1..=3 {
        let mut session = shard.open(&task);
        session.flush();
        session.store(10);
        session.start_commit();
        session.started_commit();
        assert_eq!(session.position, 10 * times);
        session.kill();
    }
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.end();
    assert_once(&task, 40);
}

#[test]
fn a_transaction_beyond_its_time_out_ends_with_the_settings_name() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({"transaction_timeout": "2s"}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.flush();
    session.store(10);
    // The broker looks every ten seconds for what has timed out, and refuses what comes after.
    let waited = Instant::now();
    while session.store(1) {
        assert!(waited.elapsed() < Duration::from_secs(60), "the transaction does not time out");
        pause(1000);
    }
    assert_says(
        &session.failure(),
        &[
            "it was open for ",
            " s, longer than the 2 s that it may be",
            "; raise advanced.transaction_timeout",
        ],
    );
    let mut session = shard.open(&task);
    assert_eq!(session.position, 10);
    session.transact(26, &mut shard);
    session.end();
    assert_once(&task, 36);
}

#[test]
fn a_time_out_beyond_what_the_brokers_allow_is_refused() {
    let Some(kafka) = services::kafka() else { return };
    let (task, shard) = Task::new(&kafka.plaintext, &json!({"transaction_timeout": "16m"}));
    assert_says(
        &shard.open_fails(&task),
        &[
            "taking the transactional id over: ",
            "INVALID_TRANSACTION_TIMEOUT",
            "; set advanced.transaction_timeout to no more than transaction.max.timeout.ms of the brokers",
        ],
    );
}

/// An input that ends in mid-transaction leaves nothing open that readers would have to wait for.
#[test]
fn a_transaction_that_is_given_up_holds_no_reader_back() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &json!({}));
    let mut session = shard.open(&task);
    session.transact(10, &mut shard);
    session.flush();
    session.store(300);
    wait_for(&task, 310);
    session.end();
    // Only what comes behind the transaction tells whether it is still open: somebody else's documents.
    let mut other = task.clone();
    other.spec.name = crate::broker::unique("acme/other");
    let mut others = shard.clone();
    others.state = json!({});
    other.apply(&mut others, None);
    let mut session = others.open(&other);
    session.transact(300, &mut others);
    session.end();
    assert_once(&task, 310);
}

/// While StartCommit waits, and while documents are on their way.
#[test]
fn a_broker_that_is_restarted_during_commits_costs_and_doubles_nothing() {
    let Some(cluster) = Cluster::start(1, &[]) else { return };
    let (task, mut shard) = Task::new(cluster.bootstrap_servers(), &json!({}));
    let mut session = shard.open(&task);
    session.transact(500, &mut shard);
    for delay in [0, 5, 15, 40] {
        session.flush();
        session.store(500);
        session.start_commit();
        let started = thread::scope(|scope| {
            pause(delay);
            cluster.kill(1);
            scope.spawn(|| cluster.restart(1));
            session.started_commit()
        });
        session.commit(started, &mut shard);
        session.connector.acknowledge();
    }
    session.flush();
    session.store(300);
    cluster.kill(1);
    session.store(200);
    let started = thread::scope(|scope| {
        scope.spawn(|| cluster.restart(1));
        session.start_commit();
        session.started_commit()
    });
    session.commit(started, &mut shard);
    session.connector.acknowledge();
    session.end();
    assert_once(&task, 3000);
    assert_eq!(tally(&task, "read_uncommitted", 3000).lost, 0);
}
