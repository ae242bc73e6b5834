//! The runtime's part, for tests: starts the real binary and speaks the protocol with it over pipes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use materialize_kafka::preview::task::source::Source;
use materialize_kafka::preview::task::{BuiltTask, Fixture, StoreDoc, Task};
use materialize_kafka::protocol::messages::{Request, Response, flow, request, response};
use materialize_kafka::protocol::{Codec, RequestWriter, ResponseReader};
use serde_json::Value;

/// A connector that runs.
pub struct Connector {
    child: Child,
    requests: Option<RequestWriter<ChildStdin>>,
    responses: Option<ResponseReader<ChildStdout>>,
    codec: Codec,
    stderr: Stderr,
}

/// What a connector logs, read all the time so that it never waits for a reader.
#[derive(Default)]
struct Stderr {
    said: Arc<Mutex<Vec<u8>>>,
    /// Ends with the stream.
    reader: Option<JoinHandle<()>>,
}

/// How a connector ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; none if a signal killed it.
    pub status: Option<i32>,
    /// All that it logged.
    pub stderr: String,
}

impl Ended {
    /// The message of the last line on stderr, which the runtime would show.
    pub fn message(&self) -> String {
        let last = self.stderr.lines().last().unwrap_or_default();
        let line: Value = serde_json::from_str(last)
            .unwrap_or_else(|_| panic!("no JSON line at the end of: {}", self.stderr));
        assert_eq!(line["level"], "ERROR", "{}", self.stderr);
        line["message"].as_str().expect("a message").to_owned()
    }

    /// Asserts that it ended as after a clean end of input.
    pub fn assert_clean(&self) {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
    }
}

/// The command that starts a connector of `codec`.
pub fn command(codec: Option<Codec>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("LOG_LEVEL", "info").env_remove(Codec::VARIABLE);
    if let Some(codec) = codec {
        command.env(Codec::VARIABLE, codec.name());
    }
    command
}

impl Connector {
    /// Starts a connector that is told its codec.
    pub fn start(codec: Codec) -> Self {
        Self::spawn(command(Some(codec)), codec)
    }

    /// Starts `command`, which speaks `codec`. Where its stderr is no pipe of ours, nothing that it logs is known.
    pub fn spawn(mut command: Command, codec: Codec) -> Self {
        let mut child = command.spawn().expect("the binary was built");
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().map_or_else(Stderr::default, Stderr::of);
        let requests = Some(RequestWriter::new(stdin, codec));
        Self { child, requests, responses: Some(ResponseReader::new(stdout, codec)), codec, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request.
    pub fn send(&mut self, request: impl Into<Request>) {
        self.try_send(request).expect("the connector takes requests");
    }

    /// Sends a request to a connector that may have ended.
    pub fn try_send(
        &mut self,
        request: impl Into<Request>,
    ) -> Result<(), materialize_kafka::protocol::Error> {
        self.requests.as_mut().expect("stdin is open").send(&request.into())
    }

    /// Sends bytes as they are, to a connector that may have ended: that is what tests of bad input are about.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ended = self.try_write(bytes);
    }

    /// Sends bytes as they are.
    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let requests = self.requests.take().expect("stdin is open");
        let mut stdin = requests.into_inner().expect("nothing was pending");
        let written = stdin.write_all(bytes).and_then(|()| stdin.flush());
        self.requests = Some(RequestWriter::new(stdin, self.codec));
        written
    }

    /// The next response.
    pub fn receive(&mut self) -> Response {
        match self.responses.as_mut().expect("stdout is open").next() {
            Ok(Some(response)) => response,
            other => {
                let _killed = self.child.kill();
                panic!("no response but {other:?}; the connector said: {}", self.stderr_so_far())
            }
        }
    }

    /// What has come on stdout until it ended; none at a clean end.
    pub fn try_receive(&mut self) -> Option<Response> {
        self.responses.as_mut()?.next().ok().flatten()
    }

    /// Sends a request and waits for its response.
    pub fn ask(&mut self, request: impl Into<Request>) -> Response {
        self.send(request);
        self.receive()
    }

    /// Spec, which every process is asked first.
    pub fn spec(&mut self) -> response::Spec {
        let spec = request::Spec { config_json: "{}".into(), ..Default::default() };
        self.ask(spec).spec.expect("Spec is answered by Spec")
    }

    /// Opens a session of `task`, including the first Acknowledge.
    pub fn open(&mut self, task: &BuiltTask) {
        self.open_spec(&task.spec);
    }

    /// Opens a session, including the first Acknowledge.
    pub fn open_spec(&mut self, spec: &flow::MaterializationSpec) {
        self.send(open_request(spec));
        self.receive().opened.expect("Open is answered by Opened");
        self.acknowledge();
    }

    /// Acknowledge.
    pub fn acknowledge(&mut self) {
        self.ask(request::Acknowledge::default())
            .acknowledged
            .expect("Acknowledge is answered by Acknowledged");
    }

    /// Flush.
    pub fn flush(&mut self) {
        self.ask(request::Flush::default()).flushed.expect("Flush is answered by Flushed");
    }

    /// StartCommit.
    pub fn start_commit(&mut self) {
        let checkpoint = if self.codec == Codec::Json { "{}" } else { "" };
        let request = request::StartCommit { runtime_checkpoint: checkpoint.into(), ..Default::default() };
        self.ask(request).started_commit.expect("StartCommit is answered by StartedCommit");
    }

    /// One Store, in the form that the codec carries.
    pub fn store(&mut self, store: &StoreDoc) {
        self.send(store_request(store, self.codec));
    }

    /// A whole transaction, up to Acknowledged.
    pub fn transact<'a>(&mut self, stores: impl IntoIterator<Item = &'a StoreDoc>) {
        self.flush();
        for store in stores {
            self.store(store);
        }
        self.start_commit();
        self.acknowledge();
    }

    /// Closes our end of its stdout.
    pub fn close_stdout(&mut self) {
        self.responses = None;
    }

    /// Closes stdin.
    pub fn close(&mut self) {
        self.requests = None;
    }

    /// Closes stdin, reads what is left of stdout, and waits for the end.
    pub fn end(mut self) -> Ended {
        self.close();
        while self.try_receive().is_some() {}
        self.wait()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("waiting for the connector");
    }

    /// Waits for the end without closing stdin.
    pub fn wait(mut self) -> Ended {
        let status = self.child.wait().expect("waiting for the connector");
        Ended { status: status.code(), stderr: self.stderr.all() }
    }

    /// Waits until it has logged `part`.
    pub fn wait_for_log(&self, part: &str) {
        let start = Instant::now();
        loop {
            let said = self.stderr.so_far();
            if said.contains(part) {
                return;
            }
            assert!(start.elapsed() < LOGGED_WITHIN, "it does not log {part:?} but: {said}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stderr_so_far(&mut self) -> String {
        let _ended = self.child.wait();
        self.stderr.all()
    }
}

/// For what is to be logged soon, on a machine that is busy.
const LOGGED_WITHIN: Duration = Duration::from_secs(60);

impl Stderr {
    fn of(mut stream: ChildStderr) -> Self {
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let heard = Arc::clone(&said);
        let reader = thread::spawn(move || {
            let mut some = [0; 4096];
            loop {
                let count = stream.read(&mut some).expect("reading stderr");
                if count == 0 {
                    return;
                }
                heard.lock().expect("nobody panics with it").extend_from_slice(&some[..count]);
            }
        });
        Self { said, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("nobody panics with it")).into_owned()
    }

    /// All of it, when its writer has ended.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("stderr was read");
        }
        self.so_far()
    }
}

/// Open for a specification.
pub fn open_request(spec: &flow::MaterializationSpec) -> request::Open {
    request::Open {
        materialization: Some(spec.clone()),
        version: "1".into(),
        range: Some(flow::RangeSpec { key_end: u32::MAX, r_clock_end: u32::MAX, ..Default::default() }),
        state_json: "{}".into(),
        ..Default::default()
    }
}

/// A Store in the form that `codec` carries.
pub fn store_request(store: &StoreDoc, codec: Codec) -> request::Store {
    let mut request = request::Store {
        binding: store.binding,
        doc_json: store.doc_json.clone().into(),
        delete: store.delete,
        ..Default::default()
    };
    match codec {
        Codec::Proto => {
            request.key_packed = store.key_packed.clone().into();
            request.values_packed = store.values_packed.clone().into();
        }
        Codec::Json => {
            request.key_json = store.key_json.clone().into();
            request.values_json = store.values_json.clone().into();
        }
    }
    request
}

/// Reads a specification (YAML or JSON) with one materialization, replaces its configuration by `config`, has the
/// connector validate it, and builds it.
pub fn build(specification: &str, config: &Value) -> BuiltTask {
    let task = task(specification, config);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let validated = connector.ask(task.validate()).validated.expect("Validate is answered by Validated");
    connector.end().assert_clean();
    task.build(&validated).expect("the fields can be selected")
}

/// As [`build`], up to Validate.
pub fn task(specification: &str, config: &Value) -> Task {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flow.yaml");
    File::create(&path).and_then(|mut file| file.write_all(specification.as_bytes())).expect("writing it");
    let source = Source::read(&path).expect("the specification is right");
    let mut task =
        Task::new(source.materialization(None).expect("one materialization")).expect("the task is right");
    task.config = config.clone();
    task
}

/// Has the connector make what the task needs, and says what it made.
pub fn apply(task: &BuiltTask) -> String {
    applied(task).action_description
}

/// As [`apply`], with all that the connector answers.
pub fn applied(task: &BuiltTask) -> response::Applied {
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let request = request::Apply {
        materialization: Some(task.spec.clone()),
        version: "1".into(),
        ..Default::default()
    };
    let applied = connector.ask(request).applied.expect("Apply is answered by Applied");
    connector.end().assert_clean();
    applied
}

/// The Stores of a fixture, by transaction.
pub fn stores(task: &BuiltTask, fixture: &str) -> Vec<Vec<StoreDoc>> {
    let mut transactions = task.transactions(Fixture::new("fixture", fixture.as_bytes()));
    let mut all = Vec::new();
    while let Some(transaction) = transactions.next_transaction().expect("the fixture is right") {
        all.push(transaction.map(|store| store.expect("the document fits")).collect());
    }
    all
}

/// Where real documents are; none where they are not at hand, which is said.
pub fn shared_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SHARED_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    // To stderr itself: what `eprintln!` says in a test that passes is never shown.
    let _ =
        writeln!(std::io::stderr(), "skipped: {test} needs the shared data; set SHARED_DATA to its folder");
    None
}
