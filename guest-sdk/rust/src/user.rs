//! The person, or the application, that started the run. For Experts.

use std::fmt;

use crate::serde::Serialize;
use crate::{host, json};

/// Why a question could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskError {
    /// Only a job's first Expert may ask.
    NotCoordinator,
    /// The Expert has no such interactive tool.
    UnknownTool(String),
    /// The arguments have no JSON form.
    Arguments(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCoordinator => formatter.write_str("only a job's first Expert may ask the user"),
            Self::UnknownTool(name) => write!(formatter, "the Expert has no interactive tool `{name}`"),
            Self::Arguments(reason) => write!(formatter, "the question's arguments have no JSON form: {reason}"),
        }
    }
}

impl std::error::Error for AskError {}

/// Calls one of the Expert's interactive tools and returns the answer, which may come days later: the run stops, and
/// when it is continued it starts again from the top with all recorded answers. The code before the question must
/// therefore do the same each time, which it does as long as all it learns comes through this crate or WASI.
pub fn ask<T: Serialize + ?Sized>(tool_name: &str, arguments: &T) -> Result<String, AskError> {
    let arguments = json::to_string(arguments).map_err(|error| AskError::Arguments(error.to_string()))?;
    host::ask(tool_name, &arguments)
}

/// Shows text while the run goes on.
pub fn say(text: &str) {
    host::say(text);
}
