//! Pipes that nobody empties for a while.

use std::io::{Read, Write, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka::protocol::messages::request;

use crate::brokers::config;
use crate::common::services;
use crate::flow::{Flow, SMALL};

/// More answers than the pipe holds wait to be read, and with them the connector; then they are read slowly.
#[test]
fn slow_reader_of_stdout() {
    let Some(kafka) = services::kafka() else { return };
    let mut flow = Flow::new(&config(&kafka.plaintext, 1), &SMALL);
    flow.spawn(flow.command());
    for _ in 0..SPECS {
        flow.send(request::Spec { config_json: "{}".into(), ..Default::default() }).unwrap();
    }
    thread::sleep(Duration::from_millis(500));
    let mut bytes = 0;
    for _ in 0..SPECS {
        let spec = flow.receive().unwrap().spec.unwrap();
        bytes += spec.config_schema_json.len() + spec.resource_config_schema_json.len();
        thread::sleep(Duration::from_millis(5));
    }
    assert!(bytes > 2 * PIPE, "the pipe was never full: {bytes} bytes in all");
    flow.open_session().unwrap();
    flow.begin(SMALL.keys).unwrap();
    flow.store(SMALL.keys).unwrap();
    flow.start_commit().unwrap();
    thread::sleep(Duration::from_millis(500));
    flow.started_commit().unwrap();
    flow.note_commit();
    flow.acknowledge().unwrap();
    flow.transact_some(2);
    flow.close_and_count(&kafka.plaintext).assert_exact();
}

/// The connector begins with a pipe for its logs that takes nothing, and is read only after a while.
#[test]
fn stderr_full() {
    let Some(kafka) = services::kafka() else { return };
    // Every line of the log counts.
    let mut flow = Flow::new(&config(&kafka.plaintext, 1), &SMALL).log_level("trace");
    let full = Full::pipe();
    let mut command = flow.command();
    command.stderr(full.writer);
    let reader = thread::spawn(move || {
        thread::sleep(Duration::from_secs(1));
        let (mut reader, mut text) = (full.reader, Vec::new());
        reader.read_to_end(&mut text).unwrap();
        text.len()
    });
    flow.spawn(command);
    flow.open_session().unwrap();
    flow.transact_some(3);
    flow.close();
    assert!(reader.join().unwrap() > PIPE, "the connector has logged nothing");
    flow.count(&kafka.plaintext).assert_exact();
}

/// Nobody ever reads what it logs, and still it ends when it is told to.
#[test]
fn stderr_full_for_ever_and_terminated() {
    let Some(kafka) = services::kafka() else { return };
    let mut flow = Flow::new(&config(&kafka.plaintext, 1), &SMALL);
    let full = Full::pipe();
    let mut command = flow.command();
    command.stderr(full.writer);
    flow.spawn(command);
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    flow.signal("TERM");
    let ended = flow.ended_within(Duration::from_secs(30));
    drop(full.reader);
    assert!(ended, "it still runs {:?} after SIGTERM", start.elapsed());
}

/// A pipe into which nothing more goes.
struct Full {
    reader: std::io::PipeReader,
    writer: std::io::PipeWriter,
}

impl Full {
    fn pipe() -> Self {
        let (reader, writer) = pipe().unwrap();
        let written = Arc::new(AtomicUsize::new(0));
        let (mut filler, count) = (writer.try_clone().unwrap(), Arc::clone(&written));
        // It waits in its last write until somebody reads, or nobody is left to.
        thread::spawn(move || {
            while filler.write_all(b"\n").is_ok() && count.fetch_add(1, Ordering::Relaxed) < PIPE {}
        });
        let mut before = 0;
        loop {
            thread::sleep(Duration::from_millis(100));
            let now = written.load(Ordering::Relaxed);
            if now > 0 && now == before {
                return Self { reader, writer };
            }
            before = now;
        }
    }
}

/// What a pipe holds at most on Linux.
const PIPE: usize = 1 << 16;
const SPECS: usize = 40;
