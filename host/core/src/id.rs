//! Identifiers of jobs, runs, checkpoints, events, messages and their parts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest identifier: each may be the name of a file, and file systems end at 255 bytes with our suffixes.
const MAX_LENGTH: usize = 128;

/// An identifier that is safe as the name of a file or folder: 1 to 128 of `a-z A-Z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(String);

/// A text that is not an [`Id`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{}` is not an identifier: use 1 to {MAX_LENGTH} of `a-z A-Z 0-9 _ -`", .0.chars().take(40).collect::<String>().escape_debug())]
pub struct InvalidId(String);

impl Id {
    /// Makes an identifier of the form that Perstack uses: a letter and 23 letters and digits.
    ///
    /// `entropy` is where it comes from: 24 random bytes, of which each gives one character.
    pub fn from_entropy(entropy: [u8; 24]) -> Self {
        const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let text = entropy.iter().enumerate().map(|(place, byte)| {
            let choices = if place == 0 { 26 } else { 36 };
            char::from(DIGITS[usize::from(*byte) % choices])
        });
        Self(text.collect())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidId(text.to_owned())) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_a_folder_is_refused() {
        for text in ["", ".", "..", "a/b", "a\\b", "a\0", "ä", "a b", &"x".repeat(129)] {
            assert!(text.parse::<Id>().is_err(), "{text:?}");
        }
        assert_eq!("my-custom_job-1".parse::<Id>().unwrap().as_str(), "my-custom_job-1");
    }

    #[test]
    fn entropy_gives_a_letter_first() {
        let id = Id::from_entropy([255; 24]);
        assert_eq!(id.as_str().len(), 24);
        assert!(id.as_str().starts_with(|first: char| first.is_ascii_lowercase()));
    }
}
