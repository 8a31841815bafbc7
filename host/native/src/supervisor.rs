//! The process between this program and a server that it starts: it ends with the program, however that ends, and takes with
//! it all that the server started.
//!
//! It is the program itself under another name. The server's input is a socket, whose other end only the program holds: once
//! that is gone, so is the program, or it wants the server to end. What the server starts and leaves becomes the supervisor's
//! child, wherever it moves to, and is ended last.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group,
    pidfd_open, set_child_subreaper, set_parent_process_death_signal, setrlimit, wait,
};

use crate::confine;

/// What the program is called as, as supervisor.
pub(crate) const NAME: &str = "perstack-supervisor";
/// The status of a supervisor whose server could not be started, as shells have it.
const NOT_STARTED: u8 = 127;
/// What shells add to a signal's number.
const BY_SIGNAL: i32 = 128;
/// How long a server may take to end when its input has: to write what it has in memory.
const GRACE: Duration = Duration::from_millis(1500);
/// How long it may take then, asked with a signal.
const LAST_GRACE: Duration = Duration::from_millis(500);
/// How long what is killed may take to be gone: more only where a disk or a network file system hangs.
const KILLING: Duration = Duration::from_secs(2);
/// How often processes that the server left and that have ended are taken off the system's list.
const TIDY: Duration = Duration::from_secs(1);
/// Open files of each process of a server.
const MAX_FILES: u64 = 4096;
/// Memory that each process of a server may write to: more than Node takes of itself.
const MAX_MEMORY: u64 = 8 << 30;

/// Supervises a server, where this process was started for that: the status to exit with then. A program that starts servers
/// calls this before anything else.
pub fn supervise() -> Option<ExitCode> {
    let mut words = env::args_os();
    if words.next()? != NAME {
        return None;
    }
    let done = words.next().ok_or_else(|| "no server was named".to_owned());
    Some(match done.and_then(|program| run(&program, words.collect())) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(reason) => {
            say(&reason);
            ExitCode::from(NOT_STARTED)
        }
    })
}

/// To where the server's errors go.
fn say(text: &str) {
    drop(writeln!(io::stderr(), "perstack: {text}"));
}

fn run(program: &OsString, arguments: Vec<OsString>) -> Result<i32, String> {
    let failed = |what: &str, error: io::Error| format!("{what}: {error}");
    set_child_subreaper(Some(getpid())).map_err(|error| failed("processes cannot be supervised", error.into()))?;
    let limits = [(Resource::Core, 0), (Resource::Nofile, MAX_FILES), (Resource::Data, MAX_MEMORY)];
    for (resource, limit) in limits {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        // It is lower already where it cannot be set.
        let _ = setrlimit(resource, limit);
    }
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    end_with_parent(&mut command);
    let child = start(command).map_err(|error| failed(&format!("`{}`", program.to_string_lossy()), error))?;
    // Who reads what the server writes shall see that it has ended.
    let null = fs::OpenOptions::new().write(true).open("/dev/null").map_err(|error| failed("/dev/null", error))?;
    let closed = rustix::stdio::dup2_stdout(&null).and_then(|()| rustix::stdio::dup2_stderr(&null));
    closed.map_err(|error| failed("streams cannot be closed", error.into()))?;
    watch(Pid::from_child(&child))
}

/// Has the kernel end the server if the supervisor is killed.
fn end_with_parent(command: &mut Command) {
    let ask = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
    #[expect(unsafe_code, reason = "a single system call, which may be made between fork and exec")]
    unsafe {
        command.pre_exec(ask);
    }
}

/// Starts the server from a thread of its own, which is set apart, and stays: the kernel ends the server with it.
fn start(mut command: Command) -> io::Result<Child> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("server".to_owned()).spawn(move || {
        if let Err(reason) = confine::set_apart() {
            say(&format!("the server is not set apart from other processes: {reason}"));
        }
        drop(sender.send(command.spawn()));
        loop {
            thread::park();
        }
    })?;
    receiver.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has ended")))
}

/// Waits until the server has ended or shall end, and ends what is left.
fn watch(server: Pid) -> Result<i32, String> {
    let opened = pidfd_open(server, PidfdFlags::empty());
    let ended = opened.map_err(|error| format!("the server cannot be watched: {error}"));
    let ended = ended.inspect_err(|_| end_all(server, &mut None))?;
    let mut status = None;
    while !is_over(&ended, Some(TIDY)) {
        if tidy(server, &mut status) || is_alone() {
            break;
        }
    }
    if status.is_none() && !is_over(&ended, Some(GRACE)) {
        let _ = kill_process_group(server, Signal::TERM);
        is_over(&ended, Some(LAST_GRACE));
    }
    end_all(server, &mut status);
    Ok(status.map_or(0, |status| {
        status.exit_status().unwrap_or_else(|| BY_SIGNAL + status.terminating_signal().unwrap_or_default())
    }))
}

/// Waits for the server's end, so long; less where the program is gone.
fn is_over(server: &OwnedFd, limit: Option<Duration>) -> bool {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let alone = is_alone();
    let stdin = rustix::stdio::stdin();
    let mut both = [PollFd::new(server, PollFlags::IN), PollFd::new(&stdin, PollFlags::empty())];
    // That the program is gone ends the wait only where that is new.
    let waited = if alone { &mut both[..1] } else { &mut both[..] };
    let _ = poll(waited, limit.as_ref());
    both[0].revents().contains(PollFlags::IN)
}

/// Whether the other end of the server's input is gone.
fn is_alone() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut only = [PollFd::new(&stdin, PollFlags::empty())];
    matches!(poll(&mut only, Some(&Timespec::default())), Ok(1..))
}

/// Takes what has ended off the system's list; true if the server was among it.
fn tidy(server: Pid, status: &mut Option<WaitStatus>) -> bool {
    while let Ok(Some((pid, ended))) = wait(WaitOptions::NOHANG) {
        if pid == server {
            *status = Some(ended);
        }
    }
    status.is_some()
}

/// Ends the server's group, and then, until there is none, what was started and has left it.
fn end_all(server: Pid, status: &mut Option<WaitStatus>) {
    if status.is_none() {
        let _ = kill_process_group(server, Signal::KILL);
    }
    let begun = Instant::now();
    while begun.elapsed() < KILLING {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, ended))) if pid == server => *status = Some(ended),
                Ok(Some(_)) => {}
                Ok(None) => break,
                // There are none.
                Err(_) => return,
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The supervisor's children: also those of processes that are gone.
fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A name may hold anything, a parenthesis too.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_ascii_whitespace().nth(1) == Some(&own)
    };
    pids.filter(is_child).filter_map(Pid::from_raw).collect()
}
