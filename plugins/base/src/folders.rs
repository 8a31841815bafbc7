//! Folders.

use std::fs;
use std::io;
use std::path::Path;

use perstack::ToolError;
use perstack::serde::Serialize;

use crate::answer::Done;
use crate::info::{Kind, look};
use crate::path::WorkspacePath;
use crate::time;

/// How many entries are shown: some 150 KB, more than a model reads with profit.
const MAX_SHOWN: usize = 1_000;
/// How many entries are looked at, so that a folder that some program fills does not fill the memory.
const MAX_SEEN: usize = 100_000;

#[derive(Debug, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Listing {
    pub(crate) path: String,
    pub(crate) items: Vec<Item>,
    /// Where the list was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) modified: Option<String>,
}

/// Lists a folder. What vanishes meanwhile is left out, and a link that leads nowhere is listed as one.
pub(crate) fn list(root: &Path, path: &str) -> Result<Listing, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let entries = match fs::read_dir(path.full()) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(ToolError::Failed(format!("`{}` is not a folder", path.shown())));
        }
        other => other.map_err(|error| path.failed(&error))?,
    };
    let mut names = Vec::new();
    let mut more = "";
    for entry in entries {
        if names.len() == MAX_SEEN {
            more = "more than ";
            break;
        }
        names.push(entry.map_err(|error| path.failed(&error))?.file_name());
    }
    names.sort();
    let seen = names.len();
    names.truncate(MAX_SHOWN);
    let cut = names.last().filter(|_| seen > MAX_SHOWN).map(|last| {
        format!("the first {MAX_SHOWN} of {more}{seen} entries are shown, up to `{}`", last.to_string_lossy())
    });
    let item = |name: std::ffi::OsString| {
        let (metadata, kind) = look(&path.full().join(&name)).ok()?;
        let name = name.to_string_lossy().into_owned();
        Some(Item {
            path: path.entry(&name),
            name,
            kind,
            size: metadata.len(),
            modified: metadata.modified().ok().map(time::iso),
        })
    };
    let items = names.into_iter().filter_map(item).collect();
    Ok(Listing { items, path: path.into_shown(), cut })
}

/// Makes a folder and those that lead to it.
pub(crate) fn create(root: &Path, path: &str) -> Result<Done, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    if fs::symlink_metadata(path.full()).is_ok() {
        return Err(ToolError::Failed(format!("`{}` exists already", path.shown())));
    }
    fs::create_dir_all(path.full()).map_err(|error| path.failed(&error))?;
    Ok(Done { path: path.into_shown() })
}

/// Deletes a folder. Links in it are deleted, and not followed.
pub(crate) fn delete(root: &Path, path: &str, recursive: bool) -> Result<Done, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    if path.is_root() {
        return Err(ToolError::Failed("the workspace itself cannot be deleted".to_owned()));
    }
    let metadata = fs::symlink_metadata(path.full()).map_err(|error| path.failed(&error))?;
    if !metadata.is_dir() {
        return Err(ToolError::Failed(format!("`{}` is not a folder; use deleteFile", path.shown())));
    }
    let deleted = if recursive { fs::remove_dir_all(path.full()) } else { fs::remove_dir(path.full()) };
    match deleted {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && !recursive => {
            Err(ToolError::Failed(format!("`{}` is not empty; set `recursive` to delete all of it", path.shown())))
        }
        other => other.map_err(|error| path.failed(&error)).map(|()| Done { path: path.into_shown() }),
    }
}
