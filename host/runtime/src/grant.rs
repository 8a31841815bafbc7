//! What to add to `perstack.toml` when a skill was denied what it asked for.

use perstack_core::config::{NetworkPattern, SkillKind, WasmSkill};

use crate::project::Project;

impl Project {
    /// The lines that would let a skill connect to a host, and where they belong. None where lines do not help: it is granted
    /// and was denied for another reason, it can never be granted, or the Expert is a part of the program.
    pub fn network_grant(&self, expert_key: &str, skill_name: &str, host: &str, port: u16) -> Option<String> {
        let path = self.path()?;
        let expert = self.expert(expert_key)?;
        let skill = expert.skills.iter().find(|skill| skill.name == skill_name)?;
        let SkillKind::Wasm(WasmSkill { capabilities, .. }) = &skill.kind else { return None };
        let wanted: NetworkPattern = format!("https://{host}:{port}").parse().ok()?;
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
}
