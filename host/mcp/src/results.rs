//! What a server answers, as the answer of a tool.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use perstack_core::{Content, ToolError, ToolOutput};
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};

use crate::harmless::in_one_line;
use crate::limits::{MAX_PARTS, MAX_SERVER_NAME, MAX_TEXT_BYTES};

/// What images begin with that models take. One that is none would have the model's provider refuse the whole conversation.
const IMAGES: [(&str, &[u8]); 4] =
    [("image/png", b"\x89PNG"), ("image/jpeg", b"\xff\xd8\xff"), ("image/gif", b"GIF8"), ("image/webp", b"RIFF")];
/// The same of documents.
const DOCUMENT: (&str, &[u8]) = ("application/pdf", b"%PDF");

/// The answer, bounded.
///
/// # Errors
/// The server says that the call failed, and why.
pub(crate) fn answer(result: CallToolResult) -> Result<ToolOutput, ToolError> {
    let mut content = Vec::new();
    let mut room = MAX_TEXT_BYTES;
    let more = result.content.len().saturating_sub(MAX_PARTS);
    for block in result.content.into_iter().take(MAX_PARTS) {
        content.push(match part(block) {
            Content::Text { text } => {
                let shown = text.floor_char_boundary(room);
                room -= shown;
                let cut = text.len() - shown;
                let text =
                    if cut == 0 { text } else { format!("{}\n[cut off here: {cut} more bytes]", &text[..shown]) };
                Content::Text { text }
            }
            other => other,
        });
    }
    if more > 0 {
        content.push(Content::Text { text: format!("[{more} more parts are left out]") });
    }
    if result.is_error == Some(true) {
        let texts: Vec<String> = content.into_iter().filter_map(text_of).collect();
        let said = texts.join("\n");
        let said = if said.trim().is_empty() { "it failed, and does not say why".to_owned() } else { said };
        return Err(ToolError::Failed(said));
    }
    let structured = result.structured_content.filter(|structured| structured.to_string().len() <= MAX_TEXT_BYTES);
    Ok(ToolOutput { content, structured })
}

fn text_of(content: Content) -> Option<String> {
    match content {
        Content::Text { text } => Some(text),
        Content::Image { .. } | Content::File { .. } => None,
    }
}

fn part(block: ContentBlock) -> Content {
    match block {
        ContentBlock::Text(text) => Content::Text { text: text.text },
        ContentBlock::Image(image) => file(image.data, &image.mime_type),
        ContentBlock::Audio(audio) => file(audio.data, &audio.mime_type),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                Content::Text { text: format!("{}:\n{text}", in_one_line(&uri, MAX_SERVER_NAME)) }
            }
            ResourceContents::BlobResourceContents { mime_type, blob, .. } => {
                file(blob, mime_type.as_deref().unwrap_or("application/octet-stream"))
            }
            _ => unknown(),
        },
        ContentBlock::ResourceLink(link) => Content::Text { text: link_text(&link) },
        _ => unknown(),
    }
}

fn unknown() -> Content {
    Content::Text { text: "[something that cannot be shown]".to_owned() }
}

fn link_text(link: &Resource) -> String {
    let title = link.title.as_deref().unwrap_or(&link.name);
    let description = link.description.iter().map(|text| format!(" ({text})"));
    format!("[{title}]: {}{}", link.uri, description.collect::<String>())
}

/// A file, as what it really is.
fn file(base64: String, media_type: &str) -> Content {
    let cannot = |what: &str| Content::Text {
        text: format!("[a file of type {}, {what}]", in_one_line(media_type, MAX_SERVER_NAME)),
    };
    let Ok(bytes) = STANDARD.decode(&base64) else { return cannot("which is not valid base64") };
    let begins = |(_, begin): &&(&str, &[u8])| bytes.starts_with(begin);
    if let Some((media_type, _)) = IMAGES.iter().find(begins) {
        return Content::Image { media_type: (*media_type).to_owned(), base64 };
    }
    let is_plain = media_type.len() <= MAX_SERVER_NAME
        && media_type.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte));
    let is_image = media_type.starts_with("image/");
    let is_document = media_type == DOCUMENT.0 && !bytes.starts_with(DOCUMENT.1);
    if !is_plain || is_image || is_document {
        return cannot("which it is not");
    }
    Content::File { media_type: media_type.to_owned(), base64 }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(result: &Value) -> Result<ToolOutput, ToolError> {
        answer(serde_json::from_value(result.clone()).unwrap())
    }

    fn contents(content: &Value) -> Vec<Content> {
        read(&json!({ "content": content })).unwrap().content
    }

    fn text(text: &str) -> Content {
        Content::Text { text: text.to_owned() }
    }

    const PNG: &str = "iVBORw0KGgo=";

    #[test]
    fn every_kind_of_content_is_taken() {
        let found = contents(&json!([
            { "type": "text", "text": "hello" },
            { "type": "image", "data": PNG, "mimeType": "image/png" },
            { "type": "audio", "data": "AAAA", "mimeType": "audio/wav" },
            { "type": "resource", "resource": { "uri": "demo://a", "text": "inside" } },
            { "type": "resource", "resource": { "uri": "demo://b", "blob": PNG, "mimeType": "image/png" } },
            { "type": "resource_link", "uri": "demo://c", "name": "c", "description": "the third" },
        ]));
        let png = Content::Image { media_type: "image/png".into(), base64: PNG.into() };
        let audio = Content::File { media_type: "audio/wav".into(), base64: "AAAA".into() };
        let link = text("[c]: demo://c (the third)");
        assert_eq!(found, [text("hello"), png.clone(), audio, text("demo://a:\ninside"), png, link]);
        let structured = read(&json!({ "content": [], "structuredContent": { "a": 1 } })).unwrap();
        assert_eq!((structured.content, structured.structured), (vec![], Some(json!({ "a": 1 }))));
    }

    #[test]
    fn what_failed_says_why() {
        let failed = json!({ "isError": true, "content": [{ "type": "text", "text": "no such city" }] });
        assert_eq!(read(&failed).unwrap_err(), ToolError::Failed("no such city".into()));
        let silent = read(&json!({ "isError": true, "content": [] })).unwrap_err();
        assert_eq!(silent.to_string(), "it failed, and does not say why");
    }

    #[test]
    fn a_file_that_is_not_what_it_says_is_not_shown() {
        let found = contents(&json!([
            { "type": "image", "data": "no base64!", "mimeType": "image/png" },
            { "type": "image", "data": "AAAA", "mimeType": "image/png" },
            { "type": "image", "data": PNG, "mimeType": "image/\u{1b}x" },
            { "type": "image", "data": "AAAA", "mimeType": "text/\u{1b}x" },
            { "type": "resource", "resource": { "uri": "a:b", "blob": "AAAA", "mimeType": "application/pdf" } },
        ]));
        assert_eq!(found[0], text("[a file of type image/png, which is not valid base64]"));
        assert_eq!(found[1], text("[a file of type image/png, which it is not]"));
        assert_eq!(found[2], Content::Image { media_type: "image/png".into(), base64: PNG.into() });
        assert_eq!(found[3], text("[a file of type text/ x, which it is not]"));
        assert_eq!(found[4], text("[a file of type application/pdf, which it is not]"));
    }

    #[test]
    fn results_are_bounded() {
        let part = |length: usize| json!({ "type": "text", "text": "x".repeat(length) });
        let found = contents(&json!([part(MAX_TEXT_BYTES - 1), part(3)]));
        assert_eq!(found[1], text("x\n[cut off here: 2 more bytes]"));
        let found = contents(&vec![part(1); MAX_PARTS + 2].into());
        assert_eq!(found.len(), MAX_PARTS + 1);
        assert_eq!(found[MAX_PARTS], text("[2 more parts are left out]"));
        let structured = json!({ "content": [], "structuredContent": "x".repeat(MAX_TEXT_BYTES) });
        assert_eq!(read(&structured).unwrap().structured, None);
    }
}
