//! State of guests, in files of their own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use perstack_core::{Id, Scope, StateChange, StateEntries, StateError, StoredValue};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::file::{self, Durability, Existing};

/// How often a lock that another call holds is tried again. Calls mostly hold it for less.
const LOCK_RETRY: Duration = Duration::from_millis(2);
/// Runs whose last change a file remembers. A killed run that is continued after so many others have changed the same
/// state may make its very last change again.
const MAX_COMMITS: usize = 1024;
/// Bytes of a file's name before its ending; file systems allow 255.
const MAX_NAME_BYTES: usize = 200;

/// Whose state it is. Nobody else's is ever read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOwner {
    /// The Expert, without its version: a new version keeps what it knows.
    pub expert: String,
    /// Its skill; none for the Expert's own logic.
    pub skill: Option<String>,
}

/// Which journal entry a change belongs to: it is made once, even if it is asked for again after a crash.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The run.
    pub run_id: &'a Id,
    /// The number of the entry.
    pub entry: u64,
}

/// The state of one guest, as one job sees it: scopes `job` and `workspace`. Scope `run` is in the run's journal.
#[derive(Clone, Debug)]
pub struct StateAccess {
    owner: StateOwner,
    workspace: PathBuf,
    job: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct StateFile {
    entries: BTreeMap<String, StoredValue>,
    /// Runs with the last journal entry of theirs that is in here; the latest at the end.
    commits: Vec<(Id, u64)>,
}

impl StateAccess {
    pub(crate) fn new(owner: StateOwner, workspace: &Path, job: &Path) -> Self {
        Self { owner, workspace: workspace.join("state"), job: job.join("state") }
    }

    /// Waits until nobody else in this workspace, in whatever process, holds this guest's state, then holds it until
    /// the answer is dropped.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub async fn lock(&self) -> Result<File, StoreError> {
        let path = self.path(&self.workspace, "lock")?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(StoreError::write(&path))?;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    file::remove_unfinished_of(&self.path(&self.workspace, "json")?)?;
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_RETRY).await,
                Err(TryLockError::Error(error)) => return Err(StoreError::write(&path)(error)),
            }
        }
    }

    /// Adds the entries of both scopes to `entries`.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn load(&self, entries: &mut StateEntries) -> Result<(), StoreError> {
        for (scope, folder) in [(Scope::Job, &self.job), (Scope::Workspace, &self.workspace)] {
            let path = self.path(folder, "json")?;
            let file: StateFile = file::read(&path)?.unwrap_or_default();
            for (key, value) in file.entries {
                let damaged = |error: StateError| StoreError::Damaged { path: path.clone(), reason: error.to_string() };
                entries.apply(&StateChange { scope, key, value: Some(value) }).map_err(damaged)?;
            }
        }
        Ok(())
    }

    /// Makes changes, unless they were made before. Changes of scope `run` are passed over.
    ///
    /// # Errors
    /// [`StoreError::Write`], [`StoreError::Damaged`].
    pub fn apply(&self, changes: &[StateChange], commit: Commit<'_>) -> Result<(), StoreError> {
        for (scope, folder) in [(Scope::Job, &self.job), (Scope::Workspace, &self.workspace)] {
            let mut changes = changes.iter().filter(|change| change.scope == scope).peekable();
            if changes.peek().is_none() {
                continue;
            }
            let path = self.path(folder, "json")?;
            let mut file: StateFile = file::read(&path)?.unwrap_or_default();
            if file.commits.iter().any(|(run, entry)| run == commit.run_id && *entry >= commit.entry) {
                continue;
            }
            for change in changes {
                match &change.value {
                    Some(value) => drop(file.entries.insert(change.key.clone(), value.clone())),
                    None => drop(file.entries.remove(&change.key)),
                }
            }
            file.commits.retain(|(run, _)| run != commit.run_id);
            file.commits.push((commit.run_id.clone(), commit.entry));
            let surplus = file.commits.len().saturating_sub(MAX_COMMITS);
            file.commits.drain(..surplus);
            file::write(&path, &file, Existing::Replace, Durability::Synced)?;
        }
        Ok(())
    }

    fn path(&self, scope: &Path, ending: &str) -> Result<PathBuf, StoreError> {
        let folder = scope.join(file_name(&self.owner.expert)?);
        file::create_folder(&folder)?;
        let name = match &self.owner.skill {
            Some(skill) => file_name(skill)?,
            // No skill's name is written like this.
            None => "%logic".to_owned(),
        };
        Ok(folder.join(format!("{name}.{ending}")))
    }
}

/// A name as a file's: what is not a letter, a digit, `-` or `_` is written as `%` and two hexadecimal digits.
fn file_name(name: &str) -> Result<String, StoreError> {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
    }
    if encoded.is_empty() || encoded.len() > MAX_NAME_BYTES {
        return Err(StoreError::NameTooLong(name.to_owned()));
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> (tempfile::TempDir, StateAccess, Id) {
        let folder = tempfile::tempdir().unwrap();
        let owner = StateOwner { expert: "@org/game".into(), skill: Some("../score".into()) };
        let access = StateAccess::new(owner, &folder.path().join("perstack"), &folder.path().join("job"));
        (folder, access, Id::from_entropy([1; 24]))
    }

    fn set(scope: Scope, key: &str, value: &str) -> StateChange {
        StateChange { scope, key: key.into(), value: Some(StoredValue::Text(value.into())) }
    }

    #[test]
    fn a_change_is_made_once() {
        let (_folder, access, run_id) = fixture();
        let commit = |entry| Commit { run_id: &run_id, entry };
        access.apply(&[set(Scope::Workspace, "wins", "1")], commit(3)).unwrap();
        access.apply(&[set(Scope::Workspace, "wins", "2")], commit(3)).unwrap();
        let wins = || {
            let mut entries = StateEntries::default();
            access.load(&mut entries).unwrap();
            String::from_utf8(entries.get(Scope::Workspace, "wins").unwrap().to_vec()).unwrap()
        };
        assert_eq!(wins(), "1");
        access.apply(&[set(Scope::Workspace, "wins", "2")], commit(4)).unwrap();
        assert_eq!(wins(), "2");
        let other = Id::from_entropy([2; 24]);
        access.apply(&[set(Scope::Workspace, "wins", "3")], Commit { run_id: &other, entry: 1 }).unwrap();
        assert_eq!(wins(), "3");
    }

    #[test]
    fn names_stay_in_their_folder() {
        let (folder, access, _) = fixture();
        let path = access.path(&access.workspace, "json").unwrap();
        assert_eq!(path, folder.path().join("perstack/state/%40org%2fgame/%2e%2e%2fscore.json"));
        assert!(file_name(&"x".repeat(201)).is_err());
        assert!(file_name("").is_err());
    }

    #[tokio::test]
    async fn only_one_holds_it() {
        let (_folder, access, _) = fixture();
        let held = access.lock().await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(30), access.lock()).await;
        assert!(waiting.is_err());
        drop(held);
        access.lock().await.unwrap();
    }
}
