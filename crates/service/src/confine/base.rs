//! The system calls of every daemon that starts no program, once it runs: its loop, its sockets, its log, a reload.
//!
//! Generous with what is harmless (a library may ask for it some day, and what is missing here is an outage at night),
//! strict with what makes a taken-over process useful: no program, no new process, no code made at run time, no
//! network, no other process, no other user. How to add one: CONTRIBUTING.md, "System calls and files".

use sys::seccomp::Argument::{Is, IsNot, Masked, Null, OwnProcess};
use sys::seccomp::Rule::{Always, Refused, With};
use sys::seccomp::{Call, Need};

/// `AF_UNIX`.
const UNIX: u32 = 1;
/// Options of a socket (asm-generic/socket.h).
const SOL_SOCKET: u32 = 1;
const SO_SNDBUF: u32 = 7;
const SO_RCVTIMEO: u32 = 20;
const SO_SNDTIMEO: u32 = 21;
const SO_SNDBUFFORCE: u32 = 32;
/// `PROT_EXEC`.
const EXECUTABLE: u32 = 4;
/// `SIGSYS`.
const SIGSYS: u32 = 31;
/// `CLONE_THREAD`: not another process but one more thread of this one.
const THREAD: u32 = 0x0001_0000;
/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID`, `NEWNET`.
const NEW_NAMESPACE: u32 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
/// ioctl(2) on any descriptor: `FIONBIO`, `FIOCLEX`, `FIONCLEX`, `FIONREAD`.
const FIONBIO: u32 = 0x5421;
const FIOCLEX: u32 = 0x5451;
const FIONCLEX: u32 = 0x5450;
const FIONREAD: u32 = 0x541b;
/// ioctl_tty(2): `TCGETS`, `TCGETS2` and `TIOCGWINSZ` ask whether it is a terminal, and how wide.
const TCGETS: u32 = 0x5401;
const TCGETS2: u32 = 0x802c_542a;
const TIOCGWINSZ: u32 = 0x5413;
/// prctl(2): `PR_SET_NAME`, `PR_GET_NAME`, `PR_SET_VMA`.
const SET_NAME: u32 = 15;
const GET_NAME: u32 = 16;
const SET_VMA: u32 = 0x5356_4d41;
const EPERM: i32 = 1;
const ENOSYS: i32 = 38;
const EINVAL: i32 = 22;

/// What every loop needs, the frequent first.
pub(super) const NEEDS: &[Need] = &[
    Need {
        why: "the loop: waiting for descriptors and for the timer",
        calls: &[
            Always(Call::EPOLL_WAIT),
            Always(Call::EPOLL_PWAIT),
            Always(Call::EPOLL_PWAIT2),
            Always(Call::TIMERFD_SETTIME),
            Always(Call::TIMERFD_GETTIME),
            Always(Call::EPOLL_CTL),
            Always(Call::POLL),
            Always(Call::PPOLL),
            Always(Call::SELECT),
            Always(Call::PSELECT6),
            Always(Call::EPOLL_CREATE1),
            Always(Call::TIMERFD_CREATE),
            Always(Call::EVENTFD2),
            Always(Call::PIPE2),
        ],
    },
    Need {
        why: "speaking through sockets that are open: siblings, clients, the network's sockets that ipmgr opened",
        calls: &[
            Always(Call::SENDMSG),
            Always(Call::RECVMSG),
            Always(Call::SENDMMSG),
            Always(Call::RECVMMSG),
            Always(Call::SENDTO),
            Always(Call::RECVFROM),
            Always(Call::ACCEPT4),
            Always(Call::ACCEPT),
            Always(Call::SHUTDOWN),
            Always(Call::GETSOCKOPT),
            Always(Call::GETSOCKNAME),
            Always(Call::GETPEERNAME),
        ],
    },
    Need {
        why: "room for what a sibling hasn't read yet, and how long the thread that coordinates a reload waits for one; with other \
              options the network's sockets would do more than they are for",
        calls: &[
            With(Call::SETSOCKOPT, &[Is(1, SOL_SOCKET), Is(2, SO_SNDBUF)]),
            With(Call::SETSOCKOPT, &[Is(1, SOL_SOCKET), Is(2, SO_SNDBUFFORCE)]),
            With(Call::SETSOCKOPT, &[Is(1, SOL_SOCKET), Is(2, SO_RCVTIMEO)]),
            With(Call::SETSOCKOPT, &[Is(1, SOL_SOCKET), Is(2, SO_SNDTIMEO)]),
        ],
    },
    Need {
        why: "reading and writing what is open: signals, the timer, the log, files",
        calls: &[
            Always(Call::READ),
            Always(Call::WRITE),
            Always(Call::READV),
            Always(Call::WRITEV),
            Always(Call::PREAD64),
            Always(Call::PWRITE64),
            Always(Call::PREADV),
            Always(Call::PWRITEV),
            Always(Call::PREADV2),
            Always(Call::PWRITEV2),
            Always(Call::LSEEK),
            Always(Call::CLOSE),
            Always(Call::CLOSE_RANGE),
            Always(Call::FCNTL),
            Always(Call::DUP),
            Always(Call::DUP2),
            Always(Call::DUP3),
            With(Call::IOCTL, &[Is(1, FIONBIO)]),
            With(Call::IOCTL, &[Is(1, FIOCLEX)]),
            With(Call::IOCTL, &[Is(1, FIONCLEX)]),
            With(Call::IOCTL, &[Is(1, FIONREAD)]),
            With(Call::IOCTL, &[Is(1, TCGETS)]),
            With(Call::IOCTL, &[Is(1, TCGETS2)]),
            With(Call::IOCTL, &[Is(1, TIOCGWINSZ)]),
        ],
    },
    Need {
        why: "connecting to siblings and to the service manager; no other family of sockets than AF_UNIX",
        calls: &[
            With(Call::SOCKET, &[Is(0, UNIX)]),
            With(Call::SOCKETPAIR, &[Is(0, UNIX)]),
            Always(Call::CONNECT),
        ],
    },
    Need {
        why: "what time it is, where the kernel doesn't tell without a call (no vDSO), and short pauses",
        calls: &[
            Always(Call::CLOCK_GETTIME),
            Always(Call::CLOCK_GETRES),
            Always(Call::CLOCK_NANOSLEEP),
            Always(Call::NANOSLEEP),
            Always(Call::GETTIMEOFDAY),
            Always(Call::TIME),
            Always(Call::TIMES),
        ],
    },
    Need {
        why: "memory, but none that becomes code",
        calls: &[
            Always(Call::BRK),
            Always(Call::MUNMAP),
            Always(Call::MREMAP),
            Always(Call::MADVISE),
            // Refused and no more, as by systemd's MemoryDenyWriteExecute=: a library may want to load another one (a name
            // service, some day), and has to do without.
            With(Call::MMAP, &[Masked(2, EXECUTABLE, 0)]),
            Refused(Call::MMAP, EPERM),
            With(Call::MPROTECT, &[Masked(2, EXECUTABLE, 0)]),
            Refused(Call::MPROTECT, EPERM),
            Always(Call::MINCORE),
            Always(Call::MLOCK),
            Always(Call::MLOCK2),
            Always(Call::MUNLOCK),
            Always(Call::MEMBARRIER),
            Always(Call::GETRANDOM),
        ],
    },
    Need {
        why: "the thread that reads the configuration again, at an ordinary priority; never a process",
        calls: &[
            Always(Call::FUTEX),
            Always(Call::FUTEX_WAITV),
            // Its flags are in memory, where no filter sees them: libraries take clone(2) where it is missing.
            Refused(Call::CLONE3, ENOSYS),
            With(Call::CLONE, &[Masked(0, THREAD | NEW_NAMESPACE, THREAD)]),
            Always(Call::SET_ROBUST_LIST),
            Always(Call::GET_ROBUST_LIST),
            Always(Call::RSEQ),
            Always(Call::SET_TID_ADDRESS),
            Always(Call::SIGALTSTACK),
            Always(Call::SCHED_YIELD),
            Always(Call::SCHED_GETAFFINITY),
            Always(Call::SCHED_GETPARAM),
            Always(Call::SCHED_GETSCHEDULER),
            Always(Call::SCHED_SETSCHEDULER),
            Always(Call::SCHED_GET_PRIORITY_MAX),
            Always(Call::SCHED_GET_PRIORITY_MIN),
            Always(Call::EXIT),
            With(Call::PRCTL, &[Is(0, SET_NAME)]),
            With(Call::PRCTL, &[Is(0, GET_NAME)]),
            With(Call::PRCTL, &[Is(0, SET_VMA)]),
            // Names for memory and the like: every caller lives with a kernel that knows no such option.
            Refused(Call::PRCTL, EINVAL),
        ],
    },
    Need {
        why: "signals to ourselves, and the end: also by a panic, whose message comes first",
        calls: &[
            Always(Call::RT_SIGPROCMASK),
            Always(Call::RT_SIGRETURN),
            Always(Call::RESTART_SYSCALL),
            Always(Call::RT_SIGPENDING),
            // All but SIGSYS, whose handler says which call it was.
            With(Call::RT_SIGACTION, &[IsNot(0, SIGSYS)]),
            Always(Call::EXIT_GROUP),
            With(Call::TGKILL, &[OwnProcess(0)]),
            // musl's way to say the same; the main thread has the process's number.
            With(Call::TKILL, &[OwnProcess(0)]),
        ],
    },
    Need {
        why: "reading the configuration again, with what it includes, and whatever a library looks up for a message; which files \
              may be written is landlock's",
        calls: &[
            Always(Call::OPENAT),
            Always(Call::OPEN),
            Always(Call::OPENAT2),
            Always(Call::FSTAT),
            Always(Call::NEWFSTATAT),
            Always(Call::STAT),
            Always(Call::LSTAT),
            Always(Call::STATX),
            Always(Call::STATFS),
            Always(Call::FSTATFS),
            Always(Call::ACCESS),
            Always(Call::FACCESSAT),
            Always(Call::FACCESSAT2),
            Always(Call::READLINK),
            Always(Call::READLINKAT),
            Always(Call::GETDENTS64),
            Always(Call::GETCWD),
        ],
    },
    Need {
        why: "removing our own socket at the end",
        calls: &[Always(Call::UNLINK), Always(Call::UNLINKAT)],
    },
    Need {
        why: "who and where we are; asking only",
        calls: &[
            Always(Call::GETPID),
            Always(Call::GETTID),
            Always(Call::GETPPID),
            Always(Call::GETUID),
            Always(Call::GETEUID),
            Always(Call::GETGID),
            Always(Call::GETEGID),
            Always(Call::GETRESUID),
            Always(Call::GETRESGID),
            Always(Call::GETGROUPS),
            Always(Call::CAPGET),
            Always(Call::UNAME),
            Always(Call::SYSINFO),
            Always(Call::GETCPU),
            Always(Call::GETRUSAGE),
            Always(Call::GETRLIMIT),
            With(Call::PRLIMIT64, &[Null(2)]),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What no daemon of ours may ever have on its list, whatever its arguments: programs, other processes, code, mounts,
    /// namespaces, other users, the kernel itself.
    const NEVER: &[Call] = &[
        Call::EXECVE,
        Call::EXECVEAT,
        Call::FORK,
        Call::VFORK,
        Call::KILL,
        Call::PIDFD_SEND_SIGNAL,
        Call::PIDFD_GETFD,
        Call::PTRACE,
        Call::PROCESS_VM_READV,
        Call::PROCESS_VM_WRITEV,
        Call::PKEY_MPROTECT,
        Call::MEMFD_CREATE,
        Call::PERSONALITY,
        Call::MOUNT,
        Call::UMOUNT2,
        Call::MOVE_MOUNT,
        Call::OPEN_TREE,
        Call::CHROOT,
        Call::PIVOT_ROOT,
        Call::OPEN_BY_HANDLE_AT,
        Call::UNSHARE,
        Call::SETNS,
        Call::SETUID,
        Call::SETGID,
        Call::SETRESUID,
        Call::SETRESGID,
        Call::SETREUID,
        Call::SETREGID,
        Call::SETFSUID,
        Call::SETGROUPS,
        Call::CAPSET,
        Call::BPF,
        Call::PERF_EVENT_OPEN,
        Call::USERFAULTFD,
        Call::IO_URING_SETUP,
        Call::KEYCTL,
        Call::ADD_KEY,
        Call::REQUEST_KEY,
        Call::INIT_MODULE,
        Call::FINIT_MODULE,
        Call::DELETE_MODULE,
        Call::KEXEC_LOAD,
        Call::REBOOT,
        Call::CLOCK_SETTIME,
        Call::SETTIMEOFDAY,
    ];

    #[test]
    fn what_makes_a_taken_over_process_useful_is_on_no_list() {
        for rule in NEEDS.iter().flat_map(|need| need.calls) {
            assert!(!NEVER.contains(&rule.call()), "{}", rule.call().name());
        }
    }

    #[test]
    fn every_need_has_its_reason_and_every_call_its_one_place() {
        let mut seen: Vec<Call> = Vec::new();
        for need in NEEDS {
            assert!(need.why.len() > 20, "{need:?}");
            for (at, rule) in need.calls.iter().enumerate() {
                let call = rule.call();
                let continues = at > 0 && need.calls.get(at - 1).is_some_and(|before| before.call() == call);
                assert!(continues || !seen.contains(&call), "{} stands in two places", call.name());
                seen.push(call);
            }
        }
    }
}
