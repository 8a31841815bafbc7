//! State that outlives a call.
//!
//! A skill gets a fresh instance for each call, so what it must remember it keeps here, under keys, private to itself.
//!
//! ```
//! use perstack::state::State;
//!
//! fn visits() -> Result<u32, perstack::state::Error> {
//!     let state = State::workspace();
//!     let visits = state.get_json("visits")?.unwrap_or(0) + 1;
//!     state.set_json("visits", &visits)?;
//!     Ok(visits)
//! }
//!
//! assert_eq!(visits(), Ok(1));
//! assert_eq!(visits(), Ok(2));
//! ```

use std::fmt;

use crate::serde::Serialize;
use crate::serde::de::DeserializeOwned;
use crate::{host, json};

/// How long an entry lives, and who shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One run of one Expert; part of its checkpoints.
    Run,
    /// Everything that the job runs.
    Job,
    /// Every job in this workspace.
    Workspace,
}

/// Why state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The skill holds as much state as it is allowed to.
    QuotaExceeded,
    /// What is stored under the key is not the JSON that was expected, or cannot be written as JSON.
    Unreadable {
        /// The key.
        key: String,
        /// What does not fit.
        reason: String,
    },
    /// The host's own error.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuotaExceeded => formatter.write_str("the skill holds as much state as it is allowed to"),
            Self::Unreadable { key, reason } => write!(formatter, "the state under `{key}` does not fit: {reason}"),
            Self::Other(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

/// The entries of one scope.
#[derive(Clone, Copy, Debug)]
pub struct State {
    scope: Scope,
}

impl State {
    /// State of this run of this Expert.
    pub fn run() -> Self {
        Self { scope: Scope::Run }
    }

    /// State shared by everything that the job runs.
    pub fn job() -> Self {
        Self { scope: Scope::Job }
    }

    /// State shared by every job in this workspace.
    pub fn workspace() -> Self {
        Self { scope: Scope::Workspace }
    }

    /// The bytes under a key.
    pub fn get(self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        host::get_state(self.scope, key)
    }

    /// Stores bytes under a key, in place of what was there.
    pub fn set(self, key: &str, value: &[u8]) -> Result<(), Error> {
        host::set_state(self.scope, key, value)
    }

    /// Removes a key. One that is not there is no error.
    pub fn delete(self, key: &str) -> Result<(), Error> {
        host::delete_state(self.scope, key)
    }

    /// All keys.
    pub fn keys(self) -> Result<Vec<String>, Error> {
        host::list_state_keys(self.scope)
    }

    /// The value under a key, from JSON.
    pub fn get_json<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, Error> {
        let Some(bytes) = self.get(key)? else {
            return Ok(None);
        };
        json::from_slice(&bytes).map(Some).map_err(|error| unreadable(key, &error))
    }

    /// Stores a value under a key, as JSON.
    pub fn set_json<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<(), Error> {
        let bytes = json::to_vec(value).map_err(|error| unreadable(key, &error))?;
        self.set(key, &bytes)
    }
}

fn unreadable(key: &str, error: &json::Error) -> Error {
    Error::Unreadable { key: key.to_owned(), reason: error.to_string() }
}
