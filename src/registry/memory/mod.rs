//! A schema registry in memory, that answers like a real one.
//!
//! [`Registry::start`] listens on a free port of 127.0.0.1 and serves HTTP from tasks of the runtime that
//! it is started in, until it is dropped. `preview` uses it where no registry is configured, and tests
//! use it to see what a client does: it records what was asked, and [`Registry::inject`] makes it fail.
//!
//! It knows subjects and versions, soft and permanent deletes, compatibility levels (checked by
//! apache-avro), modes, basic and bearer authentication, and refuses with the statuses and error codes of
//! Confluent's registry. It knows Avro and JSON schemas (of which it takes only equal ones for compatible), and no
//! schema references. Schemas with the same text, white space and order of members aside, have the same number under
//! every subject.
//!
//! ```
//! # use materialize_kafka::registry::{Client, Schema, memory::{Options, Registry}};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let registry = Registry::start(Options::default()).await?;
//! let client = Client::new(&registry.config())?;
//! let schema = Schema::avro(r#""string""#);
//! let ids = client.register(&[("orders-value".to_owned(), schema.clone())]).await?;
//! assert_eq!(client.schema(ids[0]).await?, schema);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod compatibility;
mod routes;
mod store;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

use self::routes::Answer;
use self::store::Store;
use crate::config::{SchemaRegistry, Secret};

pub use self::compatibility::Level;

/// How a registry in memory behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// User name and password that each request must carry; `None` lets everybody in.
    pub login: Option<(String, Secret)>,
    /// Token that each request must carry in place of a login.
    pub token: Option<Secret>,
    /// The global compatibility level at the start; by default BACKWARD.
    pub compatibility: Level,
    /// A path that stands before all others, such as `/apis/ccompat/v7`; by default none.
    pub base_path: String,
}

/// A running registry. It stops, and forgets everything, when dropped.
#[derive(Debug)]
pub struct Registry {
    url: Url,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl Registry {
    /// Starts a registry on a free port of 127.0.0.1, within the current tokio runtime.
    ///
    /// # Errors
    ///
    /// No port can be listened to, or the base path is not one.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let base = options.base_path.trim_matches('/');
        let address = format!("http://{}/{base}", listener.local_addr()?);
        let url = Url::parse(&address).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let shared = Arc::new(Shared {
            base_path: url.path().trim_end_matches('/').to_owned(),
            login: options.login,
            token: options.token,
            state: Mutex::new(State { store: Store::new(options.compatibility), ..State::default() }),
        });
        let server = tokio::spawn(listen(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { url, shared, server })
    }

    /// The base address, as a client takes it.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The configuration of a client of this registry, with the login if one is needed.
    #[must_use]
    pub fn config(&self) -> SchemaRegistry {
        let (username, password) = self.shared.login.clone().unzip();
        let bearer_token = self.shared.token.clone();
        SchemaRegistry { username, password, bearer_token, ..SchemaRegistry::at(self.url.clone()) }
    }

    /// Lets one request fail; requests meet the injected faults in their order.
    pub fn inject(&self, fault: Fault) {
        self.shared.state().faults.push_back(fault);
    }

    /// The requests so far, the oldest first; of very many only the last 1,000.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.state().seen.iter().cloned().collect()
    }

    /// The largest number of requests that were being answered at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.shared.state().most_at_once
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What happens to a request in place of, or before, the usual answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered like this, whatever it asks.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides the content type, as name and value.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
        /// How long the answer takes.
        delay: Duration,
    },
    /// It is answered as usual, but later.
    Delay(Duration),
    /// It is never answered, while the connection stays open.
    Silence,
    /// The connection is closed without an answer.
    Hangup,
}

impl Fault {
    /// An answer without delay and headers.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }
}

/// A request that the registry received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The HTTP method.
    pub method: String,
    /// The path as it was sent, with the query.
    pub path: String,
    /// The `Accept` header; empty if there was none.
    pub accept: String,
    /// The `Content-Type` header; empty if there was none.
    pub content_type: String,
    /// Whether credentials came along; they are not kept.
    pub authorization: bool,
}

#[derive(Debug)]
struct Shared {
    /// Without a slash at its end.
    base_path: String,
    login: Option<(String, Secret)>,
    token: Option<Secret>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    faults: VecDeque<Fault>,
    seen: VecDeque<Seen>,
    at_once: usize,
    most_at_once: usize,
}

impl Shared {
    /// The state stays whole also when a request's task panics: schemas are parsed before it is touched.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, and takes the fault that it is to meet.
    fn enter(self: &Arc<Self>, seen: Seen) -> (Under, Option<Fault>) {
        let mut state = self.state();
        if state.seen.len() == SEEN {
            state.seen.pop_front();
        }
        state.seen.push_back(seen);
        state.at_once += 1;
        state.most_at_once = state.most_at_once.max(state.at_once);
        (Under(Arc::clone(self)), state.faults.pop_front())
    }

    fn admits(&self, headers: &HeaderMap) -> Result<(), Answer> {
        let (scheme, expected) = match (&self.token, &self.login) {
            (Some(token), _) => ("bearer", token.expose().to_owned()),
            (None, Some((username, password))) => {
                ("basic", BASE64.encode(format!("{username}:{}", password.expose())))
            }
            (None, None) => return Ok(()),
        };
        let Some(sent) = headers.get(AUTHORIZATION) else {
            let body = json!({"error_code": 0, "message": "User is not authenticated."});
            return Err(Answer::Json(StatusCode::UNAUTHORIZED, body));
        };
        let sent = sent.to_str().ok().and_then(|text| text.split_once(' '));
        match sent {
            Some((sent, token)) if sent.eq_ignore_ascii_case(scheme) && token.trim() == expected => Ok(()),
            _ => Err(Answer::Empty(StatusCode::UNAUTHORIZED)),
        }
    }
}

/// A request under way.
struct Under(Arc<Shared>);

impl Drop for Under {
    fn drop(&mut self) {
        self.0.state().at_once -= 1;
    }
}

/// Accepts connections until it is aborted, and the connections with it.
async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the schema registry in memory cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    // A client may leave when it likes, and a hang-up that was injected ends here as well.
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the schema registry in memory ended");
    }
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Hangup> {
    let header = |name| {
        let value = request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.unwrap_or("").to_owned()
    };
    let seen = Seen {
        method: request.method().to_string(),
        path: request.uri().to_string(),
        accept: header(ACCEPT),
        content_type: header(CONTENT_TYPE),
        authorization: request.headers().contains_key(AUTHORIZATION),
    };
    let content_type = if seen.accept.contains(CONTENT) { CONTENT } else { "application/json" };

    let (_under, fault) = shared.enter(seen);
    match fault {
        None => {}
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Hangup) => return Err(Hangup),
        Some(Fault::Answer { status, headers, body, delay }) => {
            tokio::time::sleep(delay).await;
            let mut response = Response::new(Full::from(body));
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(HeaderName::from_static(name), value);
                }
            }
            return Ok(response);
        }
    }
    Ok(response(answer(request, &shared).await, content_type))
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Answer {
    if let Err(refusal) = shared.admits(request.headers()) {
        return refusal;
    }
    let (head, body) = request.into_parts();
    let Some(path) = head.uri.path().strip_prefix(shared.base_path.as_str()) else {
        return Answer::error(404, 404, "HTTP 404 Not Found");
    };
    let body = match Limited::new(body, REQUEST_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Answer::error(413, 413, "the request is larger than this registry takes");
        }
        Err(_) => return Answer::error(400, 400, "the request could not be read"),
    };
    let mut json = Value::Null;
    if matches!(head.method, Method::POST | Method::PUT) {
        if !speaks(&head.headers) {
            return Answer::error(415, 415, "HTTP 415 Unsupported Media Type");
        }
        match serde_json::from_slice(&body) {
            Ok(value) => json = value,
            Err(error) => return Answer::error(400, 400, &format!("the request is not JSON: {error}")),
        }
    }
    routes::answer(&shared.state, &head.method, path, head.uri.query().unwrap_or(""), &json)
}

/// Whether a request's body is of a type that registries take.
fn speaks(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let media_type = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or("").trim();
    [CONTENT, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"]
        .contains(&media_type)
}

fn response(answer: Answer, content_type: &'static str) -> Response<Full<Bytes>> {
    let (status, body) = match answer {
        Answer::Json(status, value) => (status, value.to_string()),
        Answer::Empty(status) => (status, String::new()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("basic");
        response.headers_mut().insert(hyper::header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Makes hyper close a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed as a fault was injected")]
struct Hangup;

const CONTENT: &str = "application/vnd.schemaregistry.v1+json";

/// Bytes of a request. The largest schema of ours is far below.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// Connections open at a time.
const CONNECTIONS: usize = 256;

/// Requests remembered.
const SEEN: usize = 1_000;
