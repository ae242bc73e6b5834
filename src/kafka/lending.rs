//! Memory on loan, with a thread in librdkafka's place that Miri can look at: it reads values by their addresses
//! while more are written behind them (`tests/sanitize miri`).

#![allow(unsafe_code, reason = "values are read where they were lent")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::chunks::Chunks;
use super::gather::{Gathering, Page};
use super::ledger::{AckTracker, Reports, TopicName, tag};
use crate::encode::Buffer;

#[test]
fn values_on_loan_stay_as_they_are_while_others_are_written() {
    for gathered in [false, true] {
        let ledger = ledger(64, 256);
        let (lend, lent) = channel();
        let reader = read(&ledger, lent);
        let mut gathering = Gathering::default();
        let (mut chunk, memory) = take(&ledger);
        let (mut buffer, mut messages) = (Buffer::from_vec(memory), 0);
        for number in 0..60 {
            if buffer.capacity() - buffer.len() < 9 {
                let full = std::mem::take(&mut buffer).into_vec();
                ledger.update(|state| state.chunks.seal(chunk, full, messages));
                let (next, memory) = take(&ledger);
                (chunk, buffer, messages) = (next, Buffer::from_vec(memory), 0);
            }
            // As encoders do: written, then mended.
            buffer.put(&[0; 9]);
            buffer.message_mut().fill(number);
            let mut place = (buffer.message().as_ptr(), chunk);
            buffer.finish();
            messages += 1;
            if gathered {
                // SAFETY: the value that has just been written.
                let value = unsafe { std::slice::from_raw_parts(place.0, 9) };
                place = gathering.copy(value, chunk, &ledger).unwrap_or(place);
            }
            ledger.produce([(0, 1)], 0, 0, 0);
            lend.send(Lent { value: place.0, len: 9, byte: number, tag: tag(place.1, 0) }).unwrap();
            if number % 7 == 0 {
                messages -= gathering.settle(chunk, &ledger);
                if messages == 0 {
                    buffer.restart();
                }
            }
        }
        messages -= gathering.settle(chunk, &ledger);
        let page = gathering.take_page();
        ledger.update(|state| {
            state.chunks.seal(chunk, buffer.into_vec(), messages);
            if let Some(Page { chunk, memory, messages }) = page {
                state.chunks.seal(chunk, memory, messages);
            }
        });
        drop(lend);
        reader.join().unwrap();
        let state = ledger.lock();
        assert_eq!((state.chunks.in_use(), state.chunks.held(), state.due()), (0, 0, 0));
    }
}

#[test]
fn values_on_loan_stay_when_the_one_behind_them_moves() {
    let ledger = ledger(16, 1 << 10);
    let (lend, lent) = channel();
    let reader = read(&ledger, lent);
    let (mut chunk, memory) = take(&ledger);
    let mut buffer = Buffer::from_vec(memory);
    let mut messages = 0;
    for number in 0..8 {
        buffer.put(&[number; 7]);
        buffer.put(&vec![number; 10 * usize::from(number)]);
        if let Some(old) = buffer.take_outgrown() {
            chunk = ledger.update(|state| {
                state.chunks.seal(chunk, old, messages);
                state.chunks.adopt(buffer.capacity())
            });
            messages = 0;
        } else {
            ledger.update(|state| state.chunks.resize(chunk, buffer.capacity()));
        }
        let message = buffer.message();
        ledger.produce([(0, 1)], 0, 0, 0);
        let (value, len) = (message.as_ptr(), message.len());
        lend.send(Lent { value, len, byte: number, tag: tag(chunk, 0) }).unwrap();
        buffer.finish();
        messages += 1;
    }
    ledger.update(|state| state.chunks.seal(chunk, buffer.into_vec(), messages));
    drop(lend);
    reader.join().unwrap();
    assert_eq!(ledger.lock().chunks.in_use(), 0);
}

/// A value as librdkafka has it.
struct Lent {
    value: *const u8,
    len: usize,
    /// What all of it should be.
    byte: u8,
    tag: usize,
}

// SAFETY: nobody writes to what is lent; that this is so is what these tests are about.
unsafe impl Send for Lent {}

/// Reads values and reports each.
fn read(ledger: &Arc<AckTracker>, lent: Receiver<Lent>) -> thread::JoinHandle<()> {
    let ledger = Arc::clone(ledger);
    thread::spawn(move || {
        for Lent { value, len, byte, tag } in lent {
            // SAFETY: lent until it is reported.
            let value = unsafe { std::slice::from_raw_parts(value, len) };
            assert!(value.iter().all(|&read| read == byte), "{value:?} where {byte} was written");
            let mut reports = Reports::default();
            reports.add(tag, 0, 0);
            ledger.acknowledge(&reports);
        }
    })
}

fn take(ledger: &AckTracker) -> (u32, Vec<u8>) {
    ledger.wait(|| (), |state| state.chunks.take()).unwrap()
}

fn ledger(chunk: usize, limit: usize) -> Arc<AckTracker> {
    let name = TopicName { topic: "orders".to_owned(), owner: String::new(), max_message_bytes: None };
    let chunks = Chunks::new(chunk, limit);
    let stall = Duration::from_secs(60);
    Arc::new(AckTracker::new(vec![name], String::new(), stall, chunks, Box::new(|_| ())))
}
