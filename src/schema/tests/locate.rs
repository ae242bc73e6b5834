//! Pointers into shapes, and the list of all locations.

use serde_json::json;

use super::{infer, show};
use crate::schema::{Exists, Shape, Types};

#[test]
fn steps_of_a_pointer() {
    let shape = infer(&json!({
        "type": "object",
        "required": ["must", "arr", "bounded", "no", "nested"],
        "properties": {
            "must": {"type": "string"},
            "may": {"type": "integer"},
            "no": false,
            "1": {"type": "boolean"},
            "arr": {"type": "array", "minItems": 1, "prefixItems": [{"type": "string"}, {"type": "null"}]},
            "bounded": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}},
            "open": {"type": "array"},
            "maxed": {"type": "array", "maxItems": 2},
            "rest": {"type": "array", "items": {"type": "string"}},
            "mixed": {"type": ["array", "object"], "required": ["x"], "minItems": 1},
            "nested": {"type": ["object", "null"], "required": ["x"], "properties": {"x": {"type": "string"}}},
            "closed": {"type": "object", "additionalProperties": false},
            "sl/ash": {"type": "null"},
        },
        "patternProperties": {"^pat": {"type": "fractional"}, "^patt": {"type": "integer"}},
        "additionalProperties": {"type": "object"},
    }));
    for (pointer, types, exists) in [
        ("", "object", Exists::Must),
        ("/must", "string", Exists::Must),
        ("must", "string", Exists::Must),
        ("/may", "integer", Exists::May),
        ("/no", "NONE", Exists::Cannot),
        ("/1", "boolean", Exists::May),
        ("/sl~1ash", "null", Exists::May),
        ("/pattern", "fractional", Exists::May),
        ("/other", "object", Exists::May),
        ("/other/any", "ANY", Exists::Implicit),
        ("/must/x", "ANY", Exists::Cannot),
        ("/must/0", "ANY", Exists::Cannot),
        ("/arr/0", "string", Exists::Must),
        ("/arr/1", "null", Exists::May),
        ("/arr/2", "ANY", Exists::Implicit),
        ("/arr/x", "ANY", Exists::Cannot),
        ("/arr/01", "ANY", Exists::Cannot),
        ("/arr/-", "ANY", Exists::Cannot),
        ("/bounded/0", "integer", Exists::Must),
        ("/bounded/2", "integer", Exists::May),
        ("/bounded/3", "integer", Exists::Cannot),
        ("/open/0", "ANY", Exists::Implicit),
        ("/maxed/1", "ANY", Exists::May),
        ("/maxed/2", "ANY", Exists::Cannot),
        ("/rest/7", "string", Exists::May),
        ("/mixed/x", "ANY", Exists::May),
        ("/mixed/0", "ANY", Exists::Implicit),
        ("/nested/x", "string", Exists::May),
        ("/closed/x", "NONE", Exists::Cannot),
        ("/closed/x/y", "ANY", Exists::Cannot),
    ] {
        let (found, status) = shape.locate(pointer);
        assert_eq!((show(found)["types"].as_str(), status), (Some(types), exists), "{pointer}");
    }
}

#[test]
fn the_weakest_step_counts() {
    assert!(
        Exists::Cannot < Exists::Implicit && Exists::Implicit < Exists::May && Exists::May < Exists::Must
    );
    let inner = json!({"type": "object", "required": ["c"], "properties": {"c": true}});
    let optional = json!({"type": "object", "properties": {"b": inner}});
    let shape = infer(&optional);
    assert_eq!(shape.locate("/b/c").1, Exists::May);
    let shape = infer(&json!({"type": "object", "required": ["b"], "properties": {"b": inner}}));
    assert_eq!(shape.locate("/b/c").1, Exists::Must);
    assert_eq!(Shape::nothing().locate("").1, Exists::Cannot);
    assert_eq!(Shape::anything().locate("").1, Exists::Must);
    assert_eq!(Shape::of(Types::OBJECT).locate("/x/y").1, Exists::Implicit);
}

#[test]
fn all_locations_in_order() {
    let shape = infer(&json!({
        "type": "object",
        "required": ["b", "1"],
        "properties": {
            "b": {"type": "array", "minItems": 1, "prefixItems": [true, true], "items": true, "maxItems": 3},
            "a": {"type": "array", "prefixItems": [true], "items": true, "maxItems": 1},
            "1": {"type": "object", "properties": {"x": true}, "required": ["x"]},
            "s/l~": {"type": "string", "properties": {"lost": true}},
            "never": false,
        },
        "patternProperties": {"^p/": {"properties": {"q": true}}},
        "additionalProperties": {"type": "integer"},
    }));
    let listed: Vec<_> = shape
        .locations()
        .into_iter()
        .map(|location| (location.pointer, location.pattern, location.exists))
        .collect();
    let expected = [
        ("", false, Exists::Must),
        ("/1", false, Exists::Must),
        ("/1/x", false, Exists::Must),
        ("/a", false, Exists::May),
        ("/a/0", false, Exists::May),
        ("/a/-", true, Exists::Cannot),
        ("/b", false, Exists::Must),
        ("/b/0", false, Exists::Must),
        ("/b/1", false, Exists::May),
        ("/b/-", true, Exists::May),
        ("/never", false, Exists::Cannot),
        ("/s~1l~0", false, Exists::May),
        ("/s~1l~0/lost", false, Exists::Cannot),
        ("/^p~1", true, Exists::May),
        ("/^p~1/q", true, Exists::May),
        ("/*", true, Exists::May),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(pointer, pattern, exists)| (pointer.to_owned(), pattern, exists))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn a_listed_location_is_found_by_its_text() {
    let shape = infer(&json!({
        "type": ["object", "array"],
        "properties": {"0": {"type": "object", "properties": {"x": {"type": "string"}}}, "*": {"type": "null"}},
        "patternProperties": {"^p": true},
        "additionalProperties": true,
        "prefixItems": [{"type": "object", "properties": {"x": true, "y": {"type": "integer"}}}],
        "items": true,
    }));
    // Each pointer is listed once for the property and once for the tuple's item: the property goes first.
    for location in shape.locations().iter().filter(|location| !location.pattern) {
        let (found, _) = shape.location(&location.pointer).expect(&location.pointer);
        if location.pointer != "/0" && location.pointer != "/0/x" {
            assert!(std::ptr::eq(found, location.shape), "{}", location.pointer);
        }
    }
    assert_eq!(shape.location("0/x").map(|(shape, _)| shape.types), Some(Types::STRING));
    assert_eq!(shape.location("0/y").map(|(shape, _)| shape.types), Some(Types::INTEGER));
    assert_eq!(shape.location("*").map(|(shape, _)| shape.types), Some(Types::NULL));
    for absent in ["^p", "pat", "-", "other", "0/z", "00"] {
        assert!(shape.location(absent).is_none(), "{absent}");
    }
}
