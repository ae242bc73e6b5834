//! Subjects by Confluent's strategies at a real registry: what is registered and with which level, what is only looked up,
//! whose version is written by, and what the registry would not take.

use apache_avro::types::Value as Avro;
use serde_json::{Value, json};

use crate::avro::{Schemas, fields};
use crate::broker::unique;
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services::{self, Registry};
use crate::endpoint::{Endpoint, assert_says, specification, transaction};

fn endpoint(brokers: &str, registry: &Registry, options: Value) -> Endpoint {
    let mut endpoint = Endpoint::avro(brokers, registry);
    let config = endpoint.config["schema_registry"].as_object_mut().unwrap();
    config.extend(options.as_object().unwrap().clone());
    endpoint
}

/// A request of somebody else's to the registry, and its answer.
pub fn ask(registry: &Registry, method: &str, path: &str, body: &Value) -> Value {
    let Registry { url, login } = registry;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new().request(method.parse().unwrap(), format!("{url}/{path}"));
        let request =
            client.basic_auth(&login.user, Some(&login.password)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    })
}

#[test]
fn subjects_by_topic_with_a_level_of_their_own() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let topic = unique("subjects");
    let specification = specification(&[&topic]);
    let options = |more: Value| {
        let mut options = json!({"subject_strategy": "topic_name"});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        endpoint(&kafka.plaintext, &registry, options)
    };
    // Nothing is registered where that is not wanted.
    let looking = options(json!({"auto_register": false}));
    let task = looking.task(&specification);
    looking.apply(&task);
    let key = format!("{topic}-key");
    assert_says(
        &looking.ask_open(&task).failure(),
        &[&format!("looking up the schema of subject {key:?}: the registry does not have it, and"), "\"p1\""],
    );
    let schemas = Schemas::of(&registry);
    assert_eq!(schemas.of_topic(&topic), []);

    let registering = options(json!({"compatibility": "FORWARD"}));
    let document = json!({"id": 1, "text": "t"});
    let task = registering.task(&specification);
    registering.run(&task, &stores(&task, &transaction([(0, &document)])));
    let mut subjects: Vec<_> = schemas.of_topic(&topic).into_iter().map(|(subject, ..)| subject).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, [key.clone(), format!("{topic}-value")]);
    for subject in &subjects {
        assert_eq!(
            ask(&registry, "GET", &format!("config/{subject}"), &Value::Null)["compatibilityLevel"],
            "FORWARD"
        );
    }
    // What is there is found.
    let task = looking.task(&specification);
    looking.run(&task, &stores(&task, &transaction([(0, &document)])));

    // A key of another type would not be taken.
    let other = specification.replace(r#""id":{"type":"integer"}"#, r#""id":{"type":"string"}"#);
    assert_ne!(other, specification);
    let validate = crate::common::runtime::task(&other, &registering.config).validate();
    assert_says(
        &registering.ask(validate).failure(),
        &[&format!(
            "checking the schema of subject {key:?}: it is not compatible with version 1: field \"_flow_key.p1\" is \"long\" there and \"string\" here"
        )],
    );
}

#[test]
fn a_version_of_somebody_elses_is_written_by() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    let topic = unique("latest");
    let specification = specification(&[&topic]);
    let named = endpoint(&kafka.plaintext, &registry, json!({"subject_strategy": "topic_name"}));
    let task = named.task(&specification);
    named.apply(&task);
    let document = json!({"id": 1, "text": "t"});
    named.run(&task, &stores(&task, &transaction([(0, &document)])));

    // Somebody turns the fields round, and adds one.
    let value = format!("{topic}-value");
    let latest = ask(&registry, "GET", &format!("subjects/{value}/versions/latest"), &Value::Null);
    let mut schema: Value = serde_json::from_str(latest["schema"].as_str().unwrap()).unwrap();
    let own = schema["fields"].as_array_mut().unwrap();
    let extra = own.pop().unwrap();
    own.reverse();
    own.push(json!({"name": "channel", "type": {"type": "map", "values": "long"}, "default": {"web": 3}}));
    own.push(extra);
    let id =
        ask(&registry, "POST", &format!("subjects/{value}/versions"), &json!({"schema": schema.to_string()}));

    let latest =
        json!({"subject_strategy": "topic_name", "use_latest_version": true, "auto_register": false});
    let latest = endpoint(&kafka.plaintext, &registry, latest);
    let task = latest.task(&specification);
    latest.run(&task, &stores(&task, &transaction([(0, &document)])));
    let records = &read(&latest.config, &[&topic], 2)[&topic];
    let schemas = Schemas::of(&registry);
    let mut values: Vec<_> =
        records.iter().map(|record| schemas.decode(record.value.as_ref().unwrap())).collect();
    let (used, second) = values.pop().unwrap();
    let (first, before) = values.pop().unwrap();
    assert_eq!(Some(u64::from(used)), id["id"].as_u64());
    assert_ne!(used, first);
    let (mut second, before) = (fields(second), fields(before));
    let channel = Avro::Map([("web".to_owned(), Avro::Long(3))].into());
    assert_eq!(second.remove("channel"), Some(channel));
    assert_eq!(second.get("text"), before.get("text"));
    assert_eq!(second.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
}
