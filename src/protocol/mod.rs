//! Flow's materialize protocol: messages, both codecs, framing, and the borrowed Store decoder.
//!
//! A frame is a protobuf message behind its length, or a line of JSON ([`Codec`]). A
//! [`RequestReader`] owns one buffer that is filled with large reads; frames are decoded in place,
//! and a [`Store`] is nothing but slices of that buffer. Rarer requests are decoded into the owned
//! types of [`messages`]. A [`ResponseWriter`] puts each response into one write and flushes it.
//! [`RequestWriter`] and [`ResponseReader`] are the runtime's side of the same.
//!
//! Nothing here panics, overflows the stack or sets aside memory for bytes that have not arrived,
//! whatever comes; errors say where in the stream. All of it runs on the caller's thread and blocks
//! in the caller's reader or writer only.

mod base64;
mod codec;
mod error;
mod frames;
mod json;
pub mod messages;
mod proto;
mod reader;
mod scan;
mod wire;
mod writer;

pub use codec::Codec;
pub use error::{Came, Error, Fault};
pub use reader::{Incoming, RequestReader, ResponseReader, Store, Tuple};
pub use writer::{RequestWriter, ResponseWriter};

/// The greatest length of a frame in bytes: of a protobuf message without its length, of a JSON line
/// without its newline. 64 MiB.
pub const MAX_FRAME: usize = 64 << 20;
