//! Reads what the host's user types.

use std::io::Read;

pub(crate) fn run() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map(|bytes| format!("{bytes} bytes")).map_err(|error| error.to_string())
}
