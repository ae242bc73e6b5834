//! What a user configures: the endpoint (brokers, logins, format, registry) and each binding's resource.
//!
//! JSON becomes typed values here, once, and is checked here: what the other rooms receive cannot be
//! invalid. A configuration written for the original connector is read unchanged, so members that are
//! not known are ignored and null counts as absent. Every error names the place by its JSON pointer.
//! No value is repeated in an error unless it is of a place that holds no secret.
//!
//! The JSON schemas from which Flow draws its web form are in `form`, next to the rules that they
//! describe; `members` reads typed members out of a JSON object.

mod brokers;
mod error;
mod form;
mod members;
mod topic;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use self::members::Members;

pub use self::error::{Error, Part};
pub use self::topic::{Topic, TopicError};

/// How to reach the cluster and the registry, and how messages are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Comma-separated `host` or `host:port`, without protocol prefixes, as `bootstrap.servers` takes it.
    pub bootstrap_servers: String,
    /// The SASL login; `None` connects without one.
    pub credentials: Option<Credentials>,
    /// Whether connections are encrypted; `None` is plain text.
    pub tls: Option<Tls>,
    /// How keys and values are written.
    pub message_format: MessageFormat,
    /// How batches are compressed.
    pub compression: Compression,
    /// Where Avro schemas are registered; always there when `message_format` is Avro.
    pub schema_registry: Option<SchemaRegistry>,
    /// Partitions of a topic that the connector creates; 1 or more.
    pub topic_partitions: i32,
    /// Replicas of a topic that the connector creates: 1 or more, or -1 for the brokers' default.
    pub topic_replication_factor: i32,
    /// Settings that few users touch.
    pub advanced: Advanced,
}

impl EndpointConfig {
    /// Reads and checks an endpoint configuration.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place and a remedy; never with the value of a secret.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let document = members::parse(Part::Endpoint, json)?;
        let root = Members::root(Part::Endpoint, &document)?;

        let credentials = root.object("credentials")?.map(|m| Credentials::read(&m)).transpose()?;
        let tls = root.choice("tls", Tls::ALL)?;
        let bootstrap_servers =
            brokers::read(&root, security_protocol(tls.is_some(), credentials.is_some()))?;
        let message_format = root.choice("message_format", MessageFormat::ALL)?.ok_or_else(|| {
            root.missing("message_format", "choose how messages are written: \"Avro\" or \"JSON\"")
        })?;
        let compression = root.choice("compression", Compression::ALL)?.unwrap_or(Compression::Lz4);
        let schema_registry =
            root.object("schema_registry")?.map(|m| SchemaRegistry::read(&m)).transpose()?;
        if message_format == MessageFormat::Avro && schema_registry.is_none() {
            return Err(root.missing(
                "schema_registry",
                "message_format Avro needs a registry for its schemas: give its endpoint, or choose JSON",
            ));
        }
        let advanced = match root.object("advanced")? {
            Some(members) => Advanced::read(&members)?,
            None => Advanced::default(),
        };

        Ok(Self {
            bootstrap_servers,
            credentials,
            tls,
            message_format,
            compression,
            schema_registry,
            topic_partitions: read_partitions(&root)?,
            topic_replication_factor: read_replication_factor(&root)?,
            advanced,
        })
    }

    /// The JSON schema (draft-07) from which a form for this configuration is drawn.
    #[must_use]
    pub fn schema() -> Value {
        form::endpoint()
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

    /// The value of librdkafka's `security.protocol` that `tls` and `credentials` together mean.
    #[must_use]
    pub fn security_protocol(&self) -> &'static str {
        security_protocol(self.tls.is_some(), self.credentials.is_some())
    }
}

/// How the connector proves to the brokers who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `auth_type: user_password`: SASL with a user name and a password.
    UserPassword {
        /// How the password is proved.
        mechanism: SaslMechanism,
        /// The user; not empty.
        username: String,
        /// The user's password; not empty.
        password: Secret,
    },
}

impl Credentials {
    fn read(members: &Members<'_>) -> Result<Self, Error> {
        match members.choice("auth_type", AuthType::ALL)? {
            None => Err(members.missing("auth_type", "set it to \"user_password\"")),
            Some(AuthType::UserPassword) => {
                let mechanism = members.choice("mechanism", SaslMechanism::ALL)?.ok_or_else(|| {
                    members.missing(
                        "mechanism",
                        "choose the one that the brokers offer: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
                    )
                })?;
                let username = members
                    .filled("username")?
                    .ok_or_else(|| members.missing("username", "give the SASL user name"))?;
                let password = members
                    .filled("password")?
                    .ok_or_else(|| members.missing("password", "give the SASL user's password"))?;
                Ok(Self::UserPassword {
                    mechanism,
                    username: username.to_owned(),
                    password: Secret::new(password),
                })
            }
        }
    }
}

/// The kinds of [`Credentials`], by the name that `auth_type` gives them.
#[derive(Clone, Copy)]
enum AuthType {
    UserPassword,
}

impl AuthType {
    const ALL: &'static [(&'static str, Self)] = &[("user_password", Self::UserPassword)];
}

/// SASL mechanisms, all with a user name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// The password itself is sent; only sensible together with TLS.
    Plain,
    /// Salted challenge and response with SHA-256.
    ScramSha256,
    /// Salted challenge and response with SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    const ALL: &'static [(&'static str, Self)] =
        &[("PLAIN", Self::Plain), ("SCRAM-SHA-256", Self::ScramSha256), ("SCRAM-SHA-512", Self::ScramSha512)];

    /// Kafka's name of the mechanism, as in `sasl.mechanism`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name_of(Self::ALL, |mechanism| *mechanism == self)
    }
}

/// How connections to the brokers are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS, with the certificate authorities that the system trusts.
    SystemCertificates,
}

impl Tls {
    const ALL: &'static [(&'static str, Self)] = &[("system_certificates", Self::SystemCertificates)];
}

/// How keys and values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFormat {
    /// Avro in the Confluent wire format, with schemas in a registry.
    Avro,
    /// JSON objects.
    Json,
}

impl MessageFormat {
    const ALL: &'static [(&'static str, Self)] = &[("Avro", Self::Avro), ("JSON", Self::Json)];

    /// The name that the configuration uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name_of(Self::ALL, |format| *format == self)
    }
}

/// How batches of messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// Small and slow.
    Gzip,
    /// Fast; the default.
    Lz4,
    /// Fast.
    Snappy,
    /// Small, and faster than gzip.
    Zstd,
}

impl Compression {
    const ALL: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("gzip", Self::Gzip),
        ("lz4", Self::Lz4),
        ("snappy", Self::Snappy),
        ("zstd", Self::Zstd),
    ];

    /// librdkafka's name of the codec, as in `compression.codec`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name_of(Self::ALL, |compression| *compression == self)
    }
}

/// A Confluent-compatible schema registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRegistry {
    /// Its base address: http or https, with a path if the registry has one; without login, query and fragment.
    pub endpoint: Url,
    /// The user name for basic authentication.
    pub username: Option<String>,
    /// The password for basic authentication.
    pub password: Option<Secret>,
}

impl SchemaRegistry {
    fn read(members: &Members<'_>) -> Result<Self, Error> {
        let text = members.filled("endpoint")?.ok_or_else(|| {
            members.missing("endpoint", "give the registry's address, such as https://registry.example.com")
        })?;
        let username = members.text("username")?.map(str::to_owned);
        let password = members.text("password")?.map(Secret::new);
        // A form that was left blank sends two empty texts: no login.
        let blank = username.as_deref().unwrap_or("").is_empty()
            && password.as_ref().is_none_or(|password| password.expose().is_empty());
        let (username, password) = if blank { (None, None) } else { (username, password) };
        if username.is_none() && password.is_some() {
            return Err(
                members.missing("username", "a password is there, so give the user that it belongs to")
            );
        }
        Ok(Self { endpoint: read_endpoint(members, text)?, username, password })
    }
}

/// Settings with defaults that suit nearly everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// A session ends when no delivery report arrives for so long while some are due.
    pub stall_timeout: Duration,
    /// Bytes of keys and values handed to the client and not yet acknowledged; a larger document passes alone.
    pub in_flight_bytes: usize,
    /// Messages handed to the client and not yet acknowledged.
    pub in_flight_messages: usize,
    /// Instances of the client, at least one, among which the partitions are shared out. One where delivery is exactly
    /// once.
    pub producers: usize,
    /// What is promised about a document that is stored again.
    pub delivery: Delivery,
    /// Where transactions are recorded when delivery is exactly once.
    pub progress_topic: Topic,
    /// How long a transaction may be open when delivery is exactly once, from its first message on.
    pub transaction_timeout: Duration,
}

/// What is promised about a document that the runtime stores again, because its transaction was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It may land twice.
    AtLeastOnce,
    /// Who reads committed messages alone sees it once.
    ExactlyOnce,
}

impl Delivery {
    const ALL: &'static [(&'static str, Self)] =
        &[("at_least_once", Self::AtLeastOnce), ("exactly_once", Self::ExactlyOnce)];
}

impl Default for Advanced {
    fn default() -> Self {
        Self {
            stall_timeout: Duration::from_secs(120),
            in_flight_bytes: 64 * 1024 * 1024,
            in_flight_messages: 250_000,
            producers: 1,
            delivery: Delivery::AtLeastOnce,
            progress_topic: Topic::new(DEFAULT_PROGRESS_TOPIC).expect("it has letters and a '_'"),
            transaction_timeout: Duration::from_mins(15),
        }
    }
}

impl Advanced {
    fn read(members: &Members<'_>) -> Result<Self, Error> {
        let default = Self::default();
        let delivery = members.choice("delivery", Delivery::ALL)?.unwrap_or(default.delivery);
        let producers = read_size(members, "producers", PRODUCERS)?.unwrap_or(default.producers);
        if delivery == Delivery::ExactlyOnce && producers > 1 {
            return Err(members.invalid(
                "producers",
                &producers.to_string(),
                "with delivery exactly_once there is one transaction, of one producer: set producers to 1, or \
                 delivery to at_least_once"
                    .to_owned(),
            ));
        }
        let progress_topic = match members.filled("progress_topic")? {
            Some(name) => Topic::new(name)
                .map_err(|error| members.invalid("progress_topic", name, error.to_string()))?,
            None => default.progress_topic,
        };
        Ok(Self {
            stall_timeout: read_duration(members, "stall_timeout", STALL_TIMEOUT)?
                .unwrap_or(default.stall_timeout),
            in_flight_bytes: read_size(members, "in_flight_bytes", IN_FLIGHT_BYTES)?
                .unwrap_or(default.in_flight_bytes),
            in_flight_messages: read_size(members, "in_flight_messages", IN_FLIGHT_MESSAGES)?
                .unwrap_or(default.in_flight_messages),
            producers,
            delivery,
            progress_topic,
            transaction_timeout: read_duration(members, "transaction_timeout", TRANSACTION_TIMEOUT)?
                .unwrap_or(default.transaction_timeout),
        })
    }
}

/// What one binding is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The topic that the binding's documents are published to.
    pub topic: Topic,
}

impl Resource {
    /// Reads and checks a resource configuration.
    ///
    /// # Errors
    ///
    /// It is not a JSON object, has no `topic`, or names one that Kafka would not accept.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let document = members::parse(Part::Resource, json)?;
        let root = Members::root(Part::Resource, &document)?;
        let name = root
            .text("topic")?
            .ok_or_else(|| root.missing("topic", "name the topic that documents are published to"))?;
        let topic = Topic::new(name).map_err(|error| root.invalid("topic", name, error.to_string()))?;
        Ok(Self { topic })
    }

    /// The JSON schema (draft-07) from which a form for a resource is drawn.
    #[must_use]
    pub fn schema() -> Value {
        form::resource()
    }
}

/// A text that is never printed: Debug and Display show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be handed to whoever needs it and printed nowhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn security_protocol(tls: bool, sasl: bool) -> &'static str {
    match (tls, sasl) {
        (false, false) => "PLAINTEXT",
        (true, false) => "SSL",
        (false, true) => "SASL_PLAINTEXT",
        (true, true) => "SASL_SSL",
    }
}

fn name_of<T>(all: &'static [(&'static str, T)], is: impl Fn(&T) -> bool) -> &'static str {
    all.iter()
        .find(|(_, value)| is(value))
        .map(|(name, _)| *name)
        .expect("each table lists every variant of its type")
}

fn read_partitions(root: &Members<'_>) -> Result<i32, Error> {
    let Some(number) = root.integer("topic_partitions")? else { return Ok(DEFAULT_PARTITIONS) };
    match i32::try_from(number) {
        Ok(partitions @ 1..=MAX_PARTITIONS) => Ok(partitions),
        _ => Err(root.invalid(
            "topic_partitions",
            &number.to_string(),
            format!("expected 1 to {MAX_PARTITIONS} partitions"),
        )),
    }
}

/// Zero and other negative numbers are refused. -1 is not: it is how Kafka itself spells "the brokers'
/// default" (KIP-464), librdkafka passes it on, and so the original connector accepted it.
fn read_replication_factor(root: &Members<'_>) -> Result<i32, Error> {
    let Some(number) = root.integer("topic_replication_factor")? else {
        return Ok(DEFAULT_REPLICATION_FACTOR);
    };
    match i32::try_from(number) {
        Ok(factor @ (-1 | 1..=MAX_REPLICATION_FACTOR)) => Ok(factor),
        _ => Err(root.invalid(
            "topic_replication_factor",
            &number.to_string(),
            format!("expected 1 to {MAX_REPLICATION_FACTOR} replicas, or -1 for the brokers' default"),
        )),
    }
}

fn read_endpoint(members: &Members<'_>, text: &str) -> Result<Url, Error> {
    // A login inside the address would be shown wherever the address is, so such a text is never repeated.
    let shown = if text.contains('@') { "***" } else { text };
    let invalid = |why: &str| members.invalid("endpoint", shown, why.to_owned());

    let url = Url::parse(text).map_err(|error| {
        invalid(&format!("not a URL ({error}); expected one such as https://registry.example.com"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("expected an address that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "a login inside the address would not be kept secret; give it as username and password beside it",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("expected a base address, without a query (?) or fragment (#)"));
    }
    Ok(url)
}

fn read_duration(
    members: &Members<'_>,
    name: &'static str,
    (least, most, range): (Duration, Duration, &'static str),
) -> Result<Option<Duration>, Error> {
    let Some(text) = members.text(name)? else { return Ok(None) };
    let duration = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| (least..=most).contains(duration));
    duration.map(Some).ok_or_else(|| {
        let reason = format!("expected a duration of {range}, such as \"2m\", \"90s\" or \"PT2M\"");
        members.invalid(name, text, reason)
    })
}

fn read_size(
    members: &Members<'_>,
    name: &'static str,
    (least, most): (usize, usize),
) -> Result<Option<usize>, Error> {
    let Some(number) = members.integer(name)? else { return Ok(None) };
    match usize::try_from(number) {
        Ok(size) if (least..=most).contains(&size) => Ok(Some(size)),
        _ => Err(members.invalid(name, &number.to_string(), format!("expected {least} to {most}"))),
    }
}

const DEFAULT_PARTITIONS: i32 = 6;
const DEFAULT_REPLICATION_FACTOR: i32 = 3;

/// librdkafka's own limits for a topic to be created.
const MAX_PARTITIONS: i32 = 100_000;
const MAX_REPLICATION_FACTOR: i32 = 10_000;

/// Less would take an ordinary pause for a stall; more is no longer a limit.
const STALL_TIMEOUT: (Duration, Duration, &str) =
    (Duration::from_millis(100), Duration::from_hours(24), "100ms to 24h");
/// From the least that librdkafka takes. The brokers have a limit of their own, `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT: (Duration, Duration, &str) =
    (Duration::from_secs(1), Duration::from_hours(24), "1s to 24h");

const DEFAULT_PROGRESS_TOPIC: &str = "flow_progress";

/// From one chunk of output to what librdkafka's own queue may hold (`queue.buffering.max.kbytes`).
const IN_FLIGHT_BYTES: (usize, usize) = (64 * 1024, 2_147_483_647);
/// Up to the largest value that librdkafka's own queue takes (`queue.buffering.max.messages`).
const IN_FLIGHT_MESSAGES: (usize, usize) = (1, 2_147_483_647);
const PRODUCERS: (usize, usize) = (1, 16);
