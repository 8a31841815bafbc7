//! One run's settings and events.

use perstack_core::{Event, Id, RunSetting};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::folder::Folder;
use crate::{Durability, Existing, StoreError};

const SETTING: &str = "run-setting.json";
const LATEST: &str = "latest.json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Latest {
    latest_checkpoint_id: Id,
}

/// One run of a job.
#[derive(Debug)]
pub struct RunStore {
    folder: Folder,
}

impl RunStore {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder }
    }

    /// Says what the run was started with.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_setting(&self, setting: &RunSetting) -> Result<(), StoreError> {
        self.folder.write(SETTING, setting, Existing::Replace, Durability::Buffered).map(drop)
    }

    /// Says from which checkpoint the run goes on. The job itself says it of its first Expert's run.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_latest_checkpoint(&self, id: &Id) -> Result<(), StoreError> {
        let latest = Latest { latest_checkpoint_id: id.clone() };
        self.folder.write(LATEST, &latest, Existing::Replace, Durability::Synced).map(drop)
    }

    /// From which checkpoint the run goes on; none if it has not begun.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn latest_checkpoint(&self) -> Result<Option<Id>, StoreError> {
        let latest: Option<Latest> = self.folder.read(LATEST)?;
        Ok(latest.map(|latest| latest.latest_checkpoint_id))
    }

    /// Keeps an event, and gives it as JSON. Events of a run have different times, so none is written over.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_event(&self, event: &Event) -> Result<Value, StoreError> {
        let json = serde_json::to_value(event).map_err(|error| self.folder.unwritable(error.into()))?;
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        let step = json.get("stepNumber").and_then(Value::as_u64).unwrap_or_default();
        let name = format!("event-{}-{step}-{kind}.json", event.timestamp);
        self.folder.write(&name, &json, Existing::Keep, Durability::Buffered)?;
        Ok(json)
    }
}
