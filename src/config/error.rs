//! What can be wrong with a configuration.

use std::fmt;

/// Which configuration an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// That of the endpoint.
    Endpoint,
    /// That of a binding's resource.
    Resource,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "endpoint configuration",
            Self::Resource => "resource configuration",
        })
    }
}

/// A configuration that cannot be used. The message names the place and the remedy, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not JSON.
    #[error("reading the {part}: not valid JSON, at line {line} column {column}; expected a JSON object")]
    Syntax {
        /// Which configuration.
        part: Part,
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, in bytes.
        column: usize,
    },
    /// A member has another JSON type than the one expected. Its value is not told, it may be a secret.
    #[error("reading the {part}: {} is {found}, expected {expected}", place(pointer))]
    WrongType {
        /// Which configuration.
        part: Part,
        /// JSON pointer to the member; empty for the configuration as a whole.
        pointer: String,
        /// The JSON type found, with its article.
        found: &'static str,
        /// The JSON type expected, with its article.
        expected: &'static str,
    },
    /// A member that is needed is absent, null or empty.
    #[error("reading the {part}: {pointer} is missing; {remedy}")]
    Missing {
        /// Which configuration.
        part: Part,
        /// JSON pointer to the member.
        pointer: String,
        /// What to do.
        remedy: String,
    },
    /// A member that takes one of a few texts has another one.
    #[error("reading the {part}: {pointer} is {value:?}, expected one of {allowed}")]
    Unknown {
        /// Which configuration.
        part: Part,
        /// JSON pointer to the member.
        pointer: String,
        /// What was found, shortened.
        value: String,
        /// The texts that are allowed, separated by commas.
        allowed: String,
    },
    /// A member of the right type has a value that cannot be used.
    #[error("reading the {part}: {pointer} is {value:?}: {reason}")]
    Invalid {
        /// Which configuration.
        part: Part,
        /// JSON pointer to the member.
        pointer: String,
        /// What was found, shortened, or `***`.
        value: String,
        /// Why it cannot be used and what was expected.
        reason: String,
    },
    /// A member cannot be there at all, whatever its value.
    #[error("reading the {part}: {pointer}: {reason}")]
    Refused {
        /// Which configuration.
        part: Part,
        /// JSON pointer to the member; what its name has of a secret is hidden.
        pointer: String,
        /// Why, and what to do instead.
        reason: String,
    },
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole" } else { pointer }
}
