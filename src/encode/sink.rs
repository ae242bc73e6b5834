//! Where encoded bytes are appended: keys go into a `Vec<u8>`, values into a [`Buffer`].

use super::Buffer;

/// A destination that is appended to. Positions count from where a `Vec` or the current message begins.
pub(super) trait Sink {
    /// Makes sure that `additional` more bytes fit, so that what follows does not grow in steps.
    fn reserve(&mut self, additional: usize);

    /// Appends one byte.
    fn push(&mut self, byte: u8);

    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Appends the first `len` of `bytes`, at most `N`. All `N` are copied and the rest is taken back:
    /// a copy of constant size is a few stores, one of unknown size is a call.
    fn put_prefix<const N: usize>(&mut self, bytes: &[u8; N], len: usize);

    /// Where the next byte will be.
    fn position(&self) -> usize;

    /// Replaces the byte at `position`, which has been written.
    fn patch(&mut self, position: usize, byte: u8);
}

impl Sink for Vec<u8> {
    #[inline]
    fn reserve(&mut self, additional: usize) {
        Vec::reserve(self, additional);
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        Vec::push(self, byte);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn put_prefix<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        let end = self.len() + len;
        self.extend_from_slice(bytes);
        self.truncate(end);
    }

    #[inline]
    fn position(&self) -> usize {
        self.len()
    }

    #[inline]
    fn patch(&mut self, position: usize, byte: u8) {
        if let Some(place) = self.get_mut(position) {
            *place = byte;
        }
    }
}

impl Sink for Buffer {
    #[inline]
    fn reserve(&mut self, additional: usize) {
        Buffer::reserve(self, additional);
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        Buffer::push(self, byte);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        Buffer::put(self, bytes);
    }

    #[inline]
    fn put_prefix<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        Buffer::put_prefix(self, bytes, len);
    }

    #[inline]
    fn position(&self) -> usize {
        self.message().len()
    }

    #[inline]
    fn patch(&mut self, position: usize, byte: u8) {
        if let Some(place) = self.message_mut().get_mut(position) {
            *place = byte;
        }
    }
}
