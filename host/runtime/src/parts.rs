//! Messages and their parts, made from what models and tools say.

use std::sync::atomic::{AtomicUsize, Ordering};

use perstack_core::{Checkpoint, Content, GeneratedPart, Id, Message, Part, ToolCall, ToolResult};

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

/// Text of one result that goes into the conversation, in bytes: a tenth of what the smallest models of today take in. An
/// Expert's own logic gets all of it.
const MAX_RESULT_TEXT: usize = 100_000;

/// Images and files of one conversation, in bytes of base64: one of the largest documents, and some images. Each step
/// keeps the whole conversation.
const MAX_FILES: usize = 64 << 20;

/// Bytes of images and files, in base64, of a conversation so far.
pub(crate) fn bytes_of_files(checkpoint: &Checkpoint) -> usize {
    fn bytes(part: &Part) -> usize {
        match part {
            Part::ImageInlinePart { encoded_data, .. } | Part::FileInlinePart { encoded_data, .. } => {
                encoded_data.len()
            }
            Part::ToolResultPart { contents, .. } => contents.iter().map(bytes).sum(),
            Part::TextPart { .. } | Part::ThinkingPart { .. } | Part::ToolCallPart { .. } => 0,
        }
    }
    let messages = checkpoint.messages.iter().flat_map(|message| match message {
        Message::InstructionMessage { contents, .. }
        | Message::UserMessage { contents, .. }
        | Message::ExpertMessage { contents, .. }
        | Message::ToolMessage { contents, .. } => contents,
    });
    let results = checkpoint.partial_tool_results.iter().flatten().flat_map(|result| &result.result);
    messages.chain(results).map(bytes).sum()
}

/// Takes the images and files of an answer into a conversation that has `held` of them, unless that would be too many.
pub(crate) fn has_room(held: &AtomicUsize, content: &[Content]) -> bool {
    let bytes = content.iter().map(|content| match content {
        Content::Image { base64, .. } | Content::File { base64, .. } => base64.len(),
        Content::Text { .. } => 0,
    });
    let bytes: usize = bytes.sum();
    let more = |held: usize| held.checked_add(bytes).filter(|all| *all <= MAX_FILES);
    bytes == 0 || held.try_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

/// What a call is answered with in the conversation. Text that is longer than it may be is cut, and says so.
pub(crate) fn result(call: &ToolCall, is_error: bool, content: &[Content]) -> Result<ToolResult, RunError> {
    let mut left = MAX_RESULT_TEXT;
    let mut result = Vec::with_capacity(content.len());
    for content in content {
        result.push(match content {
            Content::Text { text } => {
                let shown = &text[..text.floor_char_boundary(left)];
                left -= shown.len();
                match text.len() - shown.len() {
                    0 => text_part(text)?,
                    cut => text_part(&format!("{shown}\n[cut off here: {cut} more bytes; ask for less at once]"))?,
                }
            }
            content => part(content)?,
        });
    }
    Ok(ToolResult {
        id: call.id.clone(),
        skill_name: call.skill_name.clone(),
        tool_name: call.tool_name.clone(),
        result,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(content: &[Content]) -> Vec<String> {
        let call =
            ToolCall { id: "1".into(), skill_name: "s".into(), tool_name: "t".into(), args: serde_json::Value::Null };
        let parts = result(&call, false, content).unwrap().result;
        let text = |part: Part| match part {
            Part::TextPart { text, .. } => text,
            other => format!("{other:?}"),
        };
        parts.into_iter().map(text).collect()
    }

    fn text(text: String) -> Content {
        Content::Text { text }
    }

    #[test]
    fn files_are_taken_while_there_is_room() {
        let held = AtomicUsize::new(MAX_FILES - 10);
        let image = |bytes: usize| [Content::Image { media_type: "image/png".into(), base64: "x".repeat(bytes) }];
        assert!(!has_room(&held, &image(11)));
        assert!(has_room(&held, &image(10)));
        assert!(!has_room(&held, &image(1)) && has_room(&held, &[text("more".into())]));
        assert_eq!(held.into_inner(), MAX_FILES);
    }

    #[test]
    fn long_results_are_cut_and_say_so() {
        let whole = "x".repeat(MAX_RESULT_TEXT);
        assert_eq!(texts(&[text(whole.clone()), text(String::new())]), [whole.clone(), String::new()]);
        let note = |cut: usize| format!("\n[cut off here: {cut} more bytes; ask for less at once]");
        assert_eq!(texts(&[text(format!("{whole}yz"))]), [whole.clone() + &note(2)]);
        // All texts of a result together, and no character in two.
        let almost = "x".repeat(MAX_RESULT_TEXT - 1);
        assert_eq!(texts(&[text(almost.clone()), text("üa".into())]), [almost, note(3)]);
        assert_eq!(texts(&[text(whole.clone()), text("more".into())]), [whole, note(4)]);
    }
}
