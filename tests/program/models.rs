//! A model over the network: a server on this machine that speaks Anthropic's protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace, files};

const PROJECT: &str = "[experts.writer]\ninstruction = 'Write.'\n";
const KEY: &str = "sk-secret-7f3k2";

/// Gives each request its reply. What was asked comes through the channel.
fn serve(replies: Vec<String>) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (asked, requests) = channel();
    thread::spawn(move || {
        for reply in replies {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            asked.send(serde_json::from_slice(&body).unwrap()).unwrap();
            (&stream).write_all(reply.as_bytes()).unwrap();
        }
    });
    (url, requests)
}

fn reply(blocks: &[(Value, Value)], stop_reason: &str) -> String {
    let usage = json!({ "input_tokens": 20, "output_tokens": 1 });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": null,
        "stop_sequence": null, "usage": usage,
    });
    let mut events = vec![json!({ "type": "message_start", "message": message })];
    for (index, (block, delta)) in blocks.iter().enumerate() {
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        events.push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
    events.push(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 30 } }));
    events.push(json!({ "type": "message_stop" }));
    let events = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{}",
        events.collect::<String>()
    )
}

fn text(text: &str) -> (Value, Value) {
    (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }))
}

fn run(workspace: &Workspace, arguments: &[&str]) -> Ran {
    workspace.run(&[&["run", "writer", "Go"], arguments].concat())
}

#[test]
fn a_run_with_a_key_from_a_file() {
    let thought = (
        json!({ "type": "thinking", "thinking": "", "signature": "" }),
        json!({ "type": "thinking_delta", "thinking": "A note." }),
    );
    let arguments = json!({ "path": "note", "text": "noted" }).to_string();
    let call = (
        json!({ "type": "tool_use", "id": "toolu_1", "name": "writeTextFile", "input": {} }),
        json!({ "type": "input_json_delta", "partial_json": arguments }),
    );
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let overloaded = format!("HTTP/1.1 529 Overloaded\r\nconnection: close\r\n\r\n{overloaded}");
    let (url, requests) =
        serve(vec![overloaded, reply(&[thought, call], "tool_use"), reply(&[text("Noted.")], "end_turn")]);
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
        (&["--provider", "amazon-bedrock"], "provider `amazon-bedrock` cannot be used yet"),
        (&["--env-path", "none.env"], "`none.env` cannot be read: No such file"),
        (&["--env-path", "bad.env"], "`bad.env` cannot be read: a line is not of the form `NAME=value`"),
    ] {
        let ran = run(&workspace, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains(told) && !ran.stderr.contains(KEY), "{}", ran.stderr);
    }
    workspace.write("perstack.toml", format!("{PROJECT}providerTools = ['webSearch']\n"));
    workspace.write("good.env", format!("ANTHROPIC_API_KEY={KEY}\n"));
    let ran = run(&workspace, &["--env-path", "good.env"]);
    assert!(
        ran.stderr.contains("`providerTools` and `providerSkills` of Expert `writer` cannot be used yet"),
        "{}",
        ran.stderr
    );
    // An Expert that has its own logic needs none.
    let ran = workspace.run(&["run", "tic-tac-toe", "Let's play!"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
