//! The messages of a [`Request`](super::Request).

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::flow::{CollectionSpec, ConnectorType, MaterializationSpec, RangeSpec, Timestamp};
use super::json::{self, Name, is_default, or_default};

/// Asks what the connector is. Comes first in every process, with an empty configuration.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// How the connector is run.
    #[prost(enumeration = "ConnectorType", tag = "1")]
    #[serde(with = "Name::<ConnectorType>", skip_serializing_if = "is_default")]
    pub connector_type: i32,
    /// The endpoint configuration, `{}` at first.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "config", with = "json::text", skip_serializing_if = "is_default")]
    pub config_json: Bytes,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("connector_type", &self.connector_type()).finish_non_exhaustive()
    }
}

/// Asks whether and how collections can be materialized.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Validate {
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
    /// The collections and where they are to go.
    #[prost(message, repeated, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub bindings: Vec<ValidateBinding>,
    /// The specification that was applied last, if any was.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_materialization: Option<MaterializationSpec>,
    /// The version of `last_materialization`.
    #[prost(string, tag = "6")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub last_version: String,
}

impl fmt::Debug for Validate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validate")
            .field("name", &self.name)
            .field("bindings", &self.bindings)
            .field("last_materialization", &self.last_materialization)
            .field("last_version", &self.last_version)
            .finish_non_exhaustive()
    }
}

/// A collection that is to be materialized.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidateBinding {
    /// The resource configuration.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(rename = "resourceConfig", with = "json::text", skip_serializing_if = "is_default")]
    pub resource_config_json: Bytes,
    /// The collection.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionSpec>,
    /// Configurations of fields, as JSON texts by field.
    #[prost(btree_map = "string, bytes", tag = "3")]
    #[serde(rename = "fieldConfig", with = "json::text_map", skip_serializing_if = "is_default")]
    pub field_config_json_map: BTreeMap<String, Vec<u8>>,
    /// Counts the backfills of the binding.
    #[prost(uint32, tag = "4")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub backfill: u32,
    /// The fields that the user groups by; the keys of the field selection later.
    #[prost(string, repeated, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub group_by: Vec<String>,
}

/// Asks to make what the materialization needs.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Apply {
    /// The specification to be applied.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialization: Option<MaterializationSpec>,
    /// The version of `materialization`.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub version: String,
    /// The specification that was applied last, if any was.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_materialization: Option<MaterializationSpec>,
    /// The version of `last_materialization`.
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub last_version: String,
    /// The connector's state.
    #[prost(bytes = "bytes", tag = "6")]
    #[serde(rename = "state", with = "json::text", skip_serializing_if = "is_default")]
    pub state_json: Bytes,
}

/// Begins a session.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[prost(skip_debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Open {
    /// The specification to be run.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub materialization: Option<MaterializationSpec>,
    /// The version of `materialization`.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub version: String,
    /// The part of the key space that this process serves.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<RangeSpec>,
    /// The connector's state.
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(rename = "state", with = "json::text", skip_serializing_if = "is_default")]
    pub state_json: Bytes,
    /// The encrypted endpoint configuration, with its `sops` stanza. Newer runtimes only.
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(rename = "sealedConfig", with = "json::text", skip_serializing_if = "is_default")]
    pub sealed_config_json: Bytes,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("materialization", &self.materialization)
            .field("version", &self.version)
            .field("range", &self.range)
            .field("state_json", &self.state_json)
            .finish_non_exhaustive()
    }
}

/// Asks for the document of a key. Never sent for delta-updates bindings.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Load {
    /// The index of the binding.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub binding: u32,
    /// The key as a JSON array.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "key", with = "json::text", skip_serializing_if = "is_default")]
    pub key_json: Bytes,
    /// The key as a packed tuple.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "json::base64", skip_serializing_if = "is_default")]
    pub key_packed: Bytes,
}

/// Ends the Loads of a transaction.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Flush {
    /// The state patches of the previous Acknowledged, of all shards: a JSON array. Newer runtimes only.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(rename = "statePatches", with = "json::text", skip_serializing_if = "is_default")]
    pub state_patches_json: Bytes,
    /// Bindings whose backfills begin. Newer runtimes only.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub backfill_begins: Vec<Backfill>,
    /// Bindings whose backfills are complete. Newer runtimes only.
    #[prost(message, repeated, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub backfill_completes: Vec<Backfill>,
}

/// A notice that the backfill of a binding begins or is complete: BackfillBegin and BackfillComplete.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backfill {
    /// The index of the binding.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub binding: u32,
    /// Documents published earlier are superseded.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
}

/// A document to be stored, as the runtime's side writes it. Reading one gives a borrowed
/// [`protocol::Store`](crate::protocol::Store) instead.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Store {
    /// The index of the binding.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub binding: u32,
    /// The key fields as a JSON array.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "key", with = "json::text", skip_serializing_if = "is_default")]
    pub key_json: Bytes,
    /// The key fields as a packed tuple.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "json::base64", skip_serializing_if = "is_default")]
    pub key_packed: Bytes,
    /// The value fields as a JSON array.
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(rename = "values", with = "json::text", skip_serializing_if = "is_default")]
    pub values_json: Bytes,
    /// The value fields as a packed tuple.
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(with = "json::base64", skip_serializing_if = "is_default")]
    pub values_packed: Bytes,
    /// The root document.
    #[prost(bytes = "bytes", tag = "6")]
    #[serde(rename = "doc", with = "json::text", skip_serializing_if = "is_default")]
    pub doc_json: Bytes,
    /// Whether a document of this key was loaded.
    #[prost(bool, tag = "7")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub exists: bool,
    /// Whether the document deletes its key.
    #[prost(bool, tag = "8")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub delete: bool,
}

/// Ends the Stores of a transaction.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartCommit {
    /// The runtime's checkpoint, opaque: an encoded protobuf message in the protobuf codec, the text
    /// of a JSON object in the JSON codec.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "json::text", skip_serializing_if = "is_default")]
    pub runtime_checkpoint: Bytes,
    /// The state patches of Flushed, of all shards: a JSON array. Newer runtimes only.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "statePatches", with = "json::text", skip_serializing_if = "is_default")]
    pub state_patches_json: Bytes,
}

/// The runtime's own commit is done.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Acknowledge {
    /// The state patches of StartedCommit, of all shards: a JSON array. Newer runtimes only.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(rename = "statePatches", with = "json::text", skip_serializing_if = "is_default")]
    pub state_patches_json: Bytes,
}
