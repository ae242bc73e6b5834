//! Writing by a schema that somebody else registered.
//!
//! [`adopt`] goes along a binding's own schema and the registered one and makes the schema that documents are written by: the
//! registered one's fields in its order, each of the own type. Names, docs, aliases and defaults are no part of the bytes and
//! may differ. A field that only the registered schema has is written as its default. Anything else is a difference that
//! no document could be written across, and is told.

use std::collections::HashMap;

use apache_avro::Schema as Parsed;
use apache_avro::schema::{Name, RecordField, RecordSchema, ResolvedSchema, UuidSchema};
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::schema::Error;
use crate::schema::avro::{Field, Record, Schema};
use crate::schema::names::EXTRA;

/// The schema by which documents of the schema `own` are written where `registered` is the text of the one that consumers get.
///
/// # Errors
///
/// The text is no Avro schema, or differs in more than the order of fields, docs, names, aliases, defaults, and fields with
/// defaults; told with the place.
pub fn adopt(own: &Schema, registered: &str) -> Result<Schema, Error> {
    let differs = |what: String| Error::Registered { place: "the whole".to_owned(), what };
    let parsed =
        Parsed::parse_str(registered).map_err(|error| differs(format!("it is no Avro schema: {error}")))?;
    let resolved = ResolvedSchema::new(&parsed).map_err(|error| differs(error.to_string()))?;
    let adopted = Fit { whole: &parsed, names: resolved.get_names() }.schema(own, &parsed, "", true)?;
    Ok(adopted)
}

/// As [`adopt`], for the schema of a key, whose parts stand in the order of the key.
///
/// # Errors
///
/// As there, and where the parts are in another order or there are more of them.
pub fn adopt_key(own: &Schema, registered: &str) -> Result<Schema, Error> {
    let adopted = adopt(own, registered)?;
    if parts(own) == parts(&adopted) {
        return Ok(adopted);
    }
    let what = "it has the parts of the key in another order, or others among them".to_owned();
    Err(Error::Registered { place: "/_flow_key".to_owned(), what })
}

/// The names of a key's fields and parts.
fn parts(key: &Schema) -> Vec<&str> {
    let Schema::Record(Record { fields, .. }) = key else { return Vec::new() };
    fields.iter().flat_map(|field| std::iter::once(field.name.as_str()).chain(parts(&field.schema))).collect()
}

struct Fit<'s> {
    whole: &'s Parsed,
    names: &'s HashMap<Name, &'s Parsed>,
}

impl<'s> Fit<'s> {
    /// Recursion is bounded by the own schema's depth.
    fn schema(
        &self,
        own: &Schema,
        registered: &'s Parsed,
        place: &str,
        is_root: bool,
    ) -> Result<Schema, Error> {
        let differs = |what: String| Err(Error::Registered { place: shown(place), what });
        let registered = match registered {
            Parsed::Ref { name } => match self.names.get(name) {
                Some(meant) => meant,
                None => return differs(format!("it refers to {name}, which is not defined")),
            },
            other => other,
        };
        if let Parsed::Union(union) = registered {
            let own = if let Schema::Nullable(own) = own { own } else { own };
            return match union.variants() {
                [inner, Parsed::Null] => {
                    Ok(Schema::Nullable(Box::new(self.schema(own, inner, place, false)?)))
                }
                [Parsed::Null, _] => {
                    differs("null is the first branch of its union, and has to be the second".to_owned())
                }
                _ => differs("its union is not that of one type and null".to_owned()),
            };
        }
        match (own, registered) {
            (Schema::Nullable(_), _) => {
                differs("it takes no null, which documents may have there".to_owned())
            }
            (Schema::Boolean, Parsed::Boolean)
            | (Schema::Long, Parsed::Long)
            | (Schema::Double, Parsed::Double)
            | (Schema::String, Parsed::String)
            | (Schema::Date, Parsed::Int | Parsed::Date)
            | (Schema::TimestampMicros, Parsed::Long | Parsed::TimestampMicros)
            | (Schema::Uuid, Parsed::String | Parsed::Uuid(UuidSchema::String))
            | (Schema::Duration, Parsed::Duration(_)) => Ok(own.clone()),
            (Schema::Duration, Parsed::Fixed(fixed)) if fixed.size == 12 => Ok(own.clone()),
            (Schema::RawJson { .. }, Parsed::Record(record)) if matches!(&record.fields[..], [only] if only.name == "json" && only.schema == Parsed::String) => {
                Ok(own.clone())
            }
            (Schema::Array(own), Parsed::Array(array)) => Ok(Schema::Array(Box::new(self.schema(
                own,
                &array.items,
                &format!("{place}/items"),
                false,
            )?))),
            (Schema::Map(own), Parsed::Map(map)) => {
                Ok(Schema::Map(Box::new(self.schema(own, &map.types, &format!("{place}/values"), false)?)))
            }
            (Schema::Record(own), Parsed::Record(record)) => self.record(own, record, place, is_root),
            _ => differs(format!("it has {}, and documents have {}", named(registered), own.canonical())),
        }
    }

    fn record(
        &self,
        own: &Record,
        registered: &'s RecordSchema,
        place: &str,
        is_root: bool,
    ) -> Result<Schema, Error> {
        let differs = |name: &str, what: &str| {
            Err(Error::Registered { place: shown(&format!("{place}/{name}")), what: what.to_owned() })
        };
        let mut missing: Vec<&Field> = own.fields.iter().collect();
        let mut fields = Vec::with_capacity(registered.fields.len());
        let mut extra = None;
        for (index, field) in registered.fields.iter().enumerate() {
            let below = format!("{place}/{}", field.name);
            if field.name == EXTRA
                && let Some(values) = &own.extra
            {
                if index + 1 != registered.fields.len() {
                    return differs(EXTRA, "it is not the last field, as it has to be");
                }
                let map = self.schema(&Schema::Map(values.clone()), &field.schema, &below, false)?;
                let Schema::Map(values) = map else {
                    return differs(EXTRA, "it is a union, and has to be a map");
                };
                extra = Some(values);
                continue;
            }
            let (schema, default) = match missing.iter().position(|own| own.name == field.name) {
                Some(at) => {
                    let own = missing.remove(at);
                    (self.schema(&own.schema, &field.schema, &below, false)?, own.default.clone())
                }
                None => match &field.default {
                    Some(default) => (Schema::Constant(self.constant(field, default, &below)?), None),
                    None => {
                        return differs(
                            &field.name,
                            "it is in the registered schema alone, and has no default",
                        );
                    }
                },
            };
            fields.push(Field { name: field.name.clone(), schema, default });
        }
        if let Some(field) = missing.first() {
            return differs(&field.name, "it is not in the registered schema");
        }
        // The map of the record of a whole document is for fields whose names Avro does not take; if there are any, the plan
        // misses it. Of nested records it has what the collection's schema does not name.
        if own.extra.is_some() && extra.is_none() && !is_root {
            return differs(EXTRA, "it is not in the registered schema");
        }
        Ok(Schema::Record(Record { name: own.name.clone(), fields, extra }))
    }

    /// The bytes of a field's default.
    fn constant(
        &self,
        field: &RecordField,
        default: &serde_json::Value,
        place: &str,
    ) -> Result<Vec<u8>, Error> {
        let differs = |what: String| Error::Registered { place: shown(place), what };
        let first = match &field.schema {
            Parsed::Union(union) => union.variants().first(),
            other => Some(other),
        };
        // JSON has no bytes: their defaults are texts of another meaning.
        if matches!(
            first,
            Some(
                Parsed::Bytes
                    | Parsed::Fixed(_)
                    | Parsed::Decimal(_)
                    | Parsed::BigDecimal
                    | Parsed::Duration(_)
            )
        ) {
            return Err(differs(
                "it is in the registered schema alone, with a default of bytes, which is not supported"
                    .to_owned(),
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
            Err(error) => Err(differs(format!(
                "its default in the registered schema, {default}, is not of its type ({error})"
            ))),
        }
    }
}

fn shown(place: &str) -> String {
    if place.is_empty() { "the whole".to_owned() } else { place.to_owned() }
}

/// A type by what its schema says, shortened.
fn named(schema: &Parsed) -> String {
    let text = serde_json::to_string(schema).unwrap_or_default();
    text.chars().take(SHOWN).collect()
}

/// Characters of a type that an error repeats.
const SHOWN: usize = 200;
