//! A reply as it comes, and as a whole.

use futures::StreamExt;
use perstack_core::{Deltas, GeneratedPart, Generation, ModelError, StopReason, Usage};
use rig_core::completion::{CompletionResponse, FinishReason};
use rig_core::message::{AssistantContent, Reasoning};
use rig_core::streaming::{CompletionStream, Item, StreamEvent};
use serde_json::Value;

use super::Credential;
use super::failure::failure;
use super::items::Items;

pub(crate) async fn read(
    mut stream: CompletionStream,
    deltas: &dyn Deltas,
    credential: &Credential,
) -> Result<Generation, ModelError> {
    while let Some(item) = stream.next().await {
        match item.map_err(|error| failure(&error, credential))? {
            Item::Event(StreamEvent::Reasoning { text, .. }) => deltas.reasoning(&text),
            Item::Event(StreamEvent::Text { text, .. }) => deltas.text(&text),
            Item::Event(_) | Item::Unknown(_) => {}
        }
    }
    let response = stream.finish().await.map_err(|error| failure(&error, credential))?;
    generation(&response, credential)
}

fn generation(response: &CompletionResponse, credential: &Credential) -> Result<Generation, ModelError> {
    let blocks = response.choice.iter().enumerate();
    let parts: Vec<GeneratedPart> =
        blocks.filter_map(|(place, block)| part(block, &response.choice[place + 1..])).collect();
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

fn part(block: &AssistantContent, after: &[AssistantContent]) -> Option<GeneratedPart> {
    match block {
        AssistantContent::Text(text) => Some(GeneratedPart::Text { text: text.text.clone() }),
        AssistantContent::Reasoning(reasoning) => Some(GeneratedPart::Reasoning {
            text: reasoning.text.clone(),
            signature: block.native_item().map(|item| signature(reasoning, item, after)),
        }),
        AssistantContent::ToolCall(call) => {
            let function = &call.function;
            let arguments = match &function.invalid_arguments {
                Some(text) => Err(text.clone()),
                None => Ok(Value::Object(function.arguments.clone())),
            };
            Some(GeneratedPart::ToolCall {
                id: call.id.wire().into_owned(),
                name: function.name.as_str().to_owned(),
                arguments,
            })
        }
        _ => None,
    }
}

/// By which the provider knows its reasoning again: the signature of an ordinary thought of Anthropic's, as Perstack keeps
/// it; for others its own items, since they take back a thought only with what followed it.
fn signature(reasoning: &Reasoning, item: &Value, after: &[AssistantContent]) -> String {
    match (item.get("type").and_then(Value::as_str), item.get("signature").and_then(Value::as_str)) {
        (Some("thinking"), Some(signature)) if !reasoning.redacted => signature.to_owned(),
        _ => {
            let following = after.iter().take_while(|block| !matches!(block, AssistantContent::Reasoning(_)));
            let following = following.filter(|block| part(block, &[]).is_some());
            let following = following.map(|block| block.native_item().cloned()).collect();
            Items { reasoning: item.clone(), redacted: reasoning.redacted, following }.to_signature()
        }
    }
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
