//! The events around a run: what is about to run, and which skills it has.

use std::time::Duration;

use perstack_core::{RunInput, RunSetting, RuntimeEvent, ServerInfo, ToolSet};

use crate::conversation::Conversation;
use crate::error::RunError;
use crate::recorder::now;

impl Conversation {
    /// Tells what is about to run, and keeps its settings.
    pub(crate) fn announce(&self) -> Result<(), RunError> {
        let settings = &self.ground.job.settings;
        let expert = &self.ground.expert.config;
        let started_at = now();
        let run = self.ground.job.store.run(self.recorder.run_id())?;
        run.put_setting(&RunSetting {
            job_id: self.recorder.job_id().clone(),
            run_id: self.recorder.run_id().clone(),
            expert_key: expert.key.clone(),
            input: RunInput { text: self.given.query.clone(), interactive_tool_call_result: self.given.answer.clone() },
            model: settings.model.clone(),
            max_steps: settings.max_steps,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            started_at,
            updated_at: started_at,
        })?;
        self.recorder.runtime(RuntimeEvent::InitializeRuntime {
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: "local".to_owned(),
            expert_name: expert.name.clone(),
            experts: self.ground.job.cast.keys(),
            model: settings.model.clone(),
            max_steps: settings.max_steps,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            query: self.given.query.clone(),
            interactive_tool_call: self.given.answer.clone(),
        })?;
        for skill in &self.ground.expert.skills {
            let times = skill.load_times();
            self.recorder.runtime(RuntimeEvent::SkillConnected {
                skill_name: skill.name().to_owned(),
                server_info: ServerInfo { name: skill.name().to_owned(), version: expert.version.to_string() },
                spawn_duration_ms: 0,
                handshake_duration_ms: milliseconds(times.link),
                tool_discovery_duration_ms: milliseconds(times.list_tools),
                connect_duration_ms: milliseconds(times.link),
                total_duration_ms: milliseconds(times.link + times.list_tools),
            })?;
        }
        Ok(())
    }

    /// Tells that the skills are no longer needed.
    pub(crate) fn disconnect(&self) -> Result<(), RunError> {
        for skill in &self.ground.expert.skills {
            self.recorder.runtime(RuntimeEvent::SkillDisconnected { skill_name: skill.name().to_owned() })?;
        }
        Ok(())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
