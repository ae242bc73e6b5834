//! How two schemas differ, field by field, as an error tells it: a registry says at best that they do.
//!
//! Of the registered one nothing is known but that it is JSON. Both are walked together as far as they are alike, which
//! serde_json bounds by the nesting that it reads; what is told is bounded in number and length.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// How an Avro schema of ours differs from a registered one.
#[must_use]
pub fn avro_differences(registered: &str, new: &str) -> Vec<String> {
    // Registries may split names, sort members and unwrap types.
    let read = |text: &str| {
        let canonical = apache_avro::Schema::parse_str(text).map(|schema| schema.canonical_form());
        serde_json::from_str::<Value>(&canonical.unwrap_or_else(|_| text.to_owned())).unwrap_or_default()
    };
    let (registered, new) = (read(registered), read(new));
    let mut found = Found::default();
    if registered["name"] != new["name"] {
        found.add(|| {
            format!("the record is {} there and {} here", shown(&registered["name"]), shown(&new["name"]))
        });
    }
    found.records("", &registered, &new);
    found.told()
}

/// How a JSON schema of ours differs from a registered one.
#[must_use]
pub fn json_differences(registered: &str, new: &str) -> Vec<String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut found = Found::default();
    found.schemas("", &read(registered), &read(new));
    found.told()
}

/// The differences so far.
#[derive(Default)]
struct Found {
    first: Vec<String>,
    count: usize,
}

impl Found {
    fn add(&mut self, tell: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(tell());
        }
    }

    fn told(mut self) -> Vec<String> {
        let others = self.count - self.first.len();
        if others > 0 {
            self.first.push(format!("and {others} more"));
        }
        self.first
    }

    /// Compares the fields of two Avro records.
    fn records(&mut self, path: &str, registered: &Value, new: &Value) {
        let fields = |record: &Value| record["fields"].as_array().cloned().unwrap_or_default();
        let (theirs, ours) = (fields(registered), fields(new));
        let place = |field: &Value| join(path, field["name"].as_str().unwrap_or_default());
        for field in &ours {
            match theirs.iter().find(|other| other["name"] == field["name"]) {
                None => self.add(|| format!("field {} is new", quoted(&place(field)))),
                Some(other) => self.types(&place(field), &other["type"], &field["type"]),
            }
        }
        for other in theirs.iter().filter(|other| !ours.iter().any(|field| field["name"] == other["name"])) {
            self.add(|| format!("field {} is gone", quoted(&place(other))));
        }
    }

    /// Compares two Avro types: goes into those that differ within only.
    fn types(&mut self, path: &str, registered: &Value, new: &Value) {
        if registered == new {
            return;
        }
        if registered["fields"].is_array() && new["fields"].is_array() {
            if registered["name"] == new["name"] {
                return self.records(path, registered, new);
            }
        } else if registered["type"] == new["type"] && registered["type"].is_string() {
            for (inner, step) in [("items", "[]"), ("values", ".*")] {
                if registered[inner] != new[inner] {
                    return self.types(&format!("{path}{step}"), &registered[inner], &new[inner]);
                }
            }
        } else if let ([their_type, their_null], [our_type, our_null]) = (union(registered), union(new))
            && their_null == our_null
            && their_type.is_object()
            && our_type.is_object()
        {
            return self.types(path, their_type, our_type);
        }
        self.add(|| format!("field {} is {} there and {} here", quoted(path), shown(registered), shown(new)));
    }

    /// Compares two JSON schemas.
    fn schemas(&mut self, path: &str, registered: &Value, new: &Value) {
        if registered == new {
            return;
        }
        let (Value::Object(theirs), Value::Object(ours)) = (registered, new) else {
            return self
                .add(|| format!("{} is {} there and {} here", what(path), shown(registered), shown(new)));
        };
        if types(theirs) != types(ours) {
            let tell = |schema| {
                types(schema).map_or("anything".to_owned(), |types| Vec::from_iter(types).join(" or "))
            };
            self.add(|| {
                format!(
                    "{} is {} there and {} here",
                    what(path),
                    clipped(&tell(theirs)),
                    clipped(&tell(ours))
                )
            });
        }
        self.members(path, theirs, ours);
        for (keyword, step) in WITHIN {
            match (theirs.get(keyword), ours.get(keyword)) {
                (None, None) => {}
                (Some(Value::Array(theirs)), Some(Value::Array(ours))) if theirs.len() == ours.len() => {
                    for (index, (their, our)) in theirs.iter().zip(ours).enumerate() {
                        self.schemas(&format!("{path}[{index}]"), their, our);
                    }
                }
                (Some(their @ Value::Object(_)), Some(our @ Value::Object(_))) => {
                    self.schemas(&format!("{path}{step}"), their, our);
                }
                (their, our) => self.keyword(path, keyword, their, our),
            }
        }
        let known = |keyword: &str| {
            ["type", "required", "properties", "patternProperties"].contains(&keyword)
                || WITHIN.iter().any(|(within, _)| *within == keyword)
                || NOTES.contains(&keyword)
        };
        let keywords: BTreeSet<&str> = theirs.keys().chain(ours.keys()).map(String::as_str).collect();
        for keyword in keywords.into_iter().filter(|keyword| !known(keyword)) {
            self.keyword(path, keyword, theirs.get(keyword), ours.get(keyword));
        }
    }

    /// Compares what two JSON schemas say of an object's members by their names.
    fn members(&mut self, path: &str, theirs: &Map<String, Value>, ours: &Map<String, Value>) {
        let required = |schema: &Map<String, Value>, name: &str| {
            schema
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|names| names.iter().any(|one| one == name))
        };
        for keyword in ["properties", "patternProperties"] {
            let members = |schema: &Map<String, Value>| {
                schema.get(keyword).and_then(Value::as_object).cloned().unwrap_or_default()
            };
            let (their_members, our_members) = (members(theirs), members(ours));
            let place = |name: &str| match keyword {
                "properties" => join(path, name),
                _ => join(path, &format!("/{name}/")),
            };
            for (name, our) in &our_members {
                let (place, is_required) = (place(name), required(ours, name));
                let Some(their) = their_members.get(name) else {
                    let more = if is_required { ", and required" } else { "" };
                    self.add(|| format!("field {} is new{more}", quoted(&place)));
                    continue;
                };
                match (required(theirs, name), is_required) {
                    (true, false) => {
                        self.add(|| format!("field {} is required there and not here", quoted(&place)));
                    }
                    (false, true) => {
                        self.add(|| format!("field {} is required here and not there", quoted(&place)));
                    }
                    _ => {}
                }
                self.schemas(&place, their, our);
            }
            for name in their_members.keys().filter(|name| !our_members.contains_key(*name)) {
                self.add(|| format!("field {} is gone", quoted(&place(name))));
            }
        }
    }

    fn keyword(&mut self, path: &str, keyword: &str, their: Option<&Value>, our: Option<&Value>) {
        if their != our {
            let tell = |value: Option<&Value>| value.map_or("absent".to_owned(), shown);
            self.add(|| {
                format!(
                    "{} has {} {} there and {} here",
                    what(path),
                    clipped(keyword),
                    tell(their),
                    tell(our)
                )
            });
        }
    }
}

/// The names of the types that a JSON schema takes, if it says so.
fn types(schema: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(name) => Some([name.as_str()].into()),
        Value::Array(names) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

/// The branches of an Avro union.
fn union(schema: &Value) -> &[Value] {
    schema.as_array().map_or(&[], Vec::as_slice)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn what(path: &str) -> String {
    if path.is_empty() { "the schema".to_owned() } else { format!("field {}", quoted(path)) }
}

fn quoted(path: &str) -> String {
    format!("{:?}", clipped(path))
}

fn shown(value: &Value) -> String {
    clipped(&value.to_string())
}

fn clipped(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// Keywords of JSON schemas that hold other schemas, and how a path goes on to these.
const WITHIN: [(&str, &str); 3] =
    [("items", "[]"), ("additionalItems", "[]"), ("additionalProperties", ".*")];

/// Keywords that say nothing of which values are valid.
const NOTES: [&str; 8] =
    ["$schema", "$id", "$comment", "title", "description", "default", "examples", "readOnly"];

/// Differences that are told one by one.
const TOLD: usize = 20;

/// Characters of a path, a type or a value that are told.
const SHOWN: usize = 200;
