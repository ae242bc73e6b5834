use serde_json::{Value, json};

use super::*;
use crate::preview::task::source::UserProjection;

fn collection(schema: Value, key: &[&str], user: &[(&str, &str)]) -> source::Collection {
    let projection = |pointer: &str| UserProjection { pointer: pointer.to_owned(), partition: false };
    source::Collection {
        place: "flow.yaml: collection \"c\"".to_owned(),
        name: "c".to_owned(),
        key: key.iter().map(|pointer| (*pointer).to_owned()).collect(),
        write_schema: schema,
        read_schema: None,
        projections: user.iter().map(|(field, pointer)| ((*field).to_owned(), projection(pointer))).collect(),
    }
}

fn schema() -> Value {
    json!({
        "type": "object", "title": "The document",
        "properties": {
            "_meta": {"type": "object", "properties": {"op": {"enum": ["c", "u", "d"]}, "uuid": {"type": "string"}}},
            "id": {"type": "integer"},
            "slash/key": {"type": "string", "maxLength": 5, "contentMediaType": "text/x", "contentEncoding": "base64"},
            "at": {
                "type": ["string", "null"], "format": "date-time", "title": "At", "description": "When",
                "default": "x", "secret": true,
            },
            "value": {
                "type": "object", "properties": {"nested": {"type": "string"}, "": {"type": "string"}},
                "patternProperties": {"^p": {"type": "string"}}, "required": ["nested"],
            },
            "list": {"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "string"}},
            "open": {"type": "object", "additionalProperties": {"type": "number"}},
            "no": false,
            "flow_document": {"type": "string"},
        },
        "required": ["id", "value", "asked"],
    })
}

/// `field pointer types exists`, and flags.
fn listed(collection: &source::Collection) -> Vec<String> {
    let line = |p: &Projection| {
        let mut line =
            format!("{} {:?} {} {:?}", p.field, p.pointer, p.inference.types.join(","), p.inference.exists);
        for (flag, text) in
            [(p.is_primary_key, " key"), (p.explicit, " explicit"), (p.is_partition_key, " partition")]
        {
            line.push_str(if flag { text } else { "" });
        }
        line
    };
    projections(collection).unwrap().iter().map(line).collect()
}

#[test]
fn every_kind_of_location() {
    let all = listed(&collection(schema(), &["/id", "/slash~1key", "/value/nested"], &[]));
    assert_eq!(
        all,
        [
            "_meta \"/_meta\" object May",
            "_meta/flow_truncated \"/_meta/flow_truncated\" boolean Must",
            "_meta/op \"/_meta/op\" string May",
            "_meta/uuid \"/_meta/uuid\" string May",
            "asked \"/asked\" array,boolean,null,number,object,string Must",
            "at \"/at\" null,string May",
            "flow_document \"\" object Must",
            "flow_published_at \"/_meta/uuid\" string Must",
            "id \"/id\" integer Must key",
            "list \"/list\" array May",
            "list/0 \"/list/0\" integer May",
            "no \"/no\"  Cannot",
            "open \"/open\" object May",
            "slash~1key \"/slash~1key\" string May key",
            "value \"/value\" object Must",
            "value/nested \"/value/nested\" string Must key",
        ]
    );
}

#[test]
fn inferences_carry_annotations() {
    let all = projections(&collection(schema(), &["/id"], &[])).unwrap();
    let of = |field: &str| &all.iter().find(|p| p.field == field).unwrap().inference;
    let at = of("at");
    assert_eq!((&at.title[..], &at.description[..], at.secret), ("At", "When", true));
    assert_eq!(at.default, Some(json!("x")));
    assert_eq!(at.string.as_ref().unwrap().format, "date-time");
    let expected = StringInference {
        content_type: "text/x".to_owned(),
        format: String::new(),
        content_encoding: "base64".to_owned(),
        max_length: 5,
    };
    assert_eq!(of("slash~1key").string, Some(expected));
    assert_eq!(of("id").string, None);
    assert_eq!(of("flow_document").title, "The document");
    let time = of("flow_published_at").string.as_ref().unwrap();
    assert_eq!((&time.format[..], &time.content_encoding[..]), ("date-time", "uuid"));
}

#[test]
fn user_projections() {
    let simple =
        || json!({"type": "object", "properties": {"id": {"type": "integer"}, "a": {"type": "string"}}});
    let user =
        [("id", "/id"), ("mine", "/id"), ("deep", "a/b/0"), ("time", "/_meta/uuid/date-time"), ("whole", "")];
    let mut source = collection(simple(), &["/id"], &user);
    source.projections.get_mut("mine").unwrap().partition = true;
    assert_eq!(
        listed(&source),
        [
            "_meta/flow_truncated \"/_meta/flow_truncated\" boolean Must",
            "a \"/a\" string May",
            "deep \"/a/b/0\" array,boolean,null,number,object,string Cannot explicit",
            "id \"/id\" integer May key explicit",
            "mine \"/id\" integer May key explicit partition",
            "time \"/_meta/uuid\" string Must explicit",
            "whole \"\" object Must explicit",
        ]
    );
    assert!(projections(&source).unwrap().iter().any(|p| p.field == "time" && p.is_published_at()));
    // The UUID itself, under another name, does not replace the time.
    let source = collection(simple(), &["/id"], &[("uuid", "/_meta/uuid")]);
    assert!(listed(&source).contains(&"flow_published_at \"/_meta/uuid\" string Must".to_owned()));
    assert!(!projections(&source).unwrap().iter().any(|p| p.field == "uuid" && p.is_published_at()));
    // The names that are there already may be used for what they are.
    let same = [
        ("flow_document", ""),
        ("flow_published_at", "/_meta/uuid"),
        ("_meta/flow_truncated", "/_meta/flow_truncated"),
        ("id", "id"),
    ];
    let all = projections(&collection(simple(), &["/id"], &same)).unwrap();
    assert_eq!(all.iter().filter(|p| p.explicit).count(), 4);
    assert!(all.iter().any(|p| p.field == "flow_published_at" && p.is_published_at()));
}

#[test]
fn a_read_schema_goes_before_the_write_schema() {
    let mut source = collection(json!({"type": "object"}), &["/id"], &[]);
    source.read_schema =
        Some(json!({"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}));
    assert!(listed(&source).contains(&"id \"/id\" string Must key".to_owned()));
}

#[test]
fn key_locations_may_be_optional_and_nullable() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "number"}}});
    assert_eq!(projections(&collection(schema, &["/a", "/b"], &[])).unwrap().len(), 5);
}

#[test]
fn messages() {
    let error = |schema: Value, key: &str, user: &[(&str, &str)]| {
        projections(&collection(schema, &[key], user)).unwrap_err().to_string()
    };
    let place = "flow.yaml: collection \"c\"";
    assert_eq!(
        error(json!({"type": ["object", "null"]}), "/id", &[]),
        format!("{place}: the schema must say \"type: object\", and nothing else, it allows null, object")
    );
    assert_eq!(
        error(json!({"type": "object"}), "/id", &[]),
        format!(
            "{place}: key location \"/id\" must be a scalar that the schema declares, it is not declared"
        )
    );
    assert_eq!(
        error(schema(), "/list", &[]),
        format!(
            "{place}: key location \"/list\" must be a scalar that the schema declares, its types are array"
        )
    );
    assert_eq!(
        error(schema(), "/no", &[]),
        format!("{place}: key location \"/no\" must be a scalar that the schema declares, it cannot exist")
    );
    for (field, pointer, canonical) in [
        ("at", "/id", "/at"),
        ("value/nested", "/id", "/value/nested"),
        ("flow_document", "/flow_document", ""),
        ("flow_published_at", "/at", "/_meta/uuid"),
        ("_meta/flow_truncated", "/at", "/_meta/flow_truncated"),
    ] {
        assert_eq!(
            error(schema(), "/id", &[(field, pointer)]),
            format!(
                "{place}: projection {field:?} of {pointer:?} has the name of the location {canonical:?}; choose \
                 another name"
            )
        );
    }
    let unresolved = error(json!({"$ref": "#/$defs/x"}), "/id", &[]);
    let expected = format!("{place}: cannot infer the documents' shape from its schema: ");
    assert!(unresolved.starts_with(&expected) && unresolved.contains("#/$defs/x"), "{unresolved}");
}
