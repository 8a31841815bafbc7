use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message as FrameMessage};
use perstack_core::config::AmazonBedrockSetting;
use perstack_core::{GeneratedPart, StopReason, Usage};

use super::*;

const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const SESSION: &str = "session-secret-91x";

fn bedrock() -> Provider {
    Provider::AmazonBedrock(AmazonBedrockSetting { region: Some("eu-central-1".into()) })
}

fn variables(server: &str) -> Environment {
    let entries = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_SESSION_TOKEN", SESSION),
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server),
    ];
    entries.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn fixture(model: &str, replies: Vec<Reply>) -> Fixture {
    Fixture::within(&bedrock(), model, ReasoningBudget::Low, replies, variables).await
}

fn frame(headers: &[(&str, &str)], payload: &Value) -> Vec<u8> {
    let header =
        |(name, value): &(&str, &str)| Header::new((*name).to_owned(), HeaderValue::String((*value).to_owned().into()));
    let message = FrameMessage::new_from_parts(headers.iter().map(header).collect(), payload.to_string().into_bytes());
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

fn event(kind: &str, payload: Value) -> Vec<u8> {
    frame(&[(":message-type", "event"), (":event-type", kind), (":content-type", "application/json")], &payload)
}

fn delta(place: u64, delta: Value) -> Vec<u8> {
    event("contentBlockDelta", json!({ "contentBlockIndex": place, "delta": delta, "p": "abcd" }))
}

fn thinks(place: u64, delta_: Value) -> Vec<u8> {
    delta(place, json!({ "reasoningContent": delta_ }))
}

fn called(place: u64, id: &str, name: &str, pieces: &[&str]) -> Vec<Vec<u8>> {
    let start = json!({ "toolUse": { "toolUseId": id, "name": name } });
    let mut frames = vec![event("contentBlockStart", json!({ "contentBlockIndex": place, "start": start }))];
    frames.extend(pieces.iter().map(|piece| delta(place, json!({ "toolUse": { "input": piece } }))));
    frames.push(event("contentBlockStop", json!({ "contentBlockIndex": place })));
    frames
}

fn reply(blocks: Vec<Vec<u8>>, reason: &str) -> Reply {
    let usage = json!({
        "inputTokens": 20, "outputTokens": 30, "totalTokens": 155, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 5,
    });
    let mut frames = vec![event("messageStart", json!({ "role": "assistant" }))];
    frames.extend(blocks);
    frames.push(event("messageStop", json!({ "stopReason": reason })));
    frames.push(event("metadata", json!({ "usage": usage, "metrics": { "latencyMs": 5 } })));
    stream(frames)
}

fn stream(frames: Vec<Vec<u8>>) -> Reply {
    Reply::bytes("application/vnd.amazon.eventstream", frames)
}

#[tokio::test]
async fn thoughts_texts_and_parallel_calls_come_and_go_back() {
    let mut blocks = vec![
        thinks(0, json!({ "text": "Let me " })),
        thinks(0, json!({ "text": "see." })),
        thinks(0, json!({ "signature": "c2ln" })),
        thinks(1, json!({ "redactedContent": "c2VjcmV0" })),
        delta(2, json!({ "text": "I " })),
        delta(2, json!({ "text": "look." })),
    ];
    blocks.extend(called(3, "tooluse_1", "read", &["{\"path\":", " \"a\"}"]));
    blocks.extend(called(4, "tooluse_2", "read", &[]));
    blocks.extend(called(5, "tooluse_3", "read", &["{\"path"]));
    let first = reply(blocks, "tool_use");
    let last = || reply(vec![delta(0, json!({ "text": "Done." }))], "end_turn");
    let fixture = fixture(MODEL, vec![first, last(), last()]).await;
    let asked = [instruction("Be kind."), user("Hi")];
    let generation = fixture.ask(&asked, &[tool("read")]).await.unwrap();
    assert_eq!(fixture.heard(), ["thinks Let me ", "thinks see.", "says I ", "says look."]);
    assert_eq!(generation.stop_reason, StopReason::ToolCalls);
    let usage =
        Usage { input_tokens: 25, output_tokens: 30, reasoning_tokens: 0, total_tokens: 55, cached_input_tokens: 100 };
    assert_eq!(generation.usage, usage);
    assert_eq!(fixture.model.context_window(), Some(200_000));
    let called = |id: &str, arguments| GeneratedPart::ToolCall { id: id.into(), name: "read".into(), arguments };
    let thought = GeneratedPart::Reasoning { text: "Let me see.".into(), signature: Some("c2ln".into()) };
    assert_eq!(generation.parts[0], thought);
    let GeneratedPart::Reasoning { text: hidden, signature: Some(redacted) } = &generation.parts[1] else {
        panic!("{generation:?}")
    };
    assert_eq!(hidden, "");
    assert_eq!(
        generation.parts[2..],
        [
            GeneratedPart::Text { text: "I look.".into() },
            called("tooluse_1", Ok(json!({ "path": "a" }))),
            called("tooluse_2", Ok(json!({}))),
            called("tooluse_3", Err("{\"path".into())),
        ]
    );

    let request = fixture.server.request();
    let name = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
    assert_eq!(request.target, format!("/model/{name}/converse-stream"));
    let authorization = request.header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-central-1/bedrock/aws4_request"), "{authorization}");
    assert!(authorization.contains("SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token"));
    assert_eq!(request.header("x-amz-security-token"), Some(SESSION));
    let mark = json!({ "cachePoint": { "type": "default" } });
    let body = request.body;
    assert_eq!(body["system"], json!([{ "text": "Be kind." }, mark]));
    assert_eq!(body["messages"], json!([{ "role": "user", "content": [{ "text": "Hi" }, mark] }]));
    let read = json!({ "toolSpec": { "name": "read", "description": "Does read", "inputSchema": { "json": tool("read").input_schema } } });
    assert_eq!(body["toolConfig"], json!({ "tools": [read, mark] }));
    let thinking = json!({ "thinking": { "type": "enabled", "budget_tokens": 2048 } });
    assert_eq!(body["additionalModelRequestFields"], thinking);
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 64_000 }));

    let said = expert(vec![
        super::thought("Let me see.", "c2ln"),
        super::thought("", redacted),
        text("I look."),
        call("tooluse_1", "read", json!({ "path": "a" })),
        call("tooluse_2", "read", json!({})),
    ]);
    let answers = results(vec![("tooluse_1", "read", vec![image()]), ("tooluse_2", "read", vec![text("B"), pdf()])]);
    let messages: Vec<Message> = asked.into_iter().chain([said, answers]).collect();
    // The last answer is asked for without tools, and calls are in the conversation nevertheless.
    fixture.ask(&messages, &[]).await.unwrap();
    let body = fixture.server.requests()[1].body.clone();
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            { "reasoningContent": { "reasoningText": { "text": "Let me see.", "signature": "c2ln" } } },
            { "reasoningContent": { "redactedContent": "c2VjcmV0" } },
            { "text": "I look." },
            { "toolUse": { "toolUseId": "tooluse_1", "name": "read", "input": { "path": "a" } } },
            { "toolUse": { "toolUseId": "tooluse_2", "name": "read", "input": {} } },
        ])
    );
    let shown = json!({ "image": { "format": "png", "source": { "bytes": "iVBORw0=" } } });
    let file = json!({ "format": "pdf", "name": "document-1", "source": { "bytes": "JVBERi0=" } });
    let follows = json!({ "text": "[the file of type application/pdf that follows]" });
    assert_eq!(
        body["messages"][2]["content"],
        json!([
            { "toolResult": { "toolUseId": "tooluse_1", "content": [shown] } },
            { "toolResult": { "toolUseId": "tooluse_2", "content": [{ "text": "B" }, follows] } },
            { "document": file },
            { "text": "[files]" },
            mark,
        ])
    );
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "read");

    // What another provider signed means nothing here.
    let foreign = expert(vec![
        super::thought("Hm.", r#"{"protocol":"openai.responses","head":{"thought":{"id":"rs_1"}}}"#),
        super::thought("", r#"{"protocol":"anthropic.messages","head":{"redacted":"c2VjcmV0"}}"#),
        text("Hello."),
    ]);
    fixture.ask(&[user("Hi"), foreign, user("Well?")], &[]).await.unwrap();
    let body = fixture.server.requests()[2].body.clone();
    assert_eq!(body["messages"][1]["content"], json!([{ "text": "Hello." }]));
    assert!(body.get("toolConfig").is_none());
}

#[tokio::test]
async fn other_models_are_asked_for_what_they_know() {
    let said = || reply(vec![delta(0, json!({ "text": "Hello." }))], "end_turn");
    let fixture = fixture("meta.llama3-70b-instruct-v1:0", vec![said()]).await;
    let generation = fixture.ask(&[instruction("Be kind."), user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(generation.parts, [GeneratedPart::Text { text: "Hello.".into() }]);
    assert_eq!(generation.stop_reason, StopReason::EndTurn);
    let request = fixture.server.request();
    assert!(!request.text.contains("cachePoint") && !request.text.contains("thinking"), "{}", request.text);
    assert_eq!(fixture.model.context_window(), None);
}

#[tokio::test]
async fn failures_pass_or_do_not() {
    let message = |message: &str| json!({ "message": message });
    let invalid = message("The security token included in the request is invalid.");
    let exception = |kind: &str, said: &str| {
        let headers = [(":message-type", "exception"), (":exception-type", kind)];
        stream(vec![event("messageStart", json!({ "role": "assistant" })), frame(&headers, &message(said))])
    };
    let began = delta(0, json!({ "text": "I " }));
    let cut_frame = {
        let mut frame = event("messageStop", json!({ "stopReason": "end_turn" }));
        frame.truncate(frame.len() - 3);
        stream(vec![began.clone(), frame])
    };
    let fixture = fixture(
        MODEL,
        vec![
            Reply::failure(403, "x-amzn-errortype: UnrecognizedClientException\r\n", &invalid),
            Reply::failure(400, "", &message("The provided model identifier is invalid.")),
            Reply::failure(404, "", &message("Could not resolve the foundation model")),
            Reply::failure(400, "", &message("Input is too long for requested model.")),
            Reply::failure(429, "retry-after: 2\r\n", &message("Too many requests")),
            Reply::failure(503, "", &message("Busy")),
            exception("throttlingException", "Too many tokens"),
            exception("validationException", "Bad image"),
            exception("validationException", "Input is too long for requested model."),
            stream(vec![began]),
            cut_frame,
            stream(vec![b"this is no frame at all, and it has no checksum".to_vec()]),
            reply(Vec::new(), "content_filtered"),
            Reply::failure(400, "", &message(&format!("{KEY} {SESSION} is no good"))),
        ],
    )
    .await;
    let hi = [user("Hi")];
    let refused = fatal(fixture.ask(&hi, &[]).await);
    assert!(refused.starts_with("the provider answered 403: The security token"), "{refused}");
    let named = "check `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`";
    assert!(refused.ends_with(named), "{refused}");
    for _ in 0..2 {
        let unknown = fatal(fixture.ask(&hi, &[]).await);
        assert!(unknown.ends_with("check the name given with `--model`"), "{unknown}");
    }
    let too_long = fixture.ask(&hi, &[]).await;
    assert!(matches!(too_long, Err(ModelError::ContextExceeded { .. })), "{too_long:?}");
    assert_eq!(transient(fixture.ask(&hi, &[]).await).1, Some(2000));
    transient(fixture.ask(&hi, &[]).await);
    assert_eq!(transient(fixture.ask(&hi, &[]).await).0, "the provider failed: Too many tokens");
    assert_eq!(fatal(fixture.ask(&hi, &[]).await), "the provider failed: Bad image");
    let too_long = fixture.ask(&hi, &[]).await;
    assert!(matches!(too_long, Err(ModelError::ContextExceeded { .. })), "{too_long:?}");
    for _ in 0..2 {
        let (cut, _) = transient(fixture.ask(&hi, &[]).await);
        assert_eq!(cut, "the reply was cut off before it was complete");
    }
    let (nonsense, _) = transient(fixture.ask(&hi, &[]).await);
    assert!(nonsense.starts_with("the reply "), "{nonsense}");
    assert_eq!(fatal(fixture.ask(&hi, &[]).await), "the model does not answer: `content_filtered`");
    assert_eq!(fatal(fixture.ask(&hi, &[]).await), "the provider answered 400: [key] [key] is no good");
}

#[tokio::test]
async fn a_key_of_bedrocks_own_signs_nothing() {
    let said = reply(vec![delta(0, json!({ "text": "Hello." }))], "end_turn");
    let environment = |server: &str| {
        let mut environment = variables(server);
        environment.insert("AWS_BEARER_TOKEN_BEDROCK".to_owned(), KEY.to_owned());
        environment
    };
    let fixture = Fixture::within(&bedrock(), MODEL, ReasoningBudget::None, vec![said], environment).await;
    fixture.ask(&[user("Hi")], &[]).await.unwrap();
    let request = fixture.server.request();
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(request.header("x-amz-security-token"), None);
    assert!(request.body.get("additionalModelRequestFields").is_none());
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let connected = |provider: &Provider, model: &str, names: &[(&str, &str)]| {
        let entries = names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let error = connect(provider, model, ReasoningBudget::Low, &entries.collect()).err().unwrap();
        format!("{error}; {}", error.hint().unwrap())
    };
    let id = ("AWS_ACCESS_KEY_ID", "AKID");
    let keys = [id, ("AWS_SECRET_ACCESS_KEY", KEY)];
    let nowhere = Provider::AmazonBedrock(AmazonBedrockSetting::default());
    for (told, provider, model, names) in [
        ("export AWS_ACCESS_KEY_ID=…", bedrock(), "m", &[][..]),
        ("export AWS_ACCESS_KEY_ID=…", nowhere.clone(), "m", &[][..]),
        ("export AWS_SECRET_ACCESS_KEY=…", bedrock(), "m", &[id][..]),
        ("export AWS_REGION=…, or set `region`", nowhere, "m", &keys[..]),
        (
            "`evil.example/?` cannot be the region",
            Provider::AmazonBedrock(AmazonBedrockSetting { region: Some("evil.example/?".into()) }),
            "m",
            &keys[..],
        ),
        ("`m?x` cannot be the model", bedrock(), "m?x", &keys[..]),
        ("`AWS_SESSION_TOKEN` is no key", bedrock(), "m", &[id, keys[1], ("AWS_SESSION_TOKEN", "a\nb")][..]),
    ] {
        let error = connected(&provider, model, names);
        assert!(error.contains(told), "{error}");
        assert!(!error.contains(KEY), "{error}");
    }
}
