//! The only broker there is goes away.

use std::thread;
use std::time::Duration;

use crate::brokers::{ONE, each_way, stall};
use crate::flow::{Flow, SMALL};

/// Three tasks, each with another way to deliver. Twice: while documents are stored, and while StartCommit waits.
#[test]
fn killed_within_the_stall_limit() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flows = each_way(&stall(brokers.config(), "60s")).map(|(_, config)| {
        let mut flow = Flow::new(&config, &SMALL);
        flow.open();
        flow.transact_some(2);
        flow
    });
    for committing in [false, true] {
        let before = flows.each_mut().map(|flow| {
            flow.begin(SMALL.keys).unwrap();
            let before = if committing { SMALL.keys } else { flow.chance.below(SMALL.keys) };
            flow.store(before).unwrap();
            before
        });
        for flow in &mut flows {
            if committing {
                flow.start_commit().unwrap();
            } else {
                flow.chance.sleep(Duration::from_millis(80));
            }
        }
        brokers.cluster.kill(1);
        thread::scope(|scope| {
            scope.spawn(|| brokers.cluster.restart(1));
            for (flow, before) in flows.iter_mut().zip(before) {
                if !committing {
                    flow.store(SMALL.keys - before).and_then(|()| flow.start_commit()).unwrap();
                }
                if flow.started_commit().is_err() {
                    panic!("the session died: {:?}", flow.ended());
                }
                flow.note_commit();
                flow.acknowledge().unwrap();
            }
        });
    }
    for mut flow in flows {
        flow.transact_some(2);
        flow.close_and_count(brokers.direct()).assert_exact();
    }
}

#[test]
fn killed_beyond_the_stall_limit() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = Flow::new(&stall(brokers.config(), "5s"), &SMALL);
    flow.open();
    flow.transact_some(2);
    flow.begin(SMALL.keys).unwrap();
    flow.store(SMALL.keys / 2).unwrap();
    brokers.cluster.kill(1);
    // It may end at any point of this.
    let _died = flow.store(SMALL.keys / 2).and_then(|()| flow.start_commit());
    let ended = flow.ended();
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let message = ended.message();
    assert!(message.starts_with("no message was acknowledged for 5 s while "), "{message}");
    assert!(message.contains(&format!("at the brokers {}", brokers.direct())), "{message}");
    assert!(message.contains("Connection refused") || message.contains("Disconnected"), "{message}");
    brokers.cluster.restart(1);
    flow.open();
    flow.transact_some(2);
    flow.close_and_count(brokers.direct()).assert_nothing_lost();
}
