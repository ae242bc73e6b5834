//! Schemas that would overflow the stack or the memory give errors.

use serde_json::{Map, Value, json};

use crate::schema::budget::Budget;
use crate::schema::infer::{SCHEMA_LEVELS, infer_within};
use crate::schema::map::map;
use crate::schema::{Error, Projection, RecordNames, Selection, Shape, binding_schemas};

/// Definitions `d0` to `d{n-1}`, each made from the name of the next, the last one a string.
fn chain(n: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions = Map::new();
    for i in 0..n {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        definitions.insert(format!("d{i}"), link(next));
    }
    definitions.insert(format!("d{n}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": definitions})
}

#[test]
fn ten_thousand_levels_are_an_error() {
    let mut schema = json!({"type": "string"});
    let mut list = json!([]);
    for _ in 0..10_000 {
        schema = Value::Object(Map::from_iter([("items".to_owned(), schema)]));
        list = Value::Array(vec![list]);
    }
    for deep in [schema, Value::Object(Map::from_iter([("default".to_owned(), list)]))] {
        let result = Shape::infer(&deep);
        // To drop it would overflow the stack.
        std::mem::forget(deep);
        assert!(matches!(result, Err(Error::TooDeep { .. })), "{result:?}");
    }

    let text = format!("{}{}", r#"{"items":"#.repeat(10_000), "}".repeat(10_000));
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[test]
fn a_long_chain_of_references_is_an_error() {
    for link in [|next| next, |next| json!({"type": "object", "properties": {"x": next}})] {
        let result = Shape::infer(&chain(10_000, link));
        assert!(matches!(result, Err(Error::TooDeep { .. })), "{result:?}");
    }
}

#[test]
fn the_deepest_schema_fits_a_small_stack() {
    for link in [
        |next| json!({"type": "object", "properties": {"x": next}}),
        |next| json!({"type": "array", "items": next}),
    ] {
        // A reference and its target are two levels.
        let schema = chain(SCHEMA_LEVELS / 2 - 1, link);
        let merged = |keyword: &str| {
            let shorter = chain(SCHEMA_LEVELS / 2 - 2, link);
            json!({keyword: [{"$ref": "#/$defs/d0"}, {"$ref": "#/$defs/d0"}], "$defs": shorter["$defs"]})
        };
        let deepest = Shape::infer(&schema).expect("within the limit");
        let key = "id".to_owned();
        let types = ["string".to_owned()];
        let id = Projection { field: "id", pointer: "/elsewhere", types: &types, must_exist: true };
        let doc = Projection { field: "all", pointer: "", types: &[], must_exist: true };
        let values = ["all".to_owned()];
        let selection = Selection { keys: &[key], values: &values, document: None };
        let schemas = binding_schemas(&deepest, &[id, doc], &selection).expect("within the limit");
        assert!(schemas.value.canonical().contains("string"));
        assert_eq!(deepest.locations().len(), SCHEMA_LEVELS / 2);
        for keyword in ["anyOf", "allOf"] {
            Shape::infer(&merged(keyword)).expect("within the limit");
        }
        assert!(matches!(Shape::infer(&chain(SCHEMA_LEVELS / 2, link)), Err(Error::TooDeep { .. })));
    }
}

#[test]
fn the_deepest_schema_without_references_fits_a_small_stack() {
    let items = |inner| [("type".to_owned(), json!("array")), ("items".to_owned(), inner)];
    let others = |inner| [("type".to_owned(), json!("object")), ("additionalProperties".to_owned(), inner)];
    for wrap in [items, others] as [fn(Value) -> [(String, Value); 2]; 2] {
        let mut schema = json!({"type": "string"});
        for _ in 0..SCHEMA_LEVELS - 2 {
            schema = Value::Object(Map::from_iter(wrap(schema)));
        }
        for keyword in ["anyOf", "allOf"] {
            let shape = Shape::infer(&json!({keyword: [schema, schema]})).expect("within the limit");
            assert_eq!(shape.locations().len(), SCHEMA_LEVELS - 1);
            let mapped = map(RecordNames::root().value_path(), shape, true, &mut Budget::new())
                .expect("within the limit");
            assert!(mapped.canonical().contains("string"));
        }
    }
}

#[test]
fn expansion_is_bounded() {
    let doubling = |next: Value| json!({"type": "object", "properties": {"x": next, "y": next}});
    let copying = |next: Value| json!({"required": ["x", "y", "z"], "additionalProperties": next});
    let shrinking = |next: Value| json!({"allOf": [next, next]});
    let patterns = |next: Value| json!({"required": ["x", "y", "z"], "patternProperties": {".": next}});
    for schema in [chain(40, doubling), chain(40, copying), chain(40, shrinking), chain(40, patterns)] {
        let result = infer_within(&schema, Budget::of(10_000));
        assert_eq!(result, Err(Error::TooLarge { limit: 10_000 }));
    }
}

#[test]
fn large_texts_count() {
    let names: Vec<String> = (0..1000).map(|i| format!("p{i}")).collect();
    let schema = json!({"required": names, "additionalProperties": {"description": "d".repeat(10_000)}});
    assert_eq!(infer_within(&schema, Budget::of(10_000)), Err(Error::TooLarge { limit: 10_000 }));
    let schema = json!({"required": names, "additionalProperties": {"default": ["d".repeat(10_000)]}});
    assert_eq!(infer_within(&schema, Budget::of(10_000)), Err(Error::TooLarge { limit: 10_000 }));

    // The bound that is there by default, reached the fast way.
    let schema = json!({"required": names, "additionalProperties": {"description": "d".repeat(1 << 20)}});
    let result = Shape::infer(&schema);
    assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
}
