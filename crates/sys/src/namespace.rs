//! What a process does inside namespaces of its own ([`crate::process`] makes them): mounts, name, being init.
//!
//! Must never be called where the machine's own mounts or processes would be hit: only in a process that was
//! started with new mount, pid and UTS namespaces. Nothing is named, so nothing is left when the last process
//! ends. Read namespaces(7), mount_namespaces(7) and pid_namespaces(7) first.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::process::{Pid, WaitOptions, waitpid};

/// The first process of a pid namespace.
const INIT: u32 = 1;

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

/// Names the host of the caller's UTS namespace (sethostname(2)); `/proc/sys/kernel/hostname` is the machine's
/// root's to write, so an ordinary user in a namespace of their own can't.
///
/// # Errors
/// `EINVAL` for a name over 64 bytes; `EPERM` where the UTS namespace isn't the caller's.
pub fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: the name is valid for the length given and only read.
    let result = unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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
    look_for_ended_child(0)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))
}

/// A child that has ended, without waiting for one; it stays to be reaped. As process 1 of a container we are the parent of
/// whoever has lost theirs.
///
/// # Errors
/// `ECHILD` while there are no children at all.
pub fn ended_child() -> io::Result<Option<Pid>> {
    look_for_ended_child(libc::WNOHANG)
}

/// Takes a child that has ended off the kernel's list; nobody will know how it ended.
///
/// # Errors
/// `ECHILD` if it isn't a child of ours, or was reaped already.
pub fn reap(child: Pid) -> io::Result<()> {
    Ok(waitpid(Some(child), WaitOptions::NOHANG).map(drop)?)
}

fn look_for_ended_child(flags: libc::c_int) -> io::Result<Option<Pid>> {
    // SAFETY: all zeroes is a valid siginfo_t, and the call only writes it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` outlives the call.
        let result =
            unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOWAIT | flags) };
        if result == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: waitid filled the structure for a child, for which si_pid is the valid member, or left it zero.
    Ok(Pid::from_raw(unsafe { info.si_pid() }))
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
