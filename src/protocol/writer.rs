//! The two sides' writers: a message becomes one frame and one write.

use std::io::Write;

use bytes::Bytes;
use prost::encoding::{encode_varint, encoded_len_varint};
use serde::Serialize;

use super::messages::{Request, Response, request};
use super::proto::STORE_TAG;
use super::{Codec, Error, MAX_FRAME, Store, Tuple};

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

    /// As [`push`](Self::push), a Store whose fields are read where they are. In the codec of its fields.
    ///
    /// # Errors
    ///
    /// As those of [`ResponseWriter::send`]; fields in the form of another codec.
    pub fn push_store(&mut self, store: &Store<'_>) -> Result<(), Error> {
        const NAME: &str = "store";
        match (self.frames.codec, store.key, store.values) {
            (Codec::Proto, Tuple::Packed(key), Tuple::Packed(values)) => {
                self.frames.append_store(store, key, values)?;
                if self.frames.pending.len() >= ENOUGH { self.frames.write(NAME) } else { Ok(()) }
            }
            (Codec::Json, Tuple::Json(key), Tuple::Json(values)) => {
                let store = request::Store {
                    binding: store.binding,
                    key_json: Bytes::copy_from_slice(key),
                    values_json: Bytes::copy_from_slice(values),
                    doc_json: Bytes::copy_from_slice(store.doc),
                    exists: store.exists,
                    delete: store.delete,
                    ..request::Store::default()
                };
                self.push(&store.into())
            }
            _ => {
                Err(Error::Encode { name: NAME, reason: "its fields have the form of another codec".into() })
            }
        }
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

    /// The frame of a Request with this Store, as prost writes it.
    fn append_store(&mut self, store: &Store<'_>, key: &[u8], values: &[u8]) -> Result<(), Error> {
        const NAME: &str = "store";
        let fields = [(0x1a, key), (0x2a, values), (0x32, store.doc)];
        let flags = [(0x38, store.exists), (0x40, store.delete)];
        let number = |number: usize| number as u64;
        let binding = if store.binding == 0 { 0 } else { 1 + encoded_len_varint(store.binding.into()) };
        let of_field = |(_, bytes): &(u8, &[u8])| match bytes.len() {
            0 => 0,
            length => 1 + encoded_len_varint(number(length)) + length,
        };
        let of_flags = 2 * flags.iter().filter(|(_, is_set)| *is_set).count();
        let length = binding + fields.iter().map(of_field).sum::<usize>() + of_flags;
        let prefix = checked(1 + encoded_len_varint(number(length)) + length, NAME)?;

        let out = &mut self.pending;
        out.reserve(16 + length);
        out.extend_from_slice(&prefix.to_le_bytes());
        out.push(STORE_TAG);
        encode_varint(number(length), out);
        if store.binding != 0 {
            out.push(0x08);
            encode_varint(store.binding.into(), out);
        }
        for (tag, bytes) in fields.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            out.push(tag);
            encode_varint(number(bytes.len()), out);
            out.extend_from_slice(bytes);
        }
        for (tag, _) in flags.into_iter().filter(|(_, is_set)| *is_set) {
            out.extend_from_slice(&[tag, 1]);
        }
        Ok(())
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
