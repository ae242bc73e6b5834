//! Intersection and union: each rule, and their laws on random shapes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::random::schemas;
use super::{infer, show};
use crate::schema::budget::Budget;
use crate::schema::intersect::intersect;
use crate::schema::union::union;
use crate::schema::{Shape, Types};

fn intersection(a: &Shape, b: &Shape) -> Shape {
    let (mut a, mut b) = (a.clone(), b.clone());
    intersect(&mut a, &mut b, &mut Budget::new()).expect("small");
    a
}

fn united(a: &Shape, b: &Shape) -> Shape {
    let (mut a, mut b) = (a.clone(), b.clone());
    union(&mut a, &mut b, &mut Budget::new()).expect("small");
    a
}

fn check_both(a: &Value, b: &Value, and: &Value, or: &Value) {
    let (shape_a, shape_b) = (infer(a), infer(b));
    assert_eq!(show(&intersection(&shape_a, &shape_b)), *and, "{a} and {b}");
    assert_eq!(show(&united(&shape_a, &shape_b)), *or, "{a} or {b}");
}

#[test]
fn types_enums_defaults_and_annotations() {
    let any = json!({"types": "ANY"});
    for (a, b, and, or) in [
        (
            json!({"type": ["string", "null"]}),
            json!({"type": ["string", "integer"]}),
            json!({"types": "string"}),
            json!({"types": "integer null string"}),
        ),
        (
            json!({"enum": [1, "a"]}),
            json!({"enum": ["a", 1.0, null]}),
            json!({"types": "integer string", "enum": [1, "a"]}),
            json!({"types": "integer null string", "enum": [null, 1, "a"]}),
        ),
        (
            json!({"enum": [1, "a"]}),
            json!({"type": "string"}),
            json!({"types": "string", "enum": ["a"]}),
            json!({"types": "integer string"}),
        ),
        (
            json!({"type": "string"}),
            json!({"enum": [1]}),
            json!({"types": "NONE", "enum": []}),
            json!({"types": "integer string"}),
        ),
        (
            json!({"default": 1}),
            json!({"default": 1.0}),
            json!({"types": "ANY", "default": 1}),
            json!({"types": "ANY", "default": 1}),
        ),
        (json!({"default": 1}), json!({"default": 2}), json!({"types": "ANY", "default": 1}), any.clone()),
        (json!({"default": 1}), json!({}), json!({"types": "ANY", "default": 1}), any.clone()),
        (
            json!({"default": null}),
            json!({"type": "string", "default": "x"}),
            json!({"types": "string", "default": "x"}),
            any.clone(),
        ),
        (json!({"default": null}), json!({"type": "string"}), json!({"types": "string"}), any.clone()),
        (
            json!({"title": "a", "description": "b", "secret": true}),
            json!({"title": "z", "description": "b"}),
            json!({"types": "ANY", "title": "a", "description": "b", "secret": true}),
            json!({"types": "ANY", "description": "b"}),
        ),
        (
            json!(false),
            json!({"title": "a", "type": "string"}),
            json!({"types": "NONE", "title": "a"}),
            json!({"types": "string", "title": "a"}),
        ),
        (
            json!({"title": "a", "type": "string"}),
            json!(false),
            json!({"types": "NONE", "title": "a"}),
            json!({"types": "string", "title": "a"}),
        ),
    ] {
        check_both(&a, &b, &and, &or);
    }
}

#[test]
fn strings_and_numbers() {
    for (a, b, and, or) in [
        (
            json!({"type": "string", "format": "date", "minLength": 1, "maxLength": 5, "contentEncoding": "base64"}),
            json!({"type": "string", "format": "uuid", "minLength": 2, "contentMediaType": "text/x", "contentEncoding": "base64"}),
            json!({"types": "string", "format": "date", "minLength": 2, "maxLength": 5, "contentEncoding": "base64",
                "contentMediaType": "text/x"}),
            json!({"types": "string", "minLength": 1, "contentEncoding": "base64"}),
        ),
        (
            json!({"type": "string", "format": "integer", "maxLength": 2}),
            json!({"type": "string", "format": "number", "maxLength": 3}),
            json!({"types": "string", "format": "integer", "maxLength": 2}),
            json!({"types": "string", "format": "number", "maxLength": 3}),
        ),
        (
            json!({"type": ["string", "null"], "format": "date", "minLength": 1}),
            json!({"type": ["integer", "null"], "minimum": 1}),
            json!({"types": "null"}),
            json!({"types": "integer null string", "format": "date", "minLength": 1, "minimum": 1}),
        ),
        (
            json!({"type": "integer", "minimum": 1, "maximum": 5}),
            json!({"type": "number", "minimum": 2.5}),
            json!({"types": "integer", "minimum": 2.5, "maximum": 5}),
            json!({"types": "number", "minimum": 1}),
        ),
        // A part that neither side's types speak of is dropped.
        (
            json!({"type": "null", "format": "date", "minimum": 1, "items": true, "properties": {"a": true}}),
            json!({"type": ["null", "boolean"]}),
            json!({"types": "null"}),
            json!({"types": "boolean null"}),
        ),
    ] {
        check_both(&a, &b, &and, &or);
    }
}

#[test]
fn arrays() {
    let (s, i) = (json!({"type": ["string", "null"]}), json!({"type": ["integer", "null"]}));
    let (shown_s, shown_i, nil) =
        (json!({"types": "null string"}), json!({"types": "integer null"}), json!({"types": "null"}));
    let both = json!({"types": "integer null string"});
    for (a, b, and, or) in [
        (
            json!({"type": "array", "items": s, "minItems": 1, "maxItems": 4}),
            json!({"type": "array", "items": i, "minItems": 2}),
            json!({"types": "array", "items": nil, "minItems": 2, "maxItems": 4}),
            json!({"types": "array", "items": both, "minItems": 1}),
        ),
        (
            json!({"type": "array", "maxItems": 4, "items": s}),
            json!({"type": "array", "maxItems": 5}),
            json!({"types": "array", "maxItems": 4, "items": shown_s}),
            json!({"types": "array", "maxItems": 5}),
        ),
        // The longer tuple's items meet the shorter one's rule for the rest, on either side.
        (
            json!({"type": "array", "prefixItems": [s, s]}),
            json!({"type": "array", "prefixItems": [i], "items": i}),
            json!({"types": "array", "tuple": [nil, nil], "items": shown_i}),
            json!({"types": "array", "tuple": [both, both]}),
        ),
        (
            json!({"type": "array", "prefixItems": [i], "items": i}),
            json!({"type": "array", "prefixItems": [s, s]}),
            json!({"types": "array", "tuple": [nil, nil], "items": shown_i}),
            json!({"types": "array", "tuple": [both, both]}),
        ),
        (
            json!({"type": "array", "prefixItems": [i]}),
            json!({"type": "array", "prefixItems": [s, s]}),
            json!({"types": "array", "tuple": [nil, shown_s]}),
            json!({"types": "array", "tuple": [both]}),
        ),
        (
            json!({"type": "array", "prefixItems": [s, s]}),
            json!({"type": "array"}),
            json!({"types": "array", "tuple": [shown_s, shown_s]}),
            json!({"types": "array"}),
        ),
    ] {
        check_both(&a, &b, &and, &or);
    }
}

#[test]
fn objects() {
    let (s, i) = (json!({"type": ["string", "null"]}), json!({"type": ["integer", "null"]}));
    let (shown_s, shown_i, nil) =
        (json!({"types": "null string"}), json!({"types": "integer null"}), json!({"types": "null"}));
    let both = json!({"types": "integer null string"});
    let none = json!({"types": "NONE"});
    for (a, b, and, or) in [
        // Named on both sides, on one, and by `required` only.
        (
            json!({"type": "object", "properties": {"a": s, "b": s, "c": s}, "required": ["a", "b", "r"]}),
            json!({"type": "object", "properties": {"a": i, "b": i}, "required": ["b", "r", "c"]}),
            json!({"types": "object", "properties": {"a!": nil, "b!": nil, "c!": shown_s, "r?!": {"types": "ANY"}}}),
            json!({"types": "object", "properties": {"a": both, "b!": both}}),
        ),
        // What one side does not name is imputed by its patterns, else by its rule for the rest.
        (
            json!({"type": "object", "properties": {"pa": s, "x": s}}),
            json!({"type": "object", "patternProperties": {"^p": i}, "additionalProperties": {"type": ["boolean", "null"]}}),
            json!({"types": "object", "properties": {"pa": nil, "x": nil}, "patterns": {"^p": shown_i},
                "additional": {"types": "boolean null"}}),
            json!({"types": "object", "properties": {"pa": both, "x": {"types": "boolean null string"}}}),
        ),
        (
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "properties": {"x": s}, "required": ["x"], "additionalProperties": i}),
            json!({"types": "object", "properties": {"x!": none}, "additional": none}),
            json!({"types": "object", "properties": {"x": shown_s}, "additional": shown_i}),
        ),
        (
            json!({"type": "object", "patternProperties": {"a": s, "b": s}}),
            json!({"type": "object", "patternProperties": {"b": i, "c": i}, "additionalProperties": {"type": "null"}}),
            json!({"types": "object", "patterns": {"a": shown_s, "b": nil, "c": shown_i}, "additional": nil}),
            json!({"types": "object", "patterns": {"a": shown_s, "b": both}}),
        ),
        (
            json!({"type": "object", "patternProperties": {"a": s}, "additionalProperties": {"type": "boolean"}}),
            json!({"type": "object", "patternProperties": {"c": i}, "additionalProperties": {"type": "array"}}),
            json!({"types": "object", "patterns": {"a": shown_s, "c": shown_i}, "additional": none}),
            json!({"types": "object", "patterns": {"a": {"types": "array null string"}, "c": {"types": "boolean integer null"}},
                "additional": {"types": "array boolean"}}),
        ),
        (
            json!({"type": "object", "properties": {"x": s}}),
            json!({"type": "string"}),
            json!({"types": "NONE"}),
            json!({"types": "object string", "properties": {"x": shown_s}}),
        ),
    ] {
        check_both(&a, &b, &and, &or);
    }
}

#[test]
fn a_name_that_only_required_mentions_takes_the_other_sides_shape() {
    let a = infer(&json!({"type": "object", "required": ["x"]}));
    let b = infer(&json!({"type": "object", "additionalProperties": {"type": "string"}}));
    let expected = json!({"types": "object", "properties": {"x!": {"types": "string"}}, "additional": {"types": "string"}});
    assert_eq!(show(&intersection(&a, &b)), expected);
    assert_eq!(show(&intersection(&b, &a)), expected);
}

/// All types that may stand anywhere, by location.
fn types(shape: &Shape) -> Vec<(String, Types)> {
    let locations = shape.locations();
    locations.into_iter().map(|location| (location.pointer, location.shape.types)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn laws(a in schemas(), b in schemas()) {
        let (a, b) = (infer(&a), infer(&b));
        let (anything, nothing) = (Shape::anything(), Shape::nothing());

        prop_assert_eq!(intersection(&a, &b).types - (a.types & b.types), Types::NONE);
        prop_assert_eq!(united(&a, &b).types, a.types | b.types);
        prop_assert_eq!(types(&united(&a, &b)), types(&united(&b, &a)));
        prop_assert_eq!(types(&intersection(&a, &b)), types(&intersection(&b, &a)));

        prop_assert_eq!(united(&a, &nothing), if a.types.is_empty() { nothing.clone() } else { a.clone() });
        prop_assert_eq!(united(&nothing, &a), a.clone());
        prop_assert_eq!(united(&a, &anything).types, Types::ANY);
        prop_assert_eq!(intersection(&a, &nothing).types, Types::NONE);
        prop_assert_eq!(intersection(&nothing, &a).types, Types::NONE);
        // What is inferred from `allOf` with anything has lost only what its types do not speak of.
        let narrowed = intersection(&a, &anything);
        prop_assert_eq!(intersection(&narrowed, &anything), narrowed.clone());
        prop_assert_eq!(intersection(&anything, &narrowed), narrowed);

        for both in [intersection(&a, &b), united(&a, &b)] {
            prop_assert!(both.object.properties.is_sorted_by(|x, y| x.name < y.name));
            prop_assert!(both.object.patterns.is_sorted_by(|x, y| x.text < y.text));
        }
    }
}
