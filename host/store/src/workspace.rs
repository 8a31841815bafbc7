//! A workspace: the folder that Experts share, and their jobs in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perstack_core::{Id, Job};

use crate::folder::Folder;
use crate::{JobHistory, JobStore, LocalFiles, Storage, StoreError};

/// Where jobs are kept in a workspace, unless the program that embeds says otherwise. Skills never see it.
const FOLDER: &str = "perstack";
/// Where a job stands.
pub(crate) const JOB: &str = "job.json";

/// Jobs that are looked through for the latest; a workspace with more should be cleaned up.
const MAX_JOBS: usize = 100_000;

/// A workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
    storage: Arc<dyn Storage>,
}

impl Workspace {
    /// The workspace in a folder, which must exist. Jobs are kept in files below it. `root` is made absolute.
    ///
    /// # Errors
    /// [`StoreError::Read`] where it does not exist or is no folder.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = real(root)?;
        let storage = Arc::new(LocalFiles::new(root.join(FOLDER)));
        Ok(Self { root, storage })
    }

    /// The workspace in a folder, which must exist, with jobs that are kept elsewhere. The folder has the files that skills
    /// are granted and nothing else; whoever opens the workspace anew needs the same storage.
    ///
    /// # Errors
    /// [`StoreError::Read`] where it does not exist or is no folder.
    pub fn with_storage(root: &Path, storage: Arc<dyn Storage>) -> Result<Self, StoreError> {
        Ok(Self { root: real(root)?, storage })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a job. It is there for others once [`JobStore::put_job`] was called.
    ///
    /// # Errors
    /// [`StoreError::JobExists`], [`StoreError::JobLocked`], [`StoreError::Write`].
    pub fn create_job(&self, id: &Id) -> Result<JobStore, StoreError> {
        let job = JobStore::lock(self.clone(), id.clone(), self.job_folder(id))?;
        match job.job()? {
            None => Ok(job),
            Some(_) => Err(StoreError::JobExists(id.to_string())),
        }
    }

    /// Opens a job to go on with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::JobLocked`], [`StoreError::Read`], [`StoreError::Write`].
    pub fn open_job(&self, id: &Id) -> Result<JobStore, StoreError> {
        let folder = self.job_folder(id);
        if !folder.has(JOB)? {
            return Err(StoreError::NoSuchJob(id.to_string()));
        }
        JobStore::lock(self.clone(), id.clone(), folder)
    }

    /// The job of this Expert that was started last.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn latest_job(&self, expert_key: &str) -> Result<Option<Job>, StoreError> {
        let jobs = self.jobs()?.into_iter();
        Ok(jobs.filter(|job| job.coordinator_expert_key == expert_key).max_by_key(|job| job.started_at))
    }

    /// All jobs, in no order. Those that are damaged, or that may not be read, are passed over: they are not the ones that
    /// were meant.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let folder = self.folder("jobs");
        let mut jobs = Vec::new();
        for name in folder.names(MAX_JOBS)? {
            match folder.folder(&name).read(JOB) {
                Ok(job) => jobs.extend(job),
                Err(error) if is_of_no_use(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(jobs)
    }

    /// What is kept of a job, to look at.
    pub fn history(&self, id: &Id) -> JobHistory {
        JobHistory::new(self.job_folder(id))
    }

    pub(crate) fn folder(&self, name: &str) -> Folder {
        Folder::new(self.storage.clone(), name)
    }

    fn job_folder(&self, id: &Id) -> Folder {
        self.folder("jobs").folder(id.as_str())
    }
}

fn real(root: &Path) -> Result<PathBuf, StoreError> {
    let real = root.canonicalize().map_err(StoreError::folder(root))?;
    if real.is_dir() { Ok(real) } else { Err(StoreError::folder(&real)(io::ErrorKind::NotADirectory.into())) }
}

/// Whether what is there is no job of ours. A storage that fails is another matter: the latest job may be one that it has.
fn is_of_no_use(error: &StoreError) -> bool {
    match error {
        StoreError::Damaged { .. } => true,
        StoreError::Read { source, .. } => {
            matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory)
        }
        _ => false,
    }
}
