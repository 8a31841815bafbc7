//! Writes far more to stderr than anyone wants to keep.

use std::io::Write;

pub(crate) fn run(bytes: usize) -> Result<String, String> {
    let mut stderr = std::io::stderr();
    for _ in 0..bytes / 100 {
        writeln!(stderr, "{:e<99}", "").map_err(|error| error.to_string())?;
    }
    Ok("wrote it all".to_owned())
}
