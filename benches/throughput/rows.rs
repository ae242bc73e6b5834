//! The rows that the options ask for.

use std::time::Duration;

use materialize_kafka::kafka::BATCH_BYTES;
use materialize_kafka::protocol::Codec;
use serde_json::json;

use crate::args::{Args, Choice, Format, Framing, Sweep};
use crate::scenario::Scenario;
use crate::workload::{Documents, Row};

/// In the order of the table.
pub fn of(args: &Args) -> Vec<Row> {
    match args.sweep {
        Some(Sweep::Shape) => shape(args),
        Some(Sweep::Links) => links(args),
        None => {
            let sources: Vec<Documents> = match &args.documents_from {
                Some(files) => vec![Documents::Files(files.clone())],
                None => Choice::scenarios(&args.scenario).into_iter().map(Documents::Scenario).collect(),
            };
            let each = args.format.each();
            sources
                .into_iter()
                .flat_map(|source| each.iter().map(move |&format| (source.clone(), format)))
                .map(|(source, format)| row(args, source, format))
                .collect()
        }
    }
}

fn row(args: &Args, documents_from: Documents, format: Format) -> Row {
    let round_trip = Duration::from_millis(args.rtt);
    let by_default = match &documents_from {
        Documents::Scenario(scenario) => documents(*scenario, args.partitions, round_trip),
        Documents::Files(_) => FROM_FILES,
    };
    Row {
        note: note(args),
        documents_from,
        format,
        codec: match args.codec {
            Framing::Proto => Codec::Proto,
            Framing::Json => Codec::Json,
        },
        // By default a run has as many in all, however many transactions they make.
        documents: args.documents.unwrap_or((by_default / args.transactions).max(1)),
        transactions: args.transactions,
        bindings: args.bindings,
        partitions: args.partitions,
        key_bytes: args.key_bytes,
        compression: args.compression.clone(),
        round_trip,
        advanced: args.advanced.clone(),
        bootstrap: args.bootstrap.clone(),
        runs: args.runs,
        roof_producers: (!args.no_roof && args.sweep.is_none()).then_some(args.roof_producers),
    }
}

/// What is not as by default.
fn note(args: &Args) -> String {
    let mut notes = Vec::new();
    let mut unusual = |is: bool, note: String| notes.extend(is.then_some(note));
    unusual(args.transactions > 1, format!("{} transactions", args.transactions));
    unusual(args.bindings > 1, format!("{} bindings", args.bindings));
    unusual(args.partitions != 6, format!("{} partitions", args.partitions));
    unusual(args.compression != "lz4", args.compression.clone());
    unusual(args.rtt > 0, format!("{} ms", args.rtt));
    unusual(args.roof_producers > 1, format!("{} producers in the roof", args.roof_producers));
    unusual(args.advanced != json!({}), args.advanced.to_string());
    notes.extend(args.key_bytes.map(|bytes| format!("keys of {bytes} bytes")));
    notes.join(", ")
}

/// The row with another note, of what is particular to it, before its own.
fn noted(row: Row, note: String) -> Row {
    let note = if row.note.is_empty() { note } else { format!("{note}; {}", row.note) };
    Row { note, ..row }
}

/// Documents, bindings, partitions and keys of all sizes, one after the other.
fn shape(args: &Args) -> Vec<Row> {
    let base = row(args, Documents::Scenario(Scenario::Flat128), Format::Json);
    let base = Row { documents: args.documents.unwrap_or(MEASURABLE / args.transactions).max(1), ..base };
    let sizes = [10_000, 100_000, 1_000_000, 10_000_000].map(|documents: u64| {
        // Small transactions are many, so that there is something to be measured.
        let transactions = (MEASURABLE / documents).max(1);
        let row = Row { documents, transactions, ..base.clone() };
        noted(row, format!("{transactions} x {documents} documents"))
    });
    let bindings = [1, 10, 100, 1_000]
        .map(|bindings| noted(Row { bindings, ..base.clone() }, format!("on {bindings} bindings")));
    let partitions = [6, 60, 1_000]
        .map(|partitions| noted(Row { partitions, ..base.clone() }, format!("on {partitions} partitions")));
    let keys = [8, 64, 256, 1_024].map(|bytes| {
        // Fewer where they are large, which takes as long.
        let documents = (base.documents / (bytes / 256).max(1)).max(1);
        let row = Row { key_bytes: Some(bytes), documents, ..base.clone() };
        noted(row, format!("by keys of {bytes} bytes"))
    });
    sizes.into_iter().chain(bindings).chain(partitions).chain(keys).collect()
}

/// Round trips of a room, a country and an ocean.
fn links(args: &Args) -> Vec<Row> {
    let rows = [Scenario::Log1k, Scenario::Flat128].map(|scenario| {
        [1, 20, 100].map(|millis| {
            let round_trip = Duration::from_millis(millis);
            let by_default = documents(scenario, args.partitions, round_trip);
            let row = row(args, Documents::Scenario(scenario), Format::Json);
            let documents = args.documents.unwrap_or((by_default / args.transactions).max(1));
            noted(Row { documents, round_trip, ..row }, format!("over {millis} ms"))
        })
    });
    rows.into_iter().flatten().collect()
}

/// Documents that take some seconds, also where the link is slow.
fn documents(scenario: Scenario, partitions: i32, round_trip: Duration) -> u64 {
    let millis = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return scenario.documents();
    }
    let partitions = u64::try_from(partitions).unwrap_or(1);
    let bytes = BATCH_BYTES as u64 * partitions * 1_000 / millis * SECONDS;
    scenario.documents().min(bytes / scenario.bytes())
}

const FROM_FILES: u64 = 50_000;
const MEASURABLE: u64 = 2_000_000;
/// Of a run that a slow link bounds; what is queued at its end takes one of them at 100 ms.
const SECONDS: u64 = 8;
