//! Fills the disk, in each way that there is, until it is stopped or did it a thousand times.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// How often.
const TIMES: usize = 1000;
/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;
/// Far behind the end of any file.
const FAR: u64 = 1 << 40;

pub(crate) fn run(folder: &str, how: &str) -> Result<String, String> {
    let folder = Path::new(folder);
    let mut file = File::create(folder.join("file")).map_err(|error| error.to_string())?;
    let mut append = File::options().append(true).open(folder.join("file")).map_err(|error| error.to_string())?;
    for time in 0..TIMES {
        let path = folder.join(format!("{how}-{time}"));
        let done = match how {
            "write" => file.write_all(&[b'x'; BLOCK]),
            "append" => append.write_all(&[b'x'; BLOCK]),
            "hole" => file.seek(SeekFrom::Start(FAR)).and_then(|_| file.write_all(b"x")),
            "size" => file.set_len(FAR),
            "files" => File::create(path).map(drop),
            "directories" => fs::create_dir(path),
            "links" => fs::hard_link(folder.join("file"), path),
            other => return Err(format!("no such way: {other}")),
        };
        if let Err(error) = done {
            return Err(format!("{time} times, then: {error}"));
        }
    }
    Ok("never stopped".to_owned())
}
