//! The host of an Expert's own logic: what the sandbox talks to. The model and other Experts are in `logic_model.rs` and
//! `delegation.rs`, calls of tools in `calls.rs`, state in `own_state.rs`, time in `clock.rs`.

use std::sync::Arc;

use perstack_core::{Generation, Scope, StateChange, StateError, ToolCall, ToolDefinition};
use perstack_sandbox::{
    Answer, AskError, LogicDelegation, LogicHost, LogicModelError, LogicRequest, LogicToolCall, LogicToolResult,
};
use serde_json::{Value, json};

use crate::calls::{Answered, CallIds, OpenCall, Way, results};
use crate::conversation::Onward;
use crate::error::RunError;
use crate::journal::Entry;
use crate::parts::reply;
use crate::recorder::new_id;
use crate::request::Stop;
use crate::scene::{Halted, Scene};
use crate::toolbox::Kind;

/// What the sandbox talks to.
pub(crate) struct SceneHost(pub(crate) Arc<Scene>);

#[async_trait::async_trait]
impl LogicHost for SceneHost {
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>> {
        self.0.refresh_tools().await;
        self.0.answer(self.0.list_tools())
    }

    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>> {
        self.0.refresh_tools().await;
        let results = self.0.call_tools(calls).await;
        self.0.answer(results)
    }

    async fn generate(&mut self, request: LogicRequest) -> Answer<Result<Generation, LogicModelError>> {
        let reply = self.0.ask_own_model(request).await;
        self.0.answer(reply)
    }

    async fn list_delegates(&mut self) -> Answer<Vec<(String, String)>> {
        self.0.answer(self.0.list_delegates())
    }

    async fn run_delegates(&mut self, delegations: Vec<LogicDelegation>) -> Answer<Vec<Result<String, String>>> {
        let answers = self.0.run_delegates(delegations).await;
        self.0.answer(answers)
    }

    async fn ask(&mut self, tool_name: String, arguments: String) -> Answer<Result<String, AskError>> {
        self.0.answer(self.0.ask(tool_name, &arguments))
    }

    async fn say(&mut self, text: String) -> Answer<()> {
        self.0.answer(self.0.say(text))
    }

    async fn state_get(&mut self, scope: Scope, key: String) -> Answer<Result<Option<Vec<u8>>, StateError>> {
        let answer = self.0.state_get(scope, key).await;
        self.0.answer(answer)
    }

    async fn state_set(&mut self, scope: Scope, key: String, value: Option<Vec<u8>>) -> Answer<Result<(), StateError>> {
        let answer = self.0.state_set(StateChange { scope, key, value: value.map(Into::into) }).await;
        self.0.answer(answer)
    }

    async fn state_keys(&mut self, scope: Scope) -> Answer<Result<Vec<String>, StateError>> {
        let answer = self.0.state_keys(scope).await;
        self.0.answer(answer)
    }
}

impl Scene {
    async fn call_tools(&self, calls: Vec<LogicToolCall>) -> Result<Vec<LogicToolResult>, Halted> {
        let mut ids = CallIds::default();
        let calls = calls.into_iter().map(|call| {
            let refusal = ids.refuse(&call.id);
            let arguments = serde_json::from_str(&call.arguments).map_err(|_| call.arguments);
            let mut open = self.open_call(call.id, call.name, arguments);
            if let Some(refusal) = refusal {
                open.way = Way::Refused(refusal);
            } else if matches!(open.way, Way::User) {
                open.way = Way::Refused(format!("`{}` asks the user: call it with `user.ask`", open.call.tool_name));
            }
            open
        });
        let calls = self.answered(calls.collect()).await?;
        let results = calls.into_iter().map(|call| {
            let Answered { is_error, content } = call.answer.unwrap_or_else(|| Answered::error("no answer".into()));
            LogicToolResult { id: call.call.id, name: call.call.tool_name, is_error, content }
        });
        Ok(results.collect())
    }

    fn list_delegates(&self) -> Result<Vec<(String, String)>, RunError> {
        let mut progress = self.progress();
        let same = |entry| match entry {
            Entry::ListedDelegates { delegates } => Some(delegates),
            _ => None,
        };
        if let Some((_, delegates)) = self.replay(&mut progress, "listed its delegates", same)? {
            return Ok(delegates);
        }
        let delegates = self.expert.toolbox.delegates();
        let delegates: Vec<_> = delegates.map(|(key, tool)| (key.to_owned(), tool.description.clone())).collect();
        self.append(&mut progress, Entry::ListedDelegates { delegates: delegates.clone() })?;
        Ok(delegates)
    }

    async fn run_delegates(&self, delegations: Vec<LogicDelegation>) -> Result<Vec<Result<String, String>>, Halted> {
        let calls = delegations.into_iter().enumerate().map(|(number, delegation)| {
            let LogicDelegation { expert_key, query } = delegation;
            let tool = self.expert.toolbox.delegates().find(|(key, _)| *key == expert_key);
            let id = format!("delegate-{number}");
            match tool {
                Some((_, tool)) => self.open_call(id, tool.name.clone(), Ok(json!({ "query": query }))),
                None => {
                    let mut call = self.open_call(id, expert_key.clone(), Ok(json!({ "query": query })));
                    call.way = Way::Refused(format!("`{expert_key}` is not a delegate of this Expert"));
                    call
                }
            }
        });
        let calls = self.answered(calls.collect()).await?;
        let answers = calls.into_iter().map(|call| {
            let Answered { is_error, content } = call.answer.unwrap_or_else(|| Answered::error("no answer".into()));
            let text = content.into_iter().map(|part| match part {
                perstack_core::Content::Text { text } => text,
                _ => String::new(),
            });
            let text: String = text.collect();
            if is_error { Err(text) } else { Ok(text) }
        });
        Ok(answers.collect())
    }

    /// Makes calls, and ends the step with their answers.
    async fn answered(&self, mut calls: Vec<OpenCall>) -> Result<Vec<OpenCall>, Halted> {
        let resumed = self.make_calls(&mut calls, |_| false).await?;
        let mut progress = self.progress();
        let entries = progress.journal.place();
        if self.is_new(entries) {
            let conversation = &mut progress.conversation;
            let results = results(&calls);
            let onward = if resumed {
                conversation.all_answered(results, entries)
            } else {
                conversation.answered(results, entries)
            };
            self.onward(onward?)?;
        }
        Ok(calls)
    }

    /// Stops the run where the job's steps are used up.
    pub(crate) fn onward(&self, onward: Onward) -> Result<(), Halted> {
        match onward {
            Onward::Proceed => Ok(()),
            Onward::MaxSteps => Err(Halted::Stopped(Box::new(Stop::MaxSteps(self.job.settings.max_steps)))),
        }
    }

    fn ask(&self, tool_name: String, arguments: &str) -> Result<Result<String, AskError>, Halted> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let refusal = match self.expert.toolbox.kind(&tool_name) {
            Some(Kind::Interactive) if self.rank.is_coordinator() => None,
            Some(Kind::Interactive) => Some(AskError::NotCoordinator),
            _ => Some(AskError::UnknownTool(tool_name.clone())),
        };
        if let Some(refusal) = refusal {
            let same = |entry| match entry {
                Entry::AskRefused { tool_name: recorded } => (recorded == tool_name).then_some(()),
                _ => None,
            };
            if self.replay(progress, "asked through an unknown tool", same)?.is_none() {
                self.append(progress, Entry::AskRefused { tool_name })?;
            }
            return Ok(Err(refusal));
        }
        let args: Value = serde_json::from_str(arguments)
            .map_err(|error| Halted::Refused(format!("the arguments of `{tool_name}` are not JSON: {error}")))?;
        let same = |entry| match entry {
            Entry::Asked { call } => (call.tool_name == tool_name && call.args == args).then_some(call),
            _ => None,
        };
        let (entry, call) = match self.replay(progress, "asked the user", same)? {
            Some(recorded) => recorded,
            None => {
                let skill_name = self.expert.toolbox.skill(&tool_name).to_owned();
                let call = ToolCall { id: new_id()?.to_string(), skill_name, tool_name, args: args.clone() };
                (self.append(progress, Entry::Asked { call: call.clone() })?, call)
            }
        };
        if self.is_new(entry) {
            let calls = std::slice::from_ref(&call);
            progress.conversation.called(calls)?;
            progress.conversation.asked(calls, &[], entry)?;
        }
        let same = |entry| match entry {
            Entry::Replied { text } => Some(text),
            _ => None,
        };
        match self.replay(progress, "went on", same)? {
            Some((entry, text)) => {
                if self.is_new(entry) {
                    let onward = progress.conversation.all_answered(vec![reply(&call, &text)?], entry)?;
                    self.onward(onward)?;
                }
                Ok(Ok(text))
            }
            None => Err(Halted::Stopped(Box::new(Stop::Asks(call)))),
        }
    }

    fn say(&self, text: String) -> Result<(), RunError> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let same = |entry| match entry {
            Entry::Said { text: recorded } => (recorded == text).then_some(()),
            _ => None,
        };
        let entry = match self.replay(progress, "said something", same)? {
            Some((entry, ())) => entry,
            None => self.append(progress, Entry::Said { text: text.clone() })?,
        };
        if self.is_new(entry) { progress.conversation.said(&text) } else { Ok(()) }
    }

    fn list_tools(&self) -> Result<Vec<ToolDefinition>, RunError> {
        let mut progress = self.progress();
        let same = |entry| match entry {
            Entry::Listed { tools } => Some(tools),
            _ => None,
        };
        if let Some((_, tools)) = self.replay(&mut progress, "listed its tools", same)? {
            return Ok(tools);
        }
        let tools = self.toolbox().definitions(false);
        self.append(&mut progress, Entry::Listed { tools: tools.clone() })?;
        Ok(tools)
    }
}
