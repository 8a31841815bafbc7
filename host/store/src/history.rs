//! What is kept of a job, to look at. Nothing is held: another process may be working on the job.

use perstack_core::{Checkpoint, Id, Job};
use serde_json::Value;

use crate::StoreError;
use crate::folder::Folder;
use crate::workspace::JOB;

/// Events of one job that are looked through.
const MAX_EVENTS: usize = 1_000_000;

/// A job's past.
#[derive(Clone, Debug)]
pub struct JobHistory {
    folder: Folder,
}

/// An event, as far as the name of its document tells. So a job of a hundred thousand events is searched by reading the names in
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
    name: String,
}

impl JobHistory {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Where the job stands.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn job(&self) -> Result<Option<Job>, StoreError> {
        self.folder.read(JOB)
    }

    /// Whether one of its events' runs has this name.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn has_run(&self, id: &Id) -> Result<bool, StoreError> {
        Ok(!self.run(id).names(1)?.is_empty())
    }

    /// All events, in the order in which they happened.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn events(&self) -> Result<Vec<EventEntry>, StoreError> {
        let mut events = Vec::new();
        for run in self.folder.folder("runs").names(MAX_EVENTS)? {
            let Ok(run_id) = run.parse::<Id>() else { continue };
            let names = self.run(&run_id).names(MAX_EVENTS)?.into_iter();
            let found = names.filter_map(|name| EventEntry::parse(&run_id, name));
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
        let run = self.run(&entry.run_id);
        run.read(&entry.name)?.ok_or_else(|| run.missing(&entry.name))
    }

    /// One checkpoint; none where there is no such.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn checkpoint(&self, id: &Id) -> Result<Option<Checkpoint>, StoreError> {
        self.folder.folder("checkpoints").read(&format!("{id}.json"))
    }

    fn run(&self, id: &Id) -> Folder {
        self.folder.folder("runs").folder(id.as_str())
    }
}

impl EventEntry {
    /// `event-TIME-STEP-TYPE.json`.
    fn parse(run_id: &Id, name: String) -> Option<Self> {
        let mut fields = name.strip_prefix("event-")?.strip_suffix(".json")?.splitn(3, '-');
        let timestamp = fields.next()?.parse().ok()?;
        let step_number = fields.next()?.parse().ok()?;
        let kind = fields.next()?.to_owned();
        Some(Self { timestamp, run_id: run_id.clone(), step_number, kind, name })
    }
}
