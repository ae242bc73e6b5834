//! Shards that are split, and sessions that should be dead but are not.

use std::sync::mpsc;
use std::thread;

use materialize_kafka::protocol::messages::request;

use crate::common::services;
use crate::endpoint::assert_says;
use crate::landed::{assert_once, read, tally, wait_for};
use crate::player::{Shard, Task, pause, signal};

/// The parent was killed in the middle of a transaction, its last one in Kafka was not committed by the runtime, and the
/// children open at different times.
#[test]
fn children_of_a_split_go_on_where_their_parent_was_in_kafka() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut parent) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    let mut session = parent.open(&task);
    session.transact(100, &mut parent);
    session.flush();
    session.store(100);
    session.start_commit();
    session.started_commit();
    session.kill();

    let (mut left, mut right) = parent.split();
    let mut session = left.open(&task);
    assert_eq!(session.position, 200, "what Kafka has, though the runtime does not know");
    session.transact(100, &mut left);
    session.transact(100, &mut left);
    let mut later = right.open(&task);
    assert_eq!(later.position, 200, "the parent's record, which the left one's does not replace");
    later.transact(100, &mut right);
    session.transact(50, &mut left);
    session.kill();
    let mut session = left.open(&task);
    assert_eq!(session.position, 450, "its own record by now");
    session.transact(0, &mut left);
    session.end();
    later.transact(150, &mut right);
    later.end();
    assert_once(&task, 450);
}

/// Shards that share one state, as the runtime may have it. A parent's entry goes when each of its children has committed, and
/// not before: the later one goes on from it.
#[test]
fn entries_of_a_shared_state_that_nobody_needs_are_removed() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut parent) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    let mut session = parent.open(&task);
    session.transact(100, &mut parent);
    session.end();
    let (mut left, mut right) = parent.split();
    for _ in 0..2 {
        let mut session = left.open(&task);
        session.transact(100, &mut left);
        session.end();
        assert_eq!(ranges(&left), ["00000000-7fffffff", "00000000-ffffffff"]);
    }
    right.state = left.state.clone();
    let mut session = right.open(&task);
    assert_eq!(session.position, 100, "the parent's record");
    session.transact(200, &mut right);
    assert_eq!(ranges(&right), ["00000000-7fffffff", "80000000-ffffffff"]);
    session.end();
    left.state = right.state.clone();
    let mut session = left.open(&task);
    assert_eq!(session.position, 300);
    session.transact(50, &mut left);
    session.end();
    let mut session = right.open(&task);
    session.transact(50, &mut right);
    session.end();
    assert_once(&task, 350);
}

/// Of the entries in a shard's state.
fn ranges(shard: &Shard) -> Vec<String> {
    let entries = shard.state["exactly_once"]["shards"].as_object().unwrap();
    entries.keys().map(|id| id.rsplit('/').next().unwrap().to_owned()).collect()
}

/// It wrote, was stopped, and goes on writing when its children have opened: its documents must not be seen.
fn zombie_of_a_parent(transactions_before: u32) {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut parent) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    let mut zombie = parent.open(&task);
    for _ in 0..transactions_before {
        zombie.transact(50, &mut parent);
    }
    let from = parent.position;
    zombie.flush();
    zombie.store(100);
    wait_for(&task, from + 100);
    signal(&zombie.connector, "STOP");

    let (mut left, mut right) = parent.split();
    let mut session = left.open(&task);
    assert_eq!(session.position, from);
    session.transact(200, &mut left);
    signal(&zombie.connector, "CONT");
    zombie.store(50);
    zombie.start_commit();
    assert_says(&zombie.failure(), &["another instance of this task took over"]);
    let mut later = right.open(&task);
    assert_eq!(later.position, from);
    later.transact(200, &mut right);
    session.end();
    later.end();
    assert_once(&task, from + 200);
    let uncommitted = tally(&task, "read_uncommitted", from + 200);
    assert!(uncommitted.doubled >= 100, "the zombie had written: {uncommitted:?}");
}

#[test]
fn the_zombie_of_a_parent_is_fenced_by_its_children() {
    zombie_of_a_parent(2);
}

/// No record but its registration tells that it is there.
#[test]
fn the_zombie_of_a_parent_is_fenced_in_its_first_transaction_too() {
    zombie_of_a_parent(0);
}

#[test]
fn a_session_that_another_one_of_the_same_shard_takes_over_from_ends_with_the_reason() {
    let Some(kafka) = services::kafka() else { return };
    let (task, mut shard) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    let mut first = shard.open(&task);
    first.transact(10, &mut shard);
    first.flush();
    first.store(10);
    wait_for(&task, 20);
    let mut second = shard.open(&task);
    second.transact(20, &mut shard);
    first.start_commit();
    assert_says(
        &first.failure(),
        &[
            &format!("transaction materialize-kafka/{}/00000000-ffffffff: ", task.spec.name),
            "another instance of this task took over (",
            "_FENCED",
            "; if none is to run beside this one, find who uses this transactional id",
        ],
    );
    second.end();
    assert_once(&task, 30);
}

/// Parent and child, both in their first transaction: whichever of the two comes later fences the other. At the very same
/// time they fence each other, and neither goes on.
#[test]
fn sessions_that_open_at_once_do_not_both_go_on() {
    let Some(kafka) = services::kafka() else { return };
    let mut written = 0;
    for later in [Later::By(0), Later::By(60), Later::By(150), Later::WhenOpen] {
        let (task, parent) = Task::new(&kafka.plaintext, &serde_json::json!({}));
        let (left, _) = parent.split();
        // Any step may be its last one.
        let write = |shard: &Shard, opened: Option<mpsc::Sender<()>>| {
            let Some(mut session) = shard.try_opened(&task, shard.start(&task)) else { return };
            if let Some(opened) = opened {
                let _nobody_waits = opened.send(());
            }
            let _ended = session.connector.try_send(request::Flush::default());
            drop(session.connector.try_receive());
            session.store(40);
            pause(1500);
            session.start_commit();
            drop(session.connector.try_receive());
            session.connector.end();
        };
        let (opened, is_open) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| write(&parent, Some(opened)));
            match later {
                Later::By(milliseconds) => pause(milliseconds),
                Later::WhenOpen => is_open.recv().expect("the parent opens as long as it is alone"),
            }
            write(&left, None);
        });
        assert_eq!(tally(&task, "read_committed", 40).doubled, 0);
        written += 40 - tally(&task, "read_committed", 40).lost;
    }
    assert!(written > 0, "nobody wrote, which proves nothing");
}

/// When the second of two sessions begins to open.
#[derive(Clone, Copy)]
enum Later {
    /// So many milliseconds after the first.
    By(u64),
    /// As soon as the first is open, which fences it: this one writes, however slow the machine.
    WhenOpen,
}

#[test]
fn merged_shards_are_refused_with_the_remedy_which_helps() {
    let Some(kafka) = services::kafka() else { return };
    let (mut task, mut parent) = Task::new(&kafka.plaintext, &serde_json::json!({}));
    let mut session = parent.open(&task);
    session.transact(10, &mut parent);
    session.end();
    let (mut left, _) = parent.split();
    let mut session = left.open(&task);
    session.transact(10, &mut left);
    session.end();
    // The merged shard: its state is that of both.
    parent.state = left.state.clone();
    assert_says(
        &parent.open_fails(&task),
        &[
            "the newest progress record materialize-kafka/",
            "/00000000-7fffffff is of the range 00000000-7fffffff, which does not cover this shard's 00000000-ffffffff",
            "set advanced.delivery to at_least_once until a transaction is committed",
        ],
    );
    task.deliver("at_least_once", &mut parent);
    let mut session = parent.open(&task);
    session.transact(10, &mut parent);
    session.end();
    task.deliver("exactly_once", &mut parent);
    let mut session = parent.open(&task);
    assert_eq!(session.position, 20, "the runtime's");
    session.transact(10, &mut parent);
    session.end();
    assert_eq!(tally(&task, "read_committed", 30).lost, 0);
    assert!(!read(&task, "read_committed").is_empty());
}
