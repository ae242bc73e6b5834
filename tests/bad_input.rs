//! What comes back for input that no runtime should send: exit status 1 and one line that tells.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use std::time::{Duration, Instant};

use common::brokers::Servers;
use common::runtime::{Connector, Ended, build, command, open_request, store_request, stores};
use materialize_kafka::preview::task::{BuiltTask, StoreDoc};
use materialize_kafka::protocol::messages::{flow, request};
use materialize_kafka::protocol::{Codec, MAX_FRAME};
use serde_json::{Value, json};

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id]
    schema:
      type: object
      properties:
        id: {type: integer}
        name: {type: string}
        nested: {type: object, properties: {count: {type: integer}}}
      required: [id]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields: {recommended: false, include: {name: {}, nested: {}, flow_document: {}}}
"#;

const DOCUMENT: &str = r#"["acme/things",{"id":7,"name":"seven","nested":{"count":7}}]"#;

// --- Streams that are no frames ---

#[test]
fn an_empty_frame_has_no_request() {
    let ended = raw(None, b"\0\0\0\0");
    assert_error(&ended, "decoding the proto frame at byte 0: a request without a message: ");
    assert_error(
        &ended,
        "expected one of spec, validate, apply, open, load, flush, store, startCommit, acknowledge",
    );
}

#[test]
fn a_truncated_length_and_a_truncated_frame_tell_what_had_come() {
    assert_error(&raw(None, b"\x05\0"), "the input ended after 2 of the 4 bytes of its length");
    assert_error(
        &raw(None, b"\x05\0\0\0\x0a\x03"),
        "reading the frame at byte 0: the input ended after 2 of its 5 bytes",
    );
    assert_error(
        &raw(Some(Codec::Json), br#"{"spec":"#),
        "reading the line at byte 0: the input ended after 8 bytes without a newline",
    );
}

#[test]
fn a_length_of_4_gib_is_refused_before_memory_is_set_aside() {
    let mut connector = Connector::start(Codec::Proto);
    connector.write(b"\xff\xff\xff\xff");
    // Stdin stays open: the length alone decides.
    let ended = connector.wait();
    assert_error(
        &ended,
        "reading the frame at byte 0: its length is 4294967295 bytes, at most 67108864 are accepted",
    );
}

#[test]
fn a_long_frame_with_nothing_behind_it_takes_no_memory() {
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    let before = peak_kib(connector.id());
    connector.write(&u32::try_from(MAX_FRAME).unwrap().to_le_bytes());
    connector.write(b"\x3a");
    std::thread::sleep(Duration::from_millis(100));
    let grown = peak_kib(connector.id()) - before;
    assert!(grown < 8 * 1024, "{grown} KiB were set aside");
    assert_error(&connector.end(), "the input ended after 1 of its 67108864 bytes");
}

#[test]
fn random_bytes_are_an_error() {
    let ended = raw(Some(Codec::Proto), b"\x08\0\0\0\xde\xad\xbe\xef\xfe\xed\xfa\xce");
    assert_error(&ended, "decoding the proto frame at byte 0: ");
    let ended = raw(None, b"\xde\xad\xbe\xef\xfe\xed\xfa\xce");
    assert_error(&ended, "its length is 4022250974 bytes");
    let ended = raw(Some(Codec::Json), b"\xde\xad\xbe\xef\n");
    assert_error(&ended, "decoding the json frame at byte 0: the line is not");
}

#[test]
fn a_request_that_is_not_known_names_what_came() {
    // Field 77, a message of no bytes.
    let ended = raw(Some(Codec::Proto), b"\x03\0\0\0\xea\x04\x00");
    assert_error(&ended, "a request without a message: ");
    assert_error(&ended, "77");
    let ended = raw(None, b"{\"prepare\":{}}\n");
    assert_error(&ended, "prepare");
}

// --- Requests in the wrong order ---

#[test]
fn a_store_before_open_is_an_error() {
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request::Store { key_packed: "\x15\x01".into(), ..Default::default() });
    assert_error(&connector.end(), "store came before open; expected spec, validate, apply or open");
}

#[test]
fn a_second_open_is_an_error() {
    let session = Session::json();
    let Session { mut connector, task, .. } = session.opened();
    connector.send(open_request(&task.spec));
    assert_error(&connector.end(), "open came after acknowledged: expected flush");
}

#[test]
fn a_store_outside_of_a_transaction_is_an_error() {
    let mut session = Session::json().opened();
    let store = session.document();
    session.connector.store(&store);
    assert_error(&session.connector.end(), "store came after acknowledged: expected flush");
}

#[test]
fn a_load_is_an_error() {
    let mut session = Session::json().opened();
    session.connector.send(request::Load { key_packed: "\x15\x01".into(), ..Default::default() });
    assert_error(
        &session.connector.end(),
        "a load of binding 0 came, though every binding was validated as delta updates",
    );
}

#[test]
fn a_binding_that_does_not_exist_is_an_error() {
    let ended = Session::json().store(|store| store.binding = 3);
    assert_error(&ended, "a store names binding 3, but there is 1 binding");
}

// --- Stores whose contents are wrong ---

#[test]
fn a_tuple_of_the_wrong_number_of_elements_names_the_fields() {
    let ended = Session::json().store(|store| store.key_packed.extend(b"\x15\x01"));
    assert_error(
        &ended,
        r#"binding 0, collection acme/things, topic "things": encoding the document with a key that cannot be read"#,
    );
    assert_error(&ended, r#"reading the key fields: expected 1 element (id), found more"#);
    let ended = Session::json().store(|store| store.values_packed.truncate(7));
    assert_error(&ended, r#"reading the value fields: expected 2 elements (name, nested), found 1"#);
}

#[test]
fn a_tuple_element_of_the_wrong_kind_tells_its_code_and_place() {
    let ended = Session::json().store(|store| store.key_packed = vec![0x33, 1, 2]);
    assert_error(&ended, r#"field "id": the packed key tuple has the type code 0x33 at byte 0"#);
}

#[test]
fn a_tuple_that_is_cut_inside_an_element_tells_which() {
    let ended = Session::json().store(|store| store.key_packed = vec![0x17, 1]);
    assert_error(&ended, r#"field "id": the packed key tuple ends within the element at byte 0"#);
}

#[test]
fn invalid_utf8_is_an_error_in_tuples_and_documents() {
    let ended = Session::json().store(|store| store.values_packed[1] = 0xff);
    assert_error(&ended, r#"field "name": the packed value tuple has text at byte 0 that is not UTF-8"#);
    let ended = Session::json().store(|store| store.doc_json[2] = 0xff);
    assert_error(&ended, r#"field "flow_document": the root document is not UTF-8 from byte 2 on"#);
}

#[test]
fn a_tuple_integer_below_64_bits_is_an_error_and_the_largest_u64_is_not() {
    let ended = Session::json().store(|store| store.key_packed = vec![0x0c, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_error(&ended, r#"field "id": the packed key tuple has an integer below -9223372036854775808"#);
    let ended = Session::json().store(|store| store.key_packed = vec![0x0b, 0xf6, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_error(&ended, r#"field "id": the packed key tuple has "#);

    let mut session = Session::json().opened();
    let mut store = session.document();
    store.key_packed = [&[0x1c_u8][..], &[0xff; 8]].concat();
    session.connector.transact([&store]);
    session.connector.end().assert_clean();
    let records = session.servers.read(&["things"], 1);
    assert_eq!(records["things"][0].key.as_deref(), Some(&br#"{"id":18446744073709551615}"#[..]));
}

#[test]
fn nested_json_that_is_none_is_an_error() {
    let ended = Session::json().store(|store| nested(store, br#"{"count":}"#));
    assert_error(&ended, r#"field "nested": its nested JSON cannot be read: "#);
}

#[test]
fn nested_json_of_10000_levels_is_an_error() {
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    for session in [Session::json(), Session::avro()] {
        let ended = session.store(|store| nested(store, deep.as_bytes()));
        assert_error(&ended, r#"field "nested": its nested JSON cannot be read: "#);
    }
}

#[test]
fn a_deep_root_document_is_no_error_since_it_is_only_a_text() {
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    for codec in [Codec::Proto, Codec::Json] {
        let mut session = Session::json();
        session.codec = codec;
        let mut session = session.opened();
        let mut store = session.document();
        store.doc_json = deep.clone().into_bytes();
        session.connector.transact([&store]);
        session.connector.end().assert_clean();
    }
}

#[test]
fn a_value_that_does_not_fit_its_avro_type_names_pointer_value_and_type() {
    let ended = Session::avro().store(|store| store.key_packed = b"\x02text\0".to_vec());
    assert_error(&ended, r#"/p1: the value "text" does not fit the Avro type "long""#);
    assert_error(&ended, r#"with key {"id":"text"}"#);
    let ended = Session::avro().store(|store| nested(store, br#"{"count":1.5}"#));
    assert_error(&ended, "/nested/count: the value 1.5 does not fit the Avro type");
}

/// The brokers' own limit is what may refuse a document below ours: `tests/kafka.rs` has that case.
#[test]
fn a_document_above_the_limit_of_a_frame_is_refused_and_one_below_passes() {
    let mut session = Session::json().opened();
    let mut store = session.document();
    store.doc_json = vec![b' '; 4 << 20];
    session.connector.transact([&store]);
    session.connector.flush();
    session.connector.write(&u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes());
    let ended = session.connector.wait();
    assert_error(
        &ended,
        "its length is 67108865 bytes, at most 67108864 are accepted; where the document is that large, shorten it",
    );
    session.servers.read(&["things"], 1);
}

// --- Specifications that are wrong ---

#[test]
fn avro_without_a_registry_is_an_error() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.avro();
    config.as_object_mut().unwrap().remove("schema_registry");
    assert_error(
        &open_with(&servers, &config),
        "/schema_registry is missing; message_format Avro needs a registry",
    );
}

#[test]
fn an_unknown_compression_names_the_known_ones() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.json();
    config["compression"] = json!("brotli");
    let ended = open_with(&servers, &config);
    assert_error(&ended, r#"/compression is "brotli", expected one of "#);
    for known in ["none", "gzip", "lz4", "snappy", "zstd"] {
        assert_error(&ended, known);
    }
}

#[test]
fn an_unknown_codec_is_an_error() {
    let mut command = command(None);
    command.env(Codec::VARIABLE, "xml");
    let ended = Connector::spawn(command, Codec::Proto).end();
    assert_error(&ended, r#"FLOW_RUNTIME_CODEC: it is "xml"; expected "proto" or "json""#);
}

#[test]
fn two_bindings_may_share_a_topic_and_the_log_says_so() {
    let session = Session::json();
    let mut spec = session.task.spec.clone();
    let second = spec.bindings[0].clone();
    spec.bindings.push(second);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.open_spec(&spec);
    let one = session.document();
    let mut two = one.clone();
    two.binding = 1;
    connector.transact([&one, &two]);
    let ended = connector.end();
    ended.assert_clean();
    assert!(ended.stderr.contains("two bindings write to one topic"), "{}", ended.stderr);
    session.servers.read(&["things"], 2);
}

// --- How they are made ---

/// A task, its servers, and a connector that is not yet open.
struct Session {
    servers: Servers,
    task: BuiltTask,
    codec: Codec,
    connector: Connector,
}

impl Session {
    fn json() -> Self {
        Self::new(Servers::json)
    }

    fn avro() -> Self {
        Self::new(Servers::avro)
    }

    fn new(config: impl Fn(&Servers) -> Value) -> Self {
        let servers = Servers::start(&["things"]);
        let task = build(TASK, &config(&servers));
        let codec = Codec::Proto;
        Self { servers, task, codec, connector: Connector::start(codec) }
    }

    fn opened(mut self) -> Self {
        self.connector = Connector::start(self.codec);
        self.connector.spec();
        self.connector.open(&self.task);
        self
    }

    fn document(&self) -> StoreDoc {
        stores(&self.task, DOCUMENT).swap_remove(0).swap_remove(0)
    }

    /// Stores one document that `change` has spoilt, and expects the end.
    fn store(self, change: impl FnOnce(&mut StoreDoc)) -> Ended {
        let mut session = self.opened();
        let mut store = session.document();
        change(&mut store);
        session.connector.flush();
        let _ended = session.connector.try_send(store_request(&store, session.codec));
        let started = Instant::now();
        let ended = session.connector.wait();
        assert!(started.elapsed() < Duration::from_secs(60), "the end came late");
        ended
    }
}

/// What a connector says to these bytes and the end of input.
fn raw(codec: Option<Codec>, bytes: &[u8]) -> Ended {
    let mut connector = Connector::spawn(command(codec), codec.unwrap_or(Codec::Proto));
    connector.write(bytes);
    connector.end()
}

/// Opens the task with another configuration.
fn open_with(servers: &Servers, config: &Value) -> Ended {
    let mut spec: flow::MaterializationSpec = build(TASK, &servers.json()).spec;
    spec.config_json = config.to_string().into();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(open_request(&spec));
    connector.wait()
}

/// Puts `json` in place of the field `nested`.
fn nested(store: &mut StoreDoc, json: &[u8]) {
    store.values_packed.truncate(b"\x02seven\0".len());
    store.values_packed.push(1);
    store.values_packed.extend(json);
    store.values_packed.push(0);
}

fn assert_error(ended: &Ended, text: &str) {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let message = ended.message();
    assert!(message.contains(text), "expected {text:?} in {message:?}");
}

fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
