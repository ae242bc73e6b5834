//! What can be wrong with a collection's schema or with the selection of its fields.

/// Why a schema cannot be mapped. Places are JSON pointers into the bundle, or behind the URI of the `$ref` that
/// led there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A schema is neither an object nor a boolean.
    #[error(
        "reading the collection's JSON schema: at {place} is {found}, expected a schema, which is an object or a boolean; correct the collection's schema"
    )]
    NotASchema {
        /// Where the schema should be.
        place: String,
        /// What is there.
        found: &'static str,
    },
    /// A keyword has a value that it cannot have.
    #[error(
        "reading the collection's JSON schema: at {place} the keyword {keyword:?} has {found}, expected {expected}; correct the collection's schema"
    )]
    Keyword {
        /// The schema that has the keyword.
        place: String,
        /// The keyword.
        keyword: &'static str,
        /// What it has.
        found: String,
        /// What it should have.
        expected: &'static str,
    },
    /// A reference that resolves to nothing.
    #[error(
        "reading the collection's JSON schema: at {place} the reference {reference:?} means {uri}, and the schema has nothing there; define it (under \"$defs\", say) or correct the reference"
    )]
    Unresolved {
        /// The schema that has the reference.
        place: String,
        /// The reference as written.
        reference: String,
        /// What it resolved to.
        uri: String,
    },
    /// Schemas are nested too deeply.
    #[error(
        "reading the collection's JSON schema: schemas are nested deeper than {limit} levels, references followed; make the schema flatter"
    )]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// Expanding references and merging schemas gives too much.
    #[error(
        "reading the collection's JSON schema: with its references expanded it describes more than {limit} locations; refer less often to large definitions, or leave their details open"
    )]
    TooLarge {
        /// How many locations there may be.
        limit: usize,
    },
    /// A selected field that the collection does not have.
    #[error(
        "mapping the binding's fields to schemas: the field selection names {field:?}, which is no projection of the collection; publish the materialization again, so that its fields are selected anew"
    )]
    UnknownField {
        /// The field.
        field: String,
    },
    /// A registered schema by which documents cannot be written.
    #[error("comparing the registered schema with that of the documents, at {place}: {what}; {remedy}")]
    Registered {
        /// Pointer by the names of fields.
        place: String,
        /// The difference.
        what: String,
        /// What the user can do.
        remedy: String,
    },
    /// No key is selected.
    #[error(
        "mapping the binding's fields to schemas: the field selection has no key fields, expected at least one; publish the materialization again, so that its fields are selected anew"
    )]
    NoKey,
}
