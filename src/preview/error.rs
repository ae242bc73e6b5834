//! What can go wrong while a task is previewed.

use std::io;

use super::task;
use crate::{config, kafka, protocol, registry};

/// Why a preview failed. Every message says what was being done, and what to do where that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The specification, the fixture, or the selection of fields is wrong.
    #[error(transparent)]
    Task(#[from] task::Error),
    /// The endpoint's or a resource's configuration is wrong.
    #[error("{place}: {source}")]
    Config {
        /// Whose configuration it is.
        place: String,
        /// What is wrong with it.
        source: config::Error,
    },
    /// There is nothing that could be written.
    #[error("materialization {task:?} has no bindings, or all are disabled; there is nothing to preview")]
    NoBindings {
        /// The materialization.
        task: String,
    },
    /// The fixture cannot be opened.
    #[error("opening the fixture {path}: {source}; name a file, or - for standard input")]
    OpenFixture {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// No binding writes to a topic that was asked for.
    #[error("--topic {topic}: no binding writes to it; the task's topics are {topics}")]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// Those of the task.
        topics: String,
    },
    /// Documents of a collection cannot be made.
    #[error(
        "collection {collection:?}: generating documents: {reason}; give documents with --fixture instead"
    )]
    Generate {
        /// The collection.
        collection: String,
        /// Why not.
        reason: String,
    },
    /// A thread that makes documents is gone.
    #[error("a thread that makes documents ended before its time; this is a defect of the preview")]
    GeneratorGone,
    /// Something of the system's that the preview itself needs.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The brokers, or the embedded ones in their place.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// The registry, or the embedded one in its place.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The connector ended when it should have gone on, or with another status than 0.
    #[error("the connector failed while {doing} ({status}): {message}")]
    Failed {
        /// What it had been asked.
        doing: String,
        /// How it ended.
        status: String,
        /// The message of its last log line, or what stands for it.
        message: String,
    },
    /// The connector goes on, but cannot be understood, or cannot be told.
    #[error("the connector broke the protocol while {doing}: {reason}")]
    Misbehaved {
        /// What it had been asked.
        doing: String,
        /// What it did.
        reason: String,
    },
    /// A request is not to be put into a frame.
    #[error("{doing}: {source}")]
    Request {
        /// What was being sent.
        doing: String,
        /// Why it cannot be.
        source: protocol::Error,
    },
    /// Messages do not arrive.
    #[error(
        "{read} of {written} messages have been read back, and for {seconds} s none has come; the connector has \
         not sent the others, or the brokers have not kept them"
    )]
    Missing {
        /// Messages that were read.
        read: u64,
        /// Messages that were written, as far as is known.
        written: u64,
        /// Seconds that were waited.
        seconds: u64,
    },
    /// The embedded brokers dropped messages before they were read.
    #[error(
        "topic {topic:?}, partition {partition}: the embedded brokers dropped the messages from offset {from} to \
         {until} before they were read; use fewer large documents in the fixture, or real brokers with --live"
    )]
    Dropped {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset that is missing.
        from: i64,
        /// The offset that came in its place.
        until: i64,
    },
    /// There are more or fewer messages than Stores.
    #[error("the connector wrote {messages} messages for {stores} Stores; there must be one for each")]
    Count {
        /// Messages that landed.
        messages: u64,
        /// Stores that were sent.
        stores: u64,
    },
    /// The thread that reads the messages back is gone.
    #[error("the thread that reads messages back ended before its time; this is a defect of the preview")]
    ReaderGone,
    /// A message is not what this connector writes.
    #[error(
        "topic {topic:?}, partition {partition}, offset {offset}: the {part} is {reason}; \
         was it written by something else?"
    )]
    Foreign {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// `key` or `value`.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A schema of the registry cannot be used.
    #[error("schema {id} of the registry is no Avro schema: {reason}")]
    Schema {
        /// Its number.
        id: u32,
        /// Why not.
        reason: String,
    },
    /// Standard output is closed or fails.
    #[error("writing to standard output: {0}")]
    Output(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let cases = [
            (
                Error::OpenFixture {
                    path: "f.jsonl".to_owned(),
                    source: io::Error::from(io::ErrorKind::NotFound),
                },
                "opening the fixture f.jsonl: entity not found; name a file, or - for standard input",
            ),
            (
                Error::Failed {
                    doing: "answering Open".to_owned(),
                    status: "exit status: 1".to_owned(),
                    message: "no brokers".to_owned(),
                },
                "the connector failed while answering Open (exit status: 1): no brokers",
            ),
            (
                Error::Missing { read: 3, written: 5, seconds: 60 },
                "3 of 5 messages have been read back, and for 60 s none has come; the connector has not sent the \
                 others, or the brokers have not kept them",
            ),
            (
                Error::Dropped { topic: "t".to_owned(), partition: 1, from: 3, until: 9 },
                "topic \"t\", partition 1: the embedded brokers dropped the messages from offset 3 to 9 before \
                 they were read; use fewer large documents in the fixture, or real brokers with --live",
            ),
            (
                Error::UnknownTopic { topic: "t".to_owned(), topics: "a, b".to_owned() },
                "--topic t: no binding writes to it; the task's topics are a, b",
            ),
            (
                Error::Count { messages: 4, stores: 3 },
                "the connector wrote 4 messages for 3 Stores; there must be one for each",
            ),
            (
                Error::Foreign {
                    topic: "t".to_owned(),
                    partition: 0,
                    offset: 7,
                    part: "key",
                    reason: "not JSON".to_owned(),
                },
                "topic \"t\", partition 0, offset 7: the key is not JSON; was it written by something else?",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
