//! Opens a file again and again, and closes none.

use std::fs::File;

pub(crate) fn run(path: &str) -> String {
    let mut open = Vec::new();
    loop {
        match File::open(path) {
            Ok(file) => open.push(file),
            Err(error) => return format!("{} open, then: {error}", open.len()),
        }
    }
}
