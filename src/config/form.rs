//! The JSON schemas that Spec returns, from which a web form is drawn.
//!
//! `order` is the order of the fields on the form, `secret` marks what is stored encrypted and
//! `nonsensitive` what may be shown. The schemas are for people: what is really accepted is decided by
//! the parsing beside them, which also takes configurations without credentials.

use serde_json::{Value, json};

pub(super) fn endpoint() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Kafka endpoint",
        "description": "How to reach the Kafka cluster, and how messages are written.",
        "type": "object",
        "required": ["bootstrap_servers", "credentials"],
        "properties": {
            "bootstrap_servers": {
                "title": "Bootstrap servers",
                "description": "Addresses of brokers to begin with, as host:port, separated by commas.",
                "type": "string",
                "order": 0,
                "nonsensitive": true
            },
            "credentials": credentials(),
            "tls": {
                "title": "TLS",
                "description": "Encrypt connections, and check the brokers' certificates by the authorities that the system trusts. Without it connections are plain text.",
                "type": "string",
                "enum": ["system_certificates"],
                "order": 2,
                "nonsensitive": true
            },
            "message_format": {
                "title": "Message format",
                "description": "How keys and values are written. Avro needs a schema registry.",
                "type": "string",
                "enum": ["Avro", "JSON"],
                "order": 3,
                "nonsensitive": true
            },
            "compression": {
                "title": "Compression",
                "description": "How batches of messages are compressed.",
                "type": "string",
                "enum": ["none", "gzip", "lz4", "snappy", "zstd"],
                "default": "lz4",
                "order": 4,
                "nonsensitive": true
            },
            "schema_registry": schema_registry(),
            "topic_partitions": {
                "title": "Topic partitions",
                "description": "Number of partitions of the topics that are created. Topics that exist are left as they are.",
                "type": "integer",
                "minimum": 1,
                "default": super::DEFAULT_PARTITIONS,
                "order": 6,
                "nonsensitive": true
            },
            "topic_replication_factor": {
                "title": "Topic replication factor",
                "description": "Number of replicas of the topics that are created, or -1 for the brokers' default.",
                "type": "integer",
                "minimum": -1,
                "default": super::DEFAULT_REPLICATION_FACTOR,
                "order": 7,
                "nonsensitive": true
            },
            "advanced": advanced()
        }
    })
}

pub(super) fn resource() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Kafka resource",
        "description": "Where the documents of a collection go.",
        "type": "object",
        "required": ["topic"],
        "properties": {
            "topic": {
                "title": "Topic",
                "description": "Topic that the collection's documents are published to. It is created if it does not exist.",
                "type": "string",
                "order": 0,
                "nonsensitive": true,
                "x-collection-name": true
            }
        }
    })
}

fn credentials() -> Value {
    json!({
        "title": "Credentials",
        "description": "How to log in to the brokers.",
        "type": "object",
        "order": 1,
        "discriminator": { "propertyName": "auth_type" },
        "oneOf": [{
            "title": "SASL user and password",
            "description": "A user name and a password that the brokers know.",
            "type": "object",
            "required": ["auth_type", "mechanism", "username", "password"],
            "properties": {
                "auth_type": {
                    "title": "Kind of login",
                    "description": "Says that the login is a user name and a password.",
                    "type": "string",
                    "const": "user_password",
                    "default": "user_password",
                    "order": 0,
                    "nonsensitive": true
                },
                "mechanism": {
                    "title": "SASL mechanism",
                    "description": "How the password is proved to the brokers. PLAIN sends the password itself: use it with TLS.",
                    "type": "string",
                    "enum": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
                    "default": "PLAIN",
                    "order": 1,
                    "nonsensitive": true
                },
                "username": {
                    "title": "User name",
                    "description": "Name of the SASL user.",
                    "type": "string",
                    "order": 2,
                    "nonsensitive": true
                },
                "password": {
                    "title": "Password",
                    "description": "Password of the SASL user.",
                    "type": "string",
                    "order": 3,
                    "secret": true
                }
            }
        }]
    })
}

fn schema_registry() -> Value {
    json!({
        "title": "Schema registry",
        "description": "Where Avro schemas are registered; needed for Avro only.",
        "type": "object",
        "order": 5,
        "required": ["endpoint"],
        "properties": {
            "endpoint": {
                "title": "Endpoint",
                "description": "Base address of a Confluent-compatible registry, such as https://registry.example.com; a path in it is kept.",
                "type": "string",
                "order": 0,
                "nonsensitive": true
            },
            "username": {
                "title": "User name",
                "description": "User name for basic authentication; for hosted registries often an API key.",
                "type": "string",
                "order": 1,
                "nonsensitive": true
            },
            "password": {
                "title": "Password",
                "description": "Password for basic authentication; for hosted registries often an API secret.",
                "type": "string",
                "order": 2,
                "secret": true
            }
        }
    })
}

fn advanced() -> Value {
    let default = super::Advanced::default();
    json!({
        "title": "Advanced",
        "description": "Settings that rarely need a change.",
        "type": "object",
        "order": 8,
        "advanced": true,
        "properties": {
            "stall_timeout": {
                "title": "Stall time-out",
                "description": "The task fails when brokers acknowledge nothing for so long while messages are due, such as 90s or 2m.",
                "type": "string",
                "default": "2m",
                "order": 0,
                "nonsensitive": true
            },
            "in_flight_bytes": {
                "title": "Bytes in flight",
                "description": "Bytes of messages that may wait for acknowledgement. More needs more memory.",
                "type": "integer",
                "minimum": super::IN_FLIGHT_BYTES.0,
                "maximum": super::IN_FLIGHT_BYTES.1,
                "default": default.in_flight_bytes,
                "order": 1,
                "nonsensitive": true
            },
            "in_flight_messages": {
                "title": "Messages in flight",
                "description": "Messages that may wait for acknowledgement. More needs more memory.",
                "type": "integer",
                "minimum": super::IN_FLIGHT_MESSAGES.0,
                "maximum": super::IN_FLIGHT_MESSAGES.1,
                "default": default.in_flight_messages,
                "order": 2,
                "nonsensitive": true
            },
            "producers": {
                "title": "Producers",
                "description": "Instances of the Kafka client, among which the partitions are shared out. More than one compress in parallel, for machines with cores to spare.",
                "type": "integer",
                "minimum": super::PRODUCERS.0,
                "maximum": super::PRODUCERS.1,
                "default": default.producers,
                "order": 3,
                "nonsensitive": true
            },
            "delivery": {
                "title": "Delivery",
                "description": "With exactly_once each transaction is one of Kafka's, so that consumers that read committed messages only (isolation.level=read_committed) see no document twice.",
                "type": "string",
                "enum": ["at_least_once", "exactly_once"],
                "default": "at_least_once",
                "order": 4,
                "nonsensitive": true
            },
            "progress_topic": {
                "title": "Progress topic",
                "description": "Topic in which transactions are recorded, for exactly_once only. It is created if it does not exist: compacted, one partition. Tasks may share it.",
                "type": "string",
                "default": default.progress_topic.as_str(),
                "order": 5,
                "nonsensitive": true
            },
            "transaction_timeout": {
                "title": "Transaction time-out",
                "description": "How long a transaction may be open before the brokers give it up, for exactly_once only. No more than transaction.max.timeout.ms of the brokers.",
                "type": "string",
                "default": "15m",
                "order": 6,
                "nonsensitive": true
            }
        }
    })
}
