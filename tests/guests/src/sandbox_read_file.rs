//! Reads a file, wherever it is, so many times.

pub(crate) fn run(path: &str, times: u32) -> Result<String, String> {
    for _ in 1..times {
        std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}
