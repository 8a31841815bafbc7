//! The tools of a run: those of all skills, found by name, with their schemas ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use perstack_core::{ToolDefinition, ToolSet};
use serde_json::Value;

use crate::error::RunError;

/// The tools of a run.
#[derive(Default)]
pub(crate) struct Toolbox {
    tools: BTreeMap<String, Tool>,
}

struct Tool {
    set: Arc<dyn ToolSet>,
    definition: ToolDefinition,
    arguments: Validator,
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
        let unsupported = |reason| RunError::Unsupported { expert: expert.to_owned(), skill: skill.to_owned(), reason };
        for name in selection.pick.iter().chain(selection.omit) {
            if !selection.set.tools().iter().any(|tool| tool.name == *name) {
                return Err(unsupported(format!("it has no tool `{name}` to pick or omit")));
            }
        }
        for definition in selection.set.tools() {
            let name = &definition.name;
            let picked = selection.pick.is_empty() || selection.pick.contains(name);
            if !picked || selection.omit.contains(name) {
                continue;
            }
            if let Some(first) = self.tools.get(name) {
                return Err(RunError::DuplicateTool {
                    expert: expert.to_owned(),
                    first: first.set.name().to_owned(),
                    second: skill.to_owned(),
                    tool: name.clone(),
                });
            }
            let arguments = compile(&definition.input_schema)
                .map_err(|reason| unsupported(format!("the schema of tool `{name}` is not valid: {reason}")))?;
            let tool = Tool { set: selection.set.clone(), definition: definition.clone(), arguments };
            self.tools.insert(name.clone(), tool);
        }
        Ok(())
    }

    /// All tools, sorted by name.
    pub(crate) fn definitions(&self) -> Vec<ToolDefinition> {
        self.tools.values().map(|tool| tool.definition.clone()).collect()
    }

    /// The skill that has a tool.
    pub(crate) fn set(&self, tool: &str) -> Option<&Arc<dyn ToolSet>> {
        self.tools.get(tool).map(|tool| &tool.set)
    }

    /// Checks arguments against a tool's schema; the error says which field does not fit, and why.
    pub(crate) fn check(&self, tool: &str, arguments: &Value) -> Result<(), String> {
        let Some(tool) = self.tools.get(tool) else { return Err(format!("there is no tool `{tool}`")) };
        tool.arguments.validate(arguments).map_err(|error| {
            let place = error.instance_path().to_string();
            if place.is_empty() { error.to_string() } else { format!("`{place}`: {error}") }
        })
    }
}

/// A schema comes from a guest. Patterns are matched in linear time, and references lead nowhere outside it.
fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misfit_is_named() {
        let schema = compile(&json!({
            "type": "object", "properties": {"count": {"type": "integer", "maximum": 3}}, "required": ["count"],
        }))
        .unwrap();
        assert!(schema.is_valid(&json!({"count": 3})));
        assert_eq!(schema.validate(&json!({"count": 4})).unwrap_err().instance_path().to_string(), "/count");
        assert!(!schema.is_valid(&json!({})));
    }

    #[test]
    fn a_pattern_cannot_take_for_ever() {
        let schema = compile(&json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(!schema.is_valid(&json!("a".repeat(50_000) + "!")));
        assert!(compile(&json!({"pattern": "(?=a)"})).is_err());
    }

    #[test]
    fn a_schema_cannot_reach_outside() {
        assert!(compile(&json!({"$ref": "file:///etc/passwd"})).is_err());
        assert!(compile(&json!({"$ref": "http://127.0.0.1/"})).is_err());
    }
}
