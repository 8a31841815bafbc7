//! Experts that a model drives, with a model that plays a script: the rules of the loop, delegation, and going on after a
//! stop or a kill.

use std::fs;

use perstack_test_artifacts as artifacts;
use serde_json::Value;

use crate::harness::{Ran, Workspace, files, read};
use crate::kill::{MOST_WRITES, assert_whole};
use crate::tracer::{Fate, kill_at_write};

const PROJECT: &str = r#"
maxRetries = 3

[experts."lead"]
description = "Leads"
instruction = "Lead."
delegates = ["one", "two", "logic"]

[experts."lead".skills."user"]
type = "interactiveSkill"

[experts."lead".skills."user".tools."askUser"]
inputJsonSchema = '{"type": "object", "properties": {"question": {"type": "string"}}}'

[experts."lead".skills."scoreboard"]
type = "wasmSkill"
component = "scoreboard.wasm"

[experts."one"]
description = "First"
instruction = "Be the first."
delegates = ["two"]

[experts."one".skills."scoreboard"]
type = "wasmSkill"
component = "scoreboard.wasm"

[experts."one".skills."user"]
type = "interactiveSkill"

[experts."one".skills."user".tools."askUser"]
inputJsonSchema = '{"type": "object"}'

[experts."two"]
description = "Second"
instruction = "Be the second."

[experts."two".skills."scoreboard"]
type = "wasmSkill"
component = "scoreboard.wasm"

[experts."logic"]
description = "Follows its query"
logic = { component = "follow.wasm" }
delegates = ["one", "two"]

[experts."logic".skills."scoreboard"]
type = "wasmSkill"
component = "scoreboard.wasm"
"#;

fn workspace(script: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("script.toml", script);
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    workspace.write("scoreboard.wasm", fs::read(artifacts::SCOREBOARD).unwrap());
    workspace
}

fn run(workspace: &Workspace, expert: &str, arguments: &[&str]) -> Ran {
    workspace.run(&[&["run", expert, "--provider", "scripted", "--model", "script.toml"], arguments].concat())
}

/// Types of events, each with its Expert and step where it has them.
fn story(ran: &Ran) -> Vec<String> {
    let events = ran.events().into_iter().map(|event| {
        let kind = event["type"].as_str().unwrap().to_owned();
        match event["expertKey"].as_str() {
            Some(expert) => format!("{expert} {} {kind}", event["stepNumber"]),
            None => kind,
        }
    });
    let around = ["initializeRuntime", "componentsGranted", "skillConnected", "skillDisconnected"];
    events.filter(|event| !around.contains(&event.as_str())).collect()
}

fn find(ran: &Ran, kind: &str) -> Value {
    let events = ran.events();
    events.into_iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {ran:?}"))
}

/// What tools answered to the model last, as name and text.
fn answers(ran: &Ran, kind: &str) -> Vec<(String, String)> {
    let message = &find(ran, kind)["newMessages"][0];
    let text = |part: &Value| part["contents"][0]["text"].as_str().unwrap().to_owned();
    let parts = message["contents"].as_array().unwrap().iter();
    parts.map(|part| (part["toolName"].as_str().unwrap().to_owned(), text(part))).collect()
}

fn answer(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn a_reply_without_a_call_is_the_answer() {
    let ran = run(&workspace("[[experts.two.replies]]\ntext = 'Hello.'"), "two", &["Hi"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(story(&ran), ["two 1 startRun", "two 1 startGeneration", "two 1 completeRun"]);
    let instruction = find(&ran, "startRun")["inputMessages"][0]["contents"][0]["text"].as_str().unwrap().to_owned();
    assert!(instruction.contains("Be the second.") && instruction.contains("attemptCompletion"), "{instruction}");
    assert_eq!(find(&ran, "completeRun")["text"], "Hello.");
}

#[test]
fn what_does_not_fit_goes_back_to_the_model() {
    let script = r#"
[[experts.two.replies]]
toolCalls = [
  { name = "totalz", arguments = {} },
  { name = "totals", arguments = { game = 1 } },
  { name = "totals", arguments = "{not json" },
  { id = "same", name = "totals", arguments = { game = "go" } },
  { id = "same", name = "totals", arguments = { game = "go" } },
]
[[experts.two.replies]]
text = "I see."
"#;
    let ran = run(&workspace(script), "two", &["Hi"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let none = r#"{"expert_won":0,"drawn":0,"user_won":0}"#;
    assert_eq!(
        answers(&ran, "finishToolCall"),
        [
            answer("totalz", "there is no tool `totalz`; did you mean `totals`?"),
            answer("totals", r#"invalid arguments: `/game`: 1 is not of type "string""#),
            answer("totals", "the arguments are not JSON: {not json"),
            answer("totals", none),
            answer("totals", none),
        ]
    );
    let mut ids: Vec<String> =
        find(&ran, "callTools")["toolCalls"].as_array().unwrap().iter().map(|call| call["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each call has an id of its own");
}

#[test]
fn failures_that_may_pass_are_tried_again() {
    let script = r#"
[[experts.two.replies]]
error = { kind = "transient", message = "overloaded" }
[[experts.two.replies]]
[[experts.two.replies]]
text = "There."
"#;
    let ran = run(&workspace(script), "two", &["Hi"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        story(&ran),
        [
            "two 1 startRun",
            "two 1 startGeneration",
            "two 1 retry",
            "two 1 startGeneration",
            "two 1 retry",
            "two 1 continueToNextStep",
            "two 2 startGeneration",
            "two 2 completeRun",
        ]
    );
    // Without end, they end the run.
    let ran = run(&workspace(&"[[experts.two.replies]]\n".repeat(9)), "two", &["Hi", "--max-retries", "2"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        find(&ran, "stopRunByError")["error"]["message"],
        "Max retries (2) exceeded: No tool call or text generated"
    );
}

#[test]
fn a_failure_that_stays_stops_the_run_and_can_be_gone_on_from() {
    let script = r#"
[[experts.two.replies]]
toolCalls = [{ name = "totals", arguments = { game = "go" } }]
[[experts.two.replies]]
error = { kind = "fatal", message = "the key is wrong: set KEY" }
[[experts.two.replies]]
text = "There."
"#;
    let workspace = workspace(script);
    let ran = run(&workspace, "two", &["Hi"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(find(&ran, "stopRunByError")["error"]["message"], "the key is wrong: set KEY");
    assert_eq!(workspace.job().json()["status"], "stoppedByError");
    let ran = run(&workspace, "two", &["--continue"]);
    assert_eq!(find(&ran, "completeRun")["text"], "There.", "{}", ran.stderr);
    // The end of a script says so.
    let ran = run(&workspace, "two", &["--continue", "Once more"]);
    let message = find(&ran, "stopRunByError")["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("script.toml") && message.contains("`two`"), "{message}");
}

#[test]
fn a_reply_that_the_script_lacks_can_be_added() {
    let workspace = workspace("[[experts.two.replies]]\ntoolCalls = [{ name = 'todo', arguments = {} }]\n");
    let ran = run(&workspace, "two", &["Hi"]);
    assert_eq!(ran.code, Some(1));
    for _ in 0..2 {
        let ran = run(&workspace, "two", &["--continue"]);
        let message = find(&ran, "stopRunByError")["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("no reply 2 for Expert `two`: it has 1"), "{message}");
    }
    let more =
        fs::read_to_string(workspace.path().join("script.toml")).unwrap() + "[[experts.two.replies]]\ntext = 'Added.'";
    workspace.write("script.toml", more);
    let ran = run(&workspace, "two", &["--continue"]);
    assert_eq!(find(&ran, "completeRun")["text"], "Added.");
}

#[test]
fn a_job_goes_on_with_a_new_query_and_the_whole_conversation() {
    let script = "[[experts.two.replies]]\ntext = 'One.'\n[[experts.two.replies]]\ntext = 'Two.'";
    let workspace = workspace(script);
    run(&workspace, "two", &["First"]);
    let ran = run(&workspace, "two", &["Second", "--continue"]);
    let messages = find(&ran, "startGeneration")["messages"].clone();
    let texts: Vec<&str> = messages.as_array().unwrap()[1..]
        .iter()
        .map(|message| message["contents"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["First", "One.", "Second"]);
    assert_eq!(find(&ran, "completeRun")["text"], "Two.");
    assert_eq!(workspace.job().json()["totalSteps"], 2);
}

#[test]
fn steps_are_limited_and_the_limit_can_be_raised() {
    let call = "[[experts.two.replies]]\ntoolCalls = [{ name = 'totals', arguments = { game = 'go' } }]\n".repeat(3);
    let workspace = workspace(&(call + "[[experts.two.replies]]\ntext = 'Done.'"));
    let ran = run(&workspace, "two", &["Hi", "--max-steps", "2"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(story(&ran).last().unwrap(), "two 2 stopRunByExceededMaxSteps");
    assert_eq!(workspace.job().json()["status"], "stoppedByMaxSteps");
    let ran = run(&workspace, "two", &["--continue", "--max-steps", "9"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(story(&ran).last().unwrap(), "two 4 completeRun");
}

#[test]
fn tokens_are_limited_and_the_limit_can_be_raised() {
    let call = "[[experts.two.replies]]\ntoolCalls = [{ name = 'totals', arguments = { game = 'go' } }]\n\
                usage = { inputTokens = 90, outputTokens = 10 }\n";
    let workspace = workspace(&(call.repeat(3) + "[[experts.two.replies]]\ntext = 'Done.'"));
    let ran = run(&workspace, "two", &["Hi", "--max-tokens", "150"]);
    assert_eq!(ran.code, Some(1));
    let stopped = find(&ran, "stopRunByError");
    assert_eq!(stopped["error"]["name"], "MaxTokensExceeded");
    let message = "the job has used 200 tokens, of 150 that it may use (`--max-tokens`)";
    assert_eq!(stopped["error"]["message"], message);
    let ran = run(&workspace, "two", &["--continue", "--max-tokens", "1000"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(find(&ran, "completeRun")["text"], "Done.");
}

const MIXED: &str = r#"
[[experts.lead.replies]]
toolCalls = [
  { name = "askUser", arguments = { question = "Which?" } },
  { name = "one", arguments = { query = "first" } },
  { name = "record", arguments = { game = "go", result = "draw" } },
  { name = "two", arguments = { query = "second" } },
  { name = "askUser", arguments = { question = "Sure?" } },
]
usage = { inputTokens = 10, outputTokens = 1 }
[[experts.lead.replies]]
text = "All done."

[[experts.one.replies]]
toolCalls = [{ name = "record", arguments = { game = "go", result = "draw" } }]
usage = { inputTokens = 100, outputTokens = 1 }
[[experts.one.replies]]
toolCalls = [{ name = "two", arguments = { query = "nested" } }]
[[experts.one.replies]]
text = "One is done."

[[experts.two.replies]]
query = "nested"
toolCalls = [{ name = "record", arguments = { game = "go", result = "draw" } }]
[[experts.two.replies]]
query = "nested"
text = "Nested is done."
[[experts.two.replies]]
query = "second"
toolCalls = [{ name = "record", arguments = { game = "go", result = "user-won" } }]
[[experts.two.replies]]
query = "second"
text = "Two is done."
"#;

#[test]
fn tools_go_first_then_experts_then_the_user() {
    let workspace = workspace(MIXED);
    let ran = run(&workspace, "lead", &["Go"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let story = story(&ran);
    let lead: Vec<&str> = story.iter().filter_map(|event| event.strip_prefix("lead ")).collect();
    assert_eq!(
        lead,
        [
            "1 startRun",
            "1 startGeneration",
            "1 callTools",
            "1 callDelegate",
            "1 stopRunByDelegate",
            "8 startRun",
            "8 resumeToolCalls",
            "8 callInteractiveTool",
            "8 stopRunByInteractiveTool",
        ]
    );
    let started = find(&ran, "stopRunByDelegate");
    assert_eq!(started["checkpoint"]["partialToolResults"].as_array().unwrap().len(), 1);
    assert_eq!(started["checkpoint"]["delegateTo"].as_array().unwrap().len(), 2);
    assert_eq!(workspace.job().json()["usage"]["inputTokens"], 110);

    // The first question is answered, then the second.
    let ran = run(&workspace, "lead", &["Blue", "--continue", "-i"]);
    assert_eq!(workspace.job().question().unwrap()["args"]["question"], "Sure?", "{}", ran.stderr);
    let ran = run(&workspace, "lead", &["Yes", "--continue", "-i"]);
    assert_eq!(
        answers(&ran, "finishAllToolCalls"),
        [
            answer("askUser", "Blue"),
            answer("one", "One is done."),
            answer("record", r#"{"expert_won":0,"drawn":1,"user_won":0}"#),
            answer("two", "Two is done."),
            answer("askUser", "Yes"),
        ]
    );
    assert_eq!(find(&ran, "completeRun")["text"], "All done.");
}

#[test]
fn a_delegate_that_fails_is_an_answer() {
    let script = r#"
[[experts.lead.replies]]
toolCalls = [{ name = "one", arguments = { query = "x" } }, { name = "logic", arguments = { query = "fail badly" } }]
[[experts.lead.replies]]
text = "A pity."
[[experts.one.replies]]
toolCalls = [{ name = "askUser", arguments = {} }]
[[experts.one.replies]]
error = { kind = "fatal", message = "no more" }
"#;
    let ran = run(&workspace(script), "lead", &["Go"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(answers(&ran, "finishAllToolCalls"), [answer("one", "no more"), answer("logic", "badly")]);
    // Only the first Expert may ask the user.
    assert_eq!(answers(&ran, "finishToolCall"), [answer("askUser", "only the job's first Expert may ask the user")]);
}

#[test]
fn a_job_that_stopped_in_a_delegate_goes_on() {
    let workspace = workspace(MIXED);
    let ran = run(&workspace, "lead", &["Go", "--max-steps", "2"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(workspace.job().json()["status"], "stoppedByMaxSteps");
    let ran = run(&workspace, "lead", &["--continue", "--max-steps", "20"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let partial = find(&ran, "resumeToolCalls")["partialToolResults"].clone();
    let texts: Vec<&str> =
        partial.as_array().unwrap().iter().map(|result| result["result"][0]["text"].as_str().unwrap()).collect();
    let recorded = r#"{"expert_won":0,"drawn":1,"user_won":0}"#;
    assert_eq!(texts, ["One is done.", recorded, "Two is done."]);
}

#[test]
fn logic_asks_the_model_and_other_experts() {
    let script = r#"
[[experts.logic.replies]]
text = "Blue."
usage = { outputTokens = 7 }
[[experts.logic.replies]]
reasoning = "Let me count."
signature = "signed"
toolCalls = [{ name = "totals", arguments = { game = "go" } }]
[[experts.logic.replies]]
text = "None yet."
[[experts.one.replies]]
text = "One says {hello}."
[[experts.two.replies]]
error = { kind = "fatal", message = "no" }
"#;
    let query = "model What colour?\nconverse totals Count!\ndelegate-all one a|two b|three c\nmodel Again?";
    let workspace = workspace(script);
    let ran = run(&workspace, "logic", &[query]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let done = ran.events().into_iter().rfind(|event| event["type"] == "completeRun").unwrap();
    let done = done["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = done.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "Blue. (7 tokens)",
            "None yet.",
            "One says {hello}. error: no error: `three` is not a delegate of this Expert",
        ]
    );
    assert!(lines[3].starts_with("error: ") && lines[3].contains("script.toml"), "{}", lines[3]);
    let story = story(&ran);
    let logic: Vec<&str> = story.iter().filter_map(|event| event.strip_prefix("logic ")).collect();
    assert_eq!(logic[..4], ["1 startRun", "1 startGeneration", "1 continueToNextStep", "2 startGeneration"]);
    assert_eq!(workspace.job().json()["usage"]["outputTokens"], 7);
}

/// A job in which a model asks another and an Expert with its own logic, side by side, and that asks a model and a third.
const EVERYBODY: &str = r#"
[[experts.lead.replies]]
toolCalls = [
  { name = "one", arguments = { query = "first" } },
  { name = "logic", arguments = { query = "model Colour?\ndelegate-all two second" } },
  { name = "attemptCompletion", arguments = {} },
]
[[experts.lead.replies]]
text = "All done."

[[experts.one.replies]]
toolCalls = [{ name = "record", arguments = { game = "go", result = "draw" } }]
[[experts.one.replies]]
text = "One is done."

[[experts.two.replies]]
toolCalls = [{ name = "record", arguments = { game = "go", result = "user-won" } }]
[[experts.two.replies]]
text = "Two is done."

[[experts.logic.replies]]
text = "Blue."
"#;

// Two tests, which run side by side.

#[test]
fn a_job_with_parallel_delegates_survives_a_kill_at_every_odd_write() {
    kill_everywhere(1);
}

#[test]
fn a_job_with_parallel_delegates_survives_a_kill_at_every_even_write() {
    kill_everywhere(2);
}

fn kill_everywhere(first: usize) {
    let before = workspace(EVERYBODY);
    let through = (first..MOST_WRITES).step_by(2).find(|write| !survives(&before, *write));
    let writes = through.expect("a process that writes without end");
    assert!(writes > 100, "it writes {writes} times only: the tracer misses something");
}

/// Kills the process at one write, and goes on. False if it was through before.
fn survives(before: &Workspace, write: usize) -> bool {
    let workspace = before.copy();
    let scripted = ["--provider", "scripted", "--model", "script.toml"];
    let command = [&["run", "lead", "Go"], &scripted[..]].concat();
    if kill_at_write(workspace.command(&command), workspace.path(), write) == Fate::Exited(0) {
        return false;
    }
    assert_whole(&workspace, &format!("write {write}"));
    let finished = finished_delegates(&workspace);
    let ended = workspace.jobs().first().is_some_and(|job| job.json()["status"] == "completed");
    let ran = match workspace.jobs().first() {
        Some(_) if ended => return true,
        Some(_) => run(&workspace, "lead", &["--continue"]),
        None => run(&workspace, "lead", &["Go"]),
    };
    assert_eq!(ran.code, Some(0), "write {write}: {}", ran.stderr);
    for event in ran.events().iter().filter(|event| event["type"] == "startRun") {
        let run = event["initialCheckpoint"]["runId"].as_str().unwrap();
        let asked = event["inputMessages"].as_array().unwrap();
        assert!(
            !finished.contains(&run.to_owned()) || asked.is_empty(),
            "write {write}: {run} had finished and was run again"
        );
    }
    let told = workspace.job().checkpoint()["messages"].to_string();
    assert!(told.contains("All done."), "write {write}: {told}");
    // Nothing was recorded twice, by whatever Expert.
    for (expert, drawn, won) in [("one", 1, 0), ("two", 0, 1)] {
        let path = workspace.path().join(format!("perstack/state/{expert}/scoreboard.json"));
        let state = read(&path).to_string();
        let totals = format!(r#"{{\"expert_won\":0,\"drawn\":{drawn},\"user_won\":{won}}}"#);
        assert!(state.contains(&totals), "write {write}: {expert} {state}");
    }
    assert!(told.contains("Blue. (0 tokens)\\nTwo is done."), "write {write}: {told}");
    true
}

/// The runs that have told their end, but that of the job's first Expert.
fn finished_delegates(workspace: &Workspace) -> Vec<String> {
    let Some(job) = workspace.jobs().into_iter().next() else { return Vec::new() };
    let events = files(&job.path().join("runs")).into_iter();
    let ends = events.filter(|path| path.to_string_lossy().ends_with("-completeRun.json")).map(|path| read(&path));
    let delegates = ends.filter(|end| end["expertKey"] != "lead");
    delegates.map(|end| end["checkpoint"]["runId"].as_str().unwrap().to_owned()).collect()
}
