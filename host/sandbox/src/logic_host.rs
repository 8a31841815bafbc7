//! What an Expert's own logic and its host say to each other.

use perstack_core::{Content, Generation, Scope, StateError, ToolDefinition};
use serde::Serialize;

/// What an Expert's logic is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicInput {
    /// What was asked.
    pub query: String,
    /// The Expert's instruction, empty where it has none.
    pub instruction: String,
    /// Queries and answers of the job's earlier runs of this Expert, oldest first.
    pub history: Vec<(String, String)>,
}

/// One tool that the logic calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogicToolCall {
    /// Chosen by the logic.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as the logic gave them.
    pub arguments: String,
}

/// The answer to a [`LogicToolCall`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogicToolResult {
    /// The call that this answers.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Whether it failed.
    pub is_error: bool,
    /// The answer.
    pub content: Vec<Content>,
}

/// What the logic asks the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogicRequest {
    /// The conversation.
    pub messages: Vec<LogicMessage>,
    /// Names of the tools that the model may call.
    pub tools: Vec<String>,
    /// JSON Schema that the reply's text must match, as JSON text, unchecked.
    pub response_schema: Option<String>,
}

/// One message of a conversation with the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum LogicMessage {
    /// What the model is told first.
    Instruction(String),
    /// What the user said.
    User(Vec<Content>),
    /// What the model said.
    Expert {
        /// Reasoning, as it was handed out; unchecked.
        reasoning: Option<String>,
        /// Text.
        text: String,
        /// Calls of tools.
        tool_calls: Vec<LogicToolCall>,
    },
    /// What tools answered.
    ToolResults(Vec<LogicToolResult>),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogicModelError {
    /// No model drives this run.
    NoModel,
    /// The conversation does not fit.
    ContextExceeded(String),
    /// The provider failed.
    Provider(String),
    /// The steps are used up.
    LimitExceeded(String),
}

/// Another Expert, and what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicDelegation {
    /// The Expert.
    pub expert_key: String,
    /// What it is asked.
    pub query: String,
}

/// Why the user was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// Only a job's first Expert may ask.
    NotCoordinator,
    /// The Expert has no such interactive tool.
    UnknownTool(String),
}

/// The host stops the logic. It is not told; the run ends where it is, to be continued later or not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("stopped by the host")]
pub struct Halt;

/// An answer of the host, unless it stops the logic.
pub type Answer<T> = Result<T, Halt>;

/// What an Expert's logic can ask for. Every answer must be the same when the run is repeated.
#[async_trait::async_trait]
pub trait LogicHost: Send {
    /// The tools of the Expert's skills.
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>>;
    /// Calls tools side by side; results are in the order of the calls.
    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>>;
    /// Asks the model.
    async fn generate(&mut self, request: LogicRequest) -> Answer<Result<Generation, LogicModelError>>;
    /// The Experts that may be asked, as key and description.
    async fn list_delegates(&mut self) -> Answer<Vec<(String, String)>>;
    /// Asks other Experts side by side; answers are in their order.
    async fn run_delegates(&mut self, delegations: Vec<LogicDelegation>) -> Answer<Vec<Result<String, String>>>;
    /// Asks the user. `arguments` is JSON text, unchecked.
    async fn ask(&mut self, tool_name: String, arguments: String) -> Answer<Result<String, AskError>>;
    /// Shows text.
    async fn say(&mut self, text: String) -> Answer<()>;
    /// Reads the Expert's own state.
    async fn state_get(&mut self, scope: Scope, key: String) -> Answer<Result<Option<Vec<u8>>, StateError>>;
    /// Sets an entry, or deletes it where there is no value.
    async fn state_set(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Answer<Result<(), StateError>>;
    /// Lists the keys of a scope.
    async fn state_keys(&mut self, scope: Scope) -> Answer<Result<Vec<String>, StateError>>;
}
