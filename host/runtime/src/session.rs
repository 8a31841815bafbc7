//! Another program calls the tools of an Expert's skills, and is what a model would be: each call is on record as an Expert's
//! is, with its grants, its limits and its state. The job that it belongs to has events, and no conversation to go on with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use perstack_core::config::Hosted;
use perstack_core::{
    CallContext, Deltas, Generation, Job, JobStatus, Message, Model, ModelError, NotOffered, Prompt, RunEvent,
    RuntimeEvent, ToolCall, ToolDefinition, ToolError, ToolOutput, Usage,
};
use perstack_store::{Commit, Workspace};
use serde_json::Value;

use crate::conversation::{Given, Ground};
use crate::error::RunError;
use crate::job::JobScope;
use crate::parts;
use crate::prepare::Runtime;
use crate::project::Project;
use crate::recorder::{Listener, Recorder, new_id, now};
use crate::scene::Rank;
use crate::servers::Servers;
use crate::state::{GuestState, RunState};
use crate::toolbox::{Kind, Toolbox};

/// The tools of an Expert's skills, for another program.
pub struct Session {
    ground: Ground,
    recorder: Arc<Recorder>,
    toolbox: Mutex<Arc<Toolbox>>,
    job: Job,
    calls: AtomicU64,
    /// Changes of state, as the store tells them apart.
    changes: AtomicU64,
}

impl Runtime {
    /// Loads the skills of an Expert, and begins a job for those who call them. It needs no model.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn session(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert_key: &str,
        listener: Arc<dyn Listener>,
    ) -> Result<Session, RunError> {
        let driven = Self { model: Some(Ok(Arc::new(Caller))), ..self.clone() };
        let prepared = driven.prepare(project, workspace, expert_key).await?;
        let store = Arc::new(workspace.create_job(&new_id()?)?);
        let job = Job {
            id: store.id().clone(),
            status: JobStatus::Running,
            coordinator_expert_key: prepared.expert.config.key.clone(),
            total_steps: 0,
            max_steps: None,
            usage: Usage::default(),
            started_at: now(),
            finished_at: None,
            latest_checkpoint_id: None,
        };
        store.put_job(&job)?;
        let scope = JobScope::new(prepared.cast.clone(), store, listener, prepared.settings.clone());
        let recorder = scope.recorder()?;
        let servers = Servers::start(&prepared.expert, workspace);
        servers.wait_for_eager().await;
        let toolbox = Mutex::new(servers.toolbox(&prepared.expert));
        let (expert, state) = (prepared.expert.clone(), RunState::default());
        let ground = Ground { job: scope, expert, servers, state, rank: Rank::COORDINATOR };
        ground.announce(&recorder, &Given::default())?;
        Ok(Session { ground, recorder, toolbox, job, calls: AtomicU64::new(0), changes: AtomicU64::new(0) })
    }
}

impl Session {
    /// The job.
    pub fn job_id(&self) -> &perstack_core::Id {
        &self.job.id
    }

    /// The Expert.
    pub fn expert_key(&self) -> &str {
        &self.ground.expert.config.key
    }

    /// The tools that there are now.
    pub fn tools(&self) -> Vec<ToolDefinition> {
        self.toolbox().of_skills()
    }

    fn toolbox(&self) -> Arc<Toolbox> {
        self.toolbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls a tool. The call is on record before it is made, and its answer before it is given.
    ///
    /// # Errors
    /// [`ToolError`], also where it cannot be kept on record.
    pub async fn call(&self, call_id: &str, tool: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
        if let Some(toolbox) = self.ground.servers.refresh(&self.ground.expert).await {
            *self.toolbox.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(toolbox);
        }
        let toolbox = self.toolbox();
        let Some(Kind::Skill(set)) = toolbox.kind(tool) else {
            return Err(ToolError::InvalidArguments(toolbox.unknown(tool)));
        };
        toolbox.check(tool, &arguments).map_err(ToolError::InvalidArguments)?;
        let call = ToolCall {
            id: call_id.to_owned(),
            skill_name: set.name().to_owned(),
            tool_name: tool.to_owned(),
            args: arguments,
        };
        let step = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let unkept = |error: RunError| ToolError::Failed(format!("the call cannot be recorded: {error}"));
        self.called(step, &call).map_err(unkept)?;
        let expert = &self.ground.expert.config;
        let state = GuestState::of_skill(&self.ground.job.store, &expert.name, set.name(), &self.ground.state);
        let state = Arc::new(state);
        let context = CallContext {
            job_id: self.recorder.job_id().clone(),
            run_id: self.recorder.run_id().clone(),
            tool_call_id: call.id.clone(),
            expert_key: expert.key.clone(),
            state: state.clone(),
            observer: self.recorder.clone(),
        };
        let outcome = set.call(tool, &call.args, context).await;
        if !outcome.log.text.is_empty() {
            let skill_name = call.skill_name.clone();
            let stderr = RuntimeEvent::SkillStderr { skill_name, message: outcome.log.text };
            self.recorder.runtime(stderr).map_err(unkept)?;
        }
        self.ground.state.apply(&state.guest, &outcome.state_changes);
        // While the state is held, so that later changes have later numbers.
        let entry = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        let commit = Commit { run_id: self.recorder.run_id(), entry };
        state.access.apply(&outcome.state_changes, commit).map_err(|error| unkept(error.into()))?;
        drop(outcome.state_guard);
        self.answered(step, &call, &outcome.result).map_err(unkept)?;
        outcome.result
    }

    /// Ends the session.
    ///
    /// # Errors
    /// [`RunError::Store`].
    pub async fn close(&self) -> Result<(), RunError> {
        self.ground.servers.close().await;
        self.ground.disconnect(&self.recorder)?;
        let total_steps = self.calls.load(Ordering::Relaxed);
        self.ground.job.store.put_job(&Job {
            status: JobStatus::Completed,
            total_steps,
            finished_at: Some(now()),
            ..self.job.clone()
        })?;
        Ok(())
    }

    fn called(&self, step: u64, call: &ToolCall) -> Result<(), RunError> {
        let new_message = Message::ExpertMessage { contents: vec![parts::call_part(call)?], id: new_id()? };
        self.step(step, RunEvent::CallTools { new_message, tool_calls: vec![call.clone()], usage: Usage::default() })
    }

    fn answered(&self, step: u64, call: &ToolCall, answer: &Result<ToolOutput, ToolError>) -> Result<(), RunError> {
        let answered = crate::calls::Answered::from(answer.clone());
        let tool_results = vec![parts::result(call, answered.is_error, &answered.content)?];
        self.step(step, RunEvent::ResolveToolResults { tool_results })
    }

    fn step(&self, step: u64, event: RunEvent) -> Result<(), RunError> {
        self.recorder.step(&self.ground.expert.config.key, step, event)
    }
}

/// Stands where a model would: nobody asks it.
struct Caller;

#[async_trait::async_trait]
impl Model for Caller {
    fn name(&self) -> &str {
        "another program"
    }

    fn context_window(&self) -> Option<u64> {
        None
    }

    fn offers(&self, _: Hosted<'_>) -> Result<(), NotOffered> {
        Ok(())
    }

    async fn generate(&self, _: Prompt<'_>, _: &dyn Deltas) -> Result<Generation, ModelError> {
        Err(ModelError::Fatal { message: "another program calls the tools".to_owned() })
    }
}
