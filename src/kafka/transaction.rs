//! Kafka's transactions: taking a transactional id over, beginning, committing, giving up.
//!
//! A transaction begins with the first batch that is handed over, and its clock with it. Every error ends the session,
//! those after which a transaction could be aborted and tried again included: the runtime stores it again anyway, and a
//! new producer knows nothing of what went wrong with the old one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka_sys::rd_kafka_resp_err_t as Name;
use tracing::debug;

use super::client::{Client, Code, Content, Detached, Kind, Severity, TransactionError};
use super::error::{Error, connection_remedy, remedy};
use super::ledger::{AckTracker, LONGEST_STEP};
use super::settings::{client_settings, transactional};
use crate::config::EndpointConfig;

/// The transactions of an outbox, one after the other.
pub(super) struct Transactions {
    client: Arc<Client>,
    id: String,
    open: bool,
}

impl Transactions {
    /// Those of a client that has taken its id over.
    pub(super) fn new(client: Arc<Client>, id: String) -> Self {
        Self { client, id, open: false }
    }

    /// Begins a transaction, unless one is open.
    pub(super) fn begin(&mut self, ledger: &AckTracker) -> Result<(), Error> {
        if self.open {
            return Ok(());
        }
        // The brokers' clock begins later, with the first message.
        ledger.lock().transaction_since = Some(Instant::now());
        self.client.begin_transaction().map_err(|error| self.failed("beginning it", error, ledger))?;
        self.open = true;
        Ok(())
    }

    /// Commits the transaction, every message of which is acknowledged.
    pub(super) fn commit(&mut self, ledger: &AckTracker) -> Result<(), Error> {
        let mut waited = Duration::ZERO;
        loop {
            let before = Instant::now();
            match self.client.commit_transaction(SLICE) {
                Ok(()) => {
                    self.open = false;
                    ledger.lock().transaction_since = None;
                    return Ok(());
                }
                Err(error) if error.severity == Severity::Retriable && waited < ledger.stall_timeout() => {
                    if let Some(failure) = ledger.failure() {
                        return Err(failure);
                    }
                    debug!(text = %error.text, "committing goes on");
                    thread::sleep(PAUSE);
                    // As in the ledger: a process that was stopped does not take its own sleep for the brokers'.
                    waited += before.elapsed().min(LONGEST_STEP);
                }
                Err(error) => return Err(self.failed("committing it", error, ledger)),
            }
        }
    }

    /// Gives the transaction that is open up, so that readers need not wait until it times out. Best effort.
    pub(super) fn abort(&mut self) {
        if self.open
            && let Err(error) = self.client.abort_transaction(ABORT_WITHIN)
        {
            debug!(text = %error.text, "an open transaction is left to its time-out, or to the next session");
        }
    }

    /// The session's failure: what is in the ledger already, if anything, tells more.
    fn failed(&self, doing: &'static str, error: TransactionError, ledger: &AckTracker) -> Error {
        let error = match (error.severity, self.client.fatal()) {
            (Severity::Fatal, Some((code, text))) => ledger.fatal(code, &text),
            _ => {
                let last = ledger.last_error().filter(|_| error.severity == Severity::Retriable);
                refused(&self.id, doing, &error, last)
            }
        };
        ledger.fail(error.clone());
        ledger.failure().unwrap_or(error)
    }
}

/// Takes the transactional id of a client over, which nobody else polls.
pub(super) fn init(client: &Client, id: &str, bound: Duration) -> Result<(), Error> {
    let since = Instant::now();
    let mut last = None;
    loop {
        let failed = match client.init_transactions(SLICE) {
            Ok(()) => return Ok(()),
            Err(failed) => failed,
        };
        while let Some(event) = client.poll(Duration::ZERO) {
            match event.content() {
                Content::Error { code, .. } if code.is(Name::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) => {}
                Content::Error { text, .. } => last = Some(text),
                Content::Log { facility, text, .. } => debug!(facility, "librdkafka: {text}"),
                Content::Answer(_) | Content::Delivered | Content::Statistics(_) => {}
            }
        }
        if failed.severity != Severity::Retriable || since.elapsed() >= bound {
            let last = last.filter(|_| failed.severity == Severity::Retriable);
            return Err(refused(id, "taking the transactional id over", &failed, last));
        }
        thread::sleep(PAUSE);
    }
}

/// Finds out whether this user may have transactional ids, by taking one over that no task has. No topic is touched, and the
/// brokers forget the id by themselves (`transactional.id.expiration.ms`, a week by default); it is always the same one.
///
/// # Errors
///
/// Why the id could not be taken over within `bound`.
pub fn could_transact(config: &EndpointConfig, bound: Duration) -> Result<(), Error> {
    take_over(config, CHECK_ID, bound)
}

/// Takes an id over by a client of its own, which is gone then.
fn take_over(config: &EndpointConfig, id: &str, bound: Duration) -> Result<(), Error> {
    let mut settings = client_settings(config);
    settings.set("message.timeout.ms", "0");
    transactional(&mut settings, config, id);
    let client = Detached::new(Kind::Producer, &settings, config.credentials.as_ref())?;
    init(&client, id, bound)
}

/// Fences those who have these transactional ids, and aborts what they left open.
///
/// # Errors
///
/// The first id that could not be taken over within the stall time-out.
pub fn fence(config: &EndpointConfig, ids: &[String]) -> Result<(), Error> {
    let fence_one = |id: &String| take_over(config, id, config.advanced.stall_timeout);
    for ids in ids.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let fencing: Vec<_> = ids.iter().map(|id| scope.spawn(move || fence_one(id))).collect();
            fencing.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(Error::Client {
                        reason: "a thread that takes a transactional id over panicked".to_owned(),
                    })
                })
            })
        })?;
    }
    Ok(())
}

/// The error for a step that failed; `last` is what came of the connections meanwhile.
fn refused(id: &str, doing: &'static str, error: &TransactionError, last: Option<String>) -> Error {
    let TransactionError { code, text, .. } = error;
    let (reason, remedy) = match last {
        Some(last) => (format!("{}: {text}; {last}", code.text()), connection_remedy(code.0, &last)),
        None if code.is(Name::RD_KAFKA_RESP_ERR__TIMED_OUT) => (
            format!("{}: {text}", code.text()),
            remedy(Code(Name::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE as i32).0),
        ),
        None => (format!("{}: {text}", code.text()), remedy(code.0)),
    };
    Error::Transaction { id: id.to_owned(), doing, reason, remedy }
}

const SLICE: Duration = Duration::from_millis(1000);
const PAUSE: Duration = Duration::from_millis(10);
const ABORT_WITHIN: Duration = Duration::from_millis(1000);

/// Those of tasks end with a range of keys.
const CHECK_ID: &str = "materialize-kafka/check";

/// Ids that are taken over at once: each costs a client, with its threads and connections.
const AT_ONCE: usize = 16;

#[cfg(test)]
mod tests;
