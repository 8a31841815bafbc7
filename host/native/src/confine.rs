//! Landlock for what is started: the workspace without what the program keeps there, the system's programs and libraries,
//! and no connection over TCP.

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// What is asked of the kernel as far as it has it: TCP came with version 4, signals with this one.
const WANTED: ABI = ABI::V6;
/// What it must have: the versions before let any file be truncated.
const NEEDED: ABI = ABI::V3;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute});
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | Execute | WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer
});
const OF_FILES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate | Execute});

/// Programs, libraries, and what those read at their start.
const SYSTEM: [&str; 9] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store"];
/// Devices that are not ones.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"];

/// Sets the calling thread, and what it starts, apart from other processes: it cannot read their memory or variables, and,
/// where Linux is new enough, not send them signals. Of the files it only loses making devices, which nobody needs: there is no
/// such boundary without one. Root loses what would lead around it.
pub(crate) fn set_apart() -> Result<(), String> {
    let failed = |error: landlock::RulesetError| error.to_string();
    let around = CapabilitySet::SYS_PTRACE | CapabilitySet::SYS_ADMIN | CapabilitySet::PERFMON;
    let mut capabilities = capabilities(None).map_err(|error| error.to_string())?;
    capabilities.effective.remove(around);
    capabilities.permitted.remove(around);
    capabilities.inheritable.remove(around);
    set_capabilities(None, capabilities).map_err(|error| error.to_string())?;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(make_bitflags!(AccessFs::{MakeChar | MakeBlock}))
        .and_then(|ruleset| ruleset.set_compatibility(CompatLevel::BestEffort).scope(Scope::Signal));
    let status = ruleset.and_then(Ruleset::create).and_then(|ruleset| ruleset.restrict_self()).map_err(failed)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("Landlock is not there".to_owned()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// What a program may reach of the files.
#[derive(Clone, Debug)]
pub struct Confinement {
    workspace: PathBuf,
    hidden: Vec<PathBuf>,
    read_only: Vec<PathBuf>,
}

impl Confinement {
    /// The workspace, without what is `hidden`, and with what is `read_only` as it is. All paths are real ones: absolute, and
    /// without links.
    pub fn new(workspace: &Path, hidden: Vec<PathBuf>, read_only: Vec<PathBuf>) -> Self {
        Self { workspace: workspace.to_owned(), hidden, read_only }
    }

    /// The workspace.
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Whether a folder is one that a program may be started in: in the workspace, and not hidden.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        folder.starts_with(&self.workspace) && !self.hidden.iter().any(|hidden| folder.starts_with(hidden))
    }

    /// Confines the calling thread and what it starts, for good.
    ///
    /// What is granted to a folder holds for all below it. So a folder with something hidden or read-only below it is
    /// granted entry by entry: a program sees the names in it, changes what else is there, and makes nothing new.
    pub(crate) fn apply(&self, temporary: &Path) -> Result<(), String> {
        let failed = |error: landlock::RulesetError| error.to_string();
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(NEEDED))
            .and_then(|ruleset| {
                let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort);
                // Connections, and signals to whoever is outside.
                ruleset.handle_access(AccessNet::from_all(WANTED))?.scope(Scope::from_all(WANTED))
            });
        let mut ruleset = ruleset.and_then(Ruleset::create).map_err(failed)?;
        let mut grant = |path: &Path, access: BitFlags<AccessFs>| -> Result<(), String> {
            // Less can be reached without it.
            let (Ok(opened), Ok(metadata)) = (PathFd::new(path), fs::metadata(path)) else { return Ok(()) };
            let access = if metadata.is_dir() { access } else { access & OF_FILES };
            (&mut ruleset).add_rule(PathBeneath::new(opened, access)).map(drop).map_err(failed)
        };
        for path in SYSTEM {
            grant(Path::new(path), READ)?;
        }
        for path in DEVICES {
            grant(Path::new(path), make_bitflags!(AccessFs::{ReadFile | WriteFile}))?;
        }
        grant(temporary, WRITE)?;
        let mut folders = vec![self.workspace.clone()];
        while let Some(folder) = folders.pop() {
            let special = |path: &PathBuf| *path != folder && path.starts_with(&folder);
            if !self.hidden.iter().chain(&self.read_only).any(special) {
                grant(&folder, WRITE)?;
                continue;
            }
            grant(&folder, AccessFs::ReadDir.into())?;
            for entry in fs::read_dir(&folder).map_err(|error| error.to_string())? {
                let path = entry.map_err(|error| error.to_string())?.path();
                let Ok(metadata) = path.symlink_metadata() else { continue };
                // A link says where it leads to, and that is granted for itself or not.
                if metadata.is_symlink() || self.hidden.contains(&path) {
                    continue;
                }
                if self.read_only.contains(&path) {
                    grant(&path, READ)?;
                } else if metadata.is_dir() {
                    folders.push(path);
                } else {
                    grant(&path, WRITE)?;
                }
            }
        }
        let status = ruleset.restrict_self().map_err(failed)?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err("Landlock is not there".to_owned()),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        }
    }
}
