//! What can be wrong with a document. The session adds collection, topic and key.

use std::fmt;

use thiserror::Error;

/// A document, or a layout, that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// Two fields of a layout have one name.
    #[error(
        "compiling the fields of a binding: two of them are named {}; every field needs a name of its own, \
         change the binding's field selection", Quoted(.field))]
    DuplicateField {
        /// The name.
        field: String,
    },
    /// A side of a Store has fewer elements than the field selection.
    #[error(
        "reading the {part} fields: expected {} ({}), found {found}; the field selection of Open and the Store \
         disagree", count(.expected), list(.expected))]
    TooFewElements {
        /// Which side.
        part: Part,
        /// The selected fields, in order.
        expected: Vec<String>,
        /// Elements that came.
        found: usize,
    },
    /// A side of a Store has more elements than the field selection.
    #[error(
        "reading the {part} fields: expected {} ({}), found more; the field selection of Open and the Store \
         disagree", count(.expected), list(.expected))]
    TooManyElements {
        /// Which side.
        part: Part,
        /// The selected fields, in order.
        expected: Vec<String>,
    },
    /// Values are selected, the document is not deleted, and none came.
    #[error(
        "reading the value fields: expected {} ({}), found neither packed values nor an array of them; only a \
         delete may come without values", count(.expected), list(.expected))]
    ValuesMissing {
        /// The selected fields, in order.
        expected: Vec<String>,
    },
    /// The time of a message's record is to be taken of a value that is none.
    #[error(
        "field {}: the value {value} is no point in time, and the record's timestamp is taken of it: expected a date-time \
         such as 2026-01-31T00:00:00Z, or whole milliseconds since 1970; correct the documents, or name another field in \
         timestamp", Quoted(.field))]
    NoTime {
        /// The field.
        field: String,
        /// The value, shortened.
        value: String,
    },
    /// The root document is part of the field selection and did not come.
    #[error("field {}: the root document is selected and the Store has none; only a delete may come without it", Quoted(.field))]
    DocumentMissing {
        /// The document field.
        field: String,
    },
    /// A root document came, and the field selection has no field for it.
    #[error(
        "the Store has a root document of {len} bytes and the binding's field selection has no field for it; the \
         field selection of Open and the Store disagree"
    )]
    DocumentNotSelected {
        /// Length of the document.
        len: usize,
    },
    /// The root document is not text.
    #[error("field {}: the root document is not UTF-8 from byte {offset} on", Quoted(.field))]
    DocumentNotUtf8 {
        /// The document field.
        field: String,
        /// Offset of the first byte that is wrong.
        offset: usize,
    },
    /// A packed tuple ends within an element.
    #[error("field {}: the packed {part} tuple ends within the element at byte {offset}", Quoted(.field))]
    CutElement {
        /// Which side.
        part: Part,
        /// The field that the element is for.
        field: String,
        /// Where the element begins.
        offset: usize,
    },
    /// A packed tuple has an element of a type that no field has.
    #[error(
        "field {}: the packed {part} tuple has the type code {code:#04x} at byte {offset}{}; expected null, a boolean, \
         an integer of at most 64 bits, a float, a string or JSON bytes", Quoted(.field), named(*.code))]
    ElementCode {
        /// Which side.
        part: Part,
        /// The field that the element is for.
        field: String,
        /// The type code.
        code: u8,
        /// Where it stands.
        offset: usize,
    },
    /// A packed integer is below the smallest of 64 bits.
    #[error(
        "field {}: the packed {part} tuple has an integer below -9223372036854775808 at byte {offset}, which is the \
         smallest that can be written", Quoted(.field))]
    IntegerOutOfRange {
        /// Which side.
        part: Part,
        /// The field that the element is for.
        field: String,
        /// Where the element begins.
        offset: usize,
    },
    /// A packed string or JSON text is not text.
    #[error("field {}: the packed {part} tuple has text at byte {offset} that is not UTF-8", Quoted(.field))]
    TextNotUtf8 {
        /// Which side.
        part: Part,
        /// The field that the element is for.
        field: String,
        /// Where the element begins.
        offset: usize,
    },
    /// The array form of a side is not a JSON array.
    #[error("reading the {part} fields: expected a JSON array with a value per field, {fault}")]
    FieldsSyntax {
        /// Which side.
        part: Part,
        /// Where and what.
        fault: Fault,
    },
    /// The JSON text of a nested value is not JSON, or beyond a limit.
    #[error("field {}: its nested JSON cannot be read: {fault}; found {}", Quoted(.field), Quoted(.text))]
    NestedJson {
        /// The field.
        field: String,
        /// Where and what.
        fault: Fault,
        /// The text from shortly before the fault on, shortened.
        text: String,
    },
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
    /// A value that the collection's schema allows, and a type of the registered schema by which it is written does not hold.
    #[error(
        "{pointer}: the value {value} does not fit the Avro type {schema}, which the registered schema has there \
         (schema_registry.use_latest_version); correct the document, register a version whose type takes the value, or \
         exclude the field"
    )]
    NotTaken {
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
    /// A field that should choose the partition and is not in the key.
    #[error(
        "partition_by names {}, which is no key field; expected some of {}", Quoted(.field), list(.keys))]
    PartitionField {
        /// The field.
        field: String,
        /// The key fields.
        keys: Vec<String>,
    },
    /// A key of text with several fields.
    #[error(
        "a key of format string is that of a single field, found {}; choose json, json_schema or avro as the \
         key_format", list(.keys))]
    KeyTextFields {
        /// The key fields.
        keys: Vec<String>,
    },
    /// A key that is no text.
    #[error(
        "field {}: null, an array or an object cannot be a key of format string; choose json, json_schema or avro as the \
         key_format", Quoted(.field))]
    KeyText {
        /// The key field.
        field: String,
    },
}

/// A side of a Store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key fields.
    Key,
    /// The value fields.
    Values,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Values => "value",
        })
    }
}

/// Where a JSON text is wrong, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

/// At most the first 100 bytes of `text`, with `...` where it goes on: documents can be large, and
/// error messages land in logs.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(SHOWN);
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// `text` from shortly before its fault on, shortened.
pub(super) fn excerpt(text: &str, fault: Fault) -> String {
    let start = text.floor_char_boundary(fault.offset.saturating_sub(BEFORE_FAULT));
    let excerpt = shortened(text.get(start..).unwrap_or_default());
    if start > 0 { format!("...{excerpt}") } else { excerpt }
}

/// A name or text in an error: escaped as Rust does, so that a line stays a line.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

fn count(names: &[String]) -> String {
    match names.len() {
        0 => "no element".to_owned(),
        1 => "1 element".to_owned(),
        n => format!("{n} elements"),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no field is selected".to_owned() } else { shortened(&names.join(", ")) }
}

fn named(code: u8) -> &'static str {
    match code {
        0x05 => " (a nested tuple)",
        0x0b | 0x1d => " (an integer of more than 64 bits)",
        0x30 => " (a UUID)",
        0x32 | 0x33 => " (a versionstamp)",
        _ => "",
    }
}

/// Bytes of a nested text before its fault that an error shows.
const BEFORE_FAULT: usize = 40;
/// Bytes of a value that an error quotes.
const SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn messages_say_what_came_what_was_expected_and_what_to_do() {
        let field = || "a/\"b\"".to_owned();
        for (error, text) in [
            (
                Error::DuplicateField { field: field() },
                r#"compiling the fields of a binding: two of them are named "a/\"b\""; every field needs a name of its own, change the binding's field selection"#,
            ),
            (
                Error::TooFewElements { part: Part::Key, expected: names(&["id", "seq"]), found: 1 },
                "reading the key fields: expected 2 elements (id, seq), found 1; the field selection of Open and the Store disagree",
            ),
            (
                Error::TooManyElements { part: Part::Values, expected: names(&["city"]) },
                "reading the value fields: expected 1 element (city), found more; the field selection of Open and the Store disagree",
            ),
            (
                Error::TooManyElements { part: Part::Values, expected: names(&[]) },
                "reading the value fields: expected no element (no field is selected), found more; the field selection of Open and the Store disagree",
            ),
            (
                Error::ValuesMissing { expected: names(&["city"]) },
                "reading the value fields: expected 1 element (city), found neither packed values nor an array of them; only a delete may come without values",
            ),
            (
                Error::DocumentMissing { field: "flow_document".into() },
                r#"field "flow_document": the root document is selected and the Store has none; only a delete may come without it"#,
            ),
            (
                Error::DocumentNotSelected { len: 12 },
                "the Store has a root document of 12 bytes and the binding's field selection has no field for it; the field selection of Open and the Store disagree",
            ),
            (
                Error::DocumentNotUtf8 { field: "flow_document".into(), offset: 7 },
                r#"field "flow_document": the root document is not UTF-8 from byte 7 on"#,
            ),
            (
                Error::CutElement { part: Part::Key, field: field(), offset: 3 },
                r#"field "a/\"b\"": the packed key tuple ends within the element at byte 3"#,
            ),
            (
                Error::ElementCode { part: Part::Values, field: "x".into(), code: 5, offset: 3 },
                r#"field "x": the packed value tuple has the type code 0x05 at byte 3 (a nested tuple); expected null, a boolean, an integer of at most 64 bits, a float, a string or JSON bytes"#,
            ),
            (
                Error::ElementCode { part: Part::Values, field: "x".into(), code: 0x0b, offset: 3 },
                r#"field "x": the packed value tuple has the type code 0x0b at byte 3 (an integer of more than 64 bits); expected null, a boolean, an integer of at most 64 bits, a float, a string or JSON bytes"#,
            ),
            (
                Error::IntegerOutOfRange { part: Part::Values, field: "x".into(), offset: 3 },
                r#"field "x": the packed value tuple has an integer below -9223372036854775808 at byte 3, which is the smallest that can be written"#,
            ),
            (
                Error::TextNotUtf8 { part: Part::Values, field: "x".into(), offset: 3 },
                r#"field "x": the packed value tuple has text at byte 3 that is not UTF-8"#,
            ),
            (
                Error::FieldsSyntax {
                    part: Part::Values,
                    fault: Fault { offset: 3, what: "expected a comma or the end of the array" },
                },
                "reading the value fields: expected a JSON array with a value per field, expected a comma or the end of the array at byte 3",
            ),
            (
                Error::NestedJson {
                    field: "x".into(),
                    fault: Fault { offset: 1, what: "expected a value" },
                    text: "[,]".into(),
                },
                r#"field "x": its nested JSON cannot be read: expected a value at byte 1; found "[,]""#,
            ),
            (
                Error::PartitionField { field: field(), keys: names(&["id", "seq"]) },
                r#"partition_by names "a/\"b\"", which is no key field; expected some of id, seq"#,
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn values_are_shortened_at_a_character() {
        assert_eq!(shortened(&"a".repeat(100)), "a".repeat(100));
        assert_eq!(shortened(&"a".repeat(101)), format!("{}...", "a".repeat(100)));
        assert_eq!(shortened(&format!("{}é", "a".repeat(99))), format!("{}...", "a".repeat(99)));
    }
}
