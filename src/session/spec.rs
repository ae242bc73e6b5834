//! Spec: what a connector of this kind is configured with.

use bytes::Bytes;

use crate::config::{EndpointConfig, Resource};
use crate::protocol::messages::response::{self, PROTOCOL};

/// The answer to Spec; the same whatever configuration the request carries.
pub(super) fn spec() -> response::Spec {
    response::Spec {
        protocol: PROTOCOL,
        config_schema_json: Bytes::from(EndpointConfig::schema().to_string()),
        resource_config_schema_json: Bytes::from(Resource::schema().to_string()),
        documentation_url: DOCUMENTATION.to_owned(),
    }
}

const DOCUMENTATION: &str = "https://go.estuary.dev/materialize-kafka";
