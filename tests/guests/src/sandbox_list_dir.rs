//! Lists a directory, wherever it is.

pub(crate) fn run(path: &str) -> Result<String, String> {
    let listed = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect()
    });
    let mut names: Vec<String> = listed.map_err(|error: std::io::Error| error.to_string())?;
    names.sort();
    Ok(names.join("\n"))
}
