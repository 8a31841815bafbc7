//! A journal: entries that are numbered from 1, and never changed.

use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::file::{self, Durability, Existing};

/// Entries of one journal. A run has a hundred steps by default; this is where a guest that asks without end is stopped.
const MAX_ENTRIES: u64 = 1_000_000;

/// The journal of one run.
#[derive(Debug)]
pub struct JournalStore {
    folder: PathBuf,
}

impl JournalStore {
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        file::create_folder(&folder)?;
        Ok(Self { folder })
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub fn entries<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        let mut entries = Vec::new();
        for number in 1..=MAX_ENTRIES {
            match file::read(&self.path(number))? {
                Some(entry) => entries.push(entry),
                None => break,
            }
        }
        Ok(entries)
    }

    /// Writes the entry with this number. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Write`], also where there is such an entry: another process goes on with the same run.
    pub fn put<T: Serialize>(&self, number: u64, entry: &T) -> Result<(), StoreError> {
        let path = self.path(number);
        if number > MAX_ENTRIES {
            let full = format!("a journal has at most {MAX_ENTRIES} entries");
            return Err(StoreError::write(&path)(std::io::Error::other(full)));
        }
        file::write(&path, entry, Existing::Keep, Durability::Synced)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}.json"))
    }
}
