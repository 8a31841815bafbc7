//! From where a run goes on: the beginning of a job, a new query, an answer, or where a process was killed.

use std::sync::Arc;

use perstack_core::{
    Checkpoint, CheckpointStatus, DelegatedBy, Id, InteractiveAnswer, Job, JobStatus, Message, ToolCall, Usage,
};
use perstack_store::JobStore;

use crate::cast::{LoadedExpert, Mind};
use crate::conversation::Given;
use crate::error::RunError;
use crate::job::JobScope;
use crate::journal::{Entry, Journal, Record};
use crate::parts::{input_messages, reply, user_message};
use crate::prepare::PreparedExpert;
use crate::prompt;
use crate::recorder::{new_id, now};
use crate::request::{Input, JobChoice, MAX_QUERY_BYTES, Request};

/// From where a run goes on.
pub(crate) struct Position {
    /// The run whose journal it is: a run that stops goes on under its first name.
    pub(crate) run_id: Id,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) given: Given,
    pub(crate) journal: Journal,
    pub(crate) unused_answer: Option<String>,
}

/// What the run of a delegate begins with.
pub(crate) struct DelegateStart {
    pub(crate) run_id: Id,
    pub(crate) query: String,
    /// Tokens that it counts on from.
    pub(crate) usage: Usage,
    pub(crate) step_number: u64,
    pub(crate) by: DelegatedBy,
}

/// Finds, or makes, what the run of a delegate goes on from.
pub(crate) fn delegate_position(
    job: &JobScope,
    expert: &LoadedExpert,
    start: DelegateStart,
) -> Result<Position, RunError> {
    let run = job.store.run(&start.run_id);
    if let Some(latest) = run.latest_checkpoint()? {
        let checkpoint = job.store.checkpoint(&latest)?;
        let journal = Journal::open(job.store.journal(&start.run_id))?;
        // It says so last, when all its events are told.
        if matches!(checkpoint.status, CheckpointStatus::Completed | CheckpointStatus::StoppedByError) {
            let (run_id, given) = (start.run_id, Given::default());
            return Ok(Position { run_id, checkpoint, given, journal, unused_answer: None });
        }
        return Entrance { store: &job.store, expert }.go_on(checkpoint, journal, None);
    }
    let beginning = NewRun {
        run_id: start.run_id,
        query: &start.query,
        step_number: start.step_number,
        usage: start.usage,
        messages: Vec::new(),
        generations: 0,
        history: Vec::new(),
        delegated_by: Some(start.by),
    };
    let position = Entrance { store: &job.store, expert }.begin_run(beginning)?;
    run.put_latest_checkpoint(&position.checkpoint.id)?;
    Ok(position)
}

impl PreparedExpert {
    /// Finds, or makes, what the request goes on from.
    pub(crate) fn position(&self, request: &Request, max_steps: u64) -> Result<(Arc<JobStore>, Position), RunError> {
        if let Input::Query(query) | Input::Answer(query) = &request.input
            && query.len() > MAX_QUERY_BYTES
        {
            return Err(RunError::QueryTooLarge { limit: MAX_QUERY_BYTES });
        }
        let expert = self.expert.config.key.clone();
        let job_id = match &request.job {
            JobChoice::New => return self.begin_job(&new_id()?, request, max_steps),
            JobChoice::Named(id) => return self.begin_job(id, request, max_steps),
            JobChoice::Existing(id) | JobChoice::From { job: id, .. } => id.clone(),
            JobChoice::Latest => match self.cast.workspace().latest_job(&expert)? {
                Some(job) => job.id,
                None => return Err(RunError::NothingToContinue { expert }),
            },
        };
        let store = Arc::new(self.cast.workspace().open_job(&job_id)?);
        let position = self.position_in(&store, request)?;
        Ok((store, position))
    }

    /// A job that is there already.
    fn position_in(&self, store: &JobStore, request: &Request) -> Result<Position, RunError> {
        let expert = self.expert.config.key.clone();
        let shown = store.id().to_string();
        let damaged = || RunError::DamagedJournal("the job has no checkpoint".into());
        let job = store.job()?.ok_or_else(damaged)?;
        if job.coordinator_expert_key != expert {
            return Err(RunError::OtherExpert { job: shown, started: job.coordinator_expert_key, asked: expert });
        }
        let (checkpoint, journal) = match &request.job {
            JobChoice::From { checkpoint, .. } => self.branch(store, checkpoint)?,
            _ => {
                let checkpoint = store.checkpoint(&job.latest_checkpoint_id.ok_or_else(damaged)?)?;
                let journal = Journal::open(store.journal(&checkpoint.run_id))?;
                (checkpoint, journal)
            }
        };
        let ended = journal.end().is_some()
            && matches!(checkpoint.status, CheckpointStatus::Completed | CheckpointStatus::StoppedByError);
        let entrance = Entrance { store, expert: &self.expert };
        let answer_expected = |checkpoint: &Checkpoint| {
            let tool = pending(checkpoint).map(|call| call.tool_name).unwrap_or_default();
            RunError::AnswerExpected { job: shown.clone(), tool }
        };
        match &request.input {
            Input::Query(_) | Input::Nothing if !ended && waits(&checkpoint, &journal) => {
                Err(answer_expected(&checkpoint))
            }
            Input::Query(query) if ended || self.takes_queries_at(checkpoint.status) => {
                entrance.begin_next_run(query, checkpoint, &journal)
            }
            Input::Query(_) => Err(RunError::Interrupted { job: shown }),
            Input::Answer(_) if ended => Err(RunError::NoAnswerExpected { job: shown }),
            Input::Nothing if ended => Err(RunError::Ended { job: shown }),
            Input::Answer(text) => entrance.go_on(checkpoint, journal, Some(text)),
            Input::Nothing => entrance.go_on(checkpoint, journal, None),
        }
    }

    /// A run of a new name that stands where this checkpoint does. The run that it was made in stays as it is.
    fn branch(&self, store: &JobStore, id: &Id) -> Result<(Checkpoint, Journal), RunError> {
        let job = store.id();
        let found = store.workspace().history(job).checkpoint(id)?;
        let unknown = || RunError::UnknownCheckpoint { job: job.to_string(), checkpoint: id.to_string() };
        let checkpoint = found.ok_or_else(unknown)?;
        let asked = &self.expert.config.key;
        if checkpoint.expert.key != *asked {
            let (job, started) = (job.to_string(), checkpoint.expert.key);
            return Err(RunError::OtherExpert { job, started, asked: asked.clone() });
        }
        let run_id = new_id()?;
        let mut journal = Journal::open(store.journal(&run_id))?;
        let covered = checkpoint.metadata.as_ref().and_then(|metadata| metadata.journal_entries).unwrap_or(1);
        let covered = usize::try_from(covered).unwrap_or(usize::MAX);
        for record in Journal::open(store.journal(&checkpoint.run_id))?.records().iter().take(covered) {
            journal.append_ahead(record.clone())?;
        }
        Ok((Checkpoint { run_id, ..checkpoint }, journal))
    }

    /// Whether a run that has not ended may be left for a new query. A model can go on from any whole conversation; one
    /// that has not begun is not in the checkpoint yet.
    fn takes_queries_at(&self, status: CheckpointStatus) -> bool {
        use CheckpointStatus::{Init, StoppedByDelegate, StoppedByInteractiveTool};
        matches!(self.expert.mind, Mind::Model(_))
            && !matches!(status, Init | StoppedByDelegate | StoppedByInteractiveTool)
    }

    fn begin_job(&self, id: &Id, request: &Request, max_steps: u64) -> Result<(Arc<JobStore>, Position), RunError> {
        let Input::Query(query) = &request.input else {
            return Err(RunError::NothingToContinue { expert: self.expert.config.key.clone() });
        };
        let store = Arc::new(self.cast.workspace().create_job(id)?);
        let position = Entrance { store: &store, expert: &self.expert }.begin_run(NewRun {
            run_id: new_id()?,
            query,
            step_number: 1,
            usage: Usage::default(),
            messages: Vec::new(),
            generations: 0,
            history: Vec::new(),
            delegated_by: None,
        })?;
        // The job is there for others from here on, with all that it needs to go on.
        store.put_job(&Job {
            id: id.clone(),
            status: JobStatus::Running,
            coordinator_expert_key: self.expert.config.key.clone(),
            total_steps: 0,
            max_steps: Some(max_steps),
            usage: Usage::default(),
            started_at: now(),
            finished_at: None,
            latest_checkpoint_id: Some(position.checkpoint.id.clone()),
        })?;
        Ok((store, position))
    }
}

/// What a new run begins with.
struct NewRun<'a> {
    run_id: Id,
    query: &'a str,
    step_number: u64,
    usage: Usage,
    /// The conversation of earlier runs of the job.
    messages: Vec<Message>,
    /// Generations in it.
    generations: u64,
    /// Queries and answers of earlier runs of the job.
    history: Vec<(String, String)>,
    delegated_by: Option<DelegatedBy>,
}

/// A job and an Expert that works in it.
struct Entrance<'a> {
    store: &'a JobStore,
    expert: &'a LoadedExpert,
}

impl Entrance<'_> {
    fn begin_run(&self, new: NewRun<'_>) -> Result<Position, RunError> {
        let mut journal = Journal::open(self.store.journal(&new.run_id))?;
        // A process that was killed right here has left its entry.
        if journal.records().is_empty() {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| RunError::NoEntropy(error.to_string()))?;
            let entry = Entry::Started {
                query: new.query.to_owned(),
                history: new.history,
                seed: seed.iter().map(|byte| format!("{byte:02x}")).collect(),
                component: match &self.expert.mind {
                    Mind::Logic { digest, .. } => Some(digest.clone()),
                    Mind::Model(_) => None,
                },
            };
            journal.append(Record { at: now(), clock: Vec::new(), entry })?;
        }
        let mind = match &self.expert.mind {
            Mind::Model(model) => model.context_window(),
            Mind::Logic { .. } => None,
        };
        let delegated = new.delegated_by.is_some();
        let checkpoint = Checkpoint {
            id: new_id()?,
            job_id: self.store.id().clone(),
            run_id: new.run_id.clone(),
            expert: self.expert.info(),
            step_number: new.step_number,
            status: CheckpointStatus::Init,
            messages: new.messages,
            usage: new.usage,
            context_window: mind,
            context_window_usage: mind.filter(|_| !delegated).map(|_| 0.0),
            pending_tool_calls: None,
            partial_tool_results: None,
            retry_count: None,
            delegate_to: None,
            delegated_by: new.delegated_by,
            error: None,
            metadata: (new.generations > 0).then(|| perstack_core::Metadata {
                generations: new.generations,
                ..perstack_core::Metadata::default()
            }),
        };
        self.store.put_checkpoint(&checkpoint)?;
        let messages = self.input(&checkpoint, new.query)?;
        let given = Given { query: Some(new.query.to_owned()), answer: None, messages };
        Ok(Position { run_id: new.run_id, checkpoint, given, journal, unused_answer: None })
    }

    /// A new run after an earlier one of the same job.
    fn begin_next_run(&self, query: &str, earlier: Checkpoint, journal: &Journal) -> Result<Position, RunError> {
        let position = self.begin_run(NewRun {
            run_id: new_id()?,
            query,
            step_number: earlier.step_number + 1,
            usage: earlier.usage,
            generations: earlier.metadata.as_ref().map_or(0, |metadata| metadata.generations),
            messages: earlier.messages,
            history: history(journal)?,
            delegated_by: None,
        })?;
        if let Some(known) = self.store.job()? {
            let latest_checkpoint_id = Some(position.checkpoint.id.clone());
            self.store.put_job(&Job {
                status: JobStatus::Running,
                finished_at: None,
                latest_checkpoint_id,
                ..known
            })?;
        }
        Ok(position)
    }

    /// A run that was stopped or interrupted goes on.
    fn go_on(
        &self,
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
            (Some(_), None, Some(given)) => {
                let entry = Entry::Replied { text: given.clone() };
                journal.append_ahead(Record { at: now(), clock: Vec::new(), entry })?;
                Some(given.clone())
            }
            (_, _, given) => {
                unused_answer = given.cloned();
                None
            }
        };
        let mut next = Checkpoint { id: new_id()?, error: None, ..checkpoint.clone() };
        let mut given = Given::default();
        match checkpoint.status {
            CheckpointStatus::Init => {
                let query = started(&journal)?.query;
                given.messages = self.input(&checkpoint, &query)?;
                given.query = Some(query);
            }
            // Its next checkpoint comes when the other Experts have answered.
            CheckpointStatus::StoppedByDelegate => next.id = checkpoint.id.clone(),
            _ => next.step_number += 1,
        }
        if checkpoint.status == CheckpointStatus::StoppedByError {
            next.retry_count = next.retry_count.map(|_| 0);
        }
        if let Some((call, text)) = pending.zip(answer) {
            next.partial_tool_results.get_or_insert_default().push(reply(&call, &text)?);
            let rest = next.pending_tool_calls.take().unwrap_or_default().split_off(1);
            next.pending_tool_calls = (!rest.is_empty()).then_some(rest);
            let ToolCall { id, skill_name, tool_name, .. } = call;
            given.answer = Some(InteractiveAnswer { tool_call_id: id, tool_name, skill_name, text });
        }
        Ok(Position { run_id: checkpoint.run_id, checkpoint: next, given, journal, unused_answer })
    }

    /// What the first step begins with: the instruction, unless the conversation has it, and the query.
    fn input(&self, checkpoint: &Checkpoint, query: &str) -> Result<Vec<Message>, RunError> {
        if !checkpoint.messages.is_empty() {
            return Ok(vec![user_message(query)?]);
        }
        let instruction = match &self.expert.mind {
            Mind::Logic { .. } => self.expert.config.instruction.clone(),
            Mind::Model(_) => prompt::instruction(self.expert),
        };
        input_messages(&instruction, query)
    }
}

/// The call that the run waits with, if it does.
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

/// What a run began with.
pub(crate) struct Beginning {
    pub(crate) query: String,
    /// Earlier queries of the job, with their answers.
    pub(crate) history: Vec<(String, String)>,
    /// What all random numbers come from.
    pub(crate) seed: [u8; 32],
    /// SHA-256 of the logic, in hexadecimal.
    pub(crate) component: Option<String>,
}

pub(crate) fn started(journal: &Journal) -> Result<Beginning, RunError> {
    let damaged = |reason: &str| RunError::DamagedJournal(reason.to_owned());
    let Some(Record { entry: Entry::Started { query, history, seed, component }, .. }) = journal.records().first()
    else {
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
    Ok(Beginning { query: query.clone(), history: history.clone(), seed: bytes, component: component.clone() })
}

/// Queries and answers up to and with the run of this journal.
fn history(journal: &Journal) -> Result<Vec<(String, String)>, RunError> {
    let Beginning { query, mut history, .. } = started(journal)?;
    if let Some(Ok(answer)) = journal.end() {
        history.push((query, answer.clone()));
    }
    Ok(history)
}
