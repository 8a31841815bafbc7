//! One job.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use perstack_core::{Checkpoint, Id, Job};

use crate::file::{self, Durability, Existing};
use crate::{JournalStore, RunStore, StateAccess, StateOwner, StoreError, Workspace};

/// One job, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct JobStore {
    workspace: Workspace,
    id: Id,
    folder: PathBuf,
    /// The kernel lets go of it with the process, however that ends.
    _lock: File,
}

impl JobStore {
    pub(crate) fn lock(workspace: Workspace, id: Id, folder: PathBuf) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(StoreError::write(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::JobLocked(id.to_string())),
            Err(TryLockError::Error(error)) => return Err(StoreError::write(&path)(error)),
        }
        file::remove_unfinished(&folder)?;
        Ok(Self { workspace, id, folder, _lock: lock })
    }

    /// The job's name.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The workspace that it is kept in.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Where the job stands; none if it was only begun.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn job(&self) -> Result<Option<Job>, StoreError> {
        file::read(&self.folder.join("job.json"))
    }

    /// Says where the job stands.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_job(&self, job: &Job) -> Result<(), StoreError> {
        file::write(&self.folder.join("job.json"), job, Existing::Replace, Durability::Synced).map(drop)
    }

    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let path = self.checkpoint_path(&checkpoint.id);
        file::create_folder(&self.folder.join("checkpoints"))?;
        file::write(&path, checkpoint, Existing::Replace, Durability::Synced).map(drop)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Read`], also where it is not there; [`StoreError::Damaged`].
    pub fn checkpoint(&self, id: &Id) -> Result<Checkpoint, StoreError> {
        let path = self.checkpoint_path(id);
        let found = file::read(&path)?;
        found.ok_or_else(|| StoreError::read(&path)(std::io::ErrorKind::NotFound.into()))
    }

    /// One of the job's runs.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn run(&self, id: &Id) -> Result<RunStore, StoreError> {
        RunStore::open(self.folder.join("runs").join(id.as_str()))
    }

    /// The journal of one of the job's runs.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn journal(&self, id: &Id) -> Result<JournalStore, StoreError> {
        JournalStore::open(self.folder.join("runs").join(id.as_str()).join("journal"))
    }

    /// The state of one guest, as this job sees it.
    pub fn state(&self, owner: StateOwner) -> StateAccess {
        StateAccess::new(owner, &self.workspace.folder(), &self.folder)
    }

    fn checkpoint_path(&self, id: &Id) -> PathBuf {
        self.folder.join("checkpoints").join(format!("{id}.json"))
    }
}
