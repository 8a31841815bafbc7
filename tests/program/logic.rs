//! An Expert's own logic: what it is answered is recorded before it sees it, and is the same when it is repeated. The
//! Expert is `tests/guests-expert`, which does what its query says, line by line.

use std::fs;

use perstack_test_artifacts as artifacts;

use crate::harness::{Ran, Workspace};
use crate::kill::{MOST_WRITES, assert_whole};
use crate::tracer::{Fate, kill_at_write};

const PROJECT: &str = r#"
[experts."follow"]
logic = { component = "follow.wasm", limits = { timeout = "2s" } }

[experts."follow".skills."user"]
type = "interactiveSkill"

[experts."follow".skills."user".tools."askUser"]
inputJsonSchema = '{"type": "object", "properties": {"question": {"type": "string"}}}'

[experts."follow".skills."scoreboard"]
type = "wasmSkill"
component = "scoreboard.wasm"
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    workspace.write("scoreboard.wasm", fs::read(artifacts::SCOREBOARD).unwrap());
    workspace
}

fn run(workspace: &Workspace, lines: &[&str]) -> Ran {
    workspace.run(&["run", "follow", &lines.join("\n")])
}

/// Runs the lines of a query up to the question that is among them.
fn asked(lines: &[&str]) -> Workspace {
    let workspace = workspace();
    let ran = run(&workspace, lines);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(workspace.job().question().is_some(), "{}", ran.stdout);
    workspace
}

fn reply(workspace: &Workspace) -> Ran {
    workspace.run(&["run", "follow", "yes", "--continue", "-i"])
}

/// What each line of the query came to.
fn answers(ran: &Ran) -> Vec<String> {
    let events = ran.events();
    let done = events.iter().find(|event| event["type"] == "completeRun").unwrap_or_else(|| panic!("{ran:?}"));
    done["text"].as_str().unwrap().lines().map(str::to_owned).collect()
}

fn error(ran: &Ran) -> String {
    let events = ran.events();
    let stopped = events.iter().find(|event| event["type"] == "stopRunByError").unwrap_or_else(|| panic!("{ran:?}"));
    stopped["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn time_and_chance_are_the_same_when_a_run_goes_on() {
    let first = asked(&["clock", "random", "elapsed", "ask askUser ready?", "random", "clock"]);
    let second = first.copy();
    let (left, right) = (answers(&reply(&first)), answers(&reply(&second)));
    assert_eq!(left[3], "yes");
    // Up to the question it is what was recorded, and random numbers come from the run's seed all along.
    assert_eq!(left[..5], right[..5]);
    assert_ne!(left[1], left[4]);
    assert_ne!(left[5], right[5], "after the answer, time goes on");
    let other = answers(&run(&workspace(), &["random"]));
    assert_ne!(left[1], other[0], "each run has its own chance");
}

#[test]
fn what_it_remembers_is_its_own() {
    let lines = ["set name Ada", "get name", "keys", "ask askUser ready?", "get name", "delete name", "get name"];
    let workspace = asked(&lines);
    let said = answers(&reply(&workspace));
    assert_eq!(said, ["done", "Some(\"Ada\")", "name", "yes", "Some(\"Ada\")", "done", "None"]);
}

#[test]
fn what_is_not_there_answers_with_its_error() {
    let ran = run(&workspace(), &["model", "delegate helper hello", "ask missing hello", "call missing hello"]);
    let said = answers(&ran);
    assert_eq!(said[0], "Some(NoModel)");
    assert_eq!(said[1], r#"0 [Err("`helper` is not a delegate of this Expert")]"#);
    assert_eq!(said[2..], ["error: the Expert has no interactive tool `missing`", "error: there is no tool `missing`"]);
}

#[test]
fn what_was_said_before_a_failure_is_kept() {
    let workspace = workspace();
    let ran = run(&workspace, &["say one", "say two", "fail for a reason"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(error(&ran), "for a reason");
    let said: Vec<String> = ran
        .events()
        .iter()
        .filter(|event| event["type"] == "streamRunResult")
        .map(|event| event["delta"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["one", "two"]);
    assert_eq!(workspace.job().json()["status"], "stoppedByError");
    let kept = workspace.job().checkpoint().to_string();
    assert!(kept.contains("one") && kept.contains("two"), "{kept}");
}

#[test]
fn whatever_it_does_ends() {
    for (line, reason) in [
        ("spin", "it ran into its time limit of 2 s"),
        ("take-memory", "it ran into its limit of 128MiB memory"),
        ("panic at the disco", "tests/guests-expert/src/lib.rs:"),
        ("huge-answer 5000000", "its answer is larger than its output limit of 1MiB"),
        ("huge-say 5000000", "its answer is larger than its output limit of 1MiB"),
    ] {
        let workspace = workspace();
        let ran = run(&workspace, &["say before", line]);
        assert_eq!(ran.code, Some(1), "{line}: {}", ran.stderr);
        assert!(error(&ran).contains(reason), "{line}: {}", error(&ran));
        assert_eq!(workspace.job().json()["status"], "stoppedByError", "{line}");
    }
}

#[test]
fn another_component_does_not_take_over_its_journal() {
    let workspace = asked(&["random", "ask askUser ready?"]);
    workspace.write("follow.wasm", fs::read(artifacts::TIC_TAC_TOE).unwrap());
    let before = workspace.job().json();
    let ran = reply(&workspace);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("the logic of Expert `follow` does not follow its journal at entry 2: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: its component is not the one that the run began with"), "{}", ran.stderr);
    assert_eq!(workspace.job().json(), before);
    // With the one it began with, it goes on.
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    assert_eq!(answers(&reply(&workspace))[1], "yes");
}

/// Calls side by side, of which each changes the state of its skill; its own state; time, chance, and a question.
const EVERYTHING: &[&str] = &[
    "set name Ada",
    "clock",
    r#"together record {"game": "go", "result": "draw"}|record {"game": "go", "result": "draw"}|totals {"game": 1}"#,
    "get name",
    "random",
    "ask askUser ready?",
    r#"together record {"game": "go", "result": "user-won"}|record {"game": "chess", "result": "draw"}"#,
    "set name Bob",
    r#"call-json totals {"game": "go"}"#,
    "get name",
];

#[test]
fn calls_that_were_answered_are_not_made_again_after_a_kill() {
    kill_everywhere(&workspace(), &["run", "follow", &EVERYTHING.join("\n")]);
}

#[test]
fn calls_after_an_answer_are_not_made_again_after_a_kill() {
    kill_everywhere(&asked(EVERYTHING), &["run", "follow", "yes", "--continue", "-i"]);
}

fn kill_everywhere(before: &Workspace, command: &[&str]) {
    let through = (1..MOST_WRITES).find(|write| !survives(before, command, *write));
    let writes = through.expect("a process that writes without end");
    assert!(writes > 40, "it writes {writes} times only: the tracer misses something");
}

/// Kills the process at one write, and goes on. False if it was through before.
fn survives(before: &Workspace, command: &[&str], write: usize) -> bool {
    let workspace = before.copy();
    if kill_at_write(workspace.command(command), workspace.path(), write) == Fate::Exited(0) {
        return false;
    }
    assert_whole(&workspace, &format!("write {write}"));
    let mut ran = match workspace.jobs().first() {
        None => workspace.run(command),
        Some(_) => workspace.run(&["run", "follow", "--continue"]),
    };
    // The answer is needed if it had not been recorded.
    if workspace.job().question().is_some() {
        ran = reply(&workspace);
    }
    assert_eq!(workspace.job().json()["status"], "completed", "write {write}: {ran:?}");
    let text =
        workspace.job().checkpoint()["messages"].as_array().unwrap().last().unwrap()["contents"][0]["text"].clone();
    let said: Vec<&str> = text.as_str().unwrap().lines().collect();
    assert_eq!(said.len(), EVERYTHING.len(), "write {write}: {said:?}");
    let drawn = |number| format!(r#"{{"expert_won":0,"drawn":{number},"user_won":0}}"#);
    assert!(said[2].contains(&drawn(1)) && said[2].contains(&drawn(2)), "write {write}: {}", said[2]);
    assert!(said[2].ends_with(r#"1 is not of type "string""#), "write {write}: {}", said[2]);
    assert_eq!(said[3], "Some(\"Ada\")", "write {write}");
    assert_eq!(said[8], r#"{"expert_won":0,"drawn":2,"user_won":1}"#, "write {write}: each call counts once");
    assert_eq!(said[9], "Some(\"Bob\")", "write {write}");
    true
}
