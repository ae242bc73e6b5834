//! Runs fuzz targets on stable Rust: over files, or over mutations of the corpora.
//!
//! An input that breaks a promise is left in `artifacts/TARGET/`. So is, as `running`, the one that is being run while
//! mutations are: of a process that was killed, or whose stack was full, it is all that is left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka_fuzz::mutate::{Random, mutated};
use materialize_kafka_fuzz::{TARGETS, Target};

const USAGE: &str = "\
usage: replay TARGET FILE...            runs the target over each file
       replay --mutate RUNS SEED [TARGET...]
                                        runs targets, or all, over their corpora and RUNS mutations of them
       replay --seconds SECONDS SEED [TARGET...]
                                        the same for so long; the corpora once at least
       replay --seeds                   writes the seeds into the corpora";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *arguments {
        ["--seeds"] => write_seeds(),
        ["--mutate", runs, seed, ref names @ ..] => match (runs.parse(), seed.parse(), targets(names)) {
            (Ok(runs), Ok(seed), Some(targets)) => mutate_all(&targets, Until::Runs(runs), seed),
            _ => return usage(),
        },
        ["--seconds", seconds, seed, ref names @ ..] => {
            match (seconds.parse(), seed.parse(), targets(names)) {
                (Ok(seconds), Ok(seed), Some(targets)) => {
                    mutate_all(&targets, Until::Time(Duration::from_secs(seconds)), seed)
                }
                _ => return usage(),
            }
        }
        [name, ref files @ ..] if !files.is_empty() => match targets(&[name]).as_deref() {
            Some([target]) => replay(target, files),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("{USAGE}\ntargets: {}", names.join(", "));
    ExitCode::from(2)
}

/// The targets of these names; all of them where there are none.
fn targets(names: &[&str]) -> Option<Vec<Target>> {
    if names.is_empty() {
        return Some(TARGETS.to_vec());
    }
    names.iter().map(|name| TARGETS.into_iter().find(|target| target.name == *name)).collect()
}

fn replay(target: &Target, files: &[&str]) -> io::Result<()> {
    for file in files {
        let data = fs::read(file).map_err(|error| io::Error::other(format!("reading {file}: {error}")))?;
        // Before it, so that what a crash was about can be seen.
        eprintln!("{}: {file}, {} bytes", target.name, data.len());
        run(target, &data)?;
    }
    Ok(())
}

/// Where mutations end.
#[derive(Debug, Clone, Copy)]
enum Until {
    Runs(u64),
    /// The corpus included.
    Time(Duration),
}

fn mutate_all(targets: &[Target], until: Until, seed: u64) -> io::Result<()> {
    for target in targets {
        let start = Instant::now();
        let (files, mutations) = mutate(target, until, seed)?;
        let took = start.elapsed().as_secs_f64();
        println!("{}: {files} files, {mutations} mutations from seed {seed}, {took:.1} s", target.name);
    }
    Ok(())
}

/// Runs a target over its corpus, then over mutations; how many of each there were.
fn mutate(target: &Target, until: Until, seed: u64) -> io::Result<(usize, u64)> {
    let start = Instant::now();
    let corpus = corpus(target)?;
    let running = Running::new(target)?;
    for data in &corpus {
        running.run(target, data)?;
    }
    let mut random = Random::new(seed);
    let mut mutations = 0;
    let goes_on = |mutations| match until {
        Until::Runs(runs) => mutations < runs,
        Until::Time(time) => start.elapsed() < time,
    };
    while goes_on(mutations) {
        running.run(target, &mutated(&corpus, &mut random))?;
        mutations += 1;
    }
    Ok((corpus.len(), mutations))
}

/// The input that is being run, in a file, with a thread that ends the process where a run does not end.
struct Running {
    file: File,
    path: PathBuf,
    runs: Arc<AtomicU64>,
}

impl Running {
    fn new(target: &Target) -> io::Result<Self> {
        let path = artifacts(target)?.join("running");
        let (file, runs) = (File::create(&path)?, Arc::new(AtomicU64::new(0)));
        thread::spawn({
            let (name, path, runs) = (target.name, path.clone(), runs.clone());
            move || watch(name, &path, &runs)
        });
        Ok(Self { file, path, runs })
    }

    fn run(&self, target: &Target, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, 0)?;
        self.file.set_len(data.len() as u64)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        run(target, data)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What broke a promise in a way that could be caught has a file of its own.
        drop(fs::remove_file(&self.path));
    }
}

/// Ends the process when no run has ended for long. Ends with whoever counts the runs.
fn watch(name: &str, path: &Path, runs: &Arc<AtomicU64>) {
    while Arc::strong_count(runs) > 1 {
        let before = runs.load(Ordering::Relaxed);
        thread::sleep(HANGS);
        if Arc::strong_count(runs) > 1 && before == runs.load(Ordering::Relaxed) {
            eprintln!("{}", find(name, &format!("no end after {HANGS:?}"), path));
            std::process::exit(1);
        }
    }
}

/// The target's corpus, in the order of file names.
fn corpus(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let folder = folder(target);
    let files = fs::read_dir(&folder)
        .map_err(|error| io::Error::other(format!("reading {}: {error}", folder.display())))?;
    let mut paths = files.map(|file| file.map(|file| file.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    if paths.is_empty() {
        return Err(io::Error::other(format!("{} has no files", folder.display())));
    }
    paths.iter().map(fs::read).collect()
}

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Runs the target once. An input that breaks a promise, or takes too long, is written to a file.
fn run(target: &Target, data: &[u8]) -> io::Result<()> {
    let start = Instant::now();
    let outcome = std::panic::catch_unwind(|| (target.run)(data));
    let what = match (outcome, start.elapsed()) {
        (Err(_), _) => "crash",
        (Ok(()), took) if took > SLOW => "slow",
        (Ok(()), _) => return Ok(()),
    };
    let path = artifacts(target)?.join(format!("{what}-{:016x}", fingerprint(data)));
    fs::write(&path, data)?;
    Err(io::Error::other(find(target.name, what, &path)))
}

fn find(name: &str, what: &str, path: &Path) -> String {
    let path = path.display();
    format!("{name}: {what}; the input is {path}; see it again with: fuzz/smoke {name} {path}")
}

/// The folder for inputs that break a promise.
fn artifacts(target: &Target) -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// FNV-1a.
fn fingerprint(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// No input of a few kilobytes has a reason to take so long, even on a busy machine.
const SLOW: Duration = Duration::from_secs(10);

/// A run that has not ended by then will not.
const HANGS: Duration = Duration::from_secs(120);

fn write_seeds() -> io::Result<()> {
    for target in TARGETS {
        let folder = folder(&target);
        fs::create_dir_all(&folder)?;
        for (name, data) in (target.seeds)() {
            fs::write(folder.join(name), data)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpora_hold_the_seeds_as_they_are_made() {
        for target in TARGETS {
            for (name, data) in (target.seeds)() {
                let path = folder(&target).join(name);
                assert_eq!(
                    fs::read(&path).ok(),
                    Some(data),
                    "{}: write it with replay --seeds",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn a_crash_is_reported_and_its_input_kept() {
        let target = Target { name: "test", run: |data| assert!(data != b"bad"), seeds: Vec::new };
        run(&target, b"good").expect("it holds");
        let error = run(&target, b"bad").expect_err("it does not hold").to_string();
        let path = error.rsplit(' ').next().expect("the path comes last");
        assert_eq!(fs::read(path).expect("it was kept"), b"bad");
        fs::remove_dir_all(Path::new(path).parent().expect("its folder")).expect("it was there");
    }
}
