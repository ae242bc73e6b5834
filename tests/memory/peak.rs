//! The most memory that a process has had at once.
//!
//! The kernel keeps it (`VmHWM` in `/proc/PID/status`) as long as the process runs, and a connector ends as it likes:
//! so a thread reads it again and again until the process has none.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The watch over a process.
pub struct Peak {
    bytes: Arc<AtomicU64>,
    watch: JoinHandle<()>,
}

impl Peak {
    /// Watches a process from now to its end. The figure is of its whole life.
    pub fn of(process: u32) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&bytes);
        let watch = thread::spawn(move || {
            while let Some(bytes) = peak(process) {
                seen.store(bytes, Ordering::Relaxed);
                thread::sleep(EVERY);
            }
        });
        Self { bytes, watch }
    }

    /// Bytes, as last seen.
    pub fn so_far(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes, once the process has ended.
    pub fn read(self) -> u64 {
        self.watch.join().unwrap();
        self.bytes.load(Ordering::Relaxed)
    }
}

/// None where the process has ended, waited for or not.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10)
}

const EVERY: Duration = Duration::from_millis(5);
