//! One request and its answer, with time limits, retries and a bound on what is read.

use std::env;
use std::error::Error as StdError;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, redirect};
use serde_json::Value;
use tokio::time::Instant;
use url::{Host, Url};

use super::error::{Doing, Error, Trouble};
use crate::config::{SchemaRegistry, Secret};

/// How long things may take, and how often they are tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a connection with its TLS handshake.
    pub(super) connect: Duration,
    /// For a whole call: all attempts, and the pauses between them.
    pub(super) whole: Duration,
    /// Attempts of a call.
    pub(super) attempts: u32,
    /// The first pause; each later one is twice as long.
    pub(super) pause: Duration,
}

impl Default for Limits {
    /// Five pauses of 6 s in all bridge the restart of a load balancer; longer ones belong to the runtime,
    /// which starts a failed task again.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            whole: Duration::from_secs(30),
            attempts: 6,
            pause: Duration::from_millis(200),
        }
    }
}

impl Limits {
    /// The pause after an attempt (from 1), randomly shortened by up to half, so that ten requests
    /// that failed together do not come back together.
    pub(super) fn pause_after(&self, attempt: u32) -> Duration {
        let pause = self.pause * 2_u32.saturating_pow(attempt.saturating_sub(1).min(10));
        // Each `RandomState` hashes differently; its hash of nothing is random enough for this.
        let random = u32::try_from(RandomState::new().hash_one(0) & 0xffff).unwrap_or(0);
        pause - pause * random / 0xffff / 2
    }
}

/// A request that can be sent again.
pub(super) struct Call {
    pub(super) url: Url,
    doing: Doing,
    method: Method,
    body: Option<String>,
    /// Bytes of an answer that are read.
    answer_limit: usize,
}

/// The connections to one registry.
#[derive(Debug)]
pub(super) struct Exchange {
    http: reqwest::Client,
    /// The base address; its path does not end with a slash, unless it is one.
    endpoint: Url,
    login: Option<(String, Option<Secret>)>,
    limits: Limits,
    /// The variable of the environment by which requests go through a proxy.
    proxy: Option<&'static str>,
}

impl Exchange {
    pub(super) fn new(registry: &SchemaRegistry, limits: Limits) -> Result<Self, Error> {
        let mut endpoint = registry.endpoint.clone();
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
        let http = http
            .build()
            .map_err(|error| Error::Client { endpoint: endpoint.to_string(), reason: innermost(&error) })?;

        let login = registry.username.clone().map(|username| (username, registry.password.clone()));
        Ok(Self { http, endpoint, login, limits, proxy })
    }

    /// The time that a call may take.
    pub(super) fn whole(&self) -> Duration {
        self.limits.whole
    }

    pub(super) fn get(&self, doing: Doing, path: &[&str], answer_limit: usize) -> Call {
        Call { url: self.address(path), doing, method: Method::GET, body: None, answer_limit }
    }

    pub(super) fn post(&self, doing: Doing, path: &[&str], body: String, answer_limit: usize) -> Call {
        Call { url: self.address(path), doing, method: Method::POST, body: Some(body), answer_limit }
    }

    /// The error for an answer that is JSON, but not what the call asks for.
    pub(super) fn unreadable(&self, call: &Call, problem: &str) -> Error {
        Error::Unreadable {
            doing: call.doing.clone(),
            endpoint: self.endpoint.to_string(),
            problem: problem.to_owned(),
        }
    }

    /// Sends a call until it is answered, refused for good, tried often enough, or out of time.
    pub(super) async fn send(&self, call: &Call, limit: Duration) -> Result<Value, Error> {
        let attempts = match call.doing {
            Doing::Check | Doing::List => self.limits.attempts.min(CHECKS),
            _ => self.limits.attempts,
        };
        let deadline = Instant::now() + limit;
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(call, attempt, limit, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = failure.after.unwrap_or_else(|| self.limits.pause_after(attempt));
            let late = deadline.checked_duration_since(Instant::now()).is_none_or(|left| left <= pause);
            if !failure.passes || attempt >= attempts || late {
                return Err(failure.error);
            }
            tracing::warn!(error = %failure.error, attempt, ?pause, "a request to the schema registry is tried again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        attempt: u32,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let unreachable = |error: &reqwest::Error| {
            let trouble = self.trouble(error, limit);
            Failure {
                passes: trouble.passes(),
                after: None,
                error: Error::Unreachable {
                    doing: call.doing.clone(),
                    endpoint: self.endpoint.to_string(),
                    trouble,
                    proxy: self.proxy,
                    attempts: attempt,
                },
            }
        };

        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .header(ACCEPT, ACCEPTED);
        if let Some((username, password)) = &self.login {
            request = request.basic_auth(username, password.as_ref().map(Secret::expose));
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
                location: self.said(location(&response).as_bytes()),
            }));
        }
        let after = retry_after(&response);
        let Some(text) = read(&mut response, call.answer_limit).await.map_err(|error| unreachable(&error))?
        else {
            let problem = format!("is longer than {} bytes", call.answer_limit);
            return Err(Failure::last(self.unreadable(call, &problem)));
        };
        let answer: Option<Value> = serde_json::from_slice(&text).ok();
        if status.is_success() {
            return answer.ok_or_else(|| {
                let problem = format!("is not JSON: {:?}", self.said(&text));
                Failure::last(self.unreadable(call, &problem))
            });
        }

        let member = |name: &str| answer.as_ref().and_then(|answer| answer.get(name));
        let message = member("message").and_then(Value::as_str);
        Err(Failure {
            passes: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            after,
            error: Error::Refused {
                doing: call.doing.clone(),
                endpoint: self.endpoint.to_string(),
                status: status.as_u16(),
                code: member("error_code").and_then(Value::as_i64),
                message: self.said(message.map_or(&text[..], str::as_bytes)),
                login: self.login.is_some(),
                attempts: attempt,
            },
        })
    }

    /// The beginning of a text of the other side, without our login: there are servers and proxies whose errors repeat
    /// the request that they are about.
    fn said(&self, text: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(text).into_owned();
        if let Some((username, Some(password))) = &self.login {
            let password = password.expose();
            let header = BASE64.encode(format!("{username}:{password}"));
            let json = Value::from(password).to_string();
            for secret in [&header, json.trim_matches('"'), password] {
                if !secret.is_empty() {
                    text = text.replace(secret, "***");
                }
            }
        }
        beginning(text.as_bytes())
    }

    /// The base address, followed by these segments, each percent-encoded.
    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn trouble(&self, error: &reqwest::Error, limit: Duration) -> Trouble {
        if error.is_timeout() {
            return if error.is_connect() {
                Trouble::NoConnection { within: self.limits.connect.min(limit) }
            } else {
                Trouble::NoAnswer { within: limit }
            };
        }
        let kinds =
            || causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        let hyper = || causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>());
        if kinds().any(|kind| kind == io::ErrorKind::ConnectionRefused) {
            return Trouble::Refused;
        }
        // The one case that has no type of its own: hyper-util only says it.
        if causes(error).any(|cause| cause.to_string() == "dns error") {
            return Trouble::Name;
        }
        if error.is_connect()
            && self.endpoint.scheme() == "https"
            && kinds().any(|kind| matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof))
        {
            return Trouble::Tls { reason: innermost(error) };
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
        Trouble::Other { reason: innermost(error) }
    }
}

/// An attempt that failed.
struct Failure {
    error: Error,
    /// Whether another attempt may fare better.
    passes: bool,
    /// How long the registry asks us to wait before.
    after: Option<Duration>,
}

impl Failure {
    fn last(error: Error) -> Self {
        Self { error, passes: false, after: None }
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

/// The whole body, or nothing when it is longer than allowed.
async fn read(response: &mut Response, limit: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > limit - text.len() {
            return Ok(None);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(Some(text))
}

fn beginning(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN)]);
    text.chars().take(SHOWN).collect()
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

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |&cause| below(cause))
}

/// The next cause. An `io::Error` that wraps another error would skip that one.
fn below<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => cause.source(),
    }
}

/// What the deepest cause says; the outer ones only say that a request failed.
fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, |cause| beginning(cause.to_string().as_bytes()))
}

/// What registries speak; the last is what a proxy in front of one may insist on.
const ACCEPTED: &str =
    "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json";
const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

/// Attempts of a check: somebody waits for its verdict, and most likely has just mistyped the address.
const CHECKS: u32 = 3;

/// Redirects of one request that are followed.
const REDIRECTS: usize = 3;

/// Characters of an answer that an error repeats.
const SHOWN: usize = 200;
