//! Starting one program, and waiting for it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use crate::confine::Confinement;
use crate::output::{Said, read};

/// Where programs are looked for that are named without a path, here and by what is started.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Arguments and variables, and their bytes together: a quarter of what Linux passes on.
const MAX_ARGUMENTS: usize = 1000;
const MAX_ARGUMENT_BYTES: usize = 32 << 10;
/// How long the rest of the output is waited for when the program has ended: what it started may keep the pipe open.
const REST: Duration = Duration::from_millis(500);

/// Programs that may be started, by the names that a project gives them.
#[derive(Clone, Debug, Default)]
pub struct Programs(BTreeMap<String, PathBuf>);

/// A program that cannot be one of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProgram {
    /// Neither a name nor an absolute path.
    #[error("`{0}` is neither the name of a program nor an absolute path")]
    Name(String),
    /// It is not on this machine.
    #[error("there is no program `{0}` in {PATH}")]
    Missing(String),
}

impl Programs {
    /// Looks for programs, each by a name or an absolute path.
    ///
    /// # Errors
    /// [`BadProgram`].
    pub fn find(names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, BadProgram> {
        let find = |name: &str| {
            let path = Path::new(name);
            if path.is_absolute() {
                return if path.is_file() { Ok(path.to_owned()) } else { Err(BadProgram::Missing(name.to_owned())) };
            }
            if name.is_empty() || name.contains('/') {
                return Err(BadProgram::Name(name.to_owned()));
            }
            let found = PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
            found.ok_or_else(|| BadProgram::Missing(name.to_owned()))
        };
        names
            .into_iter()
            .map(|name| Ok((name.as_ref().to_owned(), find(name.as_ref())?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The program of this name, if it is one of them.
    pub fn get(&self, name: &str) -> Option<Program<'_>> {
        self.0.get_key_value(name).map(|(name, path)| Program { name, path })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// One that may be started.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    name: &'a str,
    path: &'a Path,
}

/// How a program is started.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its variables, beside the few that every program has.
    pub environment: BTreeMap<String, String>,
    /// The folder that it is started in, relative to the workspace.
    pub folder: String,
    /// How long it may take.
    pub timeout: Duration,
    /// Bytes that are kept of its output, and of its errors.
    pub output: usize,
    /// Bytes that a file may have that it writes.
    pub file_size: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it wrote to its output.
    pub stdout: String,
    /// What it wrote to its errors.
    pub stderr: String,
    /// Why it did not end well: `exit status 1`, `killed by signal 9`; absent where it did.
    pub failure: Option<String>,
}

/// Why a program was not started, or did not end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The folder is none that it may be started in.
    #[error("`{0}` is no folder of the workspace")]
    BadFolder(String),
    /// A variable decides which code is loaded.
    #[error("the variable `{0}` may not be set")]
    BadVariable(String),
    /// There are too many arguments and variables, or they are too long.
    #[error("arguments and variables have more than {MAX_ARGUMENTS} entries or {MAX_ARGUMENT_BYTES} bytes")]
    TooMany,
    /// It could not be confined, and so was not started.
    #[error("`{name}` was not started: it cannot be confined: {reason}")]
    NotConfined {
        /// The program.
        name: String,
        /// Why.
        reason: String,
    },
    /// It could not be started.
    #[error("`{name}` cannot be started: {reason}")]
    NotStarted {
        /// The program.
        name: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("`{name}` was ended after {} s", .limit.as_secs_f64())]
    Timeout {
        /// The program.
        name: String,
        /// What it may take.
        limit: Duration,
        /// What it had written by then.
        stdout: String,
        /// The same of its errors.
        stderr: String,
    },
}

impl Program<'_> {
    /// Starts the program and waits for it. It ends when the answer is dropped, with all that it started in its group.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(self, invocation: &Invocation, confinement: &Confinement) -> Result<Ended, RunError> {
        check(invocation)?;
        let folder = self.folder(&invocation.folder, confinement)?;
        let not_started =
            |error: &io::Error| RunError::NotStarted { name: self.name.to_owned(), reason: error.to_string() };
        let temporary =
            tempfile::Builder::new().prefix("perstack-exec-").tempdir().map_err(|error| not_started(&error))?;
        let mut command = Command::new(self.path);
        command
            .args(&invocation.arguments)
            .env_clear()
            .envs([("PATH", PATH), ("LANG", "C.UTF-8")])
            .env("HOME", temporary.path())
            .env("TMPDIR", temporary.path())
            .envs(&invocation.environment)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = self.spawn(command, confinement, temporary.path()).await?;
        let group = Group::of(&child);
        group.limit(invocation.file_size);
        let receiver = |pipe: Option<OsPipe>| pipe.map(OsPipe::receiver).transpose();
        let stdout =
            receiver(child.stdout.take().map(|pipe| OsPipe(pipe.into()))).map_err(|error| not_started(&error))?;
        let stderr =
            receiver(child.stderr.take().map(|pipe| OsPipe(pipe.into()))).map_err(|error| not_started(&error))?;

        let (mut out, mut err) = (Said::default(), Said::default());
        let ended = {
            let wait = tokio::task::spawn_blocking(move || child.wait());
            let reading = async {
                let read_out = async {
                    if let Some(stdout) = stdout {
                        read(stdout, invocation.output, &mut out).await;
                    }
                };
                let read_err = async {
                    if let Some(stderr) = stderr {
                        read(stderr, invocation.output, &mut err).await;
                    }
                };
                tokio::join!(read_out, read_err);
            };
            let mut reading = std::pin::pin!(reading);
            let both = async {
                // Dropped with this, where it takes too long.
                let group = group;
                let mut wait = std::pin::pin!(wait);
                tokio::select! {
                    ended = &mut wait => {
                        // What it started may go on writing, and is ended with it.
                        drop(group);
                        drop(tokio::time::timeout(REST, reading).await);
                        ended
                    }
                    () = &mut reading => wait.await,
                }
            };
            tokio::time::timeout(invocation.timeout, both).await
        };
        let (stdout, stderr) = (out.shown(), err.shown());
        match ended {
            Ok(Ok(Ok(status))) => Ok(Ended { stdout, stderr, failure: failure(status) }),
            Ok(Ok(Err(error))) => Err(not_started(&error)),
            Ok(Err(error)) => Err(not_started(&io::Error::other(error))),
            Err(_) => Err(RunError::Timeout { name: self.name.to_owned(), limit: invocation.timeout, stdout, stderr }),
        }
    }

    fn folder(self, folder: &str, confinement: &Confinement) -> Result<PathBuf, RunError> {
        let bad = || RunError::BadFolder(folder.to_owned());
        let real = confinement.workspace().join(folder).canonicalize().map_err(|_| bad())?;
        if real.is_dir() && confinement.reaches(&real) { Ok(real) } else { Err(bad()) }
    }

    /// Starts it from a thread of its own: Landlock confines that thread, and what it starts.
    async fn spawn(self, mut command: Command, confinement: &Confinement, temporary: &Path) -> Result<Child, RunError> {
        let (confinement, temporary, name) = (confinement.clone(), temporary.to_owned(), self.name.to_owned());
        let start = move || {
            confinement.apply(&temporary).map_err(|reason| RunError::NotConfined { name: name.clone(), reason })?;
            command.spawn().map_err(|error| RunError::NotStarted { name, reason: error.to_string() })
        };
        let not_started = |reason: String| RunError::NotStarted { name: self.name.to_owned(), reason };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let thread = thread::Builder::new().name("native-start".into());
        // Nobody waits any more where sending fails; the child's group is ended by nobody then, but it has not begun.
        let started = thread.spawn(move || {
            if let Err(Ok(mut child)) = sender.send(start()) {
                drop(child.kill());
                drop(child.wait());
            }
        });
        started.map_err(|error| not_started(error.to_string()))?;
        receiver.await.map_err(|error| not_started(error.to_string()))?
    }
}

/// Refuses what could make the program another one, and what is too large to be passed on.
fn check(invocation: &Invocation) -> Result<(), RunError> {
    for name in invocation.environment.keys() {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let loads_code = name.starts_with("LD_")
            || name.starts_with("DYLD_")
            || name == "PATH"
            || name == "HOME"
            || name == "TMPDIR";
        if !is_name || loads_code {
            return Err(RunError::BadVariable(name.clone()));
        }
    }
    let variables = invocation.environment.iter().flat_map(|(name, value)| [name, value]);
    let bytes: usize = invocation.arguments.iter().chain(variables).map(String::len).sum();
    let entries = invocation.arguments.len() + invocation.environment.len();
    if entries > MAX_ARGUMENTS || bytes > MAX_ARGUMENT_BYTES { Err(RunError::TooMany) } else { Ok(()) }
}

pub(crate) fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(signal)) => Some(format!("killed by signal {signal}")),
        (None, None) => Some(status.to_string()),
    }
}

/// A program with what it started, ended when nobody waits for it any more.
struct Group(Pid);

impl Group {
    fn of(child: &Child) -> Self {
        Self(Pid::from_child(child))
    }

    /// Bounds that the kernel keeps. The program may have begun; what it starts has them in any case.
    fn limit(&self, file_size: u64) {
        let most = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
        for (resource, limit) in [(Resource::Core, 0), (Resource::Fsize, file_size), (Resource::Nofile, 1024)] {
            // It may have ended by itself.
            let _ = prlimit(Some(self.0), resource, most(limit));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// An end of a pipe.
struct OsPipe(std::os::fd::OwnedFd);

impl OsPipe {
    fn receiver(self) -> io::Result<tokio::net::unix::pipe::Receiver> {
        tokio::net::unix::pipe::Receiver::from_owned_fd(self.0)
    }
}
