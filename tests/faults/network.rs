//! The network between the connector and a broker.

use std::thread;
use std::time::{Duration, Instant};

use crate::brokers::{Brokers, ONE, THREE, exactly_once, stall};
use crate::flow::{Flow, LARGE};
use crate::proxy::Condition;

fn flow(brokers: &Brokers, stall_timeout: &str) -> Flow {
    let mut flow = Flow::new(&stall(brokers.through_proxies(), stall_timeout), &LARGE);
    flow.open();
    flow.transact(LARGE.keys);
    flow
}

/// Stores half of a transaction, and the other half under a condition of the network that lasts a while from then on.
/// Gives the time that the second half took.
fn transact_while(flow: &mut Flow, brokers: &Brokers, condition: Condition, lasts: Duration) -> Duration {
    flow.begin(LARGE.keys).unwrap();
    let before = flow.chance.below(LARGE.keys);
    flow.store(before).unwrap();
    flow.chance.sleep(Duration::from_millis(80));
    let (start, mut took) = (Instant::now(), Duration::ZERO);
    brokers.network.is(condition);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(lasts);
            brokers.network.is(Condition::Good);
        });
        let done = flow.store(LARGE.keys - before).and_then(|()| flow.start_commit());
        if done.and_then(|()| flow.started_commit()).is_err() {
            panic!("the session died: {:?}", flow.ended());
        }
        took = start.elapsed();
    });
    flow.note_commit();
    flow.acknowledge().unwrap();
    took
}

#[test]
fn cut_for_a_while() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    for _ in 0..2 {
        transact_while(&mut flow, &brokers, Condition::Cut, Duration::from_millis(700));
    }
    flow.transact(LARGE.keys);
    flow.close_and_count(brokers.direct()).assert_exact();
}

#[test]
fn silent_for_a_while() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    for _ in 0..2 {
        transact_while(&mut flow, &brokers, Condition::Silent, Duration::from_millis(700));
    }
    flow.transact(LARGE.keys);
    flow.close_and_count(brokers.direct()).assert_exact();
}

/// Kafka's transactions ask more of the network: partitions are added, and a transaction ends at its coordinator.
#[test]
fn ill_while_transactions_go_to_three_brokers() {
    let Some(brokers) = THREE.alone() else { return };
    let config = stall(exactly_once(brokers.through_proxies()), "20s");
    let mut flow = Flow::new(&config, &LARGE);
    flow.open();
    flow.transact(LARGE.keys);
    let delayed = Condition::Delayed(Duration::from_millis(200));
    for condition in [Condition::Cut, Condition::Silent, delayed, Condition::Throttled(1_000_000)] {
        transact_while(&mut flow, &brokers, condition, Duration::from_millis(700));
    }
    let before = brokers.network.resets();
    for round in 1..=6 {
        flow.begin(LARGE.keys).unwrap();
        if round % 2 == 0 {
            brokers.network.lose_next_answer();
        } else {
            brokers.network.reset_next_request();
        }
        flow.store(LARGE.keys)
            .and_then(|()| flow.start_commit())
            .and_then(|()| flow.started_commit())
            .unwrap();
        flow.note_commit();
        flow.acknowledge().unwrap();
        assert_eq!(brokers.network.resets(), before + round, "nothing was broken off");
    }
    flow.close_and_count(brokers.direct()).assert_exact();
}

/// Nobody comes back: the session ends with the error, and the next one delivers what is due.
#[test]
fn cut_beyond_the_stall_limit() {
    let Some(brokers) = ONE.alone() else { return };
    for condition in [Condition::Cut, Condition::Silent] {
        let mut flow = flow(&brokers, "5s");
        flow.begin(LARGE.keys).unwrap();
        flow.store(LARGE.keys / 2).unwrap();
        brokers.network.is(condition);
        let start = Instant::now();
        // It may end at any point of this.
        let _died = flow.store(LARGE.keys / 2).and_then(|()| flow.start_commit());
        let ended = flow.ended();
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        let message = ended.message();
        assert!(message.starts_with("no message was acknowledged for 5 s while "), "{message}");
        assert!(message.contains(brokers.cluster.fact("proxies")), "{message}");
        brokers.network.is(Condition::Good);
        flow.open();
        flow.transact_some(2);
        flow.close_and_count(brokers.direct()).assert_nothing_lost();
    }
}

#[test]
fn delayed_by_200_ms() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    let delay = Duration::from_millis(200);
    let took = transact_while(&mut flow, &brokers, Condition::Delayed(delay), Duration::from_secs(1));
    assert!(took >= 2 * delay, "nothing was delayed: {took:?}");
    flow.close_and_count(brokers.direct()).assert_exact();
}

#[test]
fn throttled_to_1_mb_a_second() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    brokers.network.is(Condition::Throttled(1_000_000));
    let start = Instant::now();
    flow.transact(LARGE.keys);
    flow.transact(LARGE.keys);
    let took = start.elapsed();
    brokers.network.is(Condition::Good);
    assert!(took >= Duration::from_millis(1_500), "nothing was throttled: {took:?}");
    flow.close_and_count(brokers.direct()).assert_exact();
}

#[test]
fn reset_in_mid_request() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    let before = brokers.network.resets();
    for round in 1..=3 {
        brokers.network.reset_next_request();
        flow.transact(LARGE.keys);
        assert_eq!(brokers.network.resets(), before + round, "no request was broken off");
    }
    flow.transact(LARGE.keys);
    flow.close_and_count(brokers.direct()).assert_exact();
}

/// The messages are there, and the connector is not told: only an idempotent producer can send them again.
#[test]
fn reset_before_the_answer() {
    let Some(brokers) = ONE.alone() else { return };
    let mut flow = flow(&brokers, "20s");
    let before = brokers.network.resets();
    for round in 1..=5 {
        flow.begin(LARGE.keys).unwrap();
        brokers.network.lose_next_answer();
        flow.store(LARGE.keys)
            .and_then(|()| flow.start_commit())
            .and_then(|()| flow.started_commit())
            .unwrap();
        flow.note_commit();
        flow.acknowledge().unwrap();
        assert_eq!(brokers.network.resets(), before + round, "no answer was lost");
    }
    flow.close_and_count(brokers.direct()).assert_exact();
}
