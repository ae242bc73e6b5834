//! Apply makes the topics that are missing, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde_json::{Value, json};

use crate::broker::{Admin, Change, acl, requests, unique};
use crate::common::runtime::stores;
use crate::common::services::{self, Cluster};
use crate::endpoint::{Endpoint, assert_says, specification, transaction};

#[test]
fn missing_topics_are_created_as_configured_and_others_left_alone() {
    let Some(kafka) = services::kafka() else { return };
    let admin = Admin::at(&kafka.plaintext);
    let tag = unique("apply");
    let [old, new, another] = ["old", "new", "another"].map(|name| format!("{tag}-{name}"));
    admin.create(&old, 2);

    let endpoint = Endpoint::json(&kafka.plaintext).set("topic_partitions", json!(4));
    // One topic comes twice.
    let task = endpoint.task(&specification(&[&new, &old, &another, &new]));
    assert_eq!(admin.topics(&tag).len(), 1, "Validate has created topics");
    assert_eq!(endpoint.apply(&task), format!("create topic {another}\ncreate topic {new}"));
    let expected = BTreeMap::from([(old, (2, 1)), (new.clone(), (4, 1)), (another.clone(), (4, 1))]);
    assert_eq!(admin.topics(&tag), expected);

    assert_eq!(endpoint.apply(&task), "", "a second Apply finds nothing to do");
    admin.delete(&new);
    assert_eq!(endpoint.apply(&task), format!("create topic {new}"), "what was deleted is missing again");
    assert_eq!(admin.topics(&tag), expected);
}

/// Whoever comes second finds that the topic has appeared between question and creation, or finds it there.
#[test]
fn a_topic_that_appears_meanwhile_is_left_as_it_is() {
    let Some(kafka) = services::kafka() else { return };
    let admin = Admin::at(&kafka.plaintext);
    let tag = unique("race");
    let topics: Vec<String> = (0..12).map(|n| format!("{tag}-{n}")).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    let endpoint = Endpoint::json(&kafka.plaintext);
    let task = &endpoint.task(&specification(&names));
    let mut created: Vec<String> = thread::scope(|scope| {
        let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| endpoint.apply(task))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    created.retain(|description| !description.is_empty());
    let mut lines: Vec<&str> = created.iter().flat_map(|description| description.lines()).collect();
    lines.sort_unstable();
    let mut expected: Vec<String> = topics.iter().map(|topic| format!("create topic {topic}")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected, "each topic was created by one of them");
    assert!(admin.topics(&tag).values().all(|found| *found == (3, 1)), "{:?}", admin.topics(&tag));
}

#[test]
fn a_replication_factor_above_the_brokers_names_topic_and_remedy() {
    let Some(kafka) = services::kafka() else { return };
    let topic = unique("replicated");
    let endpoint = Endpoint::json(&kafka.plaintext).set("topic_replication_factor", json!(3));
    let message = endpoint.ask_apply(&endpoint.task(&specification(&[&topic]))).failure();
    assert_says(
        &message,
        &[
            &format!("creating topic \"{topic}\" with 3 partitions and replication factor 3: "),
            "INVALID_REPLICATION_FACTOR",
            "only 1 broker(s) are registered",
            "; set topic_replication_factor to no more than the number of brokers",
        ],
    );
    assert!(Admin::at(&kafka.plaintext).topics(&topic).is_empty());
}

#[test]
fn who_may_not_create_a_topic_is_told_which_and_what_to_allow() {
    let Some(kafka) = services::kafka() else { return };
    let (there, topic) = (unique("there"), unique("forbidden"));
    let admin = Admin::at(&kafka.plaintext);
    admin.create(&there, 1);
    acl(&kafka, Change::Allow, &["Describe", "Write"], &there);
    let endpoint = Endpoint::json(&kafka.sasl_plaintext).login("SCRAM-SHA-256", &kafka.limited);
    let task = endpoint.task(&specification(&[&there, &topic]));
    assert_says(
        &endpoint.ask_apply(&task).failure(),
        &[
            &format!("creating topic \"{topic}\" with 3 partitions and replication factor 1: "),
            "TOPIC_AUTHORIZATION_FAILED",
            "; allow this user to describe, create and write the topic (operations Describe, Create and Write)",
        ],
    );
    assert!(admin.topics(&topic).is_empty());

    // The rights that the message asks for are enough, and no more is asked of the brokers than they cover.
    acl(&kafka, Change::Allow, &["Describe", "Create", "Write"], &topic);
    assert_eq!(endpoint.apply(&task), format!("create topic {topic}"));
    endpoint.run(&task, &[]);
}

/// Not even where the brokers create what is asked for.
#[test]
fn open_does_not_create_a_missing_topic() {
    let Some(cluster) = Cluster::start(1, &["--set", "auto.create.topics.enable=true"]) else { return };
    let topic = unique("missing");
    let endpoint = Endpoint::json(cluster.bootstrap_servers());
    let message = endpoint.ask_open(&endpoint.task(&specification(&[&topic]))).failure();
    assert_eq!(
        message,
        format!(
            "topic \"{topic}\" (binding 0, collection acme/0): it does not exist; create it, or let Apply create it by \
             publishing the task again"
        )
    );
    assert!(Admin::at(cluster.bootstrap_servers()).topics(&topic).is_empty());
}

/// From Validate to the end of a session.
#[test]
fn the_brokers_are_asked_for_the_tasks_topics_and_nothing_else() {
    let Some(kafka) = services::kafka() else { return };
    let tag = unique("asked");
    let topics = ["b", "a"].map(|name| format!("{tag}-{name}"));
    let endpoint = Endpoint::json(&kafka.plaintext);
    let document = json!({"id": 1});
    let requests = requests(&kafka, || {
        let task = endpoint.task(&specification(&[&topics[0], &topics[1]]));
        endpoint.apply(&task);
        endpoint.run(&task, &stores(&task, &transaction([(0, &document), (1, &document)])));
    });

    let (mut seen, mut created) = (BTreeSet::new(), BTreeSet::new());
    for line in &requests {
        let (kind, request) =
            (line["requestHeader"]["requestApiKeyName"].as_str().unwrap(), &line["request"]);
        if kind == "METADATA" {
            // Null would ask for all that there are.
            assert!(request["topics"].is_array(), "{request}");
            assert_eq!(request["allowAutoTopicCreation"], false, "{request}");
        }
        let named: Vec<&str> = ["topics", "resources"]
            .iter()
            .filter_map(|list| request[list].as_array())
            .flatten()
            .filter_map(|item| item["name"].as_str().or(item["resourceName"].as_str()))
            .collect();
        // Other requests are of other tests.
        if named.iter().any(|name| name.starts_with(&tag)) {
            assert!(named.iter().all(|name| topics.iter().any(|topic| topic == name)), "{request}");
            seen.insert(kind);
            if kind == "CREATE_TOPICS" && request["validateOnly"] == false {
                // The broker logs it once more on its way to the controller.
                created.extend(request["topics"].as_array().unwrap().iter().map(Value::to_string));
            }
        }
    }
    // As the first release did: what the endpoint says, and the rest is left to the brokers.
    let as_configured = topics.map(|name| {
        json!({"name": name, "numPartitions": 3, "replicationFactor": 1, "assignments": [], "configs": []})
            .to_string()
    });
    assert_eq!(created, BTreeSet::from(as_configured));
    assert_eq!(seen, BTreeSet::from(["METADATA", "CREATE_TOPICS", "DESCRIBE_CONFIGS"]));
}
