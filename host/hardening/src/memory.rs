//! What the kernel keeps of a process's memory: whether others see it, and whether it can be run.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Keys and conversations are in memory. Processes of the same user could read them through /proc and ptrace, and a crash
/// would write them to a file, or hand them to a crash reporter, which a limit of zero bytes does not stop. The price:
/// nobody but root can debug the process, and for others some of the process's own files in /proc are closed to itself.
pub(crate) fn hide() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
}

/// Memory that was writable is never made executable. Programs that are started are not bound by it.
pub(crate) fn refuse_executable() -> Result<(), String> {
    // Whoever started the process may have done so already; it cannot be done twice.
    #[expect(unsafe_code, reason = "numbers only, and no library of ours has this call")]
    let before = unsafe { libc::prctl(libc::PR_GET_MDWE, 0_u64, 0_u64, 0_u64, 0_u64) };
    if u32::try_from(before).is_ok_and(|before| before & libc::PR_MDWE_REFUSE_EXEC_GAIN != 0) {
        return Ok(());
    }
    let flags = libc::PR_MDWE_REFUSE_EXEC_GAIN | libc::PR_MDWE_NO_INHERIT;
    #[expect(unsafe_code, reason = "numbers only, and no library of ours has this call")]
    let done = unsafe { libc::prctl(libc::PR_SET_MDWE, libc::c_ulong::from(flags), 0_u64, 0_u64, 0_u64) };
    if done == 0 { Ok(()) } else { Err(format!("Linux 6.6 is needed: {}", io::Error::last_os_error())) }
}
