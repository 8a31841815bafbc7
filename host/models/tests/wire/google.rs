use perstack_core::{GeneratedPart, StopReason, Usage};

use super::*;

async fn fixture(replies: Vec<Reply>) -> Fixture {
    Fixture::new(Provider::Google, "gemini-2.5-flash", replies).await
}

fn piece(parts: &Value, finish: Option<&str>) -> (&'static str, Value) {
    let usage = json!({
        "promptTokenCount": 120, "cachedContentTokenCount": 100, "candidatesTokenCount": 10, "thoughtsTokenCount": 20,
        "totalTokenCount": 150,
    });
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    (
        "",
        json!({ "candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "r" }),
    )
}

#[tokio::test]
async fn thoughts_text_and_calls_come() {
    let call = json!({ "functionCall": { "name": "read", "args": { "path": "a" } }, "thoughtSignature": "c2ln" });
    let other = json!({ "functionCall": { "name": "list", "args": {} } });
    let reply = Reply::events(&[
        piece(&json!([{ "text": "Let me see.", "thought": true }]), None),
        piece(&json!([{ "text": "I " }]), None),
        piece(&json!([{ "text": "look." }]), None),
        piece(&json!([call, other]), Some("STOP")),
    ]);
    let done = Reply::events(&[piece(&json!([{ "text": "Done." }]), Some("STOP"))]);
    let fixture = fixture(vec![reply, done]).await;
    let asked = [instruction("Be kind."), user("Hi")];
    let reply = fixture.ask(&asked, &[tool("read"), tool("list")]).await.unwrap();
    assert_eq!(fixture.heard(), ["thinks Let me see.", "says I ", "says look."]);
    assert_eq!(reply.stop_reason, StopReason::ToolCalls);
    let usage =
        Usage { input_tokens: 20, output_tokens: 30, reasoning_tokens: 20, total_tokens: 50, cached_input_tokens: 100 };
    assert_eq!(reply.usage, usage);
    let calls: Vec<_> = reply
        .parts
        .iter()
        .filter_map(|part| match part {
            GeneratedPart::ToolCall { id, name, arguments: Ok(arguments) } => {
                Some((id.clone(), name.as_str(), arguments))
            }
            _ => None,
        })
        .collect();
    assert_eq!((calls[0].1, calls[0].2), ("read", &json!({ "path": "a" })));
    assert_eq!((calls[1].1, calls[1].2), ("list", &json!({})));
    assert_ne!(calls[0].0, calls[1].0, "each has an id of its own");
    assert_eq!(reply.parts[1], GeneratedPart::Text { text: "I look.".into() });

    let request = fixture.server.request();
    assert_eq!(request.target, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(request.header("x-goog-api-key"), Some(KEY));
    let body = request.body;
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be kind.", "{body}");
    assert_eq!(body["contents"][0]["role"], "user");
    assert_eq!(body["contents"][0]["parts"][0]["text"], "Hi");
    assert_eq!(body["tools"][0]["functionDeclarations"][0]["name"], "read");
    let thinking = json!({ "thinkingBudget": 2048, "includeThoughts": true });
    assert_eq!(body["generationConfig"]["thinkingConfig"], thinking, "{body}");

    let said = expert(vec![text("I look."), call_part(&calls[0].0)]);
    let answers = results(vec![(&calls[0].0, "read", vec![text("A"), image()])]);
    let messages: Vec<Message> = asked.into_iter().chain([said, answers]).collect();
    fixture.ask(&messages, &[tool("read")]).await.unwrap();
    let body = fixture.server.requests()[1].body.clone();
    assert_eq!(body["contents"][1]["role"], "model");
    assert_eq!(body["contents"][1]["parts"][1]["functionCall"]["name"], "read");
    assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "read", "{body}");
    assert!(body["contents"][3].to_string().contains("iVBORw0="), "{body}");
}

fn call_part(id: &str) -> Part {
    call(id, "read", json!({ "path": "a" }))
}

#[tokio::test]
async fn failures_are_known_for_what_they_are() {
    let error = |code: u16, status: &str, message: &str| json!({ "error": { "code": code, "status": status, "message": message } });
    let fixture = fixture(vec![
        Reply::failure(503, "", &error(503, "UNAVAILABLE", "The model is overloaded.")),
        Reply::failure(400, "", &error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")),
        Reply::failure(
            400,
            "",
            &error(
                400,
                "INVALID_ARGUMENT",
                "The input token count (2000000) exceeds the maximum number of tokens allowed",
            ),
        ),
        Reply::events(&[piece(&json!([{ "text": "Hel" }]), None)]),
    ])
    .await;
    let hi = [user("Hi")];
    assert_eq!(transient(fixture.ask(&hi, &[]).await).0, "the provider answered 503: The model is overloaded.");
    let refused = fatal(fixture.ask(&hi, &[]).await);
    assert!(refused.ends_with("check `GOOGLE_GENERATIVE_AI_API_KEY`"), "{refused}");
    assert!(matches!(fixture.ask(&hi, &[]).await, Err(ModelError::ContextExceeded { .. })));
    transient(fixture.ask(&hi, &[]).await);
}
