//! The two sides' readers, and a Store as it is read.

use std::io::Read;

use super::error::At;
use super::frames::{Frame, Frames};
use super::json::{self, Scratch};
use super::messages::{Request, Response, request};
use super::{Codec, Error, Fault, proto};

/// The values of some fields, in the order of the binding's field selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuple<'a> {
    /// A packed tuple (FoundationDB's tuple layer). Empty when the Store has none.
    Packed(&'a [u8]),
    /// The text of a JSON array. From the protobuf codec it is unchecked.
    Json(&'a [u8]),
}

impl<'a> Tuple<'a> {
    /// The packed form wins where there are both.
    pub(super) fn of(packed: &'a [u8], json: &'a [u8]) -> Self {
        if packed.is_empty() && !json.is_empty() { Self::Json(json) } else { Self::Packed(packed) }
    }
}

/// A document to be stored: slices of the reader's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The index of the binding.
    pub binding: u32,
    /// The key fields.
    pub key: Tuple<'a>,
    /// The value fields.
    pub values: Tuple<'a>,
    /// The text of the root document; empty when it is not selected. From the protobuf codec it is
    /// unchecked, from the JSON codec it is UTF-8 and JSON.
    pub doc: &'a [u8],
    /// Whether a document of this key was loaded.
    pub exists: bool,
    /// Whether the document deletes its key.
    pub delete: bool,
}

/// A request as it is read.
#[derive(Debug, PartialEq)]
pub enum Incoming<'a> {
    /// Asks what the connector is.
    Spec(request::Spec),
    /// Asks whether and how collections can be materialized.
    Validate(Box<request::Validate>),
    /// Asks to make what the materialization needs.
    Apply(Box<request::Apply>),
    /// Begins a session.
    Open(Box<request::Open>),
    /// Asks for a document.
    Load(request::Load),
    /// Ends the Loads of a transaction.
    Flush(request::Flush),
    /// A document to be stored.
    Store(Store<'a>),
    /// Ends the Stores of a transaction.
    StartCommit(request::StartCommit),
    /// The runtime's own commit is done.
    Acknowledge(request::Acknowledge),
}

impl Incoming<'_> {
    /// What the protocol's JSON codec calls the request.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Spec(_) => "spec",
            Self::Validate(_) => "validate",
            Self::Apply(_) => "apply",
            Self::Open(_) => "open",
            Self::Load(_) => "load",
            Self::Flush(_) => "flush",
            Self::Store(_) => "store",
            Self::StartCommit(_) => "startCommit",
            Self::Acknowledge(_) => "acknowledge",
        }
    }

    /// The message of a request that is no Store.
    pub(super) fn owned(request: Request) -> Option<Self> {
        match request {
            Request { spec: Some(spec), .. } => Some(Self::Spec(spec)),
            Request { validate: Some(validate), .. } => Some(Self::Validate(Box::new(validate))),
            Request { apply: Some(apply), .. } => Some(Self::Apply(Box::new(apply))),
            Request { open: Some(open), .. } => Some(Self::Open(Box::new(open))),
            Request { load: Some(load), .. } => Some(Self::Load(load)),
            Request { flush: Some(flush), .. } => Some(Self::Flush(flush)),
            Request { start_commit: Some(start_commit), .. } => Some(Self::StartCommit(start_commit)),
            Request { acknowledge: Some(acknowledge), .. } => Some(Self::Acknowledge(acknowledge)),
            _ => None,
        }
    }
}

/// The connector's side: reads requests.
///
/// It owns its buffer; give it an input without one of its own.
///
/// ```
/// use materialize_kafka::protocol::{Codec, Incoming, RequestReader, Tuple};
///
/// let line = br#"{"store":{"binding":1,"key":[7],"values":["a"]}}
/// "#;
/// let mut requests = RequestReader::new(&line[..], None);
/// let Some(Incoming::Store(store)) = requests.next()? else { panic!("it is a Store") };
/// assert_eq!((store.binding, store.key), (1, Tuple::Json(b"[7]")));
/// assert_eq!(requests.codec(), Some(Codec::Json));
/// assert!(requests.next()?.is_none());
/// # Ok::<(), materialize_kafka::protocol::Error>(())
/// ```
pub struct RequestReader<R: Read> {
    frames: Frames<R>,
    scratch: Scratch,
}

impl<R: Read> RequestReader<R> {
    /// Reads `input`. Without a codec the first frame decides, by its first four bytes.
    pub fn new(input: R, codec: Option<Codec>) -> Self {
        Self { frames: Frames::new(input, codec), scratch: Scratch::default() }
    }

    /// The next request, or `None` when the input has ended between frames. Blank lines between
    /// JSON lines are passed over.
    ///
    /// # Errors
    ///
    /// The input fails, ends inside a frame, or holds no request. After [`Error::Malformed`] the next
    /// frame can be read; other errors come again.
    #[expect(clippy::should_implement_trait, reason = "what it gives borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Incoming<'_>>, Error> {
        let Some(frame) = self.frames.next()? else { return Ok(None) };
        let contents = self.frames.contents(&frame);
        match frame.codec {
            Codec::Proto => proto::request(contents),
            Codec::Json => json::request(contents, &mut self.scratch),
        }
        .map(Some)
        .map_err(|at| malformed(&frame, at))
    }

    /// Whether a whole frame is buffered, or an error is certain: [`next`](Self::next) will not touch
    /// the input, so it cannot block.
    pub fn has_frame(&mut self) -> bool {
        self.frames.has_frame()
    }

    /// Reads the input once, without looking at what came; false at its end.
    ///
    /// # Errors
    ///
    /// The input fails.
    pub fn fill(&mut self) -> Result<bool, Error> {
        self.frames.fill()
    }

    /// The codec; `None` as long as the first frame has not decided it.
    pub fn codec(&self) -> Option<Codec> {
        self.frames.codec()
    }
}

/// The runtime's side: reads responses.
pub struct ResponseReader<R: Read> {
    frames: Frames<R>,
}

impl<R: Read> ResponseReader<R> {
    /// Reads `input`.
    pub fn new(input: R, codec: Codec) -> Self {
        Self { frames: Frames::new(input, Some(codec)) }
    }

    /// The next response, with exactly one of its fields set, or `None` when the input has ended
    /// between frames.
    ///
    /// # Errors
    ///
    /// As those of [`RequestReader::next`].
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would give results of options the other way round"
    )]
    pub fn next(&mut self) -> Result<Option<Response>, Error> {
        let Some(frame) = self.frames.next()? else { return Ok(None) };
        let contents = self.frames.contents(&frame);
        let response = match frame.codec {
            Codec::Proto => proto::response(contents),
            Codec::Json => json::response(contents),
        };
        response
            .and_then(|response| one(response, contents, frame.codec))
            .map(Some)
            .map_err(|at| malformed(&frame, at))
    }
}

fn one(response: Response, contents: &[u8], codec: Codec) -> Result<Response, At> {
    let mut names = response.names();
    match (names.next(), names.next()) {
        (Some(first), Some(second)) => Err(At::new(0, Fault::Several { kind: "response", first, second })),
        (Some(_), None) => {
            drop(names);
            Ok(response)
        }
        (None, _) => Err(match codec {
            Codec::Proto => proto::empty("response", contents, NO_RESPONSE),
            Codec::Json => json::empty("response", contents, NO_RESPONSE),
        }),
    }
}

#[cold]
fn malformed(frame: &Frame, at: At) -> Error {
    let offset = u64::try_from(at.offset).unwrap_or(u64::MAX);
    Error::Malformed {
        codec: frame.codec,
        at: frame.at,
        length: frame.range.len(),
        offset: at.offset,
        position: frame.contents_at.saturating_add(offset),
        fault: at.fault,
    }
}

/// The requests that there are, for people.
pub(super) const NO_MESSAGE: &str =
    "spec, validate, apply, open, load, flush, store, startCommit, acknowledge";

const NO_RESPONSE: &str = "spec, validated, applied, opened, loaded, flushed, startedCommit, acknowledged";

#[cfg(test)]
mod tests;
