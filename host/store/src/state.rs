//! State of guests, in documents of their own.

use std::collections::BTreeMap;

use perstack_core::{Id, Scope, StateChange, StateEntries, StateError, StoredValue};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::{Durability, Existing, StorageLock, StoreError};

/// Runs whose last change a document remembers. A killed run that is continued after so many others have changed the same
/// state may make its very last change again.
const MAX_COMMITS: usize = 1024;
/// Bytes of a document's name before its ending; file systems allow 255.
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
    workspace: Folder,
    job: Folder,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    entries: BTreeMap<String, StoredValue>,
    /// Runs with the last journal entry of theirs that is in here; the latest at the end.
    commits: Vec<(Id, u64)>,
}

impl StateAccess {
    pub(crate) fn new(owner: StateOwner, workspace: Folder, job: Folder) -> Self {
        Self { owner, workspace, job }
    }

    /// Waits until nobody else in this workspace, in whatever process, holds this guest's state, then holds it until
    /// the answer is dropped.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub async fn lock(&self) -> Result<StorageLock, StoreError> {
        let folder = self.folder(&self.workspace)?;
        let name = self.name("lock")?;
        loop {
            match folder.try_lock(&name)? {
                Some(lock) => return Ok(lock),
                None => tokio::time::sleep(folder.lock_retry()).await,
            }
        }
    }

    /// Adds the entries of both scopes to `entries`.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn load(&self, entries: &mut StateEntries) -> Result<(), StoreError> {
        for (scope, folder) in [(Scope::Job, &self.job), (Scope::Workspace, &self.workspace)] {
            let (folder, name) = (self.folder(folder)?, self.name("json")?);
            let kept: Kept = folder.read(&name)?.unwrap_or_default();
            for (key, value) in kept.entries {
                let damaged = |error: StateError| folder.damaged(&name, error.to_string());
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
            let (folder, name) = (self.folder(folder)?, self.name("json")?);
            let mut kept: Kept = folder.read(&name)?.unwrap_or_default();
            if kept.commits.iter().any(|(run, entry)| run == commit.run_id && *entry >= commit.entry) {
                continue;
            }
            for change in changes {
                match &change.value {
                    Some(value) => drop(kept.entries.insert(change.key.clone(), value.clone())),
                    None => drop(kept.entries.remove(&change.key)),
                }
            }
            kept.commits.retain(|(run, _)| run != commit.run_id);
            kept.commits.push((commit.run_id.clone(), commit.entry));
            let surplus = kept.commits.len().saturating_sub(MAX_COMMITS);
            kept.commits.drain(..surplus);
            folder.write(&name, &kept, Existing::Replace, Durability::Synced)?;
        }
        Ok(())
    }

    fn folder(&self, scope: &Folder) -> Result<Folder, StoreError> {
        Ok(scope.folder(&encoded(&self.owner.expert)?))
    }

    fn name(&self, ending: &str) -> Result<String, StoreError> {
        let name = match &self.owner.skill {
            Some(skill) => encoded(skill)?,
            // No skill's name is written like this.
            None => "%logic".to_owned(),
        };
        Ok(format!("{name}.{ending}"))
    }
}

/// A name as a document's: what is not a letter, a digit, `-` or `_` is written as `%` and two hexadecimal digits.
fn encoded(name: &str) -> Result<String, StoreError> {
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
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::{LocalFiles, Storage};

    fn fixture() -> (tempfile::TempDir, StateAccess, Id) {
        let folder = tempfile::tempdir().unwrap();
        let owner = StateOwner { expert: "@org/game".into(), skill: Some("../score".into()) };
        let storage: Arc<dyn Storage> = Arc::new(LocalFiles::new(folder.path()));
        let scope = |name| Folder::new(storage.clone(), name);
        let access = StateAccess::new(owner, scope("state"), scope("jobs/mine/state"));
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
        let (folder, access, run_id) = fixture();
        let commit = Commit { run_id: &run_id, entry: 1 };
        access.apply(&[set(Scope::Workspace, "wins", "1"), set(Scope::Job, "wins", "1")], commit).unwrap();
        for scope in ["state", "jobs/mine/state"] {
            assert!(folder.path().join(scope).join("%40org%2fgame/%2e%2e%2fscore.json").exists());
        }
        assert!(encoded(&"x".repeat(201)).is_err());
        assert!(encoded("").is_err());
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
