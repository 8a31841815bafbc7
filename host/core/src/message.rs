//! Messages of a conversation, in the shapes that Perstack's checkpoints and events have.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Id;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Message {
    /// What tells the Expert who it is.
    InstructionMessage {
        /// Text parts.
        contents: Vec<Part>,
        /// Identifies the message.
        id: Id,
        /// Whether the provider is asked to cache the prompt up to here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<bool>,
    },
    /// What the user, or the Expert that delegates, said.
    UserMessage {
        /// Text, images and files.
        contents: Vec<Part>,
        /// Identifies the message.
        id: Id,
    },
    /// What the Expert said: text, reasoning and tool calls.
    ExpertMessage {
        /// Text, reasoning and tool calls.
        contents: Vec<Part>,
        /// Identifies the message.
        id: Id,
    },
    /// What tools answered.
    ToolMessage {
        /// Tool results.
        contents: Vec<Part>,
        /// Identifies the message.
        id: Id,
    },
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Part {
    /// Plain text.
    TextPart {
        /// The text.
        text: String,
        /// Identifies the part.
        id: Id,
    },
    /// An image, as data.
    ImageInlinePart {
        /// The image in base64.
        encoded_data: String,
        /// IANA media type.
        mime_type: String,
        /// Identifies the part.
        id: Id,
    },
    /// A file, as data.
    FileInlinePart {
        /// The file in base64.
        encoded_data: String,
        /// IANA media type.
        mime_type: String,
        /// Identifies the part.
        id: Id,
    },
    /// What the model thought, to be handed back to it unchanged.
    ThinkingPart {
        /// What people may read of it.
        thinking: String,
        /// By which the provider knows it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        /// Identifies the part.
        id: Id,
    },
    /// A request to call a tool.
    ToolCallPart {
        /// Identifies the call, and its result later.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// The arguments.
        args: Value,
        /// Identifies the part.
        id: Id,
    },
    /// What a tool answered.
    ToolResultPart {
        /// The call that this answers.
        tool_call_id: String,
        /// The tool.
        tool_name: String,
        /// Text, images and files.
        contents: Vec<Part>,
        /// Whether the call failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        /// Identifies the part.
        id: Id,
    },
}
