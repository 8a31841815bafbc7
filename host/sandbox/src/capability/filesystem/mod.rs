//! Directories of the workspace, opened for a guest before it starts.
//!
//! They are opened here from the workspace downward, without following a link: a guest that may write to one of them
//! cannot swap another for a link between two calls. What a guest then asks for inside them is resolved by `fence`,
//! one name at a time; wasmtime reads, writes and lists what was opened.
//!
//! The folder `perstack` at the workspace's root, where jobs are kept, does not exist for a guest, whatever it is
//! granted, nor do `.env` and `.env.local` there. They are recognised by what they are, and not only by how they are
//! spelled. `perstack.toml` there can be read, and not changed.

mod contents;
mod denials;
mod disk;
mod fence;
mod host;
mod listing;
mod opening;
mod plain;
mod view;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perstack_core::config::{Access, GrantPath};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{FsPerms, OpenMode};

use self::disk::Disk;
use self::fence::{Fence, Identity, JOBS_FOLDER};
use self::listing::Listing;
use crate::error::LoadError;

pub(crate) use self::contents::ContentsError;
pub(crate) use self::denials::Denials;
pub use self::fence::{CONFIG, HIDDEN};
pub(crate) use self::view::{FilesView, HasFiles, add_to_linker};

/// One directory that a guest may use.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryGrant {
    /// The workspace, as an absolute path.
    pub workspace: std::path::PathBuf,
    /// The directory, relative to the workspace: the guest finds it under the same path.
    pub path: GrantPath,
    /// Whether it may only read.
    pub access: Access,
}

/// The directories that were opened under their grants. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct OpenGrants {
    preopens: Arc<[(Dir, String)]>,
    fence: Arc<Fence>,
}

/// What one guest has of them.
pub(crate) struct GuestFiles {
    grants: OpenGrants,
    /// Open listings, by their handles.
    listings: HashMap<u32, Listing>,
    disk: Arc<Disk>,
    denials: Denials,
}

impl GuestFiles {
    /// `disk`: bytes that it may add.
    pub(crate) fn new(grants: OpenGrants, disk: u64, denials: Denials) -> Self {
        Self { grants, listings: HashMap::new(), disk: Arc::new(Disk::new(disk)), denials }
    }

    /// What was denied, and which limits were passed: one sentence each.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.denials.notes().iter().cloned().chain(self.disk.note())
    }
}

/// Opens what was granted.
///
/// # Errors
/// [`LoadError::BadDirectory`].
pub(crate) fn open(grants: &[DirectoryGrant], protected: &[PathBuf]) -> Result<OpenGrants, LoadError> {
    let mut fence = Fence::default();
    let preopens = grants.iter().map(|grant| open_one(grant, &mut fence)).collect::<Result<_, _>>()?;
    for grant in grants {
        for file in protected {
            protect(&grant.workspace, file, &mut fence);
        }
    }
    Ok(OpenGrants { preopens, fence: Arc::new(fence) })
}

/// Keeps a file as it is, and the directories of the workspace that lead to it where they are. One that is not there, or is
/// elsewhere, is out of a guest's reach.
fn protect(workspace: &Path, file: &Path, fence: &mut Fence) {
    let Ok(file) = file.canonicalize() else { return };
    let Ok(below) = file.strip_prefix(workspace) else { return };
    let identity = |path: &Path| rustix::fs::stat(path).map(|stat| Identity::from(&stat));
    if let Ok(identity) = identity(&file) {
        fence.protect(identity);
    }
    for directory in below.ancestors().skip(1).filter(|directory| *directory != Path::new("")) {
        if let Ok(identity) = identity(&workspace.join(directory)) {
            fence.keep_in_place(identity);
        }
    }
}

fn open_one(grant: &DirectoryGrant, fence: &mut Fence) -> Result<(Dir, String), LoadError> {
    let path = grant.path.to_string();
    let bad = |reason: String| LoadError::BadDirectory { path: path.clone(), reason };
    if Path::new(&path).starts_with(JOBS_FOLDER) {
        return Err(bad("this is where jobs are kept".into()));
    }
    let failed = |errno: Errno| match errno {
        Errno::NOENT => bad("it does not exist".into()),
        Errno::NOTDIR | Errno::LOOP => bad("it is not a directory, or is reached through a link".into()),
        other => bad(other.to_string()),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let workspace = Arc::new(rustix::fs::openat(CWD, &grant.workspace, flags, Mode::empty()).map_err(failed)?);
    let below =
        |directory: &OwnedFd, name: &Path| rustix::fs::openat(directory, name, flags | OFlags::NOFOLLOW, Mode::empty());
    let jobs = match below(&workspace, Path::new(JOBS_FOLDER)) {
        Ok(jobs) => Some(Identity::of(&jobs).map_err(failed)?),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(failed(errno)),
    };
    fence.add_workspace(&workspace).map_err(failed)?;
    let mut directory = workspace.try_clone().map_err(|error| bad(error.to_string()))?;
    for component in Path::new(&path).components() {
        directory = below(&directory, component.as_ref()).map_err(failed)?;
        let identity = Identity::of(&directory).map_err(failed)?;
        if jobs == Some(identity) {
            return Err(bad("this is where jobs are kept".into()));
        }
        fence.keep_in_place(identity);
    }
    let (permissions, mode) = match grant.access {
        Access::Read => (FsPerms::ReadOnly, OpenMode::READ),
        Access::Write => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
    };
    if grant.access == Access::Read {
        fence.keep_read_only(Identity::of(&directory).map_err(failed)?);
    }
    Ok((Dir::new(directory.into(), permissions, mode, false), path))
}
