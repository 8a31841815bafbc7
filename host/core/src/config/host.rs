//! Spellings of hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::quote;
use super::values::ValueError;

/// Longest name of a host, by RFC 1035.
pub(super) const MAX_HOST_BYTES: usize = 253;
/// Longest part of the name of a host, by RFC 1035.
const MAX_LABEL_BYTES: usize = 63;

/// What a host is given as.
#[derive(Clone, Copy)]
pub(super) enum Host {
    Name,
    Address(IpAddr),
}

/// Accepts names of hosts and addresses in their usual form.
///
/// A last part that is a number makes an IPv4 address to most parsers, in octal, hexadecimal and shortened forms too.
/// Only the form with four decimal numbers is accepted.
pub(super) fn check_host(host: &str) -> Result<Host, ValueError> {
    let error = || Err(ValueError::new(format!("{} is not a host", quote(host))));
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match address.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => error(),
        };
    }
    let last = host.rsplit('.').next().unwrap_or(host).to_ascii_lowercase();
    if last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
        return match host.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => error(),
        };
    }
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if host.len() > MAX_HOST_BYTES || !host.split('.').all(is_label) {
        return error();
    }
    refuse_punycode(host)?;
    Ok(Host::Name)
}

/// Names that stand for other letters can look like a name that is trusted.
pub(super) fn refuse_punycode(host: &str) -> Result<(), ValueError> {
    if host.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"))) {
        return Err(ValueError::new(format!("{} has a label that begins with `xn--`", quote(host)))
            .with_hint("such names can look like others, so only ASCII domains are allowed"));
    }
    Ok(())
}

pub(super) fn require_public(host: &str, kind: Host) -> Result<(), ValueError> {
    let public = match kind {
        Host::Name => {
            let host = host.to_ascii_lowercase();
            host != "localhost" && !host.ends_with(".localhost")
        }
        Host::Address(address) => is_public(address),
    };
    if public { Ok(()) } else { Err(ValueError::new(format!("{} is not a public host", quote(host)))) }
}

/// Whether an address is none of the ranges of the IANA registries of special addresses (RFC 6890): private, loopback,
/// link-local, shared, for documentation, for benchmarks, multicast, reserved, or one that stands for an address of IPv4.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || matches!((a, b, c), (0 | 224.., ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _));
    !special
}

/// Global unicast is 2000::/3; of that, what the IETF assigned to protocols (2001::/23, Teredo among them), documentation
/// and 6to4 (2002::/16) are not for connecting.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a) && !matches!((a, b), (0x2001, ..0x200 | 0xdb8) | (0x2002, _) | (0x3fff, ..0x1000))
}

/// Host and port of `host[:port]`; the host is not checked.
pub(super) fn split_authority(authority: &str) -> Result<(&str, Option<u16>), ValueError> {
    if authority.contains('@') {
        // It is not repeated: messages end up in logs.
        return Err(ValueError::new("there is a user name or password before `@`"));
    }
    // The colons of an IPv6 address stand within brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let Some(port) = port else {
        return Ok((host, None));
    };
    let plain = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if plain => Ok((host, Some(number))),
        _ => Err(ValueError::new(format!("{} is not a port", quote(port))).with_hint("use a number from 1 to 65535")),
    }
}
