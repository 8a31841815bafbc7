//! Every door that leads to a native program, tried by a user who may do little, under a policy that closes them all.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::harness::{Ran, files, program};

const NOBODY: u32 = 65_534;

/// What an Expert that starts a native program may look like, with what is said about it.
const DOORS: &[(&str, &str)] = &[
    (
        "[experts.a]\ninstruction = 'x'\nskills.s = { type = 'mcpStdioSkill', command = 'PROGRAM' }\n",
        "skill `s` of Expert `a` starts the native program `PROGRAM`",
    ),
    (
        "[experts.a]\ninstruction = 'x'\nskills.s = { type = 'mcpStdioSkill', command = 'npx', packageName = 'PROGRAM', lazyInit = true }\n",
        "skill `s` of Expert `a` starts the native program `npx`",
    ),
    (
        "[experts.a]\ninstruction = 'x'\n[experts.a.skills.'@perstack/base']\ntype = 'mcpStdioSkill'\ncommand = 'npx'\npackageName = '@perstack/base'\nexec = ['PROGRAM']\n",
        "skill `@perstack/base` of Expert `a` starts the native program `PROGRAM`",
    ),
    (
        "[experts.a]\ninstruction = 'x'\ndelegates = ['b']\n[experts.b]\ninstruction = 'y'\nskills.s = { type = 'mcpStdioSkill', command = 'PROGRAM' }\n",
        "skill `s` of Expert `b` starts the native program `PROGRAM`",
    ),
    ("runtime = 'cursor'\n[experts.a]\ninstruction = 'x'\n", "this project has `runtime = \"cursor\"`"),
];

#[test]
fn no_door_leads_to_a_native_program() {
    // The program and the workspace where everybody can reach them.
    let (place, workspace) = (tempfile::tempdir_in("/tmp").unwrap(), tempfile::tempdir_in("/tmp").unwrap());
    let at = |name: &str| place.path().join(name);
    let executable = Permissions::from_mode(0o755);
    fs::set_permissions(place.path(), executable.clone()).unwrap();
    fs::copy(program(), at("perstack")).unwrap();
    fs::write(at("native"), format!("#!/bin/sh\ntouch '{}/started'\n", workspace.path().display())).unwrap();
    fs::set_permissions(at("native"), executable).unwrap();
    let native = at("native").display().to_string();
    // Whoever may give a file away is root.
    let as_root = chown(workspace.path(), Some(NOBODY), Some(NOBODY)).is_ok();
    let run = |policy: &str, expert: &str| {
        fs::write(workspace.path().join("policy.toml"), policy).unwrap();
        let mut command = Command::new(at("perstack"));
        command.current_dir(&workspace).args(["run", expert, "Let's play!", "--policy", "policy.toml"]).env_clear();
        command.env("HOME", workspace.path().join("home")).env("ANTHROPIC_API_KEY", "sk-1");
        command.env("ANTHROPIC_BASE_URL", "http://127.0.0.1:9").env("NO_COLOR", "1");
        if as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::from(command.output().unwrap())
    };
    for (project, said) in DOORS {
        fs::write(workspace.path().join("perstack.toml"), project.replace("PROGRAM", &native)).unwrap();
        let ran = run("native = 'deny'\nstrict = true\n", "a");
        assert_eq!(ran.code, Some(2), "{project}: {ran:?}");
        for said in [said.replace("PROGRAM", &native).as_str(), "the host policy does not allow it (policy.toml:1)"] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
        assert!(!workspace.path().join("started").exists(), "{project}");
        assert!(!workspace.path().join("perstack").exists(), "nothing had begun: {:?}", files(workspace.path()));
    }
    // What needs no door works for the same user, and all protections are in place: `strict` says so.
    let ran = run("native = 'deny'\nengine = 'interpreter'\nstrict = true\n", "tic-tac-toe");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}
