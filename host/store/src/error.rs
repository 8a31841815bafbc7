//! What can go wrong with what is kept.

use std::io;
use std::path::Path;

use crate::InvalidName;

/// Why something could not be read or kept. The place is a path where it is a file, or else what the storage calls it.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is")]
pub enum StoreError {
    #[error("`{place}` cannot be written: {source}")]
    Write { place: String, source: io::Error },
    #[error("`{place}` cannot be read: {source}")]
    Read { place: String, source: io::Error },
    #[error("`{place}` is damaged: {reason}")]
    Damaged { place: String, reason: String },
    #[error("there is no job `{0}` in this workspace")]
    NoSuchJob(String),
    #[error("there is a job `{0}` already")]
    JobExists(String),
    #[error("another process is working on job `{0}`")]
    JobLocked(String),
    #[error("the run's journal has reached its limit of {limit} {unit}")]
    JournalFull { limit: u64, unit: &'static str },
    #[error("the name `{0}` is too long to keep state under")]
    NameTooLong(String),
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, then go on with `--continue`; what was recorded is kept"
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "choose a folder that you may write to with `--workspace`"
                }
                _ => "check the disk, then go on with `--continue`; what was recorded is kept",
            },
            Self::Read { .. } => "check the file and its permissions",
            Self::Damaged { .. } => "restore it from a backup, or start a new job",
            Self::NoSuchJob(_) => "check the job's name and `--workspace`",
            Self::JobExists(_) => "go on with it by `--continue-job`, or choose another name",
            Self::JobLocked(_) => "wait until it is done, or stop it",
            Self::JournalFull { .. } => "start a new job",
            Self::NameTooLong(_) => "choose a shorter name",
            Self::InvalidName(_) => "choose another name",
        }
    }

    /// For a folder of this machine.
    pub(crate) fn folder(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let place = path.display().to_string();
        move |source| Self::Read { place, source }
    }
}
