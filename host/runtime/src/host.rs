//! The host of an Expert's own logic: what the sandbox talks to. Calls of tools are in `calls.rs`, state in
//! `own_state.rs`, time in `clock.rs`.

use std::sync::Arc;

use perstack_core::{Scope, StateChange, StateError, ToolCall, ToolDefinition};
use perstack_sandbox::{Answer, AskError, LogicHost, LogicToolCall, LogicToolResult};
use serde_json::Value;

use crate::error::RunError;
use crate::journal::Entry;
use crate::recorder::new_id;
use crate::request::Stop;
use crate::scene::{Halted, Scene};

/// What the sandbox talks to.
pub(crate) struct SceneHost(pub(crate) Arc<Scene>);

#[async_trait::async_trait]
impl LogicHost for SceneHost {
    async fn list_tools(&mut self) -> Answer<Vec<ToolDefinition>> {
        self.0.answer(self.0.list_tools())
    }

    async fn call_tools(&mut self, calls: Vec<LogicToolCall>) -> Answer<Vec<LogicToolResult>> {
        let results = self.0.call_all(calls).await;
        self.0.answer(results)
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
    fn ask(&self, tool_name: String, arguments: &str) -> Result<Result<String, AskError>, Halted> {
        let mut progress = self.progress();
        let progress = &mut *progress;
        let Some(skill_name) = self.interactive.get(&tool_name) else {
            let same = |entry| match entry {
                Entry::AskRefused { tool_name: recorded } => (recorded == tool_name).then_some(()),
                _ => None,
            };
            if self.replay(progress, "asked through an unknown tool", same)?.is_none() {
                self.append(progress, Entry::AskRefused { tool_name: tool_name.clone() })?;
            }
            return Ok(Err(AskError::UnknownTool(tool_name)));
        };
        let args: Value = serde_json::from_str(arguments)
            .map_err(|error| Halted::Refused(format!("the arguments of `{tool_name}` are not JSON: {error}")))?;
        let same = |entry| match entry {
            Entry::Asked { call } => (call.tool_name == tool_name && call.args == args).then_some(call),
            _ => None,
        };
        let (entry, call) = match self.replay(progress, "asked the user", same)? {
            Some(recorded) => recorded,
            None => {
                let id = new_id()?.to_string();
                let call = ToolCall { id, skill_name: skill_name.clone(), tool_name, args: args.clone() };
                (self.append(progress, Entry::Asked { call: call.clone() })?, call)
            }
        };
        if self.is_new(entry) {
            progress.conversation.asked(&call, entry)?;
        }
        let same = |entry| match entry {
            Entry::Replied { text } => Some(text),
            _ => None,
        };
        match self.replay(progress, "went on", same)? {
            Some((entry, text)) => {
                if self.is_new(entry) {
                    progress.conversation.replied(&call, &text, entry)?;
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
        let tools = self.toolbox.definitions();
        self.append(&mut progress, Entry::Listed { tools: tools.clone() })?;
        Ok(tools)
    }
}
