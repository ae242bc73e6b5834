//! Addresses where no registry is, or one that is ill.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::super::memory::Fault;
use super::super::place::proxy_variable;
use super::*;

/// A server that reads a request's head and then does as told, once per connection, while the test runs.
fn server(scheme: &str, act: impl Fn(&mut TcpStream, &str) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("{scheme}://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
                // A TLS greeting has no end that this server knows.
                if head[0] == 0x16 {
                    break;
                }
            }
            act(&mut stream, &String::from_utf8_lossy(&head));
        }
    });
    address
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

fn check(address: &str, limits: Limits) -> Result<(), Error> {
    run(client_of(address, limits).check(limits.whole))
}

#[test]
fn nobody_listens_and_who_asks_is_not_kept_waiting() {
    // The promised limits: three attempts, 600 ms of pauses at most.
    let patience = Limits { whole: PATIENT.whole, ..Limits::default() };
    let address = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    assert_eq!(
        text(&check(&address, patience).unwrap_err(), &address),
        "reading the configuration at the schema registry ADDRESS: the connection was refused, 3 times; check host and port in schema_registry.endpoint, and that the registry runs"
    );
}

#[test]
fn the_host_is_unknown() {
    let limits = Limits { attempts: 1, ..PATIENT };
    // No resolver asks the network about a label of more than 63 bytes.
    let address = format!("http://{}.localhost:8081/", "x".repeat(64));
    assert_eq!(
        text(&check(&address, limits).unwrap_err(), &address),
        "reading the configuration at the schema registry ADDRESS: the name of the host cannot be resolved; check the host in schema_registry.endpoint"
    );
}

#[test]
fn the_registry_is_silent() {
    run(async {
        let registry = registry().await;
        registry.inject(Fault::Silence);
        let client = Client::with_limits(&registry.config(), PATIENT).unwrap();
        let start = Instant::now();
        let error = client.check(Duration::from_secs(2)).await.unwrap_err();
        assert!(start.elapsed() < PATIENT.whole, "{:?}", start.elapsed());
        assert_eq!(
            text(&error, registry.url().as_str()),
            "reading the configuration at the schema registry ADDRESS: no answer within 2s; check that the registry is healthy and reaches its storage"
        );
        assert_eq!(registry.requests().len(), 1);

        registry.inject(Fault::Silence);
        let limits = Limits { whole: Duration::from_secs(1), ..PATIENT };
        let client = Client::with_limits(&registry.config(), limits).unwrap();
        assert!(client.schema(1).await.unwrap_err().to_string().contains("no answer within 1s"));
    });
}

/// The limit is for the whole call: retries do not prolong it.
#[test]
fn retries_end_with_the_limit() {
    run(async {
        let registry = registry().await;
        for _ in 0..1000 {
            registry.inject(Fault::answer(503, ""));
        }
        // The first pause fits, from 2 to 4 s, and the second does not, from 4 to 8 s, although there may be 3 s left.
        let limits = Limits {
            attempts: u32::MAX,
            pause: Duration::from_secs(4),
            whole: Duration::from_secs(5),
            ..PATIENT
        };
        let start = Instant::now();
        let client = Client::with_limits(&registry.config(), limits).unwrap();
        let error = client.schema(1).await.unwrap_err();
        assert!(matches!(error, Error::Refused { status: 503, .. }), "{error:?}");
        assert!(start.elapsed() < PATIENT.whole, "{:?}", start.elapsed());
        assert_eq!(registry.requests().len(), 2);
    });
}

#[test]
fn the_connection_closes_early() {
    for act in [
        |_: &mut TcpStream, _: &str| {},
        |stream: &mut TcpStream, _: &str| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"compat");
        },
    ] {
        let address = server("http", act);
        assert_eq!(
            text(&check(&address, PATIENT).unwrap_err(), &address),
            "reading the configuration at the schema registry ADDRESS: the connection was closed before the answer was complete, 3 times; check that the registry and any proxy before it are healthy, and whether schema_registry.endpoint should begin with https://"
        );
    }
}

#[test]
fn the_port_is_not_http() {
    // What a TLS server says to plain HTTP: an alert.
    let address = server("http", |stream, _| {
        let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x16");
    });
    assert_eq!(
        text(&check(&address, PATIENT).unwrap_err(), &address),
        "reading the configuration at the schema registry ADDRESS: what came back is not HTTP; check the port in schema_registry.endpoint, and whether it should begin with https://"
    );
}

#[test]
fn the_port_does_not_speak_tls() {
    let address = server("https", |stream, _| {
        let _ = stream.write_all(http("400 Bad Request", "", "").as_bytes());
    });
    let error = check(&address, PATIENT).unwrap_err();
    assert!(matches!(&error, Error::Unreachable { attempts: 1, .. }), "{error:?}");
    let text = text(&error, &address);
    assert!(
        text.starts_with("reading the configuration at the schema registry ADDRESS: TLS failed ("),
        "{text}"
    );
    assert!(
        text.ends_with("); check that this port speaks https, and that the authority of its certificate is trusted (schema_registry.ca_certificate or SSL_CERT_FILE may name it), and whether it wants a schema_registry.client_certificate"),
        "{text}"
    );
}

#[test]
fn no_connection_comes_about() {
    // It accepts, but the handshake of TLS never ends: that belongs to the connection's time.
    let address = server("https", |_, _| thread::park());
    let limits = Limits { connect: Duration::from_millis(200), attempts: 2, ..PATIENT };
    assert_eq!(
        text(&check(&address, limits).unwrap_err(), &address),
        "reading the configuration at the schema registry ADDRESS: no connection within 200ms, 2 times; check host and port in schema_registry.endpoint, and that firewalls let the connection through"
    );
}

#[test]
fn the_answer_is_a_web_page() {
    let page = format!("<!doctype html>\n<p>{}", "é".repeat(1000));
    run(async {
        let registry = registry().await;
        registry.inject(Fault::answer(200, page.clone()));
        let error = client(&registry).check(PATIENT.whole).await.unwrap_err();
        let shown: String = page.chars().take(200).collect();
        assert_eq!(
            text(&error, registry.url().as_str()),
            format!(
                "reading the configuration at the schema registry ADDRESS: the answer is not JSON: {shown:?}; check that schema_registry.endpoint is the base address of a schema registry"
            )
        );
        assert_eq!(registry.requests().len(), 1);
    });
}

#[test]
fn the_answer_is_json_of_something_else() {
    run(async {
        let registry = registry().await;
        let client = client(&registry);
        for (body, problem) in [
            ("{}", "the answer has no id of 32 bits;"),
            (r#"{"id":"1"}"#, "the answer has no id of 32 bits;"),
            (r#"{"id":4294967296}"#, "the answer has no id of 32 bits;"),
            (r#"{"id":-1}"#, "the answer has no id of 32 bits;"),
        ] {
            registry.inject(Fault::answer(200, body));
            let error = client.register(&[pair("a", r#""long""#)]).await.unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
        registry.inject(Fault::answer(200, r#"{"id":4294967295}"#));
        assert_eq!(client.register(&[pair("a", r#""long""#)]).await.unwrap(), [u32::MAX]);
        registry.inject(Fault::answer(200, "[]"));
        assert!(
            client.check(PATIENT.whole).await.unwrap_err().to_string().contains("is JSON but not an object")
        );
        registry.inject(Fault::answer(200, r#"{"schema":{}}"#));
        assert!(client.schema(1).await.unwrap_err().to_string().contains("has no text named schema"));
    });
}

/// Else ten calls come back together, nine are too many again, and one of a thousand is so six times.
#[test]
fn a_registry_that_is_asked_too_often_is_asked_for_one_thing_at_a_time() {
    run(async {
        let registry = registry().await;
        // Less than all calls take, one after the other.
        let limits = Limits { whole: Duration::from_secs(2), ..PATIENT };
        let client = client_of(registry.url().as_str(), limits);
        registry.inject(Fault::answer(429, "{}"));
        client.register(&[pair("first", r#""long""#)]).await.unwrap();
        let subjects: Vec<_> = (0..60).map(|number| pair(&format!("s{number}"), r#""long""#)).collect();
        for _ in &subjects {
            registry.inject(Fault::Delay(Duration::from_millis(40)));
        }
        client.register(&subjects).await.unwrap();
        assert_eq!(registry.most_at_once(), 1);
    });
}

#[test]
fn an_endless_answer_is_cut_off() {
    let address = server("http", |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        while stream.write_all(chunk.as_bytes()).is_ok() {}
    });
    let error = check(&address, PATIENT).unwrap_err();
    assert!(error.to_string().contains("the answer is longer than 1048576 bytes"), "{error}");
}

#[test]
fn a_login_is_not_carried_elsewhere() {
    run(async {
        let other = registry().await;
        let target = format!("{}config?token=secret", other.url());
        for status in
            ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
        {
            let location = format!("location: {target}\r\n");
            let address = server("http", move |stream, _| {
                let _ = stream.write_all(http(status, &location, "").as_bytes());
            });
            let error = client_of(&address, PATIENT).check(PATIENT.whole).await.unwrap_err();
            assert_eq!(
                text(&error, &address),
                format!(
                    "reading the configuration at the schema registry ADDRESS: it answered {}, a redirect to {}config; set schema_registry.endpoint to the address that answers itself",
                    &status[..3],
                    other.url()
                )
            );
        }
        assert!(other.requests().is_empty());
    });
}

#[test]
fn a_redirect_to_the_same_server_is_followed_with_method_body_and_login() {
    run(async {
        let options = Options { login: Some(("u".to_owned(), Secret::new("p"))), ..Options::default() };
        let registry = Registry::start(options).await.unwrap();
        let redirect = |status, to: &str| Fault::Answer {
            status,
            headers: vec![("location", to.to_owned())],
            body: String::new(),
            delay: Duration::ZERO,
        };
        registry.inject(redirect(308, "/subjects/b/versions"));
        let client = client(&registry);
        assert_eq!(client.register(&[pair("a", r#""long""#)]).await.unwrap(), [1]);
        assert!(registry.requests().iter().all(|seen| seen.method == "POST" && seen.authorization));
        // A registration that becomes a GET is none.
        registry.inject(redirect(302, "/subjects/b/versions"));
        let error = client.register(&[pair("a", r#""long""#)]).await.unwrap_err();
        assert!(matches!(error, Error::Redirected { status: 302, .. }), "{error:?}");
        // A circle ends.
        for _ in 0..20 {
            registry.inject(redirect(307, "/config"));
        }
        let error = client.check(PATIENT.whole).await.unwrap_err();
        assert!(matches!(error, Error::Redirected { status: 307, .. }), "{error:?}");
    });
}

#[test]
fn other_troubles_keep_what_the_library_says() {
    let error = Error::Client { endpoint: "https://r/".to_owned(), reason: "no certificates".to_owned() };
    assert_eq!(
        error.to_string(),
        "preparing the client of the schema registry https://r/: no certificates; check the system's certificates and SSL_CERT_FILE"
    );
    let error = Error::Unreachable {
        doing: super::super::Doing::Check,
        endpoint: "https://r/".to_owned(),
        trouble: super::super::Trouble::Other { reason: "odd".to_owned() },
        proxy: Some("HTTPS_PROXY"),
        attempts: 1,
    };
    assert_eq!(
        error.to_string(),
        "reading the configuration at the schema registry https://r/: the request failed (odd); check schema_registry.endpoint, and the registry's log, and the proxy that HTTPS_PROXY names"
    );
}

#[test]
fn proxies_are_for_other_machines_and_their_scheme() {
    let found = |address: &str, set: &str| proxy_variable(&Url::parse(address).unwrap(), |name| name == set);
    assert_eq!(found("https://r/", "HTTPS_PROXY"), Some("HTTPS_PROXY"));
    assert_eq!(found("https://r/", "all_proxy"), Some("all_proxy"));
    assert_eq!(found("http://r/", "http_proxy"), Some("http_proxy"));
    assert_eq!(found("http://r/", "HTTPS_PROXY"), None);
    assert_eq!(found("https://r/", "HTTP_PROXY"), None);
    for address in ["http://127.0.0.1/", "http://[::1]/", "http://localhost/", "http://a.localhost/"] {
        assert_eq!(found(address, "HTTP_PROXY"), None, "{address}");
    }
}
