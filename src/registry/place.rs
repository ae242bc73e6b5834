//! One address of a registry: a request to it and the answer, redirects, proxies, and what went wrong.

use std::env;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Identity, Response, StatusCode, redirect};
use serde_json::Value;
use url::{Host, Url};

use super::error::{Error, Trouble};
use super::exchange::{Call, Limits};
use crate::config::{SchemaRegistry, Secret};
use crate::http;

/// An address of the registry.
#[derive(Debug)]
pub(super) struct Place {
    http: reqwest::Client,
    /// The base address; its path does not end with a slash, unless it is one.
    pub(super) endpoint: Url,
    /// The variable of the environment by which requests go through a proxy.
    proxy: Option<&'static str>,
}

/// The attempt of this number, the time for it, and the time that an error tells.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) share: Duration,
    pub(super) within: Duration,
}

impl Place {
    pub(super) fn new(endpoint: &Url, registry: &SchemaRegistry, limits: Limits) -> Result<Self, Error> {
        let mut endpoint = endpoint.clone();
        let path = endpoint.path().trim_end_matches('/').to_owned();
        endpoint.set_path(&path);

        let mut http = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .redirect(redirect::Policy::custom(follow));
        let proxy =
            proxy_variable(&endpoint, |name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        if proxy.is_none() {
            http = http.no_proxy();
        }
        let pem = |option, reason: String| Error::Pem { option, reason };
        if let Some(authorities) = &registry.ca_certificate {
            http = http::trusting(http, authorities).map_err(|reason| pem("ca_certificate", reason))?;
        }
        if let (Some(certificate), Some(key)) = (&registry.client_certificate, &registry.client_key) {
            let both = format!("{}\n{certificate}", key.expose());
            let identity = Identity::from_pem(both.as_bytes())
                .map_err(|error| pem("client_certificate or client_key", http::innermost(&error)))?;
            http = http.identity(identity);
        }
        let http = http.build().map_err(|error| {
            let reason = http::innermost(&error);
            match (&registry.client_certificate, &registry.ca_certificate) {
                (None, None) => Error::Client { endpoint: endpoint.to_string(), reason },
                (Some(_), None) => pem("client_certificate or client_key", reason),
                (None, Some(_)) => pem("ca_certificate", reason),
                (Some(_), Some(_)) => pem("client_certificate, client_key or ca_certificate", reason),
            }
        })?;
        Ok(Self { http, endpoint, proxy })
    }

    pub(super) async fn attempt(
        &self,
        call: &Call,
        login: &Login,
        limits: &Limits,
        attempt: Attempt,
    ) -> Result<Value, Failure> {
        let unreachable = |error: &reqwest::Error| {
            let trouble = self.trouble(error, limits, attempt.within);
            Failure {
                passes: trouble.passes(),
                moves_on: true,
                is_crowded: false,
                after: None,
                error: Error::Unreachable {
                    doing: call.doing.clone(),
                    endpoint: self.endpoint.to_string(),
                    trouble,
                    proxy: self.proxy,
                    attempts: attempt.number,
                },
            }
        };
        let unreadable = |problem: String| {
            Failure::last(Error::Unreadable {
                doing: call.doing.clone(),
                endpoint: self.endpoint.to_string(),
                problem,
            })
        };

        let mut request = self
            .http
            .request(call.method.clone(), self.address(call))
            .timeout(attempt.share)
            .header(ACCEPT, ACCEPTED);
        match login {
            Login::None => {}
            Login::Basic { username, password } => {
                request = request.basic_auth(username, password.as_ref().map(Secret::expose));
            }
            Login::Bearer(token) => request = request.bearer_auth(token.expose()),
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, CONTENT).body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;

        let status = response.status();
        if status.is_redirection() {
            return Err(Failure::last(Error::Redirected {
                doing: call.doing.clone(),
                endpoint: self.endpoint.to_string(),
                status: status.as_u16(),
                location: login.hidden(location(&response).as_bytes()),
            }));
        }
        let after = retry_after(&response);
        let Some(text) =
            http::body(&mut response, call.answer_limit).await.map_err(|error| unreachable(&error))?
        else {
            return Err(unreadable(format!("is longer than {} bytes", call.answer_limit)));
        };
        let answer: Option<Value> = serde_json::from_slice(&text).ok();
        if status.is_success() {
            return answer.ok_or_else(|| unreadable(format!("is not JSON: {:?}", login.hidden(&text))));
        }

        let member = |name: &str| answer.as_ref().and_then(|answer| answer.get(name));
        let message = member("message").and_then(Value::as_str);
        let is_crowded = status == StatusCode::TOO_MANY_REQUESTS;
        Err(Failure {
            passes: is_crowded || status.is_server_error(),
            moves_on: status.is_server_error(),
            is_crowded,
            after,
            error: Error::Refused {
                doing: call.doing.clone(),
                endpoint: self.endpoint.to_string(),
                status: status.as_u16(),
                code: member("error_code").and_then(Value::as_i64),
                message: login.hidden(message.map_or(&text[..], str::as_bytes)),
                login: match login {
                    Login::None => None,
                    Login::Basic { .. } => Some("schema_registry.username and schema_registry.password"),
                    Login::Bearer(_) => Some("schema_registry.bearer_token"),
                },
                attempts: attempt.number,
            },
        })
    }

    /// The base address, followed by the call's segments, each percent-encoded.
    fn address(&self, call: &Call) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        url.set_query(call.query);
        url
    }

    fn trouble(&self, error: &reqwest::Error, limits: &Limits, limit: Duration) -> Trouble {
        if error.is_timeout() {
            return if error.is_connect() {
                Trouble::NoConnection { within: limits.connect.min(limit) }
            } else {
                Trouble::NoAnswer { within: limit }
            };
        }
        let kinds =
            || http::causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        let hyper = || http::causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>());
        if kinds().any(|kind| kind == io::ErrorKind::ConnectionRefused) {
            return Trouble::Refused;
        }
        if http::is_about_the_name(error) {
            return Trouble::Name;
        }
        if self.endpoint.scheme() == "https" && http::is_about_tls(error) {
            return Trouble::Tls { reason: http::innermost(error) };
        }
        if hyper().any(hyper::Error::is_parse) {
            return Trouble::NotHttp;
        }
        let closed = |kind| {
            matches!(
                kind,
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
            )
        };
        if hyper().any(hyper::Error::is_incomplete_message) || kinds().any(closed) {
            return Trouble::Closed;
        }
        Trouble::Other { reason: http::innermost(error) }
    }
}

/// An attempt that failed.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether another attempt may fare better.
    pub(super) passes: bool,
    /// Whether another address may fare better.
    pub(super) moves_on: bool,
    /// Whether it is asked too often.
    pub(super) is_crowded: bool,
    /// How long the registry asks us to wait before.
    pub(super) after: Option<Duration>,
}

impl Failure {
    fn last(error: Error) -> Self {
        Self { error, passes: false, moves_on: false, is_crowded: false, after: None }
    }
}

/// What requests carry to say whose they are. A client certificate goes with the connection.
#[derive(Debug)]
pub(super) enum Login {
    None,
    Basic { username: String, password: Option<Secret> },
    Bearer(Secret),
}

impl Login {
    /// The beginning of a text of the other side, without this login.
    fn hidden(&self, text: &[u8]) -> String {
        http::told(text, &self.secrets())
    }

    fn secrets(&self) -> Vec<String> {
        match self {
            Self::None | Self::Basic { password: None, .. } => Vec::new(),
            Self::Basic { username, password: Some(password) } => {
                let password = password.expose();
                vec![password.to_owned(), format!("{username}:{password}")]
            }
            Self::Bearer(token) => vec![token.expose().to_owned()],
        }
    }
}

/// Redirects are followed only where the login may go as well, and a registration stays one: to the same
/// scheme, host and port, by the two codes that keep method and body.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let keeps = matches!(attempt.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let near = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
    if keeps && near && attempt.previous().len() <= REDIRECTS { attempt.follow() } else { attempt.stop() }
}

/// Where a redirect points to, without what may be a secret in it.
fn location(response: &Response) -> String {
    let header = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(mut url) = header.and_then(|text| response.url().join(text).ok()) else {
        return "nowhere".to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for addresses that cannot have a login.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    asked_pause(text, Timestamp::now())
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn asked_pause(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    // A date that is past means now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// The variable that names a proxy for this address, if there is one. This machine needs none: the
/// registry in memory must work behind any proxy. (reqwest may still find the host in `NO_PROXY`.)
pub(super) fn proxy_variable(endpoint: &Url, is_set: impl Fn(&str) -> bool) -> Option<&'static str> {
    let names = if endpoint.scheme() == "https" {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    names.into_iter().find(|name| !is_local(endpoint) && is_set(name))
}

fn is_local(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// What registries speak; the last is what a proxy in front of one may insist on.
const ACCEPTED: &str =
    "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json";
const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

/// Redirects of one request that are followed.
const REDIRECTS: usize = 3;
