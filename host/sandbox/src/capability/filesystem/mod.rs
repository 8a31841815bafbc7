//! Directories of the workspace, opened for a guest before it starts. Inside them wasmtime resolves every path with
//! cap-std: `..`, absolute paths and links never leave the directory.
//!
//! The directories themselves are opened here, from the workspace downward, without following a link: a guest that may
//! write to one of them cannot swap another for a link between two calls. The folder `perstack`, where jobs are kept,
//! is recognised by what it is and not by how it is spelled, and neither it nor anything around it can be granted.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use perstack_core::config::{Access, GrantPath};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::error::LoadError;

/// Where jobs are kept, below the workspace.
const JOBS_FOLDER: &str = "perstack";

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

/// A directory that was opened under its grant.
pub(crate) struct OpenGrant {
    directory: OwnedFd,
    guest_path: String,
    access: Access,
}

/// Opens what was granted.
///
/// # Errors
/// [`LoadError::BadDirectory`].
pub(crate) fn open(grants: &[DirectoryGrant]) -> Result<Vec<OpenGrant>, LoadError> {
    grants.iter().map(open_one).collect()
}

fn open_one(grant: &DirectoryGrant) -> Result<OpenGrant, LoadError> {
    let path = grant.path.to_string();
    let bad = |reason: String| LoadError::BadDirectory { path: path.clone(), reason };
    if path == "." {
        let reason =
            format!("the whole workspace contains `{JOBS_FOLDER}/`, where jobs are kept; grant folders inside it");
        return Err(bad(reason));
    }
    if Path::new(&path).starts_with(JOBS_FOLDER) {
        return Err(bad("this is where jobs are kept".into()));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |errno: Errno| match errno {
        Errno::NOENT => bad("it does not exist".into()),
        Errno::NOTDIR | Errno::LOOP => bad("it is not a directory, or is reached through a link".into()),
        other => bad(other.to_string()),
    };
    let mut directory =
        rustix::fs::openat(CWD, &grant.workspace, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(failed)?;
    let jobs = match rustix::fs::openat(&directory, JOBS_FOLDER, flags, Mode::empty()) {
        Ok(jobs) => Some(identity(&jobs).map_err(failed)?),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(failed(errno)),
    };
    for component in Path::new(&path).components() {
        directory = rustix::fs::openat(&directory, component.as_os_str(), flags, Mode::empty()).map_err(failed)?;
        if jobs.is_some_and(|jobs| identity(&directory).ok() == Some(jobs)) {
            return Err(bad("this is where jobs are kept".into()));
        }
    }
    Ok(OpenGrant { directory, guest_path: path, access: grant.access })
}

/// Device and inode.
fn identity(directory: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Hands the opened directories to a guest.
pub(crate) fn preopen(wasi: &mut WasiCtxBuilder, grants: &[OpenGrant]) -> wasmtime::Result<()> {
    for grant in grants {
        let permissions = match grant.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        // wasmtime takes a path; this one leads to the directory that was opened and to no other.
        wasi.preopened_dir(format!("/proc/self/fd/{}", grant.directory.as_raw_fd()), &grant.guest_path, permissions)?;
    }
    Ok(())
}
