use std::io;

use super::*;
use crate::protocol::messages::flow::SerPolicy;
use crate::protocol::messages::{request, response};
use crate::protocol::{Incoming, RequestReader, ResponseReader};

fn line(response: impl Into<Response>) -> String {
    let mut output = Vec::new();
    ResponseWriter::new(&mut output, Codec::Json).send(&response.into()).unwrap();
    String::from_utf8(output).unwrap()
}

fn state(updated: &'static str) -> Option<response::ConnectorState> {
    Some(response::ConnectorState { updated_json: updated.into(), merge_patch: true })
}

/// The samples of the protocol's description.
#[test]
fn responses_in_json() {
    let constraint = response::Constraint {
        r#type: response::ConstraintType::LocationRecommended.into(),
        reason: "...".into(),
        ..Default::default()
    };
    let field = |field: &str| response::ProjectionConstraint {
        field: field.into(),
        constraint: Some(constraint.clone()),
    };
    let binding = response::ValidatedBinding {
        constraints: [("id".to_string(), constraint.clone()), ("a".to_string(), constraint.clone())].into(),
        resource_path: vec!["t".into()],
        delta_updates: true,
        ser_policy: Some(SerPolicy {
            str_truncate_after: 65536,
            nested_obj_truncate_after: 1000,
            array_truncate_after: 1000,
        }),
        case_insensitive_fields: false,
        projection_constraints: vec![field("id"), field("a")],
    };
    let spec = response::Spec {
        protocol: response::PROTOCOL,
        config_schema_json: r#"{"type":"object"}"#.into(),
        resource_config_schema_json: r#"{"type":"object","required":["topic"]}"#.into(),
        documentation_url: "https://example.com".into(),
    };
    let lines = [
        line(spec),
        line(response::Validated { bindings: vec![binding] }),
        line(response::Applied { action_description: "create topic t".into(), state: None }),
        line(response::Applied::default()),
        line(response::Opened::default()),
        line(response::Opened {
            runtime_checkpoint: r#"{"sources":{}}"#.into(),
            disable_load_optimization: true,
        }),
        line(response::Loaded { binding: 1, doc_json: "{}".into() }),
        line(response::Flushed::default()),
        line(response::StartedCommit { state: state(r#"{"a":1}"#) }),
        line(response::Acknowledged::default()),
    ]
    .concat();
    insta::assert_snapshot!(lines, @r#"
    {"spec":{"protocol":3032023,"configSchema":{"type":"object"},"resourceConfigSchema":{"type":"object","required":["topic"]},"documentationUrl":"https://example.com"}}
    {"validated":{"bindings":[{"constraints":{"a":{"type":"LOCATION_RECOMMENDED","reason":"..."},"id":{"type":"LOCATION_RECOMMENDED","reason":"..."}},"resourcePath":["t"],"deltaUpdates":true,"serPolicy":{"strTruncateAfter":65536,"nestedObjTruncateAfter":1000,"arrayTruncateAfter":1000},"projectionConstraints":[{"field":"id","constraint":{"type":"LOCATION_RECOMMENDED","reason":"..."}},{"field":"a","constraint":{"type":"LOCATION_RECOMMENDED","reason":"..."}}]}]}}
    {"applied":{"actionDescription":"create topic t"}}
    {"applied":{}}
    {"opened":{}}
    {"opened":{"runtimeCheckpoint":{"sources":{}},"disableLoadOptimization":true}}
    {"loaded":{"binding":1,"doc":{}}}
    {"flushed":{}}
    {"startedCommit":{"state":{"updated":{"a":1},"mergePatch":true}}}
    {"acknowledged":{}}
    "#);
    // What has been written can be read.
    let mut responses = ResponseReader::new(lines.as_bytes(), Codec::Json);
    let mut count = 0;
    while let Some(response) = responses.next().unwrap() {
        assert_eq!(response.names().count(), 1);
        count += 1;
    }
    assert_eq!(count, 10);
}

#[test]
fn a_text_of_several_lines_stays_in_its_line() {
    let spec = response::Spec {
        config_schema_json: "{\n  \"title\": \"a\\nb\",\r\n\t\"x\": 1\n}\n".into(),
        ..Default::default()
    };
    assert_eq!(line(spec), "{\"spec\":{\"configSchema\":{   \"title\": \"a\\nb\",\r \t\"x\": 1 }}}\n");
}

/// Notes what is asked of it.
#[derive(Default)]
struct Notes(Vec<String>);

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(format!("write {}", bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.push("flush".into());
        Ok(())
    }
}

#[test]
fn a_response_is_one_write_and_a_flush() {
    for (codec, length) in [(Codec::Proto, 6), (Codec::Json, 14)] {
        let mut notes = Notes::default();
        let mut responses = ResponseWriter::new(&mut notes, codec);
        responses.send(&response::Opened::default().into()).unwrap();
        responses.send(&response::Opened::default().into()).unwrap();
        let once = [format!("write {length}"), "flush".to_string()];
        assert_eq!(notes.0, [once.clone(), once].concat());
    }
}

#[test]
fn requests_are_written_when_there_are_enough() {
    for codec in [Codec::Proto, Codec::Json] {
        let mut notes = Notes::default();
        let mut requests = RequestWriter::new(&mut notes, codec);
        let store =
            request::Store { doc_json: format!("\"{}\"", "x".repeat(1000)).into(), ..Default::default() };
        for _ in 0..100 {
            requests.push(&store.clone().into()).unwrap();
        }
        requests.send(&request::Flush::default().into()).unwrap();
        assert_eq!(notes.0.len(), 3, "{:?}", notes.0);
        assert_eq!(notes.0[2], "flush");
    }
}

#[test]
fn both_sides_understand_each_other() {
    for codec in [Codec::Proto, Codec::Json] {
        let mut requests = RequestWriter::new(Vec::new(), codec);
        requests.push(&request::Spec { config_json: "{}".into(), ..Default::default() }.into()).unwrap();
        requests
            .push(&request::Store { binding: 3, key_packed: "\x15\x01".into(), ..Default::default() }.into())
            .unwrap();
        requests
            .push(&request::StartCommit { runtime_checkpoint: "{}".into(), ..Default::default() }.into())
            .unwrap();
        let bytes = requests.into_inner().unwrap();
        let mut read = RequestReader::new(&bytes[..], None);
        let Some(Incoming::Spec(spec)) = read.next().unwrap() else { panic!("spec") };
        assert_eq!(&spec.config_json[..], b"{}");
        let Some(Incoming::Store(store)) = read.next().unwrap() else { panic!("store") };
        assert_eq!((store.binding, store.key), (3, Tuple::Packed(b"\x15\x01")));
        let Some(Incoming::StartCommit(commit)) = read.next().unwrap() else { panic!("commit") };
        assert_eq!(&commit.runtime_checkpoint[..], b"{}");
        assert_eq!(read.next().unwrap(), None);
        assert_eq!(read.codec(), Some(codec));
    }
}

#[test]
#[cfg_attr(miri, ignore = "long input: minutes in Miri")]
fn what_cannot_be_written_says_why_and_writes_nothing() {
    let mut output = Vec::new();
    let mut responses = ResponseWriter::new(&mut output, Codec::Json);
    let broken = response::Flushed { state: state("{\"password\":") };
    let two = Response { opened: Some(Default::default()), ..broken.clone().into() };
    let doc = ["\"", "x".repeat(MAX_FRAME).as_str(), "\""].concat();
    let long = response::Loaded { doc_json: doc.into(), binding: 0 };
    let errors = [
        responses.send(&broken.into()).unwrap_err().to_string(),
        responses.send(&two).unwrap_err().to_string(),
        responses.send(&Response::default()).unwrap_err().to_string(),
        responses.send(&long.clone().into()).unwrap_err().to_string(),
        ResponseWriter::new(io::sink(), Codec::Proto).send(&long.into()).unwrap_err().to_string(),
    ];
    assert!(output.is_empty());
    insta::assert_snapshot!(errors.join("\n"), @r"
    encoding flushed: a JSON text in it is not JSON, or a time out of range: EOF while parsing a value at line 1 column 12
    encoding a response: it has the messages opened and flushed; expected one
    encoding a response: it has no message; expected one
    encoding loaded: it has 67108885 bytes; a frame has at most 67108864
    encoding loaded: it has 67108876 bytes; a frame has at most 67108864
    ");
}

#[test]
fn an_output_that_is_closed_is_an_error() {
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let error =
        ResponseWriter::new(Closed, Codec::Proto).send(&response::Opened::default().into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "writing opened: broken pipe; the process at the other end has closed the stream or failed"
    );
}

/// As prost and serde write the message that owns its fields.
#[test]
fn a_borrowed_store_is_written_as_an_owned_one() {
    let long = vec![b'7'; 300];
    for codec in [Codec::Proto, Codec::Json] {
        for (binding, fields, doc, flags) in [
            (0, &b""[..], &b""[..], [false, false]),
            (1, b"[1]", b"{}", [true, false]),
            (200, b"[1,\"a\"]", b"{\"a\":1}", [false, true]),
            (u32::MAX, &long, &long, [true, true]),
        ] {
            let [exists, delete] = flags;
            let tuple = if codec == Codec::Proto { Tuple::Packed } else { Tuple::Json };
            let store = Store { binding, key: tuple(fields), values: tuple(fields), doc, exists, delete };
            let mut owned = request::Store {
                binding,
                doc_json: doc.to_vec().into(),
                exists,
                delete,
                ..Default::default()
            };
            let fields = Bytes::copy_from_slice(fields);
            match codec {
                Codec::Proto => (owned.key_packed, owned.values_packed) = (fields.clone(), fields),
                Codec::Json => (owned.key_json, owned.values_json) = (fields.clone(), fields),
            }
            let mut writer = RequestWriter::new(Vec::new(), codec);
            writer.push_store(&store).unwrap();
            let mut expected = RequestWriter::new(Vec::new(), codec);
            expected.push(&owned.into()).unwrap();
            assert_eq!(writer.into_inner().unwrap(), expected.into_inner().unwrap());

            let other = if codec == Codec::Proto { Codec::Json } else { Codec::Proto };
            let error = RequestWriter::new(Vec::new(), other).push_store(&store).unwrap_err();
            assert_eq!(error.to_string(), "encoding store: its fields have the form of another codec");
        }
    }
}

#[test]
fn a_borrowed_store_beyond_a_frame_is_refused() {
    let doc = vec![b' '; MAX_FRAME];
    let empty = Tuple::Packed(&[]);
    let store = Store { binding: 0, key: empty, values: empty, doc: &doc, exists: false, delete: false };
    let mut writer = RequestWriter::new(Vec::new(), Codec::Proto);
    assert_eq!(
        writer.push_store(&store).unwrap_err().to_string(),
        "encoding store: it has 67108874 bytes; a frame has at most 67108864"
    );
    assert!(writer.into_inner().unwrap().is_empty());
}
