//! What a registry keeps: schemas by number, versions by subject, levels and modes.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use serde_json::{Value, json};

use super::compatibility::{Language, Level};
use crate::registry::SchemaType;

/// Why a request is refused: the HTTP status, the registry's code, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) message: String,
}

impl Refusal {
    fn missing(code: u32, message: String) -> Self {
        Self { status: 404, code, message }
    }

    pub(super) fn invalid(code: u32, message: String) -> Self {
        Self { status: 422, code, message }
    }
}

/// Whether a subject, or the registry, takes new versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    ReadWrite,
    ReadOnly,
    Import,
}

impl Mode {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "READWRITE" => Some(Self::ReadWrite),
            "READONLY" => Some(Self::ReadOnly),
            "IMPORT" => Some(Self::Import),
            _ => None,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
            Self::Import => "IMPORT",
        }
    }
}

/// A schema that was given to the registry and is valid.
pub(super) struct Given {
    text: String,
    /// The text without white space and with members sorted: what makes two schemas of a type the same.
    normal: (SchemaType, String),
    schema: Language,
}

impl Given {
    /// Reads the body of a registration, a look-up or a check.
    pub(super) fn read(body: &Value) -> Result<Self, Refusal> {
        let kind = body.get("schemaType").and_then(Value::as_str).unwrap_or("AVRO");
        let Some(schema_type) = SchemaType::named(kind) else {
            return Err(Refusal::invalid(
                42201,
                format!("Invalid schema type {kind}: this registry knows AVRO and JSON only"),
            ));
        };
        if body.get("references").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            return Err(Refusal::invalid(
                42201,
                "Invalid schema: this registry knows no references".to_owned(),
            ));
        }
        let text = body.get("schema").and_then(Value::as_str).unwrap_or("");
        if text.is_empty() {
            return Err(Refusal::invalid(42201, "Empty schema".to_owned()));
        }
        let invalid =
            |error: &dyn std::fmt::Display| Refusal::invalid(42201, format!("Invalid schema: {error}"));
        let value: Value = serde_json::from_str(text).map_err(|error| invalid(&error))?;
        let schema = match schema_type {
            SchemaType::Avro => Language::Avro(Schema::parse(&value).map_err(|error| invalid(&error))?),
            SchemaType::Json if value.is_object() || value.is_boolean() => Language::Json(value.clone()),
            SchemaType::Json => return Err(invalid(&"a JSON schema is an object or a boolean")),
        };
        Ok(Self { text: text.to_owned(), normal: (schema_type, value.to_string()), schema })
    }
}

/// A version as a request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Latest,
    Number(u32),
}

#[derive(Debug)]
pub(super) struct Store {
    /// The schema with number n stands at n - 1.
    schemas: Vec<Stored>,
    ids: HashMap<(SchemaType, String), u32>,
    /// Versions, the oldest first; a subject without any is not in the map.
    subjects: BTreeMap<String, Vec<Version>>,
    level: Level,
    levels: BTreeMap<String, Level>,
    mode: Mode,
    modes: BTreeMap<String, Mode>,
    /// Bytes of schemas and names that may still come.
    room: usize,
}

#[derive(Debug)]
struct Stored {
    text: String,
    schema: Language,
}

#[derive(Clone, Copy, Debug)]
struct Version {
    number: u32,
    id: u32,
    deleted: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Level::default())
    }
}

impl Store {
    pub(super) fn new(level: Level) -> Self {
        Self {
            schemas: Vec::new(),
            ids: HashMap::new(),
            subjects: BTreeMap::new(),
            level,
            levels: BTreeMap::new(),
            mode: Mode::default(),
            modes: BTreeMap::new(),
            room: CAPACITY,
        }
    }

    pub(super) fn subjects(&self, deleted: bool, prefix: &str) -> Vec<&str> {
        let subjects = self.subjects.iter().filter(|(name, _)| name.starts_with(prefix));
        subjects
            .filter(|(_, all)| all.iter().any(|v| deleted || !v.deleted))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The number of a schema under a subject, which gets a new version unless it has the schema already.
    pub(super) fn register(&mut self, subject: &str, given: Given) -> Result<u32, Refusal> {
        let known = self.ids.get(&given.normal).copied();
        let current = self.current(subject);
        if let Some(id) = known
            && current.iter().any(|version| version.id == id)
        {
            return Ok(id);
        }
        if self.mode_of(subject) == Mode::ReadOnly {
            return Err(Refusal::invalid(42205, format!("Subject {subject} is in read-only mode")));
        }
        let earlier: Vec<&Language> = current.iter().filter_map(|version| self.parsed(version.id)).collect();
        self.level_of(subject).permits(&given.schema, &earlier).map_err(|reason| Refusal {
            status: 409,
            code: 409,
            message: format!(
                "Schema being registered is incompatible with an earlier schema for subject \"{subject}\": {reason}"
            ),
        })?;

        self.take_room(subject.len() + VERSION_COST)?;
        let id = match known {
            Some(id) => id,
            None => self.add(given)?,
        };
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let number = versions.last().map_or(1, |version| version.number + 1);
        versions.push(Version { number, id, deleted: false });
        Ok(id)
    }

    /// The version of a subject that has this schema.
    pub(super) fn look_up(&self, subject: &str, given: &Given) -> Result<Value, Refusal> {
        let versions = self.existing(subject)?;
        let id = self.ids.get(&given.normal);
        match versions.iter().find(|version| Some(&version.id) == id) {
            Some(version) => Ok(self.described(subject, *version)),
            None => Err(Refusal::missing(40403, "Schema not found".to_owned())),
        }
    }

    pub(super) fn versions(&self, subject: &str) -> Result<Vec<u32>, Refusal> {
        Ok(self.existing(subject)?.iter().map(|version| version.number).collect())
    }

    pub(super) fn version(&self, subject: &str, which: Which) -> Result<Value, Refusal> {
        let versions = self.existing(subject)?;
        Ok(self.described(subject, pick(&versions, which)?))
    }

    /// A schema's text and type.
    pub(super) fn schema(&self, id: u32) -> Result<(&str, SchemaType), Refusal> {
        match self.stored(id) {
            Some(stored) if self.uses(id, true).next().is_some() => {
                Ok((&stored.text, stored.schema.schema_type()))
            }
            _ => Err(Refusal::missing(40403, format!("Schema {id} not found"))),
        }
    }

    /// Subjects and versions that have the schema of this number.
    pub(super) fn users(&self, id: u32) -> Result<Vec<(&str, u32)>, Refusal> {
        self.schema(id)?;
        Ok(self.uses(id, false).collect())
    }

    /// Deletes a subject: softly first, then for good.
    pub(super) fn delete_subject(&mut self, subject: &str, permanent: bool) -> Result<Vec<u32>, Refusal> {
        let Some(versions) = self.subjects.get_mut(subject) else { return Err(unknown_subject(subject)) };
        let alive = versions.iter().any(|version| !version.deleted);
        if permanent && alive {
            return Err(Refusal::missing(
                40405,
                format!("Subject '{subject}' was not deleted first before being permanently deleted"),
            ));
        }
        if !permanent && !alive {
            return Err(Refusal::missing(
                40404,
                format!("Subject '{subject}' was soft deleted. Set permanent=true to delete permanently"),
            ));
        }
        let gone =
            versions.iter().filter(|version| permanent || !version.deleted).map(|version| version.number);
        let gone = gone.collect();
        if permanent {
            self.subjects.remove(subject);
            self.levels.remove(subject);
            self.modes.remove(subject);
        } else {
            versions.iter_mut().for_each(|version| version.deleted = true);
        }
        Ok(gone)
    }

    /// Deletes one version of a subject: softly first, then for good.
    pub(super) fn delete_version(
        &mut self,
        subject: &str,
        which: Which,
        permanent: bool,
    ) -> Result<u32, Refusal> {
        let Some(versions) = self.subjects.get_mut(subject) else { return Err(unknown_subject(subject)) };
        let candidates: Vec<Version> = match which {
            Which::Latest => versions.iter().copied().filter(|version| !version.deleted).collect(),
            Which::Number(_) => versions.clone(),
        };
        let Version { number, deleted, .. } = pick(&candidates, which)?;
        if permanent && !deleted {
            return Err(Refusal::missing(
                40407,
                format!(
                    "Subject '{subject}' Version {number} was not deleted first before being permanently deleted"
                ),
            ));
        }
        if !permanent && deleted {
            return Err(Refusal::missing(
                40406,
                format!(
                    "Subject '{subject}' Version {number} was soft deleted. Set permanent=true to delete permanently"
                ),
            ));
        }
        if permanent {
            versions.retain(|version| version.number != number);
            if versions.is_empty() {
                self.subjects.remove(subject);
            }
        } else {
            versions
                .iter_mut()
                .filter(|version| version.number == number)
                .for_each(|version| version.deleted = true);
        }
        Ok(number)
    }

    /// Whether a schema could be registered; with `None`, against all that the level asks for.
    pub(super) fn check(
        &self,
        subject: &str,
        which: Option<Which>,
        given: &Given,
    ) -> Result<Result<(), String>, Refusal> {
        let versions = match which {
            None => self.current(subject),
            Some(which) => vec![pick(&self.existing(subject)?, which)?],
        };
        let earlier: Vec<&Language> = versions.iter().filter_map(|version| self.parsed(version.id)).collect();
        Ok(self.level_of(subject).permits(&given.schema, &earlier))
    }

    pub(super) fn level(&self, subject: Option<&str>) -> Option<Level> {
        match subject {
            None => Some(self.level),
            Some(subject) => self.levels.get(subject).copied(),
        }
    }

    pub(super) fn level_of(&self, subject: &str) -> Level {
        self.levels.get(subject).copied().unwrap_or(self.level)
    }

    pub(super) fn set_level(&mut self, subject: Option<&str>, level: Level) -> Result<(), Refusal> {
        match subject {
            None => self.level = level,
            Some(subject) => {
                self.take_room(subject.len() + VERSION_COST)?;
                self.levels.insert(subject.to_owned(), level);
            }
        }
        Ok(())
    }

    /// Forgets a subject's own level, and returns it.
    pub(super) fn reset_level(&mut self, subject: &str) -> Option<Level> {
        self.levels.remove(subject)
    }

    pub(super) fn mode(&self, subject: Option<&str>) -> Option<Mode> {
        match subject {
            None => Some(self.mode),
            Some(subject) => self.modes.get(subject).copied(),
        }
    }

    pub(super) fn mode_of(&self, subject: &str) -> Mode {
        self.modes.get(subject).copied().unwrap_or(self.mode)
    }

    pub(super) fn set_mode(&mut self, subject: Option<&str>, mode: Mode) -> Result<(), Refusal> {
        match subject {
            None => self.mode = mode,
            Some(subject) => {
                self.take_room(subject.len() + VERSION_COST)?;
                self.modes.insert(subject.to_owned(), mode);
            }
        }
        Ok(())
    }

    fn add(&mut self, given: Given) -> Result<u32, Refusal> {
        self.take_room(given.text.len() * SCHEMA_COST)?;
        self.schemas.push(Stored { text: given.text, schema: given.schema });
        let id = u32::try_from(self.schemas.len()).map_err(|_| full())?;
        self.ids.insert(given.normal, id);
        Ok(id)
    }

    /// Nothing gives room back: deleted schemas keep their numbers.
    fn take_room(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.room = self.room.checked_sub(bytes).ok_or_else(full)?;
        Ok(())
    }

    fn stored(&self, id: u32) -> Option<&Stored> {
        self.schemas.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn parsed(&self, id: u32) -> Option<&Language> {
        self.stored(id).map(|stored| &stored.schema)
    }

    /// A subject's versions that are not deleted; none for a subject that does not exist.
    fn current(&self, subject: &str) -> Vec<Version> {
        let all = self.subjects.get(subject).map_or(&[][..], Vec::as_slice);
        all.iter().copied().filter(|version| !version.deleted).collect()
    }

    fn existing(&self, subject: &str) -> Result<Vec<Version>, Refusal> {
        let versions = self.current(subject);
        if versions.is_empty() { Err(unknown_subject(subject)) } else { Ok(versions) }
    }

    fn uses(&self, id: u32, deleted: bool) -> impl Iterator<Item = (&str, u32)> {
        self.subjects.iter().flat_map(move |(subject, versions)| {
            let these =
                versions.iter().filter(move |version| version.id == id && (deleted || !version.deleted));
            these.map(move |version| (subject.as_str(), version.number))
        })
    }

    fn described(&self, subject: &str, version: Version) -> Value {
        let Some(Stored { text, schema }) = self.stored(version.id) else { return Value::Null };
        let mut answer =
            json!({"subject": subject, "version": version.number, "id": version.id, "schema": text});
        name_type(&mut answer, schema.schema_type());
        answer
    }
}

/// Says an answer's type, which is Avro where it is not said.
pub(super) fn name_type(answer: &mut Value, schema_type: SchemaType) {
    if schema_type != SchemaType::Avro {
        answer["schemaType"] = schema_type.as_str().into();
    }
}

fn pick(versions: &[Version], which: Which) -> Result<Version, Refusal> {
    let found = match which {
        Which::Latest => versions.last(),
        Which::Number(number) => versions.iter().find(|version| version.number == number),
    };
    found.copied().ok_or_else(|| {
        let name = match which {
            Which::Latest => "latest".to_owned(),
            Which::Number(number) => number.to_string(),
        };
        Refusal::missing(40402, format!("Version {name} not found."))
    })
}

fn unknown_subject(subject: &str) -> Refusal {
    Refusal::missing(40401, format!("Subject '{subject}' not found."))
}

fn full() -> Refusal {
    Refusal { status: 500, code: 50001, message: "the registry in memory is full".to_owned() }
}

/// Bytes that everything may take, roughly.
const CAPACITY: usize = 256 * 1024 * 1024;

/// A schema is kept as text, as text that is compared, and parsed.
const SCHEMA_COST: usize = 4;

/// Bytes of a version or a setting besides the subject's name.
const VERSION_COST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn given(schema: &str) -> Given {
        Given::read(&json!({"schema": schema})).ok().unwrap()
    }

    #[test]
    fn a_full_store_refuses_and_keeps_answering() {
        let mut store = Store::new(Level::None);
        store.room = 300;
        assert_eq!(store.register("a", given(r#""long""#)).unwrap(), 1);
        let long = format!(r#"{{"type":"string","doc":"{}"}}"#, "x".repeat(100));
        assert_eq!(store.register("a", given(&long)).unwrap_err(), full());
        assert_eq!(store.register("a", given(r#""long""#)).unwrap(), 1);
        assert_eq!(store.versions("a").unwrap(), [1]);
        store.room = 0;
        assert_eq!(store.set_level(Some("b"), Level::Full).unwrap_err(), full());
        assert_eq!(store.set_mode(Some("b"), Mode::Import).unwrap_err(), full());
    }

    #[test]
    fn white_space_and_the_order_of_members_make_no_other_schema() {
        let mut store = Store::default();
        let id = store.register("a", given(r#"{"type":"fixed","name":"f","size":4}"#)).unwrap();
        assert_eq!(store.register("b", given(r#"{ "size": 4, "name": "f", "type": "fixed" }"#)).unwrap(), id);
        assert_eq!(store.schema(id).unwrap().0, r#"{"type":"fixed","name":"f","size":4}"#);
        assert_ne!(
            store.register("b", given(r#"{"type":"fixed","name":"f","size":4,"doc":"d"}"#)).unwrap(),
            id
        );
    }
}
