//! A short run of everything, for `cargo test`: what lands is compared, message by message.

use std::time::{Duration, Instant};

use materialize_kafka::kafka::{Consumer, Start};
use materialize_kafka::protocol::Codec;
use serde_json::json;

use crate::args::{Args, Format};
use crate::ours::{self, Frames};
use crate::report::{self, Measured};
use crate::scenario::Scenario;
use crate::workload::{Documents, Message, Row, Workload, endpoint};
use crate::{Bench, bytes, connect, roof};

/// Both sides with every format and codec, and the report.
pub fn run(bench: &Bench, args: &Args) {
    let row = |scenario, format, codec, bindings, round_trip: u64| Row {
        note: String::new(),
        documents_from: Documents::Scenario(scenario),
        format,
        codec,
        documents: 2_500,
        transactions: 2,
        bindings,
        partitions: 3,
        key_bytes: (bindings > 1).then_some(20),
        compression: "lz4".to_owned(),
        round_trip: Duration::from_millis(round_trip),
        advanced: json!({}),
        bootstrap: None,
        runs: 1,
        roof_producers: Some(bindings),
    };
    let rows = [
        row(Scenario::Flat128, Format::Json, Codec::Proto, 1, 0),
        row(Scenario::Flat128, Format::Avro, Codec::Proto, 3, 1),
        row(Scenario::Nested2k, Format::Avro, Codec::Json, 1, 0),
        Row { documents: 300, ..row(Scenario::Log1k, Format::Json, Codec::Json, 2, 0) },
    ];
    let mut table = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let mut workload = bench.workload(&row, number);
        // Fewer than there are documents, so that they come again and a part is left over.
        workload.stores.truncate(199);
        let messages = workload.messages(bench.requests.handle(), &bench.registry);
        let mut expected: Vec<Landed> = (0..row.transactions)
            .flat_map(|_| messages.iter().cycle().take(row.documents as usize))
            .map(|message| Landed::new(message, &row))
            .collect();
        expected.sort();
        let frames = Frames::new(&row, &workload);

        let brokers = connect(&row, &mut workload);
        let roof = roof::run(&roof::order(&row, &workload, &messages));
        assert!(
            landed(&workload, expected.len()) == expected,
            "the roof sends other messages than the plan makes"
        );
        drop(brokers);

        let brokers = connect(&row, &mut workload);
        let ours = ours::run(&row, &workload, &frames);
        assert!(
            landed(&workload, expected.len()) == expected,
            "the connector sends other messages than the roof"
        );
        drop(brokers);
        let bytes = bytes(&row, &messages);
        table.push(Measured::new(row, bytes, &[ours], &[roof]));
    }
    if args.json {
        table.iter().for_each(|row| println!("{}", row.json()));
    } else {
        print!("{}", report::table(&table));
    }
}

/// A message in its place.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Landed {
    message: Message,
    partition: i32,
}

impl Landed {
    fn new(message: &Message, row: &Row) -> Self {
        Self {
            message: message.clone(),
            partition: materialize_kafka::kafka::bench::consistent(&message.key, row.partitions),
        }
    }
}

/// What is in the topics, sorted, once there are `count` messages.
fn landed(workload: &Workload, count: usize) -> Vec<Landed> {
    let config = endpoint(workload.config());
    let mut consumer =
        Consumer::open(&config, &workload.topics, Start::Beginning).expect("the topics can be read");
    let mut landed = Vec::new();
    let end = Instant::now() + Duration::from_secs(30);
    while landed.len() < count {
        assert!(Instant::now() < end, "{} of {count} messages came", landed.len());
        let Some(record) = consumer.poll(Duration::from_millis(200)).expect("reading goes on") else {
            continue;
        };
        let topic = workload.topics.iter().position(|topic| *topic == record.topic).expect("one of ours");
        let message =
            Message { topic: topic as u32, key: record.key.unwrap_or_default(), value: record.value };
        landed.push(Landed { message, partition: record.partition });
    }
    landed.sort();
    landed
}
