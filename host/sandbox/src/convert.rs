//! From the contract's types to ours and back. What comes from a guest is checked here: JSON parses, names fit, a
//! result is within its limit.

use std::collections::BTreeSet;

use perstack_core::{
    Content, GeneratedPart, Generation, Hints, Limits, StopReason, ToolDefinition, ToolError, ToolOutput, Usage,
};
use serde_json::Value;

use crate::bindings::expert::perstack::plugin::model;
use crate::bindings::types;
use crate::capability::{ContentsError, OpenGrants};
use crate::error::{Ended, printable};
use crate::logic_host::{LogicMessage, LogicToolCall, LogicToolResult};

/// Tools of one skill: as many as Perstack allows.
pub(crate) const MAX_TOOLS: usize = 255;
/// Characters of a tool's name, in the sense of every model's interface.
pub(crate) const MAX_NAME: usize = 64;
/// Bytes of a tool's title: a line of a list.
const MAX_TITLE: usize = 256;
/// Bytes of a tool's description: models read it in every step.
pub(crate) const MAX_DESCRIPTION: usize = 8 << 10;
/// Bytes of a tool's schema.
pub(crate) const MAX_SCHEMA: usize = 64 << 10;
/// Parts of an answer. A part may be empty, so counting their bytes does not bound them.
const MAX_PARTS: usize = 1000;
/// Bytes of an image that the host reads for a model, and of all files together that one answer names: what Perstack
/// allows.
const MAX_IMAGE: usize = 15 << 20;
const MAX_FILES: usize = 30 << 20;
/// Bytes of a media type; RFC 6838 allows 127 for each half.
const MAX_MEDIA_TYPE: usize = 255;

/// Checks what a skill says its tools are; the error says what is wrong.
pub(crate) fn tools(listed: Vec<types::ToolDefinition>) -> Result<Vec<ToolDefinition>, String> {
    if listed.len() > MAX_TOOLS {
        return Err(format!("{} tools, more than {MAX_TOOLS}", listed.len()));
    }
    let mut names = BTreeSet::new();
    let mut tools = Vec::with_capacity(listed.len());
    for tool in listed {
        let name = tool.name;
        let fits = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !fits {
            let shown: String = name.chars().take(MAX_NAME).collect();
            return Err(format!(
                "`{}` is no tool's name: use 1 to {MAX_NAME} of `a-z A-Z 0-9 _ -`",
                shown.escape_debug()
            ));
        }
        if !names.insert(name.clone()) {
            return Err(format!("two tools are named `{name}`"));
        }
        if tool.title.as_ref().is_some_and(|title| title.len() > MAX_TITLE) {
            return Err(format!("the title of `{name}` has more than {MAX_TITLE} bytes"));
        }
        if tool.description.len() > MAX_DESCRIPTION {
            return Err(format!("the description of `{name}` has more than {MAX_DESCRIPTION} bytes"));
        }
        let input_schema = schema(&name, "input-schema", &tool.input_schema)?;
        let output_schema =
            tool.output_schema.as_deref().map(|text| schema(&name, "output-schema", text)).transpose()?;
        tools.push(ToolDefinition {
            name,
            title: tool.title,
            description: tool.description,
            input_schema,
            output_schema,
            hints: Hints {
                read_only: tool.hints.contains(types::ToolHints::READ_ONLY),
                destructive: tool.hints.contains(types::ToolHints::DESTRUCTIVE),
                idempotent: tool.hints.contains(types::ToolHints::IDEMPOTENT),
                open_world: tool.hints.contains(types::ToolHints::OPEN_WORLD),
            },
        });
    }
    Ok(tools)
}

fn schema(tool: &str, field: &str, text: &str) -> Result<Value, String> {
    if text.len() > MAX_SCHEMA {
        return Err(format!("the {field} of `{tool}` has more than {MAX_SCHEMA} bytes"));
    }
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(format!("the {field} of `{tool}` is not an object")),
        Err(error) => Err(format!("the {field} of `{tool}` is not JSON: {error}")),
    }
}

/// For an Expert that asks what tools it has.
pub(crate) fn tool_definition(tool: ToolDefinition) -> types::ToolDefinition {
    let mut hints = types::ToolHints::empty();
    for (set, flag) in [
        (tool.hints.read_only, types::ToolHints::READ_ONLY),
        (tool.hints.destructive, types::ToolHints::DESTRUCTIVE),
        (tool.hints.idempotent, types::ToolHints::IDEMPOTENT),
        (tool.hints.open_world, types::ToolHints::OPEN_WORLD),
    ] {
        if set {
            hints |= flag;
        }
    }
    types::ToolDefinition {
        name: tool.name,
        title: tool.title,
        description: tool.description,
        input_schema: tool.input_schema.to_string(),
        output_schema: tool.output_schema.map(|schema| schema.to_string()),
        hints,
    }
}

/// Takes a tool's answer, if it is within the limit and keeps to the contract. Files that it names are read under the
/// skill's grants; where that fails, the tool failed.
pub(crate) async fn output(
    output: types::ToolOutput,
    limits: &Limits,
    files: &OpenGrants,
) -> Result<Result<ToolOutput, ToolError>, Ended> {
    let parts = output.content.len();
    if parts > MAX_PARTS {
        return Err(Ended::BadAnswer(format!("its answer has {parts} parts, more than {MAX_PARTS}")));
    }
    let size: usize =
        output.content.iter().map(content_size).sum::<usize>() + output.structured.as_ref().map_or(0, String::len);
    within_output(size, limits)?;
    let structured = output.structured.as_deref().map(serde_json::from_str).transpose();
    let structured = structured.map_err(|error| Ended::BadAnswer(format!("`structured` is not JSON: {error}")))?;
    let mut content = Vec::with_capacity(parts);
    let mut left = MAX_FILES;
    for part in output.content {
        content.push(match part {
            types::Content::WorkspaceFile(file) => match workspace_file(file, files, &mut left).await? {
                Ok(file) => file,
                Err(error) => return Ok(Err(error)),
            },
            part => self::content(part)?,
        });
    }
    Ok(Ok(ToolOutput { content, structured }))
}

async fn workspace_file(
    file: types::WorkspaceFile,
    files: &OpenGrants,
    left: &mut usize,
) -> Result<Result<Content, ToolError>, Ended> {
    let media_type = media_type(file.media_type)?;
    let is_image = media_type.starts_with("image/");
    let limit = if is_image { MAX_IMAGE.min(*left) } else { *left };
    Ok(match files.read(&file.path, limit).await {
        Ok(bytes) => {
            *left -= bytes.len();
            let base64 = base64(&bytes);
            Ok(if is_image { Content::Image { media_type, base64 } } else { Content::File { media_type, base64 } })
        }
        Err(error) => {
            let text = format!("`{}` was not read: {error}", printable(&file.path));
            Err(if matches!(error, ContentsError::NotGranted) {
                ToolError::Denied(text)
            } else {
                ToolError::Failed(text)
            })
        }
    })
}

/// Takes a tool's error, if it is within the limit.
pub(crate) fn error(error: types::ToolError, limits: &Limits) -> Result<ToolError, Ended> {
    let (make, text): (fn(String) -> ToolError, String) = match error {
        types::ToolError::InvalidArguments(text) => (ToolError::InvalidArguments, text),
        types::ToolError::Denied(text) => (ToolError::Denied, text),
        types::ToolError::Failed(text) => (ToolError::Failed, text),
    };
    within_output(text.len(), limits)?;
    Ok(make(text))
}

/// Refuses an answer that is larger than it may be.
pub(crate) fn within_output(size: usize, limits: &Limits) -> Result<(), Ended> {
    if size as u64 > limits.output { Err(Ended::Output(limits.output)) } else { Ok(()) }
}

fn content_size(content: &types::Content) -> usize {
    match content {
        types::Content::Text(text) => text.len(),
        types::Content::Image(blob) | types::Content::File(blob) => blob.data.len() + blob.media_type.len(),
        types::Content::WorkspaceFile(file) => file.path.len() + file.media_type.len(),
    }
}

fn content(content: types::Content) -> Result<Content, Ended> {
    Ok(match content {
        types::Content::Text(text) => Content::Text { text },
        types::Content::Image(blob) => {
            Content::Image { media_type: media_type(blob.media_type)?, base64: base64(&blob.data) }
        }
        types::Content::File(blob) => {
            Content::File { media_type: media_type(blob.media_type)?, base64: base64(&blob.data) }
        }
        types::Content::WorkspaceFile(_) => {
            return Err(Ended::BadAnswer("it named a file of the workspace, where it is granted none".into()));
        }
    })
}

fn media_type(text: String) -> Result<String, Ended> {
    let token = |half: &str| {
        !half.is_empty() && half.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if text.len() <= MAX_MEDIA_TYPE && token(kind) && token(subtype) => Ok(text),
        _ => Err(Ended::BadAnswer("a media type is not of the form `type/subtype`".into())),
    }
}

/// For an Expert that called a tool.
pub(crate) fn tool_result(result: LogicToolResult) -> Result<model::ToolResult, Ended> {
    Ok(model::ToolResult {
        tool_call_id: result.id,
        tool_name: result.name,
        is_error: result.is_error,
        content: result.content.into_iter().map(to_content).collect::<Result<_, Ended>>()?,
    })
}

pub(crate) fn logic_call(call: model::ToolCall) -> LogicToolCall {
    LogicToolCall { id: call.id, name: call.name, arguments: call.arguments }
}

/// One message that an Expert's logic sends to the model.
pub(crate) fn logic_message(message: model::Message) -> Result<LogicMessage, Ended> {
    Ok(match message {
        model::Message::Instruction(text) => LogicMessage::Instruction(text),
        model::Message::User(parts) => LogicMessage::User(contents(parts)?),
        model::Message::Expert(reply) => LogicMessage::Expert {
            reasoning: reply.reasoning,
            text: reply.text,
            tool_calls: reply.tool_calls.into_iter().map(logic_call).collect(),
        },
        model::Message::ToolResults(results) => {
            let results = results.into_iter().map(|result| {
                Ok(LogicToolResult {
                    id: result.tool_call_id,
                    name: result.tool_name,
                    is_error: result.is_error,
                    content: contents(result.content)?,
                })
            });
            LogicMessage::ToolResults(results.collect::<Result<_, Ended>>()?)
        }
    })
}

/// What the model replied, for an Expert's logic. Its reasoning is handed out as JSON, to be handed back unchanged.
pub(crate) fn generation(generation: Generation) -> Result<model::Generation, Ended> {
    let failed = |error: serde_json::Error| Ended::Host(error.to_string());
    let text = generation.text();
    let is_reasoning = |part: &&GeneratedPart| matches!(part, GeneratedPart::Reasoning { .. });
    let reasoning: Vec<&GeneratedPart> = generation.parts.iter().filter(is_reasoning).collect();
    let reasoning = (!reasoning.is_empty()).then(|| serde_json::to_string(&reasoning)).transpose().map_err(failed)?;
    let tool_calls = generation.parts.iter().filter_map(|part| match part {
        GeneratedPart::ToolCall { id, name, arguments } => Some(model::ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: arguments.as_ref().map_or_else(Clone::clone, ToString::to_string),
        }),
        _ => None,
    });
    let Usage { input_tokens, output_tokens, reasoning_tokens, cached_input_tokens, .. } = generation.usage;
    Ok(model::Generation {
        reply: model::Reply { reasoning, text, tool_calls: tool_calls.collect() },
        stop_reason: match generation.stop_reason {
            StopReason::EndTurn => model::StopReason::EndTurn,
            StopReason::ToolCalls => model::StopReason::ToolCalls,
            StopReason::MaxTokens => model::StopReason::MaxTokens,
            StopReason::Refusal => model::StopReason::Refusal,
        },
        usage: model::Usage { input_tokens, output_tokens, reasoning_tokens, cached_input_tokens },
    })
}

fn contents(parts: Vec<types::Content>) -> Result<Vec<Content>, Ended> {
    parts.into_iter().map(content).collect()
}

pub(crate) fn to_content(content: Content) -> Result<types::Content, Ended> {
    let blob = |media_type, base64: &str| {
        let data = from_base64(base64).ok_or_else(|| Ended::Host("a recorded file is damaged".into()))?;
        Ok(types::Blob { media_type, data })
    };
    Ok(match content {
        Content::Text { text } => types::Content::Text(text),
        Content::Image { media_type, base64 } => types::Content::Image(blob(media_type, &base64)?),
        Content::File { media_type, base64 } => types::Content::File(blob(media_type, &base64)?),
    })
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, input_schema: &str) -> types::ToolDefinition {
        types::ToolDefinition {
            name: name.into(),
            title: None,
            description: String::new(),
            input_schema: input_schema.into(),
            output_schema: None,
            hints: types::ToolHints::empty(),
        }
    }

    #[test]
    fn tools_that_break_the_contract_are_refused() {
        let refused = |listed: Vec<types::ToolDefinition>| tools(listed).unwrap_err();
        assert!(tools(vec![tool("a-B_9", "{}")]).is_ok());
        assert!(refused(vec![tool("", "{}")]).contains("no tool's name"));
        assert!(refused(vec![tool("a b", "{}")]).contains("no tool's name"));
        assert!(refused(vec![tool("\u{1b}[2J", "{}")]).contains("\\u{1b}"));
        assert!(refused(vec![tool(&"x".repeat(65), "{}")]).contains("no tool's name"));
        assert!(refused(vec![tool("a", "{}"), tool("a", "{}")]).contains("two tools"));
        assert!(refused(vec![tool("a", "[]")]).contains("not an object"));
        assert!(refused(vec![tool("a", "{")]).contains("not JSON"));
        assert!(refused(vec![tool("a", &"[".repeat(10_000))]).contains("not JSON"));
        assert!(refused(vec![tool("a", &"[".repeat(MAX_SCHEMA + 1))]).contains("bytes"));
        let titled = types::ToolDefinition { title: Some("x".repeat(MAX_TITLE + 1)), ..tool("a", "{}") };
        assert!(refused(vec![titled]).contains("title"));
        let described = types::ToolDefinition { description: "x".repeat(MAX_DESCRIPTION + 1), ..tool("a", "{}") };
        assert!(refused(vec![described]).contains("description"));
        assert!(refused((0..256).map(|number| tool(&number.to_string(), "{}")).collect()).contains("256 tools"));
    }

    #[tokio::test]
    async fn an_answer_is_bounded_and_checked() {
        let limits = Limits { output: 10, ..Limits::default() };
        let text =
            |text: &str| types::ToolOutput { content: vec![types::Content::Text(text.into())], structured: None };
        let output = async |answer| output(answer, &limits, &OpenGrants::default()).await;
        assert!(output(text("0123456789")).await.is_ok());
        assert_eq!(output(text("0123456789a")).await, Err(Ended::Output(10)));
        let not_json = types::ToolOutput { content: vec![], structured: Some("{".into()) };
        assert!(matches!(output(not_json).await, Err(Ended::BadAnswer(_))));
        let image = |media_type: &str| types::ToolOutput {
            content: vec![types::Content::Image(types::Blob { media_type: media_type.into(), data: vec![1] })],
            structured: None,
        };
        assert!(output(image("image/a")).await.is_ok());
        assert!(matches!(output(image("a\nb/c")).await, Err(Ended::BadAnswer(_))));
        assert_eq!(output(image("image/longer")).await, Err(Ended::Output(10)));
        assert!(media_type(format!("image/{}", "a".repeat(MAX_MEDIA_TYPE))).is_err());
    }
}
