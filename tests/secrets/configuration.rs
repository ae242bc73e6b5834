//! Configurations that are wrong, in each member in turn, with passwords in right and wrong places.

use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::{flow, request};
use serde_json::{Value, json};

use crate::cases::{Case, assert_silent, logins, secrets};

/// Every member of a configuration, by its pointer.
const MEMBERS: [&str; 21] = [
    "/bootstrap_servers",
    "/credentials",
    "/credentials/auth_type",
    "/credentials/mechanism",
    "/credentials/username",
    "/credentials/password",
    "/tls",
    "/message_format",
    "/compression",
    "/schema_registry",
    "/schema_registry/endpoint",
    "/schema_registry/username",
    "/schema_registry/password",
    "/topic_partitions",
    "/topic_replication_factor",
    "/advanced",
    "/advanced/stall_timeout",
    "/advanced/in_flight_bytes",
    "/advanced/producers",
    "/advanced/delivery",
    "/advanced/progress_topic",
];

/// A configuration that is right but for two numbers, so that nobody is asked.
fn base() -> Value {
    let mut config = logins("http://127.0.0.1:1");
    config["bootstrap_servers"] = json!("127.0.0.1:1");
    config["message_format"] = json!("Avro");
    config["compression"] = json!("lz4");
    config["advanced"] = json!({});
    config["topic_partitions"] = json!(0);
    config["topic_replication_factor"] = json!(0);
    config
}

fn with(pointer: &str, value: Value) -> Value {
    let mut config = base();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[member] = value;
    config
}

fn validate(config: &str) -> request::Validate {
    request::Validate {
        name: "acme/task".into(),
        config_json: config.to_owned().into(),
        ..Default::default()
    }
}

#[test]
fn each_member_with_what_it_must_not_be() {
    let mut cases = Vec::new();
    for pointer in MEMBERS {
        for secret in secrets() {
            let text = &secret.text;
            for value in [
                json!(7),
                json!(text),
                json!([text]),
                json!({ text: text }),
                json!(format!("{text}\0")),
                json!(format!("https://me:{text}@127.0.0.1:1/?{text}")),
                json!(format!("127.0.0.1:{text}")),
            ] {
                let config = with(pointer, value).to_string();
                let name = format!("{pointer} in {config}");
                let says = "reading the endpoint configuration: ";
                cases.push(Case::asked(&name, says, Codec::Proto, vec![validate(&config).into()]));
            }
        }
    }
    assert_silent(cases, &secrets());
}

/// Neither are texts told that are no configuration, or no request.
#[test]
fn broken_texts_and_frames() {
    let config = base().to_string();
    let [sasl, _] = secrets();
    let mut cases = Vec::new();
    let password = config.find("kQ7z").unwrap();
    for (name, text) in [
        ("cut within the password", config[..password + 10].to_owned()),
        ("not quoted", config.replacen("\"kQ7z", "kQ7z", 1)),
        ("with a bad escape", config.replacen("kQ7z", "\\xkQ7z", 1)),
        ("an array", format!("[{config}]")),
        ("a text", json!(config).to_string()),
        ("the password alone", json!(sasl.text).to_string()),
    ] {
        let says = "reading the endpoint configuration: ";
        cases.push(Case::asked(name, says, Codec::Proto, vec![validate(&text).into()]));
        let line = format!("{{\"validate\":{{\"name\":\"acme/task\",\"config\":{text}}}}}\n");
        cases.push(Case::given(name, "ERROR", Some(Codec::Json), line.into_bytes()));
    }
    for (name, line) in [
        ("a request that is not known", format!("{{\"prepare\":{config}}}\n")),
        ("a request of another type", format!("{{\"validate\":[{config}]}}\n")),
        ("a member of another type", format!("{{\"validate\":{{\"bindings\":{config}}}}}\n")),
        ("a member of another type", format!("{{\"open\":{{\"materialization\":[{config}]}}}}\n")),
        ("a text for a member", format!("{{\"open\":{{\"materialization\":{}}}}}\n", json!(sasl.text))),
        (
            "a text for a number",
            format!("{{\"open\":{{\"range\":{{\"keyBegin\":{}}}}}}}\n", json!(sasl.text)),
        ),
        ("no line", format!("{{\"validate\":{{\"config\":{config}")),
        ("no request", format!("{config}\n")),
        ("two requests", format!("{{\"spec\":{{}},\"validate\":{{\"config\":{config}}}}}\n")),
    ] {
        cases.push(Case::given(name, "ERROR", Some(Codec::Json), line.into_bytes()));
    }
    // As protobuf, cut or spoilt everywhere.
    let mut frame = Vec::new();
    let mut writer = materialize_kafka::protocol::RequestWriter::new(&mut frame, Codec::Proto);
    writer.send(&validate(&config).into()).unwrap();
    drop(writer);
    for at in (0..frame.len()).step_by(61) {
        cases.push(Case::given(
            "a frame that is cut",
            "ERROR",
            Some(Codec::Proto),
            frame[..at.max(1)].to_vec(),
        ));
        let mut spoilt = frame.clone();
        spoilt[at] ^= 0xff;
        cases.push(Case::given("a frame that is spoilt", "", Some(Codec::Proto), spoilt));
    }
    assert_silent(cases, &secrets());
}

/// The configuration is right there, the rest of the request is not.
#[test]
fn validate_apply_and_open_that_fail_before_anybody_is_asked() {
    let mut config = base();
    config["topic_partitions"] = json!(1);
    config["topic_replication_factor"] = json!(1);
    let config: bytes::Bytes = config.to_string().into();
    let binding = |resource: &str| flow::Binding {
        resource_config_json: resource.to_owned().into(),
        ..Default::default()
    };
    let spec = |resource: &str| flow::MaterializationSpec {
        name: "acme/task".into(),
        config_json: config.clone(),
        bindings: vec![binding(resource)],
        ..Default::default()
    };
    let [sasl, _] = secrets();
    let topic = json!({ "topic": sasl.text }).to_string();
    let mut cases = Vec::new();
    for codec in [Codec::Proto, Codec::Json] {
        let open = |resource: &str| request::Open {
            materialization: Some(spec(resource)),
            version: "1".into(),
            ..Default::default()
        };
        let apply = |resource: &str| request::Apply {
            materialization: Some(spec(resource)),
            version: "1".into(),
            ..Default::default()
        };
        cases.push(Case::asked("Open without a topic", "/topic is missing", codec, vec![open("{}").into()]));
        cases.push(Case::asked(
            "Apply without a topic",
            "/topic is missing",
            codec,
            vec![apply("{}").into()],
        ));
        cases.push(Case::asked(
            "Open of no collection",
            "ERROR",
            codec,
            vec![open(r#"{"topic":"t"}"#).into()],
        ));
        // A password as a topic is no secret any more, but of the configuration it must not be told either.
        let other = topic.replace("Sasl", "Other");
        cases.push(Case::asked("Open with a bad topic", "not allowed", codec, vec![open(&other).into()]));
        let store =
            request::Store { key_packed: "\x15\x01".into(), key_json: "[1]".into(), ..Default::default() };
        cases.push(Case::asked(
            "a Store before Open",
            "store came before open",
            codec,
            vec![request::Spec { config_json: config.clone(), ..Default::default() }.into(), store.into()],
        ));
    }
    assert_silent(cases, &secrets());
}
