//! `perstack inspect`: what a component is and asks for, and the lines that grant it.

use std::fs;

use perstack_test_artifacts as artifacts;
use serde_json::Value;

use crate::harness::Workspace;

const PROJECT: &str = r#"
[experts."writer"]
instruction = "Write."

[experts."writer".skills."files"]
type = "wasmSkill"
component = "files.wasm"

[experts."reader"]
instruction = "Read."

[experts."reader".skills."files"]
type = "wasmSkill"
component = "files.wasm"

[experts."reader".skills."files".capabilities]
filesystem = [{ path = ".", access = "read" }, { path = "notes", access = "write" }]
"#;

fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("files.wasm", fs::read(artifacts::BASE).unwrap());
    workspace
}

#[test]
fn a_skill_says_what_it_needs_and_who_grants_it() {
    let workspace = workspace();
    let shown = workspace.run(&["inspect", "files.wasm"]).stdout;
    assert!(shown.starts_with("files   skill, "), "{shown}");
    for line in [
        "            readTextFile(path: string, from?: integer, to?: integer)   read-only, idempotent\n",
        "needs       files .: write\n",
        "grants      writer/files: missing files .: write\n            reader/files: missing files .: write\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    // The lines are what is missing: with them, nothing is.
    let lines = shown.rsplit_once("to add to perstack.toml:\n").unwrap().1;
    let corrected = PROJECT.split("[experts.\"reader\".skills.\"files\".capabilities]").next().unwrap();
    workspace.write("perstack.toml", format!("{corrected}{lines}"));
    let shown = workspace.run(&["inspect", "reader/files"]).stdout;
    assert!(shown.contains("grants      reader/files: all it needs\n"), "{shown}");
    assert!(lines.contains("{ path = \"notes\", access = \"write\" }"), "{lines}");
    let json: Value = serde_json::from_str(&workspace.run(&["inspect", "reader/files", "--json"]).stdout).unwrap();
    assert_eq!(json["needs"]["filesystem"][0]["access"], "write");
    assert_eq!(json["grants"][0]["missing"], Value::Null);
}

#[test]
fn what_the_policy_does_not_allow_is_said() {
    let workspace = workspace();
    workspace.write("policy.toml", "[ceilings]\nfilesystem = [{ path = '/srv', access = 'write' }]\n");
    let shown = workspace.run(&["inspect", "files.wasm", "--policy", "policy.toml"]).stdout;
    assert!(shown.contains("policy      `files` needs files `.` ("), "{shown}");
    assert!(shown.contains("): write, and the host policy does not allow it (policy.toml:2)\n"), "{shown}");
    let json = workspace.run(&["inspect", "files.wasm", "--json", "--policy", "policy.toml"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["refusedByPolicy"].as_array().unwrap().len(), 1);
    assert!(!workspace.run(&["inspect", "files.wasm"]).stdout.contains("policy "));
}

#[test]
fn what_is_no_skill_is_said() {
    let workspace = workspace();
    let ran = workspace.run(&["inspect", "nobody/files"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("hint: name a file, or one of `writer/files`, `reader/files`"), "{ran:?}");
    workspace.write("broken.wasm", "nothing");
    let ran = workspace.run(&["inspect", "broken.wasm"]);
    assert!(ran.stderr.contains("`broken.wasm`: this is not a WebAssembly component"), "{ran:?}");
    let shown = workspace.run(&["inspect", artifacts::TIC_TAC_TOE]).stdout;
    assert!(shown.contains("an Expert's logic, "), "{shown}");
}
