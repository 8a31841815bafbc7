//! Answers at length.

use perstack::{Output, ToolError};

pub(crate) fn run(bytes: usize, kind: &str) -> Result<Output, ToolError> {
    let text = "x".repeat(bytes);
    match kind {
        "text" => Ok(Output::text(text)),
        "image" => Ok(Output::image("image/png", text.into_bytes())),
        "structured" => Output::default().with_structured(&text),
        "path" => Ok(Output::workspace_file(text, "text/plain")),
        _ => Err(ToolError::Failed(text)),
    }
}
