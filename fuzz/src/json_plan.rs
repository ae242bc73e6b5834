//! Any Store through [`JsonPlan`]: it is refused or written exactly as a slow implementation on serde_json's values
//! refuses or writes it. So an accepted message parses, with all members at their places, and nothing that the
//! rules accept is refused.
//!
//! The input: a byte that chooses the fields (low four bits: key fields, high four: value fields), then a
//! [`StoreInput`].

use std::collections::BTreeMap;

use materialize_kafka::encode::{Document, Fields, JsonPlan, Layout, Plan};
use serde_json::{Value, json};

use crate::Seeds;
use crate::input::{Input, StoreInput, encode_twice};
use crate::tuple::{Element, elements, pack};

/// Runs the target once.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (keys, values) = fields(input.byte());
    let StoreInput { document, selected } = StoreInput::take(input);
    let layout = Layout { keys: &keys, values: &values, document: selected.then_some(DOCUMENT) };
    let plan = Plan::Json(JsonPlan::new(&layout).expect("distinct names"));

    let written = encode_twice(&plan, &document);
    let expected = expected(&layout, &document);
    match (written, expected) {
        (Ok((key, value)), Some((expected_key, expected_value))) => {
            let text = |bytes| String::from_utf8(bytes).expect("messages are UTF-8");
            assert_eq!(text(key), expected_key, "key");
            assert_eq!(value.map(text), expected_value, "value");
        }
        (Err(_), None) => {}
        (written, expected) => panic!("written {written:?}, expected {expected:?}"),
    }
}

/// Names of all kinds: to be escaped, longer than what is copied at once, around the document's in their order.
fn fields(counts: u8) -> (Vec<String>, Vec<String>) {
    const KEYS: [&str; 4] = ["id", "a/b~1c", "flow_document_", "\u{e9}\"\\\n"];
    const VALUES: [&str; 8] = [
        "value",
        "",
        "x",
        "flow_published_at",
        "_",
        "a name of more than thirty-two bytes",
        "\u{1f600}",
        "Z",
    ];
    let names =
        |names: &[&str], count: u8| names.iter().take(count.into()).map(|name| (*name).to_owned()).collect();
    (names(&KEYS, counts & 15), names(&VALUES, counts >> 4))
}

const DOCUMENT: &str = "flow_document";

/// Key and value by the reference.
fn expected(layout: &Layout<'_>, document: &Document<'_>) -> Option<(String, Option<String>)> {
    let keys = elements(document.key, layout.keys.len())?;
    let key: BTreeMap<_, _> = layout.keys.iter().map(String::as_str).zip(keys.iter().map(text)).collect();
    if document.delete {
        return Some((object(&key), None));
    }
    let values = elements(document.values, layout.values.len())?;
    let mut members = key.clone();
    members.extend(layout.values.iter().map(String::as_str).zip(values.iter().map(text)));
    if !document.doc.is_empty() {
        members.insert(layout.document?, quoted(std::str::from_utf8(document.doc).ok()?));
    }
    Some((object(&key), Some(object(&members))))
}

fn text(element: &Element) -> String {
    match element {
        Element::Json(value) => normal(value),
        Element::NotANumber => "null".to_owned(),
    }
}

/// Compact, sorted, floats as ryu prints them.
fn normal(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => ryu::Buffer::new().format_finite(float).to_owned(),
            None => number.to_string(),
        },
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(normal).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            object(&members.iter().map(|(name, value)| (name.as_str(), normal(value))).collect())
        }
    }
}

fn object(members: &BTreeMap<&str, String>) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let values = json!([
        {"b": [1, -0.5, 1e300], "a": {"": null, "\u{e9}": "\u{1f600}\n"}},
        "text", true, u64::MAX, i64::MIN, 1.5, [], null
    ]);
    let values = values.as_array().expect("an array");
    let key = pack(&[json!(7), json!("seven")]);
    let packed = pack(values);
    let array = br#"[{"b" : [1,-0,1e2,18446744073709551616], "a":"\u00e9\/", "b":[]},"\ud83d\ude00",true,1,-1,0.10,[],null]"#;
    let store = |key, values, doc, selected| StoreInput {
        document: Document { key, values, doc, delete: false },
        selected,
    };
    let deep = [&b"["[..], &[b'['; 127], &[b']'; 127], b"]"].concat();
    let floats = [0x20, 0xbf, 0x8c, 0xcc, 0xcd, 0x21, 0xff, 0xf8, 0, 0, 0, 0, 0, 0];
    let mut deleted = store(Fields::Packed(&key), Fields::Packed(b""), b"", false);
    deleted.document.delete = true;
    vec![
        ("packed", store(Fields::Packed(&key), Fields::Packed(&packed), b"{\"id\":7}", true).write(&[0x82])),
        ("arrays", store(Fields::Json(b"[7,\"seven\"]"), Fields::Json(array), b"{}", true).write(&[0x82])),
        ("tombstone", deleted.write(&[0x82])),
        ("deep", store(Fields::Packed(&key), Fields::Json(&deep), b"", false).write(&[0x12])),
        ("floats", store(Fields::Packed(&key), Fields::Packed(&floats), b"", false).write(&[0x22])),
    ]
}
