//! The memory that encoded values are written to.
//!
//! Finished messages in a [`Buffer`] never move: librdkafka reads them in place until their
//! delivery reports arrive. Only the message that is being written may move, to a larger
//! allocation, when there is no room behind the finished ones.
//!
//! ```text
//! bytes  |finished|finished|being written ...   |  (spare capacity)  |
//!                          ^ mark               ^ len                ^ capacity
//! ```
//!
//! What stays behind then is not the buffer's to drop: whoever lends messages takes it with
//! [`Buffer::take_outgrown`] before the message that has moved is finished.

/// An append-only region of finished messages, and one that is being written.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where the message that is being written begins.
    mark: usize,
    /// The allocation whose finished messages had to stay behind when the message that is being
    /// written outgrew it. At most one: afterwards `bytes` holds a single message and may move.
    outgrown: Option<Vec<u8>>,
}

impl Buffer {
    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), mark: 0, outgrown: None }
    }

    /// A buffer that writes into the spare capacity of `bytes`, whose contents are finished.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self { mark: bytes.len(), bytes, outgrown: None }
    }

    /// Ends the message that is being written; what follows is the next one. What the message has
    /// outgrown must have been taken, or the next one that grows would drop it.
    #[inline]
    pub fn finish(&mut self) {
        debug_assert!(self.outgrown.is_none(), "{LEFT_BEHIND}");
        self.mark = self.bytes.len();
    }

    /// Drops what has been written of the current message.
    pub fn abandon(&mut self) {
        self.bytes.truncate(self.mark);
    }

    /// Forgets everything, finished messages too, which nobody reads any more.
    pub fn restart(&mut self) {
        self.bytes.clear();
        self.mark = 0;
    }

    /// The message that is being written, so far.
    pub fn message(&self) -> &[u8] {
        self.bytes.get(self.mark..).unwrap_or_default()
    }

    /// The message that is being written, to mend what was written before.
    pub fn message_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.mark..).unwrap_or_default()
    }

    /// Bytes of finished messages and of the current one.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written since the allocation was taken.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that the allocation can hold.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The allocation with the finished messages that the current message has outgrown, if it has.
    pub fn take_outgrown(&mut self) -> Option<Vec<u8>> {
        self.outgrown.take()
    }

    /// The allocation itself. What the message in it has outgrown must have been taken.
    pub fn into_vec(self) -> Vec<u8> {
        assert!(self.outgrown.is_none(), "{LEFT_BEHIND}");
        self.bytes
    }

    /// Makes sure that `additional` more bytes fit.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() < additional {
            self.grow(additional);
        }
    }

    /// Appends one byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.reserve(1);
        self.bytes.push(byte);
    }

    /// Appends `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends the first `len` of `bytes`, at most `N`. All `N` are copied and the rest is taken back:
    /// a copy of constant size is a few stores, one of unknown size is a call.
    #[inline]
    pub fn put_prefix<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.reserve(N);
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(bytes);
        self.bytes.truncate(end);
    }

    /// Takes back what the current message has beyond its first `len` bytes.
    #[inline]
    pub fn shorten(&mut self, len: usize) {
        self.bytes.truncate(self.mark.saturating_add(len));
    }

    #[cold]
    fn grow(&mut self, additional: usize) {
        let needed = self.message().len().saturating_add(additional);
        // Half as much again, so that a long message is copied a few times at most; one that
        // outgrows the first chunk gets at least another chunk of the same size.
        let capacity = needed.saturating_add(needed / 2).max(self.bytes.capacity().min(FIRST_GROWTH));
        let mut larger = Vec::with_capacity(capacity);
        larger.extend_from_slice(self.message());
        let mut old = std::mem::replace(&mut self.bytes, larger);
        old.truncate(self.mark);
        if self.mark > 0 {
            // Rather than free what is being read.
            assert!(self.outgrown.is_none(), "{LEFT_BEHIND}");
            self.outgrown = Some(old);
        }
        self.mark = 0;
    }
}

const LEFT_BEHIND: &str =
    "the messages that stayed behind were not taken: whoever reads them would lose them";

/// Bytes above which a growing message is not given the room of its old allocation for free.
const FIRST_GROWTH: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_messages_stay_where_they_are() {
        let mut buffer = Buffer::with_capacity(16);
        buffer.put(b"0123456789");
        let place = buffer.message().as_ptr();
        buffer.finish();
        buffer.put(b"abc");
        buffer.put(b"defghijklmnop");
        let old = buffer.take_outgrown().expect("the second message did not fit");
        assert_eq!((old.as_ptr(), &old[..]), (place, &b"0123456789"[..]));
        assert_eq!(buffer.message(), b"abcdefghijklmnop");
        for _ in 0..100 {
            buffer.put(b"0123456789");
        }
        assert!(buffer.take_outgrown().is_none(), "a message alone in its allocation may move");
        assert_eq!(buffer.len(), 1016);
    }

    #[test]
    fn a_prefix_leaves_the_rest_behind_and_grows_like_any_other() {
        let mut buffer = Buffer::with_capacity(16);
        buffer.put_prefix(b"01234567", 3);
        buffer.put_prefix(b"01234567", 0);
        buffer.put_prefix(b"abcdefgh", 8);
        assert_eq!(buffer.message(), b"012abcdefgh");
        let place = buffer.message().as_ptr();
        buffer.finish();
        buffer.put_prefix(b"ABCDEFGH", 2);
        let old = buffer.take_outgrown().expect("the whole of the array did not fit behind 11 of 16 bytes");
        assert_eq!((old.as_ptr(), &old[..]), (place, &b"012abcdefgh"[..]));
        assert_eq!(buffer.message(), b"AB");
    }

    #[test]
    fn a_shortened_message_keeps_its_start_and_what_is_finished() {
        let mut buffer = Buffer::with_capacity(64);
        buffer.put(b"one");
        buffer.finish();
        buffer.put(b"twofold");
        buffer.shorten(3);
        buffer.shorten(usize::MAX);
        assert_eq!(buffer.message(), b"two");
        buffer.shorten(0);
        assert_eq!((buffer.message(), buffer.len()), (&b""[..], 3));
    }

    #[test]
    #[should_panic(expected = "the messages that stayed behind were not taken")]
    fn messages_that_stayed_behind_are_not_dropped_with_the_buffer() {
        let mut buffer = outgrown();
        buffer.abandon();
        drop(buffer.into_vec());
    }

    #[test]
    #[should_panic(expected = "the messages that stayed behind were not taken")]
    #[cfg(debug_assertions)]
    fn a_message_that_has_moved_is_not_finished_before_what_stayed_behind_is_taken() {
        outgrown().finish();
    }

    #[test]
    #[should_panic(expected = "the messages that stayed behind were not taken")]
    fn messages_that_stayed_behind_are_not_dropped_for_others() {
        let mut buffer = outgrown();
        // As without the check in `finish`, which a release has not.
        buffer.mark = buffer.len();
        buffer.reserve(buffer.capacity());
    }

    /// A buffer that has left a finished message behind.
    fn outgrown() -> Buffer {
        let mut buffer = Buffer::with_capacity(8);
        buffer.put(b"finished");
        buffer.finish();
        buffer.put(b"moved");
        buffer
    }

    #[test]
    fn an_abandoned_message_leaves_no_trace() {
        let mut buffer = Buffer::with_capacity(64);
        buffer.put(b"one");
        buffer.finish();
        buffer.put(b"two");
        buffer.abandon();
        buffer.put(b"three");
        assert_eq!(buffer.into_vec(), b"onethree");
    }
}
