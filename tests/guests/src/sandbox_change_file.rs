//! Changes a file or a directory, in each way that there is.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::Write;
use std::time::{Duration, SystemTime};

pub(crate) fn run(how: &str, path: &str, to: &str) -> Result<(), String> {
    let write = |options: &mut OpenOptions| options.open(path).and_then(|mut file| file.write_all(b"changed"));
    let done = match how {
        "create" => write(File::options().write(true).create_new(true)),
        "write" => write(File::options().write(true)),
        "append" => write(File::options().append(true)),
        "truncate" => File::options().write(true).truncate(true).open(path).map(drop),
        "set_len" => File::options().append(true).open(path).and_then(|file| file.set_len(1)),
        "rename" => fs::rename(path, to),
        "remove" => fs::remove_file(path),
        "link" => fs::hard_link(path, to),
        #[expect(deprecated, reason = "the one stable way to make a symbolic link on every target")]
        "symlink" => fs::soft_link(to, path),
        "set_times" => {
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            File::open(path).and_then(|file| file.set_times(times))
        }
        "make_dir" => fs::create_dir(path),
        "remove_dir" => fs::remove_dir(path),
        other => return Err(format!("no such change: {other}")),
    };
    done.map_err(|error| error.to_string())
}
