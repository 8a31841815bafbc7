//! `perstack skill`: getting components ready to be skills.

use std::fs::{self, File};
use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};
use std::process;

use perstack_runtime::{ComponentBytes, PackError};

use crate::args::PackArgs;
use crate::failure::{Exit, Failure};
use crate::text::{harmless, size};

/// `perstack skill pack`.
pub(crate) fn pack(args: &PackArgs) -> Result<Exit, Failure> {
    let component = ComponentBytes::read(&args.component).map_err(PackError::from)?;
    let packed = perstack_runtime::pack(&component, &args.wit, args.world.as_deref())?;
    let output = packed_path(args);
    write_whole(&output, &packed).map_err(|error| {
        let message = format!("`{}` cannot be written: {error}", output.display());
        Failure::new(Exit::Failed, message, Some("name another file with `-o`".to_owned()))
    })?;
    let said = format!("{} · {}", output.display(), size(packed.len() as u64));
    // Who reads nothing has the file all the same.
    drop(writeln!(stdout(), "{}", harmless(&said)));
    Ok(Exit::Done)
}

/// Where it is written to.
pub(crate) fn packed_path(args: &PackArgs) -> PathBuf {
    args.output.clone().unwrap_or_else(|| args.component.with_extension("packed.wasm"))
}

/// Writes a file that is there as a whole or not at all, also in place of the one it was made from.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", process::id()));
    let temporary: PathBuf = path.with_file_name(hidden);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // There is nothing more that can be done about it.
        drop(fs::remove_file(&temporary));
    }
    written
}
