//! Programs that the base skill may start: those that the project lists, and no other.

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace};

/// An Expert whose base skill has these programs, and that calls `exec` so.
fn run(programs: &str, arguments: &Value) -> (Workspace, Ran) {
    let workspace = Workspace::new();
    workspace.write(
        "perstack.toml",
        format!(
            "[experts.runner]\ninstruction = 'Run.'\n[experts.runner.skills.'@perstack/base']\n\
             type = 'mcpStdioSkill'\ncommand = 'npx'\npackageName = '@perstack/base'\n{programs}"
        ),
    );
    workspace.write("work/note", "noted");
    workspace.write(".env", "KEY=secret\n");
    let script = json!({ "experts": { "runner": { "replies": [
        { "toolCalls": [{ "name": "exec", "arguments": arguments }] },
        { "text": "Done." },
    ] } } });
    workspace.write("replies.toml", toml::to_string(&script).unwrap());
    let ran = workspace.run(&["run", "runner", "Go", "--provider", "scripted", "--model", "replies.toml"]);
    (workspace, ran)
}

fn answer(ran: &Ran) -> (Option<bool>, String) {
    let events = ran.events();
    let results = events.iter().find(|event| event["type"] == "resolveToolResults");
    let result = &results.unwrap_or_else(|| panic!("{ran:?}"))["toolResults"][0];
    (result["isError"].as_bool(), result["result"][0]["text"].as_str().unwrap().to_owned())
}

#[test]
fn a_listed_program_runs_in_the_workspace() {
    let arguments = json!({ "command": "sh", "args": ["-c", "cat note; echo more > file"], "cwd": "work" });
    let (workspace, ran) = run("exec = ['sh']", &arguments);
    assert_eq!(answer(&ran), (None, json!({ "output": "noted" }).to_string()));
    assert_eq!(std::fs::read_to_string(workspace.path().join("work/file")).unwrap(), "more\n");
}

#[test]
fn a_program_reaches_neither_keys_nor_jobs() {
    let arguments = json!({ "command": "sh", "args": ["-c", "cat .env perstack/jobs/*/job.json"] });
    let (_workspace, ran) = run("exec = ['sh']", &arguments);
    let (is_error, text) = answer(&ran);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((is_error, &answer["error"]), (Some(true), &json!("exit status 1")));
    assert!(!text.contains("secret") && answer["stderr"].as_str().unwrap().contains("Permission denied"), "{text}");
}

#[test]
fn no_other_program_runs() {
    let arguments = json!({ "command": "cat", "args": ["work/note"] });
    let (_workspace, ran) = run("exec = ['sh']", &arguments);
    assert_eq!(answer(&ran), (Some(true), "denied: `cat` may not be run, only: sh".to_owned()));
    // Nor any, where none is listed.
    let (_workspace, ran) = run("", &json!({ "command": "sh", "args": ["-c", "true"] }));
    let (is_error, text) = answer(&ran);
    assert!(is_error == Some(true) && text.contains("`sh` was not run"), "{text}");
}

#[test]
fn a_program_that_is_not_there_is_told_before_anything_starts() {
    let (_workspace, ran) = run("exec = ['no-such-program']", &json!({ "command": "no-such-program" }));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("`exec`: there is no program `no-such-program` in /usr/local/sbin:"), "{ran:?}");
}
