//! The most memory that a process has had at once.
//!
//! The kernel keeps it (`VmHWM` in `/proc/PID/status`) as long as the process runs, and a connector ends as it likes:
//! so a thread reads it again and again until the process has none.

use std::fs;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The watch over a process.
pub struct Peak(JoinHandle<u64>);

impl Peak {
    /// Watches a process from now to its end. The figure is of its whole life.
    pub fn of(process: u32) -> Self {
        Self(thread::spawn(move || {
            let mut peak = 0;
            while let Some(bytes) = bytes(process) {
                peak = bytes;
                thread::sleep(EVERY);
            }
            peak
        }))
    }

    /// Bytes, once the process has ended.
    pub fn read(self) -> u64 {
        self.0.join().unwrap()
    }
}

/// None where the process has ended, waited for or not.
fn bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10)
}

const EVERY: Duration = Duration::from_millis(5);
