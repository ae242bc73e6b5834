//! Stand-in.
use super::sink::Sink;
pub(super) fn write_float<S: Sink>(value: f64, out: &mut S) {
    if value.is_finite() {
        out.put(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.put(b"null");
    }
}
pub(super) fn write_integer<S: Sink, I: itoa::Integer>(value: I, out: &mut S) {
    out.put(itoa::Buffer::new().format(value).as_bytes());
}
