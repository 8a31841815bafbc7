//! Which call this is.

pub(crate) fn run() -> String {
    let perstack::Context { job_id, run_id, tool_call_id, expert_key, skill_name } = perstack::context::get();
    [job_id, run_id, tool_call_id, expert_key, skill_name].join(" ")
}
