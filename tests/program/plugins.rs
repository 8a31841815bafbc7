//! Plugins that do not come with the program, as components in runs. They are there where `PERSTACK_TEST_PLUGINS` names
//! the folder that `plugins/build` fills.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace, installed};

/// A workspace with an Expert that has a plugin with a grant; none where plugins were not built.
fn workspace(plugin: &str, capabilities: &str) -> Option<Workspace> {
    let folder = installed("PERSTACK_TEST_PLUGINS", "what plugins/build made")?;
    let workspace = Workspace::new();
    let file = format!("{plugin}.wasm");
    workspace.write(&file, fs::read(folder.join(&file)).unwrap());
    let project = format!(
        "[experts.clerk]\ninstruction = 'Work.'\n[experts.clerk.skills.tools]\ntype = 'wasmSkill'\n\
         component = '{file}'\n[experts.clerk.skills.tools.capabilities]\n{capabilities}\n"
    );
    workspace.write("perstack.toml", project);
    Some(workspace)
}

/// Calls tools, those of one list side by side, and gives what each came to: its text, and whether it failed.
fn call(workspace: &Workspace, steps: &[Vec<(&str, Value)>]) -> Vec<(String, bool)> {
    let mut script = String::new();
    for step in steps {
        let call = |(name, arguments): &(&str, Value)| {
            format!("{{ name = '{name}', arguments = {} }}", json!(arguments.to_string()))
        };
        let calls: Vec<String> = step.iter().map(call).collect();
        script += &format!("[[experts.clerk.replies]]\ntoolCalls = [{}]\n", calls.join(", "));
    }
    workspace.write("script.toml", script + "[[experts.clerk.replies]]\ntext = 'Done.'\n");
    let ran: Ran = workspace.run(&["run", "clerk", "Go", "--provider", "scripted", "--model", "script.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let results = ran.events().into_iter().filter(|event| event["type"] == "resolveToolResults");
    let results = results.flat_map(|event| event["toolResults"].as_array().unwrap().clone());
    let told = |result: Value| {
        (result["result"][0]["text"].as_str().unwrap().to_owned(), result["isError"].as_bool().unwrap_or(false))
    };
    results.map(told).collect()
}

#[test]
fn a_database_is_written_by_calls_side_by_side() {
    let Some(workspace) = workspace("sqlite", "filesystem = [{ path = 'records', access = 'write' }]") else {
        return;
    };
    let database = "records/a.db";
    let execute = |sql: &str| ("execute", json!({ "database": database, "sql": sql }));
    let query = |sql: &str| ("query", json!({ "database": database, "sql": sql }));
    fs::create_dir(workspace.path().join("records")).unwrap();
    let inserts = (0..12).map(|number| execute(&format!("INSERT INTO t VALUES ({number})"))).collect();
    let steps = [
        vec![execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")],
        inserts,
        vec![query("SELECT count(*), sum(a) FROM t")],
        vec![("execute", json!({ "database": "elsewhere.db", "sql": "CREATE TABLE t (a)" }))],
    ];
    let said = call(&workspace, &steps);
    assert!(said[..13].iter().all(|(_, failed)| !failed), "{said:?}");
    assert_eq!(said[13].0, r#"{"columns":["count(*)","sum(a)"],"rows":[[12,66]],"truncated":false}"#);
    assert!(said[14].1 && said[14].0.starts_with("`elsewhere.db` cannot be opened: it is not granted"), "{said:?}");
    assert!(!workspace.path().join("elsewhere.db").exists());
    let left = fs::read_dir(workspace.path().join("records")).unwrap().count();
    assert_eq!(left, 1, "neither locks nor journals");
    // Granted for reading, in the same place.
    let project = fs::read_to_string(workspace.path().join("perstack.toml")).unwrap();
    workspace.write("perstack.toml", project.replace("'write'", "'read'"));
    let said = call(&workspace, &[vec![query("SELECT max(a) FROM t")], vec![execute("DELETE FROM t")]]);
    assert_eq!(said[0], (r#"{"columns":["max(a)"],"rows":[[11]],"truncated":false}"#.to_owned(), false));
    assert!(said[1].1 && said[1].0.starts_with("`records/a.db` can only be read"), "{said:?}");
}

#[test]
fn a_repository_is_read_without_git() {
    let Some(workspace) = workspace("git-read", "filesystem = [{ path = 'code', access = 'read' }]") else {
        return;
    };
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(workspace.path().join("code")).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        git.envs(
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"].map(|n| (n, "Ada")),
        );
        assert!(git.args(arguments).status().unwrap().success(), "{arguments:?}");
    };
    fs::create_dir(workspace.path().join("code")).unwrap();
    git(&["init", "--quiet", "--initial-branch", "main"]);
    for (number, text) in [(1, "one\n"), (2, "one\ntwo\n")] {
        workspace.write("code/list.txt", text);
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", &format!("Version {number}")]);
    }
    // In a pack, and names in one file.
    git(&["gc", "--quiet", "--prune=now"]);
    let steps = [
        vec![("log", json!({ "repository": "code" }))],
        vec![("diff", json!({ "repository": "code", "from": "HEAD~1" }))],
        vec![("log", json!({}))],
    ];
    let said = call(&workspace, &steps);
    let commits: Value = serde_json::from_str(&said[0].0).unwrap();
    assert_eq!(commits[0]["message"], "Version 2");
    assert_eq!(commits[1]["message"], "Version 1");
    let diff = "diff --git a/list.txt b/list.txt\n--- a/list.txt\n+++ b/list.txt\n@@ -1 +1,2 @@\n one\n+two\n";
    assert_eq!(said[1], (diff.to_owned(), false));
    assert!(said[2].1 && said[2].0.contains("is no git repository, or not granted"), "{said:?}");
}
