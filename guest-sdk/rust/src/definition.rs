//! How a tool is described.

use crate::output::{Output, ToolError};

/// What the model may assume about a tool. Hints never grant anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The call changes nothing outside the skill.
    pub read_only: bool,
    /// The call may delete or overwrite data.
    pub destructive: bool,
    /// Repeating the call with the same arguments changes nothing more.
    pub idempotent: bool,
    /// The call reaches systems outside this machine.
    pub open_world: bool,
}

/// One tool as the model sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolDefinition {
    /// Unique within the skill.
    pub name: String,
    /// Shown to people in place of the name.
    pub title: Option<String>,
    /// Tells the model what the tool does and when to call it.
    pub description: String,
    /// JSON Schema of the arguments.
    pub input_schema: String,
    /// JSON Schema of structured answers, where there are any.
    pub output_schema: Option<String>,
    /// What the model may assume.
    pub hints: Hints,
}

/// A set of tools. `#[perstack::skill]` writes this for the type `Skill` of the module.
pub trait Skill {
    /// Lists the tools.
    fn tools() -> Vec<ToolDefinition>;

    /// Calls a tool with the JSON text of an object of arguments.
    fn call(name: &str, arguments: &str) -> Result<Output, ToolError>;
}

/// What an Expert is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// What the Expert was asked.
    pub query: String,
    /// The Expert's `instruction`; empty where it has none.
    pub instruction: String,
    /// Queries and answers of the job's earlier runs of this Expert, oldest first.
    pub history: Vec<(String, String)>,
}

impl From<&str> for Input {
    fn from(query: &str) -> Self {
        Self { query: query.to_owned(), ..Self::default() }
    }
}

/// An Expert's own logic. `#[perstack::expert]` writes this for a function.
pub trait Expert {
    /// Runs the Expert from query to final answer, or to the text of its error.
    fn run(input: Input) -> Result<String, String>;
}
