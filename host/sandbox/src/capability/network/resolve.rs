//! Names become addresses: once, by the host, and only those that may be connected to.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use perstack_core::config::{Destination, is_public};

/// How long looking up a name may take: what resolvers wait for one server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of a name that are looked at. Large services have about ten.
const MAX_ADDRESSES: usize = 64;

/// Where names are looked up.
#[async_trait::async_trait]
pub(super) trait Resolver: Send + Sync {
    /// The addresses of a name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own resolver.
pub(super) struct SystemResolver;

#[async_trait::async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        // The port is not looked up.
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).take(MAX_ADDRESSES + 1).collect())
    }
}

/// What the operator knows of names and addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Names that are not looked up.
    pub(super) hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Addresses that may be connected to although they are not public.
    pub(super) ranges: Vec<IpNet>,
}

/// Why there is no address to connect to.
#[derive(Debug)]
pub(super) enum NoAddress {
    /// One of them may not be connected to.
    Prohibited(IpAddr),
    /// There are more than anyone needs.
    TooMany,
    /// The name is not known, or nobody could be asked.
    NotFound,
    /// There was no answer.
    Timeout,
}

/// Addresses to connect to. If one of a name's addresses may not be connected to, none is: whoever answers for the name
/// could choose.
pub(super) async fn addresses(
    destination: &Destination,
    known: &Known,
    resolver: &dyn Resolver,
) -> Result<Vec<SocketAddr>, NoAddress> {
    let host = destination.host();
    let sockets =
        |found: &[IpAddr]| found.iter().map(|address| SocketAddr::new(*address, destination.port())).collect();
    if let Some(pinned) = known.hosts.get(host) {
        return Ok(sockets(pinned));
    }
    let found = match address(host) {
        Some(address) => vec![address],
        None => match tokio::time::timeout(LOOKUP_TIMEOUT, resolver.resolve(host)).await {
            Ok(Ok(found)) if found.is_empty() => return Err(NoAddress::NotFound),
            Ok(Ok(found)) => found,
            Ok(Err(_)) => return Err(NoAddress::NotFound),
            Err(_) => return Err(NoAddress::Timeout),
        },
    };
    if found.len() > MAX_ADDRESSES {
        return Err(NoAddress::TooMany);
    }
    let allowed = |address: &IpAddr| is_public(*address) || known.ranges.iter().any(|range| range.contains(address));
    match found.iter().find(|address| !allowed(address)) {
        Some(prohibited) => Err(NoAddress::Prohibited(*prohibited)),
        None => Ok(sockets(&found)),
    }
}

/// The address that a host is given as, if it is one.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Gives one answer after the other, as a server does that rebinds a name.
    struct Answers(Vec<Vec<&'static str>>, AtomicUsize);

    #[async_trait::async_trait]
    impl Resolver for Answers {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            let asked = self.1.fetch_add(1, Ordering::SeqCst);
            Ok(self.0[asked.min(self.0.len() - 1)].iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    async fn resolved(known: &Known, answers: &[&[&'static str]]) -> (Result<Vec<SocketAddr>, NoAddress>, usize) {
        let resolver = Answers(answers.iter().map(|answer| answer.to_vec()).collect(), AtomicUsize::new(0));
        let found = addresses(&Destination::https("api.example.com:8443").unwrap(), known, &resolver).await;
        (found, resolver.1.into_inner())
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once() {
        let (found, asked) = resolved(&Known::default(), &[&["93.184.216.34"], &["127.0.0.1"]]).await;
        assert_eq!((found.unwrap(), asked), (vec!["93.184.216.34:8443".parse().unwrap()], 1));
    }

    #[tokio::test]
    async fn addresses_that_are_not_public_are_prohibited() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "192.0.0.192",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "100::1",
            "5f00::1",
        ] {
            let (found, _) = resolved(&Known::default(), &[&[address]]).await;
            assert!(matches!(found, Err(NoAddress::Prohibited(_))), "{address}");
            // Also among public ones, wherever it stands.
            for mixed in [["93.184.216.34", address], [address, "93.184.216.34"]] {
                let (found, _) = resolved(&Known::default(), &[&mixed]).await;
                assert!(matches!(found, Err(NoAddress::Prohibited(_))), "{mixed:?}");
            }
        }
    }

    #[tokio::test]
    async fn an_operator_may_know_more() {
        let known = Known { ranges: vec!["10.1.0.0/16".parse().unwrap()], ..Known::default() };
        assert!(resolved(&known, &[&["10.1.2.3"]]).await.0.is_ok());
        assert!(resolved(&known, &[&["10.1.2.3", "10.2.2.3"]]).await.0.is_err());
        let known = Known { hosts: [("api.example.com".into(), vec!["10.9.9.9".parse().unwrap()])].into(), ..known };
        let (found, asked) = resolved(&known, &[&["93.184.216.34"]]).await;
        assert_eq!((found.unwrap(), asked), (vec!["10.9.9.9:8443".parse().unwrap()], 0));
    }

    #[tokio::test]
    async fn no_answer_and_too_many_are_errors() {
        assert!(matches!(resolved(&Known::default(), &[&[]]).await.0, Err(NoAddress::NotFound)));
        let many = vec!["93.184.216.34"; MAX_ADDRESSES + 1];
        assert!(matches!(resolved(&Known::default(), &[&many]).await.0, Err(NoAddress::TooMany)));
    }
}
