//! Sockets in the file system: binding, connecting, and who is at the other end.
//!
//! Nothing here may ever wait: a peer that is stopped in a debugger must not stop us. Read unix(7) first, above all on
//! the modes of socket files and on `SO_PEERCRED`.

use std::fmt;
use std::fs;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, fchmod};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long somebody may still listen whom we are to replace: a child of a daemon that was killed holds its socket until it
/// has executed its program.
const FAREWELL: Duration = Duration::from_secs(2);
/// From one look at that to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How often a socket file may vanish or turn up while we look at it before that is an error.
const MAX_ATTEMPTS: usize = 3;

/// The process at the other end, as it was when it connected (or bound, seen from the connecting end).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// Its process id; `None` if it lives in a PID namespace that we can't see.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

impl fmt::Display for PeerCredentials {
    /// As a log names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid} of user {}", self.uid),
            None => write!(f, "a process of another PID namespace, of user {}", self.uid),
        }
    }
}

/// Who is at the other end of a connected socket.
///
/// # Errors
/// getsockopt(2), such as ENOTSOCK.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<PeerCredentials> {
    // rustix has this call, but its process id can't be 0, and the kernel's is where the peer's namespace is not ours.
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = CREDENTIALS_LENGTH;
    // SAFETY: the pointer and the length are those of one live ucred.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
    Ok(PeerCredentials { pid, uid: credentials.uid, gid: credentials.gid })
}

#[expect(clippy::cast_possible_truncation, reason = "the size of a small structure")]
const CREDENTIALS_LENGTH: libc::socklen_t = mem::size_of::<libc::ucred>() as libc::socklen_t;

/// Whether both directions of a connected socket have ended: nothing that is sent can arrive any more. (A peer that has
/// only finished sending still listens.)
///
/// # Errors
/// poll(2); none is expected for a descriptor that is ours.
pub fn hung_up(socket: impl AsFd) -> io::Result<bool> {
    // POLLHUP is told whether it is asked for or not.
    let mut fds = [PollFd::new(&socket, PollFlags::empty())];
    // Even a poll that doesn't wait may be interrupted.
    retry_on_intr(|| poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })))?;
    Ok(fds.iter().any(|fd| fd.revents().intersects(PollFlags::HUP.union(PollFlags::ERR))))
}

/// A listening stream socket at `path` with exactly that mode, non-blocking, closed on exec.
///
/// A socket file that nobody listens on any more is replaced. Two processes that start at the same moment with the
/// same path are the supervisor's mistake: the later one wins.
///
/// # Errors
/// `AddrInUse` if somebody listens there, `AlreadyExists` if it is a file of another kind; else bind(2).
pub fn bind_stream(path: &Path, mode: u32) -> io::Result<UnixListener> {
    bind_path(path, mode, SocketType::STREAM).map(UnixListener::from)
}

/// A stream connected to whoever listens at `path`: non-blocking, closed on exec.
///
/// # Errors
/// connect(2): ENOENT or ECONNREFUSED if nobody listens, EACCES; `WouldBlock` if its queue of connections is full, which
/// is the time to try again later, and not to wait.
pub fn connect_stream(path: &Path) -> io::Result<UnixStream> {
    connect_path(path, SocketType::STREAM).map(UnixStream::from)
}

pub(crate) fn connect_path(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let fd = new_socket(kind)?;
    connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

pub(crate) fn bind_path(path: &Path, mode: u32, kind: SocketType) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    for _ in 0..MAX_ATTEMPTS {
        let fd = new_socket(kind)?;
        // The file gets the socket's mode less the umask, so it is never more open than asked for, not even for a moment.
        fchmod(&fd, Mode::from_raw_mode(mode))?;
        match bind(&fd, &address) {
            Ok(()) => {
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
                listen(&fd, BACKLOG)?;
                return Ok(fd);
            }
            Err(Errno::ADDRINUSE) => remove_stale(path, kind)?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("{} keeps changing under our hands", path.display()),
    ))
}

pub(crate) fn new_socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
    Ok(socket_with(AddressFamily::UNIX, kind, flags, None)?)
}

/// Removes a socket file that nobody listens on; an error says why it may not be removed.
fn remove_stale(path: &Path, kind: SocketType) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => {
            let text = format!("{} is there already, and is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let patience = clock::now() + FAREWELL;
    loop {
        match connect_path(path, kind) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Ok(_) | Err(_) if clock::now() < patience => clock::sleep_until(clock::now() + LOOK_AGAIN),
            // Connected, or not for a reason that a dead socket can't have (a full queue, another type): it is alive.
            Ok(_) | Err(_) => {
                let text = format!("another process already listens on {}", path.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::testing::{Directory, LONG, readable_within};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn connects_and_knows_the_peer() {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = bind_stream(&path, 0o660).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);

        let mut client = connect_stream(&path).unwrap();
        assert!(readable_within(&listener, LONG));
        let (mut server, _) = listener.accept().unwrap();
        let us = PeerCredentials {
            pid: Some(std::process::id()),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        };
        assert_eq!(peer_credentials(&server).unwrap(), us);
        assert_eq!(peer_credentials(&client).unwrap(), us);
        server.write_all(b"x").unwrap();
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        assert_eq!(client.read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn half_a_goodbye_is_not_a_hang_up() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(!hung_up(&ours).unwrap());
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(!hung_up(&ours).unwrap());
        drop(theirs);
        assert!(hung_up(&ours).unwrap());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_live_one_respected() {
        let directory = Directory::new();
        let path = directory.path("s");
        let first = bind_stream(&path, 0o600).unwrap();
        let refused = bind_stream(&path, 0o600).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(refused.to_string().contains("already listens"), "{refused}");
        drop(first);
        assert_eq!(connect_stream(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let second = bind_stream(&path, 0o666).unwrap();
        assert_eq!(mode(&path), 0o666);
        connect_stream(&path).unwrap();
        drop(second);
    }

    #[test]
    fn a_live_socket_whose_queue_is_full_is_alive() {
        let directory = Directory::new();
        let path = directory.path("s");
        let _listener = bind_stream(&path, 0o600).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match connect_stream(&path) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000);
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(bind_stream(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = Directory::new();
        let path = directory.path("precious");
        fs::write(&path, "data").unwrap();
        assert_eq!(bind_stream(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
        let link = directory.path("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(bind_stream(&link, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_path_that_does_not_fit_is_an_error() {
        let long = Path::new("/tmp").join("x".repeat(200));
        assert!(bind_stream(&long, 0o600).is_err());
        assert!(connect_stream(&long).is_err());
    }
}
