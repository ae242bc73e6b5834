//! The schema registry: where it is, how to log in to it, and which subjects and names schemas have there.

use url::Url;

use super::error::Error;
use super::kinds::{choice, filled, text};
use super::members::Members;
use super::names::Namespace;
use super::option::{choices, options};
use super::secret::Secret;

options! {
    /// A Confluent-compatible schema registry.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SchemaRegistry, checked by whole_login {
        /// Base address of a Confluent-compatible registry, such as https://registry.example.com; a path in it is kept.
        pub endpoint: Url = "Endpoint", filled()
            .then(|members, name, text| read_address(members, name, &text))
            .required("give the registry's address, such as https://registry.example.com");
        /// User name for basic authentication; for hosted registries often an API key.
        pub username: Option<String> = "User name", text();
        /// Password for basic authentication; for hosted registries often an API secret.
        pub password: Option<Secret> = "Password", text().secret();
        /// Which subject a schema is registered under. With any but topic_hash, consumers find the schemas of a topic
        /// by its name or by that of the record, and a changed schema becomes a new version of its subject, which the
        /// registry takes by the subject's compatibility.
        pub subject_strategy: SubjectStrategy = "Subject name strategy", choice().or("topic_hash");
        /// Namespace of the Avro records, such as com.example, where a record's name has no dots of its own.
        pub record_namespace: Option<Namespace> = "Record namespace", filled().parsed(|name| Namespace::new(name));
    }
}

impl SchemaRegistry {
    /// The registry at an address, without a login, with every option at its default.
    #[must_use]
    pub fn at(endpoint: Url) -> Self {
        Self {
            endpoint,
            username: None,
            password: None,
            subject_strategy: SubjectStrategy::TopicHash,
            record_namespace: None,
        }
    }
}

choices! {
    /// Which subject a schema is registered under.
    pub enum SubjectStrategy {
        /// The topic and a hash of the schema, orders-32680f7328dd24a1, so that each schema has a subject of its own.
        TopicHash = "topic_hash",
        /// The topic and the part, orders-key and orders-value (Confluent's TopicNameStrategy, the default of its clients).
        TopicName = "topic_name",
        /// The full name of the record, com.example.Order.Key and com.example.Order (RecordNameStrategy).
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
    Ok(registry)
}

/// Reads http or https, with a path if the registry has one; without login, query and fragment.
fn read_address(members: &Members<'_>, name: &str, text: &str) -> Result<Url, Error> {
    // A login inside the address would be shown wherever the address is, so such a text is never repeated.
    let shown = if text.contains('@') { "***" } else { text };
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
