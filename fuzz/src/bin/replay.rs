//! Runs fuzz targets on stable Rust: over files, or over mutations of the corpora.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use materialize_kafka_fuzz::mutate::{Random, mutated};
use materialize_kafka_fuzz::{TARGETS, Target};

const USAGE: &str = "\
usage: replay TARGET FILE...            runs the target over each file
       replay --mutate RUNS SEED        runs each target over its corpus and RUNS mutations of it
       replay --mutate RUNS SEED TARGET...
       replay --seeds                   writes the seeds into the corpora";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *arguments {
        ["--seeds"] => write_seeds(),
        ["--mutate", runs, seed, ref names @ ..] => match (runs.parse(), seed.parse(), targets(names)) {
            (Ok(runs), Ok(seed), Some(targets)) => mutate_all(&targets, runs, seed),
            _ => return usage(),
        },
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

fn mutate_all(targets: &[Target], runs: usize, seed: u64) -> io::Result<()> {
    for target in targets {
        let corpus = corpus(target)?;
        let start = Instant::now();
        // Also what is needed to see a crash again, so it stands before.
        println!("{}: {} files, {runs} mutations from seed {seed}", target.name, corpus.len());
        for data in &corpus {
            run(target, data)?;
        }
        let mut random = Random::new(seed);
        for _ in 0..runs {
            run(target, &mutated(&corpus, &mut random))?;
        }
        println!("{}: {:.1} s", target.name, start.elapsed().as_secs_f64());
    }
    Ok(())
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{what}-{:016x}", fingerprint(data)));
    fs::write(&path, data)?;
    let (name, path) = (target.name, path.display());
    Err(io::Error::other(format!("{name}: {what}; see it again with: fuzz/smoke {name} {path}")))
}

/// FNV-1a.
fn fingerprint(data: &[u8]) -> u64 {
    data.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// No input of a few kilobytes has a reason to take so long, even on a busy machine.
const SLOW: Duration = Duration::from_secs(10);

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
