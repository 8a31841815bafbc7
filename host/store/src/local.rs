//! Documents as files of this machine.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::{Durability, Existing, Storage, StorageLock, StorageName};

/// What a file is called before it is whole. No document is named so.
const TEMPORARY: &str = ".writing-";
/// How often a lock that another call holds is tried again. Calls mostly hold it for less.
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// Keeps each document in a file of its own.
///
/// It is written under another name and then renamed: whoever is killed leaves the old file or the new one, and never a
/// part. Locks are those of the kernel, which lets go of them with the process, however that ends.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    folder: PathBuf,
}

impl LocalFiles {
    /// Keeps documents below a folder, which is made once it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, name: &StorageName) -> PathBuf {
        self.folder.join(name.as_str())
    }
}

impl Storage for LocalFiles {
    fn get(&self, name: &StorageName, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = if_there(File::open(self.path(name)))? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(limit).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    fn put(&self, name: &StorageName, content: &[u8], existing: Existing, durability: Durability) -> io::Result<()> {
        let path = self.path(name);
        let folder = self.folder.join(name.folder());
        let mut file = in_folder(&folder, || begin(&folder, name.last()))?;
        file.write_all(content)?;
        if durability == Durability::Synced {
            file.as_file().sync_data()?;
        }
        match existing {
            Existing::Replace => file.persist(&path)?,
            Existing::Keep => file.persist_noclobber(&path)?,
        };
        if durability == Durability::Synced {
            File::open(&folder)?.sync_all()?;
        }
        Ok(())
    }

    fn list(&self, folder: &StorageName, limit: usize) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in entries(&self.path(folder))? {
            if names.len() == limit {
                break;
            }
            let name = entry?.file_name().into_string().ok();
            names.extend(name.filter(|name| !name.starts_with(TEMPORARY)));
        }
        Ok(names)
    }

    fn try_lock(&self, lock: &StorageName) -> io::Result<Option<StorageLock>> {
        let path = self.path(lock);
        let folder = self.folder.join(lock.folder());
        let open = || OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = in_folder(&folder, open)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        match lock.last().strip_suffix(".lock") {
            Some(document) => remove_unfinished_of(&folder, &unfinished(&format!("{document}.json")))?,
            None => remove_unfinished(&folder)?,
        }
        Ok(Some(Box::new(file)))
    }

    fn lock_retry(&self) -> Duration {
        LOCK_RETRY
    }

    fn shown(&self, name: &StorageName) -> String {
        self.path(name).display().to_string()
    }
}

/// What a file's name begins with before it is whole.
fn unfinished(name: &str) -> String {
    format!("{TEMPORARY}{name}-")
}

fn begin(folder: &Path, name: &str) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(&unfinished(name)).tempfile_in(folder)
}

/// Makes a file in a folder, and the folder where it is missing.
fn in_folder<T>(folder: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            make()
        }
        made => made,
    }
}

/// Removes what a killed process was about to write below a folder. Only for who holds all of it.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_unfinished(&entry.path())?;
        } else if begins_with(&entry.file_name(), TEMPORARY) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes what a killed process was about to write to one file. Only for who holds that file.
fn remove_unfinished_of(folder: &Path, prefix: &str) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        if begins_with(&entry.file_name(), prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn begins_with(name: &OsStr, prefix: &str) -> bool {
    name.as_encoded_bytes().starts_with(prefix.as_bytes())
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<DirEntry>> + use<>> {
    Ok(if_there(fs::read_dir(folder))?.into_iter().flatten())
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StorageName {
        text.parse().unwrap()
    }

    fn fixture() -> (tempfile::TempDir, LocalFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(folder.path().join("perstack"));
        (folder, files)
    }

    #[test]
    fn who_gets_a_lock_removes_what_was_left_half_written() {
        let (folder, files) = fixture();
        let put = |document: &str| files.put(&name(document), b"{}", Existing::Keep, Durability::Buffered).unwrap();
        for document in
            ["jobs/a/job.json", "jobs/a/runs/r/x.json", "jobs/b/job.json", "state/E/s.json", "state/E/t.json"]
        {
            put(document);
            let path = folder.path().join("perstack").join(document);
            let left = format!("{TEMPORARY}{}-x1", path.file_name().unwrap().to_str().unwrap());
            fs::write(path.with_file_name(left), "{").unwrap();
        }
        let left = || {
            let folders = ["jobs/a", "jobs/a/runs/r", "jobs/b", "state/E"];
            let entries = folders.map(|below| entries(&folder.path().join("perstack").join(below)).unwrap());
            let names = entries.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
            names.sort();
            names
        };
        assert_eq!(left().len(), 5);
        assert_eq!(files.list(&name("jobs/b"), 10).unwrap(), ["job.json"]);
        let _job = files.try_lock(&name("jobs/a/lock")).unwrap().unwrap();
        assert_eq!(left(), [".writing-job.json-x1", ".writing-s.json-x1", ".writing-t.json-x1"]);
        let _state = files.try_lock(&name("state/E/s.lock")).unwrap().unwrap();
        assert_eq!(left(), [".writing-job.json-x1", ".writing-t.json-x1"]);
    }

    #[test]
    fn who_does_not_get_a_lock_removes_nothing() {
        let (folder, files) = fixture();
        let _held = files.try_lock(&name("jobs/a/lock")).unwrap().unwrap();
        let writing = folder.path().join("perstack/jobs/a/.writing-job.json-x1");
        fs::write(&writing, "{").unwrap();
        assert!(files.try_lock(&name("jobs/a/lock")).unwrap().is_none());
        assert!(writing.exists());
    }

    #[test]
    fn a_file_is_shown_by_its_path() {
        let (folder, files) = fixture();
        let path = folder.path().join("perstack/jobs/a/job.json");
        assert_eq!(files.shown(&name("jobs/a/job.json")), path.display().to_string());
    }
}
