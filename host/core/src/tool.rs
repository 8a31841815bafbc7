//! Tools: what they are, calling them, and the trait at which skills of every kind meet the runtime.

use std::any::Any;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Id, Part, StateChanges, StateSource};

/// One callable function as the model sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolDefinition {
    /// Unique within the skill: 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// Shown to people in place of the name.
    pub title: Option<String>,
    /// What the tool does and when to call it.
    pub description: String,
    /// JSON Schema of the arguments; the root is an object.
    pub input_schema: Value,
    /// JSON Schema of [`ToolOutput::structured`].
    pub output_schema: Option<Value>,
    /// What the model may assume.
    pub hints: Hints,
}

/// What the model may assume about a tool, in the sense of the Model Context Protocol's annotations. Hints never grant
/// anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hints {
    /// Changes nothing outside the skill.
    pub read_only: bool,
    /// May delete or overwrite data.
    pub destructive: bool,
    /// Repeating a call changes nothing more.
    pub idempotent: bool,
    /// Reaches systems outside this machine.
    pub open_world: bool,
}

/// One request to call a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// Identifies the call, and its result later.
    pub id: String,
    /// The skill that has the tool.
    pub skill_name: String,
    /// The tool.
    pub tool_name: String,
    /// The arguments.
    pub args: Value,
}

/// The answer to a tool call, as events and checkpoints have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    /// The call that this answers.
    pub id: String,
    /// The skill that has the tool.
    pub skill_name: String,
    /// The tool.
    pub tool_name: String,
    /// Text, images and files.
    pub result: Vec<Part>,
    /// Whether the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
}

/// One part of a tool's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Content {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// An image.
    Image {
        /// IANA media type.
        media_type: String,
        /// The image in base64.
        base64: String,
    },
    /// Any other file.
    File {
        /// IANA media type.
        media_type: String,
        /// The file in base64.
        base64: String,
    },
}

/// A tool's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// Parts for the model.
    pub content: Vec<Content>,
    /// The same answer as data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured: Option<Value>,
}

/// Why a tool call failed. The model is told; the run goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", content = "reason", rename_all = "camelCase")]
pub enum ToolError {
    /// The arguments do not fit.
    #[error("invalid arguments: {0}")]
    InvalidArguments(String),
    /// The skill lacks a capability.
    #[error("denied: {0}")]
    Denied(String),
    /// The tool tried and failed.
    #[error("{0}")]
    Failed(String),
    /// The host ended the call: it passed a limit or crashed.
    #[error("{0}")]
    Ended(String),
}

/// Which call is running: what a skill is told about it.
#[derive(Clone)]
pub struct CallContext {
    /// The job.
    pub job_id: Id,
    /// The run.
    pub run_id: Id,
    /// The call.
    pub tool_call_id: String,
    /// The Expert whose skill it is.
    pub expert_key: String,
    /// What the skill remembers.
    pub state: Arc<dyn StateSource>,
    /// Told what happens while the call runs.
    pub observer: Arc<dyn Observer>,
}

/// What came out of a call.
pub struct CallOutcome {
    /// The answer.
    pub result: Result<ToolOutput, ToolError>,
    /// What the skill changed in its state. The caller keeps it, and only then drops `state_guard`.
    pub state_changes: StateChanges,
    /// Keeps other calls of the skill away from its state; there if the call opened it.
    pub state_guard: Option<Box<dyn Any + Send>>,
    /// What the skill wrote to stdout and stderr.
    pub log: CallLog,
}

impl CallOutcome {
    /// A call that ended before it touched anything.
    pub fn refused(error: ToolError) -> Self {
        Self { result: Err(error), state_changes: Vec::new(), state_guard: None, log: CallLog::default() }
    }
}

/// What a guest wrote, as text, cut at the limit of its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallLog {
    /// Standard output, then standard error.
    pub text: String,
}

/// Something that happened while a guest ran.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// The skill reported progress.
    Progress {
        /// The skill.
        skill_name: String,
        /// The call.
        tool_call_id: String,
        /// What it is doing.
        message: String,
        /// How far it is, 0 to 1, where that is known.
        fraction: Option<f32>,
    },
    /// The skill was denied access to a file.
    FileDenied {
        /// The skill.
        skill_name: String,
        /// The file, as the skill named it.
        path: String,
        /// Why.
        reason: String,
    },
    /// The skill asked for access to the network.
    NetworkAccess {
        /// The skill.
        skill_name: String,
        /// The host, as the skill spelled it where it is none.
        host: String,
        /// The port.
        port: u16,
        /// Why it has none; absent where it has.
        denied: Option<String>,
    },
}

/// Is told what happens while guests run.
pub trait Observer: Send + Sync {
    /// Something happens. Access is given once this is done.
    ///
    /// # Errors
    /// It could not be kept. Access that is not on record is not given.
    fn observe(&self, observation: Observation) -> Result<(), NotKept>;
}

/// An observation could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what happens cannot be recorded: {0}")]
pub struct NotKept(pub String);

/// A named set of tools: a component, an MCP server, or the user.
#[async_trait::async_trait]
pub trait ToolSet: Send + Sync {
    /// The skill's name.
    fn name(&self) -> &str;

    /// Its tools. They do not change.
    fn tools(&self) -> &[ToolDefinition];

    /// Calls one tool. The arguments have been checked against its schema.
    async fn call(&self, tool: &str, arguments: &Value, context: CallContext) -> CallOutcome;
}
