//! A reply as it comes, and as a whole.

use futures::StreamExt;
use perstack_core::{Deltas, GeneratedPart, Generation, ModelError, StopReason, Usage};
use rig_core::completion::{CompletionResponse, FinishReason};
use rig_core::message::AssistantContent;
use rig_core::streaming::{CompletionStream, Item, StreamEvent};
use serde_json::Value;

use super::credential::Credential;
use super::failure::failure;
use super::items::{Head, Items};

pub(crate) async fn read(
    mut stream: CompletionStream,
    deltas: &dyn Deltas,
    credential: &Credential,
) -> Result<CompletionResponse, ModelError> {
    while let Some(item) = stream.next().await {
        match item.map_err(|error| failure(&error, credential))? {
            Item::Event(StreamEvent::Reasoning { text, .. }) => deltas.reasoning(&text),
            Item::Event(StreamEvent::Text { text, .. }) => deltas.text(&text),
            Item::Event(_) | Item::Unknown(_) => {}
        }
    }
    stream.finish().await.map_err(|error| failure(&error, credential))
}

/// Whether the provider has paused in the middle of what it runs itself: given back as it is, the reply goes on.
pub(crate) fn is_paused(response: &CompletionResponse) -> bool {
    response.raw.get("stop_reason").and_then(Value::as_str) == Some("pause_turn")
}

pub(crate) fn generation(
    response: &CompletionResponse,
    protocol: &str,
    credential: &Credential,
) -> Result<Generation, ModelError> {
    let parts = parts(&response.choice, protocol);
    let finish = response.finish_reason();
    let answers = response.choice.iter().any(AssistantContent::is_answer);
    if !answers && let Some(reason) = response.error.as_ref() {
        return Err(ModelError::Fatal {
            message: format!("the model does not answer: {}", credential.hidden_in(reason)),
        });
    }
    if !answers && let Some(reason @ (FinishReason::Length | FinishReason::ContentFilter)) = &finish {
        return Err(ModelError::Fatal { message: reason.no_answer_message() });
    }
    let calls = parts.iter().any(|part| matches!(part, GeneratedPart::ToolCall { .. }));
    let stop_reason = match finish {
        _ if calls => StopReason::ToolCalls,
        Some(FinishReason::Length) => StopReason::MaxTokens,
        Some(FinishReason::ContentFilter) => StopReason::Refusal,
        _ => StopReason::EndTurn,
    };
    Ok(Generation { parts, stop_reason, usage: usage(&response.usage) })
}

/// What was said, in its order.
fn parts(blocks: &[AssistantContent], protocol: &str) -> Vec<GeneratedPart> {
    let mut parts = Vec::with_capacity(blocks.len());
    let following = |after: &[AssistantContent]| -> Vec<Option<Value>> {
        let until_next = after.iter().take_while(|block| !is_head(block));
        until_next.filter(|block| is_said(block)).map(|block| block.native_item().cloned()).collect()
    };
    let kept = |head: Head, following| Items { protocol: protocol.to_owned(), head, following }.to_signature();
    // Gemini signs texts and calls too, and without its signatures it takes no call back.
    let first = following(blocks);
    if first.iter().flatten().any(|item| item.get("thoughtSignature").is_some()) {
        parts.push(GeneratedPart::Reasoning { text: String::new(), signature: Some(kept(Head::Nothing, first)) });
    }
    for (place, block) in blocks.iter().enumerate() {
        let after = &blocks[place + 1..];
        parts.push(match block {
            AssistantContent::Text(text) => GeneratedPart::Text { text: text.text.clone() },
            AssistantContent::Reasoning(reasoning) => {
                let signature = block.native_item().map(|item| match plain_signature(item) {
                    // As Perstack keeps it.
                    Some(signature) if !reasoning.redacted => signature.to_owned(),
                    _ if reasoning.redacted => kept(Head::Redacted(item.clone()), following(after)),
                    _ => kept(Head::Thought(item.clone()), following(after)),
                });
                GeneratedPart::Reasoning { text: reasoning.text.clone(), signature }
            }
            AssistantContent::Opaque(opaque) if opaque.replay => GeneratedPart::Reasoning {
                text: String::new(),
                signature: Some(kept(Head::Hosted(opaque.item.clone()), following(after))),
            },
            AssistantContent::ToolCall(call) => {
                let function = &call.function;
                let arguments = match &function.invalid_arguments {
                    Some(text) => Err(text.clone()),
                    None => Ok(Value::Object(function.arguments.clone())),
                };
                let name = function.name.as_str().to_owned();
                GeneratedPart::ToolCall { id: call.id.wire().into_owned(), name, arguments }
            }
            _ => continue,
        });
    }
    parts
}

/// Whether items begin with it: the provider takes it back only with what followed it.
fn is_head(block: &AssistantContent) -> bool {
    match block {
        AssistantContent::Reasoning(_) => true,
        AssistantContent::Opaque(opaque) => opaque.replay,
        _ => false,
    }
}

fn is_said(block: &AssistantContent) -> bool {
    matches!(block, AssistantContent::Text(_) | AssistantContent::ToolCall(_))
}

/// That of an ordinary thought of Anthropic's, which is all that it wants back.
fn plain_signature(item: &Value) -> Option<&str> {
    let is_thought = item.get("type").and_then(Value::as_str) == Some("thinking");
    item.get("signature").filter(|_| is_thought).and_then(Value::as_str)
}

/// Tokens as Perstack counts them: what was read from the cache beside the rest of the input.
fn usage(usage: &rig_core::completion::Usage) -> Usage {
    let cached = usage.cached_input_tokens.unwrap_or(0);
    let input = usage.input_tokens.unwrap_or(0).saturating_sub(cached);
    let output = usage.output_tokens.unwrap_or(0);
    Usage {
        input_tokens: input,
        output_tokens: output,
        reasoning_tokens: usage.reasoning_tokens.unwrap_or(0),
        total_tokens: input.saturating_add(output),
        cached_input_tokens: cached,
    }
}
