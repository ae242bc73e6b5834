//! Flow's runtime, as far as delivery depends on it: it knows how many documents are committed, and after the death
//! of a connector it starts another one and stores what is not.
//!
//! A transaction is committed when the connector has answered StartedCommit *and* the runtime has noted it in its
//! recovery log, which is [`Flow::note_commit`]: the two are steps of their own, because either side may die between
//! them. A connector that delivers exactly once is given its state again, and may know of a commit that the runtime does not.
//! Nobody waits for a connector for ever: what does not answer in time is killed, and the test fails.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::response::ConnectorState;
use materialize_kafka::protocol::messages::{Request, Response, request};
use serde_json::{Value, json};

use crate::brokers::{producers, unique};
use crate::common::runtime::{self, Connector, Ended};
use crate::common::runtime::{open_request, store_request, stores};
use crate::common::state;
use crate::seed::Chance;
use crate::tally::{Stored, Tally, landed};

/// A task and its runtime.
pub struct Flow {
    task: BuiltTask,
    stored: Stored,
    pub chance: Chance,
    log_level: &'static str,
    /// Of the connector that runs.
    connector: Option<Connector>,
    /// What the connector has given to keep, and what it has given with the transaction that is open.
    state: Value,
    in_commit: Option<ConnectorState>,
    /// Documents of the transaction that is open: how many, and how many of them have been stored.
    transaction: u64,
    in_transaction: u64,
    queue: Vec<StoreDoc>,
    watchdog: Watchdog,
    /// How many connectors have been killed.
    pub kills: u64,
}

/// That the connector ended instead of answering; [`Flow::ended`] tells how.
#[derive(Debug)]
pub struct Died;

/// What a flow is made with.
pub struct Documents {
    /// How many keys there are; no transaction may have more documents.
    pub keys: u64,
    /// Letters of a document's text.
    pub letters: usize,
}

pub const SMALL: Documents = Documents { keys: 500, letters: 40 };
/// About a megabyte a transaction, which hardly compresses.
pub const LARGE: Documents = Documents { keys: 1_000, letters: 1_000 };

impl Flow {
    /// Validates and applies a task of one topic.
    pub fn new(config: &Value, documents: &Documents) -> Self {
        Self::into_topic(&unique("faults"), config, documents)
    }

    /// As [`new`](Self::new), where the topic may be there already.
    pub fn into_topic(topic: &str, config: &Value, &Documents { keys, letters }: &Documents) -> Self {
        let task = runtime::build(&specification(topic), config);
        let mut state = json!({});
        state::add(&mut state, runtime::applied(&task).state);
        let registry = config["schema_registry"]["endpoint"].as_str().map(str::to_owned);
        let topic = topic.to_owned();
        let stored = Stored { topic, keys, letters, registry, committed: 0, offered: 0, starts: Vec::new() };
        Self {
            task,
            stored,
            chance: Chance::of_this_test(),
            log_level: "info",
            connector: None,
            state,
            in_commit: None,
            transaction: 0,
            in_transaction: 0,
            queue: Vec::new(),
            watchdog: Watchdog::start(),
            kills: 0,
        }
    }

    /// Connectors log from this level on.
    pub fn log_level(mut self, level: &'static str) -> Self {
        self.log_level = level;
        self
    }

    pub fn topic(&self) -> &str {
        &self.stored.topic
    }

    /// The transactional id of its sessions, where they deliver exactly once.
    pub fn transactional_id(&self) -> String {
        format!("materialize-kafka/{}/00000000-ffffffff", self.task.spec.name)
    }

    /// The token that its progress records bear, as the state has it after a commit.
    pub fn token(&self) -> &str {
        let shards = self.state["exactly_once"]["shards"].as_object().expect("entries of shards");
        shards.values().next().and_then(|entry| entry["token"].as_str()).expect("a token")
    }

    /// Sessions have so many producers from the next one on.
    pub fn producers(&mut self, count: u32) {
        let config: Value = serde_json::from_slice(&self.task.spec.config_json).unwrap();
        self.task.spec.config_json = producers(config, count).to_string().into();
    }

    /// The process of the connector that runs.
    pub fn process(&self) -> u32 {
        self.connector.as_ref().expect("a connector runs").id()
    }

    /// Starts a connector and opens a session that begins with the first document that is not committed.
    pub fn open(&mut self) {
        if self.try_open().is_err() {
            panic!("the session could not be opened: {:?}", self.ended());
        }
    }

    pub fn try_open(&mut self) -> Result<(), Died> {
        self.spawn(self.command());
        self.open_session()
    }

    /// The command of a connector, whose children would be known by its process group.
    pub fn command(&self) -> Command {
        let mut command = runtime::command(Some(Codec::Proto));
        command.process_group(0);
        command.env("LOG_LEVEL", self.log_level);
        command
    }

    /// Starts a connector, and has it asked nothing.
    pub fn spawn(&mut self, command: Command) {
        assert!(self.connector.is_none(), "one connector at a time");
        self.stored.starts.push(self.stored.committed);
        (self.transaction, self.in_transaction, self.in_commit) = (0, 0, None);
        self.connector = Some(Connector::spawn(command, Codec::Proto));
    }

    /// Starts a connector and sends all that comes before the first Acknowledge, without waiting for answers.
    pub fn begin_to_open(&mut self) {
        self.spawn(self.command());
        let spec = request::Spec { config_json: "{}".into(), ..Default::default() };
        let open = self.open_request();
        let sent = self.send(spec).and_then(|()| self.send(open));
        sent.expect("what is sent fits into the pipe");
    }

    /// Spec, Open, and the first Acknowledge.
    pub fn open_session(&mut self) -> Result<(), Died> {
        let spec = request::Spec { config_json: "{}".into(), ..Default::default() };
        self.ask(spec)?.spec.expect("Spec is answered by Spec");
        let opened = self.ask(self.open_request())?.opened.expect("Open is answered by Opened");
        if let Some(position) = state::position(&opened.runtime_checkpoint) {
            // The connector's checkpoint counts, which may be ahead: Kafka has committed, and then somebody died.
            let Stored { committed, offered, .. } = self.stored;
            assert!(
                (committed..=offered).contains(&position),
                "it goes on from {position}, though {committed} are committed and {offered} were ever stored"
            );
            self.stored.committed = position;
            *self.stored.starts.last_mut().expect("this session's") = position;
        }
        self.acknowledge()
    }

    fn open_request(&self) -> request::Open {
        request::Open { state_json: self.state.to_string().into(), ..open_request(&self.task.spec) }
    }

    /// A transaction of some documents, up to Acknowledged.
    pub fn transact(&mut self, documents: u64) {
        if self.try_transact(documents).is_err() {
            panic!("the session died: {:?}", self.ended());
        }
    }

    pub fn try_transact(&mut self, documents: u64) -> Result<(), Died> {
        self.begin(documents)?;
        self.store(documents)?;
        self.start_commit()?;
        self.started_commit()?;
        self.note_commit();
        self.acknowledge()
    }

    /// Some transactions of random sizes.
    pub fn transact_some(&mut self, transactions: u64) {
        for _ in 0..transactions {
            let documents = self.some_documents();
            self.transact(documents);
        }
    }

    /// A random size for a transaction; now and then it is empty.
    pub fn some_documents(&mut self) -> u64 {
        if self.chance.one_in(20) { 0 } else { self.chance.below(self.stored.keys) + 1 }
    }

    /// Flush, which begins a transaction.
    pub fn begin(&mut self, documents: u64) -> Result<(), Died> {
        assert!(documents <= self.stored.keys, "the runtime combines documents of one key");
        self.ask(request::Flush::default())?.flushed.expect("Flush is answered by Flushed");
        let session = self.stored.starts.len() - 1;
        let first = self.stored.committed;
        // The runtime stores in the order of keys: any of these may be the first one.
        self.stored.offered = self.stored.offered.max(first + documents);
        self.queue = self.documents(first..first + documents, session);
        (self.transaction, self.in_transaction) = (documents, 0);
        Ok(())
    }

    /// Stores the next documents of the transaction.
    pub fn store(&mut self, documents: u64) -> Result<(), Died> {
        for _ in 0..documents {
            let place = usize::try_from(self.in_transaction).expect("a transaction fits into memory");
            let store = store_request(&self.queue[place], Codec::Proto);
            self.in_transaction += 1;
            self.send(store)?;
        }
        Ok(())
    }

    /// Sends StartCommit.
    pub fn start_commit(&mut self) -> Result<(), Died> {
        assert_eq!(self.in_transaction, self.transaction, "all documents come before StartCommit");
        let runtime_checkpoint = state::checkpoint(self.stored.committed + self.transaction);
        self.send(request::StartCommit { runtime_checkpoint, ..Default::default() })
    }

    /// Waits for StartedCommit.
    pub fn started_commit(&mut self) -> Result<(), Died> {
        let started = self.receive()?.started_commit.expect("StartCommit is answered by StartedCommit");
        self.in_commit = started.state;
        Ok(())
    }

    /// The runtime's own commit: from now on these documents are never stored again.
    pub fn note_commit(&mut self) {
        self.stored.committed += self.transaction;
        state::add(&mut self.state, self.in_commit.take());
        (self.transaction, self.in_transaction) = (0, 0);
    }

    pub fn acknowledge(&mut self) -> Result<(), Died> {
        self.ask(request::Acknowledge::default())?
            .acknowledged
            .expect("Acknowledge is answered by Acknowledged");
        Ok(())
    }

    pub fn send(&mut self, request: impl Into<Request>) -> Result<(), Died> {
        let connector = self.connector.as_mut().expect("a connector runs");
        let _watched = self.watchdog.watch(connector.id());
        connector.try_send(request).map_err(|_| Died)
    }

    pub fn receive(&mut self) -> Result<Response, Died> {
        let connector = self.connector.as_mut().expect("a connector runs");
        let _watched = self.watchdog.watch(connector.id());
        connector.try_receive().ok_or(Died)
    }

    fn ask(&mut self, request: impl Into<Request>) -> Result<Response, Died> {
        self.send(request)?;
        self.receive()
    }

    /// SIGKILL. What the connector had answered before is still in the pipe, and is given.
    pub fn kill(&mut self) -> Vec<Response> {
        self.kills += 1;
        signal("KILL", self.process());
        let mut connector = self.connector.take().expect("a connector runs");
        connector.close();
        let mut rest = Vec::new();
        while let Some(response) = connector.try_receive() {
            if let Some(started) = &response.started_commit {
                self.in_commit.clone_from(&started.state);
            }
            rest.push(response);
        }
        connector.wait();
        self.watchdog.assert_quiet();
        rest
    }

    /// Sends a signal to the connector.
    pub fn signal(&self, name: &str) {
        signal(name, self.process());
    }

    /// Closes the connector's stdin.
    pub fn close_stdin(&mut self) {
        self.connector.as_mut().expect("a connector runs").close();
    }

    /// Closes our end of the connector's stdout.
    pub fn close_stdout(&mut self) {
        self.connector.as_mut().expect("a connector runs").close_stdout();
    }

    /// Waits for the end of a connector that has a reason to end.
    pub fn ended(&mut self) -> Ended {
        let mut connector = self.connector.take().expect("a connector runs");
        let group = connector.id();
        let watched = self.watchdog.watch(group);
        while connector.try_receive().is_some() {}
        let ended = connector.wait();
        drop(watched);
        self.watchdog.assert_quiet();
        assert_eq!(processes_of(group), Vec::<String>::new(), "orphans");
        ended
    }

    /// Whether the connector ends by itself in this time.
    pub fn ended_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        let stat = format!("/proc/{}/stat", self.process());
        // It is not waited for yet, so its number is nobody else's.
        let ended = || {
            let stat = fs::read_to_string(&stat).expect("it was not waited for");
            stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
        };
        while !ended() && start.elapsed() < limit {
            thread::sleep(Duration::from_millis(20));
        }
        ended()
    }

    /// Ends the session as the runtime does, and asserts that the connector agrees.
    pub fn close(&mut self) {
        self.close_stdin();
        self.ended().assert_clean();
    }

    /// Ends the session and counts what has landed at `brokers`.
    pub fn close_and_count(&mut self, brokers: &str) -> Tally {
        self.close();
        self.count(brokers)
    }

    pub fn count(&self, brokers: &str) -> Tally {
        Tally::read(brokers, &self.stored, "read_committed")
    }

    /// How many messages are in the topic.
    pub fn landed(&self, brokers: &str) -> usize {
        landed(brokers, &self.stored, "read_committed").values().map(Vec::len).sum()
    }

    /// As consumers see it who do not look at transactions.
    pub fn count_uncommitted(&self, brokers: &str) -> Tally {
        Tally::read(brokers, &self.stored, "read_uncommitted")
    }

    fn documents(&self, numbers: std::ops::Range<u64>, session: usize) -> Vec<StoreDoc> {
        if numbers.is_empty() {
            return Vec::new();
        }
        let Stored { keys, letters: length, .. } = self.stored;
        let line = |number: u64| {
            let (key, number) = (number % keys, number / keys);
            let text = letters(key, number, length);
            let document = json!({"id": key, "number": number, "session": session, "text": text});
            json!(["acme/documents", document]).to_string() + "\n"
        };
        stores(&self.task, &numbers.map(line).collect::<String>()).swap_remove(0)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.connector.is_some() {
            // The test has failed: the connector goes with it.
            signal("KILL", self.process());
        }
    }
}

/// The text of a document, which hardly compresses: another one for each.
pub fn letters(key: u64, number: u64, length: usize) -> String {
    let mut state = (key << 32 | number) ^ 0x9e37_79b9_7f4a_7c15;
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'A' + u8::try_from((state >> 33) % 57).expect("below 57"))
    };
    std::iter::repeat_with(letter).take(length).collect()
}

/// Sends a signal to a process that this one has started and not yet waited for.
pub fn signal(name: &str, process: u32) {
    let _gone = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .stderr(Stdio::null())
        .status()
        .expect("there is a program kill");
}

/// The command lines of the processes in a group.
fn processes_of(group: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc is there").flatten() {
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_whitespace().nth(2) == Some(&group.to_string()) {
            found.push(fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default());
        }
    }
    found
}

fn specification(topic: &str) -> String {
    json!({
        "collections": {"acme/documents": {"key": ["/id"], "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "number": {"type": "integer"},
                "session": {"type": "integer"},
                "text": {"type": "string"},
            },
            "required": ["id", "number", "session", "text"],
        }}},
        // Transactional ids go by it.
        "materializations": {format!("acme/{topic}"): {
            "endpoint": {"local": {"command": ["materialize-kafka"], "config": {}}},
            "bindings": [{
                "source": "acme/documents",
                "resource": {"topic": topic},
                // The document as a whole would double the bytes.
                "fields": {"recommended": true, "exclude": ["flow_document"]},
            }],
        }},
    })
    .to_string()
}

/// Kills a connector that is waited for too long.
struct Watchdog(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    process: Option<(u32, Instant)>,
    killed: bool,
    over: bool,
}

/// For as long as it lives, a process is watched.
struct Watch(Arc<Mutex<Watched>>);

impl Watchdog {
    fn start() -> Self {
        let watched = Arc::new(Mutex::new(Watched::default()));
        let dog = Arc::clone(&watched);
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(200));
                let mut watched = dog.lock().unwrap();
                if watched.over {
                    return;
                }
                if let Some((process, limit)) = watched.process
                    && Instant::now() > limit
                {
                    watched.killed = true;
                    watched.process = None;
                    signal("KILL", process);
                }
            }
        });
        Self(watched)
    }

    fn watch(&self, process: u32) -> Watch {
        self.0.lock().unwrap().process = Some((process, Instant::now() + ANSWER_WITHIN));
        Watch(Arc::clone(&self.0))
    }

    fn assert_quiet(&self) {
        assert!(
            !self.0.lock().unwrap().killed,
            "the connector neither answered nor ended in {ANSWER_WITHIN:?}"
        );
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.lock().unwrap().over = true;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().unwrap().process = None;
    }
}

/// Above the default stall time-out, the longest that a connector may be silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);
