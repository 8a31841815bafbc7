//! From where a run goes on: the beginning of a job, a new query, an answer, or where a process was killed.

use std::sync::Arc;

use perstack_core::{
    Checkpoint, CheckpointStatus, ExpertInfo, Id, InteractiveAnswer, Job, JobStatus, Message, ToolCall, Usage,
};
use perstack_store::JobStore;

use crate::conversation::{input_messages, reply};
use crate::error::RunError;
use crate::journal::{Entry, Journal, Record};
use crate::prepare::PreparedExpert;
use crate::recorder::{new_id, now};
use crate::request::{Input, JobChoice, MAX_QUERY_BYTES, Request};

/// From where a run goes on.
pub(crate) struct Position {
    pub(crate) job: Arc<JobStore>,
    /// The run whose journal it is: a run that stops for the user goes on under its first name.
    pub(crate) run_id: Id,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) input: Vec<Message>,
    pub(crate) journal: Journal,
    pub(crate) answer: Option<InteractiveAnswer>,
    pub(crate) query: Option<String>,
    pub(crate) unused_answer: Option<String>,
}

impl PreparedExpert {
    /// Finds, or makes, what the request goes on from.
    pub(crate) fn position(&self, request: &Request, new_run: &Id, max_steps: u64) -> Result<Position, RunError> {
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
        let answer = pending.zip(answer).map(|(call, text)| (reply(&call, &text), call, text));
        let mut next = Checkpoint { id: new_id()?, error: None, ..checkpoint.clone() };
        let (query, input) = if checkpoint.status == CheckpointStatus::Init {
            let query = started(&journal)?.query;
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

    fn input_messages(&self, checkpoint: &Checkpoint, query: &str) -> Result<Vec<Message>, RunError> {
        let first = checkpoint.messages.is_empty();
        input_messages(if first { &self.expert.instruction } else { "" }, query)
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

/// What a run began with.
pub(crate) struct Beginning {
    pub(crate) query: String,
    /// Earlier queries of the job, with their answers.
    pub(crate) history: Vec<(String, String)>,
    /// What all random numbers come from.
    pub(crate) seed: [u8; 32],
    /// SHA-256 of the logic, in hexadecimal.
    pub(crate) component: String,
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
    if let Some(Record { entry: Entry::Finished { answer: Ok(answer) }, .. }) = journal.records().last() {
        history.push((query, answer.clone()));
    }
    Ok(history)
}
