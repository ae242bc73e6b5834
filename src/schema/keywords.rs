//! The keywords of JSON Schema that Flow knows, and which of them hold schemas.

use std::fmt;

use serde_json::{Map, Value};

use crate::schema::pointer;

/// Where in a bundle something is: a chain of steps on the stack, printed only for errors and warnings.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    up: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Start(&'a str),
    Name(&'a str),
    At(usize),
}

impl<'a> Place<'a> {
    /// A place that is known by a URI or, for the bundle's root, by `#`.
    pub(crate) fn start(uri: &'a str) -> Self {
        Self { up: None, step: Step::Start(uri) }
    }

    /// The place one name further down.
    pub(super) fn name(&'a self, name: &'a str) -> Self {
        Self { up: Some(self), step: Step::Name(name) }
    }

    /// The place one item further down.
    pub(super) fn at(&'a self, index: usize) -> Self {
        Self { up: Some(self), step: Step::At(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut next = Some(self);
        while let Some(place) = next {
            steps.push(place.step);
            next = place.up;
        }
        let mut text = String::new();
        for step in steps.iter().rev() {
            match step {
                Step::Start(uri) => text.push_str(uri),
                Step::Name(name) => pointer::push(&mut text, name),
                Step::At(index) => pointer::push(&mut text, &index.to_string()),
            }
        }
        f.write_str(&text)
    }
}

/// Whether Flow knows the keyword, with effect or without.
pub(super) fn is_known(keyword: &str) -> bool {
    KNOWN.contains(&keyword) || keyword.starts_with("x-") || keyword.starts_with("X-")
}

/// Calls `visit` for each schema right below a schema. Members that should hold schemas and hold something else
/// are passed over: inference complains where it matters.
pub(super) fn each_subschema<'b, E>(
    schema: &'b Map<String, Value>,
    place: &Place<'_>,
    mut visit: impl FnMut(&'b Value, &Place<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for (keyword, value) in schema {
        let place = place.name(keyword);
        let keyword = keyword.as_str();
        match value {
            Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword) => visit(value, &place)?,
            Value::Array(items) if SEVERAL.contains(&keyword) => {
                for (index, item) in items.iter().enumerate() {
                    visit(item, &place.at(index))?;
                }
            }
            Value::Object(members) if NAMED.contains(&keyword) => {
                for (name, member) in members {
                    visit(member, &place.name(name))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

const ONE: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

const SEVERAL: &[&str] = &["allOf", "anyOf", "items", "oneOf", "prefixItems"];

const NAMED: &[&str] =
    &["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

const KNOWN: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "additionalItems",
    "additionalProperties",
    "advanced",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "discriminator",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multiline",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "order",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "redact",
    "reduce",
    "required",
    "secret",
    "then",
    "title",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
];
