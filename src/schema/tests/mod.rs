//! Tests of the whole room, a file for each of its steps.

mod binding;
mod bounds;
mod canonical;
mod difference;
mod errors;
mod infer;
mod json;
mod locate;
mod map;
mod random;
mod references;
mod sets;

use serde_json::{Map, Value, json};

use super::{Property, Shape, Types};

fn infer(schema: &Value) -> Shape {
    Shape::infer(schema).unwrap_or_else(|error| unreachable!("{schema}: {error}"))
}

/// A shape as JSON: `types` always (`ANY` where all are), everything else where it says something.
fn show(shape: &Shape) -> Value {
    let mut shown = Map::new();
    let types = match shape.types {
        Types::ANY => "ANY".to_owned(),
        Types::NONE => "NONE".to_owned(),
        types => types.iter().collect::<Vec<_>>().join(" "),
    };
    shown.insert("types".into(), types.into());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.into(), value);
        }
    };
    put("enum", shape.enumeration.clone().map(Value::from));
    put("default", shape.default.clone());
    put("title", shape.title.as_deref().map(Value::from));
    put("description", shape.description.as_deref().map(Value::from));
    put("secret", shape.secret.map(Value::from));
    put("format", shape.string.format.map(|format| format.as_str().into()));
    put("minLength", Some(shape.string.min_length).filter(|least| *least > 0).map(Value::from));
    put("maxLength", shape.string.max_length.map(Value::from));
    put("contentEncoding", shape.string.content_encoding.as_deref().map(Value::from));
    put("contentMediaType", shape.string.content_media_type.as_deref().map(Value::from));
    let tuple: Vec<Value> = shape.array.tuple.iter().map(show).collect();
    put("tuple", Some(tuple).filter(|tuple| !tuple.is_empty()).map(Value::from));
    put("items", shape.array.additional.as_deref().map(show));
    put("minItems", Some(shape.array.min_items).filter(|least| *least > 0).map(Value::from));
    put("maxItems", shape.array.max_items.map(Value::from));
    let property = |property: &Property| {
        let mark = match (property.is_property, property.is_required) {
            (true, true) => "!",
            (true, false) => "",
            (false, _) => "?!",
        };
        (format!("{}{mark}", property.name), show(&property.shape))
    };
    let properties: Map<String, Value> = shape.object.properties.iter().map(property).collect();
    put("properties", Some(properties).filter(|properties| !properties.is_empty()).map(Value::from));
    let pattern = |pattern: &super::Pattern| (pattern.text.to_string(), show(&pattern.shape));
    let patterns: Map<String, Value> = shape.object.patterns.iter().map(pattern).collect();
    put("patterns", Some(patterns).filter(|patterns| !patterns.is_empty()).map(Value::from));
    put("additional", shape.object.additional.as_deref().map(show));
    put("minimum", shape.numeric.minimum.clone().map(Value::from));
    put("maximum", shape.numeric.maximum.clone().map(Value::from));
    Value::Object(shown)
}

/// Infers each schema and compares what it gives.
fn check(cases: &[(Value, Value)]) {
    for (schema, expected) in cases {
        assert_eq!(show(&infer(schema)), *expected, "{schema}");
    }
}

#[test]
fn a_shape_shows_what_it_says() {
    assert_eq!(show(&Shape::anything()), json!({"types": "ANY"}));
    assert_eq!(show(&Shape::nothing()), json!({"types": "NONE"}));
}
