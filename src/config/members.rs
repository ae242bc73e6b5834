//! Reads typed members out of a JSON object and says exactly where one is wrong.
//!
//! Serde's derive would name neither the place nor spare the value ("invalid type: string \"hunter2\""),
//! and a configuration holds secrets. Here null counts as absent, and unknown members are never looked at.

use serde_json::{Map, Value};

use super::error::{Error, Part};

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

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(self.part, self.at(name), other, "a string")),
        }
    }

    /// A text where an empty one is as good as none.
    pub(super) fn filled(&self, name: &str) -> Result<Option<&'a str>, Error> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
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
            None => Err(Error::Unknown {
                part: self.part,
                pointer: self.at(name),
                value: self.shown(text),
                allowed: allowed.iter().map(|(spelling, _)| *spelling).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    pub(super) fn missing(&self, name: &str, remedy: &'static str) -> Error {
        Error::Missing { part: self.part, pointer: self.at(name), remedy }
    }

    /// `value` is what the message repeats, so it must not be of a place that holds a secret.
    pub(super) fn invalid(&self, name: &str, value: &str, reason: String) -> Error {
        Error::Invalid { part: self.part, pointer: self.at(name), value: self.shown(value), reason }
    }

    fn present(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// What a message may repeat of a text: not too much, and nothing that is one of the passwords as well,
    /// because it was pasted into a second place.
    fn shown(&self, text: &str) -> String {
        let secret = SECRETS.iter().filter_map(|pointer| self.root.pointer(pointer)?.as_str());
        if secret.into_iter().any(|secret| !secret.is_empty() && text.contains(secret)) {
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

/// Where secrets stand.
const SECRETS: [&str; 2] = ["/credentials/password", "/schema_registry/password"];

/// Characters of a value that a message repeats.
const SHOWN: usize = 80;
