//! The tools of the Expert's own skills, delegates among them. For Experts.
//!
//! ```
//! # perstack::testing::on_tool_call(|name, arguments| Ok(format!("{name} {arguments}")));
//! let result = perstack::tools::call("record", &perstack::json::json!({ "game": "chess" }));
//! assert!(!result.is_error);
//! # assert_eq!(result.text(), r#"record {"game":"chess"}"#);
//! ```

use std::cell::Cell;

use crate::definition::ToolDefinition;
use crate::output::{Content, joined_text};
use crate::serde::Serialize;
use crate::{host, json};

/// One request to a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Unique within the run.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON text of the arguments.
    pub arguments: String,
}

impl ToolCall {
    /// A call with the next id: `call-1`, `call-2` and so on. Fails where the arguments have no JSON form.
    pub fn new<T: Serialize + ?Sized>(name: &str, arguments: &T) -> Result<Self, json::Error> {
        let arguments = json::to_string(arguments)?;
        Ok(Self { id: next_id(), name: name.to_owned(), arguments })
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

fn next_id() -> String {
    let number = CALLS.get() + 1;
    CALLS.set(number);
    format!("call-{number}")
}

/// What came back from a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// Of the call that this answers.
    pub tool_call_id: String,
    /// The tool.
    pub tool_name: String,
    /// The call failed, and the content says why.
    pub is_error: bool,
    /// The answer's parts.
    pub content: Vec<Content>,
}

impl ToolResult {
    /// The text of the answer, parts joined by line feeds.
    pub fn text(&self) -> String {
        joined_text(&self.content)
    }

    /// The text of the answer, or of the error.
    pub fn into_result(self) -> Result<String, String> {
        if self.is_error { Err(self.text()) } else { Ok(self.text()) }
    }
}

/// The tools that the Expert may call.
pub fn list() -> Vec<ToolDefinition> {
    host::list_tools()
}

/// Calls one tool. A failure is a result with `is_error` set.
pub fn call<T: Serialize + ?Sized>(name: &str, arguments: &T) -> ToolResult {
    let failed = |reason: String| ToolResult {
        tool_call_id: String::new(),
        tool_name: name.to_owned(),
        is_error: true,
        content: vec![Content::Text(reason)],
    };
    match ToolCall::new(name, arguments) {
        Err(error) => failed(format!("the arguments of `{name}` have no JSON form: {error}")),
        Ok(call) => call_all(vec![call]).pop().unwrap_or_else(|| failed("the host gave no result".to_owned())),
    }
}

/// Calls tools side by side and returns when all are done, results in the order of the calls.
pub fn call_all(calls: Vec<ToolCall>) -> Vec<ToolResult> {
    host::call_tools(calls)
}
