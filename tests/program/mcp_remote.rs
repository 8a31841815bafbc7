//! MCP servers elsewhere: connected to as a component could be that was granted the host, and on record.

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace};
use crate::network::serve;

/// A server of streamable HTTP with one tool.
fn server() -> (u16, String) {
    let (port, authority, _) = serve(|request| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "serverInfo": { "name": "elsewhere", "version": "3" },
            }),
            Some("tools/list") => json!({ "tools": [{ "name": "greet", "inputSchema": { "type": "object" } }] }),
            Some("tools/call") => json!({ "content": [{ "type": "text", "text": "hello from elsewhere" }] }),
            Some(_) => return "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
            None => return "HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        assert!(head.starts_with("POST /mcp HTTP/1.1\r\n"), "{head}");
        // What it is sent it repeats.
        let lets_in = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("nothing");
        let result = match message["method"].as_str() {
            Some("tools/call") if lets_in != "nothing" => json!({ "content": [{ "type": "text", "text": lets_in }] }),
            _ => result,
        };
        let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    (port, authority)
}

fn workspace(port: u16, authority: &str, rest: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write(
        "perstack.toml",
        format!(
            "[experts.user]\ninstruction = 'Use it.'\n[experts.user.skills.remote]\ntype = 'mcpSseSkill'\n\
             endpoint = 'https://api.example.com:{port}/mcp'\n{rest}\n"
        ),
    );
    let script = "[[experts.user.replies]]\ntoolCalls = [{ name = 'greet', arguments = {} }]\n\
                  [[experts.user.replies]]\ntext = 'done'\n";
    workspace.write("script.toml", script);
    workspace.write("authority.pem", authority);
    workspace
}

fn run(workspace: &Workspace, policy: &str) -> Ran {
    let certificates = workspace.path().join("authority.pem");
    workspace.write("policy.toml", policy.replace("CERTIFICATES", &certificates.display().to_string()));
    workspace.run(&[
        "run",
        "user",
        "query",
        "--provider",
        "scripted",
        "--model",
        "script.toml",
        "--policy",
        "policy.toml",
    ])
}

/// An operator who knows the host.
const KNOWN: &str = "[network]\ncertificates = 'CERTIFICATES'\nhosts = { 'api.example.com' = ['127.0.0.1'] }\n";

fn answer(ran: &Ran) -> String {
    let events = ran.events();
    let result = events.iter().find(|event| event["type"] == "resolveToolResults").unwrap_or_else(|| panic!("{ran:?}"));
    result["toolResults"][0]["result"][0]["text"].as_str().unwrap().to_owned()
}

fn told(ran: &Ran, kind: &str) -> Vec<Value> {
    ran.events().into_iter().filter(|event| event["type"] == kind && event["skillName"] == "remote").collect()
}

#[test]
fn a_server_elsewhere_is_used_where_native_ones_are_denied() {
    let (port, authority) = server();
    let workspace = workspace(port, &authority, "");
    for native in ["allow", "deny"] {
        let ran = run(&workspace, &format!("native = '{native}'\n{KNOWN}"));
        assert_eq!(answer(&ran), "hello from elsewhere", "{ran:?}");
        let connected = told(&ran, "skillConnected");
        assert_eq!(connected[0]["serverInfo"], json!({ "name": "elsewhere", "version": "3" }));
        assert!(told(&ran, "skillStarting").is_empty() && told(&ran, "skillDisconnected").len() == 1);
        let access = told(&ran, "proxyAccess");
        assert_eq!((&access[0]["action"], &access[0]["domain"]), (&json!("allowed"), &json!("api.example.com")));
    }
}

#[test]
fn a_server_elsewhere_is_bound_by_its_domains_and_the_policy() {
    let (port, authority) = server();
    let ran = run(&workspace(port, &authority, "allowedDomains = ['*.example.com']"), KNOWN);
    assert_eq!(answer(&ran), "hello from elsewhere");
    let ran = run(&workspace(port, &authority, "allowedDomains = ['other.example.com']"), KNOWN);
    assert_eq!(answer(&ran), "there is no tool `greet`");
    let access = told(&ran, "proxyAccess");
    assert_eq!(
        (&access[0]["action"], &access[0]["reason"]),
        (&json!("blocked"), &json!("it is not among `allowedDomains`"))
    );
    let workspace = workspace(port, &authority, "");
    let ceilings = format!("{KNOWN}[ceilings]\nnetwork = ['https://other.example.com']\n");
    let ran = run(&workspace, &ceilings);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains(&format!("connects to `https://api.example.com:{port}`")), "{ran:?}");
}

#[test]
fn what_lets_in_is_sent_and_never_seen() {
    let (port, authority) = server();
    let workspace = workspace(port, &authority, "headers = { Authorization = 'Bearer ${REMOTE_TOKEN}' }");
    let ran = run(&workspace, KNOWN);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains("requires variable `REMOTE_TOKEN`, which is not set"), "{ran:?}");
    workspace.write(".env", "REMOTE_TOKEN='two\u{7}lines of it'\n");
    assert!(run(&workspace, KNOWN).stderr.contains("its header `Authorization` has characters that no header has"));
    workspace.write(".env", "REMOTE_TOKEN=short\n");
    assert!(run(&workspace, KNOWN).stderr.contains("a value of fewer than 8 bytes could be guessed"));
    workspace.write(".env", "REMOTE_TOKEN=the-very-secret-token\n");
    let ran = run(&workspace, KNOWN);
    assert_eq!(answer(&ran), "Bearer ${REMOTE_TOKEN}", "{ran:?}");
    let kept = workspace.run(&["log", "--take", "0", "--json", "--verbose"]).stdout;
    assert!(!format!("{ran:?}{kept}").contains("the-very-secret-token"), "{ran:?}");
}
