//! Real MCP servers, of npm and PyPI, and Perstack's own recordings with one of them. They are run where `PERSTACK_TEST_MCP`
//! names the folder that `.ci/run` makes.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Ran, Workspace, installed};
use crate::recordings::{assert_same, recording, run, script};

/// Where the servers are.
pub(crate) fn servers() -> Option<PathBuf> {
    installed("PERSTACK_TEST_MCP", "MCP servers")
}

/// A workspace whose `.env` says where programs and servers are.
fn workspace(project: &str) -> Option<Workspace> {
    let servers = servers()?;
    let workspace = Workspace::new();
    let path = std::env::var("PATH").unwrap();
    let (npm, python) = (servers.join("npm/node_modules"), servers.join("python"));
    workspace.write(
        ".env",
        format!(
            "PATH={}/bin:{path}\nUV_CACHE_DIR={}\nUV_OFFLINE=1\nUV_PYTHON={}\nANTHROPIC_API_KEY=the-very-secret-key\n",
            python.display(),
            servers.join("uv").display(),
            python.join("bin/python").display(),
        ),
    );
    workspace.write("perstack.toml", project.replace("NPM", &npm.display().to_string()));
    // `npx` runs what is installed here, without a registry.
    std::os::unix::fs::symlink(npm, workspace.path().join("node_modules")).unwrap();
    Some(workspace)
}

const EVERYTHING: &str = r#"
[experts.mcp]
instruction = "Do it as mcp."
[experts.mcp.skills.everything]
type = "mcpStdioSkill"
command = "node"
args = ["NPM/@modelcontextprotocol/server-everything/dist/index.js", "stdio"]
"#;

/// Runs an Expert whose model makes these calls, each in a step of its own.
fn calling(workspace: &Workspace, calls: &[(&str, Value)]) -> Ran {
    let reply = |(tool, arguments): &(&str, Value)| {
        format!("[[experts.mcp.replies]]\ntoolCalls = [{{ name = \"{tool}\", arguments = '''{arguments}''' }}]\n")
    };
    let replies: String = calls.iter().map(reply).collect();
    workspace.write("script.toml", replies + "[[experts.mcp.replies]]\ntext = 'done'\n");
    let ran = workspace.run(&["run", "mcp", "query", "--provider", "scripted", "--model", "script.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// The parts that each call was answered with.
fn answers(ran: &Ran) -> Vec<Vec<Value>> {
    let events = ran.events();
    let results = events.iter().filter(|event| event["type"] == "resolveToolResults");
    results.map(|event| event["toolResults"][0]["result"].as_array().unwrap().clone()).collect()
}

fn text(answer: &[Value]) -> &str {
    answer[0]["text"].as_str().unwrap()
}

#[test]
fn a_recorded_run_with_a_server_is_the_same() {
    let Some(workspace) = workspace(EVERYTHING) else { return };
    let recorded = recording("mcp");
    workspace.write("script.toml", script(&[&recorded]));
    assert_same(&recorded, &run(&workspace, &recorded, &["--provider", "scripted", "--model", "script.toml"]));
}

#[test]
fn a_recorded_run_with_a_lazy_server_has_the_same_events() {
    let Some(workspace) =
        workspace(&format!("{EVERYTHING}lazyInit = true\n").replace("experts.mcp", "experts.mcp-lazy"))
    else {
        return;
    };
    let recorded = recording("mcp-lazy");
    workspace.write("script.toml", script(&[&recorded]));
    let mut events = run(&workspace, &recorded, &["--provider", "scripted", "--model", "script.toml"]);
    let place = |events: &[Value], kind: &str| events.iter().rposition(|event| event["type"] == kind).unwrap();
    for events in [&recorded, &events] {
        assert!(place(events, "startRun") < place(events, "skillConnected"));
    }
    // The server is begun before or after the run's first event, and heard before or after the model is asked.
    let order = |events: &[Value]| {
        let mut events = events.to_vec();
        events.sort_by_key(|event| {
            let kind = event["type"].as_str().unwrap();
            kind.starts_with("skill") && kind != "skillDisconnected" && event["skillName"] == "everything"
        });
        events
    };
    events = order(&events);
    assert_same(&order(&recorded), &events);
}

#[test]
fn every_kind_of_answer_of_a_real_server_is_taken() {
    let Some(workspace) = workspace(EVERYTHING) else { return };
    let ran = calling(
        &workspace,
        &[
            ("get-sum", json!({ "a": 2, "b": 3 })),
            ("get-env", json!({})),
            ("get-structured-content", json!({ "location": "Chicago" })),
            ("get-resource-reference", json!({ "resourceType": "Text", "resourceId": 1 })),
            ("get-resource-reference", json!({ "resourceType": "Blob", "resourceId": 2 })),
            ("get-resource-links", json!({ "count": 2 })),
            ("get-tiny-image", json!({})),
            ("trigger-long-running-operation", json!({ "duration": 0.4, "steps": 4 })),
            ("get-roots-list", json!({})),
            ("get-sum", json!({ "a": "two" })),
        ],
    );
    let answers = answers(&ran);
    assert!(text(&answers[0]).contains("is 5"), "{:?}", answers[0]);
    assert!(text(&answers[1]).contains("\"PATH\"") && !text(&answers[1]).contains("secret"), "{:?}", answers[1]);
    assert!(text(&answers[2]).contains("temperature"), "{:?}", answers[2]);
    assert!(answers[3].iter().any(|part| part["text"].as_str().is_some_and(|text| text.starts_with("demo://"))));
    assert!(answers[4].iter().any(|part| part["type"] == "fileInlinePart"), "{:?}", answers[4]);
    assert!(answers[5][1]["text"].as_str().unwrap().contains("demo://"), "{:?}", answers[5]);
    assert_eq!(answers[6][1]["type"], "imageInlinePart");
    let progress: Vec<Value> = ran.events().into_iter().filter(|event| event["type"] == "skillProgress").collect();
    assert!(progress.iter().any(|event| event["fraction"] == 1.0), "{progress:?}");
    // It has this tool only since it was told that there are roots.
    let root = format!("file://{}", workspace.path().canonicalize().unwrap().display());
    assert!(text(&answers[8]).contains(&root), "{:?}", answers[8]);
    assert!(text(&answers[9]).contains("invalid arguments"), "{:?}", answers[9]);
}

#[test]
fn a_server_asks_the_user_where_there_is_one() {
    let Some(workspace) = workspace(EVERYTHING) else { return };
    workspace.write(
        "script.toml",
        "[[experts.mcp.replies]]\ntoolCalls = [{ name = 'trigger-elicitation-request', arguments = {} }]\n\
         [[experts.mcp.replies]]\ntext = 'done'\n",
    );
    let model = ["mcp", "go", "--provider", "scripted", "--model", "script.toml", "--verbose"];
    // What is no answer is asked again; what is left empty is the default, or left out.
    let typed = format!("what?\na\n\nAnn\nyes\n{}", "\n".repeat(20));
    let ran = workspace.run_with_input(&[&["start"], &model[..]].concat(), &typed);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("the MCP server of `everything` asks you:\n  │ Please provide"), "{ran:?}");
    assert!(ran.stdout.contains("String: Your full, legal name (text) › \n\n  it is needed\n"), "{ran:?}");
    assert!(ran.stdout.contains("! everything: it asked the user `Please provide"), "{ran:?}");
    let events = workspace.run(&["log", "--type", "resolveToolResults", "--json", "--verbose"]).stdout;
    let told = |text: &str| events.contains(&text.replace('"', "\\\""));
    assert!(told(r#""name": "Ann""#) && told(r#""check": true"#) && told(r#""integer": 42"#), "{events}");
    assert!(!told(r#""email":"#), "{events}");
    // Who declines, or is gone, has said nothing.
    for (typed, action) in [("decline\n", "decline"), ("a\nAnn\n", "cancel"), ("", "cancel")] {
        let ran = workspace.run_with_input(&[&["start"], &model[..]].concat(), typed);
        assert!(ran.stdout.contains(&format!("\"action\": \"{action}\"")), "{typed:?}: {ran:?}");
    }
    // Nobody is there: the server is not told that there were, and has no such tool.
    let ran = workspace.run(&[&["run"], &model[..]].concat());
    assert!(ran.stdout.contains("there is no tool `trigger-elicitation-request`"), "{ran:?}");
}

#[test]
fn servers_of_npm_and_pypi_start_side_by_side() {
    let project = r#"
[experts.mcp]
instruction = "Use them."
[experts.mcp.skills.memory]
type = "mcpStdioSkill"
command = "npx"
packageName = "@modelcontextprotocol/server-memory"
[experts.mcp.skills.files]
type = "mcpStdioSkill"
command = "npx"
packageName = "@modelcontextprotocol/server-filesystem"
args = ["."]
[experts.mcp.skills.time]
type = "mcpStdioSkill"
command = "uvx"
packageName = "mcp-server-time"
requiredEnv = ["UV_CACHE_DIR", "UV_OFFLINE", "UV_PYTHON"]
"#;
    let Some(workspace) = workspace(project) else { return };
    let entities = json!({ "entities": [{ "name": "Ann", "entityType": "person", "observations": ["is here"] }] });
    let ran = calling(
        &workspace,
        &[
            ("create_entities", entities),
            ("read_graph", json!({})),
            ("write_file", json!({ "path": "new.txt", "content": "written" })),
            ("read_text_file", json!({ "path": "/etc/passwd" })),
            ("get_current_time", json!({ "timezone": "Asia/Tokyo" })),
        ],
    );
    let answers = answers(&ran);
    assert!(text(&answers[1]).contains("Ann"), "{:?}", answers[1]);
    assert_eq!(std::fs::read_to_string(workspace.path().join("new.txt")).unwrap(), "written", "{:?}", answers[2]);
    assert!(text(&answers[3]).contains("Access denied"), "{:?}", answers[3]);
    assert!(text(&answers[4]).contains("Asia/Tokyo"), "{:?}", answers[4]);
    let events = ran.events();
    let native = |event: &&Value| event["skillName"] != "@perstack/base";
    let kinds: Vec<&str> = events.iter().filter(native).map(|event| event["type"].as_str().unwrap()).collect();
    let last_start = kinds.iter().rposition(|kind| *kind == "skillStarting").unwrap();
    let first_ready = kinds.iter().position(|kind| *kind == "skillConnected").unwrap();
    assert!(last_start < first_ready, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "skillDisconnected").count(), 3);
}
