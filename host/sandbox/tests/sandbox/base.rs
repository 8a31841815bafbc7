//! The base skill, as a component in a granted workspace.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use perstack_core::config::Access;
use perstack_core::{Content, Limits, ToolError, ToolSet};
use perstack_sandbox::{ComponentBytes, Skill};
use serde_json::{Value, json};

use crate::harness::{Host, Workspace, call, directories, failed, sandbox, text};

async fn base(workspace: &Workspace, access: Access) -> Skill {
    let component = ComponentBytes::read(Path::new(perstack_test_artifacts::BASE)).unwrap();
    let grants = directories(workspace.root(), &[(".", access)]);
    Skill::load(&sandbox(), "@perstack/base", &component, grants, Limits::default()).await.unwrap()
}

async fn answer(skill: &Skill, tool: &str, arguments: Value) -> Value {
    serde_json::from_str(&text(call(skill, tool, arguments).await)).unwrap()
}

#[tokio::test]
async fn it_is_small_and_has_its_tools() {
    let workspace = Workspace::new();
    let skill = base(&workspace, Access::Write).await;
    assert_eq!(skill.tools().len(), 17);
    let size = fs::metadata(perstack_test_artifacts::BASE).unwrap().len();
    assert!(size < 300_000, "{size}");
}

#[tokio::test]
async fn todos_belong_to_the_run() {
    let workspace = Workspace::new();
    let skill = base(&workspace, Access::Write).await;
    let (run, other) = (Host::default(), Host::default());
    let todos = r#"{"todos":[{"id":0,"title":"a","completed":false}]}"#;
    let outcome = run.call(&skill, "todo", json!({ "newTodos": ["a"] })).await;
    let changes = outcome.state_changes.clone();
    assert_eq!(text(outcome), todos);
    assert!(changes.iter().all(|change| change.scope == perstack_core::Scope::Run) && !changes.is_empty());
    assert_eq!(text(other.call(&skill, "attemptCompletion", json!({})).await), "{}");
}

#[tokio::test]
async fn files_are_written_read_listed_and_deleted() {
    let workspace = Workspace::new();
    let skill = base(&workspace, Access::Write).await;
    for (tool, arguments, expected) in [
        ("createDirectory", json!({ "path": "a/b" }), json!({ "path": "a/b" })),
        (
            "writeTextFile",
            json!({ "path": "./a/b/c/x.txt", "text": "1\n2" }),
            json!({ "path": "a/b/c/x.txt", "text": "1\n2" }),
        ),
        (
            "appendTextFile",
            json!({ "path": "a/b/c/x.txt", "text": "\n3" }),
            json!({ "path": "a/b/c/x.txt", "text": "\n3" }),
        ),
        (
            "editTextFile",
            json!({ "path": "a/b/c/x.txt", "oldText": "2", "newText": "$&" }),
            json!({ "path": "a/b/c/x.txt", "oldText": "2", "newText": "$&" }),
        ),
        (
            "readTextFile",
            json!({ "path": "a/b/c/x.txt", "from": 1 }),
            json!({ "path": "a/b/c/x.txt", "content": "$&\n3", "from": 1, "to": 3 }),
        ),
        (
            "moveFile",
            json!({ "source": "a/b/c/x.txt", "destination": "d/x.txt" }),
            json!({ "source": "a/b/c/x.txt", "destination": "d/x.txt" }),
        ),
        ("deleteDirectory", json!({ "path": "a", "recursive": true }), json!({ "path": "a" })),
        ("deleteFile", json!({ "path": "in/file" }), json!({ "path": "in/file" })),
    ] {
        assert_eq!(answer(&skill, tool, arguments).await, expected, "{tool}");
    }
    symlink("nowhere", workspace.path("dangling")).unwrap();
    symlink("/etc/passwd", workspace.path("escape")).unwrap();
    let listing = answer(&skill, "listDirectory", json!({ "path": "." })).await;
    let items: Vec<String> =
        listing["items"].as_array().unwrap().iter().map(|item| format!("{} {}", item["name"], item["type"])).collect();
    let expected = [
        r#""d" "directory""#,
        r#""dangling" "symlink""#,
        r#""escape" "symlink""#,
        r#""in" "directory""#,
        r#""outside" "directory""#,
    ];
    assert_eq!(items, expected);
    let info = answer(&skill, "getFileInfo", json!({ "path": "d/x.txt" })).await;
    assert_eq!((&info["size"], &info["permissions"]["writable"]), (&json!(6), &json!(true)));
    assert!(info["modified"].as_str().unwrap().starts_with("20"));
}

#[tokio::test]
async fn what_it_may_not_it_says() {
    let workspace = Workspace::new();
    symlink("/etc/passwd", workspace.path("escape")).unwrap();
    symlink("perstack/secret", workspace.path("jobs")).unwrap();
    let skill = base(&workspace, Access::Write).await;
    for path in ["nothing", "perstack/secret", "in/../perstack/secret", "jobs"] {
        let reason = failed(call(&skill, "readTextFile", json!({ "path": path })).await);
        assert!(reason.ends_with("does not exist"), "{reason}");
    }
    for (tool, arguments) in [
        ("readTextFile", json!({ "path": "escape" })),
        ("readImageFile", json!({ "path": "escape" })),
        ("writeTextFile", json!({ "path": "perstack/x", "text": "" })),
        ("createDirectory", json!({ "path": "perstack" })),
        ("createDirectory", json!({ "path": "perstack/x" })),
        ("moveFile", json!({ "source": "in", "destination": "perstack/in" })),
        ("moveFile", json!({ "source": "perstack", "destination": "mine" })),
        ("deleteDirectory", json!({ "path": "perstack", "recursive": true })),
        ("deleteFile", json!({ "path": "perstack/secret" })),
    ] {
        let outcome = call(&skill, tool, arguments.clone()).await;
        assert!(
            matches!(outcome.result, Err(ToolError::Failed(_) | ToolError::Denied(_))),
            "{tool} {arguments}: {:?}",
            outcome.result
        );
    }
    assert_eq!(fs::read_dir(workspace.path("perstack")).unwrap().count(), 1);
    let reader = base(&workspace, Access::Read).await;
    let outcome = call(&reader, "writeTextFile", json!({ "path": "in/file", "text": "" })).await;
    assert!(matches!(outcome.result, Err(ToolError::Denied(_))), "{:?}", outcome.result);
    let info = answer(&reader, "getFileInfo", json!({ "path": "in/file" })).await;
    assert_eq!(info["permissions"], json!({ "readable": true, "writable": false }));
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_the_limit_is() {
    let workspace = Workspace::new();
    let skill = base(&workspace, Access::Read).await;
    for line in ["x".repeat(99), "\u{1}".repeat(9)] {
        fs::write(workspace.path("long"), (line + "\n").repeat(50_000)).unwrap();
        let reason = failed(call(&skill, "readTextFile", json!({ "path": "long" })).await);
        assert!(reason.contains("read it in parts with `from` and `to`"), "{reason}");
        answer(&skill, "readTextFile", json!({ "path": "long", "from": 40_000, "to": 40_100 })).await;
    }
    for number in 0..1_500 {
        fs::write(workspace.path(&format!("in/{number:0200}")), "").unwrap();
    }
    let listing = answer(&skill, "listDirectory", json!({ "path": "in" })).await;
    assert_eq!(listing["items"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn images_and_pdfs_are_read_by_the_host() {
    let workspace = Workspace::new();
    fs::write(workspace.path("in/image"), b"\x89PNG\r\n\x1a\n....").unwrap();
    let skill = base(&workspace, Access::Read).await;
    let content = call(&skill, "readImageFile", json!({ "path": "./in/image" })).await.result.unwrap().content;
    assert_eq!(content, [Content::Image { media_type: "image/png".into(), base64: "iVBORw0KGgouLi4u".into() }]);
    fs::write(workspace.path("in/document"), b"%PDF-").unwrap();
    let content = call(&skill, "readPdfFile", json!({ "path": "in/document" })).await.result.unwrap().content;
    assert_eq!(content, [Content::File { media_type: "application/pdf".into(), base64: "JVBERi0=".into() }]);
}
