//! Instructions per document, counted by valgrind's callgrind, and what they were when `instructions.txt` was written.
//!
//! Times differ from one machine to the next and from one minute to the next; these counts do not, so they are what a
//! change is judged by. Each row is run in processes of its own, once with so many documents and once with twice as
//! many: what lies between is what the documents cost, whatever comes before the first one. Only the thread that runs
//! the row counts.
//!
//! valgrind emulates a processor that has AVX2 and not AVX-512, so code that chooses by what the processor has
//! chooses alike on all machines that have AVX2 themselves. Counts do depend on the compiler.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::{env, fs, thread};

use super::table::Listed;

/// What the arguments ask for.
pub enum Asked {
    /// All rows whose id has the filter in it, compared or written down.
    Table {
        /// A part of ids.
        filter: Option<String>,
        /// Whether they are written down.
        bless: bool,
    },
    /// To be the process that is watched.
    Row {
        /// Its id.
        id: String,
        /// How many documents it takes.
        documents: u64,
    },
}

/// What the arguments ask for, if it is instructions.
pub fn asked(arguments: &[String]) -> Option<Asked> {
    if let [flag, id, documents] = arguments
        && flag == ROW
    {
        return Some(Asked::Row { id: id.clone(), documents: documents.parse().ok()? });
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    has("--instructions").then(|| Asked::Table {
        filter: arguments.iter().find(|argument| !argument.starts_with('-')).cloned(),
        bless: has("--bless"),
    })
}

/// Counts and compares, or writes down; says what is wrong.
pub fn compare(listed: &[Listed], filter: Option<&str>, bless: bool) -> ExitCode {
    match table(listed, filter, bless) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn table(listed: &[Listed], filter: Option<&str>, bless: bool) -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err(
            "counts are those of optimised code: cargo bench --bench micro -- --instructions".to_owned()
        );
    }
    let valgrind = version("valgrind")
        .ok_or("valgrind is not installed; it counts: apt-get install valgrind (or: dnf, brew)")?;
    let asked = |listed: &&Listed| filter.is_none_or(|filter| listed.id.contains(filter));
    let listed: Vec<&Listed> = listed.iter().filter(asked).collect();
    if listed.is_empty() {
        return Err(format!("no row has {:?} in its id", filter.unwrap_or_default()));
    }
    if bless && filter.is_some() {
        return Err("--bless writes all rows: leave the filter away".to_owned());
    }
    let before = read_baseline()?;
    let counts = count(&listed)?;
    let mut above = Vec::new();
    println!("{:<44} {:>12} {:>12} {:>7}", "row", "instructions", "before", "ratio");
    for (Listed { id, .. }, count) in listed.iter().zip(&counts) {
        match before.get(id) {
            Some(before) => {
                let ratio = count / before;
                println!("{id:<44} {count:>12.1} {before:>12.1} {ratio:>7.3}");
                if ratio > TOLERATED {
                    above.push(format!("{id} takes {ratio:.3} times the instructions"));
                }
            }
            None => {
                println!("{id:<44} {count:>12.1} {:>12} {:>7}", "-", "-");
                above.push(format!("{id} has no count"));
            }
        }
    }
    if bless {
        return write_baseline(&listed, &counts, &valgrind);
    }
    if filter.is_none() {
        let gone = before.keys().filter(|id| listed.iter().all(|listed| listed.id != **id));
        above.extend(gone.map(|id| format!("{id} is a row no more")));
    }
    if above.is_empty() {
        return Ok(());
    }
    Err(format!(
        "against {}: {}; if that is meant, write it down: cargo bench --bench micro -- --instructions --bless",
        BASELINE.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(BASELINE).trim_start_matches('/'),
        above.join("; ")
    ))
}

/// Instructions per document of each row.
fn count(listed: &[&Listed]) -> Result<Vec<f64>, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let next = Mutex::new(0..listed.len());
    let counts = Mutex::new(vec![Err("not counted".to_owned()); listed.len()]);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(row) = next.lock().expect("nobody panics").next() else { return };
                    let count = count_row(listed[row], folder.path(), row);
                    counts.lock().expect("nobody panics")[row] = count;
                }
            });
        }
    });
    counts.into_inner().expect("nobody panics").into_iter().collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts for people, below 2^53")]
fn count_row(listed: &Listed, folder: &Path, row: usize) -> Result<f64, String> {
    let [once, twice] = [1, 2].map(|times| {
        let file = folder.join(format!("{row}x{times}"));
        run(&listed.id, listed.documents * times, &file)
    });
    let (once, twice) = (once?, twice?);
    let documents = twice.checked_sub(once).ok_or_else(|| format!("{}: {twice} after {once}", listed.id))?;
    Ok(documents as f64 / listed.documents as f64)
}

/// Instructions of the thread that runs a row.
fn run(id: &str, documents: u64, file: &Path) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
        .env("GLIBC_TUNABLES", COPIES)
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args([ROW, id, &documents.to_string()])
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("starting valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{id}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        ));
    }
    // One file for each thread, by its number.
    let first = PathBuf::from(format!("{}-01", file.display()));
    let text =
        fs::read_to_string(&first).map_err(|error| format!("{id}: reading callgrind's file: {error}"))?;
    let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals:"));
    let count = totals.and_then(|totals| totals.trim().parse().ok());
    count.ok_or_else(|| format!("{id}: callgrind's file has no line of totals"))
}

fn read_baseline() -> Result<BTreeMap<String, f64>, String> {
    let text = match fs::read_to_string(BASELINE) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("reading {BASELINE}: {error}")),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let row = line.split_once(' ').and_then(|(id, count)| Some((id.to_owned(), count.parse().ok()?)));
            row.ok_or_else(|| format!("{BASELINE}: expected a row's id and its count, got {line:?}"))
        })
        .collect()
}

fn write_baseline(listed: &[&Listed], counts: &[f64], valgrind: &str) -> Result<(), String> {
    let rustc = version("rustc").unwrap_or_else(|| "an unknown rustc".to_owned());
    let mut text = format!(
        "# Instructions per document: cargo bench --bench micro -- --instructions --bless\n\
         # {rustc}; {valgrind}, whose processor has AVX2 and no AVX-512; {}\n",
        jiff::Timestamp::now().strftime("%F")
    );
    for (Listed { id, .. }, count) in listed.iter().zip(counts) {
        writeln!(text, "{id} {count:.1}").expect("a String takes everything");
    }
    fs::write(BASELINE, text).map_err(|error| format!("writing {BASELINE}: {error}"))
}

fn version(program: &str) -> Option<String> {
    let output =
        Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

const ROW: &str = "--row";

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/micro/instructions.txt");

/// C's long copies by AVX2, as on all machines: `rep movsb` would count an instruction for every byte, and how long a
/// copy must be to go around the caches depends on their size.
const COPIES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=0x40000000:glibc.cpu.x86_non_temporal_threshold=0x40000000";

/// Three in a hundred more are no regression yet.
const TOLERATED: f64 = 1.03;

/// Processes at a time.
const AT_A_TIME: usize = 2;
