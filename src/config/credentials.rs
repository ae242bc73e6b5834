//! How the connector logs in to the brokers.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::error::Error;
use super::kinds::{choice, filled, map};
use super::members::Members;
use super::option::{choices, options};
use super::secret::Secret;
use super::tls::certificates;

options! {
    /// How the connector proves to the brokers who it is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Credentials by auth_type = "Kind of login", checked by authority_of_https {
        /// A user name and a password that the brokers know.
        UserPassword = "user_password", "SASL user and password" {
            /// How the password is proved to the brokers.
            mechanism: SaslMechanism = "SASL mechanism", choice()
                .required("choose the one that the brokers offer: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
                .with("default", "PLAIN");
            /// Name of the SASL user.
            username: String = "User name", filled().required("give the SASL user name");
            /// Password of the SASL user.
            password: Secret = "Password", filled().secret().required("give the SASL user's password");
        }
        /// A token (SASL OAUTHBEARER) that an authorization server gives for a client's id and secret: the client
        /// credentials grant of OAuth 2.0. It is asked for again before it expires.
        OauthClientCredentials = "oauth_client_credentials", "OAuth client credentials" {
            /// Address of the authorization server's token endpoint. It must begin with https, unless the server is on
            /// this machine.
            token_endpoint: Url = "Token endpoint", filled()
                .then(|members, name, text| read_token_endpoint(members, name, &text))
                .required("give the address where the authorization server hands out tokens");
            /// Certificates of the authorities that may have signed the token endpoint's, as PEM text. Without it they are those
            /// that the system trusts, or those of SSL_CERT_FILE; tls_certificates are for the brokers alone.
            token_endpoint_ca_certificate: Option<String> = "CA certificate of the token endpoint", certificates();
            /// Id of the client that tokens are for.
            client_id: String = "Client id", filled().required("give the id of the client that tokens are for");
            /// Secret of the client.
            client_secret: Secret = "Client secret", filled().secret().required("give the client's secret");
            /// Scopes to ask for, separated by blanks. Some servers need one, such as api://ID/.default.
            scope: Option<String> = "Scope", filled();
            /// What the brokers want to have beside the token, by name, such as logicalCluster and identityPoolId of
            /// Confluent Cloud.
            extensions: BTreeMap<String, String> = "Extensions", map()
                .then(check_extensions)
                .or(serde_json::json!({}));
        }
        /// A token (SASL OAUTHBEARER) that is signed with an AWS key, for clusters of Amazon MSK with IAM access
        /// control. It needs TLS, and is signed anew before it expires.
        AwsMskIam = "aws_msk_iam", "AWS MSK IAM" {
            /// AWS region of the cluster, such as eu-central-1.
            region: String = "Region", filled()
                .parsed(read_region)
                .required("give the AWS region of the cluster, such as eu-central-1");
            /// Id of the access key.
            access_key_id: String = "Access key id", filled().required("give the id of an AWS access key");
            /// The access key itself.
            secret_access_key: Secret = "Secret access key", filled()
                .secret()
                .required("give the secret part of the AWS access key");
            /// Session token that belongs to the access key, if it is a temporary one. When it expires, connections
            /// fail until another is configured.
            session_token: Option<Secret> = "Session token", filled().secret();
        }
    }
}

choices! {
    /// SASL mechanisms, all with a user name and a password.
    pub enum SaslMechanism {
        /// The password itself is sent, so use it with TLS.
        Plain = "PLAIN",
        /// Salted challenge and response with SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// Salted challenge and response with SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}

fn read_token_endpoint(members: &Members<'_>, name: &str, text: &str) -> Result<Url, Error> {
    // A login inside the address would be shown wherever the address is, so such a text is never repeated.
    let shown = if text.contains('@') { "***" } else { text };
    let invalid = |why: &str| members.invalid(name, shown, why.to_owned());

    let url = Url::parse(text).map_err(|error| {
        invalid(&format!("not a URL ({error}); expected one such as https://login.example.com/oauth2/token"))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "a login inside the address would not be kept secret; give it as client_id and client_secret beside it",
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local(&url) => Ok(url),
        "http" => Err(invalid("the client's secret would be sent in plain text; expected https://")),
        _ => Err(invalid("expected an address that begins with https://")),
    }
}

/// Whether an address is of this machine.
fn is_local(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Names and values as RFC 7628, 3.1, allows them.
fn check_extensions(
    members: &Members<'_>,
    name: &str,
    extensions: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    for (key, value) in &extensions {
        if key == "auth" {
            let why = "this name is the token's own: leave it out".to_owned();
            return Err(members.refused(&members.entry(name, key), why));
        }
        if !key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            let why = "expected a name of letters a-z and A-Z".to_owned();
            return Err(members.refused(&members.entry(name, key), why));
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let why = "expected a value of printable ASCII characters".to_owned();
            return Err(members.invalid(&members.entry(name, key), "***", why));
        }
    }
    Ok(extensions)
}

/// What is asked without TLS shows no certificate.
fn authority_of_https(read: Credentials, members: &Members<'_>) -> Result<Credentials, Error> {
    if let Credentials::OauthClientCredentials { token_endpoint, token_endpoint_ca_certificate, .. } = &read
        && token_endpoint_ca_certificate.is_some()
        && token_endpoint.scheme() != "https"
    {
        let reason = "token_endpoint is asked without TLS, so nothing is signed: leave it out, or give an address that begins \
                      with https://";
        return Err(members.invalid("token_endpoint_ca_certificate", "***", reason.to_owned()));
    }
    Ok(read)
}

fn read_region(text: &str) -> Result<String, String> {
    let is_region =
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_region { Ok(text.to_owned()) } else { Err("expected a region such as eu-central-1".to_owned()) }
}

#[cfg(test)]
mod tests;
