//! Stand-in.
use super::sink::Sink;
pub(super) fn write_string<S: Sink>(value: &str, out: &mut S) {
    out.put(serde_json::to_string(value).unwrap_or_default().as_bytes());
}
