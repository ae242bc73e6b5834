//! Tokens for brokers that ask for one (SASL OAUTHBEARER): fetched from an authorization server, or signed as AWS's are.
//!
//! A [`Source`] makes one token after the other; when the next one is due, and what is done with it, is the Kafka
//! client's to know. Whoever waits for a token must be on a tokio runtime with time and I/O.

mod error;
mod grant;
mod msk;
mod signature;

use jiff::Timestamp;
use url::Url;

pub use self::error::Error;
use self::grant::Grant;
use crate::config::{Credentials, Secret};

/// A token, as a client hands it to the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What is sent; printable ASCII.
    pub value: Secret,
    /// When the brokers stop to take it.
    pub expires: Timestamp,
    /// Pairs of name and value that are sent beside it.
    pub extensions: Vec<(String, String)>,
}

/// Where tokens come from.
#[derive(Debug)]
pub struct Source(Kind);

#[derive(Debug)]
enum Kind {
    /// An authorization server.
    Server(Box<Grant>),
    /// A signature with an AWS key.
    Aws(AwsKeys),
}

/// Who asks an authorization server, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ServerLogin {
    /// Its token endpoint.
    endpoint: Url,
    /// PEM text of the authorities that its certificate may be of; without it the system's.
    authorities: Option<String>,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    /// What goes to the brokers beside each token.
    extensions: Vec<(String, String)>,
}

impl ServerLogin {
    /// The token endpoint as errors name it: what stands behind a question mark may be a secret.
    fn shown(&self) -> String {
        let mut endpoint = self.endpoint.clone();
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        endpoint.to_string()
    }
}

/// With what, and for where, AWS's requests are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AwsKeys {
    region: String,
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
}

impl Source {
    /// The source that a login has; none where it needs no tokens. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The system's certificates are there but none of them can be read; authorities that are configured are no certificates.
    pub fn of(credentials: &Credentials) -> Result<Option<Self>, Error> {
        Ok(match credentials {
            Credentials::UserPassword { .. } => None,
            Credentials::OauthClientCredentials {
                token_endpoint,
                token_endpoint_ca_certificate,
                client_id,
                client_secret,
                scope,
                extensions,
            } => {
                let login = ServerLogin {
                    endpoint: token_endpoint.clone(),
                    authorities: token_endpoint_ca_certificate.clone(),
                    client_id: client_id.clone(),
                    client_secret: client_secret.clone(),
                    scope: scope.clone(),
                    extensions: extensions.clone().into_iter().collect(),
                };
                Some(Self(Kind::Server(Box::new(Grant::new(login)?))))
            }
            Credentials::AwsMskIam { region, access_key_id, secret_access_key, session_token } => {
                Some(Self(Kind::Aws(AwsKeys {
                    region: region.clone(),
                    access_key_id: access_key_id.clone(),
                    secret_access_key: secret_access_key.clone(),
                    session_token: session_token.clone(),
                })))
            }
        })
    }

    /// A new token. Takes at most some ten seconds.
    ///
    /// # Errors
    ///
    /// The authorization server gave none.
    pub async fn token(&mut self) -> Result<Token, Error> {
        match &mut self.0 {
            Kind::Server(grant) => grant.token().await,
            Kind::Aws(keys) => Ok(msk::token(keys, Timestamp::now())),
        }
    }
}
