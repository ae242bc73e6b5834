//! The connector dies or is ended, at every stage of a transaction.

use std::time::{Duration, Instant};

use crate::brokers::config;
use crate::common::services;
use crate::flow::{Flow, SMALL};

/// A flow that has some committed transactions, and where its brokers are.
fn flow() -> Option<(Flow, String)> {
    let brokers = services::kafka()?.plaintext;
    let mut flow = Flow::new(&config(&brokers, 1), &SMALL);
    flow.open();
    flow.transact_some(2);
    Some((flow, brokers))
}

/// Opens again, goes on for a while, and asserts that nothing is lost.
fn go_on(mut flow: Flow, brokers: &str) {
    flow.open();
    flow.transact_some(3);
    flow.close_and_count(brokers).assert_nothing_lost();
}

#[test]
fn killed_while_storing() {
    let Some((mut flow, brokers)) = flow() else { return };
    for _ in 0..KILLS {
        flow.begin(SMALL.keys).unwrap();
        let stored = flow.chance.below(SMALL.keys + 1);
        flow.store(stored).unwrap();
        // From before anything was sent to long after the linger.
        flow.chance.sleep(Duration::from_millis(120));
        flow.kill();
        flow.open();
        flow.transact_some(1);
    }
    flow.close();
    go_on(flow, &brokers);
}

/// The answer may be in the pipe although the connector is dead: then the runtime takes it.
#[test]
fn killed_after_start_commit_was_sent() {
    let Some((mut flow, brokers)) = flow() else { return };
    for _ in 0..KILLS {
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys).unwrap();
        flow.start_commit().unwrap();
        flow.chance.sleep(Duration::from_millis(20));
        if flow.kill().iter().any(|response| response.started_commit.is_some()) {
            flow.note_commit();
        }
        flow.open();
    }
    flow.close();
    go_on(flow, &brokers);
}

/// The runtime dies too, before its own commit: it stores the same again, and each document of it is doubled.
#[test]
fn killed_after_started_commit() {
    let Some((mut flow, brokers)) = flow() else { return };
    for _ in 0..KILLS {
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys).unwrap();
        flow.start_commit().unwrap();
        flow.started_commit().unwrap();
        flow.kill();
        flow.open();
    }
    flow.transact_some(3);
    let tally = flow.close_and_count(&brokers);
    tally.assert_nothing_lost();
    assert!(tally.doubled > 0, "what StartedCommit had promised is not there: {tally}");
}

/// The runtime has committed: nothing is stored again, and so all that was promised must be there.
#[test]
fn killed_before_acknowledge() {
    let Some((mut flow, brokers)) = flow() else { return };
    for _ in 0..KILLS {
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys).unwrap();
        flow.start_commit().unwrap();
        flow.started_commit().unwrap();
        flow.note_commit();
        flow.kill();
        flow.open();
    }
    flow.close_and_count(&brokers).assert_exact();
}

#[test]
fn killed_while_opening() {
    let Some((mut flow, brokers)) = flow() else { return };
    flow.close();
    for _ in 0..KILLS {
        flow.begin_to_open();
        flow.chance.sleep(Duration::from_millis(150));
        flow.kill();
    }
    flow.open();
    flow.transact_some(3);
    flow.close_and_count(&brokers).assert_exact();
}

/// While it reads Stores, while it waits for acknowledgements, and while it has nothing to do.
#[test]
fn terminated() {
    let Some((mut flow, brokers)) = flow() else { return };
    for documents in [0, SMALL.keys / 2, SMALL.keys] {
        flow.begin(SMALL.keys).unwrap();
        flow.store(documents).unwrap();
        if documents == SMALL.keys {
            flow.start_commit().unwrap();
        }
        let start = Instant::now();
        flow.signal("TERM");
        let ended = flow.ended();
        assert!(start.elapsed() < END_WITHIN, "{:?}", start.elapsed());
        assert_eq!(ended.status, Some(143), "{}", ended.stderr);
        assert!(ended.message().starts_with("stopped by SIGTERM"), "{}", ended.stderr);
        flow.open();
    }
    flow.close();
    go_on(flow, &brokers);
}

#[test]
fn stdin_closed_in_mid_transaction() {
    let Some((mut flow, brokers)) = flow() else { return };
    flow.begin(SMALL.keys).unwrap();
    flow.store(SMALL.keys / 2).unwrap();
    let start = Instant::now();
    flow.close_stdin();
    let ended = flow.ended();
    assert!(start.elapsed() < END_WITHIN, "{:?}", start.elapsed());
    ended.assert_clean();
    go_on(flow, &brokers);
}

/// The runtime has gone before it could read StartedCommit.
#[test]
fn stdout_closed_before_started_commit() {
    let Some((mut flow, brokers)) = flow() else { return };
    flow.begin(SMALL.keys).unwrap();
    flow.store(SMALL.keys).unwrap();
    flow.close_stdout();
    let start = Instant::now();
    flow.start_commit().unwrap();
    let ended = flow.ended();
    assert!(start.elapsed() < END_WITHIN, "{:?}", start.elapsed());
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.message().starts_with("writing startedCommit: "), "{}", ended.stderr);
    go_on(flow, &brokers);
}

/// What has been sent by then is doubled, which shows that the count would see it.
#[test]
fn killed_long_after_its_last_store() {
    let Some((mut flow, brokers)) = flow() else { return };
    flow.begin(SMALL.keys).unwrap();
    let before = flow.landed(&brokers);
    flow.store(SMALL.keys - 1).unwrap();
    let start = Instant::now();
    while flow.landed(&brokers) == before {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is sent before StartCommit");
    }
    flow.kill();
    flow.open();
    flow.transact_some(3);
    let tally = flow.close_and_count(&brokers);
    tally.assert_nothing_lost();
    assert!(tally.doubled > 0, "{tally}");
}

const KILLS: u32 = 4;
/// It is about an end that comes by itself, and not how fast the machine is.
const END_WITHIN: Duration = Duration::from_secs(30);
