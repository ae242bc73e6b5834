//! Brokers and registries that fail, before a session is open and within it.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use materialize_kafka::kafka::mock::{Fault, Request};
use materialize_kafka::preview::task::BuiltTask;
use materialize_kafka::protocol::Codec;
use materialize_kafka::protocol::messages::{self, request};
use serde_json::json;

use crate::TASK;
use crate::cases::{Case, assert_silent, assert_tells_nothing, logins, secrets};
use crate::common::brokers::Servers;
use crate::common::runtime::{self, Connector, build, open_request, store_request, stores};

#[test]
fn brokers_that_do_not_answer_as_they_should() {
    let servers = Servers::start(&["things"]);
    let mock = servers.cluster.bootstrap_servers();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let babbling = server("no Kafka here\r\n");
    let mut cases = Vec::new();
    for (name, brokers, tls) in [
        ("nobody listens", "127.0.0.1:1", false),
        ("no such host", "no-such-host.invalid:9092", false),
        ("brokers without SASL", &mock[..], false),
        ("TLS with brokers that have none", &mock, true),
        ("a broker that says nothing", &silent_address, false),
        ("a server that is no broker", &babbling, false),
        ("TLS with a server that is no broker", &babbling, true),
    ] {
        for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
            let mut config = logins(servers.registry.url().as_str());
            config["credentials"]["mechanism"] = json!(mechanism);
            config["bootstrap_servers"] = json!(brokers);
            config["message_format"] = json!("JSON");
            if tls {
                config["tls"] = json!("system_certificates");
            }
            let mut task = built(&servers);
            task.spec.config_json = config.to_string().into();
            let validate = runtime::task(TASK, &config).validate();
            let apply = request::Apply {
                materialization: Some(task.spec.clone()),
                version: "1".into(),
                ..Default::default()
            };
            let requests: [messages::Request; 3] =
                [validate.into(), apply.into(), open_request(&task.spec).into()];
            for request in requests {
                cases.push(Case::asked(name, "brokers at ", Codec::Proto, vec![request]));
            }
        }
    }
    assert_silent(cases, &secrets());
    drop(silent);
}

/// Each registry's answer, to Validate and to Open.
#[test]
fn registries_that_do_not_answer_as_they_should() {
    let [_, secret] = secrets();
    let header = STANDARD.encode(format!("me:{}", secret.text));
    let json =
        json!({ "error_code": 40101, "message": format!("Basic {header} is {}", secret.text) }).to_string();
    let fault = |status, body: &str| (status, String::new(), body.to_owned());
    let mut answers = vec![
        fault(401, ""),
        fault(401, &json),
        fault(403, &json),
        fault(404, "<html><h1>Not found</h1></html>"),
        fault(409, &json),
        fault(422, &json),
        fault(503, &json),
        fault(200, "<html>a page</html>"),
        fault(
            200,
            &format!("<html>Authorization: Basic {header}, {}, {}</html>", secret.text, json!(secret.text)),
        ),
        fault(500, &format!("authorization: Basic {header}")),
        (
            302,
            format!("location: http://me:{}@127.0.0.1:1/{header}\r\n", encoded(&secret.text)),
            String::new(),
        ),
        (307, "location: /again\r\n".to_owned(), String::new()),
    ];
    let brokers = Servers::start(&["things"]);
    let mut cases = Vec::new();
    let mut registries = Vec::new();
    for (status, headers, body) in answers.drain(..) {
        let response = format!(
            "HTTP/1.1 {status} told\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}",
            body.len()
        );
        registries.push((format!("{status} {body}"), format!("http://{}/", server(&response))));
    }
    registries.push(("nobody listens".into(), "http://127.0.0.1:1/".into()));
    registries.push(("no such host".into(), "http://no-such-host.invalid/".into()));
    registries.push(("no HTTP".into(), format!("http://{}/", server("what?\r\n"))));
    registries.push(("no TLS".into(), format!("https://{}/", server("what?\r\n"))));
    for (name, url) in registries {
        let mut config = logins(&url);
        config.as_object_mut().unwrap().remove("credentials");
        config["bootstrap_servers"] = json!(brokers.cluster.bootstrap_servers());
        config["message_format"] = json!("Avro");
        let mut task = built(&brokers);
        task.spec.config_json = config.to_string().into();
        let validate = runtime::task(TASK, &config).validate();
        for request in [messages::Request::from(validate), open_request(&task.spec).into()] {
            cases.push(Case::asked(&name, "at the schema registry", Codec::Proto, vec![request]));
        }
        // The way to a registry elsewhere may be through a proxy with a login of its own.
        let mut config = config.clone();
        config["schema_registry"]["endpoint"] = json!("http://registry.invalid/");
        let mut case = Case::asked(
            &name,
            "the proxy that http_proxy names",
            Codec::Proto,
            vec![runtime::task(TASK, &config).validate().into()],
        );
        let address = url.split('/').nth(2).unwrap();
        case.command.env("http_proxy", format!("http://me:{}@{address}", encoded(&secret.text)));
        if name == "nobody listens" {
            cases.push(case);
        }
    }
    assert_silent(cases, &secrets());
}

/// Each repeats the request that it got, with the secret where it was sent: in the header, then in the body.
#[test]
fn authorization_servers_that_repeat_the_request() {
    let [secret, _] = secrets();
    let brokers = Servers::start(&["things"]);
    let mut cases = Vec::new();
    type Spell = fn(&str) -> String;
    let spellings: [(&str, Spell); 4] = [
        ("as it came", str::to_owned),
        ("as JSON", |request| json!({ "error": "invalid_client", "request": request }).to_string()),
        ("as a description", |request| {
            json!({ "error": "invalid_client", "error_description": request }).to_string()
        }),
        ("as HTML", |request| format!("<pre>{}</pre>", request.replace('&', "&amp;").replace('<', "&lt;"))),
    ];
    for (spelling, spell) in spellings {
        for status in [400, 401, 403, 502] {
            // What stands at the beginning is what an error repeats.
            let endpoint = server_by(move |request| {
                let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
                let header = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization"));
                let told = spell(&format!("{} {body}", header.unwrap_or_default()));
                format!(
                    "HTTP/1.1 {status} told\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{told}",
                    told.len()
                )
            });
            let mut config = logins(brokers.registry.url().as_str());
            config["bootstrap_servers"] = json!(brokers.cluster.bootstrap_servers());
            config["message_format"] = json!("JSON");
            config["credentials"] = json!({
                "auth_type": "oauth_client_credentials",
                "token_endpoint": format!("http://{endpoint}/token"),
                "client_id": "me",
                "client_secret": secret.text,
            });
            cases.push(Case::asked(
                &format!("{status}, {spelling}"),
                &format!("it answered {status} ("),
                Codec::Proto,
                vec![runtime::task(TASK, &config).validate().into()],
            ));
        }
    }
    assert_silent(cases, &secrets());
}

/// The brokers know no login there, so it is the registry's that must not be told.
#[test]
fn sessions_that_fail() {
    let [_, secret] = secrets();
    let mut cases = Vec::new();
    let mut all = Vec::new();
    for (name, fault, says) in [
        ("a delivery that fails", Fault::MessageTooLarge, "was not delivered to partition"),
        ("a right that is missing", Fault::TopicAuthorization, "TOPIC_AUTHORIZATION_FAILED"),
        ("a producer that cannot go on", Fault::OutOfOrderSequence, "OUT_OF_ORDER_SEQUENCE_NUMBER"),
        ("a stall", Fault::Disconnect, "no message was acknowledged for 3 s"),
    ] {
        for codec in [Codec::Proto, Codec::Json] {
            let servers = Servers::start(&["things"]);
            let task = with_login(&servers);
            servers.cluster.request_errors(Request::Produce, &[fault; 1_000]);
            cases.push(Case::asked(name, says, codec, session(&task, codec, 10)));
            all.push(servers);
        }
    }
    let servers = Servers::start(&["things"]);
    let task = with_login(&servers);
    let codec = Codec::Proto;
    cases.push(Case::asked("all is well", "opened", codec, session(&task, codec, 10)));
    let mut requests = session(&task, codec, 10);
    requests
        .insert(4, request::Store { binding: 7, key_packed: "\x15\x01".into(), ..Default::default() }.into());
    cases.push(Case::asked("no such binding", "a store names binding 7", codec, requests));
    let mut requests = session(&task, codec, 10);
    requests.insert(4, request::Store { key_packed: "\x33\x01".into(), ..Default::default() }.into());
    cases.push(Case::asked("a bad tuple", "the packed key tuple has the type code", codec, requests));
    let mut requests = session(&task, codec, 10);
    requests.insert(2, open_request(&task.spec).into());
    cases.push(Case::asked("a second Open", "open came after opened", codec, requests));
    assert_silent(cases, &[secret]);
}

#[test]
fn sessions_that_are_stopped() {
    let servers = Servers::start(&["things"]);
    let task = with_login(&servers);
    for signal in ["TERM", "INT"] {
        let mut command = runtime::command(Some(Codec::Proto));
        command.env("LOG_LEVEL", "trace");
        let mut connector = Connector::spawn(command, Codec::Proto);
        connector.spec();
        connector.open(&task);
        let sent = Command::new("kill").args(["-s", signal, &connector.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = connector.wait();
        assert!(ended.message().starts_with("stopped by SIG"), "{}", ended.stderr);
        assert_tells_nothing(signal, ended.stderr.as_bytes(), "stderr", &secrets());
    }
}

/// A task whose registry wants a login, and gets it.
fn with_login(servers: &Servers) -> BuiltTask {
    let mut config = logins(servers.registry.url().as_str());
    config.as_object_mut().unwrap().remove("credentials");
    config["bootstrap_servers"] = json!(servers.cluster.bootstrap_servers());
    config["message_format"] = json!("Avro");
    config["advanced"] = json!({ "stall_timeout": "3s" });
    build(TASK, &config)
}

/// A task whose configuration is to be replaced.
fn built(servers: &Servers) -> BuiltTask {
    build(TASK, &servers.json())
}

/// All requests of a session with one transaction.
fn session(task: &BuiltTask, codec: Codec, documents: u32) -> Vec<messages::Request> {
    let fixture: String =
        (0..documents).map(|id| format!("{}\n", json!(["acme/things", { "id": id }]))).collect();
    let checkpoint = if codec == Codec::Json { "{}" } else { "" };
    let spec = request::Spec { config_json: "{}".into(), ..Default::default() };
    let mut requests: Vec<messages::Request> = vec![
        spec.into(),
        open_request(&task.spec).into(),
        request::Acknowledge::default().into(),
        request::Flush::default().into(),
    ];
    requests.extend(stores(task, &fixture)[0].iter().map(|store| store_request(store, codec).into()));
    requests
        .push(request::StartCommit { runtime_checkpoint: checkpoint.into(), ..Default::default() }.into());
    requests
}

/// A server that answers whatever comes in this way, as long as the tests run.
fn server(answer: &str) -> String {
    let answer = answer.to_owned();
    server_by(move |_| answer.clone())
}

/// A server that makes its answer from the request.
fn server_by(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), answer) = (stream, Arc::clone(&answer)) else { return };
            thread::spawn(move || {
                let _limited = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let request = request_of(&mut stream);
                let _gone = stream.write_all(answer(&request).as_bytes());
            });
        }
    });
    address
}

/// What comes first: of HTTP all of a request, with a body that is no longer than it says.
fn request_of(stream: &mut impl Read) -> String {
    let (mut request, mut part) = (String::new(), [0; 1 << 16]);
    loop {
        let length = stream.read(&mut part).unwrap_or(0);
        request.push_str(&String::from_utf8_lossy(&part[..length]));
        let whole = request.split_once("\r\n\r\n").is_none_or(|(head, body)| {
            let length = head
                .to_ascii_lowercase()
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.split("\r\n").next()?.trim().parse::<usize>().ok());
            length.is_none_or(|length| body.len() >= length)
        });
        if length == 0 || whole {
            return request;
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
