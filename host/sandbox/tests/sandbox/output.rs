//! What a guest gives back: results, errors, stdout and stderr, each within its limit.

use perstack_core::{Content, Limits, ToolError};
use serde_json::json;

use crate::harness::{call, ended, limited, still_works, text};

const OUTPUT: u64 = 10_000;
const TOO_LARGE: &str = "`cases` was ended: its answer is larger than its output limit of 10000B";

fn small() -> Limits {
    Limits { output: OUTPUT, ..Limits::default() }
}

#[tokio::test]
pub(crate) async fn sandbox_large_result() {
    let skill = limited(small()).await;
    let arguments = |bytes: u64, kind: &str| json!({ "bytes": bytes, "kind": kind });
    for kind in ["text", "image", "structured"] {
        let fits = call(&skill, "sandbox_large_result", arguments(OUTPUT - 100, kind)).await;
        assert!(fits.result.is_ok(), "{kind}: {:?}", fits.result);
    }
    let path = call(&skill, "sandbox_large_result", arguments(OUTPUT - 100, "path")).await;
    assert!(matches!(path.result, Err(ToolError::Denied(text)) if text.len() < 2_000));
    for kind in ["text", "image", "structured", "path", "error"] {
        let outcome = call(&skill, "sandbox_large_result", arguments(OUTPUT + 1, kind)).await;
        assert_eq!(ended(outcome), TOO_LARGE, "{kind}");
        still_works(&skill).await;
    }
    let exact = call(&skill, "sandbox_large_result", arguments(OUTPUT, "text")).await.result.unwrap();
    assert!(matches!(&exact.content[..], [Content::Text { text }] if text.len() as u64 == OUTPUT));
    let error = call(&skill, "sandbox_large_result", arguments(OUTPUT, "error")).await.result.unwrap_err();
    assert!(matches!(error, ToolError::Failed(text) if text.len() as u64 == OUTPUT));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_through_the_boundary_is_not_copied() {
    let skill = limited(Limits { memory: 512 << 20, ..small() }).await;
    let outcome = call(&skill, "sandbox_large_result", json!({ "bytes": 65 << 20, "kind": "text" })).await;
    assert_eq!(ended(outcome), "`cases` was ended: it passed more than 64MiB to the host at once");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_many_parts() {
    let skill = limited(small()).await;
    let few = call(&skill, "sandbox_many_parts", json!({ "parts": 1000 })).await.result.unwrap();
    assert_eq!(few.content.len(), 1000);
    // Empty parts have no bytes to count, and cost the host all the same.
    let outcome = call(&skill, "sandbox_many_parts", json!({ "parts": 1001 })).await;
    assert_eq!(
        ended(outcome),
        "`cases` was ended: it answered against the contract: its answer has 1001 parts, more than 1000"
    );
    still_works(&skill).await;
}

/// What is kept of a million bytes, and what says that it is not all.
fn kept(log: &str) -> String {
    const CUT: &str = "\n[990000 more bytes were dropped]\n";
    let kept = log.strip_suffix(CUT).unwrap_or_else(|| panic!("{}", &log[log.len() - 50..]));
    assert_eq!(kept.len() as u64, OUTPUT);
    kept.replace('\n', "")
}

#[tokio::test]
pub(crate) async fn sandbox_stdout_flood() {
    let skill = limited(small()).await;
    let outcome = call(&skill, "sandbox_stdout_flood", json!({ "bytes": 1_000_000 })).await;
    assert_eq!(kept(&outcome.log.text), "o".repeat(9900));
    // The guest is not told, and does not crash.
    assert_eq!(text(outcome), "wrote it all");
    still_works(&skill).await;
}

#[tokio::test]
pub(crate) async fn sandbox_stderr_flood() {
    let skill = limited(small()).await;
    let outcome = call(&skill, "sandbox_stderr_flood", json!({ "bytes": 1_000_000 })).await;
    assert_eq!(kept(&outcome.log.text), "e".repeat(9900));
    assert_eq!(text(outcome), "wrote it all");
    still_works(&skill).await;
}
