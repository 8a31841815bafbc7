//! The host policy: what the operator of a machine allows, whatever a project asks for.
//!
//! It is read as `perstack.toml` is. What it leaves out does not restrict; an empty list denies all. What is said keeps
//! its line, since a refusal names it.
//!
//! ```
//! # use perstack_core::policy::{Native, Policy};
//! let policy = Policy::parse("native = 'deny'\n[ceilings]\nnetwork = []\n")?;
//! assert_eq!(policy.native.unwrap().value, Native::Deny);
//! assert!(policy.ceilings.network.unwrap().value.is_empty());
//! # Ok::<(), perstack_core::config::ConfigError>(())
//! ```

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::Limits;

use super::bounds::{MAX_CALL_TIME, MAX_ITEMS, MAX_MEMORY, MAX_OUTPUT, MAX_TEXT_CHARACTERS, MIN_CALL_TIME, MIN_MEMORY};
use super::capabilities::read_size;
use super::document::{Document, Format};
use super::error::{ConfigError, quote};
use super::fields::Field;
use super::network::NetworkPattern;
use super::values::{Access, ByteSize, ValueError, check_path, text};
use super::words::words;

pub use super::policy_network::{AddressRange, HostName, MachineNetwork};

/// Largest policy file: it holds two thousand patterns, and an operator is to read it as a whole.
pub const MAX_POLICY_BYTES: usize = 64 << 10;

/// What the operator says, with the line in which it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated<T> {
    /// What.
    pub value: T,
    /// Where, from 1.
    pub line: usize,
}

/// A whole policy. The default is that of a machine without one: nothing is restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether native programs may be started.
    pub native: Option<Stated<Native>>,
    /// How components are run.
    pub engine: Option<Stated<EngineKind>>,
    /// Whether the program stops where a protection that was asked for cannot be put in place.
    pub strict: bool,
    /// The most that projects can grant.
    pub ceilings: Ceilings,
    /// What the machine's network has that the rest of the world does not.
    pub network: MachineNetwork,
    /// Who must have signed a component.
    pub require_signature: Option<Stated<Vec<String>>>,
}

words! {
    /// Whether native programs may be started.
    #[derive(Default)]
    pub enum Native {
        /// As projects ask for.
        #[default]
        Allow = "allow",
        /// None at all.
        Deny = "deny",
    }
}

words! {
    /// How components are run.
    #[derive(Default)]
    pub enum EngineKind {
        /// As machine code.
        #[default]
        Compiled = "compiled",
        /// By an interpreter, so that no executable memory is ever mapped. Slower.
        Interpreter = "interpreter",
    }
}

/// The most that projects can grant. What is left out does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Where skills may connect to.
    pub network: Option<Stated<Vec<NetworkPattern>>>,
    /// Which folders may be granted.
    pub filesystem: Option<Stated<Vec<PathCeiling>>>,
    /// Bytes of memory of a call.
    pub memory: Option<Stated<u64>>,
    /// Time of a call.
    pub timeout: Option<Stated<Duration>>,
    /// Bytes of output of a call.
    pub output: Option<Stated<u64>>,
}

/// A folder with all below it that may be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCeiling {
    /// The folder.
    pub path: AbsolutePath,
    /// What it may be granted for.
    pub access: Access,
}

text! {
    /// An absolute path in its shortest form: `/srv/work`, and `/` for everything.
    AbsolutePath
}

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(self.as_str())
    }
}

impl FromStr for AbsolutePath {
    type Err = ValueError;

    /// Reads an absolute path. What could mean another place than it seems to is refused, not repaired.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        check_path(text)?;
        let refuse = |why: &str| {
            Err(ValueError::new(format!("{} {why}", quote(text)))
                .with_hint("write the whole path, for example `/srv/work`"))
        };
        if !text.starts_with('/') {
            return refuse("is not an absolute path");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return refuse("contains `.` or `..`");
        }
        Ok(Self(format!("/{}", parts.join("/"))))
    }
}

const FORMAT: Format = Format {
    fields: &["native", "engine", "strict", "network", "ceilings", "components"],
    max_bytes: MAX_POLICY_BYTES,
};

impl Policy {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The first mistake: in the syntax, an unknown field, or a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text, &FORMAT)?;
        let fields = document.fields()?;
        Ok(Self {
            native: fields.optional("native", |field| stated(field, |field| field.parse()))?,
            engine: fields.optional("engine", |field| stated(field, |field| field.parse()))?,
            strict: fields.optional("strict", |field| field.boolean())?.unwrap_or(false),
            network: fields.optional("network", MachineNetwork::read)?.unwrap_or_default(),
            ceilings: fields.optional("ceilings", Ceilings::read)?.unwrap_or_default(),
            require_signature: fields.optional("components", read_components)?.flatten(),
        })
    }

    /// The line that denies native programs, if one does.
    pub fn denies_native(&self) -> Option<usize> {
        self.native.as_ref().filter(|native| native.value == Native::Deny).map(|native| native.line)
    }

    /// How components are run.
    pub fn engine(&self) -> EngineKind {
        self.engine.as_ref().map(|engine| engine.value).unwrap_or_default()
    }
}

impl Ceilings {
    fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.table("`ceilings`")?;
        fields.refuse_unknown(&["network", "filesystem", "memory", "timeout", "output"])?;
        let size = |range| move |field: &Field<'_>| read_size(field, range).map(ByteSize::bytes);
        Ok(Self {
            network: fields
                .optional("network", |field| stated(field, |field| field.list(MAX_ITEMS, |item| item.parse())))?,
            filesystem: fields
                .optional("filesystem", |field| stated(field, |field| field.list(MAX_ITEMS, PathCeiling::read)))?,
            memory: fields.optional("memory", |field| stated(field, size(MIN_MEMORY..=MAX_MEMORY)))?,
            timeout: fields
                .optional("timeout", |field| stated(field, |field| field.duration(MIN_CALL_TIME..=MAX_CALL_TIME)))?,
            output: fields.optional("output", |field| stated(field, size(ByteSize::from_bytes(1)..=MAX_OUTPUT)))?,
        })
    }

    /// These limits, and where they are higher the ceilings in their place.
    pub fn cap(&self, mut limits: Limits) -> Limits {
        let Self { memory, timeout, output, .. } = self;
        limits.by_policy.memory |= lower(&mut limits.memory, memory.as_ref());
        limits.by_policy.timeout |= lower(&mut limits.timeout, timeout.as_ref());
        limits.by_policy.output |= lower(&mut limits.output, output.as_ref());
        limits
    }
}

/// Whether the ceiling is the lower one, which it then is.
fn lower<T: Copy + Ord>(limit: &mut T, ceiling: Option<&Stated<T>>) -> bool {
    let Some(ceiling) = ceiling.filter(|ceiling| ceiling.value < *limit) else { return false };
    *limit = ceiling.value;
    true
}

impl PathCeiling {
    fn read(field: &Field<'_>) -> Result<Self, ConfigError> {
        let fields = field.named_table()?;
        fields.refuse_unknown(&["path", "access"])?;
        Ok(Self { path: fields.required("path")?.parse()?, access: fields.required("access")?.parse()? })
    }
}

fn read_components(field: &Field<'_>) -> Result<Option<Stated<Vec<String>>>, ConfigError> {
    let fields = field.table("`components`")?;
    fields.refuse_unknown(&["require-signature"])?;
    fields.optional("require-signature", |field| {
        stated(field, |field| field.list(MAX_ITEMS, |item| item.filled(MAX_TEXT_CHARACTERS)))
    })
}

fn stated<T>(
    field: &Field<'_>,
    read: impl FnOnce(&Field<'_>) -> Result<T, ConfigError>,
) -> Result<Stated<T>, ConfigError> {
    Ok(Stated { value: read(field)?, line: field.line() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_take_their_shortest_form() {
        for (text, path) in [("/", "/"), ("/srv/work", "/srv/work"), ("//srv//work/", "/srv/work"), ("/..a", "/..a")] {
            assert_eq!(text.parse::<AbsolutePath>().unwrap().as_str(), path);
        }
        for text in ["", "srv", "./srv", "~/srv", "/srv/..", "/./srv", "/srv/../etc", "/a\0b", "/a\nb"] {
            text.parse::<AbsolutePath>().unwrap_err();
        }
    }

    #[test]
    fn limits_are_capped_and_say_so() {
        let policy = Policy::parse("[ceilings]\nmemory = '64MiB'\noutput = '2MiB'\n").unwrap();
        let capped = policy.ceilings.cap(Limits::default());
        assert_eq!((capped.memory, capped.timeout, capped.output), (64 << 20, Limits::DEFAULT_TIMEOUT, 1 << 20));
        assert_eq!((capped.by_policy.memory, capped.by_policy.timeout, capped.by_policy.output), (true, false, false));
        assert_eq!(Ceilings::default().cap(Limits::default()), Limits::default());
    }

    #[test]
    fn a_ceiling_that_is_as_high_as_the_limit_is_not_named() {
        let policy = Policy::parse("[ceilings]\nmemory = '128MiB'\n").unwrap();
        assert_eq!(policy.ceilings.cap(Limits::default()), Limits::default());
    }
}
