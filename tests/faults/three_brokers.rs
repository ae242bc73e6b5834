//! One of three brokers fails. Topics have three replicas, and two of them must have a message.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::brokers::{Brokers, THREE, each_way, exactly_once, stall, unique};
use crate::flow::{Flow, SMALL};
use crate::proxy::Condition;

/// Tasks that deliver each in its way, with some committed transactions.
struct Tasks(Vec<(&'static str, Flow)>);

impl Tasks {
    fn open(brokers: &Brokers) -> Self {
        let open = |(way, config): (_, Value)| {
            let mut flow = Flow::new(&config, &SMALL);
            flow.open();
            flow.transact_some(2);
            (way, flow)
        };
        Self(each_way(&brokers.config()).into_iter().map(open).collect())
    }

    /// The node that leads a partition of the first task; with three partitions on three nodes, one of every other as well.
    fn leader(&self, brokers: &Brokers) -> u8 {
        brokers.leader(self.0[0].1.topic(), 0)
    }

    /// Transactions go on without a pause while something happens to the brokers, and for a few more.
    fn go_on_while(self, brokers: &Brokers, faults: impl FnOnce() + Send) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for (way, mut flow) in self.0 {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        flow.transact_some(1);
                    }
                    flow.transact_some(3);
                    eprintln!("{way}:");
                    flow.close_and_count(brokers.direct()).assert_exact();
                });
            }
            let faults = scope.spawn(faults).join();
            over.store(true, Ordering::SeqCst);
            faults.unwrap();
        });
    }
}

#[test]
fn leader_killed_and_started_again() {
    let Some(brokers) = THREE.alone() else { return };
    let tasks = Tasks::open(&brokers);
    let leader = tasks.leader(&brokers);
    tasks.go_on_while(&brokers, || {
        brokers.cluster.kill(leader);
        brokers.cluster.restart(leader);
    });
}

#[test]
fn controller_killed_and_started_again() {
    let Some(brokers) = THREE.alone() else { return };
    let tasks = Tasks::open(&brokers);
    let controller = brokers.controller();
    tasks.go_on_while(&brokers, || {
        brokers.cluster.kill(controller);
        thread::sleep(Duration::from_millis(500));
        brokers.cluster.restart(controller);
    });
}

/// Its connections stay, and nothing comes. The long run stops brokers for a minute.
#[test]
fn leader_stopped() {
    let Some(brokers) = THREE.alone() else { return };
    let tasks = Tasks::open(&brokers);
    let leader = tasks.leader(&brokers);
    tasks.go_on_while(&brokers, || {
        brokers.cluster.stop(leader);
        thread::sleep(Duration::from_secs(3));
        brokers.cluster.cont(leader);
    });
}

/// The one that coordinates the transaction, and the one that leads what it is recorded in. The record is written, and as
/// soon as the connector knows, it sends the request that ends the transaction.
#[test]
fn restarted_during_a_commit() {
    let Some(brokers) = THREE.alone() else { return };
    let config = exactly_once(brokers.through_proxies());
    let progress = config["advanced"]["progress_topic"].as_str().unwrap().to_owned();
    let mut flow = Flow::new(&config, &SMALL);
    flow.open();
    flow.transact_some(2);
    for coordinates in [true, false] {
        let id = flow.transactional_id();
        let node = if coordinates { brokers.coordinator(&id) } else { brokers.leader(&progress, 0) };
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys).unwrap();
        let recorded = brokers.end(&progress);
        // The connector does not get to know of its record until the broker is dead.
        brokers.network.answers_until(flow.token().as_bytes());
        flow.start_commit().unwrap();
        thread::scope(|scope| {
            let killed = scope.spawn(|| {
                let since = Instant::now();
                while brokers.end(&progress) == recorded {
                    assert!(since.elapsed() < Duration::from_secs(60), "nothing is recorded");
                }
                brokers.cluster.kill(node);
                let killed = Instant::now();
                brokers.network.is(Condition::Good);
                brokers.cluster.restart(node);
                killed
            });
            if flow.started_commit().is_err() {
                panic!("the session died: {:?}", flow.ended());
            }
            let answered = Instant::now();
            assert!(answered > killed.join().unwrap(), "the commit was done before the broker died");
        });
        flow.note_commit();
        flow.acknowledge().unwrap();
    }
    flow.transact_some(3);
    flow.close_and_count(brokers.direct()).assert_exact();
}

/// Tasks with topics that want all three replicas, and a follower that is dead.
struct Below {
    flows: Vec<Flow>,
    follower: u8,
}

impl Below {
    fn in_transaction(brokers: &Brokers, configs: &[Value]) -> Self {
        let mut flows: Vec<Flow> = configs
            .iter()
            .map(|config| {
                let topic = unique("all-in-sync");
                brokers.create(&topic, 1, ("min.insync.replicas", "3"));
                let mut flow = Flow::into_topic(&topic, config, &SMALL);
                flow.open();
                flow.transact_some(2);
                flow
            })
            .collect();
        let leaders: Vec<u8> = flows.iter().map(|flow| brokers.leader(flow.topic(), 0)).collect();
        let follower = (1..=3).find(|node| !leaders.contains(node)).expect("at most two of three lead");
        for flow in &mut flows {
            flow.begin(SMALL.keys).unwrap();
            flow.store(SMALL.keys / 2).unwrap();
        }
        brokers.cluster.kill(follower);
        Self { flows, follower }
    }
}

#[test]
fn below_min_insync_within_the_stall_limit() {
    let Some(brokers) = THREE.alone() else { return };
    let config = stall(brokers.config(), "60s");
    let Below { mut flows, follower } =
        Below::in_transaction(&brokers, &[config.clone(), exactly_once(config)]);
    for flow in &mut flows {
        flow.store(SMALL.keys / 2).and_then(|()| flow.start_commit()).unwrap();
    }
    // By then the controller has taken the follower out of the replicas that are in sync.
    let waits = Duration::from_millis(4_500);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(waits);
            brokers.cluster.restart(follower);
        });
        for flow in &mut flows {
            if flow.started_commit().is_err() {
                panic!("the session died: {:?}", flow.ended());
            }
            assert!(
                start.elapsed() >= waits,
                "StartedCommit after {:?}, with a replica missing",
                start.elapsed()
            );
            flow.note_commit();
            flow.acknowledge().unwrap();
        }
    });
    for mut flow in flows {
        flow.transact_some(2);
        flow.close_and_count(brokers.direct()).assert_exact();
    }
}

#[test]
fn below_min_insync_beyond_the_stall_limit() {
    let Some(brokers) = THREE.alone() else { return };
    let Below { mut flows, follower } = Below::in_transaction(&brokers, &[stall(brokers.config(), "5s")]);
    let mut flow = flows.swap_remove(0);
    // It may end at any point of this.
    let _died = flow.store(SMALL.keys / 2).and_then(|()| flow.start_commit());
    let ended = flow.ended();
    brokers.cluster.restart(follower);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let message = ended.message();
    assert!(message.starts_with("no message was acknowledged for 5 s while "), "{message}");
    assert!(message.contains(&format!("(topic \"{}\", ", flow.topic())), "{message}");
    assert!(message.contains("that enough replicas are in sync"), "{message}");
    flow.open();
    flow.transact_some(2);
    flow.close_and_count(brokers.direct()).assert_nothing_lost();
}
