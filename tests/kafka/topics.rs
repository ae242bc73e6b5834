//! Topics as they are configured: what is made, and what Validate says of it before.

use serde_json::{Value, json};

use crate::broker::{Admin, unique};
use crate::common::brokers::read;
use crate::common::runtime::{self, stores};
use crate::common::services;
use crate::endpoint::{Answer, Endpoint, assert_says, specification, transaction};

/// A specification whose bindings have these resources.
fn with_resources(resources: &[Value]) -> String {
    let names: Vec<&str> = resources.iter().map(|resource| resource["topic"].as_str().unwrap()).collect();
    let mut specification: Value = serde_json::from_str(&specification(&names)).unwrap();
    let bindings = &mut specification["materializations"]["acme/task"]["bindings"];
    for (binding, resource) in bindings.as_array_mut().unwrap().iter_mut().zip(resources) {
        binding["resource"] = resource.clone();
    }
    specification.to_string()
}

fn validate(endpoint: &Endpoint, resources: &[Value]) -> Answer {
    endpoint.ask(runtime::task(&with_resources(resources), &endpoint.config).validate())
}

#[test]
fn topics_are_made_as_endpoint_and_resource_say() {
    let Some(kafka) = services::kafka() else { return };
    let (one, two) = (unique("one"), unique("two"));
    let prefix = unique("prefix.");
    let endpoint = Endpoint::json(&kafka.plaintext).set(
        "advanced",
        json!({"topic_prefix": prefix, "topic_config": {"max.message.bytes": 60000, "retention.ms": 3_600_000}}),
    );
    let resources = [
        json!({"topic": one}),
        json!({
            "topic": two, "partitions": 5, "replication_factor": 1,
            "topic_config": {"max.message.bytes": 50000, "cleanup.policy": "compact"},
        }),
    ];
    let validated = validate(&endpoint, &resources).response().validated.unwrap();
    let paths: Vec<_> = validated.bindings.iter().map(|binding| binding.resource_path.clone()).collect();
    assert_eq!(paths, [vec![one.clone()], vec![two.clone()]], "the prefix is no part of Flow's name");

    let task = endpoint.task(&with_resources(&resources));
    assert_eq!(endpoint.apply(&task), format!("create topic {prefix}{one}\ncreate topic {prefix}{two}"));
    assert_eq!(endpoint.apply(&task), "", "they exist");
    let made = Admin::at(&kafka.plaintext).topics(&prefix);
    assert_eq!(made[&format!("{prefix}{one}")], (3, 1));
    assert_eq!(made[&format!("{prefix}{two}")], (5, 1));

    let documents: Vec<Value> = (0..20).map(|id| json!({"id": id, "text": "hello"})).collect();
    let fixture = transaction(documents.iter().map(|document| (0, document)).chain([(1, &documents[0])]));
    endpoint.run(&task, &stores(&task, &fixture));
    let landed = [format!("{prefix}{one}"), format!("{prefix}{two}")];
    let records = read(&endpoint.config, &[&landed[0], &landed[1]], documents.len() + 1);
    assert_eq!((records[&landed[0]].len(), records[&landed[1]].len()), (20, 1));

    // What was configured has come to the brokers: they tell it when it is in the way.
    let mut large = endpoint;
    large.config["advanced"]["client_properties"] = json!({"batch.size": 55000});
    assert_says(
        &validate(&large, &resources).failure(),
        &[
            &format!("topic \"{prefix}{two}\": batches of 55000 bytes"),
            "more than the 50000 that it takes",
            "lower the one, or raise the other",
        ],
    );
}

#[test]
fn validate_refuses_what_the_brokers_would_not_make() {
    let Some(kafka) = services::kafka() else { return };
    let endpoint = Endpoint::json(&kafka.plaintext);
    let (missing, present) = (unique("missing"), unique("present"));
    let admin = Admin::at(&kafka.plaintext);
    admin.create(&present, 2);
    let config = |topic: &str, config: Value| vec![json!({"topic": topic, "topic_config": config})];
    for (resources, parts) in [
        (
            config(&missing, json!({"no.such": 1})),
            ["creating topic", "Unknown topic config name: no.such", "correct topic_config"],
        ),
        (
            config(&missing, json!({"retention.ms": "soon"})),
            ["creating topic", "Invalid value soon for configuration retention.ms", "correct topic_config"],
        ),
        (
            vec![
                json!({"topic": missing, "replication_factor": 2, "topic_config": {"min.insync.replicas": 1}}),
            ],
            ["creating topic", "replication factor 2", "no more than the number of brokers"],
        ),
        (
            config(&missing, json!({"min.insync.replicas": 2})),
            [
                "/topic_config",
                "min.insync.replicas is more than the 1 replicas",
                "raise the replication factor",
            ],
        ),
        (
            config(&present, json!({"no.such": 1})),
            ["topic \"", "the brokers know no property \"no.such\" of topics", "correct topic_config"],
        ),
        (
            vec![json!({"topic": missing}), json!({"topic": missing, "partitions": 9})],
            ["bindings 0 and 1 write to topic", "differ in how it is made", "partitions"],
        ),
    ] {
        assert_says(&validate(&endpoint, &resources).failure(), &parts);
    }
    // Brokers like this one take the number of replicas in its place, others would acknowledge nothing.
    let beyond = unique("beyond");
    admin.create_with(&beyond, 1, &[("min.insync.replicas", "2")]);
    let answer = validate(&endpoint, &[json!({"topic": beyond})]);
    answer.response();
    let told = "min.insync.replicas of the topic is more than it has replicas";
    assert!(answer.stderr().contains(told), "{}", answer.stderr());
    let answer = validate(&endpoint, &[json!({"topic": present})]);
    assert!(!answer.stderr().contains(told), "{}", answer.stderr());

    // A topic that exists is left as it is, and one whose properties are known passes.
    validate(&endpoint, &config(&present, json!({"retention.ms": 5000}))).response();
    validate(&endpoint, &config(&missing, json!({"retention.ms": 5000}))).response();
    assert!(!admin.topics(&missing).contains_key(&missing), "Validate makes nothing");
}
