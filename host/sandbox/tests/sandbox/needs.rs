//! What a component says that it needs: read from it, and the most that it gets.

use std::path::Path;

use perstack_core::Limits;
use perstack_core::config::{Access, Needs};
use perstack_sandbox::{ComponentBytes, Grants, LoadError, NetworkGrants, SecretGrant, Skill};
use serde_json::json;

use crate::harness::{Host, Workspace, call, directories, failed, guests, sandbox, text};

/// The test guests with a section that says what they need.
fn saying(needs: &[u8]) -> ComponentBytes {
    let name = "perstack:needs";
    let mut bytes = guests().bytes().to_vec();
    let content = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), needs].concat();
    // The length, in LEB128.
    let length = content.len();
    bytes.extend([0, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
    bytes.extend(content);
    ComponentBytes::new(&bytes).unwrap()
}

async fn load(component: &ComponentBytes, grants: Grants) -> Result<Skill, LoadError> {
    Skill::load(&sandbox(), "cases", component, grants, Limits::default()).await
}

#[tokio::test]
async fn a_component_gets_no_more_than_it_asks_for() {
    let workspace = Workspace::new();
    let grants = || Grants {
        environment: vec![("A".into(), "1".into()), ("B".into(), "2".into())],
        network: NetworkGrants {
            destinations: ["https://a.example.com", "https://b.example.com"].map(|text| text.parse().unwrap()).into(),
            secrets: ["K", "L"]
                .map(|name| SecretGrant {
                    name: name.into(),
                    value: "0123456789".into(),
                    hosts: vec!["a.example.com".parse().unwrap()],
                })
                .into(),
        },
        ..directories(workspace.root(), &[(".", Access::Write)])
    };
    let needs = br#"
        env = ["A"]
        network = ["https://b.example.com"]
        secrets = { K = ["a.example.com"] }
        filesystem = [{ path = "in", access = "read" }]
    "#;
    let skill = load(&saying(needs), grants()).await.unwrap();
    assert_eq!(skill.needs(), Some(&Needs::parse(str::from_utf8(needs).unwrap()).unwrap()));
    let environment = text(call(&skill, "sandbox_env", json!({})).await);
    let names: Vec<&str> = environment.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(names, ["A", "K"]);
    assert_eq!(text(call(&skill, "sandbox_read_file", json!({ "path": "in/file" })).await), "file");
    for path in ["outside/secret", "./outside/secret"] {
        failed(call(&skill, "sandbox_read_file", json!({ "path": path })).await);
    }
    failed(call(&skill, "sandbox_write_file", json!({ "path": "in/file", "text": "changed" })).await);
    assert_eq!(workspace.read("in/file"), "file");
    let denied = |url: &str| {
        let arguments =
            json!({ "method": "GET", "url": url, "headers": [], "body": "", "times": 1, "together": false });
        let skill = &skill;
        async move { failed(Host::default().call(skill, "sandbox_fetch", arguments).await).contains("Denied") }
    };
    assert!(denied("https://a.example.com/").await && !denied("https://b.example.com/").await);
    // One that says nothing gets all of it.
    let skill = load(&guests(), grants()).await.unwrap();
    assert_eq!(skill.needs(), None);
    assert_eq!(text(call(&skill, "sandbox_env", json!({})).await).lines().count(), 4);
    assert_eq!(text(call(&skill, "sandbox_read_file", json!({ "path": "outside/secret" })).await), "secret");
}

#[tokio::test]
async fn the_guest_sdk_writes_needs_into_the_component() {
    let base = ComponentBytes::read(Path::new(perstack_test_artifacts::BASE)).unwrap();
    let skill = load(&base, Grants::default()).await.unwrap();
    let expected = Needs::parse("filesystem = [{ path = \".\", access = \"write\" }]").unwrap();
    assert_eq!(skill.needs(), Some(&expected));
}

#[tokio::test]
async fn needs_that_cannot_be_read_are_refused() {
    for needs in [&b"network = [\"http://a.com\"]"[..], b"limits = {}", b"\xff", b"network = "] {
        let error = load(&saying(needs), Grants::default()).await.err().unwrap();
        assert!(matches!(error, LoadError::BadNeeds { .. }), "{error:?}");
    }
}
