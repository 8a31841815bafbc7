//! Running a prepared Expert: from where it stands to how it stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perstack_core::{Id, RunEvent, RunInput, RunSetting, RuntimeEvent, ServerInfo, ToolSet};
use perstack_sandbox::LogicInput;

use crate::clock::SceneClock;
use crate::conversation::{Conversation, Ground};
use crate::error::RunError;
use crate::host::SceneHost;
use crate::position::{Beginning, Position, started};
use crate::prepare::PreparedExpert;
use crate::recorder::{Listener, Recorder, new_id, now};
use crate::request::{Outcome, Request, Stop};
use crate::scene::{Halted, Progress, Scene};
use crate::state::RunState;

impl PreparedExpert {
    /// Runs the Expert until it has answered, asks the user, or fails.
    ///
    /// # Errors
    /// [`RunError`]: the run did not begin, or could not go on.
    pub async fn run(&self, request: Request, listener: Arc<dyn Listener>) -> Result<Outcome, RunError> {
        let max_steps = request.settings.max_steps.unwrap_or(self.settings.max_steps);
        let events_run = new_id()?;
        let position = self.position(&request, &events_run, max_steps)?;
        let job_id = position.job.id().clone();
        let run = position.job.run(&events_run)?;
        run.put_setting(&self.run_setting(&job_id, &events_run, &position, max_steps))?;
        let recorder = Arc::new(Recorder::new(job_id.clone(), events_run, run, listener));
        let unused_answer = position.unused_answer.clone();
        self.announce(&recorder, &position, max_steps)?;
        let (stop, scene) = self.follow(position, recorder.clone(), max_steps).await?;
        for skill in &self.skills {
            recorder.runtime(RuntimeEvent::SkillDisconnected { skill_name: skill.name().to_owned() })?;
        }
        scene.progress().conversation.settle()?;
        Ok(Outcome { job_id, stop, unused_answer })
    }

    fn run_setting(&self, job_id: &Id, run_id: &Id, position: &Position, max_steps: u64) -> RunSetting {
        let started_at = now();
        RunSetting {
            job_id: job_id.clone(),
            run_id: run_id.clone(),
            expert_key: self.expert.key.clone(),
            input: RunInput { text: position.query.clone(), interactive_tool_call_result: position.answer.clone() },
            model: self.settings.model.clone(),
            max_steps,
            max_retries: self.settings.max_retries,
            timeout: self.settings.timeout,
            started_at,
            updated_at: started_at,
        }
    }

    /// Tells what is about to run.
    fn announce(&self, recorder: &Recorder, position: &Position, max_steps: u64) -> Result<(), RunError> {
        recorder.runtime(RuntimeEvent::InitializeRuntime {
            runtime_version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime: "local".to_owned(),
            expert_name: self.expert.name.clone(),
            experts: self.known.clone(),
            model: self.settings.model.clone(),
            max_steps,
            max_retries: self.settings.max_retries,
            timeout: self.settings.timeout,
            query: position.query.clone(),
            interactive_tool_call: position.answer.clone(),
        })?;
        for skill in &self.skills {
            let times = skill.load_times();
            recorder.runtime(RuntimeEvent::SkillConnected {
                skill_name: skill.name().to_owned(),
                server_info: ServerInfo { name: skill.name().to_owned(), version: self.expert.version.to_string() },
                spawn_duration_ms: 0,
                handshake_duration_ms: milliseconds(times.link),
                tool_discovery_duration_ms: milliseconds(times.list_tools),
                connect_duration_ms: milliseconds(times.link),
                total_duration_ms: milliseconds(times.link + times.list_tools),
            })?;
        }
        let event = RunEvent::StartRun {
            initial_checkpoint: Box::new(position.checkpoint.clone()),
            input_messages: position.input.clone(),
        };
        recorder.step(&self.expert.key, position.checkpoint.step_number, event)
    }

    /// Runs the logic, from the top with what was recorded.
    async fn follow(
        &self,
        position: Position,
        recorder: Arc<Recorder>,
        max_steps: u64,
    ) -> Result<(Stop, Arc<Scene>), RunError> {
        let Position { job, run_id, checkpoint, input, mut journal, .. } = position;
        let Beginning { query, history, seed, component } = started(&journal)?;
        journal.next();
        let covered = checkpoint.metadata.as_ref().and_then(|metadata| metadata.journal_entries).unwrap_or(1);
        let state = RunState::default();
        let ground = Ground { job: job.clone(), recorder: recorder.clone(), state: state.clone(), max_steps };
        let conversation = Conversation::new(ground, checkpoint, input);
        let scene = Arc::new(Scene {
            expert_key: self.expert.key.clone(),
            expert_name: self.expert.name.clone(),
            toolbox: self.toolbox.clone(),
            interactive: self.interactive(),
            job,
            recorder: recorder.clone(),
            run_id,
            state,
            covered,
            component_changed: component != self.logic_digest,
            progress: Progress::new(journal, conversation),
        });
        let input = LogicInput { query, instruction: self.expert.instruction.clone(), history };
        let host = Box::new(SceneHost(scene.clone()));
        let clock = Arc::new(SceneClock(scene.clone()));
        let (result, log) = self.logic.run(input, host, clock, seed).await;
        if !log.is_empty() {
            recorder.runtime(RuntimeEvent::SkillStderr { skill_name: self.expert.key.clone(), message: log })?;
        }
        let halted = scene.progress().halt.take();
        let reason = match (halted, result) {
            (Some(Halted::Stopped(stop)), _) => return Ok((*stop, scene)),
            (Some(Halted::Broken(error)), _) => return Err(error),
            (Some(Halted::Refused(reason)), _) => reason,
            (None, Ok(answer)) => return Ok((scene.finish(answer)?, scene)),
            (None, Err(ended)) => ended.to_string(),
        };
        let message = format!("the logic of `{}` was ended: {reason}", self.expert.key);
        scene.fail(&message)?;
        Ok((Stop::Failed(message), scene))
    }

    fn interactive(&self) -> BTreeMap<String, String> {
        let tools = self.expert.interactive_tools();
        tools.map(|(skill, tool)| (tool.name.to_string(), skill.name.clone())).collect()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
