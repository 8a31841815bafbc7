//! Language models, each a [`Model`](perstack_core::Model). They are asked for one reply and give it; what is done with
//! it, and whether it is tried again, is the runtime's affair.
//!
//! | provider | what it is |
//! | --- | --- |
//! | `anthropic`, `openai`, `google`, `google-vertex`, `deepseek`, `azure-openai`, `ollama` | models over the network: [`connect`] |
//! | `amazon-bedrock` | the same, with the feature `bedrock`, which is there by default |
//! | `scripted` | plays replies from a file, so that Experts can be tested: [`ScriptedModel`] |

#[cfg(fuzzing)]
pub mod fuzzing;
mod provider;
mod scripted;

pub use provider::{ConnectError, Environment, connect, credentials_file};
pub use scripted::{DEFAULT_CONTEXT_WINDOW, MAX_PIECES, MAX_REPLIES, MAX_SCRIPT_BYTES, ScriptError, ScriptedModel};
