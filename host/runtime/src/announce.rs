//! The events around a run: what is about to run, and which skills it has.

use std::sync::Arc;
use std::time::Duration;

use perstack_core::config::SkillKind;
use perstack_core::{GrantedSkill, RunInput, RunSetting, RuntimeEvent, ServerInfo, ToolSet};

use crate::cast::Mind;
use crate::conversation::{Given, Ground};
use crate::error::RunError;
use crate::recorder::{Recorder, now};

impl Ground {
    /// Tells what is about to run, and keeps its settings.
    pub(crate) fn announce(&self, recorder: &Arc<Recorder>, given: &Given) -> Result<(), RunError> {
        let settings = &self.job.settings;
        let expert = &self.expert.config;
        let started_at = now();
        let run = self.job.store.run(recorder.run_id());
        run.put_setting(&RunSetting {
            job_id: recorder.job_id().clone(),
            run_id: recorder.run_id().clone(),
            expert_key: expert.key.clone(),
            input: RunInput { text: given.query.clone(), interactive_tool_call_result: given.answer.clone() },
            model: settings.model.clone(),
            max_steps: settings.max_steps,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            started_at,
            updated_at: started_at,
        })?;
        recorder.runtime(RuntimeEvent::InitializeRuntime {
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: "local".to_owned(),
            expert_name: expert.name.clone(),
            experts: self.job.cast.keys(),
            model: settings.model.clone(),
            max_steps: settings.max_steps,
            max_retries: settings.max_retries,
            timeout: settings.timeout,
            query: given.query.clone(),
            interactive_tool_call: given.answer.clone(),
        })?;
        if let Some(granted) = self.granted() {
            recorder.runtime(granted)?;
        }
        for skill in &self.expert.skills {
            let times = skill.load_times();
            recorder.runtime(RuntimeEvent::SkillConnected {
                skill_name: skill.name().to_owned(),
                server_info: ServerInfo { name: skill.name().to_owned(), version: expert.version.to_string() },
                spawn_duration_ms: 0,
                handshake_duration_ms: milliseconds(times.link),
                tool_discovery_duration_ms: milliseconds(times.list_tools),
                connect_duration_ms: milliseconds(times.link),
                total_duration_ms: milliseconds(times.link + times.list_tools),
            })?;
        }
        self.servers.attach(recorder);
        Ok(())
    }

    /// What the components are and may do, if any is the Expert's own.
    fn granted(&self) -> Option<RuntimeEvent> {
        let expert = &self.expert;
        let programs = |name: &str| {
            let skill = expert.config.skills.iter().find(|skill| skill.name == name)?;
            match &skill.kind {
                SkillKind::McpStdio(mcp) => Some(mcp.exec.clone()),
                SkillKind::Wasm(_) | SkillKind::McpSse(_) | SkillKind::Interactive(_) => None,
            }
        };
        let skills = expert
            .skills
            .iter()
            .map(|skill| GrantedSkill { exec: programs(skill.name()).unwrap_or_default(), ..skill.granted().clone() });
        let skills: Vec<GrantedSkill> = skills.collect();
        let logic = match &expert.mind {
            Mind::Logic { digest, .. } => Some(format!("sha256:{digest}")),
            Mind::Model(_) => None,
        };
        let own = expert.config.skills.iter().any(|skill| matches!(skill.kind, SkillKind::Wasm(_)));
        let starts = skills.iter().any(|skill| !skill.exec.is_empty());
        (logic.is_some() || own || starts).then_some(RuntimeEvent::ComponentsGranted { logic, skills })
    }

    /// Tells that the skills are no longer needed.
    pub(crate) fn disconnect(&self, recorder: &Recorder) -> Result<(), RunError> {
        for skill in &self.expert.skills {
            recorder.runtime(RuntimeEvent::SkillDisconnected { skill_name: skill.name().to_owned() })?;
        }
        self.servers.detach();
        Ok(())
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
