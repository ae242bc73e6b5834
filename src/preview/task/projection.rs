//! The fields of a collection: where each is, and what is known of its values.

use serde_json::Value;

use crate::schema::Exists;

/// A field of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// Its name.
    pub field: String,
    /// JSON pointer of its location; empty for the whole document.
    pub pointer: String,
    /// Whether the user defined it.
    pub explicit: bool,
    /// Whether the collection is partitioned by it.
    pub is_partition_key: bool,
    /// Whether its location is a part of the collection's key.
    pub is_primary_key: bool,
    /// What the schema says of its values.
    pub inference: Inference,
}

/// What a schema says of the values at a location.
#[derive(Clone, Debug, PartialEq)]
pub struct Inference {
    /// The types that they may have, by Flow's names.
    pub types: Vec<String>,
    /// Whether there must be one.
    pub exists: Exists,
    /// The schema's title.
    pub title: String,
    /// The schema's description.
    pub description: String,
    /// The value of documents that have none.
    pub default: Option<Value>,
    /// Whether values are secrets.
    pub secret: bool,
    /// What is known of texts, if they are allowed.
    pub string: Option<StringInference>,
}

/// What a schema says of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringInference {
    /// `contentMediaType`, or empty.
    pub content_type: String,
    /// `format`, or empty.
    pub format: String,
    /// `contentEncoding`, or empty.
    pub content_encoding: String,
    /// `maxLength`, or zero.
    pub max_length: u32,
}

impl Projection {
    /// How many steps it is below the root.
    pub(super) fn depth(&self) -> usize {
        self.pointer.bytes().filter(|byte| *byte == b'/').count()
    }

    /// Whether its location is `pointer` or somewhere below it.
    pub(super) fn is_within(&self, pointer: &str) -> bool {
        self.pointer.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether its values are the publication time that is read from a UUID.
    pub(super) fn is_published_at(&self) -> bool {
        let string = self.inference.string.as_ref();
        string.is_some_and(|string| string.format == "date-time" && string.content_encoding == "uuid")
    }

    /// Whether its values are objects and nothing else, but for null.
    pub(super) fn is_object(&self) -> bool {
        let mut types = self.inference.types.iter().filter(|name| *name != "null");
        types.next().is_some_and(|name| name == "object") && types.next().is_none()
    }

    /// Why documents cannot be grouped by it, if they cannot.
    pub(super) fn key_fault(&self) -> Option<String> {
        match self.inference.exists {
            Exists::Implicit => return Some("it is not declared".to_owned()),
            Exists::Cannot => return Some("it cannot exist".to_owned()),
            Exists::Must | Exists::May => {}
        }
        let types = &self.inference.types;
        let composite = types.iter().any(|name| name == "object" || name == "array");
        let only_null = types.iter().all(|name| name == "null");
        (composite || only_null).then(|| format!("its types are {}", types.join(", ")))
    }
}
