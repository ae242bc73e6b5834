//! The client credentials grant of OAuth 2.0 (RFC 6749, 4.4): a token for a client's id and secret.
//!
//! The secret goes in the header of basic authentication first, which every server must take, and where that is refused in
//! the body, which some insist on; what has worked is what is tried first from then on. Redirects are not followed: they
//! would take the secret along.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, redirect};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};
use url::form_urlencoded;

use super::error::Error;
use super::{ServerLogin, Token};
use crate::config::Secret;
use crate::http;

/// A client of one authorization server.
#[derive(Debug)]
pub struct Grant {
    http: reqwest::Client,
    login: ServerLogin,
    limits: Limits,
    /// Where the secret goes.
    place: Place,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// For a connection with its TLS handshake.
    connect: Duration,
    /// For a token, with all attempts.
    whole: Duration,
    /// The first pause between two attempts; each later one is twice as long.
    pause: Duration,
}

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    whole: Duration::from_secs(10),
    pause: Duration::from_millis(500),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

impl Grant {
    /// Prepares a client; nothing is sent yet.
    pub(super) fn new(login: ServerLogin) -> Result<Self, Error> {
        Self::with_limits(login, LIMITS)
    }

    fn with_limits(login: ServerLogin, limits: Limits) -> Result<Self, Error> {
        let mut client = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .redirect(redirect::Policy::none());
        // Only what is on this machine may be asked without TLS, and needs no proxy.
        if login.endpoint.scheme() == "http" {
            client = client.no_proxy();
        }
        if let Some(authorities) = &login.authorities {
            client = http::trusting(client, authorities)
                .map_err(|reason| Error::Authorities { endpoint: login.shown(), reason })?;
        }
        let http = client.build().map_err(|error| {
            let (endpoint, reason) = (login.shown(), http::innermost(&error));
            // Certificates are looked at here, if there are any.
            match login.authorities {
                Some(_) => Error::Authorities { endpoint, reason },
                None => Error::Client { endpoint, reason },
            }
        })?;
        Ok(Self { http, login, limits, place: Place::Header })
    }

    /// A new token. What may pass is tried again.
    pub(super) async fn token(&mut self) -> Result<Token, Error> {
        let deadline = Instant::now() + self.limits.whole;
        let mut pause = self.limits.pause;
        let mut attempt = 1;
        loop {
            let failure = match self.ask(deadline).await {
                Ok(token) => return Ok(token),
                Err(failure) => failure,
            };
            let late = Instant::now() + pause >= deadline;
            if late || !failure.passes || attempt >= ATTEMPTS {
                return Err(failure.error);
            }
            tracing::debug!(error = %failure.error, attempt, "a request for a token is tried again");
            sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn ask(&mut self, deadline: Instant) -> Result<Token, Failure> {
        let refused = match self.ask_by(self.place, deadline).await {
            Ok(token) => return Ok(token),
            Err(refused) if refused.is_about_the_client => refused,
            Err(failure) => return Err(failure),
        };
        let other = if self.place == Place::Header { Place::Body } else { Place::Header };
        match self.ask_by(other, deadline).await {
            Ok(token) => {
                self.place = other;
                Ok(token)
            }
            // The first answer is about the place that servers must support.
            Err(failure) if failure.is_about_the_client => Err(refused),
            Err(failure) => Err(failure),
        }
    }

    async fn ask_by(&self, place: Place, deadline: Instant) -> Result<Token, Failure> {
        let asked = Timestamp::now();
        let (status, answer) = match timeout_at(deadline, self.exchange(place)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.no_answer(&error)),
            Err(_) => {
                let reason = format!("no answer within {:.1} s", self.limits.whole.as_secs_f64());
                return Err(self.unreachable(reason));
            }
        };
        let Some(answer) = answer else {
            return Err(self.unreadable(format!("is longer than {ANSWER_LIMIT} bytes")));
        };
        if !status.is_success() {
            return Err(self.refused(status, &answer));
        }
        let (value, expires) = read(&answer, asked).map_err(|problem| self.unreadable(problem))?;
        if expires <= Timestamp::now() {
            let error = Error::Expired { endpoint: self.login.shown() };
            return Err(Failure { error, passes: false, is_about_the_client: false });
        }
        Ok(Token { value, expires, extensions: self.login.extensions.clone() })
    }

    async fn exchange(&self, place: Place) -> Result<(StatusCode, Option<Vec<u8>>), reqwest::Error> {
        let ServerLogin { endpoint, client_id, client_secret, scope, .. } = &self.login;
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        if let Some(scope) = scope {
            body.append_pair("scope", scope);
        }
        let mut request = self
            .http
            .post(endpoint.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        match place {
            Place::Header => request = request.header(AUTHORIZATION, basic(client_id, client_secret)),
            Place::Body => {
                body.append_pair("client_id", client_id);
                body.append_pair("client_secret", client_secret.expose());
            }
        }
        let mut response = request.body(body.finish()).send().await?;
        let answer = http::body(&mut response, ANSWER_LIMIT).await?;
        Ok((response.status(), answer))
    }

    /// What a server that repeats the request must not have us tell.
    fn secrets(&self) -> Vec<String> {
        let ServerLogin { client_id, client_secret, .. } = &self.login;
        vec![client_secret.expose().to_owned(), joined(client_id, client_secret)]
    }

    fn no_answer(&self, error: &reqwest::Error) -> Failure {
        if self.login.endpoint.scheme() == "https" && http::is_about_tls(error) {
            let (endpoint, reason) = (self.login.shown(), http::innermost(error));
            let (error, passes) = if http::is_about_the_certificate(error) {
                (Error::Certificate { endpoint, reason }, false)
            } else {
                (Error::Tls { endpoint, reason }, true)
            };
            return Failure { error, passes, is_about_the_client: false };
        }
        self.unreachable(reason(error))
    }

    fn unreachable(&self, reason: String) -> Failure {
        let error = Error::Unreachable { endpoint: self.login.shown(), reason };
        Failure { error, passes: true, is_about_the_client: false }
    }

    fn unreadable(&self, problem: String) -> Failure {
        let error = Error::Unreadable { endpoint: self.login.shown(), problem };
        Failure { error, passes: false, is_about_the_client: false }
    }

    fn refused(&self, status: StatusCode, answer: &[u8]) -> Failure {
        let json: Option<Value> = serde_json::from_slice(answer).ok();
        let member = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
        let (code, description) = (member("error"), member("error_description"));
        let is_about_the_client = status == StatusCode::UNAUTHORIZED
            || matches!(code, Some("invalid_client" | "unauthorized_client"));
        let passes = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let remedy = if is_about_the_client {
            "check credentials.client_id and credentials.client_secret"
        } else if code == Some("invalid_scope") {
            "check credentials.scope"
        } else if status.is_redirection() || status == StatusCode::NOT_FOUND {
            "check the path of credentials.token_endpoint"
        } else if passes {
            "see the authorization server's logs; a restart of the task tries again"
        } else {
            "check credentials.token_endpoint, and that this client may use the grant client_credentials"
        };
        let words = match (code, description) {
            (Some(code), Some(description)) => format!("{code}: {description}"),
            (Some(words), None) | (None, Some(words)) => words.to_owned(),
            (None, None) => String::from_utf8_lossy(answer).into_owned(),
        };
        let words = http::told(words.as_bytes(), &self.secrets());
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let endpoint = self.login.shown();
        let error = Error::Refused { endpoint, status: status.as_u16(), words, remedy };
        Failure { error, passes, is_about_the_client }
    }
}

/// An attempt that failed.
struct Failure {
    error: Error,
    /// Whether another attempt may fare better.
    passes: bool,
    /// Whether the server does not take the client's id and secret, or not from this place.
    is_about_the_client: bool,
}

fn basic(client_id: &str, client_secret: &Secret) -> HeaderValue {
    let pair = STANDARD.encode(joined(client_id, client_secret));
    let mut header = HeaderValue::from_str(&format!("Basic {pair}"))
        .expect("base64 is made of characters that a header may have");
    header.set_sensitive(true);
    header
}

/// Id and secret are form-encoded before they are joined (RFC 6749, 2.3.1).
fn joined(client_id: &str, client_secret: &Secret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("{}:{}", encoded(client_id), encoded(client_secret.expose()))
}

/// Token and end of an answer to a request that was sent at `asked`; or what is wrong with the answer.
fn read(answer: &[u8], asked: Timestamp) -> Result<(Secret, Timestamp), String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| "is not JSON".to_owned())?;
    let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err("has no access_token".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has an access_token with characters that no token may have".to_owned());
    }
    let good_for = match answer.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(given) => Some(seconds(given).ok_or("has an expires_in that is no number of seconds")?),
    };
    let after =
        |seconds: i64| asked.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
    Ok((Secret::new(token), end(good_for.map(after), Claims::of(token), asked, after)))
}

/// When a token is to be taken for expired: the earliest of what the answer and the token itself say, since a token that is kept
/// for longer is refused before there is a new one. Answers are wrong at times (milliseconds for seconds, another token's
/// life), and so are clocks:
///
/// * one of ours that is behind makes the claimed end too late: the claimed life (`exp` less `iat`) is not later by it;
/// * one of ours that is ahead makes it too early, or puts it into the past. It is brokers that judge, by their clocks, so a
///   claimed end that is past counts only where nothing else says how long the token is good.
fn end(
    told: Option<Timestamp>,
    claims: Claims,
    asked: Timestamp,
    after: impl Fn(i64) -> Timestamp,
) -> Timestamp {
    let life = claims.life.map(&after);
    let ahead = claims.end.filter(|end| *end > asked);
    let earliest = [told, life, ahead].into_iter().flatten().min();
    earliest.or(claims.end).unwrap_or_else(|| after(UNTOLD))
}

/// Seconds, at most a year; some servers put them in quotation marks.
fn seconds(given: &Value) -> Option<i64> {
    let given = match given {
        Value::String(text) => text.trim().parse().ok()?,
        number => number.as_f64()?,
    };
    whole(given)
}

/// Seconds without their fraction, at most a year.
fn whole(seconds: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value is within a year of zero, its fraction is to go"
    )]
    seconds.is_finite().then(|| seconds.clamp(-YEAR, YEAR) as i64)
}

/// What a token that is a JWT says of its end (RFC 7519, 4.1.4 and 4.1.6); nothing where it is none.
#[derive(Default)]
struct Claims {
    /// By the server's clock.
    end: Option<Timestamp>,
    /// Seconds from its making to its end.
    life: Option<i64>,
}

impl Claims {
    fn of(token: &str) -> Self {
        let claims = || -> Option<Value> {
            let payload = token.split('.').nth(1)?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
        };
        let Some(claims) = claims() else { return Self::default() };
        let second = |name: &str| claims.get(name).and_then(Value::as_f64);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and the calendar's end is checked next"
        )]
        let end = second("exp").and_then(|end| Timestamp::from_second(end as i64).ok());
        let life = second("exp").zip(second("iat")).map(|(end, made)| end - made);
        Self { end, life: life.filter(|life| *life > 0.0).and_then(whole) }
    }
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() && error.is_connect() {
        return format!("no connection within {:.1} s", LIMITS.connect.as_secs_f64());
    }
    let what = http::innermost(error);
    if http::is_about_the_name(error) {
        return format!("the host's name cannot be resolved ({what})");
    }
    what
}

/// How often a token is asked for before the client's turn has failed; it has others later.
const ATTEMPTS: u32 = 4;

/// Bytes of an answer that are read: tokens have a few thousand at most.
const ANSWER_LIMIT: usize = 1 << 20;

/// Seconds that a token is taken to be good for if neither the answer nor the token says.
const UNTOLD: i64 = 300;

const YEAR: f64 = 366.0 * 86_400.0;

#[cfg(test)]
mod tests;
