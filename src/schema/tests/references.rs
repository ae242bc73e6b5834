//! `$ref`, base URIs, anchors, recursion.

use serde_json::{Value, json};

use super::{check, infer, show};
use crate::schema::{Error, Shape};

fn unresolved(schema: &Value) -> String {
    match Shape::infer(schema) {
        Err(error @ Error::Unresolved { .. }) => error.to_string(),
        other => unreachable!("{schema}: {other:?}"),
    }
}

#[test]
fn usual_forms() {
    for (reference, shown) in [
        ("#/$defs/X", "string"),
        ("#/definitions/Y", "integer"),
        ("#/properties/a/items", "boolean"),
        ("#/allOf/1", "ANY"),
        ("#name", "null"),
        ("#dynamic", "fractional"),
        ("#/$defs/sl~1ash", "array"),
        ("#/%24defs/sp%20a%25ce", "object"),
        ("#/$defs/%C3%A9", "number"),
        ("flow://write-schema", "array object"),
        ("flow://write-schema#/$defs/inner", "boolean null"),
        ("flow://write-schema#/$defs/w/$defs/inner", "boolean null"),
        ("#/$defs/w/$defs/inner", "boolean null"),
        ("flow://relaxed-write-schema", "null string"),
    ] {
        let schema = json!({
            "$defs": {
                "X": {"type": "string"},
                "n": {"$anchor": "name", "type": "null"},
                "d": {"$dynamicAnchor": "dynamic", "type": "fractional"},
                "sl/ash": {"type": "array"},
                "sp a%ce": {"type": "object"},
                "é": {"type": "number"},
                "w": {"$id": "flow://write-schema", "type": ["object", "array"], "$defs": {"inner": {"type": ["boolean", "null"]}}},
                "flow://relaxed-write-schema": {"$id": "flow://relaxed-write-schema", "type": ["null", "string"]},
            },
            "definitions": {"Y": {"type": "integer"}},
            "allOf": [true, true],
            "properties": {"a": {"items": {"type": "boolean"}}, "b": {"$ref": reference}},
        });
        let shape = infer(&schema);
        assert_eq!(show(shape.locate("/b").0)["types"], shown, "{reference}");
    }
}

#[test]
fn bases() {
    check(&[
        // A relative reference goes by the base, and a nested `$id` begins a new one.
        (
            json!({"$id": "http://example.com/a/root.json#", "$ref": "other.json",
                "$defs": {"o": {"$id": "other.json", "$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}},
                          "x": {"type": "integer"}}}),
            json!({"types": "string"}),
        ),
        (
            json!({"$id": "http://example.com/a/", "$ref": "b/c/thing",
                "$defs": {"d": {"$id": "b/", "$defs": {"e": {"$id": "c/thing", "type": "string"}}}}}),
            json!({"types": "string"}),
        ),
        // References find the base of where they stand, also when their schema is itself referred to.
        (
            json!({"$ref": "flow://w#/$defs/a",
                "$defs": {"w": {"$id": "flow://w", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "null"}}}}}),
            json!({"types": "null"}),
        ),
        // An `$id` with a directory must not be applied twice.
        (
            json!({"$id": "http://h/", "$ref": "sub/",
                "$defs": {"s": {"$id": "sub/", "$ref": "leaf"}, "l": {"$id": "sub/leaf", "type": "string"}}}),
            json!({"types": "string"}),
        ),
        // The root's `$id` is dropped where it is no absolute URL.
        (
            json!({"$id": "relative", "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}),
            json!({"types": "null"}),
        ),
        (
            json!({"$id": "#name", "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}),
            json!({"types": "null"}),
        ),
        (
            json!({"$id": "http://h/r#name", "$ref": "r#/$defs/a", "$defs": {"a": {"type": "null"}}}),
            json!({"types": "null"}),
        ),
        (json!({"$id": 5, "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}), json!({"types": "null"})),
        (
            json!({"$id": "urn:x:y", "$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}),
            json!({"types": "null"}),
        ),
        // An `$id` that is a property's name is no base.
        (
            json!({"properties": {"$id": {"type": "string"}, "b": {"$ref": "#/properties/$id"}}}),
            json!({"types": "ANY", "properties": {"$id": {"types": "string"}, "b": {"types": "string"}}}),
        ),
    ]);
}

#[test]
fn siblings_apply() {
    check(&[(
        json!({"$defs": {"a": {"type": ["string", "null"], "format": "date"}},
            "type": "string", "minLength": 1, "$ref": "#/$defs/a"}),
        json!({"types": "string", "minLength": 1, "format": "date"}),
    )]);
}

#[test]
fn recursion_ends_in_anything() {
    let leaf = json!({"types": "ANY"});
    check(&[
        (
            json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}}}}}),
            json!({"types": "object", "properties": {"next": leaf}}),
        ),
        // The root is no target until something refers to it.
        (
            json!({"type": "object", "properties": {"child": {"$ref": "#"}}}),
            json!({"types": "object", "properties": {"child": {"types": "object", "properties": {"child": leaf}}}}),
        ),
        // Mutual recursion.
        (
            json!({"$ref": "#/$defs/a", "$defs": {
                "a": {"properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"properties": {"a": {"$ref": "#/$defs/a"}}}}}),
            json!({"types": "ANY", "properties": {"b": {"types": "ANY", "properties": {"a": leaf}}}}),
        ),
        // The same target twice side by side is no recursion.
        (
            json!({"properties": {"x": {"$ref": "#/$defs/s"}, "y": {"$ref": "#/$defs/s"}}, "$defs": {"s": {"type": "string"}}}),
            json!({"types": "ANY", "properties": {"x": {"types": "string"}, "y": {"types": "string"}}}),
        ),
        (json!({"$ref": "#"}), json!({"types": "ANY"})),
        (json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}), json!({"types": "ANY"})),
    ]);
}

#[test]
fn references_to_nothing() {
    for reference in [
        "#/$defs/missing",
        "#missing",
        "other.json",
        "flow://write-schema",
        "#/type/x",
        "#/allOf/01",
        "http://[",
    ] {
        let schema =
            json!({"type": "object", "allOf": [true, true], "properties": {"a": {"$ref": reference}}});
        let error = unresolved(&schema);
        assert!(error.contains(&format!("at #/properties/a the reference {reference:?}")), "{error}");
    }
    // A nested resource does not see the definitions around it.
    unresolved(&json!({"$defs": {"w": {"$id": "flow://w", "$ref": "#/$defs/x"}, "x": true}}));
    // What inference does not use is checked as well.
    unresolved(&json!({"not": {"$ref": "#/$defs/missing"}}));
}
