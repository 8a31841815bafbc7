//! The words of Perstack, without I/O: what an Expert, a skill, a tool, a message, an event and a checkpoint are, and
//! how `perstack.toml` and the host policy are read.
//!
//! Every other crate depends on this one; this one depends on none of them. The traits at which the crates meet are
//! here too: [`ToolSet`] for skills of every kind, [`Model`] for language models, [`StateSource`] for what skills
//! remember.

pub mod config;

mod checkpoint;
mod event;
mod id;
mod job;
mod limits;
mod message;
mod model;
mod state;
mod tool;
mod usage;
mod user;

pub use config::policy;

pub use checkpoint::{Checkpoint, CheckpointStatus, DelegateTo, DelegatedBy, ErrorInfo, ExpertInfo, Metadata, Step};
pub use event::{
    Event, EventBody, GrantedSkill, HOST_NOTE, InteractiveAnswer, ProxyAction, RunEvent, RuntimeEvent, ServerInfo,
};
pub use id::{Id, InvalidId};
pub use job::{Job, JobStatus, RunInput, RunSetting};
pub use limits::{ByPolicy, Limits};
pub use message::{Message, Part};
pub use model::{Deltas, GeneratedPart, Generation, Model, ModelError, NotOffered, Prompt, StopReason};
pub use state::{
    OpenState, Scope, StateChange, StateChanges, StateEntries, StateError, StateKey, StateSource, StoredValue,
};
pub use tool::{
    CallContext, CallLog, CallOutcome, Content, Hints, NotKept, Observation, Observer, ToolCall, ToolDefinition,
    ToolError, ToolOutput, ToolResult, ToolSet,
};
pub use usage::Usage;
pub use user::{FieldKind, Form, FormAnswer, FormChoice, FormField, User};
