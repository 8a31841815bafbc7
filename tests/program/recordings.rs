//! Events beside recordings of Perstack: the model replies what it replied there, and the events have the same types in
//! the same order, with the same keys. Once it is played from a script, and once by a server that speaks a provider's protocol.
//!
//! What is told differently, on purpose: pieces of streams never overtake other events; a failed tool call says so
//! (`isError`); what only Perstack's own continuation of a job lacks is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use serde_json::{Value, json};

use crate::anthropic::play;
use crate::harness::{Workspace, repository};

const PROJECT: &str = r#"
[experts."simple"]
instruction = "Do it as simple."
[experts."text-only"]
instruction = "Do it as text-only."
[experts."thinker"]
instruction = "Do it as thinker."
[experts."looper"]
instruction = "Do it as looper."
[experts."toolerr"]
instruction = "Do it as toolerr."
[experts."todoer"]
instruction = "Do it as todoer."
[experts."empty-gen"]
instruction = "Do it as empty-gen."
[experts."images"]
instruction = "Do it as images."
[experts."llmerr-400"]
instruction = "Do it as llmerr-400."
[experts."child"]
instruction = "Do it as child."
[experts."child2"]
instruction = "Do it as child2."
[experts."parent"]
instruction = "Do it as parent."
delegates = ["child"]
[experts."par-parent"]
instruction = "Do it as par-parent."
delegates = ["child", "child2"]

[experts."asker"]
instruction = "Do it as asker."
[experts."asker".skills."user-input"]
type = "interactiveSkill"
[experts."asker".skills."user-input".tools."askUser"]
inputJsonSchema = '{"type": "object", "properties": {"question": {"type": "string"}}}'

[experts."mixed"]
instruction = "Do it as mixed."
delegates = ["child"]
[experts."mixed".skills."user-input"]
type = "interactiveSkill"
[experts."mixed".skills."user-input".tools."askUser"]
inputJsonSchema = '{"type": "object", "properties": {"question": {"type": "string"}}}'
"#;

/// Keys that we have and Perstack has not, and those that it sometimes has in an event and sometimes not.
const NOT_COMPARED: &[&str] = &["isError", "metadata", "delegateTo", "retryCount"];
/// Why a run failed is kept with its checkpoint, too.
const OUR_PLACE: &str = "/checkpoint/error";

/// A picture of one pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

pub(crate) fn recording(name: &str) -> Vec<Value> {
    let path = repository().join(format!("tests/recordings/{name}.jsonl"));
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A script with which the model replies as it did in these recordings, one after the other.
pub(crate) fn script(recordings: &[&[Value]]) -> String {
    let mut script = String::new();
    for event in recordings.iter().copied().flatten() {
        let expert = &event["expertKey"];
        let mut reply = |text: String| writeln!(script, "[[experts.{expert}.replies]]\n{text}").unwrap();
        match event["type"].as_str().unwrap() {
            "callTools" => reply(called(event)),
            "retry" => reply(usage(event)),
            "stopRunByError" if event["error"]["name"] == "AI_NoOutputGeneratedError" => {
                reply("error = { kind = \"fatal\", message = \"400 Bad Request\" }".into());
            }
            "completeRun" => reply(said(event)),
            _ => {}
        }
    }
    script
}

fn called(event: &Value) -> String {
    let parts = event["newMessage"]["contents"].as_array().unwrap();
    let calls = parts.iter().filter(|part| part["type"] == "toolCallPart").map(|part| {
        let (id, name, args) = (&part["toolCallId"], &part["toolName"], part["args"].to_string());
        format!("{{ id = {id}, name = {name}, arguments = '''{args}''' }}")
    });
    let calls: Vec<String> = calls.collect();
    format!("{}toolCalls = [{}]\n{}", reasoning(parts), calls.join(", "), usage(event))
}

fn said(event: &Value) -> String {
    let parts = event["step"]["newMessages"].as_array().unwrap().last().unwrap()["contents"].as_array().unwrap();
    let text = event["text"].as_str().unwrap();
    let (first, second) = text.split_at(text.len() / 2);
    format!("{}text = [{}, {}]\n{}", reasoning(parts), json!(first), json!(second), usage(event))
}

fn reasoning(parts: &[Value]) -> String {
    let thought = parts.iter().find(|part| part["type"] == "thinkingPart");
    thought.map_or_else(String::new, |part| {
        format!("reasoning = {}\nsignature = {}\n", part["thinking"], part["signature"])
    })
}

fn usage(event: &Value) -> String {
    let tokens = |name: &str| event["usage"][name].as_u64().unwrap();
    let (input, output, cached) = (tokens("inputTokens"), tokens("outputTokens"), tokens("cachedInputTokens"));
    format!("usage = {{ inputTokens = {input}, outputTokens = {output}, cachedInputTokens = {cached} }}")
}

/// Runs what was recorded, in a workspace of its own or one that an earlier recording left behind.
pub(crate) fn run(workspace: &Workspace, recorded: &[Value], model: &[&str]) -> Vec<Value> {
    let begin = &recorded[0];
    let answer = begin["interactiveToolCall"]["text"].as_str();
    let input = answer.or(begin["query"].as_str()).unwrap();
    let number = |name: &str| begin[name].to_string();
    let (steps, retries) = (number("maxSteps"), number("maxRetries"));
    let mut arguments = vec!["run", begin["expertName"].as_str().unwrap(), input, "--max-steps", &steps];
    arguments.extend(["--max-retries", &retries]);
    arguments.extend(model);
    if answer.is_some() {
        arguments.extend(["--continue", "-i"]);
    }
    let ran = workspace.run(&arguments);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    ran.events()
}

/// The Expert of a run, with the types of its events; those of a stream apart, since they overtook others.
type Run = (String, Vec<String>, BTreeSet<String>);

fn runs(events: &[Value]) -> Vec<Run> {
    let mut runs: Vec<(&Value, Run)> = Vec::new();
    for event in events {
        let id = &event["runId"];
        if !runs.iter().any(|(run, _)| *run == id) {
            runs.push((id, (event["expertName"].as_str().unwrap().to_owned(), Vec::new(), BTreeSet::new())));
        }
        let (_, (_, types, streams)) = runs.iter_mut().find(|(run, _)| *run == id).unwrap();
        let kind = event["type"].as_str().unwrap().to_owned();
        if kind.to_lowercase().contains("stream") {
            streams.insert(kind);
        } else {
            types.push(kind);
        }
    }
    let mut runs: Vec<_> = runs.into_iter().map(|(_, run)| run).collect();
    // Delegates that run side by side begin in any order; each run of the Expert that asked them ends or begins around.
    runs.sort_by_key(|(expert, _, _)| expert.clone());
    runs
}

/// The keys of an event, with their places. What a tool was called with is the tool's.
fn keys(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if NOT_COMPARED.contains(&name.as_str()) {
                    continue;
                }
                let kind = fields.get("type").and_then(Value::as_str).filter(|_| !place.is_empty());
                let place = format!("{place}/{}{name}", kind.map(|kind| format!("{kind}:")).unwrap_or_default());
                if place == OUR_PLACE {
                    continue;
                }
                found.insert(place.clone());
                if name != "args" {
                    keys(value, &place, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, place, found)),
        _ => {}
    }
}

/// All keys of each type of event.
fn shapes(events: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut shapes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in events {
        keys(event, "", shapes.entry(event["type"].as_str().unwrap().to_owned()).or_default());
    }
    shapes
}

pub(crate) fn assert_same(recorded: &[Value], ours: &[Value]) {
    assert_eq!(runs(recorded), runs(ours));
    let (recorded, ours) = (shapes(recorded), shapes(ours));
    for (kind, keys) in &recorded {
        let missing: Vec<_> = keys.difference(&ours[kind]).collect();
        let extra: Vec<_> = ours[kind].difference(keys).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{kind}: missing {missing:?}, extra {extra:?}");
    }
}

fn compare(names: &[&str]) {
    let recorded: Vec<Vec<Value>> = names.iter().map(|name| recording(name)).collect();
    let script = script(&recorded.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let compare_with = |model: &[&str], file: &str, content: &str| {
        let workspace = Workspace::new();
        workspace.write("perstack.toml", PROJECT);
        workspace.write("p.png", PIXEL);
        workspace.write(file, content);
        for recorded in &recorded {
            assert_same(recorded, &run(&workspace, recorded, model));
        }
    };
    compare_with(&["--provider", "scripted", "--model", "script.toml"], "script.toml", &script);
    // The same over the wire.
    let keys = format!("ANTHROPIC_API_KEY=key\nANTHROPIC_BASE_URL={}\n", play(&script));
    compare_with(&["--env-path", "keys.env"], "keys.env", &keys);
}

macro_rules! recordings {
    ($($test:ident: $($name:literal),+;)+) => {
        $(
            #[test]
            fn $test() {
                compare(&[$($name),+]);
            }
        )+
    };
}

recordings! {
    simple: "simple";
    text_only: "text-only";
    thinker: "thinker";
    parent: "parent";
    parallel_delegates: "par-parent";
    asker: "asker", "asker-continue-job";
    mixed: "mixed";
    max_steps: "looper-maxsteps";
    tool_errors: "toolerr";
    todos: "todoer";
    empty_generation: "empty-gen";
    images: "images";
    model_error: "llmerr-400";
}
