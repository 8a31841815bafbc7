//! One run's settings and events.

use std::path::PathBuf;

use perstack_core::{Event, Id, RunSetting};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::StoreError;
use crate::file::{self, Durability, Existing};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Latest {
    latest_checkpoint_id: Id,
}

/// One run of a job.
#[derive(Debug)]
pub struct RunStore {
    folder: PathBuf,
}

impl RunStore {
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        file::create_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Says what the run was started with.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_setting(&self, setting: &RunSetting) -> Result<(), StoreError> {
        file::write(&self.folder.join("run-setting.json"), setting, Existing::Replace, Durability::Buffered).map(drop)
    }

    /// Says from which checkpoint the run goes on. The job itself says it of its first Expert's run.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_latest_checkpoint(&self, id: &Id) -> Result<(), StoreError> {
        let latest = Latest { latest_checkpoint_id: id.clone() };
        file::write(&self.latest_path(), &latest, Existing::Replace, Durability::Synced).map(drop)
    }

    /// From which checkpoint the run goes on; none if it has not begun.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn latest_checkpoint(&self) -> Result<Option<Id>, StoreError> {
        let latest: Option<Latest> = file::read(&self.latest_path())?;
        Ok(latest.map(|latest| latest.latest_checkpoint_id))
    }

    fn latest_path(&self) -> PathBuf {
        self.folder.join("latest.json")
    }

    /// Keeps an event, and gives it as JSON. Events of a run have different times, so none is written over.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub fn put_event(&self, event: &Event) -> Result<Value, StoreError> {
        let failed = |error: serde_json::Error| StoreError::write(&self.folder)(error.into());
        let json = serde_json::to_value(event).map_err(failed)?;
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        let step = json.get("stepNumber").and_then(Value::as_u64).unwrap_or_default();
        let path = self.folder.join(format!("event-{}-{step}-{kind}.json", event.timestamp));
        file::write(&path, &json, Existing::Keep, Durability::Buffered)?;
        Ok(json)
    }
}
