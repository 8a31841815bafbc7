//! Which call is running. For skills.

use crate::host;

/// The running call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The job that the call is part of.
    pub job_id: String,
    /// The run of the Expert that called.
    pub run_id: String,
    /// The call itself.
    pub tool_call_id: String,
    /// The Expert that called, with its version.
    pub expert_key: String,
    /// What the Expert calls this skill.
    pub skill_name: String,
}

/// The running call.
pub fn get() -> Context {
    host::context()
}
