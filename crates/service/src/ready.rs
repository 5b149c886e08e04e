//! What systemd is told (sd_notify(3)), or `handover run` in its place; without either these do nothing.
//!
//! It must never wait for whoever is told.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// The daemon does its job from now on.
pub fn notify_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub fn notify_status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The daemon is on its way out.
pub fn notify_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// To stop takes so much longer from now on than the service manager was told (`EXTEND_TIMEOUT_USEC=`).
pub fn notify_more_time(time: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
}

/// The loop turns.
pub(crate) fn notify_alive() {
    tell(&[NotifyState::Watchdog]);
}

/// A manager that can't be told changes nothing for us, so it is only remarked on.
fn tell(states: &[NotifyState<'_>]) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let message: String = states.iter().map(|state| format!("{state}\n")).collect();
    if let Err(error) = send(&socket, message.as_bytes()) {
        log::debug!("tell the service manager: {error}");
    }
}

/// Now or not at all: a manager that hangs may not stop us, too.
fn send(socket: &OsString, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(message, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_hangs_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("handover-manager-{}", std::process::id()));
        let manager = UnixDatagram::bind(&path).unwrap();
        let socket = path.clone().into_os_string();
        let refused = std::iter::repeat_with(|| send(&socket, b"WATCHDOG=1\n")).find_map(Result::err);
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
        let mut told = [0; 64];
        assert_eq!(manager.recv(&mut told).unwrap(), 11);
        assert!(told.starts_with(b"WATCHDOG=1\n"));
        std::fs::remove_file(path).unwrap();
        let name = format!("handover-manager-{}", std::process::id());
        let hidden = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(&OsString::from(format!("@{name}")), b"READY=1\n").unwrap();
        assert_eq!(hidden.recv(&mut told).unwrap(), 8);
    }
}
