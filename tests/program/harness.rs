//! Running the program in a workspace of its own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The program, built as it stands, in the profile of these tests.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "perstack", "--message-format", "json-render-diagnostics"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        let output = cargo.current_dir(repository()).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "the program does not build");
        let messages = String::from_utf8(output.stdout).unwrap();
        let mut executables = messages.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        });
        executables.next_back().expect("cargo names the program")
    })
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder that `.ci/run` makes and names in a variable; none where it was not asked for, but never in CI.
pub(crate) fn installed(variable: &str, what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    assert!(folder.is_some() || std::env::var_os("CI").is_none(), "{variable} is not set");
    if folder.is_none() {
        eprintln!("skipped: {variable} names no folder with {what}");
    }
    folder
}

/// A workspace for one test. The cache of compiled components is shared by all.
pub(crate) struct Workspace(TempDir);

/// What came out of one command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        // In memory where that is there: what is tested waits for the disk at every step.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self(folder.unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Another workspace that is just like this one.
    pub(crate) fn copy(&self) -> Self {
        let other = Self::new();
        for file in files(self.path()) {
            let target = other.path().join(file.strip_prefix(self.path()).unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, target).unwrap();
        }
        other
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The program with these arguments, in this workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_in(self.path(), arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        run_with_input(self.command(arguments), input)
    }

    /// The one job of this workspace.
    pub(crate) fn job(&self) -> Job {
        let mut jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "one job");
        jobs.remove(0)
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        let Ok(entries) = fs::read_dir(self.path().join("perstack/jobs")) else { return Vec::new() };
        let folders = entries.map(|entry| entry.unwrap().path());
        folders.filter(|folder| folder.join("job.json").exists()).map(Job).collect()
    }
}

pub(crate) fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
    let mut command = Command::new(program());
    command.current_dir(folder).args(arguments).env_clear();
    command.env("HOME", home).env("NO_COLOR", "1");
    command
}

pub(crate) fn run_with_input(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who reads less than everything closes the pipe early.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap().into()
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The events that were printed.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// One job on disk.
pub(crate) struct Job(PathBuf);

impl Job {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn json(&self) -> Value {
        read(&self.0.join("job.json"))
    }

    /// Where the job goes on.
    pub(crate) fn checkpoint(&self) -> Value {
        let id = self.json()["latestCheckpointId"].as_str().unwrap().to_owned();
        read(&self.0.join("checkpoints").join(format!("{id}.json")))
    }

    /// What the job waits for, if it does.
    pub(crate) fn question(&self) -> Option<Value> {
        let checkpoint = self.checkpoint();
        let waits = checkpoint["status"] == "stoppedByInteractiveTool";
        waits.then(|| checkpoint["pendingToolCalls"][0].clone())
    }
}

pub(crate) fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
