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

#[test]
fn validate_tells_of_members_that_are_no_options_once_and_no_values() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.json();
    config["advanced"] = json!({"topic_prefx": "hunter2"});
    let specification =
        TASK.replace("resource: {topic: things}", "resource: {topic: things, partiton_by: [hunter2]}");
    let twice = format!("{specification}{}", specification.split_once("bindings:\n").unwrap().1);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(task(&twice, &config).validate()).validated.unwrap();
    let ended = connector.end();
    ended.assert_clean();
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    for message in [
        "reading the endpoint configuration: no such option /advanced/topic_prefx; did you mean /advanced/topic_prefix",
        "reading the resource configuration: no such option /partiton_by; did you mean /partition_by",
    ] {
        let lines = ended.stderr.lines().filter(|line| line.contains("\"WARN\"") && line.contains(message));
        assert_eq!(lines.count(), 1, "{}", ended.stderr);
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

/// Bindings of different collections under one subject: told before there is anything of theirs, and as soon as it is certain.
#[test]
fn bindings_that_claim_one_subject_are_told_before_anything_is_made() {
    let servers = Servers::start(&["things", "others"]);
    let two = |more: &str, (of, to): (&str, &str)| {
        assert!(TASK.contains(of), "{of}");
        let other = TASK.replace(of, to);
        let other = other.split("materializations:").next().unwrap().replace("acme/things", "acme/others");
        let other = other.replace("collections:\n", "");
        let bindings = format!("      - source: acme/others\n        resource: {{topic: {more}}}\n");
        format!("collections:\n{other}{}{bindings}", TASK.trim_start().trim_start_matches("collections:\n"))
    };
    let mut config = servers.avro();
    config["schema_registry"]["subject_strategy"] = json!("topic_name");
    let value = ("name: {type: string}", "name: {type: integer}");
    // Validate, which comes with `build`, does not know of the fields that are no key whether they will be selected. Apply does.
    let fails = |specification: &str, config: &Value| apply_fails(&build(specification, config).spec);
    let of_topic = "naming the subjects of schemas: binding 0 (collection acme/things, topic \"things\") and binding 1 \
                    (collection acme/others, topic \"things\") would both have subject \"things-value\", with schemas that \
                    differ; give them different topics, or set schema_registry.subject_strategy to topic_record_name and a \
                    record_name for each";
    assert_eq!(fails(&two("things", value), &config), of_topic);
    config["schema_registry"]["subject_strategy"] = json!("record_name");
    let message = fails(&two("others, record_name: things", value), &config);
    assert!(message.contains("would both have subject \"things\""), "{message}");
    assert!(message.ends_with("; set another record_name in the resource of one of them"), "{message}");
    // What differs in fields that nobody selects differs in nothing.
    let chosen = two(
        "others, record_name: things}\n        fields: {recommended: false, include: {deep/more: {}}",
        value,
    );
    let chosen = chosen
        .replace("fields: {recommended: true}", "fields: {recommended: false, include: {deep/more: {}}}");
    assert_eq!(apply(&build(&chosen, &config)), "");

    // The fields of the last specification are known to Validate, and keys always.
    config["schema_registry"]["subject_strategy"] = json!("topic_name");
    let mut request = task(&two("things", value), &config).validate();
    request.last_materialization = Some(build(&two("things", value), &servers.avro()).spec);
    assert_eq!(fails_to_validate(request), of_topic);
    let key = ("id: {type: integer}", "id: {type: string}");
    let message = fails_to_validate(task(&two("things", key), &config).validate());
    assert!(message.contains("would both have subject \"things-key\""), "{message}");

    // Topics of their own, or a subject for each schema.
    config["schema_registry"]["subject_strategy"] = json!("topic_hash");
    for specification in [two("things", key), two("others", key)] {
        assert_eq!(apply(&build(&specification, &config)), "");
        config["schema_registry"]["subject_strategy"] = json!("topic_name");
    }
    // Nor does anybody claim a subject in which others are the ones that register.
    let both = two("others, record_name: things", value)
        .replace("{topic: things}", "{topic: things, record_name: things}");
    config["schema_registry"]["subject_strategy"] = json!("topic_hash");
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.ask(open_request(&build(&both, &config).spec)).opened.unwrap();
    connector.end().assert_clean();
    let client = Client::new(&servers.registry.config()).unwrap();
    for subject in ["things", "thingsKey"] {
        servers.block_on(client.set_compatibility(subject, "NONE")).unwrap();
    }
    let mut id = 1;
    while let Ok(schema) = servers.block_on(client.schema(id)) {
        let subject = if schema.text.contains("_flow_key") { "thingsKey" } else { "things" };
        servers.block_on(client.register(&[(subject.to_owned(), schema)])).unwrap();
        id += 1;
    }
    assert_eq!(id, 4, "one schema of keys, two of values");
    config["schema_registry"]["subject_strategy"] = json!("record_name");
    let message = fails(&both, &config);
    assert!(message.contains("would both have subject \"things\""), "{message}");
    config["schema_registry"]["auto_register"] = json!(false);
    assert_eq!(apply(&build(&both, &config)), "");
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
    let message = validate_fails(&config);
    let lacks_key =
        "looking up 2 schemas: the registry does not have that of subject \"things-key\", of type AVRO: {";
    assert!(message.starts_with(lacks_key), "{message}");
    // Both at once, so that whoever registers them is asked once; of the value Validate knows only what is likely.
    let likely = ", nor, if those fields are selected that are likely to be, that of subject \"things-value\", of type AVRO: {";
    assert!(message.contains(likely) && message.contains(name), "{message}");
    assert!(message.ends_with("register them there, or set auto_register to true"), "{message}");
    let mut spec = build(TASK, &by_hash).spec;
    spec.config_json = config.to_string().into();
    let message = apply_fails(&spec);
    for told in [
        "looking up 2 schemas: ",
        "subject \"things-key\", of type AVRO: {",
        ", and that of subject \"things-value\", of type AVRO: {",
    ] {
        assert!(message.contains(told), "{message}");
    }
    config["schema_registry"]["subject_strategy"] = json!("topic_hash");
    assert_eq!(apply(&build(TASK, &config)), "", "registered above");
}

/// A version that somebody registered is what messages carry and are written by; one that does not fit is told at Open.
#[test]
fn the_latest_version_is_written_by() {
    let servers = Servers::start(&["things"]);
    let mut config = servers.avro();
    let options =
        json!({"subject_strategy": "topic_name", "use_latest_version": true, "auto_register": false});
    config["schema_registry"].as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
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
    let built = build(TASK, &config);
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(open_request(&built.spec));
    let in_open = error(&connector.wait());
    let of_value = "writing by version 1 of subject \"things-value\" (schema_registry.use_latest_version): ";
    for message in [in_open, apply_fails(&built.spec)] {
        assert!(message.contains(of_value), "{message}");
        let expected = r#"at /name: it has "long", and documents have strings: expected "string" or an enum; exclude the field "name" from the binding"#;
        assert!(message.contains(expected), "{message}");
        assert!(
            message.ends_with("; where no version fits, set schema_registry.use_latest_version to false"),
            "{message}"
        );
    }
    // A key is told by Validate already, and by Apply together with the value.
    servers.block_on(client.set_compatibility("things-key", "NONE")).unwrap();
    register("things-key", &key.replace("long", "string"));
    let binding = "binding 0 (collection acme/things, topic \"things\"): ";
    let of_key = "writing by version 2 of subject \"things-key\" (schema_registry.use_latest_version): ";
    let message = validate_fails(&config);
    assert!(
        message.starts_with(&format!("{binding}{of_key}")) && message.contains("/_flow_key/p1"),
        "{message}"
    );
    let message = apply_fails(&built.spec);
    assert!(message.contains(of_key) && message.contains(&format!("; and {binding}{of_value}")), "{message}");
}

/// The keys that a binding will have are looked at, in Validate as in Apply.
#[test]
fn keys_that_a_binding_groups_by_are_what_is_checked() {
    let servers = Servers::start(&["things"]);
    let with = |resource: &str, group_by: &str| {
        let fields = format!("fields: {{recommended: true, groupBy: [{group_by}]}}");
        let specification = TASK.replace("fields: {recommended: true}", &fields);
        let specification = specification.replace("required: [deep]", "required: [deep, name]");
        specification.replace("{topic: things}", &format!("{{topic: things, {resource}}}"))
    };
    for (resource, group_by, message) in [
        (
            "partition_by: [deep/id]",
            "name",
            "partition_by names \"deep/id\", which is no key field that is selected of",
        ),
        (
            "key_format: string",
            "deep/id, name",
            "key_format string writes a single key field, and of collection",
        ),
        (
            "key_format: string",
            "deep/more",
            "field \"deep/more\" of collection acme/things may be missing, string",
        ),
        ("partition_by: [name]", "name, deep/id", ""),
        ("key_format: string", "name", ""),
    ] {
        let specification = with(resource, group_by);
        if message.is_empty() {
            assert_eq!(apply(&build(&specification, &servers.json())), "");
            continue;
        }
        let request = task(&specification, &servers.json()).validate();
        // As a task that was published before this was looked at.
        let mut spec = build(&with("", group_by), &servers.json()).spec;
        spec.bindings[0].resource_config_json = request.bindings[0].resource_config_json.clone();
        for found in [fails_to_validate(request), apply_fails(&spec)] {
            assert!(found.starts_with("binding 0: ") && found.contains(message), "{found}");
        }
    }
}

fn apply_fails(spec: &flow::MaterializationSpec) -> String {
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request::Apply {
        materialization: Some(spec.clone()),
        version: "2".into(),
        ..Default::default()
    });
    error(&connector.wait())
}

fn validate_fails(config: &Value) -> String {
    fails_to_validate(task(TASK, config).validate())
}

fn fails_to_validate(request: request::Validate) -> String {
    let start = Instant::now();
    let mut connector = Connector::start(Codec::Proto);
    connector.spec();
    connector.send(request);
    let ended = connector.wait();
    // The rest is for a machine that is busy.
    assert!(start.elapsed() < Duration::from_secs(30), "an answer within 10 s was promised");
    assert!(!ended.stderr.contains("secret\"") && !ended.stderr.contains("-secret"), "{}", ended.stderr);
    error(&ended)
}

fn error(ended: &Ended) -> String {
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    ended.message()
}
