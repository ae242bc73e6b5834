//! How two schemas differ, as errors tell it.

use serde_json::{Value, json};

use crate::schema::{avro_differences, json_differences};

fn json_of(registered: &Value, new: &Value) -> Vec<String> {
    json_differences(&registered.to_string(), &new.to_string())
}

#[test]
fn each_kind_of_difference_of_json_schemas_names_its_field() {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    let cases = [
        (
            object(json!({"a": {"type": "number"}}), json!([])),
            object(json!({"a": {"type": ["string", "null"]}}), json!([])),
            r#"field "a" is number there and null or string here"#,
        ),
        (
            object(json!({"a": {}}), json!([])),
            object(json!({"a": {"type": "string"}}), json!([])),
            r#"field "a" is anything there and string here"#,
        ),
        (object(json!({}), json!([])), object(json!({"a": {}}), json!([])), r#"field "a" is new"#),
        (
            object(json!({}), json!([])),
            object(json!({"a": {}}), json!(["a"])),
            r#"field "a" is new, and required"#,
        ),
        (object(json!({"a": {}}), json!(["a"])), object(json!({}), json!([])), r#"field "a" is gone"#),
        (
            object(json!({"a": {}}), json!([])),
            object(json!({"a": {}}), json!(["a"])),
            r#"field "a" is required here and not there"#,
        ),
        (
            object(json!({"a": {}}), json!(["a"])),
            object(json!({"a": {}}), json!([])),
            r#"field "a" is required there and not here"#,
        ),
        (
            object(json!({"a": object(json!({"b": {}}), json!([]))}), json!([])),
            object(json!({"a": object(json!({"b": {"type": "null"}, "c": false}), json!([]))}), json!([])),
            r#"field "a.b" is anything there and null here; field "a.c" is new"#,
        ),
        (
            json!({"properties": {"a": {"items": {"type": "string"}}}}),
            json!({"properties": {"a": {"items": {"type": "integer"}}}}),
            r#"field "a[]" is string there and integer here"#,
        ),
        (
            json!({"properties": {"a": {"items": [{}, {"type": "string"}]}}}),
            json!({"properties": {"a": {"items": [{}, {"type": "integer"}]}}}),
            r#"field "a[1]" is string there and integer here"#,
        ),
        (
            json!({"properties": {"a": {"items": {"type": "string"}}}}),
            json!({"properties": {"a": {"items": [{"type": "string"}]}}}),
            r#"field "a" has items {"type":"string"} there and [{"type":"string"}] here"#,
        ),
        (
            json!({"properties": {"a": {"additionalProperties": {"type": "string"}}}}),
            json!({"properties": {"a": {"additionalProperties": {"type": "integer"}}}}),
            r#"field "a.*" is string there and integer here"#,
        ),
        (
            json!({"additionalProperties": false}),
            json!({}),
            "the schema has additionalProperties false there and absent here",
        ),
        (
            json!({"patternProperties": {"^x": {"type": "string"}}}),
            json!({"patternProperties": {"^x": {"type": "integer"}, "^y": {}}}),
            r#"field "/^x/" is string there and integer here; field "/^y/" is new"#,
        ),
        (
            json!({"properties": {"a": {"type": "string", "format": "date"}}}),
            json!({"properties": {"a": {"type": "string"}}}),
            r#"field "a" has format "date" there and absent here"#,
        ),
        (
            json!({"properties": {"a": true}}),
            json!({"properties": {"a": {"type": "string"}}}),
            r#"field "a" is true there and {"type":"string"} here"#,
        ),
    ];
    for (registered, new, told) in cases {
        assert_eq!(json_of(&registered, &new).join("; "), told, "{registered}, {new}");
        assert_eq!(json_of(&new, &new), [""; 0]);
    }
}

/// What somebody else wrote differently, or about it.
#[test]
fn what_makes_no_difference_is_not_told() {
    let theirs = json!({
        "$id": "x", "title": "Order", "type": ["object"], "required": ["b", "a"],
        "properties": {"a": {"type": ["null", "string"], "description": "A"}, "b": {}},
    });
    let ours = json!({
        "type": "object", "required": ["a", "b"],
        "properties": {"b": {}, "a": {"type": ["string", "null"], "default": 3}},
    });
    assert_eq!(json_of(&theirs, &ours), [""; 0]);
}

#[test]
fn what_is_told_is_bounded() {
    let many = Value::Object((0..1000).map(|n| (format!("{n:0300}"), json!({}))).collect());
    let told = json_of(&json!({}), &json!({"properties": many}));
    assert_eq!(told.len(), 21);
    assert_eq!(told[0], format!("field \"{}...\" is new", "0".repeat(200)));
    assert_eq!(told[20], "and 980 more");

    // As deep as serde_json reads; deeper ones it does not.
    let deep = |levels: usize, leaf: &str| {
        [r#"{"properties":{"a":"#.repeat(levels), leaf.to_owned(), "}}".repeat(levels)].concat()
    };
    let told = json_differences(&deep(60, "true"), &deep(60, "false"));
    assert!(told[0].ends_with("is true there and false here"), "{told:?}");
    assert_eq!(json_differences(&deep(100_000, "true"), &deep(100_000, "false")), [""; 0]);
    // What is no schema at all.
    assert_eq!(json_differences("", "true"), ["the schema is null there and true here"]);
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"name":"{name}","type":"record","fields":[{fields}]}}"#)
}

#[test]
fn each_kind_of_difference_of_avro_schemas_names_its_field() {
    let field = |name: &str, schema: &str| format!(r#"{{"name":"{name}","type":{schema}}}"#);
    let inner = |schema: &str| record("r.b", &field("c", schema));
    let cases = [
        ("".to_owned(), field("a", r#""long""#), r#"field "a" is new"#),
        (field("a", r#""long""#), "".to_owned(), r#"field "a" is gone"#),
        (
            field("a", r#""long""#),
            field("a", r#"["long","null"]"#),
            r#"field "a" is "long" there and ["long","null"] here"#,
        ),
        (
            field("b", &inner(r#""long""#)),
            field("b", &inner(r#""double""#)),
            r#"field "b.c" is "long" there and "double" here"#,
        ),
        (
            field("b", &format!(r#"[{},"null"]"#, inner(r#""long""#))),
            field("b", &format!(r#"[{},"null"]"#, inner(r#""double""#))),
            r#"field "b.c" is "long" there and "double" here"#,
        ),
        (
            field("b", &format!(r#"{{"type":"array","items":{}}}"#, inner(r#""long""#))),
            field("b", &format!(r#"{{"type":"array","items":{}}}"#, inner(r#""double""#))),
            r#"field "b[].c" is "long" there and "double" here"#,
        ),
        (
            field("b", r#"{"type":"map","values":"long"}"#),
            field("b", r#"{"type":"map","values":"string"}"#),
            r#"field "b.*" is "long" there and "string" here"#,
        ),
    ];
    for (registered, new, told) in cases {
        assert_eq!(avro_differences(&record("r", &registered), &record("r", &new)), [told]);
    }
    let named = |name: &str| record("r", &field("b", &record(name, "")));
    assert_eq!(
        avro_differences(&named("r.b"), &named("r_b")),
        [
            r#"field "b" is {"fields":[],"name":"r.b","type":"record"} there and {"fields":[],"name":"r_b","type":"record"} here"#
        ]
    );
}

#[test]
fn what_a_registry_writes_otherwise_is_no_difference() {
    let ours = r#"{"name":"a.R","type":"record","fields":[{"name":"d","type":{"type":"int"}},{"name":"n","type":{"name":"a.R.N","type":"record","fields":[{"name":"x","type":"long"}]}}]}"#;
    let theirs = r#"{"type":"record","name":"R","namespace":"a","doc":"D","fields":[{"type":"int","name":"d","default":1},{"name":"n","type":{"type":"record","name":"N","namespace":"a.R","fields":[{"name":"x","type":{"type":"long"}}]}}]}"#;
    assert_eq!(avro_differences(theirs, ours), [""; 0]);
    assert_eq!(
        avro_differences(&theirs.replace("\"R\"", "\"S\""), ours),
        [r#"the record is "a.S" there and "a.R" here"#]
    );
}
