//! The threads named `login`, one a client that logs in by token (SASL OAUTHBEARER): each gets its client's tokens.
//!
//! librdkafka says on a queue of its own when the next token is due, which is when four fifths of the present one's life
//! are over. Getting one may take seconds, and nobody waits for it but this thread: connections stay up, and are authenticated
//! again by librdkafka before the brokers would close them.
//!
//! Where there is none, the thread asks again by itself, after a second at first and then ever more rarely: librdkafka would
//! let ten seconds pass, in which a short token ends. That is no failure of the session, also when the present token has ended:
//! what is due stays due until the stall time-out, and its error says why there was no token.

#![allow(unsafe_code, reason = "librdkafka's calls about tokens")]

use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rdkafka_sys as sys;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::client::{Code, millis};
use super::error::Error;
use crate::login::{Source, Token};

/// The thread of a client. Dropping it ends the thread, and with it a request for a token that is under way.
pub(super) struct Renewal {
    stop: Arc<Stop>,
    trouble: Arc<Trouble>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    thread: Option<JoinHandle<()>>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Renewal {}
// SAFETY: as above.
unsafe impl Sync for Renewal {}

/// Why there is no new token, while there is none.
#[derive(Default)]
struct Trouble(Mutex<Option<String>>);

impl Trouble {
    fn set(&self, text: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

#[derive(Default)]
struct Stop {
    set: AtomicBool,
    told: Notify,
}

impl Renewal {
    /// Starts the thread, and waits until the client has its first token.
    ///
    /// # Errors
    ///
    /// No token came; a thread that could not be started.
    ///
    /// # Safety
    ///
    /// The client must be live until the value is dropped.
    pub(super) unsafe fn start(client: NonNull<sys::rd_kafka_t>, source: Source) -> Result<Self, Error> {
        // SAFETY: the client is live; the queue is ours to destroy.
        let Some(queue) = NonNull::new(unsafe { sys::rd_kafka_queue_get_sasl(client.as_ptr()) }) else {
            return Err(Error::Client { reason: "its login takes no tokens".to_owned() });
        };
        let mut renewal = Self { stop: Arc::default(), trouble: Arc::default(), queue, thread: None };
        let (first, outcome) = mpsc::sync_channel(1);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
        let (stop, trouble) = (Arc::clone(&renewal.stop), Arc::clone(&renewal.trouble));
        let thread = Thread { client, queue, stop, trouble, source, runtime };
        let spawned = thread::Builder::new().name("login".to_owned()).spawn(move || thread.run(&first));
        renewal.thread = Some(spawned.map_err(cannot_start)?);
        match outcome.recv() {
            Ok(outcome) => outcome.map(|()| renewal),
            Err(_) => {
                Err(Error::Client { reason: "the thread that logs in ended before its time".to_owned() })
            }
        }
    }

    /// Why the latest attempt to get a token failed, if it did.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn cannot_start(error: std::io::Error) -> Error {
    Error::Client { reason: format!("the thread that logs in could not be started: {error}") }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.stop.set.store(true, Ordering::Release);
        self.stop.told.notify_one();
        // SAFETY: the queue is ours.
        unsafe { sys::rd_kafka_queue_yield(self.queue.as_ptr()) };
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed.
            let _ = thread.join();
        }
        // SAFETY: the queue is ours, and the thread that polled it has ended.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

struct Thread {
    client: NonNull<sys::rd_kafka_t>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    stop: Arc<Stop>,
    trouble: Arc<Trouble>,
    source: Source,
    runtime: Runtime,
}

// SAFETY: librdkafka's handles may be used from any thread; both outlive this one, which `Renewal` joins.
unsafe impl Send for Thread {}

impl Thread {
    fn run(mut self, first: &SyncSender<Result<(), Error>>) {
        let mut has_token = false;
        let mut failures = 0;
        let mut again: Option<Instant> = None;
        while !self.stop.set.load(Ordering::Acquire) {
            let left = again.map(|at| at.saturating_duration_since(Instant::now()));
            if !self.is_due(left.unwrap_or(POLL).min(POLL)) && again.is_none_or(|at| Instant::now() < at) {
                continue;
            }
            let Some(outcome) = self.renew() else { return };
            match outcome {
                Ok(()) => {
                    (failures, again) = (0, None);
                    self.trouble.set(None);
                    if has_token {
                        debug!("logging in with a new token from here on");
                    } else {
                        has_token = true;
                        let _starter_waits = first.send(Ok(()));
                    }
                }
                Err(error) if !has_token => {
                    let _starter_waits = first.send(Err(error));
                    return;
                }
                Err(error) => {
                    let pause = pause_after(failures);
                    warn!(%error, ?pause, "no new token yet; connections that are up stay so as long as the present one is good");
                    self.failed(&error);
                    failures += 1;
                    again = Some(Instant::now() + pause);
                }
            }
        }
    }

    /// Waits a while for librdkafka to ask for a token.
    fn is_due(&self, within: Duration) -> bool {
        // SAFETY: the queue is live; the event is ours to destroy.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.queue.as_ptr(), millis(within));
            if event.is_null() {
                return false;
            }
            let kind = sys::rd_kafka_event_type(event);
            sys::rd_kafka_event_destroy(event);
            kind == sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH
        }
    }

    /// Gets a token and gives it to the client; none when there is no time for that any more.
    fn renew(&mut self) -> Option<Result<(), Error>> {
        let Self { client, stop, source, runtime, .. } = self;
        let token = runtime.block_on(async {
            tokio::select! {
                token = source.token() => Some(token),
                () = stop.told.notified() => None,
            }
        })?;
        Some(token.map_err(Error::from).and_then(|token| hand_over(*client, &token)))
    }

    /// Tells whoever waits for a connection why there is none: by an error of librdkafka's, and for as long as it is so.
    fn failed(&self, error: &Error) {
        self.trouble.set(Some(error.to_string()));
        if let Ok(text) = CString::new(error.to_string()) {
            // SAFETY: the client is live, and copies the text.
            let _ =
                unsafe { sys::rd_kafka_oauthbearer_set_token_failure(self.client.as_ptr(), text.as_ptr()) };
        }
    }
}

fn hand_over(client: NonNull<sys::rd_kafka_t>, token: &Token) -> Result<(), Error> {
    let refused = |reason: String| Error::Client { reason: format!("it does not take its token: {reason}") };
    let c = |text: &str| CString::new(text).map_err(|_| refused("it has a nul byte".to_owned()));
    let value = c(token.value.expose())?;
    let extensions: Vec<CString> = token
        .extensions
        .iter()
        .flat_map(|(name, value)| [name, value])
        .map(|text| c(text))
        .collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = extensions.iter().map(|text| text.as_ptr()).collect();
    // What librdkafka says of a token that it refuses has the token in it.
    let mut text: [c_char; 8] = [0; 8];
    // SAFETY: the client is live, and copies all of this; at most `text.len()` bytes are written.
    let code = Code(unsafe {
        rd_kafka_oauthbearer_set_token(
            client.as_ptr(),
            value.as_ptr(),
            token.expires.as_millisecond(),
            PRINCIPAL.as_ptr(),
            pointers.as_mut_ptr(),
            pointers.len(),
            text.as_mut_ptr(),
            text.len(),
        )
    });
    if code.0 == 0 {
        Ok(())
    } else if token.expires <= Timestamp::now() {
        Err(refused(format!("it had expired when it came; {CHECK_LIFE}")))
    } else {
        Err(refused(format!("{}; {CHECK_LIFE}", code.text())))
    }
}

/// What makes librdkafka refuse a token that is one: its end.
const CHECK_LIFE: &str = "check for how long the authorization server's tokens are good (expires_in of its answer, exp of the \
                          token), and the clock of this machine";

// The bindings declare this with an `enum`, see `RawMessage`.
unsafe extern "C" {
    fn rd_kafka_oauthbearer_set_token(
        client: *mut sys::rd_kafka_t,
        value: *const c_char,
        expires_ms: i64,
        principal: *const c_char,
        extensions: *mut *const c_char,
        extensions_len: usize,
        text: *mut c_char,
        text_len: usize,
    ) -> std::ffi::c_int;
}

/// What librdkafka's own logs call us; brokers take the name from the token.
const PRINCIPAL: &std::ffi::CStr = c"materialize-kafka";

/// The pause after a failure that followed on so many others. Nothing is lost by asking often: each attempt is one small
/// request, and what may pass in a moment has been tried again within it already.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(4)).min(LONGEST_PAUSE)
}

/// librdkafka, which is told of each failure, asks after this time by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A wait for librdkafka's word; whoever ends the thread interrupts it.
const POLL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
