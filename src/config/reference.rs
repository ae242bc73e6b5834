//! `docs/options.md`, the reference of all options, made of the forms and thereby of the options' doc comments; and
//! the check that README.md has them all.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use serde_json::{Map, Value, json};

use super::{EndpointConfig, Resource};

/// An option that is not a group.
pub(super) struct Leaf {
    /// As people write it: `advanced.producers`.
    pub(super) name: String,
    pub(super) pointer: String,
    pub(super) description: String,
    pub(super) is_secret: bool,
    schema: Value,
    /// Pointer and value of the member that chooses the group which the option belongs to.
    tag: Option<(String, Value)>,
    /// What stands before the table that it is in.
    heading: String,
    required: bool,
}

impl Leaf {
    /// Puts a text in the option's place, with whatever the option needs around it.
    pub(super) fn put(&self, document: &mut Value, text: &str) {
        if let Some((pointer, value)) = &self.tag {
            place(document, pointer, value.clone());
        }
        let value = match self.schema["type"].as_str() {
            Some("array") => json!([text]),
            Some("object") => json!({ "x": text }),
            _ => text.into(),
        };
        place(document, &self.pointer, value);
    }

    /// Whether both are texts in the same group.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let group = |leaf: &Self| leaf.pointer.rsplit_once('/').map(|(group, _)| group.to_owned());
        let is_text = self.schema["type"] == "string" && self.schema.get("const").is_none();
        is_text && self.tag == other.tag && group(self) == group(other)
    }

    /// A text that most options take.
    pub(super) fn a_text(&self) -> &str {
        self.schema.pointer("/enum/0").and_then(Value::as_str).unwrap_or("https://example.com")
    }

    fn kind(&self) -> String {
        let schema = &self.schema;
        let code = |value: &Value| format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned));
        let kind = if let Some(names) = schema["enum"].as_array() {
            names.iter().map(code).collect::<Vec<_>>().join(", ")
        } else if schema.get("const").is_some() {
            code(&schema["const"])
        } else {
            match (schema["type"].as_str(), schema.get("minimum"), schema.get("maximum")) {
                (Some("array"), ..) => "list of strings".to_owned(),
                (Some("object"), ..) => "object of strings".to_owned(),
                (Some(kind), Some(least), Some(most)) => format!("{kind}, {least} to {most}"),
                (Some(kind), Some(least), None) => format!("{kind}, from {least}"),
                (kind, ..) => kind.unwrap_or("any").to_owned(),
            }
        };
        if self.is_secret { format!("{kind}, secret") } else { kind }
    }

    fn default(&self) -> String {
        match self.schema.get("default").filter(|_| self.schema.get("const").is_none()) {
            _ if self.required => "required".to_owned(),
            Some(Value::String(text)) => format!("`{text}`"),
            Some(value) => format!("`{value}`"),
            None => String::new(),
        }
    }
}

fn place(document: &mut Value, pointer: &str, value: Value) {
    let mut at = document;
    for name in pointer.split('/').skip(1) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[name];
    }
    *at = value;
}

/// All options of a schema, in the form's order.
pub(super) fn leaves(schema: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(schema, "", "", None, &mut found);
    found
}

fn walk(schema: &Value, pointer: &str, heading: &str, tag: Option<&(String, Value)>, found: &mut Vec<Leaf>) {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&name.into()));
    let mut properties: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    properties.sort_by_key(|(_, property)| property["order"].as_u64());
    let is_group = |property: &Value| property.get("properties").is_some() || property.get("oneOf").is_some();
    for (name, property) in properties.iter().filter(|(_, property)| !is_group(property)) {
        let pointer = format!("{pointer}/{name}");
        let below = property.get("items").or(property.get("additionalProperties"));
        found.push(Leaf {
            name: dotted(&pointer),
            description: property["description"].as_str().unwrap_or_default().to_owned(),
            is_secret: property["secret"] == true || below.is_some_and(|below| below["secret"] == true),
            schema: (*property).clone(),
            tag: tag.cloned(),
            heading: heading.to_owned(),
            required: required(name),
            pointer,
        });
    }
    for (name, group) in properties.into_iter().filter(|(_, property)| is_group(property)) {
        let pointer = format!("{pointer}/{name}");
        let mut heading = format!("### `{}`\n\n{}", dotted(&pointer), group["description"].as_str().unwrap());
        let Some(variants) = group["oneOf"].as_array() else {
            walk(group, &pointer, &heading, tag, found);
            continue;
        };
        let chooser = group.pointer("/discriminator/propertyName").unwrap().as_str().unwrap();
        for variant in variants {
            let value = variant["properties"][chooser]["const"].clone();
            let (title, about) =
                (variant["title"].as_str().unwrap(), variant["description"].as_str().unwrap());
            write!(heading, "\n\n**{title}** (`{chooser}: {}`): {about}", value.as_str().unwrap()).unwrap();
            let tag = (format!("{pointer}/{chooser}"), value);
            walk(variant, &pointer, &heading, Some(&tag), found);
            heading.clear();
        }
    }
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (title, schema) in [("Endpoint", EndpointConfig::schema()), ("Resource", Resource::schema())] {
        write!(text, "\n## {title}\n\n{}\n", schema["description"].as_str().unwrap()).unwrap();
        let mut heading = None;
        for leaf in leaves(&schema) {
            if heading.as_ref() != Some(&leaf.heading) {
                for paragraph in [leaf.heading.trim(), TABLE].iter().filter(|text| !text.is_empty()) {
                    write!(text, "\n{paragraph}\n").unwrap();
                }
                heading = Some(leaf.heading.clone());
            }
            let description = leaf.description.replace('|', "\\|");
            writeln!(text, "| `{}` | {} | {} | {description} |", leaf.name, leaf.kind(), leaf.default())
                .unwrap();
        }
    }
    text
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let text = reference();
    if env::var_os("UPDATE_OPTIONS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "docs/options.md is stale: run UPDATE_OPTIONS=1 cargo test --lib config::reference"
    );
}

/// A row of an option, or of its group with the option's own name in it.
#[test]
fn the_readmes_table_names_every_option() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Configuration\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let row = |name: &str| section.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
    for leaf in [EndpointConfig::schema(), Resource::schema()].iter().flat_map(leaves) {
        let in_group = || {
            let (group, name) = leaf.name.rsplit_once('.')?;
            row(group)?.contains(&format!("`{name}`")).then_some(())
        };
        assert!(
            row(&leaf.name).is_some() || in_group().is_some(),
            "README.md's table has no `{}`",
            leaf.name
        );
    }
}

const TABLE: &str = "| option | type | default | meaning |\n|---|---|---|---|";

const HEAD: &str = "\
# Options

Every option of the endpoint's and of a resource's configuration. Members that are not known are ignored, and null is
the same as absent. `a.b` is the member `b` of the object `a`; a secret is stored encrypted and never printed.

This file is made of the doc comments in `src/config`: `UPDATE_OPTIONS=1 cargo test --lib config::reference`.
";
