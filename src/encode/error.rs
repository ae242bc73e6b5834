//! What can go wrong in encoding.

/// Why a plan could not be made or a document could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stand-in.
    #[error("stand-in: {0}")]
    StandIn(String),

    /// A value that its Avro type does not accept.
    #[error(
        "{pointer}: the value {value} does not fit the Avro type {schema}, which the collection's schema \
         gives it; correct the document or the collection's schema"
    )]
    NotMatched {
        /// JSON pointer of the value in the record of selected fields, or `/p1`... in the key.
        pointer: String,
        /// The value as JSON, shortened.
        value: String,
        /// The type.
        schema: String,
    },
    /// A string that the collection's schema declares to be a number, and is none.
    #[error(
        "{pointer}: the text {text:?} is not a number, while the Avro type is \"double\" since the collection's \
         schema gives the string the format of a number; correct the document or that format"
    )]
    FloatText {
        /// JSON pointer of the value in the record of selected fields, or `/p1`... in the key.
        pointer: String,
        /// The text, shortened.
        text: String,
    },
    /// A property that must be there and is not.
    #[error(
        "{pointer}: the property is absent, and its Avro type {schema} accepts no null and has no usable default; \
         add the property to the document or a default to the collection's schema, or make it optional there"
    )]
    Absent {
        /// JSON pointer of the property in the record of selected fields, or `/p1`... in the key.
        pointer: String,
        /// The type.
        schema: String,
    },
    /// No document came for a field that holds it.
    #[error("the root document is selected as field {field:?}, but the Store has none; send doc_json")]
    DocumentMissing {
        /// The field that holds the root document.
        field: String,
    },
    /// An Avro schema that does not belong to the binding's fields.
    #[error("the Avro schema at {place} {what}; this is a defect of the mapping, please report it")]
    AvroSchema {
        /// Full name of the record or field.
        place: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A key schema that is not a record of parts.
    #[error(
        "the key's Avro schema is malformed: expected a record of one field _flow_key, a record of the key's parts; \
         this is a defect of the mapping, please report it"
    )]
    KeySchema,
    /// A key schema of another number of parts.
    #[error("the key's Avro schema has {found} parts, expected {expected}, one per key field")]
    KeyParts {
        /// Key fields of the binding.
        expected: usize,
        /// Parts of the schema.
        found: usize,
    },
    /// A field that is no Avro field, and no map to put it in.
    #[error(
        "field {field:?} is no field of the value's Avro record, and the record has no map _flow_extra for it"
    )]
    NoExtraMap {
        /// The field.
        field: String,
    },
}
