//! Going on from an earlier checkpoint.

use std::fs;

use serde_json::Value;

use crate::harness::{Ran, Workspace, files, read};

const PROJECT: &str = r#"
[experts.lead]
instruction = "Lead."
delegates = ["helper"]

[experts.lead.skills.user]
type = "interactiveSkill"

[experts.lead.skills.user.tools.askUser]
inputJsonSchema = '{"type": "object", "properties": {"question": {"type": "string"}}}'

[experts.helper]
instruction = "Help."
"#;

const SCRIPT: &str = r#"
[[experts.lead.replies]]
toolCalls = [
  { name = "askUser", arguments = { question = "Which?" } },
  { name = "helper", arguments = { query = "Help" } },
]
[[experts.lead.replies]]
text = "First."
[[experts.lead.replies]]
text = "Second."
[[experts.helper.replies]]
text = "Helped."
"#;

fn run(workspace: &Workspace, arguments: &[&str]) -> Ran {
    let scripted = ["--provider", "scripted", "--model", "script.toml"];
    workspace.run(&[&["run", "lead"], arguments, &scripted[..]].concat())
}

fn job_id(workspace: &Workspace) -> String {
    workspace.job().json()["id"].as_str().unwrap().to_owned()
}

fn id(checkpoint: &Value) -> String {
    checkpoint["id"].as_str().unwrap().to_owned()
}

fn conversation(workspace: &Workspace) -> String {
    workspace.job().checkpoint()["messages"].to_string()
}

#[test]
fn a_model_goes_on_from_an_earlier_checkpoint() {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("script.toml", SCRIPT);
    run(&workspace, &["Go"]);
    let (job, asked) = (job_id(&workspace), id(&workspace.job().checkpoint()));
    let ran = run(&workspace, &["Blue", "--continue", "-i"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let first = id(&workspace.job().checkpoint());
    assert_eq!(run(&workspace, &["More", "--continue"]).code, Some(0));
    assert!(conversation(&workspace).contains("Blue") && conversation(&workspace).contains("Second."));

    // Another answer to the same question.
    let from = |query: &[&str], checkpoint: &str| {
        run(&workspace, &[query, &["--continue-job", &job, "--resume-from", checkpoint]].concat())
    };
    let ran = from(&["Red", "-i"], &asked);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = conversation(&workspace);
    assert!(told.contains("Red") && told.contains("Helped.") && told.contains("First."), "{told}");
    assert!(!told.contains("Blue") && !told.contains("Second."), "{told}");
    // Another query after the first answer, and what came after it is still there.
    let ran = from(&["Less"], &first);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told = conversation(&workspace);
    assert!(told.contains("Blue") && told.contains("Less") && !told.contains("More"), "{told}");
    let kept = files(&workspace.job().path().join("checkpoints"));
    assert!(kept.iter().any(|path| read(path)["messages"].to_string().contains("More")));

    let refused = |arguments: &[&str], checkpoint: &str| {
        let ran = from(arguments, checkpoint);
        assert_eq!(ran.code, Some(2), "{}", ran.stdout);
        ran.stderr
    };
    assert!(refused(&["x"], "none").contains("has no checkpoint `none`"));
    assert!(refused(&["x"], &asked).contains("waits for an answer to `askUser`"));
    assert!(refused(&[], &first).contains("is done"));
    let helper = kept.iter().map(|path| read(path)).find(|checkpoint| checkpoint["expert"]["key"] == "helper");
    assert!(refused(&["x"], &id(&helper.unwrap())).contains("was started with Expert `helper`"));
    let ran = run(&workspace, &["x", "--continue", "--resume-from", &first]);
    assert!(ran.stderr.contains("cannot be used with '--resume-from"), "{}", ran.stderr);
}

#[test]
fn logic_goes_on_from_an_earlier_checkpoint() {
    let workspace = Workspace::new();
    workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    let (job, asked) = (job_id(&workspace), id(&workspace.job().checkpoint()));
    workspace.run(&["run", "tic-tac-toe", "1", "--continue", "-i"]);
    let board = |workspace: &Workspace| {
        workspace.job().question().unwrap()["args"]["board"].as_str().unwrap().as_bytes().to_owned()
    };
    assert_eq!(board(&workspace)[0], b'X');
    let arguments = ["run", "tic-tac-toe", "9", "--continue-job", &job, "--resume-from", &asked, "-i"];
    let ran = workspace.run(&arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((board(&workspace)[0] == b'X', board(&workspace)[8]), (false, b'X'));
    // The same in a conversation, which asks what that checkpoint asks.
    let arguments = ["start", "tic-tac-toe", "--continue-job", &job, "--resume-from", &asked];
    let ran = workspace.run_with_input(&arguments, "5\n");
    assert!(ran.stdout.contains("Your move › 5"), "{}", ran.stdout);
    let now = board(&workspace);
    assert_eq!((now[4], now[8] == b'X', now[0] == b'X'), (b'X', false, false), "{}", ran.stdout);
    // And on from there, as always.
    let free = board(&workspace).iter().position(|square| *square == b'.').unwrap() + 1;
    let ran = workspace.run(&["run", "tic-tac-toe", &free.to_string(), "--continue", "-i"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(fs::exists(workspace.job().path().join("checkpoints").join(format!("{asked}.json"))).unwrap());
}
