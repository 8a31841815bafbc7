//! Tokens that a language model used.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Tokens used by one generation, or by several added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens in the prompt.
    pub input_tokens: u64,
    /// Tokens in the reply.
    pub output_tokens: u64,
    /// Tokens of the reply that were reasoning.
    pub reasoning_tokens: u64,
    /// Input and output together.
    pub total_tokens: u64,
    /// Tokens of the prompt that came from the provider's cache.
    pub cached_input_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.total_tokens += other.total_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
    }
}
