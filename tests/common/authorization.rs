//! An authorization server of a test's own, which hands out tokens that the services' broker takes.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// Grants tokens to the client `client` with the secret `client-secret`; ends with the process.
#[derive(Debug, Clone)]
pub struct Authorization {
    pub endpoint: String,
    granted: Arc<AtomicUsize>,
    /// Locked while a request is answered.
    down: Arc<Mutex<bool>>,
}

pub const SECRET: &str = "client-secret";

/// Whose certificate a server over TLS has: PEM.
pub const AUTHORITY: &str = include_str!("../../src/login/grant/tls/authority.pem");

impl Authorization {
    /// Tokens of `user` that are good for so long.
    pub fn start(user: &'static str, good_for: Duration) -> Self {
        Self::with_delay(user, good_for, Duration::ZERO)
    }

    /// Tokens that were good for so long, `late` ago, whatever the answer says.
    pub fn with_delay(user: &'static str, good_for: Duration, late: Duration) -> Self {
        Self::serve("http", move |stream, counted| answer(stream, user, good_for, late, counted))
    }

    /// The same over TLS, with a certificate of [`AUTHORITY`].
    pub fn over_tls(user: &'static str, good_for: Duration) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(include_bytes!("../../src/login/grant/tls/server.pem"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../src/login/grant/tls/server-key.pem"));
        let (certificate, key) = (certificate.expect("PEM text"), key.expect("PEM text"));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        let config = Arc::new(config.expect("they belong together"));
        Self::serve("https", move |stream, counted| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            answer(StreamOwned::new(connection, stream), user, good_for, Duration::ZERO, counted)
        })
    }

    fn serve(
        scheme: &str,
        answer: impl Fn(TcpStream, &AtomicUsize) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let endpoint = format!("{scheme}://{}/token", listener.local_addr().expect("it is bound"));
        let granted = Arc::new(AtomicUsize::new(0));
        let down = Arc::new(Mutex::new(false));
        let (counted, is_down) = (Arc::clone(&granted), Arc::clone(&down));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let is_down = is_down.lock().expect("nobody panics with it");
                if !*is_down {
                    // Whoever goes away in mid-request is not our concern.
                    let _ = answer(stream, &counted);
                }
            }
        });
        Self { endpoint, granted, down }
    }

    /// From here on connections are closed without an answer, or answered again. No answer is under way when it returns.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().expect("nobody panics with it") = down;
    }

    /// How many tokens were granted so far.
    pub fn granted(&self) -> usize {
        self.granted.load(Ordering::Relaxed)
    }

    /// Credentials for a configuration.
    pub fn credentials(&self, secret: &str) -> Value {
        json!({
            "auth_type": "oauth_client_credentials",
            "token_endpoint": self.endpoint,
            "client_id": "client",
            "client_secret": secret,
        })
    }
}

fn answer(
    stream: impl Read + Write,
    user: &str,
    good_for: Duration,
    late: Duration,
    granted: &AtomicUsize,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut authorization, mut length) = (String::new(), 0);
    let mut line = String::new();
    while stream.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("authorization:") {
            authorization = line["authorization:".len()..].trim().to_owned();
        } else if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let known = authorization == format!("Basic {}", STANDARD.encode(format!("client:{SECRET}")));
    let (status, answer) = if known && body.starts_with(b"grant_type=client_credentials") {
        granted.fetch_add(1, Ordering::Relaxed);
        let answer = json!({
            "access_token": unsigned(user, good_for, late),
            "token_type": "Bearer",
            "expires_in": good_for.as_secs(),
        });
        (200, answer)
    } else {
        (401, json!({"error": "invalid_client", "error_description": "no such client"}))
    };
    let answer = answer.to_string();
    let length = answer.len();
    write!(
        stream.get_mut(),
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    )?;
    stream.get_mut().flush()
}

/// A JWT that nobody signed, for Kafka's validator of such.
fn unsigned(user: &str, good_for: Duration, late: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970") - late;
    let now = now.as_secs();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": user, "iat": now, "exp": now + good_for.as_secs()});
    format!("{}.{}.", part(json!({"alg": "none"})), part(claims))
}
