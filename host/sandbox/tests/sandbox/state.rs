//! What a skill remembers.

use perstack_core::{CallOutcome, Limits, Scope, StateChange, StateEntries, StoredValue, ToolError};
use serde_json::json;

use crate::harness::{Host, ended, failed, skill, text};

async fn steps(host: &Host, steps: &[&str]) -> CallOutcome {
    host.call(&skill().await, "sandbox_state", json!({ "steps": steps })).await
}

fn change(scope: Scope, key: &str, value: Option<&str>) -> StateChange {
    let value = value.map(|value| StoredValue::Text(value.into()));
    StateChange { scope, key: key.into(), value }
}

#[tokio::test]
pub(crate) async fn sandbox_state() {
    let host = Host::default();
    host.entries.lock().await.set(Scope::Job, "old".into(), b"value".to_vec()).unwrap();
    let outcome = steps(
        &host,
        &[
            "get job old",
            "get run old",
            "set run a 1",
            "set run a 2",
            "set workspace b 3",
            "get run a",
            "get job a",
            "keys run",
            "keys job",
            "delete job old",
            "delete job never",
            "get job old",
            "keys job",
        ],
    )
    .await;
    // What was changed is handed over, each entry once, in the order of its last change; it is the caller's to keep.
    assert_eq!(
        outcome.state_changes,
        [
            change(Scope::Run, "a", Some("2")),
            change(Scope::Workspace, "b", Some("3")),
            change(Scope::Job, "old", None),
            change(Scope::Job, "never", None),
        ]
    );
    assert!(host.entries.try_lock().is_err(), "others wait until the changes are kept");
    assert_eq!(text(outcome), "value, nothing, set, set, set, 2, nothing, [a], [old], deleted, deleted, nothing, []");
    assert_eq!(host.entries.try_lock().unwrap().keys(Scope::Job), ["old"]);
    assert_eq!(host.opened(), 1);
}

#[tokio::test]
async fn state_is_opened_by_who_asks_for_it() {
    let host = Host::default();
    let outcome = host.call(&skill().await, "sandbox_echo", json!({ "text": "hello" })).await;
    assert!(outcome.state_guard.is_none());
    assert_eq!(host.opened(), 0);
    let outcome = steps(&host, &["keys run"]).await;
    assert!(outcome.state_guard.is_some());
    assert!(outcome.state_changes.is_empty());
    assert_eq!(host.opened(), 1);
}

#[tokio::test]
async fn a_crash_changes_nothing_and_an_error_does() {
    let host = Host::default();
    let outcome = steps(&host, &["set run a 1", "fail"]).await;
    assert_eq!(outcome.state_changes, [change(Scope::Run, "a", Some("1"))]);
    assert_eq!(failed(outcome), "failed after: set");
    let outcome = steps(&host, &["set run a 1", "panic"]).await;
    assert_eq!(outcome.state_changes, []);
    assert!(ended(outcome).contains("crashed after: set"));
    // With the outcome, the state is free again.
    assert!(host.entries.try_lock().is_ok());
}

#[tokio::test]
async fn a_quota_is_told_to_the_guest() {
    let host = Host::default();
    let most = Limits::DEFAULT_STATE as usize - 1;
    let over = format!("fill run a {}", most + 1);
    let full = format!("fill run a {most}");
    let outcome = steps(&host, &[&over, &full, "set run b 1", "set job b 1", "keys run"]).await;
    let [a, b] = &outcome.state_changes[..] else { panic!("{}", outcome.state_changes.len()) };
    assert_eq!((a.scope, &*a.key), (Scope::Run, "a"));
    assert_eq!(*b, change(Scope::Job, "b", Some("1")));
    let refused = "error: the skill holds as much state as it is allowed to";
    assert_eq!(text(outcome), format!("{refused}, filled, {refused}, set, [a]"));
    let long_key = format!("set run {} 1", "k".repeat(StateEntries::MAX_KEY_BYTES + 1));
    assert_eq!(text(steps(&host, &[&long_key]).await), refused);
}

#[tokio::test]
async fn state_that_cannot_be_opened_is_told_to_the_guest() {
    let host = Host { broken: true, ..Host::default() };
    let outcome = steps(&host, &["get run a", "set run a 1"]).await;
    assert!(outcome.state_changes.is_empty());
    assert_eq!(text(outcome), "error: the disk is gone, error: the disk is gone");
}

#[tokio::test]
async fn an_answer_that_is_refused_hands_over_nothing_of_a_crash() {
    let host = Host::default();
    let outcome = host.call(&skill().await, "sandbox_state", json!({ "steps": "not a list" })).await;
    assert!(matches!(outcome.result, Err(ToolError::InvalidArguments(_))));
    assert!(outcome.state_changes.is_empty());
}
