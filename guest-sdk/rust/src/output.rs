//! What a tool answers.

use std::fmt;

use crate::json;
use crate::schema::Schema;
use crate::serde::Serialize;

/// Bytes with their media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// IANA media type, such as `image/png`.
    pub media_type: String,
    /// The bytes themselves.
    pub data: Vec<u8>,
}

/// A file that the host reads from the workspace itself, so that large files never pass through the component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceFile {
    /// Path relative to the workspace root; the skill must be granted it.
    pub path: String,
    /// IANA media type, such as `application/pdf`.
    pub media_type: String,
}

/// One part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// An image.
    Image(Blob),
    /// A file that is not an image.
    File(Blob),
    /// A file of the workspace.
    WorkspaceFile(WorkspaceFile),
}

/// The text parts among these, joined by line feeds.
pub(crate) fn joined_text(content: &[Content]) -> String {
    let mut text = String::new();
    for part in content {
        if let Content::Text(part) = part {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(part);
        }
    }
    text
}

/// A tool's answer in parts, for tools that answer with more than text or data.
///
/// ```
/// use perstack::Output;
///
/// let output = Output::text("The chart of May:").with_image("image/png", vec![0x89, b'P']);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The parts, in order.
    pub content: Vec<Content>,
    /// The same answer as data: JSON that matches the tool's output schema.
    pub structured: Option<String>,
}

impl Output {
    /// What a tool says that has nothing to say: the text `Done`, since a model takes an empty answer for a failure.
    pub fn done() -> Self {
        Self::text("Done")
    }

    /// An answer that starts with text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::default().with_text(text)
    }

    /// An answer that starts with an image; `media_type` is such as `image/png`.
    pub fn image(media_type: impl Into<String>, data: Vec<u8>) -> Self {
        Self::default().with_image(media_type, data)
    }

    /// An answer that starts with a file; `media_type` is such as `application/pdf`.
    pub fn file(media_type: impl Into<String>, data: Vec<u8>) -> Self {
        Self::default().with_file(media_type, data)
    }

    /// An answer that starts with a file of the workspace, which the host reads.
    pub fn workspace_file(path: impl Into<String>, media_type: impl Into<String>) -> Self {
        Self::default().with_workspace_file(path, media_type)
    }

    /// Data, and its JSON as text for models that read only text. Fails where the value has no JSON form.
    pub fn structured<T: Serialize + Schema + ?Sized>(value: &T) -> Result<Self, ToolError> {
        let json = to_json(value)?;
        Ok(Self { content: vec![Content::Text(json.clone())], structured: Some(json) })
    }

    /// Adds text.
    #[must_use]
    pub fn with_text(self, text: impl Into<String>) -> Self {
        self.with(Content::Text(text.into()))
    }

    /// Adds an image.
    #[must_use]
    pub fn with_image(self, media_type: impl Into<String>, data: Vec<u8>) -> Self {
        self.with(Content::Image(Blob { media_type: media_type.into(), data }))
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(self, media_type: impl Into<String>, data: Vec<u8>) -> Self {
        self.with(Content::File(Blob { media_type: media_type.into(), data }))
    }

    /// Adds a file of the workspace.
    #[must_use]
    pub fn with_workspace_file(self, path: impl Into<String>, media_type: impl Into<String>) -> Self {
        self.with(Content::WorkspaceFile(WorkspaceFile { path: path.into(), media_type: media_type.into() }))
    }

    /// Adds the answer as data. Fails where the value has no JSON form.
    pub fn with_structured<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, ToolError> {
        self.structured = Some(to_json(value)?);
        Ok(self)
    }

    fn with(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, ToolError> {
    json::to_string(value).map_err(|error| ToolError::Failed(format!("the answer has no JSON form: {error}")))
}

/// Why a tool call failed. The model reads the text, and may correct itself and call again.
///
/// A tool whose error is a plain `String`, or anything else that implements `Display`, fails with `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolError {
    /// The arguments do not fit; the text says which and why.
    InvalidArguments(String),
    /// The skill lacks a capability; the text names it.
    Denied(String),
    /// The tool tried and failed.
    Failed(String),
}

impl From<String> for ToolError {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<&str> for ToolError {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidArguments(text) | Self::Denied(text) | Self::Failed(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for ToolError {}
