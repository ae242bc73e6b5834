//! The whole process against its roof: drives the binary over a pipe, in turns with librdkafka alone.
//!
//! ```text
//! cargo bench --bench throughput -- --scenario flat128,nested2k --format both
//! ```
//!
//! ```text
//! this process ──Stores──▶ connector ──┐
//!                                      ├──▶ brokers: a mock's process, or --bootstrap
//!    (in turns)            roof ───────┘    a fresh mock for each run
//! ```
//!
//! The roof is given the same messages, encoded beforehand, and hands them to `rd_kafka_produce_batch` with the
//! connector's client settings. CPU and memory are the kernel's account of either process alone. A block of Stores is
//! encoded once and written again and again in large writes, so that the generator costs next to nothing beside.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::panic,
    reason = "figures for people, of a program that may stop at what it did not expect"
)]

mod args;
mod brokers;
mod ours;
mod produce;
#[path = "../documents/random.rs"]
mod random;
mod report;
mod roof;
mod rows;
#[path = "../../tests/common/runtime.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod runtime;
mod scenario;
mod smoke;
mod usage;
mod workload;

use clap::Parser;
use materialize_kafka::registry::memory::{Options, Registry};

use args::Args;
use brokers::Brokers;
use ours::Frames;
use report::Measured;
use workload::{Message, Row, Workload};

/// As the binary's, so that both sides have the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let args = Args::parse();
    if args.be_brokers {
        return brokers::serve();
    }
    if let Some(order) = &args.be_roof {
        return produce::serve(order);
    }
    let requests = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the registry");
    let registry = requests.block_on(Registry::start(Options::default())).expect("a registry in memory");
    let bench = Bench { requests, registry };

    if !args.bench {
        return smoke::run(&bench, &args);
    }
    let (mut table, mut told) = (Vec::new(), String::new());
    for (number, row) in rows::of(&args).into_iter().enumerate() {
        if args.idle {
            let (line, text) = bench.idle(row, number);
            println!("{line}");
            told += &text;
            continue;
        }
        let measured = bench.measure(row, number);
        println!("{}", measured.json());
        table.push(measured);
    }
    if !table.is_empty() {
        told += &report::table(&table);
    }
    if !args.json {
        print!("\n{told}");
    }
}

/// What all rows share.
struct Bench {
    requests: tokio::runtime::Runtime,
    registry: Registry,
}

impl Bench {
    /// The row's runs, those of both sides in turns.
    fn measure(&self, row: Row, number: usize) -> Measured {
        let mut workload = self.workload(&row, number);
        // A task from files has as many as it has.
        let row = Row { bindings: workload.topics.len() as u32, ..row };
        let messages = workload.messages(self.requests.handle(), &self.registry);
        let frames = Frames::new(&row, &workload);
        let (mut ours, mut roof) = (Vec::new(), Vec::new());
        for _ in 0..row.runs {
            if row.roof_producers.is_some() {
                let _brokers = connect(&row, &mut workload);
                roof.push(roof::run(&roof::order(&row, &workload, &messages)));
            }
            let _brokers = connect(&row, &mut workload);
            ours.push(ours::run(&row, &workload, &frames));
        }
        let bytes = bytes(&row, &messages);
        Measured::new(row, bytes, &ours, &roof)
    }

    /// The line of JSON and what people read of a session that waits.
    fn idle(&self, row: Row, number: usize) -> (serde_json::Value, String) {
        let row = Row { documents: row.documents.min(100_000), transactions: 1, runs: 1, ..row };
        let mut workload = self.workload(&row, number);
        let frames = Frames::new(&row, &workload);
        let _brokers = connect(&row, &mut workload);
        report::idle(&row, &ours::idle(&row, &workload, &frames))
    }

    fn workload(&self, row: &Row, number: usize) -> Workload {
        let prefix = format!("throughput-{}-{number}", std::process::id());
        let mut workload = Workload::new(row, &self.registry, &prefix);
        if let Some(bootstrap) = &row.bootstrap {
            workload.connect(bootstrap);
            runtime::apply(&workload.task);
        }
        workload
    }
}

/// Points the workload at brokers for one run: fresh ones, where they are a mock.
fn connect(row: &Row, workload: &mut Workload) -> Option<Brokers> {
    if row.bootstrap.is_some() {
        return None;
    }
    let brokers = Brokers::start(&workload.topics, row.partitions, row.round_trip);
    workload.connect(&brokers.address);
    Some(brokers)
}

/// Of all messages of a run.
fn bytes(row: &Row, messages: &[Message]) -> u64 {
    let count = messages.len() as u64;
    let sum = |messages: &[Message]| messages.iter().map(Message::bytes).sum::<u64>();
    let rest = (row.documents % count) as usize;
    row.transactions * (row.documents / count * sum(messages) + sum(&messages[..rest]))
}
