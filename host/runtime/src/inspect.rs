//! What a component is, and which Experts use it: for people who decide what to grant.

use std::collections::BTreeMap;
use std::path::Path;

use perstack_core::config::{Capabilities, Needs, SkillKind};
use perstack_core::{Limits, ToolDefinition, ToolSet};
use perstack_sandbox::{ComponentBytes, Grants, Inspection, LoadError, Purpose, Skill, inspect};

use crate::admission::Admission;
use crate::policy::Refusal;
use crate::prepare::Runtime;
use crate::project::Project;

/// A component, looked at.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What it is, imports and needs.
    pub component: Inspection,
    /// Its tools; none where it is no skill.
    pub tools: Vec<ToolDefinition>,
    /// Functions that are no tools, with the reasons.
    pub left_out: Vec<String>,
}

/// A skill of an Expert.
#[derive(Clone, Debug)]
pub struct Use<'a> {
    /// The Expert.
    pub expert_key: &'a str,
    /// What it calls the skill.
    pub skill_name: &'a str,
    /// Its component, by the path in `perstack.toml`.
    pub component: &'a str,
    /// What the skill is granted.
    pub granted: &'a Capabilities,
}

impl Runtime {
    /// Looks at a component. A skill is asked for its tools, without any grant; nothing else of it runs.
    ///
    /// # Errors
    /// [`LoadError`]: it would not be loaded as a skill or as an Expert's logic.
    pub async fn inspect(&self, component: &ComponentBytes) -> Result<Inspected, LoadError> {
        let inspection = inspect(component)?;
        if inspection.purpose == Purpose::Logic {
            return Ok(Inspected { component: inspection, tools: Vec::new(), left_out: Vec::new() });
        }
        let (sandbox, grants, limits) = (&self.sandbox, Grants::default(), Limits::default());
        let skill = match inspection.purpose {
            Purpose::Plugin => Skill::load_plugin(sandbox, "skill", component, BTreeMap::new(), grants, limits).await?,
            _ => Skill::load(sandbox, "skill", component, grants, limits).await?,
        };
        let left_out = skill.left_out().iter().map(ToString::to_string).collect();
        Ok(Inspected { component: inspection, tools: skill.tools().to_vec(), left_out })
    }
}

impl Runtime {
    /// What of a component's needs the host policy does not allow, whoever grants it.
    pub fn out_of_reach(&self, workspace: &Path, name: &str, needs: &Needs) -> Vec<Refusal> {
        let refused = |admission: Admission<'_>| admission.out_of_reach(&format!("`{name}`"), needs);
        self.admission(workspace).map(refused).unwrap_or_default()
    }
}

impl Project {
    /// The skills of all Experts that are components.
    pub fn uses(&self) -> impl Iterator<Item = Use<'_>> {
        self.config().experts.iter().flat_map(|expert| {
            expert.skills.iter().filter_map(|skill| match &skill.kind {
                SkillKind::Wasm(wasm) => Some(Use {
                    expert_key: &expert.key,
                    skill_name: &skill.name,
                    component: wasm.component.as_str(),
                    granted: &wasm.capabilities,
                }),
                SkillKind::McpStdio(_) | SkillKind::McpSse(_) | SkillKind::Interactive(_) => None,
            })
        })
    }

    /// Whether a component of this project is the file at `path`.
    pub fn is_file(&self, component: &str, path: &Path) -> bool {
        let Some(own) = self.folder().map(|folder| folder.join(component)) else { return false };
        matches!((own.canonicalize(), path.canonicalize()), (Ok(own), Ok(path)) if own == path)
    }
}
