//! The models. Each is run once for every order in which the steps of its threads can come (as far as
//! [`PREEMPTIONS`] go), and fails on an assertion as well as when a thread waits for ever.

use std::collections::HashMap;
use std::sync::Mutex as Plain;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loom::sync::Arc;
use loom::sync::mpsc::{Receiver, channel};
use loom::thread;

use crate::chunks::Chunks;
use crate::error::Error;
use crate::gather::Gathering;
use crate::ledger::{AckTracker, Reports, TopicName, tag, untag};
use crate::sync::Instant;

#[test]
fn no_more_messages_are_on_the_way_than_allowed_and_the_wait_for_room_ends() {
    explore(|| {
        let ledger = counting(|_| {});
        let (wire, reports) = channel();
        let delivery = deliver(&ledger, reports, |_| ());
        for _ in 0..3 {
            ledger.wait(no_lull, |state| state.has_room(1, MOST, KEY).then_some(())).expect("nothing fails");
            ledger.produce([(0, 1)], KEY, 0, 0);
            assert!(ledger.lock().due() <= MOST);
            wire.send(Some(tag(OPEN, 0))).unwrap();
        }
        ledger.wait(no_lull, |state| state.is_settled().then_some(())).expect("nothing fails");
        let state = ledger.lock();
        assert_eq!((state.produced, state.acknowledged, state.due()), (3, 3, 0));
        drop(state);
        wire.send(None).unwrap();
        delivery.join().unwrap();
    });
}

#[test]
fn copies_of_keys_stay_within_the_memory_that_is_allowed() {
    explore(|| {
        // Room for a chunk and one key.
        let mut chunks = Chunks::new(8, 14);
        chunks.take().expect("nothing is in use");
        let ledger = ledger(chunks, |_| {});
        let (wire, reports) = channel();
        let delivery = deliver(&ledger, reports, |_| ());
        for _ in 0..3 {
            ledger.wait(no_lull, |state| state.has_room(1, 9, KEY).then_some(())).expect("nothing fails");
            ledger.produce([(0, 1)], KEY, 0, 0);
            // One that passes alone is all that there is.
            let state = ledger.lock();
            assert!(state.chunks.has_room(0) || state.due() == 1);
            drop(state);
            wire.send(Some(tag(OPEN, 0))).unwrap();
        }
        wire.send(None).unwrap();
        delivery.join().unwrap();
        assert!(ledger.lock().chunks.has_room(KEY), "the copies that are gone are not counted any more");
    });
}

#[test]
fn a_commit_sees_the_last_reports_of_two_clients() {
    explore(|| {
        let ledger = counting(|_| {});
        ledger.produce([(0, 2), (1, 1)], 0, 0, 0);
        let clients = [(0, 2), (1, 1)].map(|(topic, count)| {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                for _ in 0..count {
                    ledger.acknowledge(&reports(&[tag(OPEN, topic)], true));
                }
            })
        });
        ledger.wait(no_lull, |state| state.is_settled().then_some(())).expect("nothing fails");
        let state = ledger.lock();
        assert_eq!((state.produced, state.acknowledged, state.due()), (3, 3, 0));
        drop(state);
        for client in clients {
            client.join().unwrap();
        }
    });
}

#[test]
fn a_failure_wakes_everybody_and_only_the_first_counts() {
    explore(|| {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        TOLD.store(0, Ordering::Relaxed);
        let ledger = counting(|_| _ = TOLD.fetch_add(1, Ordering::Relaxed));
        ledger.produce([(0, 1), (1, 1)], 0, 0, 0);
        let clients = [0, 1].map(|client| {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                ledger.acknowledge(&reports(&[tag(OPEN, client as usize)], false));
                ledger.fail(Error::Refused(client));
                assert!(ledger.has_failed() && ledger.failure().is_some());
            })
        });
        let settled = ledger.wait(no_lull, |state| state.is_settled().then_some(()));
        let failure = settled.expect_err("no message was acknowledged");
        assert_eq!(ledger.failure(), Some(failure), "a failure stays as it is");
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(TOLD.load(Ordering::Relaxed), 1, "main is told once");
        assert_eq!(ledger.lock().due(), 0, "what has failed is not due");
    });
}

#[test]
fn a_failure_is_seen_by_who_only_looks_at_the_flag() {
    explore(|| {
        let ledger = counting(|_| {});
        let other = Arc::clone(&ledger);
        let failing = thread::spawn(move || other.fail(Error::Refused(0)));
        if ledger.has_failed() {
            // The session asks for the failure because it saw the flag.
            assert_eq!(ledger.failure(), Some(Error::Refused(0)));
        }
        failing.join().unwrap();
        assert!(ledger.has_failed());
    });
}

#[test]
fn a_stall_ends_the_wait_unless_a_report_comes_first() {
    explore(|| {
        let ledger = counting(|_| {});
        ledger.produce([(0, 1)], 0, 0, 0);
        let other = Arc::clone(&ledger);
        let delivery = thread::spawn(move || {
            Instant::pass(STALL);
            other.watch();
            other.acknowledge(&reports(&[tag(OPEN, 0)], true));
        });
        let ended = ledger.wait(no_lull, |state| state.is_settled().then_some(()));
        delivery.join().unwrap();
        match ended {
            Ok(()) => assert!(ledger.lock().is_settled()),
            Err(Error::Stalled { due, .. }) => assert_eq!(due, 1),
            Err(other) => panic!("{other:?}"),
        }
    });
}

/// librdkafka has room for one message, and has it again only when the event of its report was given back.
#[test]
fn a_full_queue_is_waited_for_until_the_event_is_given_back() {
    explore(|| {
        let ledger = counting(|_| {});
        let queued = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let (wire, tags) = channel();
        let delivery = thread::spawn({
            let (ledger, queued) = (Arc::clone(&ledger), Arc::clone(&queued));
            move || {
                while let Some(tag) = tags.recv().unwrap() {
                    ledger.acknowledge(&reports(&[tag], true));
                    queued.fetch_sub(1, Ordering::SeqCst);
                    ledger.returned();
                }
            }
        });
        ledger.produce([(0, 2)], 0, 0, 0);
        for _ in 0..2 {
            let mut seen = None;
            while queued.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                seen = Some(ledger.wait(no_lull, |state| state.returned_since(seen)).expect("nothing fails"));
            }
            wire.send(Some(tag(OPEN, 0))).unwrap();
        }
        ledger.wait(no_lull, |state| state.is_settled().then_some(())).expect("nothing fails");
        wire.send(None).unwrap();
        delivery.join().unwrap();
    });
}

/// Room for one chunk: it is written to again only when nothing that was written to it is on the way any more.
#[test]
fn memory_on_loan_is_never_handed_out_again() {
    explore(|| {
        let ledger = ledger(Chunks::new(8, 8), |_| {});
        let loans = Arc::new(Loans::default());
        let (wire, tags) = channel();
        let delivery = deliver(&ledger, tags, give_back(&loans));
        for _ in 0..2 {
            let (chunk, mut memory) =
                ledger.wait(no_lull, |state| state.chunks.take()).expect("nothing fails");
            loans.assert_free(&memory);
            for value in [b"one", b"two"] {
                let start = memory.len();
                memory.extend_from_slice(value);
                loans.lend(chunk, memory[start..].as_ptr());
                ledger.produce([(0, 1)], 0, 0, 0);
                // The report may come before the chunk is sealed.
                wire.send(Some(tag(chunk, 0))).unwrap();
            }
            ledger.update(|state| state.chunks.seal(chunk, memory, 2));
        }
        wire.send(None).unwrap();
        delivery.join().unwrap();
        let state = ledger.lock();
        assert_eq!((state.chunks.in_use(), state.chunks.held()), (0, 0));
    });
}

/// Values are copied to a page, which is lent, while the chunk that they were written to is used again at once. There is
/// room for one page.
#[test]
fn a_page_on_loan_is_never_handed_out_again() {
    explore(|| {
        let ledger = ledger(Chunks::new(8, 16), |_| {});
        let loans = Arc::new(Loans::default());
        let (wire, tags) = channel();
        let delivery = deliver(&ledger, tags, give_back(&loans));
        let mut gathering = Gathering::default();
        let (open, chunk) = ledger.update(|state| state.chunks.take()).expect("nothing is in use");
        for value in [b"first", b"other"] {
            // A page has room for one of them, so the second needs another.
            let copy = gathering.copy(value, open, &ledger);
            // Without room for it the value is lent where it is.
            let Some((place, page)) = copy else { continue };
            loans.lend(page, place);
            ledger.produce([(0, 1)], 0, 0, 0);
            wire.send(Some(tag(page, 0))).unwrap();
            assert_eq!(gathering.settle(open, &ledger), 1);
        }
        let page = gathering.take_page();
        ledger.update(|state| {
            if let Some(page) = page {
                state.chunks.seal(page.chunk, page.memory, page.messages);
            }
            state.chunks.seal(open, chunk, 0);
        });
        wire.send(None).unwrap();
        delivery.join().unwrap();
        let state = ledger.lock();
        assert_eq!((state.chunks.in_use(), state.chunks.held()), (0, 0));
    });
}

/// The end of an outbox: it sets `closing`, lets go of its clients, and the last thread of a client to end lets it go.
#[test]
fn who_closes_is_woken_by_the_last_client() {
    explore(|| {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        TOLD.store(0, Ordering::Relaxed);
        let ledger = counting(|_| _ = TOLD.fetch_add(1, Ordering::Relaxed));
        let clients = [0, 1].map(|number| {
            assert_eq!(ledger.add_client(), number);
            let ledger = Arc::clone(&ledger);
            let (wake, woken) = channel::<()>();
            let thread = thread::spawn(move || {
                while !ledger.lock().released {
                    woken.recv().unwrap();
                }
                // As `delivery` does, whose thread enters a failure however it ends.
                ledger.fail(Error::Refused(0));
                ledger.update(|state| state.clients -= 1);
            });
            (wake, thread)
        });
        ledger.update(|state| state.closing = true);
        let clients = ledger.update(|state| {
            state.released = true;
            clients.map(|(wake, thread)| {
                wake.send(()).unwrap();
                thread
            })
        });
        assert!(ledger.wait_until(STALL, |state| state.clients == 0));
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(ledger.failure(), None, "the end of a session that closes is no failure");
        assert_eq!(TOLD.load(Ordering::Relaxed), 0);
    });
}

/// The addresses that librdkafka would read from, by chunk.
#[derive(Default)]
struct Loans(Plain<HashMap<u32, Vec<usize>>>);

impl Loans {
    fn lend(&self, chunk: u32, place: *const u8) {
        let mut lent = self.0.lock().unwrap();
        assert!(!lent.values().flatten().any(|&lent| lent == place.addr()), "written to while it is read");
        lent.entry(chunk).or_default().push(place.addr());
    }

    fn assert_free(&self, memory: &Vec<u8>) {
        let room = memory.as_ptr().addr()..memory.as_ptr().addr() + memory.capacity();
        let lent = self.0.lock().unwrap();
        assert!(!lent.values().flatten().any(|lent| room.contains(lent)), "written to while it is read");
    }
}

/// Reads the value of a message for the last time.
fn give_back(loans: &Arc<Loans>) -> impl Fn(usize) + use<> {
    let loans = Arc::clone(loans);
    move |tag| {
        let (chunk, _) = untag(tag);
        let mut lent = loans.0.lock().unwrap();
        let places = lent.get_mut(&chunk).expect("its memory is lent");
        places.pop().expect("once for each message");
    }
}

/// A delivery thread, librdkafka included: sends every message and reports it by an event of its own, until it is
/// told that no more come (the end of a channel would not tell: loom does not model it).
fn deliver(
    ledger: &Arc<AckTracker>,
    tags: Receiver<Option<usize>>,
    send: impl Fn(usize) + 'static,
) -> thread::JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || {
        while let Some(tag) = tags.recv().unwrap() {
            send(tag);
            ledger.acknowledge(&reports(&[tag], true));
        }
    })
}

fn reports(tags: &[usize], delivered: bool) -> Reports {
    let mut reports = Reports::default();
    for &tag in tags {
        reports.add(tag, KEY, 0);
        if !delivered {
            reports.add_failed();
        }
    }
    reports
}

/// A ledger for models that look at counts alone, with the chunk [`OPEN`] in use and no want of memory.
fn counting(on_failure: fn(Error)) -> Arc<AckTracker> {
    let mut chunks = Chunks::new(8, 1 << 10);
    assert_eq!(chunks.take().expect("nothing is in use").0, OPEN);
    ledger(chunks, on_failure)
}

fn ledger(chunks: Chunks, on_failure: fn(Error)) -> Arc<AckTracker> {
    let names = ["orders", "customers"]
        .map(|topic| TopicName { topic: topic.to_owned(), owner: String::new(), max_message_bytes: None })
        .to_vec();
    Arc::new(AckTracker::new(names, String::new(), STALL, chunks, Box::new(on_failure)))
}

fn no_lull() {}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Times that a thread is interrupted though it could go on, in one order of steps. More find nothing more.
const PREEMPTIONS: usize = 3;

/// The open chunk of the models that look at counts alone.
const OPEN: u32 = 0;
const MOST: u64 = 2;
const KEY: usize = 4;
const STALL: Duration = Duration::from_secs(1);
