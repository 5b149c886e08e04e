//! Overhearing who else says that an address is theirs: ARP for IPv4, neighbour advertisements for IPv6.
//!
//! [`open`] needs CAP_NET_RAW; listening needs nothing ([`WatchSocket`]). Whether a claim is foreign is the caller's
//! comparison: nothing here knows our own hardware addresses. It must never send, and never give received bytes to
//! pnet's reader of neighbour discovery options, which panics on hostile ones.
//! Read packet(7), raw(7), RFC 826, RFC 5227 1.1 and RFC 4861 4.4 and 4.6.1 first.

mod filter;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use model::{Family, LinkName, MacAddress};
use pnet_packet::arp::{ArpHardwareTypes, ArpPacket};
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::Icmpv6Types;
use pnet_packet::icmpv6::ndp::{NdpOptionTypes, NeighborAdvertPacket};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socket_with, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use filter::MAX_FILTERED;

use crate::{advert, announce};

/// EtherType of ARP (IANA).
const ETHERTYPE_ARP: u16 = 0x0806;
/// Longer messages are cut off. An ARP packet has 28 bytes, an advertisement that tells a hardware address 32.
const MAX_MESSAGE: usize = 512;
/// Bytes of a neighbour advertisement before its options.
const ADVERTISEMENT: usize = 24;
/// Type and length of an option; the length counts units of 8 bytes, these two included.
const OPTION_HEADER: usize = 2;
const OPTION_UNIT: usize = 8;

const IPV4_LENGTH: u8 = 4;
const MAC_LENGTH: u8 = 6;

/// Opens the socket of `link`, whose index is `index`, that hears claims to `addresses` of that family alone:
/// non-blocking, closed on exec. Beyond [`MAX_FILTERED`] addresses it hears claims to any. Of neighbour advertisements only
/// those come through that can't have crossed a router (hop limit 255, RFC 4861 7.1.2).
///
/// # Errors
/// EPERM without CAP_NET_RAW, ENODEV if the interface is not there (any more), ENOBUFS or ENOMEM.
pub fn open(link: &LinkName, index: u32, family: Family, addresses: &[IpAddr]) -> io::Result<OwnedFd> {
    let filter = filter::program(family, addresses);
    match family {
        Family::V4 => {
            let flags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
            // Without a protocol it is deaf until it is bound: by then the filter is there.
            let fd = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
            SockRef::from(&fd).attach_filter(&filter)?;
            announce::bind(fd.as_fd(), index, ETHERTYPE_ARP)?;
            Ok(fd)
        }
        Family::V6 => {
            let kind = Type::RAW.nonblocking().cloexec();
            let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
            socket.attach_filter(&filter)?;
            socket.bind_device(Some(link.as_str().as_bytes()))?;
            advert::discard_early_packets(&socket)?;
            Ok(socket.into())
        }
    }
}

/// Somebody says that an address is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which address.
    pub address: IpAddr,
    /// Where they say it lives.
    pub mac: MacAddress,
}

/// What was in the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overheard {
    /// A claim. Nothing in it has been believed yet.
    Claim(Claim),
    /// Something that says of no address where it lives; already discarded.
    Other,
}

/// The unprivileged side of [`open`].
#[derive(Debug)]
pub struct WatchSocket {
    fd: OwnedFd,
    family: Family,
}

impl WatchSocket {
    /// Takes a descriptor that [`open`] made for this family, here or in another process.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a socket that hears ARP (IPv4) or ICMPv6 (IPv6); whatever getsockopt(2) says if it is
    /// no socket at all.
    pub fn from_fd(fd: OwnedFd, family: Family) -> io::Result<Self> {
        let domain = sockopt::socket_domain(&fd)?;
        let fits = match family {
            Family::V4 => domain == AddressFamily::PACKET && sockopt::socket_type(&fd)? == SocketType::DGRAM,
            Family::V6 => {
                domain == AddressFamily::INET6 && SockRef::from(&fd).protocol()? == Some(Protocol::ICMPV6)
            }
        };
        if fits {
            Ok(Self { fd, family })
        } else {
            let what = format!("not a socket that overhears {family} claims");
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
    }

    /// Takes one message from the queue; `None` if there is none.
    ///
    /// # Errors
    /// recv(2), such as ENETDOWN; the socket may work again later.
    pub fn receive(&self) -> io::Result<Option<Overheard>> {
        let mut buffer = [0; MAX_MESSAGE];
        let length = loop {
            match rustix::net::recv(&self.fd, &mut buffer, RecvFlags::empty()) {
                Ok((_, length)) => break length,
                // Also said in place of an advertisement with a wrong checksum; what is behind it comes with the next.
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let message = buffer.get(..length).unwrap_or_default();
        let claim = match self.family {
            Family::V4 => claim_in_arp(message),
            Family::V6 => claim_in_advertisement(message),
        };
        Ok(Some(claim.map_or(Overheard::Other, Overheard::Claim)))
    }
}

impl AsFd for WatchSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads an ARP packet, without the frame around it; `None` if it makes no claim.
///
/// Whoever sends ARP, be it a question, an answer or an announcement, says where its own address lives. Who only probes
/// leaves its address out (RFC 5227 1.1), and claims nothing.
pub fn claim_in_arp(message: &[u8]) -> Option<Claim> {
    let arp = ArpPacket::new(message)?;
    let is_ethernet =
        arp.get_hardware_type() == ArpHardwareTypes::Ethernet && arp.get_hw_addr_len() == MAC_LENGTH;
    let is_ipv4 = arp.get_protocol_type() == EtherTypes::Ipv4 && arp.get_proto_addr_len() == IPV4_LENGTH;
    let address = arp.get_sender_proto_addr();
    (is_ethernet && is_ipv4 && !address.is_unspecified())
        .then(|| Claim { address: address.into(), mac: MacAddress(arp.get_sender_hw_addr().octets()) })
}

/// Reads an ICMPv6 message; `None` if it is no neighbour advertisement that makes a claim.
///
/// Only with the option that tells the hardware address: the frame's own sender doesn't reach us, and may be a proxy.
pub fn claim_in_advertisement(message: &[u8]) -> Option<Claim> {
    let advertisement = NeighborAdvertPacket::new(message)?;
    if advertisement.get_icmpv6_type() != Icmpv6Types::NeighborAdvert {
        return None;
    }
    let mac = target_link_layer_address(message.get(ADVERTISEMENT..)?)?;
    Some(Claim { address: advertisement.get_target_addr().into(), mac })
}

/// Walks the options. One without a length ends it: RFC 4861 4.6 has the whole message discarded.
fn target_link_layer_address(mut options: &[u8]) -> Option<MacAddress> {
    while let Some(&[kind, units]) = options.first_chunk::<OPTION_HEADER>() {
        let length = usize::from(units) * OPTION_UNIT;
        let data = options.get(OPTION_HEADER..length)?;
        if kind == NdpOptionTypes::TargetLLAddr.0 {
            return data.first_chunk().map(|bytes| MacAddress(*bytes));
        }
        options = options.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests;
