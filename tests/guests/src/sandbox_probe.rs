//! Tries everything that can be tried on a path, and says what worked. What it makes it takes away again.

use std::fs::{self, File};

pub(crate) fn run(path: &str) -> String {
    let tries: [(&str, &dyn Fn() -> bool); 14] = [
        ("metadata", &|| fs::metadata(path).is_ok()),
        ("link metadata", &|| fs::symlink_metadata(path).is_ok()),
        ("open", &|| File::open(path).is_ok()),
        ("open to write", &|| File::options().append(true).open(path).is_ok()),
        ("read link", &|| fs::read_link(path).is_ok()),
        ("list", &|| fs::read_dir(path).is_ok()),
        ("list above", &|| fs::read_dir(format!("{path}/..")).is_ok()),
        ("read below", &|| fs::read(format!("{path}/secret")).is_ok()),
        ("create below", &|| File::create(format!("{path}/made")).is_ok()),
        ("make", &|| fs::create_dir(path).is_ok()),
        ("create", &|| File::create_new(path).is_ok()),
        ("link from", &|| fs::hard_link(path, "probe-link").is_ok()),
        ("rename from", &|| fs::rename(path, "probe-renamed").is_ok()),
        ("remove", &|| fs::remove_dir(path).is_ok() || fs::remove_file(path).is_ok()),
    ];
    let worked: Vec<&str> = tries.iter().filter(|(_, attempt)| attempt()).map(|(name, _)| *name).collect();
    worked.join(", ")
}
