//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// The largest file that is read: a checkpoint with a long conversation and many images stays below.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// What a file is called before it is whole.
const TEMPORARY: &str = ".writing-";

/// What happens to a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    Keep,
}

/// Whether to wait until the disk has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// What follows depends on it.
    Synced,
    /// It repeats what was kept elsewhere.
    Buffered,
}

pub(crate) fn create_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::write(path))
}

/// Writes a value as JSON, and says how many bytes that were. With [`Existing::Keep`], fails with [`io::ErrorKind::AlreadyExists`] where the file is there.
pub(crate) fn write<T: Serialize>(
    path: &Path,
    value: &T,
    existing: Existing,
    durability: Durability,
) -> Result<u64, StoreError> {
    let failed = || StoreError::write(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    let text = serde_json::to_vec(value).map_err(io::Error::from).map_err(failed())?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let reason = format!("it would have more than {MAX_FILE_BYTES} bytes, and could not be read again");
        return Err(failed()(io::Error::other(reason)));
    }
    let mut file = tempfile::Builder::new().prefix(&unfinished(path)).tempfile_in(folder).map_err(failed())?;
    file.write_all(&text).map_err(failed())?;
    if durability == Durability::Synced {
        file.as_file().sync_data().map_err(failed())?;
    }
    match existing {
        Existing::Replace => file.persist(path).map_err(|error| failed()(error.error))?,
        Existing::Keep => file.persist_noclobber(path).map_err(|error| failed()(error.error))?,
    };
    if durability == Durability::Synced {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed())?;
    }
    Ok(text.len() as u64)
}

/// Reads a value; none where there is no file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::read(path)(error)),
    };
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(StoreError::read(path))?;
    let damaged = |reason: String| StoreError::Damaged { path: path.to_owned(), reason };
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(damaged(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    serde_json::from_slice(&text).map(Some).map_err(|error| damaged(error.to_string()))
}

/// What a file's name begins with before it is whole.
fn unfinished(path: &Path) -> String {
    format!("{TEMPORARY}{}-", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what a killed process was about to write below a folder. Only for who holds all of it.
pub(crate) fn remove_unfinished(folder: &Path) -> Result<(), StoreError> {
    for entry in entries(folder)? {
        let entry = entry.map_err(StoreError::read(folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_unfinished(&entry.path())?;
        } else if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes what a killed process was about to write to one file. Only for who holds that file.
pub(crate) fn remove_unfinished_of(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let prefix = unfinished(path);
    for entry in entries(folder)? {
        let entry = entry.map_err(StoreError::read(folder))?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(StoreError::read(folder)(error)),
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(StoreError::write(path))
}
