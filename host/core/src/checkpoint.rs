//! Checkpoints and steps, in the shapes that Perstack writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Id, Message, StoredValue, ToolCall, ToolResult, Usage};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CheckpointStatus {
    /// Nothing has happened yet.
    Init,
    /// A step ended, and the next one follows.
    Proceeding,
    /// The run ended with an answer.
    Completed,
    /// The run waits for the user.
    StoppedByInteractiveTool,
    /// The run waits for other Experts.
    StoppedByDelegate,
    /// The job's steps are used up.
    StoppedByExceededMaxSteps,
    /// The run failed.
    StoppedByError,
}

/// Which Expert a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpertInfo {
    /// As it was asked for, possibly with a version.
    pub key: String,
    /// Without the version.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// An Expert that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegateTo {
    /// The Expert.
    pub expert: ExpertInfo,
    /// The call that its answer belongs to.
    pub tool_call_id: String,
    /// The tool that stands for the Expert.
    pub tool_name: String,
    /// What it is asked.
    pub query: String,
}

/// The run that waits for this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegatedBy {
    /// Its Expert.
    pub expert: ExpertInfo,
    /// The call that the answer belongs to.
    pub tool_call_id: String,
    /// The tool that stands for this Expert.
    pub tool_name: String,
    /// The checkpoint that the other run waits at.
    pub checkpoint_id: Id,
    /// The other run.
    pub run_id: Id,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorInfo {
    /// A short name of the kind of error.
    pub name: String,
    /// What happened, for people.
    pub message: String,
    /// Whether trying again may help.
    pub is_retryable: bool,
}

/// A full snapshot of a run at the end of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Identifies the checkpoint.
    pub id: Id,
    /// The job.
    pub job_id: Id,
    /// The run whose Expert is executing. A run that stops for the user and is continued keeps this identifier, while
    /// the events of each continuation are kept under a run of their own.
    pub run_id: Id,
    /// The Expert.
    pub expert: ExpertInfo,
    /// Counts from 1 through all runs of the job.
    pub step_number: u64,
    /// Where the run stands.
    pub status: CheckpointStatus,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tokens used so far.
    pub usage: Usage,
    /// Tokens that a conversation with the model may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// How much of that the latest generation took, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window_usage: Option<f64>,
    /// Tool calls that wait for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_tool_calls: Option<Vec<ToolCall>>,
    /// Answers that came while others still wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_tool_results: Option<Vec<ToolResult>>,
    /// Generations that failed, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<u64>,
    /// The Experts that the run waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegate_to: Option<Vec<DelegateTo>>,
    /// The run that waits for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<DelegatedBy>,
    /// Why the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
    /// What is ours alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// The part of a checkpoint that Perstack leaves to its runtimes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// How many entries of the run's journal this checkpoint covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_entries: Option<u64>,
    /// Generations of this conversation, failed ones too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generations: u64,
    /// State of scope `run`, by skill and key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, BTreeMap<String, StoredValue>>,
    /// What other runtimes wrote.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One cycle of an Expert's loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Counts from 1 through all runs of the job.
    pub step_number: u64,
    /// What the step began with.
    #[serde(default)]
    pub input_messages: Vec<Message>,
    /// What the step added.
    pub new_messages: Vec<Message>,
    /// Tokens that the step used.
    pub usage: Usage,
    /// Milliseconds since 1970.
    pub started_at: u64,
    /// Tool calls of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Their results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_results: Option<Vec<ToolResult>>,
    /// Results that came before the step stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_tool_results: Option<Vec<ToolResult>>,
    /// Calls that still wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_tool_calls: Option<Vec<ToolCall>>,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<u64>,
}
