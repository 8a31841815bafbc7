//! The host of a component: the imports, with the contract's types turned into ours and back.

use crate::__private::bindings::expert::perstack::plugin::{
    delegates as wit_delegates, model as wit_model, toolbox as wit_toolbox, user as wit_user,
};
use crate::__private::bindings::skill::perstack::plugin::{
    call_context as wit_context, progress as wit_progress, state as wit_state, types as wit,
};
use crate::context::Context;
use crate::definition::{Hints, ToolDefinition};
use crate::delegates::{Delegate, Delegation};
use crate::model::{self, Generation, Message, Reply, Request, StopReason, Usage};
use crate::output::{Blob, Content, WorkspaceFile};
use crate::state::{self, Scope};
use crate::tools::{ToolCall, ToolResult};
use crate::user::AskError;

pub(crate) fn get_state(scope: Scope, key: &str) -> Result<Option<Vec<u8>>, state::Error> {
    wit_state::get(scope.into(), key).map_err(Into::into)
}

pub(crate) fn set_state(scope: Scope, key: &str, value: &[u8]) -> Result<(), state::Error> {
    wit_state::set(scope.into(), key, value).map_err(Into::into)
}

pub(crate) fn delete_state(scope: Scope, key: &str) -> Result<(), state::Error> {
    wit_state::delete(scope.into(), key).map_err(Into::into)
}

pub(crate) fn list_state_keys(scope: Scope) -> Result<Vec<String>, state::Error> {
    wit_state::list_keys(scope.into()).map_err(Into::into)
}

pub(crate) fn report_progress(message: &str, fraction: Option<f32>) {
    wit_progress::report(message, fraction);
}

pub(crate) fn context() -> Context {
    let context = wit_context::get();
    Context {
        job_id: context.job_id,
        run_id: context.run_id,
        tool_call_id: context.tool_call_id,
        expert_key: context.expert_key,
        skill_name: context.skill_name,
    }
}

pub(crate) fn list_tools() -> Vec<ToolDefinition> {
    wit_toolbox::list_tools().into_iter().map(Into::into).collect()
}

pub(crate) fn call_tools(calls: Vec<ToolCall>) -> Vec<ToolResult> {
    let calls: Vec<_> = calls.into_iter().map(Into::into).collect();
    wit_toolbox::call_tools(&calls).into_iter().map(Into::into).collect()
}

pub(crate) fn ask(tool_name: &str, arguments: &str) -> Result<String, AskError> {
    wit_user::ask(tool_name, arguments).map_err(|error| match error {
        wit_user::Error::NotCoordinator => AskError::NotCoordinator,
        wit_user::Error::UnknownTool(name) => AskError::UnknownTool(name),
    })
}

pub(crate) fn say(text: &str) {
    wit_user::say(text);
}

pub(crate) fn generate(request: &Request) -> Result<Generation, model::Error> {
    let request = wit_model::Request {
        messages: request.messages.iter().cloned().map(Into::into).collect(),
        tools: request.tools.clone(),
        response_schema: request.response_schema.clone(),
    };
    wit_model::generate(&request).map(Into::into).map_err(|error| match error {
        wit_model::Error::NoModel => model::Error::NoModel,
        wit_model::Error::ContextExceeded(reason) => model::Error::ContextExceeded(reason),
        wit_model::Error::Provider(reason) => model::Error::Provider(reason),
        wit_model::Error::LimitExceeded(reason) => model::Error::LimitExceeded(reason),
    })
}

pub(crate) fn list_delegates() -> Vec<Delegate> {
    let ours = |delegate: wit_delegates::Delegate| Delegate {
        expert_key: delegate.expert_key,
        description: delegate.description,
    };
    wit_delegates::list_delegates().into_iter().map(ours).collect()
}

pub(crate) fn run_delegates(delegations: Vec<Delegation>) -> Vec<Result<String, String>> {
    let theirs = |delegation: Delegation| wit_delegates::Delegation {
        expert_key: delegation.expert_key,
        query: delegation.query,
    };
    let delegations: Vec<_> = delegations.into_iter().map(theirs).collect();
    wit_delegates::run_delegates(&delegations)
}

impl From<Scope> for wit_state::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Run => Self::Run,
            Scope::Job => Self::Job,
            Scope::Workspace => Self::Workspace,
        }
    }
}

impl From<wit_state::Error> for state::Error {
    fn from(error: wit_state::Error) -> Self {
        match error {
            wit_state::Error::QuotaExceeded => Self::QuotaExceeded,
            wit_state::Error::Other(reason) => Self::Other(reason),
        }
    }
}

impl From<Content> for wit::Content {
    fn from(content: Content) -> Self {
        let theirs = |blob: Blob| wit::Blob { media_type: blob.media_type, data: blob.data };
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Image(blob) => Self::Image(theirs(blob)),
            Content::File(blob) => Self::File(theirs(blob)),
            Content::WorkspaceFile(WorkspaceFile { path, media_type }) => {
                Self::WorkspaceFile(wit::WorkspaceFile { path, media_type })
            }
        }
    }
}

impl From<wit::Content> for Content {
    fn from(content: wit::Content) -> Self {
        let ours = |blob: wit::Blob| Blob { media_type: blob.media_type, data: blob.data };
        match content {
            wit::Content::Text(text) => Self::Text(text),
            wit::Content::Image(blob) => Self::Image(ours(blob)),
            wit::Content::File(blob) => Self::File(ours(blob)),
            wit::Content::WorkspaceFile(wit::WorkspaceFile { path, media_type }) => {
                Self::WorkspaceFile(WorkspaceFile { path, media_type })
            }
        }
    }
}

impl From<wit::ToolDefinition> for ToolDefinition {
    fn from(tool: wit::ToolDefinition) -> Self {
        let has = |hint| tool.hints & hint == hint;
        Self {
            name: tool.name,
            title: tool.title,
            description: tool.description,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            hints: Hints {
                read_only: has(wit::ToolHints::READ_ONLY),
                destructive: has(wit::ToolHints::DESTRUCTIVE),
                idempotent: has(wit::ToolHints::IDEMPOTENT),
                open_world: has(wit::ToolHints::OPEN_WORLD),
            },
        }
    }
}

impl From<ToolCall> for wit_model::ToolCall {
    fn from(call: ToolCall) -> Self {
        Self { id: call.id, name: call.name, arguments: call.arguments }
    }
}

impl From<wit_model::ToolCall> for ToolCall {
    fn from(call: wit_model::ToolCall) -> Self {
        Self { id: call.id, name: call.name, arguments: call.arguments }
    }
}

impl From<ToolResult> for wit_model::ToolResult {
    fn from(result: ToolResult) -> Self {
        Self {
            tool_call_id: result.tool_call_id,
            tool_name: result.tool_name,
            is_error: result.is_error,
            content: result.content.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wit_model::ToolResult> for ToolResult {
    fn from(result: wit_model::ToolResult) -> Self {
        Self {
            tool_call_id: result.tool_call_id,
            tool_name: result.tool_name,
            is_error: result.is_error,
            content: result.content.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Message> for wit_model::Message {
    fn from(message: Message) -> Self {
        match message {
            Message::Instruction(text) => Self::Instruction(text),
            Message::User(content) => Self::User(content.into_iter().map(Into::into).collect()),
            Message::Expert(reply) => Self::Expert(wit_model::Reply {
                reasoning: reply.reasoning,
                text: reply.text,
                tool_calls: reply.tool_calls.into_iter().map(Into::into).collect(),
            }),
            Message::ToolResults(results) => Self::ToolResults(results.into_iter().map(Into::into).collect()),
        }
    }
}

impl From<wit_model::Generation> for Generation {
    fn from(generation: wit_model::Generation) -> Self {
        let wit_model::Generation { reply, stop_reason, usage } = generation;
        Self {
            reply: Reply {
                reasoning: reply.reasoning,
                text: reply.text,
                tool_calls: reply.tool_calls.into_iter().map(Into::into).collect(),
            },
            stop_reason: match stop_reason {
                wit_model::StopReason::EndTurn => StopReason::EndTurn,
                wit_model::StopReason::ToolCalls => StopReason::ToolCalls,
                wit_model::StopReason::MaxTokens => StopReason::MaxTokens,
                wit_model::StopReason::Refusal => StopReason::Refusal,
            },
            usage: Usage {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                reasoning_tokens: usage.reasoning_tokens,
                cached_input_tokens: usage.cached_input_tokens,
            },
        }
    }
}
