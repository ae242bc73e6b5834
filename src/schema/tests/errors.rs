//! The text of every error.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::schema::{Error, Shape};

fn message(schema: &Value) -> String {
    match Shape::infer(schema) {
        Err(error) => error.to_string(),
        Ok(shape) => unreachable!("{schema}: {shape:?}"),
    }
}

#[test]
fn keywords_with_values_that_they_cannot_have() {
    for (schema, place, keyword, found, expected) in [
        (json!({"type": "text"}), "#", "type", r#""text""#, "a name or a list of names"),
        (json!({"type": null}), "#", "type", "null", "a name or a list of names"),
        (json!({"type": ["string", null]}), "#", "type", "null", "a name or a list of names"),
        (json!({"type": {"a": 1}}), "#", "type", "an object", "a name or a list of names"),
        (
            json!({"properties": {"a/b": {"type": 5}}}),
            "#/properties/a~1b",
            "type",
            "5",
            "a name or a list of names",
        ),
        (json!({"allOf": [true, {"enum": 5}]}), "#/allOf/1", "enum", "5", "an array"),
        (
            json!({"$defs": {"d": {"anyOf": {}}}, "items": {"$ref": "#/$defs/d"}}),
            "bundle://collection/#/$defs/d",
            "anyOf",
            "an object",
            "an array",
        ),
        (
            json!({"$defs": {"d": {"$id": "flow://w", "not": true, "items": {"required": "id"}}}, "$ref": "flow://w"}),
            "flow://w/items",
            "required",
            r#""id""#,
            "an array",
        ),
        (json!({"required": [5]}), "#", "required", "5", "a list of names"),
        (json!({"properties": []}), "#", "properties", "an array", "an object of schemas"),
        (
            json!({"patternProperties": "x".repeat(50)}),
            "#",
            "patternProperties",
            &format!("{:?}...", "x".repeat(40)),
            "an object of schemas",
        ),
        (json!({"minLength": -1}), "#", "minLength", "-1", "a whole number that is not negative"),
        (json!({"maxItems": 1.5}), "#", "maxItems", "1.5", "a whole number that is not negative"),
        (json!({"maximum": "5"}), "#", "maximum", r#""5""#, "a number"),
        (json!({"format": true}), "#", "format", "true", "a string"),
        (json!({"$ref": 5}), "#", "$ref", "5", "a string"),
        (
            json!({"$defs": {"d": {"$id": "#name"}}}),
            "#/$defs/d",
            "$id",
            r##""#name""##,
            "a URI without a fragment",
        ),
        (
            json!({"$defs": {"d": {"$id": "http://["}}}),
            "#/$defs/d",
            "$id",
            r#""http://[""#,
            "a URI without a fragment",
        ),
    ] {
        let message = message(&schema);
        let start = format!(
            "reading the collection's JSON schema: at {place} the keyword {keyword:?} has {found}, expected {expected}"
        );
        assert!(message.starts_with(&start), "{message}\n{start}");
        assert!(message.ends_with("; correct the collection's schema"), "{message}");
    }
}

#[test]
fn what_is_no_schema() {
    for (schema, place, found) in [
        (json!("string"), "#", "a string"),
        (json!({"items": null}), "#/items", "null"),
        (json!({"properties": {"a": []}}), "#/properties/a", "an array"),
        (json!({"oneOf": [5]}), "#/oneOf/0", "a number"),
    ] {
        assert_eq!(
            message(&schema),
            format!(
                "reading the collection's JSON schema: at {place} is {found}, expected a schema, which is an object or a \
                 boolean; correct the collection's schema"
            )
        );
    }
}

#[test]
fn the_other_errors() {
    assert_eq!(
        message(&json!({"$ref": "#/$defs/a"})),
        "reading the collection's JSON schema: at # the reference \"#/$defs/a\" means bundle://collection/#/$defs/a, and \
         the schema has nothing there; define it (under \"$defs\", say) or correct the reference"
    );
    for (error, text) in [
        (
            Error::TooDeep { limit: 128 },
            "reading the collection's JSON schema: schemas are nested deeper than 128 levels, references followed; make \
             the schema flatter",
        ),
        (
            Error::TooLarge { limit: 7 },
            "reading the collection's JSON schema: with its references expanded it describes more than 7 locations; refer \
             less often to large definitions, or leave their details open",
        ),
        (
            Error::UnknownField { field: "a/b".into() },
            "mapping the binding's fields to schemas: the field selection names \"a/b\", which is no projection of the \
             collection; publish the materialization again, so that its fields are selected anew",
        ),
        (
            Error::NoKey,
            "mapping the binding's fields to schemas: the field selection has no key fields, expected at least one; publish \
             the materialization again, so that its fields are selected anew",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn warnings_are_said_once_with_their_place() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let odd = json!({"odd": 1, "format": "odd-format", "x-fine": 1, "patternProperties": {"(": true}});
    let schema = json!({"properties": {"a": odd, "b": odd}});
    tracing::subscriber::with_default(subscriber, || Shape::infer(&schema).expect("a schema"));
    let log = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, parts) in lines.iter().zip([
        ["ignoring an unknown keyword", "\"odd\"", "#/properties/a"],
        ["ignoring an unknown format", "odd-format", "#/properties/a"],
        ["ignoring a regex that does not compile", "\"(\"", "#/properties/a/patternProperties/("],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
}
