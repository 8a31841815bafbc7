//! What a process gives up under a host policy, seen from outside of it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::anthropic::{call, reply, serve, text};
use crate::harness::{Ran, Workspace};

const DENY: &str = "native = 'deny'\n";
const INTERPRETER: &str = "engine = 'interpreter'\n";
/// All moves that there may be to make, in an order that ends every game.
const MOVES: &str = "5\n1\n9\n3\n2\n7\n8\n6\n4\n";

/// A game that waits for the first move, in a process of its own.
struct Waiting {
    child: Child,
    shown: String,
}

impl Waiting {
    fn begin(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut shown, mut part) = (Vec::new(), [0; 1024]);
        let stdout = child.stdout.as_mut().unwrap();
        while !String::from_utf8_lossy(&shown).contains(" › ") {
            let read = stdout.read(&mut part).unwrap();
            if read == 0 {
                let ran: Ran = child.wait_with_output().unwrap().into();
                panic!("it ended before it asked: {}", ran.stderr);
            }
            shown.extend_from_slice(&part[..read]);
        }
        Self { child, shown: String::from_utf8(shown).unwrap() }
    }

    /// A file of its own in /proc.
    fn about(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap()
    }

    /// Plays to the end.
    fn play(mut self) -> String {
        drop(self.child.stdin.take().unwrap().write_all(MOVES.as_bytes()));
        let ran: Ran = self.child.wait_with_output().unwrap().into();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        self.shown + &ran.stdout
    }
}

fn game(workspace: &Workspace, policy: &str) -> Command {
    workspace.write("policy.toml", policy);
    workspace.command(&["start", "tic-tac-toe", "Let's play!", "--policy", "policy.toml"])
}

/// The value of a line of `/proc/PID/status`.
fn value(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().parse().unwrap()
}

#[test]
fn every_thread_is_filtered_while_it_waits() {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    for (policy, filters) in [("", 0), (DENY, 3), ("native = 'deny'\nengine = 'interpreter'\n", 4)] {
        let workspace = Workspace::new();
        let waiting = Waiting::begin(game(&workspace, policy));
        let tasks = fs::read_dir(format!("/proc/{}/task", waiting.child.id())).unwrap();
        let statuses = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        let statuses: Vec<String> = statuses.collect();
        assert!(statuses.len() > 1, "its threads are among those that are looked at");
        for status in statuses {
            assert_eq!(value(&status, "Seccomp_filters"), value(&own, "Seccomp_filters") + filters, "{policy}");
            assert_eq!(value(&status, "NoNewPrivs") == 1, filters > 0 || value(&own, "NoNewPrivs") == 1, "{policy}");
            if filters > 0 {
                assert_eq!(value(&status, "Seccomp"), 2);
            }
        }
        assert!(waiting.play().contains("Score of all games: "));
    }
}

/// Jobs are kept in the workspace; what leads out of it is closed, for root too.
#[test]
fn files_elsewhere_are_out_of_reach() {
    let elsewhere = tempfile::tempdir().unwrap();
    for (policy, code) in [("", Some(0)), (INTERPRETER, Some(0)), (DENY, Some(1))] {
        let workspace = Workspace::new();
        workspace.write("policy.toml", policy);
        symlink(elsewhere.path(), workspace.path().join("perstack")).unwrap();
        let ran = workspace.run(&["run", "tic-tac-toe", "x", "--policy", "policy.toml"]);
        assert_eq!(ran.code, code, "{policy}: {}", ran.stderr);
        let jobs = fs::read_dir(elsewhere.path()).unwrap().count();
        assert_eq!(jobs > 0, code == Some(0));
        if jobs == 0 {
            assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
        }
        for job in fs::read_dir(elsewhere.path()).unwrap() {
            fs::remove_dir_all(job.unwrap().path()).unwrap();
        }
    }
}

/// All that a run needs is within reach: its project, components above the workspace, variables, the model's service.
#[test]
fn a_run_with_a_model_has_all_that_it_needs() {
    let arguments = serde_json::json!({ "path": "note", "text": "noted" }).to_string();
    let (url, _requests) = serve(vec![
        reply(&[call("toolu_1", "writeTextFile", &arguments)], "tool_use", [20, 0, 30]),
        reply(&[text(&["Noted."])], "end_turn", [20, 0, 30]),
    ]);
    let project = Workspace::new();
    project.write("perstack.toml", "[experts.writer]\ninstruction = 'Write.'\nskills.score = { type = 'wasmSkill', component = 'parts/score.wasm' }\n");
    project.write("parts/score.wasm", fs::read(perstack_test_artifacts::SCOREBOARD).unwrap());
    project.write("keys.env", format!("ANTHROPIC_API_KEY=sk-7f3k2\nANTHROPIC_BASE_URL={url}\n"));
    project.write("policy.toml", "native = 'deny'\nengine = 'interpreter'\nstrict = true\n");
    project.write("work/file", "");
    let home = tempfile::tempdir().unwrap();
    let arguments = ["run", "writer", "Go", "--policy", "policy.toml", "--workspace", "work", "--env-path", "keys.env"];
    // Its caches are not there yet.
    let ran: Ran = project.command(&arguments).env("HOME", home.path()).output().unwrap().into();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(project.path().join("work/note")).unwrap(), "noted");
    assert!(home.path().join(".cache/perstack/components").read_dir().unwrap().next().is_some());
    let log = project.run(&["log", "--workspace", "work", "--policy", "policy.toml"]);
    assert_eq!((log.code, log.stderr.as_str()), (Some(0), ""));
    assert!(log.stdout.contains("writeTextFile"), "{}", log.stdout);
    let list = project.run(&["--policy", "policy.toml"]);
    assert!(list.stdout.contains("writer"), "{}", list.stdout);
}

/// The file of credentials is where its provider looks for it, outside of the workspace, and nobody else's file is reached.
#[test]
fn a_run_reaches_the_credentials_of_its_model() {
    let home = tempfile::tempdir().unwrap();
    let login = home.path().join(".config/gcloud");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir_all(&login).unwrap();
    for folder in [login.as_path(), elsewhere.path()] {
        // What is read is refused, which shows that it was read.
        fs::write(folder.join("application_default_credentials.json"), "{\"type\":\"external_account\"}").unwrap();
    }
    let named = elsewhere.path().join("application_default_credentials.json");
    let workspace = Workspace::new();
    workspace.write("perstack.toml", "[experts.writer]\ninstruction = 'Write.'\n");
    workspace.write("policy.toml", DENY);
    workspace.write("named.env", format!("GOOGLE_APPLICATION_CREDENTIALS={}\n", named.display()));
    let run = |arguments: &[&str], variable: Option<(&str, &Path)>| -> String {
        let run = ["run", "writer", "Go", "--policy", "policy.toml", "--provider", "google-vertex"];
        let mut command = workspace.command(&[&run, arguments].concat());
        let ran: Ran = command.env("HOME", home.path()).envs(variable).output().unwrap().into();
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.stderr
    };
    for variable in
        [None, Some(("GOOGLE_APPLICATION_CREDENTIALS", named.as_path())), Some(("CLOUDSDK_CONFIG", elsewhere.path()))]
    {
        let said = run(&[], variable);
        assert!(said.contains("it is of type `external_account`"), "{variable:?}: {said}");
    }
    let said = run(&["--env-path", "named.env"], None);
    assert!(said.contains("Permission denied"), "{said}");
}

#[test]
fn a_component_is_packed_under_a_policy() {
    let workspace = Workspace::new();
    workspace.write("policy.toml", DENY);
    workspace.write("typed.wasm", fs::read(perstack_test_artifacts::TYPED).unwrap());
    let wit = perstack_test_artifacts::TYPED_WIT;
    let ran = workspace.run(&[
        "skill",
        "pack",
        "typed.wasm",
        "--wit",
        wit,
        "--world",
        "laboratory",
        "--policy",
        "policy.toml",
    ]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(workspace.path().join("typed.packed.wasm").exists());
}

/// Makes a command's process one that may not make memory executable, as some hosts do.
fn forbid_executable_memory(command: &mut Command) {
    #[expect(unsafe_code, reason = "only a system call is made between fork and exec")]
    unsafe {
        command.pre_exec(|| {
            match libc::prctl(libc::PR_SET_MDWE, libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN), 0, 0, 0) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
}

#[test]
fn a_host_without_executable_memory_plays_a_game() {
    for home in ["compiled before", "not compiled before"] {
        let home = Workspace::new().path().join(home);
        let workspace = Workspace::new();
        let mut command = game(&workspace, INTERPRETER);
        forbid_executable_memory(command.env("HOME", &home));
        let shown = Waiting::begin(command).play();
        assert!(shown.contains("Score of all games: "), "{shown}");
    }
    // With machine code there is none.
    let workspace = Workspace::new();
    let mut command = game(&workspace, "engine = 'compiled'\n");
    forbid_executable_memory(&mut command);
    let ran: Ran = command.stdin(Stdio::null()).output().unwrap().into();
    assert_eq!(ran.code, Some(2), "{}{}", ran.stdout, ran.stderr);
}

/// Mappings that are executable and belong to no file: code that was made.
fn made_code(waiting: &Waiting) -> Vec<String> {
    let maps = waiting.about("maps");
    let executable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.contains('x')));
    executable
        .filter(|line| !line.contains('/') && !line.contains("[vdso]") && !line.contains("[vsyscall]"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_interpreter_maps_no_code() {
    let workspace = Workspace::new();
    let waiting = Waiting::begin(game(&workspace, INTERPRETER));
    assert_eq!(made_code(&waiting), [""; 0]);
    waiting.play();
    // Machine code is seen by the same eyes.
    let waiting = Waiting::begin(game(&workspace, "engine = 'compiled'\n"));
    assert!(!made_code(&waiting).is_empty());
    waiting.play();
}

/// What the interpreter gives up is not taken from programs that a project may start: those could not even be loaded.
#[test]
fn programs_that_may_be_started_are_not_bound_by_the_interpreter() {
    let workspace = Workspace::new();
    workspace.write(
        "perstack.toml",
        "[experts.runner]\ninstruction = 'Run.'\n[experts.runner.skills.'@perstack/base']\ntype = 'mcpStdioSkill'\n\
         command = 'npx'\npackageName = '@perstack/base'\nexec = ['cat']\n",
    );
    workspace.write("work/note", "noted");
    workspace.write("policy.toml", INTERPRETER);
    workspace.write(
        "replies.toml",
        "[[experts.runner.replies]]\n\
         toolCalls = [{ name = 'exec', arguments = { command = 'cat', args = ['work/note'] } }]\n\
         [[experts.runner.replies]]\ntext = 'Done.'\n",
    );
    let model = ["--provider", "scripted", "--model", "replies.toml"];
    let ran = workspace.run(&[&["run", "runner", "Go", "--policy", "policy.toml"][..], &model].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("noted"), "{}", ran.stdout);
}

/// Makes a command's process one on a kernel without Landlock.
fn hide_landlock(command: &mut Command) {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let number = u32::try_from(libc::SYS_landlock_create_ruleset).unwrap();
    let filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    #[expect(unsafe_code, reason = "only system calls are made between fork and exec, with memory that outlives them")]
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

#[test]
fn what_cannot_be_put_in_place_is_said_and_stops_where_it_must() {
    let missing = "cannot be enforced: no file outside the workspace, caches and configuration is opened \
                   (this kernel has no Landlock)";
    let run = |policy: &str, arguments: &[&str]| -> Ran {
        let workspace = Workspace::new();
        workspace.write("policy.toml", policy);
        let mut command = workspace.command(&[arguments, &["--policy", "policy.toml"]].concat());
        hide_landlock(&mut command);
        command.output().unwrap().into()
    };
    let game = ["run", "tic-tac-toe", "x"];
    let lenient = run(DENY, &game);
    assert_eq!((lenient.code, lenient.stderr), (Some(0), format!("warning: {missing}\n")));
    let strict = run("native = 'deny'\nstrict = true\n", &game);
    assert_eq!((strict.code, strict.stdout.as_str()), (Some(2), ""));
    assert!(strict.stderr.starts_with(&format!("error: {missing}\n  hint: ")), "{}", strict.stderr);
    // Nothing was asked for.
    let open = run("strict = true\n", &game);
    assert_eq!((open.code, open.stderr.as_str()), (Some(0), ""));
    for (policy, code) in [(DENY, 0), ("native = 'deny'\nstrict = true\n", 1), ("strict = true\n", 0)] {
        let doctor = run(policy, &["doctor"]);
        assert_eq!(doctor.code, Some(code), "{policy}: {}{}", doctor.stdout, doctor.stderr);
        assert!(doctor.stdout.contains("Landlock ✗"), "{}", doctor.stdout);
        assert_eq!(doctor.stdout.contains(missing), policy.contains("deny"), "{}", doctor.stdout);
    }
}
