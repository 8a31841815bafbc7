//! One job.

use perstack_core::{Checkpoint, Id, Job};

use crate::folder::Folder;
use crate::workspace::JOB;
use crate::{
    Durability, Existing, JournalStore, RunStore, StateAccess, StateOwner, StorageLock, StoreError, Workspace,
};

/// One job, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct JobStore {
    workspace: Workspace,
    id: Id,
    folder: Folder,
    _lock: StorageLock,
}

impl JobStore {
    pub(crate) fn lock(workspace: Workspace, id: Id, folder: Folder) -> Result<Self, StoreError> {
        match folder.try_lock("lock")? {
            Some(lock) => Ok(Self { workspace, id, folder, _lock: lock }),
            None => Err(StoreError::JobLocked(id.to_string())),
        }
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
        self.folder.read(JOB)
    }

    /// Says where the job stands.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_job(&self, job: &Job) -> Result<(), StoreError> {
        self.folder.write(JOB, job, Existing::Replace, Durability::Synced).map(drop)
    }

    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let name = checkpoint_name(&checkpoint.id);
        self.checkpoints().write(&name, checkpoint, Existing::Replace, Durability::Synced).map(drop)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`StoreError::Read`], also where it is not there; [`StoreError::Damaged`].
    pub fn checkpoint(&self, id: &Id) -> Result<Checkpoint, StoreError> {
        let (checkpoints, name) = (self.checkpoints(), checkpoint_name(id));
        checkpoints.read(&name)?.ok_or_else(|| checkpoints.missing(&name))
    }

    /// One of the job's runs.
    pub fn run(&self, id: &Id) -> RunStore {
        RunStore::new(self.run_folder(id))
    }

    /// The journal of one of the job's runs.
    pub fn journal(&self, id: &Id) -> JournalStore {
        JournalStore::new(self.run_folder(id).folder("journal"))
    }

    /// The state of one guest, as this job sees it.
    pub fn state(&self, owner: StateOwner) -> StateAccess {
        StateAccess::new(owner, self.workspace.folder("state"), self.folder.folder("state"))
    }

    fn checkpoints(&self) -> Folder {
        self.folder.folder("checkpoints")
    }

    fn run_folder(&self, id: &Id) -> Folder {
        self.folder.folder("runs").folder(id.as_str())
    }
}

fn checkpoint_name(id: &Id) -> String {
    format!("{id}.json")
}
