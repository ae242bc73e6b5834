//! librdkafka's objects as owned Rust values.
//!
//! A [`Client`] has threads of its own; its main queue brings delivery reports, errors, logs and the answers to
//! admin requests as [`Event`]s, and whoever polls it must be one thread at a time. Handles of topics and
//! queues keep the client alive; the last one to go takes it down, which waits for librdkafka's threads.

#![allow(unsafe_code, reason = "the owned handles of librdkafka's objects")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ops::Deref;
use std::ptr::{NonNull, null, null_mut};
use std::slice;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka_sys as sys;

use super::error::Error;
use super::renewal::Renewal;
use crate::config::Credentials;
use crate::login;

/// What a client is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Producer,
    /// Reads and asks.
    Consumer,
}

/// A librdkafka client and its main queue.
pub(super) struct Client {
    handle: NonNull<sys::rd_kafka_t>,
    main: NonNull<sys::rd_kafka_queue_t>,
    /// Where the login is by token.
    renewal: Option<Renewal>,
}

// SAFETY: librdkafka's handles may be used from any thread at any time; it locks by itself.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Starts a client whose delivery reports, errors and logs come as events of its main queue. One that logs in by
    /// token has its first when this returns, which may take some seconds.
    pub(super) fn new(
        kind: Kind,
        settings: &ClientConfig,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        let tokens = credentials.map(login::Source::of).transpose()?.flatten();
        let conf = settings
            .create_native_config()
            .map_err(|error| Error::Client { reason: reason(settings, &error) })?;
        let kind = match kind {
            Kind::Producer => sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
            Kind::Consumer => sys::rd_kafka_type_t::RD_KAFKA_CONSUMER,
        };
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: `conf` is a live configuration that this function owns. rd_kafka_new takes it over where it
        // succeeds, hence the forget; it writes at most `text.len()` bytes, ended by nul.
        let handle = unsafe {
            sys::rd_kafka_conf_set_events(
                conf.ptr(),
                sys::RD_KAFKA_EVENT_DR
                    | sys::RD_KAFKA_EVENT_ERROR
                    | sys::RD_KAFKA_EVENT_LOG
                    | sys::RD_KAFKA_EVENT_STATS
                    | sys::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH,
            );
            // Or the wish for a token would come to whoever polls the main queue.
            sys::rd_kafka_conf_enable_sasl_queue(conf.ptr(), c_int::from(tokens.is_some()));
            sys::rd_kafka_conf_set_log_cb(conf.ptr(), None);
            sys::rd_kafka_new(kind, conf.ptr(), text.as_mut_ptr(), text.len())
        };
        let Some(handle) = NonNull::new(handle) else {
            // SAFETY: librdkafka ended the text with nul, or left the zeros.
            return Err(Error::Client { reason: with_option(unsafe { owned(text.as_ptr()) }) });
        };
        std::mem::forget(conf);
        // SAFETY: the handle is live; a null queue means the main queue.
        let main = unsafe {
            sys::rd_kafka_set_log_queue(handle.as_ptr(), null_mut());
            sys::rd_kafka_queue_get_main(handle.as_ptr())
        };
        let main = NonNull::new(main).expect("every client has a main queue");
        let mut client = Self { handle, main, renewal: None };
        if let Some(source) = tokens {
            // SAFETY: the client is live, and drops what it gets here before it goes.
            client.renewal = Some(unsafe { Renewal::start(handle, source) }?);
        }
        Ok(client)
    }

    /// Why there is no new token to log in with, where one is due and none came.
    pub(super) fn login_trouble(&self) -> Option<String> {
        self.renewal.as_ref().and_then(Renewal::trouble)
    }

    /// The next event of the main queue, or none within `timeout` or after [`wake`](Self::wake).
    pub(super) fn poll(&self, timeout: Duration) -> Option<Event> {
        // SAFETY: the queue lives as long as `self`; the event is ours to destroy.
        NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.main.as_ptr(), millis(timeout)) }).map(Event)
    }

    /// Makes a waiting [`poll`](Self::poll), or else the next one, return at once.
    pub(super) fn wake(&self) {
        // SAFETY: the queue lives as long as `self`.
        unsafe { sys::rd_kafka_queue_yield(self.main.as_ptr()) }
    }

    /// Waits until librdkafka holds no message any more, or for `timeout`; meanwhile it does not linger. Another
    /// thread must poll.
    pub(super) fn flush(&self, timeout: Duration) {
        // SAFETY: the handle is live. The result only says what the ledger knows better.
        let _ = unsafe { sys::rd_kafka_flush(self.handle.as_ptr(), millis(timeout)) };
    }

    /// Gives every message up, those in flight as well; their delivery reports come as failures.
    pub(super) fn purge(&self) {
        let all =
            sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the handle is live; the call fails only for other kinds of client.
        let _ = unsafe { sys::rd_kafka_purge(self.handle.as_ptr(), all) };
    }

    /// Takes the client's transactional id over: fences whoever has it, and aborts what that one left open. For at most
    /// `timeout`; after a retriable error it goes on when called again.
    pub(super) fn init_transactions(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: the handle is live; the error is ours.
        unsafe { transacted(sys::rd_kafka_init_transactions(self.handle.as_ptr(), millis(timeout))) }
    }

    /// Begins a transaction, which is local.
    pub(super) fn begin_transaction(&self) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { transacted(sys::rd_kafka_begin_transaction(self.handle.as_ptr())) }
    }

    /// Commits the transaction, for at most `timeout`; after a retriable error it goes on when called again. Another
    /// thread must poll.
    pub(super) fn commit_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { transacted(sys::rd_kafka_commit_transaction(self.handle.as_ptr(), millis(timeout))) }
    }

    /// Aborts the transaction, for at most `timeout`. Every message is reported first, so another thread must poll.
    pub(super) fn abort_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { transacted(sys::rd_kafka_abort_transaction(self.handle.as_ptr(), millis(timeout))) }
    }

    /// The fatal error that has ended this client, if there was one.
    pub(super) fn fatal(&self) -> Option<(Code, String)> {
        let mut text: [c_char; 512] = [0; 512];
        // SAFETY: the handle is live; at most `text.len()` bytes are written, ended by nul.
        unsafe {
            let code = Code(rd_kafka_fatal_error(self.handle.as_ptr(), text.as_mut_ptr(), text.len()));
            (code.0 != 0).then(|| (code, owned(text.as_ptr())))
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.handle.as_ptr()
    }

    pub(super) fn main(&self) -> *mut sys::rd_kafka_queue_t {
        self.main.as_ptr()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.renewal.take());
        // SAFETY: this is the only owner; topic and queue handles keep it alive through their `Arc`. After
        // rd_kafka_destroy no thread of librdkafka reads lent memory.
        unsafe {
            sys::rd_kafka_queue_destroy(self.main.as_ptr());
            sys::rd_kafka_destroy(self.handle.as_ptr());
        }
    }
}

/// Why a call about transactions failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TransactionError {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) severity: Severity,
}

/// What is left to do after an error of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The client is of no use any more.
    Fatal,
    /// The transaction can only be aborted.
    Abort,
    /// The same call may be made again.
    Retriable,
    /// The call was wrong, or will fail again.
    Final,
}

/// The result of a call about transactions.
///
/// # Safety
///
/// `error` must be null or an error that nobody else destroys.
unsafe fn transacted(error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is live until it is destroyed at the end; its string is copied.
    unsafe {
        let severity = if sys::rd_kafka_error_is_fatal(error) != 0 {
            Severity::Fatal
        } else if sys::rd_kafka_error_txn_requires_abort(error) != 0 {
            Severity::Abort
        } else if sys::rd_kafka_error_is_retriable(error) != 0 {
            Severity::Retriable
        } else {
            Severity::Final
        };
        let failed = TransactionError {
            code: Code(rd_kafka_error_code(error)),
            text: owned(sys::rd_kafka_error_string(error)),
            severity,
        };
        sys::rd_kafka_error_destroy(error);
        Err(failed)
    }
}

/// A client whose end nobody waits for. Taking it down waits for librdkafka's threads, and one that looks up a name
/// cannot be interrupted: it may take as long as the resolver's time-outs.
pub(super) struct Detached(Option<Client>);

impl Detached {
    /// As [`Client::new`].
    pub(super) fn new(
        kind: Kind,
        settings: &ClientConfig,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        Client::new(kind, settings, credentials).map(|client| Self(Some(client)))
    }

    /// The client, whose end is from here on waited for.
    pub(super) fn attach(mut self) -> Client {
        self.0.take().expect("it is there until it is attached or dropped")
    }
}

impl Deref for Detached {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.0.as_ref().expect("it is there until it is attached or dropped")
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            // Without a thread of its own the closure is dropped here, and the client with it.
            let _thread = thread::Builder::new().name("farewell".to_owned()).spawn(move || drop(client));
        }
    }
}

/// A topic of a client.
pub(super) struct TopicHandle {
    handle: NonNull<sys::rd_kafka_topic_t>,
    client: Arc<Client>,
}

// SAFETY: as for `Client`.
unsafe impl Send for TopicHandle {}

impl TopicHandle {
    pub(super) fn new(client: &Arc<Client>, name: &CStr) -> Result<Self, Error> {
        // SAFETY: client and name are live; a null configuration means the client's default.
        let handle = unsafe { sys::rd_kafka_topic_new(client.as_ptr(), name.as_ptr(), null_mut()) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Self { handle, client: Arc::clone(client) }),
            None => Err(Error::Client {
                reason: format!("topic \"{}\": the client refused the name", name.to_string_lossy()),
            }),
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.handle.as_ptr()
    }

    /// Hands messages of one partition to librdkafka, which copies the keys and reads the values in place until
    /// their delivery reports. Afterwards each message that was not taken has its error.
    ///
    /// # Safety
    ///
    /// Each message's value must stay where it is and unchanged until its delivery report has been polled or the
    /// client is gone; keys must be readable during the call.
    pub(super) unsafe fn produce(&self, partition: i32, messages: &mut [sys::rd_kafka_message_t]) {
        let count = c_int::try_from(messages.len()).expect("a batch has a few thousand messages");
        // SAFETY: the handle is live; the slice has `count` messages; values as the caller promised. Neither the
        // copy nor the free flag is set.
        unsafe {
            sys::rd_kafka_produce_batch(self.as_ptr(), partition, 0, messages.as_mut_ptr(), count);
        }
    }
}

impl TopicHandle {
    /// Hands one message in, as the arguments say it; gives the error if it was not taken.
    ///
    /// # Safety
    ///
    /// The arguments must be of the types that they say, among them this handle. What they point to must be readable
    /// during the call, and the message's value stay as with [`produce`](Self::produce).
    pub(super) unsafe fn produce_one(&self, arguments: &[sys::rd_kafka_vu_t]) -> Code {
        // SAFETY: the client is live; the slice has as many arguments as it says, which are as the caller promised. An
        // error is ours to destroy.
        unsafe {
            let error = sys::rd_kafka_produceva(self.client.as_ptr(), arguments.as_ptr(), arguments.len());
            if error.is_null() {
                return Code(0);
            }
            let code = Code(rd_kafka_error_code(error));
            sys::rd_kafka_error_destroy(error);
            code
        }
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and its client is still there.
        unsafe { sys::rd_kafka_topic_destroy(self.as_ptr()) }
    }
}

/// One event of a queue.
pub(super) struct Event(NonNull<sys::rd_kafka_event_t>);

/// What kind of event it is, with what can be said at once.
#[derive(Debug)]
pub(super) enum Content {
    Delivered,
    Error {
        code: Code,
        text: String,
        fatal: bool,
    },
    Log {
        level: i32,
        facility: String,
        text: String,
    },
    /// librdkafka's statistics, as JSON.
    Statistics(String),
    /// The answer to an admin request, of librdkafka's event type.
    Answer(i32),
}

impl Event {
    pub(super) fn content(&self) -> Content {
        let event = self.as_ptr();
        // SAFETY: the event is live; the strings belong to it and are copied.
        unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_DR => Content::Delivered,
                sys::RD_KAFKA_EVENT_ERROR => Content::Error {
                    code: Code(rd_kafka_event_error(event)),
                    text: owned(sys::rd_kafka_event_error_string(event)),
                    fatal: sys::rd_kafka_event_error_is_fatal(event) != 0,
                },
                sys::RD_KAFKA_EVENT_LOG => {
                    let (mut facility, mut text, mut level) = (null(), null(), 0);
                    sys::rd_kafka_event_log(event, &mut facility, &mut text, &mut level);
                    Content::Log { level, facility: owned(facility), text: owned(text) }
                }
                sys::RD_KAFKA_EVENT_STATS => Content::Statistics(owned(sys::rd_kafka_event_stats(event))),
                other => Content::Answer(other),
            }
        }
    }

    /// The error of an answer as a whole.
    pub(super) fn answer_error(&self) -> Option<(Code, String)> {
        // SAFETY: the event is live; the string belongs to it and is copied.
        unsafe {
            let code = Code(rd_kafka_event_error(self.as_ptr()));
            (code.0 != 0).then(|| (code, owned(sys::rd_kafka_event_error_string(self.as_ptr()))))
        }
    }

    /// Calls `each` with every delivery report of the event.
    pub(super) fn reports(&self, mut each: impl FnMut(&Report<'_>)) {
        let mut messages: [*const sys::rd_kafka_message_t; 512] = [null(); 512];
        loop {
            // SAFETY: the event is live and the array has room for as many messages as it says. The messages
            // live until the event is destroyed.
            let count = unsafe {
                sys::rd_kafka_event_message_array(self.as_ptr(), messages.as_mut_ptr(), messages.len())
            };
            if count == 0 {
                return;
            }
            for &message in messages.iter().take(count) {
                // SAFETY: as above.
                each(&Report(unsafe { &*message.cast::<RawMessage>() }));
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_event_t {
        self.0.as_ptr()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours.
        unsafe { sys::rd_kafka_event_destroy(self.as_ptr()) }
    }
}

/// What became of one message.
///
pub(super) struct Report<'a>(&'a RawMessage);

impl Report<'_> {
    /// The number that the message was produced with.
    pub(super) fn tag(&self) -> usize {
        self.0.private.addr()
    }

    /// Bytes of key and value.
    pub(super) fn bytes(&self) -> usize {
        self.0.key_len + self.0.len
    }

    pub(super) fn key_len(&self) -> usize {
        self.0.key_len
    }

    pub(super) fn partition(&self) -> i32 {
        self.0.partition
    }

    pub(super) fn error(&self) -> Option<Code> {
        (self.0.err != 0).then_some(Code(self.0.err))
    }

    /// The place of the words about the failure. They cannot be read: the string that librdkafka 2.12.1 gives here is one
    /// that the broker thread has freed, or is about to.
    pub(super) fn words_at(&self) -> usize {
        let message = std::ptr::from_ref(self.0).cast::<sys::rd_kafka_message_t>();
        // SAFETY: the message is one of librdkafka's, live as long as its event; only the pointer is read.
        unsafe { sys::rd_kafka_message_produce_errstr(message) }.addr()
    }

    pub(super) fn key(&self) -> &[u8] {
        if self.0.key.is_null() {
            return &[];
        }
        // SAFETY: librdkafka's copy of the key, as long as it says, live as long as its event.
        unsafe { slice::from_raw_parts(self.0.key.cast::<u8>(), self.0.key_len) }
    }
}

/// `rd_kafka_message_t` with its error as a number: brokers may answer with codes that the bindings' `enum` does
/// not have, and such a value of an `enum` would be undefined behaviour.
#[repr(C)]
pub(super) struct RawMessage {
    pub(super) err: c_int,
    pub(super) topic: *mut sys::rd_kafka_topic_t,
    pub(super) partition: i32,
    pub(super) payload: *mut c_void,
    pub(super) len: usize,
    pub(super) key: *mut c_void,
    pub(super) key_len: usize,
    pub(super) offset: i64,
    pub(super) private: *mut c_void,
}

const _: () = assert!(size_of::<RawMessage>() == size_of::<sys::rd_kafka_message_t>());

/// An error code of librdkafka or of the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    pub(super) fn is(self, name: sys::rd_kafka_resp_err_t) -> bool {
        self.0 == name as i32
    }

    /// The code in words, with its name.
    pub(super) fn text(self) -> String {
        // SAFETY: librdkafka takes any number; the strings are static or of this thread, and are copied.
        unsafe { format!("{} ({})", owned(rd_kafka_err2str(self.0)), owned(rd_kafka_err2name(self.0))) }
    }

    pub(super) fn name(self) -> String {
        // SAFETY: as above.
        unsafe { owned(rd_kafka_err2name(self.0)) }
    }
}

/// Copies a C string; null is empty.
///
/// # Safety
///
/// `text` must be null or point to bytes that end with nul.
pub(super) unsafe fn owned(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promised.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A name for C; one with a nul byte in it is no name of a topic.
pub(super) fn c_name(name: &str) -> Result<CString, Error> {
    CString::new(name)
        .map_err(|_| Error::Client { reason: format!("topic {name:?} has a nul byte in its name") })
}

/// Milliseconds for C, rounded up so that a short wait is no spin.
pub(super) fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}

/// Why a setting was refused, without its value: it may be a password.
fn reason(settings: &ClientConfig, error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, name, value) if !SECRETS.contains(&&name[..]) => {
            let text = text.trim_end().replace(&format!("\"{value}\""), "\"***\"");
            format!("setting {name} was refused: {text}; see advanced.client_properties")
        }
        KafkaError::ClientConfig(_, _, name, _) => format!("setting {name} was refused"),
        _ => {
            let has_nul = |name: &&str| settings.get(name).is_some_and(|value| value.contains('\0'));
            let names = settings.config_map();
            let name = names.keys().copied().find(has_nul).unwrap_or("of no name");
            format!("setting {name} has a NUL character in its value")
        }
    }
}

/// What librdkafka says of settings that do not go together, with the option that they come from.
fn with_option(text: String) -> String {
    let option = if text.contains("mismatch") || text.contains("rivate key check") {
        "check that tls_certificates.client_key is the key of client_certificate"
    } else if text.contains("ssl.key.pem") {
        "check tls_certificates.client_key and its password"
    } else if text.contains("ssl.certificate.pem") {
        "check tls_certificates.client_certificate"
    } else if text.contains("ssl.ca.pem") {
        "check tls_certificates.ca_certificate"
    } else {
        "see advanced.client_properties"
    };
    format!("{text}; {option}")
}

/// Settings whose values are secret, whatever librdkafka says of them.
const SECRETS: [&str; 3] = ["sasl.password", "ssl.key.pem", "ssl.key.password"];

// The bindings declare these with an `enum`, see `RawMessage`.
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut sys::rd_kafka_event_t) -> c_int;
    pub(super) fn rd_kafka_error_code(error: *const sys::rd_kafka_error_t) -> c_int;
    fn rd_kafka_fatal_error(client: *mut sys::rd_kafka_t, text: *mut c_char, text_len: usize) -> c_int;
    fn rd_kafka_err2str(code: c_int) -> *const c_char;
    fn rd_kafka_err2name(code: c_int) -> *const c_char;
}
