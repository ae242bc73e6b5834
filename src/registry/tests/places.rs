//! Several addresses of one registry, and logins other than a user's: a token, and a certificate.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::super::memory::Fault;
use super::*;

/// An address where nobody listens.
fn nobody() -> Url {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap()
}

fn at(endpoint: Vec<Url>) -> Client {
    let config = SchemaRegistry { endpoint, ..SchemaRegistry::at(nobody()) };
    Client::with_limits(&config, PATIENT).unwrap()
}

#[test]
fn the_next_address_is_tried_and_the_one_that_answers_is_kept() {
    run(async {
        let (first, second) = (registry().await, registry().await);
        let client = at(vec![nobody(), first.url().clone(), second.url().clone()]);
        client.check(PATIENT.whole).await.unwrap();
        assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
        // What fails itself is left for the next as well, and the next is then the one to begin with.
        first.inject(Fault::answer(503, "busy"));
        client.check(PATIENT.whole).await.unwrap();
        client.check(PATIENT.whole).await.unwrap();
        assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
        // A refusal is an answer: no other address is asked for a better one.
        second.inject(Fault::answer(403, "no"));
        assert!(client.check(PATIENT.whole).await.is_err());
        assert_eq!((first.requests().len(), second.requests().len()), (2, 3));
    });
}

#[test]
fn a_silent_address_leaves_time_for_the_next() {
    run(async {
        let (silent, other) = (registry().await, registry().await);
        silent.inject(Fault::Silence);
        let client = at(vec![silent.url().clone(), other.url().clone()]);
        client.check(Duration::from_secs(4)).await.unwrap();
        assert_eq!((silent.requests().len(), other.requests().len()), (1, 1));
    });
}

#[test]
fn an_error_names_every_address_that_failed() {
    run(async {
        let (refused, failing) = (nobody(), registry().await);
        for _ in 0..PATIENT.attempts {
            failing.inject(Fault::answer(500, r#"{"error_code":50001,"message":"no store"}"#));
        }
        let error = at(vec![refused.clone(), failing.url().clone()]).check(PATIENT.whole).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "reading the configuration at the schema registry {refused}: the connection was refused, 3 times; check host and port in schema_registry.endpoint, and that the registry runs; and reading the configuration at the schema registry {}: it answered 500, \"no store\" (error code 50001), 3 times; the registry itself failed: see its log",
                failing.url()
            )
        );
    });
}

#[test]
fn tokens_are_sent_and_wrong_ones_explained() {
    run(async {
        let options = Options { token: Some(Secret::new("hunter2")), ..Options::default() };
        let registry = Registry::start(options).await.unwrap();
        client(&registry).check(PATIENT.whole).await.unwrap();
        let config = SchemaRegistry { bearer_token: Some(Secret::new("hunter3")), ..registry.config() };
        let wrong = Client::with_limits(&config, PATIENT).unwrap();
        let error = wrong.check(PATIENT.whole).await.unwrap_err();
        assert_eq!(
            text(&error, registry.url().as_str()),
            "reading the configuration at the schema registry ADDRESS: it answered 401 without a message; check schema_registry.bearer_token"
        );
        assert!(!format!("{wrong:?} {error:?}").contains("hunter"));
    });
}

#[test]
fn what_is_no_certificate_or_key_is_told() {
    let told = |ca: Option<&str>, client: Option<(&str, &str)>| {
        let (certificate, key) = client.unzip();
        let config = SchemaRegistry {
            ca_certificate: ca.map(str::to_owned),
            client_certificate: certificate.map(str::to_owned),
            client_key: key.map(Secret::new),
            ..SchemaRegistry::at(Url::parse("https://r/").unwrap())
        };
        Client::new(&config).unwrap_err().to_string()
    };
    let message = told(Some("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"), None);
    assert_eq!(
        message,
        "preparing the client of the schema registry: schema_registry.ca_certificate cannot be used: it has no certificate; give PEM text of certificates, and for the key one that is not encrypted and belongs to the first certificate"
    );
    let message = told(None, Some(("-----BEGIN hunter2", "-----BEGIN hunter2")));
    assert!(
        message.starts_with("preparing the client of the schema registry: schema_registry.client_certificate or client_key cannot be used: "),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

/// Runs openssl in a folder; none where it is not installed.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let mut command = Command::new("openssl");
    let status =
        command.args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null()).status().ok()?;
    assert!(status.success(), "openssl {arguments}");
    Some(())
}

/// A TLS server that lets in only who has a certificate of its authority, and answers `{}`.
struct Server(Child, Url);

impl Server {
    fn start(folder: &Path) -> Self {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        fs::write(folder.join("config"), answer).unwrap();
        let arguments = "s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -CAfile ca.pem -Verify 1 \
                         -verify_return_error -HTTP";
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).current_dir(folder).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server ended");
        }
        let url = Url::parse(&format!("https://{}/", line["ACCEPT ".len()..].trim())).unwrap();
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self(child, url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_client_is_known_by_its_certificate_and_the_registry_by_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        .unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for ca in ["ca", "other"] {
        let made = openssl(
            folder,
            &format!(
                "req -x509 {key} -days 30 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem -addext keyUsage=critical,keyCertSign"
            ),
        );
        if made.is_none() {
            eprintln!("skipped: there is no openssl");
            return;
        }
    }
    for who in ["server", "client"] {
        openssl(folder, &format!("req {key} -subj /CN={who} -keyout {who}.key -out {who}.csr"));
        openssl(
            folder,
            &format!(
                "x509 -req -in {who}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out {who}.pem"
            ),
        );
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let server = Server::start(folder);
    let check = |ca: Option<&str>, client: Option<(&str, &str)>| {
        let (certificate, key) = client.unzip();
        let config = SchemaRegistry {
            ca_certificate: ca.map(read),
            client_certificate: certificate.map(read),
            client_key: key.map(|key| Secret::new(read(key))),
            ..SchemaRegistry::at(server.1.clone())
        };
        run(Client::with_limits(&config, PATIENT)?.check(PATIENT.whole))
    };
    check(Some("ca.pem"), Some(("client.pem", "client.key"))).unwrap();
    for (ca, client) in [
        (Some("ca.pem"), None),
        (Some("other.pem"), Some(("client.pem", "client.key"))),
        (None, Some(("client.pem", "client.key"))),
        (Some("ca.pem"), Some(("other.pem", "other.key"))),
    ] {
        let message = check(ca, client).unwrap_err().to_string();
        assert!(message.contains(": TLS failed ("), "{ca:?}, {client:?}: {message}");
        assert!(message.ends_with("(schema_registry.ca_certificate or SSL_CERT_FILE may name it), and whether it wants a schema_registry.client_certificate"), "{message}");
    }
    let message = check(Some("ca.pem"), Some(("client.pem", "server.key"))).unwrap_err().to_string();
    assert!(message.starts_with("preparing the client of the schema registry: schema_registry.client_certificate, client_key or ca_certificate cannot be used: "), "{message}");
}
