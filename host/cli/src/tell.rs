//! Calls, results and reasons, in a few words.

use perstack_core::{Part, ToolCall, ToolResult};
use serde_json::Value;

/// Characters that are shown of what a tool is called with.
const SHOWN_OF_CALLS: usize = 100;

/// `writeTextFile fitness-log.md · # Fitness log…`.
pub(crate) fn called(call: &ToolCall) -> String {
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let arguments = match call.args.as_object() {
        Some(fields) => fields.values().map(value).collect::<Vec<_>>().join(" · "),
        None => call.args.to_string(),
    };
    if arguments.is_empty() {
        call.tool_name.clone()
    } else {
        format!("{} {}", call.tool_name, shortened(&arguments, SHOWN_OF_CALLS))
    }
}

pub(crate) fn text_of(result: &ToolResult) -> String {
    let texts = result.result.iter().filter_map(|part| match part {
        Part::TextPart { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Why the model is asked again: what the model is told of it is JSON, with an `error` for people.
pub(crate) fn reason_of(reason: &str) -> String {
    let json: Value = serde_json::from_str(reason).unwrap_or_default();
    json.get("error").and_then(Value::as_str).unwrap_or(reason).to_owned()
}

/// The beginning of a text, on one line.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let text = text.replace('\n', " ");
    let cut = text.chars().count() > limit;
    let shown: String = text.chars().take(limit).collect();
    format!("{shown}{}", if cut { "…" } else { "" })
}
