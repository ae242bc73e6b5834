//! The connector, driven over a pipe.

use std::time::{Duration, Instant};

use crate::runtime::Connector;
use crate::usage::Usage;
use crate::workload::{Row, Workload};

/// What one run took.
#[derive(Debug, Clone)]
pub struct Run {
    /// From the first Flush to the last Acknowledged.
    pub wall: Duration,
    /// Of the connector's process, within that time.
    pub cpu: Duration,
    pub peak_kib: u64,
    /// Open to Opened, first Acknowledge included.
    pub open: Duration,
    /// Last Store written to StartedCommit, of each transaction.
    pub commits: Vec<Duration>,
}

/// The requests of a row's transactions, encoded once.
pub struct Frames {
    /// All Stores, times over.
    block: Vec<u8>,
    rounds: u64,
    /// What is left of a transaction.
    tail: Vec<u8>,
}

impl Frames {
    pub fn new(row: &Row, workload: &Workload) -> Self {
        let distinct = workload.stores.len() as u64;
        let once = workload.frames(workload.stores.len(), row.codec);
        let rounds = row.documents / distinct;
        // Small blocks are put together, so that every write is a large one.
        let times = (LARGE_WRITE.div_ceil(once.len().max(1)) as u64).clamp(1, rounds.max(1));
        let rest = row.documents - rounds / times * times * distinct;
        let mut tail = once.repeat(usize::try_from(rest / distinct).expect("below `times`"));
        tail.extend(workload.frames(usize::try_from(rest % distinct).expect("below a length"), row.codec));
        Self { block: once.repeat(usize::try_from(times).expect("clamped")), rounds: rounds / times, tail }
    }

    /// Writes the Stores of one transaction.
    fn write(&self, connector: &mut Connector) {
        for _ in 0..self.rounds {
            connector.write(&self.block);
        }
        connector.write(&self.tail);
    }
}

/// One session with all of the row's transactions.
pub fn run(row: &Row, workload: &Workload, frames: &Frames) -> Run {
    let mut connector = Connector::start(row.codec);
    connector.spec();
    let opening = Instant::now();
    connector.open(&workload.task);
    let open = opening.elapsed();

    let before = Usage::of(connector.id());
    let start = Instant::now();
    let mut commits = Vec::new();
    for _ in 0..row.transactions {
        connector.flush();
        frames.write(&mut connector);
        let last = Instant::now();
        connector.start_commit();
        commits.push(last.elapsed());
        connector.acknowledge();
    }
    let wall = start.elapsed();
    let after = Usage::of(connector.id());
    connector.end().assert_clean();
    Run { wall, cpu: after.cpu.saturating_sub(before.cpu), peak_kib: after.peak_kib, open, commits }
}

/// CPU of a session to which nothing comes, in percent of one core, in steps of 0.2.
pub struct Idle {
    /// Behind the first Acknowledged.
    pub opened: f64,
    /// Behind Stores.
    pub in_transaction: f64,
}

/// Lets a session wait.
pub fn idle(row: &Row, workload: &Workload, frames: &Frames) -> Idle {
    let mut connector = Connector::start(row.codec);
    connector.spec();
    connector.open(&workload.task);
    let opened = waiting(&connector);
    connector.flush();
    frames.write(&mut connector);
    // What was written is sent meanwhile; the measure is of the waiting that follows.
    std::thread::sleep(SETTLED_AFTER);
    let in_transaction = waiting(&connector);
    connector.start_commit();
    connector.acknowledge();
    connector.end().assert_clean();
    Idle { opened, in_transaction }
}

fn waiting(connector: &Connector) -> f64 {
    let before = Usage::of(connector.id());
    let start = Instant::now();
    std::thread::sleep(WATCHED);
    let spent = Usage::of(connector.id()).cpu.saturating_sub(before.cpu);
    spent.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64()
}

/// Bytes above which larger writes are no faster.
const LARGE_WRITE: usize = 1 << 20;
const WATCHED: Duration = Duration::from_secs(5);
const SETTLED_AFTER: Duration = Duration::from_secs(1);
