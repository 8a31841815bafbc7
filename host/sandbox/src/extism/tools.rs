//! What a plugin says its tools are, and what it answers: JSON in the words of the Model Context Protocol.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use perstack_core::ToolDefinition;
use serde::Deserialize;
use serde_json::Value;

use crate::bindings::types;
use crate::convert;
use crate::error::Ended;

/// The media type of bytes that come without one.
const BYTES: &str = "application/octet-stream";

#[derive(Deserialize)]
struct Listed {
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    name: String,
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    input_schema: Value,
    output_schema: Option<Value>,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Annotations {
    title: Option<String>,
    read_only_hint: Option<bool>,
    destructive_hint: Option<bool>,
    idempotent_hint: Option<bool>,
    open_world_hint: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    content: Vec<Block>,
    is_error: Option<bool>,
    structured_content: Option<Value>,
}

/// A part of an answer. The first interface has all fields in one, the second those of its type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    data: Option<String>,
    mime_type: Option<String>,
    resource: Option<Resource>,
    uri: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    text: Option<String>,
    blob: Option<String>,
    mime_type: Option<String>,
}

/// Reads and checks a list of tools; the error says what is wrong.
pub(crate) fn definitions(json: &[u8]) -> Result<Vec<ToolDefinition>, String> {
    let listed: Listed = serde_json::from_slice(json).map_err(|error| format!("it is not a list of tools: {error}"))?;
    convert::tools(listed.tools.into_iter().map(definition).collect())
}

fn definition(tool: Tool) -> types::ToolDefinition {
    let annotations = tool.annotations.unwrap_or_default();
    let mut hints = types::ToolHints::empty();
    for (said, hint) in [
        (annotations.read_only_hint, types::ToolHints::READ_ONLY),
        (annotations.destructive_hint, types::ToolHints::DESTRUCTIVE),
        (annotations.idempotent_hint, types::ToolHints::IDEMPOTENT),
        (annotations.open_world_hint, types::ToolHints::OPEN_WORLD),
    ] {
        if said == Some(true) {
            hints |= hint;
        }
    }
    types::ToolDefinition {
        name: tool.name,
        title: tool.title.or(annotations.title),
        description: tool.description.unwrap_or_default(),
        input_schema: tool.input_schema.to_string(),
        output_schema: tool.output_schema.map(|schema| schema.to_string()),
        hints,
    }
}

/// Reads an answer. What it may hold is checked as for every skill.
pub(crate) fn output(json: &[u8]) -> Result<Result<types::ToolOutput, types::ToolError>, Ended> {
    let bad = |error: serde_json::Error| Ended::BadAnswer(format!("it is not the result of a tool: {error}"));
    let result: Answer = serde_json::from_slice(json).map_err(bad)?;
    let content = result.content.into_iter().map(part).collect::<Result<Vec<_>, Ended>>()?;
    if result.is_error == Some(true) {
        let texts = content.into_iter().filter_map(|part| match part {
            types::Content::Text(text) => Some(text),
            _ => None,
        });
        let said = texts.collect::<Vec<_>>().join("\n");
        let said = if said.trim().is_empty() { "it failed, and does not say why".to_owned() } else { said };
        return Ok(Err(types::ToolError::Failed(said)));
    }
    let structured = result.structured_content.map(|structured| structured.to_string());
    Ok(Ok(types::ToolOutput { content, structured }))
}

fn part(block: Block) -> Result<types::Content, Ended> {
    let Block { kind, text, data, mime_type, resource, uri } = block;
    let resource = resource.unwrap_or(Resource { text: None, blob: None, mime_type: None });
    let (text, data) = (text.or(resource.text), data.or(resource.blob));
    let media_type = mime_type.or(resource.mime_type);
    Ok(match (kind.as_str(), text, data) {
        ("text" | "resource", Some(text), _) => types::Content::Text(text),
        ("image", _, Some(data)) => types::Content::Image(blob(media_type, &data)?),
        ("audio" | "resource", _, Some(data)) => types::Content::File(blob(media_type, &data)?),
        ("resource_link", _, _) => types::Content::Text(uri.unwrap_or_default()),
        (kind, _, _) => {
            let shown: String = kind.escape_debug().take(convert::MAX_NAME).collect();
            return Err(Ended::BadAnswer(format!("a part of type `{shown}` cannot be read")));
        }
    })
}

fn blob(media_type: Option<String>, data: &str) -> Result<types::Blob, Ended> {
    let data = STANDARD.decode(data).map_err(|_| Ended::BadAnswer("a part is not valid base64".into()))?;
    Ok(types::Blob { media_type: media_type.unwrap_or_else(|| BYTES.to_owned()), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<types::ToolOutput, String> {
        match output(json.as_bytes()) {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(types::ToolError::Failed(text))) => Err(format!("failed: {text}")),
            Ok(Err(other)) => panic!("{other:?}"),
            Err(ended) => Err(ended.to_string()),
        }
    }

    #[test]
    fn parts_of_both_interfaces_are_read() {
        let parts = read(
            r#"{"content": [
                {"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 1}},
                {"type": "image", "data": "AQI=", "mimeType": "image/png"},
                {"type": "audio", "data": "AQI=", "mimeType": "audio/wav"},
                {"type": "resource", "resource": {"uri": "x:y", "blob": "AQI="}},
                {"type": "resource", "resource": {"uri": "x:y", "text": "b", "mimeType": "text/plain"}},
                {"type": "resource", "data": "AQI=", "mimeType": "a/b"},
                {"type": "resource_link", "uri": "x:z", "name": "z"}
            ], "structuredContent": {"a": 1}}"#,
        )
        .unwrap();
        let shown: Vec<String> = parts
            .content
            .iter()
            .map(|part| match part {
                types::Content::Text(text) => text.clone(),
                types::Content::Image(blob) => format!("image {} {:?}", blob.media_type, blob.data),
                types::Content::File(blob) => format!("file {} {:?}", blob.media_type, blob.data),
                types::Content::WorkspaceFile(_) => panic!("a plugin has none"),
            })
            .collect();
        let expected = [
            "a",
            "image image/png [1, 2]",
            "file audio/wav [1, 2]",
            "file application/octet-stream [1, 2]",
            "b",
            "file a/b [1, 2]",
            "x:z",
        ];
        assert_eq!(shown, expected);
        assert_eq!(parts.structured.as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert_eq!(
            read(r#"{"isError": true, "content": [{"type": "text", "text": "no"}]}"#).unwrap_err(),
            "failed: no"
        );
        assert!(read(r#"{"isError": true}"#).unwrap_err().starts_with("failed: it failed"));
        for (json, said) in [
            ("", "not the result of a tool"),
            ("[]", "not the result of a tool"),
            (r#"{"content": [{"type": "video", "data": "AQI="}]}"#, "type `video`"),
            ("{\"content\": [{\"type\": \"\\u001b[2J\"}]}", "type `\\u{1b}[2J`"),
            (r#"{"content": [{"type": "text"}]}"#, "type `text`"),
            (r#"{"content": [{"type": "image", "data": "%", "mimeType": "a/b"}]}"#, "base64"),
        ] {
            let told = read(json).unwrap_err();
            assert!(told.contains(said), "{json}: {told}");
        }
    }

    #[test]
    fn hints_are_what_a_plugin_says() {
        let json = r#"{"tools": [
            {"name": "a", "inputSchema": {"type": "object"}},
            {"name": "b", "title": "B", "description": "Does b", "inputSchema": {}, "outputSchema": {},
             "annotations": {"readOnlyHint": true, "openWorldHint": false, "title": "other"}}
        ], "nextCursor": null}"#;
        let tools = definitions(json.as_bytes()).unwrap();
        assert_eq!((tools[0].name.as_str(), tools[0].description.as_str()), ("a", ""));
        assert_eq!((tools[1].title.as_deref(), tools[1].description.as_str()), (Some("B"), "Does b"));
        assert!(tools[1].hints.read_only && !tools[1].hints.open_world && !tools[0].hints.read_only);
        assert!(tools[1].output_schema.is_some());
    }
}
