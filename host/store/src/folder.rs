//! Documents as the layout has them: JSON, of bounded size, in folders.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::name::is_part;
use crate::{Durability, Existing, Storage, StorageLock, StorageName, StoreError};

/// The largest document that is read: a checkpoint with a long conversation and many images stays below.
const MAX_DOCUMENT_BYTES: u64 = 256 << 20;

/// A folder of a storage. What it is asked for by name becomes a [`StorageName`] here, and nowhere else.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    storage: Arc<dyn Storage>,
    path: String,
}

impl Folder {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: &str) -> Self {
        Self { storage, path: path.to_owned() }
    }

    /// One in this one.
    pub(crate) fn folder(&self, name: &str) -> Self {
        Self { storage: self.storage.clone(), path: format!("{}/{name}", self.path) }
    }

    /// Writes a value as JSON, and says how many bytes that were. With [`Existing::Keep`], fails with
    /// [`io::ErrorKind::AlreadyExists`] where the document is there.
    pub(crate) fn write<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        existing: Existing,
        durability: Durability,
    ) -> Result<u64, StoreError> {
        let name = self.name(name)?;
        let failed = |source| StoreError::Write { place: self.storage.shown(&name), source };
        let text = serde_json::to_vec(value).map_err(io::Error::from).map_err(failed)?;
        if text.len() as u64 > MAX_DOCUMENT_BYTES {
            let reason = format!("it would have more than {MAX_DOCUMENT_BYTES} bytes, and could not be read again");
            return Err(failed(io::Error::other(reason)));
        }
        self.storage.put(&name, &text, existing, durability).map_err(failed)?;
        Ok(text.len() as u64)
    }

    /// Reads a value; none where there is no document.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        Ok(self.read_sized(name)?.map(|(value, _)| value))
    }

    /// Reads a value, with the bytes that it takes.
    pub(crate) fn read_sized<T: DeserializeOwned>(&self, name: &str) -> Result<Option<(T, u64)>, StoreError> {
        let name = self.name(name)?;
        let failed = |source| StoreError::Read { place: self.storage.shown(&name), source };
        let Some(text) = self.storage.get(&name, MAX_DOCUMENT_BYTES + 1).map_err(failed)? else { return Ok(None) };
        let damaged = |reason: String| StoreError::Damaged { place: self.storage.shown(&name), reason };
        if text.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(damaged(format!("it has more than {MAX_DOCUMENT_BYTES} bytes")));
        }
        let value = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(Some((value, text.len() as u64)))
    }

    /// Whether there is such a document, whatever is in it.
    pub(crate) fn has(&self, name: &str) -> Result<bool, StoreError> {
        let name = self.name(name)?;
        let failed = |source| StoreError::Read { place: self.storage.shown(&name), source };
        Ok(self.storage.get(&name, 1).map_err(failed)?.is_some())
    }

    /// The names of documents and folders in it, at most so many.
    pub(crate) fn names(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let folder = self.path.parse()?;
        let failed = |source| StoreError::Read { place: self.storage.shown(&folder), source };
        let mut names = self.storage.list(&folder, limit).map_err(failed)?;
        names.truncate(limit);
        // Others may have put files there.
        names.retain(|name| is_part(name));
        Ok(names)
    }

    /// Gets a lock, or none where it is held.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<StorageLock>, StoreError> {
        let name = self.name(name)?;
        self.storage.try_lock(&name).map_err(|source| StoreError::Write { place: self.storage.shown(&name), source })
    }

    pub(crate) fn lock_retry(&self) -> Duration {
        self.storage.lock_retry()
    }

    /// That a document is not there, as an error.
    pub(crate) fn missing(&self, name: &str) -> StoreError {
        StoreError::Read { place: self.shown(name), source: io::ErrorKind::NotFound.into() }
    }

    /// That a document has no such meaning, as an error.
    pub(crate) fn damaged(&self, name: &str, reason: String) -> StoreError {
        StoreError::Damaged { place: self.shown(name), reason }
    }

    /// That something cannot be written into it, as an error.
    pub(crate) fn unwritable(&self, source: io::Error) -> StoreError {
        let place = self.path.parse().map_or_else(|_| self.path.clone(), |folder| self.storage.shown(&folder));
        StoreError::Write { place, source }
    }

    fn shown(&self, name: &str) -> String {
        self.name(name).map_or_else(|_| name.to_owned(), |name| self.storage.shown(&name))
    }

    /// Where the check is.
    fn name(&self, name: &str) -> Result<StorageName, StoreError> {
        Ok(format!("{}/{name}", self.path).parse()?)
    }
}
