//! Files of any kind.

use std::fs;
use std::path::Path;

use perstack::ToolError;
use perstack::serde::Serialize;

use crate::answer::Done;
use crate::path::WorkspacePath;

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Moved {
    source: String,
    destination: String,
}

/// Moves a file or folder to where nothing is yet.
pub(crate) fn move_file(root: &Path, source: &str, destination: &str) -> Result<Moved, ToolError> {
    let source = WorkspacePath::parse(root, source)?;
    let destination = WorkspacePath::parse(root, destination)?;
    if source.is_root() {
        return Err(ToolError::Failed("the workspace itself cannot be moved".to_owned()));
    }
    fs::symlink_metadata(source.full()).map_err(|error| source.failed(&error))?;
    if fs::symlink_metadata(destination.full()).is_ok() {
        return Err(ToolError::Failed(format!("`{}` exists already", destination.shown())));
    }
    destination.make_parents()?;
    fs::rename(source.full(), destination.full()).map_err(|error| destination.failed(&error))?;
    Ok(Moved { source: source.into_shown(), destination: destination.into_shown() })
}

/// Deletes a file, or a link and not what it leads to.
pub(crate) fn delete(root: &Path, path: &str) -> Result<Done, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let metadata = fs::symlink_metadata(path.full()).map_err(|error| path.failed(&error))?;
    if metadata.is_dir() {
        return Err(ToolError::Failed(format!("`{}` is a folder; use deleteDirectory", path.shown())));
    }
    fs::remove_file(path.full()).map_err(|error| path.failed(&error))?;
    Ok(Done { path: path.into_shown() })
}
