//! What the host's operator allows: which policy counts, and that no project gets more than it says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use perstack_test_artifacts as artifacts;

use crate::harness::{Ran, Workspace, repository};

/// An Expert that asks for nothing, and one that it delegates to.
const PROJECT: &str = r#"
[experts."plain"]
logic = { component = "logic.wasm" }
delegates = ["helper"]

[experts."helper"]
logic = { component = "logic.wasm" }
"#;

fn workspace(project: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.write("perstack.toml", project);
    workspace.write("logic.wasm", fs::read(artifacts::TIC_TAC_TOE).unwrap());
    workspace.write("skill.wasm", fs::read(artifacts::SCOREBOARD).unwrap());
    workspace
}

/// A skill of the delegate.
fn with_skill(rest: &str) -> String {
    format!("{PROJECT}[experts.helper.skills.tools]\n{rest}\n")
}

fn with_grant(grant: &str) -> String {
    with_skill(&format!("type = 'wasmSkill'\ncomponent = 'skill.wasm'\ncapabilities = {{ {grant} }}"))
}

fn run(workspace: &Workspace, policy: &str) -> Ran {
    workspace.write("policy.toml", policy);
    workspace.run(&["run", "plain", "query", "--policy", "policy.toml"])
}

/// The message and the hint of a project that asks for too much. Nothing may be left behind.
fn refused(workspace: &Workspace, policy: &str) -> String {
    let ran = run(workspace, policy);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
    assert!(!workspace.path().join("perstack").exists());
    ran.stderr
}

/// It is not the policy that stands in the way, whatever else does.
fn allowed(workspace: &Workspace, policy: &str) {
    let ran = run(workspace, policy);
    assert!(!ran.stderr.contains("policy"), "{}", ran.stderr);
    drop(fs::remove_dir_all(workspace.path().join("perstack")));
}

fn refusal(subject: &str, asks: &str, field: &str, line: usize) -> String {
    format!(
        "error: {subject} {asks}, and the host policy does not allow it (policy.toml:{line})\n  \
         hint: only an operator of this machine can change `{field}` in policy.toml:{line}; or take it out of perstack.toml\n"
    )
}

const HELPER: &str = "skill `tools` of Expert `helper`";

#[test]
fn what_a_delegate_asks_for_is_refused_before_anything_starts() {
    for (project, policy, asks, field, line) in [
        (
            with_skill("type = 'mcpStdioSkill'\ncommand = 'npx'\npackageName = 'server'"),
            "# the operator\nnative = 'deny'\n",
            "starts the native program `npx`",
            "native",
            2,
        ),
        (
            with_skill("type = 'mcpStdioSkill'\ncommand = 'npx'\npackageName = '@perstack/base'\nexec = ['cat']"),
            "native = 'deny'\n",
            "starts the native program `cat`",
            "native",
            1,
        ),
        (
            with_grant("network = ['https://api.exa.ai']"),
            "[ceilings]\nnetwork = ['https://*.exa.ai:8443', 'https://exa.ai']\n",
            "is granted network `https://api.exa.ai`",
            "ceilings.network",
            2,
        ),
        (
            with_grant("secrets = { KEY = ['api.exa.ai'] }"),
            "[ceilings]\n\nnetwork = ['https://*.corp.example']\n",
            "is granted secret `KEY` for `api.exa.ai`",
            "ceilings.network",
            3,
        ),
        (
            with_skill("type = 'mcpSseSkill'\nendpoint = 'https://mcp.example.com/sse'"),
            "[ceilings]\nnetwork = []\n",
            "connects to `https://mcp.example.com`",
            "ceilings.network",
            2,
        ),
        (
            with_skill("type = 'wasmSkill'\ncomponent = 'skill.wasm'"),
            "[components]\nrequire-signature = ['RWQ']\n",
            "",
            "components.require-signature",
            2,
        ),
    ] {
        let workspace = workspace(&project);
        let said = refused(&workspace, policy);
        if asks.is_empty() {
            let asks = "is the component `logic.wasm`, which nobody has signed";
            assert_eq!(said, refusal("the logic of Expert `plain`", asks, field, line));
        } else {
            assert_eq!(said, refusal(HELPER, asks, field, line));
        }
        // The same project under a policy that does not speak of it.
        allowed(&workspace, "[ceilings]\nmemory = '1GiB'\n");
    }
}

#[test]
fn what_is_within_the_ceilings_is_not_refused() {
    let network = "[ceilings]\nnetwork = ['https://*.exa.ai']\n";
    allowed(&workspace(&with_grant("network = ['https://api.exa.ai'], secrets = { KEY = ['*.api.exa.ai'] }")), network);
    allowed(&workspace(&with_skill("type = 'mcpSseSkill'\nendpoint = 'https://mcp.exa.ai/sse'")), network);
    allowed(&workspace(PROJECT), "native = 'deny'\n[ceilings]\nnetwork = []\nfilesystem = []\n");
}

#[test]
fn files_are_granted_within_the_ceilings_by_their_real_path() {
    let granted = |access: &str| with_grant(&format!("filesystem = [{{ path = 'in', access = '{access}' }}]"));
    let workspace = workspace(&granted("write"));
    workspace.write("in/file", "");
    let root = workspace.path().canonicalize().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(&root, elsewhere.path().join("link")).unwrap();
    symlink(elsewhere.path(), root.join("out")).unwrap();
    let policy = |path: &Path, access: &str| {
        format!("[ceilings]\nfilesystem = [{{ path = '{}', access = '{access}' }}]\n", path.display())
    };
    allowed(&workspace, &policy(&root, "write"));
    allowed(&workspace, &policy(&root.join("in"), "write"));
    // The ceiling may be a link, and then means what it leads to.
    allowed(&workspace, &policy(&elsewhere.path().join("link"), "write"));
    for (path, access) in [
        (root.clone(), "read"),
        (root.join("in/below"), "write"),
        (root.join("i"), "write"),
        (elsewhere.path().to_owned(), "write"),
        (elsewhere.path().join("missing"), "write"),
    ] {
        let asks = format!("is granted files `in` (`{}`): write", root.join("in").display());
        assert_eq!(refused(&workspace, &policy(&path, access)), refusal(HELPER, &asks, "ceilings.filesystem", 2));
    }
    assert!(refused(&workspace, "[ceilings]\nfilesystem = []\n").contains("policy.toml:2"));
    workspace.write("perstack.toml", granted("read"));
    allowed(&workspace, &policy(&root, "read"));
    // A link within the workspace that leads out of the ceiling.
    workspace.write("perstack.toml", with_grant("filesystem = [{ path = 'out', access = 'read' }]"));
    assert!(refused(&workspace, &policy(&root, "write")).contains("is granted files `out`"));
}

#[test]
fn the_skill_that_models_have_is_bound_too() {
    let workspace = workspace("[experts.plain]\ninstruction = 'x'\n");
    let said = refused(&workspace, "[ceilings]\nfilesystem = [{ path = '/srv', access = 'write' }]\n");
    assert!(said.starts_with("error: skill `@perstack/base` of Expert `plain` is granted files `.` "), "{said}");
    let declared = "[experts.plain.skills.'@perstack/base']\ntype = 'mcpStdioSkill'\ncommand = 'npx'\n\
                    packageName = '@perstack/base'\n";
    workspace.write("perstack.toml", format!("[experts.plain]\ninstruction = 'x'\n{declared}"));
    // Nothing native: it is a component here.
    allowed(&workspace, "native = 'deny'\n");
    assert!(refused(&workspace, "[ceilings]\nfilesystem = []\n").contains("`@perstack/base`"));
}

#[test]
fn other_runtimes_are_native_programs() {
    let workspace = workspace(&format!("runtime = 'cursor'\n{PROJECT}"));
    let said = refused(&workspace, "native = 'deny'\n");
    let asks = "has `runtime = \"cursor\"`, which starts native programs";
    assert_eq!(said, refusal("this project", asks, "native", 1));
}

/// `docker` asks for a boundary, which every skill has here. Nothing is started for it.
#[test]
fn docker_is_local_under_a_policy_too() {
    for runtime in ["local", "docker"] {
        let workspace = workspace(&format!("runtime = '{runtime}'\n{PROJECT}"));
        let ran = run(&workspace, "native = 'deny'\n");
        assert_eq!(ran.stderr, "", "{runtime}");
        assert_eq!(ran.events()[0]["type"], "initializeRuntime", "{runtime}");
    }
}

#[test]
fn experts_that_come_with_the_program_are_bound_too() {
    let workspace = Workspace::new();
    workspace.write("policy.toml", "[components]\nrequire-signature = []\n");
    let ran = workspace.run(&["run", "tic-tac-toe", "x", "--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("the logic of Expert `tic-tac-toe` is the component"), "{}", ran.stderr);
}

#[test]
fn the_first_policy_that_is_named_counts() {
    let workspace = workspace(&with_grant("network = ['https://api.exa.ai']"));
    workspace.write("deny.toml", "[ceilings]\nnetwork = []\n");
    workspace.write("allow.toml", "");
    let run = |variable: &str, option: &[&str]| {
        let mut command = workspace.command(&[&["run", "plain", "query"], option].concat());
        let ran: Ran = command.env("PERSTACK_POLICY", variable).output().unwrap().into();
        ran.stderr
    };
    assert!(run("deny.toml", &[]).contains("(deny.toml:2)"));
    assert!(!run("deny.toml", &["--policy", "allow.toml"]).contains("policy"));
    assert!(run("allow.toml", &["--policy", "deny.toml"]).contains("(deny.toml:2)"));
    // A file of variables belongs to the project, and may not choose its own policy.
    workspace.write(".env", "PERSTACK_POLICY=allow.toml\n");
    assert!(run("deny.toml", &[]).contains("(deny.toml:2)"));
}

#[test]
fn a_policy_that_cannot_be_read_stops_every_command() {
    let workspace = workspace(PROJECT);
    workspace.write("folder/file", "");
    workspace.write("bytes.toml", b"\xff");
    workspace.write("large.toml", "#".repeat((64 << 10) + 1));
    workspace.write("wrong.toml", "native = 'deny'\n[ceilings]\nnetwrk = []\n");
    for command in [&["run", "plain", "x"][..], &["start", "plain", "x"], &["log"], &["doctor"], &[]] {
        for (policy, message) in [
            ("missing.toml", "the host policy `missing.toml` cannot be read: No such file"),
            ("folder", "the host policy `folder` cannot be read: it is not a regular file"),
            ("bytes.toml", "the host policy `bytes.toml` is not UTF-8 text"),
            ("large.toml", "the host policy `large.toml` has more than 65536 bytes"),
            ("wrong.toml", "unknown field `netwrk` in `ceilings`"),
        ] {
            let ran = workspace.run(&[command, &["--policy", policy]].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command:?} {policy}");
            assert!(ran.stderr.contains(message), "{command:?}: {}", ran.stderr);
            let place = if policy == "wrong.toml" { "wrong.toml:3:1" } else { "hint: nothing runs without it" };
            assert!(ran.stderr.contains(place), "{command:?}: {}", ran.stderr);
        }
    }
    let empty: Ran = workspace.command(&["log"]).env("PERSTACK_POLICY", "").output().unwrap().into();
    assert_eq!(empty.code, Some(2), "a name that is empty names no policy");
    // What does nothing needs none.
    for harmless in ["--version", "--help"] {
        let ran: Ran = workspace.command(&[harmless]).env("PERSTACK_POLICY", "missing.toml").output().unwrap().into();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

#[test]
fn a_limit_that_the_policy_lowered_is_named_when_it_is_hit() {
    let workspace = workspace(&PROJECT.replace("logic.wasm\" }", "logic.wasm\", limits = { memory = \"64MiB\" } }"));
    let ran = run(&workspace, "[ceilings]\nmemory = '64KiB'\n");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let failed = ran.events().into_iter().find(|event| event["type"] == "stopRunByError").unwrap();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("64KiB memory, which the host policy sets"), "{message}");
}

#[test]
fn what_is_typed_to_go_on_keeps_the_policy() {
    let workspace = Workspace::new();
    workspace.write("policy.toml", "native = 'deny'\n");
    let ran = workspace.run(&["start", "tic-tac-toe", "Let's play!", "--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("--policy policy.toml"), "{}", ran.stdout);
}

/// The example of the documentation is a policy, and one that can be put in place.
#[test]
fn the_documented_policy_can_be_used() {
    let documentation = fs::read_to_string(repository().join("docs/operators.md")).unwrap();
    let (_, rest) = documentation.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let workspace = Workspace::new();
    workspace.write("policy.toml", example);
    let ran = workspace.run(&["doctor", "--json", "--policy", "policy.toml"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let found = &ran.events()[0]["policy"];
    assert_eq!(
        (&found["native"], &found["engine"], &found["strict"]),
        (&"deny".into(), &"compiled".into(), &true.into())
    );
}
