//! The roof: librdkafka alone, in a process of its own, handed the same messages ready-made.
//!
//! This side starts the process and keeps its account; what it does is in `produce`.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::usage::Usage;
use crate::workload::{Message, Row, Workload};

/// What one run took.
#[derive(Debug, Clone)]
pub struct Run {
    /// From the first message handed in to the end of the last flush.
    pub wall: Duration,
    /// Of the process, within that time.
    pub cpu: Duration,
    pub peak_kib: u64,
}

/// Writes what the process needs: a line of JSON, then each message as its topic and the lengths of key and value,
/// little-endian, the highest number for no value, then both.
pub fn order(row: &Row, workload: &Workload, messages: &[Message]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    let mut output = BufWriter::new(file);
    let head = json!({
        "config": workload.config(),
        "topics": workload.topics,
        "partitions": row.partitions,
        "documents": row.documents,
        "transactions": row.transactions,
        "producers": row.roof_producers.unwrap_or(1),
        "messages": messages.len(),
    });
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("messages are below 4 GiB");
    let mut write = |bytes: &[u8]| output.write_all(bytes).expect("writing the messages");
    write(format!("{head}\n").as_bytes());
    for Message { topic, key, value } in messages {
        write(&topic.to_le_bytes());
        write(&length(key).to_le_bytes());
        write(&value.as_deref().map_or(u32::MAX, length).to_le_bytes());
        write(key);
        write(value.as_deref().unwrap_or_default());
    }
    output.into_inner().unwrap_or_else(|error| panic!("writing the messages: {error}"))
}

/// One run of what `order` says.
pub fn run(order: &NamedTempFile) -> Run {
    let mut process = Process::start(order);
    assert_eq!(process.line(), "ready", "the roof could not be made ready");
    let before = Usage::of(process.child.id());
    writeln!(process.input, "go").expect("the roof takes its start");
    let result = process.line();
    let after = Usage::of(process.child.id());
    let result: Value = serde_json::from_str(&result)
        .unwrap_or_else(|error| panic!("the roof said {result:?} in place of its result: {error}"));
    let seconds = result["seconds"].as_f64().expect("the roof tells its time");
    Run {
        wall: Duration::from_secs_f64(seconds),
        cpu: after.cpu.saturating_sub(before.cpu),
        peak_kib: after.peak_kib,
    }
}

/// Killed when dropped; it ends by itself when our end of its stdin goes.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(order: &NamedTempFile) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .arg("--be-roof")
            .arg(order.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the roof");
        let input = child.stdin.take().expect("stdin is a pipe");
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { child, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the roof speaks");
        line.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
