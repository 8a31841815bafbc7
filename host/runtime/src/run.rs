//! Running an Expert: from what was asked to how it stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use perstack_core::config::{
    Capabilities, DEFAULT_MAX_RETRIES, DEFAULT_MAX_STEPS, DEFAULT_MODEL, DEFAULT_TIMEOUT, Expert, Lifetime,
    Logic as LogicConfig, SkillKind, WasmSkill,
};
use perstack_core::{
    Checkpoint, CheckpointStatus, ExpertInfo, Id, InteractiveAnswer, Job, JobStatus, RunEvent, RunInput, RunSetting,
    RuntimeEvent, ServerInfo, ToolCall, ToolSet, Usage,
};
use perstack_sandbox::{Cache, DirectoryGrant, Grants, Logic, LogicInput, Sandbox, SandboxConfig, Skill};
use perstack_store::{JobStore, Workspace};

use crate::conversation::{Conversation, Ground, input_messages, reply};
use crate::error::RunError;
use crate::host::{Halted, Scene, SceneClock, SceneHost, SceneParts};
use crate::journal::{Entry, Journal, Record};
use crate::project::Project;
use crate::recorder::{Listener, Recorder, new_id, now};
use crate::request::{Input, JobChoice, MAX_QUERY_BYTES, Outcome, Prepared, Request, SkillSummary, Stop};
use crate::state::RunState;
use crate::toolbox::{Selection, Toolbox};

/// How a runtime is set up.
#[derive(Default)]
pub struct RuntimeConfig {
    /// Where compiled components are kept; nowhere by default.
    pub cache: Option<Cache>,
}

/// Runs Experts.
#[derive(Clone)]
pub struct Runtime {
    sandbox: Sandbox,
}

impl Runtime {
    /// Starts the sandbox.
    ///
    /// # Errors
    /// [`RunError::Sandbox`]: the host does not allow what it needs.
    pub fn new(config: RuntimeConfig) -> Result<Self, RunError> {
        let sandbox = Sandbox::new(SandboxConfig { cache: config.cache });
        sandbox.map(|sandbox| Self { sandbox }).map_err(|error| RunError::Sandbox(Box::new(error)))
    }

    /// Prepares an Expert and runs it once.
    ///
    /// # Errors
    /// [`RunError`]: the run did not begin, or could not go on. A run that failed by itself is an [`Outcome`].
    pub async fn run(
        &self,
        project: &Project,
        workspace: &Workspace,
        request: Request,
        listener: impl Listener + 'static,
    ) -> Result<Outcome, RunError> {
        let prepared = self.prepare(project, workspace, &request.expert_key).await?;
        prepared.run(request, Arc::new(listener)).await
    }

    /// Loads an Expert's logic and skills. Nothing is written to the workspace yet.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn prepare(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert_key: &str,
    ) -> Result<PreparedExpert, RunError> {
        let Some(expert) = project.expert(expert_key) else {
            return Err(RunError::UnknownExpert { key: expert_key.to_owned(), known: project.expert_keys() });
        };
        let Some(logic_config) = &expert.logic else {
            return Err(RunError::NeedsModel { expert: expert.key.clone() });
        };
        let (logic, digest) = self.load_logic(project, expert, logic_config).await?;
        let loads = expert.skills.iter().map(|skill| async move {
            match &skill.kind {
                SkillKind::Wasm(wasm) => self.load_skill(project, workspace, expert, &skill.name, wasm).await.map(Some),
                SkillKind::Interactive(_) => Ok(None),
                SkillKind::McpStdio(_) | SkillKind::McpSse(_) => {
                    let reason = "MCP servers cannot be used yet".to_owned();
                    Err(RunError::Unsupported { expert: expert.key.clone(), skill: skill.name.clone(), reason })
                }
            }
        });
        let loaded: Vec<Option<Arc<Skill>>> = try_join_all(loads).await?;
        let mut toolbox = Toolbox::default();
        for (skill, loaded) in expert.skills.iter().zip(&loaded) {
            if let Some(loaded) = loaded {
                let selection = Selection { set: loaded.clone(), pick: &skill.pick, omit: &skill.omit };
                toolbox.add(&expert.key, selection)?;
            }
        }
        Ok(PreparedExpert {
            expert: expert.clone(),
            known: project.expert_keys(),
            settings: RunDefaults::of(project),
            workspace: workspace.clone(),
            logic,
            logic_digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            skills: loaded.into_iter().flatten().collect(),
            toolbox: Arc::new(toolbox),
        })
    }

    async fn load_logic(
        &self,
        project: &Project,
        expert: &Expert,
        config: &LogicConfig,
    ) -> Result<(Logic, [u8; 32]), RunError> {
        let failed = |error| RunError::Logic { expert: expert.key.clone(), error: Box::new(error) };
        let component = project.component(config.component.as_str()).map_err(failed)?;
        let logic = Logic::load(&self.sandbox, &component, config.limits).await.map_err(failed)?;
        Ok((logic, *component.digest()))
    }

    async fn load_skill(
        &self,
        project: &Project,
        workspace: &Workspace,
        expert: &Expert,
        name: &str,
        skill: &WasmSkill,
    ) -> Result<Arc<Skill>, RunError> {
        let grants = grants(workspace, expert, name, skill)?;
        let failed =
            |error| RunError::Skill { expert: expert.key.clone(), skill: name.to_owned(), error: Box::new(error) };
        let component = project.component(skill.component.as_str()).map_err(failed)?;
        let loaded = Skill::load(&self.sandbox, name, &component, grants, skill.capabilities.limits).await;
        loaded.map(Arc::new).map_err(failed)
    }
}

/// What a skill is granted; what cannot be enforced yet is refused, and never left out.
fn grants(workspace: &Workspace, expert: &Expert, name: &str, skill: &WasmSkill) -> Result<Grants, RunError> {
    let unsupported = |reason: &str| RunError::Unsupported {
        expert: expert.key.clone(),
        skill: name.to_owned(),
        reason: reason.to_owned(),
    };
    let Capabilities { env, secrets, filesystem, network, .. } = &skill.capabilities;
    if skill.lifetime == Lifetime::Run {
        return Err(unsupported("`lifetime = \"run\"` is not there yet"));
    }
    if !network.is_empty() {
        return Err(unsupported("`network` cannot be granted yet"));
    }
    if !secrets.is_empty() {
        return Err(unsupported("`secrets` cannot be granted yet"));
    }
    let environment = env.iter().map(|variable| {
        let missing = || RunError::MissingVariable {
            expert: expert.key.clone(),
            skill: name.to_owned(),
            name: variable.to_string(),
        };
        std::env::var(variable.as_str()).map(|value| (variable.to_string(), value)).map_err(|_| missing())
    });
    let directories = filesystem.iter().map(|grant| DirectoryGrant {
        workspace: workspace.root().to_owned(),
        path: grant.path.clone(),
        access: grant.access,
    });
    Ok(Grants { environment: environment.collect::<Result<_, _>>()?, directories: directories.collect() })
}

/// What `perstack.toml` sets for runs.
#[derive(Clone, Debug)]
struct RunDefaults {
    model: String,
    max_steps: u64,
    max_retries: u64,
    timeout: u64,
}

impl RunDefaults {
    fn of(project: &Project) -> Self {
        let config = project.config();
        Self {
            model: config.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            max_steps: config.max_steps.unwrap_or(DEFAULT_MAX_STEPS).into(),
            max_retries: config.max_retries.unwrap_or(DEFAULT_MAX_RETRIES).into(),
            timeout: config.timeout.unwrap_or(DEFAULT_TIMEOUT).as_millis().try_into().unwrap_or(u64::MAX),
        }
    }
}

/// An Expert that is ready to run, as often as wanted.
pub struct PreparedExpert {
    expert: Expert,
    known: Vec<String>,
    settings: RunDefaults,
    workspace: Workspace,
    logic: Logic,
    logic_digest: String,
    skills: Vec<Arc<Skill>>,
    toolbox: Arc<Toolbox>,
}

/// From where a run goes on.
struct Position {
    job: Arc<JobStore>,
    /// The run whose journal it is: a run that stops for the user goes on under its first name.
    run_id: Id,
    checkpoint: Checkpoint,
    input: Vec<perstack_core::Message>,
    journal: Journal,
    answer: Option<InteractiveAnswer>,
    query: Option<String>,
    unused_answer: Option<String>,
}

impl PreparedExpert {
    /// What is about to run.
    pub fn summary(&self) -> Prepared {
        let skills = self.expert.skills.iter().filter_map(|skill| match &skill.kind {
            SkillKind::Wasm(wasm) => {
                Some(SkillSummary { name: skill.name.clone(), grants: grant_texts(&wasm.capabilities) })
            }
            _ => None,
        });
        Prepared { expert_key: self.expert.key.clone(), logic_size: self.logic.size(), skills: skills.collect() }
    }

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

    /// Finds, or makes, what the request goes on from.
    fn position(&self, request: &Request, new_run: &Id, max_steps: u64) -> Result<Position, RunError> {
        if let Input::Query(query) | Input::Answer(query) = &request.input
            && query.len() > MAX_QUERY_BYTES
        {
            return Err(RunError::QueryTooLarge { limit: MAX_QUERY_BYTES });
        }
        let expert = self.expert.key.clone();
        let job_id = match &request.job {
            JobChoice::New => return self.begin_job(&new_id()?, request, new_run, max_steps),
            JobChoice::Named(id) => return self.begin_job(id, request, new_run, max_steps),
            JobChoice::Existing(id) => id.clone(),
            JobChoice::Latest => match self.workspace.latest_job(&expert)? {
                Some(job) => job.id,
                None => return Err(RunError::NothingToContinue { expert }),
            },
        };
        let store = Arc::new(self.workspace.open_job(&job_id)?);
        let shown = job_id.to_string();
        let damaged = || RunError::DamagedJournal("the job has no checkpoint".into());
        let job = store.job()?.ok_or_else(damaged)?;
        if job.coordinator_expert_key != expert {
            return Err(RunError::OtherExpert { job: shown, started: job.coordinator_expert_key, asked: expert });
        }
        let checkpoint = store.checkpoint(&job.latest_checkpoint_id.ok_or_else(damaged)?)?;
        let journal = Journal::open(store.journal(&checkpoint.run_id)?)?;
        let ended = matches!(journal.records().last(), Some(Record { entry: Entry::Finished { .. }, .. }));
        let settled = matches!(checkpoint.status, CheckpointStatus::Completed | CheckpointStatus::StoppedByError);
        match &request.input {
            Input::Query(query) if ended && settled => {
                self.begin_run(store, new_run, query, Some((checkpoint, journal)))
            }
            Input::Query(_)
                if checkpoint.status == CheckpointStatus::StoppedByInteractiveTool && waits(&checkpoint, &journal) =>
            {
                let tool = checkpoint.pending_tool_calls.iter().flatten().map(|call| call.tool_name.clone()).collect();
                Err(RunError::AnswerExpected { job: shown, tool })
            }
            Input::Query(_) => Err(RunError::Interrupted { job: shown }),
            Input::Answer(_) if ended && settled => Err(RunError::NoAnswerExpected { job: shown }),
            Input::Nothing if ended && settled => Err(RunError::NothingToContinue { expert }),
            Input::Nothing if waits(&checkpoint, &journal) => {
                let tool = checkpoint.pending_tool_calls.iter().flatten().map(|call| call.tool_name.clone()).collect();
                Err(RunError::AnswerExpected { job: shown, tool })
            }
            Input::Answer(text) => self.go_on(store, checkpoint, journal, Some(text)),
            Input::Nothing => self.go_on(store, checkpoint, journal, None),
        }
    }

    fn begin_job(&self, id: &Id, request: &Request, new_run: &Id, max_steps: u64) -> Result<Position, RunError> {
        let Input::Query(query) = &request.input else {
            return Err(RunError::NothingToContinue { expert: self.expert.key.clone() });
        };
        let store = Arc::new(self.workspace.create_job(id)?);
        let position = self.begin_run(store, new_run, query, None)?;
        // The job is there for others from here on, with all that it needs to go on.
        position.job.put_job(&Job {
            id: id.clone(),
            status: JobStatus::Running,
            coordinator_expert_key: self.expert.key.clone(),
            total_steps: 0,
            max_steps: Some(max_steps),
            usage: Usage::default(),
            started_at: now(),
            finished_at: None,
            latest_checkpoint_id: Some(position.checkpoint.id.clone()),
        })?;
        Ok(position)
    }

    /// A new run: of a new job, or after an earlier run of the same job.
    fn begin_run(
        &self,
        job: Arc<JobStore>,
        run_id: &Id,
        query: &str,
        earlier: Option<(Checkpoint, Journal)>,
    ) -> Result<Position, RunError> {
        let history = earlier.as_ref().map(|(_, journal)| history(journal)).transpose()?.unwrap_or_default();
        let earlier = earlier.map(|(checkpoint, _)| checkpoint);
        let mut journal = Journal::open(job.journal(run_id)?)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| RunError::NoEntropy(error.to_string()))?;
        let entry = Entry::Started {
            query: query.to_owned(),
            history,
            seed: seed.iter().map(|byte| format!("{byte:02x}")).collect(),
            component: self.logic_digest.clone(),
        };
        journal.append(Record { at: now(), clock: Vec::new(), entry })?;
        let checkpoint = Checkpoint {
            id: new_id()?,
            job_id: job.id().clone(),
            run_id: run_id.clone(),
            expert: ExpertInfo {
                key: self.expert.key.clone(),
                name: self.expert.name.clone(),
                version: self.expert.version.to_string(),
            },
            step_number: earlier.as_ref().map_or(1, |earlier| earlier.step_number + 1),
            status: CheckpointStatus::Init,
            messages: earlier.map(|earlier| earlier.messages).unwrap_or_default(),
            usage: Usage::default(),
            pending_tool_calls: None,
            partial_tool_results: None,
            error: None,
            metadata: None,
        };
        job.put_checkpoint(&checkpoint)?;
        if let Some(known) = job.job()? {
            let latest_checkpoint_id = Some(checkpoint.id.clone());
            job.put_job(&Job { status: JobStatus::Running, finished_at: None, latest_checkpoint_id, ..known })?;
        }
        Ok(Position {
            run_id: run_id.clone(),
            input: self.input_messages(&checkpoint, query)?,
            checkpoint,
            journal: Journal::open(job.journal(run_id)?)?,
            job,
            answer: None,
            query: Some(query.to_owned()),
            unused_answer: None,
        })
    }

    /// A run that was stopped or interrupted goes on.
    fn go_on(
        &self,
        job: Arc<JobStore>,
        checkpoint: Checkpoint,
        mut journal: Journal,
        given: Option<&String>,
    ) -> Result<Position, RunError> {
        let pending = pending(&checkpoint);
        let recorded = recorded_reply(&checkpoint, &journal);
        let mut unused_answer = None;
        let answer = match (&pending, recorded, given) {
            (Some(_), Some(recorded), given) => {
                // The same answer again is the same command again, after a crash.
                unused_answer = given.filter(|given| **given != recorded).cloned();
                Some(recorded)
            }
            (Some(call), None, Some(given)) => {
                let entry = Entry::Replied { text: given.clone() };
                journal.append_ahead(Record { at: now(), clock: Vec::new(), entry })?;
                let _ = call;
                Some(given.clone())
            }
            (_, _, given) => {
                unused_answer = given.cloned();
                None
            }
        };
        let answer = pending.zip(answer).map(|(call, text)| (reply(&call, &text), call, text));
        let mut next = Checkpoint { id: new_id()?, error: None, ..checkpoint.clone() };
        let (query, input) = if checkpoint.status == CheckpointStatus::Init {
            let (query, _, _) = started(&journal)?;
            (Some(query.clone()), self.input_messages(&checkpoint, &query)?)
        } else {
            next.step_number += 1;
            next.pending_tool_calls = None;
            (None, Vec::new())
        };
        let answer = match answer {
            Some((result, call, text)) => {
                next.partial_tool_results = Some(vec![result?]);
                let ToolCall { id, skill_name, tool_name, .. } = call;
                Some(InteractiveAnswer { tool_call_id: id, tool_name, skill_name, text })
            }
            None => None,
        };
        Ok(Position { run_id: checkpoint.run_id, checkpoint: next, input, journal, job, answer, query, unused_answer })
    }

    fn input_messages(&self, checkpoint: &Checkpoint, query: &str) -> Result<Vec<perstack_core::Message>, RunError> {
        let first = checkpoint.messages.is_empty();
        input_messages(if first { &self.expert.instruction } else { "" }, query)
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
        let (query, history, seed) = started(&journal)?;
        journal.next();
        let covered = checkpoint.metadata.as_ref().and_then(|metadata| metadata.journal_entries).unwrap_or(1);
        let state = RunState::default();
        let ground = Ground { job: job.clone(), recorder: recorder.clone(), state: state.clone(), max_steps };
        let conversation = Conversation::new(ground, checkpoint, input);
        let parts = SceneParts {
            expert_key: self.expert.key.clone(),
            expert_name: self.expert.name.clone(),
            toolbox: self.toolbox.clone(),
            interactive: self.interactive(),
            job,
            recorder: recorder.clone(),
            run_id,
            state,
            covered,
        };
        let scene = Scene::new(parts, journal, conversation);
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

fn pending(checkpoint: &Checkpoint) -> Option<ToolCall> {
    let stopped = checkpoint.status == CheckpointStatus::StoppedByInteractiveTool;
    checkpoint.pending_tool_calls.as_ref().filter(|_| stopped).and_then(|calls| calls.first().cloned())
}

/// The answer to what the checkpoint waits for, if one was recorded before the process was killed.
fn recorded_reply(checkpoint: &Checkpoint, journal: &Journal) -> Option<String> {
    let covered = checkpoint.metadata.as_ref()?.journal_entries?;
    match &journal.records().get(usize::try_from(covered).ok()?)?.entry {
        Entry::Replied { text } => Some(text.clone()),
        _ => None,
    }
}

/// Whether an answer is needed to go on.
fn waits(checkpoint: &Checkpoint, journal: &Journal) -> bool {
    pending(checkpoint).is_some() && recorded_reply(checkpoint, journal).is_none()
}

/// What a run began with: query, history, seed.
type Beginning = (String, Vec<(String, String)>, [u8; 32]);

fn started(journal: &Journal) -> Result<Beginning, RunError> {
    let damaged = |reason: &str| RunError::DamagedJournal(reason.to_owned());
    let Some(Record { entry: Entry::Started { query, history, seed, .. }, .. }) = journal.records().first() else {
        return Err(damaged("it does not begin with the start of a run"));
    };
    let mut bytes = [0; 32];
    let digits = seed.as_bytes().chunks_exact(2);
    if digits.len() != bytes.len() || !seed.is_ascii() {
        return Err(damaged("its seed is cut off"));
    }
    for (byte, digits) in bytes.iter_mut().zip(seed.as_bytes().chunks_exact(2)) {
        let text = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(text, 16).map_err(|_| damaged("its seed is not hexadecimal"))?;
    }
    Ok((query.clone(), history.clone(), bytes))
}

/// Queries and answers up to and with the run of this journal.
fn history(journal: &Journal) -> Result<Vec<(String, String)>, RunError> {
    let (query, mut history, _) = started(journal)?;
    if let Some(Record { entry: Entry::Finished { answer: Ok(answer) }, .. }) = journal.records().last() {
        history.push((query, answer.clone()));
    }
    Ok(history)
}

fn grant_texts(capabilities: &Capabilities) -> Vec<String> {
    let env = capabilities.env.iter().map(|name| format!("variable {name}"));
    let files = capabilities.filesystem.iter().map(|grant| format!("files {} ({})", grant.path, grant.access));
    files.chain(env).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
