//! The two schemas of a binding's messages: that of the key's parts and that of the record of all selected fields.

use std::collections::{BTreeMap, HashMap};

use crate::schema::avro::{Field, Record, Schema};
use crate::schema::budget::Budget;
use crate::schema::map::map;
use crate::schema::names::Step;
use crate::schema::{Error, Exists, ObjectShape, Property, RecordNames, Shape, Types, pointer};

/// What a collection says of one of its projections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection<'a> {
    /// The field.
    pub field: &'a str,
    /// Where in the document its value is; empty for the whole document.
    pub pointer: &'a str,
    /// The inferred types, by Flow's names.
    pub types: &'a [String],
    /// Whether the inference says that the value is always there.
    pub must_exist: bool,
}

/// The fields that a binding selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The key fields, in key order.
    pub keys: &'a [String],
    /// All other fields but the document's.
    pub values: &'a [String],
    /// The field of the whole document, if it is selected.
    pub document: Option<&'a str>,
}

/// What is registered for a binding.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingSchemas {
    /// Record `root.Key`, or of the name that the binding's records have, whose field `_flow_key` is the record of the parts `p1`, `p2`, ...
    pub key: Schema,
    /// Record `root` of the selected fields, or of the name that it has.
    pub value: Schema,
}

/// Maps the fields that a binding selects to a record `root` and its key. `shape` is that of the collection's documents.
///
/// # Errors
///
/// A selected field that is no projection, a selection without key fields, and shapes that expand to too much.
pub fn binding_schemas(
    shape: &Shape,
    projections: &[Projection<'_>],
    selection: &Selection<'_>,
) -> Result<BindingSchemas, Error> {
    named_binding_schemas(&RecordNames::root(), shape, projections, selection)
}

/// As [`binding_schemas`], with names for the records.
///
/// # Errors
///
/// As there.
pub fn named_binding_schemas(
    names: &RecordNames,
    shape: &Shape,
    projections: &[Projection<'_>],
    selection: &Selection<'_>,
) -> Result<BindingSchemas, Error> {
    let Fields { by_name: fields, mut budget } = Fields::of(shape, projections, selection)?;
    let key = key(names, selection.keys, &fields, &mut budget)?;
    Ok(BindingSchemas { key, value: value(names, fields, &mut budget)? })
}

/// The shapes of the fields that a binding selects.
pub(super) struct Fields<'s> {
    pub(super) by_name: BTreeMap<&'s str, Property>,
    /// What is left of it.
    budget: Budget,
}

impl<'s> Fields<'s> {
    /// Finds them in the shape of the collection's documents; that of the root document is a string.
    pub(super) fn of(
        shape: &Shape,
        projections: &[Projection<'_>],
        selection: &Selection<'s>,
    ) -> Result<Self, Error> {
        if selection.keys.is_empty() {
            return Err(Error::NoKey);
        }
        let by_field: HashMap<&str, &Projection<'_>> =
            projections.iter().map(|projection| (projection.field, projection)).collect();
        let mut budget = Budget::new();

        let mut fields: BTreeMap<&'s str, Property> = BTreeMap::new();
        let selected =
            selection.keys.iter().chain(selection.values).map(String::as_str).chain(selection.document);
        for field in selected {
            let Some(projection) = by_field.get(field) else {
                return Err(Error::UnknownField { field: field.to_owned() });
            };
            let (shape, is_required) = if selection.document == Some(field) {
                (Shape::of(Types::STRING), true)
            } else {
                field_shape(shape, projection, &mut budget)?
            };
            fields.insert(field, Property { name: field.into(), is_property: true, is_required, shape });
        }
        Ok(Self { by_name: fields, budget })
    }
}

/// The shape of a field's value, and whether it is always there.
fn field_shape(
    document: &Shape,
    projection: &Projection<'_>,
    budget: &mut Budget,
) -> Result<(Shape, bool), Error> {
    let is_location = pointer::normal(projection.field) == pointer::normal(projection.pointer);
    if let Some((shape, exists)) = document.location(projection.field).filter(|_| is_location) {
        return Ok((*budget.copy(shape)?, exists == Exists::Must));
    }
    // A field with a name of its own takes the types that the inference has, and no format with them: the topics that
    // exist depend on it.
    let names = projection.types.iter().filter_map(|name| Types::from_name(name));
    let types = names.fold(Types::NONE, |types, one| types | one);
    if SCALARS.contains(&(types - Types::NULL)) {
        return Ok((Shape::of(types), projection.must_exist));
    }
    let (shape, exists) = document.locate(projection.pointer);
    Ok((*budget.copy(shape)?, exists == Exists::Must))
}

const SCALARS: [Types; 5] = [Types::BOOLEAN, Types::FRACTIONAL, Types::INTEGER, Types::NUMBER, Types::STRING];

fn key(
    names: &RecordNames,
    keys: &[String],
    fields: &BTreeMap<&str, Property>,
    budget: &mut Budget,
) -> Result<Schema, Error> {
    let mut path = names.parts_path();
    let record = path.name().to_owned();
    let mut parts = Vec::with_capacity(keys.len());
    for (index, property) in keys.iter().filter_map(|key| fields.get(key.as_str())).enumerate() {
        let name = format!("p{}", index + 1);
        let shape = *budget.copy(&property.shape)?;
        let default = shape.default.clone();
        // A part is nullable where its types say so, never because it is optional.
        path.push(Step::Property(&name));
        let schema = map(path.clone(), shape, true, budget)?;
        path.truncate(record.len());
        parts.push(Field { name, schema, default });
    }
    let parts = Schema::Record(Record { name: record, fields: parts, extra: None });
    let field = Field { name: "_flow_key".to_owned(), schema: parts, default: None };
    Ok(Schema::Record(Record { name: names.key(), fields: vec![field], extra: None }))
}

fn value(
    names: &RecordNames,
    fields: BTreeMap<&str, Property>,
    budget: &mut Budget,
) -> Result<Schema, Error> {
    let properties = fields.into_values().collect();
    let shape = Shape { object: ObjectShape { properties, ..ObjectShape::ANY }, ..Shape::of(Types::OBJECT) };
    map(names.value_path(), shape, true, budget)
}
