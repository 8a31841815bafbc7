//! What a guest is told, and nothing else: its arguments, its call, its environment, the time and chance.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perstack_core::{Limits, Observation, ToolError, ToolSet};
use perstack_sandbox::Grants;
use serde_json::json;

use crate::harness::{Host, call, failed, skill, skill_with, still_works, text};

#[tokio::test]
pub(crate) async fn sandbox_echo() {
    let skill = skill().await;
    for said in ["", "hello", "ü\u{1F600}\0\"\\"] {
        assert_eq!(text(call(&skill, "sandbox_echo", json!({ "text": said })).await), said);
    }
    assert_eq!(skill.name(), "cases");
    let tool = skill.tools().iter().find(|tool| tool.name == "sandbox_echo").unwrap();
    assert!(tool.hints.read_only && tool.hints.idempotent && !tool.hints.destructive);
    assert_eq!(tool.input_schema["required"], json!(["text"]));
}

#[tokio::test]
async fn wrong_arguments_and_unknown_tools_are_the_guests_to_refuse() {
    let skill = skill().await;
    for arguments in [json!({}), json!({ "text": 1 }), json!([]), json!(null)] {
        let outcome = call(&skill, "sandbox_echo", arguments).await;
        assert!(matches!(outcome.result, Err(ToolError::InvalidArguments(_))), "{:?}", outcome.result);
    }
    assert!(call(&skill, "no_such_tool", json!({})).await.result.is_err());
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_context() {
    let skill = skill().await;
    let host = Host::default();
    let context = host.context();
    let told = text(host.call(&skill, "sandbox_context", json!({})).await);
    assert_eq!(told, format!("{} {} call-7 tester@1.0.0 cases", context.job_id, context.run_id));
}

#[tokio::test]
pub(crate) async fn sandbox_env() {
    assert_eq!(text(call(&skill().await, "sandbox_env", json!({})).await), "");
    // This process has variables that the guest does not see.
    assert!(std::env::var("PATH").is_ok());
    let environment = vec![("REGION".to_owned(), "eu".to_owned()), ("EMPTY".to_owned(), String::new())];
    let skill = skill_with(Grants { environment, ..Grants::default() }, Limits::default()).await.unwrap();
    assert_eq!(text(call(&skill, "sandbox_env", json!({})).await), "\"REGION\"=\"eu\"\n\"EMPTY\"=\"\"");
}

#[tokio::test]
pub(crate) async fn sandbox_stdin() {
    assert_eq!(text(call(&skill().await, "sandbox_stdin", json!({})).await), "0 bytes");
}

#[tokio::test]
pub(crate) async fn sandbox_clocks() {
    let skill = skill().await;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before = now();
    let read = text(call(&skill, "sandbox_clocks", json!({})).await);
    let (wall, elapsed) = read.split_once(' ').unwrap();
    let wall = Duration::from_millis(wall.parse().unwrap());
    assert!(before.as_millis() <= wall.as_millis() && wall <= now(), "{wall:?}");
    elapsed.parse::<u64>().unwrap();
}

#[tokio::test]
pub(crate) async fn sandbox_random() {
    let skill = skill().await;
    let first = text(call(&skill, "sandbox_random", json!({})).await);
    let second = text(call(&skill, "sandbox_random", json!({})).await);
    let ((key, seed), (other_key, other_seed)) = (first.split_once(' ').unwrap(), second.split_once(' ').unwrap());
    assert_ne!(key, other_key);
    assert_ne!(seed, other_seed);
}

#[tokio::test]
pub(crate) async fn sandbox_progress() {
    let skill = skill().await;
    let host = Host::default();
    host.call(&skill, "sandbox_progress", json!({ "reports": 2, "characters": 3 })).await.result.unwrap();
    let report = |message: &str, fraction| Observation::Progress {
        skill_name: "cases".into(),
        tool_call_id: "call-7".into(),
        message: message.into(),
        fraction,
    };
    let expected = [report("üüü", Some(0.0)), report("üüü", Some(0.5)), report("and on", None)];
    assert_eq!(*host.observed.lock().unwrap(), expected);
    // A flood is cut, in number and in length.
    let host = Host::default();
    host.call(&skill, "sandbox_progress", json!({ "reports": 5000, "characters": 5000 })).await.result.unwrap();
    let observed = host.observed.lock().unwrap();
    assert_eq!(observed.len(), 1000);
    assert_eq!(observed[0], report(&"ü".repeat(200), Some(0.0)));
}

#[tokio::test]
async fn nothing_survives_a_call() {
    let skill = skill().await;
    let arguments = json!({ "path": "file", "text": "kept" });
    assert!(!failed(call(&skill, "sandbox_write_file", arguments).await).is_empty());
    failed(call(&skill, "sandbox_read_file", json!({ "path": "file" })).await);
}
