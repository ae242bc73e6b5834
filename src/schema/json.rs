//! The JSON schemas (draft-07) of messages that are JSON with a schema in a registry.
//!
//! They say what the collection's own schema says of the selected fields: types, formats, what must be there, and the same
//! of nested values. Bounds, enumerations and texts for people are left out: they change more often than data
//! does, and each change would be a new version, which a registry may refuse as incompatible.

use serde_json::{Map, Value, json};

use crate::schema::binding::{Fields, Projection, Selection};
use crate::schema::{ArrayShape, Error, Format, ObjectShape, Property, RecordNames, Shape, Types};

/// What is registered for a binding whose messages are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonSchemas {
    /// Of the object of the key fields.
    pub key: String,
    /// Of the object of all selected fields.
    pub value: String,
}

/// Describes the objects of the fields that a binding selects. `shape` is that of the collection's documents;
/// `embeds_document` says that the root document is a value, in place of a string of its text. `titles` are for consumers that
/// find subjects by the name of a record: Confluent's take a JSON schema's title for it.
///
/// # Errors
///
/// A selected field that is no projection, a selection without key fields, and shapes that expand to too much.
pub fn json_schemas(
    shape: &Shape,
    projections: &[Projection<'_>],
    selection: &Selection<'_>,
    embeds_document: bool,
    titles: Option<&RecordNames>,
) -> Result<JsonSchemas, Error> {
    let mut fields = Fields::of(shape, projections, selection)?.by_name;
    if let Some(document) = selection.document.filter(|_| embeds_document)
        && let Some(property) = fields.get_mut(document)
    {
        property.shape = shape.clone();
    }
    let keys = fields.iter().filter(|(name, _)| selection.keys.iter().any(|key| key == *name));
    let key = object_of(keys.map(|(_, property)| property), titles.map(RecordNames::key));
    let value = object_of(fields.values(), titles.map(|names| names.value().to_owned()));
    Ok(JsonSchemas { key, value })
}

/// The schema of a message: exactly these members. One that need not be there is null then.
fn object_of<'f>(fields: impl Iterator<Item = &'f Property>, title: Option<String>) -> String {
    let mut required = Vec::new();
    let mut properties = Map::new();
    for Property { name, is_required, shape, .. } in fields {
        let mut types = shape.types;
        if *is_required {
            required.push(Value::from(&**name));
        } else {
            types = types | Types::NULL;
        }
        properties.insert(name.to_string(), of_types(shape, types));
    }
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "required": required,
        // Closed, so that an optional field that is added later is a compatible change under BACKWARD.
        "additionalProperties": false,
    });
    if let Some(title) = title {
        schema["title"] = title.into();
    }
    schema.to_string()
}

fn of(shape: &Shape) -> Value {
    of_types(shape, shape.types)
}

/// The schema of a shape's values, of these types.
fn of_types(shape: &Shape, types: Types) -> Value {
    if types.is_empty() {
        return Value::Bool(false);
    }
    let mut schema = Map::new();
    if types != Types::ANY {
        let names = types.iter().map(|name| if name == "fractional" { "number" } else { name });
        let names: Vec<Value> = names.map(Value::from).collect();
        let names = if let [only] = &names[..] { only.clone() } else { names.into() };
        schema.insert("type".to_owned(), names);
    }
    if types.contains(Types::STRING)
        && let Some(format) = shape.string.format.filter(|format| is_standard(*format))
    {
        schema.insert("format".to_owned(), format.as_str().into());
    }
    if types.contains(Types::ARRAY) {
        array(&shape.array, &mut schema);
    }
    if types.contains(Types::OBJECT) {
        object(&shape.object, &mut schema);
    }
    Value::Object(schema)
}

fn array(array: &ArrayShape, schema: &mut Map<String, Value>) {
    let additional = array.additional.as_deref().map(of);
    if array.tuple.is_empty() {
        schema.extend(additional.map(|items| ("items".to_owned(), items)));
    } else {
        schema.insert("items".to_owned(), array.tuple.iter().map(of).collect());
        schema.extend(additional.map(|items| ("additionalItems".to_owned(), items)));
    }
}

fn object(object: &ObjectShape, schema: &mut Map<String, Value>) {
    let mut put = |keyword: &str, value: Option<Value>| {
        schema.extend(value.map(|value| (keyword.to_owned(), value)));
    };
    let filled =
        |members: Map<String, Value>| Some(members).filter(|members| !members.is_empty()).map(Value::Object);
    let named = object.properties.iter().filter(|property| property.is_property);
    let properties: Map<_, _> =
        named.map(|property| (property.name.to_string(), of(&property.shape))).collect();
    let patterns: Map<_, _> =
        object.patterns.iter().map(|pattern| (pattern.text.to_string(), of(&pattern.shape))).collect();
    let required: Vec<Value> = object
        .properties
        .iter()
        .filter(|property| property.is_required)
        .map(|property| Value::from(&*property.name))
        .collect();
    put("properties", filled(properties));
    put("patternProperties", filled(patterns));
    put("required", Some(required).filter(|names| !names.is_empty()).map(Value::from));
    put("additionalProperties", object.additional.as_deref().map(of));
}

/// Whether draft-07 or its successors have the format; Flow's own would be noise, or warnings, to others.
fn is_standard(format: Format) -> bool {
    !matches!(format, Format::Integer | Format::Number | Format::MacAddr | Format::MacAddr8 | Format::Sha256)
}
