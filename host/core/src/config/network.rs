//! Where a component may connect to, and where it asks to.
//!
//! What is checked here are spellings. Which addresses a name resolves to is checked where the connection is made.

use std::fmt;
use std::str::FromStr;

use super::error::quote;
use super::host::{Host, check_host, require_public, split_authority};
use super::values::ValueError;

/// The port of `https` where none is named.
const HTTPS_PORT: u16 = 443;

/// A host, or with a leading `*.` all hosts below a domain, but not the domain itself.
///
/// Names are kept in lower case. Addresses are accepted in their usual form only, and only if they are public.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    text: String,
}

impl HostPattern {
    /// The pattern as text: `api.exa.ai` or `*.example.com`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for the hosts below a domain.
    pub fn is_wildcard(&self) -> bool {
        self.text.starts_with("*.")
    }

    /// The host, or the domain that the hosts are below.
    pub fn host(&self) -> &str {
        self.text.strip_prefix("*.").unwrap_or(&self.text)
    }

    /// Whether the host is one of these.
    pub fn matches(&self, destination: &Destination) -> bool {
        let host = destination.host();
        match self.text.strip_prefix('*') {
            // With the dot: neither the domain itself, nor a name that only ends like it.
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => host == self.text,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for HostPattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let host = text.strip_prefix("*.").unwrap_or(text);
        let kind = check_host(host)?;
        require_public(host, kind)?;
        if text.starts_with("*.") {
            if matches!(kind, Host::Address(_)) {
                return Err(ValueError::new(format!("{} has an address below `*.`", quote(text))));
            }
            if !host.contains('.') {
                return Err(ValueError::new(format!("{} stands for all of a top-level domain", quote(text)))
                    .with_hint("name at least two parts after `*.`, for example `*.example.com`"));
            }
        }
        Ok(Self { text: text.to_ascii_lowercase() })
    }
}

/// Where a skill may connect to: `https://host[:port]`, the host with an optional leading `*.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkPattern {
    text: String,
    host: HostPattern,
    port: u16,
}

impl NetworkPattern {
    /// The pattern as text, with the host in lower case and the port only if it is not 443.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hosts.
    pub fn host(&self) -> &HostPattern {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it grants access to this.
    pub fn matches(&self, destination: &Destination) -> bool {
        self.port == destination.port && self.host.matches(destination)
    }
}

impl fmt::Display for NetworkPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for NetworkPattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let with_form = |error: ValueError| match error.hint {
            Some(_) => error,
            None => {
                error.with_hint("write `https://host` or `https://host:port`, for example `https://api.example.com`")
            }
        };
        let refuse = |why: &str| Err(with_form(ValueError::new(format!("{} {why}", quote(text)))));
        let Some(authority) = text.strip_prefix("https://") else {
            return refuse("does not begin with `https://`");
        };
        if authority.contains(['/', '?', '#', '\\']) {
            return refuse("has a path, but access is granted to whole hosts");
        }
        let (host, port) = split_authority(authority).map_err(with_form)?;
        let host: HostPattern = host.parse().map_err(with_form)?;
        let port = port.unwrap_or(HTTPS_PORT);
        let text = if port == HTTPS_PORT { format!("https://{host}") } else { format!("https://{host}:{port}") };
        Ok(Self { text, host, port })
    }
}

/// Where a request goes: a host and a port, over TLS. It has one spelling, which is compared with grants, resolved, and
/// told to the server: nothing is parsed twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    host: String,
    port: u16,
}

impl Destination {
    /// Reads the `host[:port]` of a URL with `https`. The port is 443 where none is named.
    ///
    /// # Errors
    /// It is not a host in its usual form: see [`NetworkPattern`].
    pub fn https(authority: &str) -> Result<Self, ValueError> {
        let (host, port) = split_authority(authority)?;
        check_host(host)?;
        Ok(Self { host: host.to_ascii_lowercase(), port: port.unwrap_or(HTTPS_PORT) })
    }

    /// The name in lower case, or the address, one of IPv6 in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host`, or `host:port` where the port is not that of `https`.
    pub fn authority(&self) -> String {
        if self.port == HTTPS_PORT { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// As it is granted: `https://host[:port]`.
impl fmt::Display for Destination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_its_hosts_and_no_other() {
        for (pattern, matching, others) in [
            (
                "https://api.exa.ai",
                &["api.exa.ai", "API.EXA.AI:443"][..],
                &["exa.ai", "api.exa.ai:8443", "x.api.exa.ai"][..],
            ),
            (
                "https://*.example.com:8443",
                &["a.example.com:8443", "a.b.example.com:8443"],
                &[
                    "example.com:8443",
                    "a.example.com",
                    "badexample.com:8443",
                    "a.example.com.evil.org:8443",
                    "93.184.216.34:8443",
                ],
            ),
            ("https://[2606:4700::1111]", &["[2606:4700::1111]"], &["[2606:4700::1112]", "a.ai"]),
        ] {
            let pattern: NetworkPattern = pattern.parse().unwrap();
            for authority in matching {
                assert!(pattern.matches(&Destination::https(authority).unwrap()), "{pattern} {authority}");
            }
            for authority in others {
                assert!(!pattern.matches(&Destination::https(authority).unwrap()), "{pattern} {authority}");
            }
        }
    }

    #[test]
    fn a_destination_has_one_spelling() {
        for (authority, shown) in [
            ("API.exa.ai", "https://api.exa.ai"),
            ("api.exa.ai:443", "https://api.exa.ai"),
            ("api.exa.ai:8443", "https://api.exa.ai:8443"),
        ] {
            assert_eq!(Destination::https(authority).unwrap().to_string(), shown);
        }
        for authority in [
            "",
            "a..b",
            "api.exa.ai.",
            "user@api.exa.ai",
            "api.exa.ai:",
            "api.exa.ai:0",
            "api.exa.ai:0443",
            "a%2eb.ai",
            "0x7f000001",
            "2130706433",
            "127.1",
            "0177.0.0.1",
            "a b.ai",
            "a.ai/",
            "a.ai\\b",
            "[::1",
            "[fe80::1%25eth0]",
            "ä.ai",
        ] {
            assert!(Destination::https(authority).is_err(), "{authority}");
        }
    }

    #[test]
    fn network_patterns_take_one_form() {
        for (text, shown, port) in [
            ("https://api.exa.ai", "https://api.exa.ai", 443),
            ("https://API.exa.ai:443", "https://api.exa.ai", 443),
            ("https://*.example.com:8443", "https://*.example.com:8443", 8443),
            ("https://93.184.216.34", "https://93.184.216.34", 443),
            ("https://[2606:4700::1111]:8443", "https://[2606:4700::1111]:8443", 8443),
        ] {
            let pattern: NetworkPattern = text.parse().unwrap();
            assert_eq!((pattern.as_str(), pattern.port()), (shown, port));
        }
        let pattern: NetworkPattern = "https://*.example.com".parse().unwrap();
        assert_eq!((pattern.host().host(), pattern.host().is_wildcard()), ("example.com", true));
    }

    #[test]
    fn network_patterns_hide_nothing() {
        for text in [
            "",
            "*",
            "https://",
            "https://*",
            "https://*.",
            "https://*.com",
            "https://*.93.184.216.34",
            "https://a.*.com",
            "api.exa.ai",
            "http://api.exa.ai",
            "HTTPS://api.exa.ai",
            "https://api.exa.ai/",
            "https://api.exa.ai?x",
            "https://user@api.exa.ai",
            "https://user:pw@api.exa.ai",
            "https://api.exa.ai.",
            "https://api..ai",
            "https://api.exa.ai:",
            "https://api.exa.ai:0",
            "https://api.exa.ai:0443",
            "https://api.exa.ai:+443",
            "https://api.exa.ai:65536",
            "https://a b.ai",
            "https://ä.ai",
            "https://xn--e1awd7f.com",
            "https://a%2eb.ai",
            "https://localhost",
            "https://a.localhost",
            "https://127.0.0.1",
            "https://0177.0.0.1",
            "https://2130706433",
            "https://0x7f000001",
            "https://127.1",
            "https://10.0.0.1",
            "https://169.254.169.254",
            "https://100.64.0.1",
            "https://192.0.0.192",
            "https://0.0.0.0",
            "https://224.0.0.1",
            "https://198.18.0.1",
            "https://[::1]",
            "https://[::ffff:127.0.0.1]",
            "https://[fd00:ec2::254]",
            "https://[fe80::1%25eth0]",
            "https://[64:ff9b::7f00:1]",
            "https://[2002:7f00:1::]",
            "https://[2001::1]",
            "https://[2001:2::1]",
            "https://[::7f00:1]",
            "https://1.2.3.0x4",
        ] {
            assert!(text.parse::<NetworkPattern>().is_err(), "{text}");
        }
    }
}
