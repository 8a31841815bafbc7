//! Tools that an Expert's logic calls, side by side.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use perstack_core::{CallContext, Content, RuntimeEvent, StateChange, StateChanges, ToolCall, ToolError, ToolOutput};
use perstack_sandbox::{LogicToolCall, LogicToolResult};
use perstack_store::Commit;
use serde_json::Value;

use crate::conversation::Onward;
use crate::error::RunError;
use crate::journal::{Entry, Record};
use crate::request::Stop;
use crate::scene::{Halted, Progress, Scene};

/// Characters of a tool call's identifier, in the sense of Perstack.
const MAX_CALL_ID: usize = 255;
/// What a call is said to belong to when no skill has its tool.
const NO_SKILL: &str = "(none)";

impl Scene {
    pub(crate) async fn call_all(&self, calls: Vec<LogicToolCall>) -> Result<Vec<LogicToolResult>, Halted> {
        let mut seen = BTreeSet::new();
        let (calls, refusals): (Vec<ToolCall>, Vec<Option<String>>) =
            calls.into_iter().map(|call| self.checked(call, &mut seen)).unzip();
        let mut answers: Vec<Option<Answered>> = Vec::new();
        answers.resize_with(calls.len(), || None);
        let (entry, recorded) = self.begin_calls(&mut self.progress(), &calls)?;
        for Recorded { entry, index, answer, state } in recorded {
            self.reapply(&self.skill_state(&calls[index].skill_name), &state, entry).await?;
            answers[index] = Some(answer);
        }
        let open = answers.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(index, _)| index);
        let open: Vec<usize> = open.collect();
        let done = open.iter().map(|index| self.call(*index, &calls[*index], refusals[*index].clone()));
        for (index, answer) in open.iter().zip(join_all(done).await) {
            answers[*index] = Some(answer?);
        }
        let answers: Vec<Answered> = answers.into_iter().flatten().collect();
        if self.is_new(entry) {
            let mut progress = self.progress();
            let entries = progress.journal.place();
            let results: Vec<_> = answers.iter().map(|answer| (answer.is_error, answer.content.clone())).collect();
            if progress.conversation.answered(&calls, &results, entries)? == Onward::MaxSteps {
                return Err(Halted::Stopped(Box::new(Stop::MaxSteps(progress.conversation.max_steps()))));
            }
        }
        let results = calls.into_iter().zip(answers).map(|(call, answer)| LogicToolResult {
            id: call.id,
            name: call.tool_name,
            is_error: answer.is_error,
            content: answer.content,
        });
        Ok(results.collect())
    }

    /// Records that the calls are made, or takes the answers that were recorded. Gives the number of the entry.
    fn begin_calls(&self, progress: &mut Progress, calls: &[ToolCall]) -> Result<(u64, Vec<Recorded>), RunError> {
        let same = |entry| match entry {
            Entry::Called { calls: recorded } => same_calls(&recorded, calls).then_some(()),
            _ => None,
        };
        let recorded = self.replay(progress, "called tools", same)?;
        let number = match recorded {
            Some((number, ())) => number,
            None => self.append(progress, Entry::Called { calls: calls.to_vec() })?,
        };
        if self.is_new(number) {
            progress.conversation.called(calls)?;
        }
        let mut answers = Vec::new();
        while let Some(Record { entry: Entry::Answered { .. }, .. }) = progress.journal.peek() {
            let Some((entry, Entry::Answered { index, is_error, content, state })) = self.recorded(progress)? else {
                break;
            };
            if index >= calls.len() {
                return Err(RunError::DamagedJournal(format!("entry {entry} answers a call that was not made")));
            }
            answers.push(Recorded { entry, index, answer: Answered { is_error, content }, state });
        }
        Ok((number, answers))
    }

    fn checked(&self, call: LogicToolCall, seen: &mut BTreeSet<String>) -> (ToolCall, Option<String>) {
        let skill = self.toolbox.set(&call.name).map(|set| set.name().to_owned());
        let arguments = serde_json::from_str::<Value>(&call.arguments);
        let refusal = if call.id.is_empty() || call.id.chars().count() > MAX_CALL_ID {
            Some(format!("a call's `id` has 1 to {MAX_CALL_ID} characters"))
        } else if !seen.insert(call.id.clone()) {
            Some(format!("two calls have the id `{}`", call.id))
        } else if self.interactive.contains_key(&call.name) {
            Some(format!("`{}` asks the user: call it with `user.ask`", call.name))
        } else if skill.is_none() {
            Some(format!("there is no tool `{}`", call.name))
        } else {
            match &arguments {
                Err(error) => Some(format!("the arguments are not JSON: {error}")),
                Ok(arguments) => {
                    self.toolbox.check(&call.name, arguments).err().map(|error| format!("invalid arguments: {error}"))
                }
            }
        };
        let call = ToolCall {
            id: call.id,
            skill_name: skill.unwrap_or_else(|| NO_SKILL.to_owned()),
            tool_name: call.name,
            args: arguments.unwrap_or(Value::String(call.arguments)),
        };
        (call, refusal)
    }

    /// Calls one tool for real, and keeps its answer.
    async fn call(&self, index: usize, call: &ToolCall, refusal: Option<String>) -> Result<Answered, RunError> {
        let set = self.toolbox.set(&call.tool_name).filter(|_| refusal.is_none());
        let Some(set) = set else {
            let text = refusal.unwrap_or_else(|| format!("there is no tool `{}`", call.tool_name));
            let answer = Answered { is_error: true, content: vec![Content::Text { text }] };
            let mut progress = self.progress();
            self.append(&mut progress, answer.entry(index, Vec::new()))?;
            return Ok(answer);
        };
        let state = Arc::new(self.skill_state(set.name()));
        let context = CallContext {
            job_id: self.recorder.job_id().clone(),
            run_id: self.run_id.clone(),
            tool_call_id: call.id.clone(),
            expert_key: self.expert_key.clone(),
            state: state.clone(),
            observer: self.recorder.clone(),
        };
        let outcome = set.call(&call.tool_name, &call.args, context).await;
        if !outcome.log.text.is_empty() {
            let message = outcome.log.text.clone();
            self.recorder.runtime(RuntimeEvent::SkillStderr { skill_name: set.name().to_owned(), message })?;
        }
        let answer = Answered::from(outcome.result);
        let changes = outcome.state_changes;
        let entry = {
            let mut progress = self.progress();
            self.append(&mut progress, answer.entry(index, changes.clone()))?
        };
        self.state.apply(&state.guest, &changes);
        state.access.apply(&changes, Commit { run_id: &self.run_id, entry })?;
        drop(outcome.state_guard);
        Ok(answer)
    }
}

/// Calls are the same if the logic made them so. Which skill had the tool, the logic does not know.
fn same_calls(recorded: &[ToolCall], made: &[ToolCall]) -> bool {
    let same = |(left, right): (&ToolCall, &ToolCall)| {
        left.id == right.id && left.tool_name == right.tool_name && left.args == right.args
    };
    recorded.len() == made.len() && recorded.iter().zip(made).all(same)
}

/// An answer that was recorded before the process was killed.
struct Recorded {
    entry: u64,
    index: usize,
    answer: Answered,
    state: StateChanges,
}

/// The answer to one call.
#[derive(Clone, Debug)]
struct Answered {
    is_error: bool,
    content: Vec<Content>,
}

impl Answered {
    fn entry(&self, index: usize, state: Vec<StateChange>) -> Entry {
        Entry::Answered { index, is_error: self.is_error, content: self.content.clone(), state }
    }
}

impl From<Result<ToolOutput, ToolError>> for Answered {
    fn from(result: Result<ToolOutput, ToolError>) -> Self {
        match result {
            Ok(ToolOutput { content, structured }) => {
                let content = match structured {
                    Some(structured) if content.is_empty() => vec![Content::Text { text: structured.to_string() }],
                    _ => content,
                };
                Self { is_error: false, content }
            }
            Err(error) => Self { is_error: true, content: vec![Content::Text { text: error.to_string() }] },
        }
    }
}
