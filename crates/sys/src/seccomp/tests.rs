//! Filters on real processes: each test that must see one end runs itself once more, as a child with an errand.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use rustix::io::Errno;

use super::*;

/// What the child of a test is to do.
const ERRAND: &str = "HANDOVER_SECCOMP_ERRAND";

/// The status of a child whose errand is done: another one than that of a harness that found no such test.
const DONE: i32 = 42;

/// Everything that a test's child does up to its end.
const HARMLESS: Need = Need {
    why: "a test's own end",
    calls: &[
        Rule::Always(Call::READ),
        Rule::Always(Call::WRITE),
        Rule::Always(Call::CLOSE),
        Rule::Always(Call::FUTEX),
        Rule::Always(Call::MMAP),
        Rule::Always(Call::MUNMAP),
        Rule::Always(Call::MPROTECT),
        Rule::Always(Call::MADVISE),
        Rule::Always(Call::BRK),
        Rule::Always(Call::RT_SIGPROCMASK),
        Rule::Always(Call::SIGALTSTACK),
        Rule::Always(Call::GETPID),
        Rule::Always(Call::GETTID),
        Rule::With(Call::TGKILL, &[Argument::OwnProcess(0)]),
        Rule::With(Call::RT_SIGACTION, &[Argument::IsNot(0, libc::SIGSYS.cast_unsigned())]),
        Rule::Always(Call::EXIT),
        Rule::Always(Call::EXIT_GROUP),
    ],
};

const JUDGED: Need = Need {
    why: "rules of each kind",
    calls: &[
        Rule::With(Call::SOCKET, &[Argument::Is(0, libc::AF_UNIX.cast_unsigned())]),
        Rule::With(
            Call::SOCKET,
            &[Argument::Is(0, libc::AF_INET.cast_unsigned()), Argument::Masked(1, 0xf, 3)],
        ),
        Rule::With(Call::PRLIMIT64, &[Argument::Null(2)]),
        Rule::Refused(Call::PRLIMIT64, libc::EPERM),
        Rule::Refused(Call::GETPPID, libc::ENOSYS),
    ],
};

/// Runs `act` in a child under the filter; gives how the child ended and what it said.
#[expect(
    clippy::disallowed_methods,
    reason = "the harness once more, which must not run on after its errand"
)]
fn confined(test: &str, unlisted: Unlisted, act: fn()) -> Option<(ExitStatus, String)> {
    if std::env::var_os(ERRAND).is_some_and(|errand| errand == test) {
        rustix::thread::set_no_new_privs(true).unwrap();
        restrict(&[&[HARMLESS], &[JUDGED]], unlisted, "tester: ").unwrap();
        act();
        std::process::exit(DONE);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("seccomp::tests::{test}")])
        .env(ERRAND, test)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some((output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn socket(domain: i32, kind: i32) -> io::Result<()> {
    // SAFETY: no memory is involved; the descriptor goes with the process.
    if unsafe { libc::socket(domain, kind, 0) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn ends_by_sigsys(test: &str, call: &str, act: fn()) {
    let Some((status, said)) = confined(test, Unlisted::Ends, act) else { return };
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}: {said}");
    assert!(said.contains(&format!("tester: the system call {call} (number ")), "{said}");
}

#[test]
fn what_is_listed_passes_by_its_arguments() {
    let act = || {
        socket(libc::AF_UNIX, libc::SOCK_STREAM).unwrap();
        // Allowed by the filter; whether it may is the kernel's.
        if let Err(error) = socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC) {
            assert_ne!(error.raw_os_error(), Some(libc::ENOSYS));
        }
        rustix::process::getrlimit(rustix::process::Resource::Core);
        let limit = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let refused = rustix::process::setrlimit(rustix::process::Resource::Core, limit);
        assert_eq!(refused, Err(Errno::PERM));
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::syscall(libc::SYS_getppid) }, -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS));
        // A call of a kernel that nobody has yet.
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::syscall(0x0fff_ffff) }, -1);
        assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS));
    };
    let Some((status, said)) = confined("what_is_listed_passes_by_its_arguments", Unlisted::Ends, act) else {
        return;
    };
    assert_eq!(status.code(), Some(DONE), "{status}: {said}");
}

#[test]
fn what_is_not_listed_ends_the_process_and_is_named() {
    ends_by_sigsys("what_is_not_listed_ends_the_process_and_is_named", "uname", || {
        rustix::system::uname();
    });
}

#[test]
fn another_argument_ends_the_process() {
    ends_by_sigsys("another_argument_ends_the_process", "socket", || {
        let _ = socket(libc::AF_INET, libc::SOCK_STREAM);
    });
}

#[test]
fn another_process_is_not_ours_to_signal() {
    ends_by_sigsys("another_process_is_not_ours_to_signal", "tgkill", || {
        // SAFETY: no memory is involved, and signal 0 asks only.
        unsafe { libc::syscall(libc::SYS_tgkill, 1, 1, 0) };
    });
}

#[test]
fn nobody_can_have_another_say_what_a_forbidden_call_does() {
    ends_by_sigsys("nobody_can_have_another_say_what_a_forbidden_call_does", "rt_sigaction", || {
        // SAFETY: to ignore a signal takes no handler.
        unsafe { libc::signal(libc::SIGSYS, libc::SIG_IGN) };
    });
}

#[test]
fn to_find_gaps_everything_passes() {
    let act = || {
        assert_ne!(rustix::system::uname().sysname().to_bytes(), b"");
        socket(libc::AF_INET, libc::SOCK_DGRAM).unwrap();
    };
    let Some((status, said)) = confined("to_find_gaps_everything_passes", Unlisted::IsLogged, act) else {
        return;
    };
    assert_eq!(status.code(), Some(DONE), "{status}: {said}");
}

#[test]
fn every_name_is_that_of_its_number() {
    assert_eq!(Call::EXECVE.name(), "execve");
    let number = Call::EXECVE.number().unwrap();
    assert_eq!(Call::of(number), Some(Call::EXECVE));
}
