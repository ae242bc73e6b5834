//! The runtime's part: a shard that remembers what it has committed, and stores again what it has not.

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use materialize_kafka::preview::task::BuiltTask;
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::flow::{MaterializationSpec, RangeSpec};
use materialize_kafka::protocol::messages::response::ConnectorState;
use materialize_kafka::protocol::messages::{request, response};
use serde_json::{Value, json};

use crate::broker::unique;
use crate::common::runtime::{self, Connector, Ended, stores};
use crate::common::state;
use crate::endpoint::{Endpoint, specification, transaction};

/// A task of one binding, whose source is the numbers from 0 on.
#[derive(Clone)]
pub struct Task {
    pub endpoint: Endpoint,
    built: Arc<BuiltTask>,
    pub spec: MaterializationSpec,
    pub topic: String,
    pub progress: String,
}

impl Task {
    /// A task with topics of its own, applied; and a shard of it that has committed nothing.
    pub fn new(brokers: &str, advanced: &Value) -> (Self, Shard) {
        let (topic, progress) = (unique("documents"), unique("progress"));
        let mut config = json!({ "delivery": "exactly_once", "progress_topic": progress });
        for (name, value) in advanced.as_object().unwrap() {
            config[name] = value.clone();
        }
        let endpoint = Endpoint::json(brokers).set("advanced", config);
        let built = Arc::new(endpoint.task(&specification(&[&topic])));
        let mut spec = built.spec.clone();
        spec.name = unique("acme/task");
        let task = Self { endpoint, built, spec, topic, progress };
        let mut shard = Shard::whole();
        assert!(task.apply(&mut shard, None).contains(&format!("create topic {}", task.progress)));
        (task, shard)
    }

    /// Applies the task as it is now.
    pub fn apply(&self, shard: &mut Shard, last: Option<&MaterializationSpec>) -> String {
        let answer = self.endpoint.ask(request::Apply {
            materialization: Some(self.spec.clone()),
            version: "1".into(),
            last_materialization: last.cloned(),
            state_json: shard.state.to_string().into(),
            ..Default::default()
        });
        let applied = answer.response().applied.expect("Apply is answered by Applied");
        shard.add(applied.state);
        applied.action_description
    }

    /// The task with another way of delivery, applied.
    pub fn deliver(&mut self, delivery: &str, shard: &mut Shard) {
        let last = self.spec.clone();
        let mut config: Value = serde_json::from_slice(&self.spec.config_json).unwrap();
        config["advanced"]["delivery"] = json!(delivery);
        self.spec.config_json = config.to_string().into();
        self.apply(shard, Some(&last));
    }

    fn stores(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<request::Store> {
        let documents: Vec<Value> = numbers.into_iter().map(|number| json!({ "id": number })).collect();
        let fixture = transaction(documents.iter().map(|document| (0, document)));
        let stores = stores(&self.built, &fixture).swap_remove(0);
        stores.iter().map(|store| runtime::store_request(store, Codec::Proto)).collect()
    }
}

/// What the runtime has committed of a shard.
#[derive(Debug, Clone)]
pub struct Shard {
    pub range: (u32, u32),
    pub state: Value,
    /// The next number that it reads.
    pub position: u32,
}

impl Shard {
    fn whole() -> Self {
        Self { range: (0, u32::MAX), state: json!({}), position: 0 }
    }

    /// The halves, each of which knows what this one does.
    pub fn split(&self) -> (Self, Self) {
        let middle = self.range.0 + (self.range.1 - self.range.0) / 2;
        let half = |range| Self { range, ..self.clone() };
        (half((self.range.0, middle)), half((middle + 1, self.range.1)))
    }

    /// Whether a number is in the range: its bits, mixed, are its hash.
    pub fn has(&self, number: u32) -> bool {
        let hash = number.wrapping_mul(0x9e37_79b9);
        (self.range.0..=self.range.1).contains(&hash)
    }

    fn add(&mut self, added: Option<ConnectorState>) {
        state::add(&mut self.state, added);
    }

    fn open_request(&self, task: &Task) -> request::Open {
        request::Open {
            materialization: Some(task.spec.clone()),
            version: "1".into(),
            range: Some(RangeSpec {
                key_begin: self.range.0,
                key_end: self.range.1,
                r_clock_end: u32::MAX,
                ..Default::default()
            }),
            state_json: self.state.to_string().into(),
            ..Default::default()
        }
    }

    /// Starts a connector that is asked to open.
    pub fn start(&self, task: &Task) -> Connector {
        let mut connector = Connector::spawn(runtime::command(Some(Codec::Proto)), Codec::Proto);
        connector.spec();
        connector.send(self.open_request(task));
        connector
    }

    /// An open session.
    pub fn open(&self, task: &Task) -> Session {
        self.opened(task, self.start(task))
    }

    /// The session of a connector that was asked to open.
    pub fn opened(&self, task: &Task, connector: Connector) -> Session {
        self.opened_or(task, connector)
            .unwrap_or_else(|connector| panic!("no Opened but: {}", connector.wait().stderr))
    }

    /// The same for a connector that may be ended by another one.
    pub fn try_opened(&self, task: &Task, connector: Connector) -> Option<Session> {
        self.opened_or(task, connector).ok()
    }

    fn opened_or(&self, task: &Task, mut connector: Connector) -> Result<Session, Box<Connector>> {
        let Some(answer) = connector.try_receive() else { return Err(connector.into()) };
        let opened = answer.opened.expect("Open is answered by Opened");
        let acknowledge = connector.try_send(request::Acknowledge::default());
        if acknowledge.is_err() || connector.try_receive().is_none() {
            return Err(connector.into());
        }
        let position = state::position(&opened.runtime_checkpoint)
            .map_or(self.position, |position| u32::try_from(position).unwrap());
        Ok(Session { connector, task: task.clone(), shard: self.clone(), position })
    }

    /// The message of the failure that a session ends with instead of opening.
    pub fn open_fails(&self, task: &Task) -> String {
        task.endpoint.ask(self.open_request(task)).failure()
    }
}

/// A session of a shard.
pub struct Session {
    pub connector: Connector,
    task: Task,
    /// What the runtime had committed when it was opened.
    shard: Shard,
    pub position: u32,
}

impl Session {
    pub fn flush(&mut self) {
        self.connector.flush();
    }

    /// Stores those of the next `count` numbers that are the shard's. False where the connector has ended.
    pub fn store(&mut self, count: u32) -> bool {
        let numbers = self.position..self.position + count;
        let stores = self.task.stores(numbers.filter(|number| self.shard.has(*number)));
        self.position += count;
        stores.into_iter().all(|store| self.connector.try_send(store).is_ok())
    }

    pub fn start_commit(&mut self) {
        let _ended = self.connector.try_send(self.start_commit_request());
    }

    pub fn start_commit_request(&self) -> request::StartCommit {
        let runtime_checkpoint = state::checkpoint(self.position.into());
        request::StartCommit { runtime_checkpoint, ..Default::default() }
    }

    /// StartedCommit, which the runtime has not committed yet.
    pub fn started_commit(&mut self) -> response::StartedCommit {
        self.connector.receive().started_commit.expect("StartCommit is answered by StartedCommit")
    }

    /// The runtime's own commit.
    pub fn commit(&self, started: response::StartedCommit, shard: &mut Shard) {
        shard.add(started.state);
        shard.position = self.position;
    }

    /// A whole transaction.
    pub fn transact(&mut self, count: u32, shard: &mut Shard) {
        self.flush();
        self.store(count);
        self.start_commit();
        let started = self.started_commit();
        self.commit(started, shard);
        self.connector.acknowledge();
    }

    pub fn kill(self) -> Ended {
        kill(&self.connector);
        self.connector.wait()
    }

    /// Closes its stdin, and asserts that it ended well.
    pub fn end(self) -> Ended {
        self.task.endpoint.assert_clean(self.connector)
    }

    /// The message of the failure that it ends with by itself.
    pub fn failure(self) -> String {
        self.task.endpoint.failure(self.connector)
    }
}

/// SIGKILL.
pub fn kill(connector: &Connector) {
    signal(connector, "KILL");
}

pub fn signal(connector: &Connector, name: &str) {
    let status = Command::new("kill").args(["-s", name, &connector.id().to_string()]).status().unwrap();
    assert!(status.success());
}

pub fn pause(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}
