//! Random schemas, and what holds for whatever they give.

use apache_avro::Schema;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::canonical::plain;
use super::infer;
use crate::schema::{Projection, Selection, binding_schemas};

/// Schemas of every keyword that matters, a few levels deep.
pub(super) fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(true)),
        Just(json!(false)),
        types().prop_map(|types| json!({ "type": types })),
        (types(), values()).prop_map(|(types, default)| json!({"type": types, "default": default})),
        prop::collection::vec(values(), 0..3).prop_map(|values| json!({ "enum": values })),
        values().prop_map(|value| json!({ "const": value })),
        (formats(), any::<bool>()).prop_map(|(format, nullable)| {
            json!({"type": "string", "format": format, "nullable": nullable})
        }),
        formats().prop_map(|format| json!({"type": ["string", "integer"], "format": format})),
        Just(json!({"$ref": "#/$defs/shared"})),
        Just(json!({"$ref": "#"})),
    ];
    let schema = leaf.prop_recursive(4, 40, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 0..3);
        let named = prop::collection::btree_map(names(), inner.clone(), 0..4);
        let listed = prop::collection::vec(names(), 0..3);
        prop_oneof![
            several.clone().prop_map(|schemas| json!({ "allOf": schemas })),
            several.clone().prop_map(|schemas| json!({ "anyOf": schemas })),
            several.clone().prop_map(|schemas| json!({ "oneOf": schemas })),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"if": true, "then": a, "else": b})),
            (several, option(inner.clone()), 0..4_u8).prop_map(|(tuple, items, most)| {
                with(json!({"type": "array", "prefixItems": tuple, "maxItems": most}), "items", items)
            }),
            (types(), named, listed, option(inner.clone()), option(inner)).prop_map(
                |(types, named, required, patterns, others)| {
                    let object =
                        json!({"type": ["object", types], "properties": named, "required": required});
                    let patterns = patterns.map(|schema| json!({ "^[a-d]": schema }));
                    with(with(object, "patternProperties", patterns), "additionalProperties", others)
                }
            ),
        ]
    });
    (schema, types()).prop_map(|(schema, types)| {
        let shared = json!({"type": ["object", types], "properties": {"again": {"$ref": "#/$defs/shared"}, "a": true}});
        match schema {
            Value::Object(mut members) => {
                members.insert("$defs".into(), json!({ "shared": shared }));
                Value::Object(members)
            }
            other => other,
        }
    })
}

fn option(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::of(inner)
}

fn with(mut schema: Value, keyword: &str, value: Option<Value>) -> Value {
    if let (Some(members), Some(value)) = (schema.as_object_mut(), value) {
        members.insert(keyword.to_owned(), value);
    }
    schema
}

fn types() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "array",
        "boolean",
        "fractional",
        "integer",
        "null",
        "number",
        "object",
        "string",
    ])
}

fn formats() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "date",
        "date-time",
        "uuid",
        "duration",
        "duration",
        "integer",
        "number",
        "email",
    ])
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "c",
        "duration",
        "duration_",
        "RawJSON",
        "_flow_extra",
        "_items",
        "json",
        "root",
        "a/b",
        "1",
        "",
        "é",
        "long",
    ])
}

fn values() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(0.0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("a"),
        json!([1]),
        json!({"a": 1}),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_binding_has_schemas_that_parse(schema in schemas()) {
        let shape = infer(&schema);
        let locations = shape.locations();
        let fields: Vec<(String, &str)> = locations
            .iter()
            .filter(|location| !location.pattern && !location.pointer.is_empty())
            .map(|location| (location.pointer.trim_start_matches('/').to_owned(), location.pointer.as_str()))
            .chain([("flow_document".to_owned(), ""), ("id".to_owned(), "/_id"), ("all".to_owned(), "")])
            .collect();
        let projections: Vec<_> = fields
            .iter()
            .map(|(field, pointer)| Projection { field, pointer, types: &[], must_exist: false })
            .collect();
        let mut values: Vec<String> = fields.iter().map(|(field, _)| field.clone()).collect();
        values.retain(|field| field != "flow_document");
        values.truncate(40);
        let selection = Selection { keys: &["id".to_owned()], values: &values, document: Some("flow_document") };
        let schemas = binding_schemas(&shape, &projections, &selection).expect("small");
        for schema in [schemas.key, schemas.value] {
            let text = schema.canonical();
            let parsed = Schema::parse_str(&text);
            prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
            prop_assert_eq!(plain(&text), plain(&parsed.expect("checked").canonical_form()), "{}", text);
        }
    }
}
