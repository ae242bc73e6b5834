//! What all tables share: cases run beside each other, and every byte of each is searched.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use materialize_kafka::protocol::messages::Request;
use materialize_kafka::protocol::{Codec, RequestWriter};
use serde_json::{Value, json};

use crate::common::runtime;
use crate::secret::Secret;

/// One process: what it is given, and what it is expected to say, so that the case is the one that it claims to be.
pub struct Case {
    pub name: String,
    pub command: Command,
    pub input: Vec<u8>,
    pub says: String,
}

impl Case {
    /// A connector that is asked these things, and then has no more input.
    pub fn asked(name: &str, says: &str, codec: Codec, requests: Vec<Request>) -> Self {
        let mut writer = RequestWriter::new(Vec::new(), codec);
        for request in requests {
            writer.push(&request).unwrap();
        }
        Self::given(name, says, Some(codec), writer.into_inner().unwrap())
    }

    /// A connector that is given these bytes, and then has no more input.
    pub fn given(name: &str, says: &str, codec: Option<Codec>, input: Vec<u8>) -> Self {
        let mut command = runtime::command(codec);
        command.env("LOG_LEVEL", "trace");
        Self { name: name.to_owned(), command, input, says: says.to_owned() }
    }

    fn run(mut self) -> (Self, Output) {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let input = std::mem::take(&mut self.input);
        let writer = thread::spawn(move || {
            // It may have ended before it read all.
            let _ended = stdin.write_all(&input);
        });
        let output = child.wait_with_output().expect("its output");
        writer.join().expect("the writer does not panic");
        (self, output)
    }
}

/// Runs the cases, some at a time, and searches what each said for each of the secrets.
pub fn assert_silent(cases: Vec<Case>, secrets: &[Secret]) {
    let waiting = Mutex::new(cases.into_iter());
    let next = || waiting.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let (Case { name, says, .. }, output) = case.run();
                    assert_tells_nothing(&name, &output.stdout, "stdout", secrets);
                    assert_tells_nothing(&name, &output.stderr, "stderr", secrets);
                    let said = [output.stdout, output.stderr].concat();
                    let said = String::from_utf8_lossy(&said);
                    assert!(said.contains(&says), "{name}: {says:?} is not in:\n{said:.4000}");
                }
            });
        }
    });
}

/// Asserts that none of the secrets is in these bytes.
pub fn assert_tells_nothing(name: &str, said: &[u8], stream: &str, secrets: &[Secret]) {
    for secret in secrets {
        if let Some(form) = secret.found_in(said) {
            panic!("{name}: {stream} has {form:?}:\n{}", String::from_utf8_lossy(said));
        }
    }
}

/// The passwords of a configuration.
pub fn secrets() -> [Secret; 2] {
    [Secret::of("Sasl"), Secret::of("Registry")]
}

/// The two members of a configuration that hold secrets.
pub fn logins(registry: &str) -> Value {
    let [sasl, at_registry] = secrets();
    json!({
        "credentials": {
            "auth_type": "user_password", "mechanism": "PLAIN", "username": "me", "password": sasl.text,
        },
        "schema_registry": { "endpoint": registry, "username": "me", "password": at_registry.text },
    })
}

const AT_ONCE: usize = 6;
