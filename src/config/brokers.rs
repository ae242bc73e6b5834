//! The list of bootstrap servers.
//!
//! librdkafka stops reading its list at the first entry it does not understand, with one line in the log,
//! and then knows fewer brokers, or none and waits. So each entry is checked here, by librdkafka's own
//! grammar: `[PROTOCOL://]host[:port]`, where the port defaults to 9092.

use super::error::Error;
use super::members::Members;

/// The list `text` of the member `name`, without blanks; `protocol` is what `tls` and `credentials` make of
/// `security.protocol`.
pub(super) fn read(
    root: &Members<'_>,
    name: &str,
    text: &str,
    protocol: &'static str,
) -> Result<String, Error> {
    let mut servers = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let server = server(entry, protocol).map_err(|reason| {
            // What stands before an @ may be a login; an entry may be a part of a secret that has a comma.
            let hidden = entry.contains('@') || root.has_secret(text);
            root.invalid(name, if hidden { "***" } else { entry }, reason)
        })?;
        servers.push(server);
    }
    if servers.is_empty() {
        return Err(root.missing(name, REMEDY));
    }
    Ok(servers.join(","))
}

/// One entry without its protocol, or why it cannot be used.
fn server<'a>(entry: &'a str, protocol: &'static str) -> Result<&'a str, String> {
    let address = match entry.split_once("://") {
        None => entry,
        Some((prefix, rest)) => {
            check_protocol(prefix, protocol)?;
            // librdkafka drops a path behind such a prefix.
            rest.split('/').next().unwrap_or(rest)
        }
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) if rest.starts_with(':') => (host, Some(&rest[1..])),
            _ => return Err("an IPv6 address needs the form [address]:port".to_owned()),
        },
        None => match address.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err("expected host:port; an IPv6 address needs the form [address]:port".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    if host.is_empty() {
        return Err("expected host:port, the host is empty".to_owned());
    }
    if let Some(wrong) =
        host.chars().find(|c| c.is_whitespace() || c.is_control() || "/@\\?#\"'[]".contains(*c))
    {
        return Err(format!("expected host:port, {wrong:?} cannot be in a host's name"));
    }
    match port {
        Some(port) if !is_port(port) => Err("expected host:port with a port of 1 to 65535".to_owned()),
        _ => Ok(address),
    }
}

fn check_protocol(prefix: &str, protocol: &str) -> Result<(), String> {
    if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
        .iter()
        .any(|known| prefix.eq_ignore_ascii_case(known))
    {
        return Err("expected host:port, without the protocol".to_owned());
    }
    if !prefix.eq_ignore_ascii_case(protocol) {
        return Err(format!(
            "the protocol does not fit tls and credentials, which make it {protocol}; give host:port alone, \
             and say by tls and credentials how to connect"
        ));
    }
    Ok(())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// What to do where there are none.
pub(super) const REMEDY: &str = "give the brokers' addresses, such as broker1:9092,broker2:9092";
