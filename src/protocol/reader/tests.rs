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
        "decoding the frame at byte 6: a field of 5 bytes where 0 are left (byte 4 of 4, 14 of the stream)"
    );
    assert_eq!(requests.next().unwrap().unwrap().name(), "acknowledge");
    assert!(requests.next().unwrap().is_none());

    let stream = b"{\"flush\":{}}\n{\"store\":{\"binding\":-1}}\n{\"flush\":{}}\n";
    let mut requests = RequestReader::new(&stream[..], None);
    requests.next().unwrap().unwrap();
    assert_eq!(
        requests.next().unwrap_err().to_string(),
        "decoding the frame at byte 13: member \"binding\" of store is not an integer of 0 to 4294967295 \
         (byte 20 of 24, 33 of the stream)"
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
    decoding the frame at byte 0: a response with two messages, opened and flushed; expected one (byte 0 of 26, 0 of the stream)
    decoding the frame at byte 0: a response with two messages, opened and flushed; expected one (byte 0 of 4, 4 of the stream)
    decoding the frame at byte 0: a response without a message: it has member spec, error; expected one of spec, validated, applied, opened, loaded, flushed, startedCommit, acknowledged (byte 0 of 23, 0 of the stream)
    decoding the frame at byte 0: a response without a message: it is empty; expected one of spec, validated, applied, opened, loaded, flushed, startedCommit, acknowledged (byte 0 of 0, 4 of the stream)
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
