//! A schema as a registry keeps it: a text, and the language that it is written in.

/// The language of a schema, by the name that registries have for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaType {
    /// Avro; what a registry assumes where nothing is said.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
}

impl SchemaType {
    /// Its name in requests and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Avro, Self::Json].into_iter().find(|known| known.as_str() == name)
    }
}

/// A schema's text, with its type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schema {
    /// The language of the text.
    pub schema_type: SchemaType,
    /// The text, as it is registered.
    pub text: String,
}

impl Schema {
    /// An Avro schema of this text.
    pub fn avro(text: impl Into<String>) -> Self {
        Self { schema_type: SchemaType::Avro, text: text.into() }
    }

    /// A JSON schema of this text.
    pub fn json(text: impl Into<String>) -> Self {
        Self { schema_type: SchemaType::Json, text: text.into() }
    }
}
