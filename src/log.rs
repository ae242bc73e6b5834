//! Logs: one flat JSON object a line on stderr (reference `flow-runtime.md`, section 4).
//!
//! The runtime shows its user the message of the *last* line before a failing exit. So the line
//! that [`last`] writes is the last one: whatever other threads log afterwards is dropped.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Sets up logging for a connector, by the environment's `LOG_LEVEL` (unknown or unset: info). Panics
/// are logged like anything else.
pub fn connector() {
    init(level(std::env::var("LOG_LEVEL").ok().as_deref()));
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Logs events of `level` and above. A second call changes nothing.
pub fn init(level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .with_writer(Stderr)
        .finish();
    // Only a process that has a subscriber already refuses one: it keeps its own.
    let _kept = tracing::subscriber::set_global_default(subscriber);
}

/// Writes `message` as an error, and lets nothing follow it. Waits no longer than two seconds: a pipe that nobody
/// reads must not keep a process from ending.
pub fn last(message: &str) {
    let line = serde_json::json!({
        "timestamp": jiff::Timestamp::now().to_string(),
        "level": "ERROR",
        "message": message,
    });
    let (written, done) = mpsc::channel();
    let write = move || {
        let mut closed = closed();
        if !*closed {
            // Nobody is left to tell that stderr is gone.
            let _gone = writeln!(io::stderr().lock(), "{line}");
            *closed = true;
        }
        let _waited_no_longer = written.send(());
    };
    if thread::Builder::new().name("last line".to_owned()).spawn(write).is_ok() {
        let _full = done.recv_timeout(LAST_WITHIN);
    }
}

const LAST_WITHIN: Duration = Duration::from_secs(2);

fn level(name: Option<&str>) -> LevelFilter {
    match name {
        Some("trace") => LevelFilter::TRACE,
        Some("debug") => LevelFilter::DEBUG,
        Some("warn") => LevelFilter::WARN,
        Some("error") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// Whether the last line has been written; held while a line is written.
static CLOSED: Mutex<bool> = Mutex::new(false);

fn closed() -> MutexGuard<'static, bool> {
    // A thread that panicked while it wrote a line left a bool, which is whole.
    CLOSED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let closed = closed();
        if !*closed {
            // That stderr is gone is no reason to stop; told of it, the subscriber would print to stderr and panic.
            let _gone = io::stderr().lock().write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_info_unless_a_known_one_is_named() {
        let levels = [None, Some("info"), Some("verbose"), Some("trace"), Some("error")].map(level);
        assert_eq!(
            levels,
            [LevelFilter::INFO, LevelFilter::INFO, LevelFilter::INFO, LevelFilter::TRACE, LevelFilter::ERROR]
        );
    }
}
