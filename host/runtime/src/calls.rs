//! Calls of tools: looked up, checked, made side by side, and recorded before anyone sees an answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use perstack_core::{
    CallContext, Content, RuntimeEvent, StateChange, StateChanges, ToolCall, ToolError, ToolOutput, ToolResult, ToolSet,
};
use perstack_store::Commit;
use serde_json::Value;

use crate::error::RunError;
use crate::journal::{Entry, Record};
use crate::parts;
use crate::scene::{Halted, Scene};
use crate::toolbox::Kind;

/// Characters of a tool call's identifier, in the sense of Perstack.
const MAX_CALL_ID: usize = 255;

/// One call of a step, with its answer once it has one.
pub(crate) struct OpenCall {
    pub(crate) call: ToolCall,
    pub(crate) way: Way,
    pub(crate) answer: Option<Answered>,
    pub(crate) result: Option<ToolResult>,
}

/// Who answers a call.
#[derive(Clone)]
pub(crate) enum Way {
    Skill(Arc<dyn ToolSet>),
    Delegate {
        expert_key: String,
        query: String,
    },
    User,
    /// Nobody, for this reason.
    Refused(String),
}

/// The answer to one call.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) is_error: bool,
    pub(crate) content: Vec<Content>,
}

impl OpenCall {
    /// Whether it has no answer yet, and a skill has to give it.
    fn waits_for_skill(&self) -> bool {
        self.result.is_none() && matches!(self.way, Way::Skill(_) | Way::Refused(_))
    }

    pub(crate) fn settle(&mut self, answer: Answered) -> Result<(), RunError> {
        self.result = Some(parts::result(&self.call, answer.is_error, &answer.content)?);
        self.answer = Some(answer);
        Ok(())
    }
}

/// The results that there are, in the order of the calls.
pub(crate) fn results(calls: &[OpenCall]) -> Vec<ToolResult> {
    calls.iter().filter_map(|call| call.result.clone()).collect()
}

/// The calls themselves.
pub(crate) fn made(calls: &[OpenCall]) -> Vec<ToolCall> {
    calls.iter().map(|call| call.call.clone()).collect()
}

/// What is checked of the identifiers of calls that are made together.
#[derive(Default)]
pub(crate) struct CallIds(BTreeSet<String>);

impl CallIds {
    /// Why a call cannot bear this identifier.
    pub(crate) fn refuse(&mut self, id: &str) -> Option<String> {
        if id.is_empty() || id.chars().count() > MAX_CALL_ID {
            Some(format!("a call's `id` has 1 to {MAX_CALL_ID} characters"))
        } else if !self.0.insert(id.to_owned()) {
            Some(format!("two calls have the id `{id}`"))
        } else {
            None
        }
    }
}

impl Scene {
    /// Looks a call up, and checks its arguments.
    pub(crate) fn open_call(&self, id: String, name: String, arguments: Result<Value, String>) -> OpenCall {
        let toolbox = self.toolbox();
        let way = match (toolbox.kind(&name), &arguments) {
            (None, _) => Way::Refused(toolbox.unknown(&name)),
            (Some(_), Err(text)) => Way::Refused(format!("the arguments are not JSON: {}", shortened(text))),
            (Some(kind), Ok(arguments)) => match toolbox.check(&name, arguments) {
                Err(refusal) => Way::Refused(refusal),
                Ok(()) => match kind {
                    Kind::Skill(set) => Way::Skill(set.clone()),
                    Kind::Interactive => Way::User,
                    Kind::Delegate(expert_key) => {
                        let query = arguments.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
                        Way::Delegate { expert_key: expert_key.clone(), query }
                    }
                },
            },
        };
        let skill_name = toolbox.skill(&name).to_owned();
        let args = arguments.unwrap_or_else(Value::String);
        OpenCall { call: ToolCall { id, skill_name, tool_name: name, args }, way, answer: None, result: None }
    }

    /// Makes calls: those of skills side by side, then those of other Experts. What the user is asked stays open, and what
    /// comes `last`. True if the run stopped for other Experts in between.
    pub(crate) async fn make_calls(
        &self,
        calls: &mut [OpenCall],
        last: impl Fn(&OpenCall) -> bool,
    ) -> Result<bool, Halted> {
        let entry = self.begin_calls(calls)?;
        if self.is_new(entry) {
            self.progress().conversation.called(&made(calls))?;
        }
        self.take_recorded(calls).await?;
        self.call_skills(calls, |call| !last(call)).await?;
        self.call_delegates(calls).await
    }

    /// Records that the calls are made, or finds that they were. Gives the number of the entry.
    fn begin_calls(&self, calls: &[OpenCall]) -> Result<u64, RunError> {
        let calls = made(calls);
        let mut progress = self.progress();
        let same = |entry| match entry {
            Entry::Called { calls: recorded } => same_calls(&recorded, &calls).then_some(()),
            _ => None,
        };
        match self.replay(&mut progress, "called tools", same)? {
            Some((number, ())) => Ok(number),
            None => self.append(&mut progress, Entry::Called { calls }),
        }
    }

    /// Takes the answers that were recorded before the process was killed.
    pub(crate) async fn take_recorded(&self, calls: &mut [OpenCall]) -> Result<(), RunError> {
        while let Some(Recorded { entry, index, answer, state }) = self.next_answer()? {
            let Some(call) = calls.get_mut(index) else {
                return Err(RunError::DamagedJournal(format!("entry {entry} answers a call that was not made")));
            };
            self.reapply(&self.skill_state(&call.call.skill_name), &state, entry).await?;
            if self.is_new(entry) {
                // There was room when it was recorded; what comes after it has less.
                parts::has_room(&self.files, &answer.content);
            }
            call.settle(answer)?;
        }
        Ok(())
    }

    fn next_answer(&self) -> Result<Option<Recorded>, RunError> {
        let mut progress = self.progress();
        if !matches!(progress.journal.peek(), Some(Record { entry: Entry::Answered { .. }, .. })) {
            return Ok(None);
        }
        Ok(match self.recorded(&mut progress)? {
            Some((entry, Entry::Answered { index, is_error, content, state })) => {
                Some(Recorded { entry, index, answer: Answered { is_error, content }, state })
            }
            _ => None,
        })
    }

    /// Makes the calls of skills that have no answer yet, side by side.
    pub(crate) async fn call_skills(
        &self,
        calls: &mut [OpenCall],
        which: impl Fn(&OpenCall) -> bool,
    ) -> Result<(), RunError> {
        let open: Vec<usize> =
            (0..calls.len()).filter(|index| calls[*index].waits_for_skill() && which(&calls[*index])).collect();
        let answers = join_all(open.iter().map(|index| self.call_skill(*index, &calls[*index]))).await;
        for (index, answer) in open.into_iter().zip(answers) {
            calls[index].settle(answer?)?;
        }
        Ok(())
    }

    /// Calls one tool for real, and keeps its answer.
    async fn call_skill(&self, index: usize, open: &OpenCall) -> Result<Answered, RunError> {
        let call = &open.call;
        let set = match &open.way {
            Way::Skill(set) => set,
            Way::Refused(text) => return self.refuse(index, text.clone()),
            Way::Delegate { .. } | Way::User => return self.refuse(index, format!("`{}` is no skill", call.tool_name)),
        };
        let state = Arc::new(self.skill_state(set.name()));
        let recorder = self.recorder();
        let context = CallContext {
            job_id: recorder.job_id().clone(),
            run_id: self.run_id.clone(),
            tool_call_id: call.id.clone(),
            expert_key: self.expert.config.key.clone(),
            state: state.clone(),
            observer: recorder.clone(),
        };
        let outcome = set.call(&call.tool_name, &call.args, context).await;
        if !outcome.log.text.is_empty() {
            let message = outcome.log.text.clone();
            recorder.runtime(RuntimeEvent::SkillStderr { skill_name: set.name().to_owned(), message })?;
        }
        let mut answer = Answered::from(outcome.result);
        if !parts::has_room(&self.files, &answer.content) {
            answer = Answered::error("no more images and files fit into this conversation".to_owned());
        }
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

    fn refuse(&self, index: usize, text: String) -> Result<Answered, RunError> {
        let answer = Answered::error(text);
        self.append(&mut self.progress(), answer.entry(index, Vec::new()))?;
        Ok(answer)
    }
}

/// Calls are the same if the Expert made them so. Which skill had the tool, it does not know.
fn same_calls(recorded: &[ToolCall], made: &[ToolCall]) -> bool {
    let same = |(left, right): (&ToolCall, &ToolCall)| {
        left.id == right.id && left.tool_name == right.tool_name && left.args == right.args
    };
    recorded.len() == made.len() && recorded.iter().zip(made).all(same)
}

/// The beginning of a text, for a message.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    text.chars().take(SHOWN).collect()
}

/// An answer that was recorded before the process was killed.
struct Recorded {
    entry: u64,
    index: usize,
    answer: Answered,
    state: StateChanges,
}

impl Answered {
    pub(crate) fn text(text: String) -> Self {
        Self { is_error: false, content: vec![Content::Text { text }] }
    }

    pub(crate) fn error(text: String) -> Self {
        Self { is_error: true, content: vec![Content::Text { text }] }
    }

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
            Err(error) => Self::error(error.to_string()),
        }
    }
}
