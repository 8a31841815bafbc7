//! The skill that every Expert has: files of the workspace, todos, and the end of a run.

use std::fs;

use perstack_test_artifacts as artifacts;
use serde_json::{Value, json};

use crate::harness::{Ran, Workspace};

const PROJECT: &str = r#"
[experts."writer"]
instruction = "Write."
delegates = ["reader"]

[experts."reader"]
instruction = "Read."
"#;

/// What one Expert's model replies: calls, one reply a list; or text.
fn replies(expert: &str, replies: &[Value]) -> String {
    let line = |reply: &Value| match reply {
        Value::String(text) => format!("[[experts.{expert}.replies]]\ntext = {text:?}\n"),
        calls => {
            let call = |call: &Value| format!("{{ name = {}, arguments = {:?} }}", call[0], call[1].to_string());
            let calls: Vec<String> = calls.as_array().unwrap().iter().map(call).collect();
            format!("[[experts.{expert}.replies]]\ntoolCalls = [{}]\n", calls.join(", "))
        }
    };
    replies.iter().map(line).collect()
}

fn workspace(project: &str, script: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", project);
    workspace.write("script.toml", script);
    workspace
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Ran {
    workspace.run(&[&["run", "writer", "--provider", "scripted", "--model", "script.toml"], arguments].concat())
}

fn kinds(ran: &Ran) -> Vec<String> {
    let kind = |event: Value| event["type"].as_str().unwrap().to_owned();
    ran.events().into_iter().filter(|event| event["expertKey"] == "writer").map(kind).collect()
}

/// What tools answered, in the order of their calls, as name and text.
fn answers(ran: &Ran) -> Vec<(String, String)> {
    let finished = |event: &Value| event["type"] == "finishToolCall" || event["type"] == "finishAllToolCalls";
    let messages = ran.events().into_iter().filter(finished).map(|event| event["newMessages"].clone());
    let parts = messages.flat_map(|messages| messages[0]["contents"].as_array().unwrap().clone());
    let told = |part: Value| {
        let text = part["contents"][0]["text"].as_str().unwrap_or("no text").to_owned();
        (part["toolName"].as_str().unwrap().to_owned(), text)
    };
    parts.map(told).collect()
}

fn answer(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn assert_done(ran: &Ran, text: &str) {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let done = ran.events().into_iter().rfind(|event| event["type"] == "completeRun").unwrap();
    assert_eq!(done["text"], text);
}

#[test]
fn files_are_those_of_the_workspace_and_jobs_are_not() {
    let script = replies(
        "writer",
        &[
            json!([["writeTextFile", { "path": "notes/log.md", "text": "squats" }]]),
            json!([["readTextFile", { "path": "notes/log.md" }]]),
            json!([["listDirectory", {}], ["readTextFile", { "path": "perstack/jobs" }]]),
            json!([["writeTextFile", { "path": "perstack/mine", "text": "" }]]),
            json!([["readTextFile", { "path": "../script.toml" }]]),
            json!("Done."),
        ],
    );
    let workspace = workspace(PROJECT, &script);
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "Done.");
    assert_eq!(fs::read_to_string(workspace.path().join("notes/log.md")).unwrap(), "squats");
    let answers = answers(&ran);
    assert!(answers[1].1.contains(r#""content":"squats""#), "{answers:?}");
    assert!(answers[2].1.contains("script.toml") && !answers[2].1.contains("\"perstack\""), "{answers:?}");
    for (place, reason) in [(3, "does not exist"), (4, "may not be used"), (5, "leads out of the workspace")] {
        assert!(answers[place].1.contains(reason), "{:?}", answers[place]);
    }
    assert!(!workspace.path().join("perstack/mine").exists());
}

#[test]
fn edits_of_one_reply_do_not_undo_each_other() {
    let edits = (0..20).map(|number| {
        let (old, new) = (format!("line {number:02}\n"), format!("edited {number:02}\n"));
        json!(["editTextFile", { "path": "file", "oldText": old, "newText": new }])
    });
    let appends = (0..9).map(|number| json!(["appendTextFile", { "path": "file", "text": number.to_string() }]));
    let script = replies("writer", &[edits.chain(appends).collect(), json!("Done.")]);
    let workspace = workspace(PROJECT, &script);
    let lines = |word: &str| (0..20).map(|number| format!("{word} {number:02}\n")).collect::<String>();
    workspace.write("file", lines("line") + &"x".repeat(100_000));
    assert_done(&run(&workspace, &["Go"]), "Done.");
    let text = fs::read_to_string(workspace.path().join("file")).unwrap();
    assert!(text.starts_with(&lines("edited")) && text.ends_with("x012345678"), "{}", &text[..300]);
}

#[test]
fn a_model_does_not_change_what_it_may_do() {
    let skill = "[experts.reader.skills.guests]\ntype = 'wasmSkill'\ncomponent = 'plugins/guests.wasm'\n";
    let script = replies(
        "writer",
        &[
            json!([["writeTextFile", { "path": "perstack.toml", "text": "" }]]),
            json!([["deleteFile", { "path": "plugins/guests.wasm" }]]),
            json!([["moveFile", { "source": "plugins", "destination": "moved" }]]),
            json!([["writeTextFile", { "path": ".env", "text": "ANTHROPIC_BASE_URL=https://elsewhere.example" }]]),
            json!("Done."),
        ],
    );
    let workspace = workspace(&(PROJECT.to_owned() + skill), &script);
    workspace.write("plugins/guests.wasm", fs::read(artifacts::GUESTS).unwrap());
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "Done.");
    for (tool, answer) in answers(&ran) {
        assert!(answer.contains("may not be used"), "{tool}: {answer}");
    }
    assert!(workspace.path().join("plugins/guests.wasm").exists() && !workspace.path().join(".env").exists());
}

#[test]
fn completion_waits_for_todos_and_comes_last() {
    let script = replies(
        "writer",
        &[
            json!([["todo", { "newTodos": ["squats", "rest"] }], ["attemptCompletion", {}]]),
            json!([["attemptCompletion", {}], ["todo", { "completedTodos": [0, 1] }]]),
            json!("All done."),
        ],
    );
    let workspace = workspace(PROJECT, &script);
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "All done.");
    let answers = answers(&ran);
    // Both were called, in each reply, and completion saw what the other did.
    let all = r#"{"todos":[{"id":0,"title":"squats","completed":false},{"id":1,"title":"rest","completed":false}]}"#;
    assert_eq!(answers[0], answer("todo", all));
    assert_eq!(answers[1], answer("attemptCompletion", &all.replace("todos\"", "remainingTodos\"")));
    let kinds = kinds(&ran);
    assert_eq!(kinds.iter().filter(|kind| *kind == "attemptCompletion").count(), 1, "{kinds:?}");
    assert_eq!(kinds.last().unwrap(), "completeRun");
}

#[test]
fn completion_beside_a_delegate_waits_for_it() {
    let writer = [json!([["attemptCompletion", {}], ["reader", { "query": "Read." }]]), json!("Both done.")];
    let script = replies("writer", &writer) + &replies("reader", &[json!("I read.")]);
    let workspace = workspace(PROJECT, &script);
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "Both done.");
    assert!(workspace.job().checkpoint()["messages"].to_string().contains("I read."));
}

#[test]
fn todos_are_those_of_the_run() {
    let list = json!([["todo", {}]]);
    let writer = [
        json!([["todo", { "newTodos": ["mine"] }]]),
        json!([["reader", { "query": "Read." }]]),
        list.clone(),
        json!("First."),
        list.clone(),
        json!("Second."),
    ];
    let script = replies("writer", &writer) + &replies("reader", &[list, json!("I read.")]);
    let workspace = workspace(PROJECT, &script);
    let stopped = run(&workspace, &["Go", "--max-steps", "2"]);
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    let went_on = run(&workspace, &["--continue", "--max-steps", "20"]);
    assert_done(&went_on, "First.");
    let again = run(&workspace, &["Again", "--continue"]);
    assert_done(&again, "Second.");
    let lists: Vec<String> = [&stopped, &went_on, &again].into_iter().flat_map(answers).map(|(_, text)| text).collect();
    let mine = r#"{"todos":[{"id":0,"title":"mine","completed":false}]}"#;
    let none = r#"{"todos":[]}"#;
    assert_eq!(lists, [mine, none, "I read.", mine, none]);
}

#[test]
fn nothing_native_is_started() {
    let script = replies("writer", &[json!([["exec", { "command": "touch", "args": ["made"] }]]), json!("No.")]);
    let workspace = workspace(PROJECT, &script);
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "No.");
    assert!(answers(&ran)[0].1.starts_with("`touch` was not run:"), "{:?}", answers(&ran));
    assert!(!workspace.path().join("made").exists());
}

#[test]
fn an_expert_picks_and_omits_tools() {
    let script = replies("writer", &[json!([["todo", {}], ["deleteFile", { "path": "script.toml" }]]), json!("Done.")]);
    let declared = |lines: &str| {
        format!(
            "{PROJECT}[experts.writer.skills.\"@perstack/base\"]\ntype = 'mcpStdioSkill'\ncommand = 'npx'\n{lines}\n"
        )
    };
    let missing = "there is no tool `deleteFile`";
    for lines in
        ["packageName = '@perstack/base'\nomit = ['deleteFile']", "packageName = '@perstack/base'\npick = ['todo']"]
    {
        let workspace = workspace(&declared(lines), &script);
        let ran = run(&workspace, &["Go"]);
        assert_done(&ran, "Done.");
        let answers = answers(&ran);
        assert_eq!(answers[0].1, r#"{"todos":[]}"#);
        assert!(answers[1].1.starts_with(missing), "{lines}: {answers:?}");
        assert!(workspace.path().join("script.toml").exists());
    }
    // Another version is another program, which is not a component.
    let workspace = workspace(&declared("packageName = '@perstack/base@0.0.34'"), &script);
    workspace.write("policy.toml", "native = 'deny'\n");
    let ran = run(&workspace, &["--policy", "policy.toml", "Go"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("starts the native program `npx`"), "{}", ran.stderr);
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let project = PROJECT.to_owned()
        + "[experts.writer.skills.mine]\ntype = 'wasmSkill'\ncomponent = 'base.wasm'\npick = ['todo', 'exec']\n";
    let workspace = workspace(&project, &replies("writer", &[json!("Done.")]));
    workspace.write("base.wasm", fs::read(artifacts::BASE).unwrap());
    let ran = run(&workspace, &["Go"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("leave one out with `omit` in skill `mine`"), "{}", ran.stderr);
}

#[test]
fn a_skill_can_be_granted_the_whole_workspace() {
    let skill = r#"
[experts.writer.skills.mine]
type = "wasmSkill"
component = "guests.wasm"
pick = ["sandbox_read_file"]
capabilities = { filesystem = [{ path = ".", access = "read" }] }
"#;
    let read = |path: &str| json!(["sandbox_read_file", { "path": path }]);
    let script = replies("writer", &[json!([read("note"), read("perstack/jobs")]), json!("Done.")]);
    let workspace = workspace(&(PROJECT.to_owned() + skill), &script);
    workspace.write("guests.wasm", fs::read(artifacts::GUESTS).unwrap());
    workspace.write("note", "a note");
    let ran = run(&workspace, &["Go"]);
    assert_done(&ran, "Done.");
    assert_eq!(answers(&ran)[0].1, "a note");
    assert!(answers(&ran)[1].1.contains("No such file"), "{:?}", answers(&ran));
}
