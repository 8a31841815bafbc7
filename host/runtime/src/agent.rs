//! The loop of an Expert that a model drives: ask the model, make its calls, ask again, until it is done.

use perstack_core::{CheckpointStatus, GeneratedPart, Generation, Message, Model, ModelError, Part, ToolResult};
use serde_json::{Value, json};

use crate::calls::{CallIds, OpenCall, Way, results};
use crate::conversation::Onward;
use crate::error::RunError;
use crate::generate::{Generated, Question};
use crate::journal::Entry;
use crate::parts::user_message;
use crate::request::Stop;
use crate::scene::{Halted, Scene};

/// The tool with which an Expert says that it is done.
const ATTEMPT_COMPLETION: &str = "attemptCompletion";
const MAX_RETRIES: &str = "MaxRetriesExceeded";

/// A run that a model drives.
pub(crate) struct Agent<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) model: &'a dyn Model,
}

impl Agent<'_> {
    /// Goes on from where the run stands, to its end or to where it stops.
    pub(crate) async fn run(&self) -> Result<Stop, Halted> {
        let status = self.scene.progress().conversation.checkpoint.status;
        if matches!(status, CheckpointStatus::StoppedByDelegate | CheckpointStatus::StoppedByInteractiveTool) {
            // Calls that were left open may be of a server that is still starting.
            self.scene.refresh_tools().await;
        }
        let mut left = self.left_open()?;
        loop {
            let stop = match left.take() {
                Some(calls) => self.answer(calls, true).await?,
                None => self.turn().await?,
            };
            if let Some(stop) = stop {
                return Ok(stop);
            }
        }
    }

    /// The calls of a step that had stopped.
    fn left_open(&self) -> Result<Option<Vec<OpenCall>>, Halted> {
        let status = self.scene.progress().conversation.checkpoint.status;
        match status {
            CheckpointStatus::StoppedByDelegate => {}
            CheckpointStatus::StoppedByInteractiveTool => self.take_reply()?,
            _ => {
                self.scene.progress().conversation.open()?;
                return Ok(None);
            }
        }
        Ok(Some(self.calls_of_checkpoint()))
    }

    /// The user's answer is part of the checkpoint already.
    fn take_reply(&self) -> Result<(), RunError> {
        let mut progress = self.scene.progress();
        let same = |entry| matches!(entry, Entry::Replied { .. }).then_some(());
        self.scene.replay(&mut progress, "went on", same)?;
        progress.conversation.open()
    }

    fn calls_of_checkpoint(&self) -> Vec<OpenCall> {
        let checkpoint = self.scene.progress().conversation.checkpoint.clone();
        let reply = checkpoint.messages.into_iter().rev().find_map(|message| match message {
            Message::ExpertMessage { contents, .. } => Some(contents),
            _ => None,
        });
        let results = checkpoint.partial_tool_results.unwrap_or_default();
        let calls = reply.into_iter().flatten().filter_map(|part| match part {
            Part::ToolCallPart { tool_call_id, tool_name, args, .. } => {
                let mut call = self.scene.open_call(tool_call_id, tool_name, Ok(args));
                call.result = results.iter().find(|result| result.id == call.call.id).cloned();
                Some(call)
            }
            _ => None,
        });
        calls.collect()
    }

    /// One reply of the model, with its calls.
    async fn turn(&self) -> Result<Option<Stop>, Halted> {
        self.scene.refresh_tools().await;
        let question = Question {
            messages: self.scene.progress().conversation.checkpoint.messages.clone(),
            tools: self.scene.toolbox().definitions(self.scene.rank.is_coordinator()),
            response_schema: None,
            digest: None,
            is_result: false,
        };
        let generation = match self.scene.generate(self.model, question).await? {
            Generated { reply: Ok(generation), .. } => generation,
            Generated { reply: Err(error), exhausted } => return self.not_generated(&error, exhausted).map(Some),
        };
        let calls = self.calls_of(&generation);
        let text = generation.text();
        match (calls.is_empty(), text.trim().is_empty()) {
            (true, true) => self.said_nothing(),
            (true, false) => self.complete(&text, None).map(Some),
            (false, _) => {
                let mut calls = calls;
                let resumed = self.scene.make_calls(&mut calls, is_completion).await?;
                self.answer(calls, resumed).await
            }
        }
    }

    /// The calls of a reply, each under an identifier of its own.
    fn calls_of(&self, generation: &Generation) -> Vec<OpenCall> {
        let mut ids = CallIds::default();
        let mut completes = false;
        let calls = generation.parts.iter().filter_map(|part| match part {
            GeneratedPart::ToolCall { id, name, arguments } => Some((id, name, arguments)),
            _ => None,
        });
        calls
            .enumerate()
            .map(|(number, (id, name, arguments))| {
                let id = if ids.refuse(id).is_none() {
                    id.clone()
                } else {
                    format!("call_{number}_{}", generation.parts.len())
                };
                let mut call = self.scene.open_call(id, name.clone(), arguments.clone());
                if matches!(call.way, Way::User) && !self.scene.rank.is_coordinator() {
                    call.way = Way::Refused("only the job's first Expert may ask the user".into());
                }
                if name == ATTEMPT_COMPLETION && std::mem::replace(&mut completes, true) {
                    call.way = Way::Refused(format!("`{ATTEMPT_COMPLETION}` is called once"));
                }
                call
            })
            .collect()
    }

    /// Ends the step of these calls, or stops where one of them cannot be answered yet. `resumed` says that the run had
    /// stopped since they were made.
    async fn answer(&self, mut calls: Vec<OpenCall>, mut resumed: bool) -> Result<Option<Stop>, Halted> {
        let scene = self.scene;
        resumed |= scene.call_delegates(&mut calls).await?;
        if let Some(stop) = self.ask(&calls, resumed)? {
            return Ok(Some(stop));
        }
        scene.take_recorded(&mut calls).await?;
        scene.call_skills(&mut calls, is_completion).await?;
        let results = results(&calls);
        if let Some(done) = completion(&calls).filter(|done| is_accepted(done)) {
            let mut ordered: Vec<ToolResult> = results.iter().filter(|result| result.id != done.id).cloned().collect();
            ordered.push(done.clone());
            scene.progress().conversation.completing(&ordered)?;
            return self.conclude(ordered).await.map(Some);
        }
        let mut progress = scene.progress();
        let entries = progress.journal.place();
        let conversation = &mut progress.conversation;
        let onward =
            if resumed { conversation.all_answered(results, entries) } else { conversation.answered(results, entries) };
        Ok(self.onward(onward?))
    }

    /// Asks the user, if a call does.
    fn ask(&self, calls: &[OpenCall], resumed: bool) -> Result<Option<Stop>, RunError> {
        let open = |call: &&OpenCall| call.result.is_none();
        let questions = calls.iter().filter(open).filter(|call| matches!(call.way, Way::User));
        let others = calls.iter().filter(open).filter(|call| !matches!(call.way, Way::User));
        let questions: Vec<_> = questions.map(|call| call.call.clone()).collect();
        let Some(question) = questions.first().cloned() else { return Ok(None) };
        let pending: Vec<_> = questions.into_iter().chain(others.map(|call| call.call.clone())).collect();
        let results = results(calls);
        let mut progress = self.scene.progress();
        let same = |entry| match entry {
            Entry::Asked { call } => (call.id == question.id).then_some(()),
            _ => None,
        };
        if self.scene.replay(&mut progress, "asked the user", same)?.is_none() {
            self.scene.append(&mut progress, Entry::Asked { call: question.clone() })?;
        }
        let entries = progress.journal.place();
        if resumed {
            progress.conversation.resumed(&pending, &results)?;
        }
        progress.conversation.asked(&pending, &results, entries)?;
        Ok(Some(Stop::Asks(question)))
    }

    /// Asks the model for the final text, without tools.
    async fn conclude(&self, results: Vec<ToolResult>) -> Result<Stop, Halted> {
        let messages = self.scene.progress().conversation.checkpoint.messages.clone();
        let question = Question { messages, tools: Vec::new(), response_schema: None, digest: None, is_result: true };
        match self.scene.generate(self.model, question).await? {
            Generated { reply: Ok(generation), .. } => self.complete(&generation.text(), Some(results)),
            Generated { reply: Err(error), exhausted } => self.not_generated(&error, exhausted),
        }
    }

    fn complete(&self, text: &str, results: Option<Vec<ToolResult>>) -> Result<Stop, Halted> {
        let mut progress = self.scene.progress();
        let entries = self.scene.record_end(&mut progress, &Ok(text.to_owned()))?;
        progress.conversation.completed(text, results, entries)?;
        Ok(Stop::Completed(text.to_owned()))
    }

    /// The model did not reply: the run fails.
    fn not_generated(&self, error: &ModelError, exhausted: bool) -> Result<Stop, Halted> {
        let message = error.to_string();
        if exhausted {
            return self.fail(MAX_RETRIES, exceeded(self.scene.job.settings.max_retries, &message));
        }
        let name = match error {
            ModelError::ContextExceeded { .. } => "ContextExceeded",
            ModelError::LimitExceeded { .. } => "MaxTokensExceeded",
            ModelError::Transient { .. } | ModelError::Fatal { .. } | ModelError::NotAsked { .. } => "ModelError",
        };
        self.fail(name, message)
    }

    /// The model said nothing: it is told so.
    fn said_nothing(&self) -> Result<Option<Stop>, Halted> {
        const NOTHING: &str = "No tool call or text generated";
        let max_retries = self.scene.job.settings.max_retries;
        let reason = json!({
            "error": format!("Error: {NOTHING}"),
            "message": "Call a tool, or answer with text.",
        });
        let retries = self.scene.retries();
        let onward = {
            let mut progress = self.scene.progress();
            let entries = progress.journal.place();
            let conversation = &mut progress.conversation;
            conversation.retry(&reason.to_string(), vec![user_message(&reason.to_string())?])?;
            if retries + 1 >= max_retries {
                conversation.skip_step();
                None
            } else {
                Some(conversation.end_step(entries)?)
            }
        };
        match onward {
            Some(onward) => Ok(self.onward(onward)),
            None => self.fail(MAX_RETRIES, exceeded(max_retries, NOTHING)).map(Some),
        }
    }

    fn fail(&self, name: &str, message: String) -> Result<Stop, Halted> {
        let mut progress = self.scene.progress();
        let entries = progress.journal.place();
        progress.conversation.failed(name, &message, entries)?;
        Ok(Stop::Failed(message))
    }

    fn onward(&self, onward: Onward) -> Option<Stop> {
        (onward == Onward::MaxSteps).then(|| Stop::MaxSteps(self.scene.job.settings.max_steps))
    }
}

fn exceeded(max_retries: u64, reason: &str) -> String {
    format!("Max retries ({max_retries}) exceeded: {reason}")
}

fn is_completion(call: &OpenCall) -> bool {
    call.call.tool_name == ATTEMPT_COMPLETION && matches!(call.way, Way::Skill(_))
}

/// The answer to the Expert's saying that it is done.
fn completion(calls: &[OpenCall]) -> Option<&ToolResult> {
    calls.iter().find(|call| is_completion(call))?.result.as_ref()
}

/// Whether nothing is left to do.
fn is_accepted(done: &ToolResult) -> bool {
    let remaining = done.result.iter().any(|part| match part {
        Part::TextPart { text, .. } => {
            let answer: Value = serde_json::from_str(text).unwrap_or_default();
            answer.get("remainingTodos").and_then(Value::as_array).is_some_and(|todos| !todos.is_empty())
        }
        _ => false,
    });
    done.is_error != Some(true) && !remaining
}
