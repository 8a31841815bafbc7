//! What is kept of a job, to look at. Nothing is held: another process may be working on the job.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perstack_core::{Checkpoint, Id, Job};
use serde_json::Value;

use crate::{StoreError, file};

/// Events of one job that are looked through.
const MAX_EVENTS: usize = 1_000_000;

/// A job's past.
#[derive(Clone, Debug)]
pub struct JobHistory {
    folder: PathBuf,
}

/// An event, as far as the name of its file tells. So a job of a hundred thousand events is searched by reading the names in
/// a few folders, and what is shown is read after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// The run.
    pub run_id: Id,
    /// The step, 0 where it belongs to none.
    pub step_number: u64,
    /// What happened: its `type`.
    pub kind: String,
    path: PathBuf,
}

impl JobHistory {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the job stands.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn job(&self) -> Result<Option<Job>, StoreError> {
        file::read(&self.folder.join("job.json"))
    }

    /// Whether one of its events' runs has this name.
    pub fn has_run(&self, id: &Id) -> bool {
        self.folder.join("runs").join(id.as_str()).is_dir()
    }

    /// All events, in the order in which they happened.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn events(&self) -> Result<Vec<EventEntry>, StoreError> {
        let mut events = Vec::new();
        for run in names(&self.folder.join("runs"))? {
            let Ok(run_id) = run.parse::<Id>() else { continue };
            let folder = self.folder.join("runs").join(&run);
            let found = names(&folder)?.into_iter().filter_map(|name| EventEntry::parse(&folder, &run_id, &name));
            events.extend(found.take(MAX_EVENTS - events.len()));
        }
        events.sort_by(|a, b| (a.timestamp, &a.run_id).cmp(&(b.timestamp, &b.run_id)));
        Ok(events)
    }

    /// One event, as JSON.
    ///
    /// # Errors
    /// [`StoreError::Read`], also where it is gone; [`StoreError::Damaged`].
    pub fn event(&self, entry: &EventEntry) -> Result<Value, StoreError> {
        file::read(&entry.path)?.ok_or_else(|| StoreError::read(&entry.path)(io::ErrorKind::NotFound.into()))
    }

    /// One checkpoint; none where there is no such.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn checkpoint(&self, id: &Id) -> Result<Option<Checkpoint>, StoreError> {
        file::read(&self.folder.join("checkpoints").join(format!("{id}.json")))
    }
}

impl EventEntry {
    /// `event-TIME-STEP-TYPE.json`.
    fn parse(folder: &Path, run_id: &Id, name: &str) -> Option<Self> {
        let mut fields = name.strip_prefix("event-")?.strip_suffix(".json")?.splitn(3, '-');
        Some(Self {
            timestamp: fields.next()?.parse().ok()?,
            step_number: fields.next()?.parse().ok()?,
            kind: fields.next()?.to_owned(),
            run_id: run_id.clone(),
            path: folder.join(name),
        })
    }
}

/// The names in a folder; none where there is no folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::read(folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries.take(MAX_EVENTS) {
        let entry = entry.map_err(StoreError::read(folder))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(names)
}
