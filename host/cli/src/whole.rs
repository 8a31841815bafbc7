//! Files that are there as a whole, or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

/// What a new file may be used for by others, less what the user's mask takes away.
const NEW_FILE: u32 = 0o666;

/// Writes a file as a whole, also in place of another, whose permissions it keeps.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", process::id()));
    let temporary: PathBuf = path.with_file_name(hidden);
    let permissions = fs::metadata(path).ok().map(|earlier| earlier.permissions());
    let mode = permissions.as_ref().map_or(NEW_FILE, PermissionsExt::mode);
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary).and_then(|mut file| {
        // The mask of the user may have taken away some.
        permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))?;
        file.write_all(content)?;
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // There is nothing more that can be done about it.
        drop(fs::remove_file(&temporary));
    }
    written
}
