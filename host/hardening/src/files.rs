//! Landlock: no file but those in a few places, whatever path or link leads there.

use std::fs;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, make_bitflags,
};

/// A file, or a folder with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where. A place that is not there, or cannot be opened, is left out.
    pub path: PathBuf,
    /// What for.
    pub reach: Reach,
}

/// What a place may be used for. Never for starting programs, and never for making devices, pipes and sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Reading.
    Read,
    /// Reading, writing, making and removing.
    Write,
}

/// The first version that knows of all ways to change a file: the ones before let any file be truncated. What later
/// versions add (devices' own commands, binding of ports, sockets and signals) is refused by system call, or of no use
/// here, and so not asked of the kernel.
const VERSION: ABI = ABI::V3;

/// The same as a number, for people.
pub const VERSION_NUMBER: u32 = 3;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer
});
/// What there is to do with a file that is no folder.
const OF_FILES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});

/// Confines the calling thread, and those that it will start.
pub(crate) fn confine(places: &[Place]) -> Result<(), String> {
    require_one_thread()?;
    let failed = |error: landlock::RulesetError| error.to_string();
    let mut ruleset =
        Ruleset::default().handle_access(AccessFs::from_all(VERSION)).and_then(Ruleset::create).map_err(failed)?;
    for place in places {
        // Less can be reached without it.
        let (Ok(opened), Ok(metadata)) = (PathFd::new(&place.path), fs::metadata(&place.path)) else { continue };
        let reach = match place.reach {
            Reach::Read => READ,
            Reach::Write => WRITE,
        };
        let reach = if metadata.is_dir() { reach } else { reach & OF_FILES };
        ruleset = ruleset.add_rule(PathBeneath::new(opened, reach)).map_err(failed)?;
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) if status.no_new_privs => Ok(()),
        (_, LandlockStatus::NotImplemented) => Err("this kernel has no Landlock".to_owned()),
        (_, LandlockStatus::NotEnabled) => Err("Landlock is switched off in this kernel".to_owned()),
        _ => Err(format!("Landlock of this kernel is too old to keep files whole, version {VERSION_NUMBER} is needed")),
    }
}

/// Landlock confines a thread and its children, not its siblings.
fn require_one_thread() -> Result<(), String> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => Ok(()),
        Ok(threads) => Err(format!("there are {threads} threads already")),
        Err(error) => Err(format!("threads cannot be counted: /proc/self/task: {error}")),
    }
}
