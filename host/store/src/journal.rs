//! A journal: entries that are numbered from 1, and never changed.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::Folder;
use crate::{Durability, Existing, StoreError};

/// Entries of one journal. A run has a hundred steps by default; this is where a guest that asks without end is stopped.
const MAX_ENTRIES: u64 = 100_000;
/// Bytes of one journal: six of the largest documents that a model can be shown, in base64. What is said goes into events
/// and checkpoints too, so this also bounds what a run takes of the disk.
const MAX_BYTES: u64 = 256 << 20;

/// The journal of one run.
#[derive(Debug)]
pub struct JournalStore {
    folder: Folder,
    bytes: AtomicU64,
}

impl JournalStore {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder, bytes: AtomicU64::new(0) }
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn entries<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for number in 1..=MAX_ENTRIES {
            let Some((entry, size)) = self.folder.read_sized(&name(number))? else { break };
            entries.push(entry);
            bytes += size;
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(entries)
    }

    /// Writes the entry with this number. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Write`], also where there is such an entry: another process goes on with the same run.
    /// [`StoreError::JournalFull`].
    pub fn put<T: Serialize>(&self, number: u64, entry: &T) -> Result<(), StoreError> {
        if number > MAX_ENTRIES {
            return Err(StoreError::JournalFull { limit: MAX_ENTRIES, unit: "entries" });
        }
        if self.bytes.load(Ordering::Relaxed) > MAX_BYTES {
            return Err(StoreError::JournalFull { limit: MAX_BYTES, unit: "bytes" });
        }
        let bytes = self.folder.write(&name(number), entry, Existing::Keep, Durability::Synced)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

fn name(number: u64) -> String {
    format!("{number:06}.json")
}
