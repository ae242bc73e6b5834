//! The JSON schemas of a binding.

use serde_json::{Value, json};

use super::infer;
use crate::schema::{Error, Projection, RecordNames, Selection, json_schemas};

/// The two schemas of `fields`, each a name, a pointer and whether it must exist; `doc` is the root document's.
fn schemas(collection: &Value, fields: &[(&str, &str, bool)], keys: usize, embeds: bool) -> [Value; 2] {
    let types = ["string".to_owned()];
    let projections: Vec<_> = fields
        .iter()
        .map(|&(field, pointer, must_exist)| Projection { field, pointer, types: &types, must_exist })
        .collect();
    let names: Vec<String> = fields.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let (keys, values) = names.split_at(keys);
    let document = values.last().filter(|name| *name == "doc").map(String::as_str);
    let values = &values[..values.len() - usize::from(document.is_some())];
    let selection = Selection { keys, values, document };
    let schemas = json_schemas(&infer(collection), &projections, &selection, embeds, None).unwrap();
    [schemas.key, schemas.value].map(|text| serde_json::from_str(&text).unwrap())
}

fn closed(properties: &Value, required: &Value) -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": false,
        "properties": properties, "required": required,
    })
}

fn collection() -> Value {
    json!({
        "type": "object",
        "required": ["id", "at", "part"],
        "properties": {
            "id": {"type": "integer", "minimum": 3, "title": "The id"},
            "at": {"type": "string", "format": "date-time"},
            "big": {"type": ["string", "integer"], "format": "integer"},
            "maybe": {"type": "boolean"},
            "half": {"type": "number", "enum": [0.5]},
            "any": {},
            "never": false,
            "part": {
                "type": "object",
                "required": ["in"],
                "properties": {
                    "in": {"type": "array", "items": [{"type": "null"}], "additionalItems": {"type": "string"}},
                    "list": {"type": ["array", "null"], "items": {"type": "string", "format": "uuid"}},
                },
                "patternProperties": {"^x-": {"type": "number"}},
                "additionalProperties": false,
            },
        },
    })
}

#[test]
fn the_fields_that_are_written_are_described() {
    let fields = [
        ("id", "/id", true),
        ("at", "/at", true),
        ("big", "/big", false),
        ("maybe", "/maybe", false),
        ("half", "/half", false),
        ("any", "/any", false),
        ("never", "/never", false),
        ("part", "/part", true),
        ("own", "/maybe", true),
        ("doc", "", true),
    ];
    let [key, value] = schemas(&collection(), &fields, 2, false);
    let at = json!({"type": "string", "format": "date-time"});
    assert_eq!(key, closed(&json!({"id": {"type": "integer"}, "at": at}), &json!(["at", "id"])));
    let part = json!({
        "type": "object",
        "required": ["in"],
        "properties": {
            "in": {"type": "array", "items": [{"type": "null"}], "additionalItems": {"type": "string"}},
            "list": {"type": ["array", "null"], "items": {"type": "string", "format": "uuid"}},
        },
        "patternProperties": {"^x-": {"type": "number"}},
        "additionalProperties": false,
    });
    let expected = json!({
        "id": {"type": "integer"}, "at": at, "part": part, "doc": {"type": "string"},
        "big": {"type": ["integer", "null", "string"]}, "maybe": {"type": ["boolean", "null"]},
        "half": {"type": ["number", "null"]}, "any": {}, "never": {"type": "null"}, "own": {"type": "string"},
    });
    assert_eq!(value, closed(&expected, &json!(["at", "doc", "id", "own", "part"])));
}

#[test]
fn an_embedded_document_is_described_as_the_collections_schema_has_it() {
    let collection = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
    let fields = [("id", "/id", true), ("doc", "", true)];
    let [_, value] = schemas(&collection, &fields, 1, true);
    let id = json!({"type": "integer"});
    let doc = json!({"type": "object", "required": ["id"], "properties": {"id": id}});
    assert_eq!(value, closed(&json!({"id": id, "doc": doc}), &json!(["doc", "id"])));
}

#[test]
fn a_key_is_needed() {
    let selection = Selection { keys: &[], values: &[], document: None };
    assert_eq!(json_schemas(&infer(&json!({})), &[], &selection, false, None), Err(Error::NoKey));
}

#[test]
fn titles_are_the_names_that_subjects_are_found_by() {
    let shape =
        infer(&json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}));
    let projections = [Projection { field: "id", pointer: "/id", types: &[], must_exist: true }];
    let selection = Selection { keys: &["id".to_owned()], values: &[], document: None };
    let schemas = |titles: Option<&RecordNames>| {
        let schemas = json_schemas(&shape, &projections, &selection, false, titles).unwrap();
        [schemas.key, schemas.value].map(|text| serde_json::from_str::<Value>(&text).unwrap())
    };
    let plain = closed(&json!({"id": {"type": "integer"}}), &json!(["id"]));
    assert_eq!(schemas(None), [plain.clone(), plain.clone()]);
    let mut titled = schemas(Some(&RecordNames::named("com.acme.Order")));
    let titles = titled.each_mut().map(|schema| schema.as_object_mut().unwrap().remove("title").unwrap());
    assert_eq!(titles, ["com.acme.OrderKey", "com.acme.Order"]);
    assert_eq!(titled, [plain.clone(), plain]);
}
