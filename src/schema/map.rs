//! From shapes to Avro schemas.
//!
//! A location's full name is made of its path ([`names`](crate::schema::names)): property names, `_items` below an array,
//! `_flow_extra` below the properties that a record has no fields for. Shapes are taken by value and used up, level by level.

use crate::schema::avro::{Field, Record, Schema};
use crate::schema::budget::Budget;
use crate::schema::names::{EXTRA, Path, Step};
use crate::schema::union::union;
use crate::schema::{ArrayShape, Error, Format, ObjectShape, Property, Shape, Types};

/// The schema of the location with this path; `required` says that a value is there always.
pub(super) fn map(path: Path, shape: Shape, required: bool, budget: &mut Budget) -> Result<Schema, Error> {
    Mapping { path, budget }.location(shape, required)
}

struct Mapping<'b> {
    path: Path,
    budget: &'b mut Budget,
}

impl Mapping<'_> {
    fn location(&mut self, shape: Shape, required: bool) -> Result<Schema, Error> {
        // The names of records are paths: long ones weigh.
        self.budget.spend(1 + self.path.name().len() / 256)?;
        let nullable = shape.types.contains(Types::NULL) || (!required && shape.default.is_none());
        let schema = match kind(shape.types - Types::NULL, shape.string.format) {
            Kind::Scalar(schema) => schema,
            Kind::Array => Schema::Array(Box::new(self.items(shape.array)?)),
            Kind::Object => self.object(shape.object)?,
            Kind::Raw => Schema::RawJson { name: self.path.below(Step::RawJson) },
        };
        Ok(if nullable { Schema::Nullable(Box::new(schema)) } else { schema })
    }

    fn below(&mut self, step: Step<'_>, shape: Shape, required: bool) -> Result<Schema, Error> {
        let length = self.path.name().len();
        self.path.push(step);
        let schema = self.location(shape, required)?;
        self.path.truncate(length);
        Ok(schema)
    }

    fn items(&mut self, array: ArrayShape) -> Result<Schema, Error> {
        let beyond = if array.goes_beyond_tuple() { Shape::anything() } else { Shape::nothing() };
        let mut items = array.additional.map_or(beyond, |additional| *additional);
        for mut item in array.tuple {
            union(&mut items, &mut item, self.budget)?;
        }
        self.below(Step::Items, items, true)
    }

    fn object(&mut self, object: ObjectShape) -> Result<Schema, Error> {
        let mut extra = Shape::nothing();
        for mut pattern in object.patterns {
            union(&mut extra, &mut pattern.shape, self.budget)?;
        }
        let mut others = object.additional.map_or(Shape::anything(), |additional| *additional);
        union(&mut extra, &mut others, self.budget)?;

        if object.properties.is_empty() && !extra.types.is_empty() {
            return Ok(Schema::Map(Box::new(self.location(extra, true)?)));
        }
        let mut fields = Vec::with_capacity(object.properties.len());
        for Property { name, is_required, mut shape, .. } in object.properties {
            if shape.types.is_empty() {
                continue;
            }
            if !is_field_name(&name) {
                union(&mut extra, &mut shape, self.budget)?;
                continue;
            }
            let default = shape.default.clone();
            let schema = self.below(Step::Property(&name), shape, is_required)?;
            fields.push(Field { name: name.into(), schema, default });
        }
        let extra = match extra.types.is_empty() {
            true => None,
            false => Some(Box::new(self.below(Step::Extra, extra, true)?)),
        };
        Ok(Schema::Record(Record { name: self.path.name().to_owned(), fields, extra }))
    }
}

enum Kind {
    Scalar(Schema),
    Array,
    Object,
    Raw,
}

/// What types other than null map to.
fn kind(types: Types, format: Option<Format>) -> Kind {
    let number_in_string = matches!(format, Some(Format::Integer | Format::Number));
    match types {
        Types::STRING => Kind::Scalar(match format {
            Some(Format::Date) => Schema::Date,
            Some(Format::DateTime) => Schema::TimestampMicros,
            Some(Format::Uuid) => Schema::Uuid,
            Some(Format::Duration) => Schema::Duration,
            _ => Schema::String,
        }),
        Types::BOOLEAN => Kind::Scalar(Schema::Boolean),
        Types::INTEGER => Kind::Scalar(Schema::Long),
        Types::NUMBER | Types::FRACTIONAL => Kind::Scalar(Schema::Double),
        Types::ARRAY => Kind::Array,
        Types::OBJECT => Kind::Object,
        _ if number_in_string && types.contains(Types::STRING) => match types - Types::STRING {
            Types::NUMBER | Types::FRACTIONAL => Kind::Scalar(Schema::Double),
            Types::INTEGER => Kind::Scalar(Schema::String),
            _ => Kind::Raw,
        },
        _ => Kind::Raw,
    }
}

/// Whether a record may have a field of this name: a legal Avro name, and not the extra map's.
fn is_field_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first == b'_' || first.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && name != EXTRA
}
