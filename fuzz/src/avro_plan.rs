//! Any Store through [`AvroPlan`] with any types: an accepted message decodes in apache-avro, to its last byte, to
//! what the slow oracle of the connector's own tests expects; what the oracle refuses is refused, and nothing
//! else is. (Types with durations in them only decode: the oracle knows one form of them.)
//!
//! The input: a byte that chooses the fields (low four bits: key fields, high four: value fields), a type for each of
//! them and one for the extra map, a byte or more each, then a [`StoreInput`].

use materialize_kafka::encode::{AvroPlan, Document, Fields, Layout, Plan};
use materialize_kafka::schema::avro::{Branch, Field, Record, Schema};
use serde_json::{Value, json};

use self::oracle::Json;
use crate::Seeds;
use crate::input::{Input, StoreInput, encode_twice};
use crate::tuple::{Element, elements, pack};

#[path = "../../src/encode/avro/oracle.rs"]
mod oracle;

/// Runs the target once.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Types { keys, values, key, value } = types(&mut input);
    let StoreInput { document, selected } = StoreInput::take(input);
    let value = with_document(value, selected);
    let layout = Layout { keys: &keys, values: &values, document: selected.then_some(DOCUMENT) };
    let plan =
        AvroPlan::new(&layout, &key, KEY_ID, &value, VALUE_ID).expect("the schemas are of this layout");

    let written = encode_twice(&Plan::Avro(plan), &document);
    let decoded = written.as_ref().ok().map(|(key_message, value_message)| {
        let value_message =
            value_message.as_ref().map(|message| oracle::decode(&value, body(message, VALUE_ID)));
        (oracle::decode(&key, body(key_message, KEY_ID)), value_message)
    });
    if has_duration(&key) || has_duration(&value) {
        return;
    }
    let objects = objects(&layout, &document);
    let expected = objects.as_ref().and_then(|(key_object, value_object)| {
        let value = match value_object {
            Some(object) => Some(oracle::expected(&value, object)?),
            None => None,
        };
        Some((oracle::expected(&key, key_object)?, value))
    });
    let (decoded_text, expected_text) = (format!("{decoded:?}"), format!("{expected:?}"));
    // NaN, which a text may stand for, is unlike itself.
    let same = decoded == expected || decoded_text.contains("NaN") && expected_text.contains("NaN");
    assert!(same, "{key:?}\n{value:?}\n{objects:?}\n{written:?}\n{decoded_text}\nexpected {expected_text}");
}

fn body(message: &[u8], id: u32) -> &[u8] {
    let (header, body) = message.split_first_chunk::<5>().expect("a header");
    assert_eq!(*header, [[0].as_slice(), &id.to_be_bytes()].concat()[..]);
    body
}

const KEY_ID: u32 = 1;
const VALUE_ID: u32 = 0x0102_0304;
const DOCUMENT: &str = "flow_document";

/// Key and value as objects of the schemas; no value where the document is deleted.
fn objects(layout: &Layout<'_>, document: &Document<'_>) -> Option<(Json, Option<Json>)> {
    let keys = elements(document.key, layout.keys.len())?;
    let parts = keys.iter().enumerate().map(|(i, part)| (format!("p{}", i + 1), json_of(part))).collect();
    let key = Json::Object(vec![("_flow_key".to_owned(), Json::Object(parts))]);
    if document.delete {
        return Some((key, None));
    }
    let mut elements_of_all = keys;
    elements_of_all.extend(elements(document.values, layout.values.len())?);
    let names = layout.keys.iter().chain(layout.values).cloned();
    let mut members: Vec<_> = names.zip(elements_of_all.iter().map(json_of)).collect();
    match (layout.document, document.doc) {
        (None, []) => {}
        (None, _) | (Some(_), []) => return None,
        (Some(name), text) => {
            members.push((name.to_owned(), Json::String(std::str::from_utf8(text).ok()?.to_owned())));
        }
    }
    Some((key, Some(Json::Object(members))))
}

fn json_of(element: &Element) -> Json {
    match element {
        Element::Json(value) => Json::from(value),
        // The reference: "take the null branch, or are the text null".
        Element::NotANumber => Json::Null,
    }
}

/// The fields of a binding and its schemas, the document's field excepted.
struct Types {
    keys: Vec<String>,
    values: Vec<String>,
    key: Schema,
    value: Record,
}

fn types(input: &mut Input<'_>) -> Types {
    let counts = input.byte();
    // In ascending order; the last ones are no names that Avro allows.
    const KEYS: [&str; 3] = ["a", "key", "k/1"];
    const VALUES: [&str; 6] = ["b", "c", "m", "z", "", "\u{e9}"];
    let names = |names: &[&str], count: u8| -> Vec<String> {
        names.iter().take(count.into()).map(|name| (*name).to_owned()).collect()
    };
    let (keys, values) = (names(&KEYS, counts & 15), names(&VALUES, counts >> 4));
    let is_legal = |name: &str| name.is_ascii() && !name.is_empty() && !name.contains('/');

    let parts = (1..=keys.len()).map(|i| field(&format!("p{i}"), "root.Key.Parts", input)).collect();
    let parts = Record { name: "root.Key.Parts".to_owned(), fields: parts, extra: None };
    let key = Field { name: "_flow_key".to_owned(), schema: Schema::Record(parts), default: None };
    let key = Schema::Record(Record { name: "root.Key".to_owned(), fields: vec![key], extra: None });

    let legal = keys.iter().chain(&values).filter(|name| is_legal(name));
    let mut fields: Vec<_> = legal.map(|name| field(name, "root", input)).collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    let extra = Some(Box::new(schema("root._flow_extra", 0, input)));
    Types { keys, values, key, value: Record { name: "root".to_owned(), fields, extra } }
}

fn with_document(mut value: Record, selected: bool) -> Schema {
    if selected {
        value.fields.push(Field { name: DOCUMENT.to_owned(), schema: Schema::String, default: None });
        value.fields.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Schema::Record(value)
}

fn field(name: &str, record: &str, input: &mut Input<'_>) -> Field {
    Field { name: name.to_owned(), schema: schema(&format!("{record}.{name}"), 0, input), default: None }
}

/// The type that the next bytes stand for, at the place that has the name.
fn schema(name: &str, depth: usize, input: &mut Input<'_>) -> Schema {
    let byte = input.byte();
    // Types within types end somewhere.
    let kinds = if depth < 3 { 12 } else { 9 };
    let mut inner = |step: &str| Box::new(schema(&format!("{name}.{step}"), depth + 1, input));
    let kind = match byte & 0x3f {
        // Those of a registered schema that is somebody else's.
        0x30 => return Schema::Int,
        0x31 => return Schema::Float,
        0x32 => return Schema::TimestampMillis,
        0x33 => return Schema::Enum(["b", "a", "two"].map(str::to_owned).to_vec()),
        0x34 if depth < 3 => {
            let schema = match *inner("_branch") {
                Schema::Nullable(schema) | Schema::Branch(Branch { schema, .. }) => schema,
                other => Box::new(other),
            };
            let places = input.byte();
            let (index, null) = (usize::from(places & 0xf) * 5, usize::from(places >> 4));
            return Schema::Branch(Branch { index, schema, null: Some(null).filter(|null| *null != index) });
        }
        kind => kind % kinds,
    };
    let schema = match kind {
        0 => Schema::String,
        1 => Schema::Long,
        2 => Schema::Double,
        3 => Schema::Boolean,
        4 => Schema::RawJson { name: format!("{name}.RawJSON") },
        5 => Schema::Uuid,
        6 => Schema::Date,
        7 => Schema::TimestampMicros,
        8 => Schema::Duration,
        9 => Schema::Array(inner("_items")),
        10 => Schema::Map(inner("_values")),
        _ => {
            let mut fields = Vec::new();
            for field in ["a", "b", "bb"] {
                let schema = *inner(field);
                fields.push(Field { name: field.to_owned(), schema, default: None });
            }
            let extra = (byte & 0x40 != 0).then(|| inner("_flow_extra"));
            for field in &mut fields {
                field.default = default(input.byte());
            }
            Schema::Record(Record { name: name.to_owned(), fields, extra })
        }
    };
    if byte & 0x80 == 0 { schema } else { Schema::Nullable(Box::new(schema)) }
}

fn default(byte: u8) -> Option<Value> {
    Some(match byte {
        1 => json!(1),
        2 => json!("2019-03-06"),
        3 => json!(null),
        4 => json!([]),
        5 => json!({"a": 1.5}),
        6 => json!(true),
        _ => return None,
    })
}

fn has_duration(schema: &Schema) -> bool {
    match schema {
        Schema::Duration => true,
        Schema::Array(inner) | Schema::Map(inner) | Schema::Nullable(inner) => has_duration(inner),
        Schema::Branch(branch) => has_duration(&branch.schema),
        Schema::Record(record) => {
            record.fields.iter().map(|field| &field.schema).chain(record.extra.as_deref()).any(has_duration)
        }
        _ => false,
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let store = |key, values, doc, selected| StoreInput {
        document: Document { key, values, doc, delete: false },
        selected,
    };
    // One key and four values: types of the part, of a, b, c, m, z, and of the extra map.
    let scalars = [0x41, 1, 1, 2, 0, 3, 0x85, 0x84];
    let times = [0x41, 0, 0, 6, 7, 8, 0x87, 0x84];
    let nested = [
        0x41, 0x81, 0x81, 9, 0x82, 0x8b, 1, 0, 4, 3, 0, 1, 10, 0x84, 0x4b, 0x81, 0x80, 0x82, 0x84, 1, 2, 3,
        0x84,
    ];
    // The same, in unions with null first: an int, a float, a time, an enum in an array.
    let theirs = [0x41, 0, 0x34, 0x30, 1, 0x34, 0x31, 1, 0x34, 0x32, 1, 9, 0x34, 0x33, 1, 0x84];
    let extras = [0x63, 0, 1, 2, 0, 1, 4, 4, 4, 4, 0x84, 0, 0];
    let numbers = pack(&[json!(-1), json!("text"), json!(true), json!(null)]);
    let texts = pack(&[
        json!("2022-05-10"),
        json!("2019-03-06T00:00:00.123456789+01:00"),
        json!("P1Y2M3DT4H5M6.789S"),
        json!(null),
    ]);
    let trees = pack(&[
        json!([1, "2.5", null, -0.0]),
        json!({"a": 1, "b": "two", "bb": {"c": []}}),
        json!({"x": [1.5, "\u{e9}"], "": null}),
        json!({"b": "\u{1f600}", "bb": 1e300, "other": {"deep": 1}}),
    ]);
    let array = br#"[ [1,-0,1e2,"NaN"], {"b":"\u00e9","a":2,"b":"last"}, {"k" : {"z":1,"a":[ ]}}, null ]"#;
    let mut deleted = store(Fields::Json(b"[7]"), Fields::Packed(b""), b"", false);
    deleted.document.delete = true;
    vec![
        (
            "scalars",
            store(Fields::Packed(&pack(&[json!(7)])), Fields::Packed(&numbers), b"{}", true).write(&scalars),
        ),
        ("times", store(Fields::Json(br#"["7"]"#), Fields::Packed(&texts), b"", false).write(&times)),
        ("nested", store(Fields::Json(b"[null]"), Fields::Packed(&trees), b"", false).write(&nested)),
        (
            "nested_array",
            store(Fields::Json(b"[9007199254740993]"), Fields::Json(array), b"", false).write(&nested),
        ),
        (
            "theirs",
            store(
                Fields::Json(br#"["7"]"#),
                Fields::Json(br#"[2147483648,0.1,"2019-03-06T00:00:00.123Z",["a",null]]"#),
                b"",
                false,
            )
            .write(&theirs),
        ),
        (
            "extras",
            store(
                Fields::Json(br#"["a",1,{"x":1}]"#),
                Fields::Json(br#"["b",1,[],{},0.5,"last"]"#),
                b"",
                false,
            )
            .write(&extras),
        ),
        ("tombstone", deleted.write(&scalars)),
        // Whole, and not what its shortest decimal says with zeros behind it.
        (
            "whole_float",
            store(Fields::Json(b"[-5.764607179436851e17]"), Fields::Packed(b""), b"", false)
                .write(&[0x01, 0x81, 0, 0]),
        ),
    ]
}
