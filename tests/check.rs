//! `materialize-kafka check`, the real binary, without any server that is not embedded. Real ones: `tests/kafka/check.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is test code")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use common::brokers::Servers;
use materialize_kafka::registry::{Client, Schema};
use serde_json::{Map, Value, json};

/// What a check printed as JSON, and its exit status.
fn check(config: &str, more: &[&str]) -> (Value, Option<i32>) {
    let (stdout, status) = run(config, &[more, &["--output", "json"]].concat());
    (serde_json::from_str(&stdout).unwrap(), status)
}

fn run(config: &str, more: &[&str]) -> (String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["check", "--config"]).arg(&path).args(more).env_remove("NO_COLOR");
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// The findings of a step: subject, status, result and remedy.
fn findings<'a>(whole: &'a Value, check: &str) -> Vec<[&'a str; 4]> {
    let all = whole["checks"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    all.map(|finding| {
        ["subject", "status", "result", "remedy"].map(|name| finding[name].as_str().unwrap_or(""))
    })
    .collect()
}

fn statuses(whole: &Value) -> Vec<(&str, &str)> {
    let all = whole["checks"].as_array().unwrap().iter();
    all.map(|finding| (finding["check"].as_str().unwrap(), finding["status"].as_str().unwrap())).collect()
}

#[test]
fn all_is_well_with_embedded_servers() {
    let servers = Servers::start(&["orders"]);
    let (whole, status) = check(&servers.avro().to_string(), &["--topic", "orders"]);
    assert_eq!(status, Some(0), "{whole:#}");
    assert_eq!(whole["ok"], true);
    assert_eq!(
        statuses(&whole),
        [
            ("configuration", "ok"),
            ("name resolution", "ok"),
            ("connection", "ok"),
            ("TLS", "skipped"),
            ("login", "skipped"),
            ("brokers", "ok"),
            ("advertised addresses", "ok"),
            ("advertised addresses", "ok"),
            ("topic", "ok"),
            ("rights", "skipped"),
            ("max.message.bytes", "warning"),
            ("schema registry", "ok"),
            ("subjects", "ok"),
        ]
    );
    assert_eq!(findings(&whole, "configuration")[0][2], "Avro messages, PLAINTEXT, with a schema registry");
    assert_eq!(findings(&whole, "topic")[0][..3], ["orders", "ok", "it has 3 partitions"]);
    assert_eq!(findings(&whole, "subjects")[0][2], "0 can be listed");
}

#[test]
fn what_cannot_be_reached_is_told_with_its_remedy_and_the_rest_is_skipped() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = format!("http://{}/", silent.local_addr().unwrap());
    drop(silent);
    for (server, step, what, remedy) in [
        ("no-such-host.invalid:9092", "name resolution", "", "check the host name in bootstrap_servers"),
        ("127.0.0.1:1", "connection", "Connection refused", "nobody listens there"),
    ] {
        let config = json!({
            "bootstrap_servers": server, "message_format": "JSON", "schema_registry": {"endpoint": registry},
        });
        let (whole, status) = check(&config.to_string(), &["--topic", "orders"]);
        assert_eq!((status, &whole["ok"]), (Some(1), &json!(false)));
        let [[subject, "failed", result, told]] = findings(&whole, step)[..] else { panic!("{whole:#}") };
        assert_eq!(subject, server);
        assert!(result.contains(what) && told.starts_with(remedy), "{whole:#}");
        let skipped = format!("not checked, since this failed: {step}");
        for later in ["brokers", "advertised addresses", "topic"] {
            let [[_, "skipped", why, _]] = findings(&whole, later)[..] else { panic!("{later}: {whole:#}") };
            assert_eq!(why, skipped);
        }
        // The registry has nothing to do with the brokers.
        let [["", "failed", result, told]] = findings(&whole, "schema registry")[..] else {
            panic!("{whole:#}")
        };
        assert!(result.contains("the connection was refused"), "{result}");
        assert_eq!(told, "check host and port in schema_registry.endpoint, and that the registry runs");
        assert_eq!(findings(&whole, "subjects")[0][1], "skipped");
    }
}

#[test]
fn one_of_several_servers_is_enough() {
    let servers = Servers::start(&[]);
    let brokers = format!("127.0.0.1:1,no-such-host.invalid:1,{}", servers.cluster.bootstrap_servers());
    let config = json!({"bootstrap_servers": brokers, "message_format": "JSON"});
    let (whole, status) = check(&config.to_string(), &[]);
    assert_eq!(status, Some(0), "{whole:#}");
    let names: Vec<_> = findings(&whole, "name resolution").iter().map(|finding| finding[1]).collect();
    assert_eq!(names[..3], ["ok", "warning", "ok"]);
    let connections: Vec<_> = findings(&whole, "connection").iter().map(|finding| finding[1]).collect();
    assert_eq!(connections[..2], ["warning", "ok"]);
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_and_no_secret() {
    let secret = "hunter2";
    for (config, expected, remedy) in [
        ("a: [", "is neither YAML nor JSON", ""),
        ("message_format: JSON\n", "/bootstrap_servers is missing", "give the brokers' addresses"),
        (
            &format!("bootstrap_servers: b:1\nmessage_format: JSON\ncredentials: {secret}\n"),
            "/credentials is a string, expected an object",
            "",
        ),
        (
            &format!("bootstrap_servers: u:{secret}@b:1\nmessage_format: JSON\n"),
            "/bootstrap_servers is \"***\"",
            "",
        ),
    ] {
        let (whole, status) = check(config, &["--topic", "t"]);
        assert_eq!(status, Some(1), "{whole:#}");
        let [["", "failed", result, told]] = findings(&whole, "configuration")[..] else {
            panic!("{whole:#}")
        };
        assert!(result.contains(expected), "{result}");
        assert!(told.starts_with(remedy), "{told}");
        assert!(!whole.to_string().contains(secret), "{whole:#}");
        assert!(statuses(&whole)[1..].iter().all(|(_, status)| *status == "skipped"), "{whole:#}");
    }
}

#[test]
fn the_bindings_of_a_specification_are_checked_with_their_topics() {
    let servers = Servers::start(&["acme.things"]);
    let mut config = servers.json();
    config["advanced"] = json!({"topic_prefix": "acme."});
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("flow.json");
    let things = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
    let specification = json!({
        "collections": {"acme/things": {"key": ["/id"], "schema": things}},
        "materializations": {"acme/task": {
            "endpoint": {"local": {"command": ["x"], "config": config}},
            "bindings": [
                {"source": "acme/things", "resource": {"topic": "things"}},
                {"source": "acme/things", "resource": {"topic": "no/topic"}},
                {"source": "acme/things", "resource": {"topic": "things", "partitions": 5}},
            ],
        }},
    });
    fs::write(&source, specification.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    command.args(["check", "--output", "json", "--source"]).arg(&source);
    let output = command.output().unwrap();
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let bindings = findings(&whole, "binding");
    assert_eq!(bindings.iter().map(|finding| finding[1]).collect::<Vec<_>>(), ["ok", "failed", "ok"]);
    assert!(bindings[1][2].contains("/topic is \"no/topic\""), "{bindings:?}");
    let topics: Vec<_> = findings(&whole, "topic").iter().map(|finding| (finding[0], finding[1])).collect();
    assert_eq!(topics, [("acme.things", "ok")]);

    for name in ["things", "acme.things"] {
        let (whole, _) = check(&config.to_string(), &["--topic", name]);
        assert_eq!(findings(&whole, "topic")[0][..2], ["acme.things", "ok"], "with the prefix or without it");
    }
}

#[test]
fn text_is_for_people_and_coloured_where_that_is_asked() {
    let config = "bootstrap_servers: 127.0.0.1:1\nmessage_format: JSON\n";
    let (plain, status) = run(config, &[]);
    assert_eq!(status, Some(1));
    let expected = "\
ok       configuration         JSON messages, PLAINTEXT
ok       name resolution       127.0.0.1:1: 127.0.0.1
failed   connection            127.0.0.1:1: connecting to 127.0.0.1:1: Connection refused (os error 111)
                               -> nobody listens there: check host and port in bootstrap_servers, and that the broker runs
skipped  TLS                   not checked, since this failed: connection
skipped  login                 not checked, since this failed: connection
skipped  brokers               not checked, since this failed: connection
skipped  advertised addresses  not checked, since this failed: connection
skipped  schema registry       not configured

2 ok, 1 failed, 5 skipped
";
    assert_eq!(plain, expected);
    let (colored, _) = run(config, &["--color", "always"]);
    assert!(colored.starts_with("\u{1b}[32mok     \u{1b}[0m  configuration"), "{colored}");
}

/// The specification of a task of these bindings: collection, type of its key, resource.
fn specification(config: &Value, bindings: &[(&str, &str, Value)]) -> Value {
    let collection = |of_key: &str| {
        let schema = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": of_key}, "name": {"type": "string"},
        }});
        json!({"key": ["/id"], "schema": schema})
    };
    let collections: Map<_, _> =
        bindings.iter().map(|(name, of_key, _)| ((*name).to_owned(), collection(of_key))).collect();
    let bindings: Vec<_> = bindings
        .iter()
        .map(|(name, _, resource)| json!({"source": name, "resource": resource, "fields": {"recommended": true}}))
        .collect();
    json!({
        "collections": collections,
        "materializations": {"acme/task": {
            "endpoint": {"local": {"command": ["x"], "config": config}},
            "bindings": bindings,
        }},
    })
}

fn check_source(specification: &Value) -> (Value, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("flow.json");
    fs::write(&source, specification.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_materialize-kafka"));
    let output = command.args(["check", "--output", "json", "--source"]).arg(&source).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

#[test]
fn bindings_that_are_in_each_others_way_are_told_as_in_validate() {
    let servers = Servers::start(&["things", "others"]);
    let mut config = servers.avro();
    config["schema_registry"]["subject_strategy"] = json!("record_name");
    let (things, others) = (json!({"topic": "things"}), json!({"topic": "others", "record_name": "things"}));
    let two = |of_key: &str, others: &Value| {
        let bindings = [("acme/things", "integer", things.clone()), ("acme/others", of_key, others.clone())];
        check_source(&specification(&config, &bindings))
    };
    let (whole, status) = two("integer", &others);
    assert_eq!((status, findings(&whole, "bindings")[0][1]), (Some(0), "ok"), "{whole:#}");
    assert_eq!(
        findings(&whole, "schemas")[0][2],
        "the registry takes or has those of keys (2); those of values are checked by Apply, which knows their fields"
    );
    for (of_key, others, told, remedy) in [
        (
            "string",
            others,
            "would both have subject \"thingsKey\"",
            "set another record_name in the resource of one of them",
        ),
        (
            "integer",
            json!({"topic": "things", "partitions": 7}),
            "differ in how it is made",
            "give both the same partitions, replication_factor and topic_config",
        ),
    ] {
        let (whole, status) = two(of_key, &others);
        let ["", "failed", result, told_to_do] = findings(&whole, "bindings")[0] else { panic!("{whole:#}") };
        assert!(result.contains(told) && told_to_do == remedy, "{whole:#}");
        assert_eq!(status, Some(1));
    }
    // Whether a binding is in another's way is to be told of bindings.
    let (whole, _) = two("integer", &json!({"topic": "others", "key_format": "text"}));
    assert_eq!(findings(&whole, "bindings")[0][1..3], ["skipped", "not checked, since this failed: binding"]);
}

#[test]
fn what_the_registry_does_not_have_or_take_is_told_as_in_validate() {
    let servers = Servers::start(&["things"]);
    let client = Client::new(&servers.registry.config()).unwrap();
    let schemas = |options: &[(&str, Value)], resource: &Value| {
        let mut config = servers.avro();
        for (name, value) in options {
            config["schema_registry"][name] = value.clone();
        }
        let (whole, status) =
            check_source(&specification(&config, &[("acme/things", "integer", resource.clone())]));
        let [["", state, result, remedy]] = findings(&whole, "schemas")[..] else { panic!("{whole:#}") };
        assert_eq!(status, Some(i32::from(state == "failed")), "{whole:#}");
        [state, result, remedy].map(str::to_owned)
    };
    let (by_topic, resource) = (("subject_strategy", json!("topic_name")), json!({"topic": "things"}));
    let looking = [by_topic.clone(), ("auto_register", json!(false))];
    let [state, result, remedy] = schemas(&looking, &resource);
    assert!(result.starts_with(
        "looking up 2 schemas: the registry does not have that of subject \"things-key\", of type AVRO: {"
    ));
    assert_eq!(
        (&state[..], &remedy[..]),
        (
            "failed",
            "as schema_registry.auto_register is false, register them there, or set auto_register to true"
        )
    );
    let [state, result, _] = schemas(&looking, &json!({"topic": "things", "key_format": "json"}));
    assert_eq!(
        (&state[..], &result[..]),
        ("ok", "keys have none; those of values are checked by Apply, which knows their fields")
    );

    let text = r#"{"type":"record","name":"K","fields":[]}"#;
    servers.block_on(client.register(&[("things-key".to_owned(), Schema::avro(text))])).unwrap();
    let [state, result, remedy] = schemas(std::slice::from_ref(&by_topic), &resource);
    assert!(result.contains("subject \"things-key\": it is not compatible with version 1: "), "{result}");
    assert!(state == "failed" && remedy.starts_with("make the fields what they were, or "), "{remedy}");
    let [state, result, remedy] = schemas(&[by_topic, ("use_latest_version", json!(true))], &resource);
    assert!(result.contains(
        "): writing by version 1 of subject \"things-key\" (schema_registry.use_latest_version): "
    ));
    assert_eq!(
        (&state[..], &remedy[..]),
        ("failed", "where no version fits, set schema_registry.use_latest_version to false")
    );
    let [state, result, _] = schemas(&[], &resource);
    assert_eq!(
        (&state[..], &result[..]),
        ("ok", "each has a subject of its own, with no other to be compatible with")
    );
}

/// What fails before a broker is asked: certificates, keys, and tokens.
#[test]
fn the_step_that_failed_is_the_one_that_is_told() {
    let servers = Servers::start(&[]);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let token_endpoint = format!("http://{}/token", gone.local_addr().unwrap());
    drop(gone);
    let mut config = servers.json();
    config["tls"] = json!("system_certificates");
    let mut with_token = config.clone();
    with_token["credentials"] = json!({
        "auth_type": "oauth_client_credentials", "client_id": "c", "client_secret": "hunter2",
        "token_endpoint": token_endpoint,
    });
    let (whole, status) = check(&with_token.to_string(), &[]);
    assert_eq!(status, Some(1));
    let told = ["TLS", "login", "brokers"].map(|step| findings(&whole, step)[0][1]);
    assert_eq!(told, ["skipped", "failed", "skipped"], "{whole:#}");
    let [_, _, result, remedy] = findings(&whole, "login")[0];
    assert!(result.contains("Connection refused"), "{result}");
    assert_eq!(remedy, "check credentials.token_endpoint, and that it can be reached from here");
}

#[test]
fn members_that_are_no_options_are_told_and_no_failure() {
    let servers = Servers::start(&[]);
    let mut config = servers.json();
    config["topic_prefix"] = json!("hunter2");
    config["advanced"] = json!({"topic_prefx": "hunter2"});
    let (whole, status) = check(&config.to_string(), &[]);
    assert_eq!(status, Some(0), "{whole:#}");
    let meant = "did you mean /advanced/topic_prefix";
    assert_eq!(
        findings(&whole, "configuration")[1..],
        [
            ["", "warning", "no such option /advanced/topic_prefx", meant],
            ["", "warning", "no such option /topic_prefix", meant],
        ]
    );
    assert!(!whole.to_string().contains("hunter2"));
}
