//! Which call is running.

use crate::bindings::call_context;
use crate::skill::SkillStore;

impl call_context::Host for SkillStore {
    async fn get(&mut self) -> wasmtime::Result<call_context::Context> {
        Ok(call_context::Context {
            job_id: self.context.job_id.to_string(),
            run_id: self.context.run_id.to_string(),
            tool_call_id: self.context.tool_call_id.clone(),
            expert_key: self.context.expert_key.clone(),
            skill_name: self.skill_name.clone(),
        })
    }
}
