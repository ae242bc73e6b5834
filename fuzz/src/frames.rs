//! Any bytes as a stream of requests, in either codec.
//!
//! * What is read does not depend on how the input comes in pieces, and [`RequestReader::has_frame`] tells the truth:
//!   after it the input is not touched.
//! * A Store that is read is the one that prost (or serde, in JSON) reads, and what these refuse is refused. What
//!   they accept and the connector refuses is refused for a reason of its own, which is listed here.
//! * A request that is read can be written and read again, and is the same.
//! * No bytes make the reader of responses panic.
//!
//! The input: a byte that chooses codec and pieces, then the stream.

use std::io::{self, Read};

use materialize_kafka::protocol::messages::{Request, request};
use materialize_kafka::protocol::{
    Codec, Error, Fault, Incoming, RequestReader, RequestWriter, ResponseReader, Store, Tuple,
};
use prost::Message;
use serde_json::json;

use crate::Seeds;
use crate::tuple::pack;

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((&choice, stream)) = data.split_first() else { return };
    let codec = [None, Some(Codec::Proto), Some(Codec::Json), None][usize::from(choice & 3)];
    let pieces = [1, 2, 3, 5, 7, 64, 1000, 70_000][usize::from(choice >> 2 & 7)];

    let (whole, taken_as) = read_all(stream, codec, usize::MAX);
    assert_eq!(whole, read_all(stream, codec, pieces).0, "in pieces of {pieces} bytes");
    match taken_as {
        Some(Codec::Proto) => messages(stream),
        Some(Codec::Json) => lines(stream),
        None => {}
    }
    for codec in [Codec::Proto, Codec::Json] {
        let mut responses = ResponseReader::new(Pieces::new(stream, pieces), codec);
        while matches!(responses.next(), Ok(Some(_)) | Err(Error::Malformed { .. })) {}
    }
}

/// All that comes of a stream, as texts, and the codec that it was taken to be in.
fn read_all(stream: &[u8], codec: Option<Codec>, piece: usize) -> (Vec<String>, Option<Codec>) {
    let input = Pieces::new(stream, piece);
    let reads = input.reads.clone();
    let mut requests = RequestReader::new(input, codec);
    let mut list = Vec::new();
    loop {
        let before = requests.has_frame().then(|| reads.get());
        let request = requests.next();
        if let Some(before) = before {
            assert_eq!(before, reads.get(), "a frame was there, and the input was read");
            assert!(!matches!(request, Ok(None)), "a frame was there, and the end came");
        }
        let (text, more) = match &request {
            Ok(Some(request)) => (format!("{request:?}"), true),
            Ok(None) => ("the end".to_owned(), false),
            Err(error) => (error.to_string(), matches!(error, Error::Malformed { .. })),
        };
        list.push(text);
        if !more {
            return (list, requests.codec());
        }
    }
}

/// The frames of a protobuf stream, one by one.
fn messages(mut stream: &[u8]) {
    while let Some((length, rest)) = stream.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).expect("32 bits fit");
        let Some((message, rest)) = rest.split_at_checked(length) else { return };
        stream = rest;
        let framed = [&u32::to_le_bytes(length.try_into().expect("it was 32 bits")), message].concat();
        compare(&framed, Codec::Proto, Request::decode(message).map_err(|error| error.to_string()));
    }
}

/// The lines of a JSON stream, one by one.
pub(crate) fn lines(stream: &[u8]) {
    // What is behind the last newline is no line.
    let ends = stream.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    for line in stream[..ends].split(|byte| *byte == b'\n') {
        let is_blank = line.iter().all(|byte| b" \t\r".contains(byte));
        if !is_blank {
            // As a text first: what serde_json passes over need not be UTF-8 for it.
            let theirs = std::str::from_utf8(line).map_err(|error| error.to_string());
            let theirs =
                theirs.and_then(|line| serde_json::from_str(line).map_err(|error| error.to_string()));
            compare(&[line, b"\n"].concat(), Codec::Json, theirs);
        }
    }
}

/// Compares what the connector makes of one frame with what another decoder makes of it.
pub(crate) fn compare(frame: &[u8], codec: Codec, theirs: Result<Request, String>) {
    let mut requests = RequestReader::new(frame, Some(codec));
    match (requests.next(), theirs) {
        (Ok(Some(Incoming::Store(ours))), Ok(theirs)) => {
            assert_eq!(theirs.names().collect::<Vec<_>>(), ["store"]);
            same_store(ours, &theirs.store.expect("it has a store"));
        }
        (Ok(Some(ours)), Ok(theirs)) => {
            assert_eq!(theirs.names().collect::<Vec<_>>(), [ours.name()]);
            written_and_read(&theirs, &ours, codec);
        }
        (Ok(Some(Incoming::Store(_))), Err(theirs)) => {
            assert!(is_looser(&theirs, frame), "read, expected: {theirs}");
        }
        (Ok(ours), Err(theirs)) => panic!("read {ours:?}, expected: {theirs}"),
        (Ok(None), Ok(_)) => panic!("a frame gave nothing"),
        (Err(Error::Malformed { fault, .. }), Ok(theirs)) => {
            assert!(is_stricter(&fault, frame), "{fault}, expected {theirs:?}");
        }
        (Err(Error::Malformed { .. }), Err(_)) => {}
        (Err(error), _) => panic!("a whole frame: {error}"),
    }
}

/// Where the connector reads a Store that prost or serde refuse.
fn is_looser(theirs: &str, frame: &[u8]) -> bool {
    // Nothing asks for it, so it is passed over without a look at its type.
    let is_internal = theirs.contains("Request.internal");
    // A name that stands for no text is like none that is known.
    let is_surrogate = theirs.contains("surrogate") || theirs.contains("hex escape");
    is_internal || is_surrogate && frame.windows(3).any(|three| three.eq_ignore_ascii_case(b"\\ud"))
}

/// Where the connector refuses what protobuf or serde permit.
fn is_stricter(fault: &Fault, frame: &[u8]) -> bool {
    match fault {
        // Protobuf drops the upper bits; the document would go to another binding.
        Fault::Binding(_) => true,
        // Not exactly one message.
        Fault::Several { .. } | Fault::Empty { .. } => true,
        // serde reads an array as the fields of a message in their order, which protobuf's JSON mapping does not.
        Fault::Json { .. } => frame.contains(&b'['),
        // serde takes any text for a tuple.
        Fault::Member { member: "key" | "values", expected: "an array" } => true,
        _ => false,
    }
}

pub(crate) fn same_store(ours: Store<'_>, theirs: &request::Store) {
    assert_eq!(ours.binding, theirs.binding);
    same_tuple(ours.key, &theirs.key_packed, &theirs.key_json);
    same_tuple(ours.values, &theirs.values_packed, &theirs.values_json);
    assert_eq!(ours.doc, theirs.doc_json);
    assert_eq!((ours.exists, ours.delete), (theirs.exists, theirs.delete));
}

fn same_tuple(ours: Tuple<'_>, packed: &[u8], json: &[u8]) {
    match ours {
        Tuple::Packed(ours) => assert!(ours == packed && (!packed.is_empty() || json.is_empty())),
        Tuple::Json(ours) => assert!(ours == json && packed.is_empty()),
    }
}

/// What no Store is, written by the runtime's side and read again.
fn written_and_read(request: &Request, incoming: &Incoming<'_>, codec: Codec) {
    let mut writer = RequestWriter::new(Vec::new(), codec);
    match writer.send(request) {
        Ok(()) => {}
        // The JSON codec inlines texts, and what came in protobuf need not be JSON.
        Err(Error::Encode { .. }) => return,
        Err(error) => panic!("writing to memory: {error}"),
    }
    let frame = writer.into_inner().expect("memory takes everything");
    let mut requests = RequestReader::new(&frame[..], Some(codec));
    let again = requests.next().expect("what was written").expect("a frame");
    assert_eq!(&again, incoming);
}

/// Gives a stream in pieces, with interruptions between them, and counts the reads.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
    reads: std::rc::Rc<std::cell::Cell<usize>>,
}

impl<'a> Pieces<'a> {
    fn new(rest: &'a [u8], piece: usize) -> Self {
        Self { rest, piece, reads: std::rc::Rc::default() }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        assert!(!room.is_empty(), "a read without room looks like the end");
        self.reads.set(self.reads.get() + 1);
        if self.reads.get().is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (now, rest) = self.rest.split_at(self.piece.min(room.len()).min(self.rest.len()));
        room[..now.len()].copy_from_slice(now);
        self.rest = rest;
        Ok(now.len())
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let stream = |choice: u8, codec, requests: &[Request]| {
        let mut writer = RequestWriter::new(vec![choice], codec);
        for request in requests {
            writer.send(request).expect("memory takes everything");
        }
        writer.into_inner().expect("memory takes everything")
    };
    let packed = Request::from(request::Store {
        binding: 1,
        key_packed: pack(&[json!(7), json!("seven")]).into(),
        values_packed: pack(&[json!(1.5), json!({"a": [null]})]).into(),
        doc_json: r#"{"id":7}"#.into(),
        exists: true,
        ..Default::default()
    });
    let arrays = Request::from(request::Store {
        key_json: r#"[7,"seven"]"#.into(),
        values_json: r#"[1.5,{"a":[null]}]"#.into(),
        delete: true,
        ..Default::default()
    });
    let spec = request::Spec { config_json: "{}".into(), ..Default::default() };
    let load = request::Load { binding: 2, key_json: "[1]".into(), ..Default::default() };
    let commit = request::StartCommit { runtime_checkpoint: r#"{"a":1}"#.into(), ..Default::default() };
    let session = [
        spec.into(),
        request::Acknowledge::default().into(),
        load.into(),
        request::Flush::default().into(),
        packed.clone(),
        arrays.clone(),
        commit.into(),
    ];
    // Two parts of one Store, an unknown group, and a binding of more than 32 bits.
    let merged = b"\x04\x0b\0\0\0\x3a\x02\x08\x01\x3a\x05\x1a\x01\x27\x08\x02";
    let group = b"\x01\x08\0\0\0\x3a\0\x4b\x4c\x53\x08\x01\x54";
    let binding = b"\x01\x09\0\0\0\x3a\x07\x08\xff\xff\xff\xff\xff\x01";
    vec![
        ("session_proto", stream(1, Codec::Proto, &session)),
        ("session_json", stream(2 | 3 << 2, Codec::Json, &session)),
        ("store_proto", stream(5 << 2, Codec::Proto, &[packed.clone(), arrays.clone()])),
        ("store_json", stream(4 << 2, Codec::Json, &[packed, arrays])),
        ("merged", merged.to_vec()),
        ("group", group.to_vec()),
        ("binding", binding.to_vec()),
        ("claims", b"\x01\xff\xff\xff\x03\x3a".to_vec()),
        (
            "blank_lines",
            b"\x02\n \r\n{\"spec\":null, \"flush\" : {\"x\":[{}]}}\r\n\n{\"store\":{\"keyPacked\":\"FQ\"}}\n"
                .to_vec(),
        ),
    ]
}
