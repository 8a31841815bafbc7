//! Names of Experts and their versions.

use std::fmt;
use std::str::FromStr;

use super::bounds::{MAX_NAME_CHARACTERS, MAX_ORGANIZATION_CHARACTERS};
use super::error::quote;
use super::values::{ValueError, text};

/// What an Expert is called by: `name` or `@org/name`, and in references also `@version` or `@tag`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpertKey {
    name: String,
    reference: Option<ExpertReference>,
}

/// Which edition of an Expert is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpertReference {
    /// The one that was published with this version.
    Version(ExpertVersion),
    /// The one that bears this tag.
    Tag(String),
}

impl ExpertKey {
    /// The name with its organization, as in `@org/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The organization, without `@`.
    pub fn organization(&self) -> Option<&str> {
        self.name.strip_prefix('@')?.split_once('/').map(|(organization, _)| organization)
    }

    /// The version or tag, where one is named.
    pub fn reference(&self) -> Option<&ExpertReference> {
        self.reference.as_ref()
    }

    /// Whether an Expert can be defined under this key: no version or tag, and no dot.
    ///
    /// Dots are allowed in references, since the registry allows them, but not to those who define an Expert: its name
    /// becomes the name of a tool.
    pub(super) fn is_definition(&self) -> bool {
        self.reference.is_none() && !self.name.contains('.')
    }
}

impl FromStr for ExpertKey {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || {
            ValueError::new(format!("{} is not an Expert key", quote(text)))
                .with_hint("use `name` or `@org/name`, in lower-case letters, digits, `-` and `_`")
        };
        let (organization, rest) = match text.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').map(|(organization, rest)| (Some(organization), rest)),
            None => Some((None, text)),
        }
        .ok_or_else(error)?;
        let (name, reference) = match rest.split_once('@') {
            Some((name, reference)) => (name, Some(reference)),
            None => (rest, None),
        };
        if !is_name(name, MAX_NAME_CHARACTERS)
            || organization.is_some_and(|organization| !is_name(organization, MAX_ORGANIZATION_CHARACTERS))
        {
            return Err(error());
        }
        let reference = match reference {
            None => None,
            Some(reference) => Some(match reference.parse() {
                Ok(version) => ExpertReference::Version(version),
                Err(_) if is_name(reference, MAX_NAME_CHARACTERS) => ExpertReference::Tag(reference.to_owned()),
                Err(_) => {
                    return Err(ValueError::new(format!("{} names no version or tag", quote(text)))
                        .with_hint("use `name@1.0.0` or `name@tag`"));
                }
            }),
        };
        let name = organization.map_or_else(|| name.to_owned(), |organization| format!("@{organization}/{name}"));
        Ok(Self { name, reference })
    }
}

impl fmt::Display for ExpertKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.reference {
            None => Ok(()),
            Some(ExpertReference::Version(version)) => write!(formatter, "@{version}"),
            Some(ExpertReference::Tag(tag)) => write!(formatter, "@{tag}"),
        }
    }
}

text! {
    /// A semantic version, such as `1.0.0` or `2.1.0-beta.1+build.5`.
    ExpertVersion
}

impl FromStr for ExpertVersion {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let error = || {
            ValueError::new(format!("{} is not a version", quote(text)))
                .with_hint("write a semantic version, for example `1.0.0`")
        };
        let (rest, build) = split_optional(text, '+');
        let (core, pre_release) = split_optional(rest, '-');
        let numbers: Vec<&str> = core.split('.').collect();
        let is_number = |number: &&str| {
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && (*number == "0" || !number.starts_with('0'))
        };
        let is_suffix = |suffix: &str| {
            !suffix.is_empty()
                && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        };
        let fits = text.len() <= MAX_NAME_CHARACTERS
            && numbers.len() == 3
            && numbers.iter().all(is_number)
            && [pre_release, build].into_iter().flatten().all(is_suffix);
        if fits { Ok(Self(text.to_owned())) } else { Err(error()) }
    }
}

impl Default for ExpertVersion {
    fn default() -> Self {
        Self(super::bounds::DEFAULT_EXPERT_VERSION.to_owned())
    }
}

text! {
    /// A word by which an Expert is found: lower-case letters, digits, `-` and `_`.
    Tag
}

impl FromStr for Tag {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if !is_name(text, MAX_NAME_CHARACTERS) || text.contains('.') {
            return Err(ValueError::new(format!("{} is not a tag", quote(text)))
                .with_hint("use lower-case letters, digits, `-` and `_`"));
        }
        Ok(Self(text.to_owned()))
    }
}

fn split_optional(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// Lower-case letters, digits, and after the first also `_`, `.` and `-`.
fn is_name(text: &str, most: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= most
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_and_put_together() {
        let key: ExpertKey = "@org/name@1.2.3-beta.1".parse().unwrap();
        assert_eq!((key.name(), key.organization()), ("@org/name", Some("org")));
        assert!(
            matches!(key.reference(), Some(ExpertReference::Version(version)) if version.as_str() == "1.2.3-beta.1")
        );
        let key: ExpertKey = "name@latest".parse().unwrap();
        assert_eq!((key.name(), key.organization()), ("name", None));
        assert_eq!(key.reference(), Some(&ExpertReference::Tag("latest".to_owned())));
        for text in ["name", "@org/name", "a.b@1.0", "n@0.0.0+b", "a_b-c", "@o/n@tag"] {
            assert_eq!(text.parse::<ExpertKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn keys_hold_no_nonsense() {
        let long = "a".repeat(MAX_NAME_CHARACTERS + 1);
        for text in ["", "Name", "-a", "@org", "@/a", "@org/", "a/b", "a@", "a@b@c", "a b", "ä", "a@Tag", "../a", &long]
        {
            text.parse::<ExpertKey>().unwrap_err();
        }
    }

    #[test]
    fn versions_are_semantic() {
        for text in ["0.0.0", "1.2.3", "10.20.30-rc.1", "1.0.0+a", "1.0.0-a-b+c"] {
            text.parse::<ExpertVersion>().unwrap();
        }
        for text in ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0+", "v1.0.0", "1.0.0.0", "1.0.x"] {
            text.parse::<ExpertVersion>().unwrap_err();
        }
    }
}
