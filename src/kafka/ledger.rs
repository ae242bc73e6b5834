//! The ledger of a session: what was handed to librdkafka, what was acknowledged, and what went wrong first.
//!
//! The session's thread enters what it hands over and waits here; the delivery thread enters reports, in bulk.
//! The condition variable is notified under its mutex. A wait ends with progress, with the first failure, or as a
//! stall: when messages are due and no report has come for the stall time-out.

use std::time::Duration;

use super::chunks::Chunks;
use super::error::Error;
use super::settings::BATCH_BYTES;
use super::statistics::Statistics;
use super::sync::{AtomicBool, Condvar, Instant, Mutex, MutexGuard, Ordering, PoisonError};
use super::watch::{Line, Standing, Watch};

/// Counts of messages produced and acknowledged, and the first failure.
pub struct AckTracker {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether there is a failure; read for every document without the mutex.
    failed: AtomicBool,
    on_failure: Box<dyn Fn(Error) + Send + Sync>,
    names: Vec<TopicName>,
    brokers: String,
    stall_timeout: Duration,
    /// The transactional id and its time-out, where messages are written in transactions.
    pub(super) transactional: Option<(String, Duration)>,
}

/// How errors name a topic, and what they tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicName {
    pub(super) topic: String,
    pub(super) owner: String,
    /// The topic's setting when the session opened, where the brokers tell: an error that needs it cannot wait for them.
    pub(super) max_message_bytes: Option<usize>,
}

pub(super) struct State {
    pub(super) produced: u64,
    pub(super) acknowledged: u64,
    /// Messages without a report, by topic, and in all.
    due: Vec<u64>,
    all_due: u64,
    /// Bytes of the keys and values of messages without a report.
    due_bytes: u64,
    /// Bytes of the largest message since none was due.
    largest: usize,
    /// Events of reports that librdkafka has got back, and with them room in its queue.
    returned: u64,
    pub(super) chunks: Chunks,
    /// Bytes that the headers of a message take at most, by topic.
    pub(super) header_bytes: Vec<usize>,
    pub(super) failure: Option<Error>,
    last_error: Option<String>,
    /// Time without a report while some were due.
    idle: Duration,
    ticked: Instant,
    /// Partition counts as the brokers last gave them, by client and topic; 0 where nothing is known.
    pub(super) partitions: Vec<Vec<i32>>,
    /// The session has ended: what comes now is no failure.
    pub(super) closing: bool,
    /// Whether it has let go of the clients, so that delivery threads may end: they take the clients down.
    pub(super) released: bool,
    /// When the transaction that is open had its first message.
    pub(super) transaction_since: Option<Instant>,
    /// Clients that are not gone: as long as there is one, lent memory may be read.
    pub(super) clients: usize,
    /// What the log tells of all this.
    pub(super) watch: Watch,
}

/// Reports of one event, summed up before they are entered.
#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Tag, and how many reports in a row had it.
    runs: Vec<(usize, u32)>,
    /// How many of them tell that a message was not delivered.
    failed: u64,
    /// Bytes of keys, and of keys and values.
    keys: usize,
    bytes: usize,
}

impl Reports {
    /// Forgets the reports of the event before.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.failed = 0;
        self.keys = 0;
        self.bytes = 0;
    }

    /// Adds a report: its message's tag, the length of its key, and that of key and value.
    #[inline]
    pub(super) fn add(&mut self, tag: usize, key_len: usize, bytes: usize) {
        self.keys += key_len;
        self.bytes += bytes;
        match self.runs.last_mut() {
            Some((last, run)) if *last == tag => *run += 1,
            _ => self.runs.push((tag, 1)),
        }
    }

    /// Says of a report that was added that its message was not delivered.
    pub(super) fn add_failed(&mut self) {
        self.failed += 1;
    }
}

/// What a message is produced with, and what its report brings back: its chunk and its topic.
pub(super) fn tag(chunk: u32, topic: usize) -> usize {
    debug_assert!(topic < 1 << TOPIC_BITS, "a task has fewer topics");
    (chunk as usize) << TOPIC_BITS | topic
}

pub(super) fn untag(tag: usize) -> (u32, u32) {
    let part = |bits: usize| u32::try_from(bits).expect("tags are made of a chunk's and a topic's number");
    (part(tag >> TOPIC_BITS), part(tag & ((1 << TOPIC_BITS) - 1)))
}

/// 16 million topics a task, and 2^32 chunks.
const TOPIC_BITS: u32 = 24;

impl AckTracker {
    pub(super) fn new(
        names: Vec<TopicName>,
        brokers: String,
        stall_timeout: Duration,
        chunks: Chunks,
        on_failure: Box<dyn Fn(Error) + Send + Sync>,
    ) -> Self {
        let watch = Watch::new(names.len(), Instant::now());
        let state = State {
            produced: 0,
            acknowledged: 0,
            due: vec![0; names.len()],
            all_due: 0,
            due_bytes: 0,
            largest: 0,
            returned: 0,
            chunks,
            header_bytes: vec![0; names.len()],
            failure: None,
            last_error: None,
            idle: Duration::ZERO,
            ticked: Instant::now(),
            partitions: Vec::new(),
            closing: false,
            released: false,
            transaction_since: None,
            clients: 0,
            watch,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            failed: AtomicBool::new(false),
            on_failure,
            names,
            brokers,
            stall_timeout,
            transactional: None,
        }
    }

    /// The ledger of a producer that writes in transactions of this id, with this time-out; the last of its topics is
    /// the one where they are recorded.
    pub(super) fn transactional(mut self, id: String, timeout: Duration) -> Self {
        let documents = self.names.len().saturating_sub(1);
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).watch =
            Watch::new(documents, Instant::now());
        self.transactional = Some((id, timeout));
        self
    }

    /// Messages handed to librdkafka so far.
    pub fn produced(&self) -> u64 {
        self.lock().produced
    }

    /// Messages that all in-sync replicas have.
    pub fn acknowledged(&self) -> u64 {
        self.lock().acknowledged
    }

    /// The first failure, if there was one.
    pub fn failure(&self) -> Option<Error> {
        if !self.failed.load(Ordering::Relaxed) {
            return None;
        }
        self.lock().failure.clone()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn name(&self, topic: usize) -> TopicName {
        self.names.get(topic).cloned().unwrap_or_else(|| TopicName {
            topic: "?".into(),
            owner: "?".into(),
            max_message_bytes: None,
        })
    }

    /// How often the delivery thread should look for a stall.
    pub(super) fn watch_every(&self) -> Duration {
        (self.stall_timeout / 8).clamp(Duration::from_millis(10), Duration::from_millis(500))
    }

    /// Enters messages that are about to be handed over, by topic, with their bytes, those of their keys and those of the
    /// largest of them: their reports may come before the call returns.
    pub(super) fn produce(
        &self,
        counts: impl IntoIterator<Item = (usize, u32)>,
        bytes: usize,
        keys: usize,
        largest: usize,
    ) {
        let mut state = self.lock();
        if state.watch.is_silent() {
            state.watch.wake(Instant::now());
        }
        if state.produced == state.acknowledged {
            state.idle = Duration::ZERO;
            state.ticked = Instant::now();
            state.largest = 0;
        }
        state.largest = state.largest.max(largest);
        let mut copied = keys;
        // Records of progress come alone.
        let mut are_documents = false;
        for (topic, count) in counts {
            copied += count as usize * state.header_bytes[topic];
            state.produced += u64::from(count);
            state.due[topic] += u64::from(count);
            state.all_due += u64::from(count);
            are_documents |= state.watch.store(topic, count);
        }
        state.due_bytes += bytes as u64;
        if are_documents {
            state.watch.store_bytes(bytes);
        }
        state.chunks.copied(copied);
    }

    /// Enters the reports of one event.
    pub(super) fn acknowledge(&self, reports: &Reports) {
        let mut state = self.lock();
        state.due_bytes = state.due_bytes.saturating_sub(reports.bytes as u64);
        let mut uncopied = reports.keys;
        state.idle = Duration::ZERO;
        state.ticked = Instant::now();
        let mut reported = 0;
        for &(tag, count) in &reports.runs {
            let (chunk, topic) = untag(tag);
            reported += u64::from(count);
            state.chunks.reported(chunk, i64::from(count));
            if let Some(due) = state.due.get_mut(topic as usize) {
                *due = due.saturating_sub(u64::from(count));
            }
            uncopied += count as usize * state.header_bytes.get(topic as usize).copied().unwrap_or(0);
        }
        state.all_due = state.all_due.saturating_sub(reported);
        state.acknowledged += reported.saturating_sub(reports.failed);
        state.chunks.uncopied(uncopied);
        self.changed.notify_all();
    }

    /// Enters that the session begins to commit.
    pub fn committing(&self) {
        self.lock().watch.committing(Instant::now());
    }

    /// Enters that the session has committed, and tells it in the log, unless commits are so frequent that they are told
    /// together.
    pub fn committed(&self) {
        self.lock().watch.committed(Instant::now());
        self.tell();
    }

    /// Enters what a client has told of itself.
    pub(super) fn statistics(&self, client: usize, told: Statistics) {
        self.update(|state| state.watch.statistics(client, told));
    }

    /// Bytes that all of so many clients have sent so far, requests of every kind with all framing. Waits until they have told, for
    /// at most `longest`.
    pub(super) fn sent_bytes(&self, clients: usize, longest: Duration) -> Option<u64> {
        let before = self.lock().watch.tellings();
        let told = |state: &State| state.watch.sent_bytes(clients, &before);
        self.wait_until(longest, |state| state.failure.is_some() || told(state).is_some());
        told(&self.lock())
    }

    /// Tells in the log how things stand, if it is time to.
    pub(super) fn tell(&self) {
        self.tell_if(Watch::is_due);
    }

    /// Tells of commits that were not told yet.
    pub(super) fn tell_rest(&self) {
        self.tell_if(|watch, _| watch.has_commits());
    }

    fn tell_if(&self, due: impl Fn(&Watch, Instant) -> bool) {
        let now = Instant::now();
        let line = {
            let mut state = self.lock();
            // A failure is told by the session.
            if state.failure.is_some() || state.closing || !due(&state.watch, now) {
                return;
            }
            self.line(&mut state, now)
        };
        line.log(|place| self.name(place));
    }

    fn line(&self, state: &mut State, now: Instant) -> Line {
        let standing = Standing {
            in_flight: state.due.iter().take(state.watch.topics()).sum(),
            in_flight_bytes: state.due_bytes,
            idle: state.idle,
            stall_timeout: self.stall_timeout,
            last_error: state.last_error.clone(),
        };
        state.watch.line(now, standing)
    }

    /// Enters that librdkafka has got an event of reports back.
    pub(super) fn returned(&self) {
        self.update(|state| state.returned += 1);
    }

    /// Enters a failure. Only the first one counts, and none while the session is closing.
    pub(super) fn fail(&self, error: Error) {
        let state = self.lock();
        self.fail_locked(state, error);
    }

    /// How long a wait without progress may be.
    pub(super) fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }

    /// The latest error of a connection.
    pub(super) fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    /// Remembers an error that is no failure yet, to explain a stall.
    pub(super) fn trouble(&self, text: String) {
        self.lock().last_error = Some(text);
    }

    /// Enters that there is another client, and gives its number.
    pub(super) fn add_client(&self) -> usize {
        let mut state = self.lock();
        state.clients += 1;
        state.partitions.push(vec![0; self.names.len()]);
        state.partitions.len() - 1
    }

    /// Enters partition counts as the brokers gave them to a client.
    pub(super) fn grown(&self, client: usize, counts: impl IntoIterator<Item = (usize, i32)>) {
        let mut state = self.lock();
        for (topic, count) in counts {
            state.partitions[client][topic] = count;
        }
    }

    /// Looks for a stall. Time counts in small steps, so that a process that was stopped for a while does not
    /// take its own sleep for the brokers'.
    pub(super) fn watch(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        let step = now.saturating_duration_since(state.ticked).min(LONGEST_STEP);
        state.ticked = now;
        if state.produced == state.acknowledged || state.failure.is_some() {
            state.idle = Duration::ZERO;
            return;
        }
        state.idle += step;
        if state.idle < self.stall_timeout {
            return;
        }
        let error = self.stalled(&state);
        self.fail_locked(state, error);
    }

    /// Waits until `ready` gives something. `at_a_lull` is called when no report has come for [`LULL`], and again ever
    /// more rarely as long as none comes: what is waited for may itself be waiting for more messages.
    ///
    /// # Errors
    ///
    /// The first failure, which may be a stall.
    pub(super) fn wait<T>(
        &self,
        at_a_lull: impl Fn(),
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Error> {
        let mut acknowledged = None;
        let mut since = Instant::now();
        let mut lull = LULL;
        loop {
            let mut state = self.lock();
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if let Some(value) = ready(&mut state) {
                return Ok(value);
            }
            if acknowledged.replace(state.acknowledged) != Some(state.acknowledged) {
                (since, lull) = (Instant::now(), LULL);
            }
            let left = lull.saturating_sub(since.elapsed());
            if left.is_zero() {
                drop(state);
                at_a_lull();
                (since, lull) = (Instant::now(), (lull * 2).min(self.watch_every()));
            } else {
                drop(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner));
            }
            // The delivery thread watches too; this is for the case that it is gone.
            self.watch();
        }
    }

    /// Waits until `done` holds, for at most `longest`, whatever has failed.
    pub(super) fn wait_until(&self, longest: Duration, mut done: impl FnMut(&State) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), longest, |state| !done(state))
            .unwrap_or_else(PoisonError::into_inner);
        done(&state)
    }

    /// Changes the state, and wakes whoever waits.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let value = change(&mut state);
        self.changed.notify_all();
        value
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this mutex leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail_locked(&self, mut state: MutexGuard<'_, State>, error: Error) {
        if state.failure.is_some() || state.closing {
            return;
        }
        state.failure = Some(error.clone());
        self.failed.store(true, Ordering::Relaxed);
        self.changed.notify_all();
        drop(state);
        (self.on_failure)(error);
    }

    fn stalled(&self, state: &State) -> Error {
        let mut topics: Vec<_> = self.names.iter().zip(&state.due).filter(|(_, due)| **due > 0).collect();
        topics.sort_by(|a, b| b.1.cmp(a.1));
        let more = topics.len().saturating_sub(TOPICS_NAMED);
        let mut named: Vec<_> = topics
            .iter()
            .take(TOPICS_NAMED)
            .map(|(name, due)| format!("topic \"{}\", {}: {due}", name.topic, name.owner))
            .collect();
        if more > 0 {
            named.push(format!("{more} more topics"));
        }
        Error::Stalled {
            waited: self.stall_timeout,
            due: state.produced - state.acknowledged,
            topics: named.join("; "),
            brokers: self.brokers.clone(),
            last: state.last_error.clone().unwrap_or_else(|| "none".to_owned()),
            large: (state.largest > BATCH_BYTES).then_some(state.largest),
        }
    }
}

impl State {
    /// Messages handed over without a report.
    pub(super) fn due(&self) -> u64 {
        self.all_due
    }

    /// Whether `count` more messages may be handed over, of which librdkafka and the pages take `bytes` of copies: at most
    /// `most` messages are on the way then, or these alone.
    pub(super) fn has_room(&self, count: u64, most: u64, bytes: usize) -> bool {
        self.all_due == 0 || (self.all_due + count <= most && self.chunks.has_room(bytes))
    }

    /// The count of events that librdkafka has got back, if it is another than the one `seen` before.
    pub(super) fn returned_since(&self, seen: Option<u64>) -> Option<u64> {
        (Some(self.returned) != seen).then_some(self.returned)
    }

    /// Whether all messages are acknowledged. That none is due says less: a failed one is not due either.
    pub(super) fn is_settled(&self) -> bool {
        self.acknowledged == self.produced
    }
}

/// Much more than messages take to be on their way, and much less than they linger.
const LULL: Duration = Duration::from_millis(5);

/// Time between two looks at the clock that counts as waiting.
pub(super) const LONGEST_STEP: Duration = Duration::from_secs(2);

const TOPICS_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_brings_back_chunk_and_topic() {
        for (chunk, topic) in [(0, 0), (1, 0), (0, 1), (u32::MAX, (1 << TOPIC_BITS) - 1), (7, 3)] {
            assert_eq!(untag(tag(chunk, topic)), (chunk, u32::try_from(topic).unwrap()));
        }
    }

    #[test]
    fn reports_in_a_row_are_summed_up_and_those_of_an_event_forgotten() {
        let mut reports = Reports::default();
        reports.add(9, 5, 6);
        reports.add_failed();
        reports.clear();
        for (tag, delivered) in [(0, true), (0, true), (7, false), (0, true)] {
            reports.add(tag, 10, 17);
            if !delivered {
                reports.add_failed();
            }
        }
        assert_eq!(reports.runs, [(0, 2), (7, 1), (0, 1)]);
        assert_eq!((reports.failed, reports.keys, reports.bytes), (1, 40, 68));
    }
}
