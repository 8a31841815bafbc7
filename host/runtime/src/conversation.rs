//! What happens in a run, as messages, steps, checkpoints and events, in the order that Perstack has.
//!
//! A step is one reply of the model, or one request of an Expert's own logic, with its calls. It ends with a checkpoint
//! that says how many journal entries it covers; a run that is repeated builds nothing anew up to there, and everything
//! after. A run that waits for the user or for other Experts ends its events there and goes on under another name.

use std::sync::Arc;

use perstack_core::{
    Checkpoint, CheckpointStatus, DelegateTo, ErrorInfo, GeneratedPart, Generation, InteractiveAnswer, Job, JobStatus,
    Message, Metadata, Part, RunEvent, Step, ToolCall, ToolResult, Usage,
};

use crate::cast::LoadedExpert;
use crate::error::RunError;
use crate::job::JobScope;
use crate::parts::{call_part, said_part, text_part, tool_message};
use crate::recorder::{Recorder, new_id, now};
use crate::scene::Rank;
use crate::servers::Servers;
use crate::state::RunState;

/// Whether a run may go on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    Proceed,
    MaxSteps,
}

/// What a conversation stands on.
pub(crate) struct Ground {
    pub(crate) job: Arc<JobScope>,
    pub(crate) expert: Arc<LoadedExpert>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) state: RunState,
    /// The job goes on from the checkpoints of its first Expert's run.
    pub(crate) rank: Rank,
}

/// What a run was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) query: Option<String>,
    pub(crate) answer: Option<InteractiveAnswer>,
    /// The messages that the step begins with.
    pub(crate) messages: Vec<Message>,
}

/// A run's conversation, from its latest checkpoint on.
pub(crate) struct Conversation {
    pub(crate) ground: Ground,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) given: Given,
    pub(crate) checkpoint: Checkpoint,
    /// Whether the run's events have begun under its present name.
    open: bool,
    step: StepSoFar,
    stopped: Option<JobStatus>,
}

/// What the step has come to.
struct StepSoFar {
    /// In the model's order; nothing stands for a call, which is made into a part when it has been looked at.
    said: Vec<Option<Part>>,
    messages: Vec<Message>,
    calls: Option<Vec<ToolCall>>,
    has_generated: bool,
    usage: Usage,
    /// Of the latest generation.
    generation: Usage,
    started: u64,
}

impl StepSoFar {
    fn begin() -> Self {
        Self {
            said: Vec::new(),
            messages: Vec::new(),
            calls: None,
            has_generated: false,
            usage: Usage::default(),
            generation: Usage::default(),
            started: now(),
        }
    }
}

impl Conversation {
    /// Goes on from a checkpoint.
    pub(crate) fn new(ground: Ground, mut checkpoint: Checkpoint, given: Given) -> Result<Self, RunError> {
        let recorder = ground.job.recorder()?;
        checkpoint.messages.extend(given.messages.iter().cloned());
        let step = StepSoFar::begin();
        Ok(Self { ground, recorder, given, checkpoint, open: false, step, stopped: None })
    }

    /// The most steps that the job may take.
    pub(crate) fn max_steps(&self) -> u64 {
        self.ground.job.settings.max_steps
    }

    /// Whether the run stands where it waits for other Experts.
    pub(crate) fn waits_for_delegates(&self) -> bool {
        self.checkpoint.status == CheckpointStatus::StoppedByDelegate && !self.open
    }

    /// Begins the run's events.
    pub(crate) fn open(&mut self) -> Result<(), RunError> {
        if std::mem::replace(&mut self.open, true) {
            return Ok(());
        }
        self.ground.announce(&self.recorder, &self.given)?;
        let mut checkpoint = self.checkpoint.clone();
        checkpoint.messages.truncate(checkpoint.messages.len() - self.given.messages.len());
        let input_messages = self.given.messages.clone();
        self.tell(RunEvent::StartRun { initial_checkpoint: Box::new(checkpoint), input_messages })
    }

    /// Ends the run's events.
    pub(crate) fn close(&mut self) -> Result<(), RunError> {
        if std::mem::replace(&mut self.open, false) { self.ground.disconnect(&self.recorder) } else { Ok(()) }
    }

    /// The Expert says something, before its next calls.
    pub(crate) fn said(&mut self, text: &str) -> Result<(), RunError> {
        self.step.said.push(Some(text_part(text)?));
        self.stream(text)
    }

    /// The model is asked.
    pub(crate) fn generating(&mut self, messages: &[Message]) -> Result<(), RunError> {
        self.step.has_generated = true;
        self.tell(RunEvent::StartGeneration { messages: messages.to_vec() })
    }

    /// Whether the model was asked in this step.
    pub(crate) fn has_generated(&self) -> bool {
        self.step.has_generated
    }

    /// A generation is over, with or without a reply. Counted, so that it is known which one is next.
    pub(crate) fn count_generation(&mut self) {
        self.checkpoint.metadata.get_or_insert_default().generations += 1;
    }

    /// The model has replied; what it calls comes with [`Self::called`].
    pub(crate) fn generated(&mut self, generation: &Generation, context_window: Option<u64>) -> Result<(), RunError> {
        for part in &generation.parts {
            self.step.said.push(said_part(part)?);
        }
        let usage = generation.usage;
        self.step.generation = usage;
        self.step.usage += usage;
        self.checkpoint.usage += usage;
        let useful = |part: &GeneratedPart| match part {
            GeneratedPart::Text { text } => !text.trim().is_empty(),
            GeneratedPart::ToolCall { .. } => true,
            GeneratedPart::Reasoning { .. } => false,
        };
        if generation.parts.iter().any(useful) {
            self.checkpoint.retry_count = Some(0);
        }
        self.checkpoint.context_window = context_window;
        self.checkpoint.context_window_usage = context_window.filter(|window| *window > 0).map(|window| {
            #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
            let share = (usage.total_tokens + usage.cached_input_tokens) as f64 / window as f64;
            share
        });
        Ok(())
    }

    /// There was no useful reply; the model is asked again, with what it is told about that.
    pub(crate) fn retry(&mut self, reason: &str, messages: Vec<Message>) -> Result<(), RunError> {
        self.checkpoint.retry_count = Some(self.checkpoint.retry_count.unwrap_or(0) + 1);
        self.step.said.clear();
        self.checkpoint.messages.extend(messages.iter().cloned());
        self.step.messages.extend(messages.iter().cloned());
        let usage = self.step.generation;
        self.tell(RunEvent::Retry { reason: reason.to_owned(), new_messages: messages, usage })
    }

    /// The Expert calls tools, other Experts, or the user.
    pub(crate) fn called(&mut self, calls: &[ToolCall]) -> Result<(), RunError> {
        let new_message = self.speak(calls.iter().map(call_part).collect::<Result<_, _>>()?)?;
        self.step.calls = Some(calls.to_vec());
        self.tell(RunEvent::CallTools { new_message, tool_calls: calls.to_vec(), usage: self.step.generation })
    }

    /// All tools that were called have answered; the step ends.
    pub(crate) fn answered(&mut self, results: Vec<ToolResult>, entries: u64) -> Result<Onward, RunError> {
        self.tell(RunEvent::ResolveToolResults { tool_results: results.clone() })?;
        let message = self.tool_message(&results)?;
        self.tell(RunEvent::FinishToolCall { new_messages: vec![message] })?;
        let mut step = self.step();
        step.tool_results = Some(results);
        self.next_step(step, entries)
    }

    /// The Expert waits for other Experts.
    pub(crate) fn stopped_by_delegate(&mut self, open: &OpenCalls, entries: u64) -> Result<(), RunError> {
        let new_message = self.latest_reply()?;
        let tool_calls = open.delegated.iter().map(|(call, _)| call.clone()).collect();
        self.tell(RunEvent::CallDelegate { new_message, tool_calls, usage: self.step.generation })?;
        self.checkpoint.delegate_to = Some(open.delegated.iter().map(|(_, to)| to.clone()).collect());
        self.checkpoint.pending_tool_calls = (!open.pending.is_empty()).then(|| open.pending.clone());
        self.checkpoint.partial_tool_results = Some(open.results.clone());
        let delegated = open.delegated.iter().map(|(call, _)| call.clone());
        let mut step = self.step();
        step.partial_tool_results = Some(open.results.clone());
        step.pending_tool_calls = Some(delegated.chain(open.pending.iter().cloned()).collect());
        self.stand(CheckpointStatus::StoppedByDelegate, entries)?;
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::StopRunByDelegate { checkpoint, step: Box::new(step) })?;
        self.keep_place(JobStatus::Running)?;
        self.close()
    }

    /// The other Experts have answered; the run goes on under a new name, in the step after theirs.
    pub(crate) fn delegates_answered(
        &mut self,
        results: Vec<ToolResult>,
        latest_step: u64,
        usage: Usage,
    ) -> Result<(), RunError> {
        self.checkpoint.id = new_id()?;
        self.checkpoint.step_number = latest_step.max(self.checkpoint.step_number) + 1;
        self.checkpoint.usage += usage;
        let answer = results.first().map(answer_of);
        self.checkpoint.partial_tool_results.get_or_insert_default().extend(results);
        self.given = Given { answer, ..Given::default() };
        self.step = StepSoFar::begin();
        self.recorder = self.ground.job.recorder()?;
        self.open()
    }

    /// A stopped step goes on with calls that still wait.
    pub(crate) fn resumed(&mut self, pending: &[ToolCall], results: &[ToolResult]) -> Result<(), RunError> {
        self.tell(RunEvent::ResumeToolCalls {
            pending_tool_calls: pending.to_vec(),
            partial_tool_results: results.to_vec(),
        })
    }

    /// The Expert asks the user with the first of the calls that wait; the run stops.
    pub(crate) fn asked(&mut self, pending: &[ToolCall], results: &[ToolResult], entries: u64) -> Result<(), RunError> {
        let new_message = self.latest_reply()?;
        if let Some(tool_call) = pending.first().cloned() {
            self.tell(RunEvent::CallInteractiveTool { new_message, tool_call, usage: self.step.generation })?;
        }
        self.checkpoint.pending_tool_calls = Some(pending.to_vec());
        self.checkpoint.partial_tool_results = Some(results.to_vec());
        let mut step = self.step();
        step.partial_tool_results = Some(results.to_vec());
        step.pending_tool_calls = Some(pending.to_vec());
        // The results of a step that goes on are those of the calls before.
        step.tool_results = step.tool_calls.is_none().then(|| results.to_vec());
        self.stand(CheckpointStatus::StoppedByInteractiveTool, entries)?;
        self.stopped = Some(JobStatus::StoppedByInteractiveTool);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::StopRunByInteractiveTool { checkpoint, step: Box::new(step) })
    }

    /// All calls of a step that had stopped are answered; it ends.
    pub(crate) fn all_answered(&mut self, results: Vec<ToolResult>, entries: u64) -> Result<Onward, RunError> {
        self.checkpoint.pending_tool_calls = None;
        self.checkpoint.partial_tool_results = None;
        self.checkpoint.delegate_to = None;
        let message = self.tool_message(&results)?;
        self.tell(RunEvent::FinishAllToolCalls { new_messages: vec![message] })?;
        let mut step = self.step();
        step.tool_results = Some(results);
        self.next_step(step, entries)
    }

    /// The Expert says that it is done, and nothing speaks against it. Results are of all calls of the reply, this one last.
    pub(crate) fn completing(&mut self, results: &[ToolResult]) -> Result<(), RunError> {
        self.checkpoint.pending_tool_calls = None;
        self.checkpoint.partial_tool_results = None;
        self.checkpoint.delegate_to = None;
        if results.len() > 1 {
            self.tell(RunEvent::ResolveToolResults { tool_results: results[..results.len() - 1].to_vec() })?;
        }
        self.tool_message(results)?;
        match results.last() {
            Some(done) => self.tell(RunEvent::AttemptCompletion { tool_result: done.clone() }),
            None => Ok(()),
        }
    }

    /// The Expert has answered: with what was said in the step.
    pub(crate) fn completed(
        &mut self,
        text: &str,
        results: Option<Vec<ToolResult>>,
        entries: u64,
    ) -> Result<(), RunError> {
        self.speak(Vec::new())?;
        let usage = self.step.generation;
        let mut step = self.step();
        step.tool_results = results;
        self.stand(CheckpointStatus::Completed, entries)?;
        self.stopped = Some(JobStatus::Completed);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::CompleteRun { checkpoint, step: Box::new(step), text: text.to_owned(), usage })
    }

    /// The run has failed.
    pub(crate) fn failed(&mut self, name: &str, message: &str, entries: u64) -> Result<(), RunError> {
        self.open()?;
        if self.has_said() {
            self.speak(Vec::new())?;
        }
        let error = ErrorInfo { name: name.to_owned(), message: message.to_owned(), is_retryable: false };
        let step = self.step();
        self.checkpoint.error = Some(error.clone());
        self.stand(CheckpointStatus::StoppedByError, entries)?;
        self.stopped = Some(JobStatus::StoppedByError);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::StopRunByError { checkpoint, step: Box::new(step), error })
    }

    /// An Expert that the run waits for has used up the job's steps: the run waits on.
    pub(crate) fn stopped_in_delegate(&mut self) {
        self.stopped = Some(JobStatus::StoppedByMaxSteps);
    }

    /// Says in the job how the run stopped. The very last thing: a run that was killed before goes on, and tells again what
    /// may not have been told.
    pub(crate) fn settle(&self) -> Result<(), RunError> {
        self.stopped.map_or(Ok(()), |status| self.keep_place(status))
    }

    /// The step came to nothing, and the next one begins.
    pub(crate) fn skip_step(&mut self) {
        self.checkpoint.step_number += 1;
        self.given.messages.clear();
        self.step = StepSoFar::begin();
    }

    /// Ends a step that has no results, and begins the next.
    pub(crate) fn end_step(&mut self, entries: u64) -> Result<Onward, RunError> {
        if self.has_said() {
            self.speak(Vec::new())?;
        }
        let step = self.step();
        self.next_step(step, entries)
    }

    fn next_step(&mut self, step: Step, entries: u64) -> Result<Onward, RunError> {
        if self.checkpoint.step_number >= self.max_steps() {
            self.stand(CheckpointStatus::StoppedByExceededMaxSteps, entries)?;
            self.stopped = Some(JobStatus::StoppedByMaxSteps);
            let checkpoint = Box::new(self.checkpoint.clone());
            self.tell(RunEvent::StopRunByExceededMaxSteps { checkpoint, step: Box::new(step) })?;
            return Ok(Onward::MaxSteps);
        }
        self.stand(CheckpointStatus::Proceeding, entries)?;
        let checkpoint = Box::new(self.checkpoint.clone());
        let next = Checkpoint { id: new_id()?, step_number: checkpoint.step_number + 1, ..self.checkpoint.clone() };
        self.tell(RunEvent::ContinueToNextStep {
            checkpoint,
            step: Box::new(step),
            next_checkpoint: Box::new(next.clone()),
        })?;
        self.keep_place(JobStatus::Running)?;
        self.checkpoint = next;
        self.given.messages.clear();
        self.step = StepSoFar::begin();
        Ok(Onward::Proceed)
    }

    /// Keeps the checkpoint with its new status.
    fn stand(&mut self, status: CheckpointStatus, entries: u64) -> Result<(), RunError> {
        self.checkpoint.status = status;
        let metadata = self.checkpoint.metadata.get_or_insert_with(Metadata::default);
        metadata.journal_entries = Some(entries);
        metadata.state = self.ground.state.entries();
        Ok(self.ground.job.store.put_checkpoint(&self.checkpoint)?)
    }

    /// Says from which checkpoint the run goes on: in the job, if it is that of its first Expert.
    fn keep_place(&self, status: JobStatus) -> Result<(), RunError> {
        let store = &self.ground.job.store;
        let checkpoint = &self.checkpoint;
        if !self.ground.rank.is_coordinator() {
            return Ok(store.run(&checkpoint.run_id).put_latest_checkpoint(&checkpoint.id)?);
        }
        let Some(job) = store.job()? else {
            return Err(RunError::DamagedJournal("its job is gone".into()));
        };
        Ok(store.put_job(&Job {
            status,
            total_steps: checkpoint.step_number,
            max_steps: Some(self.max_steps()),
            usage: checkpoint.usage,
            finished_at: (status != JobStatus::Running).then(now),
            latest_checkpoint_id: Some(checkpoint.id.clone()),
            ..job
        })?)
    }

    fn tool_message(&mut self, results: &[ToolResult]) -> Result<Message, RunError> {
        let message = tool_message(results)?;
        self.checkpoint.messages.push(message.clone());
        self.step.messages.push(message.clone());
        Ok(message)
    }

    fn has_said(&self) -> bool {
        self.step.said.iter().any(Option::is_some)
    }

    /// What was said in the step, and what is called with it, as a message of the Expert.
    fn speak(&mut self, calls: Vec<Part>) -> Result<Message, RunError> {
        let mut calls = calls.into_iter();
        let said = std::mem::take(&mut self.step.said).into_iter();
        let mut contents: Vec<Part> = said.filter_map(|part| part.or_else(|| calls.next())).collect();
        contents.extend(calls);
        let message = Message::ExpertMessage { contents, id: new_id()? };
        self.checkpoint.messages.push(message.clone());
        self.step.messages.push(message.clone());
        Ok(message)
    }

    /// The latest message of the Expert: the one with the calls.
    fn latest_reply(&self) -> Result<Message, RunError> {
        let reply = self.checkpoint.messages.iter().rfind(|message| matches!(message, Message::ExpertMessage { .. }));
        reply.cloned().ok_or_else(|| RunError::DamagedJournal("a call that nobody made".into()))
    }

    fn step(&mut self) -> Step {
        Step {
            step_number: self.checkpoint.step_number,
            input_messages: self.given.messages.clone(),
            new_messages: std::mem::take(&mut self.step.messages),
            usage: self.step.usage,
            started_at: self.step.started,
            tool_calls: self.step.calls.take(),
            tool_results: None,
            partial_tool_results: None,
            pending_tool_calls: None,
            finished_at: Some(now()),
        }
    }

    pub(crate) fn stream(&self, text: &str) -> Result<(), RunError> {
        self.tell(RunEvent::StartStreamingRunResult {})?;
        self.tell(RunEvent::StreamRunResult { delta: text.to_owned() })?;
        self.tell(RunEvent::CompleteStreamingRunResult { text: text.to_owned() })
    }

    pub(crate) fn tell(&self, event: RunEvent) -> Result<(), RunError> {
        self.recorder.step(&self.checkpoint.expert.key, self.checkpoint.step_number, event)
    }
}

/// What a run is said to go on with.
fn answer_of(result: &ToolResult) -> InteractiveAnswer {
    let text = result.result.iter().filter_map(|part| match part {
        Part::TextPart { text, .. } => Some(text.as_str()),
        _ => None,
    });
    InteractiveAnswer {
        tool_call_id: result.id.clone(),
        tool_name: result.tool_name.clone(),
        skill_name: result.skill_name.clone(),
        text: text.collect(),
    }
}

/// The calls of a reply that could not all be answered at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenCalls {
    /// What is answered.
    pub(crate) results: Vec<ToolResult>,
    /// What other Experts are asked.
    pub(crate) delegated: Vec<(ToolCall, DelegateTo)>,
    /// What comes after that.
    pub(crate) pending: Vec<ToolCall>,
}
