//! Events: what is told to listeners and kept with the job, in the shapes that Perstack has.
//!
//! There are two families. A [`RunEvent`] belongs to a step of an Expert's run; a [`RuntimeEvent`] is about the machinery
//! around it. `tests/` pins both with snapshots of recordings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{Checkpoint, ErrorInfo, Id, Message, Step, ToolCall, ToolResult, Usage};

/// What a `skillStderr` begins with that comes from the host, and not from the skill.
pub const HOST_NOTE: &str = "perstack: ";

/// One recorded fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Identifies the event.
    pub id: Id,
    /// Milliseconds since 1970. Grows with every event of a run, even within a millisecond.
    pub timestamp: u64,
    /// The job.
    pub job_id: Id,
    /// The run.
    pub run_id: Id,
    /// What happened.
    pub body: EventBody,
}

/// What happened, of either family.
#[derive(Clone, Debug, PartialEq)]
pub enum EventBody {
    /// About a step of an Expert's run.
    Run {
        /// The Expert.
        expert_key: String,
        /// The step.
        step_number: u64,
        /// What happened.
        event: Box<RunEvent>,
    },
    /// About the machinery around it.
    Runtime(Box<RuntimeEvent>),
}

/// What happened in a step of an Expert's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the fields are Perstack's, and named for what they hold")]
pub enum RunEvent {
    /// The run starts, or goes on from a checkpoint.
    StartRun { initial_checkpoint: Box<Checkpoint>, input_messages: Vec<Message> },
    /// The model is asked for a reply.
    StartGeneration { messages: Vec<Message> },
    /// There was no useful reply; the model is asked again.
    Retry { reason: String, new_messages: Vec<Message>, usage: Usage },
    /// The Expert asks for tools.
    CallTools { new_message: Message, tool_calls: Vec<ToolCall>, usage: Usage },
    /// The Expert asks the user.
    CallInteractiveTool { new_message: Message, tool_call: ToolCall, usage: Usage },
    /// The Expert asks other Experts.
    CallDelegate { new_message: Message, tool_calls: Vec<ToolCall>, usage: Usage },
    /// The Expert says that it is done.
    AttemptCompletion { tool_result: ToolResult },
    /// Tools have answered.
    ResolveToolResults { tool_results: Vec<ToolResult> },
    /// The answers are part of the conversation.
    FinishToolCall { new_messages: Vec<Message> },
    /// A stopped step goes on with calls that still wait.
    ResumeToolCalls { pending_tool_calls: Vec<ToolCall>, partial_tool_results: Vec<ToolResult> },
    /// The answers to a stopped step are part of the conversation.
    FinishAllToolCalls { new_messages: Vec<Message> },
    /// A step ended, and the next one follows.
    ContinueToNextStep { checkpoint: Box<Checkpoint>, step: Box<Step>, next_checkpoint: Box<Checkpoint> },
    /// The run waits for the user.
    StopRunByInteractiveTool { checkpoint: Box<Checkpoint>, step: Box<Step> },
    /// The run waits for other Experts.
    StopRunByDelegate { checkpoint: Box<Checkpoint>, step: Box<Step> },
    /// The job's steps are used up.
    StopRunByExceededMaxSteps { checkpoint: Box<Checkpoint>, step: Box<Step> },
    /// The run failed.
    StopRunByError { checkpoint: Box<Checkpoint>, step: Box<Step>, error: ErrorInfo },
    /// The run ended with an answer.
    CompleteRun { checkpoint: Box<Checkpoint>, step: Box<Step>, text: String, usage: Usage },
    /// Reasoning begins.
    StartStreamingReasoning {},
    /// A piece of it.
    StreamReasoning { delta: String },
    /// All of it.
    CompleteStreamingReasoning { text: String },
    /// Text for the user begins.
    StartStreamingRunResult {},
    /// A piece of it.
    StreamRunResult { delta: String },
    /// All of it.
    CompleteStreamingRunResult { text: String },
}

/// What happened around the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the fields are Perstack's, and named for what they hold")]
pub enum RuntimeEvent {
    /// Something is about to run.
    InitializeRuntime {
        runtime_version: String,
        runtime: String,
        expert_name: String,
        experts: Vec<String>,
        model: String,
        max_steps: u64,
        max_retries: u64,
        timeout: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interactive_tool_call: Option<InteractiveAnswer>,
    },
    /// What a run's components are and may do, for who audits it. Told for Experts with components of their own: those of
    /// Perstack have none.
    ComponentsGranted {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logic: Option<String>,
        skills: Vec<GrantedSkill>,
    },
    /// The program of a native skill is about to be started.
    SkillStarting { skill_name: String, command: String, args: Vec<String> },
    /// A skill is ready.
    SkillConnected {
        skill_name: String,
        server_info: ServerInfo,
        spawn_duration_ms: u64,
        handshake_duration_ms: u64,
        tool_discovery_duration_ms: u64,
        connect_duration_ms: u64,
        total_duration_ms: u64,
    },
    /// A skill wrote to its stdout or stderr.
    SkillStderr { skill_name: String, message: String },
    /// A skill says how far a call is.
    SkillProgress {
        skill_name: String,
        tool_call_id: String,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fraction: Option<f32>,
    },
    /// A skill was denied access to a file. Perstack has no such event: its skills have the whole workspace.
    FileDenied { skill_name: String, path: String, reason: String },
    /// A skill asked for access to the network. Its name is ours: Perstack has one proxy for all skills.
    ProxyAccess {
        action: ProxyAction,
        domain: String,
        port: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        skill_name: String,
    },
    /// A skill is no longer needed.
    SkillDisconnected { skill_name: String },
}

/// A skill that is a component, with what it is granted of what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedSkill {
    /// Its name.
    pub skill_name: String,
    /// Which component it is: `sha256:` and its digest.
    pub component: String,
    /// Variables.
    pub env: Vec<String>,
    /// Secrets, with the hosts that they may be sent to.
    pub secrets: BTreeMap<String, Vec<String>>,
    /// Paths of the workspace, with what they may be used for.
    pub filesystem: BTreeMap<String, String>,
    /// Where it may connect to.
    pub network: Vec<String>,
    /// Programs that the host starts for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
}

/// What became of a skill's request for access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProxyAction {
    /// It was granted.
    Allowed,
    /// It was not.
    Blocked,
}

/// What a skill says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The user's answer to an interactive tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InteractiveAnswer {
    /// The call that this answers.
    pub tool_call_id: String,
    /// The tool.
    pub tool_name: String,
    /// The skill that has the tool.
    pub skill_name: String,
    /// The answer.
    pub text: String,
}

/// As Perstack writes it: the type first, then what every event has, then what only this one has.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Common<'a> {
            id: &'a Id,
            #[serde(skip_serializing_if = "Option::is_none")]
            expert_key: Option<&'a str>,
            timestamp: u64,
            job_id: &'a Id,
            run_id: &'a Id,
            #[serde(skip_serializing_if = "Option::is_none")]
            step_number: Option<u64>,
        }
        let (body, expert_key, step_number) = match &self.body {
            EventBody::Run { expert_key, step_number, event } => {
                (serde_json::to_value(event), Some(expert_key.as_str()), Some(*step_number))
            }
            EventBody::Runtime(event) => (serde_json::to_value(event), None, None),
        };
        let common = Common {
            id: &self.id,
            expert_key,
            timestamp: self.timestamp,
            job_id: &self.job_id,
            run_id: &self.run_id,
            step_number,
        };
        let common = serde_json::to_value(common).map_err(serde::ser::Error::custom)?;
        let (Value::Object(mut body), Value::Object(common)) = (body.map_err(serde::ser::Error::custom)?, common)
        else {
            return Err(serde::ser::Error::custom("an event is an object"));
        };
        let mut event = serde_json::Map::with_capacity(body.len() + common.len());
        event.extend(body.shift_remove_entry("type"));
        event.extend(common);
        event.extend(body);
        event.serialize(serializer)
    }
}
