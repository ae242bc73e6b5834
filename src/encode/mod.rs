//! Documents to key and value bytes, by a plan that is compiled once per binding.

mod avro;
mod buffer;
mod composed;
mod element;
mod error;
mod fields;
#[cfg(test)]
mod fixtures;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod json_fields;
mod nested;
mod normal;
mod number;
#[cfg(test)]
mod oracle;
mod order;
mod parsed;
mod scan;
mod scratch;
mod sink;
mod text;
mod tuple;

pub use avro::AvroPlan;
pub use buffer::Buffer;
pub use composed::{ComposedPlan, Formats, KeyFormat, ValueFormat};
pub use error::{Error, Fault, Part};
pub use json::JsonPlan;
pub use scratch::Scratch;

/// One side of a Store, the key fields or the value fields, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields<'a> {
    /// FoundationDB tuple encoding, elements concatenated.
    Packed(&'a [u8]),
    /// The text of a JSON array.
    Json(&'a [u8]),
}

/// A Store as far as the encoders are concerned.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// One element per key field.
    pub key: Fields<'a>,
    /// One element per value field; empty where only a delete came.
    pub values: Fields<'a>,
    /// The root document's JSON text; empty where none came.
    pub doc: &'a [u8],
    /// Whether the document is deleted: its message has no value.
    pub delete: bool,
}

/// The fields of a binding in tuple order, as its field selection has them.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// Names of the key fields.
    pub keys: &'a [String],
    /// Names of the value fields.
    pub values: &'a [String],
    /// Name of the field that holds the root document.
    pub document: Option<&'a str>,
}

/// How the documents of a binding become messages.
#[derive(Debug)]
pub enum Plan {
    /// As JSON objects.
    Json(JsonPlan),
    /// As Avro records, with the ids of their schemas.
    Avro(AvroPlan),
    /// As whatever else keys and values were chosen to be.
    Composed(Box<ComposedPlan>),
}

impl Plan {
    /// Compiles the plan of a binding's fields, the shortest one that these formats have.
    ///
    /// # Errors
    ///
    /// As those of the plans.
    pub fn new(layout: &Layout<'_>, formats: &Formats<'_>) -> Result<Self, Error> {
        let is_plain = formats.partition_by.is_empty() && !formats.embeds_document;
        Ok(match (formats.key, formats.value) {
            (KeyFormat::Json, ValueFormat::Json) if is_plain => Self::Json(JsonPlan::new(layout)?),
            (KeyFormat::Avro(key, key_id), ValueFormat::Avro(value, value_id)) if is_plain => {
                Self::Avro(AvroPlan::new(layout, key, key_id, value, value_id)?)
            }
            _ => Self::Composed(Box::new(ComposedPlan::new(layout, formats)?)),
        })
    }

    /// The bytes that choose the partition of the document that was encoded last with `scratch`; none where it is the
    /// key that does.
    #[inline]
    pub fn partition_key<'s>(&self, scratch: &'s Scratch) -> Option<&'s [u8]> {
        match self {
            Self::Composed(plan) if plan.has_partition_key() => Some(&scratch.partition),
            _ => None,
        }
    }

    /// Appends a document's key to `key` and writes its value to `value`; false where it has none, as
    /// the document is deleted.
    ///
    /// # Errors
    ///
    /// The Store is malformed, or a value does not fit its type. Nothing has been appended then.
    pub fn encode(
        &self,
        document: &Document<'_>,
        scratch: &mut Scratch,
        key: &mut Vec<u8>,
        value: &mut Buffer,
    ) -> Result<bool, Error> {
        match self {
            Self::Json(plan) => plan.encode(document, scratch, key, value),
            Self::Avro(plan) => plan.encode(document, scratch, key, value),
            Self::Composed(plan) => plan.encode(document, scratch, key, value),
        }
    }
}
