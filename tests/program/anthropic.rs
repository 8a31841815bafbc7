//! A server on this machine that speaks Anthropic's protocol.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// Gives each request its reply, in order. What was asked comes through the channel.
pub(crate) fn serve(replies: Vec<String>) -> (String, Receiver<Value>) {
    let replies = Mutex::new(replies.into_iter());
    listen(move |_| replies.lock().unwrap().next().unwrap())
}

/// Plays a script, to each Expert its own replies. An Expert is known by its instruction, `Do it as NAME.`
pub(crate) fn play(script: &str) -> String {
    let script: Value = toml::from_str(script).unwrap();
    let turns = Mutex::new(BTreeMap::<String, usize>::new());
    let (url, _) = listen(move |asked| {
        let system = asked["system"].to_string();
        let (_, name) = system.split_once("Do it as ").unwrap();
        let name = name.split('.').next().unwrap();
        let mut turns = turns.lock().unwrap();
        let turn = turns.entry(name.to_owned()).or_default();
        *turn += 1;
        played(&script["experts"][name]["replies"][*turn - 1])
    });
    url
}

fn listen(reply: impl Fn(&Value) -> String + Send + Sync + 'static) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (asked, requests) = channel();
    let reply = Arc::new(reply);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (reply, asked) = (reply.clone(), asked.clone());
            thread::spawn(move || answer(&stream, reply.as_ref(), &asked));
        }
    });
    (url, requests)
}

fn answer(mut stream: &TcpStream, reply: &dyn Fn(&Value) -> String, asked: &Sender<Value>) {
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
    let body: Value = serde_json::from_slice(&body).unwrap();
    let reply = reply(&body);
    // The test may have seen enough.
    drop(asked.send(body));
    stream.write_all(reply.as_bytes()).unwrap();
}

/// A failure.
pub(crate) fn failure(status: u16, kind: &str, message: &str) -> String {
    let error = json!({ "type": "error", "error": { "type": kind, "message": message } });
    format!("HTTP/1.1 {status} Failure\r\nconnection: close\r\n\r\n{error}")
}

/// A block of a reply, with how it begins and the pieces that follow.
pub(crate) type Block = (Value, Vec<Value>);

pub(crate) fn text(pieces: &[&str]) -> Block {
    let deltas = pieces.iter().map(|piece| json!({ "type": "text_delta", "text": piece }));
    (json!({ "type": "text", "text": "" }), deltas.collect())
}

pub(crate) fn thought(pieces: &[&str], signature: &str) -> Block {
    let deltas = pieces.iter().map(|piece| json!({ "type": "thinking_delta", "thinking": piece }));
    let signature = json!({ "type": "signature_delta", "signature": signature });
    (json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas.chain([signature]).collect())
}

pub(crate) fn call(id: &str, name: &str, arguments: &str) -> Block {
    let delta = json!({ "type": "input_json_delta", "partial_json": arguments });
    (json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), vec![delta])
}

/// A whole reply. `tokens`: in, from the cache, out.
pub(crate) fn reply(blocks: &[Block], stop_reason: &str, tokens: [u64; 3]) -> String {
    let [input, cached, output] = tokens;
    let usage = json!({ "input_tokens": input, "cache_read_input_tokens": cached, "output_tokens": 1 });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m", "stop_reason": null,
        "stop_sequence": null, "usage": usage,
    });
    let mut events = vec![json!({ "type": "message_start", "message": message })];
    for (index, (block, deltas)) in blocks.iter().enumerate() {
        events.push(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        let deltas =
            deltas.iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        events.extend(deltas);
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
    events.push(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": output } }));
    events.push(json!({ "type": "message_stop" }));
    let events = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    let events: String = events.collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}")
}

/// A reply of a script.
fn played(scripted: &Value) -> String {
    if let Some(error) = scripted.get("error") {
        return failure(400, "invalid_request_error", error["message"].as_str().unwrap());
    }
    let pieces = |field: &str| match &scripted[field] {
        Value::String(text) => vec![text.as_str()],
        Value::Array(pieces) => pieces.iter().map(|piece| piece.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    let mut blocks = Vec::new();
    let (reasoning, said) = (pieces("reasoning"), pieces("text"));
    if !reasoning.is_empty() {
        blocks.push(thought(&reasoning, scripted["signature"].as_str().unwrap_or("signed")));
    }
    if said.iter().any(|piece| !piece.is_empty()) {
        blocks.push(text(&said));
    }
    let calls = scripted["toolCalls"].as_array().into_iter().flatten();
    for called in calls.clone() {
        let field = |name: &str| called[name].as_str().unwrap();
        blocks.push(call(field("id"), field("name"), field("arguments")));
    }
    let stop_reason = if calls.count() > 0 { "tool_use" } else { "end_turn" };
    let tokens = |name: &str| scripted["usage"][name].as_u64().unwrap_or(0);
    let tokens = [tokens("inputTokens"), tokens("cachedInputTokens"), tokens("outputTokens")];
    reply(&blocks, stop_reason, tokens)
}
