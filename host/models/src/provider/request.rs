//! A prompt as rig's request.

use perstack_core::config::ReasoningBudget;
use perstack_core::{Message, ModelError, Part, Prompt};
use rig_core::catalog::ModelSpec;
use rig_core::completion::{CompletionRequest, Effort, OnUnsupported, Reasoning as Thinking, ToolDefinition};
use rig_core::message::{
    AssistantContent, AssistantMessage, CallId, DocumentMediaType, DocumentSourceKind, Image, ImageMediaType, MimeType,
    Opaque, Origin, Reasoning, StopReason, ToolName, ToolResult, ToolResultContent, UserContent,
};
use rig_core::providers::{anthropic, gemini};
use serde_json::{Value, json};

use super::hosted::Offer;
use super::items::{Head, Signature};

/// Tokens that Perstack's words for a reasoning budget stand for.
pub(crate) const MINIMAL_TOKENS: u32 = 1024;
pub(crate) const LOW_TOKENS: u32 = 2048;
pub(crate) const MEDIUM_TOKENS: u32 = 5000;
pub(crate) const HIGH_TOKENS: u32 = 10_000;

/// A schema as models are told it: which version it is written in says nothing to them, and some providers refuse it.
pub(crate) fn input_schema(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(fields) = schema.as_object_mut() {
        fields.shift_remove("$schema");
    }
    schema
}

pub(crate) fn request(
    prompt: &Prompt<'_>,
    origin: &Origin,
    spec: Option<&ModelSpec>,
    budget: ReasoningBudget,
    offer: Offer,
) -> Result<CompletionRequest, ModelError> {
    let mut messages = Vec::with_capacity(prompt.messages.len());
    for message in prompt.messages {
        messages.push(converted(message, origin)?);
    }
    let mut parameters = offer.parameters(prompt.hosted, !prompt.tools.is_empty(), container(&messages));
    let Some(last) = messages.pop() else { return Err(fatal("an empty conversation")) };
    // What `new` is given comes after the messages that are added.
    let mut request = CompletionRequest::new(last).messages(messages);
    let tools = prompt.tools.iter().map(|tool| {
        Ok(ToolDefinition::new(tool_name(&tool.name)?, tool.description.clone(), input_schema(&tool.input_schema)))
    });
    request = request.tools(tools.collect::<Result<_, ModelError>>()?);
    request = request.on_unsupported(OnUnsupported::Ignore);
    if let Some(reasoning) = reasoning(budget, spec) {
        request = request.reasoning(reasoning);
        if origin.provider == gemini::PROVIDER_NAME && reasoning != Thinking::Off {
            // Otherwise nobody sees what it thinks.
            let shown = json!({ "thinkingConfig": { "includeThoughts": true } });
            parameters.insert("generationConfig".to_owned(), shown);
        }
    }
    if !parameters.is_empty() {
        request = request.additional_params(Value::Object(parameters));
    }
    if let Some(schema) = prompt.response_schema {
        let schema = schema.clone().try_into().map_err(|error| fatal(format!("the response schema: {error}")))?;
        request = request.output_schema(Some(schema));
    }
    Ok(request)
}

/// The container that Anthropic has kept of this conversation.
fn container(messages: &[rig_core::message::Message]) -> Option<Value> {
    let contents = messages.iter().rev().filter_map(|message| match message {
        rig_core::message::Message::Assistant(message) => Some(message.content.iter().rev()),
        _ => None,
    });
    contents.flatten().find_map(|block| match block {
        AssistantContent::Opaque(opaque) if opaque.kind() == Some("container") => {
            opaque.item.pointer("/container/id").cloned()
        }
        _ => None,
    })
}

fn fatal(message: impl Into<String>) -> ModelError {
    ModelError::Fatal { message: message.into() }
}

fn tool_name(name: &str) -> Result<ToolName, ModelError> {
    ToolName::new(name).map_err(|error| fatal(error.to_string()))
}

/// How much the model is asked to think: in the form that it takes.
pub(crate) fn reasoning(budget: ReasoningBudget, spec: Option<&ModelSpec>) -> Option<Thinking> {
    let support = spec.map(|spec| &spec.reasoning);
    if support.is_some_and(|support| !support.supported) {
        return None;
    }
    let (tokens, effort) = match budget {
        ReasoningBudget::None => {
            return support.is_none_or(|support| support.can_disable).then_some(Thinking::Off);
        }
        ReasoningBudget::Minimal => (MINIMAL_TOKENS, Effort::Minimal),
        ReasoningBudget::Low => (LOW_TOKENS, Effort::Low),
        ReasoningBudget::Medium => (MEDIUM_TOKENS, Effort::Medium),
        ReasoningBudget::High => (HIGH_TOKENS, Effort::High),
        ReasoningBudget::Tokens(tokens) => (
            tokens.get(),
            match tokens.get() {
                tokens if tokens <= LOW_TOKENS => Effort::Low,
                tokens if tokens <= MEDIUM_TOKENS => Effort::Medium,
                _ => Effort::High,
            },
        ),
    };
    match support {
        Some(support) if support.budget.is_none() => {
            let has = |effort: &Effort| support.levels.contains(effort);
            [effort, Effort::Low].into_iter().find(has).map(Thinking::Effort)
        }
        _ => {
            let range = support.and_then(|support| support.budget.clone()).unwrap_or(MINIMAL_TOKENS..=u32::MAX);
            Some(Thinking::Budget { tokens: tokens.clamp(*range.start(), *range.end()) })
        }
    }
}

fn converted(message: &Message, origin: &Origin) -> Result<rig_core::message::Message, ModelError> {
    use rig_core::message::Message as Rig;
    Ok(match message {
        Message::InstructionMessage { contents, .. } => Rig::System { content: texts(contents) },
        Message::UserMessage { contents, .. } => Rig::User { content: contents.iter().map(user_content).collect() },
        Message::ExpertMessage { contents, .. } => {
            let content = expert_content(contents, origin)?;
            let calls = content.iter().any(|block| matches!(block, AssistantContent::ToolCall(_)));
            let stop = if calls { StopReason::ToolUse } else { StopReason::Stop };
            Rig::Assistant(AssistantMessage::new(content).with_origin(origin.clone()).with_stop(stop))
        }
        Message::ToolMessage { contents, .. } => Rig::User { content: tool_results(contents)? },
    })
}

fn texts(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        Part::TextPart { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn user_content(part: &Part) -> UserContent {
    match part {
        Part::TextPart { text, .. } => UserContent::text(text.clone()),
        Part::ImageInlinePart { encoded_data, mime_type, .. } => UserContent::Image(image(encoded_data, mime_type)),
        Part::FileInlinePart { encoded_data, mime_type, .. } => document(encoded_data, mime_type),
        Part::ThinkingPart { thinking, .. } => UserContent::text(thinking.clone()),
        Part::ToolCallPart { tool_name, .. } | Part::ToolResultPart { tool_name, .. } => {
            UserContent::text(tool_name.clone())
        }
    }
}

fn image(base64: &str, media_type: &str) -> Image {
    Image {
        data: DocumentSourceKind::base64(base64),
        media_type: ImageMediaType::from_mime_type(media_type),
        detail: None,
        native: None,
    }
}

fn document(base64: &str, media_type: &str) -> UserContent {
    match DocumentMediaType::from_mime_type(media_type) {
        Some(media_type) => UserContent::document_base64(base64, Some(media_type)),
        None => UserContent::text(format!("[a file of type {media_type}, which cannot be shown]")),
    }
}

/// What the model said, in its order. Reasoning goes back as the provider knows it, with what followed it.
fn expert_content(parts: &[Part], origin: &Origin) -> Result<Vec<AssistantContent>, ModelError> {
    let mut content = Vec::with_capacity(parts.len());
    let mut following = Vec::new().into_iter();
    for part in parts {
        content.push(match part {
            Part::TextPart { text, .. } => with_item(AssistantContent::text(text.clone()), following.next()),
            Part::ToolCallPart { tool_call_id, tool_name: name, args, .. } => {
                let call = AssistantContent::tool_call(tool_call_id.clone(), tool_name(name)?, args.clone());
                with_item(call, following.next())
            }
            Part::ThinkingPart { thinking, signature, .. } => {
                let mut reasoning = Reasoning::new(thinking.clone());
                let signature = signature.as_deref().map(|signature| Signature::read(signature, origin.api.as_str()));
                let item = match signature {
                    Some(Signature::Items(items)) => {
                        following = items.following.into_iter();
                        match items.head {
                            Head::Thought(item) => Some(item),
                            Head::Redacted(item) => {
                                reasoning.redacted = true;
                                Some(item)
                            }
                            Head::Hosted(item) => {
                                content.push(AssistantContent::Opaque(Opaque { item, replay: true }));
                                continue;
                            }
                            Head::Nothing => continue,
                        }
                    }
                    Some(Signature::Foreign(Head::Redacted(_) | Head::Hosted(_) | Head::Nothing)) => continue,
                    Some(Signature::Plain(signature)) if origin.provider == anthropic::PROVIDER_NAME => {
                        Some(json!({ "type": "thinking", "thinking": thinking, "signature": signature }))
                    }
                    Some(Signature::Foreign(Head::Thought(_)) | Signature::Plain(_)) | None => None,
                };
                with_item(AssistantContent::Reasoning(reasoning), Some(item))
            }
            Part::ImageInlinePart { .. } | Part::FileInlinePart { .. } | Part::ToolResultPart { .. } => continue,
        });
    }
    Ok(content)
}

fn with_item(block: AssistantContent, item: Option<Option<Value>>) -> AssistantContent {
    match item.flatten() {
        Some(item) => block.with_native(item),
        None => block,
    }
}

/// Results, then the files in them: no provider takes those within a result.
fn tool_results(parts: &[Part]) -> Result<Vec<UserContent>, ModelError> {
    let mut results = Vec::new();
    let mut files = Vec::new();
    for part in parts {
        let Part::ToolResultPart { tool_call_id, tool_name: name, contents, is_error, .. } = part else { continue };
        let mut content = Vec::new();
        for part in contents {
            match part {
                Part::TextPart { text, .. } => content.push(ToolResultContent::text(text.clone())),
                Part::ImageInlinePart { encoded_data, mime_type, .. } => {
                    content.push(ToolResultContent::Image(image(encoded_data, mime_type)));
                }
                Part::FileInlinePart { encoded_data, mime_type, .. } => {
                    content.push(ToolResultContent::text(format!("[the file of type {mime_type} that follows]")));
                    files.push(document(encoded_data, mime_type));
                }
                Part::ThinkingPart { .. } | Part::ToolCallPart { .. } | Part::ToolResultPart { .. } => {}
            }
        }
        if content.is_empty() {
            content.push(ToolResultContent::text("[empty]"));
        }
        results.push(UserContent::ToolResult(ToolResult {
            call: CallId::from_wire(tool_call_id.clone()),
            name: tool_name(name)?,
            content,
            is_error: is_error.unwrap_or(false),
        }));
    }
    results.extend(files);
    Ok(results)
}
