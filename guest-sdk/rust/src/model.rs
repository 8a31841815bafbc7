//! The language model that the run was started with. For Experts.
//!
//! ```
//! use perstack::model::{self, Request};
//!
//! let request = Request::new().instruction("Answer in one word.").user("What falls in winter?");
//! // A unit test has no model unless it scripts one.
//! assert_eq!(model::generate(&request), Err(model::Error::NoModel));
//! ```

use std::fmt;

use crate::host;
use crate::output::Content;
use crate::tools::{ToolCall, ToolResult};

/// What the model said in one generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Opaque reasoning, JSON text, to hand back unchanged on the next turn.
    pub reasoning: Option<String>,
    /// What it said.
    pub text: String,
    /// The tools that it asks to be called: hand them to `tools::call_all`.
    pub tool_calls: Vec<ToolCall>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the model is told to be.
    Instruction(String),
    /// What it is asked.
    User(Vec<Content>),
    /// What it said.
    Expert(Reply),
    /// What its tool calls gave.
    ToolResults(Vec<ToolResult>),
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It is done.
    EndTurn,
    /// It waits for the results of its tool calls.
    ToolCalls,
    /// The reply was cut at the provider's limit.
    MaxTokens,
    /// It declined.
    Refusal,
}

/// Tokens of one generation, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the conversation.
    pub input_tokens: u64,
    /// Tokens of the reply.
    pub output_tokens: u64,
    /// Tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Tokens of the conversation that the provider had in its cache.
    pub cached_input_tokens: u64,
}

/// A finished generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// What the model said.
    pub reply: Reply,
    /// Why it stopped.
    pub stop_reason: StopReason,
    /// What it took.
    pub usage: Usage,
}

/// A conversation to continue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Names of the tools offered to the model; empty offers none.
    pub tools: Vec<String>,
    /// JSON Schema, as text, that the reply's text must match.
    pub response_schema: Option<String>,
}

impl Request {
    /// An empty conversation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an instruction.
    #[must_use]
    pub fn instruction(self, text: impl Into<String>) -> Self {
        self.message(Message::Instruction(text.into()))
    }

    /// Adds what the model is asked.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Message::User(vec![Content::Text(text.into())]))
    }

    /// Adds any message.
    #[must_use]
    pub fn message(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// Offers a tool, by name.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>) -> Self {
        self.tools.push(name.into());
        self
    }

    /// Asks for a reply that is JSON of this type.
    #[must_use]
    pub fn respond_with<T: crate::Schema>(mut self) -> Self {
        self.response_schema = Some(crate::schema_of::<T>());
        self
    }
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No model was configured for this run.
    NoModel,
    /// The conversation does not fit the model's context window.
    ContextExceeded(String),
    /// The provider failed after all retries.
    Provider(String),
    /// The run's limit of steps or tokens is reached.
    LimitExceeded(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoModel => formatter.write_str("no model is configured for this run"),
            Self::ContextExceeded(reason) | Self::Provider(reason) | Self::LimitExceeded(reason) => {
                formatter.write_str(reason)
            }
        }
    }
}

impl std::error::Error for Error {}

/// Generates one reply. Counts as one step of the run.
pub fn generate(request: &Request) -> Result<Generation, Error> {
    host::generate(request)
}
