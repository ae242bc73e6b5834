//! Where the real Kafka and the real registry are, for the suites that want them.
//!
//! `tests/services/with-kafka COMMAND` starts both and says where in the environment variables
//! `TEST_KAFKA...`, `TEST_REGISTRY...` (tests/services/README.md lists them). A test asks for what it needs
//! and returns when it is not there, having printed how to run it:
//!
//! ```ignore
//! let Some(kafka) = services::kafka() else { return };
//! ```
//!
//! Where `TEST_SERVICES_REQUIRED` is set, as `with-kafka` does, a missing variable is a failure: a suite
//! that CI starts servers for cannot be skipped by mistake.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

/// The one broker, by its listeners; every address is `host:port`.
///
/// Over [`plaintext`](Self::plaintext) everybody may do everything; [`user`](Self::user) may as well,
/// [`limited`](Self::limited) may do nothing until an ACL says so.
#[derive(Debug, Clone)]
pub struct Kafka {
    pub plaintext: String,
    pub sasl_plaintext: String,
    pub sasl_ssl: String,
    pub ssl: String,
    /// TLS with a client certificate that the broker insists on.
    pub mtls: String,
    /// SASL over such TLS.
    pub sasl_mtls: String,
    /// SASL OAUTHBEARER over TLS, with tokens that nobody signed.
    pub oauth: String,
    pub user: Login,
    pub limited: Login,
    /// The authority that signed the broker's certificate (for localhost and 127.0.0.1): PEM.
    pub ca: PathBuf,
    /// An authority that signed nothing here.
    pub other_ca: PathBuf,
    pub client_certificate: PathBuf,
    pub client_key: PathBuf,
    /// The same key, encrypted with the password.
    pub client_key_encrypted: PathBuf,
    pub client_key_password: String,
    /// A client of the other authority.
    pub other_client_certificate: PathBuf,
    pub other_client_key: PathBuf,
    /// Where `tests/services/kafka` keeps it: logs, certificates.
    pub dir: PathBuf,
}

/// A schema registry with basic authentication.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The base address; it has a path.
    pub url: String,
    pub login: Login,
}

/// A user and the password.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// The broker, or `None` after a line that says how to have one.
pub fn kafka() -> Option<Kafka> {
    there_or_skipped(Kafka::from(&environment), required())
}

/// The registry, or `None` after a line that says how to have one.
pub fn registry() -> Option<Registry> {
    there_or_skipped(Registry::from(&environment), required())
}

/// Whether servers were started for the tests, so that nothing may be skipped.
pub fn required() -> bool {
    env::var_os(REQUIRED).is_some()
}

/// A cluster of a test's own, whose nodes it may stop, kill and start; it ends with this value.
#[derive(Debug)]
pub struct Cluster {
    dir: tempfile::TempDir,
    facts: Vec<(String, String)>,
}

impl Cluster {
    /// Starts `nodes` (1 or 3) brokers with further options of `tests/services/kafka up`, or prints why not
    /// where no servers are asked for at all. Three nodes take some 10 s and 1.5 GB.
    pub fn start(nodes: u8, options: &[&str]) -> Option<Self> {
        kafka()?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut cluster = Self { dir, facts: Vec::new() };
        let nodes = nodes.to_string();
        let mut arguments = vec!["up", "--nodes", &nodes];
        arguments.extend_from_slice(options);
        cluster.facts = cluster
            .run(&arguments)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(cluster)
    }

    /// A line of what `up` printed: `bootstrap.servers`, `bootstrap.servers.sasl_ssl`, `ca`...
    pub fn fact(&self, name: &str) -> &str {
        let fact = self.facts.iter().find(|(fact, _)| fact == name);
        assert!(fact.is_some(), "`kafka up` did not print {name}=: {:?}", self.facts);
        fact.map_or("", |(_, value)| value)
    }

    /// All nodes' addresses, comma-separated: the listener without TLS or SASL.
    pub fn bootstrap_servers(&self) -> &str {
        self.fact("bootstrap.servers")
    }

    /// SIGKILL: the broker is gone, as with its machine.
    pub fn kill(&self, node: u8) {
        self.run(&["kill", &node.to_string()]);
    }

    /// SIGSTOP: the connections stay, nothing answers.
    pub fn stop(&self, node: u8) {
        self.run(&["stop", &node.to_string()]);
    }

    /// SIGCONT after [`stop`](Self::stop).
    pub fn cont(&self, node: u8) {
        self.run(&["cont", &node.to_string()]);
    }

    /// Starts a killed node with its data and waits until it sees the others.
    pub fn restart(&self, node: u8) {
        self.run(&["start", &node.to_string()]);
    }

    /// As [`cont`](Self::cont), where the node may not be there: says whether it is.
    pub fn try_cont(&self, node: u8) -> bool {
        self.script(&["cont", &node.to_string()]).is_ok_and(|output| output.status.success())
    }

    /// As [`restart`](Self::restart), where the node may run already: says whether it did not.
    pub fn try_restart(&self, node: u8) -> bool {
        self.script(&["start", &node.to_string()]).is_ok_and(|output| output.status.success())
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.script(arguments).expect("tests/services/kafka can be run");
        assert!(
            output.status.success(),
            "kafka {}: {}\n{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
        );
        String::from_utf8(output.stdout).expect("what tests/services/kafka prints is UTF-8")
    }

    fn script(&self, arguments: &[&str]) -> io::Result<Output> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/kafka");
        Command::new(script).args(arguments).arg("--dir").arg(self.dir.path().join("cluster")).output()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Also when `up` failed half-way; the folder itself goes with `TempDir`. Errors have no reader here.
        let _ = self.script(&["down"]);
    }
}

impl Kafka {
    pub fn from(variable: &dyn Fn(&str) -> Result<String, Missing>) -> Result<Self, Missing> {
        Ok(Self {
            plaintext: variable("TEST_KAFKA")?,
            sasl_plaintext: variable("TEST_KAFKA_SASL_PLAINTEXT")?,
            sasl_ssl: variable("TEST_KAFKA_SASL_SSL")?,
            ssl: variable("TEST_KAFKA_SSL")?,
            mtls: variable("TEST_KAFKA_MTLS")?,
            sasl_mtls: variable("TEST_KAFKA_SASL_MTLS")?,
            oauth: variable("TEST_KAFKA_OAUTH")?,
            user: Login { user: variable("TEST_KAFKA_USER")?, password: variable("TEST_KAFKA_PASSWORD")? },
            limited: Login {
                user: variable("TEST_KAFKA_LIMITED_USER")?,
                password: variable("TEST_KAFKA_LIMITED_PASSWORD")?,
            },
            ca: variable("TEST_KAFKA_CA")?.into(),
            other_ca: variable("TEST_KAFKA_OTHER_CA")?.into(),
            client_certificate: variable("TEST_KAFKA_CLIENT_CERTIFICATE")?.into(),
            client_key: variable("TEST_KAFKA_CLIENT_KEY")?.into(),
            client_key_encrypted: variable("TEST_KAFKA_CLIENT_KEY_ENCRYPTED")?.into(),
            client_key_password: variable("TEST_KAFKA_CLIENT_KEY_PASSWORD")?,
            other_client_certificate: variable("TEST_KAFKA_OTHER_CLIENT_CERTIFICATE")?.into(),
            other_client_key: variable("TEST_KAFKA_OTHER_CLIENT_KEY")?.into(),
            dir: variable("TEST_KAFKA_DIR")?.into(),
        })
    }
}

impl Registry {
    pub fn from(variable: &dyn Fn(&str) -> Result<String, Missing>) -> Result<Self, Missing> {
        Ok(Self {
            url: variable("TEST_REGISTRY")?,
            login: Login {
                user: variable("TEST_REGISTRY_USER")?,
                password: variable("TEST_REGISTRY_PASSWORD")?,
            },
        })
    }
}

/// The variable that is not set.
#[derive(Debug, PartialEq)]
pub struct Missing(pub String);

fn environment(name: &str) -> Result<String, Missing> {
    env::var(name).map_err(|_| Missing(name.to_owned()))
}

/// What was asked for; where it is missing, `None` after a line that says so.
///
/// # Panics
///
/// When it is `required` and missing.
pub fn there_or_skipped<T>(service: Result<T, Missing>, required: bool) -> Option<T> {
    match service {
        Ok(service) => Some(service),
        Err(Missing(name)) => {
            assert!(!required, "{REQUIRED} is set, but {name} is not");
            // To stderr itself: what `eprintln!` says in a test that passes is never shown.
            let test = thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(
                io::stderr(),
                "skipped: set {name} (tests/services/with-kafka cargo test) to run {test}"
            );
            None
        }
    }
}

const REQUIRED: &str = "TEST_SERVICES_REQUIRED";
