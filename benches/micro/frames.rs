//! Stores as frames, and a stream of them that does not end.

use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;
use materialize_kafka::protocol::messages::{Request, request};
use materialize_kafka::protocol::{Codec, RequestWriter};

use super::documents::{Packed, Scenario};
use super::tuple;

/// An input that gives the same frames again and again, as much at a time as a pipe.
pub struct Endless {
    frames: Vec<u8>,
    at: usize,
}

impl Endless {
    /// Frames of as many of the scenario's Stores as fit a cache; and at least two.
    pub fn new(scenario: &Scenario, codec: Codec) -> Self {
        let mut frames = Vec::new();
        for (i, store) in scenario.stores.iter().enumerate() {
            let frame = frame(store, codec);
            if i >= 2 && frames.len() + frame.len() > AT_HAND {
                break;
            }
            frames.extend(frame);
        }
        Self { frames, at: 0 }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.frames[self.at..];
        let count = buffer.len().min(rest.len()).min(PIPE);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.frames.len();
        Ok(count)
    }
}

/// The bytes of a frame in the scenario, on average.
pub fn size(scenario: &Scenario, codec: Codec) -> usize {
    let frames = scenario.stores.iter().map(|store| frame(store, codec).len());
    frames.sum::<usize>() / scenario.stores.len()
}

/// The obvious reader: `prost` for messages, `serde_json` for lines.
pub struct Obvious {
    input: BufReader<Endless>,
    codec: Codec,
    line: Vec<u8>,
}

impl Obvious {
    /// A reader of the scenario's frames.
    pub fn new(scenario: &Scenario, codec: Codec) -> Self {
        let input = BufReader::with_capacity(PIPE, Endless::new(scenario, codec));
        Self { input, codec, line: Vec::new() }
    }

    /// The next Store. Its texts share the frame's memory, where the crate can have them do so.
    pub fn next(&mut self) -> request::Store {
        let request: Request = match self.codec {
            Codec::Proto => {
                let mut length = [0; 4];
                self.input.read_exact(&mut length).expect("it does not end");
                let mut frame = vec![0; usize::try_from(u32::from_le_bytes(length)).expect("64 bits")];
                self.input.read_exact(&mut frame).expect("it does not end");
                prost::Message::decode(Bytes::from(frame)).expect("frames are whole")
            }
            Codec::Json => {
                self.line.clear();
                self.input.read_until(b'\n', &mut self.line).expect("it does not end");
                serde_json::from_slice(&self.line).expect("lines are whole")
            }
        };
        request.store.expect("all are Stores")
    }
}

fn frame(store: &Packed, codec: Codec) -> Vec<u8> {
    let mut request = request::Store { doc_json: store.doc.clone().into(), ..request::Store::default() };
    match codec {
        Codec::Proto => {
            request.key_packed = store.key.clone().into();
            request.values_packed = store.values.clone().into();
        }
        Codec::Json => {
            let [key, values] = tuple::json(store);
            request.key_json = key.into();
            request.values_json = values.into();
        }
    }
    let mut writer = RequestWriter::new(Vec::new(), codec);
    writer.push(&request.into()).expect("a Store can be written");
    writer.into_inner().expect("memory can be written to")
}

/// Bytes that a pipe gives at a time.
pub const PIPE: usize = 64 << 10;

/// Bytes that stay in a core's own cache, as what has just come through a pipe does.
const AT_HAND: usize = 256 << 10;
