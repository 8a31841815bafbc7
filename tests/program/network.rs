//! Access to the network: denied with the lines that would grant it, on record, and found again in the log.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use perstack_test_artifacts as artifacts;
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::{Ran, Workspace, files};

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
    let denials = workspace.run(&["log", "--denials"]).stdout;
    assert!(denials.contains("proxyAccess") && !denials.contains("startRun"), "{denials}");
    fetch(&workspace, "run", "https://api.example.com:0/");
    assert!(!workspace.run(&["log", "--denials"]).stdout.contains("8443"));
}

#[test]
fn a_denial_that_no_line_can_change_names_the_policy() {
    let workspace = workspace();
    workspace.write("policy.toml", "[ceilings]\nnetwork = ['https://api.example.com']\n");
    let arguments =
        r#"{"method":"GET","url":"https://other.example.com/","headers":[],"body":"","times":1,"together":false}"#;
    let query = format!("call-json sandbox_fetch {arguments}");
    let mut command = workspace.command(&["start", "follow", &query, "--policy", "policy.toml"]);
    let ran: Ran = command.env("KEY", "the-very-secret-value").output().unwrap().into();
    let hint = "hint: the host policy does not allow it: only an operator of this machine can change `ceilings.network` in policy.toml:2\n";
    assert!(ran.stdout.contains(hint) && !ran.stdout.contains("add to"), "{ran:?}");
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
fn a_run_begins_with_what_its_components_may_do() {
    let workspace = workspace();
    let events = fetch(&workspace, "run", "http://api.example.com/").events();
    let granted = events.iter().find(|event| event["type"] == "componentsGranted").unwrap();
    let digest = |name: &str| {
        let inspected = workspace.run(&["inspect", name, "--json"]).stdout;
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        format!("sha256:{}", inspected["sha256"].as_str().unwrap())
    };
    assert_eq!(granted["logic"], digest("follow.wasm"));
    let expected = serde_json::json!([{
        "skillName": "web",
        "component": digest("guests.wasm"),
        "env": [],
        "secrets": { "KEY": ["api.example.com"] },
        "filesystem": {},
        "network": ["https://api.example.com"],
    }]);
    assert_eq!(granted["skills"], expected);
    let log = workspace.run(&["log", "--type", "componentsGranted"]).stdout;
    assert!(log.contains("network https://api.example.com · secret KEY at api.example.com"), "{log}");
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

/// A server on this machine with a certificate for `api.example.com`: its port, the authority that vouches for it, and the
/// requests that come. It answers with the key that it was sent.
fn server() -> (u16, String, Receiver<String>) {
    serve(|request| {
        let key = request.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or("none").to_owned();
        let body = format!("your key is {key}");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    })
}

/// A certificate authority, and the certificate of a host with its key.
pub(crate) fn certificate(host: &str) -> (CertifiedIssuer<'static, KeyPair>, Certificate, KeyPair) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    (authority, certificate, key)
}

/// The same, with these answers.
pub(crate) fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> (u16, String, Receiver<String>) {
    let (authority, certificate, key) = certificate("api.example.com");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let Some(request) = request(&mut stream) else { continue };
            drop(stream.write_all(answer(&request).as_bytes()));
            stream.conn.send_close_notify();
            drop(stream.flush());
            drop(sender.send(request));
        }
    });
    (port, authority.pem(), requests)
}

/// A whole request.
fn request(stream: &mut impl Read) -> Option<String> {
    let mut request = String::new();
    let mut piece = vec![0; 4096];
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(request);
        }
    }
}

#[test]
fn a_skill_uses_a_secret_at_a_host_that_an_operator_knows() {
    let (port, authority, requests) = server();
    let workspace = workspace();
    workspace
        .write("perstack.toml", PROJECT.replace("https://api.example.com", &format!("https://api.example.com:{port}")));
    let operator = Workspace::new();
    operator.write("authority.pem", authority);
    let policy = format!(
        "[network]\ncertificates = '{}'\nhosts = {{ 'api.example.com' = ['127.0.0.1'] }}\n",
        operator.path().join("authority.pem").display()
    );
    let url = format!("https://api.example.com:{port}/path");
    // On a host that denies native programs, too: the process has given up all files but a few.
    for native in ["allow", "deny"] {
        operator.write("policy.toml", format!("native = '{native}'\n{policy}"));
        let arguments = serde_json::json!({
            "method": "GET", "url": url, "headers": ["x-key: $KEY"], "body": "", "times": 1, "together": false,
        });
        let query = format!("call-json sandbox_fetch {arguments}");
        let policy = operator.path().join("policy.toml");
        let mut command = workspace.command(&["run", "follow", &query, "--policy", policy.to_str().unwrap()]);
        let ran = Ran::from(command.env("KEY", "the-very-secret-value").output().unwrap());
        let events = ran.events();
        let event = events.iter().find(|event| event["type"] == "proxyAccess").unwrap_or_else(|| panic!("{ran:?}"));
        assert_eq!((&event["action"], &event["domain"]), (&"allowed".into(), &"api.example.com".into()));
        assert!(event.get("reason").is_none(), "{event}");
        let done = events.iter().find(|event| event["type"] == "completeRun").unwrap_or_else(|| panic!("{ran:?}"));
        assert!(done["text"].as_str().unwrap().contains("your key is perstack_secret_"), "{done}");
        let request = requests.recv().unwrap();
        assert!(request.starts_with("GET /path HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("x-key: the-very-secret-value\r\n"), "{request}");
        assert!(!ran.stdout.contains("very-secret") && !ran.stderr.contains("very-secret"));
    }
    for file in files(&workspace.path().join("perstack")) {
        assert!(!fs::read_to_string(&file).unwrap().contains("very-secret"), "{}", file.display());
    }
}

#[test]
fn certificates_that_cannot_be_read_stop_the_program() {
    let workspace = workspace();
    workspace.write("policy.toml", "[network]\ncertificates = '/nowhere/authority.pem'\n");
    let ran = workspace.run(&["run", "follow", "say hello", "--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("the certificates `/nowhere/authority.pem` that the host policy"), "{ran:?}");
}
