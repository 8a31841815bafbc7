//! What a path leads to, found out one name at a time with handles to directories. A handle stays what it is, whatever
//! another guest moves or swaps meanwhile, so what was checked is what is used: the last step is always one name in a
//! directory that is held open, and never follows a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use wasmtime_wasi::filesystem::Dir;

/// Where jobs are kept, below the workspace.
pub(super) const JOBS_FOLDER: &str = "perstack";
/// What does not exist for a guest at a workspace's root: jobs, and files of variables, which have the keys of models and
/// say where those are sent.
pub const HIDDEN: [&str; 3] = [JOBS_FOLDER, ".env", ".env.local"];
/// What a guest may read there and not change: it says what guests are granted.
pub const CONFIG: &str = "perstack.toml";
/// Bytes of a path, and links on the way to its end: what Linux allows.
pub(super) const MAX_PATH_BYTES: usize = 4096;
const MAX_LINKS: usize = 40;
/// Directories between the start of a path and its end. Each is held open meanwhile; the deepest trees of packages that
/// we know have 40.
const MAX_DEPTH: usize = 128;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        rustix::fs::fstat(file).map(|stat| Self::from(&stat))
    }
}

impl Identity {
    /// Of what is neither a link nor a mount.
    fn of_plain(stat: &Statx) -> Option<Self> {
        let is_link = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Symlink;
        let tells_mounts = stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        let is_mount = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        (!is_link && tells_mounts && !is_mount).then_some(Self(device, stat.stx_ino))
    }
}

impl From<&Stat> for Identity {
    fn from(stat: &Stat) -> Self {
        Self(stat.st_dev, stat.st_ino)
    }
}

/// What no path gets past.
#[derive(Default)]
pub(super) struct Fence {
    workspaces: Vec<(Identity, Arc<OwnedFd>)>,
    read_only: Vec<Identity>,
    in_place: Vec<Identity>,
    protected: Vec<Identity>,
}

/// Whether a link that is the last name of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLink {
    Follow,
    Keep,
}

/// Where a path leads: a name in a directory.
pub(super) struct Place {
    pub(super) directory: Arc<File>,
    /// One name; `.` for the directory itself.
    pub(super) name: OsString,
    found: Option<Found>,
    /// Nothing may be changed here, because a grant says so.
    read_only: bool,
    /// Nothing may be made here, because it would be where jobs are kept.
    reserved: bool,
    /// The path ended with a slash.
    must_be_directory: bool,
}

/// What there is, held without being opened for anything.
pub(super) struct Found {
    pub(super) handle: OwnedFd,
    pub(super) stat: Stat,
}

impl Found {
    pub(super) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

impl Place {
    /// What is there.
    pub(super) fn found(&self) -> Result<&Found, Errno> {
        self.found.as_ref().ok_or(Errno::NOENT)
    }

    /// The same, to keep.
    pub(super) fn into_found(self) -> Result<Found, Errno> {
        self.found.ok_or(Errno::NOENT)
    }

    /// Whether something can be made here; an error where it must not.
    pub(super) fn is_free(&self) -> Result<bool, Errno> {
        if self.reserved {
            return Err(Errno::PERM);
        }
        Ok(self.found.is_none())
    }

    /// Fails where a grant is for reading only.
    pub(super) fn writable(&self) -> Result<(), Errno> {
        if self.read_only { Err(Errno::ROFS) } else { Ok(()) }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Fails where the path named a directory itself, by `.` or `..`, and not an entry of one.
    pub(super) fn entry(&self) -> Result<(), Errno> {
        if self.name == "." { Err(Errno::INVAL) } else { Ok(()) }
    }

    /// Fails where the path ended with a slash, for what is never a directory.
    pub(super) fn no_directory(&self) -> Result<(), Errno> {
        if self.must_be_directory { Err(Errno::NOTDIR) } else { Ok(()) }
    }
}

/// A directory on the way.
struct Level {
    directory: Arc<File>,
    identity: Identity,
    read_only: bool,
}

impl Fence {
    /// Hides `perstack` of this workspace.
    pub(super) fn add_workspace(&mut self, workspace: &Arc<OwnedFd>) -> Result<(), Errno> {
        let identity = Identity::of(workspace)?;
        if !self.is_root(identity) {
            self.workspaces.push((identity, workspace.clone()));
        }
        Ok(())
    }

    /// Makes all of this directory read-only, also for a path that comes from a writable one around it.
    pub(super) fn keep_read_only(&mut self, directory: Identity) {
        self.read_only.push(directory);
    }

    /// Refuses to change, move or remove this file.
    pub(super) fn protect(&mut self, file: Identity) {
        self.protected.push(file);
    }

    /// Refuses to move or remove this directory: a grant's path leads over it.
    pub(super) fn keep_in_place(&mut self, directory: Identity) {
        self.in_place.push(directory);
    }

    pub(super) fn is_root(&self, directory: Identity) -> bool {
        self.workspaces.iter().any(|(root, _)| *root == directory)
    }

    pub(super) fn is_read_only(&self, directory: Identity) -> bool {
        self.read_only.contains(&directory)
    }

    /// Whether a directory may be read-only although its grant is not.
    pub(super) fn has_read_only(&self) -> bool {
        !self.read_only.is_empty()
    }

    pub(super) fn is_protected(&self, file: Identity) -> bool {
        self.protected.contains(&file)
    }

    pub(super) fn stays_in_place(&self, directory: Identity) -> bool {
        self.in_place.contains(&directory)
    }

    /// What is hidden at this moment: the host may make the folder while a guest runs.
    pub(super) fn hidden(&self) -> Result<Vec<Identity>, Errno> {
        let mut hidden = Vec::with_capacity(self.workspaces.len() * HIDDEN.len());
        for (_, workspace) in &self.workspaces {
            for name in HIDDEN {
                match rustix::fs::statat(workspace, name, AtFlags::empty()) {
                    Ok(stat) => hidden.push(Identity::from(&stat)),
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(hidden)
    }

    /// The same, where all of it is in the workspaces' roots themselves; nothing where a link or a mount leads to some of it,
    /// which then has another name elsewhere.
    pub(super) fn hidden_plainly(&self) -> Option<Vec<Identity>> {
        let mut hidden = Vec::with_capacity(self.workspaces.len() * HIDDEN.len());
        for (_, workspace) in &self.workspaces {
            for name in HIDDEN {
                match rustix::fs::statx(workspace, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
                    Ok(stat) => hidden.push(Identity::of_plain(&stat)?),
                    Err(Errno::NOENT) => {}
                    Err(_) => return None,
                }
            }
        }
        Some(hidden)
    }

    /// Finds out where a path leads, from a directory that it cannot leave.
    pub(super) fn resolve(&self, start: &Dir, path: &str, last_link: LastLink) -> Result<Place, Errno> {
        if path.len() > MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG);
        }
        let mut pending = Vec::new();
        let mut must_be_directory = push_names(&mut pending, path.as_bytes())?;
        let hidden = self.hidden()?;
        let identity = Identity::of(&start.dir)?;
        if hidden.contains(&identity) {
            return Err(Errno::NOENT);
        }
        let read_only = start.perms.write_not_permitted();
        let mut levels = vec![Level { directory: start.dir.clone(), identity, read_only }];
        let mut links = 0;
        while let (Some(name), Some(here)) = (pending.pop(), levels.last()) {
            let is_last = pending.is_empty();
            let place = |name: OsString, found, reserved| Place {
                directory: here.directory.clone(),
                found,
                read_only: here.read_only || (self.is_root(here.identity) && is_spelling_of(&name, CONFIG)),
                name,
                reserved,
                must_be_directory,
            };
            if name == "." {
                continue;
            }
            if name == ".." {
                if levels.len() == 1 {
                    return Err(Errno::PERM);
                }
                levels.pop();
                continue;
            }
            let at_root = self.is_root(here.identity);
            let seen = if at_root && HIDDEN.iter().any(|hidden| name == *hidden) {
                Seen::Hidden
            } else {
                look(&here.directory, &name, &hidden)?
            };
            let found = match seen {
                Seen::Found(found) => found,
                _ if !is_last => return Err(Errno::NOENT),
                Seen::Hidden => return Ok(place(name, None, true)),
                Seen::Nothing => {
                    let reserved = at_root && is_spelling_of_hidden(&name);
                    return Ok(place(name, None, reserved));
                }
            };
            let follow = !is_last || last_link == LastLink::Follow;
            match found.file_type() {
                FileType::Symlink if follow => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP);
                    }
                    let target = rustix::fs::readlinkat(&found.handle, "", Vec::new())?;
                    let ends_with_slash = push_names(&mut pending, target.as_bytes())?;
                    must_be_directory |= is_last && ends_with_slash;
                }
                FileType::Directory if !is_last => {
                    if levels.len() > MAX_DEPTH {
                        return Err(Errno::NAMETOOLONG);
                    }
                    let identity = Identity::from(&found.stat);
                    let read_only = here.read_only || self.is_read_only(identity);
                    levels.push(Level { directory: Arc::new(found.handle.into()), identity, read_only });
                }
                file_type if !is_last || (must_be_directory && file_type != FileType::Directory) => {
                    return Err(Errno::NOTDIR);
                }
                _ => {
                    let protected = self.is_protected(Identity::from(&found.stat));
                    let place = place(name, Some(found), false);
                    return Ok(Place { read_only: place.read_only || protected, ..place });
                }
            }
        }
        // The path ended with `.` or `..`.
        let here = levels.pop().ok_or(Errno::NOENT)?;
        let Seen::Found(found) = look(&here.directory, OsStr::new("."), &hidden)? else { return Err(Errno::NOENT) };
        let Level { directory, read_only, .. } = here;
        Ok(Place { directory, name: ".".into(), found: Some(found), read_only, reserved: false, must_be_directory })
    }
}

/// What a name stands for.
enum Seen {
    Found(Found),
    Nothing,
    Hidden,
}

fn look(directory: &File, name: &OsStr, hidden: &[Identity]) -> Result<Seen, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(Seen::Nothing),
        Err(errno) => return Err(errno),
    };
    let stat = rustix::fs::fstat(&handle)?;
    Ok(if hidden.contains(&Identity::from(&stat)) { Seen::Hidden } else { Seen::Found(Found { handle, stat }) })
}

/// Puts a path's names before those that are still to come, the first on top, and says whether it ended with a slash.
fn push_names(pending: &mut Vec<OsString>, path: &[u8]) -> Result<bool, Errno> {
    match path.first() {
        None => return Err(Errno::NOENT),
        Some(b'/') => return Err(Errno::PERM),
        Some(_) => {}
    }
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    pending.extend(names.rev().map(|name| OsString::from_vec(name.to_vec())));
    Ok(path.ends_with(b"/"))
}

/// Whether a file system might take this name for that of something hidden.
pub(super) fn is_spelling_of_hidden(name: &OsStr) -> bool {
    HIDDEN.iter().any(|hidden| is_spelling_of(name, hidden))
}

/// Whether a file system might take this name for one that is treated in another way than others, where it is.
pub(super) fn is_special(name: &OsStr) -> bool {
    is_spelling_of_hidden(name) || is_spelling_of(name, CONFIG)
}

/// Whether a file system might take one name for the other: some ignore case, as Unicode has it, and characters that
/// cannot be seen.
fn is_spelling_of(name: &OsStr, other: &str) -> bool {
    let Some(name) = name.to_str() else { return false };
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.filter(|letter| letter.is_ascii() || letter.is_alphanumeric()).eq(other.chars())
}

#[cfg(test)]
mod tests;
