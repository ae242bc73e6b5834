//! Everything at random for as long as it takes: hundreds of connectors are killed while three brokers and the
//! network to them fail.
//!
//! `FAULTS_DELIVERY` is `at_least_once`, where a third of the sessions have three producers, or `exactly_once`. `FAULTS_KILLS` (default 200) and `FAULTS_BROKER_FAULTS` (default 50) say how much there is at least of both.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::brokers::{self, Brokers, stall};
use crate::flow::{Died, Flow, SMALL};
use crate::proxy::Condition;
use crate::seed::{Chance, seed};

#[test]
#[ignore = "it takes minutes: cargo test --release --test faults -- --ignored long_run --nocapture"]
fn long_run() {
    let Some(brokers) = Brokers::start(3) else { return };
    let kills = at_least("FAULTS_KILLS", 200);
    let start = Instant::now();
    let exactly_once = exactly_once_is_asked_for();
    let mut config = stall(brokers.through_proxies(), "90s");
    if exactly_once {
        config = brokers::exactly_once(config);
    }
    let mut flow = Flow::new(&config, &SMALL);
    let faults = Faults::new(at_least("FAULTS_BROKER_FAULTS", 50));
    let mut deaths = Deaths::default();
    let mut chance = flow.chance.split();
    thread::scope(|scope| {
        let injected = scope.spawn(|| {
            faults.inject(&brokers, &mut chance);
        });
        // Also when a panic leaves this scope, which would else wait for all faults.
        let over = Over(&faults.over);
        while flow.kills < kills || !faults.done.load(Ordering::SeqCst) {
            if !exactly_once {
                let producers = if flow.chance.one_in(3) { 3 } else { 1 };
                flow.producers(producers);
            }
            session(&mut flow, &mut deaths);
            if flow.kills.is_multiple_of(50) {
                eprintln!("{:?}: kills {}, faults {}", start.elapsed(), flow.kills, faults.brokers());
            }
        }
        drop(over);
        injected.join().unwrap();
    });
    // All is well again: one more session stores what is not committed.
    flow.open();
    flow.transact_some(5);
    let tally = flow.close_and_count(brokers.direct());
    println!(
        "kills {}, faults {} (brokers killed {}, stopped {}; network {}), sessions that ended with an error {}, {tally}, \
         seed {}, {} s",
        flow.kills,
        faults.brokers(),
        faults.killed.load(Ordering::SeqCst),
        faults.stopped.load(Ordering::SeqCst),
        faults.network.load(Ordering::SeqCst),
        deaths.0.len(),
        seed(),
        start.elapsed().as_secs(),
    );
    for message in deaths.0 {
        println!("a session's error: {message}");
    }
    if exactly_once {
        tally.assert_exact();
        let uncommitted = flow.count_uncommitted(brokers.direct());
        println!("under read_uncommitted: {uncommitted}");
        assert!(uncommitted.doubled > 0, "nothing was ever stored again, which proves nothing");
    } else {
        tally.assert_nothing_lost();
    }
}

fn exactly_once_is_asked_for() -> bool {
    match std::env::var("FAULTS_DELIVERY").as_deref() {
        Err(_) | Ok("at_least_once") => false,
        Ok("exactly_once") => true,
        Ok(other) => panic!("FAULTS_DELIVERY is {other:?}: expected at_least_once or exactly_once"),
    }
}

fn at_least(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The errors of sessions that ended by themselves, as they may while brokers are away.
#[derive(Default)]
struct Deaths(Vec<String>);

/// One session: some transactions, and death at a random place of another one.
fn session(flow: &mut Flow, deaths: &mut Deaths) {
    if flow.chance.one_in(10) {
        flow.begin_to_open();
        flow.chance.sleep(Duration::from_millis(150));
        flow.kill();
        return;
    }
    if live_and_die(flow).is_err() {
        let ended = flow.ended();
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        deaths.0.push(ended.message());
    }
}

fn live_and_die(flow: &mut Flow) -> Result<(), Died> {
    flow.try_open()?;
    for _ in 0..flow.chance.below(4) {
        let documents = flow.some_documents();
        flow.try_transact(documents)?;
    }
    let documents = flow.some_documents();
    flow.begin(documents)?;
    let stage = flow.chance.below(5);
    let stored = if stage == 0 { flow.chance.below(documents + 1) } else { documents };
    flow.store(stored)?;
    if stage <= 1 {
        // Around the linger: nothing is sent, some is, or all.
        flow.chance.sleep(Duration::from_millis(120));
        flow.kill();
        return Ok(());
    }
    flow.start_commit()?;
    if stage == 2 {
        flow.chance.sleep(Duration::from_millis(20));
        // The answer may be in the pipe; whether the runtime lives to take it is chance.
        let answered = flow.kill().iter().any(|response| response.started_commit.is_some());
        if answered && flow.chance.one_in(2) {
            flow.note_commit();
        }
        return Ok(());
    }
    flow.started_commit()?;
    if stage == 3 {
        flow.note_commit();
    }
    flow.kill();
    Ok(())
}

/// What has been done to the brokers and the network.
struct Faults {
    least: u64,
    killed: AtomicU64,
    stopped: AtomicU64,
    network: AtomicU64,
    done: AtomicBool,
    over: AtomicBool,
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Faults {
    fn new(least: u64) -> Self {
        let [killed, stopped, network] = [(); 3].map(|()| AtomicU64::new(0));
        let [done, over] = [(); 2].map(|()| AtomicBool::new(false));
        Self { least, killed, stopped, network, done, over }
    }

    fn brokers(&self) -> u64 {
        self.killed.load(Ordering::SeqCst) + self.stopped.load(Ordering::SeqCst)
    }

    /// One fault after the other until there are enough and all kills are done. The brokers are well in the end.
    fn inject(&self, brokers: &Brokers, chance: &mut Chance) {
        let mut minute_is_due = true;
        while !self.over.load(Ordering::SeqCst) {
            let node = u8::try_from(chance.below(3) + 1).expect("below 4");
            match chance.below(4) {
                0 => {
                    brokers.cluster.kill(node);
                    chance.sleep(Duration::from_secs(2));
                    brokers.cluster.restart(node);
                    self.killed.fetch_add(1, Ordering::SeqCst);
                }
                1 | 2 => {
                    let longest = if std::mem::take(&mut minute_is_due) {
                        Duration::from_secs(60)
                    } else {
                        Duration::from_millis(500 + chance.below(4_500))
                    };
                    brokers.cluster.stop(node);
                    let start = Instant::now();
                    while start.elapsed() < longest && !self.over.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(100));
                    }
                    brokers.cluster.cont(node);
                    self.stopped.fetch_add(1, Ordering::SeqCst);
                }
                _ => {
                    let condition = match chance.below(6) {
                        0 => Condition::Cut,
                        1 => Condition::Silent,
                        2 => Condition::Delayed(Duration::from_millis(200)),
                        3 => Condition::Throttled(1_000_000),
                        4 => {
                            brokers.network.lose_next_answer();
                            Condition::Good
                        }
                        _ => {
                            brokers.network.reset_next_request();
                            Condition::Good
                        }
                    };
                    brokers.network.is(condition);
                    chance.sleep(Duration::from_secs(2));
                    brokers.network.is(Condition::Good);
                    self.network.fetch_add(1, Ordering::SeqCst);
                }
            }
            if self.brokers() >= self.least {
                self.done.store(true, Ordering::SeqCst);
            }
            chance.sleep(Duration::from_secs(2));
        }
    }
}
