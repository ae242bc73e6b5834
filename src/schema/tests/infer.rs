//! Keywords and what they make of a shape.

use serde_json::json;

use super::{check, infer, show};

#[test]
fn local_keywords() {
    check(&[
        (json!(true), json!({"types": "ANY"})),
        (json!({}), json!({"types": "ANY"})),
        (json!(false), json!({"types": "NONE"})),
        (json!({"type": "string"}), json!({"types": "string"})),
        (json!({"type": "number"}), json!({"types": "number"})),
        (json!({"type": "fractional"}), json!({"types": "fractional"})),
        (
            json!({"type": ["null", "array", "boolean", "object"]}),
            json!({"types": "array boolean null object"}),
        ),
        (json!({"type": []}), json!({"types": "NONE"})),
        (json!({"type": "string", "nullable": true}), json!({"types": "null string"})),
        (json!({"type": "string", "nullable": false}), json!({"types": "string"})),
        (json!({"nullable": true}), json!({"types": "ANY"})),
        (json!({"const": 5}), json!({"types": "integer", "enum": [5]})),
        (
            json!({"enum": ["b", 1.5, "a", "b", null]}),
            json!({"types": "fractional null string", "enum": [null, 1.5, "a", "b"]}),
        ),
        (json!({"enum": [1, 1.0, 2]}), json!({"types": "integer", "enum": [1, 2]})),
        (json!({"enum": [1, "a"], "type": "string"}), json!({"types": "string", "enum": ["a"]})),
        (json!({"enum": [1.0, 2.5], "type": "integer"}), json!({"types": "integer", "enum": [1.0]})),
        (json!({"enum": [1], "type": "string"}), json!({"types": "NONE", "enum": []})),
        (json!({"enum": []}), json!({"types": "NONE", "enum": []})),
        (json!({"enum": [1, "a"], "const": 1.0}), json!({"types": "integer", "enum": [1]})),
        (json!({"enum": [1, "a"], "const": 2}), json!({"types": "NONE", "enum": []})),
        (json!({"format": "date"}), json!({"types": "ANY", "format": "date"})),
        (json!({"type": "integer", "format": "uint64"}), json!({"types": "integer", "format": "integer"})),
        (json!({"format": "datetime"}), json!({"types": "ANY", "format": "date-time"})),
        (json!({"format": "no-such-format"}), json!({"types": "ANY"})),
        (json!({"default": "x", "type": "integer"}), json!({"types": "integer", "default": "x"})),
        (
            json!({"title": "T", "description": "D", "secret": true}),
            json!({"types": "ANY", "title": "T", "description": "D", "secret": true}),
        ),
        (
            json!({"contentEncoding": "base64", "contentMediaType": "text/plain"}),
            json!({"types": "ANY", "contentEncoding": "base64", "contentMediaType": "text/plain"}),
        ),
        (
            json!({"minLength": 2.0, "maxLength": 3, "minItems": 1, "maxItems": 1e30, "minimum": -1, "maximum": 2.5}),
            json!({"types": "ANY", "minLength": 2, "maxLength": 3, "minItems": 1, "maxItems": u64::MAX, "minimum": -1,
                "maximum": 2.5}),
        ),
    ]);
}

#[test]
fn keywords_without_effect() {
    let anything = json!({"types": "ANY"});
    for (keyword, value) in [
        ("pattern", json!("a+")),
        ("multipleOf", json!(2)),
        ("exclusiveMinimum", json!(1)),
        ("exclusiveMaximum", json!(1)),
        ("minProperties", json!(1)),
        ("maxProperties", json!(1)),
        ("uniqueItems", json!(true)),
        ("contains", json!({"type": "string"})),
        ("minContains", json!(1)),
        ("maxContains", json!(1)),
        ("propertyNames", json!({"type": "string"})),
        ("dependentRequired", json!({"a": ["b"]})),
        ("dependentSchemas", json!({"a": {"required": ["b"]}})),
        ("not", json!({"type": "string"})),
        ("if", json!({"type": "string"})),
        ("then", json!({"type": "string"})),
        ("else", json!({"type": "string"})),
        ("$schema", json!("https://json-schema.org/draft/2020-12/schema")),
        ("$comment", json!("c")),
        ("$recursiveRef", json!("#")),
        ("$dynamicRef", json!("#nowhere")),
        ("reduce", json!({"strategy": "merge"})),
        ("redact", json!({"strategy": "sha256"})),
        ("examples", json!([1])),
        ("title", json!(5)),
        ("description", json!(["text"])),
        ("secret", json!("yes")),
        ("x-anything", json!(1)),
        ("X-Anything", json!(1)),
        ("no-such-keyword", json!({"type": "string"})),
    ] {
        assert_eq!(show(&infer(&json!({ keyword: value }))), anything, "{keyword}");
    }
    check(&[(json!({"type": "number", "not": {"type": "integer"}}), json!({"types": "number"}))]);
}

#[test]
fn arrays() {
    let (a, b) = (json!({"type": "string"}), json!({"type": "integer"}));
    let (shown_a, shown_b) = (json!({"types": "string"}), json!({"types": "integer"}));
    check(&[
        (json!({"items": a}), json!({"types": "ANY", "items": shown_a})),
        (json!({"prefixItems": [a, b]}), json!({"types": "ANY", "tuple": [shown_a, shown_b]})),
        (
            json!({"prefixItems": [a], "items": b}),
            json!({"types": "ANY", "tuple": [shown_a], "items": shown_b}),
        ),
        (json!({"items": [a, b]}), json!({"types": "ANY", "tuple": [shown_a, shown_b]})),
        (
            json!({"items": [a], "additionalItems": b}),
            json!({"types": "ANY", "tuple": [shown_a], "items": shown_b}),
        ),
        (json!({"additionalItems": b}), json!({"types": "ANY", "items": shown_b})),
        (json!({"items": a, "additionalItems": b}), json!({"types": "ANY", "items": shown_a})),
        (
            json!({"prefixItems": [a], "unevaluatedItems": b}),
            json!({"types": "ANY", "tuple": [shown_a], "items": shown_b}),
        ),
        (json!({"items": a, "unevaluatedItems": b}), json!({"types": "ANY", "items": shown_a})),
    ]);
}

#[test]
fn objects() {
    let string = json!({"type": "string"});
    check(&[
        (
            json!({"properties": {"b": string, "a": string}, "required": ["c", "a", "c"]}),
            json!({"types": "ANY", "properties": {
                "a!": {"types": "string"}, "b": {"types": "string"}, "c?!": {"types": "ANY"}}}),
        ),
        (
            json!({"required": ["c"], "additionalProperties": string}),
            json!({"types": "ANY", "properties": {"c!": {"types": "string"}}, "additional": {"types": "string"}}),
        ),
        (
            json!({"required": ["c"], "unevaluatedProperties": string}),
            json!({"types": "ANY", "properties": {"c!": {"types": "string"}}, "additional": {"types": "string"}}),
        ),
        (
            json!({"additionalProperties": string, "unevaluatedProperties": false}),
            json!({"types": "ANY", "additional": {"types": "string"}}),
        ),
        (
            json!({"allOf": [{"additionalProperties": string}], "unevaluatedProperties": false}),
            json!({"types": "ANY", "additional": {"types": "string"}}),
        ),
        // A pattern matches anywhere in the name; one that only `required` mentions takes the patterns' shape.
        (
            json!({
                "properties": {"foobar": {"type": ["string", "null"]}, "baz": {"type": "boolean"}},
                "required": ["xoo", "o1"],
                "patternProperties": {"oo": string, "^o[0-9]$": {"type": "integer"}},
                "additionalProperties": {"type": "array"},
            }),
            json!({"types": "ANY",
                "properties": {
                    "baz": {"types": "boolean"},
                    "foobar": {"types": "string"},
                    "o1!": {"types": "integer"},
                    "xoo!": {"types": "string"},
                },
                "patterns": {"oo": {"types": "string"}, "^o[0-9]$": {"types": "integer"}},
                "additional": {"types": "array"}}),
        ),
        // Two patterns that match one name are intersected.
        (
            json!({"required": ["ab"], "patternProperties": {"a": {"type": ["string", "null"]}, "b": string}}),
            json!({"types": "ANY", "properties": {"ab!": {"types": "string"}},
                "patterns": {"a": {"types": "null string"}, "b": {"types": "string"}}}),
        ),
        // A regex that does not compile matches nothing, and what it may have meant stays in the rest.
        (
            json!({"properties": {"a": string}, "patternProperties": {"(?=a)": {"type": "integer"}}}),
            json!({"types": "ANY", "properties": {"a": {"types": "string"}}, "patterns": {"(?=a)": {"types": "integer"}}}),
        ),
    ]);
}

#[test]
fn in_place_applicators() {
    let (string, integer) = (json!({"type": "string"}), json!({"type": "integer"}));
    check(&[
        (json!({"allOf": [{"type": ["string", "null"]}, string]}), json!({"types": "string"})),
        (json!({"anyOf": [string, integer]}), json!({"types": "integer string"})),
        (json!({"oneOf": [string, integer]}), json!({"types": "integer string"})),
        (json!({"anyOf": []}), json!({"types": "NONE"})),
        (
            json!({"oneOf": [string, integer], "anyOf": [string, {"type": "null"}]}),
            json!({"types": "string"}),
        ),
        (json!({"type": "integer", "anyOf": [string, integer]}), json!({"types": "integer"})),
        (
            json!({"if": {"type": "array"}, "then": string, "else": integer}),
            json!({"types": "integer string"}),
        ),
        (json!({"then": string, "else": integer}), json!({"types": "ANY"})),
        (json!({"if": true, "then": string}), json!({"types": "ANY"})),
        // The schema's own keywords win over what applies in place, and an earlier applicator over a later one.
        (
            json!({"format": "date", "default": "a", "allOf": [{"format": "uuid", "default": "b"}]}),
            json!({"types": "ANY", "format": "date", "default": "a"}),
        ),
        (
            json!({"allOf": [{"format": "uuid"}, {"format": "date"}], "anyOf": [{"format": "time"}]}),
            json!({"types": "ANY", "format": "uuid"}),
        ),
        (
            json!({"$defs": {"d": {"format": "uuid"}}, "$ref": "#/$defs/d", "allOf": [{"format": "date"}]}),
            json!({"types": "ANY", "format": "uuid"}),
        ),
    ]);
}
