//! Values of the specification with their places, and the files that they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Map, Value};

use super::super::error::Error;
use super::File;

/// A value of the specification, and where it is.
pub(super) struct At<'v> {
    /// The value.
    pub(super) value: &'v Value,
    /// Where it is: file, definition, members.
    pub(super) place: String,
}

impl<'v> At<'v> {
    /// The member `name`; null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, place: format!("{}, {name}", self.place) })
    }

    pub(super) fn require(&self, name: &str) -> Result<Self, Error> {
        self.members()?;
        let missing = || Error::Missing { place: self.place.clone(), member: name.to_owned() };
        self.get(name).ok_or_else(missing)
    }

    pub(super) fn members(&self) -> Result<&'v Map<String, Value>, Error> {
        self.value.as_object().ok_or_else(|| self.unexpected("a mapping"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.unexpected("a list"))?;
        let place = |i| format!("{} {i}", self.place);
        Ok(items.iter().enumerate().map(|(i, value)| Self { value, place: place(i) }).collect())
    }

    pub(super) fn text(&self) -> Result<&'v str, Error> {
        self.value.as_str().ok_or_else(|| self.unexpected("a text"))
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        self.items()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    pub(super) fn flag(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.unexpected("true or false"))
    }

    pub(super) fn number(&self) -> Result<u32, Error> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.unexpected("a number from 0 to 4294967295"))
    }

    /// Variables and their texts; YAML makes numbers and booleans of some.
    pub(super) fn environment(&self) -> Result<BTreeMap<String, String>, Error> {
        let mut env = BTreeMap::new();
        for (name, value) in self.members()? {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => {
                    return Err(Self { value, place: format!("{}, {name}", self.place) }.unexpected("a text"));
                }
            };
            env.insert(name.clone(), text);
        }
        Ok(env)
    }

    /// The value, or what is in the file that it names.
    pub(super) fn inline(&self, file: &File) -> Result<Value, Error> {
        if self.value.is_string() { read_value(&self.file(file)?) } else { Ok(self.value.clone()) }
    }

    /// A schema: an object or a boolean, here or in the file that it names.
    pub(super) fn schema(&self, file: &File) -> Result<Value, Error> {
        let schema = self.inline(file)?;
        if schema.is_object() || schema.is_boolean() {
            return Ok(schema);
        }
        Err(At { value: &schema, place: self.place.clone() }.unexpected("a JSON schema"))
    }

    /// The path of the file that the value names.
    pub(super) fn file(&self, file: &File) -> Result<PathBuf, Error> {
        let name = self.text()?;
        if name.contains("://") {
            return Err(Error::Remote { place: self.place.clone(), url: name.to_owned() });
        }
        Ok(file.folder.join(name))
    }

    /// The value is `found`, and must not be.
    pub(super) fn unexpected_as(&self, expected: &'static str, found: &'static str) -> Error {
        Error::Unexpected { place: self.place.clone(), expected, found }
    }

    /// The value is not what it must be. Says what kind it is, never what is in it.
    pub(super) fn unexpected(&self, expected: &'static str) -> Error {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        self.unexpected_as(expected, found)
    }
}

/// Reads a file of JSON or YAML.
///
/// # Errors
/// If it cannot be read, or is neither.
pub fn read_value(path: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(path)
        .map_err(|source| Error::ReadSource { path: path.display().to_string(), source })?;
    parse_value(&text, path).map_err(|reason| Error::Syntax { path: path.display().to_string(), reason })
}

fn parse_value(text: &str, path: &Path) -> Result<Value, String> {
    // JSON is YAML too, but its own parser is exact about it, and faster.
    match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) if path.extension().is_some_and(|extension| extension == "json") => {
            return Err(error.to_string());
        }
        Err(_) => {}
    }
    // The reader's stack frames are large: as deep as the limit, they need more than a thread usually has.
    thread::scope(|scope| {
        let reader = thread::Builder::new().name("yaml".to_owned()).stack_size(YAML_STACK);
        let spawned = reader.spawn_scoped(scope, || parse_yaml(text));
        let spawned = spawned.map_err(|error| format!("cannot start its reader: {error}"))?;
        spawned.join().unwrap_or_else(|_| Err("its reader failed".to_owned()))
    })
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        // Excerpts of the file might show credentials.
        with_snippet: false,
        // As YAML 1.2 has it: `no` and `007` are texts.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // The file is the user's own; the limits only keep mistakes from filling the memory.
        budget: serde_saphyr::budget! {
            max_depth: YAML_DEPTH,
            max_events: 20_000_000,
            max_nodes: 10_000_000,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// Levels of mappings and lists, as many as JSON's reader takes.
const YAML_DEPTH: usize = 128;
const YAML_STACK: usize = 64 << 20;
