//! One of three brokers fails. Topics have three replicas, and two of them must have a message.

use std::thread;
use std::time::{Duration, Instant};

use crate::brokers::{Brokers, THREE, stall, unique};
use crate::flow::{Flow, SMALL};

/// Transactions go on without a pause while something happens to the brokers, and for a few more.
fn go_on_while(brokers: &Brokers, mut flow: Flow, faults: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let faults = scope.spawn(faults);
        while !faults.is_finished() {
            flow.transact_some(1);
        }
        faults.join().unwrap();
    });
    flow.transact_some(3);
    flow.close_and_count(brokers.direct()).assert_exact();
}

fn flow(brokers: &Brokers) -> Flow {
    let mut flow = Flow::new(&brokers.config(), &SMALL);
    flow.open();
    flow.transact_some(2);
    flow
}

#[test]
fn leader_killed_and_started_again() {
    let Some(brokers) = THREE.alone() else { return };
    let flow = flow(&brokers);
    let leader = brokers.leader(flow.topic(), 0);
    go_on_while(&brokers, flow, || {
        brokers.cluster.kill(leader);
        brokers.cluster.restart(leader);
    });
}

#[test]
fn controller_killed_and_started_again() {
    let Some(brokers) = THREE.alone() else { return };
    let flow = flow(&brokers);
    let controller = brokers.controller();
    go_on_while(&brokers, flow, || {
        brokers.cluster.kill(controller);
        thread::sleep(Duration::from_millis(500));
        brokers.cluster.restart(controller);
    });
}

/// Its connections stay, and nothing comes. The long run stops brokers for a minute.
#[test]
fn leader_stopped() {
    let Some(brokers) = THREE.alone() else { return };
    let flow = flow(&brokers);
    let leader = brokers.leader(flow.topic(), 0);
    go_on_while(&brokers, flow, || {
        brokers.cluster.stop(leader);
        thread::sleep(Duration::from_secs(3));
        brokers.cluster.cont(leader);
    });
}

/// A topic that wants all three replicas, and a follower that is dead.
struct Below {
    flow: Flow,
    follower: u8,
}

impl Below {
    fn in_transaction(brokers: &Brokers, stall_timeout: &str) -> Self {
        let topic = unique("all-in-sync");
        brokers.create(&topic, 1, ("min.insync.replicas", "3"));
        let mut flow = Flow::into_topic(&topic, &stall(brokers.config(), stall_timeout), &SMALL);
        flow.open();
        flow.transact_some(2);
        let leader = brokers.leader(&topic, 0);
        let follower = if leader == 1 { 2 } else { 1 };
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys / 2).unwrap();
        brokers.cluster.kill(follower);
        Self { flow, follower }
    }
}

#[test]
fn below_min_insync_within_the_stall_limit() {
    let Some(brokers) = THREE.alone() else { return };
    let Below { mut flow, follower } = Below::in_transaction(&brokers, "60s");
    flow.store(SMALL.keys / 2).and_then(|()| flow.start_commit()).unwrap();
    // By then the controller has taken the follower out of the replicas that are in sync.
    let waits = Duration::from_millis(4_500);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(waits);
            brokers.cluster.restart(follower);
        });
        if flow.started_commit().is_err() {
            panic!("the session died: {:?}", flow.ended());
        }
        assert!(
            start.elapsed() >= waits,
            "StartedCommit after {:?}, with a replica missing",
            start.elapsed()
        );
    });
    flow.note_commit();
    flow.acknowledge().unwrap();
    flow.transact_some(2);
    flow.close_and_count(brokers.direct()).assert_exact();
}

#[test]
fn below_min_insync_beyond_the_stall_limit() {
    let Some(brokers) = THREE.alone() else { return };
    let Below { mut flow, follower } = Below::in_transaction(&brokers, "3s");
    // It may end at any point of this.
    let _died = flow.store(SMALL.keys / 2).and_then(|()| flow.start_commit());
    let ended = flow.ended();
    brokers.cluster.restart(follower);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let message = ended.message();
    assert!(message.starts_with("no message was acknowledged for 3 s while "), "{message}");
    assert!(message.contains(&format!("(topic \"{}\", ", flow.topic())), "{message}");
    assert!(message.contains("that enough replicas are in sync"), "{message}");
    flow.open();
    flow.transact_some(2);
    flow.close_and_count(brokers.direct()).assert_nothing_lost();
}
