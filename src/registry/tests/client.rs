//! What the client asks, how often, and what it says when the registry refuses.

use std::time::Instant;

use super::super::memory::Fault;
use super::super::place::asked_pause;
use super::*;

#[test]
fn each_distinct_schema_is_sent_once_and_numbers_come_in_order() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        let asked = [
            pair("a", r#""string""#),
            pair("b", r#""long""#),
            pair("a", r#""string""#),
            pair("b", r#""string""#),
            pair("b", r#""long""#),
        ];
        // "b" gets two schemas, which the default level would not allow.
        reqwest_put(&registry, "config", r#"{"compatibility":"NONE"}"#).await;
        let ids = client.register(&asked).await.unwrap();
        assert_eq!((ids[0], ids[1]), (ids[2], ids[4]));
        assert_eq!(ids[3], ids[0]);
        assert_ne!(ids[0], ids[1]);
        let posts = registry.requests().iter().filter(|seen| seen.method == "POST").count();
        assert_eq!(posts, 3);
        for (id, (_, schema)) in ids.iter().zip(&asked) {
            assert_eq!(client.schema(*id).await.unwrap(), *schema);
        }
        assert_eq!(client.subjects(ids[0]).await.unwrap(), ["a", "b"]);
        assert_eq!(client.subjects(ids[1]).await.unwrap(), ["b"]);
        assert_eq!(client.register(&[]).await.unwrap(), [0_u32; 0]);
        client.check(Duration::from_secs(60)).await.unwrap();
    });
}

#[test]
fn json_schemas_go_by_their_type() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        let schema = Schema::json(r#"{"type":"object"}"#);
        let other = Schema::json(r#"{"type":"array"}"#);
        let asked = [("a".to_owned(), schema.clone()), pair("b", r#""long""#), ("c".to_owned(), other)];
        let ids = client.register(&asked).await.unwrap();
        for (id, (_, schema)) in ids.iter().zip(&asked) {
            assert_eq!(client.schema(*id).await.unwrap(), *schema);
        }
        // A subject's versions are of one type, and JSON schemas that differ are not comparable here.
        for (subject, schema) in [("b", schema.clone()), ("c", schema)] {
            let error = client.register(&[(subject.to_owned(), schema)]).await.unwrap_err();
            assert!(matches!(error, Error::Refused { status: 409, .. }), "{error:?}");
        }
        registry.inject(Fault::answer(200, r#"{"schema":"message M {}","schemaType":"PROTOBUF"}"#));
        assert_eq!(
            text(&client.schema(7).await.unwrap_err(), registry.url().as_str()),
            "reading schema 7 at the schema registry ADDRESS: the answer has a schema of the type \"PROTOBUF\", not AVRO or JSON; check that schema_registry.endpoint is the base address of a schema registry"
        );
    });
}

async fn reqwest_put(registry: &Registry, path: &str, body: &'static str) {
    let url = format!("{}{path}", registry.url());
    let request = reqwest::Client::builder().no_proxy().build().unwrap().put(url);
    assert!(
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

#[test]
fn ten_registrations_are_under_way_at_once_and_no_more() {
    run(async {
        let registry = registry().await;
        let asked: Vec<_> = (0..25)
            .map(|number| {
                pair(&format!("s{number}"), &format!(r#"{{"type":"fixed","name":"f","size":{number}}}"#))
            })
            .collect();
        for _ in &asked {
            registry.inject(Fault::Delay(Duration::from_millis(60)));
        }
        let ids = client(&registry).register(&asked).await.unwrap();
        assert_eq!(registry.most_at_once(), 10);
        for (id, (_, schema)) in ids.iter().zip(&asked) {
            assert_eq!(client(&registry).schema(*id).await.unwrap(), *schema);
        }
    });
}

#[test]
fn a_failed_registration_does_not_wait_for_the_others() {
    run(async {
        let registry = registry().await;
        registry.inject(Fault::answer(422, "{}"));
        for _ in 0..30 {
            registry.inject(Fault::Silence);
        }
        let asked: Vec<_> = (0..30).map(|number| pair(&format!("s{number}"), r#""long""#)).collect();
        let error = client(&registry).register(&asked).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 422, .. }), "{error:?}");
        assert!(registry.requests().len() <= 10);
    });
}

#[test]
fn the_base_path_is_kept_and_subjects_are_encoded() {
    run(async {
        let options = Options { base_path: "/apis/ccompat/v7".to_owned(), ..Options::default() };
        let registry = Registry::start(options).await.unwrap();
        for slashes in ["", "/", "//"] {
            let mut config = registry.config();
            config.endpoint = vec![Url::parse(&format!("{}{slashes}", registry.url())).unwrap()];
            let client = Client::with_limits(&config, PATIENT).unwrap();
            client.check(PATIENT.whole).await.unwrap();
            let id = client.register(&[pair("a/b é?#%2F+&-x", r#""long""#)]).await.unwrap()[0];
            client.schema(id).await.unwrap();
        }
        let base = "/apis/ccompat/v7";
        let paths: Vec<_> =
            registry.requests().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
        for three in paths.chunks(3) {
            assert_eq!(
                three,
                [
                    format!("GET {base}/config"),
                    format!("POST {base}/subjects/a%2Fb%20%C3%A9%3F%23%252F+&-x/versions?normalize=true"),
                    format!("GET {base}/schemas/ids/1"),
                ]
            );
        }
        assert_eq!(paths.len(), 9);
        let subjects = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(format!("{}/subjects", registry.url()));
        assert_eq!(subjects.send().await.unwrap().text().await.unwrap(), r#"["a/b é?#%2F+&-x"]"#);
    });
}

#[test]
fn requests_speak_the_registrys_types() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        client.check(PATIENT.whole).await.unwrap();
        client.register(&[pair("a", r#""long""#)]).await.unwrap();
        let seen = registry.requests();
        assert!(seen.iter().all(|seen| seen.accept.starts_with("application/vnd.schemaregistry.v1+json, ")));
        assert_eq!(seen[0].content_type, "");
        assert_eq!(seen[1].content_type, "application/vnd.schemaregistry.v1+json");
        assert!(seen.iter().all(|seen| !seen.authorization));
    });
}

#[test]
fn logins_are_sent_and_wrong_ones_explained() {
    run(async {
        let options =
            Options { login: Some(("user".to_owned(), Secret::new("hunter2"))), ..Options::default() };
        let registry = Registry::start(options).await.unwrap();
        let address = registry.url().to_string();
        client(&registry).check(PATIENT.whole).await.unwrap();
        client(&registry).register(&[pair("a", r#""long""#)]).await.unwrap();

        let mut config = registry.config();
        config.password = Some(Secret::new("hunter3"));
        let wrong = Client::with_limits(&config, PATIENT).unwrap();
        let error = wrong.check(PATIENT.whole).await.unwrap_err();
        assert_eq!(
            text(&error, &address),
            "reading the configuration at the schema registry ADDRESS: it answered 401 without a message; check schema_registry.username and schema_registry.password"
        );
        assert!(!format!("{wrong:?} {error:?}").contains("hunter"));

        config.username = None;
        config.password = None;
        let error = Client::with_limits(&config, PATIENT).unwrap().schema(1).await.unwrap_err();
        assert_eq!(
            text(&error, &address),
            "reading schema 1 at the schema registry ADDRESS: it answered 401, \"User is not authenticated.\" (error code 0); it wants a login: set schema_registry.username and schema_registry.password, or schema_registry.bearer_token"
        );
    });
}

/// A 4xx is final: one request each, and a text that says what to do.
#[test]
fn refusals_are_not_repeated_and_say_what_to_do() {
    run(async {
        let registry = registry().await;
        let address = registry.url().to_string();
        let client = client(&registry);
        let body = |code: u32| format!(r#"{{"error_code":{code},"message":"why"}}"#);
        for (status, code, remedy) in [
            (400, 400, "see its message, and the registry's log"),
            (
                403,
                40301,
                "the login lacks rights: allow it to write this subject, or let somebody register the schema who may",
            ),
            (404, 404, "check the path in schema_registry.endpoint: it is the registry's base address"),
            (405, 405, "check the path in schema_registry.endpoint: it is the registry's base address"),
            (
                409,
                409,
                "the subject has versions that the schema is not compatible with: set the subject's compatibility to NONE, or delete the subject",
            ),
            (422, 42201, "the registry does not take the schema: see its message"),
            (422, 42205, "the registry or the subject is read-only: set its mode to READWRITE"),
        ] {
            let before = registry.requests().len();
            registry.inject(Fault::answer(status, body(code)));
            let error = client.register(&[pair("orders-00ff", r#""long""#)]).await.unwrap_err();
            assert_eq!(
                text(&error, &address),
                format!(
                    "registering the schema of subject \"orders-00ff\" at the schema registry ADDRESS: it answered {status}, \"why\" (error code {code}); {remedy}"
                )
            );
            assert_eq!(registry.requests().len(), before + 1);
        }
        registry.inject(Fault::answer(403, "<html>Forbidden</html>"));
        assert_eq!(
            text(&client.check(PATIENT.whole).await.unwrap_err(), &address),
            "reading the configuration at the schema registry ADDRESS: it answered 403, \"<html>Forbidden</html>\"; the login lacks rights: allow it to read the registry"
        );
        assert_eq!(
            text(&client.schema(7).await.unwrap_err(), &address),
            "reading schema 7 at the schema registry ADDRESS: it answered 404, \"Schema 7 not found\" (error code 40403); ask the registry that the messages were written with"
        );
        for answer in ["[]", "{}", r#"[{"subject":1}]"#, r#"["a"]"#] {
            registry.inject(Fault::answer(200, answer));
            assert_eq!(
                text(&client.subjects(7).await.unwrap_err(), &address),
                "reading schema 7 at the schema registry ADDRESS: the answer is no list of subjects and versions; check that schema_registry.endpoint is the base address of a schema registry"
            );
        }
    });
}

#[test]
fn what_may_pass_is_tried_again() {
    run(async {
        let registry = registry().await;
        let limited = Fault::Answer {
            status: 429,
            headers: vec![("retry-after", "0".to_owned())],
            body: String::new(),
            delay: Duration::ZERO,
        };
        for faults in [
            [Fault::answer(503, "busy"), Fault::answer(500, "{}")],
            [limited, Fault::Hangup],
            [Fault::Hangup, Fault::answer(502, "<html>")],
        ] {
            let before = registry.requests().len();
            for fault in faults {
                registry.inject(fault);
            }
            assert_eq!(client(&registry).register(&[pair("a", r#""long""#)]).await.unwrap(), [1]);
            assert_eq!(registry.requests().len(), before + 3);
        }
    });
}

#[test]
fn attempts_are_bounded_and_counted() {
    run(async {
        let registry = registry().await;
        for _ in 0..PATIENT.attempts {
            registry.inject(Fault::answer(503, r#"{"error_code":50003,"message":"no leader"}"#));
        }
        let error = client(&registry).register(&[pair("a", r#""long""#)]).await.unwrap_err();
        assert_eq!(
            text(&error, registry.url().as_str()),
            "registering the schema of subject \"a\" at the schema registry ADDRESS: it answered 503, \"no leader\" (error code 50003), 3 times; the registry itself failed: see its log"
        );
        assert_eq!(registry.requests().len(), 3);
        for _ in 0..PATIENT.attempts {
            registry.inject(Fault::answer(429, ""));
        }
        assert_eq!(
            text(&client(&registry).check(PATIENT.whole).await.unwrap_err(), registry.url().as_str()),
            "reading the configuration at the schema registry ADDRESS: it answered 429 without a message, 3 times; it is asked too often: try later, or raise its limit"
        );
    });
}

#[test]
fn the_pause_that_the_registry_asks_for_is_kept() {
    run(async {
        let registry = registry().await;
        let wait = |value: String| Fault::Answer {
            status: 429,
            headers: vec![("retry-after", value)],
            body: String::new(),
            delay: Duration::ZERO,
        };
        // None at all, where ours would be longer than the call may take.
        let limits = Limits { pause: Duration::from_secs(3600), ..PATIENT };
        let hasty = Client::with_limits(&registry.config(), limits).unwrap();
        registry.inject(wait("0".to_owned()));
        hasty.check(PATIENT.whole).await.unwrap();
        // Longer than the call may take: no use to wait.
        let start = Instant::now();
        for value in ["3600", "Fri, 01 Jan 2100 00:00:00 GMT"] {
            let before = registry.requests().len();
            registry.inject(wait(value.to_owned()));
            assert!(client(&registry).check(PATIENT.whole).await.is_err());
            assert_eq!(registry.requests().len(), before + 1);
        }
        assert!(start.elapsed() < PATIENT.whole);
    });
}

#[test]
fn asked_pauses_are_seconds_or_dates() {
    let now = "2026-11-22T16:00:00Z".parse().unwrap();
    for (text, seconds) in [
        ("0", Some(0)),
        (" 120 ", Some(120)),
        ("Sun, 22 Nov 2026 16:00:07 GMT", Some(7)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("", None),
    ] {
        assert_eq!(asked_pause(text, now), seconds.map(Duration::from_secs), "{text:?}");
    }
}

#[test]
fn pauses_double_and_vary_within_half() {
    let limits = Limits { pause: Duration::from_millis(200), ..PATIENT };
    for (attempt, most) in [(1, 200), (2, 400), (5, 3200)] {
        let most = Duration::from_millis(most);
        let pauses: Vec<_> = (0..50).map(|_| limits.pause_after(attempt)).collect();
        assert!(pauses.iter().all(|pause| (most / 2..=most).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause != &pauses[0]), "no variation");
    }
    assert!(limits.pause_after(u32::MAX) <= Duration::from_millis(200) * 1024);
}

/// The numbers that users are promised.
#[test]
fn the_limits_are_as_promised() {
    let limits = Limits::default();
    assert_eq!((limits.connect, limits.whole), (Duration::from_secs(5), Duration::from_secs(30)));
    let pauses: Duration = (1..limits.attempts).map(|attempt| limits.pause * 2_u32.pow(attempt - 1)).sum();
    assert!(pauses < limits.whole / 2, "{pauses:?}");
}
