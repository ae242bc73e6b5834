//! What can go wrong between a stream of bytes and its messages.

use std::io;

use super::{Codec, MAX_FRAME};

/// A stream could not be read or written.
///
/// Offsets are bytes from the beginning of the stream, or of the frame (without its length) where a
/// field says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment asks for a codec that does not exist.
    #[error(
        "reading the environment variable FLOW_RUNTIME_CODEC: it is {value:?}; expected \"proto\" or \
         \"json\"; unset it to let the first frame decide"
    )]
    UnknownCodec {
        /// The variable's value.
        value: String,
    },

    /// The input could not be read.
    #[error("reading the input at byte {at}: {source}")]
    Read {
        /// Bytes of the stream that had been read.
        at: u64,
        /// What the operating system said.
        source: io::Error,
    },

    /// The input ended inside the length of a frame.
    #[error(
        "reading the frame at byte {at}: the input ended after {had} of the 4 bytes of its length; \
         a stream must end between frames, so the sender stopped early"
    )]
    TruncatedLength {
        /// Where the frame begins.
        at: u64,
        /// Bytes of the length that had come.
        had: usize,
    },

    /// The input ended inside a protobuf frame.
    #[error(
        "reading the frame at byte {at}: the input ended after {had} of its {length} bytes; \
         a stream must end between frames, so the sender stopped early"
    )]
    Truncated {
        /// Where the frame begins, its length included.
        at: u64,
        /// Bytes of the message that had come.
        had: usize,
        /// Bytes of the message.
        length: usize,
    },

    /// The input ended inside a JSON line.
    #[error(
        "reading the line at byte {at}: the input ended after {had} bytes without a newline; \
         a stream must end between lines, so the sender stopped early"
    )]
    TruncatedLine {
        /// Where the line begins.
        at: u64,
        /// Bytes of the line that had come.
        had: usize,
    },

    /// A frame says that it is longer than [`MAX_FRAME`].
    #[error(
        "reading the frame at byte {at}: its length is {length} bytes, at most {MAX_FRAME} are accepted; \
         where the document is that large, shorten it; where the input is not protobuf, \
         set FLOW_RUNTIME_CODEC=json"
    )]
    TooLong {
        /// Where the frame begins.
        at: u64,
        /// The length that it claims.
        length: u32,
    },

    /// A JSON line is longer than [`MAX_FRAME`].
    #[error(
        "reading the line at byte {at}: there is no newline in its first {MAX_FRAME} bytes, which is the \
         limit; where the document is that large, shorten it; where the input is not JSON, \
         set FLOW_RUNTIME_CODEC=proto"
    )]
    LineTooLong {
        /// Where the line begins.
        at: u64,
    },

    /// A frame is not what the protocol calls for.
    #[error(
        "decoding the {codec} frame at byte {at}: {fault} (byte {offset} of {length}, {position} of the stream); \
         the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC={codec}",
        codec = codec.name()
    )]
    Malformed {
        /// The codec that the frame was taken to be in.
        codec: Codec,
        /// Where the frame begins.
        at: u64,
        /// The frame's length in bytes.
        length: usize,
        /// Where in the frame it went wrong.
        offset: usize,
        /// Where in the stream it went wrong.
        position: u64,
        /// What is wrong.
        fault: Fault,
    },

    /// A message could not be put into a frame.
    #[error("encoding {name}: {reason}")]
    Encode {
        /// What the protocol calls the message.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },

    /// A frame could not be written.
    #[error("writing {name}: {source}; the process at the other end has closed the stream or failed")]
    Write {
        /// What the protocol calls the message.
        name: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is wrong with a frame.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A varint ends nowhere, or holds more than 64 bits.
    #[error("a varint of more than 64 bits")]
    Varint,
    /// A field is longer than what it stands in.
    #[error("a field of {wanted} bytes where {left} are left")]
    Cut {
        /// Bytes that the field says it has.
        wanted: u64,
        /// Bytes that there are.
        left: usize,
    },
    /// The message ends inside a varint.
    #[error("the message ends inside a varint")]
    CutVarint,
    /// A field key whose number protobuf does not know.
    #[error("a field key of {0}; field numbers are 1 to 536870911")]
    Key(u64),
    /// A wire type that protobuf does not know.
    #[error("field {field} has the unknown wire type {wire}")]
    UnknownWire {
        /// The field's number.
        field: u32,
        /// Its wire type.
        wire: u8,
    },
    /// A field that is known has a wire type other than its own.
    #[error("field {field} has the wire type {wire}, expected {expected}")]
    Wire {
        /// The field's number.
        field: u32,
        /// The wire type that came.
        wire: u8,
        /// The wire type of the field.
        expected: u8,
    },
    /// The end of a group that has not begun.
    #[error("the end of group {0}, which is not the one that is open")]
    GroupEnd(u32),
    /// A group that is not ended.
    #[error("group {0} has no end")]
    OpenGroup(u32),
    /// Groups within groups within groups.
    #[error("groups are nested deeper than {0}")]
    GroupDepth(usize),
    /// A binding index that is no 32-bit integer.
    #[error("the binding index {0} has more than 32 bits")]
    Binding(u64),
    /// A message that prost could not decode.
    #[error("{0}")]
    Message(prost::DecodeError),
    /// A line that is not UTF-8.
    #[error("the line is not UTF-8")]
    Utf8,
    /// A line that is not JSON.
    #[error("the line is not JSON: expected {expected}, came {came}")]
    Json {
        /// What JSON permits here.
        expected: &'static str,
        /// What is there.
        came: Came,
    },
    /// A member of a Store has another type than the protocol gives it.
    #[error("member {member:?} of store is not {expected}")]
    Member {
        /// The member.
        member: &'static str,
        /// What the protocol expects.
        expected: &'static str,
    },
    /// A member comes twice.
    #[error("member {0:?} comes twice")]
    Twice(&'static str),
    /// A JSON message of another form than the protocol gives it.
    #[error("{0}")]
    Form(String),
    /// No message in the frame.
    #[error("a {kind} without a message: {found}; expected one of {expected}")]
    Empty {
        /// `request` or `response`.
        kind: &'static str,
        /// The fields that the frame has, for people.
        found: String,
        /// The messages that the protocol has, for people.
        expected: &'static str,
    },
    /// More than one message in the frame.
    #[error("a {kind} with two messages, {first} and {second}; expected one")]
    Several {
        /// `request` or `response`.
        kind: &'static str,
        /// The message that came first.
        first: &'static str,
        /// Another message.
        second: &'static str,
    },
}

/// A byte of a text, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came(pub Option<u8>);

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => f.write_str("the end of the line"),
            Some(byte @ 0x21..=0x7e) => write!(f, "`{}`", char::from(byte)),
            Some(byte) => write!(f, "byte 0x{byte:02x}"),
        }
    }
}

/// A fault and where in its frame it is.
#[derive(Debug, PartialEq)]
pub(super) struct At {
    pub(super) offset: usize,
    pub(super) fault: Fault,
}

impl At {
    pub(super) fn new(offset: usize, fault: Fault) -> Self {
        Self { offset, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        for (fault, text) in [
            (Fault::Varint, "a varint of more than 64 bits"),
            (Fault::Cut { wanted: 5, left: 2 }, "a field of 5 bytes where 2 are left"),
            (Fault::CutVarint, "the message ends inside a varint"),
            (Fault::Key(2), "a field key of 2; field numbers are 1 to 536870911"),
            (Fault::UnknownWire { field: 9, wire: 6 }, "field 9 has the unknown wire type 6"),
            (Fault::Wire { field: 1, wire: 2, expected: 0 }, "field 1 has the wire type 2, expected 0"),
            (Fault::GroupEnd(9), "the end of group 9, which is not the one that is open"),
            (Fault::OpenGroup(9), "group 9 has no end"),
            (Fault::GroupDepth(100), "groups are nested deeper than 100"),
            (Fault::Binding(1 << 32), "the binding index 4294967296 has more than 32 bits"),
            (Fault::Utf8, "the line is not UTF-8"),
            (
                Fault::Json { expected: "a value", came: Came(None) },
                "the line is not JSON: expected a value, came the end of the line",
            ),
            (
                Fault::Json { expected: "a value", came: Came(Some(b' ')) },
                "the line is not JSON: expected a value, came byte 0x20",
            ),
            (
                Fault::Json { expected: "a value", came: Came(Some(b'}')) },
                "the line is not JSON: expected a value, came `}`",
            ),
            (
                Fault::Member { member: "key", expected: "an array" },
                "member \"key\" of store is not an array",
            ),
            (Fault::Twice("doc"), "member \"doc\" comes twice"),
            (Fault::Form("missing field `x`".into()), "missing field `x`"),
            (
                Fault::Empty { kind: "request", found: "it is empty".into(), expected: "spec, open" },
                "a request without a message: it is empty; expected one of spec, open",
            ),
            (
                Fault::Several { kind: "request", first: "open", second: "load" },
                "a request with two messages, open and load; expected one",
            ),
        ] {
            assert_eq!(fault.to_string(), text);
        }
    }
}
