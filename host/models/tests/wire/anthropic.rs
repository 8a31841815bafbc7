use perstack_core::config::ReasoningBudget;
use perstack_core::{GeneratedPart, StopReason, Usage};

use super::*;

const MODEL: &str = "claude-sonnet-4-5";

async fn fixture(replies: Vec<Reply>) -> Fixture {
    Fixture::new(Provider::Anthropic, MODEL, replies).await
}

fn started() -> (&'static str, Value) {
    let usage = json!({ "input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 1 });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": MODEL,
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    ("message_start", json!({ "type": "message_start", "message": message }))
}

pub(crate) fn block(index: u64, block: Value, deltas: Vec<Value>) -> Vec<(&'static str, Value)> {
    let mut events =
        vec![("content_block_start", json!({ "type": "content_block_start", "index": index, "content_block": block }))];
    for delta in deltas {
        events.push(("content_block_delta", json!({ "type": "content_block_delta", "index": index, "delta": delta })));
    }
    events.push(("content_block_stop", json!({ "type": "content_block_stop", "index": index })));
    events
}

pub(crate) fn says(index: u64, pieces: &[&str]) -> Vec<(&'static str, Value)> {
    let deltas = pieces.iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
    block(index, json!({ "type": "text", "text": "" }), deltas)
}

fn thinks(index: u64, pieces: &[&str], signature: &str) -> Vec<(&'static str, Value)> {
    let mut deltas: Vec<Value> =
        pieces.iter().map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
    deltas.push(json!({ "type": "signature_delta", "signature": signature }));
    block(index, json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas)
}

pub(crate) fn calls(index: u64, id: &str, name: &str, pieces: &[&str]) -> Vec<(&'static str, Value)> {
    let deltas = pieces.iter().map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect();
    block(index, json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), deltas)
}

fn stopped(reason: &str) -> Vec<(&'static str, Value)> {
    let delta = json!({ "stop_reason": reason, "stop_sequence": null });
    vec![
        ("message_delta", json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 30 } })),
        ("message_stop", json!({ "type": "message_stop" })),
    ]
}

pub(crate) fn message(blocks: Vec<Vec<(&'static str, Value)>>, reason: &str) -> Reply {
    let blocks = blocks.into_iter().flatten();
    let events: Vec<_> = [started()].into_iter().chain(blocks).chain(stopped(reason)).collect();
    Reply::events(&events)
}

#[tokio::test]
async fn text_comes_piece_by_piece() {
    let fixture = fixture(vec![message(vec![says(0, &["Hel", "lo."])], "end_turn")]).await;
    let reply = fixture.ask(&[instruction("Be kind."), user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(reply.parts, [GeneratedPart::Text { text: "Hello.".into() }]);
    assert_eq!(reply.stop_reason, StopReason::EndTurn);
    let usage =
        Usage { input_tokens: 20, output_tokens: 30, reasoning_tokens: 0, total_tokens: 50, cached_input_tokens: 100 };
    assert_eq!(reply.usage, usage);
    assert_eq!(fixture.heard(), ["says Hel", "says lo."]);
    assert_eq!(fixture.model.context_window(), Some(200_000));

    let request = fixture.server.request();
    assert_eq!(request.target, "/v1/messages");
    assert_eq!(request.header("x-api-key"), Some(KEY));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    let body = request.body;
    assert_eq!(body["model"], MODEL);
    assert_eq!(body["stream"], true);
    assert_eq!(body["thinking"], json!({ "type": "enabled", "budget_tokens": 2048 }));
    assert!(body["max_tokens"].as_u64().unwrap() > 2048);
    assert_eq!(body["system"][0]["text"], "Be kind.");
    assert_eq!(body["system"][0]["cache_control"]["type"], "ephemeral", "{body}");
    assert_eq!(body["messages"][0]["role"], "user");
    assert_eq!(body["messages"][0]["content"][0]["text"], "Hi");
    assert_eq!(body["tools"][0]["name"], "read");
    assert_eq!(body["tools"][0]["description"], "Does read");
    assert_eq!(body["tools"][0]["input_schema"]["properties"]["path"]["type"], "string");
}

#[tokio::test]
async fn thoughts_and_calls_come_and_go_back_as_they_were() {
    let redacted = block(1, json!({ "type": "redacted_thinking", "data": "c2VjcmV0" }), vec![]);
    let blocks = vec![
        thinks(0, &["Let me ", "see."], "c2lnbmVk"),
        redacted,
        says(2, &["I look."]),
        calls(3, "toolu_1", "read", &["{\"path\": ", "\"a\"}"]),
        calls(4, "toolu_2", "read", &[""]),
        calls(5, "toolu_3", "read", &["{\"path\": \"b"]),
    ];
    let fixture = fixture(vec![message(blocks, "tool_use"), message(vec![says(0, &["Done."])], "end_turn")]).await;
    let asked = [instruction("Be kind."), user("Hi")];
    let reply = fixture.ask(&asked, &[tool("read")]).await.unwrap();
    assert_eq!(reply.stop_reason, StopReason::ToolCalls);
    assert_eq!(fixture.heard(), ["thinks Let me ", "thinks see.", "says I look."]);
    let GeneratedPart::Reasoning { signature: Some(hidden), .. } = &reply.parts[1] else { panic!("{reply:?}") };
    assert_eq!(
        reply.parts,
        [
            GeneratedPart::Reasoning { text: "Let me see.".into(), signature: Some("c2lnbmVk".into()) },
            GeneratedPart::Reasoning { text: String::new(), signature: Some(hidden.clone()) },
            GeneratedPart::Text { text: "I look.".into() },
            GeneratedPart::ToolCall {
                id: "toolu_1".into(),
                name: "read".into(),
                arguments: Ok(json!({ "path": "a" }))
            },
            GeneratedPart::ToolCall { id: "toolu_2".into(), name: "read".into(), arguments: Ok(json!({})) },
            GeneratedPart::ToolCall {
                id: "toolu_3".into(),
                name: "read".into(),
                arguments: Err("{\"path\": \"b".into())
            },
        ]
    );

    let said = expert(vec![
        thought("Let me see.", "c2lnbmVk"),
        thought("", hidden),
        text("I look."),
        call("toolu_1", "read", json!({ "path": "a" })),
        call("toolu_2", "read", json!({})),
    ]);
    let answers = results(vec![("toolu_1", "read", vec![text("A"), image()]), ("toolu_2", "read", vec![pdf()])]);
    let messages: Vec<Message> = asked.into_iter().chain([said, answers]).collect();
    fixture.ask(&messages, &[tool("read")]).await.unwrap();
    let body = fixture.server.requests()[1].body.clone();
    let said = &body["messages"][1]["content"];
    assert_eq!(said[0], json!({ "type": "thinking", "thinking": "Let me see.", "signature": "c2lnbmVk" }), "{body}");
    assert_eq!(said[1], json!({ "type": "redacted_thinking", "data": "c2VjcmV0" }));
    assert_eq!(said[2]["text"], "I look.");
    assert_eq!((&said[3]["type"], &said[3]["id"]), (&json!("tool_use"), &json!("toolu_1")));
    assert_eq!(said[3]["input"], json!({ "path": "a" }));
    let answers = body["messages"][2]["content"].as_array().unwrap();
    assert_eq!(answers[0]["tool_use_id"], "toolu_1");
    let source = json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw0=" });
    assert_eq!(answers[0]["content"][1]["source"], source, "{body}");
    assert_eq!(answers[1]["tool_use_id"], "toolu_2");
    let source = json!({ "type": "base64", "media_type": "application/pdf", "data": "JVBERi0=" });
    assert_eq!(answers[2]["source"], source, "{body}");
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_tried_again() {
    let events: Vec<_> = [started()].into_iter().chain(says(0, &["Hel"])).collect();
    let fixture =
        fixture(vec![Reply::events(&events), Reply::events(&events).and("event: message_delta\ndata: {\"typ")]).await;
    let (message, _) = transient(fixture.ask(&[user("Hi")], &[]).await);
    assert!(message.contains("cut off"), "{message}");
    assert_eq!(fixture.heard(), ["says Hel"]);
    transient(fixture.ask(&[user("Hi")], &[]).await);
}

#[tokio::test]
async fn failures_are_known_for_what_they_are() {
    let error = |kind: &str, message: &str| json!({ "type": "error", "error": { "type": kind, "message": message } });
    let overloaded = ("error", error("overloaded_error", "Overloaded"));
    let events: Vec<_> = [started()].into_iter().chain([overloaded]).collect();
    let too_long = error("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum");
    let fixture = fixture(vec![
        Reply::failure(429, "retry-after: 7\r\n", &error("rate_limit_error", "Too many\nrequests")),
        Reply::failure(529, "", &error("overloaded_error", "Overloaded")),
        Reply::failure(500, "", &json!("not an error")),
        Reply::events(&events),
        Reply::failure(429, "retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n", &error("rate_limit_error", "Later")),
        Reply::failure(401, "", &error("authentication_error", "invalid x-api-key: sk-secret-7f3k2")),
        Reply::failure(404, "", &error("not_found_error", "model: nonsense")),
        Reply::failure(400, "", &error("invalid_request_error", "messages: too odd")),
        Reply::failure(400, "", &too_long),
        Reply::failure(302, "location: https://elsewhere.example\r\n", &json!({})),
    ])
    .await;
    let hi = [user("Hi")];
    let rate = transient(fixture.ask(&hi, &[]).await);
    assert_eq!(rate, ("the provider answered 429: Too many requests".to_owned(), Some(7_000)));
    assert_eq!(transient(fixture.ask(&hi, &[]).await).0, "the provider answered 529: Overloaded");
    transient(fixture.ask(&hi, &[]).await);
    assert_eq!(transient(fixture.ask(&hi, &[]).await).0, "the provider failed: Overloaded");
    assert_eq!(transient(fixture.ask(&hi, &[]).await).1, Some(0));
    let refused = fatal(fixture.ask(&hi, &[]).await);
    assert_eq!(refused, "the provider answered 401: invalid x-api-key: [key]; check `ANTHROPIC_API_KEY`");
    assert!(fatal(fixture.ask(&hi, &[]).await).contains("check the name given with `--model`"));
    assert_eq!(fatal(fixture.ask(&hi, &[]).await), "the provider answered 400: messages: too odd");
    assert!(matches!(fixture.ask(&hi, &[]).await, Err(ModelError::ContextExceeded { .. })));
    // A redirect is not followed: the key would go along.
    fatal(fixture.ask(&hi, &[]).await);
    // Nobody listens any more.
    let (message, _) = transient(fixture.ask(&hi, &[]).await);
    assert!(message.contains("cannot be reached") && !message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn nonsense_is_no_reply() {
    let junk = Reply::failure(200, "", &json!({ "hello": 1 }));
    let stray = Reply::events(&[started(), ("message_stop", json!({ "type": "message_stop" }))]);
    let fixture = fixture(vec![junk, Reply::events(&[]).and("data: {{{\n\n"), stray]).await;
    for _ in 0..3 {
        transient(fixture.ask(&[user("Hi")], &[]).await);
    }
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let flood: Vec<String> = (0..80).map(|_| "x".repeat(1 << 20)).collect();
    let mut events = vec![started()];
    events.extend(says(0, &flood.iter().map(String::as_str).collect::<Vec<_>>()));
    let fixture = fixture(vec![Reply::events(&events)]).await;
    let (message, _) = transient(fixture.ask(&[user("Hi")], &[]).await);
    assert!(message.contains("more than"), "{message}");
}

#[tokio::test]
async fn thinking_is_asked_for_as_the_model_takes_it() {
    for (model, budget, thinking) in [
        (MODEL, ReasoningBudget::None, json!({ "type": "disabled" })),
        (MODEL, ReasoningBudget::Minimal, json!({ "type": "enabled", "budget_tokens": 1024 })),
        (MODEL, "3000".parse().unwrap(), json!({ "type": "enabled", "budget_tokens": 3000 })),
        (MODEL, "10".parse().unwrap(), json!({ "type": "enabled", "budget_tokens": 1024 })),
    ] {
        let reply = message(vec![says(0, &["Ok."])], "end_turn");
        let fixture = Fixture::thinking(Provider::Anthropic, model, budget, vec![reply]).await;
        fixture.ask(&[user("Hi")], &[]).await.unwrap();
        assert_eq!(fixture.server.request().body["thinking"], thinking, "{budget:?}");
    }
}
