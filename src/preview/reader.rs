//! Reads the messages back while they are written, on a thread of its own named `reader`.
//!
//! The embedded brokers drop a partition's oldest batches above 5 MiB or 100,000 batches, whether they
//! were read or not. So Stores are sent in *waves*: no more than [`WAVE_BYTES`] and [`WAVE_MESSAGES`]
//! are sent before all that was sent has been read. What is unread never comes near the limit then,
//! however partitions are filled; should it be crossed all the same, the hole in the offsets tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::Error;
use super::landed::Landed;
use crate::kafka::{self, Consumer, Read, Record};

/// What is read.
pub(super) trait Messages: Send + 'static {
    /// The next message or the end of a partition, or none within `timeout`.
    fn read(&mut self, timeout: Duration) -> Result<Option<Read>, kafka::Error>;
    /// The end of each partition: topic, partition, and the offset of the next message.
    fn ends(&self) -> Result<Vec<(String, i32, i64)>, kafka::Error>;
}

impl Messages for Consumer {
    fn read(&mut self, timeout: Duration) -> Result<Option<Read>, kafka::Error> {
        Consumer::read(self, timeout)
    }

    fn ends(&self) -> Result<Vec<(String, i32, i64)>, kafka::Error> {
        self.end_offsets()
    }
}

/// The thread that reads. It ends when this is dropped.
pub(super) struct Reader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Landed, Error>>>,
    waves: Option<Wave>,
    written: u64,
    patience: Duration,
}

/// What has been sent since all that was sent before has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wave {
    bytes: usize,
    messages: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    read: u64,
    /// How many read messages are waited for.
    awaited: u64,
    order: Order,
    /// The thread has ended.
    ended: bool,
}

/// What the thread is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    #[default]
    Read,
    /// So many messages were written, and nothing will be any more: read to the end.
    Finish {
        written: u64,
    },
    Stop,
}

impl Reader {
    /// Reads from now on. `embedded` brokers begin empty, have no messages of others, and drop what is
    /// not read in time.
    pub(super) fn start(messages: impl Messages, embedded: bool) -> Result<Self, Error> {
        Self::with_patience(messages, embedded, PATIENCE)
    }

    fn with_patience(messages: impl Messages, embedded: bool, patience: Duration) -> Result<Self, Error> {
        let positions = messages
            .ends()?
            .into_iter()
            .map(|(topic, partition, end)| ((topic, partition), if embedded { 0 } else { end }));
        let shared = Arc::new(Shared::default());
        let reading = Reading {
            messages,
            positions: positions.collect(),
            contiguous: embedded,
            landed: Landed::default(),
            shared: Arc::clone(&shared),
            patience,
        };
        let thread = thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || reading.run())
            .map_err(|source| Error::System { doing: "starting the thread that reads messages", source })?;
        let waves = embedded.then(Wave::default);
        Ok(Self { shared, thread: Some(thread), waves, written: 0, patience })
    }

    /// Whether a Store of about `bytes` has to wait until all before it have been read.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.waves.is_some_and(|wave| {
            wave.messages >= WAVE_MESSAGES
                || wave.messages > 0 && wave.bytes.saturating_add(bytes) > WAVE_BYTES
        })
    }

    /// Counts messages that Stores are sent for, of about `bytes`.
    pub(super) fn sent(&mut self, messages: u64, bytes: usize) {
        self.written += messages;
        if let Some(wave) = &mut self.waves {
            wave.bytes = wave.bytes.saturating_add(bytes);
            wave.messages += messages;
        }
    }

    /// How many Stores have been counted.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Waits until all that was sent has been read. `gave_up` is asked now and then: once it says so,
    /// waiting is in vain. Returns whether all has been read.
    pub(super) fn catch_up(&mut self, mut gave_up: impl FnMut() -> bool) -> Result<bool, Error> {
        let mut state = self.shared.lock();
        state.awaited = self.written;
        let (mut read, mut since) = (state.read, Instant::now());
        while state.read < self.written {
            if state.ended {
                drop(state);
                return match self.join() {
                    Err(error) => Err(error),
                    Ok(_) => Err(Error::ReaderGone),
                };
            }
            if state.read > read {
                (read, since) = (state.read, Instant::now());
            }
            if since.elapsed() > self.patience {
                return Err(missing(state.read, self.written, self.patience));
            }
            let waited = self.shared.changed.wait_timeout(state, SLICE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if gave_up() {
                return Ok(false);
            }
        }
        drop(state);
        if let Some(wave) = &mut self.waves {
            *wave = Wave::default();
        }
        Ok(true)
    }

    /// Reads what was sent, and to the ends of all partitions as they are now, and gives what has landed.
    pub(super) fn finish(mut self) -> Result<Landed, Error> {
        self.shared.lock().order = Order::Finish { written: self.written };
        let landed = self.join()?;
        if landed.messages() < self.written {
            return Err(missing(landed.messages(), self.written, self.patience));
        }
        Ok(landed)
    }

    fn join(&mut self) -> Result<Landed, Error> {
        let joined = self.thread.take().map(JoinHandle::join);
        joined.and_then(Result::ok).unwrap_or(Err(Error::ReaderGone))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().order = Order::Stop;
        let _ended = self.join();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half done at any place that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread owns.
struct Reading<M> {
    messages: M,
    /// The next offset of each partition.
    positions: BTreeMap<(String, i32), i64>,
    /// Whether each partition's offsets follow each other without a hole.
    contiguous: bool,
    landed: Landed,
    shared: Arc<Shared>,
    patience: Duration,
}

impl<M: Messages> Reading<M> {
    fn run(mut self) -> Result<Landed, Error> {
        let read = self.read();
        let mut state = self.shared.lock();
        state.ended = true;
        self.shared.changed.notify_all();
        drop(state);
        read.map(|()| self.landed)
    }

    fn read(&mut self) -> Result<(), Error> {
        let mut ends = None;
        let mut since = Instant::now();
        loop {
            match self.messages.read(SLICE)? {
                Some(Read::Record(record)) => {
                    self.take(record)?;
                    since = Instant::now();
                }
                Some(Read::End { topic, partition, offset }) => self.pass(topic, partition, offset),
                // Who needs the missing ones counts them.
                None if ends.is_some() && since.elapsed() > self.patience => return Ok(()),
                None => {}
            }
            let order = self.shared.lock().order;
            match order {
                Order::Read => {}
                Order::Stop => return Ok(()),
                Order::Finish { written } => {
                    if ends.is_none() {
                        ends = Some(self.messages.ends()?);
                        since = Instant::now();
                    }
                    // A transaction's messages may come behind these ends: its mark is written after the commit was confirmed.
                    if self.landed.messages() >= written
                        && ends.as_ref().is_some_and(|ends| self.has_reached(ends))
                    {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take(&mut self, record: Record) -> Result<(), Error> {
        let place = (record.topic, record.partition);
        let position = self.positions.entry(place.clone()).or_default();
        if self.contiguous && record.offset != *position {
            let (topic, partition) = place;
            return Err(Error::Dropped { topic, partition, from: *position, until: record.offset });
        }
        *position = record.offset.saturating_add(1);
        self.landed.add(Record { topic: place.0, ..record })?;
        let mut state = self.shared.lock();
        state.read += 1;
        if state.read == state.awaited {
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Notes how far a partition has been read. What lies in between were the marks of transactions; where there are none,
    /// it would be a hole, which the next message tells.
    fn pass(&mut self, topic: String, partition: i32, offset: i64) {
        if !self.contiguous {
            let position = self.positions.entry((topic, partition)).or_default();
            *position = offset.max(*position);
        }
    }

    fn has_reached(&self, ends: &[(String, i32, i64)]) -> bool {
        ends.iter().all(|(topic, partition, end)| {
            // Ends are asked for once, so a copy of each name does no harm.
            let position = self.positions.get(&(topic.clone(), *partition));
            position.copied().unwrap_or_default() >= *end
        })
    }
}

fn missing(read: u64, written: u64, patience: Duration) -> Error {
    Error::Missing { read, written, seconds: patience.as_secs() }
}

/// Bytes of messages that may be unread, as far as they can be told from their Stores. A batch is dropped
/// as a whole, and may be as large as 1 MB, so it stays that much below the brokers' 5 MiB.
const WAVE_BYTES: usize = 4 << 20;
/// Stores that may be unread; a batch may hold a single message.
const WAVE_MESSAGES: u64 = 20_000;
/// How long to wait when nothing arrives.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before looking around.
const SLICE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

    use super::*;

    /// Partitions `a`/0 and `a`/1, and what a test puts there.
    struct Channel {
        records: Receiver<Read>,
        ends: Ends,
    }

    impl Messages for Channel {
        fn read(&mut self, timeout: Duration) -> Result<Option<Read>, kafka::Error> {
            match self.records.recv_timeout(timeout) {
                Ok(record) => Ok(Some(record)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(timeout);
                    Ok(None)
                }
            }
        }

        fn ends(&self) -> Result<Vec<(String, i32, i64)>, kafka::Error> {
            let ends = self.ends.lock().unwrap();
            Ok(vec![("a".to_owned(), 0, ends.0), ("a".to_owned(), 1, ends.1)])
        }
    }

    fn record(partition: i32, offset: i64) -> Read {
        let topic = "a".to_owned();
        Read::Record(Record {
            topic,
            partition,
            offset,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        })
    }

    type Ends = Arc<Mutex<(i64, i64)>>;

    fn start(embedded: bool, ends: (i64, i64)) -> (Reader, Sender<Read>, Ends) {
        let (sender, records) = channel();
        let ends = Arc::new(Mutex::new(ends));
        let messages = Channel { records, ends: Arc::clone(&ends) };
        let reader = Reader::with_patience(messages, embedded, Duration::from_millis(300)).unwrap();
        (reader, sender, ends)
    }

    #[test]
    fn stores_wait_when_a_wave_is_full_and_go_on_when_it_has_been_read() {
        let (mut reader, sender, _) = start(true, (0, 0));
        assert!(!reader.is_full(usize::MAX), "a large one passes alone");
        reader.sent(1, WAVE_BYTES - 10);
        assert!(!reader.is_full(10));
        assert!(reader.is_full(11));
        sender.send(record(0, 0)).unwrap();
        assert!(reader.catch_up(|| false).unwrap());
        assert!(!reader.is_full(11));
        for _ in 0..WAVE_MESSAGES {
            assert!(!reader.is_full(0));
            reader.sent(1, 0);
        }
        assert!(reader.is_full(0));
    }

    #[test]
    fn real_brokers_need_no_waves() {
        let (mut reader, _, _) = start(false, (0, 0));
        reader.sent(1, usize::MAX);
        assert!(!reader.is_full(usize::MAX));
    }

    #[test]
    fn waiting_ends_when_the_writer_gives_up_or_nothing_comes() {
        let (mut reader, sender, _) = start(true, (0, 0));
        reader.sent(1, 1);
        reader.sent(1, 1);
        sender.send(record(0, 0)).unwrap();
        assert!(!reader.catch_up(|| true).unwrap());
        let error = reader.catch_up(|| false).unwrap_err();
        assert!(matches!(error, Error::Missing { read: 1, written: 2, .. }), "{error}");
    }

    #[test]
    fn a_hole_means_that_messages_were_dropped() {
        let (mut reader, sender, _) = start(true, (0, 0));
        reader.sent(1, 1);
        sender.send(record(1, 3)).unwrap();
        let error = reader.catch_up(|| false).unwrap_err();
        assert!(matches!(error, Error::Dropped { partition: 1, from: 0, until: 3, .. }), "{error}");
    }

    #[test]
    fn finishing_reads_to_the_ends_from_where_it_began() {
        let (mut reader, sender, ends) = start(false, (5, 7));
        reader.sent(1, 1);
        *ends.lock().unwrap() = (5, 9);
        sender.send(record(1, 7)).unwrap();
        sender.send(record(1, 8)).unwrap();
        assert_eq!(reader.finish().unwrap().messages(), 2);
    }

    #[test]
    fn the_mark_of_a_transaction_is_not_waited_for() {
        let (sender, records) = channel();
        let ends = Arc::new(Mutex::new((0, 0)));
        let messages = Channel { records, ends: Arc::clone(&ends) };
        let mut reader = Reader::with_patience(messages, false, Duration::MAX).unwrap();
        *ends.lock().unwrap() = (2, 0);
        reader.sent(1, 1);
        sender.send(record(0, 0)).unwrap();
        sender.send(Read::End { topic: "a".to_owned(), partition: 0, offset: 2 }).unwrap();
        assert_eq!(reader.finish().unwrap().messages(), 1);
    }

    #[test]
    fn messages_behind_the_end_of_what_is_committed_are_waited_for() {
        let (mut reader, sender, _) = start(false, (0, 0));
        reader.sent(1, 1);
        sender.send(Read::End { topic: "a".to_owned(), partition: 0, offset: 0 }).unwrap();
        let finished = thread::spawn(|| reader.finish());
        // Were the end enough, it would have been found out before.
        thread::sleep(SLICE);
        sender.send(record(0, 0)).unwrap();
        assert_eq!(finished.join().unwrap().unwrap().messages(), 1);
    }

    #[test]
    fn a_partition_that_goes_on_is_not_waited_for_for_ever_but_messages_are_counted() {
        let (mut reader, sender, ends) = start(false, (0, 0));
        *ends.lock().unwrap() = (2, 0);
        reader.sent(1, 1);
        sender.send(record(0, 0)).unwrap();
        assert_eq!(reader.finish().unwrap().messages(), 1);

        let (mut reader, _sender, ends) = start(false, (0, 0));
        *ends.lock().unwrap() = (1, 0);
        reader.sent(1, 1);
        assert!(matches!(reader.finish(), Err(Error::Missing { read: 0, written: 1, .. })));
    }
}
