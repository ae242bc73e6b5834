//! What a run of Stores came to: how many, how fast, how long commits took, and what the connector needed.

use std::time::Duration;

use serde::Serialize;

use super::print::grouped;
use super::progress::{per_second, size};
use super::stop::Signal;

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Stores that were sent.
    pub(super) stores: u64,
    /// Their bytes as the connector reads them.
    pub(super) bytes: u64,
    /// Bytes of the keys and values that were committed, as the connector told.
    pub(super) message_bytes: u64,
    /// Bytes that went to the brokers: requests of every kind, compressed, with framing, but without that of TLS and TCP; none if a
    /// connector did not tell.
    pub(super) sent_bytes: Option<u64>,
    /// Sessions that there were.
    pub(super) sessions: u64,
    /// From the first transaction's Flush to the last one's Acknowledged, without the starts of sessions.
    pub(super) time: Duration,
    /// How much of it was spent waiting for documents that were not made yet.
    pub(super) waited: Duration,
    /// For each transaction, from StartCommit to StartedCommit.
    pub(super) commits: Vec<Duration>,
    /// The most memory that a connector's process ever had, in bytes; none where the system does not tell.
    pub(super) peak_memory: Option<u64>,
    /// The signal that ended it before its end.
    pub(super) stopped_by: Option<Signal>,
}

#[derive(Serialize)]
struct Figures {
    documents: u64,
    transactions: usize,
    seconds: f64,
    waited_seconds: f64,
    documents_per_second: u64,
    store_bytes: u64,
    message_bytes: u64,
    sent_bytes: Option<u64>,
    commit_median_ms: f64,
    commit_p99_ms: f64,
    commit_max_ms: f64,
    peak_memory_bytes: Option<u64>,
    stopped_by: Option<&'static str>,
}

impl Load {
    /// The figures as lines.
    pub(super) fn text(&self) -> String {
        let figures = self.figures();
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let transactions = u64::try_from(figures.transactions).unwrap_or(u64::MAX);
        let memory = match figures.peak_memory_bytes {
            Some(bytes) => format!("{} MiB, the connector's process", bytes >> 20),
            None => "unknown on this system".to_owned(),
        };
        let sent = match figures.sent_bytes {
            Some(bytes) => format!(
                "{}{}; all requests to the brokers, compressed, with framing",
                size(bytes),
                share(bytes, self.message_bytes)
            ),
            None => "unknown: the connector did not tell in time".to_owned(),
        };
        let waited = percent(self.waited, self.time);
        let hint = if waited >= WORTH_A_HINT { ", which held the rate back" } else { "" };
        let commits = if self.commits.is_empty() {
            "none".to_owned()
        } else {
            format!(
                "median {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                figures.commit_median_ms, figures.commit_p99_ms, figures.commit_max_ms
            )
        };
        let lines = [
            format!(
                "{} document{} in {} transaction{}, {:.1} s{}",
                grouped(self.stores),
                plural(self.stores),
                grouped(transactions),
                plural(transactions),
                figures.seconds,
                self.stopped_by.map_or_else(String::new, |signal| format!("; stopped by {}", signal.name()))
            ),
            format!(
                "rate         {} documents/s, {}/s of keys and values",
                grouped(figures.documents_per_second),
                size(per_second(self.message_bytes, self.time))
            ),
            format!("generator    was waited for {waited} % of the time{hint}"),
            format!("to connector {}, as Stores", size(self.bytes)),
            format!("messages     {} of keys and values", size(self.message_bytes)),
            format!("on the wire  {sent}"),
            format!("commits      {commits}"),
            format!("peak memory  {memory}"),
        ];
        lines.map(|line| line + "\n").concat()
    }

    /// The figures as one JSON object.
    pub(super) fn json(&self) -> String {
        // Numbers and names of our own.
        serde_json::to_string(&self.figures()).unwrap_or_default()
    }

    fn figures(&self) -> Figures {
        let mut commits = self.commits.clone();
        commits.sort_unstable();
        // To the microsecond.
        let ms = |time: Duration| (time.as_secs_f64() * 1_000_000.0).round() / 1000.0;
        Figures {
            documents: self.stores,
            transactions: commits.len(),
            seconds: self.time.as_secs_f64(),
            waited_seconds: self.waited.as_secs_f64(),
            documents_per_second: per_second(self.stores, self.time),
            store_bytes: self.bytes,
            message_bytes: self.message_bytes,
            sent_bytes: self.sent_bytes,
            commit_median_ms: ms(percentile(&commits, 50)),
            commit_p99_ms: ms(percentile(&commits, 99)),
            commit_max_ms: ms(percentile(&commits, 100)),
            peak_memory_bytes: self.peak_memory,
            stopped_by: self.stopped_by.map(Signal::name),
        }
    }
}

/// How much of a whole that is, as it is added in a line; empty where there is no whole.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let permille = (u128::from(part) * 1000 + u128::from(whole) / 2) / u128::from(whole);
    format!(", {}.{} % of keys and values", permille / 10, permille % 10)
}

fn percent(part: Duration, whole: Duration) -> u128 {
    (part.as_nanos() * 100).checked_div(whole.as_nanos()).unwrap_or(0)
}

/// Percent of the time.
const WORTH_A_HINT: u128 = 10;

/// The least of ascending times that so many of a hundred do not exceed; zero if there are none.
fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_times_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        let of = |percent| percentile(&times, percent).as_millis();
        assert_eq!([of(50), of(99), of(100)], [100, 198, 200]);
        assert_eq!(percentile(&times[..1], 50).as_millis(), 1);
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }

    #[test]
    fn figures_are_shown_with_their_units() {
        let load = Load {
            stores: 1_500_000,
            bytes: 100_000_000,
            message_bytes: 192_300_000,
            sent_bytes: Some(60_123_456),
            sessions: 1,
            time: Duration::from_secs(3),
            waited: Duration::from_millis(299),
            commits: [30_000_400, 10_000_000, 20_000_000].map(Duration::from_nanos).to_vec(),
            peak_memory: Some(110 << 20),
            stopped_by: None,
        };
        let expected = "\
1,500,000 documents in 3 transactions, 3.0 s
rate         500,000 documents/s, 64.1 MB/s of keys and values
generator    was waited for 9 % of the time
to connector 100.0 MB, as Stores
messages     192.3 MB of keys and values
on the wire  60.1 MB, 31.3 % of keys and values; all requests to the brokers, compressed, with framing
commits      median 20.0 ms, p99 30.0 ms, max 30.0 ms
peak memory  110 MiB, the connector's process
";
        assert_eq!(load.text(), expected);
        let json: serde_json::Value = serde_json::from_str(&load.json()).unwrap();
        assert_eq!((&json["documents"], &json["commit_p99_ms"]), (&1_500_000.into(), &30.0.into()));
        assert_eq!(json["sent_bytes"], 60_123_456);
        assert_eq!(json["stopped_by"], serde_json::Value::Null);
        let stopped = Load { stopped_by: Some(Signal::Interrupt), ..load.clone() };
        assert!(
            stopped.text().starts_with("1,500,000 documents in 3 transactions, 3.0 s; stopped by SIGINT\n")
        );
        assert!(stopped.json().contains(r#""stopped_by":"SIGINT""#));
        let slow = Load { waited: Duration::from_millis(300), ..load.clone() };
        assert!(
            slow.text()
                .contains("\ngenerator    was waited for 10 % of the time, which held the rate back\n")
        );
        let unknown = Load { sent_bytes: None, ..load };
        assert!(unknown.text().contains("\non the wire  unknown: the connector did not tell in time\n"));
        assert_eq!(share(5, 0), "");
        assert!(Load::default().text().contains("\ncommits      none\n"));
        assert!(Load::default().text().ends_with("peak memory  unknown on this system\n"));
    }
}
