//! `perstack mcp`: what an MCP client gets. Clients of the official kits, in TypeScript and Python, run where
//! `PERSTACK_TEST_MCP` names the folder that `.ci/run` makes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Workspace, program};
use crate::mcp_servers::servers;

/// A client that says what it is told to.
pub(crate) struct Client {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    latest: u64,
    /// What came that was no answer.
    notes: Vec<Value>,
}

impl Client {
    pub(crate) fn begin(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Self { child, to, from, latest: 0, notes: Vec::new() };
        let own = json!({ "name": "test", "version": "1" });
        let begun = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": own });
        assert_eq!(client.ask("initialize", &begun)["result"]["serverInfo"]["name"], "perstack");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        client
    }

    fn send(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.latest += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.latest, "method": method, "params": params }).to_string());
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "it has left");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == self.latest {
                return message;
            }
            self.notes.push(message);
        }
    }

    /// A call's answer: whether it failed, and its texts.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> (bool, Vec<String>) {
        let meta = json!({ "progressToken": "how far" });
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments, "_meta": meta }));
        let texts = answer["result"]["content"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        let texts = texts.map(|part| part["text"].as_str().unwrap().to_owned()).collect();
        (answer["result"]["isError"].as_bool().unwrap(), texts)
    }

    fn names(&mut self) -> Vec<String> {
        let tools = self.ask("tools/list", &json!({}));
        let tools = tools["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn leave(mut self) -> (Option<i32>, String) {
        drop(self.to.take());
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// An Expert whose skill may read one folder and use no network.
pub(crate) fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write(
        "perstack.toml",
        "[experts.tester]\ndescription = 'Tests'\ninstruction = 'x'\n[experts.tester.skills.cases]\ntype = 'wasmSkill'\n\
         component = 'cases.wasm'\npick = ['sandbox_read_file', 'sandbox_fetch', 'sandbox_state', 'sandbox_progress', 'sandbox_spin', 'sandbox_echo']\n\
         [experts.tester.skills.cases.capabilities]\nfilesystem = [{ path = 'in', access = 'read' }]\nlimits = { timeout = '2s' }\n",
    );
    workspace.write("cases.wasm", std::fs::read(perstack_test_artifacts::GUESTS).unwrap());
    workspace.write("in/file", "text");
    workspace.write("out", "secret");
    workspace
}

#[test]
fn a_client_calls_components_within_their_grants() {
    let workspace = workspace();
    let mut client = Client::begin(workspace.command(&["mcp", "--skills", "tester"]));
    let names = client.names();
    assert!(names.contains(&"sandbox_echo".to_owned()) && names.contains(&"readTextFile".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name == "attemptCompletion" || name == "sandbox_panic"), "{names:?}");
    assert_eq!(client.call("sandbox_read_file", &json!({ "path": "in/file" })), (false, vec!["text".to_owned()]));
    assert!(client.call("sandbox_read_file", &json!({ "path": "out" })).0);
    let fetch = json!({ "method": "GET", "url": "https://a.example/", "headers": [], "body": "", "times": 1, "together": false });
    let (failed, said) = client.call("sandbox_fetch", &fetch);
    assert!(failed && said[0].contains("network access to a.example:443 denied"), "{said:?}");
    // What a skill remembers, it remembers in the next call.
    client.call("sandbox_state", &json!({ "steps": ["set run key value"] }));
    assert!(client.call("sandbox_state", &json!({ "steps": ["get run key"] })).1[0].contains("value"));
    let (failed, said) = client.call("sandbox_echo", &json!({ "text": 1 }));
    assert_eq!((failed, said[0].as_str()), (true, "invalid arguments: `/text`: 1 is not of type \"string\""));
    let (failed, said) = client.call("sandbox_spin", &json!({}));
    assert!(failed && said[0].contains("time limit of 2 s"), "{said:?}");
    client.call("sandbox_progress", &json!({ "reports": 3, "characters": 5 }));
    let told: Vec<f64> = client.notes.iter().map(|note| note["params"]["progress"].as_f64().unwrap()).collect();
    assert!(told.len() == 4 && told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert_eq!(client.ask("tools/call", &json!({ "name": "nothing" }))["error"]["code"], -32602);
    assert_eq!(client.leave(), (Some(0), String::new()));
    // All of it is on record.
    let log = workspace.run(&["log", "--summary"]).stdout;
    assert!(log.contains("completed") && log.contains("sandbox_spin"), "{log}");
    assert!(workspace.run(&["log", "--denials"]).stdout.contains("a.example"));
}

#[test]
fn an_expert_is_a_tool_that_may_ask_back() {
    let workspace = Workspace::new();
    let mut client = Client::begin(workspace.command(&["mcp", "tic-tac-toe"]));
    assert_eq!(client.names(), ["tic-tac-toe"]);
    let (failed, said) = client.call("tic-tac-toe", &json!({ "query": "Let's play!" }));
    assert!(!failed && said[0].starts_with("askMove asks: {"), "{said:?}");
    let job = said[1].split('"').nth(1).unwrap().to_owned();
    let (failed, said) = client.call("tic-tac-toe", &json!({ "query": "5", "job": job }));
    assert!(!failed && said[0].contains("X"), "{said:?}");
    assert!(client.notes.iter().any(|note| note["params"]["message"] == "tic-tac-toe: askMove"), "{:?}", client.notes);
    let (failed, said) = client.call("tic-tac-toe", &json!({ "query": "5", "job": "../../etc" }));
    assert!(failed && said[0].contains("`job` is no name of a job"), "{said:?}");
    assert_eq!(client.leave(), (Some(0), String::new()));
}

#[test]
fn a_client_that_cannot_be_trusted_does_no_harm() {
    let workspace = workspace();
    // What is no message is passed over; too much of it ends the connection.
    let mut client = Client::begin(workspace.command(&["mcp", "--skills", "tester"]));
    client.send("nonsense");
    client.send("[1, 2]");
    assert_eq!(client.call("sandbox_echo", &json!({ "text": "a" })), (false, vec!["a".to_owned()]));
    let endless = vec![b'x'; 1 << 20];
    let to = client.to.as_mut().unwrap();
    while to.write_all(&endless).is_ok() {}
    let (code, said) = client.leave();
    assert!(code == Some(1) && said.contains("it sent a message of more than 16 MiB"), "{code:?} {said}");
    // Who calls more at once than is served is told so.
    let mut client = Client::begin(workspace.command(&["mcp", "--skills", "tester"]));
    for id in 1000..1100 {
        let call = json!({ "name": "sandbox_spin", "arguments": {} });
        client.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call }).to_string());
    }
    for _ in 0..36 {
        let mut line = String::new();
        client.from.read_line(&mut line).unwrap();
        assert!(line.contains("more than 64 calls are under way"), "{line}");
    }
    client.child.kill().unwrap();
    client.child.wait().unwrap();
}

#[test]
fn the_policy_binds_what_is_served() {
    let workspace = workspace();
    workspace.write("policy.toml", "native = 'deny'\nstrict = true\n[ceilings]\nfilesystem = []\n");
    let ran = workspace.run(&["mcp", "--skills", "tester", "--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("the host policy does not allow it"), "{ran:?}");
    workspace.write("policy.toml", "native = 'deny'\nstrict = true\n");
    let mut client = Client::begin(workspace.command(&["mcp", "--skills", "tester", "--policy", "policy.toml"]));
    assert_eq!(client.call("sandbox_read_file", &json!({ "path": "in/file" })), (false, vec!["text".to_owned()]));
    client.leave();
}

/// One request over HTTP: the answer's status, and all of it.
fn request(port: u16, head: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = format!("Content-Length: {}", body.len());
    let accept = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nConnection: close";
    let head = [head, &[accept, &length, "", body]].concat().join("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn over_http_a_client_needs_the_token_and_is_no_page() {
    let workspace = workspace();
    let mut command = workspace.command(&["mcp", "--skills", "tester", "--http", "127.0.0.1:0"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let port = said.next().unwrap().rsplit_once(':').unwrap().1.strip_suffix("/mcp").unwrap().parse().unwrap();
    let token = said.next().unwrap();
    let token = format!("Authorization: {}", token.split('`').nth(1).unwrap().strip_prefix("Authorization: ").unwrap());
    let host = format!("Host: 127.0.0.1:{port}");
    let (post, host, token) = ("POST /mcp HTTP/1.1", host.as_str(), token.as_str());
    let own = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": own });
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string();
    for (status, head) in [
        (401, &[post, host][..]),
        (401, &[post, host, "Authorization: Bearer 0123"]),
        (404, &["POST /other HTTP/1.1", host, token]),
        // A page of another site, and one whose name was made to lead here.
        (403, &[post, host, token, "Origin: https://evil.example"]),
        (403, &[post, "Host: evil.example", token]),
        (403, &[post, host, token, "Origin: http://localhost:1"]),
        (403, &[post, host, token, "Origin: null"]),
    ] {
        let answer = request(port, head, &begin);
        assert_eq!(answer.0, status, "{head:?}: {}", answer.1);
    }
    let (status, answer) = request(port, &[post, host, token], &begin);
    assert!(status == 200 && answer.contains("\"name\":\"perstack\""), "{answer}");
    let session = answer.lines().find(|line| line.to_lowercase().starts_with("mcp-session-id: ")).unwrap();
    let again = [post, host, token, session, "MCP-Protocol-Version: 2025-06-18"];
    let begun = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    assert_eq!(request(port, &again, &begun).0, 202);
    let echo = json!({ "name": "sandbox_echo", "arguments": { "text": "over HTTP" } });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": echo }).to_string();
    let (status, answer) = request(port, &again, &call);
    assert!(status == 200 && answer.contains("over HTTP"), "{answer}");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), nix::sys::signal::SIGTERM)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(workspace.run(&["log"]).stdout.contains("completed"), "the session has ended");
    let elsewhere = workspace.run(&["mcp", "--skills", "tester", "--http", "0.0.0.0:0"]);
    assert!(
        elsewhere.code == Some(2) && elsewhere.stderr.contains("can be reached from other machines"),
        "{elsewhere:?}"
    );
}

const TYPESCRIPT: &str = r#"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
const [, , command, ...args] = process.argv;
const client = new Client({ name: "typescript", version: "1" });
await client.connect(new StdioClientTransport({ command, args }));
const { tools } = await client.listTools();
const answer = await client.callTool({ name: "sandbox_echo", arguments: { text: "hello" } });
const reports = [];
const onprogress = (report) => reports.push(report.message);
await client.callTool({ name: "sandbox_progress", arguments: { reports: 2, characters: 5 } }, undefined, { onprogress });
const failed = await client.callTool({ name: "sandbox_read_file", arguments: { path: "out" } });
// Reports that come with the answer are too late for this kit.
console.log(tools.length > 3, answer.content[0].text, reports.length > 0, failed.isError);
await client.close();
"#;

const PYTHON: &str = r#"
import asyncio, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        answer = await session.call_tool("sandbox_echo", {"text": "hello"})
        failed = await session.call_tool("sandbox_read_file", {"path": "out"})
        print(len(tools) > 3, answer.content[0].text, failed.is_error)

asyncio.run(main())
"#;

#[test]
fn clients_of_the_official_kits_get_on_with_it() {
    let Some(servers) = servers() else { return };
    let workspace = workspace();
    workspace.write("client.mjs", TYPESCRIPT);
    workspace.write("client.py", PYTHON);
    std::os::unix::fs::symlink(servers.join("npm/node_modules"), workspace.path().join("node_modules")).unwrap();
    let python = servers.join("python/bin/python");
    for (with, script, expected) in
        [("node", "client.mjs", "true hello true true\n"), (python.to_str().unwrap(), "client.py", "True hello True\n")]
    {
        let mut command = Command::new(with);
        command.arg(script).arg(program()).args(["mcp", "--skills", "tester"]).current_dir(workspace.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
