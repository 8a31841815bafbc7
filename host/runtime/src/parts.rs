//! Messages and their parts, made from what models and tools say.

use perstack_core::{Content, GeneratedPart, Id, Message, Part, ToolCall, ToolResult};

use crate::error::RunError;
use crate::recorder::new_id;

/// The messages that a run begins with.
pub(crate) fn input_messages(instruction: &str, query: &str) -> Result<Vec<Message>, RunError> {
    let mut messages = Vec::new();
    if !instruction.is_empty() {
        messages.push(instruction_message(instruction)?);
    }
    messages.push(user_message(query)?);
    Ok(messages)
}

pub(crate) fn instruction_message(text: &str) -> Result<Message, RunError> {
    Ok(Message::InstructionMessage { contents: vec![text_part(text)?], id: new_id()?, cache: Some(true) })
}

pub(crate) fn user_message(text: &str) -> Result<Message, RunError> {
    Ok(Message::UserMessage { contents: vec![text_part(text)?], id: new_id()? })
}

/// The user's answer as the result of the call that asked.
pub(crate) fn reply(call: &ToolCall, text: &str) -> Result<ToolResult, RunError> {
    result(call, false, &[Content::Text { text: text.to_owned() }])
}

pub(crate) fn result(call: &ToolCall, is_error: bool, content: &[Content]) -> Result<ToolResult, RunError> {
    Ok(ToolResult {
        id: call.id.clone(),
        skill_name: call.skill_name.clone(),
        tool_name: call.tool_name.clone(),
        result: contents(content)?,
        is_error: is_error.then_some(true),
    })
}

pub(crate) fn tool_message(results: &[ToolResult]) -> Result<Message, RunError> {
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

pub(crate) fn call_part(call: &ToolCall) -> Result<Part, RunError> {
    Ok(Part::ToolCallPart {
        tool_call_id: call.id.clone(),
        tool_name: call.tool_name.clone(),
        args: call.args.clone(),
        id: new_id()?,
    })
}

/// Text and reasoning; none for a call, which is made into one when it has been looked at.
pub(crate) fn said_part(part: &GeneratedPart) -> Result<Option<Part>, RunError> {
    Ok(match part.clone() {
        GeneratedPart::Reasoning { text, signature } => {
            Some(Part::ThinkingPart { thinking: text, signature, id: new_id()? })
        }
        GeneratedPart::Text { text } => Some(Part::TextPart { text, id: new_id()? }),
        GeneratedPart::ToolCall { .. } => None,
    })
}

pub(crate) fn text_part(text: &str) -> Result<Part, RunError> {
    Ok(Part::TextPart { text: text.to_owned(), id: new_id()? })
}

pub(crate) fn contents(content: &[Content]) -> Result<Vec<Part>, RunError> {
    content.iter().map(part).collect()
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
    })
}
