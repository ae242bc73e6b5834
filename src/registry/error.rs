//! What can go wrong between us and a registry, and what a user can do about it.

use std::fmt;
use std::time::Duration;

/// A call to the registry that failed. The message never tells the login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client could not be made.
    #[error(
        "preparing the client of the schema registry {endpoint}: {reason}; check the system's certificates and SSL_CERT_FILE"
    )]
    Client {
        /// The registry's address.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// A certificate or key of the configuration cannot be used.
    #[error(
        "preparing the client of the schema registry: schema_registry.{option} cannot be used: {reason}; give PEM text of certificates, and for the key one that is not encrypted and belongs to the first certificate"
    )]
    Pem {
        /// The option, or those that may be meant.
        option: &'static str,
        /// Why.
        reason: String,
    },
    /// None of several addresses answered well; each for its own reason.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; and "))]
    Everywhere {
        /// What happened at each, in the order in which they were tried.
        errors: Vec<Error>,
    },
    /// No answer came.
    #[error("{doing} at the schema registry {endpoint}: {trouble}{}; {}{}", tries(*attempts), trouble.remedy(), through(*proxy))]
    Unreachable {
        /// What was asked.
        doing: Doing,
        /// The registry's address.
        endpoint: String,
        /// What happened instead.
        trouble: Trouble,
        /// The variable of the environment that names a proxy for this address.
        proxy: Option<&'static str>,
        /// How often it was tried.
        attempts: u32,
    },
    /// The registry, or something in front of it, said no.
    #[error("{doing} at the schema registry {endpoint}: it answered {status}{}{}; {}", said(*code, message), tries(*attempts), remedy(doing, *status, *code, *login))]
    Refused {
        /// What was asked.
        doing: Doing,
        /// The registry's address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The registry's own code, if it gave one.
        code: Option<i64>,
        /// The registry's message, or the beginning of what came in its place.
        message: String,
        /// The options whose login was sent, if one was.
        login: Option<&'static str>,
        /// How often it was tried.
        attempts: u32,
    },
    /// The answer points to another address, where the login must not go unasked.
    #[error(
        "{doing} at the schema registry {endpoint}: it answered {status}, a redirect to {location}; set schema_registry.endpoint to the address that answers itself"
    )]
    Redirected {
        /// What was asked.
        doing: Doing,
        /// The registry's address.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// Where it points to.
        location: String,
    },
    /// The answer is not one that a registry gives.
    #[error(
        "{doing} at the schema registry {endpoint}: the answer {problem}; check that schema_registry.endpoint is the base address of a schema registry"
    )]
    Unreadable {
        /// What was asked.
        doing: Doing,
        /// The registry's address.
        endpoint: String,
        /// What is wrong with the answer.
        problem: String,
    },
}

impl Error {
    /// Whether the registry knows no such subject, version or schema.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, code: Some(40401..=40403), .. })
    }
}

/// What is asked of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Whether it is there.
    Check,
    /// Which subjects there are.
    List,
    /// The number of a schema.
    Register {
        /// The subject that the schema belongs to.
        subject: String,
    },
    /// The number of a schema, without registering it.
    LookUp {
        /// The subject that the schema belongs to.
        subject: String,
    },
    /// The newest version of a subject.
    Latest {
        /// The subject.
        subject: String,
    },
    /// Whether a schema may become a version of a subject.
    Compatibility {
        /// The subject.
        subject: String,
    },
    /// What new versions of a subject must be compatible with.
    Level {
        /// The subject.
        subject: String,
    },
    /// The schema that has a number.
    Fetch {
        /// The number.
        id: u32,
    },
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check => f.write_str("reading the configuration"),
            Self::List => f.write_str("listing the subjects"),
            Self::Register { subject } => write!(f, "registering the schema of subject {subject:?}"),
            Self::LookUp { subject } => write!(f, "looking up the schema of subject {subject:?}"),
            Self::Latest { subject } => write!(f, "reading the latest version of subject {subject:?}"),
            Self::Compatibility { subject } => {
                write!(f, "checking the compatibility of the schema of subject {subject:?}")
            }
            Self::Level { subject } => write!(f, "setting the compatibility of subject {subject:?}"),
            Self::Fetch { id } => write!(f, "reading schema {id}"),
        }
    }
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The host's name is unknown.
    Name,
    /// Nobody listens.
    Refused,
    /// No connection came about in time.
    NoConnection {
        /// The time allowed.
        within: Duration,
    },
    /// No agreement on TLS.
    Tls {
        /// What the TLS library says.
        reason: String,
    },
    /// Connected, but the answer did not come in time.
    NoAnswer {
        /// The time allowed.
        within: Duration,
    },
    /// The connection ended before the answer did.
    Closed,
    /// What came is not HTTP.
    NotHttp,
    /// Something else.
    Other {
        /// What the HTTP library says.
        reason: String,
    },
}

impl Trouble {
    /// Whether it may pass by itself. A time-out of the whole has used the time up.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Name | Self::Refused | Self::NoConnection { .. } | Self::Closed)
    }

    fn remedy(&self) -> &'static str {
        match self {
            Self::Name => "check the host in schema_registry.endpoint",
            Self::Refused => "check host and port in schema_registry.endpoint, and that the registry runs",
            Self::NoConnection { .. } => {
                "check host and port in schema_registry.endpoint, and that firewalls let the connection through"
            }
            Self::Tls { .. } => {
                "check that this port speaks https, and that the authority of its certificate is trusted (schema_registry.ca_certificate or SSL_CERT_FILE may name it), and whether it wants a schema_registry.client_certificate"
            }
            Self::NoAnswer { .. } => "check that the registry is healthy and reaches its storage",
            Self::Closed => {
                "check that the registry and any proxy before it are healthy, and whether schema_registry.endpoint should begin with https://"
            }
            Self::NotHttp => {
                "check the port in schema_registry.endpoint, and whether it should begin with https://"
            }
            Self::Other { .. } => "check schema_registry.endpoint, and the registry's log",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("the name of the host cannot be resolved"),
            Self::Refused => f.write_str("the connection was refused"),
            Self::NoConnection { within } => write!(f, "no connection within {within:?}"),
            Self::Tls { reason } => write!(f, "TLS failed ({reason})"),
            Self::NoAnswer { within } => write!(f, "no answer within {within:?}"),
            Self::Closed => f.write_str("the connection was closed before the answer was complete"),
            Self::NotHttp => f.write_str("what came back is not HTTP"),
            Self::Other { reason } => write!(f, "the request failed ({reason})"),
        }
    }
}

fn remedy(doing: &Doing, status: u16, code: Option<i64>, login: Option<&str>) -> String {
    if status == 401 {
        return match login {
            Some(options) => format!("check {options}"),
            None => "it wants a login: set schema_registry.username and schema_registry.password, or schema_registry.bearer_token".to_owned(),
        };
    }
    let remedy = match (status, doing, code) {
        (403, Doing::Register { .. }, _) => {
            "the login lacks rights: allow it to write this subject, or let somebody register the schema who may"
        }
        (403, Doing::Level { .. }, _) => {
            "the login lacks rights: allow it to configure this subject, or remove schema_registry.compatibility"
        }
        (403, ..) => "the login lacks rights: allow it to read the registry",
        (404, Doing::Fetch { .. }, Some(40403)) => "ask the registry that the messages were written with",
        (404 | 405, ..) => "check the path in schema_registry.endpoint: it is the registry's base address",
        (409, ..) => {
            "the subject has versions that the schema is not compatible with: set the subject's compatibility to NONE, or delete the subject"
        }
        (422, _, Some(42205)) => "the registry or the subject is read-only: set its mode to READWRITE",
        (422, ..) => "the registry does not take the schema: see its message",
        (429, ..) => "it is asked too often: try later, or raise its limit",
        (500.., ..) => "the registry itself failed: see its log",
        _ => "see its message, and the registry's log",
    };
    remedy.to_owned()
}

fn said(code: Option<i64>, message: &str) -> String {
    let message = if message.is_empty() { " without a message".to_owned() } else { format!(", {message:?}") };
    match code {
        Some(code) => format!("{message} (error code {code})"),
        None => message,
    }
}

fn through(proxy: Option<&str>) -> String {
    proxy.map_or_else(String::new, |name| format!(", and the proxy that {name} names"))
}

fn tries(attempts: u32) -> String {
    if attempts > 1 { format!(", {attempts} times") } else { String::new() }
}
