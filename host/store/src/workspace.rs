//! A workspace: the folder that Experts share, and their jobs in it.

use std::io;
use std::path::{Path, PathBuf};

use perstack_core::{Id, Job};

use crate::history::names;
use crate::{JobHistory, JobStore, StoreError, file};

/// Jobs that are looked through for the latest; a workspace with more should be cleaned up.
const MAX_JOBS: usize = 100_000;

/// A workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace in a folder, which must exist. `root` is made absolute.
    ///
    /// # Errors
    /// [`StoreError::Read`] where it does not exist or is no folder.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = root.canonicalize().map_err(StoreError::read(root))?;
        if !root.is_dir() {
            return Err(StoreError::read(&root)(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { root })
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
        let folder = self.job_folder(id);
        file::create_folder(&folder)?;
        let job = JobStore::lock(self.clone(), id.clone(), folder)?;
        match job.job()? {
            None => Ok(job),
            Some(_) => Err(StoreError::JobExists(id.to_string())),
        }
    }

    /// Opens a job to go on with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::JobLocked`].
    pub fn open_job(&self, id: &Id) -> Result<JobStore, StoreError> {
        let folder = self.job_folder(id);
        if !folder.join("job.json").exists() {
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

    /// All jobs, in no order.
    ///
    /// # Errors
    /// [`StoreError::Read`]. Jobs whose files are damaged are passed over: they are not the ones that were meant.
    pub fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        let folder = self.folder().join("jobs");
        let names = names(&folder)?.into_iter().take(MAX_JOBS);
        Ok(names.filter_map(|name| file::read(&folder.join(name).join("job.json")).ok().flatten()).collect())
    }

    /// What is kept of a job, to look at.
    pub fn history(&self, id: &Id) -> JobHistory {
        JobHistory::new(self.job_folder(id))
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join("perstack")
    }

    fn job_folder(&self, id: &Id) -> PathBuf {
        self.root.join("perstack/jobs").join(id.as_str())
    }
}
