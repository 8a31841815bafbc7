//! URLs, and the domains of `allowedDomains`.

use std::str::FromStr;

use super::bounds::MAX_TEXT_CHARACTERS;
use super::error::quote;
use super::host::{MAX_HOST_BYTES, check_host, refuse_punycode, require_public, split_authority};
use super::values::{ValueError, text};

text! {
    /// A domain in `allowedDomains`, with an optional leading `*.`, by Perstack's rules.
    ///
    /// Those are looser than the rules for what a component is granted, see [`HostPattern`](crate::config::HostPattern): they rest on Perstack's
    /// proxy.
    DomainPattern
}

impl FromStr for DomainPattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let domain = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if text.len() > MAX_HOST_BYTES || !domain.split('.').all(is_label) {
            return Err(ValueError::new(format!("{} is not a domain", quote(text)))
                .with_hint("write `example.com` or `*.example.com`"));
        }
        refuse_punycode(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl DomainPattern {
    /// Whether a host is the domain, or below it where it begins with `*.`.
    pub fn matches(&self, host: &str) -> bool {
        let (host, pattern) = (host.to_ascii_lowercase(), self.0.to_ascii_lowercase());
        match pattern.strip_prefix('*') {
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => host == pattern,
        }
    }
}

text! {
    /// An `http` or `https` URL without user name and password.
    HttpUrl
}

impl HttpUrl {
    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Fails for addresses that are not public and for `localhost`.
    pub(super) fn require_public(&self) -> Result<(), ValueError> {
        let (host, _) = split_authority(authority(&self.0))?;
        require_public(host, check_host(host)?)
    }
}

impl FromStr for HttpUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return Err(ValueError::new("the URL does not begin with `https://`"));
        }
        if text.chars().count() > MAX_TEXT_CHARACTERS {
            return Err(ValueError::new(format!("the URL is longer than {MAX_TEXT_CHARACTERS} characters")));
        }
        // Parsers of URLs disagree about these, and some of them drop white space.
        if text.chars().any(|character| character.is_control() || character.is_whitespace() || character == '\\') {
            return Err(ValueError::new("the URL contains white space or a backslash"));
        }
        let (host, _) = split_authority(authority(text))?;
        check_host(host)?;
        Ok(Self(text.to_owned()))
    }
}

/// Host and port of a URL that begins with a scheme.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_follow_the_rules_of_perstack() {
        for text in ["example.com", "*.example.com", "localhost", "*.com", "10.0.0.1", "A-b.c"] {
            text.parse::<DomainPattern>().unwrap();
        }
        for text in ["", "*", "*.", "a_b.com", "a..b", "https://a.b", "a.b:1", "xn--a.com", "a.XN--b", "-a.b", "ä.b"] {
            text.parse::<DomainPattern>().unwrap_err();
        }
    }

    #[test]
    fn a_domain_is_not_what_is_below_it() {
        let matches = |pattern: &str, host: &str| pattern.parse::<DomainPattern>().unwrap().matches(host);
        assert!(matches("example.com", "EXAMPLE.com") && matches("*.example.com", "a.b.example.com"));
        for (pattern, host) in [
            ("example.com", "a.example.com"),
            ("*.example.com", "example.com"),
            ("*.example.com", ".example.com"),
            ("*.example.com", "badexample.com"),
            ("example.com", "example.com.evil.example"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn urls_have_a_plain_host() {
        for text in ["https://a.b/c?d#e", "http://localhost:11434", "https://a_b.c:1/", "https://a.b/@scope"] {
            text.parse::<HttpUrl>().unwrap();
        }
        for text in
            ["", "ftp://a", "https://", "https:///a", "https://a@b", "https://a b", "https://a\\b", "https://a\t.b"]
        {
            text.parse::<HttpUrl>().unwrap_err();
        }
        for text in ["https://localhost/a", "https://127.0.0.1", "https://192.168.1.1:8/x", "https://[fc00::1]/"] {
            text.parse::<HttpUrl>().unwrap().require_public().unwrap_err();
        }
    }
}
