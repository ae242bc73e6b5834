use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::client::{Content, Detached, Kind};
use super::super::error::connection_remedy;
use super::super::settings::client_settings;
use super::*;
use crate::config::{Credentials, EndpointConfig, Secret};

const API_SASL_HANDSHAKE: i16 = 17;
const API_API_VERSIONS: i16 = 18;
const API_SASL_AUTHENTICATE: i16 = 36;

/// A request of Kafka's protocol: its key and version, its correlation id, and what follows the client's name.
type Request = ((i16, i16), [u8; 4], Vec<u8>);

fn request(stream: &mut TcpStream) -> Option<Request> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut bytes).ok()?;
    let key = (i16::from_be_bytes([bytes[0], bytes[1]]), i16::from_be_bytes([bytes[2], bytes[3]]));
    let name = usize::from(u16::from_be_bytes([bytes[8], bytes[9]]));
    Some((key, bytes[4..8].try_into().unwrap(), bytes[10 + name..].to_vec()))
}

fn answer(stream: &mut TcpStream, correlation: [u8; 4], body: &[u8]) {
    let size = u32::try_from(4 + body.len()).unwrap().to_be_bytes();
    stream.write_all(&[&size, &correlation, body].concat()).unwrap();
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

/// What a client sends to a broker that asks for SASL, and that refuses whatever comes.
fn first_message(config: &mut EndpointConfig) -> (Vec<u8>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    config.bootstrap_servers = listener.local_addr().unwrap().to_string();
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while let Some((key, correlation, body)) = request(&mut stream) {
                match key {
                    (API_API_VERSIONS, version) => {
                        // Whatever the version, a broker that does not know it answers as in version 0.
                        let error = if version == 0 { 0_i16 } else { 35 };
                        let known =
                            [(API_SASL_HANDSHAKE, 1), (API_API_VERSIONS, 0), (API_SASL_AUTHENTICATE, 0)];
                        let mut body = error.to_be_bytes().to_vec();
                        body.extend(3_u32.to_be_bytes());
                        for (key, newest) in known {
                            body.extend([key, 0, newest].into_iter().flat_map(i16::to_be_bytes));
                        }
                        answer(&mut stream, correlation, &body);
                    }
                    (API_SASL_HANDSHAKE, _) => {
                        assert_eq!(body, text("OAUTHBEARER"));
                        let mechanisms = [&[0, 0, 0, 0, 0, 1][..], &text("OAUTHBEARER")].concat();
                        answer(&mut stream, correlation, &mechanisms);
                    }
                    (API_SASL_AUTHENTICATE, _) => {
                        let length = u32::from_be_bytes(body[..4].try_into().unwrap());
                        assert_eq!(body.len() - 4, usize::try_from(length).unwrap());
                        let _receiver_may_have_enough = sender.send(body[4..].to_vec());
                        // SASL_AUTHENTICATION_FAILED, with words and no bytes.
                        let refusal = [&58_i16.to_be_bytes()[..], &text("not you"), &[0; 4]].concat();
                        answer(&mut stream, correlation, &refusal);
                    }
                    other => panic!("asked {other:?} before the login"),
                }
            }
        }
    });
    let client =
        Detached::new(Kind::Consumer, &client_settings(config), config.credentials.as_ref()).unwrap();
    let message = messages.recv_timeout(Duration::from_secs(20)).unwrap();
    loop {
        let event = client.poll(Duration::from_secs(20)).expect("the refusal is told");
        if let Content::Error { code, text, .. } = event.content()
            && text.contains("not you")
        {
            return (message, format!("{text}; {}", connection_remedy(code.0, &text)));
        }
    }
}

fn config() -> EndpointConfig {
    EndpointConfig::parse(br#"{"bootstrap_servers":"b","message_format":"JSON"}"#).unwrap()
}

/// What MSK gets to see: RFC 7628's first message, with a token as AWS's signers make it.
#[test]
fn the_first_message_has_the_signed_token() {
    let mut config = config();
    config.credentials = Some(Credentials::AwsMskIam {
        region: "eu-central-1".to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    });
    let (message, refusal) = first_message(&mut config);
    let message = String::from_utf8(message).unwrap();
    let token = message.strip_prefix("n,,\u{1}auth=Bearer ").unwrap().strip_suffix("\u{1}\u{1}").unwrap();
    let address = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
    assert!(
        address.starts_with(
            "https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&"
        ),
        "{address}"
    );
    assert!(refusal.contains("SASL authentication error: not you"), "{refusal}");
    assert!(!refusal.contains(token), "{refusal}");
}

/// The thread that waits for librdkafka's word ends with the client, whatever it is at.
#[test]
fn a_client_goes_while_a_token_is_due() {
    // It takes the connection, and says nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}/token", silent.local_addr().unwrap());
    let stop = Arc::new(Stop::default());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let credentials = Credentials::OauthClientCredentials {
        token_endpoint: endpoint.parse().unwrap(),
        token_endpoint_ca_certificate: None,
        client_id: "me".to_owned(),
        client_secret: Secret::new("x"),
        scope: None,
        extensions: std::collections::BTreeMap::new(),
    };
    let source = Source::of(&credentials).unwrap().unwrap();
    // Neither handle is looked at before there is a token.
    let (client, queue) = (NonNull::dangling(), NonNull::dangling());
    let mut thread =
        Thread { client, queue, stop: Arc::clone(&stop), trouble: Arc::default(), source, runtime };
    let renewing = thread::spawn(move || thread.renew().is_none());
    let _connected = silent.accept().unwrap();
    stop.told.notify_one();
    assert!(renewing.join().unwrap());
}

/// A server that is asked for tokens, and answers when it is told to.
struct Authorization {
    endpoint: String,
    asked: mpsc::Receiver<()>,
    answers: mpsc::Sender<(u16, &'static str)>,
}

impl Authorization {
    /// Waits until it is asked.
    fn asked(&self, within: Duration) {
        self.asked.recv_timeout(within).expect("a token is asked for");
    }

    /// Answers what it is asked, or what it will be asked next.
    fn answer(&self, answer: (u16, &'static str)) {
        self.answers.send(answer).unwrap();
    }
}

fn authorization() -> Authorization {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let (told, asked) = mpsc::channel();
    let (answers, due) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            read_request(&mut stream);
            let _receiver_may_have_enough = told.send(());
            let Ok((status, body)): Result<(u16, &str), _> = due.recv() else { return };
            let length = body.len();
            let _client_may_be_gone = write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    Authorization { endpoint, asked, answers }
}

/// All of it: a connection that is closed while some is unread is reset, and the client asks again.
fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
    let mut body = vec![0; length.trim().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
}

/// librdkafka alone would ask again ten seconds after each failure: a short token would have ended by then.
#[test]
fn a_token_that_did_not_come_is_asked_for_again_soon_and_until_it_comes() {
    let token = (200, r#"{"access_token":"a.b.c","expires_in":4}"#);
    // A refusal is final for one attempt.
    let refused = (400, r#"{"error":"temporarily_unavailable"}"#);
    let server = authorization();
    let endpoint = &server.endpoint;
    let mut config = config();
    // Nobody listens there.
    config.bootstrap_servers = "127.0.0.1:1".to_owned();
    config.credentials = Some(Credentials::OauthClientCredentials {
        token_endpoint: endpoint.parse().unwrap(),
        token_endpoint_ca_certificate: None,
        client_id: "me".to_owned(),
        client_secret: Secret::new("x"),
        scope: None,
        extensions: std::collections::BTreeMap::new(),
    });
    // The client is there when it has its first token.
    server.answer(token);
    let client =
        Detached::new(Kind::Consumer, &client_settings(&config), config.credentials.as_ref()).unwrap();
    server.asked(IN_TIME);
    // Nothing changes while an answer is due.
    server.asked(IN_TIME);
    assert_eq!(client.login_trouble(), None);
    server.answer(refused);
    server.asked(SOON);
    let trouble = client.login_trouble().expect("the first failure was told before the next attempt");
    assert_eq!(
        trouble,
        format!(
            "logging in to the brokers: asking {endpoint} for a token: it answered 400 (temporarily_unavailable); check \
             credentials.token_endpoint, and that this client may use the grant client_credentials"
        )
    );
    server.answer(refused);
    // At once: it would not be taken any more when it has ended.
    server.answer(token);
    server.asked(SOON);
    // The next one is asked for when this one is in use.
    server.asked(IN_TIME);
    assert_eq!(client.login_trouble(), None);
}

/// Before librdkafka would ask by itself. It should be 1 and 2 s.
const SOON: Duration = Duration::from_secs(9);
/// However slow the machine is.
const IN_TIME: Duration = Duration::from_secs(60);

/// Its end may pass while it is on its way, or the clock may jump.
#[test]
fn a_token_that_has_ended_is_refused_with_what_to_check() {
    let server = authorization();
    server.answer((200, r#"{"access_token":"a.b.c","expires_in":3600}"#));
    let mut config = config();
    config.bootstrap_servers = "127.0.0.1:1".to_owned();
    config.credentials = Some(Credentials::OauthClientCredentials {
        token_endpoint: server.endpoint.parse().unwrap(),
        token_endpoint_ca_certificate: None,
        client_id: "me".to_owned(),
        client_secret: Secret::new("x"),
        scope: None,
        extensions: std::collections::BTreeMap::new(),
    });
    let client =
        Detached::new(Kind::Consumer, &client_settings(&config), config.credentials.as_ref()).unwrap();
    let token = |value: &str, expires: &str| Token {
        value: Secret::new(value),
        expires: expires.parse().unwrap(),
        extensions: Vec::new(),
    };
    let handle = NonNull::new(client.as_ptr()).unwrap();
    assert_eq!(hand_over(handle, &token("a.b.c", "2999-01-01T00:00:00Z")), Ok(()));
    let check = "check for how long the authorization server's tokens are good (expires_in of its answer, exp of the token), \
                 and the clock of this machine";
    for (token, expected) in [
        (token("a.b.c", "2020-01-01T00:00:00Z"), format!("it had expired when it came; {check}")),
        (
            token("a\u{1}b", "2999-01-01T00:00:00Z"),
            format!("Local: Invalid argument or configuration (_INVALID_ARG); {check}"),
        ),
    ] {
        let error = hand_over(handle, &token).unwrap_err().to_string();
        assert_eq!(error, format!("starting the Kafka client: it does not take its token: {expected}"));
    }
}

#[test]
fn pauses_grow_up_to_a_bound() {
    let pauses = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|failures| pause_after(failures).as_secs());
    assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 10, 10]);
}
