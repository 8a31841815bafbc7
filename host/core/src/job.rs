//! Jobs and the settings of runs, in the shapes that Perstack documents.

use serde::{Deserialize, Serialize};

use crate::{Id, InteractiveAnswer, Usage};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobStatus {
    /// A process works on it, or was killed while it did.
    Running,
    /// Its first Expert has answered.
    Completed,
    /// Its steps are used up.
    StoppedByMaxSteps,
    /// It waits for the user.
    StoppedByInteractiveTool,
    /// It failed.
    StoppedByError,
}

/// One request, with all runs that it needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Identifies the job.
    pub id: Id,
    /// Where it stands.
    pub status: JobStatus,
    /// The first Expert: the one that the user talks to.
    pub coordinator_expert_key: String,
    /// Steps of all runs together.
    pub total_steps: u64,
    /// The most steps that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Tokens of all runs together.
    pub usage: Usage,
    /// Milliseconds since 1970.
    pub started_at: u64,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<u64>,
    /// The coordinator's latest checkpoint: where the job goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_checkpoint_id: Option<Id>,
}

/// What a run was started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSetting {
    /// The job.
    pub job_id: Id,
    /// The run.
    pub run_id: Id,
    /// The Expert.
    pub expert_key: String,
    /// What was asked.
    pub input: RunInput,
    /// The model's name.
    pub model: String,
    /// The most steps that the job may take.
    pub max_steps: u64,
    /// How often a generation is tried again.
    pub max_retries: u64,
    /// Milliseconds that a generation may take.
    pub timeout: u64,
    /// Milliseconds since 1970.
    pub started_at: u64,
    /// Milliseconds since 1970.
    pub updated_at: u64,
}

/// What a run is given: a query, or the answer to an interactive tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunInput {
    /// The query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interactive_tool_call_result: Option<InteractiveAnswer>,
}
