//! The shapes of events, beside recordings of Perstack.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::game::first_free;
use crate::harness::{Workspace, files, read};

/// Keys of each event, in order, as Perstack writes them; one is ours.
const RECORDED: &[(&str, &[&str])] = &[
    (
        "initializeRuntime",
        &[
            "type",
            "id",
            "timestamp",
            "jobId",
            "runId",
            "runtimeVersion",
            "runtime",
            "expertName",
            "experts",
            "model",
            "maxSteps",
            "maxRetries",
            "timeout",
        ],
    ),
    (
        "skillConnected",
        &[
            "type",
            "id",
            "timestamp",
            "jobId",
            "runId",
            "skillName",
            "serverInfo",
            "spawnDurationMs",
            "handshakeDurationMs",
            "toolDiscoveryDurationMs",
            "connectDurationMs",
            "totalDurationMs",
        ],
    ),
    ("componentsGranted", &["type", "id", "timestamp", "jobId", "runId", "logic", "skills"]),
    ("startRun", &["initialCheckpoint", "inputMessages"]),
    ("callTools", &["newMessage", "toolCalls", "usage"]),
    ("callInteractiveTool", &["newMessage", "toolCall", "usage"]),
    ("resolveToolResults", &["toolResults"]),
    ("finishToolCall", &["newMessages"]),
    ("finishAllToolCalls", &["newMessages"]),
    ("continueToNextStep", &["checkpoint", "step", "nextCheckpoint"]),
    ("stopRunByInteractiveTool", &["checkpoint", "step"]),
    ("completeRun", &["checkpoint", "step", "text", "usage"]),
    ("startStreamingRunResult", &[]),
    ("streamRunResult", &["delta"]),
    ("completeStreamingRunResult", &["text"]),
    ("skillDisconnected", &["type", "id", "timestamp", "jobId", "runId", "skillName"]),
];

/// What every event of a step begins with.
const STEP: [&str; 7] = ["type", "id", "expertKey", "timestamp", "jobId", "runId", "stepNumber"];

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[test]
fn events_come_in_perstacks_order_and_shapes() {
    let workspace = Workspace::new();
    let mut all = Vec::new();
    let first = workspace.run(&["run", "tic-tac-toe", "Let's play!"]).events();
    assert_eq!(
        types(&first),
        [
            "initializeRuntime",
            "componentsGranted",
            "skillConnected",
            "startRun",
            "startStreamingRunResult",
            "streamRunResult",
            "completeStreamingRunResult",
            "callTools",
            "callInteractiveTool",
            "stopRunByInteractiveTool",
            "skillDisconnected",
        ]
    );
    assert_eq!(first[0]["query"], "Let's play!");
    let job = workspace.job();
    all.extend(first);
    while let Some(question) = job.question() {
        let events = workspace.run(&["run", "tic-tac-toe", &first_free(&question), "--continue", "-i"]).events();
        let begun = ["startRun", "finishAllToolCalls", "continueToNextStep"];
        assert_eq!(types(&events)[3..6], begun);
        assert_eq!(events[0]["interactiveToolCall"]["toolCallId"], question["id"]);
        assert_eq!(events[3]["initialCheckpoint"]["status"], "stoppedByInteractiveTool");
        let partial = &events[3]["initialCheckpoint"]["partialToolResults"][0];
        assert_eq!(partial["result"][0]["text"], first_free(&question));
        all.extend(events);
    }
    let ends = types(&all);
    let end = ["completeStreamingRunResult", "completeRun", "skillDisconnected"];
    assert_eq!(ends[ends.len() - 3..], end);
    let seen: BTreeSet<&str> = ends.into_iter().collect();
    for (kind, keys) in RECORDED {
        assert!(seen.contains(kind), "{kind} did not come up");
        for event in all.iter().filter(|event| event["type"] == *kind) {
            let written: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: Vec<&str> = if keys.first() == Some(&"type") {
                keys.to_vec()
            } else {
                STEP.iter().chain(keys.iter()).copied().collect()
            };
            assert_eq!(written[..expected.len()], expected[..], "{kind}");
        }
    }
    for kind in &seen {
        assert!(RECORDED.iter().any(|(recorded, _)| recorded == kind), "{kind} is not pinned");
    }
}

#[test]
fn every_event_is_kept_under_a_name_of_its_own() {
    let workspace = Workspace::new();
    let events = workspace.run(&["run", "tic-tac-toe", "Let's play!"]).events();
    let job = workspace.job();
    let kept: Vec<Value> = files(&job.path().join("runs"))
        .iter()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("event-"))
        .map(|path| read(path))
        .collect();
    assert_eq!(kept, events, "sorted by their names, the files are the events");
    for event in &events {
        let (time, step) = (&event["timestamp"], event["stepNumber"].as_u64().unwrap_or(0));
        let name = format!("event-{time}-{step}-{}.json", event["type"].as_str().unwrap());
        let run = job.path().join("runs").join(event["runId"].as_str().unwrap());
        assert_eq!(read(&run.join(name)), *event);
        assert_eq!(read(&run.join("run-setting.json"))["runId"], event["runId"]);
    }
}
