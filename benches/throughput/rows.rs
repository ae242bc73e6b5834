//! The rows that the options ask for.

use std::time::Duration;

use materialize_kafka::kafka::BATCH_BYTES;
use materialize_kafka::protocol::Codec;

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
    notes.extend(args.key_bytes.map(|bytes| format!("keys of {bytes} bytes")));
    notes.join(", ")
}

/// Documents, bindings, partitions and keys of all sizes, one after the other.
fn shape(args: &Args) -> Vec<Row> {
    let base =
        Row { documents: 2_000_000, ..row(args, Documents::Scenario(Scenario::Flat128), Format::Json) };
    let sizes = [10_000, 100_000, 1_000_000, 10_000_000].map(|documents: u64| {
        // Small transactions are many, so that there is something to be measured.
        let transactions = (MEASURABLE / documents).max(1);
        let note = format!("{transactions} x {documents} documents");
        Row { documents, transactions, note, ..base.clone() }
    });
    let bindings = [1, 10, 100, 1_000].map(|bindings| Row {
        bindings,
        note: format!("{bindings} bindings"),
        ..base.clone()
    });
    let partitions = [6, 60, 1_000].map(|partitions| Row {
        partitions,
        note: format!("{partitions} partitions"),
        ..base.clone()
    });
    let keys = [8, 64, 256, 1_024].map(|bytes| Row {
        key_bytes: Some(bytes),
        documents: base.documents / (bytes / 256).max(1),
        note: format!("keys of {bytes} bytes"),
        ..base.clone()
    });
    sizes.into_iter().chain(bindings).chain(partitions).chain(keys).collect()
}

/// Round trips of a room, a country and an ocean.
fn links(args: &Args) -> Vec<Row> {
    let rows = [Scenario::Log1k, Scenario::Flat128].map(|scenario| {
        [1, 20, 100].map(|millis| {
            let round_trip = Duration::from_millis(millis);
            let row = row(args, Documents::Scenario(scenario), Format::Json);
            Row {
                documents: documents(scenario, args.partitions, round_trip),
                round_trip,
                note: format!("{millis} ms"),
                ..row
            }
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
