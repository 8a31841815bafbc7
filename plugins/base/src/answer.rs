//! Answers as Perstack has them: one text, which is JSON.

use perstack::serde::Serialize;
use perstack::{Output, ToolError};

/// The longest answer. Below the default limit of 1 MiB, over which the host would end the call.
pub(crate) const MAX_ANSWER_BYTES: usize = 1_000_000;

/// The object without members.
#[derive(Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Empty {}

/// The path of what was done.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "perstack::serde")]
pub(crate) struct Done {
    pub(crate) path: String,
}

pub(crate) fn json<T: Serialize>(value: &T) -> Result<Output, ToolError> {
    perstack::json::to_string(value).map(Output::text).map_err(|error| ToolError::Failed(error.to_string()))
}
