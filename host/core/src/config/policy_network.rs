//! What the operator says of the machine's network.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::bounds::MAX_ITEMS;
use super::error::{ConfigError, quote};
use super::fields::Field;
use super::host::check_host;
use super::policy::AbsolutePath;
use super::values::ValueError;

/// Names and addresses that the rest of the world does not have. It grants nothing: it says what a grant leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineNetwork {
    /// A file with certificates of authorities that are trusted beside the system's, in the form of PEM.
    pub certificates: Option<AbsolutePath>,
    /// Hosts that are not looked up, with their addresses, whatever those are.
    pub hosts: BTreeMap<HostName, Vec<IpAddr>>,
    /// Addresses that may be connected to although they are not public.
    pub addresses: Vec<AddressRange>,
}

/// The name of a host, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        check_host(text)?;
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A range of addresses: `10.1.0.0/16`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The first address.
    pub first: IpAddr,
    /// How many of its bits all of them have in common.
    pub prefix: u8,
}

impl fmt::Display for AddressRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for AddressRange {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = |why: &str| {
            ValueError::new(format!("{} {why}", quote(text))).with_hint("write a range such as `10.1.0.0/16`")
        };
        let (first, prefix) = text.split_once('/').ok_or_else(|| error("is not a range of addresses"))?;
        let first: IpAddr = first.parse().map_err(|_| error("does not begin with an address"))?;
        let bits: u32 = if first.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.parse().map_err(|_| error("does not end with a number of bits"))?;
        if u32::from(prefix) > bits {
            return Err(error("has more bits than an address"));
        }
        let value = match first {
            IpAddr::V4(first) => u128::from(u32::from(first)),
            IpAddr::V6(first) => u128::from(first),
        };
        // What is below the prefix: all ones but those.
        let below = u128::MAX.checked_shr(128 - bits + u32::from(prefix)).unwrap_or(0);
        if value & below != 0 {
            return Err(error("does not begin where a range of that size does"));
        }
        Ok(Self { first, prefix })
    }
}

impl MachineNetwork {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.table("`network`")?;
        fields.refuse_unknown(&["certificates", "hosts", "addresses"])?;
        let mut hosts = BTreeMap::new();
        if let Some(table) = fields.get("hosts") {
            let entries = table.named_table()?;
            if entries.entries().len() > MAX_ITEMS {
                return Err(table.invalid(format_args!("more than {MAX_ITEMS} hosts")));
            }
            for entry in entries.entries() {
                let name: HostName = entry
                    .name()
                    .parse()
                    .map_err(|error: ValueError| entry.invalid_name(error.to_string()).with_hint(error.hint))?;
                let addresses = entry.list(MAX_ITEMS, |item| item.parse::<Address>().map(|address| address.0))?;
                if addresses.is_empty() {
                    return Err(entry.invalid("a host without addresses cannot be reached"));
                }
                hosts.insert(name, addresses);
            }
        }
        Ok(Self {
            certificates: fields.optional("certificates", |field| field.parse())?,
            hosts,
            addresses: fields.list("addresses", |item| item.parse())?,
        })
    }
}

/// One address, as it is usually written.
struct Address(IpAddr);

impl FromStr for Address {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| ValueError::new(format!("{} is not an address", quote(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_begin_where_they_can() {
        for text in ["10.1.0.0/16", "0.0.0.0/0", "127.0.0.1/32", "fd00::/8", "::/0", "::1/128"] {
            assert_eq!(text.parse::<AddressRange>().unwrap().to_string(), text);
        }
        for text in ["", "10.1.0.0", "10.1.0.0/33", "10.1.0.1/16", "10.1/16", "::/129", "::1/127", "a/8", "10.0.0.0/-1"]
        {
            text.parse::<AddressRange>().unwrap_err();
        }
    }
}
