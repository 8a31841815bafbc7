//! Makes a link and reads, writes or lists through it.

use std::fs;

pub(crate) fn run(link: &str, target: &str, below: &str) -> Result<String, String> {
    #[expect(deprecated, reason = "the one stable way to make a symbolic link on every target")]
    fs::soft_link(target, link).map_err(|error| format!("not linked: {error}"))?;
    let path = if below.is_empty() { link.to_owned() } else { format!("{link}/{below}") };
    let read = fs::read_to_string(&path).map_err(|error| error.to_string());
    let listed = fs::read_dir(&path).map(|entries| entries.count()).map_err(|error| error.to_string());
    let wrote = fs::write(&path, "through the link").map_err(|error| error.to_string());
    match (read, listed, wrote) {
        (Err(read), Err(listed), Err(wrote)) => Err(format!("{read}; {listed}; {wrote}")),
        reached => Ok(format!("{reached:?}")),
    }
}
