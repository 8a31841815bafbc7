//! Tools behind `describe` and `call`.

mod hostile;
#[cfg(target_os = "wasi")]
mod system;

use extism_pdk::{config, http, info, var, Error, FnResult, HttpRequest, Json};
use serde_json::{json, Value};

/// What the plugin says its tools are; the value `describe` of its configuration has it say something else.
#[extism_pdk::plugin_fn]
pub fn describe() -> FnResult<String> {
    let tool = |name: &str| {
        json!({
            "name": name,
            "description": format!("Does `{name}`"),
            "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } } },
        })
    };
    let listed = |tools: Vec<Value>| json!({ "tools": tools }).to_string();
    Ok(match config::get("describe")?.as_deref() {
        None => listed(TOOLS.iter().copied().map(tool).collect()),
        Some("nonsense") => "{".to_owned(),
        Some("other") => r#"{"tools": "echo"}"#.to_owned(),
        Some("nested") => format!("{}{}", r#"{"tools": [{"name": "a", "inputSchema": "#, "[".repeat(100_000)),
        Some("huge") => "x".repeat(2 << 20),
        Some("many") => listed((0..300).map(|number| tool(&format!("tool-{number}"))).collect()),
        Some("twice") => listed(vec![tool("echo"), tool("echo")]),
        Some("name") => listed(vec![tool("\u{1b}[2J")]),
        Some("base") => listed(vec![tool("../etc/passwd")]),
        Some("spin") => hostile::spin(),
        // Its configuration, but nothing that it is granted.
        Some("secret") => listed(vec![tool(if config::get("KEY")?.is_some() { "granted" } else { "nothing" })]),
        Some(url) if url.starts_with("https://") => fetch(&json!({ "url": url }))?,
        Some(other) => panic!("no case `{other}`"),
    })
}

const TOOLS: &[&str] = &[
    "echo",
    "config",
    "variable",
    "fetch",
    "picture",
    "fails",
    "errs",
    "log",
    "level",
    "panic",
    "spin",
    "memory",
    "blocks",
    "freed",
    "output",
    "variables",
    "offsets",
    "handles",
    "messages",
    "environment",
    "files",
    "print",
    "exit",
    "time",
];

#[extism_pdk::plugin_fn]
pub fn call(Json(request): Json<Value>) -> FnResult<Json<Value>> {
    let (tool, arguments) = (&request["params"]["name"], &request["params"]["arguments"]);
    let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let answer = match tool.as_str().unwrap_or_default() {
        "echo" => text("text"),
        "config" => format!("{:?}", config::get(text("text"))?),
        "variable" => {
            let before: Option<String> = var::get("kept")?;
            var::set("kept", text("text"))?;
            let after: Option<String> = var::get("kept")?;
            var::remove("kept")?;
            format!("{before:?} {after:?} {:?}", var::get::<String>("kept")?)
        }
        "fetch" => fetch(arguments)?,
        "picture" => {
            let content = [json!({ "type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png" })];
            return Ok(Json(json!({ "content": content })));
        }
        "fails" => {
            return Ok(Json(json!({ "isError": true, "content": [{ "type": "text", "text": "it cannot be done" }] })));
        }
        "errs" => return Err(Error::msg("an error of its own").into()),
        "log" => {
            info!("{}", text("text"));
            extism_pdk::debug!("not wanted");
            String::new()
        }
        other => match hostile::case(other, &text("text")) {
            Some(answer) => answer,
            None => system(other, &text("text")),
        },
    };
    Ok(Json(json!({ "content": [{ "type": "text", "text": answer }] })))
}

/// Makes a request, with the value `KEY` of its configuration wherever `$KEY` is.
fn fetch(arguments: &Value) -> Result<String, Error> {
    let key = config::get("KEY")?.unwrap_or_default();
    let with_key = |value: &Value| value.as_str().unwrap_or_default().replace("$KEY", &key);
    let method = arguments["method"].as_str().unwrap_or("GET");
    let mut request = HttpRequest::new(with_key(&arguments["url"])).with_method(method);
    for (name, value) in arguments["headers"].as_object().into_iter().flatten() {
        request = request.with_header(name, with_key(value));
    }
    let body = arguments.get("body").map(with_key);
    let response = http::request(&request, body)?;
    let body = String::from_utf8_lossy(&response.body()).into_owned();
    Ok(format!("{} {:?} {body}", response.status_code(), response.headers().get("x-echo")))
}

#[cfg(target_os = "wasi")]
use system::case as system;

#[cfg(not(target_os = "wasi"))]
fn system(tool: &str, _: &str) -> String {
    format!("there is no `{tool}` without WASI")
}
