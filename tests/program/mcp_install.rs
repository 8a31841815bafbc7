//! `perstack mcp install`: what a client is told, and that it can start that.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::Workspace;
use crate::mcp_serve::{Client, workspace};

fn file(workspace: &Workspace, name: &str) -> String {
    std::fs::read_to_string(workspace.path().join(name)).unwrap()
}

#[test]
fn a_client_starts_what_was_written_from_anywhere() {
    let workspace = workspace();
    workspace.write(".env", "REGION=here\n");
    let install = ["mcp", "install", "--client", "claude", "--skills", "tester"];
    let shown = workspace.run(&install);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stderr.contains("/.mcp.json; with `--write` it is put there"), "{shown:?}");
    assert!(!workspace.path().join(".mcp.json").exists());
    let written = workspace.run(&[&install[..], &["--write"]].concat());
    assert_eq!(written.code, Some(0), "{written:?}");
    assert_eq!(file(&workspace, ".mcp.json"), shown.stdout);
    let entry: Value = serde_json::from_str::<Value>(&shown.stdout).unwrap()["mcpServers"]["perstack"].clone();
    let words: Vec<&str> = entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let here = workspace.path().canonicalize().unwrap();
    let [config, env] = ["perstack.toml", ".env"].map(|name| here.join(name).display().to_string());
    let folder = here.display().to_string();
    let expected = ["mcp", "--skills", "tester", "--config", &config, "--workspace", &folder, "--env-path", &env];
    assert_eq!(words, expected);
    let elsewhere = Workspace::new();
    let mut command = Command::new(entry["command"].as_str().unwrap());
    command.args(words).current_dir(elsewhere.path()).env_clear().env("HOME", elsewhere.path());
    let mut client = Client::begin(command);
    assert_eq!(client.call("sandbox_read_file", &json!({ "path": "in/file" })), (false, vec!["text".to_owned()]));
    assert_eq!(client.leave(), (Some(0), String::new()));
}

#[test]
fn nothing_of_a_client_s_file_is_lost() {
    let workspace = workspace();
    let vscode = ["mcp", "install", "--client", "vscode", "--write"];
    let earlier = "{\n  // of the team\n  \"servers\": {\n    \"other\": { \"command\": \"other\" }\n  }\n}\n";
    workspace.write(".vscode/mcp.json", earlier);
    let path = workspace.path().join(".vscode/mcp.json");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(workspace.run(&vscode).code, Some(0));
    let text = file(&workspace, ".vscode/mcp.json");
    assert!(text.starts_with(earlier.split_once(" }").unwrap().0) && text.contains("\"perstack\": {"), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // What cannot be read, or is elsewhere, is left as it is.
    workspace.write(".cursor/mcp.json", "{ \"mcpServers\": {");
    workspace.write("elsewhere.json", "{}");
    symlink("elsewhere.json", workspace.path().join(".mcp.json")).unwrap();
    for (client, name, reason) in
        [("cursor", ".cursor/mcp.json", "it is no JSON"), ("claude", ".mcp.json", "is a link, or of another kind")]
    {
        let before = file(&workspace, name);
        let ran = workspace.run(&["mcp", "install", "--client", client, "--write"]);
        assert!(ran.code == Some(1) && ran.stderr.contains(reason), "{ran:?}");
        assert_eq!(file(&workspace, name), before);
    }
    std::fs::remove_dir_all(workspace.path().join(".vscode")).unwrap();
    std::fs::create_dir(workspace.path().join("folder")).unwrap();
    symlink("folder", workspace.path().join(".vscode")).unwrap();
    assert_eq!(workspace.run(&vscode).code, Some(1));
    assert!(!workspace.path().join("folder/mcp.json").exists());
}

#[test]
fn what_cannot_be_served_is_not_installed() {
    let workspace = workspace();
    for (arguments, reason) in [
        (&["--client", "claude", "nobody"][..], "there is no Expert `nobody`"),
        (&["--client", "emacs"], "there are claude, cursor and vscode"),
        (&["--client", "claude", "--name", "a b"], "a name is of letters"),
        (&["--client", "claude", "--env-path", "missing"], "`missing` cannot be used"),
    ] {
        let ran = workspace.run(&[&["mcp", "install", "--write"], arguments].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(reason), "{ran:?}");
    }
    assert!(!workspace.path().join(".mcp.json").exists());
}
