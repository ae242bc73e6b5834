//! The connector as a child process: requests go to its stdin, responses come from its stdout, and
//! its log is passed on.
//!
//! Responses are read only where the protocol has one, so Stores are written while nothing is read;
//! the connector is silent then. A thread named `connector-log` reads stderr to its end.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use super::error::Error;
use super::log;
use super::progress::{Screen, tell};
use super::task::StoreDoc;
use super::task::source::Endpoint;
use crate::protocol::messages::{Request, Response, flow, request, response};
use crate::protocol::{self, Codec, RequestWriter, ResponseReader};
use crate::session;

/// How connectors are started.
pub(super) struct Launch {
    /// What both sides speak.
    pub(super) codec: Codec,
    /// The environment that the specification gives them.
    env: Vec<(String, String)>,
    /// What connectors tell, once [`measure`](Self::measure) was called.
    told: Option<Arc<Told>>,
}

/// What connectors have told in their logs, all together.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Bytes of the keys and values of committed transactions.
    message_bytes: AtomicU64,
    /// Sessions that told of the bytes which they have sent, and those.
    sessions: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Told {
    /// Bytes of the keys and values of committed transactions.
    pub(super) fn message_bytes(&self) -> u64 {
        self.message_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that went to the brokers in so many sessions; none if not all of them have told.
    pub(super) fn sent_bytes(&self, sessions: u64) -> Option<u64> {
        (self.sessions.load(Ordering::Relaxed) == sessions).then(|| self.sent_bytes.load(Ordering::Relaxed))
    }

    fn note(&self, message: &str, fields: &Map<String, Value>) {
        let Some(bytes) = fields.get("bytes").and_then(Value::as_u64) else { return };
        match message {
            session::COMMITTED => {
                self.message_bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            session::SENT => {
                self.sessions.fetch_add(1, Ordering::Relaxed);
                self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// A connector that runs. It is killed when dropped before [`end`](Self::end).
pub(super) struct Connector {
    child: Child,
    requests: Option<RequestWriter<ChildStdin>>,
    responses: ResponseReader<ChildStdout>,
    codec: Codec,
    /// Gives the last line of the log once it has ended.
    log: Receiver<Option<String>>,
    ended: Option<Option<String>>,
}

impl Launch {
    /// Connectors of a task: they speak `codec`, or what the specification says.
    pub(super) fn new(endpoint: &Endpoint, codec: Option<Codec>) -> Self {
        let (usual, env) = match endpoint {
            Endpoint::Local { protobuf: false, env } => (Codec::Json, env.clone()),
            Endpoint::Local { protobuf: true, env } => (Codec::Proto, env.clone()),
            Endpoint::Connector { .. } => (Codec::Proto, Default::default()),
        };
        Self { codec: codec.unwrap_or(usual), env: env.into_iter().collect(), told: None }
    }

    /// From here on, has connectors tell in their log how many bytes they commit and send. Those lines are not shown unless
    /// `LOG_LEVEL` asks for them.
    pub(super) fn measure(&mut self) -> Arc<Told> {
        Arc::clone(self.told.get_or_insert_default())
    }

    /// Starts this same program as a connector, and asks Spec of it, as every process is asked first.
    pub(super) fn start(&self) -> Result<Connector, Error> {
        let system = |doing| move |source| Error::System { doing, source };
        let program = std::env::current_exe().map_err(system("finding the program of the connector"))?;
        let level = std::env::var("LOG_LEVEL").unwrap_or_else(|_| "warn".to_owned());
        // As the connector reads it.
        let shown = level.parse().unwrap_or(LevelFilter::INFO);
        let level = if self.told.is_some() && shown < LevelFilter::DEBUG { "debug" } else { &level };
        let mut command = Command::new(program);
        if self.told.is_some() {
            // A terminal sends its signals to a group. A load that is stopped has its connector commit first.
            command.process_group(0);
        }
        let mut child = command
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(Codec::VARIABLE, self.codec.name())
            .env("LOG_LEVEL", level)
            .env("LOG_FORMAT", "json")
            .envs(self.told.iter().map(|_| (session::MEASURED, "1")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(system("starting the connector"))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(system("starting the connector")(io::ErrorKind::BrokenPipe.into()));
        };
        let (sender, log) = mpsc::channel();
        let mut connector = Connector {
            child,
            requests: Some(RequestWriter::new(stdin, self.codec)),
            responses: ResponseReader::new(stdout, self.codec),
            codec: self.codec,
            log,
            ended: None,
        };
        let told = self.told.clone();
        let note = move |message: &str, fields: &Map<String, Value>| {
            if let Some(told) = &told {
                told.note(message, fields);
            }
        };
        thread::Builder::new()
            .name("connector-log".to_owned())
            .spawn(move || {
                let last = log::copy(stderr, &mut Screen, shown, note);
                // The other end is gone when nobody cares any more.
                let _gone = sender.send(last);
            })
            .map_err(system("starting the thread that reads the connector's log"))?;
        connector.spec()?;
        Ok(connector)
    }
}

impl Connector {
    /// Spec, with the empty configuration.
    fn spec(&mut self) -> Result<(), Error> {
        let request = request::Spec { config_json: "{}".into(), ..request::Spec::default() };
        let spec = self.ask(request, "answering Spec", |response| response.spec)?;
        if spec.protocol != response::PROTOCOL {
            let (came, expected) = (spec.protocol, response::PROTOCOL);
            let reason = format!("it speaks version {came} of it, expected {expected}");
            return Err(Error::Misbehaved { doing: "answering Spec".to_owned(), reason });
        }
        Ok(())
    }

    /// Validate.
    pub(super) fn validate(&mut self, request: request::Validate) -> Result<response::Validated, Error> {
        self.ask(request, "answering Validate", |response| response.validated)
    }

    /// Apply of a task that is new.
    pub(super) fn apply(&mut self, spec: &flow::MaterializationSpec) -> Result<response::Applied, Error> {
        let request = request::Apply {
            materialization: Some(spec.clone()),
            version: VERSION.to_owned(),
            ..request::Apply::default()
        };
        self.ask(request, "answering Apply", |response| response.applied)
    }

    /// Open, and the Acknowledge that comes right after it.
    pub(super) fn open(&mut self, spec: &flow::MaterializationSpec) -> Result<(), Error> {
        let request = request::Open {
            materialization: Some(spec.clone()),
            version: VERSION.to_owned(),
            range: Some(flow::RangeSpec {
                key_end: u32::MAX,
                r_clock_end: u32::MAX,
                ..flow::RangeSpec::default()
            }),
            state_json: "{}".into(),
            ..request::Open::default()
        };
        self.ask(request, "answering Open", |response| response.opened)?;
        self.acknowledge()
    }

    /// Flush.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.ask(request::Flush::default(), "answering Flush", |response| response.flushed)?;
        Ok(())
    }

    /// A Store, which nobody answers. It may wait in memory until [`push_on`](Self::push_on) or the
    /// next request.
    pub(super) fn store(&mut self, store: StoreDoc) -> Result<(), Error> {
        let request = store_request(store, self.codec);
        self.write("taking Stores", |requests| requests.push(&request.into()))
    }

    /// Stores that are in frames already.
    pub(super) fn store_frames(&mut self, frames: &[u8]) -> Result<(), Error> {
        self.write("taking Stores", |requests| requests.push_frames(frames))
    }

    /// The most memory that the process has ever had, in bytes; none where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    }

    /// Sends the Stores that wait in memory.
    pub(super) fn push_on(&mut self) -> Result<(), Error> {
        self.write("taking Stores", RequestWriter::flush)
    }

    /// StartCommit.
    pub(super) fn start_commit(&mut self) -> Result<(), Error> {
        let checkpoint = if self.codec == Codec::Json { "{}" } else { "" };
        let request = request::StartCommit { runtime_checkpoint: checkpoint.into(), ..Default::default() };
        self.ask(request, "answering StartCommit", |response| response.started_commit)?;
        Ok(())
    }

    /// Acknowledge.
    pub(super) fn acknowledge(&mut self) -> Result<(), Error> {
        let request = request::Acknowledge::default();
        self.ask(request, "answering Acknowledge", |response| response.acknowledged)?;
        Ok(())
    }

    /// Whether the process has ended, as far as its log tells.
    pub(super) fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.log.try_recv().ok();
        }
        self.ended.is_some()
    }

    /// Closes stdin and expects the clean end: nothing more on stdout, exit status 0.
    pub(super) fn end(mut self) -> Result<(), Error> {
        const DOING: &str = "ending";
        self.requests = None;
        match self.responses.next() {
            Ok(None) => {}
            Ok(Some(response)) => return Err(self.unasked(DOING, &response)),
            Err(error) => return Err(self.failed(DOING, Some(&error))),
        }
        let last = self.last_line();
        let status =
            self.child.wait().map_err(|source| Error::System { doing: "ending the connector", source })?;
        if status.success() {
            // An error that did no harm has still to be told.
            if let Some(last) = last {
                tell(&format!("connector: ERROR {last}"));
            }
            return Ok(());
        }
        let message = last.unwrap_or_else(|| NO_LOG.to_owned());
        Err(Error::Failed { doing: DOING.to_owned(), status: status.to_string(), message })
    }

    /// The error of a connector that has ended, or is about to, or must.
    pub(super) fn failed(&mut self, doing: &str, error: Option<&protocol::Error>) -> Error {
        self.requests = None;
        let doing = doing.to_owned();
        let last = self.last_line();
        // It has had its time to end.
        let _ended = self.child.kill();
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(source) => return Error::System { doing: "waiting for the connector", source },
        };
        match (last, error) {
            (Some(message), _) => Error::Failed { doing, status, message },
            (None, Some(error)) if !matches!(error, protocol::Error::Write { .. }) => {
                Error::Misbehaved { doing, reason: error.to_string() }
            }
            (None, _) => Error::Failed { doing, status, message: NO_LOG.to_owned() },
        }
    }

    fn ask<T>(
        &mut self,
        request: impl Into<Request>,
        doing: &str,
        expected: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, Error> {
        let request = request.into();
        self.write(doing, |requests| requests.send(&request))?;
        match self.responses.next() {
            Ok(Some(response)) => {
                let unasked = self.unasked(doing, &response);
                expected(response).ok_or(unasked)
            }
            Ok(None) => Err(self.failed(doing, None)),
            Err(error) => Err(self.failed(doing, Some(&error))),
        }
    }

    fn write(
        &mut self,
        doing: &str,
        write: impl FnOnce(&mut RequestWriter<ChildStdin>) -> Result<(), protocol::Error>,
    ) -> Result<(), Error> {
        let Some(requests) = &mut self.requests else { return Err(self.failed(doing, None)) };
        match write(requests) {
            Ok(()) => Ok(()),
            Err(error @ protocol::Error::Write { .. }) => Err(self.failed(doing, Some(&error))),
            Err(source) => Err(Error::Request { doing: doing.replacen("answering", "asking", 1), source }),
        }
    }

    fn unasked(&self, doing: &str, response: &Response) -> Error {
        let names: Vec<_> = response.names().collect();
        let reason = format!("it sent {}, which is not the answer to anything asked", names.join(" and "));
        Error::Misbehaved { doing: doing.to_owned(), reason }
    }

    /// The last line of the log; waits for its end, for a while.
    fn last_line(&mut self) -> Option<String> {
        if self.ended.is_none() {
            self.ended = self.log.recv_timeout(GRACE).ok();
        }
        self.ended.clone().flatten()
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.requests = None;
        // Both fail if it has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A Store as a request, with the form of its fields that a codec has.
pub(super) fn store_request(store: StoreDoc, codec: Codec) -> request::Store {
    let mut request = request::Store {
        binding: store.binding,
        doc_json: store.doc_json.into(),
        delete: store.delete,
        ..request::Store::default()
    };
    match codec {
        Codec::Proto => {
            request.key_packed = store.key_packed.into();
            request.values_packed = store.values_packed.into();
        }
        Codec::Json => {
            request.key_json = store.key_json.into();
            request.values_json = store.values_json.into();
        }
    }
    request
}

/// The version of a task that is applied and opened.
const VERSION: &str = "preview";

/// How long a connector that has nothing to do any more may take to end.
const GRACE: Duration = Duration::from_secs(10);

const NO_LOG: &str = "it logged no error; set LOG_LEVEL=debug to see what it does";
