//! Spec, Validate and Apply of the real binary: what they answer, and what they say when a server does not.

#![allow(clippy::unwrap_used, reason = "it is test code")]

mod common;

use std::time::{Duration, Instant};

use common::brokers::Servers;
use common::runtime::{Connector, Ended, apply, build, open_request, task};
use materialize_kafka::config::{EndpointConfig, Resource, Secret};
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::{flow, request, response};
use materialize_kafka::registry::memory::{Options, Registry};
use materialize_kafka::registry::{Client, Schema};
use serde_json::{Value, json};

const TASK: &str = r#"
collections:
  acme/things:
    key: [/deep/id]
    schema:
      type: object
      properties:
        deep: {type: object, properties: {id: {type: integer}, more: {type: string}}, required: [id]}
        name: {type: string}
      required: [deep]
materializations:
  acme/task:
    endpoint: {local: {command: [materialize-kafka], config: {}}}
    bindings:
      - source: acme/things
        resource: {topic: things}
        fields: {recommended: true}
"#;

#[test]
fn spec_is_what_the_runtime_and_its_form_expect() {
    let mut connector = Connector::start(Codec::Json);
    let spec = connector.spec();
    connector.end().assert_clean();
    assert_eq!(spec.protocol, 3_032_023);
    assert_eq!(spec.documentation_url, "https://go.estuary.dev/materialize-kafka");
    let endpoint: Value = serde_json::from_slice(&spec.config_schema_json).unwrap();
    let resource: Value = serde_json::from_slice(&spec.resource_config_schema_json).unwrap();
    // `config` has the snapshots.
    assert_eq!(endpoint, EndpointConfig::schema());
    assert_eq!(resource, Resource::schema());
}

#[test]
fn validate_answers_every_projection_in_both_forms() {
    let servers = Servers::start(&["things"]);
    let task = task(TASK, &servers.json());
    for codec in [Codec::Proto, Codec::Json] {
        let mut connector = Connector::start(codec);
        connector.spec();
        let mut validated = connector.ask(task.validate()).validated.unwrap();
        connector.end().assert_clean();
        let binding = validated.bindings.remove(0);
        assert_eq!((&binding.resource_path[..], binding.delta_updates), (&["things".to_owned()][..], true));
        let policy = flow::SerPolicy {
            str_truncate_after: 65536,
            nested_obj_truncate_after: 1000,
            array_truncate_after: 1000,
        };
        assert_eq!(binding.ser_policy, Some(policy));
        let listed: Vec<_> = binding
            .projection_constraints
            .iter()
            .map(|projection| (projection.field.clone(), projection.constraint.clone().unwrap()))
            .collect();
        assert_eq!(binding.constraints.into_iter().collect::<Vec<_>>(), listed, "both forms say the same");
        let lines: String = listed.iter().map(|(field, constraint)| line(field, constraint)).collect();
        insta::allow_duplicates! { insta::assert_snapshot!(lines, @r"
        _meta/flow_truncated: FieldOptional (Nested locations can be materialized where they are wanted)
        deep: LocationRecommended (Top-level locations are usually materialized)
        deep/id: LocationRecommended (The location is part of the collection's key)
        deep/more: FieldOptional (Nested locations can be materialized where they are wanted)
        flow_document: FieldOptional (The root document is usually not needed beside the selected fields)
        flow_published_at: LocationRecommended (Top-level locations are usually materialized)
        name: LocationRecommended (Top-level locations are usually materialized)
        ") }
    }
}

fn line(field: &str, constraint: &response::Constraint) -> String {
    format!("{field}: {:?} ({})\n", constraint.r#type(), constraint.reason)
}

#[test]
fn validate_tells_which_server_does_not_answer() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.json();
    config["bootstrap_servers"] = json!("127.0.0.1:1");
    let message = validate_fails(&config);
    assert!(
        message.starts_with(
            "asking the brokers for themselves: no usable answer from the brokers at 127.0.0.1:1: "
        ),
        "{message}"
    );
    assert!(message.contains("Connection refused"), "{message}");
    assert!(
        message.contains("check host and port in bootstrap_servers, and that the broker runs"),
        "{message}"
    );

    let mut config = servers.avro();
    config["schema_registry"]["endpoint"] = json!("http://127.0.0.1:1/base/");
    let message = validate_fails(&config);
    assert!(
        message.starts_with("reading the configuration at the schema registry http://127.0.0.1:1/base"),
        "{message}"
    );
    assert!(message.contains("the connection was refused"), "{message}");
    assert!(message.contains("check host and port in schema_registry.endpoint"), "{message}");

    config["bootstrap_servers"] = json!("127.0.0.1:1");
    let message = validate_fails(&config);
    assert!(
        message.contains("asking the brokers for themselves")
            && message.contains("; and reading the configuration at"),
        "{message}"
    );
}

#[test]
fn validate_tells_what_is_wrong_with_a_registrys_login_and_path() {
    let servers = Servers::start(&["things"]);
    let login = Some(("flow".to_owned(), Secret::new("right-secret")));
    let registry = servers.block_on(Registry::start(Options { login, ..Options::default() })).unwrap();
    let mut config = servers.avro();
    config["schema_registry"] =
        json!({"endpoint": registry.url().to_string(), "username": "flow", "password": "wrong-secret"});
    let message = validate_fails(&config);
    assert!(message.contains("it answered 401"), "{message}");
    assert!(message.contains("check schema_registry.username and schema_registry.password"), "{message}");

    config["schema_registry"]["password"] = json!("right-secret");
    config["schema_registry"]["endpoint"] = json!(format!("{}/elsewhere", registry.url()));
    let message = validate_fails(&config);
    assert!(message.contains("it answered 404"), "{message}");
    assert!(message.contains("check the path in schema_registry.endpoint"), "{message}");
}

#[test]
fn a_collection_whose_schema_cannot_be_mapped_is_told_in_validate() {
    let servers = Servers::start(&["things"]);
    let mut request = task(TASK, &servers.avro()).validate();
    let collection = request.bindings[0].collection.as_mut().unwrap();
    collection.write_schema_json = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/gone"}}}"##.into();
    collection.read_schema_json = Default::default();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request);
    let message = error(&connector.wait());
    assert!(message.starts_with("binding 0: the schema of collection acme/things: "), "{message}");
    assert!(message.contains("#/$defs/gone"), "{message}");
}

#[test]
fn apply_leaves_topics_that_exist_as_they_are() {
    let servers = Servers::start(&["things"]);
    let task = build(TASK, &servers.json());
    assert_eq!(apply(&task), "");
}

/// Bindings of different collections under one subject: told before there is anything of theirs.
#[test]
fn bindings_that_claim_one_subject_are_told_in_validate() {
    let servers = Servers::start(&["things"]);
    let two = |more: &str| {
        let other = TASK.replace("name: {type: string}", "name: {type: integer}");
        let other = other.split("materializations:").next().unwrap().replace("acme/things", "acme/others");
        let other = other.replace("collections:\n", "");
        let bindings = format!("      - source: acme/others\n        resource: {{topic: {more}}}\n");
        format!("collections:\n{other}{}{bindings}", TASK.trim_start().trim_start_matches("collections:\n"))
    };
    let mut config = servers.avro();
    config["schema_registry"]["subject_strategy"] = json!("topic_name");
    let fails = |specification: &str, config: &Value| {
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.send(task(specification, config).validate());
        error(&connector.wait())
    };
    assert_eq!(
        fails(&two("things"), &config),
        "naming the subjects of schemas: binding 0 (collection acme/things, topic \"things\") and binding 1 \
         (collection acme/others, topic \"things\") would both have subject \"things-value\", with schemas that \
         differ; give them different topics, or set schema_registry.subject_strategy to topic_record_name and a \
         record_name for each"
    );
    config["schema_registry"]["subject_strategy"] = json!("record_name");
    let message = fails(&two("others, record_name: things"), &config);
    assert!(message.contains("would both have subject \"things\""), "{message}");
    assert!(message.ends_with("; set another record_name in the resource of one of them"), "{message}");

    // Topics of their own, or a subject for each schema.
    config["schema_registry"]["subject_strategy"] = json!("topic_hash");
    for specification in [two("things"), two("others")] {
        let mut connector = Connector::start(Codec::Proto);
        connector.spec();
        connector.ask(task(&specification, &config).validate()).validated.unwrap();
        connector.end().assert_clean();
        config["schema_registry"]["subject_strategy"] = json!("topic_name");
    }
}

/// Consumers look for a schema by the name of the topic that they read.
#[test]
fn subjects_have_the_prefix_of_topics() {
    let servers = Servers::start(&["prod.things"]);
    let mut config = servers.avro();
    config["schema_registry"]["subject_strategy"] = json!("topic_name");
    config["advanced"] = json!({"topic_prefix": "prod."});
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(task(TASK, &config).validate()).validated.unwrap();
    connector.ask(open_request(&build(TASK, &config).spec)).opened.unwrap();
    connector.end().assert_clean();
    let asked: Vec<_> =
        servers.registry.requests().into_iter().map(|seen| (seen.method, seen.path)).collect();
    let of =
        |path: &str| asked.iter().filter(|(method, seen)| method == "POST" && seen.starts_with(path)).count();
    for part in ["key", "value"] {
        assert_eq!(of(&format!("/subjects/prod.things-{part}/versions")), 1, "{asked:?}");
    }
    assert_eq!(of("/subjects/"), 2, "{asked:?}");
    // Validate asks for what Open registers.
    assert_eq!(of("/compatibility/subjects/prod.things-key/"), of("/compatibility/"), "{asked:?}");
}

/// What the registry would not take is told by Validate, as far as it is certain, and by Apply, which knows the fields.
#[test]
fn schemas_that_are_not_compatible_are_told_before_anything_runs() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.avro();
    config["schema_registry"]["subject_strategy"] = json!("topic_name");
    let mut built = build(TASK, &config);
    assert_eq!(apply(&built), "");

    let client = Client::new(&servers.registry.config()).unwrap();
    let register = |subject: &str, text: &str| {
        let schema = Schema::avro(text);
        servers.block_on(client.register(&[(subject.to_owned(), schema)])).unwrap();
    };
    // What the task would register, but for one field.
    let mut by_hash = config.clone();
    by_hash["schema_registry"]["subject_strategy"] = json!("topic_hash");
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(open_request(&build(TASK, &by_hash).spec)).opened.unwrap();
    connector.end().assert_clean();
    let registered = [1, 2].map(|id| servers.block_on(client.schema(id)).unwrap().text);
    let name = r#""name":"name","type":["string","null"]"#;
    let value = registered.iter().find(|text| text.contains(name)).unwrap();
    let other = value.replace(name, r#""name":"name","type":"long""#);
    register("things-value", &other);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request::Apply {
        materialization: Some(built.spec.clone()),
        version: "2".into(),
        ..Default::default()
    });
    let expected = "checking the schema of subject \"things-value\": it is not compatible with version 1: ";
    let field = "field \"name\" is \"long\" there and [\"string\",\"null\"] here";
    let message = error(&connector.wait());
    assert!(message.starts_with(expected) && message.contains(field), "{message}");

    // The fields of the last specification are known to Validate as well.
    let mut request = task(TASK, &config).validate();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(request.clone()).validated.unwrap();
    connector.end().assert_clean();
    request.last_materialization = Some(std::mem::take(&mut built.spec));
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request.clone());
    let message = error(&connector.wait());
    assert!(message.starts_with(expected) && message.contains(field), "{message}");
    assert!(message.contains("exclude those that are no key in a publication of their own"), "{message}");

    // As that remedy has it: once the field is excluded it is in nobody's way.
    let last = request.last_materialization.as_mut().unwrap();
    for binding in &mut last.bindings {
        let selection = binding.field_selection.as_mut().unwrap();
        selection.values.retain(|field| field != "name");
        assert!(!selection.values.is_empty());
    }
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(request).validated.unwrap();
    connector.end().assert_clean();

    // The key is certain from the start.
    register("things-key", r#""string""#);
    let message = validate_fails(&config);
    assert!(
        message.starts_with(
            "checking the schema of subject \"things-key\": it is not compatible with version 1: "
        ),
        "{message}"
    );
    // Where nothing is registered, nothing need be compatible; but it must be there.
    config["schema_registry"]["auto_register"] = json!(false);
    let built = build(TASK, &config);
    assert_eq!(apply(&built), "");
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(open_request(&built.spec));
    let message = error(&connector.wait());
    assert!(
        message.starts_with(
            "looking up the schema of subject \"things-key\": the registry does not have it, and"
        ),
        "{message}"
    );
}

/// A version that somebody registered is what messages carry and are written by; one that does not fit is told at Open.
#[test]
fn the_latest_version_is_written_by() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.avro();
    let options =
        json!({"subject_strategy": "topic_name", "use_latest_version": true, "auto_register": false});
    config["schema_registry"].as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let built = build(TASK, &config);
    let client = Client::new(&servers.registry.config()).unwrap();
    let register = |subject: &str, text: &str| {
        let schema = Schema::avro(text);
        servers.block_on(client.register(&[(subject.to_owned(), schema)])).unwrap()[0]
    };
    let key = r#"{"type":"record","name":"K","fields":[{"name":"_flow_key","type":{"type":"record","name":"P","fields":[{"name":"p1","type":"long"}]}}]}"#;
    register("things-key", key);
    register(
        "things-value",
        r#"{"type":"record","name":"V","fields":[{"name":"name","type":["null","long"],"default":null}]}"#,
    );
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(open_request(&built.spec));
    let message = error(&connector.wait());
    assert!(
        message.contains(
            "writing by version 1 of subject \"things-value\" (schema_registry.use_latest_version): "
        ),
        "{message}"
    );
    let expected = r#"at /name: it has "long", and documents have strings: expected "string" or an enum; exclude the field "name" from the binding"#;
    assert!(message.contains(expected), "{message}");
}

fn validate_fails(config: &Value) -> String {
    let request = task(TASK, config).validate();
    let start = Instant::now();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request);
    let ended = connector.wait();
    assert!(start.elapsed() < Duration::from_secs(15), "an answer within 10 s was promised");
    assert!(!ended.stderr.contains("secret\"") && !ended.stderr.contains("-secret"), "{}", ended.stderr);
    error(&ended)
}

fn error(ended: &Ended) -> String {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    ended.message()
}
