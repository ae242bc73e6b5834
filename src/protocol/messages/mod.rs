//! The protocol's messages: one set of types for both codecs.
//!
//! The `prost` attributes carry the field numbers, which are the interface; the `serde` attributes
//! carry the names of the JSON codec. Every field may be absent, null counts as absent in JSON, and
//! unknown fields are skipped.
//!
//! A field whose name ends in `_json` holds the text of a JSON document, in either codec; empty
//! means absent. It is neither parsed nor checked when it is read. The JSON codec inlines it and
//! therefore refuses to write a text that is no JSON.
//!
//! Fields that nothing here asks for are left out, so they are skipped like unknown ones: shard,
//! recovery log and partition templates, partition selectors, network ports, derivations, OAuth2,
//! and of a binding `priority`, `not_before` and `not_after`.

pub mod flow;
mod json;
pub mod request;
pub mod response;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What the runtime sends. Exactly one of the fields is set, besides `internal`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// Asks what the connector is.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<request::Spec>,
    /// Asks whether and how collections can be materialized.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<request::Validate>,
    /// Asks to make what the materialization needs.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<request::Apply>,
    /// Begins a session.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<request::Open>,
    /// Asks for a document.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<request::Load>,
    /// Ends the Loads of a transaction.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush: Option<request::Flush>,
    /// A document to be stored.
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<request::Store>,
    /// Ends the Stores of a transaction.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_commit: Option<request::StartCommit>,
    /// The runtime's own commit is done.
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<request::Acknowledge>,
    /// The runtime's own; not carried by the JSON codec.
    #[prost(bytes = "bytes", tag = "100")]
    #[serde(skip)]
    pub internal: Bytes,
}

/// What a connector answers. Exactly one of the fields is set.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Response {
    /// Answers Spec.
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<response::Spec>,
    /// Answers Validate.
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validated: Option<response::Validated>,
    /// Answers Apply.
    #[prost(message, optional, tag = "3")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<response::Applied>,
    /// Answers Open.
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<response::Opened>,
    /// Answers a Load whose document was found.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<response::Loaded>,
    /// Answers Flush.
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flushed: Option<response::Flushed>,
    /// Answers StartCommit: every document of the transaction is durable.
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_commit: Option<response::StartedCommit>,
    /// Answers Acknowledge.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<response::Acknowledged>,
    /// Never sent by a connector; not carried by the JSON codec.
    #[prost(bytes = "bytes", tag = "100")]
    #[serde(skip)]
    pub internal: Bytes,
}

/// Makes the frame of one message, and names the messages that are set in a frame.
macro_rules! one_of {
    ($frame:ident, $module:ident: $($name:literal $field:ident $message:ident),+) => {
        $(impl From<$module::$message> for $frame {
            fn from(message: $module::$message) -> Self {
                Self { $field: Some(message), ..Self::default() }
            }
        })+

        impl $frame {
            /// The JSON names of the messages that are set, in the order of their tags.
            pub fn names(&self) -> impl Iterator<Item = &'static str> {
                [$(self.$field.is_some().then_some($name)),+].into_iter().flatten()
            }
        }
    };
}

one_of!(Request, request: "spec" spec Spec, "validate" validate Validate, "apply" apply Apply,
    "open" open Open, "load" load Load, "flush" flush Flush, "store" store Store,
    "startCommit" start_commit StartCommit, "acknowledge" acknowledge Acknowledge);
one_of!(Response, response: "spec" spec Spec, "validated" validated Validated, "applied" applied Applied,
    "opened" opened Opened, "loaded" loaded Loaded, "flushed" flushed Flushed,
    "startedCommit" started_commit StartedCommit, "acknowledged" acknowledged Acknowledged);

#[cfg(test)]
mod tests;
