//! The outbox: messages written in place, handed to librdkafka by the batch without a copy of their values.
//!
//! ```text
//! keys    |key|key|key|...            one Vec a batch; librdkafka copies keys
//! chunk   |value|value|value|...      a Buffer; lent until its delivery reports have come
//! page    |value|value|value|...      small values, copied by partition; lent likewise (see `gather`)
//! entries [topic, partition, key range, value place and length, next of the same lane]
//! lanes   (topic, partition) -> first and last entry, in the order of their Stores
//! ```
//!
//! One thread, the session's, owns it. The memory of values belongs to the open [`Buffer`] here while it is written
//! to, and to the ledger's chunks from then on; it is freed when all its reports have come or the client is gone.

#![allow(unsafe_code, reason = "values are lent to librdkafka")]

mod opening;
mod room;

use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::{info, warn};

use super::client::{Client, Code, RawMessage, TopicHandle};
use super::error::{Error, shown};
use super::gather::{Gathering, Page};
use super::ledger::{AckTracker, State, tag};
use super::notes::{Header, Note, Notes};
use super::statistics;
use super::transaction::Transactions;
use crate::config::Partitioning;
use crate::encode::Buffer;

pub use self::opening::Manner;

/// A topic that messages are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Whose topic it is, as errors name it: `binding 0, collection acme/orders`.
    pub owner: String,
    /// How partitions are computed from keys.
    pub partitioning: Partitioning,
}

/// What a commit has brought to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Messages since the commit before.
    pub messages: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// The batch producer of one session.
pub struct Outbox {
    /// Before `clients`: handles go before what they are handles of.
    topics: Vec<Lanes>,
    /// Of each topic that was given.
    ways: Vec<Way>,
    /// At least one until the outbox is dropped. Each partition belongs to one of them, so its order holds.
    clients: Vec<Arc<Client>>,
    ledger: Arc<AckTracker>,

    keys: Vec<u8>,
    key_mark: usize,
    buffer: Buffer,
    /// The open chunk, its size as the ledger has it, and its messages so far.
    chunk: u32,
    chunk_capacity: usize,
    chunk_messages: u64,
    /// Spare room that the next value will probably need.
    expected: usize,
    /// Whether more memory is in use than the limit allows.
    over: bool,
    gathering: Gathering,

    entries: Vec<Entry>,
    /// Lanes with entries in this batch, in the order of their first ones.
    touched: Vec<(u32, i32)>,
    batch_bytes: usize,
    /// Bytes of key and value of the batch's largest message.
    largest: usize,
    /// Bytes of values of the batch that will be copied to a page.
    small_bytes: usize,
    scratch: Vec<sys::rd_kafka_message_t>,
    /// Of messages with headers or times of their own, and the numbers of the entries in `scratch`.
    notes: Notes,
    numbers: Vec<u32>,
    limits: Limits,
    uncommitted: Committed,
    /// Where messages are written in transactions, with the number of the topic that these are recorded in, as
    /// [`push`](Self::push) takes it.
    transactions: Option<(Transactions, usize)>,
}

/// When a batch is handed over, and how much may be on the way.
#[derive(Debug, Clone, Copy)]
struct Limits {
    chunk: usize,
    /// A batch of this size is handed over if it is of few partitions,
    batch_bytes: usize,
    batch_messages: usize,
    /// and one of this size whatever it is.
    most_bytes: usize,
    most_messages: usize,
    in_flight_messages: u64,
    /// Values up to this length are put together by partition.
    gathered: usize,
    /// Bytes of key and value that librdkafka can be made to take.
    message: usize,
}

/// Where messages for a topic that was given go.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// The topic's place: two of one name share it, and so their order.
    place: u32,
    partitioning: Partitioning,
}

/// One topic with its lists of entries, one a partition.
struct Lanes {
    /// The topic's handle of each client.
    handles: Vec<TopicHandle>,
    lanes: Vec<Lane>,
}

impl Lanes {
    /// The handle that a partition's messages go through: partitions are dealt out to the clients in turn, from
    /// another one in each topic, so that topics of one partition do not all go to the first.
    fn handle(&self, place: usize, partition: usize) -> &TopicHandle {
        &self.handles[(place + partition) % self.handles.len()]
    }
}

#[derive(Debug, Clone, Copy)]
struct Lane {
    first: u32,
    last: u32,
    count: u32,
}

const EMPTY: Lane = Lane { first: NONE, last: NONE, count: 0 };
const NONE: u32 = u32::MAX;

/// A message of the batch.
struct Entry {
    key_start: usize,
    key_len: usize,
    /// Null for a message without a value.
    value: *const u8,
    value_len: usize,
    /// Where the value was written.
    chunk: u32,
    next: u32,
}

// SAFETY: the pointers in `entries` and `scratch` are to memory that this type or its ledger owns; nothing else has
// them but librdkafka, which takes calls from any thread.
unsafe impl Send for Outbox {}

impl Outbox {
    /// The ledger of this session.
    #[must_use]
    pub fn tracker(&self) -> &Arc<AckTracker> {
        &self.ledger
    }

    /// Bytes that went to the brokers since the outbox was opened: requests of every kind, compressed, with the framing of
    /// Kafka's protocol, without that of TLS. None where that is not known within a few seconds. To be asked for when nothing is on the
    /// way, of an outbox that is [measured](Manner::measured): any other one would wait in vain.
    #[must_use]
    pub fn sent_bytes(&self) -> Option<u64> {
        self.ledger.sent_bytes(self.clients.len(), statistics::SOON * 10)
    }

    /// Has the messages of each topic, by the order of the topics given to [`open`](Self::open), carry these headers;
    /// those that are added by [`push_noted`](Self::push_noted). To be called before the first message.
    pub fn set_headers(&mut self, headers: Vec<Vec<Header>>) {
        self.notes = Notes::new(headers);
        let mut bytes = vec![0; self.topics.len()];
        for (topic, way) in self.ways.iter().enumerate() {
            let bytes = &mut bytes[way.place as usize];
            *bytes = self.notes.header_bytes(topic).max(*bytes);
        }
        self.ledger.update(|state| state.header_bytes = bytes);
    }

    /// Where the next message is written: the bytes of its key are appended to the `Vec`, its value to the
    /// [`Buffer`]. Waits while too much memory is in flight.
    ///
    /// The buffer must be written to, not replaced: librdkafka reads the messages that it has already.
    ///
    /// # Errors
    ///
    /// The first failure of the session, if a delivery has failed.
    #[inline]
    pub fn buffers(&mut self) -> Result<(&mut Vec<u8>, &mut Buffer), Error> {
        if self.ledger.has_failed() {
            return Err(self.failure());
        }
        if self.over || self.buffer.capacity() - self.buffer.len() < self.expected {
            self.next_chunk()?;
        }
        Ok((&mut self.keys, &mut self.buffer))
    }

    /// Adds the message that has just been written to the batch, for the `topic`th of the topics given to
    /// [`open`](Self::open). Without a value it is a tombstone. Hands over when the batch is large.
    ///
    /// # Errors
    ///
    /// A message beyond what the client can send; a failure in handing over.
    #[inline]
    pub fn push(&mut self, topic: usize, has_value: bool) -> Result<(), Error> {
        self.push_by(topic, has_value, None)
    }

    /// As [`push`](Self::push), to the partition that a message of the key `partition_key` would go to, if there is one.
    ///
    /// # Errors
    ///
    /// As with [`push`](Self::push).
    pub fn push_by(
        &mut self,
        topic: usize,
        has_value: bool,
        partition_key: Option<&[u8]>,
    ) -> Result<(), Error> {
        let way = *self.ways.get(topic).expect("the session numbers topics as it gave them");
        let place = way.place as usize;
        if !has_value {
            self.buffer.abandon();
        }
        self.settle_growth();
        let key = self.keys.get(self.key_mark..).unwrap_or_default();
        let value = self.buffer.message();
        let bytes = key.len() + value.len();
        if bytes > self.limits.message {
            let name = self.ledger.name(place);
            let error = Error::TooLarge {
                topic: name.topic,
                owner: name.owner,
                key: shown(key),
                bytes,
                limit: self.limits.message,
            };
            return Err(self.fail(error));
        }

        let topic_lanes = &mut self.topics[place];
        let count = i32::try_from(topic_lanes.lanes.len()).expect("partition counts are i32");
        let partition = way.partitioning.partition_of(partition_key.unwrap_or(key), count);
        let lane = &mut topic_lanes.lanes[usize::try_from(partition).expect("partitions count from 0")];
        let number = u32::try_from(self.entries.len()).expect("a batch has a few thousand messages");
        if lane.first == NONE {
            lane.first = number;
            self.touched.push((u32::try_from(place).expect("a task has fewer topics"), partition));
        } else {
            self.entries[lane.last as usize].next = number;
        }
        lane.last = number;
        lane.count += 1;
        self.entries.push(Entry {
            key_start: self.key_mark,
            key_len: key.len(),
            value: if has_value { value.as_ptr() } else { null() },
            value_len: value.len(),
            chunk: self.chunk,
            next: NONE,
        });

        self.expected = value.len().max(self.expected - self.expected / 16).min(self.limits.chunk / 8);
        self.chunk_messages += 1;
        self.batch_bytes += bytes;
        self.largest = self.largest.max(bytes);
        if value.len() <= self.limits.gathered {
            self.small_bytes += value.len();
        }
        self.uncommitted.messages += 1;
        self.uncommitted.bytes += bytes as u64;
        self.buffer.finish();
        self.key_mark = self.keys.len();
        let large =
            self.entries.len() >= self.limits.batch_messages || self.batch_bytes >= self.limits.batch_bytes;
        if large && !self.has_few_of_each() {
            self.hand_over()?;
        }
        Ok(())
    }

    /// As [`push_by`](Self::push_by), for a message with the headers of its topic and a time of its own.
    ///
    /// # Errors
    ///
    /// As with [`push`](Self::push).
    pub fn push_noted(
        &mut self,
        topic: usize,
        has_value: bool,
        partition_key: Option<&[u8]>,
        note: &Note<'_>,
    ) -> Result<(), Error> {
        self.notes.push(self.entries.len(), topic, note);
        self.push_by(topic, has_value, partition_key)
    }

    /// Whether the batch is of so many partitions that there are few messages of each, and may still grow: a call of
    /// librdkafka is for one partition.
    fn has_few_of_each(&self) -> bool {
        let Limits { most_messages, most_bytes, .. } = self.limits;
        let lanes = self.touched.len();
        self.entries.len() < most_messages.min(lanes * LANE_MESSAGES)
            && self.batch_bytes < most_bytes.min(lanes * LANE_BYTES)
    }

    /// Drops what was written since the last [`push`](Self::push).
    pub fn abandon(&mut self) {
        self.keys.truncate(self.key_mark);
        self.buffer.abandon();
        self.settle_growth();
    }

    /// Hands the batch to librdkafka. The session calls this before it waits for input.
    ///
    /// # Errors
    ///
    /// The first failure of the session; a message that librdkafka refuses.
    pub fn hand_over(&mut self) -> Result<(), Error> {
        if self.entries.is_empty() {
            return if self.ledger.has_failed() { Err(self.failure()) } else { Ok(()) };
        }
        let count = self.entries.len() as u64;
        let most = self.limits.in_flight_messages;
        // librdkafka copies keys; values are counted where they are written, and small ones once more.
        let keys = self.key_mark;
        let copies = if self.small_bytes > 0 { self.small_bytes + self.limits.chunk } else { 0 };
        let has_notes = !self.notes.is_empty();
        let (topics, touched) = (&self.topics, &self.touched);
        self.wait(|state| {
            let headers = if has_notes { header_bytes(topics, touched, state) } else { 0 };
            state.has_room(count, most, keys + copies + headers).then_some(())
        })?;
        if let Some((transactions, _)) = &mut self.transactions {
            transactions.begin(&self.ledger)?;
        }
        let topics = &self.topics;
        let counts = self.touched.iter().map(|&(place, partition)| {
            let lanes = &topics[place as usize].lanes;
            (place as usize, lanes[usize::try_from(partition).expect("partitions count from 0")].count)
        });
        self.ledger.produce(counts, self.batch_bytes, keys, self.largest);
        for lane in 0..self.touched.len() {
            let (place, partition) = self.touched[lane];
            self.hand_over_lane(place as usize, partition)?;
        }
        self.touched.clear();
        self.entries.clear();
        self.notes.clear();
        self.chunk_messages -= self.gathering.settle(self.chunk, &self.ledger);
        if self.chunk_messages == 0 && self.buffer.message().is_empty() {
            // All of it was copied.
            self.buffer.restart();
        }
        self.small_bytes = 0;
        // What was written of the next message, if anything, moves to the front.
        self.keys.drain(..self.key_mark);
        self.key_mark = 0;
        self.batch_bytes = 0;
        self.largest = 0;
        Ok(())
    }

    /// Hands the batch over and waits until every message is acknowledged by all in-sync replicas. Then takes
    /// the partitions that topics have got since.
    ///
    /// # Errors
    ///
    /// The first failure of the session; then nothing is promised about any message since the last commit.
    pub fn commit(&mut self) -> Result<Committed, Error> {
        self.settle()?;
        self.take_grown();
        Ok(std::mem::take(&mut self.uncommitted))
    }

    /// As [`commit`](Self::commit), by committing the transaction: all messages first, then, as the last of it, a record
    /// of this key and value in the progress topic, and with the record alone where there is nothing else. Until a
    /// transaction is decided, its record holds back everybody who reads what comes behind it.
    ///
    /// # Errors
    ///
    /// The first failure of the session; then the next session finds out whether the transaction was committed.
    pub fn commit_recorded(&mut self, key: &str, record: &[u8]) -> Result<Committed, Error> {
        self.settle()?;
        let committed = std::mem::take(&mut self.uncommitted);
        let progress = self.transactions.as_ref().map(|(_, progress)| *progress);
        let progress = progress.expect("whoever records opened the outbox for transactions");
        let (keys, buffer) = self.buffers()?;
        keys.extend_from_slice(key.as_bytes());
        buffer.put(record);
        self.push(progress, true)?;
        self.settle()?;
        self.uncommitted = Committed::default();
        if let Some((transactions, _)) = &mut self.transactions {
            transactions.commit(&self.ledger)?;
        }
        self.take_grown();
        Ok(committed)
    }

    /// Hands the batch over and waits for the acknowledgement of every message.
    fn settle(&mut self) -> Result<(), Error> {
        self.hand_over()?;
        if !self.ledger.lock().is_settled() {
            self.flush();
            self.wait(|state| state.is_settled().then_some(()))?;
        }
        if self.ledger.has_failed() { Err(self.failure()) } else { Ok(()) }
    }

    /// Hands in the entries of one partition, in their order, until librdkafka has them all.
    fn hand_over_lane(&mut self, place: usize, partition: i32) -> Result<(), Error> {
        let number = usize::try_from(partition).expect("partitions count from 0");
        let lane = &mut self.topics[place].lanes[number];
        self.scratch.clear();
        self.numbers.clear();
        let has_notes = !self.notes.is_empty();
        let mut next = std::mem::replace(lane, EMPTY).first;
        while let Some(entry) = self.entries.get(next as usize) {
            let key = &self.keys[entry.key_start..entry.key_start + entry.key_len];
            let mut lent = (entry.value, entry.chunk);
            if entry.value_len <= self.limits.gathered {
                let value: &[u8] = match entry.value.is_null() {
                    true => &[],
                    // SAFETY: a finished message of the open buffer or of a sealed chunk, which both stay as they are
                    // as long as they have messages that were not reported, and this is one.
                    false => unsafe { std::slice::from_raw_parts(entry.value, entry.value_len) },
                };
                if let Some((copy, page)) = self.gathering.copy(value, entry.chunk, &self.ledger) {
                    lent = (if entry.value.is_null() { null() } else { copy }, page);
                }
            }
            let (value, chunk) = lent;
            self.scratch.push(sys::rd_kafka_message_t {
                err: Name::RD_KAFKA_RESP_ERR_NO_ERROR,
                rkt: null_mut(),
                partition: 0,
                payload: value.cast_mut().cast(),
                len: entry.value_len,
                key: key.as_ptr().cast_mut().cast(),
                key_len: entry.key_len,
                offset: 0,
                _private: std::ptr::without_provenance_mut(tag(chunk, place)),
            });
            if has_notes {
                self.numbers.push(next);
            }
            next = entry.next;
        }
        let handle = self.topics[place].handle(place, number);
        let mut start = 0;
        let mut seen = None;
        while start < self.scratch.len() {
            let batch = &mut self.scratch[start..];
            let refused = if has_notes {
                // SAFETY: values lie in the open buffer or page, whose finished messages do not move, or in sealed
                // chunks; all are kept by this type and its ledger until their reports have come or the client is
                // gone. Keys lie in `self.keys`, which nobody changes during the call.
                unsafe { self.notes.produce(handle, partition, batch, &self.numbers[start..]) }
            } else {
                // SAFETY: as above.
                unsafe { handle.produce(partition, batch) };
                let refused = batch.iter().position(|message| error_of(message).0 != 0);
                refused.map(|at| (at, error_of(&batch[at])))
            };
            let Some((at, code)) = refused else { break };
            start += at;
            if !code.is(Name::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                let error = self.refusal(place, partition, start, code);
                return Err(self.fail(error));
            }
            // The rest of the call failed alike, untried, so the tail can be handed in again in its order, once
            // something has come back: not just its report, which is in the ledger before librdkafka takes the message
            // off its count. What came back during the call counts, or it would be waited for in vain: so the first
            // time the call is repeated at once.
            seen = Some(self.wait(|state| state.returned_since(seen))?);
        }
        Ok(())
    }

    /// Waits until `ready` gives something. Messages do not linger meanwhile: no others come that they could wait for.
    fn wait<T>(&self, ready: impl FnMut(&mut State) -> Option<T>) -> Result<T, Error> {
        self.ledger.wait(|| self.flush(), ready)
    }

    /// Makes librdkafka send what lingers. It does so as long as a flush runs, and as long its threads spin where a
    /// partition has a request in flight, so this is short. It ends with the last report, or when a failure has made
    /// the delivery threads purge.
    fn flush(&self) {
        if let [others @ .., last] = &self.clients[..] {
            thread::scope(|scope| {
                for client in others {
                    // Without a thread its messages linger this once.
                    let _flushing = thread::Builder::new().spawn_scoped(scope, || client.flush(FLUSH));
                }
                last.flush(FLUSH);
            });
        }
    }

    /// Takes the partitions that topics have got since, now that no message is on the way.
    fn take_grown(&mut self) {
        let counts = self.ledger.lock().partitions.clone();
        // Who reads records looks for them in the first partition.
        let records = self.transactions.iter().len();
        let documents = self.topics.len() - records;
        for (place, lanes) in self.topics.iter_mut().take(documents).enumerate() {
            // A client refuses a partition that it has not been told of yet.
            let count = counts.iter().map(|of_client| of_client[place]).min().unwrap_or(0);
            let (before, now) = (lanes.lanes.len(), usize::try_from(count).unwrap_or(0));
            if now > before {
                let name = self.ledger.name(place);
                info!(topic = %name.topic, before, now, "the topic has grown: keys go to other partitions from here on");
                lanes.lanes.resize(now, EMPTY);
            }
        }
    }

    /// As if the topic had had fewer partitions when it was asked for: the mock cannot add any.
    #[cfg(test)]
    pub(super) fn shrink_for_test(&mut self, topic: usize, partitions: usize) {
        self.topics[self.ways[topic].place as usize].lanes.truncate(partitions);
    }

    fn refusal(&self, place: usize, partition: i32, at: usize, code: Code) -> Error {
        let fatal = || self.clients.iter().find_map(|client| client.fatal());
        if let (true, Some((code, text))) = (code.is(Name::RD_KAFKA_RESP_ERR__FATAL), fatal()) {
            return self.ledger.fatal(code, &text);
        }
        let message = self.scratch.get(at);
        // SAFETY: the key lies in `self.keys`, as when the message was made of it.
        let key = message.map(|m| unsafe { std::slice::from_raw_parts(m.key.cast::<u8>(), m.key_len) });
        let bytes = message.map_or(0, |m| m.key_len + m.len);
        self.ledger.refused(place, partition, (key.unwrap_or_default(), bytes), code)
    }

    fn fail(&self, error: Error) -> Error {
        self.ledger.fail(error);
        for client in &self.clients {
            client.wake();
        }
        self.failure()
    }

    #[cold]
    fn failure(&self) -> Error {
        self.ledger.failure().unwrap_or_else(|| Error::Thread { reason: "has ended".to_owned() })
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.ledger.tell_rest();
        // The open buffer goes to the ledger, which lives until the client is gone.
        self.settle_growth();
        let memory = std::mem::take(&mut self.buffer).into_vec();
        let (chunk, messages) = (self.chunk, self.chunk_messages);
        let page = self.gathering.take_page();
        self.topics.clear();
        self.ledger.update(|state| {
            state.chunks.seal(chunk, memory, messages);
            if let Some(Page { chunk, memory, messages }) = page {
                state.chunks.seal(chunk, memory, messages);
            }
            state.closing = true;
        });
        if let Some((mut transactions, _)) = self.transactions.take()
            && !self.ledger.has_failed()
        {
            transactions.abort();
        }
        for client in &self.clients {
            client.purge();
        }
        // The delivery threads end when they see `released`, and only then: theirs are the last handles of the clients, so that
        // they wait for librdkafka's threads, not we. One that is stuck in a name look-up would hold us up.
        let clients = std::mem::take(&mut self.clients);
        self.ledger.update(|state| {
            clients.iter().for_each(|client| client.wake());
            drop(clients);
            state.released = true;
        });
        if !self.ledger.wait_until(GONE_WITHIN, |state| state.clients == 0) {
            warn!("the Kafka client takes long to go down; its thread finishes in the background");
        }
    }
}

/// Bytes that the headers of a batch take at most.
fn header_bytes(topics: &[Lanes], touched: &[(u32, i32)], state: &State) -> usize {
    let of_lane = |&(place, partition): &(u32, i32)| {
        let lanes = &topics[place as usize].lanes;
        let count = lanes[usize::try_from(partition).expect("partitions count from 0")].count;
        count as usize * state.header_bytes[place as usize]
    };
    touched.iter().map(of_lane).sum()
}

fn error_of(message: &sys::rd_kafka_message_t) -> Code {
    // SAFETY: the layouts are the same, and any number is a code.
    Code(unsafe { (*std::ptr::from_ref(message).cast::<RawMessage>()).err })
}

/// Long enough for librdkafka's threads to notice.
const FLUSH: Duration = Duration::from_millis(5);
const GONE_WITHIN: Duration = Duration::from_secs(4);

/// Messages of a partition, or their bytes, that make a call worth its while.
const LANE_MESSAGES: usize = 16;
const LANE_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests;
