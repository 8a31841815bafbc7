//! Which host policy counts: the first of `--policy`, `PERSTACK_POLICY` and the machine's own. The variable is the
//! process's, never one of a file.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use perstack_runtime::{HostPolicy, PolicyError};

/// Names a policy for whoever starts the program without being able to change its arguments.
const VARIABLE: &str = "PERSTACK_POLICY";
/// The machine's own.
const OF_THE_MACHINE: &str = "/etc/perstack/policy.toml";

/// The policy that counts. One that was named is there; that of the machine may not be.
pub(crate) fn find(named: Option<&Path>) -> Result<Option<HostPolicy>, PolicyError> {
    let named = named.map(Path::to_owned).or_else(|| env::var_os(VARIABLE).map(PathBuf::from));
    if let Some(path) = named {
        return HostPolicy::read(&path).map(Some);
    }
    let path = Path::new(OF_THE_MACHINE);
    match path.symlink_metadata() {
        // Everything else, a link that leads nowhere too, is a policy that cannot be read.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => HostPolicy::read(path).map(Some),
    }
}
