//! Writes a file, wherever it is.

pub(crate) fn run(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| error.to_string())
}
