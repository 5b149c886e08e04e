//! Giving up system calls for good: what a process has no need of, it can't do even when somebody else runs it.
//!
//! Who needs what is decided by the programs, never here. This must never widen anything: a filter can't be taken away, and
//! each further one can only forbid more. Read seccomp(2) and Documentation/userspace-api/seccomp_filter.rst of the
//! kernel first.
//!
//! What is on nobody's list ends the process by SIGSYS, and its last line says which call it was: a crash, which is what the
//! whole suite is built to bear. What the kernel learned after this was written is answered as an older kernel would
//! (ENOSYS): libraries try such calls and do without.

mod call;
mod program;
mod trap;

use std::io;

use libc::{c_ulong, sock_fprog};

pub use call::Call;
pub use program::{Argument, Need, Rule};

/// What becomes of a call that isn't on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// SIGSYS, with a line on standard error first.
    Ends,
    /// It is done, and the kernel's log (auditd's, where there is one) says so: to find what a list lacks.
    IsLogged,
}

/// From now on this process and all that it starts can do no more than these `needs`.
///
/// `prefix` begins the line that a forbidden call leaves on standard error. All threads are meant; one that has another
/// filter already is an error. Only with `no_new_privs`, or as root.
///
/// # Errors
/// `Unsupported` on a processor that nobody wrote numbers for; EINVAL or ENOSYS from a kernel (or an emulator) without
/// filters; EACCES without `no_new_privs`. Then nothing is forbidden.
pub fn restrict(needs: &[&[Need]], unlisted: Unlisted, prefix: &str) -> io::Result<()> {
    let mut filter = program::compile(needs, unlisted)?;
    let length = filter.len().try_into().map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    trap::tell(prefix)?;
    let program = sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // Not SECCOMP_FILTER_FLAG_LOG: what a library tries and does without would be in the kernel's log at every reload.
    let flags: c_ulong = libc::SECCOMP_FILTER_FLAG_TSYNC;
    // SAFETY: the kernel reads `program` and the `len` instructions behind its pointer, which both outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match result {
        0 => Ok(()),
        -1 => Err(io::Error::last_os_error()),
        // With TSYNC: the thread that couldn't follow.
        thread => Err(io::Error::other(format!("thread {thread} has another filter already"))),
    }
}

#[cfg(test)]
mod tests;
