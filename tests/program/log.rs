//! `perstack log`.

use std::fs;

use serde_json::Value;

use crate::harness::{Ran, Workspace};

const PROJECT: &str = r#"
[experts.lead]
instruction = "Lead."
delegates = ["helper"]

[experts.helper]
description = "Helps"
instruction = "Help."
"#;

const SCRIPT: &str = r#"
[[experts.lead.replies]]
toolCalls = [{ name = "readTextFile", arguments = { path = "nothing" } }]
[[experts.lead.replies]]
error = { kind = "transient", message = "overloaded" }
[[experts.lead.replies]]
reasoning = ["One ", "piece ", "after the other."]
toolCalls = [{ name = "helper", arguments = { query = "Help me" } }]
[[experts.lead.replies]]
text = "Done."
[[experts.helper.replies]]
text = "Helped."
usage = { inputTokens = 1200, outputTokens = 34 }
"#;

fn done() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("script.toml", SCRIPT);
    let ran = workspace.run(&["run", "lead", "Go", "--provider", "scripted", "--model", "script.toml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    workspace
}

fn log(workspace: &Workspace, arguments: &[&str]) -> Ran {
    workspace.run(&[&["log"], arguments].concat())
}

/// Types of the events that are shown.
fn kinds(ran: &Ran) -> Vec<String> {
    let log: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let events = log["events"].as_array().unwrap().iter();
    events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_job_is_read_from_top_to_bottom() {
    let workspace = done();
    let ran = log(&workspace, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for shown in [
        " · lead · completed · 5 steps · 1.2k tokens · 20",
        "\nstep 1  lead\n",
        "startRun                   “Go”",
        "callTools                  readTextFile nothing",
        "resolveToolResults         ✗ readTextFile: `nothing` does not exist",
        "retry                      overloaded",
        "completeStreamingReasoning One piece after the other.",
        "callDelegate               helper Help me",
        "\nstep 3  helper\n",
        "completeRun                Helped.",
        "completeRun                Done.",
    ] {
        assert!(ran.stdout.contains(shown), "{shown:?} is missing in:\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("streamReasoning"), "pieces are shown on request");
    assert!(log(&workspace, &["--verbose"]).stdout.contains(r#""delta": "piece ""#));
    let summary = log(&workspace, &["--summary", "--take", "1"]).stdout;
    for shown in ["errors       1, and 1 results of tools", "delegations  1", "1200 in, 0 cached, 34 out", "--offset 1"]
    {
        assert!(summary.contains(shown), "{shown:?} is missing in:\n{summary}");
    }
}

#[test]
fn events_are_found_by_what_they_are() {
    let workspace = done();
    let json = |arguments: &[&str]| kinds(&log(&workspace, &[&["--json"], arguments].concat()));
    assert_eq!(json(&["--errors"]), ["retry"]);
    assert_eq!(json(&["--errors", "--context", "1"]), ["startGeneration", "retry", "startGeneration"]);
    assert_eq!(json(&["--tools"]), ["callTools", "resolveToolResults", "callTools"]);
    assert_eq!(json(&["--delegations"]), ["callDelegate", "stopRunByDelegate"]);
    assert_eq!(json(&["--type", "completeRun"]), ["completeRun", "completeRun"]);
    assert_eq!(json(&["--type", "completeRun", "--step", ">3"]), ["completeRun"]);
    assert_eq!(json(&["--filter", ".toolCalls[].toolName == \"helper\""]), ["callTools", "callDelegate"]);
    assert_eq!(json(&["--filter", ".expertKey == helper", "--type", "completeRun"]), ["completeRun"]);
    let all = json(&[]);
    assert_eq!(json(&["--offset", "2", "--take", "3"]), all[2..5]);

    // As Perstack has it.
    let ran = log(&workspace, &["--json", "--take", "2"]);
    let log_json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let keys: Vec<&String> = log_json.as_object().unwrap().keys().collect();
    let expected =
        ["job", "events", "summary", "isLatestJob", "storagePath", "totalEventsBeforeLimit", "matchedAfterPagination"];
    assert_eq!(keys, expected);
    assert_eq!(log_json["totalEventsBeforeLimit"], all.len());
    assert_eq!(log_json["summary"]["totalEvents"], 2);
}

#[test]
fn jobs_runs_and_checkpoints_are_found() {
    let workspace = done();
    let job = workspace.job().json();
    let id = job["id"].as_str().unwrap();
    workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    let jobs = log(&workspace, &["--jobs"]).stdout;
    let lines: Vec<&str> = jobs.lines().collect();
    assert!(lines[0].starts_with(id) && lines[0].contains("completed") && lines[1].contains("tic-tac-toe"), "{jobs}");
    let latest = log(&workspace, &[]);
    assert!(latest.stdout.starts_with("latest job ") && latest.stdout.contains("askMove"), "{}", latest.stdout);

    let checkpoint = job["latestCheckpointId"].as_str().unwrap();
    let shown = log(&workspace, &["--job", id, "--checkpoint", checkpoint, "--messages", "--take", "1"]).stdout;
    for line in
        ["  user         Go\n", "  expert       ↳ readTextFile {\"path\":\"nothing\"}\n", "  expert       Done.\n"]
    {
        assert!(shown.contains(line), "{line:?} is missing in:\n{shown}");
    }
    let events = log(&workspace, &["--job", id, "--type", "completeRun", "--json"]);
    let events: Value = serde_json::from_str(&events.stdout).unwrap();
    let run = events["events"][0]["runId"].as_str().unwrap().to_owned();
    assert_eq!(kinds(&log(&workspace, &["--run", &run, "--type", "completeRun", "--json"])), ["completeRun"]);

    for (arguments, told) in [
        (&["--job", "nothing"][..], "there is no such job"),
        (&["--run", "nothing"], "there is no such job"),
        (&["--checkpoint", checkpoint], "has no checkpoint"),
        (&["--step", "x"], "write 5, >5"),
        (&["--filter", "x"], "write a field, a comparison and a value"),
        (&["--workspace", "none"], "`none` cannot be read"),
    ] {
        let ran = log(&workspace, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    let empty = Workspace::new();
    assert!(log(&empty, &[]).stderr.contains("there is no job in this workspace"));
    assert_eq!(log(&empty, &["--jobs"]).stdout, "no jobs yet\n");
}

#[test]
fn what_is_no_event_is_passed_over_and_a_damaged_one_is_told() {
    let workspace = done();
    let event = crate::harness::files(&workspace.job().path().join("runs"));
    let event = event.iter().find(|path| path.to_string_lossy().contains("-retry")).unwrap();
    for name in ["event-1-2.json", "event-x-1-retry.json", "event-1-1-retry.tmp", "note"] {
        fs::write(event.with_file_name(name), "nonsense").unwrap();
    }
    assert_eq!(log(&workspace, &[]).code, Some(0));
    fs::write(event, "nonsense").unwrap();
    let ran = log(&workspace, &["--errors"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("-retry.json"), "{}", ran.stderr);
}

/// Of a job with a hundred thousand events only those are read that are shown; the rest here could not be.
#[test]
fn a_large_job_is_searched_by_names() {
    let workspace = done();
    let events = crate::harness::files(&workspace.job().path().join("runs"));
    let folder = events.iter().find(|path| path.to_string_lossy().contains("-retry")).unwrap().parent().unwrap();
    let unreadable = workspace.path().join("unreadable");
    for number in 0..100_000_u32 {
        // A file has no more names than 65,000 everywhere.
        if number % 50_000 == 0 {
            drop(fs::remove_file(&unreadable));
            fs::write(&unreadable, "nonsense").unwrap();
        }
        let name = format!("event-{}-{}-callTools.json", 99_000_000_000_000 + u64::from(number), 10 + number / 1000);
        fs::hard_link(&unreadable, folder.join(name)).unwrap();
    }
    let retried = log(&workspace, &["--type", "retry", "--json"]);
    assert_eq!((retried.code, kinds(&retried).as_slice()), (Some(0), &["retry".to_owned()][..]), "{}", retried.stderr);
    let first = log(&workspace, &["--take", "20"]);
    assert!(first.code == Some(0) && first.stdout.contains("startRun"), "{first:?}");
    let step = log(&workspace, &["--step", "1", "--tools"]);
    assert!(step.code == Some(0) && step.stdout.contains("readTextFile"), "{step:?}");
    assert_eq!(log(&workspace, &["--step", "60"]).code, Some(2), "these are read");
}
