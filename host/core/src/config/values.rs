//! Values that are written as text and cannot hold nonsense once read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::bounds::{MAX_ENV_NAME_CHARACTERS, MAX_TEXT_CHARACTERS, MAX_TOOL_NAME_CHARACTERS};
use super::error::{quote, quote_all};
use super::words::{nearest, words};

/// Why a text is not the value that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// What is wrong, naming the text in backticks.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ValueError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), suggestion: None, hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn unknown_word(word: &str, words: &[&str]) -> Self {
        let error = Self::new(format!("unknown value {}", quote(word)));
        match nearest(word, words.iter().copied()) {
            Some(meant) => Self { suggestion: Some(meant.to_owned()), ..error },
            None => error.with_hint(format!("one of {}", quote_all(words.iter().copied()))),
        }
    }
}

words! {
    /// What a granted path may be used for.
    pub enum Access {
        /// Reading only: every operation that could write is refused.
        Read = "read",
        /// Reading and writing.
        Write = "write",
    }
}

words! {
    /// How long an instance of a skill lives.
    #[derive(Default)]
    pub enum Lifetime {
        /// For one call, so that calls run side by side and none sees what another left behind.
        #[default]
        Call = "call",
        /// For a whole run, for guests with a costly start.
        Run = "run",
    }
}

/// A number of bytes, written as `128MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Units of sizes, largest first.
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl ByteSize {
    /// A size in bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in units of 1,024 bytes.
    pub const fn from_kib(kib: u32) -> Self {
        Self((kib as u64) << 10)
    }

    /// A size in units of 1,024 KiB.
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// A size in units of 1,024 MiB.
    pub const fn from_gib(gib: u32) -> Self {
        Self((gib as u64) << 30)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = ValueError;

    /// Reads `1GiB`, `128MiB`, `64KiB`, `512B` or a plain number of bytes.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        number_with_unit(text, &SIZE_UNITS, Some(1)).map(Self).ok_or_else(|| {
            ValueError::new(format!("{} is not a size", quote(text)))
                .with_hint("write a whole number and `B`, `KiB`, `MiB` or `GiB`, for example `128MiB`")
        })
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit that leaves a whole number, so that nothing is rounded.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(formatter, self.0, &SIZE_UNITS)
    }
}

/// How long one call may take, written as `30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeLimit(Duration);

/// Units of time in milliseconds, largest first.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl TimeLimit {
    /// A limit in seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds as u64))
    }

    /// A limit in milliseconds.
    pub const fn from_millis(milliseconds: u32) -> Self {
        Self(Duration::from_millis(milliseconds as u64))
    }

    /// The limit as a duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for TimeLimit {
    /// Shown in milliseconds and larger units.
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<TimeLimit> for Duration {
    fn from(limit: TimeLimit) -> Self {
        limit.0
    }
}

impl FromStr for TimeLimit {
    type Err = ValueError;

    /// Reads `500ms`, `30s`, `2m` or `1h`. A number alone is refused, since its unit would be a guess.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        number_with_unit(text, &TIME_UNITS, None).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| {
            ValueError::new(format!("{} is not a duration", quote(text)))
                .with_hint("write a whole number and `ms`, `s`, `m` or `h`, for example `30s`")
        })
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Made from at most u64 milliseconds, so nothing is lost.
        write_with_unit(formatter, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &TIME_UNITS)
    }
}

/// `12` units as a number; `bare` is the unit of a number that has none.
fn number_with_unit(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = if unit.is_empty() { bare } else { units.iter().find(|(name, _)| *name == unit).map(|unit| unit.1) };
    number.parse::<u64>().ok()?.checked_mul(factor?)
}

fn write_with_unit(formatter: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    match units.iter().find(|(_, factor)| value > 0 && value.is_multiple_of(*factor)) {
        Some((name, factor)) => write!(formatter, "{}{name}", value / factor),
        None => write!(formatter, "0{}", units.last().map_or("", |(name, _)| name)),
    }
}

/// Defines a checked text, with `as_str` and `Display`.
macro_rules! text {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(super) String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}
pub(super) use text;

text! {
    /// The name of an environment variable: letters, digits, `_` and `-`.
    EnvName
}

impl FromStr for EnvName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = text.len() <= MAX_ENV_NAME_CHARACTERS && !text.starts_with('-') && is_word(text);
        if !fits {
            // What stands after `=` is likely to be a secret.
            let shown = text.split('=').next().unwrap_or(text);
            return Err(ValueError::new(format!(
                "{} is not the name of an environment variable",
                if shown.len() < text.len() { quote(&format!("{shown}=…")) } else { quote(text) }
            ))
            .with_hint(format!("use up to {MAX_ENV_NAME_CHARACTERS} letters, digits and `_`")));
        }
        Ok(Self(text.to_owned()))
    }
}

text! {
    /// The name of a tool that every provider of models accepts: 1 to 64 letters, digits, `_` and `-`.
    ToolName
}

impl FromStr for ToolName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.len() > MAX_TOOL_NAME_CHARACTERS || !is_word(text) {
            return Err(ValueError::new(format!("{} is not the name of a tool", quote(text)))
                .with_hint(format!("use up to {MAX_TOOL_NAME_CHARACTERS} letters, digits, `_` and `-`")));
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

text! {
    /// Where a component is found: a path, relative to the folder of `perstack.toml`.
    ComponentPath
}

impl FromStr for ComponentPath {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        check_path(text)?;
        if text.contains("://") {
            return Err(ValueError::new(format!("{} is not a path", quote(text)))
                .with_hint("components are found by path only, relative to this file"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The folder in which jobs are kept. No guest may touch it, so no grant may name it.
const JOURNAL_FOLDER: &str = "perstack";

text! {
    /// A path within the workspace, in its shortest form: `reports`, `data/raw`, and `.` for the whole workspace.
    GrantPath
}

impl GrantPath {
    /// The whole workspace.
    pub fn workspace() -> Self {
        Self(".".to_owned())
    }

    /// Whether it is another path, or below it.
    pub fn within(&self, wider: &Self) -> bool {
        let below = || self.0.strip_prefix(&wider.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        wider.0 == "." || below()
    }
}

impl FromStr for GrantPath {
    type Err = ValueError;

    /// Reads a relative path. What could mean another place than it seems to is refused, not repaired.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        check_path(text)?;
        let refuse = |why: &str| {
            Err(ValueError::new(format!("{} {why}", quote(text)))
                .with_hint("grant a path within the workspace, for example `./reports`"))
        };
        if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
            return refuse("is an absolute path");
        }
        if text.contains('\\') {
            return refuse("contains a backslash");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return refuse("leads out of the workspace");
        }
        if parts.first() == Some(&JOURNAL_FOLDER) {
            return refuse("is where jobs are kept, which no skill may touch");
        }
        Ok(Self(if parts.is_empty() { ".".to_owned() } else { parts.join("/") }))
    }
}

pub(super) fn check_path(text: &str) -> Result<(), ValueError> {
    if text.is_empty() {
        return Err(ValueError::new("the path is empty"));
    }
    if text.chars().count() > MAX_TEXT_CHARACTERS {
        return Err(ValueError::new(format!("the path is longer than {MAX_TEXT_CHARACTERS} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(ValueError::new(format!("{} contains a control character", quote(text))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_without_loss() {
        for (text, bytes, shown) in [
            ("128MiB", 128 << 20, "128MiB"),
            ("1KiB", 1024, "1KiB"),
            ("1GiB", 1 << 30, "1GiB"),
            ("2048", 2048, "2KiB"),
            ("1500B", 1500, "1500B"),
            ("0", 0, "0B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown));
        }
        for text in ["", "MiB", "1 MiB", "1MB", "1mib", "-1", "+1", "1.5GiB", "99999999999GiB", "１MiB"] {
            text.parse::<ByteSize>().unwrap_err();
        }
    }

    #[test]
    fn time_limits_need_a_unit() {
        for (text, ms, shown) in [("30s", 30_000, "30s"), ("500ms", 500, "500ms"), ("120s", 120_000, "2m")] {
            let limit: TimeLimit = text.parse().unwrap();
            assert_eq!((limit.duration().as_millis(), limit.to_string().as_str()), (ms, shown));
        }
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "18446744073709551615h", "1m30s"] {
            text.parse::<TimeLimit>().unwrap_err();
        }
    }

    #[test]
    fn granted_paths_take_their_shortest_form() {
        for (text, path) in [
            (".", "."),
            ("./", "."),
            ("./reports/", "reports"),
            ("a//b/./c", "a/b/c"),
            ("..a/b..", "..a/b.."),
            ("reports/perstack", "reports/perstack"),
            ("日本", "日本"),
        ] {
            assert_eq!(text.parse::<GrantPath>().unwrap().as_str(), path);
        }
    }

    #[test]
    fn a_path_is_within_another() {
        for (narrow, wide, expected) in [
            ("a", ".", true),
            (".", ".", true),
            ("a/b", "a", true),
            ("a", "a", true),
            ("ab", "a", false),
            ("a", "a/b", false),
            (".", "a", false),
        ] {
            let (narrow, wide): (GrantPath, GrantPath) = (narrow.parse().unwrap(), wide.parse().unwrap());
            assert_eq!(narrow.within(&wide), expected, "{narrow} {wide}");
        }
    }

    #[test]
    fn granted_paths_stay_in_the_workspace_and_out_of_its_journal() {
        let long = "a".repeat(MAX_TEXT_CHARACTERS + 1);
        for text in [
            "",
            "/",
            "/etc",
            "..",
            "a/../..",
            "a/..",
            "./..",
            "a\0b",
            "a\nb",
            "C:/x",
            "..\\x",
            "perstack",
            "./perstack/jobs",
            &long,
        ] {
            text.parse::<GrantPath>().unwrap_err();
        }
    }

    #[test]
    fn names_hold_what_they_may() {
        for text in ["EXA_API_KEY", "_x", "9", "a-b"] {
            text.parse::<EnvName>().unwrap();
        }
        for text in ["", "A=B", "-x", "A B", "Ä", "A\0"] {
            text.parse::<EnvName>().unwrap_err();
        }
        let longest = "a".repeat(MAX_TOOL_NAME_CHARACTERS);
        for text in ["askMove", "ask-user_2", &longest] {
            text.parse::<ToolName>().unwrap();
        }
        for text in ["", "ask.move", "ask move", "@a/b", &format!("{longest}a")] {
            text.parse::<ToolName>().unwrap_err();
        }
    }
}
