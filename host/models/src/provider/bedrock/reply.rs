//! A reply as it comes from Bedrock, and as a whole.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use perstack_core::{Deltas, GeneratedPart, Generation, ModelError, StopReason, Usage};
use rig_core::ProviderError;
use rig_core::http_client::StreamingResponse;
use serde::Deserialize;
use serde_json::Value;

use super::frames::{Frames, Piece};
use super::prompt::PROTOCOL;
use crate::provider::credential::Credential;
use crate::provider::failure::{failure, is_too_long, said, transient};
use crate::provider::items::{Head, Items};

/// Failures that pass.
const PASSING: &[&str] = &["throttling", "internalServer", "modelStreamError", "modelTimeout", "serviceUnavailable"];

#[derive(Default)]
struct Reply {
    blocks: BTreeMap<u64, Block>,
    stop_reason: Option<String>,
    usage: Usage,
}

enum Block {
    Text(String),
    Thought { text: String, signature: String, redacted: Vec<u8> },
    Call { id: String, name: String, input: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    content_block_index: u64,
    start: Opening,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opening {
    tool_use: Option<ToolUse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    content_block_index: u64,
    delta: Growth,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Growth {
    text: Option<String>,
    tool_use: Option<Input>,
    reasoning_content: Option<Reasoning>,
}

#[derive(Deserialize)]
struct Input {
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    stop_reason: String,
}

#[derive(Deserialize)]
struct Metadata {
    usage: Tokens,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_write_input_tokens: u64,
}

pub(super) async fn read(
    response: StreamingResponse,
    deltas: &dyn Deltas,
    credential: &Credential,
) -> Result<Generation, ModelError> {
    let mut stream = response.into_body();
    let mut frames = Frames::default();
    let mut reply = Reply::default();
    let broken = |error| failure(&ProviderError::from(error), credential);
    while let Some(bytes) = stream.try_next().await.map_err(broken)? {
        frames.push(&bytes);
        while let Some(piece) = frames.next().map_err(|error| nonsense(&error))? {
            match piece {
                Piece::Event(kind, json) => reply.take(&kind, &json, deltas)?,
                Piece::Failure(kind, body) => return Err(failed(&kind, &body, credential)),
            }
        }
    }
    match &reply.stop_reason {
        Some(_) if !frames.is_cut() => reply.whole(),
        _ => Err(transient("the reply was cut off before it was complete".to_owned(), None)),
    }
}

fn nonsense(error: &impl ToString) -> ModelError {
    let reason = error.to_string();
    transient(
        if reason.starts_with("the reply") { reason } else { format!("the reply makes no sense: {reason}") },
        None,
    )
}

fn failed(kind: &str, body: &[u8], credential: &Credential) -> ModelError {
    let said = said(&String::from_utf8_lossy(body), credential);
    if is_too_long(&said) {
        return ModelError::ContextExceeded { message: said };
    }
    let message = format!("the provider failed: {said}");
    if PASSING.iter().any(|word| kind.to_lowercase().contains(&word.to_lowercase())) {
        transient(message, None)
    } else {
        ModelError::Fatal { message }
    }
}

fn read_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, ModelError> {
    serde_json::from_slice(json).map_err(|error| nonsense(&error))
}

impl Reply {
    fn take(&mut self, kind: &str, json: &[u8], deltas: &dyn Deltas) -> Result<(), ModelError> {
        match kind {
            "contentBlockStart" => {
                let Start { content_block_index: place, start } = read_json(json)?;
                if let Some(ToolUse { tool_use_id: id, name }) = start.tool_use {
                    self.blocks.insert(place, Block::Call { id, name, input: String::new() });
                }
            }
            "contentBlockDelta" => {
                let Delta { content_block_index: place, delta } = read_json(json)?;
                self.grow(place, delta, deltas)?;
            }
            "messageStop" => self.stop_reason = Some(read_json::<Stop>(json)?.stop_reason),
            "metadata" => {
                let tokens = read_json::<Metadata>(json)?.usage;
                // What is written to the cache was read this time.
                let input = tokens.input_tokens.saturating_add(tokens.cache_write_input_tokens);
                self.usage = Usage {
                    input_tokens: input,
                    output_tokens: tokens.output_tokens,
                    reasoning_tokens: 0,
                    total_tokens: input.saturating_add(tokens.output_tokens),
                    cached_input_tokens: tokens.cache_read_input_tokens,
                };
            }
            // `messageStart`, `contentBlockStop`, and what may come to be.
            _ => {}
        }
        Ok(())
    }

    fn grow(&mut self, place: u64, delta: Growth, deltas: &dyn Deltas) -> Result<(), ModelError> {
        let other = || nonsense(&"a block is of two kinds");
        if let Some(piece) = delta.text {
            deltas.text(&piece);
            match self.blocks.entry(place).or_insert_with(|| Block::Text(String::new())) {
                Block::Text(text) => text.push_str(&piece),
                _ => return Err(other()),
            }
        }
        if let Some(piece) = delta.tool_use {
            match self.blocks.get_mut(&place) {
                Some(Block::Call { input, .. }) => input.push_str(&piece.input),
                _ => return Err(other()),
            }
        }
        if let Some(piece) = delta.reasoning_content {
            let empty = || Block::Thought { text: String::new(), signature: String::new(), redacted: Vec::new() };
            let Block::Thought { text, signature, redacted } = self.blocks.entry(place).or_insert_with(empty) else {
                return Err(other());
            };
            if let Some(piece) = piece.text {
                deltas.reasoning(&piece);
                text.push_str(&piece);
            }
            signature.push_str(&piece.signature.unwrap_or_default());
            if let Some(piece) = piece.redacted_content {
                redacted.extend(BASE64_STANDARD.decode(piece).map_err(|error| nonsense(&error))?);
            }
        }
        Ok(())
    }

    fn whole(self) -> Result<Generation, ModelError> {
        let parts: Vec<GeneratedPart> = self.blocks.into_values().map(part).collect();
        let calls = parts.iter().any(|part| matches!(part, GeneratedPart::ToolCall { .. }));
        let answers =
            calls || parts.iter().any(|part| matches!(part, GeneratedPart::Text { text } if !text.trim().is_empty()));
        let reason = self.stop_reason.unwrap_or_default();
        let stop_reason = match reason.as_str() {
            "malformed_model_output" | "malformed_tool_use" => return Err(nonsense(&reason)),
            "model_context_window_exceeded" if !answers => {
                return Err(ModelError::ContextExceeded { message: "there is no room for a reply".to_owned() });
            }
            "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
            "guardrail_intervened" | "content_filtered" => StopReason::Refusal,
            _ => StopReason::EndTurn,
        };
        if !answers && stop_reason != StopReason::EndTurn {
            return Err(ModelError::Fatal { message: format!("the model does not answer: `{reason}`") });
        }
        let stop_reason = if calls { StopReason::ToolCalls } else { stop_reason };
        Ok(Generation { parts, stop_reason, usage: self.usage })
    }
}

fn part(block: Block) -> GeneratedPart {
    match block {
        Block::Text(text) => GeneratedPart::Text { text },
        Block::Thought { text, signature, redacted } if redacted.is_empty() => {
            GeneratedPart::Reasoning { text, signature: (!signature.is_empty()).then_some(signature) }
        }
        Block::Thought { text, redacted, .. } => {
            let head = Head::Redacted(BASE64_STANDARD.encode(redacted).into());
            let items = Items { protocol: PROTOCOL.to_owned(), head, following: Vec::new() };
            GeneratedPart::Reasoning { text, signature: Some(items.to_signature()) }
        }
        Block::Call { id, name, input } => {
            let arguments = match serde_json::from_str::<Value>(&input) {
                Ok(arguments @ Value::Object(_)) => Ok(arguments),
                _ if input.is_empty() => Ok(Value::Object(serde_json::Map::new())),
                _ => Err(input),
            };
            GeneratedPart::ToolCall { id, name, arguments }
        }
    }
}

/// What comes from a network, and what could come from a provider: `KIND JSON`, a line each, as the content of frames.
#[cfg(fuzzing)]
pub(crate) fn of_any_bytes(bytes: &[u8]) {
    struct Nobody;

    impl Deltas for Nobody {
        fn reasoning(&self, _piece: &str) {}
        fn text(&self, _piece: &str) {}
    }

    let mut frames = Frames::default();
    frames.push(bytes);
    while let Ok(Some(_)) = frames.next() {}
    let mut reply = Reply::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(end) = line.iter().position(|byte| *byte == b' ') else { continue };
        let kind = String::from_utf8_lossy(&line[..end]);
        if reply.take(&kind, &line[end..], &Nobody).is_err() {
            return;
        }
    }
    drop(reply.whole());
}
