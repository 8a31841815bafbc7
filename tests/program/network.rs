//! Access to the network: denied with the lines that would grant it, on record, and found again in the log.

use std::fs;

use perstack_test_artifacts as artifacts;

use crate::harness::{Ran, Workspace};

const PROJECT: &str = r#"
[experts."follow"]
logic = { component = "follow.wasm" }

[experts."follow".skills."web"]
type = "wasmSkill"
component = "guests.wasm"

[experts."follow".skills."web".capabilities]
network = ["https://api.example.com"]
secrets = { KEY = ["api.example.com"] }
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    workspace.write("guests.wasm", fs::read(artifacts::GUESTS).unwrap());
    workspace
}

/// Asks for a URL, with the secret in a header.
fn fetch(workspace: &Workspace, verb: &str, url: &str) -> Ran {
    let arguments = serde_json::json!({
        "method": "GET", "url": url, "headers": ["x-key: $KEY"], "body": "", "times": 1, "together": false,
    });
    let query = format!("call-json sandbox_fetch {arguments}");
    let mut command = workspace.command(&[verb, "follow", &query]);
    command.env("KEY", "the-very-secret-value").output().unwrap().into()
}

#[test]
fn a_denial_names_the_lines_to_add_and_is_found_in_the_log() {
    let workspace = workspace();
    let ran = fetch(&workspace, "start", "https://other.example.com:8443/");
    let denied = "✗ web: network access to other.example.com:8443 denied: not granted to skill `web`\n";
    assert!(ran.stdout.contains(denied), "{ran:?}");
    let place = ran.stdout.lines().find(|line| line.contains("hint: add to ")).unwrap_or_else(|| panic!("{ran:?}"));
    assert!(place.ends_with("perstack.toml:9"), "{place}");
    assert!(ran.stdout.contains("[experts.\"follow\".skills.\"web\".capabilities]\n"), "{ran:?}");
    let lines = "network = [\"https://api.example.com\", \"https://other.example.com:8443\"]";
    assert!(ran.stdout.contains(lines), "{ran:?}");
    // The Expert is told in a sentence.
    assert!(ran.stdout.contains("(network access to other.example.com:8443 denied: "), "{ran:?}");
    let log = workspace.run(&["log", "--summary"]).stdout;
    assert!(log.contains("network      1 requests\ndenied       1\n"), "{log}");
    assert!(log.contains("1 × web: other.example.com:8443 blocked: not granted"), "{log}");
}

#[test]
fn a_denial_is_an_event_and_nobody_sees_the_secret() {
    let workspace = workspace();
    let ran = fetch(&workspace, "run", "http://api.example.com/");
    let events = ran.events();
    let event = events.iter().find(|event| event["type"] == "proxyAccess").unwrap_or_else(|| panic!("{ran:?}"));
    let keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["type", "id", "timestamp", "jobId", "runId", "action", "domain", "port", "reason", "skillName"];
    assert_eq!(keys, expected);
    assert_eq!(event["action"], "blocked");
    assert_eq!((&event["domain"], &event["port"]), (&"api.example.com".into(), &80.into()));
    assert_eq!((&event["reason"], &event["skillName"]), (&"only `https` is ever granted".into(), &"web".into()));
    let shown = ran.stdout + &workspace.run(&["log", "--take", "0", "--json"]).stdout;
    assert!(!shown.contains("the-very-secret-value"), "{shown}");
}

#[test]
fn options_of_perstack_mean_what_they_can_mean() {
    let workspace = workspace();
    let ran = |arguments: &[&str]| {
        let mut command = workspace.command(&[&["start", "follow", "say hello"], arguments].concat());
        Ran::from(command.env("KEY", "the-very-secret-value").output().unwrap())
    };
    for runtime in ["local", "docker"] {
        assert_eq!(ran(&["--runtime", runtime, "--env", "KEY", "--verbose"]).code, Some(0));
    }
    let refused = ran(&["--runtime", "cursor"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("Experts run here, in components"), "{refused:?}");
    let refused = ran(&["--env", "KEY", "OTHER"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("the variable `OTHER` is not set"), "{refused:?}");
}

#[test]
fn a_secret_that_is_not_set_is_asked_for_before_anything_starts() {
    let workspace = workspace();
    let ran = workspace.run(&["run", "follow", "say hello"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("is granted variable `KEY`, which is not set"), "{ran:?}");
    assert!(ran.stderr.contains("hint: set it: `export KEY=…`"), "{ran:?}");
}
