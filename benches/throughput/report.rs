//! Figures of many runs, as a line of JSON and as a table.

use std::time::Duration;

use materialize_kafka::kafka::BATCH_BYTES;
use materialize_kafka::protocol::Codec;
use serde_json::{Value, json};

use crate::workload::Row;
use crate::{ours, roof};

/// A row with its figures.
pub struct Measured {
    row: Row,
    /// Bytes of key and value of all messages of a run, before compression.
    bytes: u64,
    ours: Side,
    commit: Spread,
    open: Spread,
    roof: Option<Side>,
    /// Our rate by the roof's, of each two runs that came one after the other.
    pairs: Option<Spread>,
}

/// What is told of both sides.
struct Side {
    documents_per_s: Spread,
    cpu_us: Spread,
    peak_mib: Spread,
}

/// Of some measurements, of which there is at least one.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Measured {
    pub fn new(row: Row, bytes: u64, ours: &[ours::Run], roof: &[roof::Run]) -> Self {
        let documents = row.total() as f64;
        let rate = |wall: Duration| documents / wall.as_secs_f64();
        let cpu = |cpu: Duration| cpu.as_secs_f64() * 1e6 / documents;
        let mib = |kib: u64| kib as f64 / 1024.0;
        let side = Side {
            documents_per_s: Spread::of(ours.iter().map(|run| rate(run.wall))),
            cpu_us: Spread::of(ours.iter().map(|run| cpu(run.cpu))),
            peak_mib: Spread::of(ours.iter().map(|run| mib(run.peak_kib))),
        };
        let pairs =
            ours.iter().zip(roof).map(|(ours, roof)| roof.wall.as_secs_f64() / ours.wall.as_secs_f64());
        let pairs = (!roof.is_empty()).then(|| Spread::of(pairs));
        let roof = (!roof.is_empty()).then(|| Side {
            documents_per_s: Spread::of(roof.iter().map(|run| rate(run.wall))),
            cpu_us: Spread::of(roof.iter().map(|run| cpu(run.cpu))),
            peak_mib: Spread::of(roof.iter().map(|run| mib(run.peak_kib))),
        });
        let commit = Spread::of(ours.iter().flat_map(|run| run.commits.iter().copied()).map(millis));
        let open = Spread::of(ours.iter().map(|run| millis(run.open)));
        Self { row, bytes, ours: side, commit, open, roof, pairs }
    }

    /// Million bytes a second, where so many documents pass.
    fn megabytes(&self, documents_per_s: f64) -> f64 {
        documents_per_s * self.bytes as f64 / self.row.total() as f64 / 1e6
    }

    /// What an idempotent producer can send at this round trip, in million bytes a second: a batch for each
    /// partition.
    fn bound(&self) -> Option<f64> {
        let partitions = f64::from(self.row.partitions) * f64::from(self.row.bindings);
        let seconds = self.row.round_trip.as_secs_f64();
        (seconds > 0.0).then(|| partitions * BATCH_BYTES as f64 / seconds / 1e6)
    }

    pub fn json(&self) -> Value {
        let Self { row, ours, .. } = self;
        let side = |side: &Side| {
            let Spread { median, min, max } = side.documents_per_s;
            let [median, min, max] = [median, min, max].map(|rate| self.megabytes(rate));
            json!({
                "documents_per_s": side.documents_per_s.json(),
                "mb_per_s": Spread { median, min, max }.json(),
                "cpu_us_per_document": side.cpu_us.json(),
                "peak_memory_mib": side.peak_mib.json(),
            })
        };
        let mut line = heading(row);
        line["message_bytes"] = rounded(self.bytes as f64 / row.total() as f64);
        line["ours"] = side(ours);
        line["ours"]["open_ms"] = self.open.json();
        line["ours"]["commit_ms"] = self.commit.json();
        if let Some(roof) = &self.roof {
            line["roof"] = side(roof);
            line["roof"]["producers"] = row.roof_producers.into();
            line["ratio"] = rounded(ours.documents_per_s.median / roof.documents_per_s.median);
            line["ratio_of_pairs"] = self.pairs.map(Spread::json).into();
            line["cpu_us_above_roof"] = rounded(ours.cpu_us.median - roof.cpu_us.median);
        }
        if let Some(bound) = self.bound() {
            line["bound_mb_per_s"] = rounded(bound);
            line["of_bound"] = rounded(self.megabytes(ours.documents_per_s.median) / bound);
        }
        line
    }

    fn cells(&self) -> Vec<String> {
        let Self { row, ours, .. } = self;
        let rate = |spread: Spread| {
            let [median, min, max] = [spread.median, spread.min, spread.max].map(|rate| grouped(rate / 1e3));
            format!("{median} ({min}-{max})")
        };
        let mut cells = vec![
            format!("{} {}", label(row), row.note).trim_end().to_owned(),
            rate(ours.documents_per_s),
            format!("{:.0}", self.megabytes(ours.documents_per_s.median)),
            format!("{:.2} ({:.2}-{:.2})", ours.cpu_us.median, ours.cpu_us.min, ours.cpu_us.max),
            format!("{:.0}", ours.peak_mib.max),
            format!("{:.0}", self.open.median),
            format!("{:.0} ({:.0})", self.commit.median, self.commit.max),
        ];
        let (Some(roof), Some(pairs)) = (&self.roof, self.pairs) else {
            cells.extend(["", "", "", "", ""].map(str::to_owned));
            cells.extend(self.bound_cells());
            return cells;
        };
        cells.extend([
            rate(roof.documents_per_s),
            format!("{:.2} ({:.2}-{:.2})", roof.cpu_us.median, roof.cpu_us.min, roof.cpu_us.max),
            format!("{:.0}", roof.peak_mib.max),
            format!(
                "{:.0} % ({:.0}-{:.0})",
                100.0 * ours.documents_per_s.median / roof.documents_per_s.median,
                100.0 * pairs.min,
                100.0 * pairs.max
            ),
            format!("{:+.2}", ours.cpu_us.median - roof.cpu_us.median),
        ]);
        cells.extend(self.bound_cells());
        cells
    }

    fn bound_cells(&self) -> [String; 2] {
        let Some(bound) = self.bound() else { return [String::new(), String::new()] };
        let part = self.megabytes(self.ours.documents_per_s.median) / bound;
        [format!("{bound:.0}"), format!("{:.0} %", 100.0 * part)]
    }
}

/// All rows below each other; columns that no row has anything in are left out.
pub fn table(rows: &[Measured]) -> String {
    let lines: Vec<Vec<String>> = std::iter::once(HEADINGS.map(str::to_owned).to_vec())
        .chain(rows.iter().map(Measured::cells))
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let used = |column: &usize| lines[1..].iter().any(|line| !line[*column].is_empty());
    let columns: Vec<(usize, usize)> =
        (0..HEADINGS.len()).filter(used).map(|column| (column, width(column))).collect();
    let mut text = String::new();
    for line in &lines {
        for &(column, width) in &columns {
            let cell = &line[column];
            // The first column is words, the others are numbers.
            text += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// What a session spends that waits.
pub fn idle(row: &Row, ours::Idle { opened, in_transaction }: &ours::Idle) -> (Value, String) {
    let mut line = heading(row);
    line["idle_cpu_percent"] =
        json!({"opened": rounded(*opened), "in_transaction": rounded(*in_transaction)});
    let text = format!(
        "{}: {opened:.1} % of a core after Opened, {in_transaction:.1} % within a transaction\n",
        label(row)
    );
    (line, text)
}

const HEADINGS: [&str; 14] = [
    "row",
    "k docs/s",
    "MB/s",
    "CPU us/doc",
    "MiB",
    "open ms",
    "commit ms (max)",
    "roof k docs/s",
    "roof CPU us",
    "roof MiB",
    "ratio (pairs)",
    "CPU diff us",
    "bound MB/s",
    "of bound",
];

/// What a line of JSON says of its row.
pub fn heading(row: &Row) -> Value {
    json!({
        "scenario": row.name(), "format": row.format.name(), "codec": row.codec.name(), "compression": row.compression,
        "note": row.note, "documents": row.documents, "transactions": row.transactions, "bindings": row.bindings,
        "partitions": row.partitions, "key_bytes": row.key_bytes, "rtt_ms": millis(row.round_trip), "runs": row.runs,
        "brokers": row.bootstrap.as_deref().unwrap_or("mock"), "advanced": row.advanced,
    })
}

fn label(row: &Row) -> String {
    let codec = if row.codec == Codec::Json { " (JSON codec)" } else { "" };
    format!("{} {}{codec}", row.name(), row.format.name())
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Self { median, min: values[0], max: values[values.len() - 1] }
    }

    fn json(self) -> Value {
        json!({"median": rounded(self.median), "min": rounded(self.min), "max": rounded(self.max)})
    }
}

/// With as many digits as mean something.
fn rounded(value: f64) -> Value {
    if value.abs() >= 1e3 { json!(value.round()) } else { json!((value * 1e3).round() / 1e3) }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number with commas.
fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
