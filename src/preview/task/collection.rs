//! Derives the fields of a collection from its schema, its key, and the user's projections.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::extract::TRUNCATED;
use super::pointer::normal;
use super::projection::{Inference, Projection, StringInference};
use super::source;
use crate::schema::{Exists, Shape, Types};

/// The projections of a collection, ascending by field, one for each.
///
/// # Errors
/// If no shape can be inferred from the schema or documents need not be objects, if a part of the
/// key is no declared scalar, or if a user's projection takes another location's name.
pub fn projections(collection: &source::Collection) -> Result<Vec<Projection>, Error> {
    let place = &collection.place;
    let bundle = collection.read_schema.as_ref().unwrap_or(&collection.write_schema);
    let shape = Shape::infer(bundle)
        .map_err(|source| Error::Schema { place: place.clone(), source: Box::new(source) })?;
    if shape.types != Types::OBJECT {
        let types = names(shape.types);
        return Err(Error::NotObject { place: place.clone(), types });
    }
    let mut fields = Fields { shape: &shape, key: &collection.key, by_name: BTreeMap::new() };

    let mut canonical: BTreeMap<String, String> = BTreeMap::new();
    for location in shape.locations() {
        let unnamed = location.pattern || location.pointer.is_empty() || location.pointer.ends_with('/');
        if !unnamed {
            canonical.insert(field_of(&location.pointer), location.pointer);
        }
    }
    for pointer in &collection.key {
        canonical.insert(field_of(pointer), pointer.clone());
    }
    // These take the name of any location that has it.
    canonical.insert(field_of(TRUNCATED), TRUNCATED.to_owned());
    canonical.insert(DOCUMENT.to_owned(), String::new());
    canonical.insert(PUBLISHED_AT.to_owned(), UUID.to_owned());

    let mut projected = BTreeSet::new();
    for (field, user) in &collection.projections {
        let pointer = normal(&user.pointer);
        projected.insert(pointer.clone());
        // The publication time has a location of its own that only projections know.
        let time = pointer == UUID_TIME || field == PUBLISHED_AT && pointer == UUID;
        let pointer = if time { UUID.to_owned() } else { pointer };
        if let Some(canonical) = canonical.get(field).filter(|canonical| **canonical != pointer) {
            return Err(Error::CanonicalName {
                place: place.clone(),
                field: field.clone(),
                pointer: user.pointer.clone(),
                canonical: canonical.clone(),
            });
        }
        let projection = fields.add(field, &pointer, time);
        projection.explicit = true;
        projection.is_partition_key = user.partition;
    }
    for (field, pointer) in &canonical {
        let replaced = match field.as_str() {
            DOCUMENT => projected.contains(""),
            PUBLISHED_AT => projected.contains(UUID_TIME),
            _ => false,
        };
        if !replaced && !fields.by_name.contains_key(field) {
            fields.add(field, pointer, field == PUBLISHED_AT);
        }
    }

    for pointer in &collection.key {
        let keyed = fields
            .by_name
            .values()
            .find(|projection| projection.pointer == *pointer && projection.is_primary_key);
        if let Some(found) = keyed.and_then(Projection::key_fault) {
            return Err(Error::KeyLocation { place: place.clone(), pointer: pointer.clone(), found });
        }
    }
    Ok(fields.by_name.into_values().collect())
}

/// The projections so far.
struct Fields<'a> {
    shape: &'a Shape,
    key: &'a [String],
    by_name: BTreeMap<String, Projection>,
}

impl Fields<'_> {
    /// Adds a projection; `time` if its values are the publication time.
    fn add(&mut self, field: &str, pointer: &str, time: bool) -> &mut Projection {
        let inference = if time {
            published_at()
        } else if pointer == TRUNCATED {
            truncated()
        } else {
            let (shape, exists) = self.shape.locate(pointer);
            infer(shape, exists)
        };
        let projection = Projection {
            field: field.to_owned(),
            pointer: pointer.to_owned(),
            explicit: false,
            is_partition_key: false,
            is_primary_key: !time && self.key.iter().any(|key| key == pointer),
            inference,
        };
        self.by_name.entry(field.to_owned()).or_insert(projection)
    }
}

fn infer(shape: &Shape, exists: Exists) -> Inference {
    let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    let string = shape.types.overlaps(Types::STRING).then(|| StringInference {
        content_type: text(&shape.string.content_media_type),
        format: shape.string.format.map(|format| format.as_str().to_owned()).unwrap_or_default(),
        content_encoding: text(&shape.string.content_encoding),
        max_length: shape.string.max_length.map_or(0, |max| u32::try_from(max).unwrap_or(u32::MAX)),
    });
    Inference {
        types: names(shape.types),
        exists,
        title: text(&shape.title),
        description: text(&shape.description),
        default: shape.default.clone(),
        secret: shape.secret.unwrap_or(false),
        string,
    }
}

fn published_at() -> Inference {
    Inference {
        types: vec!["string".to_owned()],
        exists: Exists::Must,
        title: "Flow Publication Time".to_owned(),
        description: "Flow publication date-time of this document".to_owned(),
        default: None,
        secret: false,
        string: Some(StringInference {
            format: "date-time".to_owned(),
            content_encoding: "uuid".to_owned(),
            ..StringInference::default()
        }),
    }
}

fn truncated() -> Inference {
    Inference {
        types: vec!["boolean".to_owned()],
        exists: Exists::Must,
        title: "Flow truncation indicator".to_owned(),
        description: "Whether a value of this document was cut to fit the connector's limits".to_owned(),
        default: None,
        secret: false,
        string: None,
    }
}

fn names(types: Types) -> Vec<String> {
    types.iter().map(str::to_owned).collect()
}

/// The name of the field at a location.
fn field_of(pointer: &str) -> String {
    pointer.strip_prefix('/').unwrap_or(pointer).to_owned()
}

const DOCUMENT: &str = "flow_document";
const PUBLISHED_AT: &str = "flow_published_at";
/// Where documents have their UUID.
pub(super) const UUID: &str = "/_meta/uuid";
/// Where projections find the time that it tells.
const UUID_TIME: &str = "/_meta/uuid/date-time";

#[cfg(test)]
mod tests;
