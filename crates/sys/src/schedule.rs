//! To be on a CPU at once when something is due, and to find one's memory there.
//!
//! Both are rights: of root, or by the resource limits that whoever starts us has set. A refusal must never end anything: it
//! is an ordinary host's answer. Read sched(7) and mlock(2) first.

use std::io;
use std::mem;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The highest priority of `SCHED_RR`; the lowest is 1 (sched(7)).
pub const HIGHEST: u8 = 99;

/// The calling thread runs before every ordinary one from now on, in turn with others of that priority (`SCHED_RR`), which
/// is not handed down to its children.
///
/// # Errors
/// EPERM without CAP_SYS_NICE and beyond `RLIMIT_RTPRIO`; EINVAL for 0 or more than [`HIGHEST`].
pub fn real_time(priority: u8) -> io::Result<()> {
    // SAFETY: a plain C structure of integers, for which all zeros is a value.
    let mut parameters = unsafe { mem::zeroed::<libc::sched_param>() };
    parameters.sched_priority = priority.into();
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the pointer is to one live sched_param; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The calling thread is an ordinary one from now on, whatever it was started as: for work that must not keep a real-time
/// thread of the same process from its CPU.
///
/// # Errors
/// None is expected: nobody needs a right to give that up.
pub fn ordinary() -> io::Result<()> {
    // SAFETY: a plain C structure of integers, for which all zeros is a value.
    let parameters = unsafe { mem::zeroed::<libc::sched_param>() };
    // SAFETY: as above.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps all memory of this process in RAM, also what it asks for later. Only where `RLIMIT_MEMLOCK` is infinite: below a
/// limit, asking for memory might fail later, when nothing can be done about it any more.
///
/// # Errors
/// EPERM if there is a limit, ENOMEM if the memory isn't there.
pub fn lock_memory() -> io::Result<()> {
    if getrlimit(Resource::Memlock).current.is_some() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // SAFETY: changes no memory, only where it is.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling process use both functions above once it is privileged no more, and gives it that priority; for the
/// time between fork and exec. Limits take CAP_SYS_RESOURCE, which containers rarely have, and priorities CAP_SYS_NICE.
pub(crate) fn grant(priority: u8) {
    // A refusal of any of these shows when the process asks itself.
    let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    let highest = Some(HIGHEST.into());
    let _ = setrlimit(Resource::Rtprio, Rlimit { current: highest, maximum: highest });
    let _ = real_time(priority);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::drop_all_capabilities;

    /// What the kernel says of this thread: its policy and its real-time priority (proc_pid_stat(5), fields 41 and 40).
    fn scheduling() -> (i32, u32) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        (fields[41 - 3].parse().unwrap(), fields[40 - 3].parse().unwrap())
    }

    #[test]
    fn real_time_is_had_where_it_is_allowed_and_refused_where_not() {
        std::thread::spawn(|| {
            assert_eq!(real_time(HIGHEST + 1).unwrap_err().raw_os_error(), Some(libc::EINVAL));
            match real_time(3) {
                Ok(()) => assert_eq!(scheduling(), (libc::SCHED_RR, 3)),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
                    assert_eq!(scheduling(), (libc::SCHED_OTHER, 0));
                }
            }
            ordinary().unwrap();
            assert_eq!(scheduling(), (libc::SCHED_OTHER, 0));
            let before = scheduling();
            drop_all_capabilities();
            if getrlimit(Resource::Rtprio).current == Some(0) {
                assert_eq!(real_time(HIGHEST).unwrap_err().raw_os_error(), Some(libc::EPERM));
                assert_eq!(scheduling(), before);
            }
        })
        .join()
        .unwrap();
    }
}
