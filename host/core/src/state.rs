//! State that outlives a call: entries that a skill, or an Expert's logic, keeps for itself.

use std::any::Any;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Limits;

/// How long an entry lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// One run of one Expert; part of its checkpoints.
    Run,
    /// Everything that the job runs.
    Job,
    /// Every job in the workspace.
    Workspace,
}

/// Where an entry is: its scope and its key.
pub type StateKey = (Scope, String);

/// One change: an entry set to a value, or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    /// Where the entry lives.
    pub scope: Scope,
    /// The entry's key.
    pub key: String,
    /// The new value; none deletes the entry.
    pub value: Option<StoredValue>,
}

/// Changes in the order in which they were made.
pub type StateChanges = Vec<StateChange>;

/// A value as it is written to files: as text where it is text, so that people can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoredValue {
    /// UTF-8 text.
    Text(String),
    /// Any other bytes, in hexadecimal.
    Hex(String),
}

impl StoredValue {
    /// The value's bytes, or nothing if the file that held it was damaged.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Hex(hex) if hex.len() % 2 == 0 && hex.is_ascii() => {
                (0..hex.len() / 2).map(|place| u8::from_str_radix(&hex[place * 2..place * 2 + 2], 16).ok()).collect()
            }
            Self::Hex(_) => None,
        }
    }
}

impl From<Vec<u8>> for StoredValue {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Hex(error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// Why state could not be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The guest holds as much as it is allowed to.
    #[error("state is full: {0}")]
    QuotaExceeded(String),
    /// The state could not be read or written.
    #[error("{0}")]
    Unavailable(String),
}

/// All entries of one guest, in memory, within its quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntries {
    entries: BTreeMap<StateKey, Vec<u8>>,
    /// Bytes of keys and values in one scope.
    quota: u64,
}

/// None yet, with the largest quota that can be set: what was accepted once is accepted again.
impl Default for StateEntries {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), quota: Limits::MAX_STATE }
    }
}

impl StateEntries {
    /// Entries in one scope.
    pub const MAX_ENTRIES: usize = 1024;
    /// Bytes of a key.
    pub const MAX_KEY_BYTES: usize = 256;

    /// From now on, a scope holds at most this many bytes of keys and values.
    pub fn limit(&mut self, quota: u64) {
        self.quota = quota;
    }

    /// The value of a key.
    pub fn get(&self, scope: Scope, key: &str) -> Option<&[u8]> {
        self.entries.get(&(scope, key.to_owned())).map(Vec::as_slice)
    }

    /// The keys of a scope, sorted.
    pub fn keys(&self, scope: Scope) -> Vec<String> {
        self.scope(scope).map(|(key, _)| key.to_owned()).collect()
    }

    /// The entries of a scope, sorted by key.
    pub fn scope(&self, scope: Scope) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().filter(move |((its, _), _)| *its == scope).map(|((_, key), value)| (&**key, &**value))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// [`StateError::QuotaExceeded`] where the scope would then hold too much; nothing is changed.
    pub fn set(&mut self, scope: Scope, key: String, value: Vec<u8>) -> Result<(), StateError> {
        if key.len() > Self::MAX_KEY_BYTES {
            return Err(StateError::QuotaExceeded(format!("a key has at most {} bytes", Self::MAX_KEY_BYTES)));
        }
        let others = || self.scope(scope).filter(|(its, _)| *its != key);
        if others().count() >= Self::MAX_ENTRIES {
            return Err(StateError::QuotaExceeded(format!("at most {} entries", Self::MAX_ENTRIES)));
        }
        let held: usize = others().map(|(its, value)| its.len() + value.len()).sum();
        if (held + key.len() + value.len()) as u64 > self.quota {
            return Err(StateError::QuotaExceeded(format!("at most {} bytes", self.quota)));
        }
        self.entries.insert((scope, key), value);
        Ok(())
    }

    /// Deletes an entry; one that is not there stays so.
    pub fn delete(&mut self, scope: Scope, key: &str) {
        self.entries.remove(&(scope, key.to_owned()));
    }

    /// Makes a change that was accepted before.
    ///
    /// # Errors
    /// [`StateError::Unavailable`] where its value is damaged, [`StateError::QuotaExceeded`] as with [`Self::set`].
    pub fn apply(&mut self, change: &StateChange) -> Result<(), StateError> {
        match &change.value {
            Some(value) => {
                let bytes = value.to_bytes();
                let bytes = bytes
                    .ok_or_else(|| StateError::Unavailable(format!("the value of `{}` is damaged", change.key)))?;
                self.set(change.scope, change.key.clone(), bytes)
            }
            None => {
                self.delete(change.scope, &change.key);
                Ok(())
            }
        }
    }
}

/// State that was opened for one call. While it is open, no other call of the same guest in the workspace can open it:
/// a call reads, decides and writes as if it were alone.
pub struct OpenState {
    /// What the guest remembers.
    pub entries: StateEntries,
    /// Keeps others out until it is dropped.
    pub guard: Box<dyn Any + Send>,
}

/// Where one guest's state comes from.
#[async_trait::async_trait]
pub trait StateSource: Send + Sync {
    /// Waits until no other call holds the state, then opens it.
    async fn open(&self) -> Result<OpenState, StateError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_being_stored() {
        for bytes in [b"plain".to_vec(), vec![], vec![0, 159, 146, 150]] {
            assert_eq!(StoredValue::from(bytes.clone()).to_bytes(), Some(bytes));
        }
        assert_eq!(StoredValue::Hex("0".into()).to_bytes(), None);
        assert_eq!(StoredValue::Hex("zz".into()).to_bytes(), None);
        assert_eq!(StoredValue::Hex("é".into()).to_bytes(), None);
    }

    #[test]
    fn quota_counts_a_scope_and_refuses_without_change() {
        let mut entries = StateEntries::default();
        entries.limit(1000);
        entries.set(Scope::Run, "a".into(), vec![0; 999]).unwrap();
        assert!(entries.set(Scope::Run, "b".into(), vec![]).is_err());
        entries.set(Scope::Job, "b".into(), vec![1]).unwrap();
        entries.set(Scope::Run, "a".into(), vec![1]).unwrap();
        entries.set(Scope::Run, "b".into(), vec![2]).unwrap();
        assert_eq!(entries.keys(Scope::Run), ["a", "b"]);
        assert!(entries.set(Scope::Run, "k".repeat(257), vec![]).is_err());
        entries.limit(Limits::DEFAULT_STATE);
        for number in 2..StateEntries::MAX_ENTRIES {
            entries.set(Scope::Run, number.to_string(), vec![]).unwrap();
        }
        assert!(entries.set(Scope::Run, "one more".into(), vec![]).is_err());
        entries.set(Scope::Run, "a".into(), vec![3]).unwrap();
    }
}
