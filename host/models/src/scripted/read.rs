//! From the text of a script to its replies.

use std::collections::BTreeMap;
use std::time::Duration;

use perstack_core::config::{
    ConfigError, Document, ExpertKey, Field, Fields, Format, MAX_CALL_TIME, MAX_ITEMS, MAX_NAME_CHARACTERS, TimeLimit,
};
use perstack_core::{GeneratedPart, Generation, ModelError, StopReason, Usage};
use serde_json::{Map, Value};

use super::reply::{Piece, Reply};

/// Largest script: hours of conversation, and read in well under a second.
pub const MAX_SCRIPT_BYTES: usize = 4 * 1024 * 1024;
/// Most replies to one Expert: a hundred times the steps of a job.
pub const MAX_REPLIES: usize = 10_000;
/// Most pieces of a text or of reasoning: more than a model streams.
pub const MAX_PIECES: usize = 10_000;
/// Tokens that a conversation may have where the script does not say: what today's common models have.
pub const DEFAULT_CONTEXT_WINDOW: u64 = 200_000;

const FORMAT: Format = Format { fields: &["contextWindow", "experts"], max_bytes: MAX_SCRIPT_BYTES };

const REPLY_FIELDS: &[&str] =
    &["query", "delay", "pieceDelay", "reasoning", "signature", "text", "toolCalls", "usage", "stopReason", "error"];

/// Fields that a reply has only if it comes to its end.
const FIELDS_OF_THE_END: [&str; 4] = ["signature", "toolCalls", "usage", "stopReason"];

const STOP_REASONS: &[(&str, StopReason)] = &[
    ("endTurn", StopReason::EndTurn),
    ("toolCalls", StopReason::ToolCalls),
    ("maxTokens", StopReason::MaxTokens),
    ("refusal", StopReason::Refusal),
];

#[derive(Clone, Copy)]
enum ErrorKind {
    Transient,
    ContextExceeded,
    Fatal,
}

const ERROR_KINDS: &[(&str, ErrorKind)] = &[
    ("transient", ErrorKind::Transient),
    ("contextExceeded", ErrorKind::ContextExceeded),
    ("fatal", ErrorKind::Fatal),
];

/// A whole script.
pub(super) struct Script {
    pub(super) context_window: u64,
    /// Replies by the key of the Expert.
    pub(super) experts: BTreeMap<String, Vec<Reply>>,
}

pub(super) fn script(text: &str) -> Result<Script, ConfigError> {
    let document = Document::parse(text, &FORMAT)?;
    let fields = document.fields()?;
    let context_window = fields.optional("contextWindow", |field| field.count(1))?;
    let mut experts = BTreeMap::new();
    if let Some(table) = fields.get("experts") {
        for expert in table.table("`experts`")?.entries() {
            let key: ExpertKey = expert.parse_name()?;
            experts.insert(key.to_string(), replies(&expert)?);
        }
    }
    Ok(Script { context_window: context_window.map_or(DEFAULT_CONTEXT_WINDOW, u64::from), experts })
}

fn replies(expert: &Field<'_>) -> Result<Vec<Reply>, ConfigError> {
    let place = format!("Expert `{}`", expert.name());
    let fields = expert.table(place.as_str())?;
    fields.refuse_unknown(&["replies"])?;
    let list = fields.required("replies")?;
    if !list.is_list() {
        return Err(list
            .wrong_type("an array of tables")
            .with_hint(Some(format!("write `[[experts.\"{}\".replies]]`, with two brackets", expert.name()))));
    }
    let mut number = 0;
    list.list(MAX_REPLIES, |field| {
        number += 1;
        reply(&field.table(format!("reply {number} of {place}"))?, number)
    })
}

/// The reply of this `number`, from 1.
fn reply(fields: &Fields<'_>, number: usize) -> Result<Reply, ConfigError> {
    fields.refuse_unknown(REPLY_FIELDS)?;
    let reasoning = fields.optional("reasoning", pieces)?;
    let text = fields.optional("text", pieces)?;
    let outcome = match fields.get("error") {
        Some(field) => {
            if let Some(other) = FIELDS_OF_THE_END.iter().find_map(|name| fields.get(name)) {
                return Err(other
                    .invalid_name(format!("a reply with an `error` has no `{}`", other.name()))
                    .with_hint(Some("only `reasoning` and `text` can come before an error".into())));
            }
            Err(error(&field)?)
        }
        None => Ok(generation(fields, reasoning.as_deref(), text.as_deref(), number)?),
    };
    let reasoning = reasoning.into_iter().flatten().map(Piece::Reasoning);
    let text = text.into_iter().flatten().map(Piece::Text);
    Ok(Reply {
        query: fields.optional("query", |field| field.filled(MAX_SCRIPT_BYTES))?,
        delay: fields.optional("delay", duration)?.unwrap_or_default(),
        piece_delay: fields.optional("pieceDelay", duration)?.unwrap_or_default(),
        pieces: reasoning.chain(text).collect(),
        outcome,
    })
}

fn generation(
    fields: &Fields<'_>,
    reasoning: Option<&[String]>,
    text: Option<&[String]>,
    number: usize,
) -> Result<Generation, ConfigError> {
    let mut parts = Vec::new();
    let signature = fields.get("signature");
    if let Some(pieces) = reasoning {
        let signature = signature.map(|field| field.text(MAX_SCRIPT_BYTES)).transpose()?;
        parts.push(GeneratedPart::Reasoning { text: pieces.concat(), signature });
    } else if let Some(signature) = signature {
        return Err(signature
            .invalid("there is no `reasoning` that it could belong to")
            .with_hint(Some("for reasoning that nobody may read, write `reasoning = \"\"`".into())));
    }
    if let Some(pieces) = text {
        parts.push(GeneratedPart::Text { text: pieces.concat() });
    }
    let mut calls = 0;
    let tool_calls = fields.optional("toolCalls", |field| {
        field.list(MAX_ITEMS, |call| {
            calls += 1;
            tool_call(call, || format!("call-{number}-{calls}"))
        })
    })?;
    parts.extend(tool_calls.unwrap_or_default());
    let default = if calls > 0 { StopReason::ToolCalls } else { StopReason::EndTurn };
    Ok(Generation {
        parts,
        stop_reason: fields.optional("stopReason", |field| field.one_of(STOP_REASONS))?.unwrap_or(default),
        usage: fields.optional("usage", usage)?.unwrap_or_default(),
    })
}

/// Text, or a list of texts.
fn pieces(field: &Field<'_>) -> Result<Vec<String>, ConfigError> {
    if field.is_list() {
        field.list(MAX_PIECES, |piece| piece.text(MAX_SCRIPT_BYTES))
    } else if field.is_text() {
        Ok(vec![field.text(MAX_SCRIPT_BYTES)?])
    } else {
        Err(field.wrong_type("a string or an array of strings"))
    }
}

fn tool_call(field: &Field<'_>, default_id: impl FnOnce() -> String) -> Result<GeneratedPart, ConfigError> {
    let fields = field.named_table()?;
    fields.refuse_unknown(&["id", "name", "arguments"])?;
    let id = fields.optional("id", |field| field.filled(MAX_NAME_CHARACTERS))?;
    Ok(GeneratedPart::ToolCall {
        id: id.unwrap_or_else(default_id),
        name: fields.required("name")?.filled(MAX_NAME_CHARACTERS)?,
        arguments: fields.optional("arguments", arguments)?.unwrap_or_else(|| Ok(Map::new().into())),
    })
}

/// A table; or the text that the model sends, which may be JSON or not.
fn arguments(field: &Field<'_>) -> Result<Result<Value, String>, ConfigError> {
    if field.is_text() {
        let text = field.text(MAX_SCRIPT_BYTES)?;
        return Ok(serde_json::from_str(&text).map_err(|_| text));
    }
    match field.json()? {
        object @ Value::Object(_) => Ok(Ok(object)),
        _ => Err(field.wrong_type("a table or a string")),
    }
}

fn usage(field: &Field<'_>) -> Result<Usage, ConfigError> {
    let fields = field.named_table()?;
    fields.refuse_unknown(&["inputTokens", "outputTokens", "cachedInputTokens", "reasoningTokens"])?;
    let tokens = |name| fields.optional(name, |field| field.count(0)).map(|count| count.map_or(0, u64::from));
    let (input_tokens, output_tokens) = (tokens("inputTokens")?, tokens("outputTokens")?);
    Ok(Usage {
        input_tokens,
        output_tokens,
        reasoning_tokens: tokens("reasoningTokens")?,
        total_tokens: input_tokens + output_tokens,
        cached_input_tokens: tokens("cachedInputTokens")?,
    })
}

fn error(field: &Field<'_>) -> Result<ModelError, ConfigError> {
    let fields = field.named_table()?;
    fields.refuse_unknown(&["kind", "message", "retryAfter"])?;
    let kind = fields.required("kind")?.one_of(ERROR_KINDS)?;
    let message = fields.required("message")?.filled(MAX_SCRIPT_BYTES)?;
    let retry_after = fields.get("retryAfter");
    if let (Some(field), ErrorKind::ContextExceeded | ErrorKind::Fatal) = (&retry_after, kind) {
        return Err(field
            .invalid("only a `transient` error is tried again")
            .with_hint(Some("take it out, or write `kind = \"transient\"`".into())));
    }
    Ok(match kind {
        ErrorKind::Transient => {
            let retry_after = retry_after.map(|field| duration(&field)).transpose()?;
            // Within u64, as MAX_CALL_TIME is.
            let retry_after = retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            ModelError::Transient { message, retry_after }
        }
        ErrorKind::ContextExceeded => ModelError::ContextExceeded { message },
        ErrorKind::Fatal => ModelError::Fatal { message },
    })
}

fn duration(field: &Field<'_>) -> Result<Duration, ConfigError> {
    field.duration(TimeLimit::from_millis(0)..=MAX_CALL_TIME)
}
