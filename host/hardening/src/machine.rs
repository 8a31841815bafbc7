//! What a host offers.

use std::fs;
use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

pub use crate::files::VERSION_NUMBER as LANDLOCK_NEEDED;

/// One page, on every machine that there is a build for.
const PROBE_BYTES: usize = 64 << 10;
/// `LANDLOCK_CREATE_RULESET_VERSION` of linux/landlock.h: asks for the version only.
const ASK_FOR_VERSION: libc::c_uint = 1;

/// The kernel's release: `6.18.44`.
pub fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The version of Landlock, or why there is none.
///
/// # Errors
/// The kernel has none, or it is switched off, or hidden by who started this process.
pub fn landlock() -> io::Result<u32> {
    #[expect(unsafe_code, reason = "without attributes the kernel reads no memory; the library of ours does not tell")]
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null_mut::<u8>(), 0_usize, ASK_FOR_VERSION) };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// Whether system calls can be filtered.
///
/// # Errors
/// The kernel cannot, or who started this process does not let it ask.
pub fn seccomp() -> io::Result<()> {
    let action = libc::SECCOMP_RET_ERRNO;
    #[expect(unsafe_code, reason = "the kernel reads one number, which outlives the call")]
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, std::ptr::from_ref::<u32>(&action))
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether memory can be written and then made executable, as compiled components are.
///
/// # Errors
/// The host does not allow it.
pub fn executable_memory() -> io::Result<()> {
    #[expect(unsafe_code, reason = "a mapping of our own that nothing points into, and that is gone before we return")]
    unsafe {
        let page = mmap_anonymous(null_mut(), PROBE_BYTES, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?;
        let made = mprotect(page, PROBE_BYTES, MprotectFlags::READ | MprotectFlags::EXEC);
        munmap(page, PROBE_BYTES)?;
        made.map_err(io::Error::from)
    }
}

/// Whether users may make namespaces of their own. Nothing here needs it.
pub fn user_namespaces() -> bool {
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let most = number("/proc/sys/user/max_user_namespaces").unwrap_or(0);
    // Debian and Ubuntu have a switch of their own.
    let switched_on = number("/proc/sys/kernel/unprivileged_userns_clone").unwrap_or(1);
    most > 0 && switched_on > 0
}
