//! Paths as a model writes them.

use std::io;
use std::path::{Path, PathBuf};

use perstack::ToolError;

/// A path relative to the workspace's root, without `.` and `..`.
#[derive(Debug)]
pub(crate) struct WorkspacePath {
    shown: String,
    full: PathBuf,
}

impl WorkspacePath {
    /// Reads a path. `..` takes away the name before it, whatever that is, and nothing leads out of the root.
    pub(crate) fn parse(root: &Path, path: &str) -> Result<Self, ToolError> {
        let invalid = |reason: &str| Err(ToolError::InvalidArguments(format!("the path `{path}` {reason}")));
        if path.is_empty() {
            return Err(ToolError::InvalidArguments("the path is empty; the workspace's root is `.`".to_owned()));
        }
        if path.starts_with('/') {
            return invalid("is absolute; paths are relative to the workspace, whose root is `.`");
        }
        if path == "~" || path.starts_with("~/") {
            return invalid("is in a home folder; paths are relative to the workspace, whose root is `.`");
        }
        let mut names: Vec<&str> = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    if names.pop().is_none() {
                        return invalid("leads out of the workspace");
                    }
                }
                name => names.push(name),
            }
        }
        if names.is_empty() {
            return Ok(Self { shown: ".".to_owned(), full: root.to_owned() });
        }
        let shown = names.join("/");
        let full = if root == Path::new(".") { PathBuf::from(&shown) } else { root.join(&shown) };
        Ok(Self { shown, full })
    }

    /// Where it is for the standard library.
    pub(crate) fn full(&self) -> &Path {
        &self.full
    }

    /// What the model is told.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn into_shown(self) -> String {
        self.shown
    }

    pub(crate) fn is_root(&self) -> bool {
        self.shown == "."
    }

    /// The path of an entry of this folder.
    pub(crate) fn entry(&self, name: &str) -> String {
        if self.is_root() { name.to_owned() } else { format!("{}/{name}", self.shown) }
    }

    /// An error of the file system, with the path.
    pub(crate) fn failed(&self, error: &io::Error) -> ToolError {
        let shown = &self.shown;
        match error.kind() {
            io::ErrorKind::NotFound => ToolError::Failed(format!("`{shown}` does not exist")),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ToolError::Denied(format!("`{shown}` may not be used like that: {error}"))
            }
            _ => ToolError::Failed(format!("`{shown}`: {error}")),
        }
    }

    /// Makes the folders that lead here.
    pub(crate) fn make_parents(&self) -> Result<(), ToolError> {
        match self.full.parent() {
            Some(parent) if parent != Path::new("") => {
                std::fs::create_dir_all(parent).map_err(|error| self.failed(&error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_in_their_shortest_form() {
        for (path, shown) in [
            (".", "."),
            ("./", "."),
            ("a/..", "."),
            ("a", "a"),
            ("./a//b/./c/", "a/b/c"),
            ("a/../b", "b"),
            ("a\\..\\b", "a\\..\\b"),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(WorkspacePath::parse(Path::new("."), path).unwrap().shown(), shown, "{path}");
        }
    }

    #[test]
    fn what_leads_out_is_refused_with_the_reason() {
        for (path, reason) in [
            ("", "the path is empty; the workspace's root is `.`"),
            ("..", "the path `..` leads out of the workspace"),
            ("a/../../a", "the path `a/../../a` leads out of the workspace"),
            (
                "/etc/passwd",
                "the path `/etc/passwd` is absolute; paths are relative to the workspace, whose root is `.`",
            ),
            ("~/x", "the path `~/x` is in a home folder; paths are relative to the workspace, whose root is `.`"),
        ] {
            let error = WorkspacePath::parse(Path::new("."), path).unwrap_err();
            assert_eq!(error, ToolError::InvalidArguments(reason.to_owned()));
        }
    }
}
