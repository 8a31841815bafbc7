//! Real programs, and what they reach.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use perstack_native::{BadProgram, Confinement, Ended, Invocation, Programs, RunError};
use tempfile::TempDir;

/// A limit that no test reaches.
const LONG: Duration = Duration::from_secs(300);

struct Scene {
    folder: TempDir,
}

impl Scene {
    /// A workspace beside a secret, with hidden things in it.
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["workspace/work", "workspace/plugins/more", "workspace/perstack/jobs", "outside"] {
            fs::create_dir_all(scene.path(folder)).unwrap();
        }
        for file in ["workspace/perstack/jobs/job", "workspace/.env", "outside/file"] {
            fs::write(scene.path(file), "secret").unwrap();
        }
        for file in ["workspace/perstack.toml", "workspace/plugins/skill.wasm"] {
            fs::write(scene.path(file), "its").unwrap();
        }
        fs::write(scene.path("workspace/note"), "noted").unwrap();
        scene
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    async fn run(&self, invocation: Invocation) -> Result<Ended, RunError> {
        let workspace = self.path("workspace").canonicalize().unwrap();
        let below = |names: &[&str]| names.iter().map(|name| workspace.join(name)).collect();
        let read_only = below(&["perstack.toml", "plugins/skill.wasm"]);
        let confinement = Confinement::new(&workspace, below(&["perstack", ".env"]), read_only);
        Programs::find(["sh"]).unwrap().get("sh").unwrap().run(&invocation, &confinement).await
    }

    async fn shell(&self, script: &str) -> Ended {
        self.run(shell(script)).await.unwrap()
    }
}

fn shell(script: &str) -> Invocation {
    Invocation {
        arguments: vec!["-c".into(), script.into()],
        folder: ".".into(),
        timeout: LONG,
        output: 1000,
        file_size: 10_000,
        ..Invocation::default()
    }
}

#[test]
fn programs_are_found_by_name_or_path() {
    let programs = Programs::find(["sh", "/bin/cat"]).unwrap();
    assert_eq!(programs.names().collect::<Vec<_>>(), ["/bin/cat", "sh"]);
    assert!(programs.get("cat").is_none() && programs.get("/bin/sh").is_none());
    assert_eq!(Programs::find(["./sh"]).unwrap_err(), BadProgram::Name("./sh".into()));
    assert_eq!(Programs::find(["no-such-program"]).unwrap_err(), BadProgram::Missing("no-such-program".into()));
}

#[tokio::test]
async fn a_program_works_in_the_workspace() {
    let scene = Scene::new();
    let mut invocation = shell(
        "cat note plugins/skill.wasm && ls > /dev/null && echo x > plugins/more/x; echo \"$GREETING\" > work/file; pwd; env | cut -d= -f1 | sort; echo oh >&2; exit 3",
    );
    invocation.environment.insert("GREETING".into(), "hello".into());
    let ended = scene.run(invocation).await.unwrap();
    let workspace = scene.path("workspace").canonicalize().unwrap();
    let variables = "GREETING\nHOME\nLANG\nPATH\nPWD\nTMPDIR\n";
    assert_eq!(ended.stdout, format!("notedits{}\n{variables}", workspace.display()));
    assert_eq!((ended.stderr.as_str(), ended.failure.as_deref()), ("oh\n", Some("exit status 3")));
    assert_eq!(fs::read_to_string(scene.path("workspace/work/file")).unwrap(), "hello\n");
}

#[tokio::test]
async fn nothing_else_is_reached() {
    let scene = Scene::new();
    let outside = scene.path("outside/file");
    let mine = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    for script in [
        format!("cat {}", outside.display()),
        "cat ../outside/file".to_owned(),
        format!("cat {}", mine.display()),
        format!("echo x >> {}", outside.display()),
        "cat perstack/jobs/job".to_owned(),
        "echo x > plugins/skill.wasm".to_owned(),
        "mv plugins/skill.wasm work/".to_owned(),
        "mv plugins work/".to_owned(),
        "rm -rf perstack && test ! -e perstack".to_owned(),
        "mv perstack work/".to_owned(),
        "cat .env".to_owned(),
        "ln .env work/linked && cat work/linked".to_owned(),
        "ln -s ../.env work/link && cat work/link".to_owned(),
        "echo x > .env".to_owned(),
        "echo x > perstack.toml".to_owned(),
        "echo x > new".to_owned(),
        "cat /proc/$PPID/environ".to_owned(),
        "kill -9 $PPID".to_owned(),
    ] {
        let ended = scene.shell(&script).await;
        assert!(ended.failure.is_some() && !ended.stdout.contains("secret"), "{script}: {ended:?}");
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "secret");
    for file in ["workspace/perstack.toml", "workspace/plugins/skill.wasm"] {
        assert_eq!(fs::read_to_string(scene.path(file)).unwrap(), "its");
    }
    assert_eq!(fs::read_to_string(scene.path("workspace/perstack/jobs/job")).unwrap(), "secret");
}

#[tokio::test]
async fn no_connection_is_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let scene = Scene::new();
    let port = listener.local_addr().unwrap().port();
    let ended = scene.shell(&format!("bash -c 'echo x > /dev/tcp/127.0.0.1/{port}'")).await;
    assert!(ended.failure.is_some(), "{ended:?}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn folders_are_those_of_the_workspace() {
    let scene = Scene::new();
    for folder in ["..", "/", "perstack", "perstack/jobs", "none", "note", "work/../../outside"] {
        let refused = scene.run(Invocation { folder: folder.into(), ..shell("pwd") }).await;
        assert_eq!(refused, Err(RunError::BadFolder(folder.into())));
    }
    let ended = scene.run(Invocation { folder: "work".into(), ..shell("basename $(pwd)") }).await.unwrap();
    assert_eq!(ended.stdout, "work\n");
}

#[tokio::test]
async fn what_is_passed_on_is_bounded() {
    let scene = Scene::new();
    for name in ["LD_PRELOAD", "PATH", "HOME", "", "A=B", "A B"] {
        let mut invocation = shell("true");
        invocation.environment.insert(name.into(), "x".into());
        assert_eq!(scene.run(invocation).await, Err(RunError::BadVariable(name.into())));
    }
    let mut invocation = shell("true");
    invocation.arguments.push("x".repeat(40_000));
    assert_eq!(scene.run(invocation).await, Err(RunError::TooMany));
}

#[tokio::test]
async fn output_and_files_are_bounded() {
    let scene = Scene::new();
    let ended = scene.shell("head -c 1000000 /dev/zero | tr '\\0' x").await;
    assert_eq!(ended.stdout, format!("{}\n[cut off here: 999000 more bytes]", "x".repeat(1000)));
    // Setting the limit and starting race; a program that was there before has it.
    scene.shell("sleep 0.2; head -c 1000000 /dev/zero > work/large").await;
    assert!(fs::metadata(scene.path("workspace/work/large")).unwrap().len() <= 10_000);
}

#[tokio::test]
async fn a_program_ends_with_all_that_it_started() {
    let scene = Scene::new();
    let pid = || fs::read_to_string(scene.path("workspace/work/pid")).unwrap().trim().to_owned();
    let gone = |pid: &str| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    };
    let ends = async || {
        // The kernel takes a moment.
        for _ in 0..500 {
            if gone(&pid()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} is there still", pid());
    };
    let leaving = "sleep 1000 & echo $! > work/pid; echo left";
    let ended = scene.shell(leaving).await;
    assert_eq!((ended.stdout.as_str(), ended.failure), ("left\n", None));
    ends().await;

    let timeout = Duration::from_millis(500);
    let staying = Invocation { timeout, ..shell(&format!("{leaving}; sleep 1000")) };
    let ended = scene.run(staying).await.unwrap_err();
    assert!(matches!(&ended, RunError::Timeout { stdout, .. } if stdout == "left\n"), "{ended:?}");
    ends().await;
}
