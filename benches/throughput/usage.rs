//! What the kernel counts of a process.

use std::time::Duration;

/// A process's account so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time, in steps of 10 ms.
    pub cpu: Duration,
    /// The most memory that it has had at once (VmHWM), in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// That of a process that runs.
    pub fn of(process: u32) -> Self {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("reading {path}: {error}"))
        };
        let stat = read("stat");
        let fields: Vec<&str> =
            stat.rsplit(')').next().expect("splitting gives at least one part").split_whitespace().collect();
        // User and system time, in ticks of 10 ms (proc(5)).
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        let status = read("status");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap_or_else(|| panic!("/proc/{process}/status has no VmHWM"));
        let peak_kib = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        Self { cpu: Duration::from_millis(ticks * 10), peak_kib }
    }
}
