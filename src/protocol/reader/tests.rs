use proptest::prelude::*;

use super::*;
use crate::protocol::messages::response;

/// Requests of two streams, the runtime's generations and codecs apart, are the same to a session.
#[test]
fn a_session_in_json() {
    let stream = concat!(
        r#"{"spec":{"connectorType":"IMAGE","config":{}}}"#,
        "\n",
        r#"{"open":{"materialization":{"name":"acme/x"},"version":"1","range":{"keyEnd":4294967295,"rClockEnd":4294967295},"state":{}}}"#,
        "\r\n",
        r#"{"acknowledge":{}}"#,
        "\n\n",
        r#"{"load":{"binding":1,"keyPacked":"FQE="}}"#,
        "\n",
        r#"{"flush":{"statePatches":[{},	{}],"backfillBegins":[{"timestamp":"2026-07-01T00:00:00Z"}]}}"#,
        "\n",
        r#"{"store":{"keyPacked":"FQE=","valuesPacked":"AA==","doc":{"id":1}}}"#,
        "\n",
        r#"{"store":{"binding":1,"key":[1],"values":[null],"doc":{"id":1},"delete":true}}"#,
        "\n",
        r#"{"startCommit":{"runtimeCheckpoint":{"sources":{"a":{"readThrough":"12"}}}}}"#,
        "\n",
    );
    let mut requests = RequestReader::new(stream.as_bytes(), None);
    let mut names = Vec::new();
    while let Some(incoming) = requests.next().unwrap() {
        names.push(incoming.name());
        match incoming {
            Incoming::Open(open) => assert_eq!(open.range.unwrap().key_end, u32::MAX),
            Incoming::Flush(flush) => {
                assert_eq!(flush.state_patches_json, "[{},\t{}]");
                assert_eq!(flush.backfill_begins[0].timestamp.unwrap().seconds, 1_782_864_000);
            }
            Incoming::StartCommit(start) => {
                assert_eq!(start.runtime_checkpoint, r#"{"sources":{"a":{"readThrough":"12"}}}"#);
            }
            _ => {}
        }
    }
    assert_eq!(names, ["spec", "open", "acknowledge", "load", "flush", "store", "store", "startCommit"]);
}

#[test]
fn a_malformed_frame_says_where_and_the_next_one_can_be_read() {
    let stream = b"\x02\0\0\0\x4a\0\x04\0\0\0\x3a\x02\x32\x05\x02\0\0\0\x4a\0";
    let mut requests = RequestReader::new(&stream[..], None);
    assert_eq!(requests.next().unwrap().unwrap().name(), "acknowledge");
    assert!(requests.has_frame());
    assert_eq!(
        requests.next().unwrap_err().to_string(),
        "decoding the proto frame at byte 6: a field of 5 bytes where 0 are left (byte 4 of 4, 14 of the stream); \
         the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC=proto"
    );
    assert_eq!(requests.next().unwrap().unwrap().name(), "acknowledge");
    assert!(requests.next().unwrap().is_none());

    let stream = b"{\"flush\":{}}\n{\"store\":{\"binding\":-1}}\n{\"flush\":{}}\n";
    let mut requests = RequestReader::new(&stream[..], None);
    requests.next().unwrap().unwrap();
    assert_eq!(
        requests.next().unwrap_err().to_string(),
        "decoding the json frame at byte 13: member \"binding\" of store is not an integer of 0 to 4294967295 \
         (byte 20 of 24, 33 of the stream); the sender must speak Flow's materialize protocol as \
         FLOW_RUNTIME_CODEC=json"
    );
    assert_eq!(requests.next().unwrap().unwrap().name(), "flush");
}

#[test]
fn a_response_has_one_message() {
    let read =
        |stream: &[u8], codec| ResponseReader::new(stream, codec).next().map_err(|error| error.to_string());
    assert_eq!(read(b"{\"opened\":{}}\n", Codec::Json).unwrap(), Some(response::Opened::default().into()));
    assert_eq!(read(b"\x02\0\0\0\x22\0", Codec::Proto).unwrap(), Some(response::Opened::default().into()));
    assert_eq!(read(b"", Codec::Proto).unwrap(), None);
    let errors = [
        read(b"{\"opened\":{},\"flushed\":{}}\n", Codec::Json).unwrap_err(),
        read(b"\x04\0\0\0\x22\0\x32\0", Codec::Proto).unwrap_err(),
        read(b"{\"spec\":null,\"error\":1}\n", Codec::Json).unwrap_err(),
        read(b"\0\0\0\0", Codec::Proto).unwrap_err(),
        read(b"\x02\0\0\0\x22", Codec::Proto).unwrap_err(),
        read(b"{\"opened\"", Codec::Json).unwrap_err(),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
    decoding the json frame at byte 0: a response with two messages, opened and flushed; expected one (byte 0 of 26, 0 of the stream); the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC=json
    decoding the proto frame at byte 0: a response with two messages, opened and flushed; expected one (byte 0 of 4, 4 of the stream); the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC=proto
    decoding the json frame at byte 0: a response without a message: it has member spec, error; expected one of spec, validated, applied, opened, loaded, flushed, startedCommit, acknowledged (byte 0 of 23, 0 of the stream); the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC=json
    decoding the proto frame at byte 0: a response without a message: it is empty; expected one of spec, validated, applied, opened, loaded, flushed, startedCommit, acknowledged (byte 0 of 0, 4 of the stream); the sender must speak Flow's materialize protocol as FLOW_RUNTIME_CODEC=proto
    reading the frame at byte 0: the input ended after 1 of its 2 bytes; a stream must end between frames, so the sender stopped early
    reading the line at byte 0: the input ended after 9 bytes without a newline; a stream must end between lines, so the sender stopped early
    "#);
}

#[test]
fn lengths_cut_short() {
    let error = RequestReader::new(&b"\x02\0\0"[..], None).next().unwrap_err();
    assert_eq!(
        error.to_string(),
        "reading the frame at byte 0: the input ended after 3 of the 4 bytes of its length; a stream must end \
         between frames, so the sender stopped early"
    );
}

/// What comes out of a stream, in words, to its end or to the first error that ends it.
fn read_all(input: impl Read, codec: Option<Codec>) -> Vec<String> {
    let mut requests = RequestReader::new(input, codec);
    let mut all = Vec::new();
    loop {
        match requests.next() {
            Ok(Some(incoming)) => all.push(format!("{incoming:?}")),
            Ok(None) => return all,
            Err(error) => {
                all.push(error.to_string());
                if !matches!(error, Error::Malformed { .. }) {
                    return all;
                }
            }
        }
    }
}

/// Gives a byte at a time.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let now = self.0.len().min(1).min(room.len());
        self.0.read(&mut room[..now])
    }
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let contents = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        Just(b"\x3a\x04\x08\x01\x32\x00".to_vec()),
        Just(b"\x4a\0".to_vec()),
    ];
    let frame = contents
        .prop_map(|contents| [&u32::try_from(contents.len()).unwrap().to_le_bytes()[..], &contents].concat());
    let line = prop::sample::select(vec![
        &b"{\"store\":{\"keyPacked\":\"FQE=\",\"doc\":{\"a\":[1]}}}\n"[..],
        b"{\"acknowledge\":{}}\r\n",
        b"{\"spec\":{\"config\":{\"\\u00e9\":1}}}\n\n",
        b"{\"flush\":{\"backfillBegins\":[{\"binding\":\"1\"}]}}\n",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(frame, 0..5).prop_map(|frames| frames.concat()),
        prop::collection::vec(line, 0..5).prop_map(|lines| lines.concat()),
    ]
}

proptest! {
    #[test]
    fn any_stream_reads_the_same_in_any_pieces(
        mut stream in stream(),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        codec in prop_oneof![Just(None), Just(Some(Codec::Proto)), Just(Some(Codec::Json))],
    ) {
        if let Some((place, byte)) = change && !stream.is_empty() {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        prop_assert_eq!(read_all(&stream[..], codec), read_all(Dripping(&stream), codec));
        let mut responses = ResponseReader::new(&stream[..], codec.unwrap_or(Codec::Proto));
        while let Ok(Some(_)) = responses.next() {}
    }
}
