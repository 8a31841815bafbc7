//! What goes wrong at the start gets one clear message with what to do, exit status 2, and leaves nothing behind.

use std::fs;

use perstack_test_artifacts as artifacts;

use crate::harness::{Ran, Workspace};

const PROJECT: &str = r#"
[experts."broken"]
logic = { component = "logic.wasm" }
"#;

const WITH_SKILL: &str = r#"
[experts."broken"]
logic = { component = "logic.wasm" }

[experts."broken".skills."tools"]
type = "wasmSkill"
component = "skill.wasm"
"#;

/// Runs the Expert `broken`; nothing may be left behind.
fn refused(workspace: &Workspace) -> Ran {
    let ran = workspace.run(&["run", "broken", "query"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(!workspace.path().join("perstack").exists());
    ran
}

/// The message, and that there is a hint.
fn says(ran: &Ran, message: &str) {
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    assert!(ran.stderr.contains(message), "{message:?} is missing in:\n{}", ran.stderr);
    assert!(ran.stderr.contains("\n  hint: "), "no hint in:\n{}", ran.stderr);
}

fn logic(content: impl AsRef<[u8]>) -> Ran {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    workspace.write("logic.wasm", content);
    refused(&workspace)
}

#[test]
fn a_missing_component() {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    says(&refused(&workspace), "there is no component at ");
}

#[test]
fn a_component_that_is_none() {
    says(&logic(""), "not a WebAssembly component: it is empty");
    says(&logic("hello"), "not a WebAssembly component: it does not start like one");
    says(&logic(b"\0asm\x01\0\0\0"), "not a WebAssembly component: it is a core module");
    let whole = fs::read(artifacts::TIC_TAC_TOE).unwrap();
    says(&logic(&whole[..whole.len() / 2]), "the component is damaged: ");
}

#[test]
fn a_component_that_is_too_large() {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", PROJECT);
    let file = fs::File::create(workspace.path().join("logic.wasm")).unwrap();
    file.set_len(65 << 20).unwrap();
    says(&refused(&workspace), "the component has 65MiB, more than the 64MiB that are allowed");
}

#[test]
fn a_component_of_another_world() {
    says(&logic(fs::read(artifacts::SCOREBOARD).unwrap()), "it is not for the world `expert`");
    let workspace = Workspace::new();
    workspace.write("perstack.toml", WITH_SKILL);
    workspace.write("logic.wasm", fs::read(artifacts::TIC_TAC_TOE).unwrap());
    workspace.write("skill.wasm", fs::read(artifacts::TIC_TAC_TOE).unwrap());
    let ran = refused(&workspace);
    says(&ran, "skill `tools` of Expert `broken`: ");
    says(&ran, "`perstack:plugin/model@0.1.0`, which the world `skill` does not have");
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let refused_with = |project: &str| {
        let workspace = Workspace::new();
        workspace.write("perstack.toml", project);
        workspace.write("logic.wasm", fs::read(artifacts::TIC_TAC_TOE).unwrap());
        workspace.write("skill.wasm", fs::read(artifacts::SCOREBOARD).unwrap());
        refused(&workspace)
    };
    says(&refused_with("[experts.broken]\ninstruction = 'x'"), "`ANTHROPIC_API_KEY` is not set");
    let grant = |grant: &str| format!("{WITH_SKILL}[experts.broken.skills.tools.capabilities]\n{grant}\n");
    says(&refused_with(&grant("secrets = { KEY = ['api.exa.ai'] }")), "granted variable `KEY`, which is not set");
    says(&refused_with(&grant("env = ['NOT_SET']")), "granted variable `NOT_SET`, which is not set");
    says(
        &refused_with(&grant("filesystem = [{ path = 'none', access = 'read' }]")),
        "directory `none` cannot be granted",
    );
    let other = format!("runtime = 'cursor'\n{PROJECT}");
    says(&refused_with(&other), "`runtime = \"cursor\"` cannot be used");
    for version in ["v1.0.1", "2", "latest"] {
        let newer = format!("{PROJECT}minRuntimeVersion = '{version}'\n");
        says(&refused_with(&newer), &format!("needs version {version} of the runtime"));
    }
    says(&refused_with(&format!("{WITH_SKILL}lifetime = 'run'")), "`lifetime = \"run\"` is not there yet");
    says(&refused_with(&format!("{WITH_SKILL}pick = ['none']")), "it has no tool `none` to pick or omit");
}

#[test]
fn a_malformed_project_shows_the_place() {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", "[experts.broken]\ninstruktion = 'x'\n");
    workspace.write("below/file", "");
    for folder in [".", "below"] {
        let ran = crate::harness::command_in(&workspace.path().join(folder), &["run", "broken", "query"]).output();
        let ran: Ran = ran.unwrap().into();
        assert_eq!(ran.code, Some(2));
        assert!(ran.stderr.contains("unknown field `instruktion` in Expert `broken`"), "{}", ran.stderr);
        assert!(ran.stderr.contains("perstack.toml:2:1"), "{}", ran.stderr);
        assert!(ran.stderr.contains("did you mean `instruction`?"), "{}", ran.stderr);
    }
}

#[test]
fn a_wrong_command_line() {
    let workspace = Workspace::new();
    says(&workspace.run(&["run", "tic-tac-to", "x"]), "there is no Expert `tic-tac-to`");
    says(&workspace.run(&["run", "tic-tac-toe", "x", "--config", "none.toml"]), "`none.toml` cannot be read");
    says(&workspace.run(&["run", "tic-tac-toe", "x", "--workspace", "none"]), "cannot be read");
    says(&workspace.run(&["run", "tic-tac-toe", "x", "--continue"]), "there is no job of Expert `tic-tac-toe`");
    says(&workspace.run(&["run", "tic-tac-toe", "x", "--continue-job", "none"]), "there is no job `none`");
    let wrong = [
        &["run", "tic-tac-toe"][..],
        &["run", "tic-tac-toe", "5", "-i"],
        &["run", "tic-tac-toe", "x", "--job-id", "../x"],
        &["run", "tic-tac-toe", "x", "--max-steps", "0"],
        &["run", "tic-tac-toe", "x", "--unknown"],
    ];
    for arguments in wrong {
        assert_eq!(workspace.run(arguments).code, Some(2), "{arguments:?}");
    }
    assert!(!workspace.path().join("perstack").exists());
}

#[test]
fn a_job_is_worked_on_by_one_process() {
    let workspace = Workspace::new();
    workspace.run(&["run", "tic-tac-toe", "x", "--job-id", "mine"]);
    let lock = fs::File::open(workspace.job().path().join("lock")).unwrap();
    lock.lock().unwrap();
    says(&workspace.run(&["run", "tic-tac-toe", "5", "--continue", "-i"]), "another process is working on job `mine`");
    drop(lock);
    assert_eq!(workspace.run(&["run", "tic-tac-toe", "5", "--continue", "-i"]).code, Some(0));
    says(&workspace.run(&["run", "tic-tac-toe", "x", "--job-id", "mine"]), "there is a job `mine` already");
}

#[test]
fn a_damaged_job_is_told() {
    let workspace = Workspace::new();
    workspace.run(&["run", "tic-tac-toe", "x", "--job-id", "mine"]);
    let job = workspace.job();
    let id = job.json()["latestCheckpointId"].as_str().unwrap().to_owned();
    workspace.write(&format!("perstack/jobs/mine/checkpoints/{id}.json"), "{");
    says(&workspace.run(&["run", "tic-tac-toe", "5", "--continue", "-i"]), "is damaged: ");
}
