//! Which schemas may follow each other under a subject.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde_json::Value;

use crate::registry::SchemaType;

/// A schema that was read.
#[derive(Debug)]
pub(super) enum Language {
    Avro(Schema),
    Json(Value),
}

impl Language {
    pub(super) fn schema_type(&self) -> SchemaType {
        match self {
            Self::Avro(_) => SchemaType::Avro,
            Self::Json(_) => SchemaType::Json,
        }
    }

    /// Whether this schema accepts all that `written` describes; of JSON schemas only an equal one is known to.
    fn reads(&self, written: &Self) -> Result<(), String> {
        match (self, written) {
            (Self::Avro(new), Self::Avro(old)) => {
                SchemaCompatibility::can_read(old, new).map(drop).map_err(|error| error.to_string())
            }
            (Self::Json(new), Self::Json(old)) if new == old => Ok(()),
            (Self::Json(_), Self::Json(_)) => {
                Err("this registry cannot compare JSON schemas that differ".to_owned())
            }
            _ => Err(format!(
                "one is of the type {}, the other {}",
                self.schema_type().as_str(),
                written.schema_type().as_str()
            )),
        }
    }
}

/// What a new version of a subject must be compatible with, and in which direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// The new schema reads what the latest version wrote.
    #[default]
    Backward,
    /// The new schema reads what any version wrote.
    BackwardTransitive,
    /// The latest version reads what the new schema writes.
    Forward,
    /// All versions read what the new schema writes.
    ForwardTransitive,
    /// Both directions, with the latest version.
    Full,
    /// Both directions, with all versions.
    FullTransitive,
    /// Anything goes.
    None,
}

impl Level {
    const ALL: [(&'static str, Self); 7] = [
        ("BACKWARD", Self::Backward),
        ("BACKWARD_TRANSITIVE", Self::BackwardTransitive),
        ("FORWARD", Self::Forward),
        ("FORWARD_TRANSITIVE", Self::ForwardTransitive),
        ("FULL", Self::Full),
        ("FULL_TRANSITIVE", Self::FullTransitive),
        ("NONE", Self::None),
    ];

    /// The level of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(spelling, _)| *spelling == name).map(|(_, level)| *level)
    }

    /// The name that the registry's interface uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
            Self::None => "NONE",
        }
    }

    /// Whether a schema may follow the earlier ones, the latest of which stands last; or why not.
    pub(super) fn permits(self, new: &Language, earlier: &[&Language]) -> Result<(), String> {
        let (backward, forward, transitive) = match self {
            Self::Backward => (true, false, false),
            Self::BackwardTransitive => (true, false, true),
            Self::Forward => (false, true, false),
            Self::ForwardTransitive => (false, true, true),
            Self::Full => (true, true, false),
            Self::FullTransitive => (true, true, true),
            Self::None => return Ok(()),
        };
        let counted = if transitive { earlier.len() } else { 1 };
        for old in earlier.iter().rev().take(counted) {
            if backward {
                new.reads(old).map_err(|error| {
                    format!("the new schema cannot read what the earlier one wrote: {error}")
                })?;
            }
            if forward {
                old.reads(new).map_err(|error| {
                    format!("the earlier schema cannot read what the new one writes: {error}")
                })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> Language {
        let text = format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
        Language::Avro(Schema::parse_str(&text).unwrap())
    }

    #[test]
    fn names_and_levels_belong_together() {
        for (name, level) in Level::ALL {
            assert_eq!(level.as_str(), name);
            assert_eq!(Level::named(name), Some(level));
        }
        assert_eq!(Level::named("backward"), None);
    }

    #[test]
    fn direction_and_reach_are_those_of_the_level() {
        let a = record(r#"{"name":"a","type":"long"}"#);
        let ab = record(r#"{"name":"a","type":"long"},{"name":"b","type":"long"}"#);
        let ab_default = record(r#"{"name":"a","type":"long"},{"name":"b","type":"long","default":0}"#);
        let text = record(r#"{"name":"a","type":"string"}"#);

        // New schema, the earlier ones, and the levels that permit it.
        use Level::{
            Backward as B, BackwardTransitive as BT, Forward as F, ForwardTransitive as FT, Full as U,
            FullTransitive as UT, None as N,
        };
        let cases: [(&Language, &[&Language], &[Level]); 7] = [
            (&a, &[], &[B, BT, F, FT, U, UT, N]),
            (&ab, &[&a], &[F, FT, N]),
            (&a, &[&ab], &[B, BT, N]),
            (&ab_default, &[&a], &[B, BT, F, FT, U, UT, N]),
            (&text, &[&a], &[N]),
            // The latest alone is fine, an earlier one is not.
            (&a, &[&text, &a], &[B, F, U, N]),
            (&ab, &[&a, &ab_default], &[B, F, FT, U, N]),
        ];
        for (number, (new, earlier, permitted)) in cases.into_iter().enumerate() {
            for (name, level) in Level::ALL {
                assert_eq!(
                    level.permits(new, earlier).is_ok(),
                    permitted.contains(&level),
                    "case {number}, {name}"
                );
            }
        }
    }
}
