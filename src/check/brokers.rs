//! The steps that ask the brokers: names, connections, TLS, login, the brokers themselves, and the topics.
//!
//! TLS and login are librdkafka's, with the settings that the connector's own clients have; which of the two failed, its words
//! tell. Where it says nothing, the step that asks the brokers for themselves has failed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::network::{Address, connect, resolve};
use super::report::{Finding, Report};
use crate::config::{Credentials, Delivery, EndpointConfig, NewTopic, SaslMechanism};
use crate::kafka::{self, BATCH_BYTES, Inspection, Misfit, Node, Operation, TopicFacts, Trouble};

/// Checks the brokers, and these topics there.
pub(super) fn check<W: Write>(
    config: &EndpointConfig,
    topics: &[NewTopic],
    report: &mut Report<W>,
) -> io::Result<()> {
    let progress = NewTopic {
        name: config.advanced.progress_topic.clone(),
        partitions: 1,
        replication_factor: config.topic_replication_factor,
        // What Apply falls back to, where the brokers let no other settings be given.
        config: BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]),
    };
    let mut wanted: Vec<(&NewTopic, For)> = topics.iter().map(|topic| (topic, For::Documents)).collect();
    let transacts = config.advanced.delivery == Delivery::ExactlyOnce;
    if transacts {
        wanted.push((&progress, For::Progress));
    }
    match reach(config, report)? {
        Ok(inspection) => {
            for (wanted, purpose) in wanted {
                topic(config, &inspection, wanted, purpose, report)?;
            }
            if transacts {
                report.add(transactions(kafka::could_transact(config, WITHIN * 2)))?;
            }
        }
        Err(failed) => {
            for (wanted, _) in wanted {
                report.add(Finding::skipped(TOPIC, wanted.name.as_str(), not_checked(failed)))?;
            }
            if transacts {
                report.add(Finding::skipped(TRANSACTIONS, "", not_checked(failed)))?;
            }
        }
    }
    Ok(())
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    Documents,
    /// Only with `exactly_once`.
    Progress,
}

impl For {
    /// What this user must be allowed to do with a topic that is there.
    fn needed(self) -> &'static [Operation] {
        match self {
            Self::Documents => &NEEDED,
            Self::Progress => &NEEDED_OF_PROGRESS,
        }
    }
}

/// Whether transactions can be had: rights on transactional ids, a coordinator, a time-out that the brokers allow.
fn transactions(outcome: Result<(), kafka::Error>) -> Finding {
    match outcome {
        Ok(()) => Finding::ok(
            TRANSACTIONS,
            "",
            "this user may have transactional ids, and the brokers a coordinator",
        ),
        Err(error) => {
            let (reason, remedy) = parts(&error);
            Finding::failed(TRANSACTIONS, "", reason, remedy)
        }
    }
}

/// The steps up to brokers that answer. The error is the name of the step that failed.
fn reach<W: Write>(
    config: &EndpointConfig,
    report: &mut Report<W>,
) -> io::Result<Result<Inspection, &'static str>> {
    let servers = Address::list(&config.bootstrap_servers);
    let resolved = resolve(&servers, WITHIN);
    let one_resolves = resolved.iter().any(Result::is_ok);
    for (server, found) in servers.iter().zip(&resolved) {
        let finding = match found {
            Ok(found) => {
                let mut shown: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
                shown.sort();
                shown.dedup();
                Finding::ok(NAMES, server.to_string(), shown.join(", "))
            }
            Err(reason) => {
                Finding::failed(NAMES, server.to_string(), reason, REMEDY_NAME).weaker_if(one_resolves)
            }
        };
        report.add(finding)?;
    }
    if !one_resolves {
        return skip_after(NAMES, report);
    }

    let reachable: Vec<_> = servers
        .iter()
        .zip(resolved)
        .filter_map(|(server, found)| found.ok().map(|found| (server, found)))
        .collect();
    let (servers, addresses): (Vec<_>, Vec<_>) = reachable.into_iter().unzip();
    let connected = connect(&addresses, WITHIN);
    let one_connects = connected.iter().any(Result::is_ok);
    for (server, connected) in servers.into_iter().zip(&connected) {
        let finding = match connected {
            Ok(address) => Finding::ok(CONNECTION, server.to_string(), format!("connected to {address}")),
            Err((kind, reason)) => {
                let remedy = remedy_of_connection(*kind);
                Finding::failed(CONNECTION, server.to_string(), reason, remedy).weaker_if(one_connects)
            }
        };
        report.add(finding)?;
    }
    if !one_connects {
        return skip_after(CONNECTION, report);
    }
    let is_local = addresses.iter().flatten().all(|address| address.ip().is_loopback());
    answered(config, is_local, report)
}

/// TLS, login, and the brokers' answer: one question to librdkafka. `is_local` where nothing leaves this machine.
fn answered<W: Write>(
    config: &EndpointConfig,
    is_local: bool,
    report: &mut Report<W>,
) -> io::Result<Result<Inspection, &'static str>> {
    let asked = Inspection::new(config, WITHIN * 2)
        .and_then(|inspection| inspection.cluster().map(|facts| (inspection, facts)));
    let (failed, failure) = match &asked {
        Ok(_) => (None, None),
        Err(error) => {
            let (reason, remedy) = parts(error);
            (Some(failed_step(config, error, &reason)), Some((reason, remedy)))
        }
    };
    let mut failure = failure.into_iter();
    let mut over = false;
    for (step, there, well, absent) in [
        (
            TLS,
            config.tls.is_some(),
            "the handshake succeeded, and the certificate is trusted",
            "not configured",
        ),
        (LOGIN, config.credentials.is_some(), "the brokers accept it", "not configured"),
    ] {
        let finding = match failed {
            Some(failed) if failed == step => {
                over = true;
                let (reason, remedy) = failure.next().unwrap_or_default();
                Finding::failed(step, "", reason, remedy)
            }
            Some(failed) if over => Finding::skipped(step, "", not_checked(failed)),
            _ if !there => Finding::skipped(step, "", absent),
            // What comes before the step that failed may have gone well, or was not got to.
            Some(BROKERS) => Finding::skipped(step, "", "it cannot be told, since the brokers do not answer"),
            // A token is got before anybody connects.
            Some(LOGIN) if matches!(asked, Err(kafka::Error::Login(_))) => {
                Finding::skipped(step, "", "not got to, since there is no token to log in with")
            }
            _ if step == LOGIN && !is_local => unencrypted(config).map_or_else(
                || Finding::ok(step, "", well),
                |(what, remedy)| {
                    Finding::failed(step, "", format!("{well}, but {what}"), remedy).into_warning()
                },
            ),
            _ => Finding::ok(step, "", well),
        };
        report.add(finding)?;
    }
    let (inspection, facts) = match asked {
        Ok(asked) => asked,
        Err(_) => {
            let failed = failed.unwrap_or(BROKERS);
            let finding = match failure.next() {
                Some((reason, remedy)) => Finding::failed(BROKERS, "", reason, remedy),
                None => Finding::skipped(BROKERS, "", not_checked(failed)),
            };
            report.add(finding)?;
            report.add(Finding::skipped(ADVERTISED, "", not_checked(failed)))?;
            return Ok(Err(failed));
        }
    };
    let id = facts.id.map_or_else(String::new, |id| format!(", cluster {id}"));
    let count = facts.nodes.len();
    let plural = if count == 1 { "" } else { "s" };
    report.add(Finding::ok(BROKERS, "", format!("{count} broker{plural}{id}")))?;
    if !advertised(&facts.nodes, report)? {
        return Ok(Err(ADVERTISED));
    }
    Ok(Ok(inspection))
}

/// What of a login everybody on the way can read, and what to do.
fn unencrypted(config: &EndpointConfig) -> Option<(&'static str, &'static str)> {
    let what = match &config.credentials {
        _ if config.tls.is_some() => return None,
        Some(Credentials::UserPassword { mechanism: SaslMechanism::Plain, .. }) => {
            "the password goes over the network unencrypted"
        }
        Some(Credentials::OauthClientCredentials { .. } | Credentials::AwsMskIam { .. }) => {
            "the token goes over the network unencrypted"
        }
        // SCRAM proves the password without telling it.
        Some(Credentials::UserPassword { .. }) | None => return None,
    };
    Some((
        what,
        "set tls to \"system_certificates\", and bootstrap_servers to a listener with TLS (SASL_SSL)",
    ))
}

/// Whether the addresses that the brokers tell their clients can be reached: a producer sends to these.
fn advertised<W: Write>(nodes: &[Node], report: &mut Report<W>) -> io::Result<bool> {
    let address = |node: &Node| Address { host: node.host.clone(), port: node.port };
    let addresses: Vec<_> = nodes.iter().map(address).collect();
    let resolved = resolve(&addresses, WITHIN);
    let targets: Vec<_> = resolved.iter().map(|found| found.clone().unwrap_or_default()).collect();
    let mut all = true;
    for ((node, resolved), connected) in nodes.iter().zip(resolved).zip(connect(&targets, WITHIN)) {
        let subject = format!("broker {} at {}", node.id, address(node));
        let finding = match (resolved, connected) {
            (Ok(_), Ok(to)) => Finding::ok(ADVERTISED, subject, format!("connected to {to}")),
            (Err(reason), _) | (Ok(_), Err((_, reason))) => {
                Finding::failed(ADVERTISED, subject, reason, REMEDY_ADVERTISED)
            }
        };
        all &= report.add(finding)?;
    }
    Ok(all)
}

/// Whether a topic is there, or could be made, what this user may do with it, whether it is as the configuration has it, and
/// how large its batches may be.
fn topic<W: Write>(
    config: &EndpointConfig,
    inspection: &Inspection,
    wanted: &NewTopic,
    purpose: For,
    report: &mut Report<W>,
) -> io::Result<()> {
    let topic = wanted.name.as_str();
    let needed = purpose.needed();
    let of_error = |check, error: &kafka::Error| {
        let (reason, remedy) = parts(error);
        Finding::failed(check, topic, reason, remedy)
    };
    let found = match inspection.topic(topic) {
        Ok(found) => found,
        Err(error) => {
            report.add(of_error(TOPIC, &error))?;
            return Ok(());
        }
    };
    let facts = match found {
        Ok(facts) => facts,
        Err(Trouble::Other(reason, remedy)) => {
            report.add(Finding::failed(TOPIC, topic, reason, remedy))?;
            return Ok(());
        }
        Err(trouble @ (Trouble::Missing | Trouble::Hidden)) => {
            let finding = match inspection.could_create(wanted) {
                Ok(()) => {
                    let (partitions, replicas) = (wanted.partitions, wanted.replication_factor);
                    let plural = if partitions == 1 { "" } else { "s" };
                    let replicas = if replicas < 0 {
                        "the brokers' number of replicas".to_owned()
                    } else {
                        format!("replication factor {replicas}")
                    };
                    Finding::ok(
                        TOPIC,
                        topic,
                        format!("Apply can create it, with {partitions} partition{plural} and {replicas}"),
                    )
                }
                Err(error) if trouble == Trouble::Hidden => {
                    let (reason, _) = parts(&error);
                    let reason = format!(
                        "this user may not see whether it is there, and could not create it ({reason})"
                    );
                    Finding::failed(TOPIC, topic, reason, remedy_of_rights(needed))
                }
                Err(error) => of_error(TOPIC, &error),
            };
            report.add(finding)?;
            report.add(Finding::skipped(RIGHTS, topic, "told once it exists"))?;
            if purpose == For::Documents
                && let Some(misfit) = kafka::misfits_of_missing(config, wanted)
            {
                report.add(of_misfit(topic, &misfit))?;
            }
            return Ok(());
        }
    };
    let TopicFacts { partitions, replicas, operations } = facts;
    let plural = if partitions == 1 { "" } else { "s" };
    report.add(Finding::ok(TOPIC, topic, format!("it has {partitions} partition{plural}")))?;
    report.add(rights(topic, needed, operations.as_deref()))?;
    let settings = inspection.settings(topic);
    // A topic whose settings the user may not see has none.
    let told = settings.as_ref().ok().filter(|settings| !settings.is_empty());
    let misfits = match (purpose, told) {
        (For::Documents, Some(settings)) => kafka::misfits(config, wanted, replicas, settings),
        (For::Progress, Some(settings)) => kafka::beyond_replicas(replicas, settings).into_iter().collect(),
        (_, None) => Vec::new(),
    };
    for misfit in &misfits {
        report.add(of_misfit(topic, misfit))?;
    }
    if purpose == For::Progress {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let policy = told.and_then(|settings| settings.get("cleanup.policy")).map(String::as_str);
        report.add(match kafka::check_progress_topic(topic, partitions, policy) {
            Ok(()) if policy.is_some() => Finding::ok(PROGRESS, topic, "one partition, compacted alone"),
            Ok(()) => {
                Finding::ok(PROGRESS, topic, "one partition; the brokers do not tell its cleanup.policy")
            }
            Err(error) => of_error(PROGRESS, &error),
        })?;
    }
    if misfits.iter().all(|misfit| step_of(misfit) != LIMIT) {
        report.add(limit(topic, settings.map(|mut settings| settings.remove("max.message.bytes"))))?;
    }
    Ok(())
}

/// What does not fit, as Validate has it: refused, or a warning.
fn of_misfit(topic: &str, misfit: &Misfit) -> Finding {
    let finding = Finding::failed(step_of(misfit), topic, misfit.reason(), misfit.remedy());
    if matches!(misfit, Misfit::Refused(_)) { finding } else { finding.into_warning() }
}

fn step_of(misfit: &Misfit) -> &'static str {
    match misfit {
        Misfit::InSync { .. } => IN_SYNC,
        Misfit::AboveDefault { .. } | Misfit::Refused(kafka::Error::BatchSize { .. }) => LIMIT,
        Misfit::Differs { .. } | Misfit::Refused(_) => SETTINGS,
    }
}

fn rights(topic: &str, needed: &[Operation], allowed: Option<&[Operation]>) -> Finding {
    let names = |operations: &[Operation]| {
        operations.iter().map(|operation| operation.as_str()).collect::<Vec<_>>().join(", ")
    };
    let Some(allowed) = allowed else {
        return Finding::skipped(RIGHTS, topic, "the brokers do not tell what this user may do");
    };
    let missing: Vec<_> = needed.iter().copied().filter(|needed| !allowed.contains(needed)).collect();
    if missing.is_empty() {
        return Finding::ok(RIGHTS, topic, format!("this user may {}", names(needed)));
    }
    let remedy = remedy_of_rights(&missing);
    Finding::failed(RIGHTS, topic, format!("this user lacks {}", names(&missing)), remedy)
}

fn limit(topic: &str, setting: Result<Option<String>, kafka::Error>) -> Finding {
    let bytes = match setting {
        Ok(Some(text)) => text.parse::<usize>().ok(),
        Ok(None) => None,
        Err(error) => {
            let (reason, _) = parts(&error);
            return Finding::failed(LIMIT, topic, reason, REMEDY_LIMIT).into_warning();
        }
    };
    match bytes {
        Some(bytes) if bytes < BATCH_BYTES => Finding::failed(
            LIMIT,
            topic,
            format!("{bytes} bytes: batches are made to fit, a larger message is refused"),
            "raise max.message.bytes of the topic if its documents may be that large",
        )
        .into_warning(),
        Some(bytes) => Finding::ok(LIMIT, topic, format!("{bytes} bytes")),
        None => Finding::failed(LIMIT, topic, "the brokers do not tell it", REMEDY_LIMIT).into_warning(),
    }
}

/// Which step an error is about: by its kind, else by librdkafka's words.
fn failed_step(config: &EndpointConfig, error: &kafka::Error, reason: &str) -> &'static str {
    match error {
        kafka::Error::Login(_) => return LOGIN,
        // Before anybody is asked, certificates and keys are read.
        kafka::Error::Client { reason } if config.tls.is_some() && is_about_tls(reason) => return TLS,
        kafka::Error::Client { .. } => return BROKERS,
        _ => {}
    }
    // Its addresses have the protocol in small letters.
    if config.credentials.is_some() && (reason.contains("SASL") || reason.contains("OAUTHBEARER")) {
        LOGIN
    } else if config.tls.is_some() && reason.contains("SSL") {
        TLS
    } else {
        BROKERS
    }
}

/// Whether a setting of librdkafka's that is about TLS was refused, or what OpenSSL makes of certificates and keys.
fn is_about_tls(reason: &str) -> bool {
    reason.contains("ssl.") || reason.contains("SSL") || reason.contains("tls_certificates")
}

/// What came, and what to do.
fn parts(error: &kafka::Error) -> (String, String) {
    match error {
        kafka::Error::Unreachable { reason, remedy, .. }
        | kafka::Error::Create { reason, remedy, .. }
        | kafka::Error::Transaction { reason, remedy, .. }
        | kafka::Error::Progress { reason, remedy, .. } => (reason.clone(), (*remedy).to_owned()),
        other => {
            let text = other.to_string();
            let (reason, remedy) = text.rsplit_once("; ").unwrap_or((&text, ""));
            (reason.to_owned(), remedy.to_owned())
        }
    }
}

fn skip_after<W: Write>(
    failed: &'static str,
    report: &mut Report<W>,
) -> io::Result<Result<Inspection, &'static str>> {
    for step in STEPS.into_iter().skip_while(|step| *step != failed).skip(1) {
        report.add(Finding::skipped(step, "", not_checked(failed)))?;
    }
    Ok(Err(failed))
}

fn not_checked(failed: &str) -> String {
    format!("not checked, since this failed: {failed}")
}

fn remedy_of_connection(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ConnectionRefused => {
            "nobody listens there: check host and port in bootstrap_servers, and that the broker runs"
        }
        ErrorKind::TimedOut => "check host and port in bootstrap_servers, firewalls and routes",
        _ => "check host and port in bootstrap_servers, and the network of this machine",
    }
}

fn remedy_of_rights(operations: &[Operation]) -> String {
    let names = operations.iter().map(|operation| operation.as_str()).collect::<Vec<_>>().join(", ");
    format!(
        "allow this user {names} on the topic (kafka-acls.sh --add --allow-principal User:... --operation ...)"
    )
}

impl Finding {
    fn weaker_if(self, weaker: bool) -> Self {
        if weaker { self.into_warning() } else { self }
    }
}

/// The steps up to brokers that answer, in their order.
pub(super) const STEPS: [&str; 6] = [NAMES, CONNECTION, TLS, LOGIN, BROKERS, ADVERTISED];

const NAMES: &str = "name resolution";
const CONNECTION: &str = "connection";
const TLS: &str = "TLS";
const LOGIN: &str = "login";
const BROKERS: &str = "brokers";
const ADVERTISED: &str = "advertised addresses";
const TOPIC: &str = "topic";
const RIGHTS: &str = "rights";
const TRANSACTIONS: &str = "transactions";
const IN_SYNC: &str = "min.insync.replicas";
const LIMIT: &str = "max.message.bytes";
const SETTINGS: &str = "topic_config";
const PROGRESS: &str = "progress topic";

/// How long names, connections and answers may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What the connector does with a topic that is there. Messages are written, never read.
const NEEDED: [Operation; 2] = [Operation::Describe, Operation::Write];
/// The progress topic is read as well, and its settings are checked.
const NEEDED_OF_PROGRESS: [Operation; 4] =
    [Operation::Describe, Operation::Read, Operation::Write, Operation::DescribeConfigs];

const REMEDY_NAME: &str = "check the host name in bootstrap_servers, and that it resolves from here";
const REMEDY_LIMIT: &str = "allow this user DescribeConfigs on the topic, so that batches are made to fit a limit below the brokers' \
                            default";
const REMEDY_ADVERTISED: &str = "this is the address that the broker tells its clients: set its advertised.listeners to one that is \
                                 reached from here, or make the name and the route known here";

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;
    use crate::login;

    fn config(more: &str) -> EndpointConfig {
        let json = format!(r#"{{"bootstrap_servers":"b:9092","message_format":"JSON"{more}}}"#);
        EndpointConfig::parse(json.as_bytes()).unwrap()
    }

    fn login(mechanism: &str) -> String {
        format!(
            r#","credentials":{{"auth_type":"user_password","mechanism":"{mechanism}","username":"u","password":"p"}}"#
        )
    }

    #[test]
    fn the_step_that_failed_is_told_by_the_error_and_librdkafkas_words() {
        let both = config(&format!(r#"{},"tls":"system_certificates""#, login("PLAIN")));
        let rows = [
            ("sasl_ssl://b:9092/bootstrap: SASL authentication error: Authentication failed", LOGIN),
            (
                "sasl_ssl://b:9092/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed",
                TLS,
            ),
            ("sasl_ssl://b:9092/bootstrap: Disconnected", BROKERS),
        ];
        for (reason, step) in rows {
            let error = kafka::Error::Unreachable {
                doing: String::new(),
                brokers: String::new(),
                reason: reason.to_owned(),
                remedy: "",
            };
            assert_eq!(failed_step(&both, &error, reason), step, "{reason}");
            assert_eq!(failed_step(&config(""), &error, reason), BROKERS, "nothing else is configured");
        }
        for (reason, step) in [
            (
                "ssl.certificate.pem failed: not in PEM format?; check tls_certificates.client_certificate",
                TLS,
            ),
            ("Private key check failed; check that tls_certificates.client_key is the key", TLS),
            (
                "setting nonsense was refused: No such configuration property; see advanced.client_properties",
                BROKERS,
            ),
        ] {
            let error = kafka::Error::Client { reason: reason.to_owned() };
            let (told, remedy) = parts(&error);
            assert_eq!(failed_step(&both, &error, &told), step, "{reason}");
            assert_eq!(format!("{told}; {remedy}"), error.to_string());
            assert!(remedy.starts_with("check ") || remedy.starts_with("see "), "{remedy}");
        }
        let endpoint = "https://login.example/token".to_owned();
        let error =
            kafka::Error::Login(login::Error::Unreachable { endpoint, reason: "timed out".to_owned() });
        let (told, remedy) = parts(&error);
        assert_eq!(failed_step(&both, &error, &told), LOGIN);
        assert_eq!(remedy, "check credentials.token_endpoint, and that it can be reached from here");
    }

    #[test]
    fn a_password_that_everybody_can_read_is_told() {
        let tls = r#","tls":"system_certificates""#;
        assert!(unencrypted(&config(&login("PLAIN"))).unwrap().0.starts_with("the password"));
        assert_eq!(unencrypted(&config(&format!("{}{tls}", login("PLAIN")))), None);
        assert_eq!(unencrypted(&config(&login("SCRAM-SHA-256"))), None);
        assert_eq!(unencrypted(&config("")), None);
        let oauth = r#","credentials":{"auth_type":"oauth_client_credentials","client_id":"c","client_secret":"s",
            "token_endpoint":"https://login.example/token"}"#;
        assert!(unencrypted(&config(oauth)).unwrap().0.starts_with("the token"));
    }

    #[test]
    fn rights_that_are_missing_are_named() {
        use Operation::{Describe, DescribeConfigs, Read, Write};
        let finding = rights("t", &NEEDED, Some(&[Describe, Read]));
        assert_eq!((finding.status, &finding.result[..]), (Status::Failed, "this user lacks Write"));
        assert!(finding.remedy.unwrap().starts_with("allow this user Write on the topic"));
        assert_eq!(rights("t", &NEEDED, Some(&[Write, Describe])).status, Status::Ok);
        assert_eq!(
            rights("t", &NEEDED_OF_PROGRESS, Some(&[Write, Describe])).result,
            "this user lacks Read, DescribeConfigs"
        );
        assert_eq!(
            rights("t", &NEEDED_OF_PROGRESS, Some(&[Read, Write, Describe, DescribeConfigs])).status,
            Status::Ok
        );
        assert_eq!(rights("t", &NEEDED, None).status, Status::Skipped);
    }

    #[test]
    fn what_does_not_fit_fails_where_validate_refuses_it() {
        let of = |misfit: &Misfit| {
            let finding = of_misfit("t", misfit);
            assert!(finding.remedy.is_some());
            (finding.check, finding.status)
        };
        let text = str::to_owned;
        let topic = text("t");
        assert_eq!(of(&Misfit::InSync { min: text("2"), replicas: 1 }), (IN_SYNC, Status::Warning));
        let (property, present, configured) = (text("cleanup.policy"), text("delete"), text("compact"));
        assert_eq!(of(&Misfit::Differs { property, present, configured }), (SETTINGS, Status::Warning));
        assert_eq!(of(&Misfit::AboveDefault { batch: 2_000_000 }), (LIMIT, Status::Warning));
        let property = text("nonsense");
        let unknown = kafka::Error::TopicProperty { topic: topic.clone(), property };
        assert_eq!(of(&Misfit::Refused(unknown)), (SETTINGS, Status::Failed));
        let large = kafka::Error::BatchSize { topic, batch: 2, limit: 1 };
        assert_eq!(of(&Misfit::Refused(large)), (LIMIT, Status::Failed));
    }

    #[test]
    fn a_small_limit_deserves_a_look() {
        let of = |text: &str| limit("t", Ok(Some(text.to_owned())));
        assert_eq!(of("1048588").status, Status::Ok);
        assert_eq!(of("100000").status, Status::Warning);
        assert_eq!(limit("t", Ok(None)).status, Status::Warning);
    }
}
