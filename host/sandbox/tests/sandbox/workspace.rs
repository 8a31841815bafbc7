//! The whole workspace granted: everything in it but `perstack`, which does not exist for a guest.

use std::fs;
use std::os::unix::fs::symlink;

use perstack_core::config::Access;
use perstack_core::{Limits, ToolError};
use perstack_sandbox::Skill;
use serde_json::json;

use crate::harness::{Workspace, call, directories, failed, skill_with, still_works, text};

async fn granted(workspace: &Workspace, grants: &[(&str, Access)]) -> Skill {
    skill_with(directories(workspace.root(), grants), Limits::default()).await.unwrap()
}

/// Ways to spell the folder where jobs are kept, with links of which some were made by the host.
fn spellings(workspace: &Workspace) -> Vec<&'static str> {
    symlink("perstack", workspace.path("direct")).unwrap();
    symlink("direct", workspace.path("chain")).unwrap();
    symlink("../chain", workspace.path("in/up")).unwrap();
    symlink("../in/../perstack/", workspace.path("in/slash")).unwrap();
    symlink(workspace.path("perstack"), workspace.path("absolute")).unwrap();
    vec![
        "perstack",
        "./perstack",
        "perstack/",
        "perstack/.",
        "in/../perstack",
        "in/.././perstack",
        ".//perstack",
        "in/nothing/../../perstack",
        "direct/.",
        "direct/",
        "chain/.",
        "in/up/.",
        "in/slash/.",
        "absolute/.",
        "perstack/../perstack",
        "perstack/jobs/..",
    ]
}

#[tokio::test]
pub(crate) async fn sandbox_probe() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("perstack/jobs")).unwrap();
    for access in [Access::Read, Access::Write] {
        let skill = granted(&workspace, &[(".", access)]).await;
        for (path, folder) in [("in", "in"), ("./outside", "outside"), ("outside/../in", "in")] {
            let worked = text(call(&skill, "sandbox_probe", json!({ "path": path })).await);
            assert!(worked.starts_with("metadata, link metadata, open, list, list above"), "{path}: {worked}");
            if access == Access::Write {
                fs::rename(workspace.path("probe-renamed"), workspace.path(folder)).unwrap();
            }
        }
        if access == Access::Write {
            fs::remove_file(workspace.path("in/made")).unwrap();
        }
    }
    let skill = granted(&workspace, &[(".", Access::Write)]).await;
    for path in spellings(&workspace) {
        for path in [path.to_owned(), format!("{path}/secret"), format!("{path}/jobs"), format!("{path}/new")] {
            let worked = text(call(&skill, "sandbox_probe", json!({ "path": path })).await);
            assert_eq!(worked, "", "{path}");
        }
    }
    assert_eq!(workspace.read("perstack/secret"), "secret");
    still_works(&skill).await;
}

#[tokio::test]
async fn files_with_keys_are_hidden_and_the_configuration_is_not_changed() {
    let workspace = Workspace::new();
    for name in [".env", ".env.local", "perstack.toml", "in/.env", "in/perstack.toml"] {
        fs::write(workspace.path(name), name).unwrap();
    }
    symlink("../.env", workspace.path("in/keys")).unwrap();
    symlink("../perstack.toml", workspace.path("in/config")).unwrap();
    let skill = granted(&workspace, &[(".", Access::Write)]).await;
    for path in [".env", "./.env", ".env.local", "in/../.env", "in/keys/."] {
        assert_eq!(text(call(&skill, "sandbox_probe", json!({ "path": path })).await), "", "{path}");
    }
    failed(call(&skill, "sandbox_read_file", json!({ "path": "in/keys" })).await);
    let listed = text(call(&skill, "sandbox_list_dir", json!({ "path": "." })).await);
    assert_eq!(listed, "in\noutside\nperstack.toml");
    let change = async |how: &str, path: &str, to: &str| {
        call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await
    };
    let mine = "outside/mine";
    change("create", mine, "").await.result.unwrap();
    for path in ["perstack.toml", "./perstack.toml", "outside/../perstack.toml", "in/config"] {
        let read = text(call(&skill, "sandbox_read_file", json!({ "path": path })).await);
        assert_eq!(read, "perstack.toml", "{path}");
        for how in ["write", "append", "truncate", "set_len", "set_times"] {
            assert!(matches!(change(how, path, "").await.result, Err(ToolError::Failed(_))), "{how} {path}");
        }
    }
    for (how, path, to) in [
        ("remove", "perstack.toml", ""),
        ("rename", "perstack.toml", "moved"),
        ("rename", mine, "perstack.toml"),
        ("rename", mine, ".env"),
        ("link", "perstack.toml", "linked"),
        ("symlink", ".env.local", "in/file"),
    ] {
        assert!(matches!(change(how, path, to).await.result, Err(ToolError::Failed(_))), "{how} {path} {to}");
    }
    // Where there is none, none can be made.
    fs::remove_file(workspace.path("perstack.toml")).unwrap();
    fs::remove_file(workspace.path(".env")).unwrap();
    for path in ["perstack.toml", "Perstack.TOML", ".env", ".ENV"] {
        assert!(matches!(change("create", path, "").await.result, Err(ToolError::Failed(_))), "{path}");
    }
    // Elsewhere they are files like others.
    for path in ["in/.env", "in/perstack.toml"] {
        change("write", path, "").await.result.unwrap();
    }
}

#[tokio::test]
async fn protected_files_stay_as_they_are() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("deep/er")).unwrap();
    fs::write(workspace.path("deep/er/skill.wasm"), "skill").unwrap();
    symlink("deep/er/skill.wasm", workspace.path("link")).unwrap();
    let mut grants = directories(workspace.root(), &[(".", Access::Write), ("deep", Access::Write)]);
    grants.protected = vec![workspace.path("deep/er/skill.wasm"), workspace.path("nothing"), "/etc/passwd".into()];
    let skill = skill_with(grants, Limits::default()).await.unwrap();
    let change = async |how: &str, path: &str, to: &str| {
        call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await
    };
    change("create", "mine", "").await.result.unwrap();
    for (how, path, to) in [
        ("write", "deep/er/skill.wasm", ""),
        ("truncate", "link", ""),
        ("append", "deep/../link", ""),
        ("set_len", "deep/er/skill.wasm", ""),
        ("remove", "deep/er/skill.wasm", ""),
        ("rename", "deep/er/skill.wasm", "moved"),
        ("rename", "mine", "deep/er/skill.wasm"),
        ("link", "deep/er/skill.wasm", "linked"),
        ("rename", "deep/er", "moved"),
        ("rename", "deep", "moved"),
    ] {
        assert!(matches!(change(how, path, to).await.result, Err(ToolError::Failed(_))), "{how} {path} {to}");
    }
    assert_eq!(workspace.read("deep/er/skill.wasm"), "skill");
    change("create", "deep/er/other.wasm", "").await.result.unwrap();
    change("remove", "deep/er/other.wasm", "").await.result.unwrap();
}

#[tokio::test]
async fn it_is_not_listed() {
    let workspace = Workspace::new();
    fs::create_dir(workspace.path("in/perstack")).unwrap();
    fs::create_dir(workspace.path("Perstack")).unwrap();
    let skill = granted(&workspace, &[(".", Access::Read), ("in", Access::Read)]).await;
    let list = async |path: &str| text(call(&skill, "sandbox_list_dir", json!({ "path": path })).await);
    for path in [".", "./", "outside/.."] {
        assert_eq!(list(path).await, "Perstack\nin\noutside", "{path}");
    }
    // One of that name elsewhere is like any other.
    assert_eq!(list("in").await, "file\nperstack");
    failed(call(&skill, "sandbox_list_dir", json!({ "path": "perstack" })).await);
}

#[tokio::test]
async fn nothing_is_put_in_its_place() {
    let workspace = Workspace::new();
    fs::write(workspace.path("mine"), "mine").unwrap();
    let skill = granted(&workspace, &[(".", Access::Write)]).await;
    let change = async |how: &str, path: &str, to: &str| {
        call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await
    };
    let attempts = [
        ("rename", "in", "perstack"),
        ("rename", "mine", "perstack"),
        ("rename", "mine", "in/../perstack"),
        ("rename", "mine", "perstack/mine"),
        ("link", "mine", "perstack"),
        ("link", "perstack/secret", "taken"),
        ("link", "mine", "perstack/mine"),
        ("symlink", "perstack", "in"),
        ("symlink", "perstack/mine", "in"),
        ("make_dir", "perstack", ""),
        ("create", "perstack", ""),
        ("rename", "perstack", "mine"),
        ("rename", "perstack/secret", "mine"),
        ("remove", "perstack/secret", ""),
        ("remove_dir", "perstack", ""),
        ("set_times", "perstack", ""),
    ];
    for (how, path, to) in attempts {
        failed(change(how, path, to).await);
    }
    assert_eq!(workspace.read("perstack/secret"), "secret");
    // Nor while it is not there, under any name that some file system takes for it.
    fs::rename(workspace.path("perstack"), workspace.path("in/kept")).unwrap();
    for name in ["perstack", "Perstack", "PERSTACK", "per\u{17f}tac\u{212a}", "per\u{200d}stack"] {
        for (how, path, to) in [
            ("make_dir", name, ""),
            ("create", name, ""),
            ("rename", "in", name),
            ("link", "mine", name),
            ("symlink", name, "in"),
        ] {
            let reason = failed(change(how, path, to).await);
            assert!(reason.contains("Operation not permitted"), "{how} {path} {to}: {reason}");
        }
    }
    for name in ["perstack2", "in/perstack", "my-perstack"] {
        change("make_dir", name, "").await.result.unwrap();
    }
    // What the host makes meanwhile is hidden at once.
    symlink("in/kept", workspace.path("perstack")).unwrap();
    for path in ["perstack/secret", "in/kept/secret"] {
        failed(call(&skill, "sandbox_read_file", json!({ "path": path })).await);
    }
    fs::remove_file(workspace.path("perstack")).unwrap();
    symlink("nowhere", workspace.path("perstack")).unwrap();
    assert_eq!(text(call(&skill, "sandbox_probe", json!({ "path": "perstack" })).await), "");
}

#[tokio::test]
async fn links_of_guests_do_not_lead_there() {
    let workspace = Workspace::new();
    let skill = granted(&workspace, &[(".", Access::Write)]).await;
    let targets =
        ["perstack", "./perstack", "in/../perstack", "../perstack", "perstack/secret", "link-0", "in/../link-1"];
    for (number, target) in targets.iter().enumerate() {
        let arguments = |below| json!({ "link": format!("link-{number}{below}"), "target": target, "below": below });
        for below in ["", "secret"] {
            let reason = failed(call(&skill, "sandbox_symlink", arguments(below)).await);
            assert!(reason.contains("No such file") || reason.contains("not permitted"), "{target}: {reason}");
        }
    }
    // A chain without end ends.
    fs::remove_file(workspace.path("link-0")).unwrap();
    symlink("link-5", workspace.path("link-0")).unwrap();
    let reason = failed(call(&skill, "sandbox_read_file", json!({ "path": "link-0" })).await);
    assert!(reason.contains("loop") || reason.contains("Symbolic link"), "{reason}");
}

/// One guest swaps what a name stands for, another uses the name; says what it read.
async fn race(workspace: &Workspace, grant: &str, link: &str, targets: &[&str]) -> String {
    let grants = [(grant, Access::Write)];
    let (swaps, chases) = (granted(workspace, &grants).await, granted(workspace, &grants).await);
    let swap = json!({ "role": "swap", "link": link, "targets": targets, "milliseconds": 2000 });
    let chase = json!({ "role": "chase", "link": link, "targets": [], "milliseconds": 2000 });
    let swap = tokio::spawn(async move { text(call(&swaps, "sandbox_race", swap).await) });
    let chase = tokio::spawn(async move { text(call(&chases, "sandbox_race", chase).await) });
    let swapped: u32 = swap.await.unwrap().trim_end_matches(" swaps").parse().unwrap();
    assert!(swapped > 100, "{swapped}");
    chase.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn sandbox_race() {
    let workspace = Workspace::new();
    for (grant, link, targets, seen) in [
        // Directories on the way, and the end of the way.
        (".", "link", ["in", "perstack", "in/../perstack", "./in"], "reached: file"),
        (".", "name", ["plain", "perstack/secret", "plain", "in/../perstack/secret"], "reached: plain"),
        ("in", "in/link", [".", "../outside", "../perstack", "./."], "reached: file"),
        ("in", "in/name", ["plain", "../outside/secret", "plain", "../perstack/secret"], "reached: plain"),
    ] {
        assert_eq!(race(&workspace, grant, link, &targets).await, seen, "{link}");
    }
    for secret in ["perstack", "outside"] {
        assert_eq!(fs::read_dir(workspace.path(secret)).unwrap().count(), 1, "{secret}");
        assert_eq!(workspace.read(&format!("{secret}/secret")), "secret");
    }
    assert!(!workspace.path("stolen").exists() && !workspace.path("moved").exists());
}

#[tokio::test]
async fn a_read_grant_within_a_write_grant_stays_one() {
    let workspace = Workspace::new();
    fs::create_dir_all(workspace.path("deep/er/in")).unwrap();
    fs::write(workspace.path("deep/er/in/file"), "deep").unwrap();
    symlink("deep/er/in", workspace.path("link")).unwrap();
    fs::create_dir(workspace.path("empty")).unwrap();
    let grants = [(".", Access::Write), ("in", Access::Read), ("deep/er/in", Access::Read), ("empty", Access::Read)];
    let skill = granted(&workspace, &grants).await;
    let change = async |how: &str, path: &str, to: &str| {
        call(&skill, "sandbox_change_file", json!({ "how": how, "path": path, "to": to })).await
    };
    for (how, path, to) in [
        ("write", "in/file", ""),
        ("write", "outside/../in/file", ""),
        ("write", "link/file", ""),
        ("set_len", "link/file", ""),
        ("set_times", "link/file", ""),
        ("create", "link/new", ""),
        ("make_dir", "link/new", ""),
        ("remove", "link/file", ""),
        ("link", "link/file", "mine"),
        ("link", "outside/../in/file", "mine"),
        ("rename", "link/file", "mine"),
        ("rename", "outside/secret", "link/file"),
        // The grant is for a path: what leads to it stays where it is.
        ("rename", "in", "moved"),
        ("rename", "outside/../in", "moved"),
        ("rename", "deep/er", "moved"),
        ("rename", "deep", "moved"),
        ("remove_dir", "empty", ""),
        ("remove_dir", "outside/../empty", ""),
    ] {
        let outcome = change(how, path, to).await;
        assert!(matches!(outcome.result, Err(ToolError::Failed(_))), "{how} {path} {to}: {:?}", outcome.result);
    }
    assert_eq!((workspace.read("in/file"), workspace.read("link/file")), ("file".into(), "deep".into()));
    change("create", "deep/er/new", "").await.result.unwrap();
    change("rename", "deep/er/new", "outside/new").await.result.unwrap();
}
