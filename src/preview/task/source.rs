//! Reads the specification: collections and materializations of a `flow.yaml`, or of JSON.
//!
//! What a materialization does not need is not looked at. A schema, or an endpoint's configuration,
//! may be the name of a file beside the one that mentions it, and `import` is followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::Error;
use super::pointer::normal;
use place::At;
pub use place::read_value;

mod place;

/// A specification with the files that it imports. It may hold credentials, and has no `Debug`.
pub struct Source {
    path: String,
    collections: BTreeMap<String, Entry>,
    materializations: BTreeMap<String, Entry>,
}

/// Something that a file defines.
struct Entry {
    file: Arc<File>,
    value: Value,
}

/// A file of the specification.
#[derive(Debug)]
struct File {
    /// As it is shown to people.
    name: String,
    /// What names of other files are relative to.
    folder: PathBuf,
}

/// A materialization as its source has it.
pub struct Materialization {
    /// Its name in the specification.
    pub name: String,
    /// How the specification would run the connector.
    pub endpoint: Endpoint,
    /// The endpoint's configuration, as JSON.
    pub config: Value,
    /// The bindings that are not disabled.
    pub bindings: Vec<Binding>,
}

/// How the specification would run the connector.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A local command.
    Local {
        /// Whether it is spoken to in the protobuf codec, else in JSON.
        protobuf: bool,
        /// Its further environment.
        env: BTreeMap<String, String>,
    },
    /// A container image.
    Connector {
        /// Its name.
        image: String,
    },
}

/// A binding as its source has it.
#[derive(Debug)]
pub struct Binding {
    /// Where it is, for messages: file, materialization, position.
    pub place: String,
    /// The collection that it reads.
    pub collection: Collection,
    /// The resource's configuration, as JSON.
    pub resource: Value,
    /// Which fields it wants.
    pub fields: Fields,
    /// The backfill counter.
    pub backfill: u32,
}

/// A collection as its source has it.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Where it is, for messages.
    pub place: String,
    /// Its name.
    pub name: String,
    /// JSON pointers of its key, with their leading slashes.
    pub key: Vec<String>,
    /// `writeSchema`, or `schema`.
    pub write_schema: Value,
    /// `readSchema`, with the schemas that it refers to bundled in.
    pub read_schema: Option<Value>,
    /// The user's projections by field.
    pub projections: BTreeMap<String, UserProjection>,
}

/// A projection that the user defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProjection {
    /// JSON pointer of its location.
    pub pointer: String,
    /// Whether the collection is partitioned by it.
    pub partition: bool,
}

/// The `fields` of a binding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// What is selected besides the fields that are asked for.
    pub recommended: Recommended,
    /// Fields that must be selected (`include` or `require`), and their configuration.
    pub require: BTreeMap<String, Value>,
    /// Fields that must not be selected.
    pub exclude: BTreeSet<String>,
    /// Fields to group by in place of the collection's key; empty: the key.
    pub group_by: Vec<String>,
}

/// The member `recommended` of `fields`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recommended {
    /// `false`: nothing.
    Off,
    /// A number: locations of this depth, and what is no object above it.
    Depth(usize),
    /// `true`: what is no object, at any depth.
    #[default]
    All,
}

/// Without the configuration, which has credentials.
impl fmt::Debug for Materialization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Materialization")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

/// Without the environment, which may have credentials.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { protobuf, env: _ } => {
                f.debug_struct("Local").field("protobuf", protobuf).finish_non_exhaustive()
            }
            Self::Connector { image } => f.debug_struct("Connector").field("image", image).finish(),
        }
    }
}

impl Source {
    /// Reads the specification at `path` and what it imports.
    ///
    /// # Errors
    /// If a file cannot be read or is neither YAML nor JSON, or if two define the same name.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let empty = BTreeMap::new;
        let mut source =
            Self { path: path.display().to_string(), collections: empty(), materializations: empty() };
        let mut seen = BTreeSet::new();
        let mut pending = vec![path.to_owned()];
        while let Some(path) = pending.pop() {
            let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
            if seen.insert(canonical) {
                pending.extend(source.add(&path)?);
            }
        }
        Ok(source)
    }

    /// The names of the materializations, ascending.
    pub fn materializations(&self) -> impl Iterator<Item = &str> {
        self.materializations.keys().map(String::as_str)
    }

    /// The materialization called `name`; without a name, the only one.
    ///
    /// # Errors
    /// If there is no such materialization, or several without a name, or if it or a collection
    /// that it reads is not as it must be.
    pub fn materialization(&self, name: Option<&str>) -> Result<Materialization, Error> {
        let names = || self.materializations().map(str::to_owned).collect::<Vec<_>>();
        let path = || self.path.clone();
        let found = match name {
            Some(name) => {
                let unknown = || Error::UnknownTask { path: path(), name: name.to_owned(), names: names() };
                Some(self.materializations.get_key_value(name).ok_or_else(unknown)?)
            }
            None if self.materializations.len() > 1 => {
                return Err(Error::SeveralTasks { path: path(), names: names() });
            }
            None => self.materializations.first_key_value(),
        };
        let (name, entry) = found.ok_or_else(|| Error::NoTask { path: path() })?;
        self.resolve(name, entry)
    }

    /// Adds what a file defines. Returns what it imports.
    fn add(&mut self, path: &Path) -> Result<Vec<PathBuf>, Error> {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let file = Arc::new(File { name: path.display().to_string(), folder });
        let root = read_value(path)?;
        let root = At { value: &root, place: file.name.clone() };
        root.members()?;
        let parts = [
            ("collections", "collection", &mut self.collections),
            ("materializations", "materialization", &mut self.materializations),
        ];
        for (member, kind, entries) in parts {
            let Some(defined) = root.get(member) else { continue };
            for (name, value) in defined.members()? {
                let entry = Entry { file: file.clone(), value: value.clone() };
                if let Some(earlier) = entries.insert(name.clone(), entry) {
                    let (first, second) = (earlier.file.name.clone(), file.name.clone());
                    return Err(Error::DefinedTwice { kind, name: name.clone(), first, second });
                }
            }
        }
        let mut imports = Vec::new();
        for import in root.get("import").map(|import| import.items()).transpose()?.unwrap_or_default() {
            let import = import.get("url").unwrap_or(import);
            imports.push(import.file(&file)?);
        }
        Ok(imports)
    }

    fn resolve(&self, name: &str, entry: &Entry) -> Result<Materialization, Error> {
        let place = format!("{}: materialization {name:?}", entry.file.name);
        let at = At { value: &entry.value, place };
        let endpoint = at.require("endpoint")?;
        let (endpoint, config) = if let Some(local) = endpoint.get("local") {
            let protobuf = local.get("protobuf").map(|at| at.flag()).transpose()?.unwrap_or(false);
            let env = local.get("env").map(|at| at.environment()).transpose()?.unwrap_or_default();
            (Endpoint::Local { protobuf, env }, local.require("config")?)
        } else if let Some(connector) = endpoint.get("connector") {
            let image = connector.require("image")?.text()?.to_owned();
            (Endpoint::Connector { image }, connector.require("config")?)
        } else {
            return Err(endpoint.unexpected_as("a member \"local\" or \"connector\"", "neither"));
        };
        let config = config.inline(&entry.file)?;
        At { value: &config, place: format!("{}, config", at.place) }.members()?;

        let mut bindings = Vec::new();
        for binding in at.require("bindings")?.items()? {
            if !binding.get("disable").map(|at| at.flag()).transpose()?.unwrap_or(false) {
                bindings.push(self.binding(&binding)?);
            }
        }
        Ok(Materialization { name: name.to_owned(), endpoint, config, bindings })
    }

    fn binding(&self, at: &At<'_>) -> Result<Binding, Error> {
        let source = at.require("source")?;
        let name = if source.value.is_object() { source.require("name")? } else { source }.text()?;
        let place = format!("{} (source {name:?})", at.place);
        let entry = self
            .collections
            .get(name)
            .ok_or_else(|| Error::UnknownCollection { place: place.clone(), name: name.to_owned() })?;
        let resource = at.require("resource")?;
        resource.members()?;
        Ok(Binding {
            place,
            collection: collection(name, entry)?,
            resource: resource.value.clone(),
            fields: at.get("fields").map(|at| fields(&at)).transpose()?.unwrap_or_default(),
            backfill: at.get("backfill").map(|at| at.number()).transpose()?.unwrap_or_default(),
        })
    }
}

fn collection(name: &str, entry: &Entry) -> Result<Collection, Error> {
    let place = format!("{}: collection {name:?}", entry.file.name);
    let at = At { value: &entry.value, place: place.clone() };
    let key = at.require("key")?;
    let key_texts: Vec<_> = key.texts()?.iter().map(|pointer| normal(pointer)).collect();
    if key_texts.is_empty() {
        return Err(key.unexpected_as("at least one JSON pointer", "an empty list"));
    }
    let schema = |member| at.get(member).map(|at| at.schema(&entry.file)).transpose();
    let (write_schema, read_schema) = match (schema("schema")?, schema("writeSchema")?, schema("readSchema")?)
    {
        (Some(schema), None, None) => (schema, None),
        (None, Some(write), None) => (write, None),
        (None, Some(write), Some(read)) => {
            let read = bundle(read, &write);
            (write, Some(read))
        }
        _ => {
            return Err(at.unexpected_as(
                "either \"schema\" or \"writeSchema\" with an optional \"readSchema\"",
                "other members",
            ));
        }
    };
    let mut projections = BTreeMap::new();
    if let Some(at) = at.get("projections") {
        for field in at.members()?.keys() {
            let Some(projection) = at.get(field) else { continue };
            let (pointer, partition) = if projection.value.is_object() {
                let partition = projection.get("partition").map(|at| at.flag()).transpose()?;
                (projection.require("location")?.text()?, partition.unwrap_or(false))
            } else {
                (projection.text()?, false)
            };
            projections.insert(field.clone(), UserProjection { pointer: pointer.to_owned(), partition });
        }
    }
    Ok(Collection { place, name: name.to_owned(), key: key_texts, write_schema, read_schema, projections })
}

/// Puts the schemas that a read schema may refer to under its `$defs`, as the runtime's build does.
/// There is no inferred schema outside the service, so that one allows everything, and the
/// relaxed write schema, which only counts beside an inferred one, is the write schema.
fn bundle(mut read: Value, write: &Value) -> Value {
    let mentions = |uri: &str| read.to_string().contains(uri);
    let mut wanted = vec![];
    for (uri, schema) in [
        ("flow://write-schema", write.clone()),
        ("flow://relaxed-write-schema", write.clone()),
        ("flow://inferred-schema", Value::Bool(true)),
    ] {
        if mentions(uri) {
            let mut schema = match schema {
                Value::Object(members) => members,
                other => Map::from_iter([("allOf".to_owned(), Value::from(vec![other]))]),
            };
            schema.insert("$id".to_owned(), Value::from(uri));
            wanted.push((uri, schema));
        }
    }
    if let Value::Object(members) = &mut read
        && !wanted.is_empty()
    {
        let defs = members.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(defs) = defs {
            for (uri, schema) in wanted {
                // A bundle that was made elsewhere has its own.
                let present = defs.values().any(|def| def.get("$id").and_then(Value::as_str) == Some(uri));
                if !present {
                    defs.insert(uri.to_owned(), Value::Object(schema));
                }
            }
        }
    }
    read
}

fn fields(at: &At<'_>) -> Result<Fields, Error> {
    let mut fields = Fields::default();
    at.members()?;
    if let Some(recommended) = at.get("recommended") {
        fields.recommended = match recommended.value {
            Value::Bool(true) => Recommended::All,
            Value::Bool(false) => Recommended::Off,
            value => {
                let depth = value.as_u64().and_then(|depth| usize::try_from(depth).ok());
                Recommended::Depth(depth.ok_or_else(|| recommended.unexpected("true, false or a depth"))?)
            }
        };
    }
    for member in ["include", "require"] {
        let Some(include) = at.get(member) else { continue };
        for (field, config) in include.members()? {
            if fields.require.insert(field.clone(), config.clone()).is_some() {
                return Err(include.unexpected_as("other fields than those of include", "one of those"));
            }
        }
    }
    fields.exclude =
        at.get("exclude").map(|at| at.texts()).transpose()?.unwrap_or_default().into_iter().collect();
    fields.group_by = at.get("groupBy").map(|at| at.texts()).transpose()?.unwrap_or_default();
    Ok(fields)
}

#[cfg(test)]
mod tests;
