//! Any bytes as the fields of a Store, in a frame that is whole: what the connector reads is what prost or serde read, as in
//! `frames`, where a change of a length spoils all that follows. And a Store that is read is read the same in any other
//! order of its fields: in ascending order it takes the straight pass, otherwise the walk.
//!
//! The input: the fields in protobuf, or with a brace in front the text of the object.

use materialize_kafka::protocol::messages::{Request, request};
use materialize_kafka::protocol::{Codec, Incoming, RequestReader};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_varint, skip_field};
use serde_json::json;

use crate::Seeds;
use crate::frames::{compare, lines, same_store};
use crate::tuple::pack;

/// Runs the target once.
pub fn run(data: &[u8]) {
    if data.starts_with(b"{") {
        lines(&[b"{\"store\":", data, b"}\n"].concat());
        return;
    }
    let message = message(data);
    compare(
        &framed(&message),
        Codec::Proto,
        Request::decode(&message[..]).map_err(|error| error.to_string()),
    );

    let Ok(store) = request::Store::decode(data) else { return };
    let ascending = store.encode_to_vec();
    let mut fields = fields(&ascending);
    same_read(&store, &self::message(&ascending));
    fields.reverse();
    same_read(&store, &self::message(&fields.concat()));
    // Some field that is not known, first.
    same_read(&store, &self::message(&[b"\x7a\x01x", &ascending[..]].concat()));
}

/// A Request with this Store.
fn message(store: &[u8]) -> Vec<u8> {
    let mut message = vec![0x3a];
    encode_varint(store.len() as u64, &mut message);
    message.extend_from_slice(store);
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("inputs are small");
    [&length.to_le_bytes(), message].concat()
}

/// That the connector reads this Store in the message.
fn same_read(store: &request::Store, message: &[u8]) {
    let frame = framed(message);
    let mut requests = RequestReader::new(&frame[..], Some(Codec::Proto));
    match requests.next() {
        Ok(Some(Incoming::Store(read))) => same_store(read, store),
        read => panic!("read {read:?}, expected {store:?}"),
    }
}

/// The fields of a message that is well formed, one by one.
fn fields(message: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let (tag, wire): (u32, WireType) = decode_key(&mut rest).expect("well formed");
        skip_field(wire, tag, &mut rest, DecodeContext::default()).expect("well formed");
        fields.push(&before[..before.len() - rest.len()]);
    }
    fields
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let packed = request::Store {
        binding: 300,
        key_packed: pack(&[json!(7), json!("seven")]).into(),
        values_packed: pack(&[json!(1.5), json!({"a": [null]})]).into(),
        doc_json: r#"{"id":7}"#.into(),
        exists: true,
        ..Default::default()
    };
    let arrays = request::Store {
        key_json: r#"[7,"seven"]"#.into(),
        values_json: r#"[1.5,{"a":[null]}]"#.into(),
        delete: true,
        ..Default::default()
    };
    let ascending = packed.encode_to_vec();
    let mut backwards = fields(&ascending);
    backwards.reverse();
    let json = br#"{"binding":"7","keyPacked":"FQc=","valuesPacked":"","doc":{"id":7},"exists":false,"delete":null,"x":[{}]}"#;
    vec![
        ("packed", ascending.clone()),
        ("backwards", backwards.concat()),
        ("arrays", arrays.encode_to_vec()),
        ("both_forms", [arrays.encode_to_vec(), ascending.clone()].concat()),
        ("long_varints", b"\x08\x87\x80\x80\x80\0\x12\x81\x80\x80\x80\0[\x38\x82\x01\x40\0".to_vec()),
        ("unknown", b"\x4b\x08\x01\x4c\x08\x02\x79\0\0\0\0\0\0\0\0\x7d\0\0\0\0".to_vec()),
        ("object", json.to_vec()),
    ]
}
