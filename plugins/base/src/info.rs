//! What a file or folder is.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

use perstack::ToolError;
use perstack::serde::Serialize;

use crate::path::WorkspacePath;
use crate::time;

/// Whether the skill works.
#[derive(Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Health {
    pub(crate) status: &'static str,
    pub(crate) workspace: &'static str,
}

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde", rename_all = "lowercase")]
pub(crate) enum Kind {
    File,
    Directory,
    /// A link that leads nowhere, or out of what is granted.
    Symlink,
    /// A pipe, a socket or a device.
    Other,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde", rename_all = "camelCase")]
pub(crate) struct Info {
    pub(crate) exists: bool,
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) directory: String,
    pub(crate) extension: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) mime_type: Option<&'static str>,
    pub(crate) size: u64,
    pub(crate) size_formatted: String,
    pub(crate) created: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) accessed: Option<String>,
    pub(crate) permissions: Option<Permissions>,
}

/// What this skill may do with a file.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Permissions {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

pub(crate) fn get(root: &Path, path: &str) -> Result<Info, ToolError> {
    let path = WorkspacePath::parse(root, path)?;
    let (metadata, kind) = look(path.full()).map_err(|error| path.failed(&error))?;
    let (directory, name) = path.shown().rsplit_once('/').unwrap_or((".", path.shown()));
    let is_file = kind == Kind::File;
    let extension = is_file.then(|| extension(name).unwrap_or_default());
    let time = |time: io::Result<_>| time.ok().map(time::iso);
    Ok(Info {
        exists: true,
        name: name.to_owned(),
        directory: directory.to_owned(),
        mime_type: extension.map(media_type),
        extension: extension.map(str::to_owned),
        kind,
        size: metadata.len(),
        size_formatted: size(metadata.len()),
        created: time(metadata.created()),
        modified: time(metadata.modified()),
        accessed: time(metadata.accessed()),
        permissions: is_file.then(|| Permissions {
            readable: File::open(path.full()).is_ok(),
            writable: File::options().append(true).open(path.full()).is_ok(),
        }),
        path: path.into_shown(),
    })
}

/// Looks at what a link leads to, and at the link itself where that is nowhere.
pub(crate) fn look(path: &Path) -> io::Result<(Metadata, Kind)> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(_) => fs::symlink_metadata(path)?,
    };
    let file_type = metadata.file_type();
    let kind = if file_type.is_dir() {
        Kind::Directory
    } else if file_type.is_file() {
        Kind::File
    } else if file_type.is_symlink() {
        Kind::Symlink
    } else {
        Kind::Other
    };
    Ok((metadata, kind))
}

/// The extension, with its point.
fn extension(name: &str) -> Option<&str> {
    name.rfind('.').filter(|point| *point > 0).map(|point| &name[point..])
}

/// `1.50 KB`.
fn size(bytes: u64) -> String {
    if bytes == 0 {
        return "0 B".to_owned();
    }
    let units = ["B", "KB", "MB", "GB", "TB"];
    let unit = (bytes.ilog2() / 10).min(4);
    format!("{:.2} {}", bytes as f64 / 1024_f64.powi(unit as i32), units[unit as usize])
}

/// The media type that goes with an extension.
fn media_type(extension: &str) -> &'static str {
    match extension.to_ascii_lowercase().as_str() {
        ".txt" | ".log" | ".ini" => "text/plain",
        ".md" | ".markdown" => "text/markdown",
        ".html" | ".htm" => "text/html",
        ".css" => "text/css",
        ".csv" => "text/csv",
        ".js" | ".mjs" => "text/javascript",
        ".json" => "application/json",
        ".xml" => "application/xml",
        ".yaml" | ".yml" => "text/yaml",
        ".toml" => "application/toml",
        ".pdf" => "application/pdf",
        ".png" => "image/png",
        ".jpg" | ".jpeg" => "image/jpeg",
        ".gif" => "image/gif",
        ".webp" => "image/webp",
        ".svg" => "image/svg+xml",
        ".mp3" => "audio/mpeg",
        ".wav" => "audio/wav",
        ".mp4" => "video/mp4",
        ".webm" => "video/webm",
        ".zip" => "application/zip",
        ".gz" => "application/gzip",
        ".tar" => "application/x-tar",
        ".wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [(0, "0 B"), (1, "1.00 B"), (1023, "1023.00 B"), (1536, "1.50 KB"), (1 << 20, "1.00 MB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "16777216.00 TB");
    }

    #[test]
    fn extensions() {
        for (name, found) in [("a.txt", Some(".txt")), ("a.tar.gz", Some(".gz")), (".env", None), ("a", None)] {
            assert_eq!(extension(name), found, "{name}");
        }
        assert_eq!((media_type(".PNG"), media_type(".what")), ("image/png", "application/octet-stream"));
    }
}
