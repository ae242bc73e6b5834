//! Validate asks both servers, and says which one failed, where, how, and what to check.

use std::net::TcpListener;
use std::thread;

use serde_json::json;

use crate::common::services::{self, Cluster, Login};
use crate::endpoint::{Endpoint, assert_says};

#[test]
fn servers_that_answer_pass() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    for endpoint in [Endpoint::json(&kafka.plaintext), Endpoint::avro(&kafka.plaintext, &registry)] {
        let validated = endpoint.validate().response().validated.unwrap();
        assert_eq!(validated.bindings.len(), 1);
        assert_eq!(validated.bindings[0].resource_path, ["unused"]);
        assert!(validated.bindings[0].delta_updates);
    }
    // A slash at the end of the registry's path changes nothing.
    let slash =
        Endpoint::avro(&kafka.plaintext, &registry).registry(&format!("{}/", registry.url), &registry.login);
    slash.validate().response();
}

#[test]
fn each_failure_says_which_server_what_came_and_what_to_check() {
    let (Some(kafka), Some(registry)) = (services::kafka(), services::registry()) else { return };
    // They take connections, and say nothing.
    let silent = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [silent_broker, silent_registry] = silent.each_ref().map(|s| s.local_addr().unwrap().to_string());

    let with_login = |address: &str, mechanism| Endpoint::json(address).login(mechanism, &wrong(&kafka.user));
    let refused = "Connect to ipv4#127.0.0.1:1 failed: Connection refused";
    let refused_check = "check host and port in bootstrap_servers, and that the broker runs";
    let login_check = "check username, password and mechanism of credentials";
    let closed = "every connection was closed without a reason";
    let closed_check = "set tls; and on a port with a login (SASL) when there is none: set credentials";
    let of_brokers = [
        (Endpoint::json(NOBODY), refused, refused_check),
        (
            Endpoint::json("no-such-host.invalid:9092"),
            "Failed to resolve 'no-such-host.invalid:9092'",
            "check the host name in bootstrap_servers, and that it resolves from here",
        ),
        (
            Endpoint::json(&silent_broker),
            "nothing came within 10.0 s",
            "check host and port in bootstrap_servers",
        ),
        (
            with_login(&kafka.sasl_plaintext, "PLAIN"),
            "Authentication failed: Invalid username or password",
            login_check,
        ),
        (
            with_login(&kafka.sasl_plaintext, "SCRAM-SHA-256"),
            "invalid credentials with SASL mechanism SCRAM-SHA-256",
            login_check,
        ),
        (
            with_login(&kafka.sasl_plaintext, "SCRAM-SHA-512"),
            "invalid credentials with SASL mechanism SCRAM-SHA-512",
            login_check,
        ),
        (
            with_login(&kafka.sasl_ssl, "SCRAM-SHA-512").tls(&kafka.ca),
            "invalid credentials with SASL mechanism SCRAM-SHA-512",
            login_check,
        ),
        (
            with_login(&kafka.plaintext, "PLAIN"),
            "Request not valid in current SASL state",
            "this port takes no login: remove credentials, or use the port of a SASL listener",
        ),
        (Endpoint::json(&kafka.sasl_plaintext), closed, closed_check),
        (Endpoint::json(&kafka.ssl), closed, closed_check),
        // The commonest slip.
        (Endpoint::json(&kafka.sasl_ssl).login("PLAIN", &kafka.user), closed, closed_check),
        (
            Endpoint::json(&kafka.ssl).tls(&kafka.other_ca),
            "certificate verify failed",
            "give the authority's certificate in tls_certificates.ca_certificate, or name its file in SSL_CERT_FILE",
        ),
    ];

    let avro = || Endpoint::avro(&kafka.plaintext, &registry);
    let at = |url: &str| avro().registry(url, &registry.login);
    let of_registry = [
        (
            avro().registry(&registry.url, &wrong(&registry.login)),
            "it answered 401",
            "check schema_registry.username and schema_registry.password",
        ),
        (
            avro().set("schema_registry", json!({"endpoint": registry.url})),
            "it answered 401",
            "it wants a login: set schema_registry.username and schema_registry.password",
        ),
        (
            at(&registry.url.replace("ccompat", "nowhere")),
            "it answered 404",
            "check the path in schema_registry.endpoint: it is the registry's base address",
        ),
        (
            at("http://127.0.0.1:1/"),
            "the connection was refused",
            "check host and port in schema_registry.endpoint, and that the registry runs",
        ),
        (
            at("http://no-such-host.invalid/"),
            "the name of the host cannot be resolved",
            "check the host in schema_registry.endpoint",
        ),
        (
            at(&format!("http://{silent_registry}/")),
            "no answer within 10s",
            "check that the registry is healthy and reaches its storage",
        ),
    ];
    let without_tls = Endpoint::json(&kafka.plaintext).tls(&kafka.ca);
    let both = at("http://127.0.0.1:1/").set("bootstrap_servers", json!(NOBODY));

    thread::scope(|scope| {
        for (endpoint, came, check) in of_brokers {
            scope.spawn(move || {
                let message = endpoint.validate().failure();
                assert_says(&message, &[&from_brokers(&endpoint), came, check]);
                assert!(!message.contains("registry"), "{message}");
            });
        }
        for (endpoint, came, check) in of_registry {
            scope.spawn(move || {
                let message = endpoint.validate().failure();
                assert_says(&message, &[&from_registry(&endpoint), came, check]);
                assert!(!message.contains("brokers"), "{message}");
            });
        }
        scope.spawn(move || {
            let message = without_tls.validate().failure();
            assert_says(&message, &[&from_brokers(&without_tls), "Disconnected"]);
            // Which of the two librdkafka says depends on what it sees first: that the connection has an end, or what is
            // wrong with the handshake.
            let checks = [
                "this port does not speak TLS: remove tls, or use the port of a TLS listener",
                "check that this port speaks TLS and that its certificate is valid",
            ];
            assert!(checks.iter().any(|check| message.ends_with(check)), "{message}");
        });
        scope.spawn(move || {
            let message = both.validate().failure();
            let (brokers, registry) = (from_brokers(&both), from_registry(&both));
            assert_says(
                &message,
                &[&brokers, refused, refused_check, "; and ", &registry, "the connection was refused"],
            );
        });
    });
}

#[test]
fn a_mechanism_that_is_not_enabled_is_told_from_a_wrong_password() {
    let options = ["--sasl-tls", "--set", "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512"];
    let Some(cluster) = Cluster::start(1, &options) else { return };
    let login = Login { user: cluster.fact("username").into(), password: cluster.fact("password").into() };
    let at = Endpoint::json(cluster.fact("bootstrap.servers.sasl_plaintext"));
    at.clone().login("SCRAM-SHA-256", &login).validate().response();
    let endpoint = at.login("PLAIN", &login);
    assert_says(
        &endpoint.validate().failure(),
        &[
            &from_brokers(&endpoint),
            "Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-",
            "set credentials.mechanism to one of those mechanisms",
        ],
    );
}

fn wrong(login: &Login) -> Login {
    Login { password: "n0t-the-password".into(), ..login.clone() }
}

fn from_brokers(endpoint: &Endpoint) -> String {
    let address = endpoint.config["bootstrap_servers"].as_str().unwrap();
    format!("asking the brokers for themselves: no usable answer from the brokers at {address}: ")
}

fn from_registry(endpoint: &Endpoint) -> String {
    let address = endpoint.config["schema_registry"]["endpoint"].as_str().unwrap();
    format!("reading the configuration at the schema registry {address}: ")
}

/// Nobody listens there.
const NOBODY: &str = "127.0.0.1:1";
