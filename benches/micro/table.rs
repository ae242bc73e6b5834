//! The rows of the table, and what is done with each: timed, listed for instruction counts, or just run.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

use super::counting;

/// What is done with the rows.
pub enum Table {
    /// Criterion measures them.
    Time(Box<Criterion>),
    /// Those are noted whose instructions are counted.
    List(Vec<Listed>),
    /// One is run; this is the process that callgrind watches.
    Run {
        /// Its id.
        id: String,
        /// How many documents it takes.
        documents: u64,
    },
}

/// A row whose instructions are counted.
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Documents that make its count steady: a multiple of what a round of its documents has.
    pub documents: u64,
}

/// What a row is about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The subject, a module of this bench.
    pub name: &'static str,
    /// Of it, what: a scenario, say.
    pub what: &'a str,
    /// Bytes of one document, as it comes.
    pub bytes: usize,
}

impl Table {
    /// Whether results of all implementations should be compared first.
    pub fn compares(&self) -> bool {
        matches!(self, Self::Time(_))
    }

    /// Whether nothing of this name is asked for, so that it need not be prepared.
    pub fn skips(&self, name: &str) -> bool {
        matches!(self, Self::Run { id, .. } if !id.contains(name))
    }

    /// Our own row, which allocates nothing per document, as is asserted. `make` prepares what runs so many documents.
    pub fn ours<R: FnMut(u64)>(&mut self, subject: Subject<'_>, make: impl FnMut() -> R) {
        self.variant(subject, "ours", make);
    }

    /// As [`ours`](Self::ours), by another name.
    pub fn variant<R: FnMut(u64)>(
        &mut self,
        subject: Subject<'_>,
        name: &'static str,
        mut make: impl FnMut() -> R,
    ) {
        self.counted(subject, name);
        self.row(subject, name, SamplingMode::Auto, || {
            let mut run = make();
            run(WARM);
            let allocations = counting::during(|| run(WARM));
            assert_eq!(
                allocations, 0,
                "{}/{}/{name}: allocations for {WARM} documents",
                subject.name, subject.what
            );
            run
        });
    }

    /// Another's row.
    pub fn theirs<R: FnMut(u64)>(
        &mut self,
        subject: Subject<'_>,
        name: &'static str,
        make: impl FnMut() -> R,
    ) {
        self.row(subject, name, SamplingMode::Auto, make);
    }

    /// A row that waits for other threads at the end of each run, ours or another's: few long samples.
    pub fn waits<R: FnMut(u64)>(
        &mut self,
        subject: Subject<'_>,
        name: &'static str,
        make: impl FnMut() -> R,
    ) {
        self.row(subject, name, SamplingMode::Flat, make);
    }

    /// Lists a row for instruction counts.
    pub fn counted(&mut self, subject: Subject<'_>, name: &'static str) {
        if let Self::List(listed) = self {
            let documents = (STEADY_BYTES / subject.bytes.max(1)).clamp(MOST_ROUND, 256 * MOST_ROUND);
            let documents = (documents - documents % MOST_ROUND) as u64;
            listed.push(Listed { id: format!("{}/{}/{name}", subject.name, subject.what), documents });
        }
    }

    fn row<R: FnMut(u64)>(
        &mut self,
        subject: Subject<'_>,
        name: &'static str,
        sampling: SamplingMode,
        mut make: impl FnMut() -> R,
    ) {
        match self {
            Self::Time(criterion) => {
                let mut group = criterion.benchmark_group(subject.name);
                group.throughput(Throughput::Bytes(subject.bytes as u64)).sampling_mode(sampling);
                let mut least = 1;
                if matches!(sampling, SamplingMode::Flat) {
                    group.sample_size(10);
                    least = LEAST;
                }
                let mut made = None;
                group.bench_function(BenchmarkId::new(subject.what, name), |bencher| {
                    let run = made.get_or_insert_with(&mut make);
                    bencher.iter_custom(|documents| {
                        let run_of = documents.max(least);
                        let start = Instant::now();
                        run(run_of);
                        share(start.elapsed(), documents, run_of)
                    });
                });
                group.finish();
            }
            Self::List(_) => {}
            Self::Run { id, documents } => {
                if *id == format!("{}/{}/{name}", subject.name, subject.what) {
                    make()(*documents);
                }
            }
        }
    }
}

/// The part of `spent` that falls to `documents` of `run_of`.
#[expect(clippy::cast_precision_loss, reason = "a share of a measured time")]
fn share(spent: Duration, documents: u64, run_of: u64) -> Duration {
    if documents == run_of { spent } else { spent.mul_f64(documents as f64 / run_of as f64) }
}

/// Documents among which the wait at a run's end is shared.
const LEAST: u64 = 50_000;

/// Documents after which all memory is as large as it gets, and that must then allocate nothing.
const WARM: u64 = 256;

/// Bytes of documents in a row's count, so that buffers are filled and moved as often as they are in the long run.
const STEADY_BYTES: usize = 4 << 20;

/// A multiple of the documents that any row has before they come again.
const MOST_ROUND: usize = 192;
