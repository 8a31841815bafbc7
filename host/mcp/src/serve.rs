//! The other side: tools that are offered to any MCP client, over stdin and stdout or over HTTP.
//!
//! No client is trusted. What it sends is bounded, and it can do nothing but call the tools that it is offered.

mod handler;
mod http;
mod stdio;

use perstack_core::{ToolDefinition, ToolError, ToolOutput};
use serde_json::Value;

pub use handler::MAX_CALLS;
pub use http::{HTTP_PATH, serve_http};
pub use stdio::serve_lines;

/// What clients are offered, and who answers them.
#[async_trait::async_trait]
pub trait Offer: Send + Sync + 'static {
    /// What this is, for people: a name and a version.
    fn identity(&self) -> (String, String);

    /// How the tools are to be used, for models.
    fn instructions(&self) -> Option<String>;

    /// The tools.
    fn tools(&self) -> Vec<ToolDefinition>;

    /// Calls one. Dropped where the client does not want it any more.
    async fn call(&self, tool: &str, arguments: Value, progress: Progress) -> Result<ToolOutput, ToolError>;
}

/// Takes reports of how far a call is.
pub type Progress = tokio::sync::mpsc::Sender<Report>;

/// How far a call is.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it is doing.
    pub message: String,
    /// How far that is, 0 to 1, where it is known.
    pub fraction: Option<f32>,
}

/// Why serving ended otherwise than by the client's leaving.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServeError(pub(crate) String);
