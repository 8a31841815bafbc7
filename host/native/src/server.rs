//! Starting a server: a program that runs beside this one, and talks over its input and output.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use crate::program::PATH;
use crate::supervisor::NAME;

/// This program, whatever has become of its file.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How long a supervisor may take to end a server: what it grants to it, and a bit.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProgram {
    /// The file.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// All its variables.
    pub environment: BTreeMap<String, String>,
    /// Where it is started.
    pub folder: PathBuf,
}

/// A server that runs.
pub struct RunningServer {
    /// Where it reads from.
    pub input: UnixStream,
    /// What it writes.
    pub output: Receiver,
    /// What it writes to its errors.
    pub errors: Receiver,
    /// Its life.
    pub life: Life,
}

/// The life of a server: it ends when this is dropped, with all that it started.
pub struct Life {
    lifeline: Socket,
    supervisor: OwnedFd,
    ended: watch::Receiver<Option<String>>,
}

/// Finds a program as a shell would: by its name in the folders of `path`, or by its place, relative to a folder.
pub fn find_program(name: &str, path: Option<&str>, folder: &Path) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| file.is_file();
    if name.contains('/') {
        return Some(folder.join(name)).filter(is_program);
    }
    let folders = path.unwrap_or(PATH).split(':').filter(|folder| folder.starts_with('/'));
    folders.map(|folder| Path::new(folder).join(name)).find(is_program)
}

impl ServerProgram {
    /// Starts it, under a supervisor. Needs a program that begins with [`supervise`](crate::supervise).
    ///
    /// # Errors
    /// There is no process or no pipe to be had.
    pub fn start(&self) -> io::Result<RunningServer> {
        let (lifeline, input) = Socket::pair()?;
        let mut command = Command::new(OWN_PROGRAM);
        command
            .arg0(NAME)
            .arg(&self.file)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn()?;
        // It holds the other end of the lifeline.
        drop(command);
        let supervisor = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let pipe = |pipe: Option<OwnedFd>| {
            let pipe = pipe.ok_or_else(|| io::Error::other("it has no pipe"))?;
            Receiver::from_owned_fd(pipe)
        };
        let output = pipe(child.stdout.take().map(OwnedFd::from))?;
        let errors = pipe(child.stderr.take().map(OwnedFd::from))?;
        let input = lifeline.try_clone()?;
        input.set_nonblocking(true)?;
        let input = UnixStream::from_std(input)?;
        let (sender, ended) = watch::channel(None);
        let life = Life { lifeline, supervisor, ended };
        thread::Builder::new().name("native-wait".to_owned()).spawn(move || {
            let status = child.wait().map_or_else(|error| error.to_string(), said);
            drop(sender.send(Some(status)));
        })?;
        Ok(RunningServer { input, output, errors, life })
    }
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("killed by signal {}", signal.unwrap_or_default()),
    }
}

impl Life {
    /// How the server ended, once it has: `exit status 1`.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| status.clone()).unwrap_or_default()
    }

    /// Ends the server: its input ends, then it is asked, then it is killed.
    pub async fn end(self) {
        drop(self.lifeline.shutdown(Shutdown::Both));
        drop(tokio::time::timeout(END_TIMEOUT, self.ended()).await);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.lifeline.shutdown(Shutdown::Both));
        // Something may have stopped the supervisor.
        if self.ended.borrow().is_none() {
            let _ = pidfd_send_signal(&self.supervisor, Signal::CONT);
        }
    }
}
