//! The tools of a run: those of all skills, the Experts that it may delegate to, and the questions to the user; found by
//! name, with their schemas ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use perstack_core::config::{Expert, InteractiveTool};
use perstack_core::{Hints, ToolDefinition, ToolSet};
use serde_json::{Value, json};

use crate::error::RunError;
use crate::schema::ArgumentSchema;

/// What a call without a tool belongs to.
const NO_SKILL: &str = "(none)";

/// The tools of a run.
#[derive(Clone, Default)]
pub(crate) struct Toolbox {
    tools: BTreeMap<String, Arc<Tool>>,
}

struct Tool {
    /// The skill, as events name it.
    skill: String,
    kind: Kind,
    definition: ToolDefinition,
    arguments: ArgumentSchema,
}

/// Who answers a call.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A skill.
    Skill(Arc<dyn ToolSet>),
    /// Another Expert, by its key.
    Delegate(String),
    /// The user.
    Interactive,
}

/// One tool set with what the Expert picks of it.
pub(crate) struct Selection<'a> {
    pub(crate) set: Arc<dyn ToolSet>,
    pub(crate) pick: &'a [String],
    pub(crate) omit: &'a [String],
}

impl Toolbox {
    /// Takes the tools of a skill.
    ///
    /// # Errors
    /// [`RunError::DuplicateTool`], [`RunError::Unsupported`] where a schema is no JSON Schema, or a tool that is picked or
    /// left out is not there.
    pub(crate) fn add(&mut self, expert: &str, selection: Selection<'_>) -> Result<(), RunError> {
        let skill = selection.set.name();
        for name in selection.pick.iter().chain(selection.omit) {
            if !selection.set.tools().iter().any(|tool| tool.name == *name) {
                return Err(RunError::Unsupported {
                    expert: expert.to_owned(),
                    skill: skill.to_owned(),
                    reason: format!("it has no tool `{name}` to pick or omit"),
                });
            }
        }
        for definition in selection.set.tools() {
            let name = &definition.name;
            let picked = selection.pick.is_empty() || selection.pick.contains(name);
            if picked && !selection.omit.contains(name) {
                self.insert(expert, skill, Kind::Skill(selection.set.clone()), definition.clone())?;
            }
        }
        Ok(())
    }

    /// Takes the tools of a server, which nobody has vouched for: those that cannot be used are left out. Gives the reasons.
    pub(crate) fn add_server(&mut self, expert: &str, set: &Arc<dyn ToolSet>) -> Vec<String> {
        let mut reasons = Vec::new();
        for definition in set.tools() {
            let name = &definition.name;
            if let Err(error) = self.insert(expert, set.name(), Kind::Skill(set.clone()), definition.clone()) {
                let reason = match error {
                    RunError::DuplicateTool { first, .. } => format!("skill `{first}` has one of that name"),
                    RunError::Unsupported { reason, .. } => reason,
                    error => error.to_string(),
                };
                reasons.push(format!("its tool `{name}` is left out: {reason}"));
            }
        }
        reasons
    }

    /// Takes another Expert: a tool of its name, without the organisation, with the query as argument.
    ///
    /// # Errors
    /// [`RunError::DuplicateTool`].
    pub(crate) fn add_delegate(&mut self, expert: &str, delegate: &Expert) -> Result<(), RunError> {
        let name = delegate.name.rsplit('/').next().unwrap_or(&delegate.name);
        let definition = ToolDefinition {
            name: name.to_owned(),
            title: None,
            description: delegate.description.clone().unwrap_or_default(),
            input_schema: json!({
                "type": "object",
                "properties": { "query": { "type": "string" } },
                "required": ["query"],
            }),
            output_schema: None,
            hints: Hints::default(),
        };
        self.insert(expert, &delegate.name, Kind::Delegate(delegate.key.clone()), definition)
    }

    /// Takes a question to the user.
    ///
    /// # Errors
    /// [`RunError::DuplicateTool`], [`RunError::Unsupported`].
    pub(crate) fn add_interactive(
        &mut self,
        expert: &str,
        skill: &str,
        tool: &InteractiveTool,
    ) -> Result<(), RunError> {
        let definition = ToolDefinition {
            name: tool.name.to_string(),
            title: None,
            description: tool.description.clone().unwrap_or_default(),
            input_schema: tool.input_schema.clone(),
            output_schema: None,
            hints: Hints::default(),
        };
        self.insert(expert, skill, Kind::Interactive, definition)
    }

    fn insert(&mut self, expert: &str, skill: &str, kind: Kind, definition: ToolDefinition) -> Result<(), RunError> {
        let name = definition.name.clone();
        if let Some(first) = self.tools.get(&name) {
            return Err(RunError::DuplicateTool {
                expert: expert.to_owned(),
                first: first.skill.clone(),
                second: skill.to_owned(),
                tool: name,
            });
        }
        let arguments = ArgumentSchema::new(&definition.input_schema).map_err(|reason| RunError::Unsupported {
            expert: expert.to_owned(),
            skill: skill.to_owned(),
            reason: format!("the schema of tool `{name}` is not valid: {reason}"),
        })?;
        self.tools.insert(name, Arc::new(Tool { skill: skill.to_owned(), kind, definition, arguments }));
        Ok(())
    }

    /// The tools of skills, and other Experts; with the questions to the user if they may be asked. Sorted by name.
    pub(crate) fn definitions(&self, interactive: bool) -> Vec<ToolDefinition> {
        let offered = |tool: &&Arc<Tool>| interactive || !matches!(tool.kind, Kind::Interactive);
        self.tools.values().filter(offered).map(|tool| tool.definition.clone()).collect()
    }

    /// The tools of skills, sorted by name.
    pub(crate) fn of_skills(&self) -> Vec<ToolDefinition> {
        let is_skills = |tool: &&Arc<Tool>| matches!(tool.kind, Kind::Skill(_));
        self.tools.values().filter(is_skills).map(|tool| tool.definition.clone()).collect()
    }

    /// Who answers calls of a tool.
    pub(crate) fn kind(&self, tool: &str) -> Option<&Kind> {
        self.tools.get(tool).map(|tool| &tool.kind)
    }

    /// What a tool belongs to, as events name it.
    pub(crate) fn skill(&self, tool: &str) -> &str {
        self.tools.get(tool).map_or(NO_SKILL, |tool| &tool.skill)
    }

    /// The Experts that may be asked, as key and description.
    pub(crate) fn delegates(&self) -> impl Iterator<Item = (&str, &ToolDefinition)> {
        self.tools.values().filter_map(|tool| match &tool.kind {
            Kind::Delegate(key) => Some((key.as_str(), &tool.definition)),
            Kind::Skill(_) | Kind::Interactive => None,
        })
    }

    /// Checks arguments against a tool's schema; the error says which field does not fit, and why.
    pub(crate) fn check(&self, tool: &str, arguments: &Value) -> Result<(), String> {
        let Some(tool) = self.tools.get(tool) else { return Err(self.unknown(tool)) };
        tool.arguments.check(arguments).map_err(|reason| format!("invalid arguments: {reason}"))
    }

    /// What to say of a tool that there is not.
    pub(crate) fn unknown(&self, tool: &str) -> String {
        match perstack_core::config::nearest(tool, self.tools.keys().map(String::as_str)) {
            Some(near) => format!("there is no tool `{tool}`; did you mean `{near}`?"),
            None => format!("there is no tool `{tool}`"),
        }
    }
}
