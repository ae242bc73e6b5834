//! How far a preview is, on stderr: one line that is drawn again and again on a terminal, a line now and then elsewhere.
//!
//! A thread named `progress` draws from counters that the others add to. On a terminal everything else that goes to stderr has to go
//! through [`Screen`], which wipes the line first.

use std::io::{self, IsTerminal as _, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::print::grouped;
use crate::terminal::Style;

/// What has been done, by those who do it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    stores: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of the fixture that have been read.
    read: AtomicU64,
    /// Nothing is sent any more, and messages are still read back.
    all_sent: AtomicBool,
}

/// What is to be done, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Goal {
    /// Bytes of the fixture.
    pub(super) fixture: Option<u64>,
    /// Documents.
    pub(super) documents: Option<u64>,
}

impl Counters {
    /// Counts Stores that were sent, and their bytes.
    pub(super) fn sent(&self, stores: u64, bytes: usize) {
        self.stores.fetch_add(stores, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes that nothing is sent any more: what takes time now is to read messages back.
    pub(super) fn all_are_sent(&self) {
        self.all_sent.store(true, Ordering::Relaxed);
    }

    fn now(&self) -> [u64; 3] {
        [&self.stores, &self.bytes, &self.read].map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// A reader that counts what is read of the fixture.
pub(super) struct Counted<R> {
    pub(super) input: R,
    pub(super) counters: Arc<Counters>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.counters.read.fetch_add(u64::try_from(read).unwrap_or(0), Ordering::Relaxed);
        Ok(read)
    }
}

/// The thread that draws. Its line is wiped when this is dropped.
pub(super) struct Progress {
    /// Dropped first, which ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Draws until it is dropped.
    pub(super) fn start(counters: Arc<Counters>, goal: Goal, colored: bool) -> Self {
        let (stop, stopped) = mpsc::channel();
        let redrawn =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let pause = if redrawn { REDRAWN } else { PLAIN };
        let start = Instant::now();
        let draw = move || {
            let mut last = (Duration::ZERO, 0);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let now = (start.elapsed(), counters.now());
                let line = if counters.all_sent.load(Ordering::Relaxed) {
                    line_of_reading_back(now.1)
                } else {
                    line(goal, last, now)
                };
                last = (now.0, now.1[0]);
                if redrawn {
                    redraw(&Style::Faint.paint(&line, colored));
                } else {
                    tell(&line);
                }
            }
        };
        // Without a thread there is no progress to be seen, which is no reason to stop.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(draw).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        let _ended = self.thread.take().map(JoinHandle::join);
        let _wiped = Screen.flush();
        wipe(&mut drawn());
    }
}

/// The line at a moment, given how many Stores there were at the moment before.
fn line(goal: Goal, before: (Duration, u64), (time, [stores, bytes, read]): (Duration, [u64; 3])) -> String {
    let rate = per_second(stores.saturating_sub(before.1), time.saturating_sub(before.0));
    let plural = if stores == 1 { "" } else { "s" };
    let mut line = format!("{} document{plural}, {}/s, {}", grouped(stores), grouped(rate), size(bytes));
    let share =
        |done: u64, total: Option<u64>| total.filter(|total| *total > 0).map(|total| permille(done, total));
    let share = share(read, goal.fixture).into_iter().chain(share(stores, goal.documents)).max();
    if let Some(permille) = share {
        line += &format!(", {} %", permille / 10);
        if (1..1000).contains(&permille) {
            let left = time.mul_f64(f64::from(1000 - permille) / f64::from(permille));
            line += &format!(", {} left", duration(left + Duration::from_millis(999)));
        }
    }
    line
}

/// The line once everything is sent.
fn line_of_reading_back([stores, bytes, _]: [u64; 3]) -> String {
    let plural = if stores == 1 { "" } else { "s" };
    format!("{} document{plural}, {}, all sent; reading messages back", grouped(stores), size(bytes))
}

fn permille(done: u64, total: u64) -> u32 {
    u32::try_from(u128::from(done) * 1000 / u128::from(total.max(1))).unwrap_or(1000).min(1000)
}

/// How many a second that is.
pub(super) fn per_second(count: u64, time: Duration) -> u64 {
    let nanoseconds = time.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}

/// Bytes in the unit that fits.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Whether the line is on the screen; held while anything is written to stderr.
static DRAWN: Mutex<bool> = Mutex::new(false);

fn drawn() -> MutexGuard<'static, bool> {
    // A bool is whole whatever panicked.
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn redraw(line: &str) {
    let mut drawn = drawn();
    *drawn = true;
    // A line that is too long for the terminal would be drawn below itself: it is not wrapped meanwhile.
    let _gone = write!(io::stderr(), "\r\u{1b}[2K\u{1b}[?7l{line}\u{1b}[?7h");
    let _gone = io::stderr().flush();
}

fn wipe(drawn: &mut bool) {
    if std::mem::take(drawn) {
        let _gone = write!(io::stderr(), "\r\u{1b}[2K");
    }
}

/// Stderr for everything but the line. Nobody is left to tell that it is gone.
pub(super) struct Screen;

impl Write for Screen {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut drawn = drawn();
        wipe(&mut drawn);
        io::stderr().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Writes a line to stderr.
pub(super) fn tell(line: &str) {
    let _gone = Screen.write_all(format!("{line}\n").as_bytes());
}

/// How often the line is drawn on a terminal, and elsewhere.
const REDRAWN: Duration = Duration::from_millis(250);
const PLAIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let second = Duration::from_secs;
        let nothing = Goal::default();
        let before = (second(8), 1_000_000);
        let now = (second(10), [1_500_000, 192_300_000, 250]);
        assert_eq!(line(nothing, before, now), "1,500,000 documents, 250,000/s, 192.3 MB");
        let fixture = Goal { fixture: Some(1000), ..nothing };
        assert_eq!(line(fixture, before, now), "1,500,000 documents, 250,000/s, 192.3 MB, 25 %, 30 s left");
        let both = Goal { documents: Some(3_000_000), ..fixture };
        assert_eq!(line(both, before, now), "1,500,000 documents, 250,000/s, 192.3 MB, 50 %, 10 s left");
        let nearly = (second(10), [2_999_999, 192_300_000, 999]);
        assert!(line(both, before, nearly).ends_with(", 99 %, 1 s left"), "a part of a second is one");
        assert_eq!(line(both, (second(0), 0), (second(1), [0, 0, 0])), "0 documents, 0/s, 0 bytes, 0 %");
        let done = (second(1), [1, 1000, 1000]);
        assert_eq!(line(fixture, (second(0), 0), done), "1 document, 1/s, 1.0 kB, 100 %");
        assert_eq!(line_of_reading_back(done.1), "1 document, 1.0 kB, all sent; reading messages back");
    }

    #[test]
    fn times_and_sizes_have_units() {
        let durations = [59, 61, 3700].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(durations, ["59 s", "1 min 1 s", "1 h 1 min"]);
        assert_eq!([999, 1999, 2_500_000_000].map(size), ["999 bytes", "1.9 kB", "2.5 GB"]);
        assert_eq!(per_second(5, Duration::ZERO), 5_000_000_000);
    }
}
