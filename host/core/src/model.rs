//! Language models: what they are asked, what they reply, and the trait at which they meet the runtime.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Hosted;
use crate::{Message, ToolDefinition, Usage};

/// What a model is asked for: one reply.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// The Expert that asks.
    pub expert_key: &'a str,
    /// The conversation, with the instruction first.
    pub messages: &'a [Message],
    /// The tools that the model may call; none for a final answer.
    pub tools: &'a [ToolDefinition],
    /// What the provider runs itself meanwhile. It is what [`Model::offers`] has agreed to.
    pub hosted: Hosted<'a>,
    /// JSON Schema that the reply's text must match.
    pub response_schema: Option<&'a Value>,
    /// Generations of this conversation before this one, failed ones too.
    pub turn: u64,
    /// The longest that the reply may take.
    pub timeout: Duration,
}

/// One reply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// What the model said, in its order.
    pub parts: Vec<GeneratedPart>,
    /// Why it stopped.
    pub stop_reason: StopReason,
    /// Tokens used.
    pub usage: Usage,
}

/// One part of a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum GeneratedPart {
    /// Reasoning, to be handed back unchanged.
    Reasoning {
        /// What people may read of it.
        text: String,
        /// By which the provider knows it again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A request to call a tool. Nothing of it has been checked.
    ToolCall {
        /// Chosen by the provider.
        id: String,
        /// The tool.
        name: String,
        /// The arguments: JSON, or the text that is none.
        arguments: Result<Value, String>,
    },
}

impl Generation {
    /// All text, without reasoning.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().map(|part| match part {
            GeneratedPart::Text { text } => text.as_str(),
            GeneratedPart::Reasoning { .. } | GeneratedPart::ToolCall { .. } => "",
        });
        texts.collect()
    }
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// It had said everything.
    #[default]
    EndTurn,
    /// It waits for tools.
    ToolCalls,
    /// The reply was as long as it may be.
    MaxTokens,
    /// It does not answer this.
    Refusal,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ModelError {
    /// Trying again may help: too many requests, an overloaded or failing server, a cut connection.
    #[error("{message}")]
    Transient {
        /// What happened.
        message: String,
        /// How long the provider asks to wait, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// The conversation does not fit the model's context window.
    #[error("the conversation does not fit the model's context window: {message}")]
    ContextExceeded {
        /// What the provider said.
        message: String,
    },
    /// Trying again does not help.
    #[error("{message}")]
    Fatal {
        /// What happened, with what to do.
        message: String,
    },
    /// The model was not asked: the job has used what it may use.
    #[error("{message}")]
    LimitExceeded {
        /// Which limit, with its value.
        message: String,
    },
    /// The model could not be asked, and does not know of it: what is missing can be added.
    #[error("{message}")]
    NotAsked {
        /// What is missing, with what to do.
        message: String,
    },
}

impl ModelError {
    /// Whether the model knows of it.
    pub fn was_asked(&self) -> bool {
        !matches!(self, Self::NotAsked { .. } | Self::LimitExceeded { .. })
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }
}

/// Why the provider of a model does not run what an Expert has it run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotOffered {
    /// What is not offered.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Is told what a model says while it says it. Must not block.
pub trait Deltas: Send + Sync {
    /// A piece of reasoning.
    fn reasoning(&self, piece: &str);
    /// A piece of text.
    fn text(&self, piece: &str);
}

/// A language model.
#[async_trait::async_trait]
pub trait Model: Send + Sync {
    /// What it is called, in events.
    fn name(&self) -> &str;

    /// Tokens that a conversation may have, where that is known.
    fn context_window(&self) -> Option<u64>;

    /// Whether it stands in for any provider, so that what is set for one makes no difference.
    fn stands_in(&self) -> bool {
        false
    }

    /// Whether the provider runs all of this. Asked before the first generation.
    ///
    /// # Errors
    /// [`NotOffered`], which names what it does not run.
    fn offers(&self, hosted: Hosted<'_>) -> Result<(), NotOffered> {
        if hosted.is_empty() || self.stands_in() {
            return Ok(());
        }
        Err(NotOffered {
            message: format!("model `{}` has no tools of its own", self.name()),
            hint: "remove `providerTools` and `providerSkills` from perstack.toml".to_owned(),
        })
    }

    /// Generates one reply.
    ///
    /// # Errors
    /// [`ModelError`].
    async fn generate(&self, prompt: Prompt<'_>, deltas: &dyn Deltas) -> Result<Generation, ModelError>;
}
