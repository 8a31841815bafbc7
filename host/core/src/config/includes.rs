//! Whether all that one pattern or path stands for is within another: how a ceiling is compared with a grant.
//!
//! What cannot be decided is not within.

use std::path::{Component, Path};

use super::network::{HostPattern, NetworkPattern};
use super::values::Access;

impl HostPattern {
    /// Whether every host that `other` stands for is one that this stands for. A wildcard has no domain itself, only
    /// the hosts below it. Addresses are compared as they are written.
    ///
    /// ```
    /// # use perstack_core::config::HostPattern;
    /// let all: HostPattern = "*.example.com".parse()?;
    /// assert!(all.includes(&"api.example.com".parse()?));
    /// assert!(!all.includes(&"example.com".parse()?));
    /// # Ok::<(), perstack_core::config::ValueError>(())
    /// ```
    pub fn includes(&self, other: &Self) -> bool {
        if !self.is_wildcard() {
            return self == other;
        }
        let below = other.host().strip_suffix(self.host()).is_some_and(|front| front.ends_with('.'));
        below || (other.is_wildcard() && other.host() == self.host())
    }
}

impl NetworkPattern {
    /// Whether this stands for every host and port that `other` stands for.
    pub fn includes(&self, other: &Self) -> bool {
        self.port() == other.port() && self.host().includes(other.host())
    }
}

impl Access {
    /// Whether this allows what `other` allows.
    pub fn includes(self, other: Self) -> bool {
        self == Self::Write || other == Self::Read
    }
}

/// Whether `path` is `ceiling` or below it. Both are absolute and resolved, so that no name in them is a link, `.` or
/// `..`; what is not, is within nothing.
pub fn is_within(path: &Path, ceiling: &Path) -> bool {
    let is_plain = |path: &Path| {
        path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    };
    is_plain(path) && is_plain(ceiling) && path.starts_with(ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_within_patterns() {
        for (ceiling, granted, within) in [
            ("api.exa.ai", "api.exa.ai", true),
            ("api.exa.ai", "API.exa.ai", true),
            ("api.exa.ai", "exa.ai", false),
            ("api.exa.ai", "a.api.exa.ai", false),
            ("api.exa.ai", "*.api.exa.ai", false),
            ("*.corp.example", "a.corp.example", true),
            ("*.corp.example", "b.a.corp.example", true),
            ("*.corp.example", "*.a.corp.example", true),
            ("*.corp.example", "*.corp.example", true),
            ("*.corp.example", "corp.example", false),
            ("*.corp.example", "notcorp.example", false),
            ("*.corp.example", "*.notcorp.example", false),
            ("*.corp.example", "a.corp.example.com", false),
            ("*.a.corp.example", "*.corp.example", false),
            ("a.corp.example", "*.corp.example", false),
            ("93.184.216.34", "93.184.216.34", true),
            ("93.184.216.34", "93.184.216.35", false),
        ] {
            let pattern = |text: &str| text.parse::<HostPattern>().unwrap();
            assert_eq!(pattern(ceiling).includes(&pattern(granted)), within, "{granted} within {ceiling}");
        }
    }

    #[test]
    fn ports_match() {
        for (ceiling, granted, within) in [
            ("https://*.corp.example", "https://a.corp.example", true),
            ("https://*.corp.example", "https://a.corp.example:443", true),
            ("https://*.corp.example", "https://a.corp.example:8443", false),
            ("https://*.corp.example:8443", "https://a.corp.example", false),
            ("https://*.corp.example:8443", "https://a.corp.example:8443", true),
        ] {
            let pattern = |text: &str| text.parse::<NetworkPattern>().unwrap();
            assert_eq!(pattern(ceiling).includes(&pattern(granted)), within, "{granted} within {ceiling}");
        }
    }

    #[test]
    fn reading_is_part_of_writing() {
        let all = [Access::Read, Access::Write];
        let includes = all.map(|ceiling| all.map(|granted| ceiling.includes(granted)));
        assert_eq!(includes, [[true, false], [true, true]]);
    }

    #[test]
    fn paths_are_within_paths() {
        for (path, ceiling, within) in [
            ("/srv/work", "/srv/work", true),
            ("/srv/work/a/b", "/srv/work", true),
            ("/srv/work", "/", true),
            ("/srv/workshop", "/srv/work", false),
            ("/srv", "/srv/work", false),
            ("/srv/work/../secret", "/srv/work", false),
            ("/srv/work", "/srv/work/..", false),
            ("srv/work", "srv", false),
            ("", "", false),
            ("/srv/work", "", false),
        ] {
            assert_eq!(is_within(Path::new(path), Path::new(ceiling)), within, "{path} within {ceiling}");
        }
    }
}
