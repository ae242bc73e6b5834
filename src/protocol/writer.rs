//! The two sides' writers: a message becomes one frame and one write.

use std::io::Write;

use serde::Serialize;

use super::messages::{Request, Response};
use super::{Codec, Error, MAX_FRAME};

/// The connector's side: writes responses.
pub struct ResponseWriter<W: Write> {
    frames: FrameWriter<W>,
}

impl<W: Write> ResponseWriter<W> {
    /// Writes to `output`.
    pub fn new(output: W, codec: Codec) -> Self {
        Self { frames: FrameWriter { output, codec, pending: Vec::new() } }
    }

    /// Writes a response in one frame, with one write, and flushes it.
    ///
    /// # Errors
    ///
    /// There is no message in the response, or more than one; a JSON text in it is no JSON (JSON
    /// codec); it is longer than [`MAX_FRAME`]; or the output fails. Nothing is written but in the last
    /// case.
    pub fn send(&mut self, response: &Response) -> Result<(), Error> {
        let name = only(response.names(), "a response")?;
        self.frames.append(response, name)?;
        self.frames.flush(name)
    }
}

/// The runtime's side: writes requests.
pub struct RequestWriter<W: Write> {
    frames: FrameWriter<W>,
}

impl<W: Write> RequestWriter<W> {
    /// Writes to `output`.
    pub fn new(output: W, codec: Codec) -> Self {
        Self { frames: FrameWriter { output, codec, pending: Vec::new() } }
    }

    /// Writes a request, behind those that are pending, and flushes it.
    ///
    /// # Errors
    ///
    /// As those of [`ResponseWriter::send`].
    pub fn send(&mut self, request: &Request) -> Result<(), Error> {
        let name = only(request.names(), "a request")?;
        self.frames.append(request, name)?;
        self.frames.flush(name)
    }

    /// Keeps a request for the next write, which comes when there is enough, or with
    /// [`send`](Self::send) or [`flush`](Self::flush). For Stores, which nobody answers.
    ///
    /// # Errors
    ///
    /// As those of [`ResponseWriter::send`].
    pub fn push(&mut self, request: &Request) -> Result<(), Error> {
        let name = only(request.names(), "a request")?;
        self.frames.append(request, name)?;
        if self.frames.pending.len() >= ENOUGH { self.frames.write(name) } else { Ok(()) }
    }

    /// Writes whole frames that were made elsewhere, behind those that are pending.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn push_frames(&mut self, frames: &[u8]) -> Result<(), Error> {
        const NAME: &str = "frames";
        self.frames.flush(NAME)?;
        self.frames.output.write_all(frames).map_err(|source| Error::Write { name: NAME, source })
    }

    /// Writes what is pending.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.frames.flush("pending requests")
    }

    /// Writes what is pending and gives the output back, so that it can be closed.
    ///
    /// # Errors
    ///
    /// The output fails.
    pub fn into_inner(mut self) -> Result<W, Error> {
        self.flush()?;
        Ok(self.frames.output)
    }
}

struct FrameWriter<W> {
    output: W,
    codec: Codec,
    /// Whole frames that are not written yet.
    pending: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    fn append(
        &mut self,
        message: &(impl prost::Message + Serialize),
        name: &'static str,
    ) -> Result<(), Error> {
        let from = self.pending.len();
        let appended = match self.codec {
            Codec::Proto => self.append_message(message, name),
            Codec::Json => self.append_line(message, name),
        };
        if appended.is_err() {
            self.pending.truncate(from);
        }
        appended
    }

    fn append_message(&mut self, message: &impl prost::Message, name: &'static str) -> Result<(), Error> {
        let length = message.encoded_len();
        let prefix = checked(length, name)?;
        self.pending.reserve(4 + length);
        self.pending.extend_from_slice(&prefix.to_le_bytes());
        message.encode(&mut self.pending).map_err(|e| Error::Encode { name, reason: e.to_string() })
    }

    fn append_line(&mut self, message: &impl Serialize, name: &'static str) -> Result<(), Error> {
        let from = self.pending.len();
        serde_json::to_writer(&mut self.pending, message).map_err(|e| Error::Encode {
            name,
            reason: format!("a JSON text in it is not JSON, or a time out of range: {e}"),
        })?;
        let line = self.pending.get_mut(from..).unwrap_or_default();
        checked(line.len(), name)?;
        // Newlines of an inlined text: outside of strings, where they are white space, as JSON has none
        // inside.
        let mut rest = line;
        while let Some((newline, behind)) =
            memchr::memchr(b'\n', rest).and_then(|at| rest.get_mut(at..)?.split_first_mut())
        {
            *newline = b' ';
            rest = behind;
        }
        self.pending.push(b'\n');
        Ok(())
    }

    fn write(&mut self, name: &'static str) -> Result<(), Error> {
        let written = self.output.write_all(&self.pending).map_err(|source| Error::Write { name, source });
        self.pending.clear();
        self.pending.shrink_to(2 * ENOUGH);
        written
    }

    fn flush(&mut self, name: &'static str) -> Result<(), Error> {
        if !self.pending.is_empty() {
            self.write(name)?;
        }
        self.output.flush().map_err(|source| Error::Write { name, source })
    }
}

fn only(mut names: impl Iterator<Item = &'static str>, kind: &'static str) -> Result<&'static str, Error> {
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => Err(Error::Encode { name: kind, reason: "it has no message; expected one".into() }),
        (Some(first), Some(second)) => Err(Error::Encode {
            name: kind,
            reason: format!("it has the messages {first} and {second}; expected one"),
        }),
    }
}

/// The length of a frame as it is written before it.
fn checked(length: usize, name: &'static str) -> Result<u32, Error> {
    match u32::try_from(length) {
        Ok(prefix) if length <= MAX_FRAME => Ok(prefix),
        _ => Err(Error::Encode {
            name,
            reason: format!("it has {length} bytes; a frame has at most {MAX_FRAME}"),
        }),
    }
}

/// Bytes that are worth a write.
const ENOUGH: usize = 64 << 10;

#[cfg(test)]
mod tests;
