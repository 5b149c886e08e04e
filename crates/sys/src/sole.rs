//! Being the only one of a kind in a network namespace: whoever binds a name is, until its process has ended.
//!
//! Abstract names of sockets belong to the network namespace and go with the process that has bound them, however it ends, so
//! that nothing can go stale. But anybody may bind any of them: who holds the name has to be looked at before it is believed.
//! Nothing is ever sent; who connects has learned by that who we are, and is turned away. Read unix(7), "Abstract", first.

use std::io;
use std::os::unix::net::UnixListener;

use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, SocketType, bind, connect, listen};

use crate::unix::{PeerCredentials, new_socket, peer_credentials};

/// Who may wait to be turned away.
const QUEUE: u16 = 128;

/// The name is ours for as long as this lives.
#[derive(Debug)]
pub struct Sole {
    listener: UnixListener,
}

impl Sole {
    /// Empties the queue of those who wanted to know who has the name. To be called now and then, and not whenever somebody
    /// has come: an abstract name has no mode, so anybody may come, as often as they like.
    pub fn turn_away(&self) {
        let _ = (0..=QUEUE).take_while(|_| self.listener.accept().is_ok()).count();
    }
}

/// Takes the name; `None` if somebody has it.
///
/// # Errors
/// socket(2), bind(2): no memory, no descriptors; `InvalidInput` for a name that is too long (107 bytes).
pub fn claim(name: &str) -> io::Result<Option<Sole>> {
    let socket = new_socket(SocketType::STREAM)?;
    match bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Ok(()) => {
            listen(&socket, i32::from(QUEUE))?;
            Ok(Some(Sole { listener: socket.into() }))
        }
        Err(Errno::ADDRINUSE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Who has the name; `None` if nobody has, or nobody who can be looked at: it doesn't listen, or its queue is full. Each look takes
/// a place in that queue, until the holder turns it away.
///
/// # Errors
/// As [`claim`].
pub fn holder(name: &str) -> io::Result<Option<PeerCredentials>> {
    let socket = new_socket(SocketType::STREAM)?;
    match connect(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?) {
        Ok(()) => peer_credentials(&socket).map(Some),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_process_and_goes_with_it() {
        let name = format!("handover-sole-{}", std::process::id());
        assert_eq!(holder(&name).unwrap(), None);
        let first = claim(&name).unwrap().expect("nobody has it");
        let us = (Some(std::process::id()), crate::user::effective_uid());
        for _ in 0..300 {
            assert!(claim(&name).unwrap().is_none());
            assert_eq!(holder(&name).unwrap().map(|by| (by.pid, by.uid)), Some(us));
            first.turn_away();
        }
        while holder(&name).unwrap().is_some() {}
        assert!(claim(&name).unwrap().is_none(), "nobody who can be looked at, and held all the same");
        first.turn_away();
        assert!(holder(&name).unwrap().is_some(), "after the queue was full");
        drop(first);
        assert!(claim(&name).unwrap().is_some());
    }

    #[test]
    fn who_does_not_listen_cannot_be_looked_at() {
        let name = format!("handover-hidden-{}", std::process::id());
        let silent = new_socket(SocketType::STREAM).unwrap();
        bind(&silent, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
        assert!(claim(&name).unwrap().is_none());
        assert_eq!(holder(&name).unwrap(), None);
    }
}
