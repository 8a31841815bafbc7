//! What a component says that it needs: by its author, in the component itself.

use std::collections::{BTreeMap, BTreeSet};

use super::capabilities::{Capabilities, FilesystemGrant};
use super::document::{Document, Format};
use super::error::ConfigError;
use super::network::{HostPattern, NetworkPattern};
use super::values::{Access, EnvName};

/// What is in the section: `env`, `secrets`, `filesystem` and `network`, as `capabilities` of `perstack.toml` have them.
const FORMAT: Format = Format { fields: &["env", "secrets", "filesystem", "network"], max_bytes: 64 << 10 };

/// What a component needs at the most. It gets what of that is granted, and nothing that it did not ask for.
///
/// A component that says nothing may need anything: it gets all that is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Variables.
    pub env: BTreeSet<EnvName>,
    /// Secrets, and the hosts that they are sent to.
    pub secrets: BTreeMap<EnvName, Vec<HostPattern>>,
    /// Files.
    pub filesystem: Vec<FilesystemGrant>,
    /// Hosts.
    pub network: BTreeSet<NetworkPattern>,
}

impl Needs {
    /// Reads the text of a section.
    ///
    /// # Errors
    /// It is not of that form.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text, &FORMAT)?;
        let Capabilities { env, secrets, filesystem, network, .. } = Capabilities::read_access(&document.fields()?)?;
        Ok(Self { env, secrets, filesystem, network })
    }

    /// With what another part of the same component needs.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.env.extend(other.env);
        for (name, hosts) in other.secrets {
            self.secrets.entry(name).or_default().extend(hosts);
        }
        self.filesystem.extend(other.filesystem);
        self.network.extend(other.network);
        self
    }

    /// What of these destinations it asks for.
    pub fn network_of(&self, granted: &BTreeSet<NetworkPattern>) -> BTreeSet<NetworkPattern> {
        narrower(granted, &self.network, NetworkPattern::includes).cloned().collect()
    }

    /// What of the hosts of a secret it asks for.
    pub fn hosts_of(&self, secret: &str, granted: &[HostPattern]) -> Vec<HostPattern> {
        let needed = self.secrets.iter().find(|(name, _)| name.as_str() == secret).map(|(_, hosts)| hosts.as_slice());
        narrower(granted, needed.unwrap_or_default(), HostPattern::includes).cloned().collect()
    }

    /// What of a grant of files it asks for.
    pub fn files_of(&self, granted: &FilesystemGrant) -> Vec<FilesystemGrant> {
        let common = |needed: &FilesystemGrant| {
            let path = if needed.path.within(&granted.path) {
                &needed.path
            } else if granted.path.within(&needed.path) {
                &granted.path
            } else {
                return None;
            };
            let both_write = granted.access == Access::Write && needed.access == Access::Write;
            Some(FilesystemGrant { path: path.clone(), access: if both_write { Access::Write } else { Access::Read } })
        };
        self.filesystem.iter().filter_map(common).collect()
    }

    /// What it asks for and is not granted.
    pub fn missing_in(&self, granted: &Capabilities) -> Self {
        let has_host = |hosts: Option<&Vec<HostPattern>>, host: &HostPattern| {
            hosts.is_some_and(|hosts| hosts.iter().any(|granted| granted.includes(host)))
        };
        let secrets = self.secrets.iter().filter_map(|(name, hosts)| {
            let granted = granted.secrets.get(name);
            let hosts: Vec<_> = hosts.iter().filter(|host| !has_host(granted, host)).cloned().collect();
            (!hosts.is_empty()).then(|| (name.clone(), hosts))
        });
        let has_files = |needed: &&FilesystemGrant| {
            granted.filesystem.iter().any(|granted| {
                needed.path.within(&granted.path) && (needed.access == Access::Read || granted.access == Access::Write)
            })
        };
        let has_network = |needed: &&NetworkPattern| granted.network.iter().any(|granted| granted.includes(needed));
        Self {
            env: self.env.difference(&granted.env).cloned().collect(),
            secrets: secrets.collect(),
            filesystem: self.filesystem.iter().filter(|needed| !has_files(needed)).cloned().collect(),
            network: self.network.iter().filter(|needed| !has_network(needed)).cloned().collect(),
        }
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.env.is_empty() && self.secrets.is_empty() && self.filesystem.is_empty() && self.network.is_empty()
    }
}

/// What two sets of patterns have in common: of two patterns that overlap, one is within the other.
fn narrower<'a, T: Ord + 'a>(
    granted: impl IntoIterator<Item = &'a T>,
    needed: impl IntoIterator<Item = &'a T> + Clone,
    includes: fn(&T, &T) -> bool,
) -> impl Iterator<Item = &'a T> {
    let common = granted.into_iter().flat_map(move |granted| {
        needed.clone().into_iter().filter_map(move |needed| {
            if includes(granted, needed) { Some(needed) } else { includes(needed, granted).then_some(granted) }
        })
    });
    common.collect::<BTreeSet<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Needs {
        Needs::parse(text).unwrap()
    }

    fn patterns(texts: &[&str]) -> BTreeSet<NetworkPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_component_gets_what_it_asks_for_and_is_granted() {
        let needs = needs(
            r#"
            network = ["https://api.a.com", "https://*.b.com"]
            secrets = { KEY = ["*.a.com"] }
            filesystem = [{ path = "reports", access = "write" }, { path = "notes", access = "read" }]
            "#,
        );
        let network = needs.network_of(&patterns(&["https://*.a.com", "https://x.b.com", "https://c.com"]));
        assert_eq!(network, patterns(&["https://api.a.com", "https://x.b.com"]));
        let hosts = |texts: &[&str]| -> Vec<HostPattern> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        assert_eq!(needs.hosts_of("KEY", &hosts(&["x.a.com", "y.b.com"])), hosts(&["x.a.com"]));
        assert_eq!(needs.hosts_of("OTHER", &hosts(&["x.a.com"])), hosts(&[]));
        let grant = |path: &str, access| FilesystemGrant { path: path.parse().unwrap(), access };
        let (read, write) = (Access::Read, Access::Write);
        assert_eq!(needs.files_of(&grant(".", write)), [grant("reports", write), grant("notes", read)]);
        assert_eq!(needs.files_of(&grant("reports/2026", read)), [grant("reports/2026", read)]);
        assert_eq!(needs.files_of(&grant("other", write)), []);
    }

    #[test]
    fn what_is_missing_is_what_a_grant_does_not_cover() {
        let needs = needs(
            r#"
            env = ["A", "B"]
            network = ["https://api.a.com", "https://b.com"]
            secrets = { KEY = ["api.a.com", "b.com"] }
            filesystem = [{ path = "a", access = "write" }, { path = "b/c", access = "read" }]
            "#,
        );
        let granted = Capabilities {
            env: ["A".parse().unwrap()].into(),
            network: patterns(&["https://*.a.com"]),
            secrets: [("KEY".parse().unwrap(), vec!["api.a.com".parse().unwrap()])].into(),
            filesystem: vec![
                FilesystemGrant { path: "a".parse().unwrap(), access: Access::Read },
                FilesystemGrant { path: "b".parse().unwrap(), access: Access::Read },
            ],
            ..Capabilities::default()
        };
        let missing = needs.missing_in(&granted);
        let expected = Needs::parse(
            r#"
            env = ["B"]
            network = ["https://b.com"]
            secrets = { KEY = ["b.com"] }
            filesystem = [{ path = "a", access = "write" }]
            "#,
        );
        assert_eq!(missing, expected.unwrap());
        assert!(!missing.is_empty() && Needs::default().is_empty());
    }

    #[test]
    fn a_section_is_read_as_strictly_as_perstack_toml() {
        for text in [
            "network = [\"http://a.com\"]",
            "limits = { memory = \"1GiB\" }",
            "net = []",
            "filesystem = [{ path = \"../x\", access = \"read\" }]",
            "\0",
        ] {
            assert!(Needs::parse(text).is_err(), "{text}");
        }
    }
}
