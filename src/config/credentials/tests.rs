use serde_json::json;

use super::super::EndpointConfig;
use super::*;

fn parse(credentials: &serde_json::Value, tls: bool) -> Result<EndpointConfig, Error> {
    let mut config = json!({"bootstrap_servers": "b", "message_format": "JSON", "credentials": credentials});
    if tls {
        config["tls"] = "system_certificates".into();
    }
    EndpointConfig::parse(config.to_string().as_bytes())
}

fn refusal(credentials: &serde_json::Value) -> String {
    let error = parse(credentials, true).unwrap_err().to_string();
    error.strip_prefix("reading the endpoint configuration: /credentials/").unwrap().to_owned()
}

/// Good credentials of OAuth with another value for one member; null takes it away.
fn oauth(member: &str, value: serde_json::Value) -> serde_json::Value {
    let mut credentials = json!({
        "auth_type": "oauth_client_credentials",
        "token_endpoint": "https://login.example.com/token",
        "client_id": "me",
        "client_secret": "hunter2",
    });
    credentials[member] = value;
    credentials
}

fn aws(member: &str, value: serde_json::Value) -> serde_json::Value {
    let mut credentials = json!({
        "auth_type": "aws_msk_iam",
        "region": "eu-central-1",
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": "hunter2",
    });
    credentials[member] = value;
    credentials
}

#[test]
fn a_client_of_an_authorization_server() {
    let least = parse(&oauth("scope", "".into()), false).unwrap();
    assert_eq!(least.security_protocol(), "SASL_PLAINTEXT");
    assert_eq!(
        least.credentials,
        Some(Credentials::OauthClientCredentials {
            token_endpoint: "https://login.example.com/token".parse().unwrap(),
            token_endpoint_ca_certificate: None,
            client_id: "me".to_owned(),
            client_secret: Secret::new("hunter2"),
            scope: None,
            extensions: BTreeMap::new(),
        })
    );
    let Some(Credentials::OauthClientCredentials { extensions, .. }) =
        parse(&oauth("extensions", json!({"logicalCluster": "lkc-1", "identityPoolId": "pool-2"})), true)
            .unwrap()
            .credentials
    else {
        panic!("other credentials");
    };
    assert_eq!(extensions["logicalCluster"], "lkc-1");
    assert_eq!(extensions["identityPoolId"], "pool-2");
}

#[test]
fn tokens_are_asked_for_over_tls_or_on_this_machine() {
    for good in ["http://localhost:8080/t", "http://127.0.0.1/t", "http://[::1]:1/t", "https://h/t?tenant=1"]
    {
        parse(&oauth("token_endpoint", good.into()), false).unwrap();
    }
    for (text, expected) in [
        (
            "http://login.example.com/t",
            "\"http://login.example.com/t\": the client's secret would be sent in plain text; expected https://",
        ),
        ("ftp://h/t", "\"ftp://h/t\": expected an address that begins with https://"),
        (
            "https://",
            "\"https://\": not a URL (empty host); expected one such as https://login.example.com/oauth2/token",
        ),
        (
            "https://u:hunter3@h",
            "\"***\": a login inside the address would not be kept secret; give it as client_id and client_secret beside it",
        ),
        ("u:hunter3@h", "\"***\": expected an address that begins with https://"),
    ] {
        assert_eq!(refusal(&oauth("token_endpoint", text.into())), format!("token_endpoint is {expected}"));
    }
}

#[test]
fn the_authority_of_the_token_endpoint() {
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nhunter3\n-----END CERTIFICATE-----\n";
    let with = |text: &str| oauth("token_endpoint_ca_certificate", text.into());
    let Some(Credentials::OauthClientCredentials { token_endpoint_ca_certificate, .. }) =
        parse(&with(CERTIFICATE), false).unwrap().credentials
    else {
        panic!("other credentials");
    };
    assert_eq!(token_endpoint_ca_certificate.as_deref(), Some(CERTIFICATE));
    let mut plain = with(CERTIFICATE);
    plain["token_endpoint"] = "http://localhost/t".into();
    for (credentials, expected) in [
        (
            plain,
            "token_endpoint is asked without TLS, so nothing is signed: leave it out, or give an address that begins with \
             https://",
        ),
        (
            with("/etc/ssl/hunter3.pem"),
            "expected PEM text, with a line that starts with -----BEGIN: give the content of the file, not its name",
        ),
        (
            with(&CERTIFICATE.replace("CERTIFICATE", "PRIVATE KEY")),
            "expected a certificate, with a line -----BEGIN CERTIFICATE-----, and no private key",
        ),
        (
            with(&CERTIFICATE.replace('\n', "\\n")),
            "it has \\n as two characters where a line should end: give it with real line ends (in YAML as a block with | or \
             in double quotes, in JSON with \\n and not \\\\n)",
        ),
    ] {
        assert_eq!(refusal(&credentials), format!("token_endpoint_ca_certificate is \"***\": {expected}"));
    }
}

#[test]
fn what_is_missing_is_named() {
    for (credentials, expected) in [
        (
            oauth("token_endpoint", json!(null)),
            "token_endpoint is missing; give the address where the authorization server hands out tokens",
        ),
        (
            oauth("client_id", "".into()),
            "client_id is missing; give the id of the client that tokens are for",
        ),
        (oauth("client_secret", "".into()), "client_secret is missing; give the client's secret"),
        (
            aws("region", json!(null)),
            "region is missing; give the AWS region of the cluster, such as eu-central-1",
        ),
        (aws("access_key_id", json!(null)), "access_key_id is missing; give the id of an AWS access key"),
        (
            aws("secret_access_key", json!(null)),
            "secret_access_key is missing; give the secret part of the AWS access key",
        ),
    ] {
        assert_eq!(refusal(&credentials), expected);
    }
}

#[test]
fn extensions_are_of_what_the_mechanism_allows() {
    for (extensions, expected) in [
        (json!({"auth": "x"}), "extensions/auth: this name is the token's own: leave it out"),
        (json!({"a.b": "x"}), "extensions/a.b: expected a name of letters a-z and A-Z"),
        (json!({"": "x"}), "extensions: a name in it is empty: fill it in, or take it out"),
        (json!({"is-hunter2": "x"}), "extensions/***: expected a name of letters a-z and A-Z"),
        (
            json!({"a": "x\u{1}auth=Bearer y"}),
            "extensions/a is \"***\": expected a value of printable ASCII characters",
        ),
    ] {
        assert_eq!(refusal(&oauth("extensions", extensions)), expected);
    }
}

#[test]
fn a_key_of_aws() {
    let config = parse(&aws("session_token", "hunter3".into()), true).unwrap();
    assert_eq!(config.security_protocol(), "SASL_SSL");
    assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
    assert_eq!(
        config.credentials,
        Some(Credentials::AwsMskIam {
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("hunter2"),
            session_token: Some(Secret::new("hunter3")),
        })
    );
    assert_eq!(
        refusal(&aws("region", "eu/x".into())),
        "region is \"eu/x\": expected a region such as eu-central-1"
    );
    assert_eq!(
        parse(&aws("region", "eu-central-1".into()), false).unwrap_err().to_string(),
        "reading the endpoint configuration: /tls is missing; credentials of AWS MSK IAM are taken over TLS alone: \
         set it to \"system_certificates\""
    );
}
