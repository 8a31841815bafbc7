//! Tools behind `list_tools` and `call_tool`.

use extism_pdk::{plugin_fn, FnResult, Json};
use serde_json::{json, Value};

#[plugin_fn]
pub fn list_tools(Json(request): Json<Value>) -> FnResult<Json<Value>> {
    assert!(request["context"]["_meta"].is_object());
    let greet = json!({
        "name": "greet",
        "title": "Greeting",
        "inputSchema": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] },
        "annotations": { "readOnlyHint": true },
    });
    Ok(Json(json!({ "tools": [greet] })))
}

#[plugin_fn]
pub fn call_tool(Json(request): Json<Value>) -> FnResult<Json<Value>> {
    let called = &request["request"];
    let text = format!("Hello, {}! ({})", called["arguments"]["name"], request["context"]["id"]);
    Ok(Json(json!({
        "content": [{ "type": "text", "text": text }],
        "structuredContent": { "tool": called["name"] },
    })))
}
