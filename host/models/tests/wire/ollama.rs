use perstack_core::{GeneratedPart, StopReason};

use super::*;

fn piece(message: &Value, done: bool) -> Value {
    let mut line =
        json!({ "model": "qwen3:4b", "created_at": "2026-11-23T08:30:00Z", "message": message, "done": done });
    if done {
        line["done_reason"] = "stop".into();
        line["prompt_eval_count"] = 20.into();
        line["eval_count"] = 30.into();
    }
    line
}

#[tokio::test]
async fn thoughts_text_and_calls_come() {
    let call = json!({ "function": { "name": "read", "arguments": { "path": "a" } } });
    let reply = Reply::lines(&[
        piece(&json!({ "role": "assistant", "content": "", "thinking": "Let me see." }), false),
        piece(&json!({ "role": "assistant", "content": "I look." }), false),
        piece(&json!({ "role": "assistant", "content": "", "tool_calls": [call] }), false),
        piece(&json!({ "role": "assistant", "content": "" }), true),
    ]);
    let fixture = Fixture::new(Provider::Ollama, "qwen3:4b", vec![reply]).await;
    let reply = fixture.ask(&[instruction("Be kind."), user("Hi")], &[tool("read")]).await.unwrap();
    assert_eq!(fixture.heard(), ["thinks Let me see.", "says I look."]);
    assert_eq!(reply.stop_reason, StopReason::ToolCalls);
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (20, 30));
    let called = reply.parts.iter().any(|part| {
        matches!(part, GeneratedPart::ToolCall { name, arguments: Ok(arguments), .. } if name == "read" && *arguments == json!({ "path": "a" }))
    });
    assert!(called, "{reply:?}");

    let request = fixture.server.request();
    assert_eq!(request.target, "/api/chat");
    assert_eq!(request.body["model"], "qwen3:4b");
    assert_eq!(request.body["stream"], true);
    assert_eq!(request.body["messages"][0], json!({ "role": "system", "content": "Be kind." }), "{}", request.body);
    assert_eq!(request.body["messages"][1]["content"], "Hi");
    assert_eq!(request.body["tools"][0]["function"]["name"], "read");
}

#[tokio::test]
async fn failures_are_known_for_what_they_are() {
    let fixture = Fixture::new(
        Provider::Ollama,
        "qwen3:4b",
        vec![
            Reply::failure(404, "", &json!({ "error": "model 'qwen3:4b' not found" })),
            Reply::lines(&[piece(&json!({ "role": "assistant", "content": "Hel" }), false)]),
        ],
    )
    .await;
    let unknown = fatal(fixture.ask(&[user("Hi")], &[]).await);
    assert_eq!(unknown, "the provider answered 404: model 'qwen3:4b' not found; check the name given with `--model`");
    transient(fixture.ask(&[user("Hi")], &[]).await);
    let (message, _) = transient(fixture.ask(&[user("Hi")], &[]).await);
    assert!(message.contains("cannot be reached"), "{message}");
}
