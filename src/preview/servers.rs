//! The brokers and the registry of a preview: embedded ones by default, or the configuration's own.

use std::net::TcpStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::error::Error;
use crate::config::{Delivery, EndpointConfig, NewTopic, Resource};
use crate::kafka::mock::Cluster;
use crate::kafka::{Consumer, Start};
use crate::protocol::messages::flow;
use crate::registry::Client;
use crate::registry::memory::{Options, Registry};
use crate::session;

/// The servers that a preview talks to. Embedded ones go with this value.
pub(super) struct Servers {
    /// The endpoint's configuration as the connector gets it.
    pub(super) config: Value,
    /// The same, checked.
    pub(super) endpoint: EndpointConfig,
    cluster: Option<Cluster>,
    registry: Option<Registry>,
}

impl Servers {
    /// The servers that the configuration names.
    pub(super) fn live(config: &Value) -> Result<Self, Error> {
        Ok(Self { config: config.clone(), endpoint: parse(config)?, cluster: None, registry: None })
    }

    /// A mock cluster and, where Avro or the configuration calls for one, a registry, in this process.
    /// The registry is served by tasks of `runtime`.
    pub(super) fn embedded(config: &Value, runtime: &Handle) -> Result<Self, Error> {
        let cluster = Cluster::new(1)?;
        let mut config = config.clone();
        let mut registry = None;
        if let Some(members) = config.as_object_mut() {
            let configured = members.get("schema_registry").is_some_and(|registry| !registry.is_null());
            if configured || members.get("message_format").is_some_and(|format| format == "Avro") {
                let started = runtime.block_on(Registry::start(Options::default()));
                let started = started
                    .map_err(|source| Error::System { doing: "starting the embedded registry", source })?;
                // How schemas are named and kept stays; whom one logs in to does not.
                let registry_members = members.entry("schema_registry").or_insert(Value::Null);
                if !registry_members.is_object() {
                    *registry_members = json!({});
                }
                registry_members["endpoint"] = Value::from(started.url().as_str());
                if let Some(members) = registry_members.as_object_mut() {
                    members.retain(|name, _| !REGISTRY_LOGINS.contains(&name.as_str()));
                }
                registry = Some(started);
            }
            members.insert("bootstrap_servers".to_owned(), Value::from(cluster.bootstrap_servers()));
            for name in BROKER_LOGINS {
                members.remove(name);
            }
        }
        let endpoint = parse(&config)?;
        Ok(Self { config, endpoint, cluster: Some(cluster), registry })
    }

    /// Whether they are embedded.
    pub(super) fn are_embedded(&self) -> bool {
        self.cluster.is_some()
    }

    /// Makes topics that the connector cannot make itself, as the embedded brokers know no admin requests.
    pub(super) fn make_topics(&self, topics: &[NewTopic]) -> Result<(), Error> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        let brokers = cluster.bootstrap_servers();
        let (done, finished) = mpsc::channel::<()>();
        thread::scope(|scope| {
            // The mock's thread looks for orders about once a second, or when somebody knocks.
            scope.spawn(move || {
                while finished.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
                    let _refused = TcpStream::connect(&brokers);
                }
            });
            let advanced = &self.endpoint.advanced;
            let progress =
                (advanced.delivery == Delivery::ExactlyOnce).then_some((advanced.progress_topic.as_str(), 1));
            let topics = topics.iter().map(|topic| (topic.name.as_str(), topic.partitions));
            let made = topics.chain(progress).try_for_each(|(topic, partitions)| {
                cluster.create_topic(topic, partitions)?;
                cluster.keep_newest_readable(topic, partitions)
            });
            drop(done);
            Ok(made?)
        })
    }

    /// Registers a task's schemas with the embedded registry one after the other, so that they have the
    /// same numbers in each run: the connector registers several at once, and keys begin with a number, so
    /// partitions depend on it.
    pub(super) async fn number_schemas(&self, task: &flow::MaterializationSpec) -> Result<(), Error> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let client = Client::new(&registry.config())?;
        // What is wrong with a schema is for the connector to tell.
        for pair in session::schemas(task).unwrap_or_default() {
            client.register(&[pair]).await?;
        }
        Ok(())
    }

    /// Begins to read topics: embedded ones from the beginning, others from their present ends.
    pub(super) fn read(&self, topics: &[String]) -> Result<Consumer, Error> {
        let start = if self.are_embedded() { Start::Beginning } else { Start::End };
        Ok(Consumer::open_with_ends(&self.endpoint, topics, start)?)
    }
}

/// The topics of bindings, given by their resources, each once.
pub(super) fn topics<'a>(
    endpoint: &EndpointConfig,
    bindings: impl IntoIterator<Item = (&'a str, &'a Value)>,
) -> Result<Vec<NewTopic>, Error> {
    let mut topics: Vec<NewTopic> = Vec::new();
    for (place, resource) in bindings {
        let topic = Resource::parse(resource.to_string().as_bytes())
            .and_then(|resource| endpoint.topic(&resource))
            .map_err(|source| Error::Config { place: place.to_owned(), source })?;
        if topics.iter().all(|other| other.name != topic.name) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

/// Members about connections, which embedded servers do without.
const BROKER_LOGINS: [&str; 3] = ["credentials", "tls", "tls_certificates"];
/// The same of `schema_registry`.
const REGISTRY_LOGINS: [&str; 6] =
    ["username", "password", "bearer_token", "client_certificate", "client_key", "ca_certificate"];

fn parse(config: &Value) -> Result<EndpointConfig, Error> {
    let place = "the endpoint's configuration";
    EndpointConfig::parse(config.to_string().as_bytes())
        .map_err(|source| Error::Config { place: place.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SchemaRegistry, SubjectStrategy};

    fn embedded(config: &Value) -> Result<Servers, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Servers::embedded(config, runtime.handle())
    }

    #[test]
    fn embedded_servers_replace_those_of_the_configuration() {
        let config = json!({
            "bootstrap_servers": "kafka.example:9092", "tls": "system_certificates", "message_format": "JSON",
            "credentials": {"auth_type": "user_password", "mechanism": "PLAIN", "username": "u", "password": "p"},
            "topic_replication_factor": 3, "topic_partitions": 2, "compression": "zstd",
        });
        let servers = embedded(&config).unwrap();
        assert!(servers.are_embedded());
        let members = servers.config.as_object().unwrap();
        let names: Vec<_> = members.keys().collect();
        let expected = [
            "bootstrap_servers",
            "compression",
            "message_format",
            "topic_partitions",
            "topic_replication_factor",
        ];
        assert_eq!(names, expected, "what is said of topics stays, with all that is checked against it");
        assert!(servers.endpoint.bootstrap_servers.starts_with("127.0.0.1:"), "{members:?}");
        assert_eq!(servers.endpoint.topic_replication_factor, 3);

        let resources = [json!({"topic": "a"}), json!({"topic": "b"})];
        let topics = topics(&servers.endpoint, resources.iter().map(|resource| ("", resource))).unwrap();
        servers.make_topics(&topics).unwrap();
        let ends = servers.read(&["a".to_owned(), "b".to_owned()]).unwrap().end_offsets().unwrap();
        let expected = [("a", 0), ("a", 1), ("b", 0), ("b", 1)].map(|(name, p)| (name.to_owned(), p, 0));
        assert_eq!(ends, expected);
    }

    #[test]
    fn a_registry_is_embedded_where_one_is_needed() {
        for config in [
            json!({"message_format": "Avro"}),
            json!({"message_format": "JSON", "schema_registry": {"endpoint": "https://r.example", "username": "u", "password": "p", "subject_strategy": "topic_hash"}}),
        ] {
            let servers = embedded(&config).unwrap();
            let registry = servers.endpoint.schema_registry.unwrap();
            assert_eq!(registry.endpoint[0].host_str(), Some("127.0.0.1"));
            assert_eq!(registry, SchemaRegistry::at(registry.endpoint[0].clone()));
        }
        let config = json!({"message_format": "Avro", "schema_registry": {
            "endpoint": "https://r.example", "password": "p", "bearer_token": "b", "subject_strategy": "topic_name",
        }});
        let kept = embedded(&config).unwrap().config["schema_registry"].as_object().unwrap().clone();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["endpoint", "subject_strategy"]);
        let config = json!({"message_format": "JSON", "schema_registry": null});
        assert_eq!(embedded(&config).unwrap().endpoint.schema_registry, None);
    }

    #[test]
    fn the_options_of_an_embedded_registry_are_kept() {
        let config = json!({"message_format": "Avro", "schema_registry": {"username": "u", "subject_strategy": "topic_name"}});
        let registry = embedded(&config).unwrap().endpoint.schema_registry.unwrap();
        assert_eq!((registry.username, registry.subject_strategy), (None, SubjectStrategy::TopicName));
    }

    #[test]
    fn a_wrong_configuration_is_told() {
        let error = embedded(&json!({"message_format": "CSV"})).err().unwrap().to_string();
        assert!(error.starts_with("the endpoint's configuration: "), "{error}");
        let endpoint = embedded(&json!({"message_format": "JSON"})).unwrap().endpoint;
        let error =
            topics(&endpoint, [("binding 3", &json!({"topic": "no/topic"}))]).unwrap_err().to_string();
        assert!(error.starts_with("binding 3: "), "{error}");
    }

    #[test]
    fn topics_that_bindings_share_are_named_once() {
        let resources = [json!({"topic": "b"}), json!({"topic": "a"}), json!({"topic": "b"})];
        let endpoint = embedded(&json!({"message_format": "JSON"})).unwrap().endpoint;
        let topics = topics(&endpoint, resources.iter().map(|resource| ("", resource))).unwrap();
        let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
