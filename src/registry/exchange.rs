//! Requests to a registry that may be there at several addresses, with time limits and retries.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{Doing, Error};
use super::place::{Attempt, Failure, Login, Place};
use crate::config::SchemaRegistry;

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
    /// Segments behind the base address.
    pub(super) path: Vec<String>,
    pub(super) query: Option<&'static str>,
    pub(super) doing: Doing,
    pub(super) method: Method,
    pub(super) body: Option<String>,
    /// Bytes of an answer that are read.
    pub(super) answer_limit: usize,
}

/// The connections to one registry, which may be there at several addresses.
#[derive(Debug)]
pub(super) struct Exchange {
    /// One at least.
    places: Vec<Place>,
    /// The place that answered last.
    current: AtomicUsize,
    /// Whether the registry has said that it is asked too often. Calls then go one at a time, each with its pauses: of ten that come back
    /// together nine would be too many again, until one of them has been tried often enough.
    crowded: AtomicBool,
    turn: Mutex<()>,
    login: Login,
    limits: Limits,
}

impl Exchange {
    pub(super) fn new(registry: &SchemaRegistry, limits: Limits) -> Result<Self, Error> {
        let places = registry.endpoint.iter().map(|endpoint| Place::new(endpoint, registry, limits));
        let login = match (&registry.username, &registry.bearer_token) {
            (_, Some(token)) => Login::Bearer(token.clone()),
            (Some(username), None) => {
                Login::Basic { username: username.clone(), password: registry.password.clone() }
            }
            (None, None) => Login::None,
        };
        Ok(Self {
            places: places.collect::<Result<_, _>>()?,
            current: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            turn: Mutex::new(()),
            login,
            limits,
        })
    }

    /// The time that a call may take.
    pub(super) fn whole(&self) -> Duration {
        self.limits.whole
    }

    pub(super) fn get(&self, doing: Doing, path: &[&str], answer_limit: usize) -> Call {
        self.call(Method::GET, doing, path, None, answer_limit)
    }

    pub(super) fn post(&self, doing: Doing, path: &[&str], body: String, answer_limit: usize) -> Call {
        self.call(Method::POST, doing, path, Some(body), answer_limit)
    }

    pub(super) fn put(&self, doing: Doing, path: &[&str], body: String, answer_limit: usize) -> Call {
        self.call(Method::PUT, doing, path, Some(body), answer_limit)
    }

    fn call(
        &self,
        method: Method,
        doing: Doing,
        path: &[&str],
        body: Option<String>,
        answer_limit: usize,
    ) -> Call {
        let path = path.iter().map(|&segment| segment.to_owned()).collect();
        Call { path, query: None, doing, method, body, answer_limit }
    }

    /// The error for an answer that is JSON, but not what the call asks for.
    pub(super) fn unreadable(&self, call: &Call, problem: &str) -> Error {
        Error::Unreadable {
            doing: call.doing.clone(),
            endpoint: self.endpoint(),
            problem: problem.to_owned(),
        }
    }

    /// All addresses.
    pub(super) fn addresses(&self) -> String {
        self.places.iter().map(|place| place.endpoint.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The address that answered last.
    fn endpoint(&self) -> String {
        let place = self.places.get(self.current.load(Ordering::Relaxed));
        place.map_or_else(String::new, |place| place.endpoint.to_string())
    }

    /// Sends a call until it is answered, refused for good, tried often enough, or out of time. An attempt goes from
    /// address to address, from the one that answered last on, until one answers and does not fail itself. The time begins when it is
    /// the call's turn.
    pub(super) async fn send(&self, call: &Call, limit: Duration) -> Result<Value, Error> {
        let attempts = match call.doing {
            Doing::Check | Doing::List => self.limits.attempts.min(CHECKS),
            _ => self.limits.attempts,
        };
        let mut deadline = Instant::now() + limit;
        let mut turn = None;
        let mut attempt = 1;
        loop {
            if turn.is_none() && self.crowded.load(Ordering::Relaxed) {
                turn = Some(self.turn.lock().await);
                deadline = Instant::now() + limit;
            }
            let failure = match self.round(call, attempt, limit, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if failure.is_crowded {
                self.crowded.store(true, Ordering::Relaxed);
            }
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

    /// One attempt, at each address until one answers.
    async fn round(
        &self,
        call: &Call,
        attempt: u32,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failures: Vec<Failure> = Vec::new();
        for turn in 0..self.places.len() {
            let index = (first + turn) % self.places.len();
            let Some(place) = self.places.get(index) else { continue };
            // One that is silent must leave time for the others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(self.places.len() - turn).unwrap_or(u32::MAX);
            let within = if self.places.len() == 1 { limit } else { share };
            match place
                .attempt(call, &self.login, &self.limits, Attempt { number: attempt, share, within })
                .await
            {
                Err(failure) if failure.moves_on => failures.push(failure),
                answer => {
                    self.current.store(index, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        let passes = failures.iter().any(|failure| failure.passes);
        let is_crowded = failures.iter().any(|failure| failure.is_crowded);
        let after = failures.iter().filter_map(|failure| failure.after).min();
        let mut errors: Vec<Error> = failures.into_iter().map(|failure| failure.error).collect();
        let error = if errors.len() == 1 { errors.remove(0) } else { Error::Everywhere { errors } };
        Err(Failure { error, passes, moves_on: true, is_crowded, after })
    }
}

/// Attempts of a check: somebody waits for its verdict, and most likely has just mistyped the address.
const CHECKS: u32 = 3;
