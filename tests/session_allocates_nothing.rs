//! A whole session, from the frames to the brokers, allocates nothing per document once it is warm.
//!
//! All threads of this process count: the session, the delivery thread, and whatever serves the mock's side in Rust.
//! librdkafka itself uses C's allocator, which does not count here.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;
#[path = "common/counting.rs"]
#[allow(dead_code, reason = "a suite counts in its own way")]
mod counting;

use std::io::{self, Read};

use common::brokers::Servers;
use common::runtime::{build, open_request, store_request, stores};
use materialize_kafka::preview::task::StoreDoc;
use materialize_kafka::protocol::messages::{Request, request};
use materialize_kafka::protocol::{Codec, RequestWriter};
use materialize_kafka::session::{Surroundings, serve};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id]
    schema:
      type: object
      properties:
        id: {type: integer}
        name: {type: string}
        price: {type: number}
        customer: {type: object, properties: {name: {type: string}, since: {type: string, format: date}}}
        lines: {type: array, items: {type: object, properties: {sku: {type: string}, count: {type: integer}}}}
      required: [id]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields: {recommended: 1, include: FIELDS}
"#;

const FLAT: &str = "{}";
const NESTED: &str = "{customer: {}, lines: {}, flow_document: {}}";

const DOCUMENTS: usize = 50_000;

#[test]
fn a_session_allocates_nothing_per_document() {
    for (fields, format) in [
        (FLAT, Servers::json as fn(&Servers) -> Value),
        (FLAT, Servers::avro),
        (NESTED, Servers::json),
        (NESTED, Servers::avro),
    ] {
        let servers = Servers::start(&["things"]);
        let task = build(&TASK.replace("FIELDS", fields), &format(&servers));
        let lines: String = (0..100)
            .map(|id| {
                let document = json!({"id": id, "name": format!("name \"{id}\""), "price": 1.25,
                    "customer": {"name": "Ana", "since": "2026-01-01"}, "lines": [{"sku": "a", "count": 3}]});
                format!("{}\n", json!(["acme/things", document]))
            })
            .collect();
        let stores = stores(&task, &lines).swap_remove(0);
        let frames = |requests: &[Request]| {
            let mut writer = RequestWriter::new(Vec::new(), Codec::Proto);
            for request in requests {
                writer.push(request).unwrap();
            }
            writer.into_inner().unwrap()
        };
        let transaction = [
            frames(&[request::Flush::default().into()]),
            frames(&requests(&stores)).repeat(DOCUMENTS / stores.len()),
        ]
        .concat();
        let end = frames(&[request::StartCommit::default().into(), request::Acknowledge::default().into()]);
        let begin = frames(&[open_request(&task.spec).into(), request::Acknowledge::default().into()]);

        let mut input = Marked::new([
            [begin, transaction.clone(), end.clone()].concat(),
            [transaction.clone(), end.clone()].concat(),
            [transaction, end].concat(),
        ]);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut surroundings = Surroundings {
            runtime: runtime.handle().clone(),
            on_failure: None,
            input_is_ready: || true,
            measured: false,
        };
        serve(&mut input, io::sink(), Some(Codec::Proto), &mut surroundings).unwrap();

        // Of two warm transactions the better one: another thread may have had something to do meanwhile.
        let counts = &input.counts;
        let least = (counts[2] - counts[1]).min(counts[3] - counts[2]);
        assert!(
            least < DOCUMENTS as u64 / 500,
            "{least} allocations for {DOCUMENTS} documents, fields {fields}"
        );
    }
}

fn requests(stores: &[StoreDoc]) -> Vec<Request> {
    stores.iter().map(|store| store_request(store, Codec::Proto).into()).collect()
}

/// An input that notes the count of allocations at the beginning of each of its parts, and at the end.
struct Marked {
    bytes: Vec<u8>,
    at: usize,
    marks: Vec<usize>,
    counts: Vec<u64>,
}

impl Marked {
    fn new(parts: [Vec<u8>; 3]) -> Self {
        let [a, b, _] = &parts;
        let marks = vec![0, a.len(), a.len() + b.len(), parts.iter().map(Vec::len).sum()];
        Self { marks, at: 0, counts: Vec::with_capacity(4), bytes: parts.concat() }
    }
}

impl Read for &mut Marked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let next = self.marks.get(self.counts.len()).copied();
        if next == Some(self.at) {
            self.counts.push(counting::of_all_threads());
        }
        // Up to the next mark: all before it has been dealt with when more is asked for.
        let limit = self.marks.get(self.counts.len()).copied().unwrap_or(self.bytes.len());
        let count = buffer.len().min(limit - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
