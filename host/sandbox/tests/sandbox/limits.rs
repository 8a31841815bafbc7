//! What a guest may use up, and how it crashes.

use std::sync::Arc;

use perstack_core::config::Access;
use perstack_core::policy::Policy;
use perstack_core::{Limits, Observation};
use perstack_sandbox::LoadError;
use serde_json::json;
use tokio::sync::Barrier;

use crate::harness::{
    Host, LONG, SHORT, Workspace, call, directories, ended, failed, limited, skill, skill_with, still_works, text,
};

#[tokio::test]
pub(crate) async fn sandbox_spin() {
    let skill = limited(Limits { timeout: SHORT, ..Limits::default() }).await;
    let outcome = call(&skill, "sandbox_spin", json!({})).await;
    assert_eq!(ended(outcome), "`cases` was ended: it ran into its time limit of 1 s");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_sleep() {
    let skill = limited(Limits { timeout: SHORT, ..Limits::default() }).await;
    let host = Host::default();
    let outcome = host.call(&skill, "sandbox_sleep", json!({ "milliseconds": LONG.as_millis() as u64 })).await;
    assert_eq!(ended(outcome), "`cases` was ended: it ran into its time limit of 1 s");
    assert_eq!(reports(&host), ["asleep"]);
    still_works(&skill).await;
    let host = Host::default();
    host.call(&skill, "sandbox_sleep", json!({ "milliseconds": 1 })).await.result.unwrap();
    assert_eq!(reports(&host), ["asleep", "awake"]);
}

fn reports(host: &Host) -> Vec<String> {
    let message = |observation: &Observation| match observation {
        Observation::Progress { message, .. } => message.clone(),
        other => panic!("no report: {other:?}"),
    };
    host.observed.lock().unwrap().iter().map(message).collect()
}

#[tokio::test]
async fn waiting_for_the_state_counts() {
    let skill = limited(Limits { timeout: SHORT, ..Limits::default() }).await;
    let host = Host { meeting: Some(Arc::new(Barrier::new(2))), ..Host::default() };
    let outcome = host.call(&skill, "sandbox_state", json!({ "steps": ["get run a"] })).await;
    assert_eq!(ended(outcome), "`cases` was ended: it ran into its time limit of 1 s");
    still_works(&skill).await;
}

#[tokio::test]
async fn calls_run_side_by_side() {
    const CALLS: usize = 20;
    let skill = limited(Limits { timeout: LONG, ..Limits::default() }).await;
    // Each waits until all are there: one after another they would wait for ever.
    let meeting = Arc::new(Barrier::new(CALLS));
    let call = async || {
        let host = Host { meeting: Some(meeting.clone()), ..Host::default() };
        text(host.call(&skill, "sandbox_state", json!({ "steps": ["get run a"] })).await)
    };
    let (a, b, c, d) = tokio::join!(five(&call), five(&call), five(&call), five(&call));
    assert_eq!([a, b, c, d].concat(), vec!["nothing"; CALLS]);
}

async fn five(call: impl AsyncFn() -> String) -> Vec<String> {
    let (a, b, c, d, e) = tokio::join!(call(), call(), call(), call(), call());
    vec![a, b, c, d, e]
}

#[tokio::test]
async fn a_guest_that_computes_for_ever_does_not_hold_up_others() {
    // One thread for both, so that one must give way to the other.
    let skill = limited(Limits { timeout: LONG, ..Limits::default() }).await;
    let good = async {
        for _ in 0..10 {
            still_works(&skill).await;
        }
    };
    tokio::select! {
        biased;
        outcome = call(&skill, "sandbox_spin", json!({})) => panic!("{:?}", outcome.result),
        () = good => {}
    }
    // The spinning call was dropped with its guest.
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_memory_bomb() {
    let skill = limited(Limits { memory: 16 << 20, ..Limits::default() }).await;
    let outcome = call(&skill, "sandbox_memory_bomb", json!({ "careful": false })).await;
    assert_eq!(ended(outcome), "`cases` was ended: it ran into its limit of 16MiB memory");
    still_works(&skill).await;
    let took = text(call(&skill, "sandbox_memory_bomb", json!({ "careful": true })).await);
    let took: u64 = took.strip_suffix(" MiB").unwrap().parse().unwrap();
    assert!((8..16).contains(&took), "{took}");
    still_works(&skill).await;
}

#[tokio::test]
async fn memory_limits_are_each_calls_own() {
    let skill = limited(Limits { memory: 16 << 20, ..Limits::default() }).await;
    let bomb = || call(&skill, "sandbox_memory_bomb", json!({ "careful": true }));
    let (a, b, c) = tokio::join!(bomb(), bomb(), bomb());
    let took: Vec<String> = [a, b, c].into_iter().map(text).collect();
    assert_eq!(took, vec![took[0].clone(); 3]);
}

#[tokio::test]
pub(crate) async fn sandbox_recursion() {
    let skill = skill().await;
    let reason = ended(call(&skill, "sandbox_recursion", json!({})).await);
    assert_eq!(reason, "`cases` was ended: it crashed: wasm trap: call stack exhausted");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_panic() {
    let skill = skill().await;
    let outcome = call(&skill, "sandbox_panic", json!({ "message": "on purpose" })).await;
    assert!(outcome.log.text.contains("on purpose"), "{}", outcome.log.text);
    let reason = ended(outcome);
    assert!(reason.starts_with("`cases` was ended: it crashed: wasm trap: wasm `unreachable` "), "{reason}");
    assert!(reason.contains("it said: ") && reason.contains("on purpose"), "{reason}");
    still_works(&skill).await;
}

#[tokio::test]
async fn the_last_words_of_a_crash_are_cut() {
    let skill = skill().await;
    let outcome = call(&skill, "sandbox_panic", json!({ "message": "x".repeat(500_000) })).await;
    assert!(outcome.log.text.len() > 500_000);
    let reason = ended(outcome);
    assert!(reason.len() < 2000, "{}", reason.len());
}

#[tokio::test]
pub(crate) async fn sandbox_exit() {
    let skill = skill().await;
    for code in [0, 1, 255] {
        let reason = ended(call(&skill, "sandbox_exit", json!({ "code": code })).await);
        assert!(reason.starts_with("`cases` was ended: it crashed: Exited with i32 exit status "), "{reason}");
        still_works(&skill).await;
    }
}

#[tokio::test]
pub(crate) async fn sandbox_many_listings() {
    let workspace = Workspace::new();
    std::fs::create_dir(workspace.path("in/large")).unwrap();
    for number in 0..10_000 {
        std::fs::write(workspace.path(&format!("in/large/{number:0250}")), "").unwrap();
    }
    let grants = directories(workspace.root(), &[("in", Access::Read)]);
    let skill = skill_with(grants, Limits::default()).await.unwrap();
    let told = text(call(&skill, "sandbox_many_listings", json!({ "path": "in/large" })).await);
    // Sixteen megabytes of them; far fewer than the handles that there might be.
    assert!(told.starts_with("5 open, then: "), "{told}");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_many_handles() {
    let workspace = Workspace::new();
    let grants = directories(workspace.root(), &[("in", Access::Read)]);
    let skill = skill_with(grants, Limits::default()).await.unwrap();
    let reason = ended(call(&skill, "sandbox_many_handles", json!({ "path": "in/file" })).await);
    assert_eq!(reason, "`cases` was ended: it ran into its limit of 1024 handles");
    still_works(&skill).await;
}

/// A limit that the operator has lowered says so: there is nothing that the project's author could raise.
#[tokio::test]
async fn limits_of_the_host_policy_are_named() {
    for (ceiling, tool, arguments, limit) in [
        ("timeout = '1s'", "sandbox_spin", json!({}), "time limit of 1 s"),
        ("memory = '16MiB'", "sandbox_memory_bomb", json!({ "careful": false }), "limit of 16MiB memory"),
        ("output = '100B'", "sandbox_echo", json!({ "text": "x".repeat(101) }), "output limit of 100B"),
    ] {
        let policy = Policy::parse(&format!("[ceilings]\n{ceiling}\n")).unwrap();
        let skill = limited(policy.ceilings.cap(Limits::default())).await;
        let reason = ended(call(&skill, tool, arguments).await);
        assert!(reason.ends_with(&format!("{limit}, which the host policy sets")), "{reason}");
    }
}

#[tokio::test]
pub(crate) async fn sandbox_fill_disk() {
    // Sixteen blocks and more than half of one; 265 entries.
    let disk = Limits::DISK_ENTRY + 16 * (64 << 10) + (32 << 10);
    for (how, times) in
        [("write", 16), ("append", 16), ("hole", 0), ("size", 0), ("files", 265), ("directories", 265), ("links", 265)]
    {
        let workspace = Workspace::new();
        let grants = directories(workspace.root(), &[("in", Access::Write)]);
        let skill = skill_with(grants, Limits { disk, ..Limits::default() }).await.unwrap();
        let reason = failed(call(&skill, "sandbox_fill_disk", json!({ "folder": "in", "how": how })).await);
        assert!(reason.starts_with(&format!("{times} times, then: ")), "{how}: {reason}");
        assert!(reason.ends_with("(it added more than 1060KiB to the disk (`limits.disk`))"), "{how}: {reason}");
        assert!(std::fs::metadata(workspace.path("in/file")).unwrap().len() <= disk);
        still_works(&skill).await;
    }
}

/// Each limit can be set, and the one that is set is the one that is told.
#[tokio::test]
async fn limits_are_those_that_were_set() {
    let workspace = Workspace::new();
    let grants = || directories(workspace.root(), &[("in", Access::Read)]);
    let set = |limits: Limits| skill_with(grants(), limits);
    let told = |outcome| ended(outcome).trim_start_matches("`cases` was ended: it ").to_owned();

    let handles = set(Limits { handles: 100, ..Limits::default() }).await.unwrap();
    let reason = told(call(&handles, "sandbox_many_handles", json!({ "path": "in/file" })).await);
    assert_eq!(reason, "ran into its limit of 100 handles");

    let buffers = set(Limits { buffers: 1 << 20, ..Limits::default() }).await.unwrap();
    let outcome = call(&buffers, "sandbox_large_result", json!({ "bytes": 2 << 20, "kind": "text" })).await;
    assert_eq!(told(outcome), "passed more than 1MiB to the host at once");

    let state = set(Limits { state: 10, ..Limits::default() }).await.unwrap();
    let steps = json!({ "steps": ["set run a 123456789", "set run a 1234567890", "get run a"] });
    let answer = text(call(&state, "sandbox_state", steps).await);
    assert!(answer.contains("as much state as it is allowed to") && answer.ends_with("123456789"), "{answer}");

    // Those that a component meets before it does anything.
    let refused = async |limits: Limits| match set(limits).await {
        Err(LoadError::ListTools(reason)) => reason,
        other => panic!("not refused: {:?}", other.map(drop)),
    };
    let reason = refused(Limits { table_elements: 1, ..Limits::default() }).await;
    assert!(reason.contains("limit of 1 table elements"), "{reason}");
    let reason = refused(Limits { instances: 1, ..Limits::default() }).await;
    assert!(reason.contains("limit of 1 core instances"), "{reason}");
}
