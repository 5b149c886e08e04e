//! Hears that links, addresses, rules or some routes changed (rtnetlink(7), multicast groups).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;
use socket2::{SockFilter, SockRef};

use crate::bpf::{BYTE, DROP, IF_EQUAL, PASS};

/// The groups that tell of links and of addresses of both families (`RTMGRP_*`, linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Those that tell of routes and rules of both families: `RTNLGRP_IPV4_ROUTE`, `..._IPV6_ROUTE`, `..._IPV4_RULE`, `..._IPV6_RULE`.
const PATH_GROUPS: u32 = 1 << 6 | 1 << 10 | 1 << 7 | 1 << 18;
/// Where the low byte of a message's type is (`struct nlmsghdr`).
const TYPE: u32 = if cfg!(target_endian = "little") { 4 } else { 5 };
/// Where a route's origin is: `rtm_protocol` after that header.
const ORIGIN: u32 = 16 + 5;
/// `RTM_NEWROUTE` and `RTM_DELROUTE`.
const ROUTES: [u32; 2] = [24, 25];
/// Room for about 2,000 changes at once, in bytes; more than that end in [`Changed::Lost`], which is no worse.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Messages that are taken in one go, so that a host in which interfaces come and go for ever can't hold the caller.
const MAX_DRAIN: usize = 16_384;

/// What happened since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing.
    Nothing,
    /// Something: list and compare.
    Something,
    /// More than the buffer could hold: list and compare, and say so, since it means that we were starved.
    Lost,
}

/// Readable when any link or address of the namespace may have changed. Needs no right.
#[derive(Debug)]
pub struct Monitor(Socket);

impl Monitor {
    /// Listens in the calling thread's network namespace, from now on.
    ///
    /// # Errors
    /// socket(2), bind(2): no descriptors left.
    pub fn open() -> io::Result<Self> {
        let socket = socket()?;
        Self::bound(socket, GROUPS)
    }

    /// The same, and it hears of rules, and of routes of that origin. Those of a busy routing daemon are dropped in the kernel.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_paths(origin: u8) -> io::Result<Self> {
        let socket = socket()?;
        let [new, old] = ROUTES;
        SockRef::from(&socket).attach_filter(&[
            SockFilter::new(BYTE, 0, 0, TYPE),
            SockFilter::new(IF_EQUAL, 2, 0, new),
            SockFilter::new(IF_EQUAL, 1, 0, old),
            PASS,
            SockFilter::new(BYTE, 0, 0, ORIGIN),
            SockFilter::new(IF_EQUAL, 0, 1, origin.into()),
            PASS,
            DROP,
        ])?;
        Self::bound(socket, GROUPS | PATH_GROUPS)
    }

    fn bound(mut socket: Socket, groups: u32) -> io::Result<Self> {
        socket.bind(&SocketAddr::new(0, groups))?;
        Ok(Self(socket))
    }

    /// Takes what there is, unread: what changed is for a list to say.
    ///
    /// # Errors
    /// recv(2); none is expected but for a descriptor that isn't ours any more.
    pub fn drain(&self) -> io::Result<Changed> {
        let mut changed = Changed::Nothing;
        let mut unread = [0_u8; 16];
        for _ in 0..MAX_DRAIN {
            match self.0.recv(&mut unread.as_mut_slice(), 0) {
                Ok(_) if changed == Changed::Nothing => changed = Changed::Something,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = Changed::Lost,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(changed)
    }
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    // Beyond the administrator's limit only with CAP_NET_ADMIN; without it as large as may be.
    if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
    }
    Ok(socket)
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
