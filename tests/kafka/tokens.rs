//! Logins by token: sessions that outlive their tokens, and what is said where there is none or none that is taken.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use materialize_kafka::protocol::messages::request;
use serde_json::{Value, json};

use crate::broker::unique;
use crate::common::authorization::{AUTHORITY, Authorization, SECRET};
use crate::common::brokers::read;
use crate::common::runtime::stores;
use crate::common::services::{self, Kafka, Login};
use crate::endpoint::{Endpoint, assert_says, specification, transaction};
use crate::landed::{Format, assert_landed, expected};

/// Each token is good for a fraction of the session, and the broker closes connections whose token has ended.
#[test]
fn a_session_outlives_its_tokens() {
    let Some(kafka) = services::kafka() else { return };
    for delivery in ["at_least_once", "exactly_once"] {
        let authorization = Authorization::start("test", Duration::from_secs(6));
        let endpoint = oauth(&kafka, authorization.credentials(SECRET)).set(
            "advanced",
            json!({"delivery": delivery, "progress_topic": unique("progress"), "stall_timeout": "20s"}),
        );
        let topic = unique("tokens");
        let mut task = endpoint.task(&specification(&[&topic]));
        // Two tasks of one name fence each other.
        task.spec.name = unique("acme/task");
        endpoint.apply(&task);
        let documents: Vec<Value> = (0..7).map(|id| json!({"id": id, "text": "still here"})).collect();
        let fixture: String = documents.iter().map(|document| transaction([(0, document)])).collect();
        let mut session = endpoint.session(&task);
        let before = authorization.granted();
        for stores in &stores(&task, &fixture) {
            session.transact(stores);
            thread::sleep(Duration::from_secs(3));
        }
        endpoint.assert_clean(session);
        let during = authorization.granted() - before;
        assert!(during >= 3, "{during} tokens were granted while the session ran");
        let records = read(&Endpoint::json(&kafka.plaintext).config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
    }
}

/// The server is gone when the next token is due, and stays so until the present one has ended and connections are closed for it.
#[test]
fn a_session_goes_on_when_the_authorization_server_comes_back() {
    let Some(kafka) = services::kafka() else { return };
    for delivery in ["at_least_once", "exactly_once"] {
        let authorization = Authorization::start("test", Duration::from_secs(6));
        let endpoint = oauth(&kafka, authorization.credentials(SECRET)).set(
            "advanced",
            json!({"delivery": delivery, "progress_topic": unique("progress"), "stall_timeout": "60s"}),
        );
        let topic = unique("tokens");
        let mut task = endpoint.task(&specification(&[&topic]));
        // Two tasks of one name fence each other.
        task.spec.name = unique("acme/task");
        endpoint.apply(&task);
        let documents: Vec<Value> = (0..3).map(|id| json!({"id": id, "text": "still here"})).collect();
        let fixture: String = documents.iter().map(|document| transaction([(0, document)])).collect();
        let stores = stores(&task, &fixture);
        let mut session = endpoint.session(&task);
        session.transact(&stores[0]);
        authorization.set_down(true);
        let granted = authorization.granted();
        thread::sleep(Duration::from_secs(9));
        session.wait_for_log("no new token yet");
        assert_eq!(authorization.granted(), granted, "it is down");
        let back = authorization.clone();
        // While a transaction waits.
        let comes_back = thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            back.set_down(false);
        });
        session.transact(&stores[1]);
        comes_back.join().unwrap();
        session.transact(&stores[2]);
        endpoint.assert_clean(session);
        let records = read(&Endpoint::json(&kafka.plaintext).config, &[&topic], documents.len());
        assert_landed(&task, &expected(&task, &fixture), &records, &Format::Json, 3);
    }
}

/// What cannot be delivered for want of a token ends the session by the stall time-out, whose error tells the cause.
#[test]
fn a_session_that_gets_no_token_any_more_ends_with_the_reason() {
    let Some(kafka) = services::kafka() else { return };
    let authorization = Authorization::start("test", Duration::from_secs(6));
    let endpoint =
        oauth(&kafka, authorization.credentials(SECRET)).set("advanced", json!({"stall_timeout": "8s"}));
    let task = endpoint.task(&specification(&[&unique("tokens")]));
    endpoint.apply(&task);
    let document = json!({"id": 1, "text": "never there"});
    let stores = stores(&task, &transaction([(0, &document)]));
    let mut session = endpoint.session(&task);
    authorization.set_down(true);
    // Until the present token is of no use any more.
    thread::sleep(Duration::from_secs(9));
    session.flush();
    session.store(&stores[0][0]);
    session.send(request::StartCommit::default());
    assert_says(
        &endpoint.failure(session),
        &[
            "no message was acknowledged for 8 s while 1 are due",
            "; last error: ",
            "logging in to the brokers: asking",
            &authorization.endpoint,
            "check credentials.token_endpoint, and that it can be reached from here",
        ],
    );
}

#[test]
fn an_authorization_server_that_refuses_or_is_gone_is_told_at_once() {
    let Some(kafka) = services::kafka() else { return };
    let authorization = Authorization::start("test", Duration::from_secs(60));
    let message = oauth(&kafka, authorization.credentials("wrong-secret")).validate().failure();
    assert_says(
        &message,
        &[
            "logging in to the brokers: asking",
            &authorization.endpoint,
            "for a token: it answered 401 (invalid_client: no such client)",
            "check credentials.client_id and credentials.client_secret",
        ],
    );
    assert_eq!(authorization.granted(), 0);

    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/token", listener.local_addr().unwrap())
    };
    let mut credentials = authorization.credentials(SECRET);
    credentials["token_endpoint"] = Value::from(gone.as_str());
    let endpoint = oauth(&kafka, credentials);
    let parts = [
        "logging in to the brokers: asking",
        &gone,
        "for a token: Connection refused",
        "check credentials.token_endpoint, and that it can be reached from here",
    ];
    assert_says(&endpoint.validate().failure(), &parts);
    // As it is in a session that is to open.
    let good = oauth(&kafka, authorization.credentials(SECRET));
    let task = good.task(&specification(&[&unique("tokens")]));
    good.apply(&task);
    let mut task = task;
    task.spec.config_json = serde_json::to_vec(&endpoint.config).unwrap().into();
    assert_says(&endpoint.ask_open(&task).failure(), &parts);
}

#[test]
fn a_token_that_the_brokers_do_not_take_is_told() {
    let Some(kafka) = services::kafka() else { return };
    let stale = Authorization::with_delay("test", Duration::from_secs(60), Duration::from_secs(600));
    let remedy = "the brokers do not take the token: check that they trust its issuer";
    let message = oauth(&kafka, stale.credentials(SECRET)).validate().failure();
    assert_says(
        &message,
        &["no usable answer", "SASL authentication error: {\"status\":\"invalid_token\"}", remedy],
    );

    // No MSK can be had here; this broker has to do without a JWT, and says so.
    let message = oauth(&kafka, aws()).validate().failure();
    assert_says(
        &message,
        &["SASL authentication error: {\"status\":\"invalid_token\"}", remedy, "AWS MSK IAM"],
    );
}

#[test]
fn brokers_without_the_mechanism_say_which_they_have() {
    let Some(kafka) = services::kafka() else { return };
    let authorization = Authorization::start("test", Duration::from_secs(60));
    let endpoint =
        Endpoint::json(&kafka.sasl_ssl).tls(&kafka.ca).set("credentials", authorization.credentials(SECRET));
    let to_passwords = [
        "Unsupported SASL mechanism",
        "PLAIN",
        "; this port takes no tokens, but a user and a password: set \
         credentials.auth_type to \"user_password\", and credentials.mechanism",
    ];
    assert_says(&endpoint.validate().failure(), &to_passwords);
    let aws = Endpoint::json(&kafka.sasl_ssl).tls(&kafka.ca).set("credentials", aws());
    assert_says(&aws.validate().failure(), &to_passwords);

    let password = Endpoint::json(&kafka.oauth).tls(&kafka.ca).login("SCRAM-SHA-512", &kafka.user);
    assert_says(
        &password.validate().failure(),
        &[
            "Unsupported SASL mechanism",
            "OAUTHBEARER",
            "; this port takes no passwords, but tokens: set credentials.auth_type to \"oauth_client_credentials\"",
        ],
    );
}

/// What certificates the brokers have says nothing of the authorization server's.
#[test]
fn an_authorization_server_of_a_private_authority() {
    let Some(kafka) = services::kafka() else { return };
    let authorization = Authorization::over_tls("test", Duration::from_secs(60));
    let with_brokers_authority = json!({"ca_certificate": fs::read_to_string(&kafka.ca).unwrap()});
    let with = |credentials| {
        Endpoint::json(&kafka.oauth)
            .set("tls", json!("system_certificates"))
            .set("tls_certificates", with_brokers_authority.clone())
            .set("credentials", credentials)
    };
    let mut credentials = authorization.credentials(SECRET);
    assert_says(
        &with(credentials.clone()).validate().failure(),
        &[
            &authorization.endpoint,
            "for a token: invalid peer certificate: UnknownIssuer; its certificate ",
            "give the authority's certificate in credentials.token_endpoint_ca_certificate",
        ],
    );
    assert_eq!(authorization.granted(), 0);
    credentials["token_endpoint_ca_certificate"] = Value::from(AUTHORITY);
    with(credentials).validate().response();
    assert!(authorization.granted() > 0);
}

/// librdkafka tells all that it does, connections, logins and its configuration, and none of it is secret.
#[test]
fn debug_lines_tell_no_secret() {
    let Some(kafka) = services::kafka() else { return };
    let authorization = Authorization::start("test", Duration::from_secs(60));
    let pem = |file: &Path| fs::read_to_string(file).unwrap();
    let certificates = json!({
        "ca_certificate": pem(&kafka.ca),
        "client_certificate": pem(&kafka.client_certificate),
        "client_key": pem(&kafka.client_key_encrypted),
        "client_key_password": kafka.client_key_password,
    });
    let over_tls = |address: &str| {
        let endpoint = Endpoint::json(address).set("tls", json!("system_certificates"));
        endpoint.set("tls_certificates", certificates.clone())
    };
    let ways = [
        over_tls(&kafka.sasl_mtls).login("PLAIN", &kafka.user),
        over_tls(&kafka.sasl_mtls).login("SCRAM-SHA-256", &kafka.user),
        Endpoint::json(&kafka.sasl_plaintext).login("SCRAM-SHA-512", &kafka.user),
        Endpoint::json(&kafka.sasl_plaintext).login("PLAIN", &wrong(&kafka.user)),
        over_tls(&kafka.oauth).set("credentials", authorization.credentials(SECRET)),
        over_tls(&kafka.oauth).set("credentials", aws()),
    ];
    for endpoint in ways {
        let endpoint = endpoint.set("advanced", json!({"client_properties": {"debug": "all"}}));
        // Whatever is answered is searched.
        let said = endpoint.validate().stderr();
        for facility in ["\"facility\":\"CONF\"", "\"facility\":\"SASL\"", "\"facility\":\"SEND\""] {
            assert!(said.contains(facility), "no line with {facility}: {said}");
        }
    }
    let endpoint = oauth(&kafka, authorization.credentials(SECRET))
        .set("advanced", json!({"client_properties": {"debug": "all"}}));
    let topic = unique("debug");
    let task = endpoint.task(&specification(&[&topic]));
    endpoint.apply(&task);
    endpoint.ask_open(&task).response();
}

fn wrong(login: &Login) -> Login {
    Login { password: "wRong-p4ssword".to_owned(), ..login.clone() }
}

fn aws() -> Value {
    json!({
        "auth_type": "aws_msk_iam",
        "region": "eu-central-1",
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "session_token": "of-nobody",
    })
}

fn oauth(kafka: &Kafka, credentials: Value) -> Endpoint {
    Endpoint::json(&kafka.oauth).tls(&kafka.ca).set("credentials", credentials)
}
