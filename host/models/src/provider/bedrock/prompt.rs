//! A prompt as Bedrock's Converse API takes it.

use std::collections::BTreeSet;

use perstack_core::config::ReasoningBudget;
use perstack_core::{Message, Part, Prompt};
use serde_json::{Map, Value, json};

use super::family::Family;
use crate::provider::items::{Head, Signature};
use crate::provider::request::input_schema;

/// What the wire is called in what is handed back.
pub(super) const PROTOCOL: &str = "bedrock.converse";

/// Characters of a call's name that Bedrock takes.
const MAX_CALL_ID: usize = 64;

/// Bedrock wants a tool to be defined as long as calls of it are in the conversation, also when none may be called.
const NO_LONGER: &str = "It cannot be called any more.";

pub(super) fn body(prompt: &Prompt<'_>, family: &Family, budget: ReasoningBudget) -> Value {
    let marks = family.marks();
    let mut writer = Writer { is_claude: family.is_claude(), ..Writer::default() };
    for message in prompt.messages {
        writer.message(message);
    }
    let Writer { mut system, messages, called, .. } = writer;
    let mut messages: Vec<Turn> = messages.into_iter().map(Turn::with_words).collect();
    if marks.instruction && !system.is_empty() {
        system.push(mark());
    }
    if marks.conversation
        && let Some(last) = messages.last_mut().filter(|message| message.role == "user")
    {
        last.content.push(mark());
    }
    let mut tools: Vec<Value> = prompt
        .tools
        .iter()
        .map(|tool| definition(&tool.name, &tool.description, &input_schema(&tool.input_schema)))
        .collect();
    if tools.is_empty() {
        let anything = json!({ "type": "object" });
        tools.extend(called.iter().map(|name| definition(name, NO_LONGER, &anything)));
    }
    if marks.tools && !tools.is_empty() {
        tools.push(mark());
    }
    let (fields, most) = family.thinking(budget);
    let schema = prompt.response_schema.map(|schema| {
        let structure = json!({ "jsonSchema": { "name": "answer", "schema": schema.to_string() } });
        json!({ "textFormat": { "type": "json_schema", "structure": structure } })
    });
    let messages: Vec<Value> = messages.into_iter().map(Turn::into_json).collect();
    let fields = [
        ("messages", Some(Value::Array(messages))),
        ("system", (!system.is_empty()).then_some(Value::Array(system))),
        ("toolConfig", (!tools.is_empty()).then(|| json!({ "tools": tools }))),
        ("inferenceConfig", most.map(|most| json!({ "maxTokens": most }))),
        ("additionalModelRequestFields", fields),
        ("outputConfig", schema),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
}

fn mark() -> Value {
    json!({ "cachePoint": { "type": "default" } })
}

fn definition(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "toolSpec": { "name": name, "description": description, "inputSchema": { "json": schema } } })
}

/// All that one side says before the other does.
struct Turn {
    role: &'static str,
    content: Vec<Value>,
}

impl Turn {
    /// Bedrock wants words beside a document.
    fn with_words(mut self) -> Self {
        let has = |kind: &str| self.content.iter().any(|block| block.get(kind).is_some());
        if has("document") && !has("text") {
            self.content.push(json!({ "text": "[files]" }));
        }
        self
    }

    fn into_json(self) -> Value {
        json!({ "role": self.role, "content": self.content })
    }
}

#[derive(Default)]
struct Writer {
    is_claude: bool,
    system: Vec<Value>,
    messages: Vec<Turn>,
    /// The tools that have been called.
    called: BTreeSet<String>,
    /// So that each has a name of its own.
    documents: usize,
}

impl Writer {
    fn message(&mut self, message: &Message) {
        match message {
            Message::InstructionMessage { contents, .. } => {
                for part in contents {
                    if let Part::TextPart { text, .. } = part {
                        self.system.extend(text_block(text));
                    }
                }
            }
            Message::UserMessage { contents, .. } => {
                let content = contents.iter().filter_map(|part| self.given(part)).collect();
                self.say("user", content);
            }
            Message::ExpertMessage { contents, .. } => {
                let content = contents.iter().filter_map(|part| self.said(part)).collect();
                self.say("assistant", content);
            }
            Message::ToolMessage { contents, .. } => {
                let results = contents.iter().filter_map(|part| self.result(part)).collect();
                self.say("user", results);
                // Not every model takes them within a result.
                let within = contents.iter().filter_map(|part| match part {
                    Part::ToolResultPart { contents, .. } => Some(contents),
                    _ => None,
                });
                let files = within.flatten().filter(|part| matches!(part, Part::FileInlinePart { .. }));
                let files = files.filter_map(|part| self.given(part)).collect();
                self.say("user", files);
            }
        }
    }

    /// The sides take turns.
    fn say(&mut self, role: &'static str, content: Vec<Value>) {
        if content.is_empty() {
            return;
        }
        match self.messages.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.extend(content),
            None => self.messages.push(Turn { role, content }),
        }
    }

    fn given(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::TextPart { text, .. } => text_block(text),
            Part::ImageInlinePart { encoded_data, mime_type, .. } => Some(image(encoded_data, mime_type)),
            Part::FileInlinePart { encoded_data, mime_type, .. } => {
                let Some(format) = document_format(mime_type) else { return text_block(&not_shown(mime_type)) };
                self.documents += 1;
                let name = format!("document-{}", self.documents);
                Some(json!({ "document": { "format": format, "name": name, "source": { "bytes": encoded_data } } }))
            }
            Part::ThinkingPart { thinking, .. } => text_block(thinking),
            Part::ToolCallPart { tool_name, .. } | Part::ToolResultPart { tool_name, .. } => text_block(tool_name),
        }
    }

    fn said(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::TextPart { text, .. } => text_block(text),
            Part::ThinkingPart { thinking, signature, .. } => self.thought(thinking, signature.as_deref()?),
            Part::ToolCallPart { tool_call_id, tool_name, args, .. } => {
                self.called.insert(tool_name.clone());
                let input = if args.is_object() { args.clone() } else { json!({ "text": args }) };
                Some(json!({ "toolUse": { "toolUseId": call_id(tool_call_id), "name": tool_name, "input": input } }))
            }
            Part::ImageInlinePart { .. } | Part::FileInlinePart { .. } | Part::ToolResultPart { .. } => None,
        }
    }

    /// Only what the provider has signed goes back, and as it came.
    fn thought(&self, thinking: &str, signature: &str) -> Option<Value> {
        let content = match Signature::read(signature, PROTOCOL) {
            Signature::Items(items) => match items.head {
                Head::Redacted(content) => json!({ "redactedContent": content }),
                Head::Thought(_) | Head::Hosted(_) | Head::Nothing => return None,
            },
            Signature::Plain(signature) if self.is_claude => {
                json!({ "reasoningText": { "text": thinking, "signature": signature } })
            }
            Signature::Plain(_) | Signature::Foreign(_) => return None,
        };
        Some(json!({ "reasoningContent": content }))
    }

    fn result(&mut self, part: &Part) -> Option<Value> {
        let Part::ToolResultPart { tool_call_id, contents, is_error, .. } = part else { return None };
        let mut content: Vec<Value> = Vec::new();
        for part in contents {
            match part {
                Part::TextPart { text, .. } => content.extend(text_block(text)),
                Part::ImageInlinePart { encoded_data, mime_type, .. } => content.push(image(encoded_data, mime_type)),
                Part::FileInlinePart { mime_type, .. } => {
                    content.extend(text_block(&format!("[the file of type {mime_type} that follows]")));
                }
                Part::ThinkingPart { .. } | Part::ToolCallPart { .. } | Part::ToolResultPart { .. } => {}
            }
        }
        if content.is_empty() {
            content.extend(text_block("[empty]"));
        }
        let mut result = json!({ "toolUseId": call_id(tool_call_id), "content": content });
        // Models that know no status know no `success` either.
        if is_error.unwrap_or(false) {
            result["status"] = "error".into();
        }
        Some(json!({ "toolResult": result }))
    }
}

/// Bedrock takes no empty texts.
fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({ "text": text }))
}

fn image(base64: &str, media_type: &str) -> Value {
    let format = match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return json!({ "text": not_shown(media_type) }),
    };
    json!({ "image": { "format": format, "source": { "bytes": base64 } } })
}

fn document_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/csv" => "csv",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        _ => return None,
    })
}

fn not_shown(media_type: &str) -> String {
    format!("[a file of type {media_type}, which cannot be shown]")
}

/// Calls of a conversation that began elsewhere may have names that Bedrock does not take.
fn call_id(id: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '-' { character } else { '_' };
    id.chars().map(plain).take(MAX_CALL_ID).collect()
}
