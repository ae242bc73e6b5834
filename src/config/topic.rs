//! Names of topics, by the rules that Kafka's brokers apply.

use std::fmt;

/// The name of a topic that Kafka accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// The name breaks one of the rules of Kafka's `Topic.validate`.
    pub fn new(name: impl Into<String>) -> Result<Self, TopicError> {
        let name = name.into();
        if name.is_empty() {
            return Err(TopicError::Empty);
        }
        if name == "." || name == ".." {
            return Err(TopicError::Dots);
        }
        if let Some(found) =
            name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
        {
            return Err(TopicError::Character { found });
        }
        if name.len() > MAX_LENGTH {
            return Err(TopicError::Long { length: name.len() });
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why Kafka would refuse a topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// It has no characters.
    #[error("a topic's name must not be empty")]
    Empty,
    /// It is one that a file system reserves.
    #[error("a topic must not be named \".\" or \"..\"")]
    Dots,
    /// It has a character outside of the allowed ones.
    #[error(
        "the character {found:?} is not allowed in a topic's name, only letters a-z and A-Z, digits, '.', '_' and '-'"
    )]
    Character {
        /// The first such character.
        found: char,
    },
    /// It is too long.
    #[error("a topic's name may have {MAX_LENGTH} characters, this one has {length}")]
    Long {
        /// Its length in characters.
        length: usize,
    },
}

/// A log's folder is named by topic and partition, and file systems take 255 characters.
const MAX_LENGTH: usize = 249;
