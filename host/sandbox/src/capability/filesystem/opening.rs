//! Opening what a path leads to: regular files and directories, and nothing else.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File};
use wasmtime_wasi::p2::bindings::filesystem::types;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::disk::Disk;
use super::fence::{Fence, Identity, Place};
use super::plain;

/// How something is to be opened.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    flags: OFlags,
    mode: OpenMode,
}

impl Opening {
    pub(super) fn new(open: types::OpenFlags, flags: types::DescriptorFlags) -> Result<Self, types::ErrorCode> {
        use types::{DescriptorFlags, OpenFlags};
        let synchronized = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(synchronized) {
            return Err(types::ErrorCode::Unsupported);
        }
        let making = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if open.contains(OpenFlags::DIRECTORY) && open.intersects(making) {
            return Err(types::ErrorCode::Invalid);
        }
        let mut mode = OpenMode::empty();
        mode.set(OpenMode::READ, flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE));
        mode.set(
            OpenMode::WRITE,
            flags.contains(DescriptorFlags::WRITE) || open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE),
        );
        // Never waits for the other end of a pipe, and never takes a terminal.
        let mut opening = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        opening |= match (mode.contains(OpenMode::READ), mode.contains(OpenMode::WRITE)) {
            (_, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
        };
        opening.set(OFlags::CREATE, open.contains(OpenFlags::CREATE));
        opening.set(OFlags::EXCL, open.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE));
        opening.set(OFlags::TRUNC, open.contains(OpenFlags::TRUNCATE));
        opening.set(OFlags::DIRECTORY, open.contains(OpenFlags::DIRECTORY));
        Ok(Self { flags: opening, mode })
    }

    /// Whether it fails where something is there already. Making a new file never goes through a link.
    pub(super) fn is_exclusive(self) -> bool {
        self.flags.contains(OFlags::EXCL)
    }

    /// Opens a file for reading where nothing on the way needs a closer look.
    pub(super) fn open_plainly(self, fence: &Fence, start: &Dir, path: &str) -> Option<Descriptor> {
        let making = OFlags::CREATE | OFlags::EXCL | OFlags::TRUNC;
        let read_only = start.perms.write_not_permitted();
        if self.mode != OpenMode::READ
            || self.flags.intersects(making | OFlags::DIRECTORY)
            || (!read_only && fence.has_read_only())
        {
            return None;
        }
        let opened = plain::open(fence, &start.dir, path, self.flags)?;
        Some(Descriptor::File(File::new(opened.into(), start.perms, self.mode, false)))
    }

    /// Opens a regular file or a directory, and looks at what was opened.
    pub(super) fn open(self, fence: &Fence, place: &Place, disk: &Disk) -> Result<Descriptor, Errno> {
        if self.mode.contains(OpenMode::WRITE) {
            place.writable()?;
        }
        if self.flags.contains(OFlags::CREATE) {
            if place.is_free()? {
                place.no_directory()?;
                disk.take_entry()?;
            }
        } else {
            place.found()?;
        }
        if let Ok(found) = place.found() {
            openable(found.file_type())?;
        }
        let opened = rustix::fs::openat(&*place.directory, &place.name, self.flags, Mode::from_raw_mode(0o666))?;
        self.opened(fence, place, opened)
    }

    fn opened(self, fence: &Fence, place: &Place, opened: OwnedFd) -> Result<Descriptor, Errno> {
        let stat = rustix::fs::fstat(&opened)?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        openable(file_type)?;
        let identity = Identity::from(&stat);
        if fence.hidden()?.contains(&identity) {
            return Err(Errno::NOENT);
        }
        let is_directory = file_type == FileType::Directory;
        let read_only = place.is_read_only() || (is_directory && fence.is_read_only(identity));
        let permissions = if read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        Ok(if is_directory {
            Descriptor::Dir(Dir::new(opened.into(), permissions, self.mode, false))
        } else {
            Descriptor::File(File::new(opened.into(), permissions, self.mode, false))
        })
    }
}

/// Opening a pipe waits, and opening a device does something.
fn openable(file_type: FileType) -> Result<(), Errno> {
    match file_type {
        FileType::RegularFile | FileType::Directory => Ok(()),
        FileType::Symlink => Err(Errno::LOOP),
        _ => Err(Errno::PERM),
    }
}
