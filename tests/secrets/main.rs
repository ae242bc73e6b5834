//! Passwords are told nowhere: every byte that the real binary writes to stderr and stdout, at level trace, is searched.
//!
//! Each table gives the binary a case and says which words of it are expected, so that it is known to have happened.
//! Passwords are unlike anything else and are found in all forms ([`secret`]).
//!
//! | what fails | where |
//! |---|---|
//! | the configuration, in each member; broken frames; requests that are refused | [`configuration`] |
//! | brokers, registries, sessions, signals | [`servers`] |
//! | previews, and those that do not fail | [`preview`] |
//! | logins, certificates and rights at a real Kafka | `tests/kafka`, all of whose endpoints are searched alike |
//!
//! librdkafka's own debug lines, which a user may ask for (`debug` among `advanced.client_properties`), are searched at
//! `debug=all` in `tests/kafka`, for each kind of login.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod configuration;
mod preview;
mod secret;
mod servers;

const TASK: &str = r#"
collections:
  acme/things:
    key: [/id]
    schema:
      type: object
      properties: {id: {type: integer}}
      required: [id]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
"#;
