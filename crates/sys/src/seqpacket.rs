//! Frames with descriptors: the link between vrrp-core and ipmgr.
//!
//! `SOCK_SEQPACKET` keeps the borders between messages, so there is no length to trust and nothing to assemble. Nothing here
//! may ever wait, and nothing may leak a descriptor, however many a peer sends. Read unix(7) first, above all on
//! `SCM_RIGHTS`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, accept_with, recvmsg, sendmsg, socketpair,
    sockopt,
};

use crate::unix::{self, PeerCredentials};

/// Bytes that may wait to be read by the peer, and so the longest frame (less a little bookkeeping).
const SEND_BUFFER: usize = 1 << 20;
/// Descriptors that a frame carries; more are closed on arrival.
const MAX_DESCRIPTORS: usize = 1;

/// The listening end.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
}

impl Listener {
    /// Listens at `path` with exactly that mode, by the rules of [`unix::bind_stream`].
    ///
    /// # Errors
    /// As [`unix::bind_stream`].
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        unix::bind_path(path, mode, SocketType::SEQPACKET).map(|fd| Self { fd })
    }

    /// Takes the next connection and says who it is; `None` if nobody waits.
    ///
    /// # Errors
    /// accept(2), such as EMFILE; the listener may work again later.
    pub fn accept(&self) -> io::Result<Option<(Connection, PeerCredentials)>> {
        loop {
            match accept_with(&self.fd, SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC)) {
                Ok(fd) => {
                    let connection = Connection::prepare(fd)?;
                    let peer = connection.peer_credentials()?;
                    return Ok(Some((connection, peer)));
                }
                Err(Errno::AGAIN) => return Ok(None),
                // Somebody who left again while waiting is nobody.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What came in.
#[derive(Debug)]
pub enum Received {
    /// One frame.
    Frame(Frame),
    /// The peer is gone; nothing will come any more.
    Closed,
}

/// One frame, in the buffer that was given.
#[derive(Debug)]
pub struct Frame {
    /// How many bytes of the buffer it fills.
    pub length: usize,
    /// The descriptor that came with it, closed on exec.
    pub fd: Option<OwnedFd>,
    /// The frame was longer than the buffer or carried more than one descriptor; the rest is lost.
    pub truncated: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection {
    fd: OwnedFd,
}

impl Connection {
    /// Connects to whoever listens at `path`.
    ///
    /// # Errors
    /// As [`unix::connect_stream`].
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::prepare(unix::connect_path(path, SocketType::SEQPACKET)?)
    }

    /// Two ends that are connected with each other. Neither waits, and both are closed on exec.
    ///
    /// # Errors
    /// socketpair(2), such as EMFILE.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::prepare(one)?, Self::prepare(other)?))
    }

    fn prepare(fd: OwnedFd) -> io::Result<Self> {
        match sockopt::set_socket_send_buffer_size_force(&fd, SEND_BUFFER) {
            // Without CAP_NET_ADMIN, net.core.wmem_max is the limit.
            Err(Errno::PERM) => sockopt::set_socket_send_buffer_size(&fd, SEND_BUFFER)?,
            other => other?,
        }
        Ok(Self { fd })
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// As [`unix::peer_credentials`].
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        unix::peer_credentials(&self.fd)
    }

    /// Sends one frame, whole or not at all, with a descriptor if there is one.
    ///
    /// # Errors
    /// `InvalidInput` for an empty frame, which could not be told from a goodbye. `WouldBlock` while the peer has too
    /// much to read, EMSGSIZE for a frame that never fits, EPIPE or ECONNRESET when the peer is gone.
    pub fn send(&self, frame: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        if frame.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an empty frame"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut labels = SendAncillaryBuffer::new(&mut space);
        let fds = fd.as_slice();
        if !fds.is_empty() && !labels.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::NOBUFS.into());
        }
        loop {
            match sendmsg(&self.fd, &[IoSlice::new(frame)], &mut labels, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes one frame; `None` if there is none.
    ///
    /// # Errors
    /// recvmsg(2), such as ECONNRESET when the peer went without reading what we sent.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut labels = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            let mut parts = [IoSliceMut::new(buffer)];
            match recvmsg(&self.fd, &mut parts, &mut labels, RecvFlags::CMSG_CLOEXEC) {
                Ok(message) => break message,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        // What is not taken here is closed when it is dropped. The kernel rounds the room for descriptors up, so one too
        // many may well have arrived.
        let mut fds = labels
            .drain()
            .filter_map(|label| match label {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten();
        let fd = fds.next();
        let lost = ReturnFlags::TRUNC.union(ReturnFlags::CTRUNC);
        let truncated = fds.next().is_some() || message.flags.intersects(lost);
        if message.bytes == 0 {
            return Ok(Some(Received::Closed));
        }
        Ok(Some(Received::Frame(Frame { length: message.bytes, fd, truncated })))
    }
}

impl From<OwnedFd> for Connection {
    /// A socket of that kind that came from elsewhere, as it is.
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<Connection> for OwnedFd {
    fn from(connection: Connection) -> Self {
        connection.fd
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;
    use crate::testing::{Directory, LONG, readable_within};

    fn pair() -> (Connection, Connection) {
        let directory = Directory::new();
        let listener = Listener::bind(&directory.path("s"), 0o600).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let client = Connection::connect(&directory.path("s")).unwrap();
        assert!(readable_within(&listener, LONG));
        let (server, peer) = listener.accept().unwrap().unwrap();
        assert_eq!(peer.pid, Some(std::process::id()));
        assert_eq!(client.peer_credentials().unwrap(), peer);
        (client, server)
    }

    #[track_caller]
    fn frame(connection: &Connection, buffer: &mut [u8]) -> Frame {
        assert!(readable_within(connection, LONG));
        match connection.receive(buffer).unwrap() {
            Some(Received::Frame(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_keep_their_borders_and_their_order() {
        let (client, server) = pair();
        let mut buffer = [0; 100];
        assert!(server.receive(&mut buffer).unwrap().is_none());
        client.send(b"one", None).unwrap();
        client.send(b"two!", None).unwrap();
        for expected in [&b"one"[..], b"two!"] {
            let frame = frame(&server, &mut buffer);
            assert_eq!(&buffer[..frame.length], expected);
            assert!(frame.fd.is_none() && !frame.truncated);
        }
        assert_eq!(client.send(b"", None).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_descriptor_travels_and_is_closed_on_exec() {
        let (client, server) = pair();
        let (mut reader, writer) = io::pipe().unwrap();
        client.send(b"take this", Some(writer.as_fd())).unwrap();
        drop(writer);
        let received = frame(&server, &mut [0; 100]);
        let fd = received.fd.unwrap();
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
        File::from(fd).write_all(b"hello").unwrap();
        // The end comes only if nobody else holds the writing end: nothing leaked.
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn more_descriptors_than_expected_are_closed_and_told() {
        let (client, server) = pair();
        let (mut reader, writer) = io::pipe().unwrap();
        for count in [2, 3, 100] {
            let many = vec![writer.as_fd(); count];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
            let mut labels = SendAncillaryBuffer::new(&mut space);
            assert!(labels.push(SendAncillaryMessage::ScmRights(&many)));
            sendmsg(&client.fd, &[IoSlice::new(b"x")], &mut labels, SendFlags::empty()).unwrap();
            assert!(frame(&server, &mut [0; 10]).truncated, "{count}");
        }
        drop(writer);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "a writing end leaked");
    }

    #[test]
    fn a_frame_longer_than_the_buffer_is_told() {
        let (client, server) = pair();
        client.send(b"too long", None).unwrap();
        client.send(b"next", None).unwrap();
        let mut buffer = [0; 4];
        assert!(frame(&server, &mut buffer).truncated);
        assert!(!frame(&server, &mut buffer).truncated, "the rest does not become a frame");
        assert_eq!(&buffer, b"next");
    }

    #[test]
    fn a_peer_that_does_not_read_is_not_waited_for() {
        let (client, server) = pair();
        let text = vec![7; 100_000];
        let mut sent = 0;
        let error = loop {
            match client.send(&text, None) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = vec![0; text.len()];
        for _ in 0..sent {
            assert_eq!(frame(&server, &mut buffer).length, text.len());
        }
        client.send(&text, None).unwrap();
    }

    #[test]
    fn a_goodbye_is_told_to_both_who_read_and_who_write() {
        let (client, server) = pair();
        client.send(b"last words", None).unwrap();
        drop(client);
        let mut buffer = [0; 100];
        assert_eq!(frame(&server, &mut buffer).length, 10);
        assert!(matches!(server.receive(&mut buffer).unwrap(), Some(Received::Closed)));
        assert_eq!(server.send(b"x", None).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_stream_at_the_same_path_is_somebody_else() {
        let directory = Directory::new();
        let path = directory.path("s");
        let _stream = unix::bind_stream(&path, 0o600).unwrap();
        assert!(Connection::connect(&path).is_err());
        assert_eq!(Listener::bind(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
