//! seccomp: system calls that the process will not make.
//!
//! A list of what is refused, not of what is allowed: what an engine, a runtime and three C libraries need differs by
//! version and machine, and a program that dies of a harmless call is switched off. Files are Landlock's affair.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::SeccompCmpOp::{Eq, MaskedEq, Ne};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

/// Rules by the number of a system call; without a rule it is refused whatever its arguments.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What starts another program, or another process that could.
#[cfg(target_arch = "x86_64")]
const NEW_PROCESSES: &[i64] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const NEW_PROCESSES: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// What reaches into another process, and could make it start one.
const OTHER_PROCESSES: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
];

/// What goes past the rules here and those of Landlock: a ring makes system calls in a thread of the kernel, a handle
/// names a file without a path, another namespace or root has other files, keys start `/sbin/request-key`.
const WAYS_AROUND: &[i64] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_by_handle_at,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// What changes a file that cannot be opened: Landlock keeps contents, not owners, rights and attributes. What is open can
/// be changed by its handle. The numbers are those of asm-generic/unistd.h, which libraries do not have yet.
const ATTRIBUTES: &[i64] = &[
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    REMOVEXATTRAT,
    FILE_SETATTR,
];
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// Calls that only this architecture has: those of before there were handles of directories, and ports of hardware.
#[cfg(target_arch = "x86_64")]
const OF_THE_ARCHITECTURE: &[i64] =
    &[libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_iopl, libc::SYS_ioperm];
#[cfg(not(target_arch = "x86_64"))]
const OF_THE_ARCHITECTURE: &[i64] = &[];

/// What attacks on the kernel are made with, and nothing here needs.
const KERNEL: &[i64] = &[
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
];

/// Calls that send a signal to the process that their first argument names.
const SIGNALS: &[i64] = &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// Bits of a socket's type that are its kind; the others are flags.
const SOCKET_KIND: u64 = 0xf;
/// `SOCK_PACKET` of linux/net.h: the old name of a socket for whole packets.
const SOCK_PACKET: i32 = 10;
/// What a process types into its terminal is read by the shell that started it. Of asm-generic/ioctls.h, as numbers: their
/// type differs by C library.
const TIOCSTI: u64 = 0x5412;
/// The same for the selection of a console.
const TIOCLINUX: u64 = 0x541c;
/// `SHM_EXEC` of linux/shm.h.
const SHM_EXEC: u64 = 0o100_000;

/// No other program is started or touched.
pub(crate) fn refuse_programs() -> Result<(), String> {
    let always = [NEW_PROCESSES, OTHER_PROCESSES, WAYS_AROUND, ATTRIBUTES, OF_THE_ARCHITECTURE, KERNEL].concat();
    let mut rules: Rules = always.into_iter().map(|call| (call, vec![])).collect();
    // A new process; a thread is not one.
    rules.insert(libc::SYS_clone, vec![rule(&[(0, MaskedEq(bits(libc::CLONE_THREAD)), 0)])?]);
    let own = u64::from(std::process::id());
    for call in SIGNALS {
        rules.insert(*call, vec![rule(&[(0, Ne, own)])?]);
    }
    // What other programs listen on: sockets of Unix start containers and sessions, those of virtual machines reach their
    // host, those of the kernel change its tables.
    let kind = |kind: i32| (1, MaskedEq(SOCKET_KIND), bits(kind));
    let internet = [(0, Ne, bits(libc::AF_INET)), (0, Ne, bits(libc::AF_INET6))];
    let sockets = [rule(&internet)?, rule(&[kind(libc::SOCK_RAW)])?, rule(&[kind(SOCK_PACKET)])?];
    rules.insert(libc::SYS_socket, sockets.into());
    // Half of a pair for messages can be connected to another program.
    let pairs = [rule(&[kind(libc::SOCK_DGRAM)])?, rule(&[kind(libc::SOCK_RAW)])?];
    rules.insert(libc::SYS_socketpair, pairs.into());
    // Typing into the terminal that the program was started from.
    let typing = [rule(&[(1, Eq, TIOCSTI)])?, rule(&[(1, Eq, TIOCLINUX)])?];
    rules.insert(libc::SYS_ioctl, typing.into());
    refuse(rules, libc::EPERM)?;
    // Its flags are in memory, where a filter cannot look. C libraries then use `clone`.
    refuse([(libc::SYS_clone3, vec![])].into(), libc::ENOSYS)?;
    refuse_other_numbers()
}

/// No memory is mapped executable, or made so.
pub(crate) fn refuse_executable_memory() -> Result<(), String> {
    let executable = rule(&[(2, MaskedEq(bits(libc::PROT_EXEC)), bits(libc::PROT_EXEC))])?;
    let shared = rule(&[(2, MaskedEq(SHM_EXEC), SHM_EXEC)])?;
    let rules = [
        (libc::SYS_mmap, vec![executable.clone()]),
        (libc::SYS_mprotect, vec![executable.clone()]),
        (libc::SYS_pkey_mprotect, vec![executable]),
        (libc::SYS_shmat, vec![shared]),
        // One of its bits makes all that can be read executable.
        (libc::SYS_personality, vec![]),
    ];
    refuse(rules.into(), libc::EPERM)
}

fn bits(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

/// Holds where all conditions hold: the place of an argument, and what its lower half is compared with.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, String> {
    let conditions = conditions.iter().map(|(argument, operation, value)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operation.clone(), *value)
    });
    let conditions = conditions.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    SeccompRule::new(conditions).map_err(|error| error.to_string())
}

/// Refuses these calls with an error, and allows all others. Calls of another architecture end the process.
fn refuse(rules: Rules, errno: i32) -> Result<(), String> {
    let target = TargetArch::try_from(ARCH).map_err(|_| format!("there are no filters for {ARCH}"))?;
    let refused = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, target);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    install(&program)
}

/// Every call has a second number on x86-64, for programs with short pointers.
#[cfg(target_arch = "x86_64")]
fn refuse_other_numbers() -> Result<(), String> {
    use libc::{BPF_ABS, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    use seccompiler::sock_filter;

    /// `__X32_SYSCALL_BIT` of asm/unistd.h.
    const X32: u32 = 0x4000_0000;
    let step = |code: u32, jt: u8, jf: u8, k: u32| sock_filter { code: code as u16, jt, jf, k };
    install(&[
        // The number is the first field of what a filter is given.
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32),
        step(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned()),
        step(BPF_RET | BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

#[cfg(not(target_arch = "x86_64"))]
fn refuse_other_numbers() -> Result<(), String> {
    Ok(())
}

fn install(program: &[seccompiler::sock_filter]) -> Result<(), String> {
    apply_filter_all_threads(program).map_err(|error| error.to_string())
}
