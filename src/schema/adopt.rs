//! Writing by a schema that somebody else registered.
//!
//! [`adopt`] goes along a binding's own schema and the registered one and makes the schema that documents are written by: the
//! registered one's fields in its order, each of the own type or of one that [`scalar`] takes in place of it. Names, docs, aliases
//! and defaults are no part of the bytes and may differ; a union may have null anywhere, and branches of which one alone can be
//! meant. A field that only the registered schema has is written as its default, or as null. Anything else is a difference
//! that no document could be written across, and is told with what can be done.

use std::collections::HashMap;

use apache_avro::Schema as Parsed;
use apache_avro::schema::{Name, RecordField, RecordSchema, ResolvedSchema, UuidSchema};
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::schema::Error;
use crate::schema::avro::{Branch, Field, Record, Schema};
use crate::schema::names::EXTRA;

/// The schema by which documents of the schema `own` are written where `registered` is the text of the one that consumers get.
///
/// # Errors
///
/// The text is no Avro schema, or one by which documents cannot be written; told with the place and the remedies.
pub fn adopt(own: &Schema, registered: &str) -> Result<Schema, Error> {
    let differs = |what: String| refused("", what, "register one");
    let parsed =
        Parsed::parse_str(registered).map_err(|error| differs(format!("it is no Avro schema: {error}")))?;
    let resolved = ResolvedSchema::new(&parsed).map_err(|error| differs(error.to_string()))?;
    let fit = Fit { whole: &parsed, names: resolved.get_names() };
    match (own, fit.meant(&parsed, "")?) {
        (Schema::Record(own), Parsed::Record(record)) => fit.record(own, record, "", true),
        (own, other) => Err(differs_in_type(own, other, "")),
    }
}

/// As [`adopt`], for the schema of a key, whose parts stand in the order of the key.
///
/// # Errors
///
/// As there, and where the parts are in another order or there are more of them.
pub fn adopt_key(own: &Schema, registered: &str) -> Result<Schema, Error> {
    let adopted = adopt(own, registered).map_err(|error| match error {
        Error::Registered { place, what, .. } => Error::Registered { place, what, remedy: KEY.to_owned() },
        other => other,
    })?;
    if parts(own) == parts(&adopted) {
        return Ok(adopted);
    }
    Err(refused("/_flow_key", "it has the parts of the key in another order, or others among them", KEY))
}

/// What can be done where a key does not fit: none of its fields can be left out.
const KEY: &str = "register a record of the one field _flow_key, a record of the parts p1, p2, ... of the key in its order, or \
                   choose a key_format that has no schema, string or json";

/// The names of a key's fields and parts.
fn parts(key: &Schema) -> Vec<&str> {
    let Schema::Record(Record { fields, .. }) = key else { return Vec::new() };
    fields.iter().flat_map(|field| std::iter::once(field.name.as_str()).chain(parts(&field.schema))).collect()
}

fn refused(place: &str, what: impl Into<String>, remedy: impl Into<String>) -> Error {
    let place = if place.is_empty() { "the whole".to_owned() } else { place.to_owned() };
    Error::Registered { place, what: what.into(), remedy: remedy.into() }
}

/// What can be done at a place: go without the selected field that it is in, or `other`.
fn exclude(place: &str, other: &str) -> String {
    match place.split('/').nth(1) {
        Some(field) => format!("exclude the field {field:?} from the binding (no key can be), or {other}"),
        None => other.to_owned(),
    }
}

/// The type to write values of the type `own` by where `registered` stands, if neither has others in it.
fn scalar(own: &Schema, registered: &Parsed) -> Option<Schema> {
    Some(match (own, registered) {
        (Schema::Boolean, Parsed::Boolean)
        | (Schema::Double, Parsed::Double)
        | (Schema::String, Parsed::String)
        | (Schema::Date, Parsed::Int | Parsed::Date)
        | (Schema::TimestampMicros, Parsed::Long | Parsed::TimestampMicros)
        | (Schema::Uuid, Parsed::String | Parsed::Uuid(UuidSchema::String))
        | (Schema::Duration, Parsed::Duration(_)) => own.clone(),
        (Schema::Duration, Parsed::Fixed(fixed)) if fixed.size == 12 => own.clone(),
        (Schema::RawJson { .. }, Parsed::Record(record)) if is_raw_json(record) => own.clone(),
        // An integer is any of these already: which one, only the registered schema says.
        (
            Schema::Long,
            Parsed::Long
            | Parsed::TimestampMillis
            | Parsed::TimestampMicros
            | Parsed::TimestampNanos
            | Parsed::LocalTimestampMillis
            | Parsed::LocalTimestampMicros
            | Parsed::LocalTimestampNanos,
        ) => Schema::Long,
        (Schema::Long, Parsed::Int | Parsed::Date) => Schema::Int,
        (Schema::Double, Parsed::Float) => Schema::Float,
        (Schema::TimestampMicros, Parsed::TimestampMillis) => Schema::TimestampMillis,
        (Schema::String, Parsed::Enum(of)) => Schema::Enum(of.symbols.clone()),
        // As the documents have them.
        (Schema::Date | Schema::TimestampMicros | Schema::Duration, Parsed::String) => Schema::String,
        _ => return None,
    })
}

fn is_raw_json(record: &RecordSchema) -> bool {
    matches!(&record.fields[..], [only] if only.name == "json" && only.schema == Parsed::String)
}

/// Whether `registered` is of a kind by which values of the type `own` can be written, whatever is in them.
fn is_alike(own: &Schema, registered: &Parsed) -> bool {
    scalar(own, registered).is_some()
        || matches!(
            (own, registered),
            (Schema::Array(_), Parsed::Array(_))
                | (Schema::Map(_), Parsed::Map(_))
                | (Schema::Record(_), Parsed::Record(_))
        )
}

/// What documents have, in the words of their schema, and what a registered schema may have there.
fn told(own: &Schema) -> [&'static str; 2] {
    match own {
        Schema::Boolean => ["booleans", "\"boolean\""],
        Schema::Long => ["integers", "\"long\" or \"int\", a date's or timestamp's too"],
        Schema::Double => ["numbers", "\"double\" or \"float\""],
        Schema::String => ["strings", "\"string\" or an enum"],
        Schema::Date => ["strings of the format date", "\"int\", a date's too, or \"string\""],
        Schema::TimestampMicros => [
            "strings of the format date-time",
            "\"long\" with the logical type timestamp-millis, timestamp-micros or none, or \"string\"",
        ],
        Schema::Uuid => ["strings of the format uuid", "\"string\", a uuid's too"],
        Schema::Duration => ["strings of the format duration", "a fixed of 12 bytes, or \"string\""],
        Schema::RawJson { .. } => {
            ["values that have no one type", "a record of the one field \"json\", a \"string\""]
        }
        Schema::Array(_) => ["arrays", "an array"],
        Schema::Map(_) => ["objects without properties of their own", "a map"],
        Schema::Record(_) => ["objects", "a record"],
        // Nothing of which documents have a schema of their own.
        _ => ["values", "another type"],
    }
}

struct Fit<'s> {
    whole: &'s Parsed,
    names: &'s HashMap<Name, &'s Parsed>,
}

impl<'s> Fit<'s> {
    /// The type that a name stands for.
    fn meant(&self, registered: &'s Parsed, place: &str) -> Result<&'s Parsed, Error> {
        let Parsed::Ref { name } = registered else { return Ok(registered) };
        self.names.get(name).copied().ok_or_else(|| {
            refused(
                place,
                format!("it refers to {name}, which is not defined"),
                "register one that defines it",
            )
        })
    }

    /// Recursion is bounded by the own schema's depth.
    fn schema(&self, own: &Schema, registered: &'s Parsed, place: &str) -> Result<Schema, Error> {
        let registered = self.meant(registered, place)?;
        if let Parsed::Union(union) = registered {
            return self.union(own, union.variants(), place);
        }
        if let Some(schema) = scalar(own, registered) {
            return Ok(schema);
        }
        match (own, registered) {
            (Schema::Nullable(_), _) => Err(takes_no_null(place)),
            (Schema::Array(own), Parsed::Array(array)) => {
                Ok(Schema::Array(Box::new(self.schema(own, &array.items, &format!("{place}/items"))?)))
            }
            (Schema::Map(own), Parsed::Map(map)) => {
                Ok(Schema::Map(Box::new(self.schema(own, &map.types, &format!("{place}/values"))?)))
            }
            (Schema::Record(own), Parsed::Record(record)) => self.record(own, record, place, false),
            _ => Err(differs_in_type(own, registered, place)),
        }
    }

    /// A union by the branch that values have, of which there must be one.
    fn union(&self, own: &Schema, branches: &'s [Parsed], place: &str) -> Result<Schema, Error> {
        let (own, has_null) = if let Schema::Nullable(own) = own { (&**own, true) } else { (own, false) };
        let null = branches.iter().position(|branch| matches!(branch, Parsed::Null));
        if has_null && null.is_none() {
            return Err(takes_no_null(place));
        }
        let mut others = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate().filter(|(index, _)| Some(*index) != null) {
            others.push((index, self.meant(branch, place)?));
        }
        // Of several branches none is looked into: that could go on for long where each has unions in it.
        let alike: Vec<_> = others.iter().copied().filter(|(_, branch)| is_alike(own, branch)).collect();
        let (index, branch) = match (&others[..], &alike[..]) {
            ([only], _) | (_, [only]) => *only,
            (_, alike) => {
                let [documents, expected] = told(own);
                let which = if alike.is_empty() { "none" } else { "more than one" };
                let what = format!(
                    "{which} of the types of its union can be meant where documents have {documents}: expected one that is \
                     {expected}"
                );
                return Err(refused(place, what, exclude(place, "register a version with one such type")));
            }
        };
        let schema = Box::new(self.schema(own, branch, place)?);
        Ok(match (index, null, branches.len()) {
            (0, Some(1), 2) => Schema::Nullable(schema),
            (index, null, _) => Schema::Branch(Branch { index, schema, null }),
        })
    }

    fn record(
        &self,
        own: &Record,
        registered: &'s RecordSchema,
        place: &str,
        is_root: bool,
    ) -> Result<Schema, Error> {
        let mut missing: Vec<&Field> = own.fields.iter().collect();
        let mut fields = Vec::with_capacity(registered.fields.len());
        let mut extra = None;
        for (index, field) in registered.fields.iter().enumerate() {
            let below = format!("{place}/{}", field.name);
            if field.name == EXTRA
                && let Some(values) = &own.extra
            {
                if index + 1 != registered.fields.len() {
                    let what = "it is not the last field, as it has to be";
                    return Err(refused(&below, what, "register a version where it is"));
                }
                let map = self.schema(&Schema::Map(values.clone()), &field.schema, &below)?;
                let Schema::Map(values) = map else {
                    let what = "it is a union, and has to be a map";
                    return Err(refused(&below, what, "register a version where it is"));
                };
                extra = Some(values);
                continue;
            }
            let (schema, default) = match missing.iter().position(|own| own.name == field.name) {
                Some(at) => {
                    let own = missing.remove(at);
                    (self.schema(&own.schema, &field.schema, &below)?, own.default.clone())
                }
                None => (Schema::Constant(self.constant(field, &below)?), None),
            };
            fields.push(Field { name: field.name.clone(), schema, default });
        }
        if let Some(field) = missing.first() {
            let below = format!("{place}/{}", field.name);
            let remedy = exclude(&below, "register a version that has it");
            return Err(refused(&below, "it is not in the registered schema", remedy));
        }
        // The map of the record of a whole document is for fields whose names Avro does not take; if there are any, the plan
        // misses it. Of nested records it has what the collection's schema does not name.
        if own.extra.is_some() && extra.is_none() && !is_root {
            let below = format!("{place}/{EXTRA}");
            let what = "it is not in the registered schema, and documents may have properties there that are no fields of it";
            let other = "register a version that has it, or say additionalProperties: false of the object in the collection's \
                         schema";
            return Err(refused(&below, what, exclude(&below, other)));
        }
        Ok(Schema::Record(Record { name: own.name.clone(), fields, extra }))
    }

    /// The bytes of a field that documents do not have: its default, or null.
    fn constant(&self, field: &RecordField, place: &str) -> Result<Vec<u8>, Error> {
        let alone = |what: &str, remedy: &str| {
            let remedy = format!("select a field of that name, or register a version {remedy}");
            refused(place, format!("it is in the registered schema alone, {what}"), remedy)
        };
        let variants = if let Parsed::Union(union) = &field.schema { union.variants() } else { &[] };
        let default = match &field.default {
            Some(default) => default,
            None if variants.contains(&Parsed::Null) => &serde_json::Value::Null,
            None => return Err(alone("has no default and takes no null", "where it has a default")),
        };
        // JSON has no bytes: their defaults are texts of another meaning.
        if !default.is_null()
            && matches!(
                variants.first().unwrap_or(&field.schema),
                Parsed::Bytes
                    | Parsed::Fixed(_)
                    | Parsed::Decimal(_)
                    | Parsed::BigDecimal
                    | Parsed::Duration(_)
            )
        {
            return Err(alone(
                "with a default of bytes, which is not supported",
                "where it takes null by default",
            ));
        }
        let mut bytes = Vec::new();
        let written = Datum::try_from(default.clone())
            .and_then(|datum| datum.resolve_with_names(&field.schema, self.names))
            .and_then(|datum| {
                let writer =
                    GenericDatumWriter::builder(&field.schema).schemata(vec![self.whole])?.build()?;
                writer.write_value(&mut bytes, datum)
            });
        match written {
            Ok(_) => Ok(bytes),
            Err(error) => {
                let what = format!("with the default {default}, which is not of its type ({error})");
                Err(alone(&what, "where it is"))
            }
        }
    }
}

fn differs_in_type(own: &Schema, registered: &Parsed, place: &str) -> Error {
    let [documents, expected] = told(own);
    let what = format!("it has {}, and documents have {documents}: expected {expected}", named(registered));
    refused(place, what, exclude(place, "register a version of that type"))
}

fn takes_no_null(place: &str) -> Error {
    let other = "register a version that takes null, or require the value in the collection's schema, and no null for it";
    refused(place, "it takes no null, which documents may have there", exclude(place, other))
}

/// A type by what its schema says, shortened.
fn named(schema: &Parsed) -> String {
    let text = serde_json::to_string(schema).unwrap_or_default();
    text.chars().take(SHOWN).collect()
}

/// Characters of a type that an error repeats.
const SHOWN: usize = 200;
