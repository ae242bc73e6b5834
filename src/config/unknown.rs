//! Members of a configuration that are no options: misspelt, or at another place than theirs.
//!
//! They are accepted, since configurations of the original connector may have some, and they do nothing, which their author
//! should learn. What is known is what the form has. Values are never looked at, and a name is repeated only where it
//! could be an option's: it may be anything that was pasted there.

use std::fmt;

use serde_json::{Map, Value};

use super::error::Part;
use super::members::{self, Members, escaped};
use super::{EndpointConfig, Resource};

/// A member that no option reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOption {
    /// Which configuration it is in.
    pub part: Part,
    /// Its JSON pointer, or `***` for names that could be no option's.
    pub pointer: String,
    /// What was meant, as far as can be told.
    pub instead: Instead,
}

/// What may have been meant by an unknown member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// The option at this pointer.
    Option(Part, String),
    /// This very place, but with another value of this member beside it.
    OtherChoice(String),
    /// Nothing that is known is like it.
    Nothing,
}

impl fmt::Display for UnknownOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, pointer, instead } = self;
        write!(f, "no such option {pointer}")?;
        match instead {
            Instead::Option(of, place) if of == part => write!(f, "; did you mean {place}"),
            Instead::Option(of, place) => write!(f, "; did you mean {place} of the {of}"),
            Instead::OtherChoice(tag) => write!(f, " with this {tag}; remove it, or choose another {tag}"),
            Instead::Nothing => write!(f, "; remove it: it does nothing"),
        }
    }
}

impl EndpointConfig {
    /// The members of an endpoint configuration that are no options, [`MOST`] at most.
    #[must_use]
    pub fn unknown_options(json: &[u8]) -> Vec<UnknownOption> {
        unknown_options(Part::Endpoint, json)
    }
}

impl Resource {
    /// The members of a resource configuration that are no options, [`MOST`] at most.
    #[must_use]
    pub fn unknown_options(json: &[u8]) -> Vec<UnknownOption> {
        unknown_options(Part::Resource, json)
    }
}

/// What is not readable has no unknown members either: reading it tells more.
fn unknown_options(part: Part, json: &[u8]) -> Vec<UnknownOption> {
    let Ok(document) = members::parse(part, json) else { return Vec::new() };
    let Ok(root) = Members::root(part, &document) else { return Vec::new() };
    let mut found = Vec::new();
    walk(&schema(part), &document, "", &mut found);
    if found.is_empty() {
        return Vec::new();
    }
    let known = known_options();
    found.truncate(MOST);
    found
        .into_iter()
        .map(|Found { parent, name, tag }| {
            let could_be = name.len() <= LONGEST
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
                && !root.has_secret(&name);
            if !could_be {
                return UnknownOption { part, pointer: format!("{parent}/***"), instead: Instead::Nothing };
            }
            let pointer = format!("{parent}/{}", escaped(&name));
            let instead = match tag {
                Some(tag) if known.iter().any(|option| option.part == part && option.pointer == pointer) => {
                    Instead::OtherChoice(tag)
                }
                _ => likely(&known, part, &parent, &name),
            };
            UnknownOption { part, pointer, instead }
        })
        .collect()
}

/// An unknown member on the way.
struct Found {
    parent: String,
    name: String,
    /// The member beside it that chooses which options there are.
    tag: Option<String>,
}

/// Not deeper than the schema.
fn walk(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Found>) {
    let Value::Object(members) = value else { return };
    let tag = schema["discriminator"]["propertyName"].as_str();
    let variants = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    let chosen = tag.and_then(|tag| {
        variants.iter().find(|variant| members.get(tag) == Some(&variant["properties"][tag]["const"]))
    });
    let Some(properties) = chosen.unwrap_or(schema)["properties"].as_object() else { return };
    for (name, member) in members {
        match properties.get(name) {
            Some(property) => walk(property, member, &format!("{pointer}/{name}"), found),
            // A form leaves null where nothing was filled in.
            None if member.is_null() => {}
            None => {
                let tag = chosen.and(tag).map(str::to_owned);
                found.push(Found { parent: pointer.to_owned(), name: name.clone(), tag });
            }
        }
    }
}

/// The option that is most likely meant: one of the same name elsewhere, else one whose name is nearly the same.
fn likely(known: &[Known], part: Part, parent: &str, name: &str) -> Instead {
    let nearness = |option: &Known| (option.part != part, option.parent() != parent);
    let same = known.iter().filter(|option| option.name() == name).min_by_key(|option| nearness(option));
    let similar = || {
        let wanted = plain(name);
        let most = (wanted.len() / 4).clamp(1, 3);
        let distances = known.iter().map(|option| (distance(&wanted, &plain(option.name())), option));
        let close = distances.filter(|(distance, _)| *distance <= most);
        close.min_by_key(|(distance, option)| (*distance, nearness(option))).map(|(_, option)| option)
    };
    same.or_else(similar)
        .map_or(Instead::Nothing, |option| Instead::Option(option.part, option.pointer.clone()))
}

/// An option's place.
struct Known {
    part: Part,
    pointer: String,
}

impl Known {
    fn parent(&self) -> &str {
        self.pointer.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    fn name(&self) -> &str {
        self.pointer.rsplit_once('/').map_or(&self.pointer, |(_, name)| name)
    }
}

/// All that there are; an option that several choices have is there several times.
fn known_options() -> Vec<Known> {
    fn collect(part: Part, schema: &Value, pointer: &str, known: &mut Vec<Known>) {
        for variant in schema["oneOf"].as_array().into_iter().flatten() {
            collect(part, variant, pointer, known);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flat_map(Map::iter) {
            let pointer = format!("{pointer}/{name}");
            collect(part, property, &pointer, known);
            known.push(Known { part, pointer });
        }
    }
    let mut known = Vec::new();
    for part in [Part::Endpoint, Part::Resource] {
        collect(part, &schema(part), "", &mut known);
    }
    known
}

fn schema(part: Part) -> Value {
    match part {
        Part::Endpoint => EndpointConfig::schema(),
        Part::Resource => Resource::schema(),
    }
}

/// A name without what is written one way or the other.
fn plain(name: &str) -> Vec<u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
}

/// How many bytes must be inserted, removed or replaced to make one of the other (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// How many are told.
pub const MOST: usize = 20;
/// Characters of a name that is repeated. No option has a longer one.
const LONGEST: usize = 40;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(part: Part, document: &Value) -> Vec<String> {
        let json = document.to_string();
        let unknown = match part {
            Part::Endpoint => EndpointConfig::unknown_options(json.as_bytes()),
            Part::Resource => Resource::unknown_options(json.as_bytes()),
        };
        unknown.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_elsewhere_or_misspelt_is_told_with_what_was_meant() {
        let endpoint = json!({
            "topic_prefix": "p.", "topic_config": {"x": 1}, "headers": {}, "subject_strategy": "topic_name",
            "partitions": 3, "tls": "system_certificates", "whatever": {"inner": 1}, "nothing": null,
            "advanced": {"topic_prefx": "hunter2", "topicPrefix": "", "headers": {"any": "name"}, "lingr": 1},
            "schema_registry": {"endpoint": "", "adress": ""},
        });
        assert_eq!(
            told(Part::Endpoint, &endpoint),
            [
                "no such option /advanced/lingr; remove it: it does nothing",
                "no such option /advanced/topicPrefix; did you mean /advanced/topic_prefix",
                "no such option /advanced/topic_prefx; did you mean /advanced/topic_prefix",
                "no such option /headers; did you mean /advanced/headers",
                "no such option /partitions; did you mean /partitions of the resource configuration",
                "no such option /schema_registry/adress; remove it: it does nothing",
                "no such option /subject_strategy; did you mean /schema_registry/subject_strategy",
                "no such option /topic_config; did you mean /advanced/topic_config",
                "no such option /topic_prefix; did you mean /advanced/topic_prefix",
                "no such option /whatever; remove it: it does nothing",
            ]
        );
        let resource = json!({"topic": "t", "partiton_by": [], "key_fromat": "JSON", "topic_prefix": ""});
        assert_eq!(
            told(Part::Resource, &resource),
            [
                "no such option /key_fromat; did you mean /key_format",
                "no such option /partiton_by; did you mean /partition_by",
                "no such option /topic_prefix; did you mean /advanced/topic_prefix of the endpoint configuration",
            ]
        );
        assert_eq!(told(Part::Endpoint, &json!(["no object"])), [""; 0]);
    }

    #[test]
    fn a_member_of_another_choice_is_told_as_such() {
        let endpoint = json!({"credentials": {
            "auth_type": "user_password", "mechanism": "PLAIN", "username": "u", "password": "p", "client_id": "c",
            "user_name": "u",
        }});
        assert_eq!(
            told(Part::Endpoint, &endpoint),
            [
                "no such option /credentials/client_id with this auth_type; remove it, or choose another auth_type",
                "no such option /credentials/user_name; did you mean /credentials/username",
            ]
        );
        assert_eq!(
            told(Part::Endpoint, &json!({"credentials": {"client_id": "c"}})),
            [""; 0],
            "reading tells"
        );
    }

    #[test]
    fn names_that_could_be_no_options_are_not_repeated_and_the_list_ends() {
        let endpoint = json!({
            "credentials": {"auth_type": "user_password", "mechanism": "PLAIN", "username": "u", "password": "hunter2"},
            "xhunter2": 1, "a b": 1, "x".repeat(41): 1,
        });
        assert_eq!(told(Part::Endpoint, &endpoint), ["no such option /***; remove it: it does nothing"; 3]);
        let many: Map<String, Value> = (0..100).map(|i| (format!("member{i}"), json!(1))).collect();
        assert_eq!(told(Part::Resource, &many.into()).len(), MOST);
    }

    #[test]
    fn no_option_has_a_longer_name() {
        assert!(known_options().iter().all(|option| option.name().len() <= LONGEST));
    }
}
