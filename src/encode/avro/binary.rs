//! The primitives of Avro's binary encoding, over whatever collects the bytes.

use crate::encode::Buffer;
use crate::encode::sink::Sink;

/// A destination in which what has been written can be mended.
pub(super) trait Mend: Sink {
    /// What has been written from `position` on.
    fn tail_mut(&mut self, position: usize) -> &mut [u8];

    /// Takes back what has been written from `position` on.
    fn shorten(&mut self, position: usize);
}

impl Mend for Vec<u8> {
    #[inline]
    fn tail_mut(&mut self, position: usize) -> &mut [u8] {
        self.get_mut(position..).unwrap_or_default()
    }

    #[inline]
    fn shorten(&mut self, position: usize) {
        self.truncate(position);
    }
}

impl Mend for Buffer {
    #[inline]
    fn tail_mut(&mut self, position: usize) -> &mut [u8] {
        self.message_mut().get_mut(position..).unwrap_or_default()
    }

    #[inline]
    fn shorten(&mut self, position: usize) {
        Buffer::shorten(self, position);
    }
}

/// The most bytes that a 64-bit varint takes.
const MAX_VARINT: usize = 10;

/// Writes an `int` or `long`, zig-zag and as a varint.
#[inline]
pub(super) fn write_long<S: Sink>(value: i64, out: &mut S) {
    write_varint(zigzag(value), out);
}

/// Writes a length, a count or a branch number.
#[inline]
pub(super) fn write_length<S: Sink>(length: usize, out: &mut S) {
    write_varint(length_varint(length), out);
}

/// Writes a `double`.
#[inline]
pub(super) fn write_double<S: Sink>(value: f64, out: &mut S) {
    out.put(&value.to_le_bytes());
}

/// Writes a `string`.
#[inline]
pub(super) fn write_text<S: Sink>(text: &str, out: &mut S) {
    write_length(text.len(), out);
    out.put(text.as_bytes());
}

/// Writes a `string` whose length is known only when `write` has written it. `least` is a length
/// that it must not fall short of: where that takes as many bytes to say as the true length,
/// nothing has to be moved afterwards.
#[inline]
pub(super) fn write_measured<S: Mend, E>(
    least: usize,
    out: &mut S,
    write: impl FnOnce(&mut S) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.position();
    let guessed = varint_len(length_varint(least));
    out.put_prefix(&[0; MAX_VARINT], guessed);
    write(out)?;
    let length = out.position() - start - guessed;
    mend_length(start, guessed, length, out);
    Ok(())
}

/// Puts `length` where `room` bytes were left for it at `start`, and moves what is behind if that is
/// not enough.
#[inline]
pub(super) fn mend_length<S: Mend>(start: usize, room: usize, length: usize, out: &mut S) {
    let (bytes, needed) = varint(length_varint(length));
    debug_assert!(needed >= room, "more room was left than a length of {length} needs");
    if needed > room {
        make_room(start + room, needed - room, out);
    }
    for (to, from) in out.tail_mut(start).iter_mut().zip(bytes.into_iter().take(needed)) {
        *to = from;
    }
}

#[cold]
fn make_room<S: Mend>(at: usize, more: usize, out: &mut S) {
    let moved = out.position() - at;
    out.put_prefix(&[0; MAX_VARINT], more);
    out.tail_mut(at).copy_within(..moved, more);
}

#[inline]
fn write_varint<S: Sink>(value: u64, out: &mut S) {
    if value < 0x80 {
        return out.push(low_bits(value));
    }
    let (bytes, len) = varint(value);
    out.put_prefix(&bytes, len);
}

/// The bytes of a varint, and how many they are.
#[inline]
fn varint(mut value: u64) -> ([u8; MAX_VARINT], usize) {
    let mut bytes = [0; MAX_VARINT];
    let mut len = 0;
    for byte in &mut bytes {
        len += 1;
        if value < 0x80 {
            *byte = low_bits(value);
            break;
        }
        *byte = low_bits(value) | 0x80;
        value >>= 7;
    }
    (bytes, len)
}

#[inline]
fn varint_len(value: u64) -> usize {
    // Ten bytes hold 70 bits; the or makes zero take one byte like any other small number.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline]
#[expect(clippy::cast_sign_loss, reason = "zig-zag keeps the sign in the lowest bit")]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn length_varint(length: usize) -> u64 {
    // Lengths of what is in memory are below 2^63, so doubling them loses nothing.
    (length as u64) << 1
}

#[inline]
fn low_bits(value: u64) -> u8 {
    (value & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_long(value, &mut out);
        out
    }

    #[test]
    fn longs() {
        assert_eq!(long(0), [0]);
        assert_eq!(long(-1), [1]);
        assert_eq!(long(1), [2]);
        assert_eq!(long(63), [0x7e]);
        assert_eq!(long(64), [0x80, 0x01]);
        assert_eq!(long(-64), [0x7f]);
        assert_eq!(long(8_675_309), [0xda, 0xff, 0xa2, 0x08]);
        assert_eq!(long(i64::MIN), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert_eq!(long(i64::MAX), [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    }

    #[test]
    fn varint_lengths_agree_with_what_is_written() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1u64 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                write_varint(value, &mut out);
                assert_eq!(out.len(), varint_len(value), "{value}");
            }
        }
    }

    #[test]
    fn measured_texts_equal_plain_ones_whatever_was_guessed_below() {
        for length in [0, 1, 63, 64, 100, 8191, 8192, 20_000] {
            let text = "x".repeat(length);
            let mut plain = b"before".to_vec();
            write_text(&text, &mut plain);
            for least in [0, 1, 63, 64, length] {
                if least > length {
                    continue;
                }
                let mut out = b"before".to_vec();
                let written: Result<(), ()> = write_measured(least, &mut out, |out| {
                    out.put(text.as_bytes());
                    Ok(())
                });
                assert_eq!((written, &out), (Ok(()), &plain), "{length} guessed {least}");
            }
        }
    }
}
