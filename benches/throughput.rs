//! The whole process: drives the binary over a pipe, against brokers in another process.
//!
//! ```text
//! cargo bench --bench throughput -- --documents 5000000 --scenario flat128 --format json
//! ```
//!
//! A block of Stores is encoded once and written again and again, so that the generator costs next to
//! nothing beside the connector. CPU and memory are the kernel's account of the connector's process alone.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::panic,
    reason = "figures for people, of a program that may stop at what it did not expect"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::preview::task::StoreDoc;
use materialize_kafka::protocol::Codec;
use materialize_kafka::registry::memory::{Options, Registry};
use serde_json::{Value, json};

#[path = "../tests/common/runtime.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod runtime;

use runtime::{Connector, build, stores};

fn main() {
    let args = Args::parse();
    match args.broker {
        Some(topics) => serve_brokers(&topics),
        None => measure(&args),
    }
}

#[derive(Debug, Parser)]
struct Args {
    /// Documents of each transaction.
    #[arg(long, default_value_t = 1_000_000)]
    documents: usize,
    /// Transactions, one after the other.
    #[arg(long, default_value_t = 1)]
    transactions: usize,
    /// What the documents are like.
    #[arg(long, value_enum, default_value_t = Scenario::Flat128)]
    scenario: Scenario,
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    #[arg(long, default_value = "lz4")]
    compression: String,
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// The configuration's `advanced` object, as JSON.
    #[arg(long, default_value = "{}")]
    advanced: String,
    /// Brokers that run already, instead of librdkafka's mock in a process of its own.
    #[arg(long)]
    bootstrap: Option<String>,
    /// What `cargo bench` passes; without it a short run shows that all works.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the brokers: the topic and its partitions.
    #[arg(long, hide = true, num_args = 2)]
    broker: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// An integer key and five scalars, 128 bytes as JSON.
    Flat128,
    /// An object, an array of objects and the root document as a string, 2 KB as JSON.
    Nested2k,
    /// One string of 1 KB that does not compress.
    Payload1k,
    /// One string of 64 KB that does not compress.
    Payload64k,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Avro,
}

const TOPIC: &str = "throughput";

fn measure(args: &Args) {
    let brokers = args.bootstrap.is_none().then(|| Brokers::start(args.partitions));
    let bootstrap =
        args.bootstrap.clone().or_else(|| Some(brokers.as_ref()?.address.clone())).expect("either is there");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let registry = runtime.block_on(Registry::start(Options::default())).expect("a registry in memory");
    let mut config = json!({
        "bootstrap_servers": bootstrap,
        "message_format": if matches!(args.format, Format::Json) { "JSON" } else { "Avro" },
        "compression": args.compression,
        "topic_partitions": args.partitions,
        "topic_replication_factor": 1,
        "advanced": serde_json::from_str::<Value>(&args.advanced).expect("--advanced is JSON"),
    });
    if matches!(args.format, Format::Avro) {
        config["schema_registry"] = json!({ "endpoint": registry.url().to_string() });
    }

    let task = build(&specification(args.scenario).to_string(), &config);
    if args.bootstrap.is_some() {
        // The mock makes its topic itself.
        runtime::apply(&task);
    }
    let documents = if args.bench { args.documents } else { 20_000 };
    let distinct = documents.min(match args.scenario {
        Scenario::Payload64k => 500,
        _ => 10_000,
    });
    let fixture: String = (0..distinct).map(|i| document(args.scenario, i).to_string() + "\n").collect();
    let block = stores(&task, &fixture).swap_remove(0);
    let frames = frames(&block);
    let (rounds, rest) = (documents / block.len(), documents % block.len());
    let tail = self::frames(&block[..rest]);

    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let opening = Instant::now();
    connector.open(&task);
    let opening = opening.elapsed();

    let before = Usage::of(connector.id());
    let start = Instant::now();
    let mut commit = Duration::ZERO;
    for _ in 0..args.transactions {
        connector.flush();
        for _ in 0..rounds {
            connector.write(&frames);
        }
        connector.write(&tail);
        let last = Instant::now();
        connector.start_commit();
        commit = last.elapsed();
        connector.acknowledge();
    }
    let wall = start.elapsed();
    let after = Usage::of(connector.id());
    connector.end().assert_clean();

    let total = documents * args.transactions;
    let per_document = frames.len() / block.len();
    let rate = total as f64 / wall.as_secs_f64();
    println!(
        "{}",
        json!({
            "scenario": format!("{:?}", args.scenario), "format": format!("{:?}", args.format), "compression": args.compression,
            "documents": total, "transactions": args.transactions, "frame_bytes_each": per_document,
            "wall_s": wall.as_secs_f64(), "documents_per_s": rate.round(),
            "frame_mb_per_s": (rate * per_document as f64 / 1e6).round(),
            "cpu_us_per_document": (after.cpu - before.cpu).as_secs_f64() * 1e6 / total as f64,
            "peak_memory_mib": after.peak_kib / 1024, "open_ms": opening.as_millis(),
            "last_commit_ms": commit.as_millis(),
        })
    );
}

/// The Stores of a block as the runtime writes them.
fn frames(block: &[StoreDoc]) -> Vec<u8> {
    let mut writer = materialize_kafka::protocol::RequestWriter::new(Vec::new(), Codec::Proto);
    for store in block {
        writer.push(&runtime::store_request(store, Codec::Proto).into()).expect("a vector takes all");
    }
    writer.into_inner().expect("a vector takes all")
}

/// What the kernel counts of a process.
struct Usage {
    cpu: Duration,
    peak_kib: u64,
}

impl Usage {
    fn of(process: u32) -> Self {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).expect("it runs");
        let stat = read("stat");
        let fields: Vec<&str> =
            stat.rsplit(')').next().expect("a name in brackets").split_whitespace().collect();
        // User and system time, in ticks of 10 ms (proc(5)).
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        let status = read("status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let peak_kib = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        Self { cpu: Duration::from_millis(ticks * 10), peak_kib }
    }
}

/// Mock brokers in a process of their own.
struct Brokers {
    process: Child,
    address: String,
}

impl Brokers {
    fn start(partitions: i32) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--broker", TOPIC, &partitions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting the brokers");
        let mut address = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut address)
            .expect("their address");
        Self { process, address: address.trim().to_owned() }
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _status = self.process.wait();
    }
}

fn serve_brokers(topic: &[String]) {
    let [name, partitions] = topic else { panic!("two values") };
    let cluster = Cluster::new(1).expect("mock brokers");
    cluster.create_topic(name, partitions.parse().expect("a number")).expect("the topic");
    println!("{}", cluster.bootstrap_servers());
    std::io::stdout().flush().expect("stdout is open");
    // Until the other end closes it.
    let _end = std::io::stdin().read_to_end(&mut Vec::new());
}

fn specification(scenario: Scenario) -> Value {
    let (properties, fields) = match scenario {
        Scenario::Flat128 => (
            json!({
                "id": {"type": "integer"}, "active": {"type": "boolean"}, "amount": {"type": "number"},
                "city": {"type": "string"}, "count": {"type": "integer"}, "name": {"type": "string"},
            }),
            json!({"recommended": false, "include": {"active": {}, "amount": {}, "city": {}, "count": {}, "name": {}}}),
        ),
        Scenario::Nested2k => (
            json!({
                "id": {"type": "integer"}, "note": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
                "items": {"type": "array", "items": {"type": "object", "properties": {
                    "sku": {"type": "string"}, "quantity": {"type": "integer"}, "price": {"type": "number"}}}},
                "customer": {"type": "object", "properties": {"name": {"type": "string"},
                    "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}}}},
            }),
            json!({"recommended": false, "include":
                {"note": {}, "tags": {}, "items": {}, "customer": {}, "flow_document": {}}}),
        ),
        Scenario::Payload1k | Scenario::Payload64k => (
            json!({"id": {"type": "integer"}, "payload": {"type": "string"}}),
            json!({"recommended": false, "include": {"payload": {}, "flow_published_at": {}}}),
        ),
    };
    json!({
        "collections": {"bench/documents": {"key": ["/id"],
            "schema": {"type": "object", "properties": properties, "required": ["id"]}}},
        "materializations": {"bench/task": {
            "endpoint": {"local": {"command": ["materialize-kafka"], "config": {}}},
            "bindings": [{"source": "bench/documents", "resource": {"topic": TOPIC}, "fields": fields}]}},
    })
}

/// The fixture line of a document.
fn document(scenario: Scenario, number: usize) -> Value {
    let mut random = Random(number as u64 + 1);
    let id = 100_000_000 + number;
    let document = match scenario {
        Scenario::Flat128 => json!({
            "id": id, "active": random.below(2) == 0, "amount": random.below(1_000_000) as f64 / 100.0,
            "city": CITIES[random.below(CITIES.len())], "count": random.below(10_000_000), "name": random.text(38),
        }),
        Scenario::Nested2k => json!({
            "id": id, "note": random.text(400), "tags": ["alpha", "beta", "gamma", random.text(8)],
            "items": (0..5).map(|i| json!({"sku": format!("SKU-{:06}", random.below(1_000_000)), "quantity": i,
                "price": random.below(10_000) as f64 / 100.0})).collect::<Vec<_>>(),
            "customer": {"name": random.text(20), "address": {"city": CITIES[random.below(CITIES.len())], "zip": "00100"}},
        }),
        Scenario::Payload1k => json!({"id": id, "payload": random.text(1_000)}),
        Scenario::Payload64k => json!({"id": id, "payload": random.text(65_536)}),
    };
    json!(["bench/documents", document])
}

const CITIES: [&str; 6] = ["Lisbon", "Osaka", "Reykjavik", "Quito", "Nairobi", "Oslo"];

/// SplitMix64 (Steele, Lea and Flood, 2014): the same documents in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn text(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }
}
