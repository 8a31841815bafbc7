//! What to do when a skill was denied what it asked for: what to add to `perstack.toml`, or who could allow it.

use std::sync::Arc;

use perstack_core::config::{Access, FilesystemGrant, GrantPath, Needs, NetworkPattern, SkillKind, WasmSkill};

use crate::cast::Cast;
use crate::project::Project;

/// Advice about what skills are denied. Cheap to clone.
#[derive(Clone)]
pub struct Advice(Arc<Cast>);

impl Advice {
    pub(crate) fn new(cast: Arc<Cast>) -> Self {
        Self(cast)
    }

    /// The lines that would let a skill connect to a host, and where they belong; or who does not allow that. None where
    /// lines do not help: it is granted and was denied for another reason, it can never be granted, or the Expert is a part
    /// of the program.
    pub fn network(&self, expert_key: &str, skill_name: &str, host: &str, port: u16) -> Option<String> {
        let lines = self.0.project().network_grant(expert_key, skill_name, host, port)?;
        let wanted = destination(host, port)?;
        Some(self.refusal(&Needs { network: [wanted].into(), ..Needs::default() }).unwrap_or(lines))
    }

    /// The lines that would let a skill write to a file that it may read, and where they belong; or who does not allow that.
    /// None where lines do not help.
    pub fn file(&self, expert_key: &str, skill_name: &str, file: &str) -> Option<String> {
        let lines = self.0.project().file_grant(expert_key, skill_name, file)?;
        let wanted = FilesystemGrant { path: file.parse().ok()?, access: Access::Write };
        Some(self.refusal(&Needs { filesystem: vec![wanted], ..Needs::default() }).unwrap_or(lines))
    }

    fn refusal(&self, needs: &Needs) -> Option<String> {
        let admission = self.0.runtime().admission(self.0.workspace().root())?;
        let refusal = admission.out_of_reach("it", needs).into_iter().next()?;
        Some(format!("the host policy does not allow it: {}", refusal.change()))
    }
}

fn destination(host: &str, port: u16) -> Option<NetworkPattern> {
    format!("https://{host}:{port}").parse().ok()
}

impl Project {
    fn network_grant(&self, expert_key: &str, skill_name: &str, host: &str, port: u16) -> Option<String> {
        let path = self.path()?;
        let expert = self.expert(expert_key)?;
        let skill = expert.skills.iter().find(|skill| skill.name == skill_name)?;
        let SkillKind::Wasm(WasmSkill { capabilities, .. }) = &skill.kind else { return None };
        let wanted = destination(host, port)?;
        let mut network = capabilities.network.clone();
        if !network.insert(wanted) {
            return None;
        }
        let line = self.line(capabilities.span.as_ref().unwrap_or(&skill.span));
        let network: Vec<String> = network.iter().map(|pattern| format!("\"{pattern}\"")).collect();
        Some(format!(
            "add to {path}:{line}\n[experts.\"{expert_key}\".skills.\"{skill_name}\".capabilities]\nnetwork = [{}]",
            network.join(", ")
        ))
    }

    fn file_grant(&self, expert_key: &str, skill_name: &str, file: &str) -> Option<String> {
        let path = self.path()?;
        let expert = self.expert(expert_key)?;
        let skill = expert.skills.iter().find(|skill| skill.name == skill_name)?;
        let SkillKind::Wasm(WasmSkill { capabilities, .. }) = &skill.kind else { return None };
        let file: GrantPath = file.parse().ok()?;
        let mut granted = capabilities.filesystem.clone();
        let closest = granted.iter_mut().filter(|grant| file.within(&grant.path));
        let closest = closest.max_by_key(|grant| grant.path.as_str().len())?;
        if closest.access == Access::Write {
            return None;
        }
        closest.access = Access::Write;
        let line = self.line(capabilities.span.as_ref().unwrap_or(&skill.span));
        let granted: Vec<String> = granted
            .iter()
            .map(|FilesystemGrant { path, access }| format!("{{ path = \"{path}\", access = \"{access}\" }}"))
            .collect();
        Some(format!(
            "add to {path}:{line}\n[experts.\"{expert_key}\".skills.\"{skill_name}\".capabilities]\nfilesystem = [{}]",
            granted.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(capabilities: &str) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perstack.toml");
        let skill = "[experts.\"a\"]\ninstruction = \"x\"\n[experts.\"a\".skills.\"s\"]\ntype = \"wasmSkill\"\ncomponent = \"s.wasm\"\n";
        std::fs::write(&path, format!("{skill}{capabilities}")).unwrap();
        Project::read(&path).unwrap()
    }

    fn lines(capabilities: &str, host: &str, port: u16) -> Option<String> {
        let grant = project(capabilities).network_grant("a", "s", host, port)?;
        let (place, lines) = grant.split_once('\n').unwrap();
        Some(format!("{}\n{lines}", place.rsplit('/').next().unwrap()))
    }

    #[test]
    fn the_lines_to_add_keep_what_is_granted() {
        let header = "[experts.\"a\".skills.\"s\".capabilities]";
        let expected = format!("perstack.toml:3\n{header}\nnetwork = [\"https://api.exa.ai\"]");
        assert_eq!(lines("", "api.exa.ai", 443).unwrap(), expected);
        let granted = format!("{header}\nnetwork = [\"https://b.ai\"]\n");
        let expected = format!("perstack.toml:6\n{header}\nnetwork = [\"https://api.exa.ai:8443\", \"https://b.ai\"]");
        assert_eq!(lines(&granted, "api.exa.ai", 8443).unwrap(), expected);
        assert_eq!(lines(&granted, "b.ai", 443), None);
        assert_eq!(lines(&granted, "127.0.0.1", 443), None);
    }

    #[test]
    fn the_closest_grant_becomes_one_to_write() {
        let granted = "[experts.\"a\".skills.\"s\".capabilities]\n\
                       filesystem = [{ path = \".\", access = \"read\" }, { path = \"out\", access = \"write\" }]\n";
        let grant = |file: &str| project(granted).file_grant("a", "s", file);
        let lines = grant("in/x").unwrap();
        let expected = "filesystem = [{ path = \".\", access = \"write\" }, { path = \"out\", access = \"write\" }]";
        assert!(lines.ends_with(expected), "{lines}");
        // It may write there, so that was not why.
        assert_eq!(grant("out/perstack.toml"), None);
        assert_eq!(grant("../x"), None);
    }
}
