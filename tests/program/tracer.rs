//! Kills a process with SIGKILL when it is about to change something below a folder, for the nth time: the kernel stops
//! it before each system call, so no point between two writes is left out.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How a traced process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was through before it had written so often.
    Exited(i32),
    /// It was killed.
    Killed,
}

/// Runs a command, and kills it before its nth write below `folder`.
pub(crate) fn kill_at_write(mut command: Command, folder: &Path, nth: usize) -> Fate {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(unsafe_code, reason = "only an async-signal-safe system call is made between fork and exec")]
    unsafe {
        command.pre_exec(|| ptrace::traceme().map_err(Into::into));
    }
    #[expect(clippy::zombie_processes, reason = "the tracer waits for it below")]
    let child = command.spawn().unwrap();
    let child = Pid::from_raw(child.id().cast_signed());
    // Only this thread's children: tests run side by side.
    let flags = Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD);
    waitpid(child, flags).unwrap();
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(child, options).unwrap();
    ptrace::syscall(child, None).unwrap();
    let mut writes = 0;
    let mut killed = false;
    loop {
        let (thread, signal) = match waitpid(Pid::from_raw(-1), flags).unwrap() {
            WaitStatus::Exited(process, code) if process == child => {
                return if killed { Fate::Killed } else { Fate::Exited(code) };
            }
            WaitStatus::Signaled(process, _, _) if process == child => return Fate::Killed,
            WaitStatus::PtraceSyscall(thread) => {
                if !killed && is_write(thread, folder) {
                    writes += 1;
                    if writes == nth {
                        nix::sys::signal::kill(child, Signal::SIGKILL).unwrap();
                        killed = true;
                    }
                }
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, _, _) => (thread, None),
            WaitStatus::Stopped(thread, Signal::SIGSTOP | Signal::SIGTRAP) => (thread, None),
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // A thread that was killed in the meantime cannot go on.
        let _ = ptrace::syscall(thread, signal);
    }
}

/// Whether a thread stands before a system call that changes something below the folder.
fn is_write(thread: Pid, folder: &Path) -> bool {
    let Ok(info) = ptrace::syscall_info(thread) else { return false };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return false;
    }
    #[expect(unsafe_code, reason = "the kernel says which of the union's parts it filled")]
    let (number, arguments) = unsafe { (info.u.entry.nr, info.u.entry.args) };
    let number = i64::try_from(number).unwrap_or(-1);
    match number {
        libc::SYS_openat => arguments[2] & u64::from((libc::O_CREAT | libc::O_TRUNC).cast_unsigned()) != 0,
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_ftruncate => {
            let opened = fs::read_link(format!("/proc/{thread}/fd/{}", arguments[0]));
            opened.is_ok_and(|path| path.starts_with(folder))
        }
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat | libc::SYS_unlinkat | libc::SYS_mkdirat => true,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open | libc::SYS_rename | libc::SYS_link | libc::SYS_unlink | libc::SYS_mkdir => true,
        _ => false,
    }
}
