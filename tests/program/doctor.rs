//! `perstack doctor`: what it finds, and what it never shows.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace};

const SECRET: &str = "sk-secret-7f3k2";

#[test]
fn it_shows_names_and_no_values() {
    let workspace = Workspace::new();
    workspace.write(".env", format!("OPENAI_API_KEY={SECRET}\nDEEPSEEK_API_KEY=\n"));
    let ollama = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api?key={SECRET}", ollama.local_addr().unwrap());
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let mut command = workspace.command(arguments);
        command.env("ANTHROPIC_API_KEY", SECRET).env("OLLAMA_BASE_URL", &url);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(!ran.stdout.contains(SECRET), "{}", ran.stdout);
        assert!(!ran.stdout.contains("DEEPSEEK_API_KEY"), "an empty key is none: {}", ran.stdout);
        if arguments.len() == 1 {
            let line = format!("ANTHROPIC_API_KEY, OPENAI_API_KEY set · Ollama at {}", ollama.local_addr().unwrap());
            assert!(ran.stdout.contains(&line), "{}", ran.stdout);
        } else {
            let models = &ran.events()[0]["models"];
            assert_eq!(models["keys"], json!(["ANTHROPIC_API_KEY", "OPENAI_API_KEY"]));
            assert_eq!(models["ollama"]["reachable"], true);
        }
    }
    let address = ollama.local_addr().unwrap();
    drop(ollama);
    let mut command = workspace.command(&["doctor"]);
    let ran: Ran = command.env("OLLAMA_BASE_URL", format!("http://{address}")).output().unwrap().into();
    assert!(ran.stdout.contains(&format!("no Ollama at {address}: ")), "{}", ran.stdout);
}

#[test]
fn nothing_from_the_environment_reaches_the_terminal_as_it_is() {
    let workspace = Workspace::new();
    let evil = "\u{1b}[2J\u{202e}\u{9b}31m";
    let home = workspace.path().join(evil);
    workspace.write("policy\u{1b}[31m.toml", "native = 'deny'\n");
    for arguments in [&["doctor"][..], &["doctor", "--json"], &["doctor", "--policy", "policy\u{1b}[31m.toml"]] {
        let mut command = workspace.command(arguments);
        command.env("HOME", &home).env("OLLAMA_BASE_URL", evil).env("ANTHROPIC_API_KEY", evil);
        let ran: Ran = command.output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let shown = ran.stdout.replace('\n', "");
        assert!(!shown.chars().any(|shown| shown.is_control() || shown == '\u{202e}'), "{shown:?}");
    }
}

#[test]
fn it_tells_the_policy_and_what_is_in_place() {
    let workspace = Workspace::new();
    workspace.write(
        "policy.toml",
        "native = 'deny'\nengine = 'interpreter'\n[ceilings]\nnetwork = []\nmemory = '64MiB'\ntimeout = '90s'\n",
    );
    let home = tempfile::tempdir().unwrap();
    let doctor = |arguments: &[&str]| -> Ran {
        let ran: Ran = workspace.command(arguments).env("HOME", home.path()).output().unwrap().into();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        ran
    };
    let ran = doctor(&["doctor", "--json", "--policy", "policy.toml"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        found["policy"],
        json!({
            "path": "policy.toml",
            "native": "deny",
            "engine": "interpreter",
            "strict": false,
            "ceilings": { "network": [], "memory": "64MiB", "timeout": "90s" },
            "requireSignature": false,
        })
    );
    assert_eq!(found["protections"]["inPlace"].as_array().unwrap().len(), 4, "{found}");
    assert_eq!(found["protections"]["missing"], json!([]));
    assert_eq!(found["machine"]["kernel"], fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    let ran = doctor(&["doctor", "--policy", "policy.toml"]);
    assert!(ran.stdout.contains("network ≤ nothing, memory ≤ 64MiB, timeout ≤ 90s"), "{}", ran.stdout);
    assert!(doctor(&["doctor"]).stdout.contains("none: projects may ask for everything"));
}

#[test]
fn it_counts_what_the_engine_can_use() {
    let workspace = Workspace::new();
    workspace.write("interpreter.toml", "engine = 'interpreter'\n");
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| -> Ran {
        let ran: Ran = workspace.command(arguments).env("HOME", home.path()).output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran
    };
    let counted = |arguments: &[&str]| {
        let components = run(&[&["doctor", "--json"], arguments].concat()).events()[0]["components"].clone();
        (components["components"].clone(), components["fitting"].clone())
    };
    assert_eq!(counted(&[]), (json!(0), json!(0)));
    run(&["run", "tic-tac-toe", "x"]);
    assert_eq!(counted(&[]), (json!(2), json!(2)));
    assert_eq!(counted(&["--policy", "interpreter.toml"]), (json!(2), json!(0)));
    run(&["run", "tic-tac-toe", "x", "--policy", "interpreter.toml"]);
    assert_eq!(counted(&["--policy", "interpreter.toml"]), (json!(4), json!(2)));
}
