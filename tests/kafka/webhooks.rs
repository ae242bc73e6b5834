//! Real documents, with the schemas that describe them, through a real broker and registry.

use std::fs;

use serde_json::{Value, json};

use crate::avro::Schemas;
use crate::broker::unique;
use crate::common::brokers::read;
use crate::common::runtime::{shared_data, stores};
use crate::common::services;
use crate::endpoint::Endpoint;
use crate::landed::{Format, assert_landed, count, expected};

#[test]
fn webhook_documents_decode_to_their_sources() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let Some(data) = shared_data("webhook_documents_decode_to_their_sources") else { return };
    let read_file = |name| fs::read_to_string(data.join("github-webhooks").join(name)).unwrap();
    let (specification, fixture) = (read_file("flow.json"), read_file("fixture.jsonl"));
    let schemas = Schemas::of(&registry);
    for (endpoint, format) in [
        (Endpoint::json(&kafka.plaintext), Format::Json),
        (Endpoint::avro(&kafka.plaintext, &registry), Format::Avro(&schemas)),
    ] {
        let (specification, topics) = with_topics_of_our_own(&specification);
        let task = endpoint.task(&specification);
        assert_eq!(endpoint.apply(&task).lines().count(), 8);
        endpoint.run(&task, &stores(&task, &fixture));

        let expected = expected(&task, &fixture);
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let records = read(&endpoint.config, &names, count(&expected));
        assert_landed(&task, &expected, &records, &format, 3);
    }
}

fn with_topics_of_our_own(specification: &str) -> (String, Vec<String>) {
    let mut specification: Value = serde_json::from_str(specification).unwrap();
    let mut topics = Vec::new();
    for binding in specification["materializations"]["github/to-kafka"]["bindings"].as_array_mut().unwrap() {
        let topic = unique(binding["resource"]["topic"].as_str().unwrap());
        binding["resource"] = json!({"topic": topic});
        topics.push(topic);
    }
    (specification.to_string(), topics)
}
