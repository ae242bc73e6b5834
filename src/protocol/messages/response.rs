//! The messages of a [`Response`](super::Response).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::flow::SerPolicy;
use super::json::{self, Name, Named, is_default, or_default};

/// What the connector is.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The protocol's version, always [`PROTOCOL`].
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub protocol: u32,
    /// The JSON schema of the endpoint configuration.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "configSchema", with = "json::text", skip_serializing_if = "is_default")]
    pub config_schema_json: Bytes,
    /// The JSON schema of a resource configuration.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(rename = "resourceConfigSchema", with = "json::text", skip_serializing_if = "is_default")]
    pub resource_config_schema_json: Bytes,
    /// Where the connector is explained.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub documentation_url: String,
}

/// The version of the materialize protocol.
pub const PROTOCOL: u32 = 3032023;

/// How collections can be materialized.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Validated {
    /// One for each binding of the request, in its order.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub bindings: Vec<ValidatedBinding>,
}

/// How one collection can be materialized.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidatedBinding {
    /// Constraints by field, for runtimes that do not know `projection_constraints`.
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub constraints: BTreeMap<String, Constraint>,
    /// What the binding writes to.
    #[prost(string, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub resource_path: Vec<String>,
    /// Whether documents are neither loaded nor reduced with what was stored.
    #[prost(bool, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub delta_updates: bool,
    /// How the runtime shortens documents.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ser_policy: Option<SerPolicy>,
    /// Whether fields that differ in case alone collide. Newer runtimes only.
    #[prost(bool, tag = "5")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub case_insensitive_fields: bool,
    /// Constraints in order; when there are any they alone count. Newer runtimes only.
    #[prost(message, repeated, tag = "6")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub projection_constraints: Vec<ProjectionConstraint>,
}

/// A constraint and its field.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectionConstraint {
    /// The field.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub field: String,
    /// What holds for it.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
}

/// What holds for a field.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Constraint {
    /// Whether the field must, should, may or must not be selected.
    #[prost(enumeration = "ConstraintType", tag = "2")]
    #[serde(with = "Name::<ConstraintType>", skip_serializing_if = "is_default")]
    pub r#type: i32,
    /// Why, in a short sentence.
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub reason: String,
    /// The name that the endpoint gives the field, where it differs.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub folded_field: String,
}

/// Whether a field must, should, may or must not be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ConstraintType {
    /// No constraint.
    Invalid = 0,
    /// The field is required.
    FieldRequired = 1,
    /// Some field of the location is required.
    LocationRequired = 2,
    /// Some field of the location is recommended.
    LocationRecommended = 3,
    /// The field may be selected.
    FieldOptional = 4,
    /// The field must not be selected.
    FieldForbidden = 5,
    /// The field does not fit what is stored already.
    Incompatible = 6,
    /// An older spelling of `Incompatible`.
    Unsatisfiable = 7,
}

impl Named for ConstraintType {
    const NAMES: &'static [(&'static str, i32)] = &[
        ("INVALID", 0),
        ("FIELD_REQUIRED", 1),
        ("LOCATION_REQUIRED", 2),
        ("LOCATION_RECOMMENDED", 3),
        ("FIELD_OPTIONAL", 4),
        ("FIELD_FORBIDDEN", 5),
        ("INCOMPATIBLE", 6),
        ("UNSATISFIABLE", 7),
    ];
}

/// What Apply did.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Applied {
    /// For people; empty when nothing was done.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub action_description: String,
    /// The connector's new state.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectorState>,
}

/// The session is open.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Opened {
    /// The checkpoint to go on from, opaque like that of StartCommit; empty means the runtime's own.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "json::text", skip_serializing_if = "is_default")]
    pub runtime_checkpoint: Bytes,
    /// Whether Loads of keys beyond the greatest one stored are wanted.
    #[prost(bool, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub disable_load_optimization: bool,
}

/// A document that was found.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Loaded {
    /// The index of the binding.
    #[prost(uint32, tag = "1")]
    #[serde(with = "json::integer", skip_serializing_if = "is_default")]
    pub binding: u32,
    /// The document.
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(rename = "doc", with = "json::text", skip_serializing_if = "is_default")]
    pub doc_json: Bytes,
}

/// All documents that were found have been sent.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Flushed {
    /// The connector's new state, durable before the next request.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectorState>,
}

/// Every document of the transaction is durable.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StartedCommit {
    /// The connector's new state, committed with the runtime's checkpoint.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectorState>,
}

/// Acknowledge has been seen.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Acknowledged {
    /// The connector's new state, which may be lost.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectorState>,
}

/// A change of the connector's state.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectorState {
    /// The new state, or what changes of it.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(rename = "updated", with = "json::text", skip_serializing_if = "is_default")]
    pub updated_json: Bytes,
    /// Whether `updated_json` is a merge patch (RFC 7396).
    #[prost(bool, tag = "2")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_default")]
    pub merge_patch: bool,
}
