//! A model over the network: a server on this machine that speaks Anthropic's protocol.

use serde_json::{Value, json};

use crate::anthropic::{call, failure, reply, serve, text, thought};
use crate::harness::{Ran, Workspace, files};

const PROJECT: &str = "[experts.writer]\ninstruction = 'Write.'\n";
const KEY: &str = "sk-secret-7f3k2";

fn run(workspace: &Workspace, arguments: &[&str]) -> Ran {
    workspace.run(&[&["run", "writer", "Go"], arguments].concat())
}

#[test]
fn a_run_with_a_key_from_a_file() {
    let arguments = json!({ "path": "note", "text": "noted" }).to_string();
    let note = [thought(&["A note."], "signed"), call("toolu_1", "writeTextFile", &arguments)];
    let (url, requests) = serve(vec![
        failure(529, "overloaded_error", "Overloaded"),
        reply(&note, "tool_use", [20, 0, 30]),
        reply(&[text(&["Noted."])], "end_turn", [20, 0, 30]),
    ]);
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("keys.env", format!("ANTHROPIC_API_KEY={KEY}\nANTHROPIC_BASE_URL={url}\n"));
    let ran = run(&workspace, &["--env-path", "keys.env", "--model", "claude-haiku-4-5", "--reasoning-budget", "none"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(std::fs::read_to_string(workspace.path().join("note")).unwrap(), "noted");
    let kinds: Vec<String> = ran.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        kinds[2..],
        [
            "startRun",
            "startGeneration",
            "retry",
            "startGeneration",
            "startStreamingReasoning",
            "streamReasoning",
            "completeStreamingReasoning",
            "callTools",
            "resolveToolResults",
            "finishToolCall",
            "continueToNextStep",
            "startGeneration",
            "completeRun",
            "skillDisconnected",
        ]
    );
    let asked: Vec<Value> = requests.try_iter().collect();
    assert_eq!(asked.len(), 3);
    assert_eq!((&asked[0]["model"], &asked[0]["thinking"]["type"]), (&json!("claude-haiku-4-5"), &json!("disabled")));
    let tools = asked[0]["tools"].as_array().unwrap();
    assert!(tools.iter().any(|tool| tool["name"] == "attemptCompletion"), "the base skill is there");
    assert_eq!(asked[2]["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    // The key is nowhere but in the file and in a header.
    assert!(!ran.stdout.contains(KEY) && !ran.stderr.contains(KEY));
    for file in files(&workspace.path().join("perstack")) {
        assert!(!std::fs::read_to_string(&file).unwrap().contains(KEY), "{}", file.display());
    }
}

#[test]
fn a_missing_key_and_a_file_that_is_none_are_told() {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("bad.env", format!("ANTHROPIC_API_KEY\nnonsense {KEY}\n"));
    for (arguments, told) in [
        (&[][..], "`ANTHROPIC_API_KEY` is not set\n  hint: export ANTHROPIC_API_KEY=…"),
        (&["--provider", "google"], "`GOOGLE_GENERATIVE_AI_API_KEY` is not set"),
        (&["--provider", "amazon-bedrock"], "`AWS_ACCESS_KEY_ID` is not set"),
        (&["--provider", "google-vertex"], "`GOOGLE_APPLICATION_CREDENTIALS` is not set"),
        (&["--env-path", "none.env"], "`none.env` cannot be read: No such file"),
        (&["--env-path", "."], "`.` cannot be read: it is not a regular file"),
        (&["--env-path", "bad.env"], "`bad.env` cannot be read: a line is not of the form `NAME=value`"),
    ] {
        let ran = run(&workspace, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains(told) && !ran.stderr.contains(KEY), "{}", ran.stderr);
    }
    workspace.write("perstack.toml", format!("{PROJECT}providerTools = ['googleSearch']\n"));
    workspace.write("good.env", format!("ANTHROPIC_API_KEY={KEY}\n"));
    let ran = run(&workspace, &["--env-path", "good.env"]);
    assert_eq!(ran.code, Some(2));
    let told = "Expert `writer`: `googleSearch` is not offered to model `claude-sonnet-4-5` by provider `anthropic`\n  \
                hint: there are `webSearch`, `webFetch`, `codeExecution`";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    // An Expert that has its own logic needs none.
    let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn what_the_provider_runs_is_kept_and_given_back() {
    let search =
        json!({ "type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": { "query": "oats" } });
    let found = json!({
        "type": "web_search_tool_result", "tool_use_id": "srv_1",
        "content": [{ "type": "web_search_result", "url": "https://oats.example", "title": "Oats", "encrypted_content": "RW5j" }],
    });
    let arguments = json!({ "path": "note", "text": "noted" }).to_string();
    let (url, requests) = serve(vec![
        reply(
            &[(search.clone(), vec![]), (found.clone(), vec![]), call("toolu_1", "writeTextFile", &arguments)],
            "tool_use",
            [20, 0, 30],
        ),
        reply(&[text(&["Noted."])], "end_turn", [20, 0, 30]),
    ]);
    let workspace = Workspace::new();
    let options = "providerToolOptions = { webSearch = { allowedDomains = ['oats.example'] } }";
    workspace.write("perstack.toml", format!("{PROJECT}providerTools = ['webSearch']\n{options}\n"));
    workspace.write("keys.env", format!("ANTHROPIC_API_KEY={KEY}\nANTHROPIC_BASE_URL={url}\n"));
    let ran = run(&workspace, &["--env-path", "keys.env"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let asked: Vec<Value> = requests.try_iter().collect();
    for asked in &asked {
        let tools = asked["tools"].as_array().unwrap();
        let searches = tools.iter().find(|tool| tool["name"] == "web_search").unwrap();
        assert_eq!(searches["allowed_domains"], json!(["oats.example"]));
    }
    let said = asked[1]["messages"][1]["content"].as_array().unwrap();
    assert_eq!((&said[0], &said[1]), (&search, &found));
    assert_eq!(said[2]["id"], "toolu_1");
    // Nothing of it was started here, and nobody is told of a thought that was none.
    assert!(ran.events().iter().all(|event| event["type"] != "startStreamingReasoning"), "{}", ran.stdout);
}
