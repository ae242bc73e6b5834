//! Avro types compiled for writing: what a type accepts, and what stands in for absent properties.

use std::fmt;

use super::Defaults;
use super::adopted::{Adopted, Branch, Symbols};
use crate::encode::Error;
use crate::encode::text::write_string;
use crate::schema::avro::{self, Schema};

/// A type, or the union of a type and null, in that order.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// Whether it is the union; each value then has its branch's number before it.
    pub nullable: bool,
}

/// What to write values as.
#[derive(Debug)]
pub(super) enum Kind {
    Boolean,
    Long,
    Double,
    String,
    Date,
    TimestampMicros,
    Uuid,
    Duration,
    /// JSON text in a record of one string, which adds no bytes.
    RawJson,
    Array(Box<Node>),
    Map(Box<Node>),
    Record(Box<Record>),
    /// A type that only schemas of others have.
    Adopted(Box<Adopted>),
    /// These bytes, whatever the value. Boxed: in place, the `Vec` would make every `Node` larger, and its niche would hold the
    /// tag of all kinds, to be computed for every element that is written.
    Constant(Box<Constant>),
}

/// What is written in place of a value.
#[derive(Debug)]
pub(super) struct Constant(pub(super) Vec<u8>);

/// A record inside a document.
#[derive(Debug)]
pub(super) struct Record {
    /// Full name, for messages.
    name: String,
    /// In schema order, but for the extra map.
    pub fields: Vec<Field>,
    /// Positions in `fields` in ascending order of the names.
    by_name: Vec<usize>,
    /// What the extra map's values are; without it, properties that are no fields are dropped.
    pub extra: Option<Node>,
}

/// A field of a [`Record`].
#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    /// `"name":`, as it stands in compact JSON.
    pub fragment: Vec<u8>,
    pub node: Node,
    /// What is written where the property is absent: the default, or null. `None` if neither fits.
    pub absent: Option<Vec<u8>>,
}

impl Field {
    /// Whether it has nothing to do with the member of its name, if there is one.
    fn is_constant(&self) -> bool {
        matches!(self.node.kind, Kind::Constant(_))
    }
}

/// How deep types may be nested in a schema, unions not counted. Documents end at 127 levels, so
/// nothing deeper is ever written; what walks along the schema recurses no further than this.
const MAX_DEPTH: usize = 256;

impl Node {
    /// Compiles `schema`, which stands at `place`. Defaults are encoded by `defaults`.
    pub fn compile(schema: &Schema, place: &str, defaults: &mut Defaults) -> Result<Self, Error> {
        Self::compile_at(schema, place, MAX_DEPTH, defaults)
    }

    fn compile_at(
        schema: &Schema,
        place: &str,
        depth: usize,
        defaults: &mut Defaults,
    ) -> Result<Self, Error> {
        let malformed = |what| Error::AvroSchema { place: place.to_owned(), what };
        let Some(deeper) = depth.checked_sub(1) else {
            return Err(malformed("nests more than 256 types"));
        };
        let kind = match schema {
            Schema::Boolean => Kind::Boolean,
            Schema::Long => Kind::Long,
            Schema::Double => Kind::Double,
            Schema::String => Kind::String,
            Schema::Date => Kind::Date,
            Schema::TimestampMicros => Kind::TimestampMicros,
            Schema::Uuid => Kind::Uuid,
            Schema::Duration => Kind::Duration,
            Schema::RawJson { .. } => Kind::RawJson,
            Schema::Array(items) => Kind::Array(Box::new(Self::compile_at(items, place, deeper, defaults)?)),
            Schema::Map(values) => Kind::Map(Box::new(Self::compile_at(values, place, deeper, defaults)?)),
            Schema::Record(record) => Kind::Record(Box::new(Record::compile(record, deeper, defaults)?)),
            Schema::Int => Kind::Adopted(Box::new(Adopted::Int)),
            Schema::Float => Kind::Adopted(Box::new(Adopted::Float)),
            Schema::TimestampMillis => Kind::Adopted(Box::new(Adopted::TimestampMillis)),
            Schema::Enum(symbols) => Kind::Adopted(Box::new(Adopted::Enum(Symbols::new(symbols)))),
            Schema::Nullable(inner) | Schema::Branch(avro::Branch { schema: inner, .. })
                if matches!(**inner, Schema::Nullable(_) | Schema::Branch(_)) =>
            {
                return Err(malformed("has a union directly inside a union"));
            }
            Schema::Branch(branch) => {
                let node = Self::compile_at(&branch.schema, place, depth, defaults)?;
                Kind::Adopted(Box::new(Adopted::Branch(Branch::new(branch, node))))
            }
            Schema::Constant(bytes) => Kind::Constant(Box::new(Constant(bytes.clone()))),
            Schema::Nullable(inner) => {
                let node = Self::compile_at(inner, place, depth, defaults)?;
                return Ok(Self { nullable: true, ..node });
            }
        };
        Ok(Self { kind, nullable: false })
    }
}

impl Record {
    fn compile(record: &avro::Record, depth: usize, defaults: &mut Defaults) -> Result<Self, Error> {
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            let place = format!("{}.{}", record.name, field.name);
            let node = Node::compile_at(&field.schema, &place, depth, defaults)?;
            if let Kind::Constant(constant) = &node.kind {
                // No text of UTF-8 has this byte, so the member always counts as absent.
                let (fragment, absent) = (vec![0xff], Some(constant.0.clone()));
                fields.push(Field { name: field.name.clone(), fragment, node, absent });
                continue;
            }
            let absent = field
                .default
                .as_ref()
                .and_then(|default| defaults.encode(&node, default))
                .or_else(|| defaults.encode(&node, &serde_json::Value::Null));
            let mut fragment = Vec::new();
            write_string(&field.name, &mut fragment);
            fragment.push(b':');
            fields.push(Field { name: field.name.clone(), fragment, node, absent });
        }
        let name = |i: &usize| fields.get(*i).map(|field| &field.name);
        let is_constant = |i: &usize| fields.get(*i).is_some_and(Field::is_constant);
        let mut by_name: Vec<usize> = (0..fields.len()).filter(|i| !is_constant(i)).collect();
        by_name.sort_by(|a, b| name(a).cmp(&name(b)));
        if by_name.is_sorted_by(|a, b| name(a) < name(b)) {
            let extra = match &record.extra {
                Some(values) => Some(Node::compile_at(values, &record.name, depth, defaults)?),
                None => None,
            };
            return Ok(Self { name: record.name.clone(), fields, by_name, extra });
        }
        Err(Error::AvroSchema { place: record.name.clone(), what: "is a record with two fields of one name" })
    }

    /// The position of the field `name`, which is likely at `guess` or behind it.
    #[inline]
    pub fn find(&self, name: &str, guess: usize) -> Option<usize> {
        match self.fields.get(guess) {
            Some(field) if field.name == name && !field.is_constant() => Some(guess),
            _ => self.search(name),
        }
    }

    fn search(&self, name: &str) -> Option<usize> {
        let field = |i: &usize| self.fields.get(*i).map_or("", |field| &field.name);
        let place = self.by_name.binary_search_by(|i| field(i).cmp(name)).ok()?;
        self.by_name.get(place).copied()
    }
}

/// The type as an Avro schema, for messages; records by their names alone.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nullable {
            f.write_str("[")?;
        }
        match &self.kind {
            Kind::Boolean => f.write_str(r#""boolean""#),
            Kind::Long => f.write_str(r#""long""#),
            Kind::Double => f.write_str(r#""double""#),
            Kind::String => f.write_str(r#""string""#),
            Kind::Date => f.write_str(r#"{"type":"int","logicalType":"date"}"#),
            Kind::TimestampMicros => f.write_str(r#"{"type":"long","logicalType":"timestamp-micros"}"#),
            Kind::Uuid => f.write_str(r#"{"type":"string","logicalType":"uuid"}"#),
            Kind::Duration => f.write_str(r#"{"type":"fixed","size":12,"logicalType":"duration"}"#),
            Kind::RawJson => f.write_str(r#""RawJSON""#),
            Kind::Array(items) => write!(f, r#"{{"type":"array","items":{items}}}"#),
            Kind::Map(values) => write!(f, r#"{{"type":"map","values":{values}}}"#),
            Kind::Adopted(adopted) => adopted.fmt(f),
            Kind::Constant(_) => f.write_str(r#""null""#),
            Kind::Record(record) => write!(f, r#"{{"type":"record","name":"{}"}}"#, record.name),
        }?;
        if self.nullable { f.write_str(r#","null"]"#) } else { Ok(()) }
    }
}
