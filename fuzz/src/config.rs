//! Any bytes as a configuration: no error tells a password, and what is accepted keeps the rules of
//! `configuration.md` and can be handed to the clients that are made of it.
//!
//! The input is the text. In a text that parses, every password is replaced by one that is known, and
//! a text that is the same elsewhere with it.

use materialize_kafka::config::{EndpointConfig, MessageFormat, Resource};
use materialize_kafka::{kafka, registry};
use serde_json::Value;

use crate::Seeds;

/// Runs the target once.
pub fn run(data: &[u8]) {
    resource(data);
    endpoint(data);
    if let Ok(mut document) = serde_json::from_slice(data)
        && plant(&mut document)
    {
        endpoint(document.to_string().as_bytes());
    }
}

/// Puts a known secret where the configuration has passwords, and wherever else the same text is; whether there was
/// any.
fn plant(document: &mut Value) -> bool {
    let mut passwords = Vec::new();
    for pointer in SECRETS {
        if let Some(Value::String(password)) = document.pointer_mut(pointer) {
            passwords.push(std::mem::replace(password, SECRET.to_owned()));
        }
    }
    for password in passwords.iter().filter(|password| password.len() > 3) {
        replace(document, password);
    }
    !passwords.is_empty()
}

fn replace(value: &mut Value, password: &str) {
    match value {
        Value::String(text) => *text = text.replace(password, SECRET),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, password)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, password)),
        _ => {}
    }
}

/// No text of the connector's own has it.
const SECRET: &str = "Tr0ub4dor&3";

fn endpoint(json: &[u8]) {
    let config = match EndpointConfig::parse(json) {
        Ok(config) => config,
        Err(error) => {
            let planted = serde_json::from_slice(json).is_ok_and(|document: Value| has_secret(&document));
            if planted {
                let texts = [error.to_string(), format!("{error:?}")];
                assert!(!texts.iter().any(|text| text.contains(SECRET)), "{error}");
            }
            return;
        }
    };
    assert!(!config.bootstrap_servers.is_empty());
    assert!(config.bootstrap_servers.split(',').all(|broker| !broker.is_empty()), "{config:?}");
    assert!(config.topic_partitions >= 1, "{config:?}");
    assert!(config.topic_replication_factor >= 1 || config.topic_replication_factor == -1, "{config:?}");
    assert!(!config.advanced.stall_timeout.is_zero(), "{config:?}");
    assert!(
        config.advanced.in_flight_messages >= 1 && config.advanced.in_flight_bytes >= 1 << 16,
        "{config:?}"
    );
    assert!(config.message_format == MessageFormat::Json || config.schema_registry.is_some(), "{config:?}");
    assert_eq!(EndpointConfig::parse(json).as_ref(), Ok(&config));

    let settings = kafka::client_settings(&config);
    assert_eq!(settings.get("bootstrap.servers"), Some(config.bootstrap_servers.as_str()));
    assert_eq!(settings.get("security.protocol"), Some(config.security_protocol()));
    if let Some(registry) = &config.schema_registry {
        assert!(!registry.endpoint.is_empty());
        for endpoint in &registry.endpoint {
            assert!(matches!(endpoint.scheme(), "http" | "https"), "{registry:?}");
            assert!(endpoint.username().is_empty() && endpoint.password().is_none());
        }
        // Expensive, so of the few that have a login only.
        if registry.password.is_some() {
            let _client = registry::Client::new(registry);
        }
    }
}

/// Whether the known secret is a password of the configuration.
fn has_secret(document: &Value) -> bool {
    SECRETS.iter().any(|pointer| document.pointer(pointer).and_then(Value::as_str) == Some(SECRET))
}

fn resource(json: &[u8]) {
    match Resource::parse(json) {
        Ok(resource) => {
            let name = resource.topic.as_str();
            let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(
                (1..=249).contains(&name.len()) && name.chars().all(is_legal) && !matches!(name, "." | "..")
            );
        }
        Err(error) => assert!(error.to_string().len() < 4096, "{error}"),
    }
}

/// What fuzzing begins with.
pub fn seeds() -> Seeds {
    let full = br#"{
  "bootstrap_servers": "a.example.com:9092, [::1]:9092,b",
  "credentials": {"auth_type": "user_password", "mechanism": "SCRAM-SHA-256", "username": "flow", "password": "hunter22"},
  "tls": "system_certificates",
  "message_format": "Avro",
  "compression": "zstd",
  "schema_registry": {"endpoint": "https://registry.example.com/apis/ccompat/v7", "username": "flow", "password": "hunter23"},
  "topic_partitions": 6,
  "topic_replication_factor": -1,
  "advanced": {"stall_timeout": "2m", "in_flight_bytes": 67108864, "in_flight_messages": 1e5}
}"#;
    let pasted = br#"{"bootstrap_servers":"hunter22:hunter22","message_format":"hunter22","compression":"hunter22","credentials":{"auth_type":"user_password","mechanism":"PLAIN","username":"hunter22","password":"hunter22"},"schema_registry":{"endpoint":"http://hunter22/","password":"hunter22"}}"#;
    vec![
        ("full", full.to_vec()),
        ("pasted", pasted.to_vec()),
        ("small", br#"{"bootstrap_servers":"localhost","message_format":"JSON","credentials":null}"#.to_vec()),
        ("login_in_address", br#"{"bootstrap_servers":"localhost","message_format":"Avro","schema_registry":{"endpoint":"http://flow:hunter22@host","password":"hunter22"}}"#.to_vec()),
        ("oauth", br#"{"bootstrap_servers":"a:9093","tls":"system_certificates","message_format":"JSON","credentials":{"auth_type":"oauth_client_credentials","token_endpoint":"https://host/token","client_id":"flow","client_secret":"hunter22","scope":"a b","extensions":{"logicalCluster":"lkc-1"}}}"#.to_vec()),
        ("oauth_pasted", br#"{"bootstrap_servers":"hunter22","credentials":{"auth_type":"oauth_client_credentials","token_endpoint":"http://hunter22:hunter22@hunter22","client_id":"hunter22","client_secret":"hunter22","extensions":{"hunter22":"hunter22","auth":""}}}"#.to_vec()),
        ("aws", br#"{"bootstrap_servers":"b-1.example.com:9098","tls":"system_certificates","message_format":"JSON","credentials":{"auth_type":"aws_msk_iam","region":"eu-central-1","access_key_id":"AKIA","secret_access_key":"hunter22","session_token":"hunter23"}}"#.to_vec()),
        ("certificates", br#"{"bootstrap_servers":"a:9093","tls":"system_certificates","tls_certificates":{"ca_certificate":"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----","client_certificate":"hunter22","client_key":"-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----","client_key_password":"hunter22"},"message_format":"JSON","advanced":{"client_properties":{"socket.keepalive.enable":"true","hunter22":"hunter22"},"topic_prefix":"hunter22."}}"#.to_vec()),
        ("resource", br#"{"topic":"orders.v1-a_b"}"#.to_vec()),
        ("no_topic", br#"{"topic":".."}"#.to_vec()),
    ]
}

/// Where the forms have secrets.
const SECRETS: [&str; 9] = [
    "/credentials/password",
    "/credentials/client_secret",
    "/credentials/secret_access_key",
    "/credentials/session_token",
    "/schema_registry/password",
    "/schema_registry/bearer_token",
    "/schema_registry/client_key",
    "/tls_certificates/client_key",
    "/tls_certificates/client_key_password",
];
