//! What a component exports: the author's skill or Expert behind the contract's traits.

use std::marker::PhantomData;

use super::bindings::expert::exports::perstack::plugin::logic;
use super::bindings::skill::exports::perstack::plugin::tools;
use super::bindings::skill::perstack::plugin::types as wit;
use crate::definition::{Expert, Hints, Input, Skill, ToolDefinition};
use crate::output::{Output, ToolError};

/// A skill, as the contract has it.
pub struct SkillExport<S>(PhantomData<S>);

impl<S: Skill> tools::Guest for SkillExport<S> {
    fn list_tools() -> Vec<wit::ToolDefinition> {
        S::tools().into_iter().map(Into::into).collect()
    }

    fn call_tool(name: String, arguments: String) -> Result<wit::ToolOutput, wit::ToolError> {
        S::call(&name, &arguments).map(Into::into).map_err(Into::into)
    }
}

/// An Expert, as the contract has it.
pub struct ExpertExport<E>(PhantomData<E>);

impl<E: Expert> logic::Guest for ExpertExport<E> {
    fn run(input: logic::Input) -> Result<String, String> {
        E::run(Input { query: input.query, instruction: input.instruction, history: input.history })
    }
}

impl From<ToolDefinition> for wit::ToolDefinition {
    fn from(tool: ToolDefinition) -> Self {
        Self {
            name: tool.name,
            title: tool.title,
            description: tool.description,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            hints: tool.hints.into(),
        }
    }
}

impl From<Hints> for wit::ToolHints {
    fn from(hints: Hints) -> Self {
        let flag = |set: bool, flag: Self| if set { flag } else { Self::empty() };
        flag(hints.read_only, Self::READ_ONLY)
            | flag(hints.destructive, Self::DESTRUCTIVE)
            | flag(hints.idempotent, Self::IDEMPOTENT)
            | flag(hints.open_world, Self::OPEN_WORLD)
    }
}

impl From<Output> for wit::ToolOutput {
    fn from(output: Output) -> Self {
        Self { content: output.content.into_iter().map(Into::into).collect(), structured: output.structured }
    }
}

impl From<ToolError> for wit::ToolError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::InvalidArguments(text) => Self::InvalidArguments(text),
            ToolError::Denied(text) => Self::Denied(text),
            ToolError::Failed(text) => Self::Failed(text),
        }
    }
}
