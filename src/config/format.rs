//! How messages are written.

use super::error::{Error, Part};
use super::kinds::choice;
use super::members::Members;
use super::option::{choices, options};
use super::{EndpointConfig, Resource};

choices! {
    /// How keys and values are written.
    pub enum MessageFormat {
        /// Records in Confluent's wire format, with schemas in a registry.
        Avro = "Avro",
        /// Objects.
        Json = "JSON",
    }
}

choices! {
    /// How keys are written.
    pub enum KeyFormat {
        /// Records in Confluent's wire format, with schemas in a registry.
        Avro = "avro",
        /// Objects of the key fields.
        Json = "json",
        /// Objects of the key fields, in Confluent's wire format, with JSON schemas in a registry.
        JsonSchema = "json_schema",
        /// The key's only field as text: strings as they are, numbers and booleans as in JSON.
        String = "string",
    }
}

choices! {
    /// How values are written.
    pub enum ValueFormat {
        /// Records in Confluent's wire format, with schemas in a registry.
        Avro = "avro",
        /// Objects of the selected fields.
        Json = "json",
        /// Objects of the selected fields, in Confluent's wire format, with JSON schemas in a registry.
        JsonSchema = "json_schema",
    }
}

choices! {
    /// What is published of a document that is deleted.
    pub enum Deletions {
        /// The key without a value, by which compaction removes the messages of the key.
        Tombstone = "tombstone",
        /// The whole message; its field _meta/op, which is selected then, is d. Compaction keeps it. In Avro the field is JSON text
        /// in the map _flow_extra, and header_fields with operation easier to read.
        Document = "document",
        /// Nothing: what was published of the document before stays.
        Ignore = "ignore",
    }
}

choices! {
    /// How the root document is written, where its field is selected.
    pub enum RootDocument {
        /// Its JSON text, as a string.
        String = "string",
        /// The document itself, within the message's JSON.
        Json = "json",
    }
}

options! {
    /// How keys and values are written, each for itself.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FormatOptions {
        /// How keys are written; without it as message_format says.
        pub key_format: Option<KeyFormat> = "Key format", choice();
        /// How values are written; without it as message_format says.
        pub value_format: Option<ValueFormat> = "Value format", choice();
        /// What is published of a document that is deleted (its _meta/op is d).
        pub deletions: Deletions = "Deletions", choice().or("tombstone");
        /// How the root document is written, where its field is selected.
        pub root_document: RootDocument = "Root document", choice().or("string");
    }
}

/// How the messages of a binding are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// Their keys.
    pub key: KeyFormat,
    /// Their values.
    pub value: ValueFormat,
    /// Whether the root document is a value in the message, in place of a string of its text.
    pub embeds_document: bool,
}

impl Formats {
    /// Whether keys have the id of a schema in front.
    #[must_use]
    pub fn key_has_schema(&self) -> bool {
        matches!(self.key, KeyFormat::Avro | KeyFormat::JsonSchema)
    }

    /// Whether keys or values are in Avro.
    #[must_use]
    pub fn has_avro(&self) -> bool {
        self.key == KeyFormat::Avro || self.value == ValueFormat::Avro
    }

    /// Whether keys or values have a JSON schema.
    #[must_use]
    pub fn has_json_schema(&self) -> bool {
        self.key == KeyFormat::JsonSchema || self.value == ValueFormat::JsonSchema
    }

    /// Whether a schema of keys or values is registered.
    #[must_use]
    pub fn has_schema(&self) -> bool {
        self.has_avro() || self.has_json_schema()
    }
}

impl EndpointConfig {
    /// What is published of a binding's documents that are deleted, as endpoint and resource say together.
    #[must_use]
    pub fn deletions(&self, resource: &Resource) -> Deletions {
        resource.deletions.unwrap_or(self.advanced.formats.deletions)
    }

    /// How the messages of a binding are written, as endpoint and resource say together.
    ///
    /// # Errors
    ///
    /// There is no registry for the schemas of a format; an embedded root document in Avro; JSON schemas where the latest version is to be
    /// used.
    pub fn formats(&self, resource: &Resource) -> Result<Formats, Error> {
        let formats = Formats {
            key: resource.key_format.unwrap_or(self.own_formats().key),
            value: resource.value_format.unwrap_or(self.own_formats().value),
            embeds_document: resource.root_document.unwrap_or(self.advanced.formats.root_document)
                == RootDocument::Json,
        };
        let by_latest = self.schema_registry.as_ref().is_some_and(|registry| registry.use_latest_version);
        if by_latest && formats.has_json_schema() {
            return Err(Error::Invalid {
                part: Part::Endpoint,
                pointer: "/schema_registry/use_latest_version".to_owned(),
                value: "true".to_owned(),
                reason: "messages cannot be written by another JSON schema than their own: set it to false, or choose \
                         another key_format or value_format than json_schema"
                    .to_owned(),
            });
        }
        if formats.embeds_document && formats.value == ValueFormat::Avro {
            let (part, pointer) = match resource.root_document {
                Some(_) => (Part::Resource, "/root_document"),
                None => (Part::Endpoint, "/advanced/root_document"),
            };
            return Err(Error::Invalid {
                part,
                pointer: pointer.to_owned(),
                value: RootDocument::Json.as_str().to_owned(),
                reason: "values in Avro have the root document as a string: choose string, or json or json_schema as the \
                         value_format"
                    .to_owned(),
            });
        }
        if formats.has_schema() && self.schema_registry.is_none() {
            return Err(Error::Missing {
                part: Part::Endpoint,
                pointer: "/schema_registry".to_owned(),
                remedy: "the binding's key_format or value_format needs a registry for its schemas: give its endpoint, or \
                         choose other formats"
                    .to_owned(),
            });
        }
        Ok(formats)
    }

    /// How messages are written of which the resource says nothing.
    fn own_formats(&self) -> Formats {
        let FormatOptions { key_format, value_format, .. } = self.advanced.formats;
        let (key, value) = match self.message_format {
            MessageFormat::Avro => (KeyFormat::Avro, ValueFormat::Avro),
            MessageFormat::Json => (KeyFormat::Json, ValueFormat::Json),
        };
        Formats {
            key: key_format.unwrap_or(key),
            value: value_format.unwrap_or(value),
            embeds_document: self.advanced.formats.root_document == RootDocument::Json,
        }
    }
}

/// Checks that there is a registry for formats that have schemas in one.
pub(super) fn has_registry(config: &EndpointConfig, root: &Members<'_>) -> Result<(), Error> {
    if config.schema_registry.is_some() || !config.own_formats().has_schema() {
        return Ok(());
    }
    let FormatOptions { key_format, value_format, .. } = config.advanced.formats;
    let is_by_message_format =
        config.message_format == MessageFormat::Avro && (key_format.is_none() || value_format.is_none());
    Err(root.missing(
        "schema_registry",
        if is_by_message_format {
            "message_format Avro needs a registry for its schemas: give its endpoint, or choose JSON"
        } else {
            "advanced.key_format or advanced.value_format needs a registry for its schemas: give its endpoint, or \
             choose other formats"
        },
    ))
}

choices! {
    /// How batches of messages are compressed.
    pub enum Compression {
        /// As they are.
        None = "none",
        /// Small and slow.
        Gzip = "gzip",
        /// Fast.
        Lz4 = "lz4",
        /// Fast.
        Snappy = "snappy",
        /// Small, and faster than gzip.
        Zstd = "zstd",
    }
}
