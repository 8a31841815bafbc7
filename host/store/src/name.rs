//! Names of documents.

use std::fmt;
use std::str::FromStr;

/// Bytes of a name. Keys of S3 have no more; the layout uses about half of it.
const MAX_BYTES: usize = 1024;
/// Bytes between two slashes: file systems allow no more.
const MAX_PART_BYTES: usize = 255;

/// The name of a document, a folder or a lock: parts with slashes between them, `jobs/JOB/job.json`.
///
/// A part has 1 to 255 of `a-z A-Z 0-9 % . _ -`, and does not begin with `.`; the whole has at most 1024 bytes. So it leads
/// out of no folder, and what begins with `.` is free for what a storage keeps for itself. Capital letters make another name
/// than small ones.
///
/// ```
/// use perstack_store::StorageName;
///
/// assert_eq!("jobs/mine/job.json".parse::<StorageName>()?.as_str(), "jobs/mine/job.json");
/// for bad in ["", "/etc/passwd", "jobs//mine", "jobs/../../mine", "jobs/", ".hidden", "a b", "a\\b"] {
///     assert!(bad.parse::<StorageName>().is_err());
/// }
/// # Ok::<(), perstack_store::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorageName(String);

/// A text that is no [`StorageName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be the name of a document", .0.chars().take(80).collect::<String>().escape_debug())]
pub struct InvalidName(String);

impl StorageName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it is in; empty where it is in none.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// What comes after the last slash.
    pub fn last(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, last)| last)
    }
}

impl FromStr for StorageName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = text.len() <= MAX_BYTES && text.split('/').all(is_part);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName(text.to_owned())) }
    }
}

impl fmt::Display for StorageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a text can stand between two slashes.
pub(crate) fn is_part(text: &str) -> bool {
    (1..=MAX_PART_BYTES).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<StorageName, InvalidName> {
        text.parse()
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["a", "jobs/a-B_9/job.json", "state/%40org%2fgame/%2e%2e%2fscore.json", "a/b..c"] {
            assert_eq!(parsed(good).unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", ".", "..", "a/..", "a/../b", "a/.b", "a\\b", "a\0", "ä", "a b", "a:b"]
        {
            assert_eq!(parsed(bad), Err(InvalidName(bad.to_owned())));
        }
    }

    #[test]
    fn a_name_is_bounded() {
        let part = "x".repeat(MAX_PART_BYTES);
        assert!(parsed(&part).is_ok());
        assert!(parsed(&format!("{part}x")).is_err());
        let long = [part.as_str(); 4].join("/");
        assert!(parsed(&long).is_ok());
        assert!(parsed(&format!("{long}/x")).is_err());
    }

    #[test]
    fn a_name_has_a_folder_and_a_last_part() {
        let name = parsed("a/b/c.json").unwrap();
        assert_eq!((name.folder(), name.last()), ("a/b", "c.json"));
        let name = parsed("c.json").unwrap();
        assert_eq!((name.folder(), name.last()), ("", "c.json"));
    }
}
