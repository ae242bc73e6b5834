//! Reads typed members out of a JSON object and says exactly where one is wrong.
//!
//! Serde's derive would name neither the place nor spare the value ("invalid type: string \"hunter2\""),
//! and a configuration holds secrets. Here null counts as absent, and unknown members are never read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{Error, Part};
use super::{EndpointConfig, Resource, form};

/// Parses a configuration's text.
pub(super) fn parse(part: Part, json: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(json).map_err(|error| Error::Syntax {
        part,
        line: error.line(),
        column: error.column(),
    })
}

/// An object of a configuration, and where it stands.
pub(super) struct Members<'a> {
    part: Part,
    pointer: String,
    map: &'a Map<String, Value>,
    /// The whole configuration.
    root: &'a Value,
}

impl<'a> Members<'a> {
    pub(super) fn root(part: Part, document: &'a Value) -> Result<Self, Error> {
        match document {
            Value::Object(map) => Ok(Self { part, pointer: String::new(), map, root: document }),
            other => Err(wrong_type(part, String::new(), other, "an object")),
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, Error> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { part: self.part, pointer: self.at(name), map, root: self.root }))
            }
            Some(other) => Err(wrong_type(self.part, self.at(name), other, "an object")),
        }
    }

    /// The root of another document, which is read as if it were this one.
    pub(super) fn instead<'b>(&self, document: &'b Value) -> Result<Members<'b>, Error> {
        Members::root(self.part, document)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                self.without_nul(name, text)?;
                Ok(Some(text))
            }
            Some(other) => Err(wrong_type(self.part, self.at(name), other, "a string")),
        }
    }

    /// A text where an empty one is as good as none.
    pub(super) fn filled(&self, name: &str) -> Result<Option<&'a str>, Error> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong_type(self.part, self.at(name), other, "a boolean")),
        }
    }

    /// A list of texts.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let items = match self.present(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong_type(self.part, self.at(name), other, "an array")),
        };
        let texts = items.iter().enumerate().map(|(index, item)| {
            let place = format!("{name}/{index}");
            let Value::String(text) = item else {
                return Err(wrong_type(self.part, self.at(&place), item, "a string"));
            };
            self.without_nul(&place, text)?;
            Ok(text.clone())
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// Texts by name; numbers and booleans as they are written, a null as if it were not there.
    pub(super) fn map(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        let Some(members) = self.object(name)? else { return Ok(None) };
        let present = members.map.iter().filter(|(_, value)| !value.is_null());
        let texts = present.map(|(key, value)| {
            if key.is_empty() {
                return Err(
                    self.refused(name, "a name in it is empty: fill it in, or take it out".to_owned())
                );
            }
            let place = self.key(key);
            if key.contains('\0') {
                return Err(members.invalid(&place, "***", NUL.to_owned()));
            }
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                other => return Err(wrong_type(self.part, members.at(&place), other, "a string")),
            };
            members.without_nul(&place, &text)?;
            Ok((key.clone(), text))
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// An integer, also where it is written with a fraction of zero: JSON Schema counts `6.0` as one.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i128>, Error> {
        let Some(value) = self.present(name) else { return Ok(None) };
        let Value::Number(number) = value else {
            return Err(wrong_type(self.part, self.at(name), value, "an integer"));
        };
        if let Some(integer) = number.as_i128() {
            return Ok(Some(integer));
        }
        match number.as_f64() {
            Some(float) if float.fract() == 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "`as` saturates, and the caller checks the range"
                )]
                let integer = float as i128;
                Ok(Some(integer))
            }
            _ => Err(self.invalid(name, &number.to_string(), "expected an integer".to_owned())),
        }
    }

    /// One of a few texts, and what it stands for.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        allowed: &[(&'static str, T)],
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match allowed.iter().find(|(spelling, _)| *spelling == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let names: Vec<&str> = allowed.iter().map(|(spelling, _)| *spelling).collect();
                Err(self.unknown(name, text, &names))
            }
        }
    }

    /// The one of `allowed` that a member has which must be there.
    pub(super) fn tag(&self, name: &str, allowed: &[&'static str]) -> Result<&'static str, Error> {
        let Some(text) = self.text(name)? else {
            let one_of = if allowed.len() > 1 { "one of " } else { "" };
            let quoted = allowed.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ");
            return Err(self.missing(name, format!("set it to {one_of}{quoted}")));
        };
        let found = allowed.iter().find(|value| **value == text);
        found.copied().ok_or_else(|| self.unknown(name, text, allowed))
    }

    pub(super) fn missing(&self, name: &str, remedy: impl Into<String>) -> Error {
        Error::Missing { part: self.part, pointer: self.at(name), remedy: remedy.into() }
    }

    /// `value` is what the message repeats, so it must not be of a place that holds a secret.
    pub(super) fn invalid(&self, name: &str, value: &str, reason: String) -> Error {
        Error::Invalid { part: self.part, pointer: self.at(name), value: self.shown(value), reason }
    }

    /// A member that cannot be there, for a reason that is not its value's.
    pub(super) fn refused(&self, name: &str, reason: String) -> Error {
        Error::Refused { part: self.part, pointer: self.at(name), reason }
    }

    /// The place of one of the texts of a [`map`](Self::map), for errors.
    pub(super) fn entry(&self, map: &str, key: &str) -> String {
        format!("{map}/{}", self.key(key))
    }

    /// A name that the user chose, as a part of a pointer. It is a value as well: it may be anything that was pasted there.
    fn key(&self, key: &str) -> String {
        escaped(&self.shown(key))
    }

    /// As [`invalid`](Self::invalid), of a member that is true or false.
    pub(super) fn invalid_flag(&self, name: &str, value: bool, reason: String) -> Error {
        Error::Flag { part: self.part, pointer: self.at(name), value, reason }
    }

    /// Whether a text has one of the configuration's secrets within, because it was pasted into a second place.
    pub(super) fn has_secret(&self, text: &str) -> bool {
        let schema = match self.part {
            Part::Endpoint => EndpointConfig::schema(),
            Part::Resource => Resource::schema(),
        };
        let secrets = form::secrets(&schema, self.root);
        secrets.into_iter().any(|secret| !secret.is_empty() && text.contains(secret))
    }

    fn unknown(&self, name: &str, value: &str, allowed: &[&str]) -> Error {
        Error::Unknown {
            part: self.part,
            pointer: self.at(name),
            value: self.shown(value),
            allowed: allowed.join(", "),
        }
    }

    /// C takes a NUL for the end of a text, and would go on with a part of it.
    fn without_nul(&self, name: &str, text: &str) -> Result<(), Error> {
        if text.contains('\0') { Err(self.invalid(name, "***", NUL.to_owned())) } else { Ok(()) }
    }

    fn present(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// What a message may repeat of a text: not too much, and nothing that has a secret within.
    fn shown(&self, text: &str) -> String {
        if self.has_secret(text) {
            return "***".to_owned();
        }
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.to_owned(),
        }
    }
}

fn wrong_type(part: Part, pointer: String, value: &Value, expected: &'static str) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Error::WrongType { part, pointer, found, expected }
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Why a text with such a character is refused.
const NUL: &str = "it has a NUL character, which Kafka's client would take for its end: remove it";

/// Characters of a value that a message repeats.
const SHOWN: usize = 80;
