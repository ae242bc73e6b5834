//! What can go wrong in the specification, in the fixture, and in selecting fields.

use std::io;

use crate::schema;

/// Why a task cannot be previewed. Every message names the place and says what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the specification cannot be read.
    #[error("cannot read the specification {path}: {source}")]
    ReadSource {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the specification is neither YAML nor JSON.
    #[error("{path} is neither YAML nor JSON: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The specification refers to a file that is not on this machine.
    #[error("{place}: {url:?} is not a local file; download it and name the file instead")]
    Remote {
        /// Where it is referred to.
        place: String,
        /// What it says.
        url: String,
    },
    /// Two files define the same thing.
    #[error("{kind} {name:?} is defined twice: in {first} and in {second}")]
    DefinedTwice {
        /// `collection` or `materialization`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The file that was read first.
        first: String,
        /// The other file.
        second: String,
    },
    /// A member is missing.
    #[error("{place}: member {member:?} is missing")]
    Missing {
        /// Where it should be.
        place: String,
        /// Its name.
        member: String,
    },
    /// A value has the wrong kind.
    #[error("{place}: expected {expected}, found {found}")]
    Unexpected {
        /// Where it is.
        place: String,
        /// What should be there.
        expected: &'static str,
        /// The kind of what is there.
        found: &'static str,
    },
    /// There is no materialization.
    #[error("{path} has no materializations; add one, or import the file that has it")]
    NoTask {
        /// The specification.
        path: String,
    },
    /// There are several materializations and none was named.
    #[error("{path} has {} materializations; choose one with --name: {}", names.len(), names.join(", "))]
    SeveralTasks {
        /// The specification.
        path: String,
        /// Their names.
        names: Vec<String>,
    },
    /// There is no materialization of that name.
    #[error("{path} has no materialization {name:?}, it has {}", list(names))]
    UnknownTask {
        /// The specification.
        path: String,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// A binding reads a collection that is not in the specification.
    #[error("{place}: there is no collection {name:?}; add it, or import the file that has it")]
    UnknownCollection {
        /// The binding.
        place: String,
        /// The collection.
        name: String,
    },
    /// The schema of a collection cannot be used.
    #[error("{place}: cannot infer the documents' shape from its schema: {source}")]
    Schema {
        /// The collection.
        place: String,
        /// Why.
        source: Box<schema::Error>,
    },
    /// Documents of a collection may be something else than objects.
    #[error("{place}: the schema must say \"type: object\", and nothing else, it allows {}", list(types))]
    NotObject {
        /// The collection.
        place: String,
        /// The types that it allows.
        types: Vec<String>,
    },
    /// A location of the key, or one that a binding groups by, is not a scalar that the schema declares.
    #[error("{place}: key location {pointer:?} must be a scalar that the schema declares, {found}")]
    KeyLocation {
        /// The collection or binding.
        place: String,
        /// The JSON pointer.
        pointer: String,
        /// What it is instead.
        found: String,
    },
    /// A user's projection takes the name that another location has.
    #[error(
        "{place}: projection {field:?} of {pointer:?} has the name of the location {canonical:?}; \
         choose another name"
    )]
    CanonicalName {
        /// The collection.
        place: String,
        /// The field.
        field: String,
        /// The pointer that the user projects.
        pointer: String,
        /// The pointer whose field has that name.
        canonical: String,
    },
    /// A binding mentions a field that its collection does not have.
    #[error(
        "{place}: fields.{member} names {field:?}, which is not a field of the collection, those are: {}",
        some(known)
    )]
    UnknownField {
        /// The binding.
        place: String,
        /// `include`, `exclude` or `groupBy`.
        member: &'static str,
        /// The field.
        field: String,
        /// The fields of the collection.
        known: Vec<String>,
    },
    /// A field must be selected, and must not be.
    #[error("{place}: field {field:?} {wanted}, but {refused}")]
    Conflict {
        /// The binding.
        place: String,
        /// The field, or the first of a location's.
        field: String,
        /// Who wants it.
        wanted: String,
        /// Who does not.
        refused: String,
    },
    /// The connector's answer does not fit the request.
    #[error("the connector's Validated is not usable: {reason}")]
    Validated {
        /// Why.
        reason: String,
    },
    /// The fixture cannot be read.
    #[error("cannot read the fixture {fixture} at line {line}: {source}")]
    ReadFixture {
        /// The fixture.
        fixture: String,
        /// The line, from 1.
        line: u64,
        /// What the system says.
        source: io::Error,
    },
    /// A line of the fixture is not what it must be.
    #[error("{fixture} line {line}: {reason}")]
    FixtureLine {
        /// The fixture.
        fixture: String,
        /// The line, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// The first names, for a message; a collection may have thousands.
fn some(names: &[String]) -> String {
    const MOST: usize = 20;
    match names.get(..MOST) {
        Some(first) if names.len() > MOST => {
            format!("{} and {} more", first.join(", "), names.len() - MOST)
        }
        _ => list(names),
    }
}

/// Names for a message.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::some;

    #[test]
    fn long_lists_are_cut() {
        let names = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(some(&names(0)), "none");
        assert_eq!(some(&names(3)), "0, 1, 2");
        assert!(some(&names(20)).ends_with("18, 19"));
        assert!(some(&names(23)).ends_with("18, 19 and 3 more"));
    }
}
