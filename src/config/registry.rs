//! The schema registry: where it is, how to log in to it, and which subjects and names schemas have there.

use url::Url;

use super::error::Error;
use super::kinds::{choice, filled, flag, text};
use super::members::Members;
use super::names::Namespace;
use super::option::{choices, options};
use super::pem::pem;
use super::secret::Secret;

options! {
    /// A Confluent-compatible schema registry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SchemaRegistry, checked by whole_login {
        /// Base address of a Confluent-compatible registry, such as https://registry.example.com; a path in it is kept.
        /// Several, separated by commas, are tried in turn where one cannot be reached or fails.
        pub endpoint: Vec<Url> = "Endpoint", filled()
            .then(|members, name, text| read_addresses(members, name, &text))
            .required(REMEDY);
        /// User name for basic authentication; for hosted registries often an API key.
        pub username: Option<String> = "User name", text();
        /// Password for basic authentication; for hosted registries often an API secret.
        pub password: Option<Secret> = "Password", text().secret();
        /// Token for bearer authentication, in place of user name and password.
        pub bearer_token: Option<Secret> = "Bearer token", filled().then(one_line).secret();
        /// Certificate by which the registry knows this client (mutual TLS), as PEM text, with those that it is signed
        /// by behind it. It needs the key as well.
        pub client_certificate: Option<String> = "Client certificate", pem();
        /// Private key of the client certificate, as PEM text, not encrypted.
        pub client_key: Option<Secret> = "Client key", pem().secret();
        /// Certificates of the authorities that may have signed the registry's, as PEM text. Without it they are those that the
        /// system trusts, or those of SSL_CERT_FILE.
        pub ca_certificate: Option<String> = "CA certificate", pem();
        /// Which subject a schema is registered under. With any but topic_hash, consumers find the schemas of a topic
        /// by its name or by that of the record, and a changed schema becomes a new version of its subject, which the
        /// registry takes by the subject's compatibility.
        pub subject_strategy: SubjectStrategy = "Subject name strategy", choice().or("topic_hash");
        /// Namespace of records, such as com.example, where a record's name has no dots of its own: in Avro, in subjects that are
        /// named by records, and in the titles of JSON schemas there.
        pub record_namespace: Option<Namespace> = "Record namespace", filled().parsed(|name| Namespace::new(name));
        /// Register schemas that the registry does not have. Without it they are looked up, and it is an error if one is missing.
        pub auto_register: bool = "Register schemas", flag().or(true);
        /// Write by the latest version of a subject, whoever registered it, with the id of that version. It may differ from
        /// the collection's schema in the order of fields, docs, names, aliases, defaults, the place of null in unions, some
        /// types (int for integers, an enum for strings), and further fields that have defaults. A subject without versions is left to auto_register. Not with subject_strategy topic_hash.
        pub use_latest_version: bool = "Use the latest version", flag().or(false);
        /// Compatibility that is set for subjects which have no versions yet. Subjects that exist keep theirs. NONE takes whatever a
        /// collection becomes. With json_schema BACKWARD takes new fields that may be absent; FORWARD does not. With Avro no other
        /// level takes both new fields and required ones that become optional (README.md has a table). Without it the registry's own
        /// level holds.
        pub compatibility: Option<Compatibility> = "Compatibility", choice();
    }
}

impl SchemaRegistry {
    /// Whether schemas may become new versions of subjects that have others.
    #[must_use]
    pub fn adds_versions(&self) -> bool {
        self.auto_register && !self.use_latest_version
    }

    /// The registry at one address, without a login, with every option at its default.
    #[must_use]
    pub fn at(endpoint: Url) -> Self {
        Self {
            endpoint: vec![endpoint],
            username: None,
            password: None,
            bearer_token: None,
            client_certificate: None,
            client_key: None,
            ca_certificate: None,
            subject_strategy: SubjectStrategy::TopicHash,
            record_namespace: None,
            auto_register: true,
            use_latest_version: false,
            compatibility: None,
        }
    }
}

choices! {
    /// What a new version of a subject must be compatible with, by the registry's names.
    pub enum Compatibility {
        /// Consumers with the new schema read what the one before wrote.
        Backward = "BACKWARD",
        /// The same, for all schemas before.
        BackwardTransitive = "BACKWARD_TRANSITIVE",
        /// Consumers with the schema before read what the new one writes.
        Forward = "FORWARD",
        /// The same, for all schemas before.
        ForwardTransitive = "FORWARD_TRANSITIVE",
        /// Both directions.
        Full = "FULL",
        /// Both, for all schemas before.
        FullTransitive = "FULL_TRANSITIVE",
        /// Any change is taken.
        None = "NONE",
    }
}

choices! {
    /// Which subject a schema is registered under.
    pub enum SubjectStrategy {
        /// The topic and a hash of the schema, orders-32680f7328dd24a1, so that each schema has a subject of its own.
        TopicHash = "topic_hash",
        /// The topic and the part, orders-key and orders-value (Confluent's TopicNameStrategy, the default of its clients).
        TopicName = "topic_name",
        /// The full name of the record, com.example.OrderKey and com.example.Order (RecordNameStrategy).
        RecordName = "record_name",
        /// The topic and the full name of the record, orders-com.example.Order (TopicRecordNameStrategy).
        TopicRecordName = "topic_record_name",
    }
}

fn whole_login(mut registry: SchemaRegistry, members: &Members<'_>) -> Result<SchemaRegistry, Error> {
    // A form that was left blank sends two empty texts: no login.
    let blank = registry.username.as_deref().unwrap_or("").is_empty()
        && registry.password.as_ref().is_none_or(|password| password.expose().is_empty());
    if blank {
        (registry.username, registry.password) = (None, None);
    }
    if registry.username.is_none() && registry.password.is_some() {
        return Err(members.missing("username", "a password is there, so give the user that it belongs to"));
    }
    if registry.use_latest_version && registry.subject_strategy == SubjectStrategy::TopicHash {
        let reason = "with subject_strategy topic_hash a subject has no other schema than that of the documents: choose \
                      topic_name, record_name or topic_record_name, or remove it";
        return Err(members.invalid_flag("use_latest_version", true, reason.to_owned()));
    }
    if let Some(level) = registry.compatibility.filter(|_| !registry.auto_register) {
        let reason = "it is set for subjects that are new, and with auto_register false none is: remove it, or set \
                      auto_register to true";
        return Err(members.invalid("compatibility", level.as_str(), reason.to_owned()));
    }
    if registry.username.is_some() && registry.bearer_token.is_some() {
        let reason = "a request has one login: remove it, or username and password";
        return Err(members.invalid("bearer_token", "***", reason.to_owned()));
    }
    match (&registry.client_certificate, &registry.client_key) {
        (Some(_), None) => {
            return Err(members.missing("client_key", "client_certificate needs its private key"));
        }
        (None, Some(_)) => {
            return Err(
                members.missing("client_certificate", "client_key needs the certificate that it belongs to")
            );
        }
        _ => {}
    }
    let tls =
        [("client_certificate", &registry.client_certificate), ("ca_certificate", &registry.ca_certificate)];
    if let Some((name, _)) = tls.into_iter().find(|(_, pem)| pem.is_some())
        && let Some(plain) = registry.endpoint.iter().find(|endpoint| endpoint.scheme() != "https")
    {
        let reason = format!(
            "certificates are for addresses that begin with https://: remove {name}, or make this one of https"
        );
        return Err(members.invalid("endpoint", plain.as_str(), reason));
    }
    Ok(registry)
}

/// A token goes into a header.
fn one_line(members: &Members<'_>, name: &str, token: String) -> Result<String, Error> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(token);
    }
    Err(members.invalid(
        name,
        "***",
        "expected letters, digits and signs of ASCII, without blanks or line ends".to_owned(),
    ))
}

/// Reads addresses that commas separate; there is one at least.
fn read_addresses(members: &Members<'_>, name: &str, text: &str) -> Result<Vec<Url>, Error> {
    // An entry may be a part of a secret that has a comma.
    let hidden = members.has_secret(text);
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let endpoints: Vec<_> =
        entries.map(|entry| read_address(members, name, entry, hidden)).collect::<Result<_, _>>()?;
    if endpoints.is_empty() { Err(members.missing(name, REMEDY)) } else { Ok(endpoints) }
}

/// Reads http or https, with a path if the registry has one; without login, query and fragment.
fn read_address(members: &Members<'_>, name: &str, text: &str, hidden: bool) -> Result<Url, Error> {
    // A login inside the address would be shown wherever the address is, so such a text is never repeated.
    let shown = if hidden || text.contains('@') { "***" } else { text };
    let invalid = |why: &str| members.invalid(name, shown, why.to_owned());

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

/// A form that was left blank sends an empty object: nothing needs it then.
const REMEDY: &str = "give the registry's address, such as https://registry.example.com, or remove schema_registry where no \
                      format needs one";
