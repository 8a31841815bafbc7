//! Extism plugins as an Expert's skills, next to Extism's own runtime: the one of PyPI's package `extism`, where
//! `PERSTACK_TEST_EXTISM` names the folder that `.ci/run` makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use perstack_test_artifacts as artifacts;
use serde_json::{Value, json};

use crate::harness::{Ran, Workspace, installed, repository};

const PROJECT: &str = r#"
[experts."follow"]
logic = { component = "follow.wasm" }

[experts."follow".skills."plugin"]
type = "extismSkill"
component = "plugin.wasm"
config = { units = "metric" }

[experts."follow".skills."plugin".capabilities]
network = ["https://api.example.com"]
secrets = { KEY = ["api.example.com"] }
limits = { memory = "32MiB" }
"#;

fn workspace(plugin: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("follow.wasm", fs::read(artifacts::GUESTS_EXPERT).unwrap());
    workspace.write("plugin.wasm", fs::read(plugin).unwrap());
    workspace
}

fn run(workspace: &Workspace, verb: &str, query: &str) -> Ran {
    workspace.command(&[verb, "follow", query]).env("KEY", "the-very-secret-value").output().unwrap().into()
}

/// What each line of the query came to.
fn answers(workspace: &Workspace, lines: &[String]) -> Vec<String> {
    let ran = run(workspace, "run", &lines.join("\n"));
    let events = ran.events();
    let done = events.iter().find(|event| event["type"] == "completeRun").unwrap_or_else(|| panic!("{ran:?}"));
    done["text"].as_str().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn an_expert_calls_a_plugin_within_its_grants() {
    let workspace = workspace(artifacts::EXTISM[1]);
    workspace.write("perstack.toml", PROJECT.replace("config = ", "omit = [\"spin\"]\nconfig = "));
    let lines = [
        "tools",
        "call echo hello",
        "call config units",
        "call config KEY",
        "call memory x",
        r#"call-json fetch {"url": "https://other.example.com/"}"#,
    ];
    let ran = run(&workspace, "start", &lines.join("\n"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for said in [
        "✗ plugin: network access to other.example.com:443 denied: not granted to skill `plugin`\n",
        "[experts.\"follow\".skills.\"plugin\".capabilities]\n",
        "network = [\"https://api.example.com\", \"https://other.example.com\"]",
        "Some(\"metric\")",
        "Some(\"perstack_secret_",
        "`plugin` was ended: it ran into its limit of 32MiB memory",
    ] {
        assert!(ran.stdout.contains(said), "{said}\n{}", ran.stdout);
    }
    let tools = ran.stdout.lines().find(|line| line.contains("config echo")).unwrap_or_else(|| panic!("{ran:?}"));
    assert!(tools.contains(" panic ") && !tools.contains("spin"), "{tools}");
    assert!(!ran.stdout.contains("very-secret"), "{}", ran.stdout);
    let log = workspace.run(&["log"]).stdout;
    assert!(log.contains("other.example.com"), "{log}");
}

#[test]
fn a_plugin_is_inspected_and_told_from_a_component() {
    let workspace = workspace(artifacts::EXTISM[1]);
    for subject in ["plugin.wasm", "plugin"] {
        let ran = workspace.run(&["inspect", subject]);
        for line in [
            "plugin   Extism plugin, ",
            "tools       echo(text?: string)\n",
            "imports     extism:host/env, wasi_snapshot_preview1\n",
            "grants      follow/plugin: all it needs\n",
        ] {
            assert!(ran.stdout.contains(line), "{line}\n{ran:?}");
        }
    }
    let json: Value = serde_json::from_str(&workspace.run(&["inspect", "plugin", "--json"]).stdout).unwrap();
    assert_eq!((&json["purpose"], &json["tools"][0]["name"]), (&json!("plugin"), &json!("echo")));
    for (from, to, said, hint) in [
        ("extismSkill", "wasmSkill", "this is an Extism plugin, and not a component", "`type = \"extismSkill\"`"),
        ("plugin.wasm", "follow.wasm", "this is a component, and not an Extism plugin", "`type = \"wasmSkill\"`"),
    ] {
        let changed = PROJECT.replace("config = { units = \"metric\" }\n", "").replace(from, to);
        workspace.write("perstack.toml", changed);
        let ran = run(&workspace, "run", "call echo x");
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said) && ran.stderr.contains("hint: ") && ran.stderr.contains(hint), "{ran:?}");
    }
}

#[test]
fn an_mcp_client_is_served_the_tools_of_a_plugin() {
    let workspace = workspace(artifacts::EXTISM[0]);
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "echo", "arguments": { "text": "through MCP" } } }),
    ];
    let said: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let mut command = workspace.command(&["mcp", "--skills", "follow"]);
    command.env("KEY", "the-very-secret-value");
    let ran = crate::harness::run_with_input(command, &said);
    assert!(ran.stdout.contains("through MCP"), "{ran:?}");
}

/// The folder with Extism's own runtime.
fn reference() -> Option<PathBuf> {
    installed("PERSTACK_TEST_EXTISM", "Extism's runtime")
}

/// What Extism's own runtime says of the same calls.
fn under_extism(folder: &Path, plugin: &str, calls: &Value) -> Vec<Value> {
    let mut command = Command::new(folder.join("bin/python"));
    command.arg(repository().join("tests/program/under_extism.py")).arg(plugin);
    command.arg(json!({ "units": "metric" }).to_string()).arg(calls.to_string());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Holds what calls come to against what they come to under Extism.
fn compare(folder: &Path, plugin: &str, calls: &[(&str, Value)]) {
    let workspace = workspace(plugin);
    let lines: Vec<String> = calls.iter().map(|(tool, arguments)| format!("call-json {tool} {arguments}")).collect();
    let ours = answers(&workspace, &lines);
    let inputs = calls.iter().map(|(tool, arguments)| {
        json!(["call", json!({ "params": { "name": tool, "arguments": arguments } }).to_string()])
    });
    let theirs = under_extism(folder, plugin, &inputs.collect());
    assert_eq!((ours.len(), theirs.len()), (calls.len(), calls.len()));
    for (((tool, arguments), ours), theirs) in calls.iter().zip(ours).zip(theirs) {
        let text = match theirs["output"].as_str() {
            Some(output) => {
                let output: Value = serde_json::from_str(output).unwrap();
                output["content"][0]["text"].as_str().unwrap().to_owned()
            }
            None => theirs["error"].as_str().unwrap().to_owned(),
        };
        assert_eq!(ours, text, "{tool} {arguments}");
    }
    let theirs = under_extism(folder, plugin, &json!([["describe", ""]]));
    let described: Value = serde_json::from_str(theirs[0]["output"].as_str().unwrap()).unwrap();
    let inspected: Value = serde_json::from_str(&workspace.run(&["inspect", "plugin", "--json"]).stdout).unwrap();
    let (tools, listed) = (inspected["tools"].as_array().unwrap(), described["tools"].as_array().unwrap());
    assert_eq!(tools.len(), listed.len());
    for (tool, listed) in tools.iter().zip(listed) {
        for field in ["name", "description", "inputSchema"] {
            assert_eq!(tool[field], listed[field]);
        }
    }
}

#[test]
fn a_plugin_answers_as_it_does_under_extism() {
    let Some(folder) = reference() else { return };
    for plugin in artifacts::EXTISM {
        let calls = [
            ("echo", json!({ "text": "" })),
            ("echo", json!({ "text": "ä\u{1f600}\"\\" })),
            ("echo", json!({ "text": "x".repeat(10_001) })),
            ("config", json!({ "text": "units" })),
            ("config", json!({ "text": "none" })),
            ("variable", json!({ "text": "kept" })),
            ("fails", json!({})),
            ("errs", json!({})),
            ("time", json!({ "text": "1" })),
        ];
        compare(&folder, plugin, &calls);
    }
}

/// A plugin of another of Extism's kits, with a memory of another kind.
#[test]
fn a_plugin_in_assemblyscript_does_too() {
    let Some(folder) = reference() else { return };
    let modules = folder.join("npm/node_modules");
    let made = Workspace::new();
    let plugin = made.path().join("plugin.wasm");
    let mut compiler = Command::new(modules.join(".bin/asc"));
    compiler.current_dir(repository().join("tests/extism-assemblyscript"));
    compiler.args(["plugin.ts", "--use", "abort=plugin/abort", "-O", "--path"]).arg(&modules);
    let output = compiler.arg("--outFile").arg(&plugin).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    compare(&folder, plugin.to_str().unwrap(), &[("shout", json!({ "text": "hey" }))]);
}
