//! Delivery reports entered in the ledger, and before that the messages: per message.
//!
//! Reports come in events of a thousand, and in runs of messages from one chunk: `runs_of_1000` is what small
//! documents make, `runs_of_4` what those of 256 KiB would: there ours shows what a chunk costs, which has a system call in
//! it, to wake whoever waits. The naive ledgers keep the same account for each report
//! by itself: `atomics` with an atomic for each count, `mutex` with one for all. Nobody contends here, as in a
//! process the session's thread does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use materialize_kafka::kafka::bench::Ledger;

use super::table::{Subject, Table};

pub fn rows(table: &mut Table) {
    for (what, run) in [("runs_of_1000", 1000), ("runs_of_4", 4)] {
        let subject = Subject { name: "ledger", what, bytes: KEY };
        if table.compares() {
            let mut ours = Ledger::default();
            let (mut atomics, mut mutex) = (Atomics::new(), Locked::new());
            for messages in [1000, 2500, 1] {
                events(&mut ours, run, &mut Vec::new(), messages);
                events(&mut atomics, run, &mut Vec::new(), messages);
                events(&mut mutex, run, &mut Vec::new(), messages);
            }
            let all = (3501, 3501);
            let naive = mutex.0.into_inner().expect("nobody panics");
            assert_eq!(ours.counts(), all);
            assert_eq!((naive.produced, naive.acknowledged), all);
            assert_eq!((atomics.produced.into_inner(), atomics.acknowledged.into_inner()), all);
            assert_eq!((naive.keys, atomics.keys.into_inner()), (0, 0));
            assert_eq!(naive.free.len(), CHUNKS, "all chunks have come back");
            assert_eq!(atomics.free.into_inner().expect("nobody panics").len(), CHUNKS);
        }
        table.ours(subject, || of(Ledger::default(), run));
        table.theirs(subject, "atomics", || of(Atomics::new(), run));
        table.theirs(subject, "mutex", || of(Locked::new(), run));
    }
}

fn of(mut account: impl Account, run: u64) -> impl FnMut(u64) {
    let mut tags = Vec::new();
    move |messages| events(&mut account, run, &mut tags, messages)
}

/// Enters messages, an event at a time, and then their reports.
fn events(account: &mut impl Account, run: u64, tags: &mut Vec<usize>, messages: u64) {
    let mut due = messages;
    while due > 0 {
        let event = due.min(EVENT);
        due -= event;
        tags.clear();
        let mut left = event;
        while left > 0 {
            let run = left.min(run);
            left -= run;
            let tag = account.fill(run);
            tags.extend((0..run).map(|_| tag));
        }
        account.produce(event);
        account.acknowledge(tags);
    }
}

/// What keeps account of messages.
trait Account {
    /// Enters a chunk with so many messages, and gives the tag of their reports.
    fn fill(&mut self, messages: u64) -> usize;
    /// Enters messages that are handed over.
    fn produce(&mut self, messages: u64);
    /// Enters the reports of an event.
    fn acknowledge(&mut self, tags: &[usize]);
}

impl Account for Ledger {
    fn fill(&mut self, messages: u64) -> usize {
        Self::fill(self, messages)
    }

    fn produce(&mut self, messages: u64) {
        let count = u32::try_from(messages).expect("a round is short");
        Self::produce(self, count, KEY * usize::try_from(messages).expect("64 bits"));
    }

    fn acknowledge(&mut self, tags: &[usize]) {
        Self::acknowledge(self, tags, KEY);
    }
}

/// An atomic for each count.
struct Atomics {
    produced: AtomicU64,
    acknowledged: AtomicU64,
    keys: AtomicUsize,
    due: Vec<AtomicI64>,
    free: Mutex<Vec<usize>>,
}

impl Atomics {
    fn new() -> Self {
        Self {
            produced: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            keys: AtomicUsize::new(0),
            due: (0..CHUNKS).map(|_| AtomicI64::new(0)).collect(),
            free: Mutex::new((0..CHUNKS).collect()),
        }
    }
}

impl Account for Atomics {
    fn fill(&mut self, messages: u64) -> usize {
        let chunk = self.free.lock().expect("nobody panics").pop().expect("there are enough");
        self.due[chunk].store(i64::try_from(messages).expect("few messages"), Ordering::Release);
        chunk
    }

    fn produce(&mut self, messages: u64) {
        for _ in 0..messages {
            self.produced.fetch_add(1, Ordering::Relaxed);
            self.keys.fetch_add(KEY, Ordering::Relaxed);
        }
    }

    fn acknowledge(&mut self, tags: &[usize]) {
        for &chunk in tags {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.keys.fetch_sub(KEY, Ordering::Relaxed);
            if self.due[chunk].fetch_sub(1, Ordering::AcqRel) == 1 {
                self.free.lock().expect("nobody panics").push(chunk);
            }
        }
    }
}

/// One mutex for all counts.
struct Locked(Mutex<Counts>);

struct Counts {
    produced: u64,
    acknowledged: u64,
    keys: usize,
    due: Vec<u64>,
    free: Vec<usize>,
}

impl Locked {
    fn new() -> Self {
        let free = (0..CHUNKS).collect();
        Self(Mutex::new(Counts { produced: 0, acknowledged: 0, keys: 0, due: vec![0; CHUNKS], free }))
    }
}

impl Account for Locked {
    fn fill(&mut self, messages: u64) -> usize {
        let mut counts = self.0.lock().expect("nobody panics");
        let chunk = counts.free.pop().expect("there are enough");
        counts.due[chunk] = messages;
        chunk
    }

    fn produce(&mut self, messages: u64) {
        for _ in 0..messages {
            let mut counts = self.0.lock().expect("nobody panics");
            counts.produced += 1;
            counts.keys += KEY;
        }
    }

    fn acknowledge(&mut self, tags: &[usize]) {
        for &chunk in tags {
            let mut counts = self.0.lock().expect("nobody panics");
            counts.acknowledged += 1;
            counts.keys -= KEY;
            counts.due[chunk] -= 1;
            if counts.due[chunk] == 0 {
                counts.free.push(chunk);
            }
        }
    }
}

/// Reports of an event.
const EVENT: u64 = 1000;

/// Chunks that are enough for an event.
const CHUNKS: usize = 256;

/// Bytes of a key.
const KEY: usize = 8;
