//! What a user configures: the endpoint (brokers, logins, format, registry) and each binding's resource.
//!
//! JSON becomes typed values here, once, and is checked here: what the other rooms receive cannot be
//! invalid. A configuration written for the original connector is read unchanged, so members that are
//! not known are ignored (but told, `unknown`) and null counts as absent. Every error names the place by its JSON pointer.
//! No value is repeated in an error unless it is of a place that holds no secret.
//!
//! # Adding an option
//!
//! An option is said once, in the list of its group (`options!`): name, type, title, how it is read, and a
//! doc comment, which is also its description on the form and in `docs/options.md`, so it is plain text for
//! users. There is a file for each group: `credentials`, `tls`, `registry`, `format`, `topics`, `advanced`.
//!
//! ```text
//! /// Whether new subjects are registered.
//! pub auto_register: bool = "Register schemas", flag().or(true);
//! ```
//!
//! 1. `kinds` has what options are read as: `text`, `filled`, `text().secret()`, `pem`, `text().parsed(..)`, `flag`,
//!    `size`, `duration`, `choice` (of an enum made by `choices!`), `list`, `map`, `group`. Alone they make an `Option`;
//!    `.or(default)` and `.required(remedy)` make the value itself. What is special is a `Setting::new(schema, read)`.
//!    The first to use a kind removes its `expect(dead_code)`.
//! 2. A contradiction between options is refused where they meet: `pub struct Group, checked by function`.
//! 3. New options in `advanced` go best into a group in a file of their own, which `advanced` takes in by
//!    `flat { pub headers: Headers; }`: its members stand among the others in JSON.
//! 4. An option that a binding's resource may set as well: make its setting a function that both lists call (as
//!    `topics::partitions`), in [`Resource`] as an `Option` with `.instead_of("topic_partitions")`, and a method of
//!    [`EndpointConfig`] that takes the resource and gives the value that holds.
//! 5. `UPDATE_OPTIONS=1 cargo test --lib config::` writes `docs/options.md`; a line in README's table; the form's
//!    snapshot (`INSTA_UPDATE=always`); tests of the refusals. Secrets are hidden, and tests look for it, by
//!    the form's `secret` alone.

mod advanced;
mod annotations;
mod brokers;
mod client_properties;
mod credentials;
mod error;
mod form;
mod format;
mod kinds;
mod members;
mod names;
mod option;
mod partitioning;
mod pem;
mod registry;
mod secret;
mod tls;
mod topic;
mod topics;
mod unknown;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::kinds::{choice, filled, flag, group, list, map, text};
use self::members::Members;
use self::option::{Group, options};

pub use self::advanced::{Advanced, Delivery};
pub use self::annotations::{Annotations, HeaderField};
pub use self::client_properties::ClientOptions;
pub use self::credentials::{Credentials, SaslMechanism};
pub use self::error::{Error, Part};
pub use self::format::{
    Compression, Deletions, FormatOptions, Formats, KeyFormat, MessageFormat, RootDocument, ValueFormat,
};
pub use self::names::{Namespace, RecordName};
pub use self::partitioning::{PartitionOptions, Partitioner, Partitioning};
pub use self::registry::{Compatibility, SchemaRegistry, SubjectStrategy};
pub use self::secret::Secret;
pub use self::tls::{Tls, TlsCertificates};
pub use self::topic::{Topic, TopicError};
pub use self::topics::{NewTopic, TopicOptions};
pub use self::unknown::{Instead, MOST as MOST_UNKNOWN_OPTIONS, UnknownOption};

options! {
    /// How to reach the Kafka cluster, and how messages are written.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EndpointConfig, checked by fit_together {
        /// Addresses of brokers to begin with, as host:port, separated by commas.
        pub bootstrap_servers: String = "Bootstrap servers", text().required(brokers::REMEDY);
        /// How to log in to the brokers. The form asks for it; a configuration without it connects without a login.
        pub credentials: Option<Credentials> = "Credentials", group().asked(true);
        /// Encrypt connections, and check the brokers' certificates. Without it connections are plain text.
        pub tls: Option<Tls> = "TLS", choice();
        /// Certificates of your own, for TLS: the authority that signed the brokers' certificates, and a client
        /// certificate for brokers that want one.
        pub tls_certificates: Option<TlsCertificates> = "TLS certificates", group();
        /// How keys and values are written. It must be chosen; Avro needs a schema registry.
        pub message_format: MessageFormat = "Message format", choice()
            .required("choose how messages are written: \"Avro\" or \"JSON\"")
            .asked(false);
        /// How batches of messages are compressed.
        pub compression: Compression = "Compression", choice().or("lz4");
        /// Where Avro schemas are registered; needed for Avro only.
        pub schema_registry: Option<SchemaRegistry> = "Schema registry", group();
        /// Number of partitions of the topics that are created. Topics that exist are left as they are.
        pub topic_partitions: i32 = "Topic partitions", topics::partitions().or(6);
        /// Number of replicas of the topics that are created, or -1 for the brokers' default.
        pub topic_replication_factor: i32 = "Topic replication factor", topics::replication_factor().or(3);
        /// Settings that rarely need a change.
        pub advanced: Advanced = "Advanced", group().or_empty().with("advanced", true);
    }
}

impl EndpointConfig {
    /// Reads and checks an endpoint configuration.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place and a remedy; never with the value of a secret.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let document = members::parse(Part::Endpoint, json)?;
        Self::read(&Members::root(Part::Endpoint, &document)?)
    }

    /// The JSON schema (draft-07) from which a form for this configuration is drawn.
    #[must_use]
    pub fn schema() -> Value {
        form::document::<Self>("Kafka endpoint")
    }

    /// Checks that documents may go to a binding's topic: that it is not the one where progress is recorded.
    ///
    /// # Errors
    ///
    /// Delivery is exactly once, and the topic is [`Advanced::progress_topic`].
    pub fn check_topic(&self, topic: &Topic) -> Result<(), Error> {
        if self.advanced.delivery == Delivery::ExactlyOnce && *topic == self.advanced.progress_topic {
            return Err(Error::Invalid {
                part: Part::Resource,
                pointer: "/topic".to_owned(),
                value: topic.to_string(),
                reason:
                    "this topic is advanced.progress_topic of the endpoint, which has records of its own: \
                         choose another for one of them"
                        .to_owned(),
            });
        }
        Ok(())
    }

    /// How schemas are assigned to subjects.
    #[must_use]
    pub fn subject_strategy(&self) -> SubjectStrategy {
        self.schema_registry.as_ref().map_or(SubjectStrategy::TopicHash, |registry| registry.subject_strategy)
    }

    /// The full name of the record of a binding's values, if it was given one, or is to be found by it.
    #[must_use]
    pub fn record_name(&self, resource: &Resource) -> Option<String> {
        let namespace = self.schema_registry.as_ref().and_then(|registry| registry.record_namespace.as_ref());
        match (&resource.record_name, self.subject_strategy()) {
            (Some(name), _) => Some(name.within(namespace)),
            (None, SubjectStrategy::RecordName | SubjectStrategy::TopicRecordName) => {
                Some(RecordName::of_topic(resource.topic.as_str()).within(namespace))
            }
            (None, SubjectStrategy::TopicHash | SubjectStrategy::TopicName) => {
                namespace.map(|namespace| format!("{namespace}.root"))
            }
        }
    }

    /// The value of librdkafka's `security.protocol` that `tls` and `credentials` together mean.
    #[must_use]
    pub fn security_protocol(&self) -> &'static str {
        match (self.tls.is_some(), self.credentials.is_some()) {
            (false, false) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }
}

/// Checks what options say together, and makes `bootstrap_servers` what `bootstrap.servers` takes.
fn fit_together(mut config: EndpointConfig, root: &Members<'_>) -> Result<EndpointConfig, Error> {
    config.bootstrap_servers =
        brokers::read(root, "bootstrap_servers", &config.bootstrap_servers, config.security_protocol())?;
    config.tls_certificates = config.tls_certificates.filter(|certificates| !certificates.is_empty());
    if config.tls_certificates.is_some() && config.tls.is_none() {
        return Err(root.missing("tls", "tls_certificates are for TLS: set it to \"system_certificates\""));
    }
    if matches!(config.credentials, Some(Credentials::AwsMskIam { .. })) && config.tls.is_none() {
        return Err(root.missing(
            "tls",
            "credentials of AWS MSK IAM are taken over TLS alone: set it to \"system_certificates\"",
        ));
    }
    format::has_registry(&config, root)?;
    Ok(config)
}

options! {
    /// Where the documents of a collection go.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    pub struct Resource {
        /// Topic that the collection's documents are published to. It is created if it does not exist.
        pub topic: Topic = "Topic", text()
            .parsed(|name| Topic::new(name).map_err(|error| error.to_string()))
            .required("name the topic that documents are published to")
            .with("x-collection-name", true);
        /// Number of partitions, if the topic is created.
        pub partitions: Option<i32> = "Partitions", topics::partitions().instead_of("topic_partitions");
        /// Number of replicas, if the topic is created.
        pub replication_factor: Option<i32> = "Replication factor", topics::replication_factor()
            .instead_of("topic_replication_factor");
        /// Properties of the topic, if it is created, beside those of advanced.topic_config; one that both have is taken
        /// from here.
        pub topic_config: BTreeMap<String, String> = "Topic configuration", map().or(json!({}));
        /// Name of the record of values, in Avro and, where subjects are named by records, as the title of JSON schemas; that of
        /// keys has Key behind it (OrderKey), those of nested records their path (Order_customer). With dots it is a full name, else
        /// schema_registry.record_namespace of the endpoint stands before it. Without it the record is called root, or
        /// like the topic where schema_registry.subject_strategy is record_name or topic_record_name.
        pub record_name: Option<RecordName> = "Record name", filled().parsed(|name| RecordName::new(name));
        /// How keys are written.
        pub key_format: Option<KeyFormat> = "Key format", choice().instead_of("advanced.key_format");
        /// How values are written.
        pub value_format: Option<ValueFormat> = "Value format", choice().instead_of("advanced.value_format");
        /// What is published of a document that is deleted.
        pub deletions: Option<Deletions> = "Deletions", choice().instead_of("advanced.deletions");
        /// How the root document is written, where its field is selected.
        pub root_document: Option<RootDocument> = "Root document", choice()
            .instead_of("advanced.root_document");
        /// How a message's partition is computed from its key.
        pub partitioner: Option<Partitioner> = "Partitioner", partitioning::partitioner()
            .instead_of("advanced.partitioner");
        /// Whether the partition is computed without the first five bytes of the key, which hold the id of its schema.
        pub partition_without_prefix: Option<bool> = "Partition without prefix", flag()
            .instead_of("advanced.partition_without_prefix");
        /// Key fields of which the partition is computed, instead of the whole key: messages that agree in these go to
        /// one partition. It is the partition that a key of these fields alone would have.
        pub partition_by: Vec<String> = "Partition by", list().or(json!([]));
        /// Headers that every message has, by name.
        pub headers: Option<BTreeMap<String, String>> = "Headers",
            annotations::headers().instead_of("advanced.headers");
        /// Headers with a value of each message's own: operation, collection, published_at.
        pub header_fields: Option<Vec<HeaderField>> = "Header fields",
            annotations::header_fields().instead_of("advanced.header_fields");
        /// Field that the messages' timestamps are taken of; none for the time of sending.
        pub timestamp: Option<String> = "Timestamp", annotations::timestamp().instead_of("advanced.timestamp");
    }
}

impl Resource {
    /// Reads and checks a resource configuration.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place and a remedy: it is not a JSON object, has no `topic`, or names one
    /// that Kafka would not accept.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let document = members::parse(Part::Resource, json)?;
        Self::read(&Members::root(Part::Resource, &document)?)
    }

    /// The JSON schema (draft-07) from which a form for a resource is drawn.
    #[must_use]
    pub fn schema() -> Value {
        form::document::<Self>("Kafka resource")
    }
}
