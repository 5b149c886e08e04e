//! Namespaces and the mounts that furnish them: how a process gets a host of its own.
//!
//! Everything here changes only the calling process and what it starts afterwards; nothing is named, so
//! nothing is left when the last process of a namespace ends. Must never touch a mount, an interface or a
//! process that the caller did not first unshare itself from. Read namespaces(7), user_namespaces(7) and
//! mount_namespaces(7) first.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Signal};
use rustix::thread::UnshareFlags;

/// The first process of a pid namespace.
const INIT: u32 = 1;

/// What can be unshared; see namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Mount points.
    Mount,
    /// Interfaces, addresses, routes, ports.
    Network,
    /// Process ids: takes effect for the children that are started next, the first of which is its init.
    Pid,
    /// The host's name.
    Uts,
}

/// Gives the calling process new namespaces.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the user namespace (see [`become_root`]); `ENOSPC` at a limit of
/// `/proc/sys/user`; `EINVAL` when a pid namespace was unshared before and has no process yet.
pub fn unshare(namespaces: &[Namespace]) -> io::Result<()> {
    let flags = namespaces.iter().fold(UnshareFlags::empty(), |flags, namespace| {
        flags
            | match namespace {
                Namespace::Mount => UnshareFlags::NEWNS | UnshareFlags::FS,
                Namespace::Network => UnshareFlags::NEWNET,
                Namespace::Pid => UnshareFlags::NEWPID,
                Namespace::Uts => UnshareFlags::NEWUTS,
            }
    });
    // SAFETY: only `UnshareFlags::FILES` can break an assumption about descriptors, and it is never among them.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(Into::into)
}

/// Makes an ordinary user root of a new user namespace, in which the other namespaces may then be unshared.
///
/// Only the caller's own user and group exist inside, as 0. The caller must have a single thread.
///
/// # Errors
/// The kernel's refusal; [`explain_refusal`] knows what to do about it.
pub fn become_root() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: as in `unshare`.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }?;
    // Without this line the kernel allows no group mapping to an unprivileged writer (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// What keeps this kernel from giving an ordinary user namespaces, and what would allow it; `None` if nothing
/// known does.
#[must_use]
pub fn explain_refusal() -> Option<String> {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let known = [
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    known
        .iter()
        .find(|(name, refuses, _)| setting(&format!("/proc/sys/{name}")).as_deref() == Some(refuses))
        .map(|(name, refuses, allows)| {
            let key = name.replace('/', ".");
            format!(
                "this kernel refuses user namespaces to ordinary users ({key} = {refuses}); \
                 allow them with 'sysctl {key}={allows}', or run this as root"
            )
        })
}

/// Keeps what is mounted from now on from reaching anybody else, and the other way round.
///
/// # Errors
/// The kernel's, `EINVAL` if `/` is no mount point.
pub fn make_mounts_private() -> io::Result<()> {
    rustix::mount::mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(Into::into)
}

/// Makes everything that is mounted at and below `path` read-only for this mount namespace (mount_setattr(2)).
///
/// # Errors
/// The kernel's; `ENOSYS` before Linux 5.12.
pub fn make_read_only(path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is a C string and the structure has the size that is given; both outlive the call,
    // which only reads them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Mounts a `/proc` that shows the processes of the caller's pid namespace.
///
/// # Errors
/// The kernel's; `EPERM` in a container that hides parts of its own `/proc`.
pub fn mount_proc(target: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("proc", target, "proc", flags, None).map_err(Into::into)
}

/// Mounts an empty directory of mode 0755 that lives in memory, at most `megabytes` large.
///
/// # Errors
/// The kernel's.
pub fn mount_tmpfs(target: &Path, megabytes: u32) -> io::Result<()> {
    let options = CString::new(format!("mode=0755,size={megabytes}m"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", target, "tmpfs", flags, options.as_c_str()).map_err(Into::into)
}

/// Shows `source`, with what is mounted below it, at `target` too.
///
/// # Errors
/// The kernel's.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    rustix::mount::mount_bind_recursive(source, target).map_err(Into::into)
}

/// Names the host of the caller's UTS namespace. Needs a `/proc`.
///
/// # Errors
/// The kernel's.
pub fn set_host_name(name: &str) -> io::Result<()> {
    fs::write("/proc/sys/kernel/hostname", name)
}

/// Asks the kernel to kill the caller when its parent ends (PR_SET_PDEATHSIG, prctl(2)).
///
/// # Errors
/// None that are known.
pub fn die_with_parent() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into)
}

/// SIGKILLs every process of the caller's pid namespace but the caller, which must be its init.
///
/// # Errors
/// `EPERM` for a caller that isn't the init of a pid namespace: it would hit the machine's own processes.
pub fn kill_everybody_else() -> io::Result<()> {
    if std::process::id() != INIT {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // SAFETY: no memory is involved; -1 means every process that this namespace knows, but its init (kill(2)).
    let result = unsafe { libc::kill(-1, libc::SIGKILL) };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            nobody if nobody.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

/// A child of the caller that has ended and is still there to be reaped, waited for.
///
/// An init has to reap what it never started (orphans), and must not reap behind the back of whoever is just
/// starting a child: so seeing and reaping are two steps, with a lock of the caller's between them.
///
/// # Errors
/// `ECHILD` while there are no children at all.
pub fn wait_for_any_child() -> io::Result<Pid> {
    // SAFETY: all zeroes is a valid siginfo_t, and the call only writes it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` outlives the call.
        let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        if result == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: waitid filled the structure for a child, for which si_pid is the valid member.
    let pid = unsafe { info.si_pid() };
    Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_init_of_a_pid_namespace_may_kill_everybody() {
        // Run as any other process it would end the machine: the refusal has to come before the call.
        assert_eq!(kill_everybody_else().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
