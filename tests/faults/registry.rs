//! The schema registry is down or ill while sessions open; brokers are librdkafka's mock ones.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use materialize_kafka::kafka::mock::Cluster;
use materialize_kafka::registry::memory::{Options, Registry};
use serde_json::json;

use crate::brokers::{config, unique};
use crate::flow::{Flow, SMALL};

/// What the registry does to who asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    /// Nobody listens.
    Down,
    /// It takes the request, and so long to look at it.
    Slow(Duration),
    /// It answers this, whatever is asked: status, content type, body.
    Says(u16, &'static str, &'static str),
}

/// A registry in memory, and before it a server by which it is ill. Each connection has the health of its beginning: every
/// session is a process of its own.
struct Ill {
    address: SocketAddr,
    health: Arc<Mutex<(Health, bool)>>,
    _registry: Registry,
    _runtime: tokio::runtime::Runtime,
}

impl Ill {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let registry = runtime.block_on(Registry::start(Options::default())).unwrap();
        let back = registry.url().socket_addrs(|| None).unwrap()[0];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let health = Arc::new(Mutex::new((Health::Well, false)));
        let seen = Arc::clone(&health);
        thread::spawn(move || serve(listener, address, back, &seen));
        Self { address, health, _registry: registry, _runtime: runtime }
    }

    fn endpoint(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Is so from now on.
    fn is(&self, health: Health) {
        self.health.lock().unwrap().0 = health;
        // Until the server has seen it: nobody is refused by a listener that is still there.
        let listens = |address| TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_ok();
        let since = Instant::now();
        while listens(self.address) == (health == Health::Down) {
            assert!(since.elapsed() < Duration::from_secs(60), "the server is not {health:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Ill {
    fn drop(&mut self) {
        self.health.lock().unwrap().1 = true;
    }
}

fn serve(listener: TcpListener, address: SocketAddr, back: SocketAddr, health: &Mutex<(Health, bool)>) {
    let mut listener = Some(listener);
    loop {
        let (now, over) = *health.lock().unwrap();
        if over {
            return;
        }
        if now == Health::Down {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        let Some(stream) = listener.as_ref().and_then(|listener| {
            listener.set_nonblocking(true).unwrap();
            listener.accept().ok()
        }) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.0.set_nonblocking(false).unwrap();
        thread::spawn(move || {
            // Who leaves early is not missed.
            let _gone = attend(stream.0, back, now);
        });
    }
}

fn attend(mut client: TcpStream, back: SocketAddr, health: Health) -> io::Result<()> {
    if let Health::Says(status, content_type, body) = health {
        // The whole request, or closing would reset the connection before the answer is read.
        let mut request = Vec::new();
        while !is_whole(&request) {
            let mut more = [0; 4096];
            match client.read(&mut more)? {
                0 => return Ok(()),
                count => request.extend_from_slice(&more[..count]),
            }
        }
        return write!(
            client,
            "HTTP/1.1 {status} \r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    if let Health::Slow(delay) = health {
        thread::sleep(delay);
    }
    let mut server = TcpStream::connect(back)?;
    let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut requests, &mut to_server));
    io::copy(&mut server, &mut client).map(drop)
}

/// Whether these are the head of an HTTP request and as much of a body as it says.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A task whose registry falls ill between two sessions.
struct Patient {
    registry: Ill,
    flow: Flow,
    cluster: Cluster,
}

impl Patient {
    fn new() -> Self {
        let (registry, cluster) = (Ill::start(), Cluster::new(1).unwrap());
        let topic = unique("faults");
        cluster.create_topic(&topic, 3).unwrap();
        let mut config = config(&cluster.bootstrap_servers(), 1);
        config["message_format"] = json!("Avro");
        config["schema_registry"] = json!({ "endpoint": registry.endpoint() });
        let mut flow = Flow::into_topic(&topic, &config, &SMALL);
        flow.open();
        flow.transact_some(2);
        // Killed, with a part of a transaction on its way, so that there is something to deliver again.
        flow.begin(SMALL.keys).unwrap();
        flow.store(SMALL.keys / 2).unwrap();
        flow.kill();
        Self { registry, flow, cluster }
    }

    /// The message of the session that cannot open.
    fn failure(&mut self) -> String {
        assert!(self.flow.try_open().is_err(), "the session is open");
        let ended = self.flow.ended();
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        ended.message()
    }

    /// After the registry's recovery.
    fn go_on(mut self) {
        self.registry.is(Health::Well);
        self.flow.open();
        self.flow.transact_some(3);
        self.flow.close_and_count(&self.cluster.bootstrap_servers()).assert_nothing_lost();
    }
}

#[test]
fn ill_until_the_next_session() {
    const JSON: &str = "application/vnd.schemaregistry.v1+json";
    let incompatible =
        r#"{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}"#;
    let invalid =
        r#"{"error_code":42201,"message":"Either the input schema or one its references is invalid"}"#;
    let page = "<html><body>Welcome to the portal</body></html>";
    let ills = [
        (
            Health::Down,
            ["the connection was refused, 6 times", "check host and port in schema_registry.endpoint"],
        ),
        (Health::Says(503, "text/plain", "no healthy upstream"), ["it answered 503", "no healthy upstream"]),
        (Health::Says(401, JSON, ""), ["it answered 401", "schema_registry"]),
        (Health::Says(409, JSON, incompatible), ["it answered 409", "incompatible with an earlier schema"]),
        (
            Health::Says(422, JSON, invalid),
            ["it answered 422", "the input schema or one its references is invalid"],
        ),
        (Health::Says(200, "text/html", page), ["the answer ", "is the base address of a schema registry"]),
        // Longer than a session waits.
        (
            Health::Slow(Duration::from_secs(60)),
            ["no answer within 30s", "check that the registry is healthy"],
        ),
    ];
    thread::scope(|scope| {
        for (health, words) in ills {
            scope.spawn(move || {
                let mut patient = Patient::new();
                patient.registry.is(health);
                let message = patient.failure();
                assert!(message.starts_with("registering the schema of subject "), "{health:?}: {message}");
                let endpoint = patient.registry.endpoint();
                assert!(message.contains(&format!(" at the schema registry {endpoint}: ")), "{message}");
                for words in words {
                    assert!(message.contains(words), "{health:?}: {message}");
                }
                patient.go_on();
            });
        }
    });
}

/// The session waits and tries again, and nobody notices.
#[test]
fn ill_for_a_while() {
    let away = Health::Says(503, "text/plain", "no healthy upstream");
    thread::scope(|scope| {
        for health in [Health::Down, away, Health::Slow(Duration::from_millis(700))] {
            scope.spawn(move || {
                let mut patient = Patient::new();
                patient.registry.is(health);
                patient.flow.spawn(patient.flow.command());
                thread::scope(|scope| {
                    let Patient { registry, flow, .. } = &mut patient;
                    scope.spawn(|| {
                        thread::sleep(Duration::from_secs(1));
                        registry.is(Health::Well);
                    });
                    flow.open_session().unwrap_or_else(|_| panic!("{health:?}: {:?}", flow.ended()));
                });
                patient.flow.close();
                patient.go_on();
            });
        }
    });
}
