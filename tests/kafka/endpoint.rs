//! A connector's configuration and environment, and the questions that a runtime asks it.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::messages::{Request, Response, request};
use materialize_kafka::protocol::{Codec, RequestWriter, ResponseReader};
use serde_json::{Value, json};

use crate::common::runtime::{self, Connector, Ended};
use crate::common::services::{Login, Registry};

/// What a user configured, and whom the machine trusts.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub config: Value,
    /// The file of `SSL_CERT_FILE`.
    ca: Option<PathBuf>,
}

impl Endpoint {
    /// JSON messages, without login or TLS.
    pub fn json(brokers: &str) -> Self {
        let config = json!({
            "bootstrap_servers": brokers,
            "message_format": "JSON",
            "topic_partitions": 3,
            "topic_replication_factor": 1,
        });
        Self { config, ca: None }
    }

    /// Avro messages, without login or TLS for the brokers.
    pub fn avro(brokers: &str, registry: &Registry) -> Self {
        Self::json(brokers).set("message_format", json!("Avro")).registry(&registry.url, &registry.login)
    }

    /// With the registry at `url`.
    pub fn registry(self, url: &str, Login { user, password }: &Login) -> Self {
        self.set("schema_registry", json!({"endpoint": url, "username": user, "password": password}))
    }

    /// With a login at the brokers.
    pub fn login(self, mechanism: &str, Login { user, password }: &Login) -> Self {
        self.set(
            "credentials",
            json!({"auth_type": "user_password", "mechanism": mechanism, "username": user, "password": password}),
        )
    }

    /// With TLS, on a machine that trusts the authority `ca` alone.
    pub fn tls(mut self, ca: &Path) -> Self {
        self.ca = Some(ca.to_owned());
        self.set("tls", json!("system_certificates"))
    }

    /// With another value for a member of the configuration.
    pub fn set(mut self, member: &str, value: Value) -> Self {
        self.config[member] = value;
        self
    }

    /// Validates the specification, and selects the fields of its bindings.
    pub fn task(&self, specification: &str) -> BuiltTask {
        let task = runtime::task(specification, &self.config);
        let answer = self.ask(task.validate());
        let validated = answer.response().validated.expect("Validate is answered by Validated");
        task.build(&validated).expect("the fields can be selected")
    }

    /// Validates a task of one binding.
    pub fn validate(&self) -> Answer {
        self.ask(runtime::task(&specification(&["unused"]), &self.config).validate())
    }

    /// Applies a task, and gives the description of what was done.
    pub fn apply(&self, task: &BuiltTask) -> String {
        self.ask_apply(task).response().applied.expect("Apply is answered by Applied").action_description
    }

    /// Applies a task that may not be applied.
    pub fn ask_apply(&self, task: &BuiltTask) -> Answer {
        let materialization = Some(task.spec.clone());
        self.ask(request::Apply { materialization, version: "1".into(), ..Default::default() })
    }

    /// Opens a session that may not be opened.
    pub fn ask_open(&self, task: &BuiltTask) -> Answer {
        self.ask(runtime::open_request(&task.spec))
    }

    /// An open session.
    pub fn session(&self, task: &BuiltTask) -> Connector {
        let mut connector = Connector::spawn(self.command("info"), Codec::Proto);
        connector.spec();
        connector.open(task);
        connector
    }

    /// A session of these transactions, from Open to a clean end.
    pub fn run(&self, task: &BuiltTask, transactions: &[Vec<StoreDoc>]) {
        let mut connector = self.session(task);
        for stores in transactions {
            connector.transact(stores);
        }
        self.assert_clean(connector);
    }

    /// Ends a session, and asserts that it ended well and told no secret.
    pub fn assert_clean(&self, connector: Connector) -> Ended {
        let ended = connector.end();
        ended.assert_clean();
        self.assert_secret(ended.stderr.as_bytes(), "stderr");
        ended
    }

    /// Waits for the end of a session that is to fail, and gives the failure's message.
    pub fn failure(&self, mut connector: Connector) -> String {
        let id = connector.id();
        let ended = within(FAILURE_WITHIN, id, move || {
            while connector.try_receive().is_some() {}
            connector.wait()
        });
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        self.assert_secret(ended.stderr.as_bytes(), "stderr");
        ended.message()
    }

    /// Asks one thing of a connector that logs all it can, waits a bounded time for its end, and looks for secrets
    /// in every byte of what it said.
    pub fn ask(&self, request: impl Into<Request>) -> Answer {
        let mut child = self.command("trace").spawn().expect("the binary was built");
        let mut requests = RequestWriter::new(Vec::new(), Codec::Proto);
        let request = request.into();
        let limit = if request.validate.is_some() { VALIDATED_WITHIN } else { ANSWERED_WITHIN };
        requests.send(&request).expect("writing to memory");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        stdin.write_all(&requests.into_inner().expect("writing to memory")).expect("it reads its stdin");
        drop(stdin);
        let output = within(limit, child.id(), || child.wait_with_output().expect("its output"));
        self.assert_secret(&output.stdout, "stdout");
        self.assert_secret(&output.stderr, "stderr");
        Answer(output)
    }

    fn command(&self, level: &str) -> Command {
        let mut command = runtime::command(Some(Codec::Proto));
        command.env("LOG_LEVEL", level).env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        if let Some(ca) = &self.ca {
            command.env("SSL_CERT_FILE", ca);
        }
        command
    }

    fn assert_secret(&self, said: &[u8], stream: &str) {
        for key in ["client_key", "client_key_password"] {
            let Some(key) = self.config["tls_certificates"][key].as_str() else { continue };
            let line = key.lines().nth(1).unwrap_or(key);
            assert!(
                memchr::memmem::find(said, line.as_bytes()).is_none(),
                "{stream} tells a secret of tls_certificates: {}",
                String::from_utf8_lossy(said)
            );
        }
        for secret in ["client_secret", "secret_access_key", "session_token"] {
            let Some(secret) = self.config["credentials"][secret].as_str() else { continue };
            assert!(
                memchr::memmem::find(said, secret.as_bytes()).is_none(),
                "{stream} tells a secret of credentials: {}",
                String::from_utf8_lossy(said)
            );
        }
        for (token, what) in TOKENS {
            assert!(
                memchr::memmem::find(said, token.as_bytes()).is_none(),
                "{stream} tells {what}: {}",
                String::from_utf8_lossy(said)
            );
        }
        for place in ["credentials", "schema_registry"] {
            let text = |member: &str| self.config[place][member].as_str();
            let (Some(user), Some(password)) = (text("username"), text("password")) else { continue };
            let joined = [format!("{user}:{password}"), format!("\0{user}\0{password}")];
            for secret in joined.iter().map(|text| STANDARD.encode(text)).chain([password.to_owned()]) {
                assert!(
                    memchr::memmem::find(said, secret.as_bytes()).is_none(),
                    "{stream} tells the password of {place}: {}",
                    String::from_utf8_lossy(said)
                );
            }
        }
    }
}

/// What tokens have in them, and nothing else.
const TOKENS: [(&str, &str); 3] = [
    // {"alg":"none"}
    ("eyJhbGciOiJub25lIn0", "a token of tests/common/authorization.rs"),
    // https://kafka.
    ("aHR0cHM6Ly9rYWZrYS4", "a token signed with an AWS key"),
    ("X-Amz-Signature=", "a signature with an AWS key"),
];

/// What a connector said to one question, and how it ended.
#[derive(Debug)]
pub struct Answer(Output);

impl Answer {
    /// What was logged.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The response of a connector that ended well.
    pub fn response(&self) -> Response {
        assert_eq!(self.0.status.code(), Some(0), "{}", self.stderr());
        let mut responses = ResponseReader::new(Cursor::new(&self.0.stdout), Codec::Proto);
        responses.next().expect("a response").expect("a response")
    }

    /// The message of a failure, which came in place of a response.
    pub fn failure(self) -> String {
        assert_eq!(self.0.status.code(), Some(1), "{}", self.stderr());
        assert_eq!(self.0.stdout.len(), 0, "a response came with the failure");
        Ended { status: Some(1), stderr: self.stderr() }.message()
    }
}

/// A specification that binds a collection `acme/N` with key `/id` to each topic, with all recommended fields.
pub fn specification(topics: &[&str]) -> String {
    let schema = json!({
        "type": "object",
        "properties": {
            "_meta": {"type": "object", "properties": {"op": {"type": "string"}, "uuid": {"type": "string"}}},
            "id": {"type": "integer"},
            "text": {"type": "string"},
            "at": {"type": "string", "format": "date-time"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "part": {"type": "object", "properties": {"share": {"type": "number"}}, "additionalProperties": false},
            "odd-name": {"type": ["integer", "string"]},
        },
        "required": ["id"],
    });
    let name = |number| format!("acme/{number}");
    let collections: serde_json::Map<_, _> =
        (0..topics.len()).map(|n| (name(n), json!({"key": ["/id"], "schema": schema}))).collect();
    let bindings: Vec<_> = topics
        .iter()
        .enumerate()
        .map(|(n, topic)| json!({"source": name(n), "resource": {"topic": topic}, "fields": {"recommended": true}}))
        .collect();
    json!({
        "collections": collections,
        "materializations": {
            "acme/task": {
                "endpoint": {"local": {"command": ["materialize-kafka"], "config": {}}},
                "bindings": bindings,
            },
        },
    })
    .to_string()
}

/// Lines of a fixture: documents of `acme/N`, in one transaction.
pub fn transaction<'a>(documents: impl IntoIterator<Item = (usize, &'a Value)>) -> String {
    let line = |(collection, document)| json!([format!("acme/{collection}"), document]).to_string() + "\n";
    documents.into_iter().map(line).collect::<String>() + "{\"commit\":true}\n"
}

/// `length` letters that hardly compress, others for each `seed`.
pub fn letters(seed: u32, length: usize) -> String {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[usize::try_from(state >> 58).expect("six bits")])
    };
    std::iter::repeat_with(letter).take(length).collect()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";

/// Asserts that a message has these parts, one after the other.
pub fn assert_says(message: &str, parts: &[&str]) {
    let mut rest = message;
    for part in parts {
        let found = rest.find(part);
        assert!(found.is_some(), "{part:?} is missing, or not in its place, in: {message}");
        rest = &rest[found.unwrap_or(0) + part.len()..];
    }
}

/// What `wait` waits for, or a failed test after `limit`, with the process ended.
pub fn within<T: Send + 'static>(
    limit: Duration,
    process: u32,
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(wait()));
    end.recv_timeout(limit).unwrap_or_else(|_| {
        let _ended = Command::new("kill").args(["-s", "KILL", &process.to_string()]).status();
        panic!("no answer within {limit:?}")
    })
}

/// Validate is answered within 10 s; the rest is for a machine that is busy.
const VALIDATED_WITHIN: Duration = Duration::from_secs(30);
/// Apply may take a minute, half of it for topics and half for their schemas, and Open as long as it makes progress.
const ANSWERED_WITHIN: Duration = Duration::from_secs(120);
/// A session fails at once after what made it fail; no stall time-out is below this.
const FAILURE_WITHIN: Duration = Duration::from_secs(60);
