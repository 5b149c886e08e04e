//! The raw socket that speaks protocol 112 on one interface, in one IP version; or, for AH, protocol 51.
//!
//! [`open`] needs CAP_NET_RAW and CAP_NET_ADMIN and does everything that does; the descriptor it returns then works in
//! a process without any right ([`AdvertSocket`]). Nothing here may look into a VRRP message, nor make or check an authentication header: that is `vrrp`'s.
//! Read raw(7), ip(7), ipv6(7) and RFC 3542 (hop limit and packet information) first; RFC 9568 5.1 says what the
//! IP header of an advert must be (V3-PKT-6).

mod filter;
mod ipv4;
mod ipv6;

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::{Family, LinkName, Transport, Vrid};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, sockopt};
use socket2::{Domain, MsgHdr, Protocol, SockAddr, SockRef, Socket, Type};

use crate::overflow;

pub use ipv4::parse as parse_ipv4;

/// VRRP's number among the IP protocols (IANA).
pub const PROTOCOL: i32 = 112;
/// The authentication header's number among the IP protocols (RFC 4302 2).
pub const AH_PROTOCOL: i32 = 51;
/// Where IPv4 adverts go by default (RFC 9568 5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// Where IPv6 adverts go by default (RFC 9568 5.1.2.2).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// A buffer of this many bytes holds any IP packet.
pub const MAX_PACKET: usize = 65_535;

/// TTL and hop limit of adverts, unless an administrator wants another for peers (V3-PKT-6).
pub const TTL: u8 = 255;
/// ToS and traffic class: DSCP CS6, "internetwork control" (RFC 4594 3.2).
pub(crate) const TRAFFIC_CLASS: u8 = 0xc0;
/// `TC_PRIO_CONTROL` (linux/pkt_sched.h): our own queueing discipline sends adverts before anything else.
const QUEUE_PRIORITY: u32 = 7;
/// Bytes that the kernel may queue for us: more than a thousand adverts, bookkeeping included.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Packets that can have come in between the creation of a socket and its filter: as many as a default receive
/// buffer holds, and some.
const MAX_EARLY_PACKETS: usize = 4096;

/// The number in the IP header.
const fn protocol(transport: Transport) -> i32 {
    match transport {
        Transport::V4 | Transport::V6 => PROTOCOL,
        Transport::Ah => AH_PROTOCOL,
    }
}

/// Opens the socket of `link`, whose index is `index`, that hears adverts for `vrids` only: bound to the interface,
/// a member of `groups`, which are of the transport's family, without loopback of our own multicasts, non-blocking and closed on exec.
///
/// # Errors
/// EPERM without the capabilities named above, ENODEV if the interface is not there (any more), ENOBUFS or ENOMEM:
/// also for more IPv4 groups than `net.ipv4.igmp_max_memberships`. `InvalidInput` for a group of the other family.
pub fn open(
    link: &LinkName,
    index: u32,
    transport: Transport,
    vrids: &[Vrid],
    groups: &[IpAddr],
) -> io::Result<OwnedFd> {
    let family = transport.family();
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket =
        Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(protocol(transport))))?;
    socket.attach_filter(&filter::program(transport, vrids))?;
    socket.bind_device(Some(link.as_str().as_bytes()))?;
    discard_early_packets(&socket)?;
    enlarge_receive_buffer(&socket, RECEIVE_BUFFER)?;
    socket.set_priority(QUEUE_PRIORITY)?;
    match family {
        Family::V4 => {
            socket.set_header_included_v4(true)?;
            socket.set_multicast_loop_v4(false)?;
            socket.set_multicast_all_v4(false)?;
            sockopt::set_ip_multicast_if_with_ifindex(
                &socket,
                &Ipv4Addr::UNSPECIFIED,
                &Ipv4Addr::UNSPECIFIED,
                index,
            )?;
        }
        Family::V6 => {
            socket.set_tclass_v6(TRAFFIC_CLASS.into())?;
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_all_v6(false)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_recv_hoplimit_v6(true)?;
            ipv6::request_packet_information(socket.as_fd())?;
        }
    }
    for group in groups {
        join(&socket, index, family, *group)?;
    }
    Ok(socket.into())
}

fn join(socket: &Socket, index: u32, family: Family, group: IpAddr) -> io::Result<()> {
    match (family, group) {
        (Family::V4, IpAddr::V4(group)) => {
            Ok(sockopt::set_ip_add_membership_with_ifindex(socket, &group, &Ipv4Addr::UNSPECIFIED, index)?)
        }
        (Family::V6, IpAddr::V6(group)) => socket.join_multicast_v6(&group, index),
        (Family::V4 | Family::V6, _) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("group {group} on a socket for {family}"),
        )),
    }
}

/// A raw socket hears every interface and every VRID until it is told otherwise; what it heard is not for us.
pub(crate) fn discard_early_packets(socket: &Socket) -> io::Result<()> {
    for _ in 0..MAX_EARLY_PACKETS {
        match rustix::net::recv(socket, &mut [0_u8; 1], RecvFlags::TRUNC) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Has the kernel keep up to so many bytes of packets until they are read, beyond the default of 208 KiB.
pub(crate) fn enlarge_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    match sockopt::set_socket_recv_buffer_size_force(socket, bytes) {
        // Within a user namespace an older kernel refuses; then net.core.rmem_max is the limit.
        Err(Errno::PERM) => socket.set_recv_buffer_size(bytes),
        other => Ok(other?),
    }
}

/// One packet, with what its IP header said or shall say. Nothing in one that was received has been believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'buffer> {
    /// Who sent it.
    pub source: IpAddr,
    /// Where it was sent: the group, or an address of ours.
    pub destination: IpAddr,
    /// TTL or hop limit; on arrival, what was left of it.
    pub ttl: u8,
    /// With [`Transport::Ah`] alone: the identification in the IPv4 header, which the authentication header covers. The
    /// kernel writes its own over a 0 (raw(7)).
    pub sealed: Option<u16>,
    /// The VRRP message, with AH the authentication header and the message: what the IP header says is its payload, as
    /// far as it is there.
    pub message: &'buffer [u8],
}

/// Why a datagram could not be handed on as a [`Packet`]. The caller counts it; the socket is fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Longer than the caller's buffer.
    TooLong,
    /// Not a whole IPv4 header, or one whose lengths contradict each other.
    Header,
    /// The kernel did not say where the packet was sent to or with which hop limit (IPv6).
    Unlabelled,
}

/// What was in the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'buffer> {
    /// A packet.
    Packet(Packet<'buffer>),
    /// Something else, already discarded.
    Malformed {
        /// What was wrong with it.
        what: Malformed,
        /// Who sent it, if that can be told.
        source: Option<IpAddr>,
    },
}

/// The unprivileged side of [`open`].
#[derive(Debug)]
pub struct AdvertSocket {
    fd: OwnedFd,
    transport: Transport,
}

impl AdvertSocket {
    /// Takes a descriptor that [`open`] made for this transport, here or in another process.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a socket of that family and protocol; whatever getsockopt(2) says if it is
    /// no socket at all.
    pub fn from_fd(fd: OwnedFd, transport: Transport) -> io::Result<Self> {
        let domain = match transport.family() {
            Family::V4 => AddressFamily::INET,
            Family::V6 => AddressFamily::INET6,
        };
        let wanted = protocol(transport);
        let found = SockRef::from(&fd).protocol()?.map(i32::from);
        if sockopt::socket_domain(&fd)? != domain || found != Some(wanted) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("not a socket of {} protocol {wanted}", transport.family()),
            ));
        }
        Ok(Self { fd, transport })
    }

    /// What its adverts travel in.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Takes one packet from the queue; `None` if there is none. [`MAX_PACKET`] bytes are enough for any.
    ///
    /// # Errors
    /// recvmsg(2), such as ENETDOWN; the socket may work again later.
    pub fn receive<'buffer>(&self, buffer: &'buffer mut [u8]) -> io::Result<Option<Received<'buffer>>> {
        match self.transport.family() {
            Family::V4 => ipv4::receive(self.fd.as_fd(), buffer),
            Family::V6 => ipv6::receive(self.fd.as_fd(), buffer),
        }
    }

    /// How many packets for us the kernel has dropped since the socket was opened because we hadn't read those before them;
    /// wraps at 2^32.
    ///
    /// # Errors
    /// ENOPROTOOPT before Linux 4.12.
    pub fn overflowed(&self) -> io::Result<u32> {
        overflow::dropped(self.fd.as_fd())
    }

    /// Sends one message to the group or to one peer, with that IP header.
    ///
    /// # Errors
    /// `InvalidInput` if the packet is not of this socket's transport; else sendmsg(2): `WouldBlock` if the queue is
    /// full, EMSGSIZE beyond the interface's MTU, ENETDOWN, EINVAL for an IPv6 source that is not on the interface.
    pub fn send(&self, packet: &Packet<'_>) -> io::Result<()> {
        let Packet { source, destination, ttl, sealed, message } = *packet;
        match (self.transport, source, destination) {
            (Transport::V4 | Transport::Ah, IpAddr::V4(source), IpAddr::V4(destination))
                if sealed.is_some() == (self.transport == Transport::Ah) =>
            {
                let header = ipv4::header(source, destination, ttl, sealed, message.len())?;
                let to = SocketAddrV4::new(destination, 0).into();
                self.send_message(&to, &[IoSlice::new(&header), IoSlice::new(message)], &[])
            }
            (Transport::V6, IpAddr::V6(source), IpAddr::V6(destination)) if sealed.is_none() => {
                // Scope 0 means the interface that the socket is bound to.
                let to = SocketAddrV6::new(destination, 0, 0, 0).into();
                self.send_message(&to, &[IoSlice::new(message)], &ipv6::labels(source, ttl))
            }
            (Transport::V4 | Transport::V6 | Transport::Ah, ..) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{source} to {destination} on a socket for {}", self.transport),
            )),
        }
    }

    fn send_message(&self, to: &SockAddr, parts: &[IoSlice<'_>], control: &[u8]) -> io::Result<()> {
        let mut message = MsgHdr::new().with_addr(to).with_buffers(parts);
        if !control.is_empty() {
            message = message.with_control(control);
        }
        loop {
            match SockRef::from(&self.fd).sendmsg(&message, 0) {
                // A datagram goes out whole or not at all.
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for AdvertSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;
