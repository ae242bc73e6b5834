//! What the log tells of a session as it goes: one line with all figures, seldom enough to be read.
//!
//! * Every commit is in a line of level info. The first one, and one after 10 s without, is told at once;
//!   those between are told together, no later than that. (Each has a line of its own at level debug.)
//! * While a transaction is open, a line comes at least every 30 s, whoever is waited for: that the session's thread is
//!   blocked changes nothing, for the delivery threads tell it. A session without a transaction is silent.
//!
//! Figures are those that the ledger keeps by the batch anyway. A [`Line`] is made under the ledger's mutex and written
//! without it: whoever reads the log may be slow.

use std::cmp::Reverse;
use std::time::Duration;

use tracing::{info, warn};

use super::ledger::TopicName;
use super::statistics::Statistics;
use super::sync::Instant;

/// What was stored and told so far.
#[derive(Debug)]
pub(super) struct Watch {
    pace: Pace,
    /// Documents that were handed to librdkafka, by topic.
    stored: Vec<u64>,
    stored_documents: u64,
    stored_bytes: u64,
    committed_documents: u64,
    /// Commits that were not told yet.
    commits: Commits,
    commits_told: Option<Instant>,
    /// Since when a commit is under way.
    committing: Option<Instant>,
    /// By client.
    statistics: Vec<Option<Statistics>>,
    /// How often each client has told of itself.
    tellings: Vec<u64>,
    before: Before,
    #[cfg(test)]
    lines: Vec<Line>,
}

/// How often lines come at most, and at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) commits: Duration,
    pub(super) lines: Duration,
    /// Time without an acknowledgement that is worth a warning.
    pub(super) stuck: Duration,
}

/// Where things stood at the line before, or when the first document came after it.
#[derive(Debug)]
struct Before {
    at: Instant,
    stored: Vec<u64>,
    stored_documents: u64,
    stored_bytes: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Commits {
    count: u64,
    latest: Duration,
    longest: Duration,
}

/// What the ledger adds: how things stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Documents on the way, with the bytes of their keys and values.
    pub(super) in_flight: u64,
    pub(super) in_flight_bytes: u64,
    /// Time without a report while some were due, and when it ends the session.
    pub(super) idle: Duration,
    pub(super) stall_timeout: Duration,
    pub(super) last_error: Option<String>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    what: What,
    /// Since the session opened: messages with their keys' and values' bytes.
    stored: u64,
    stored_bytes: u64,
    acknowledged: u64,
    acknowledged_bytes: u64,
    in_flight: u64,
    in_flight_bytes: u64,
    /// Since the line before.
    documents_per_s: u64,
    bytes_per_s: u64,
    commits: Commits,
    /// Place in the ledger's names of the topic with the most documents since the line before, and how many.
    most: Option<(usize, u64)>,
    /// For how long a commit has been under way.
    committing: Option<Duration>,
    /// Until the session ends because nothing is acknowledged.
    fails_in: Option<Duration>,
    last_error: Option<String>,
    /// Of all clients together, once they have told.
    statistics: Option<Statistics>,
}

/// What the session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Committed,
    Committing,
    Storing,
    /// For acknowledgements.
    WaitingForBrokers,
    /// For more documents of an open transaction, or its commit.
    WaitingForRuntime,
}

impl Watch {
    /// That of a session which opens now, with so many topics of documents.
    pub(super) fn new(topics: usize, now: Instant) -> Self {
        Self {
            pace: PACE,
            stored: vec![0; topics],
            stored_documents: 0,
            stored_bytes: 0,
            committed_documents: 0,
            commits: Commits::default(),
            commits_told: None,
            committing: None,
            statistics: Vec::new(),
            tellings: Vec::new(),
            before: Before { at: now, stored: vec![0; topics], stored_documents: 0, stored_bytes: 0 },
            #[cfg(test)]
            lines: Vec::new(),
        }
    }

    /// Topics that documents go to.
    pub(super) fn topics(&self) -> usize {
        self.stored.len()
    }

    /// Whether nothing is going on that a line could be about.
    pub(super) fn is_silent(&self) -> bool {
        self.commits.count == 0 && !self.is_busy()
    }

    /// Enters that something goes on again: no rate is over the time before.
    pub(super) fn wake(&mut self, now: Instant) {
        self.before.at = now;
    }

    /// Enters documents that are handed over, and says whether they are. Messages of other topics are none, and do not count.
    pub(super) fn store(&mut self, topic: usize, documents: u32) -> bool {
        let Some(stored) = self.stored.get_mut(topic) else { return false };
        *stored += u64::from(documents);
        self.stored_documents += u64::from(documents);
        true
    }

    /// Enters the bytes of documents that are handed over.
    pub(super) fn store_bytes(&mut self, bytes: usize) {
        self.stored_bytes += bytes as u64;
    }

    /// Enters what a client told of itself.
    pub(super) fn statistics(&mut self, client: usize, told: Statistics) {
        if self.statistics.len() <= client {
            self.statistics.resize(client + 1, None);
            self.tellings.resize(client + 1, 0);
        }
        self.statistics[client] = Some(told);
        self.tellings[client] += 1;
    }

    /// How often each client has told of itself.
    pub(super) fn tellings(&self) -> Vec<u64> {
        self.tellings.clone()
    }

    /// Bytes that so many clients have sent in all, once each has told twice since it had told as often as `before` says:
    /// what it told the first time may have been put together before.
    pub(super) fn sent_bytes(&self, clients: usize, before: &[u64]) -> Option<u64> {
        let mut all = 0;
        for client in 0..clients {
            let told = self.tellings.get(client).copied().unwrap_or_default();
            if told < before.get(client).copied().unwrap_or_default() + 2 {
                return None;
            }
            all += self.statistics.get(client)?.as_ref()?.sent_bytes;
        }
        Some(all)
    }

    /// Enters that a commit begins.
    pub(super) fn committing(&mut self, now: Instant) {
        self.committing = Some(now);
    }

    /// Enters that the commit which was begun has come about.
    pub(super) fn committed(&mut self, now: Instant) {
        let took =
            self.committing.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.committed_documents = self.stored_documents;
        self.commits.count += 1;
        self.commits.latest = took;
        self.commits.longest = self.commits.longest.max(took);
    }

    /// Whether it is time for a line.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let passed = |since: Instant, time: Duration| now.saturating_duration_since(since) >= time;
        let commits =
            self.commits.count > 0 && self.commits_told.is_none_or(|told| passed(told, self.pace.commits));
        commits || (passed(self.before.at, self.pace.lines) && self.is_busy())
    }

    /// Whether commits were not told yet.
    pub(super) fn has_commits(&self) -> bool {
        self.commits.count > 0
    }

    /// The line that tells how things stand. The next one goes on from it.
    pub(super) fn line(&mut self, now: Instant, standing: Standing) -> Line {
        let Standing { in_flight, in_flight_bytes, idle, stall_timeout, last_error } = standing;
        // The bytes of a progress record are no document's.
        let in_flight_bytes = if in_flight == 0 { 0 } else { in_flight_bytes };
        let acknowledged = self.stored_documents.saturating_sub(in_flight);
        let before = &self.before;
        let elapsed = now.saturating_duration_since(before.at);
        let documents = self.stored_documents - before.stored_documents;
        let stored = (0..).zip(self.stored.iter().zip(&before.stored).map(|(now, before)| now - before));
        let most = stored
            .filter(|(_, documents)| *documents > 0)
            .max_by_key(|&(place, documents)| (documents, Reverse(place)));
        let is_stuck = in_flight > 0 && idle >= self.pace.stuck;
        let what = if is_stuck {
            What::WaitingForBrokers
        } else if self.commits.count > 0 {
            What::Committed
        } else if self.committing.is_some() {
            What::Committing
        } else if documents == 0 && in_flight == 0 {
            What::WaitingForRuntime
        } else {
            What::Storing
        };
        let line = Line {
            what,
            stored: self.stored_documents,
            stored_bytes: self.stored_bytes,
            acknowledged,
            acknowledged_bytes: self.stored_bytes.saturating_sub(in_flight_bytes),
            in_flight,
            in_flight_bytes,
            documents_per_s: per_second(documents, elapsed),
            bytes_per_s: per_second(self.stored_bytes - before.stored_bytes, elapsed),
            commits: std::mem::take(&mut self.commits),
            most,
            committing: self.committing.map(|since| now.saturating_duration_since(since)),
            fails_in: is_stuck.then(|| stall_timeout.saturating_sub(idle)),
            last_error: last_error.filter(|_| is_stuck),
            statistics: self.all_statistics(),
        };
        if line.commits.count > 0 {
            self.commits_told = Some(now);
        }
        self.before.at = now;
        self.before.stored.copy_from_slice(&self.stored);
        self.before.stored_documents = self.stored_documents;
        self.before.stored_bytes = self.stored_bytes;
        #[cfg(test)]
        self.lines.push(line.clone());
        line
    }

    /// Whether a transaction is open.
    fn is_busy(&self) -> bool {
        self.stored_documents > self.committed_documents || self.committing.is_some()
    }

    fn all_statistics(&self) -> Option<Statistics> {
        self.statistics.iter().flatten().cloned().reduce(|all, one| Statistics {
            queued: all.queued + one.queued,
            retries: all.retries + one.retries,
            sent_bytes: all.sent_bytes + one.sent_bytes,
            slowest: [all.slowest, one.slowest].into_iter().flatten().max_by_key(|trip| trip.average),
        })
    }
}

impl Line {
    /// Writes the line; `name` names the topics of the ledger.
    pub(super) fn log(&self, name: impl Fn(usize) -> TopicName) {
        let most = self.most.map(|(place, documents)| (name(place), documents));
        let has_commits = self.commits.count > 0;
        let trip = self.statistics.as_ref().and_then(|all| all.slowest.as_ref());
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    stored = self.stored,
                    stored_bytes = self.stored_bytes,
                    acknowledged = self.acknowledged,
                    acknowledged_bytes = self.acknowledged_bytes,
                    in_flight = self.in_flight,
                    in_flight_bytes = self.in_flight_bytes,
                    documents_per_s = self.documents_per_s,
                    bytes_per_s = self.bytes_per_s,
                    commits = has_commits.then_some(self.commits.count),
                    commit_ms = has_commits.then(|| ms(self.commits.latest)),
                    longest_commit_ms = has_commits.then(|| ms(self.commits.longest)),
                    committing_ms = self.committing.map(ms),
                    most = most.as_ref().map(|(name, _)| &name.owner[..]),
                    most_topic = most.as_ref().map(|(name, _)| &name.topic[..]),
                    most_documents = most.as_ref().map(|(_, documents)| *documents),
                    queued = self.statistics.as_ref().map(|all| all.queued),
                    round_trip_ms = trip.map(|trip| ms(trip.average)),
                    round_trip_p99_ms = trip.map(|trip| ms(trip.p99)),
                    slowest_broker = trip.map(|trip| &trip.broker[..]),
                    retries = self.statistics.as_ref().map(|all| all.retries),
                    sent_bytes = self.statistics.as_ref().map(|all| all.sent_bytes),
                    fails_in_s = self.fails_in.map(|left| left.as_secs()),
                    last_error = self.last_error.as_deref(),
                    "{}",
                    self.what.text()
                )
            };
        }
        match self.what {
            What::WaitingForBrokers => tell!(warn),
            _ => tell!(info),
        }
    }
}

impl What {
    fn text(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Committing => "committing",
            Self::Storing => "storing",
            Self::WaitingForBrokers => "waiting for the brokers, which acknowledge nothing",
            Self::WaitingForRuntime => "waiting for the runtime, which has a transaction open",
        }
    }
}

/// So many in a second; all of them where it was no time.
fn per_second(count: u64, time: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000 / time.as_micros().max(1);
    if time.is_zero() { count } else { u64::try_from(per_second).unwrap_or(u64::MAX) }
}

/// Milliseconds, to a tenth.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

const PACE: Pace =
    Pace { commits: Duration::from_secs(10), lines: Duration::from_secs(30), stuck: Duration::from_secs(10) };

#[cfg(test)]
impl Watch {
    /// The lines so far.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }
}

#[cfg(test)]
impl Line {
    /// What it says, with the figures that a test of other modules asks for.
    pub(super) fn told(&self) -> (&'static str, u64, u64, u64) {
        (self.what.text(), self.stored, self.acknowledged, self.commits.count)
    }

    pub(super) fn has_round_trip(&self) -> bool {
        self.statistics.as_ref().is_some_and(|all| all.slowest.is_some() && all.sent_bytes > 0)
    }

    pub(super) fn told_bytes(&self) -> (u64, u64) {
        (self.stored, self.stored_bytes)
    }

    pub(super) fn retries(&self) -> Option<u64> {
        self.statistics.as_ref().map(|all| all.retries)
    }

    pub(super) fn fails_in(&self) -> Option<Duration> {
        self.fails_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of two topics, by a clock of its own in seconds.
    struct Session {
        start: Instant,
        watch: Watch,
    }

    impl Session {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, watch: Watch::new(2, start) }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn store(&mut self, seconds: u64, topic: usize, documents: u32) {
            if self.watch.is_silent() {
                self.watch.wake(self.at(seconds));
            }
            self.watch.store(topic, documents);
            self.watch.store_bytes(documents as usize * 100);
        }

        fn commit(&mut self, from: u64, to: u64) {
            self.watch.committing(self.at(from));
            self.watch.committed(self.at(to));
        }

        /// The line that is due, if any.
        fn line(&mut self, seconds: u64, standing: Standing) -> Option<Line> {
            let now = self.at(seconds);
            self.watch.is_due(now).then(|| self.watch.line(now, standing))
        }

        fn said(&mut self, seconds: u64, standing: Standing) -> Option<&'static str> {
            self.line(seconds, standing).map(|line| line.what.text())
        }
    }

    fn nothing() -> Standing {
        Standing { stall_timeout: Duration::from_secs(120), ..Default::default() }
    }

    #[test]
    fn every_commit_is_told_once_and_no_more_than_a_line_in_ten_seconds() {
        let mut session = Session::new();
        let (mut lines, mut commits) = (0, 0);
        for second in 0..100 {
            for _ in 0..5 {
                session.store(second, 0, 10);
                session.commit(second, second);
                if let Some(line) = session.line(second, nothing()) {
                    lines += 1;
                    commits += line.commits.count;
                    assert_eq!(line.what, What::Committed);
                }
            }
        }
        assert_eq!(lines, 10);
        // The first at once, and the rest of the last ten seconds by the delivery thread.
        assert_eq!(commits, 451);
        assert_eq!(session.said(99, nothing()), None);
        let last = session.line(100, nothing()).unwrap();
        assert_eq!((last.commits.count, last.stored, last.stored_bytes), (49, 5_000, 500_000));
        assert_eq!(session.said(1_000, nothing()), None, "a session without a transaction is silent");
    }

    #[test]
    fn a_commit_is_told_with_its_time_its_rate_and_the_binding_with_most() {
        let mut session = Session::new();
        // The silence before it does not count.
        session.store(3_600, 0, 400);
        session.store(3_600, 1, 600);
        session.commit(3_602, 3_604);
        let line = session.line(3_604, nothing()).unwrap();
        assert_eq!(
            line.commits,
            Commits { count: 1, latest: Duration::from_secs(2), longest: Duration::from_secs(2) }
        );
        assert_eq!((line.documents_per_s, line.bytes_per_s), (250, 25_000));
        assert_eq!(line.most, Some((1, 600)));
        session.store(3_605, 0, 100);
        session.commit(3_605, 3_606);
        session.store(3_607, 0, 100);
        session.commit(3_607, 3_610);
        session.store(3_612, 0, 100);
        session.commit(3_612, 3_614);
        let line = session.line(3_614, nothing()).unwrap();
        assert_eq!(
            line.commits,
            Commits { count: 3, latest: Duration::from_secs(2), longest: Duration::from_secs(3) }
        );
        // In the nine seconds since the session was silent.
        assert_eq!((line.stored, line.most, line.documents_per_s), (1_300, Some((0, 300)), 33));
    }

    #[test]
    fn an_open_transaction_is_told_of_every_thirty_seconds_whoever_is_waited_for() {
        let mut session = Session::new();
        let on_the_way = |idle| Standing {
            in_flight: 500,
            in_flight_bytes: 50_000,
            idle: Duration::from_secs(idle),
            last_error: Some("refused".to_owned()),
            ..nothing()
        };
        session.store(0, 1, 1_000);
        assert_eq!(session.said(29, on_the_way(0)), None);
        let line = session.line(30, on_the_way(0)).unwrap();
        assert_eq!((line.what, line.acknowledged, line.acknowledged_bytes), (What::Storing, 500, 50_000));
        assert_eq!((line.in_flight, line.in_flight_bytes, line.fails_in), (500, 50_000, None));
        assert_eq!(session.said(59, on_the_way(29)), None);
        let line = session.line(60, on_the_way(29)).unwrap();
        assert_eq!((line.what, line.fails_in), (What::WaitingForBrokers, Some(Duration::from_secs(91))));
        assert_eq!(line.last_error.as_deref(), Some("refused"));
        let text = session.said(90, nothing());
        assert_eq!(text, Some("waiting for the runtime, which has a transaction open"));
        session.watch.committing(session.at(95));
        let line = session.line(120, nothing()).unwrap();
        assert_eq!((line.what, line.committing), (What::Committing, Some(Duration::from_secs(25))));
        session.watch.committed(session.at(125));
        let line = session.line(125, nothing()).unwrap();
        assert_eq!((line.what, line.commits.latest), (What::Committed, Duration::from_secs(30)));
        assert_eq!((line.acknowledged_bytes, line.in_flight_bytes), (100_000, 0));
        assert_eq!(session.said(1_000, nothing()), None);
    }

    #[test]
    fn messages_that_are_no_documents_are_not_counted() {
        let mut session = Session::new();
        session.watch.store(2, 1);
        assert!(session.watch.is_silent());
        let record = Standing { in_flight_bytes: 300, ..nothing() };
        session.commit(0, 1);
        let line = session.line(1, record).unwrap();
        assert_eq!((line.stored, line.in_flight_bytes, line.most), (0, 0, None));
    }

    #[test]
    fn figures_of_several_clients_are_put_together() {
        let trip = |broker: &str, average| super::super::statistics::RoundTrip {
            broker: broker.to_owned(),
            average: Duration::from_millis(average),
            p99: Duration::from_millis(9),
        };
        let told = |queued, slowest| Statistics { queued, retries: 2, sent_bytes: 10, slowest };
        let mut session = Session::new();
        session.watch.statistics(1, told(5, Some(trip("b", 3))));
        session.watch.statistics(0, told(1, Some(trip("a", 2))));
        session.watch.statistics(1, told(7, Some(trip("c", 4))));
        session.commit(0, 0);
        let line = session.line(0, nothing()).unwrap();
        let expected = Statistics { queued: 8, retries: 4, sent_bytes: 20, slowest: Some(trip("c", 4)) };
        assert_eq!(line.statistics, Some(expected));
    }

    #[test]
    fn bytes_that_were_sent_are_known_when_every_client_has_told_twice() {
        let told = |sent_bytes| Statistics { sent_bytes, ..Statistics::default() };
        let mut session = Session::new();
        session.watch.statistics(0, told(1));
        let before = session.watch.tellings();
        for (client, sent, expected) in
            [(0, 10, None), (1, 20, None), (0, 11, None), (1, 22, Some(33)), (1, 23, Some(34))]
        {
            session.watch.statistics(client, told(sent));
            assert_eq!(session.watch.sent_bytes(2, &before), expected);
        }
        assert_eq!(session.watch.sent_bytes(3, &before), None);
    }

    #[test]
    fn rates_are_whole_and_times_to_a_tenth() {
        assert_eq!(per_second(1_000_000, Duration::from_millis(300)), 3_333_333);
        assert_eq!(per_second(7, Duration::ZERO), 7);
        assert!((ms(Duration::from_micros(12_345)) - 12.3).abs() < 1e-9);
    }
}
