//! Each rule of the mapping from shapes to Avro.

use serde_json::{Value, json};

use super::infer;
use crate::schema::RecordNames;
use crate::schema::avro::{Record, Schema};
use crate::schema::budget::Budget;
use crate::schema::map::map;

fn mapped(schema: &Value, required: bool) -> Schema {
    map(RecordNames::root().value_path(), infer(schema), required, &mut Budget::new()).expect("small")
}

fn text(schema: &Value) -> String {
    mapped(schema, true).canonical()
}

fn record(schema: &Value) -> Record {
    match mapped(schema, true) {
        Schema::Record(record) => record,
        other => unreachable!("{schema} gives {other:?}"),
    }
}

fn raw(name: &str) -> Schema {
    Schema::RawJson { name: name.to_owned() }
}

fn nullable(schema: Schema) -> Schema {
    Schema::Nullable(Box::new(schema))
}

fn array(items: Schema) -> Schema {
    Schema::Array(Box::new(items))
}

#[test]
fn scalars() {
    let raw_root = || raw("root.RawJSON");
    for (types, format, expected) in [
        (json!(["string", "number"]), "integer", Schema::Double),
        (json!(["string", "number"]), "number", Schema::Double),
        (json!(["string", "fractional"]), "integer", Schema::Double),
        (json!(["string", "integer"]), "integer", Schema::String),
        (json!(["string", "integer"]), "number", Schema::String),
        (json!(["string", "integer"]), "date", raw_root()),
        (json!(["string", "number"]), "email", raw_root()),
        (json!(["string", "boolean"]), "integer", raw_root()),
        (json!(["string", "boolean", "number"]), "integer", raw_root()),
        (json!("string"), "date", Schema::Date),
        (json!("string"), "date-time", Schema::TimestampMicros),
        (json!("string"), "uuid", Schema::Uuid),
        (json!("string"), "duration", Schema::Duration),
        (json!("string"), "integer", Schema::String),
        (json!("string"), "email", Schema::String),
        (json!("string"), "no-such-format", Schema::String),
        (json!("boolean"), "date", Schema::Boolean),
        (json!("integer"), "date", Schema::Long),
        (json!("number"), "integer", Schema::Double),
        (json!("fractional"), "date", Schema::Double),
        (json!(["integer", "boolean"]), "date", raw_root()),
        (json!(["array", "object"]), "date", raw_root()),
        (json!([]), "date", raw_root()),
    ] {
        let schema = json!({"type": types, "format": format});
        assert_eq!(mapped(&schema, true), expected, "{schema}");
        assert_eq!(mapped(&schema, false), nullable(expected.clone()), "optional {schema}");
        let mut with_null = vec![json!("null")];
        with_null.extend(types.as_array().cloned().unwrap_or_else(|| vec![types.clone()]));
        let schema = json!({"type": with_null, "format": format});
        assert_eq!(mapped(&schema, true), nullable(expected), "{schema}");
    }
    assert_eq!(mapped(&json!({"type": "null"}), true), nullable(raw_root()));
    assert_eq!(mapped(&json!(true), true), nullable(raw_root()));
    assert_eq!(mapped(&json!({"type": "string"}), true), Schema::String);
}

#[test]
fn an_optional_value_with_a_default_is_not_nullable() {
    assert_eq!(mapped(&json!({"type": "string", "default": "x"}), false), Schema::String);
    assert_eq!(mapped(&json!({"type": ["string", "null"], "default": "x"}), false), nullable(Schema::String));
}

#[test]
fn arrays() {
    let root_items = || raw("root._items.RawJSON");
    for (schema, items) in [
        (json!({"items": {"type": "string"}}), Schema::String),
        (json!({}), nullable(root_items())),
        (json!({"prefixItems": [{"type": "string"}]}), nullable(root_items())),
        (json!({"prefixItems": [{"type": "string"}], "maxItems": 2}), nullable(root_items())),
        (json!({"prefixItems": [{"type": "string"}], "maxItems": 1}), Schema::String),
        (
            json!({"prefixItems": [{"type": "string"}, {"type": "null"}], "items": {"type": "string"}}),
            nullable(Schema::String),
        ),
        (json!({"prefixItems": [{"type": "integer"}], "items": {"type": "fractional"}}), Schema::Double),
        (json!({"items": {"type": "string"}, "maxItems": 0}), Schema::String),
        (json!({"maxItems": 0}), root_items()),
        (json!({"items": {"type": "string", "default": "x"}}), Schema::String),
    ] {
        let mut schema = schema;
        schema["type"] = json!("array");
        assert_eq!(mapped(&schema, true), array(items), "{schema}");
    }
    assert_eq!(
        text(&json!({"type": "array", "items": {"type": "object", "additionalProperties": false}})),
        r#"{"type":"array","items":{"name":"root._items","type":"record","fields":[]}}"#
    );
}

#[test]
fn maps() {
    let map = |values| Schema::Map(Box::new(values));
    for (schema, expected) in [
        (json!({}), map(nullable(raw("root.RawJSON")))),
        (json!({"additionalProperties": {"type": "integer"}}), map(Schema::Long)),
        (json!({"patternProperties": {"x": {"type": "integer"}}}), map(nullable(raw("root.RawJSON")))),
        (
            json!({"patternProperties": {"x": {"type": "integer"}}, "additionalProperties": false}),
            map(Schema::Long),
        ),
        (
            json!({"patternProperties": {"x": {"type": "integer"}, "y": {"type": "null"}}, "additionalProperties": {"type": "fractional"}}),
            map(nullable(Schema::Double)),
        ),
        // A map adds no step to the path.
        (
            json!({"additionalProperties": {"type": "array", "items": {"type": ["array", "string"]}}}),
            map(array(raw("root._items.RawJSON"))),
        ),
    ] {
        let mut schema = schema;
        schema["type"] = json!("object");
        assert_eq!(mapped(&schema, true), expected, "{schema}");
    }
}

#[test]
fn records() {
    let record = record(&json!({
        "type": "object",
        "required": ["b", "only_required", "a b"],
        "additionalProperties": {"type": "boolean"},
        "properties": {
            "b": {"type": "integer"},
            "a": {"type": "string", "default": 5},
            "c": {"type": "object", "additionalProperties": false, "properties": {"d": true}},
            "never": false,
            "a b": {"type": "array"},
            "1": {"type": "null"},
            "é": {"type": "string"},
            "_": {"type": "string"},
            "Z9": {"type": "string", "format": "date"},
        },
    }));
    assert_eq!(record.name, "root");
    let fields: Vec<_> =
        record.fields.iter().map(|field| (&*field.name, &field.schema, field.default.clone())).collect();
    let nested = Record {
        name: "root.c".into(),
        fields: vec![crate::schema::avro::Field {
            name: "d".into(),
            schema: nullable(raw("root.c.d.RawJSON")),
            default: None,
        }],
        extra: None,
    };
    let expected = [
        ("Z9", nullable(Schema::Date), None),
        ("_", nullable(Schema::String), None),
        ("a", Schema::String, Some(json!(5))),
        ("b", Schema::Long, None),
        ("c", nullable(Schema::Record(nested)), None),
        // `only_required` takes the shape of all other properties.
        ("only_required", Schema::Boolean, None),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(name, schema, default)| (*name, schema, default.clone())).collect();
    assert_eq!(fields, expected);
    // Illegal names widen the extra map: boolean, array, null and string together.
    assert_eq!(record.extra, Some(Box::new(nullable(raw("root._flow_extra.RawJSON")))));
}

#[test]
fn records_and_extras() {
    for (schema, fields, extra) in [
        (json!({"properties": {"a": true}}), 1, Some(nullable(raw("root._flow_extra.RawJSON")))),
        (json!({"properties": {"a": true}, "additionalProperties": false}), 1, None),
        (
            json!({"properties": {"a": true}, "additionalProperties": {"type": "integer"}}),
            1,
            Some(Schema::Long),
        ),
        (json!({"additionalProperties": false}), 0, None),
        (
            json!({"properties": {"a": false}, "additionalProperties": {"type": "integer"}}),
            0,
            Some(Schema::Long),
        ),
        (
            json!({"properties": {"a-b": {"type": "string"}}, "additionalProperties": false}),
            0,
            Some(Schema::String),
        ),
        // Nothing forbidden widens the extras, and neither does a forbidden name that is no field.
        (json!({"properties": {"a-b": false}, "additionalProperties": false}), 0, None),
        (json!({"required": ["r"]}), 1, Some(nullable(raw("root._flow_extra.RawJSON")))),
        // The extra map keeps its name for itself.
        (
            json!({"properties": {"_flow_extra": {"type": "string"}}, "additionalProperties": false}),
            0,
            Some(Schema::String),
        ),
        (
            json!({"properties": {"_flow_extra": {"type": "string"}, "a": true}, "additionalProperties": {"type": "null"}}),
            1,
            Some(nullable(Schema::String)),
        ),
    ] {
        let mut schema = schema;
        schema["type"] = json!("object");
        let record = record(&schema);
        assert_eq!(record.fields.len(), fields, "{schema}");
        assert_eq!(record.extra, extra.map(Box::new), "{schema}");
    }
}

#[test]
fn a_property_called_raw_json_has_a_record_of_its_own() {
    let record = record(&json!({
        "type": "object",
        "properties": {"RawJSON": {"type": "object", "properties": {"json": {"type": "string"}}, "additionalProperties": false}},
    }));
    assert!(
        matches!(&record.fields[0].schema, Schema::Nullable(inner) if matches!(&**inner, Schema::Record(_)))
    );
}
