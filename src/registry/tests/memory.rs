//! The registry in memory answers as the real one does.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::super::memory::{Fault, Level};
use super::*;

/// Sends a request as some client would; the answer's status and JSON, null where there is none.
async fn ask(registry: &Registry, method: &str, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}{path}", registry.url());
    let mut request =
        reqwest::Client::builder().no_proxy().build().unwrap().request(method.parse().unwrap(), url);
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}

/// Runs requests in their order against one registry and compares each status and answer. Where the
/// expected answer is a number, it is the error code, whatever the message.
fn conversation(options: Options, steps: &[(&str, &str, Value, u16, Value)]) {
    run(async {
        let registry = Registry::start(options).await.unwrap();
        for (method, path, body, status, expected) in steps {
            let (found, mut answer) = ask(&registry, method, path, body.clone()).await;
            if expected.is_u64() && *status >= 400 {
                assert!(
                    answer["message"].as_str().is_some_and(|message| !message.is_empty()),
                    "{method} {path}"
                );
                answer = answer["error_code"].take();
            }
            assert_eq!((found, &answer), (*status, expected), "{method} {path} {body}");
        }
    });
}

fn schema(text: &str) -> Value {
    json!({"schema": text})
}

fn record(fields: &str) -> Value {
    schema(&format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#))
}

#[test]
fn subjects_versions_and_numbers() {
    let none = Value::Null;
    let a = r#"{"name":"a","type":"long"}"#;
    let ab = r#"{"name":"a","type":"long"},{"name":"b","type":"long","default":0}"#;
    let text = record(a)["schema"].clone();
    let first = json!({"subject": "t-value", "version": 1, "id": 1, "schema": text});
    conversation(
        Options::default(),
        &[
            ("GET", "", none.clone(), 200, json!({})),
            ("GET", "subjects", none.clone(), 200, json!([])),
            ("POST", "subjects/t-value/versions", record(a), 200, json!({"id": 1})),
            ("POST", "subjects/t-value/versions?normalize=true", record(a), 200, json!({"id": 1})),
            ("POST", "subjects/u%2Fv/versions", record(a), 200, json!({"id": 1})),
            ("POST", "subjects/t-value/versions", record(ab), 200, json!({"id": 2})),
            ("GET", "subjects", none.clone(), 200, json!(["t-value", "u/v"])),
            ("GET", "subjects?subjectPrefix=u", none.clone(), 200, json!(["u/v"])),
            ("GET", "subjects/t-value/versions", none.clone(), 200, json!([1, 2])),
            ("GET", "subjects/t-value/versions/1", none.clone(), 200, first.clone()),
            (
                "GET",
                "subjects/t-value/versions/1/schema",
                none.clone(),
                200,
                serde_json::from_str(text.as_str().unwrap()).unwrap(),
            ),
            ("GET", "subjects/t-value/versions/3", none.clone(), 404, json!(40402)),
            ("GET", "subjects/t-value/versions/0", none.clone(), 422, json!(42202)),
            ("GET", "subjects/t-value/versions/x", none.clone(), 422, json!(42202)),
            ("GET", "subjects/nope/versions", none.clone(), 404, json!(40401)),
            (
                "GET",
                "subjects/nope/versions/latest",
                none.clone(),
                404,
                json!({"message": "Subject 'nope' not found.", "error_code": 40401}),
            ),
            ("POST", "subjects/t-value", record(a), 200, first),
            ("POST", "subjects/u%2Fv", record(ab), 404, json!(40403)),
            ("POST", "subjects/nope", record(a), 404, json!(40401)),
            ("GET", "schemas/ids/1", none.clone(), 200, json!({"schema": text})),
            (
                "GET",
                "schemas/ids/1/versions",
                none.clone(),
                200,
                json!([{"subject": "t-value", "version": 1}, {"subject": "u/v", "version": 1}]),
            ),
            ("GET", "schemas/ids/1/subjects", none.clone(), 200, json!(["t-value", "u/v"])),
            ("GET", "schemas/ids/0", none.clone(), 404, json!(40403)),
            ("GET", "schemas/ids/999", none.clone(), 404, json!(40403)),
            ("GET", "schemas/ids/x", none.clone(), 404, json!(404)),
            ("GET", "schemas/types", none.clone(), 200, json!(["JSON", "AVRO"])),
            ("GET", "contexts", none.clone(), 200, json!(["."])),
            ("GET", "elsewhere", none.clone(), 404, json!(404)),
            ("PUT", "subjects/t-value", json!({}), 405, json!(405)),
        ],
    );
}

#[test]
fn deletes_are_soft_first() {
    let none = Value::Null;
    let (long, text) = (schema(r#""long""#), schema(r#""string""#));
    conversation(
        Options { compatibility: Level::None, ..Options::default() },
        &[
            ("DELETE", "subjects/s", none.clone(), 404, json!(40401)),
            ("POST", "subjects/s/versions", long.clone(), 200, json!({"id": 1})),
            ("POST", "subjects/s/versions", text.clone(), 200, json!({"id": 2})),
            ("DELETE", "subjects/s?permanent=true", none.clone(), 404, json!(40405)),
            ("DELETE", "subjects/s/versions/1?permanent=true", none.clone(), 404, json!(40407)),
            ("DELETE", "subjects/s/versions/1", none.clone(), 200, json!(1)),
            ("DELETE", "subjects/s/versions/1", none.clone(), 404, json!(40406)),
            ("GET", "subjects/s/versions", none.clone(), 200, json!([2])),
            ("GET", "schemas/ids/1", none.clone(), 200, json!({"schema": "\"long\""})),
            ("DELETE", "subjects/s/versions/1?permanent=true", none.clone(), 200, json!(1)),
            ("GET", "schemas/ids/1", none.clone(), 404, json!(40403)),
            ("DELETE", "subjects/s/versions/7", none.clone(), 404, json!(40402)),
            ("DELETE", "subjects/s", none.clone(), 200, json!([2])),
            ("DELETE", "subjects/s", none.clone(), 404, json!(40404)),
            ("GET", "subjects", none.clone(), 200, json!([])),
            ("GET", "subjects?deleted=true", none.clone(), 200, json!(["s"])),
            ("GET", "subjects/s/versions/latest", none.clone(), 404, json!(40401)),
            ("POST", "subjects/s/versions", text, 200, json!({"id": 2})),
            ("GET", "subjects/s/versions", none.clone(), 200, json!([3])),
            ("DELETE", "subjects/s/versions/latest", none.clone(), 200, json!(3)),
            ("DELETE", "subjects/s?permanent=true", none.clone(), 200, json!([2, 3])),
            ("GET", "subjects?deleted=true", none.clone(), 200, json!([])),
            ("POST", "subjects/s/versions", long, 200, json!({"id": 1})),
            ("GET", "subjects/s/versions", none, 200, json!([1])),
        ],
    );
}

#[test]
fn compatibility_is_checked_by_the_level_in_force() {
    let none = Value::Null;
    let a = r#"{"name":"a","type":"long"}"#;
    let ab = r#"{"name":"a","type":"long"},{"name":"b","type":"long"}"#;
    let level = |name: &str| json!({"compatibility": name});
    let is = |answer: bool| json!({"is_compatible": answer});
    conversation(
        Options::default(),
        &[
            ("GET", "config", none.clone(), 200, json!({"compatibilityLevel": "BACKWARD"})),
            ("POST", "subjects/s/versions", record(a), 200, json!({"id": 1})),
            ("POST", "subjects/s/versions", record(ab), 409, json!(409)),
            ("GET", "subjects/s/versions", none.clone(), 200, json!([1])),
            ("GET", "schemas/ids/2", none.clone(), 404, json!(40403)),
            ("POST", "compatibility/subjects/s/versions/latest", record(ab), 200, is(false)),
            ("POST", "compatibility/subjects/s/versions", record(ab), 200, is(false)),
            ("POST", "compatibility/subjects/s/versions/1", record(a), 200, is(true)),
            ("POST", "compatibility/subjects/s/versions/2", record(a), 404, json!(40402)),
            ("POST", "compatibility/subjects/nope/versions/latest", record(a), 404, json!(40401)),
            ("POST", "compatibility/subjects/nope/versions", record(a), 200, is(true)),
            ("GET", "config/s", none.clone(), 404, json!(40408)),
            (
                "GET",
                "config/s?defaultToGlobal=true",
                none.clone(),
                200,
                json!({"compatibilityLevel": "BACKWARD"}),
            ),
            ("PUT", "config/s", level("forward"), 422, json!(42203)),
            ("PUT", "config/s", json!({}), 422, json!(42203)),
            ("PUT", "config/s", level("FORWARD"), 200, level("FORWARD")),
            ("GET", "config/s", none.clone(), 200, json!({"compatibilityLevel": "FORWARD"})),
            ("POST", "subjects/s/versions", record(ab), 200, json!({"id": 2})),
            ("DELETE", "config/s", none.clone(), 200, json!({"compatibilityLevel": "FORWARD"})),
            ("DELETE", "config/s", none.clone(), 404, json!(40408)),
            ("POST", "subjects/s/versions", schema(r#""long""#), 409, json!(409)),
            ("PUT", "config", level("NONE"), 200, level("NONE")),
            ("POST", "subjects/s/versions", schema(r#""long""#), 200, json!({"id": 3})),
            ("DELETE", "config", none, 405, json!(405)),
        ],
    );
}

#[test]
fn modes_stop_writing() {
    let none = Value::Null;
    let mode = |name: &str| json!({"mode": name});
    conversation(
        Options::default(),
        &[
            ("GET", "mode", none.clone(), 200, mode("READWRITE")),
            ("GET", "mode/s", none.clone(), 404, json!(40409)),
            ("GET", "mode/s?defaultToGlobal=true", none, 200, mode("READWRITE")),
            ("PUT", "mode", mode("OPEN"), 422, json!(42204)),
            ("PUT", "mode", mode("READONLY"), 200, mode("READONLY")),
            ("POST", "subjects/s/versions", schema(r#""long""#), 422, json!(42205)),
            ("PUT", "mode/s", mode("READWRITE"), 200, mode("READWRITE")),
            ("POST", "subjects/s/versions", schema(r#""long""#), 200, json!({"id": 1})),
        ],
    );
}

#[test]
fn what_is_no_schema_is_refused() {
    let post = |body: Value| ("POST", "subjects/s/versions", body, 422, json!(42201));
    conversation(
        Options::default(),
        &[
            post(json!({})),
            post(json!([])),
            post(schema("")),
            post(schema("nonsense")),
            post(schema(r#"{"type":"record"}"#)),
            post(schema(r#"{"type":"record","name":"r","fields":[{"name":"1","type":"long"}]}"#)),
            post(schema(&"[".repeat(100_000))),
            post(json!({"schema": "\"long\"", "schemaType": "JSON"})),
            post(json!({"schema": "\"long\"", "schemaType": "PROTOBUF"})),
            post(json!({"schema": "\"long\"", "references": [{"name": "r"}]})),
            (
                "POST",
                "subjects/s/versions",
                json!({"schema": "\"long\"", "schemaType": "AVRO", "references": []}),
                200,
                json!({"id": 1}),
            ),
        ],
    );
}

#[test]
fn incompatible_schemas_are_explained_to_the_client() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        client.register(&[pair("s", r#""long""#)]).await.unwrap();
        let error = client.register(&[pair("s", r#""string""#)]).await.unwrap_err();
        let Error::Refused { status: 409, code: Some(409), message, .. } = error else { panic!("{error:?}") };
        assert!(
            message.starts_with(
                "Schema being registered is incompatible with an earlier schema for subject \"s\": "
            ),
            "{message}"
        );
    });
}

#[test]
fn bodies_are_checked_before_they_are_read() {
    run(async {
        let registry = registry().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}subjects/s/versions", registry.url());
        let post = |kind: &'static str, body: Vec<u8>| {
            let request = http.post(&url).header("content-type", kind).body(body);
            async { request.send().await.unwrap().status().as_u16() }
        };
        let good = br#"{"schema":"\"long\""}"#.to_vec();
        assert_eq!(post("application/vnd.schemaregistry.v1+json; charset=utf-8", good.clone()).await, 200);
        assert_eq!(post("application/octet-stream", good.clone()).await, 200);
        assert_eq!(post("text/plain", good).await, 415);
        assert_eq!(post("application/json", b"{".to_vec()).await, 400);
        assert_eq!(post("application/json", vec![b' '; 16 * 1024 * 1024 + 1]).await, 413);
    });
}

#[test]
fn it_stops_when_dropped_also_in_the_midst_of_a_request() {
    run(async {
        let registry = registry().await;
        registry.inject(Fault::Silence);
        let client = client(&registry);
        let pending = tokio::spawn(async move { client.check(PATIENT.whole).await });
        while registry.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        let address = (registry.url().host_str().unwrap().to_owned(), registry.url().port().unwrap());
        drop(registry);
        assert!(matches!(pending.await.unwrap().unwrap_err(), Error::Unreachable { .. }));
        // Its port is free again.
        TcpListener::bind(address).unwrap();
    });
}

#[test]
fn only_the_last_thousand_requests_are_remembered() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        for _ in 0..1_005 {
            client.check(PATIENT.whole).await.unwrap();
        }
        client.register(&[pair("s", r#""long""#)]).await.unwrap();
        let seen = registry.requests();
        assert_eq!(seen.len(), 1_000);
        assert_eq!(seen[999].method, "POST");
    });
}
