//! The host of unit tests, on targets other than WebAssembly.
//!
//! Each thread has a double of its own, and `cargo test` runs each test in a thread of its own, so tests do not see
//! each other. State works as it is, and there is no model. What else the code uses, the test scripts first; what is
//! not scripted panics and says what to call.
//!
//! ```
//! use perstack::testing;
//!
//! fn greet() -> String {
//!     let name = perstack::user::ask("askName", &perstack::json::json!({})).unwrap();
//!     perstack::user::say(&format!("Hello, {name}!"));
//!     perstack::tools::call("visits", &perstack::json::json!({ "name": name })).text()
//! }
//!
//! testing::answer(["Ada"]);
//! testing::on_tool_call(|name, arguments| match name {
//!     "visits" => Ok(format!("{} was here", arguments["name"])),
//!     _ => Err(format!("no tool `{name}`")),
//! });
//! assert_eq!(greet(), r#""Ada" was here"#);
//! assert_eq!(testing::said(), ["Hello, Ada!"]);
//! ```

use crate::context::Context;
use crate::definition::{Skill, ToolDefinition};
use crate::delegates::Delegate;
use crate::host;
use crate::json::Value;
use crate::model::{self, Generation, Request};
use crate::output::{Output, ToolError};
use crate::user::AskError;

/// Calls a tool as the host does, with the JSON text of its arguments.
pub fn call<S: Skill>(tool: &str, arguments: &str) -> Result<Output, ToolError> {
    S::call(tool, arguments)
}

/// Forgets all that was scripted, stored, said and asked.
pub fn reset() {
    host::with(|double| *double = host::Double::default());
}

/// Queues answers to `user::ask`.
pub fn answer<T: Into<String>>(answers: impl IntoIterator<Item = T>) {
    host::with(|double| double.answers.extend(answers.into_iter().map(|answer| Ok(answer.into()))));
}

/// Queues a refusal of `user::ask`.
pub fn refuse_to_ask(error: AskError) {
    host::with(|double| double.answers.push_back(Err(error)));
}

/// What `user::ask` asked, oldest first: names of tools with their arguments.
pub fn asked() -> Vec<(String, Value)> {
    host::with(|double| double.asked.clone())
}

/// What `user::say` said, oldest first.
pub fn said() -> Vec<String> {
    host::with(|double| double.said.clone())
}

/// What `progress` reported, oldest first.
pub fn progress() -> Vec<(String, Option<f32>)> {
    host::with(|double| double.progress.clone())
}

/// Sets what `context::get` gives.
pub fn set_context(context: Context) {
    host::with(|double| double.context = Some(context));
}

/// Limits the bytes of all keys and values in state; more is `state::Error::QuotaExceeded`.
pub fn limit_state(bytes: usize) {
    host::with(|double| double.state_limit = Some(bytes));
}

/// Sets what `tools::list` gives.
pub fn set_tools(tools: Vec<ToolDefinition>) {
    host::with(|double| double.tools = Some(tools));
}

/// Answers calls of tools, by name and arguments. An error becomes a result with `is_error` set.
pub fn on_tool_call(answer: impl FnMut(&str, &Value) -> Result<String, String> + 'static) {
    host::with(|double| double.on_tool_call = Some(Box::new(answer)));
}

/// Plays the model. Without it there is none, and `model::generate` says so.
pub fn on_generate(generate: impl FnMut(&Request) -> Result<Generation, model::Error> + 'static) {
    host::with(|double| double.on_generate = Some(Box::new(generate)));
}

/// Sets what `delegates::list` gives.
pub fn set_delegates(delegates: Vec<Delegate>) {
    host::with(|double| double.delegates = Some(delegates));
}

/// Plays the delegates, by Expert key and query.
pub fn on_delegation(answer: impl FnMut(&str, &str) -> Result<String, String> + 'static) {
    host::with(|double| double.on_delegation = Some(Box::new(answer)));
}
