use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use super::*;

const SECRET: &str = "s3cret/+~ value";

/// What a server was asked: the header of authorization, and the form.
type Asked = Arc<Mutex<Vec<(String, Vec<(String, String)>)>>>;

/// A server that answers with what `answer` makes of each request.
fn server(answer: impl Fn(&str, &[(String, String)]) -> (u16, String) + Send + 'static) -> (Url, Asked) {
    server_over("http", Ok, answer)
}

/// The same, over TLS, with a certificate of [`AUTHORITY`] for 127.0.0.1.
fn tls_server(answer: &'static str) -> (Url, Asked) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server-key.pem")).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let wrap = move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        // A client that does not like the certificate goes away here.
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(stream)
    };
    server_over("https", wrap, move |_, _| (200, answer.to_owned()))
}

fn server_over<S: Read + Write>(
    scheme: &str,
    wrap: impl Fn(TcpStream) -> io::Result<S> + Send + 'static,
    answer: impl Fn(&str, &[(String, String)]) -> (u16, String) + Send + 'static,
) -> (Url, Asked) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("{scheme}://{}/realm/token", listener.local_addr().unwrap());
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = wrap(stream.unwrap()) else { continue };
            let mut stream = BufReader::new(stream);
            let (mut authorization, mut length) = (String::new(), 0);
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap_or(0) > 2 {
                let lower = line.to_ascii_lowercase();
                if lower.starts_with("authorization:") {
                    authorization = line["authorization:".len()..].trim().to_owned();
                } else if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let form: Vec<_> = form_urlencoded::parse(&body).into_owned().collect();
            let (status, text) = answer(&authorization, &form);
            seen.lock().unwrap().push((authorization, form));
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            let _ = stream.get_mut().flush();
        }
    });
    (Url::parse(&address).unwrap(), asked)
}

/// Made by `openssl req -x509` and `openssl x509 -req -CA`, for a hundred years from 2026 on; nobody has its key any more.
const AUTHORITY: &str = include_str!("tls/authority.pem");

fn grant(endpoint: &Url) -> Grant {
    grant_trusting(endpoint, None).unwrap()
}

fn grant_trusting(endpoint: &Url, authorities: Option<&str>) -> Result<Grant, Error> {
    let login = ServerLogin {
        endpoint: endpoint.clone(),
        authorities: authorities.map(str::to_owned),
        client_id: "me:too".to_owned(),
        client_secret: Secret::new(SECRET),
        scope: Some("kafka write".to_owned()),
        extensions: vec![("logicalCluster".to_owned(), "lkc-1".to_owned())],
    };
    let limits = Limits {
        connect: Duration::from_secs(5),
        whole: Duration::from_secs(2),
        pause: Duration::from_millis(1),
    };
    Grant::with_limits(login, limits)
}

fn token(grant: &mut Grant) -> Result<Token, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(grant.token())
}

/// Id and secret, as a server reads them from the header.
fn login(authorization: &str) -> (String, String) {
    let pair = STANDARD.decode(authorization.strip_prefix("Basic ").unwrap()).unwrap();
    let pair = String::from_utf8(pair).unwrap();
    let (id, secret) = pair.split_once(':').unwrap();
    let decoded =
        |text: &str| form_urlencoded::parse(format!("x={text}").as_bytes()).next().unwrap().1.into_owned();
    (decoded(id), decoded(secret))
}

fn pairs(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_secret_goes_in_the_header() {
    let (endpoint, asked) = server(|_, _| {
        (200, r#"{"access_token":"abc.def","token_type":"Bearer","expires_in":60}"#.to_owned())
    });
    let before = Timestamp::now();
    let token = token(&mut grant(&endpoint)).unwrap();
    assert_eq!(token.value.expose(), "abc.def");
    assert_eq!(token.extensions, [("logicalCluster".to_owned(), "lkc-1".to_owned())]);
    assert!(token.expires >= before + SignedDuration::from_secs(60));
    assert!(token.expires <= Timestamp::now() + SignedDuration::from_secs(60));
    let asked = asked.lock().unwrap();
    let [(authorization, form)] = &asked[..] else { panic!("asked {} times", asked.len()) };
    assert_eq!(login(authorization), ("me:too".to_owned(), SECRET.to_owned()));
    assert_eq!(pairs(form), [("grant_type", "client_credentials"), ("scope", "kafka write")]);
}

#[test]
fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let (endpoint, asked) = server(|_, form| {
        if form.iter().any(|(name, value)| name == "client_secret" && value == SECRET) {
            (200, r#"{"access_token":"abc","expires_in":60}"#.to_owned())
        } else {
            (401, r#"{"error":"invalid_client"}"#.to_owned())
        }
    });
    let mut grant = grant(&endpoint);
    assert_eq!(token(&mut grant).unwrap().value.expose(), "abc");
    assert_eq!(token(&mut grant).unwrap().value.expose(), "abc");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 3, "from the second token on the header is not tried");
    assert_eq!(asked[2].0, "");
    assert_eq!(
        pairs(&asked[2].1),
        [
            ("grant_type", "client_credentials"),
            ("scope", "kafka write"),
            ("client_id", "me:too"),
            ("client_secret", SECRET),
        ]
    );
}

#[test]
fn what_may_pass_is_tried_again() {
    let left = Mutex::new(2);
    let (endpoint, asked) = server(move |_, _| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return (200, r#"{"access_token":"abc"}"#.to_owned());
        }
        *left -= 1;
        (503, String::new())
    });
    token(&mut grant(&endpoint)).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn refusals_tell_what_to_check() {
    let rows = [
        (
            401,
            format!(r#"{{"error":"invalid_client","error_description":"no client\nme with {SECRET}"}}"#),
            "401 (invalid_client: no client me with ***); check credentials.client_id and credentials.client_secret",
        ),
        (400, r#"{"error":"invalid_scope"}"#.to_owned(), "400 (invalid_scope); check credentials.scope"),
        (
            400,
            r#"{"error":"unsupported_grant_type"}"#.to_owned(),
            "400 (unsupported_grant_type); check credentials.token_endpoint, and that this client may use the grant \
             client_credentials",
        ),
        (
            404,
            "<html> not here".to_owned(),
            "404 (<html> not here); check the path of credentials.token_endpoint",
        ),
        (302, String::new(), "302; check the path of credentials.token_endpoint"),
    ];
    for (status, answer, expected) in rows {
        let (endpoint, asked) = server(move |_, _| (status, answer.clone()));
        let error = token(&mut grant(&endpoint)).unwrap_err();
        assert_eq!(error.to_string(), format!("asking {endpoint} for a token: it answered {expected}"));
        assert!(asked.lock().unwrap().len() <= 2, "a refusal is final");
    }
    let (endpoint, asked) = server(|_, _| (500, "oops".to_owned()));
    assert_eq!(
        token(&mut grant(&endpoint)).unwrap_err().to_string(),
        format!(
            "asking {endpoint} for a token: it answered 500 (oops); see the authorization server's logs; a restart of the \
             task tries again"
        )
    );
    assert!(asked.lock().unwrap().len() > 2, "this may pass");
}

#[test]
fn an_answer_without_a_token_is_told() {
    let rows = [
        ("<html>", "is not JSON"),
        ("{}", "has no access_token"),
        (r#"{"access_token":""}"#, "has no access_token"),
        (r#"{"access_token":"a\u0001b"}"#, "has an access_token with characters that no token may have"),
        (r#"{"access_token":"a","expires_in":"soon"}"#, "has an expires_in that is no number of seconds"),
    ];
    for (answer, problem) in rows {
        let (endpoint, _) = server(move |_, _| (200, answer.to_owned()));
        let error = token(&mut grant(&endpoint)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "asking {endpoint} for a token: its answer {problem}; check that credentials.token_endpoint is the token \
                 endpoint of an OAuth 2.0 authorization server"
            )
        );
    }
    for expired in [
        r#"{"access_token":"a","expires_in":0}"#,
        r#"{"access_token":"e30.eyJleHAiOjF9.","expires_in":null}"#,
    ] {
        let (endpoint, _) = server(|_, _| (200, expired.to_owned()));
        assert_eq!(
            token(&mut grant(&endpoint)).unwrap_err().to_string(),
            format!(
                "asking {endpoint} for a token: the one that came has expired already, by this machine's clock; check that \
                 clock, and for how long the server's tokens are good (expires_in of its answer, exp of the token)"
            )
        );
    }
    let (endpoint, _) = server(|_, _| (200, "x".repeat(ANSWER_LIMIT + 1)));
    let error = token(&mut grant(&endpoint)).unwrap_err().to_string();
    assert!(error.contains("its answer is longer than 1048576 bytes"), "{error}");
}

#[test]
fn a_server_of_an_authority_of_ones_own() {
    let (endpoint, asked) = tls_server(r#"{"access_token":"abc","expires_in":60}"#);
    let mut trusting = grant_trusting(&endpoint, Some(AUTHORITY)).unwrap();
    assert_eq!(token(&mut trusting).unwrap().value.expose(), "abc");

    // The system knows nothing of this authority.
    assert_eq!(
        token(&mut grant(&endpoint)).unwrap_err().to_string(),
        format!(
            "asking {endpoint} for a token: invalid peer certificate: UnknownIssuer; its certificate has expired, names another \
             host, or is of an authority that is not known here: for the last, give the authority's certificate in \
             credentials.token_endpoint_ca_certificate, or name its file in SSL_CERT_FILE"
        )
    );
    let by_name = Url::parse(&endpoint.as_str().replace("127.0.0.1", "localhost")).unwrap();
    let mut by_name = grant_trusting(&by_name, Some(AUTHORITY)).unwrap();
    let error = token(&mut by_name).unwrap_err().to_string();
    assert!(
        error.contains("invalid peer certificate: certificate not valid for name \"localhost\""),
        "{error}"
    );
    assert_eq!(asked.lock().unwrap().len(), 1, "the secret goes to nobody who is not trusted");
}

#[test]
fn a_port_without_tls() {
    let (endpoint, _) = server(|_, _| (200, String::new()));
    let endpoint = Url::parse(&endpoint.as_str().replace("http:", "https:")).unwrap();
    let error = token(&mut grant(&endpoint)).unwrap_err().to_string();
    assert!(error.starts_with(&format!("asking {endpoint} for a token: ")), "{error}");
    assert!(
        error.ends_with(
            "; check that the port of credentials.token_endpoint speaks https, and asks for no client certificate"
        ),
        "{error}"
    );
}

#[test]
fn authorities_that_are_none() {
    let endpoint = Url::parse("https://login.example.com/token").unwrap();
    for (authorities, problem) in [
        ("-----BEGIN X-----\nAAAA\n-----END X-----\n", "it has no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "invalid peer certificate: BadEncoding",
        ),
    ] {
        let error = grant_trusting(&endpoint, Some(authorities)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "preparing requests for tokens to {endpoint}: credentials.token_endpoint_ca_certificate cannot be used: \
                 {problem}; give PEM text of certificates"
            )
        );
    }
}

#[test]
fn nobody_there() {
    let gone = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap()
    };
    assert_eq!(
        token(&mut grant(&gone)).unwrap_err().to_string(),
        format!(
            "asking {gone} for a token: Connection refused (os error 111); check credentials.token_endpoint, and that it can \
             be reached from here"
        )
    );
}

#[test]
fn a_server_that_keeps_silent_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
    let error = token(&mut grant(&endpoint)).unwrap_err().to_string();
    assert!(error.contains("no answer within 2.0 s"), "{error}");
}

#[test]
fn the_end_of_a_token() {
    let asked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let jwt = |claims: &str| format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
    let end = |token: &str, more: &str| {
        let answer = format!(r#"{{"access_token":"{token}"{more}}}"#);
        read(answer.as_bytes(), asked).map(|(_, end)| end.to_string())
    };
    assert_eq!(end("a", r#","expires_in":90"#).unwrap(), "2026-01-01T00:01:30Z");
    assert_eq!(
        end("a", r#","expires_in":"90""#).unwrap(),
        "2026-01-01T00:01:30Z",
        "as Azure's old endpoint writes it"
    );
    assert_eq!(end("a", r#","expires_in":90.7"#).unwrap(), "2026-01-01T00:01:30Z");
    assert_eq!(end("a", r#","expires_in":1e300"#).unwrap(), "2027-01-02T00:00:00Z", "a year and no more");
    assert_eq!(end("a", "").unwrap(), "2026-01-01T00:05:00Z", "nobody says");
    assert_eq!(end(&jwt(r#"{"exp":1767225720}"#), "").unwrap(), "2026-01-01T00:02:00Z");
    assert_eq!(end(&jwt(r#"{"exp":1767225720}"#), r#","expires_in":60"#).unwrap(), "2026-01-01T00:01:00Z");
    for odd in
        [jwt("[]"), jwt(r#"{"exp":"x"}"#), jwt(r#"{"exp":1e300}"#), "a.!!.b".to_owned(), "a.".to_owned()]
    {
        assert_eq!(end(&odd, "").unwrap(), "2026-01-01T00:05:00Z", "{odd}");
    }
    assert_eq!(end("a", r#","expires_in":-5"#).unwrap(), "2025-12-31T23:59:55Z");
}

/// It is asked at 1767225600.
#[test]
fn the_end_is_the_earliest_that_is_told() {
    for (claims, expires_in, expected, why) in [
        (r#"{"exp":1767225720}"#, "60", "2026-01-01T00:01:00Z", "the answer knows of a shorter life"),
        (r#"{"exp":1767225720}"#, "3600", "2026-01-01T00:02:00Z", "the answer is of another token"),
        (r#"{"exp":1767225720}"#, "120000", "2026-01-01T00:02:00Z", "the answer is in milliseconds"),
        (
            r#"{"exp":1767229320,"iat":1767229200}"#,
            "120000",
            "2026-01-01T00:02:00Z",
            "and our clock is an hour behind",
        ),
        (
            r#"{"exp":1767229320,"iat":1767229200}"#,
            "null",
            "2026-01-01T00:02:00Z",
            "the same, without a word",
        ),
        (r#"{"exp":1767229320}"#, "120", "2026-01-01T00:02:00Z", "the answer does not go by clocks"),
        (
            r#"{"exp":1767225720,"iat":1767222000}"#,
            "null",
            "2026-01-01T00:02:00Z",
            "a token that was kept for us",
        ),
        (
            r#"{"exp":1767225660,"iat":1767225540}"#,
            "120",
            "2026-01-01T00:01:00Z",
            "our clock is a minute ahead",
        ),
        (
            r#"{"exp":1767222120,"iat":1767222000}"#,
            "120",
            "2026-01-01T00:02:00Z",
            "our clock is an hour ahead",
        ),
        (
            r#"{"exp":1767222120,"iat":1767222000}"#,
            "null",
            "2026-01-01T00:02:00Z",
            "the same, without a word",
        ),
        (r#"{"exp":1767225599}"#, "60", "2026-01-01T00:01:00Z", "the same, without the time of making"),
        (r#"{"exp":1767225599}"#, "null", "2025-12-31T23:59:59Z", "nothing says otherwise"),
        (r#"{"exp":1767225720,"iat":1767225800}"#, "null", "2026-01-01T00:02:00Z", "no life at all"),
        (r#"{"exp":1767225720,"iat":-1e300}"#, "null", "2026-01-01T00:02:00Z", "a long life"),
    ] {
        let asked: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        let answer = format!(r#"{{"access_token":"{token}","expires_in":{expires_in}}}"#);
        let (_, end) = read(answer.as_bytes(), asked).unwrap();
        assert_eq!(end.to_string(), expected, "{claims} {expires_in}: {why}");
    }
}
