//! The options of the program, and the rows that they ask for.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde_json::Value;

use crate::scenario::Scenario;

/// Drives the connector over a pipe and compares it with librdkafka alone.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
pub struct Args {
    /// What the documents are like; several with commas, or all.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "flat128")]
    pub scenario: Vec<Choice>,
    /// A task (YAML or JSON) and a fixture of its documents, in place of a scenario.
    #[arg(
        long,
        value_name = "FLOW,FIXTURE",
        value_parser = files,
        conflicts_with_all = ["scenario", "bindings", "key_bytes", "sweep"]
    )]
    pub documents_from: Option<Files>,
    #[arg(long, value_enum, default_value = "json")]
    pub format: Formats,
    /// How requests are framed.
    #[arg(long, value_enum, default_value = "proto")]
    pub codec: Framing,
    /// Documents of each transaction; by default enough for some seconds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub documents: Option<u64>,
    /// Transactions of each run, one after the other in one session.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub transactions: u64,
    /// Bindings with a topic each, which documents go to in turns, four at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub bindings: u32,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: i32,
    /// A string of so many bytes as key, in place of an integer.
    #[arg(long, value_parser = clap::value_parser!(u64).range(8..=65_536))]
    pub key_bytes: Option<u64>,
    #[arg(long, default_value = "lz4")]
    pub compression: String,
    /// Brokers that run already, in place of librdkafka's mock brokers in a process of their own. For each row the
    /// connector's Apply makes fresh topics, named throughput-PROCESS-ROW-BINDING, with one replica; they are left
    /// behind, for you to delete.
    #[arg(long, value_name = "HOST:PORT")]
    pub bootstrap: Option<String>,
    /// Round trip to the mock brokers, in milliseconds.
    #[arg(long, default_value_t = 0, conflicts_with = "bootstrap")]
    pub rtt: u64,
    /// Runs of each row, of which the median is told; those of the roof come in between.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// The configuration's `advanced` object, as JSON.
    #[arg(long, default_value = "{}", value_parser = object)]
    pub advanced: Value,
    /// Measures the connector alone.
    #[arg(long)]
    pub no_roof: bool,
    /// Client instances of the roof, which share the partitions among them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub roof_producers: u32,
    /// Measures the CPU of a session that waits, for five seconds after Opened and for five within a transaction.
    #[arg(
        long,
        conflicts_with_all = ["sweep", "documents", "transactions", "runs", "no_roof", "roof_producers"]
    )]
    pub idle: bool,
    /// A series of rows, of the connector alone: `shape` (flat128 with all numbers of documents, bindings and
    /// partitions, and keys of all lengths, each beside what the other options say) or `links` (log1k and flat128 with
    /// all round trips).
    #[arg(
        long,
        value_enum,
        conflicts_with_all = ["scenario", "format", "bootstrap", "rtt", "roof_producers"]
    )]
    pub sweep: Option<Sweep>,
    /// Prints the lines of JSON only.
    #[arg(long)]
    pub json: bool,
    /// What `cargo bench` passes; without it a short run shows that all works.
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Be the mock brokers.
    #[arg(long, hide = true)]
    pub be_brokers: bool,
    /// Be the roof, with the messages of this file.
    #[arg(long, hide = true)]
    pub be_roof: Option<PathBuf>,
}

/// What `--scenario` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// An integer key and five scalars, 128 bytes as JSON.
    Flat128,
    /// Four fields, one a payload of 1 KB that does not compress.
    Estuary1k,
    /// An object three deep, two arrays and the root document, 2 KB as JSON.
    Nested2k,
    /// As estuary1k with a payload of 64 KB.
    Estuary64k,
    /// A log line of words, 1 KB, which compresses well.
    Log1k,
    /// Each of them.
    All,
}

impl Choice {
    /// The scenarios that were chosen, in their order.
    pub fn scenarios(chosen: &[Self]) -> Vec<Scenario> {
        if chosen.contains(&Self::All) {
            return Scenario::ALL.to_vec();
        }
        let scenario = |choice: &Self| match choice {
            Self::Flat128 => Scenario::Flat128,
            Self::Estuary1k => Scenario::Estuary1k,
            Self::Nested2k => Scenario::Nested2k,
            Self::Estuary64k => Scenario::Estuary64k,
            Self::Log1k | Self::All => Scenario::Log1k,
        };
        chosen.iter().map(scenario).collect()
    }
}

/// What `--format` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Formats {
    Json,
    Avro,
    Both,
}

impl Formats {
    pub fn each(self) -> &'static [Format] {
        match self {
            Self::Json => &[Format::Json],
            Self::Avro => &[Format::Avro],
            Self::Both => &[Format::Json, Format::Avro],
        }
    }
}

/// Of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Avro,
}

impl Format {
    /// As the configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Avro => "Avro",
        }
    }
}

/// What `--codec` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    Proto,
    Json,
}

/// What `--sweep` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sweep {
    Shape,
    Links,
}

/// A task's specification and a fixture of its documents.
#[derive(Debug, Clone)]
pub struct Files {
    pub flow: PathBuf,
    pub fixture: PathBuf,
}

fn files(text: &str) -> Result<Files, String> {
    let (flow, fixture) = text.split_once(',').ok_or("two files were expected, with a comma between")?;
    Ok(Files { flow: flow.into(), fixture: fixture.into() })
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(other) => Err(format!("{other} came, an object was expected")),
        Err(error) => Err(error.to_string()),
    }
}
