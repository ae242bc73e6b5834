//! What each step of a document's way costs, alone: criterion's times, and callgrind's instruction counts.
//!
//! ```text
//! cargo bench --bench micro                                  times of all
//! cargo bench --bench micro -- tuple_to_avro/nested2k        times of some
//! cargo bench --bench micro -- --instructions [FILTER]       instructions per document, against instructions.txt
//! cargo bench --bench micro -- --instructions --bless        writes instructions.txt
//! ```
//!
//! A row is `subject/what/implementation`; `ours` stands beside the obvious way and the best known crates, which are
//! asserted to give the same first. The figure is that of one document (or message, or key). All subjects are in
//! one binary, since linking it takes minutes.

use criterion::Criterion;

#[path = "../documents/mod.rs"]
mod documents;
#[path = "../documents/avro.rs"]
mod schemas;

mod counting;
mod decode;
mod encoder;
mod enqueue;
mod frame_to_message;
mod frames;
mod instructions;
mod ledger;
mod nested;
mod obvious_avro;
mod obvious_json;
mod partition;
mod table;
mod tuple;
mod tuple_to_avro;
mod tuple_to_json;

use std::process::ExitCode;
use std::time::Duration;

use documents::Scenario;
use table::Table;

/// As in the binary, with a count that is taken only while a row shows that it allocates nothing.
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match instructions::asked(&arguments) {
        Some(instructions::Asked::Row { id, documents }) => {
            let mut table = Table::Run { id, documents };
            rows(&mut table);
            ExitCode::SUCCESS
        }
        Some(instructions::Asked::Table { filter, bless }) => {
            let mut table = Table::List(Vec::new());
            rows(&mut table);
            let Table::List(listed) = table else { return ExitCode::FAILURE };
            instructions::compare(&listed, filter.as_deref(), bless)
        }
        None => {
            let criterion = Criterion::default()
                .warm_up_time(Duration::from_millis(300))
                .measurement_time(Duration::from_millis(1_500))
                .nresamples(10_000)
                .configure_from_args();
            let mut table = Table::Time(Box::new(criterion));
            rows(&mut table);
            if let Table::Time(criterion) = &table {
                criterion.final_summary();
            }
            ExitCode::SUCCESS
        }
    }
}

fn rows(table: &mut Table) {
    let scenarios = scenarios(table);
    decode::rows(table, &scenarios);
    tuple_to_json::rows(table, &scenarios);
    tuple_to_avro::rows(table, &scenarios);
    nested::rows(table);
    frame_to_message::rows(table, &scenarios);
    partition::rows(table);
    ledger::rows(table);
    enqueue::rows(table, &scenarios);
}

fn scenarios(table: &Table) -> Vec<Scenario> {
    type Make = fn(&'static str) -> Scenario;
    let all: [(&str, Make); 4] = [
        ("flat128", |_| documents::flat128()),
        ("estuary1k", |name| documents::estuary(name, 800)),
        ("nested2k", |_| documents::nested2k()),
        ("estuary64k", |name| documents::estuary(name, 65_536)),
    ];
    all.into_iter().filter(|(name, _)| !table.skips(name)).map(|(name, make)| make(name)).collect()
}
