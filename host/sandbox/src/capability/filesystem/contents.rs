//! Files that a skill names in its answer: the host reads them under the skill's own grants, so that they never pass
//! through its memory.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;
use wasmtime_wasi::filesystem::{Descriptor, Dir};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, OpenFlags};
use wasmtime_wasi::runtime::spawn_blocking;

use super::OpenGrants;
use super::disk::Disk;
use super::fence::LastLink;
use super::opening::Opening;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentsError {
    #[error("it is not in a directory that the skill is granted")]
    NotGranted,
    #[error("it is not a file")]
    NotAFile,
    #[error("it is larger than the {0} bytes that this answer may still hold")]
    TooLarge(usize),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for ContentsError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl OpenGrants {
    /// Reads a file of the workspace, of at most `limit` bytes, on a thread that may wait.
    pub(crate) async fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, ContentsError> {
        let (directory, path) = self.find(path).ok_or(ContentsError::NotGranted)?;
        let (directory, fence) = (directory.clone(), self.fence.clone());
        let read = move || {
            let place = fence.resolve(&directory, &path, LastLink::Follow)?;
            let reading = Opening::new(OpenFlags::empty(), DescriptorFlags::READ).map_err(|_| Errno::INVAL)?;
            let Descriptor::File(file) = reading.open(&fence, &place, &Disk::new(0))? else {
                return Err(ContentsError::NotAFile);
            };
            let mut bytes = Vec::new();
            (&*file.file).take(limit as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() > limit { Err(ContentsError::TooLarge(limit)) } else { Ok(bytes) }
        };
        spawn_blocking(read).await
    }

    /// The innermost granted directory that a path begins with, and the rest of the path.
    fn find(&self, path: &str) -> Option<(&Dir, String)> {
        let path: PathBuf = Path::new(path).components().filter(|part| *part != Component::CurDir).collect();
        let rests = self.preopens.iter().filter_map(|(directory, granted)| {
            let granted = if granted == "." { "" } else { granted };
            path.strip_prefix(granted).ok().map(|rest| (directory, rest))
        });
        let (directory, rest) = rests.min_by_key(|(_, rest)| rest.components().count())?;
        Some((directory, rest.to_str()?.to_owned()))
    }
}
