//! Writes far more to stdout than anyone wants to keep.

use std::io::Write;

pub(crate) fn run(bytes: usize) -> Result<String, String> {
    let mut stdout = std::io::stdout();
    for _ in 0..bytes / 100 {
        writeln!(stdout, "{:o<99}", "").map_err(|error| error.to_string())?;
    }
    Ok("wrote it all".to_owned())
}
