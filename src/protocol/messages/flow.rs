//! The types that requests are made of: specifications of tasks and collections.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::json::{self, Name, Named, is_default, or_default};

/// A materialization: an endpoint and what goes there.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase", default)]
pub struct MaterializationSpec {
    /// The name of the task.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub name: String,
    /// How the connector is run.
    #[prost(enumeration = "ConnectorType", tag = "2")]
    #[serde(with = "Name::<ConnectorType>", skip_serializing_if = "is_default")]
    pub connector_type: i32,
    /// The endpoint configuration.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(rename = "config", with = "json::text", skip_serializing_if = "is_default")]
    pub config_json: Bytes,
    /// The collections that are materialized.
    #[prost(message, repeated, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub bindings: Vec<Binding>,
    /// Bindings that are switched off or gone. Newer runtimes only.
    #[prost(message, repeated, tag = "9")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub inactive_bindings: Vec<Binding>,
    /// Triggers of the task, which may hold credentials. Newer runtimes only.
    #[prost(bytes = "bytes", tag = "10")]
    #[serde(rename = "triggers", with = "json::text", skip_serializing_if = "is_default")]
    pub triggers_json: Bytes,
    /// The day of the first build as `YYYY-MM-DD`; empty in that build itself. Newer runtimes only.
    #[prost(string, tag = "11")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub created_at: String,
}

impl fmt::Debug for MaterializationSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaterializationSpec")
            .field("name", &self.name)
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

/// A collection that is materialized.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// The resource configuration.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(rename = "resourceConfig", with = "json::text", skip_serializing_if = "is_default")]
    pub resource_config_json: Bytes,
    /// What the binding writes to, as Validated said.
    #[prost(string, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub resource_path: Vec<String>,
    /// The collection.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionSpec>,
    /// The fields that Stores carry.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_selection: Option<FieldSelection>,
    /// Whether documents are neither loaded nor reduced with what was stored.
    #[prost(bool, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub delta_updates: bool,
    /// The shuffle of older runtimes.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated_shuffle: Option<DeprecatedShuffle>,
    /// The suffix under which the binding's journal reads are checkpointed.
    #[prost(string, tag = "8")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub journal_read_suffix: String,
    /// Counts the backfills of the binding. Newer runtimes only.
    #[prost(uint32, tag = "12")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub backfill: u32,
    /// Identifies the binding in the connector's state. Newer runtimes only.
    #[prost(string, tag = "13")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub state_key: String,
    /// How the runtime shortens documents. Newer runtimes only.
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ser_policy: Option<SerPolicy>,
}

/// The shuffle of older runtimes.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeprecatedShuffle {
    /// The group of the shuffle.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub group_name: String,
}

/// A collection.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectionSpec {
    /// The collection's name.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub name: String,
    /// JSON pointers of the key.
    #[prost(string, repeated, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub key: Vec<String>,
    /// The JSON pointer of a document's UUID.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub uuid_ptr: String,
    /// Fields that the collection is partitioned by.
    #[prost(string, repeated, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub partition_fields: Vec<String>,
    /// The collection's fields, ascending.
    #[prost(message, repeated, tag = "6")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub projections: Vec<Projection>,
    /// The document that acknowledges a transaction of the collection.
    #[prost(bytes = "bytes", tag = "7")]
    #[serde(rename = "ackTemplate", with = "json::text", skip_serializing_if = "is_default")]
    pub ack_template_json: Bytes,
    /// The JSON schema of documents that are written, and of those that are read where
    /// `read_schema_json` is empty.
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(rename = "writeSchema", with = "json::text", skip_serializing_if = "is_default")]
    pub write_schema_json: Bytes,
    /// The JSON schema of documents that are read.
    #[prost(bytes = "bytes", tag = "11")]
    #[serde(rename = "readSchema", with = "json::text", skip_serializing_if = "is_default")]
    pub read_schema_json: Bytes,
}

/// The fields that Stores carry.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldSelection {
    /// The key fields, in the order of the key tuple.
    #[prost(string, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub keys: Vec<String>,
    /// The value fields, in the order of the values tuple.
    #[prost(string, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub values: Vec<String>,
    /// The field of the root document; empty when it is not selected.
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub document: String,
    /// Configurations of fields, as JSON texts by field.
    #[prost(btree_map = "string, bytes", tag = "4")]
    #[serde(rename = "fieldConfig", with = "json::text_map", skip_serializing_if = "is_default")]
    pub field_config_json_map: BTreeMap<String, Vec<u8>>,
}

/// A field of a collection.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Projection {
    /// Where the field is in a document.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub ptr: String,
    /// The field's name.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub field: String,
    /// Whether the user asked for the field.
    #[prost(bool, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub explicit: bool,
    /// Whether the collection is partitioned by the field.
    #[prost(bool, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub is_partition_key: bool,
    /// Whether the location is part of the collection's key.
    #[prost(bool, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub is_primary_key: bool,
    /// What the collection's schema says of the location.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
}

/// What a collection's schema says of a location.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inference {
    /// JSON Schema's names of the types that the location may have.
    #[prost(string, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub types: Vec<String>,
    /// What is known of strings.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub string: Option<InferenceString>,
    /// The title.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub title: String,
    /// The description.
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub description: String,
    /// The default.
    #[prost(bytes = "bytes", tag = "6")]
    #[serde(rename = "default", with = "json::text", skip_serializing_if = "is_default")]
    pub default_json: Bytes,
    /// Whether the location is a secret.
    #[prost(bool, tag = "7")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub secret: bool,
    /// Whether the location must, may or cannot exist.
    #[prost(enumeration = "Exists", tag = "8")]
    #[serde(with = "Name::<Exists>", skip_serializing_if = "is_default")]
    pub exists: i32,
    /// What is known of numbers. Newer runtimes only.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numeric: Option<InferenceNumeric>,
    /// What is known of arrays. Newer runtimes only.
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<InferenceArray>,
    /// The values that the location may have, as JSON texts. Newer runtimes only.
    #[prost(bytes = "bytes", repeated, tag = "11")]
    #[serde(rename = "enum", with = "json::texts", skip_serializing_if = "is_default")]
    pub enum_json_vec: Vec<Bytes>,
    /// How values are reduced. Newer runtimes only.
    #[prost(enumeration = "Reduce", tag = "12")]
    #[serde(with = "Name::<Reduce>", skip_serializing_if = "is_default")]
    pub reduce: i32,
    /// How values are redacted. Newer runtimes only.
    #[prost(enumeration = "Redact", tag = "13")]
    #[serde(with = "Name::<Redact>", skip_serializing_if = "is_default")]
    pub redact: i32,
    /// The media type of strings. Newer runtimes only.
    #[prost(string, tag = "14")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub content_media_type: String,
}

/// What a schema says of a location's strings.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceString {
    /// The content type.
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub content_type: String,
    /// The format.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub format: String,
    /// The greatest length in characters; 0 means none is known.
    #[prost(uint32, tag = "6")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub max_length: u32,
    /// The content encoding.
    #[prost(string, tag = "7")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub content_encoding: String,
    /// The lower bound of a text that is a number. Newer runtimes only.
    #[prost(string, tag = "8")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub str_minimum: String,
    /// The upper bound of a text that is a number. Newer runtimes only.
    #[prost(string, tag = "9")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub str_maximum: String,
}

/// What a schema says of a location's numbers.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceNumeric {
    /// Whether there is a lower bound.
    #[prost(bool, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub has_minimum: bool,
    /// The lower bound.
    #[prost(double, tag = "2")]
    #[serde(with = "json::double", skip_serializing_if = "is_default")]
    pub minimum: f64,
    /// Whether there is an upper bound.
    #[prost(bool, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub has_maximum: bool,
    /// The upper bound.
    #[prost(double, tag = "4")]
    #[serde(with = "json::double", skip_serializing_if = "is_default")]
    pub maximum: f64,
}

/// What a schema says of a location's arrays.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InferenceArray {
    /// The least number of items.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub min_items: u32,
    /// Whether there is a greatest number of items.
    #[prost(bool, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub has_max_items: bool,
    /// The greatest number of items.
    #[prost(uint32, tag = "3")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub max_items: u32,
    /// JSON Schema's names of the types that items may have.
    #[prost(string, repeated, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub item_types: Vec<String>,
}

/// How the runtime shortens documents. 0 means no limit.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SerPolicy {
    /// The greatest length of a string in bytes.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub str_truncate_after: u32,
    /// The greatest number of properties of a nested object.
    #[prost(uint32, tag = "2")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub nested_obj_truncate_after: u32,
    /// The greatest number of items of an array.
    #[prost(uint32, tag = "3")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub array_truncate_after: u32,
}

/// The part of the key space that a process serves; all bounds are inclusive.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RangeSpec {
    /// The least hash of a key.
    #[prost(fixed32, tag = "2")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub key_begin: u32,
    /// The greatest hash of a key.
    #[prost(fixed32, tag = "3")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub key_end: u32,
    /// The least rotated clock.
    #[prost(fixed32, tag = "4")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub r_clock_begin: u32,
    /// The greatest rotated clock.
    #[prost(fixed32, tag = "5")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub r_clock_end: u32,
}

/// How far the runtime has read. Everyone but who records it carries it as it comes.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Checkpoint {
    /// Journals that are read, by name.
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub sources: BTreeMap<String, CheckpointSource>,
    /// Acknowledgements that are to be written, by journal.
    #[prost(btree_map = "string, bytes", tag = "2")]
    #[serde(with = "json::base64_map", skip_serializing_if = "is_default")]
    pub ack_intents: BTreeMap<String, Vec<u8>>,
}

/// How far a journal was read.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CheckpointSource {
    /// Offset up to which the journal was read.
    #[prost(int64, tag = "1")]
    #[serde(with = "json::long", skip_serializing_if = "is_default")]
    pub read_through: i64,
    /// Those who write to the journal.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub producers: Vec<CheckpointProducer>,
}

/// Who writes to a journal.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CheckpointProducer {
    /// Its six bytes.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "json::base64", skip_serializing_if = "is_default")]
    pub id: Bytes,
    /// How far it was read.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<CheckpointProducerState>,
}

/// How far a writer was read.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CheckpointProducerState {
    /// Clock of its last acknowledgement.
    #[prost(fixed64, tag = "1")]
    #[serde(with = "json::long", skip_serializing_if = "is_default")]
    pub last_ack: u64,
    /// Offset of its first message since.
    #[prost(int64, tag = "2")]
    #[serde(with = "json::long", skip_serializing_if = "is_default")]
    pub begin: i64,
}

/// A point in time: `google.protobuf.Timestamp`, in JSON an RFC 3339 text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after `seconds`, 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// How a connector is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ConnectorType {
    /// Not said.
    Invalid = 0,
    /// As a container.
    Image = 8,
    /// As a local command.
    Local = 9,
    /// As a service that readers connect to.
    Dekaf = 10,
}

impl Named for ConnectorType {
    const NAMES: &'static [(&'static str, i32)] =
        &[("INVALID", 0), ("IMAGE", 8), ("LOCAL", 9), ("DEKAF", 10)];
}

/// Whether a location exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Exists {
    /// Not said.
    Invalid = 0,
    /// Always.
    Must = 1,
    /// Sometimes; the schema names it.
    May = 2,
    /// Sometimes; the schema does not name it, but permits it.
    Implicit = 3,
    /// Never.
    Cannot = 4,
}

impl Named for Exists {
    const NAMES: &'static [(&'static str, i32)] =
        &[("INVALID", 0), ("MUST", 1), ("MAY", 2), ("IMPLICIT", 3), ("CANNOT", 4)];
}

/// How the values of a location are reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Reduce {
    /// Not said.
    Unset = 0,
    /// In more than one way.
    Multiple = 1,
    /// Arrays are appended.
    Append = 2,
    /// The first value stays.
    FirstWriteWins = 3,
    /// The last value stays.
    LastWriteWins = 4,
    /// The greatest value stays.
    Maximize = 5,
    /// Objects and arrays are merged.
    Merge = 6,
    /// The least value stays.
    Minimize = 7,
    /// Sets are united, intersected or subtracted.
    Set = 8,
    /// Numbers are added.
    Sum = 9,
    /// Values are JSON schemas, which are united.
    JsonSchemaMerge = 10,
}

impl Named for Reduce {
    const NAMES: &'static [(&'static str, i32)] = &[
        ("REDUCE_UNSET", 0),
        ("REDUCE_MULTIPLE", 1),
        ("REDUCE_APPEND", 2),
        ("REDUCE_FIRST_WRITE_WINS", 3),
        ("REDUCE_LAST_WRITE_WINS", 4),
        ("REDUCE_MAXIMIZE", 5),
        ("REDUCE_MERGE", 6),
        ("REDUCE_MINIMIZE", 7),
        ("REDUCE_SET", 8),
        ("REDUCE_SUM", 9),
        ("REDUCE_JSON_SCHEMA_MERGE", 10),
    ];
}

/// How the values of a location are redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Redact {
    /// Not said.
    Unset = 0,
    /// In more than one way.
    Multiple = 1,
    /// The value is removed.
    Block = 2,
    /// The value is replaced by its hash.
    Sha256 = 3,
}

impl Named for Redact {
    const NAMES: &'static [(&'static str, i32)] =
        &[("REDACT_UNSET", 0), ("REDACT_MULTIPLE", 1), ("REDACT_BLOCK", 2), ("REDACT_SHA256", 3)];
}
