use perstack_core::config::{AzureOpenAiSetting, OpenAiSetting};
use perstack_core::{GeneratedPart, StopReason, Usage};

use super::*;

const MODEL: &str = "gpt-5";

fn responses(http: HttpSetting) -> Provider {
    Provider::OpenAi(OpenAiSetting { http, organization: Some("org-1".into()), ..OpenAiSetting::default() })
}

/// Another service that speaks OpenAI's older protocol.
fn compatible(http: HttpSetting) -> Provider {
    Provider::OpenAi(OpenAiSetting { http, name: Some("together".into()), ..OpenAiSetting::default() })
}

fn event(kind: &'static str, mut data: Value) -> (&'static str, Value) {
    data["type"] = kind.into();
    data["sequence_number"] = 0.into();
    (kind, data)
}

pub(crate) fn response(status: &str, output: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_795_427_194, "status": status, "model": MODEL,
        "output": output, "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": {
            "input_tokens": 120, "input_tokens_details": { "cached_tokens": 100 },
            "output_tokens": 30, "output_tokens_details": { "reasoning_tokens": 20 }, "total_tokens": 150,
        },
    })
}

#[tokio::test]
async fn responses_come_and_go_back_as_they_were() {
    let reasoning = json!({
        "type": "reasoning", "id": "rs_1", "encrypted_content": "c2ln",
        "summary": [{ "type": "summary_text", "text": "Let me see." }],
    });
    let message = json!({
        "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{ "type": "output_text", "text": "I look.", "annotations": [], "logprobs": [] }],
    });
    let called = json!({
        "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read", "arguments": "{\"path\":\"a\"}",
        "status": "completed",
    });
    let item =
        |kind: &'static str, index: u64, item: &Value| event(kind, json!({ "output_index": index, "item": item }));
    let empty = |item: &Value| {
        let mut item = item.clone();
        for (field, nothing) in [("summary", json!([])), ("content", json!([])), ("arguments", json!(""))] {
            if item.get(field).is_some() {
                item[field] = nothing;
            }
        }
        item
    };
    let reply = Reply::events(&[
        event("response.created", json!({ "response": response("in_progress", &json!([])) })),
        item("response.output_item.added", 0, &empty(&reasoning)),
        event(
            "response.reasoning_summary_text.delta",
            json!({ "item_id": "rs_1", "output_index": 0, "summary_index": 0, "delta": "Let me see." }),
        ),
        item("response.output_item.done", 0, &reasoning),
        item("response.output_item.added", 1, &empty(&message)),
        event(
            "response.output_text.delta",
            json!({ "item_id": "msg_1", "output_index": 1, "content_index": 0, "delta": "I look.", "logprobs": [] }),
        ),
        item("response.output_item.done", 1, &message),
        item("response.output_item.added", 2, &empty(&called)),
        event(
            "response.function_call_arguments.delta",
            json!({ "item_id": "fc_1", "output_index": 2, "delta": "{\"path\":\"a\"}" }),
        ),
        item("response.output_item.done", 2, &called),
        event("response.completed", json!({ "response": response("completed", &json!([reasoning, message, called])) })),
    ]);
    let fixture = Fixture::new(responses, MODEL, vec![reply.clone(), reply]).await;
    let asked = [instruction("Be kind."), user("Hi")];
    let reply = fixture.ask(&asked, &[tool("read")]).await.unwrap();
    assert_eq!(fixture.heard(), ["thinks Let me see.", "says I look."]);
    assert_eq!(reply.stop_reason, StopReason::ToolCalls);
    let usage =
        Usage { input_tokens: 20, output_tokens: 30, reasoning_tokens: 20, total_tokens: 50, cached_input_tokens: 100 };
    assert_eq!(reply.usage, usage);
    let GeneratedPart::Reasoning { text: thinking, signature: Some(signature) } = &reply.parts[0] else {
        panic!("{reply:?}")
    };
    assert_eq!(thinking, "Let me see.");
    assert_eq!(
        reply.parts[1..],
        [
            GeneratedPart::Text { text: "I look.".into() },
            GeneratedPart::ToolCall { id: "call_1".into(), name: "read".into(), arguments: Ok(json!({ "path": "a" })) },
        ]
    );
    let request = fixture.server.request();
    assert_eq!(request.target, "/v1/responses");
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {KEY}")));
    assert_eq!(request.header("openai-organization"), Some("org-1"));
    let body = request.body;
    assert_eq!((&body["model"], &body["stream"]), (&json!(MODEL), &json!(true)));
    assert_eq!(body["reasoning"]["effort"], "low", "{body}");
    assert!(body.to_string().contains("Be kind."));
    assert_eq!(body["tools"][0]["name"], "read");

    let said = expert(vec![
        thought("Let me see.", signature),
        text("I look."),
        call("call_1", "read", json!({ "path": "a" })),
    ]);
    let answers = results(vec![("call_1", "read", vec![text("A")])]);
    let messages: Vec<Message> = asked.into_iter().chain([said, answers]).collect();
    fixture.ask(&messages, &[tool("read")]).await.unwrap();
    let body = fixture.server.requests()[1].body.clone();
    let input = body["input"].as_array().unwrap();
    let sent = input.iter().find(|item| item["type"] == "reasoning").unwrap_or_else(|| panic!("{body}"));
    assert_eq!(sent["encrypted_content"], "c2ln", "{body}");
    let result = input.iter().find(|item| item["type"] == "function_call_output").unwrap();
    assert_eq!((&result["call_id"], &result["output"]), (&json!("call_1"), &json!("A")), "{body}");
}

fn chunk(delta: &Value, finish: Option<&str>) -> (&'static str, Value) {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish, "logprobs": null });
    ("", json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice] }))
}

#[tokio::test]
async fn chat_completions_are_spoken_with_others() {
    let call = |index: u64, id: &str, arguments: &str| json!({ "index": index, "id": id, "type": "function", "function": { "name": "read", "arguments": arguments } });
    let more = json!({ "tool_calls": [{ "index": 0, "function": { "arguments": "\"a\"}" } }] });
    let usage = json!({
        "prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150, "prompt_tokens_details": { "cached_tokens": 100 },
    });
    let reply = Reply::events(&[
        chunk(&json!({ "role": "assistant", "content": "I " }), None),
        chunk(&json!({ "content": "look." }), None),
        chunk(&json!({ "tool_calls": [call(0, "call_1", "{\"path\": ")] }), None),
        chunk(&more, None),
        chunk(&json!({ "tool_calls": [call(1, "call_2", "{}")] }), None),
        chunk(&json!({}), Some("tool_calls")),
        ("", json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [], "usage": usage })),
    ])
    .and("data: [DONE]\n\n");
    let cut = Reply::events(&[chunk(&json!({ "role": "assistant", "content": "I " }), None)]);
    let error = |message: &str| json!({ "error": { "message": message, "type": "x", "code": null } });
    let fixture = Fixture::new(
        compatible,
        MODEL,
        vec![
            reply,
            cut,
            Reply::failure(401, "", &error("Incorrect API key")),
            Reply::failure(429, "retry-after-ms: 20\r\n", &error("Slow down")),
        ],
    )
    .await;
    let hi = [instruction("Be kind."), user("Hi")];
    let reply = fixture.ask(&hi, &[tool("read")]).await.unwrap();
    assert_eq!(fixture.heard(), ["says I ", "says look."]);
    assert_eq!(
        reply.parts,
        [
            GeneratedPart::Text { text: "I look.".into() },
            GeneratedPart::ToolCall { id: "call_1".into(), name: "read".into(), arguments: Ok(json!({ "path": "a" })) },
            GeneratedPart::ToolCall { id: "call_2".into(), name: "read".into(), arguments: Ok(json!({})) },
        ]
    );
    assert_eq!((reply.usage.input_tokens, reply.usage.cached_input_tokens), (20, 100));
    let request = fixture.server.request();
    assert_eq!(request.target, "/v1/chat/completions");
    assert_eq!(request.body["messages"][0]["role"], "system", "{}", request.body);
    assert_eq!(request.body["stream_options"]["include_usage"], true);
    transient(fixture.ask(&hi, &[]).await);
    assert!(fatal(fixture.ask(&hi, &[]).await).ends_with("check `OPENAI_API_KEY`"));
    assert_eq!(transient(fixture.ask(&hi, &[]).await).1, Some(20));
}

#[tokio::test]
async fn azure_speaks_chat_completions_with_a_deployment() {
    let hello = Reply::events(&[chunk(&json!({ "content": "Hello." }), None), chunk(&json!({}), Some("stop"))]);
    let azure = |http: HttpSetting| {
        Provider::AzureOpenAi(AzureOpenAiSetting {
            http,
            api_version: Some("2025-01-01".into()),
            ..AzureOpenAiSetting::default()
        })
    };
    let fixture = Fixture::new(azure, "my-deployment", vec![hello.and("data: [DONE]\n\n")]).await;
    assert_eq!(fixture.ask(&[user("Hi")], &[]).await.unwrap().text(), "Hello.");
    let request = fixture.server.request();
    assert_eq!(request.target, "/openai/deployments/my-deployment/chat/completions?api-version=2025-01-01");
    assert_eq!(request.header("api-key"), Some(KEY));
    for (name, told) in [("", "which Azure resource"), ("evil.example/", "cannot be the name")] {
        let key = ("AZURE_API_KEY".to_owned(), KEY.to_owned());
        let environment = Environment::from([key, ("AZURE_RESOURCE_NAME".to_owned(), name.to_owned())]);
        let error = connect(&azure(HttpSetting::default()), "m", ReasoningBudget::Low, &environment).err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn deepseek_speaks_chat_completions() {
    let reply = Reply::events(&[
        chunk(&json!({ "role": "assistant", "content": null, "reasoning_content": "Let me see." }), None),
        chunk(&json!({ "content": "Hello." }), None),
        chunk(&json!({}), Some("stop")),
    ])
    .and("data: [DONE]\n\n");
    let fixture = Fixture::new(Provider::DeepSeek, "deepseek-chat", vec![reply]).await;
    let reply = fixture.ask(&[user("Hi")], &[]).await.unwrap();
    assert_eq!(fixture.heard(), ["thinks Let me see.", "says Hello."]);
    assert_eq!(reply.text(), "Hello.");
    assert_eq!(fixture.server.request().target, "/chat/completions");
}
