//! The threads named `delivery`, one a client: each polls its client's main queue until the session ends.
//!
//! It enters reports and statistics in the ledger, keeps errors, passes logs on, tells how things stand, looks for a stall (the session's thread may be
//! waiting for stdin), asks now and then whether topics have grown, and in the end takes the client down, so that
//! memory on loan is given back only when nobody reads it any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka_sys as sys;
use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::{debug, error, info, warn};

use super::blame::{Blame, Blamed};
use super::client::{Client, Code, Content, Event, Report};
use super::error::Error;
use super::layout::{ask_topics, described_topics};
use super::ledger::{AckTracker, Reports, untag};
use super::statistics::Statistics;

/// Starts the thread of a client. It ends when the outbox has let go of the client. `topics` are those of the ledger, in its order.
pub(super) fn start(client: Arc<Client>, ledger: Arc<AckTracker>, topics: Vec<String>) -> Result<(), Error> {
    let number = ledger.add_client();
    let counted = Arc::clone(&ledger);
    let delivery = Delivery {
        client,
        number,
        ledger,
        topics,
        reports: Reports::default(),
        logs: LogLimit::default(),
        sent_again: 0,
        spoilt: None,
    };
    thread::Builder::new().name("delivery".to_owned()).spawn(move || delivery.run()).map(drop).map_err(
        |error| {
            counted.update(|state| {
                state.clients -= 1;
                // Those of other clients end as well: nobody will use them.
                state.closing = true;
                state.released = true;
            });
            Error::Thread { reason: format!("could not be started: {error}") }
        },
    )
}

struct Delivery {
    client: Arc<Client>,
    /// The client's number in the ledger.
    number: usize,
    ledger: Arc<AckTracker>,
    topics: Vec<String>,
    reports: Reports,
    logs: LogLimit,
    /// Messages that were sent again, by the client's latest telling.
    sent_again: u64,
    /// What librdkafka said of a transaction that it gave up.
    spoilt: Option<String>,
}

impl Delivery {
    fn run(mut self) {
        // Whatever ends this thread must not leave the session waiting.
        let ended = Ended(Arc::clone(&self.ledger));
        let step = self.ledger.watch_every();
        let mut watch_at = Instant::now() + step;
        let mut ask_at = Instant::now() + ASK_EVERY;
        let mut purged = false;
        let mut close_by = None;
        loop {
            if let Some(event) = self.client.poll(step) {
                let delivered = self.take(&event);
                drop(event);
                if delivered {
                    // Only now has librdkafka room for as many others.
                    self.ledger.returned();
                }
            }
            let now = Instant::now();
            if now >= watch_at {
                self.ledger.watch();
                self.ledger.tell();
                self.logs.tell_held_back(now);
                watch_at = now + step;
            }
            if self.ledger.has_failed() && !purged {
                // The session is over: memory comes back, and a flush ends at once.
                self.client.purge();
                purged = true;
            }
            if now >= ask_at {
                let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
                if let Err(error) = ask_topics(&self.client, &topics, ANSWER_WITHIN) {
                    debug!(%error, "asking whether topics have grown");
                }
                ask_at = now + ASK_EVERY;
            }
            let (released, due) = {
                let state = self.ledger.lock();
                (state.released, state.due())
            };
            if released {
                let by = *close_by.get_or_insert(now + CLOSE_WITHIN);
                if due == 0 || now >= by {
                    break;
                }
            }
        }
        // The outbox has let go of its handles before it set `released`: this takes the client down.
        drop(self);
        drop(ended);
    }

    /// Deals with an event, and says whether it brought reports.
    fn take(&mut self, event: &Event) -> bool {
        match event.content() {
            Content::Delivered => {
                self.delivered(event);
                return true;
            }
            Content::Error { code, text, fatal } => self.error(code, text, fatal),
            Content::Log { level, facility, text } => {
                self.logs.log(level, &facility, &text);
                if facility == "FAIL" {
                    // A connection that was closed in use is told of in the logs alone.
                    let text = text.split_once("]: ").map_or(text.as_str(), |(_thread, text)| text);
                    self.trouble(text);
                } else if facility == "TXNERR" {
                    // Why the messages of a transaction are purged is told nowhere else until it is committed.
                    self.spoilt = Some(text);
                }
            }
            Content::Answer(sys::RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT) => {
                let counts = described_topics(event);
                let counts = counts.iter().filter_map(|(name, count)| {
                    Some((
                        self.topics.iter().position(|topic| topic == name)?,
                        count.as_ref().ok()?.partitions,
                    ))
                });
                self.ledger.grown(self.number, counts);
            }
            Content::Statistics(text) => {
                if let Some(mut told) = Statistics::parse(&text) {
                    // What was too much for a moment is not in two tellings.
                    let now = told.retries;
                    told.retries = now.min(self.sent_again);
                    self.sent_again = now;
                    self.ledger.statistics(self.number, told);
                }
            }
            Content::Answer(_) => {}
        }
        false
    }

    /// Remembers an error that may explain a stall.
    fn trouble(&self, text: &str) {
        self.ledger.trouble(explained(text, self.client.login_trouble()));
    }

    fn delivered(&mut self, event: &Event) {
        let reports = &mut self.reports;
        reports.clear();
        let mut blame = Blame::default();
        event.reports(|report| {
            reports.add(report.tag(), report.key_len(), report.bytes());
            let Some(code) = report.error() else { return };
            reports.add_failed();
            if self.ledger.has_failed() {
                return;
            }
            let error = || refused(&self.ledger, &self.client, self.spoilt.as_deref(), report, code);
            if code.is(Name::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD) {
                blame.innocent(error);
            } else {
                blame.suspect(report.words_at(), error);
            }
        });
        // Before the event is destroyed: then a flush that finds nothing left finds the ledger complete.
        self.ledger.acknowledge(reports);
        if let Some(Blamed { error, or_the_other }) = blame.take() {
            self.ledger.fail(if or_the_other { error.or_the_other() } else { error });
        }
    }

    fn error(&self, code: Code, text: String, fatal: bool) {
        if fatal || code.is(Name::RD_KAFKA_RESP_ERR__FATAL) {
            let (code, text) = self.client.fatal().unwrap_or((code, text));
            self.ledger.fail(self.ledger.fatal(code, &text));
        } else if !code.is(Name::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            debug!(code = code.0, %text, "an error of the client");
            self.trouble(&text);
        }
    }
}

/// That brokers refuse a token which has ended is explained in turn by why there is no other.
fn explained(text: &str, login_trouble: Option<String>) -> String {
    match login_trouble {
        Some(reason) if !text.contains(&reason) => format!("{text}; and no new token: {reason}"),
        _ => text.to_owned(),
    }
}

/// The failure that a report of delivery tells.
fn refused(
    ledger: &AckTracker,
    client: &Client,
    spoilt: Option<&str>,
    report: &Report<'_>,
    code: Code,
) -> Error {
    if let Some(ended) = ledger.ended(code, client.fatal()) {
        return ended;
    }
    if let Some(fenced) = ledger.fenced(code) {
        return fenced;
    }
    if code.is(Name::RD_KAFKA_RESP_ERR__PURGE_QUEUE)
        && let Some(failure) = spoilt.and_then(|text| ledger.spoilt(text))
    {
        return failure;
    }
    let (_, topic) = untag(report.tag());
    let message = (report.key(), report.bytes());
    ledger.refused(topic as usize, report.partition(), message, code)
}

/// Says in the ledger that the thread has ended.
struct Ended(Arc<AckTracker>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fail(Error::Thread {
            reason: "ended before its time; this is a defect, please report it".to_owned(),
        });
        self.0.update(|state| state.clients -= 1);
    }
}

/// Passes librdkafka's logs on, a bounded number of each facility in each stretch of time. There are some dozens of
/// facilities.
#[derive(Debug, Default)]
pub(super) struct LogLimit(BTreeMap<String, Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    since: Option<Instant>,
    passed: u32,
    held_back: u32,
}

impl LogLimit {
    pub(super) fn log(&mut self, level: i32, facility: &str, text: &str) {
        if level >= SYSLOG_DEBUG || facility == "CONFWARN" {
            // CONFWARN is about a setting that we give to all kinds of client on purpose.
            debug!(facility, "librdkafka: {text}");
            return;
        }
        if !self.passes(facility, Instant::now()) {
            return;
        }
        match level {
            // A failure of the session is told by the session, once; these may pass.
            ..=SYSLOG_CRITICAL => error!(facility, "librdkafka: {text}"),
            SYSLOG_ERROR | SYSLOG_WARNING => warn!(facility, "librdkafka: {text}"),
            _ => info!(facility, "librdkafka: {text}"),
        }
    }

    /// Tells how many lines were held back in the stretches that are over.
    pub(super) fn tell_held_back(&mut self, now: Instant) {
        for (facility, lines) in self.over(now) {
            warn!(facility, lines, "librdkafka: {lines} more lines were held back");
        }
    }

    /// Ends the stretches that are over. Gives the facilities with lines that were held back, and how many.
    fn over(&mut self, now: Instant) -> Vec<(String, u32)> {
        let mut told = Vec::new();
        self.0.retain(|facility, stretch| {
            let over = stretch.is_over(now);
            if over && stretch.held_back > 0 {
                told.push((facility.clone(), stretch.held_back));
            }
            !over
        });
        told
    }

    fn passes(&mut self, facility: &str, now: Instant) -> bool {
        self.tell_held_back(now);
        let stretch = self.0.entry(facility.to_owned()).or_default();
        stretch.since.get_or_insert(now);
        if stretch.passed < LOGS_A_STRETCH {
            stretch.passed += 1;
            return true;
        }
        stretch.held_back += 1;
        false
    }
}

impl Stretch {
    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= LOG_STRETCH)
    }
}

const SYSLOG_CRITICAL: i32 = 2;
const SYSLOG_ERROR: i32 = 3;
const SYSLOG_WARNING: i32 = 4;
const SYSLOG_DEBUG: i32 = 7;

const LOG_STRETCH: Duration = Duration::from_secs(10);
const LOGS_A_STRETCH: u32 = 10;

/// How often to ask whether topics have grown.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long purged messages may take to come back before the client is taken down without them.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_is_explained_by_why_there_is_no_other() {
        let refused = "SASL authentication error: {\"status\":\"invalid_token\"}";
        assert_eq!(explained(refused, None), refused);
        let reason = || Some("it answered 503".to_owned());
        assert_eq!(explained(refused, reason()), format!("{refused}; and no new token: it answered 503"));
        let told = "Failed to acquire SASL OAUTHBEARER token: it answered 503";
        assert_eq!(explained(told, reason()), told);
    }

    #[test]
    fn logs_are_limited_by_facility_in_each_stretch_and_those_held_back_are_counted() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let passed = |limit: &mut LogLimit, facility, lines: u32, at| {
            (0..lines).filter(|_| limit.passes(facility, at)).count()
        };
        assert_eq!(passed(&mut limit, "FAIL", 100, start), 10);
        // Another one is not silenced by it.
        assert_eq!(passed(&mut limit, "TXNERR", 10, start + LOG_STRETCH / 2), 10);
        assert_eq!(limit.over(start + LOG_STRETCH / 2), []);
        assert_eq!(limit.over(start + LOG_STRETCH), [("FAIL".to_owned(), 90)]);
        assert_eq!(limit.over(start + LOG_STRETCH), []);
        assert_eq!(passed(&mut limit, "FAIL", 3, start + LOG_STRETCH), 3);
        assert_eq!(passed(&mut limit, "TXNERR", 3, start + LOG_STRETCH), 0);
    }
}
