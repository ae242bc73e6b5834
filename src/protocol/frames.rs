//! The buffer that a stream is read into, and the frames in it.
//!
//! ```text
//! buffer  | handed out | frame | frame | part of a frame |   room to read into   |
//!         0            ^ start                           ^ end                   ^ len
//! ```
//!
//! Reads go straight into the room behind `end`, as much at a time as the input gives. Frames are
//! handed out in place. When the room is short, the part of a frame that is left moves to the front:
//! the only copy there is. A frame that is longer than the buffer makes it grow, but only when the
//! bytes that have come fill it, whatever length the frame claims.

use std::io::{self, Read};
use std::ops::Range;

use super::{Codec, Error, MAX_FRAME};

/// A stream of frames.
pub(super) struct Frames<R> {
    input: R,
    codec: Option<Codec>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Up to where there is no newline (JSON).
    scanned: usize,
    /// Where in the stream `start` is.
    position: u64,
    ended: bool,
}

/// A frame in the buffer.
#[derive(Debug)]
pub(super) struct Frame {
    /// Where it begins in the stream, its length included.
    pub(super) at: u64,
    /// Where its contents begin in the stream.
    pub(super) contents_at: u64,
    /// Its contents in the buffer.
    pub(super) range: Range<usize>,
    pub(super) codec: Codec,
}

impl<R: Read> Frames<R> {
    /// Frames of `input`; without a codec the first frame decides.
    pub(super) fn new(input: R, codec: Option<Codec>) -> Self {
        let buffer = vec![0; FIRST];
        Self { input, codec, buffer, start: 0, end: 0, scanned: 0, position: 0, ended: false }
    }

    /// The codec, once it is known.
    pub(super) fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The next frame, for which the input is read if it is not in the buffer. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.buffered()? {
                let contents = u64_from(frame.range.end) - u64_from(frame.range.start);
                let newline = u64::from(frame.codec == Codec::Json);
                self.start = frame.range.end + usize::from(frame.codec == Codec::Json);
                self.position = frame.contents_at + contents + newline;
                return Ok(Some(frame));
            }
            if !self.fill()? {
                return self.ended();
            }
        }
    }

    /// Whether [`next`](Self::next) will not touch the input.
    pub(super) fn has_frame(&mut self) -> bool {
        // An error is found without the input, too.
        !matches!(self.buffered(), Ok(None))
    }

    /// The contents of a frame that [`next`](Self::next) gave last.
    pub(super) fn contents(&self, frame: &Frame) -> &[u8] {
        self.buffer.get(frame.range.clone()).unwrap_or_default()
    }

    #[inline]
    fn buffered(&mut self) -> Result<Option<Frame>, Error> {
        if self.codec.is_none() {
            self.codec = self.detect();
        }
        match self.codec {
            None => Ok(None),
            Some(Codec::Proto) => self.message(),
            Some(Codec::Json) => self.line(),
        }
    }

    /// `{` begins a line, but also the length of a message of 123 bytes. Four bytes tell: as a length
    /// those of a line are greater than any, since no text has a byte as low as the last one must be.
    fn detect(&self) -> Option<Codec> {
        let held = self.held();
        match (held.first()?, held.first_chunk::<4>()) {
            (b'{', None) => None,
            (b'{', Some(length)) if usize_from(u32::from_le_bytes(*length)) > MAX_FRAME => Some(Codec::Json),
            _ => Some(Codec::Proto),
        }
    }

    #[inline]
    fn message(&mut self) -> Result<Option<Frame>, Error> {
        let held = self.held();
        let Some(prefix) = held.first_chunk::<4>() else { return Ok(None) };
        let claimed = u32::from_le_bytes(*prefix);
        let length = usize_from(claimed);
        if length > MAX_FRAME {
            return Err(Error::TooLong { at: self.position, length: claimed });
        }
        if held.len() - 4 < length {
            return Ok(None);
        }
        let from = self.start + 4;
        Ok(Some(Frame {
            at: self.position,
            contents_at: self.position + 4,
            range: from..from + length,
            codec: Codec::Proto,
        }))
    }

    fn line(&mut self) -> Result<Option<Frame>, Error> {
        // Blank lines and indentation are no part of any line.
        let blank =
            self.held().iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.start += blank;
        self.position += u64_from(blank);
        let from = self.scanned.max(self.start);
        let newline = memchr::memchr(b'\n', self.buffer.get(from..self.end).unwrap_or_default());
        self.scanned = newline.map_or(self.end, |newline| from + newline);
        if self.scanned - self.start > MAX_FRAME {
            return Err(Error::LineTooLong { at: self.position });
        }
        Ok(newline.map(|_| Frame {
            at: self.position,
            contents_at: self.position,
            range: self.start..self.scanned,
            codec: Codec::Json,
        }))
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// What the end of the input means.
    #[cold]
    fn ended(&self) -> Result<Option<Frame>, Error> {
        let (at, held) = (self.position, self.held());
        if held.is_empty() {
            return Ok(None);
        }
        match (self.codec, held.first_chunk::<4>()) {
            (None | Some(Codec::Json), _) => Err(Error::TruncatedLine { at, had: held.len() }),
            (Some(Codec::Proto), None) => Err(Error::TruncatedLength { at, had: held.len() }),
            (Some(Codec::Proto), Some(length)) => {
                let length = usize_from(u32::from_le_bytes(*length));
                Err(Error::Truncated { at, had: held.len() - 4, length })
            }
        }
    }

    /// Reads once; whether anything came.
    pub(super) fn fill(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.input.read(room) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(read) => {
                    // A reader that claims more than there was room for is not believed.
                    self.end += read.min(room.len());
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let at = self.position + u64_from(self.held().len());
                    return Err(Error::Read { at, source });
                }
            }
        }
    }

    fn make_room(&mut self) {
        let held = self.held().len();
        if self.buffer.len() > KEPT && held < FIRST / 2 {
            self.resize(FIRST);
        } else if self.start > 0 && (held == 0 || self.buffer.len() - self.end < SHORT) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.moved(held);
        }
        if self.end == self.buffer.len() {
            self.resize((self.buffer.len() * 2).min(LONGEST));
        }
    }

    /// Goes on with a buffer of `length` bytes, which are more than are held.
    fn resize(&mut self, length: usize) {
        let held = self.held();
        let count = held.len();
        // Not `Vec::resize`: fresh zeroed memory costs nothing until it is used.
        let mut buffer = vec![0; length];
        if let Some(front) = buffer.get_mut(..count) {
            front.copy_from_slice(held);
        }
        self.buffer = buffer;
        self.moved(count);
    }

    /// What was held is at the front now.
    fn moved(&mut self, held: usize) {
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        self.end = held;
    }
}

fn usize_from(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn u64_from(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Bytes of the buffer at first. Four times what a pipe holds, so that what is left of a frame moves
/// once in four reads.
const FIRST: usize = 256 << 10;

/// With less room than this, what a pipe gives at a time, reads would be short.
const SHORT: usize = 64 << 10;

/// A buffer that has grown beyond this goes back to [`FIRST`] when its frame is done. Up to here it
/// stays: a stream of documents of a megabyte would make it grow again and again.
const KEPT: usize = 4 << 20;

/// The longest frame and its length, or a line and its newline with some bytes of the next.
const LONGEST: usize = MAX_FRAME + 4;

#[cfg(test)]
mod tests;
