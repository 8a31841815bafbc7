//! How much a listing takes: wasmtime reads all of a directory at once, and keeps it while the listing is open.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

/// One that is open.
pub(super) struct Listing {
    /// Bytes that it takes.
    pub(super) bytes: usize,
    /// The directory, if it is a workspace's root: what is hidden there is left out.
    pub(super) root: Option<Arc<File>>,
}

/// Bytes of all listings that a guest has open: fifty thousand entries with long names.
pub(super) const MAX_LISTED_BYTES: usize = 16 << 20;
/// Bytes that an entry takes beside its name.
const ENTRY_BYTES: usize = 64;

/// Bytes that a listing of this directory takes; nothing if that is more than `limit`.
pub(super) fn size(directory: &File, limit: usize) -> Result<Option<usize>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    let mut size = 0;
    for entry in Dir::new(handle)? {
        size += entry?.file_name().to_bytes().len() + ENTRY_BYTES;
        if size > limit {
            return Ok(None);
        }
    }
    Ok(Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_measured_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..100 {
            std::fs::write(folder.path().join(format!("{number:0200}")), "").unwrap();
        }
        let directory = File::open(folder.path()).unwrap();
        let whole = size(&directory, MAX_LISTED_BYTES).unwrap().unwrap();
        assert!((100 * (200 + ENTRY_BYTES)..103 * (200 + ENTRY_BYTES)).contains(&whole), "{whole}");
        assert_eq!(size(&directory, whole).unwrap(), Some(whole));
        assert_eq!(size(&directory, whole - 1).unwrap(), None);
    }
}
