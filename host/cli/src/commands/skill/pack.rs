//! `perstack skill pack`: documentation of WIT for models.

use std::io::{Write, stdout};
use std::path::PathBuf;

use perstack_runtime::{ComponentBytes, PackError};

use crate::args::PackArgs;
use crate::failure::{Exit, Failure};
use crate::text::{harmless, size};
use crate::whole::write_whole;

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
