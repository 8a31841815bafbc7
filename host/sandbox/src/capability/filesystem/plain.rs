//! The plain case, in few system calls: a regular file that is there is opened for reading, and nothing on the way to it is
//! a link, a mount, or called like what is hidden. Whatever is not plain, or fails, is left to `fence`, which goes one name
//! at a time and knows every case. Nothing is decided here that it would decide otherwise.
//!
//! Why it is enough: where what is hidden is itself neither a link nor a mount, and the way leads over neither, it is reached
//! by its own name, which is not plain, or by another name of the same file, which is told by its identity.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::fence::{Fence, Identity, MAX_PATH_BYTES, is_special};

/// No links, no mounts, nothing outside.
const PLAINLY: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens a file for reading; nothing where that is not plain.
pub(super) fn open(fence: &Fence, start: &File, path: &str, flags: OFlags) -> Option<OwnedFd> {
    if !is_plain(path) {
        return None;
    }
    // Before it is opened: opening a pipe or a device may do something. This follows links, but nobody is told anything.
    let seen = rustix::fs::statat(start, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if !is_regular(&seen) {
        return None;
    }
    let opened = rustix::fs::openat2(start, path, flags, Mode::empty(), PLAINLY).ok()?;
    let stat = rustix::fs::fstat(&opened).ok()?;
    let identity = Identity::from(&stat);
    let is_same = is_regular(&stat) && identity == Identity::from(&seen);
    let hidden = fence.hidden_plainly()?;
    let start = Identity::of(start).ok()?;
    (is_same && !hidden.contains(&identity) && !hidden.contains(&start) && !fence.is_protected(identity))
        .then_some(opened)
}

/// Names of entries alone, and none that a file system might take for what is hidden or protected.
fn is_plain(path: &str) -> bool {
    path.len() <= MAX_PATH_BYTES
        && path.split('/').all(|name| !matches!(name, "" | "." | "..") && !is_special(name.as_ref()))
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}
