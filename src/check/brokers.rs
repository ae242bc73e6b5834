//! The steps that ask the brokers: names, connections, TLS, login, the brokers themselves, and the topics.
//!
//! TLS and login are librdkafka's, with the settings that the connector's own clients have; which of the two failed, its words
//! tell. Where it says nothing, the step that asks the brokers for themselves has failed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use super::network::{Address, connect, resolve};
use super::report::{Finding, Report};
use crate::config::{Delivery, EndpointConfig, NewTopic};
use crate::kafka::{self, BATCH_BYTES, Inspection, Node, Operation, TopicFacts, Trouble};

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
    let mut wanted: Vec<(&NewTopic, &[Operation])> =
        topics.iter().map(|topic| (topic, &NEEDED[..])).collect();
    let transacts = config.advanced.delivery == Delivery::ExactlyOnce;
    if transacts {
        wanted.push((&progress, &NEEDED_OF_PROGRESS));
    }
    match reach(config, report)? {
        Ok(inspection) => {
            for (wanted, needed) in wanted {
                topic(&inspection, wanted, needed, report)?;
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
    answered(config, report)
}

/// TLS, login, and the brokers' answer: one question to librdkafka.
fn answered<W: Write>(
    config: &EndpointConfig,
    report: &mut Report<W>,
) -> io::Result<Result<Inspection, &'static str>> {
    let asked = Inspection::new(config, WITHIN * 2)
        .and_then(|inspection| inspection.cluster().map(|facts| (inspection, facts)));
    let (failed, failure) = match &asked {
        Ok(_) => (None, None),
        Err(error) => {
            let (reason, remedy) = parts(error);
            let step = failed_step(config, &reason);
            (Some(step), Some((reason, remedy)))
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

/// Whether a topic is there, or could be made, what this user may do with it, and how large its batches may be.
fn topic<W: Write>(
    inspection: &Inspection,
    wanted: &NewTopic,
    needed: &[Operation],
    report: &mut Report<W>,
) -> io::Result<()> {
    let topic = wanted.name.as_str();
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
            return Ok(());
        }
    };
    let TopicFacts { partitions, replicas, operations } = facts;
    let plural = if partitions == 1 { "" } else { "s" };
    report.add(Finding::ok(TOPIC, topic, format!("it has {partitions} partition{plural}")))?;
    report.add(rights(topic, needed, operations.as_deref()))?;
    let settings = inspection.settings(topic);
    if let Ok(settings) = &settings
        && let Some(finding) = in_sync(topic, settings.get("min.insync.replicas"), replicas)
    {
        report.add(finding)?;
    }
    report.add(limit(topic, settings.map(|mut settings| settings.remove("max.message.bytes"))))?;
    Ok(())
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

/// A warning, where a topic wants more replicas in sync than it has.
fn in_sync(topic: &str, min_in_sync: Option<&String>, replicas: i32) -> Option<Finding> {
    let min = min_in_sync.filter(|min| kafka::is_beyond(min, replicas))?;
    let result = format!("{min} of {replicas}: {}", kafka::BEYOND_REPLICAS);
    let remedy = "lower min.insync.replicas of the topic, or give it more replicas";
    Some(Finding::failed(IN_SYNC, topic, result, remedy).into_warning())
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

/// Which step librdkafka's words are about.
fn failed_step(config: &EndpointConfig, reason: &str) -> &'static str {
    // Its addresses have the protocol in small letters.
    if config.credentials.is_some() && (reason.contains("SASL") || reason.contains("OAUTHBEARER")) {
        LOGIN
    } else if config.tls.is_some() && reason.contains("SSL") {
        TLS
    } else {
        BROKERS
    }
}

/// What came, and what to do.
fn parts(error: &kafka::Error) -> (String, String) {
    match error {
        kafka::Error::Unreachable { reason, remedy, .. }
        | kafka::Error::Create { reason, remedy, .. }
        | kafka::Error::Transaction { reason, remedy, .. } => (reason.clone(), (*remedy).to_owned()),
        other => (other.to_string(), String::new()),
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

    fn config(more: &str) -> EndpointConfig {
        let json = format!(r#"{{"bootstrap_servers":"b:9092","message_format":"JSON"{more}}}"#);
        EndpointConfig::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn the_step_that_failed_is_told_by_librdkafkas_words() {
        let login = r#","credentials":{"auth_type":"user_password","mechanism":"PLAIN","username":"u","password":"p"}"#;
        let both = config(&format!(r#"{login},"tls":"system_certificates""#));
        let rows = [
            ("sasl_ssl://b:9092/bootstrap: SASL authentication error: Authentication failed", LOGIN),
            (
                "sasl_ssl://b:9092/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed",
                TLS,
            ),
            ("sasl_ssl://b:9092/bootstrap: Disconnected", BROKERS),
        ];
        for (reason, step) in rows {
            assert_eq!(failed_step(&both, reason), step, "{reason}");
            assert_eq!(failed_step(&config(""), reason), BROKERS, "nothing else is configured");
        }
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
    fn more_replicas_in_sync_than_there_are_deserve_a_look() {
        let found = in_sync("t", Some(&"2".to_owned()), 1).unwrap();
        assert_eq!(found.status, Status::Warning);
        assert!(
            found.result.starts_with("2 of 1: min.insync.replicas of the topic is more than it has replicas")
        );
        assert_eq!(in_sync("t", Some(&"2".to_owned()), 2), None);
        assert_eq!(in_sync("t", None, 1), None);
    }

    #[test]
    fn a_small_limit_deserves_a_look() {
        let of = |text: &str| limit("t", Ok(Some(text.to_owned())));
        assert_eq!(of("1048588").status, Status::Ok);
        assert_eq!(of("100000").status, Status::Warning);
        assert_eq!(limit("t", Ok(None)).status, Status::Warning);
    }
}
