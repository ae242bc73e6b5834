//! Names and connections, as far as the system's own calls show them.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A server's host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// The addresses of `bootstrap_servers`, whose grammar the configuration has checked.
    pub(super) fn list(servers: &str) -> Vec<Self> {
        servers.split(',').filter(|server| !server.is_empty()).map(Self::parse).collect()
    }

    fn parse(server: &str) -> Self {
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(USUAL_PORT)),
            _ => (server, USUAL_PORT),
        };
        Self { host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// What each address resolves to, or why it does not; in their order.
pub(super) fn resolve(addresses: &[Address], within: Duration) -> Vec<Result<Vec<SocketAddr>, String>> {
    in_parallel(addresses, within, |address| {
        let found = (address.host.as_str(), address.port).to_socket_addrs().map_err(|e| e.to_string())?;
        let found: Vec<_> = found.collect();
        if found.is_empty() { Err("the name has no addresses".to_owned()) } else { Ok(found) }
    })
}

/// Connects to one of the addresses that each server has, and hangs up. Gives the one that was connected to.
pub(super) fn connect(
    servers: &[Vec<SocketAddr>],
    within: Duration,
) -> Vec<Result<SocketAddr, (io::ErrorKind, String)>> {
    let connected = in_parallel(servers, within * 3, move |addresses| {
        let mut last = None;
        for address in addresses.iter().take(TRIED) {
            match TcpStream::connect_timeout(address, within) {
                Ok(_) => return Ok(Ok(*address)),
                Err(error) => last = Some((error.kind(), format!("connecting to {address}: {error}"))),
            }
        }
        Ok(Err(last.unwrap_or((io::ErrorKind::AddrNotAvailable, "it has no addresses".to_owned()))))
    });
    connected
        .into_iter()
        .map(|result| result.unwrap_or_else(|reason| Err((io::ErrorKind::TimedOut, reason))))
        .collect()
}

/// Does `work` for each item on a thread of its own, and waits no longer than `within` for all: the resolver can
/// neither be bounded nor stopped, so a thread that is late is left to itself.
fn in_parallel<T: Clone + Send + 'static, R: Send + 'static>(
    items: &[T],
    within: Duration,
    work: impl Fn(&T) -> Result<R, String> + Clone + Send + 'static,
) -> Vec<Result<R, String>> {
    let (sender, results) = mpsc::channel();
    let mut found: Vec<Option<Result<R, String>>> = items.iter().map(|_| None).collect();
    let mut due = 0;
    for (index, item) in items.iter().enumerate() {
        let (sender, item, work) = (sender.clone(), item.clone(), work.clone());
        let run = move || {
            // Nobody waits any more for one that is late.
            let _late = sender.send((index, work(&item)));
        };
        match thread::Builder::new().name("network".to_owned()).spawn(run) {
            Ok(_) => due += 1,
            Err(error) => found[index] = Some(Err(format!("starting a thread: {error}"))),
        }
    }
    let deadline = std::time::Instant::now() + within;
    while due > 0 {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let Ok((index, result)) = results.recv_timeout(left) else { break };
        found[index] = Some(result);
        due -= 1;
    }
    let late = || Err(format!("no answer within {} s", within.as_secs()));
    found.into_iter().map(|result| result.unwrap_or_else(late)).collect()
}

/// The port of an address that names none, as librdkafka has it.
const USUAL_PORT: u16 = 9092;
/// Addresses of one server that are tried.
const TRIED: usize = 3;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn addresses_are_read_as_librdkafka_reads_them() {
        let shown = |servers: &str| Address::list(servers).iter().map(Address::to_string).collect::<Vec<_>>();
        assert_eq!(
            shown("a:1,b,[::1]:2,[fe80::1],10.0.0.1:65535"),
            ["a:1", "b:9092", "[::1]:2", "[fe80::1]:9092", "10.0.0.1:65535"]
        );
        assert_eq!(Address::list("[::1]:2")[0], Address { host: "::1".to_owned(), port: 2 });
    }

    #[test]
    fn names_and_ports_are_told_apart() {
        let addresses = Address::list("127.0.0.1:1,no-such-host.invalid:9092");
        let resolved = resolve(&addresses, SOON);
        assert_eq!(resolved[0], Ok(vec!["127.0.0.1:1".parse().unwrap()]));
        assert!(resolved[1].is_err(), "{resolved:?}");

        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = open.local_addr().unwrap();
        let connected = connect(&[vec![address], resolved[0].clone().unwrap(), vec![]], SOON);
        assert_eq!(connected[0], Ok(address));
        let (kind, reason) = connected[1].clone().unwrap_err();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
        assert!(reason.starts_with("connecting to 127.0.0.1:1: "), "{reason}");
        assert!(connected[2].is_err());
    }

    #[test]
    fn who_is_late_is_left_behind() {
        let results = in_parallel(&[0, 1], Duration::from_secs(3), |&item: &i32| {
            if item == 1 {
                thread::park();
            }
            Ok(item)
        });
        assert_eq!(results, [Ok(0), Err("no answer within 3 s".to_owned())]);
    }
}
