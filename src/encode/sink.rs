//! What encoders write to: the key's vector or the value's buffer.

use super::Buffer;

/// Collects the bytes of one message.
pub(super) trait Sink {
    /// Appends one byte.
    fn push(&mut self, byte: u8);
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);
    /// What has been written so far.
    fn written(&self) -> &[u8];
    /// What has been written so far, to mend it.
    fn written_mut(&mut self) -> &mut [u8];
}

impl Sink for Vec<u8> {
    #[inline]
    fn push(&mut self, byte: u8) {
        Vec::push(self, byte);
    }
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    #[inline]
    fn written(&self) -> &[u8] {
        self
    }
    #[inline]
    fn written_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Sink for Buffer {
    #[inline]
    fn push(&mut self, byte: u8) {
        Buffer::push(self, byte);
    }
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        Buffer::put(self, bytes);
    }
    #[inline]
    fn written(&self) -> &[u8] {
        self.message()
    }
    #[inline]
    fn written_mut(&mut self) -> &mut [u8] {
        self.message_mut()
    }
}
