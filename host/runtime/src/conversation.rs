//! What the entries of a journal mean: messages, steps, checkpoints and events, in the order that Perstack has.
//!
//! A step ends when tools have answered, or when the user has. Each ends with a checkpoint that says how many journal
//! entries it covers. A run that is repeated builds nothing anew up to there, and everything after.

use std::sync::Arc;

use perstack_core::{
    Checkpoint, CheckpointStatus, Content, ErrorInfo, Id, Job, JobStatus, Message, Metadata, Part, RunEvent, Step,
    ToolCall, ToolResult, Usage,
};
use perstack_store::JobStore;

use crate::error::RunError;
use crate::recorder::{Recorder, new_id, now};
use crate::state::RunState;

/// Whether a run may go on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    Proceed,
    MaxSteps,
}

/// A run's conversation, from its latest checkpoint on.
pub(crate) struct Conversation {
    job: Arc<JobStore>,
    recorder: Arc<Recorder>,
    state: RunState,
    max_steps: u64,
    checkpoint: Checkpoint,
    input: Vec<Message>,
    said: Vec<Part>,
    called: Vec<Message>,
    step_started: u64,
    stopped: Option<JobStatus>,
}

/// What a conversation stands on.
pub(crate) struct Ground {
    pub(crate) job: Arc<JobStore>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) state: RunState,
    pub(crate) max_steps: u64,
}

impl Conversation {
    /// Goes on from a checkpoint. `input` is what the step begins with.
    pub(crate) fn new(ground: Ground, checkpoint: Checkpoint, input: Vec<Message>) -> Self {
        let Ground { job, recorder, state, max_steps } = ground;
        let mut conversation = Self {
            job,
            recorder,
            state,
            max_steps,
            checkpoint,
            input,
            said: Vec::new(),
            called: Vec::new(),
            step_started: now(),
            stopped: None,
        };
        conversation.checkpoint.messages.extend(conversation.input.iter().cloned());
        conversation
    }

    /// The most steps that the job may take.
    pub(crate) fn max_steps(&self) -> u64 {
        self.max_steps
    }

    /// The logic shows text.
    pub(crate) fn said(&mut self, text: &str) -> Result<(), RunError> {
        self.said.push(text_part(text)?);
        self.stream(text)
    }

    /// The logic calls tools.
    pub(crate) fn called(&mut self, calls: &[ToolCall]) -> Result<(), RunError> {
        let new_message = self.expert_message(calls)?;
        self.tell(RunEvent::CallTools { new_message, tool_calls: calls.to_vec(), usage: Usage::default() })
    }

    /// All tools that were called have answered.
    pub(crate) fn answered(
        &mut self,
        calls: &[ToolCall],
        results: &[(bool, Vec<Content>)],
        entries: u64,
    ) -> Result<Onward, RunError> {
        let results: Vec<ToolResult> = calls
            .iter()
            .zip(results)
            .map(|(call, (is_error, content))| tool_result(call, *is_error, content))
            .collect::<Result<_, _>>()?;
        self.tell(RunEvent::ResolveToolResults { tool_results: results.clone() })?;
        let message = tool_message(&results)?;
        self.tell(RunEvent::FinishToolCall { new_messages: vec![message.clone()] })?;
        self.checkpoint.messages.push(message.clone());
        let mut step = self.step(vec![message]);
        step.tool_calls = Some(calls.to_vec());
        step.tool_results = Some(results);
        if self.checkpoint.step_number >= self.max_steps {
            self.stand(CheckpointStatus::StoppedByExceededMaxSteps, entries)?;
            self.stopped = Some(JobStatus::StoppedByMaxSteps);
            let checkpoint = Box::new(self.checkpoint.clone());
            self.tell(RunEvent::StopRunByExceededMaxSteps { checkpoint, step: Box::new(step) })?;
            return Ok(Onward::MaxSteps);
        }
        self.next_step(step, entries)?;
        Ok(Onward::Proceed)
    }

    /// The logic asks the user; the run stops.
    pub(crate) fn asked(&mut self, call: &ToolCall, entries: u64) -> Result<(), RunError> {
        self.called(std::slice::from_ref(call))?;
        let usage = Usage::default();
        if let Some(new_message) = self.called.last().cloned() {
            self.tell(RunEvent::CallInteractiveTool { new_message, tool_call: call.clone(), usage })?;
        }
        let mut step = self.step(Vec::new());
        step.tool_calls = Some(vec![call.clone()]);
        step.partial_tool_results = Some(Vec::new());
        step.pending_tool_calls = Some(vec![call.clone()]);
        self.checkpoint.pending_tool_calls = Some(vec![call.clone()]);
        self.checkpoint.partial_tool_results = Some(Vec::new());
        self.stand(CheckpointStatus::StoppedByInteractiveTool, entries)?;
        self.stopped = Some(JobStatus::StoppedByInteractiveTool);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::StopRunByInteractiveTool { checkpoint, step: Box::new(step) })
    }

    /// The user has answered what was asked.
    pub(crate) fn replied(&mut self, call: &ToolCall, text: &str, entries: u64) -> Result<Onward, RunError> {
        let result = reply(call, text)?;
        let message = tool_message(std::slice::from_ref(&result))?;
        self.tell(RunEvent::FinishAllToolCalls { new_messages: vec![message.clone()] })?;
        self.checkpoint.messages.push(message.clone());
        self.checkpoint.pending_tool_calls = None;
        self.checkpoint.partial_tool_results = None;
        let mut step = self.step(vec![message]);
        step.tool_results = Some(vec![result]);
        self.next_step(step, entries)?;
        Ok(Onward::Proceed)
    }

    /// The logic has answered.
    pub(crate) fn completed(&mut self, text: &str, entries: u64) -> Result<(), RunError> {
        self.stream(text)?;
        let mut contents = std::mem::take(&mut self.said);
        contents.push(text_part(text)?);
        let message = Message::ExpertMessage { contents, id: new_id()? };
        self.checkpoint.messages.push(message.clone());
        let step = self.step(vec![message]);
        self.stand(CheckpointStatus::Completed, entries)?;
        self.stopped = Some(JobStatus::Completed);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::CompleteRun {
            checkpoint,
            step: Box::new(step),
            text: text.to_owned(),
            usage: Usage::default(),
        })
    }

    /// The logic has failed.
    pub(crate) fn failed(&mut self, name: &str, message: &str, entries: u64) -> Result<(), RunError> {
        let error = ErrorInfo { name: name.to_owned(), message: message.to_owned(), is_retryable: false };
        let step = self.step(Vec::new());
        self.checkpoint.error = Some(error.clone());
        self.stand(CheckpointStatus::StoppedByError, entries)?;
        self.stopped = Some(JobStatus::StoppedByError);
        let checkpoint = Box::new(self.checkpoint.clone());
        self.tell(RunEvent::StopRunByError { checkpoint, step: Box::new(step), error })
    }

    /// Says in the job how the run stopped. The very last thing: a run that was killed before goes on, and tells again what
    /// may not have been told.
    pub(crate) fn settle(&self) -> Result<(), RunError> {
        self.stopped.map_or(Ok(()), |status| self.put_job(&self.checkpoint, status))
    }

    /// Ends a step, and begins the next.
    fn next_step(&mut self, step: Step, entries: u64) -> Result<(), RunError> {
        self.stand(CheckpointStatus::Proceeding, entries)?;
        let checkpoint = Box::new(self.checkpoint.clone());
        let next = Checkpoint { id: new_id()?, step_number: checkpoint.step_number + 1, ..self.checkpoint.clone() };
        self.tell(RunEvent::ContinueToNextStep {
            checkpoint: checkpoint.clone(),
            step: Box::new(step),
            next_checkpoint: Box::new(next.clone()),
        })?;
        self.put_job(&checkpoint, JobStatus::Running)?;
        self.checkpoint = next;
        self.input.clear();
        self.step_started = now();
        Ok(())
    }

    /// Keeps the checkpoint with its new status.
    fn stand(&mut self, status: CheckpointStatus, entries: u64) -> Result<(), RunError> {
        self.checkpoint.status = status;
        let metadata = self.checkpoint.metadata.get_or_insert_with(Metadata::default);
        metadata.journal_entries = Some(entries);
        metadata.state = self.state.entries();
        Ok(self.job.put_checkpoint(&self.checkpoint)?)
    }

    fn put_job(&self, checkpoint: &Checkpoint, status: JobStatus) -> Result<(), RunError> {
        let Some(job) = self.job.job()? else {
            return Err(RunError::DamagedJournal("its job is gone".into()));
        };
        let finished_at = (status != JobStatus::Running).then(now);
        let total_steps = checkpoint.step_number;
        let latest_checkpoint_id = Some(checkpoint.id.clone());
        let max_steps = Some(self.max_steps);
        Ok(self.job.put_job(&Job { status, total_steps, max_steps, finished_at, latest_checkpoint_id, ..job })?)
    }

    /// What the Expert said since the last step, with the calls that it makes now.
    fn expert_message(&mut self, calls: &[ToolCall]) -> Result<Message, RunError> {
        let mut contents = std::mem::take(&mut self.said);
        for call in calls {
            contents.push(Part::ToolCallPart {
                tool_call_id: call.id.clone(),
                tool_name: call.tool_name.clone(),
                args: call.args.clone(),
                id: new_id()?,
            });
        }
        let message = Message::ExpertMessage { contents, id: new_id()? };
        self.checkpoint.messages.push(message.clone());
        self.called.push(message.clone());
        Ok(message)
    }

    fn step(&mut self, messages: Vec<Message>) -> Step {
        let mut new_messages = std::mem::take(&mut self.called);
        new_messages.extend(messages);
        Step {
            step_number: self.checkpoint.step_number,
            input_messages: self.input.clone(),
            new_messages,
            usage: Usage::default(),
            started_at: self.step_started,
            tool_calls: None,
            tool_results: None,
            partial_tool_results: None,
            pending_tool_calls: None,
            finished_at: Some(now()),
        }
    }

    fn stream(&self, text: &str) -> Result<(), RunError> {
        self.tell(RunEvent::StartStreamingRunResult {})?;
        self.tell(RunEvent::StreamRunResult { delta: text.to_owned() })?;
        self.tell(RunEvent::CompleteStreamingRunResult { text: text.to_owned() })
    }

    fn tell(&self, event: RunEvent) -> Result<(), RunError> {
        self.recorder.step(&self.checkpoint.expert.key, self.checkpoint.step_number, event)
    }
}

/// The messages that a run begins with.
pub(crate) fn input_messages(instruction: &str, query: &str) -> Result<Vec<Message>, RunError> {
    let mut messages = Vec::new();
    if !instruction.is_empty() {
        let contents = vec![text_part(instruction)?];
        messages.push(Message::InstructionMessage { contents, id: new_id()?, cache: Some(true) });
    }
    messages.push(Message::UserMessage { contents: vec![text_part(query)?], id: new_id()? });
    Ok(messages)
}

/// The user's answer as the result of the call that asked.
pub(crate) fn reply(call: &ToolCall, text: &str) -> Result<ToolResult, RunError> {
    tool_result(call, false, &[Content::Text { text: text.to_owned() }])
}

fn tool_result(call: &ToolCall, is_error: bool, content: &[Content]) -> Result<ToolResult, RunError> {
    Ok(ToolResult {
        id: call.id.clone(),
        skill_name: call.skill_name.clone(),
        tool_name: call.tool_name.clone(),
        result: content.iter().map(part).collect::<Result<_, _>>()?,
        is_error: is_error.then_some(true),
    })
}

fn tool_message(results: &[ToolResult]) -> Result<Message, RunError> {
    let contents = results.iter().map(|result| {
        Ok(Part::ToolResultPart {
            tool_call_id: result.id.clone(),
            tool_name: result.tool_name.clone(),
            contents: result.result.clone(),
            is_error: result.is_error,
            id: new_id()?,
        })
    });
    Ok(Message::ToolMessage { contents: contents.collect::<Result<_, RunError>>()?, id: new_id()? })
}

fn part(content: &Content) -> Result<Part, RunError> {
    let id: Id = new_id()?;
    Ok(match content.clone() {
        Content::Text { text } => Part::TextPart { text, id },
        Content::Image { media_type, base64 } => {
            Part::ImageInlinePart { encoded_data: base64, mime_type: media_type, id }
        }
        Content::File { media_type, base64 } => {
            Part::FileInlinePart { encoded_data: base64, mime_type: media_type, id }
        }
        Content::WorkspaceFile { path, media_type } => {
            Part::TextPart { text: format!("[file `{path}` of the workspace, {media_type}]"), id }
        }
    })
}

fn text_part(text: &str) -> Result<Part, RunError> {
    Ok(Part::TextPart { text: text.to_owned(), id: new_id()? })
}
