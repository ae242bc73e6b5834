//! Which subject each schema goes under.
//!
//! By the strategies of Confluent's clients, or, by default, one subject for each topic and schema. With those of Confluent
//! two bindings may come upon the same subject, which could then have only one of their schemas as its latest version.

use std::collections::HashMap;

use anyhow::bail;

use crate::config::{EndpointConfig, Resource, SubjectStrategy};
use crate::registry::Schema;
use crate::schema::{self, RecordNames};

/// How the subjects of a binding are named.
#[derive(Clone, Debug)]
pub(super) struct Naming {
    strategy: SubjectStrategy,
    topic: String,
    names: RecordNames,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

impl Naming {
    /// The naming that the configurations of endpoint and binding ask for; `topic` is the whole name of the binding's.
    pub(super) fn new(config: &EndpointConfig, resource: &Resource, topic: &str) -> Self {
        Self {
            strategy: config.subject_strategy(),
            topic: topic.to_owned(),
            names: config.record_name(resource).map_or_else(RecordNames::root, RecordNames::named),
        }
    }

    /// The names of the binding's records.
    pub(super) fn record(&self) -> &RecordNames {
        &self.names
    }

    /// The titles of JSON schemas: the names by which consumers look for them, where that is how subjects are named.
    pub(super) fn titles(&self) -> Option<&RecordNames> {
        let by_record =
            matches!(self.strategy, SubjectStrategy::RecordName | SubjectStrategy::TopicRecordName);
        by_record.then_some(&self.names)
    }

    /// The subject of the schema of this text.
    pub(super) fn subject(&self, part: Part, text: &str) -> String {
        let Self { strategy, topic, names } = self;
        let (dash, record) = match part {
            Part::Key => ("-key", names.key()),
            Part::Value => ("-value", names.value().to_owned()),
        };
        match strategy {
            SubjectStrategy::TopicHash => schema::subject(topic, text),
            SubjectStrategy::TopicName => format!("{topic}{dash}"),
            SubjectStrategy::RecordName => record,
            SubjectStrategy::TopicRecordName => format!("{topic}-{record}"),
        }
    }
}

/// Refuses bindings of which two claim one subject with different schemas. Each is given as what an error calls it, and
/// its subjects and schemas.
pub(super) fn check_claims<'a>(
    strategy: SubjectStrategy,
    bindings: impl IntoIterator<Item = (&'a str, &'a [(String, Schema)])>,
) -> anyhow::Result<()> {
    let mut claims: HashMap<&str, (usize, &str, &Schema)> = HashMap::new();
    for (index, (name, subjects)) in bindings.into_iter().enumerate() {
        for (subject, schema) in subjects {
            let (first, its_name, its_schema) = *claims.entry(subject).or_insert((index, name, schema));
            if its_schema != schema {
                let remedy = match strategy {
                    // Not to be had: the hash is that of the schema.
                    SubjectStrategy::TopicHash => "give them different topics",
                    SubjectStrategy::TopicName => {
                        "give them different topics, or set schema_registry.subject_strategy to topic_record_name and a \
                         record_name for each"
                    }
                    SubjectStrategy::RecordName | SubjectStrategy::TopicRecordName => {
                        "set another record_name in the resource of one of them"
                    }
                };
                bail!(
                    "naming the subjects of schemas: binding {first} ({its_name}) and binding {index} ({name}) would \
                     both have subject {subject:?}, with schemas that differ; {remedy}"
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(strategy: &str, resource: &str) -> Naming {
        let config = format!(
            r#"{{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{{"endpoint":"http://r","record_namespace":"com.acme","subject_strategy":"{strategy}"}}}}"#
        );
        let config = EndpointConfig::parse(config.as_bytes()).unwrap();
        let resource = Resource::parse(resource.as_bytes()).unwrap();
        Naming::new(&config, &resource, config.topic(&resource).unwrap().name.as_str())
    }

    #[test]
    fn subjects_by_strategy() {
        let subjects = |strategy: &str, resource: &str| {
            let naming = naming(strategy, resource);
            [Part::Key, Part::Value].map(|part| naming.subject(part, r#""long""#))
        };
        let (plain, named) = (r#"{"topic":"a.b"}"#, r#"{"topic":"a.b","record_name":"Order"}"#);
        assert_eq!(subjects("topic_hash", plain), [(); 2].map(|()| schema::subject("a.b", r#""long""#)));
        assert_eq!(subjects("topic_name", named), ["a.b-key", "a.b-value"]);
        assert_eq!(subjects("record_name", plain), ["com.acme.a_bKey", "com.acme.a_b"]);
        assert_eq!(subjects("record_name", named), ["com.acme.OrderKey", "com.acme.Order"]);
        assert_eq!(subjects("topic_record_name", named), ["a.b-com.acme.OrderKey", "a.b-com.acme.Order"]);
    }

    #[test]
    fn json_schemas_have_titles_where_subjects_are_found_by_records() {
        for (strategy, is_titled) in
            [("topic_hash", false), ("topic_name", false), ("record_name", true), ("topic_record_name", true)]
        {
            let naming = naming(strategy, r#"{"topic":"a.b","record_name":"Order"}"#);
            let titles = naming.titles().map(|names| (names.value().to_owned(), names.key()));
            let expected = ("com.acme.Order".to_owned(), "com.acme.OrderKey".to_owned());
            assert_eq!(titles, is_titled.then_some(expected), "{strategy}");
        }
    }

    /// Whoever names nothing has the names that there ever were.
    #[test]
    fn records_are_siblings_where_something_was_named() {
        let key = |registry: &str, resource: &str| {
            let config = format!(
                r#"{{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{{"endpoint":"http://r"{registry}}}}}"#
            );
            let config = EndpointConfig::parse(config.as_bytes()).unwrap();
            let resource = Resource::parse(resource.as_bytes()).unwrap();
            Naming::new(&config, &resource, "orders").record().key()
        };
        let (plain, named) = (r#"{"topic":"orders"}"#, r#"{"topic":"orders","record_name":"root"}"#);
        assert_eq!(key("", plain), "root.Key");
        assert_eq!(key(r#","subject_strategy":"topic_name""#, plain), "root.Key");
        assert_eq!(key("", named), "rootKey");
        assert_eq!(key(r#","record_namespace":"com.acme""#, plain), "com.acme.rootKey");
        assert_eq!(key(r#","subject_strategy":"record_name""#, plain), "ordersKey");
    }

    /// The topic of a message is the whole one, and consumers look for its schema by that.
    #[test]
    fn subjects_have_the_topics_prefix_and_records_do_not() {
        let subjects = |strategy: &str| {
            let config = format!(
                r#"{{"bootstrap_servers":"b","message_format":"Avro","schema_registry":{{"endpoint":"http://r","record_namespace":"com.acme","subject_strategy":"{strategy}"}},"advanced":{{"topic_prefix":"prod."}}}}"#
            );
            let config = EndpointConfig::parse(config.as_bytes()).unwrap();
            let resource = Resource::parse(br#"{"topic":"orders"}"#).unwrap();
            let naming = Naming::new(&config, &resource, config.topic(&resource).unwrap().name.as_str());
            naming.subject(Part::Value, r#""long""#)
        };
        assert_eq!(subjects("topic_hash"), schema::subject("prod.orders", r#""long""#));
        assert_eq!(subjects("topic_name"), "prod.orders-value");
        assert_eq!(subjects("record_name"), "com.acme.orders");
        assert_eq!(subjects("topic_record_name"), "prod.orders-com.acme.orders");
    }

    #[test]
    fn two_schemas_of_one_subject_are_refused() {
        let claim = |subject: &str, text: &str| vec![(subject.to_owned(), Schema::avro(text))];
        let check = |strategy, claims: &[Vec<(String, Schema)>]| {
            let names =
                ["collection a, topic \"t\"", "collection b, topic \"u\"", "collection c, topic \"t\""];
            let bindings = names.into_iter().zip(claims.iter().map(Vec::as_slice));
            check_claims(strategy, bindings).map_err(|error| error.to_string())
        };
        let claims = [claim("s", "1"), claim("t", "2"), claim("s", "1")];
        assert_eq!(check(SubjectStrategy::RecordName, &claims), Ok(()));
        let claims = [claim("s", "1"), claim("t", "2"), claim("s", "2")];
        for (strategy, remedy) in [
            (SubjectStrategy::RecordName, "set another record_name in the resource of one of them"),
            (SubjectStrategy::TopicRecordName, "set another record_name in the resource of one of them"),
            (
                SubjectStrategy::TopicName,
                "give them different topics, or set schema_registry.subject_strategy to topic_record_name and a record_name for each",
            ),
        ] {
            assert_eq!(
                check(strategy, &claims).unwrap_err(),
                format!(
                    "naming the subjects of schemas: binding 0 (collection a, topic \"t\") and binding 2 (collection c, topic \"t\") would both have subject \"s\", with schemas that differ; {remedy}"
                )
            );
        }
        // One text as two types is no one schema.
        let claims = [claim("s", "1"), vec![("s".to_owned(), Schema::json("1"))]];
        assert!(check(SubjectStrategy::TopicName, &claims).is_err());
    }
}
