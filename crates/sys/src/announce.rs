//! Telling the neighbours where an address lives now: gratuitous ARP for IPv4, unsolicited neighbour advertisements for
//! IPv6.
//!
//! [`open`] needs CAP_NET_RAW; sending needs nothing. The socket never receives, and pnet's neighbour discovery code, which
//! builds the frames here, must never be given received bytes: it panics on hostile options. Read packet(7),
//! RFC 826, RFC 5227 1 and RFC 4861 4.4 and 7.2.6 first; V3-FSM-4 says when this is due.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use model::MacAddress;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::ndp::{
    MutableNdpOptionPacket, MutableNeighborAdvertPacket, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socket_with, sockopt};

const ETHERNET_HEADER: usize = 14;
const IPV6_HEADER: usize = 40;
/// An ARP packet for Ethernet and IPv4.
const ARP: usize = 28;
/// A neighbour advertisement without options.
const ADVERTISEMENT: usize = 24;
/// A link-layer address option; its length field counts units of 8 bytes.
const OPTION: usize = 8;
const OPTION_UNITS: u8 = 1;
const OPTION_HEADER: usize = 2;

const ARP_FRAME: usize = ETHERNET_HEADER + ARP;
const ADVERTISEMENT_FRAME: usize = ETHERNET_HEADER + IPV6_HEADER + ADVERTISEMENT + OPTION;

/// What a deaf packet socket hears.
const NO_PROTOCOL: u16 = 0;

const IPV4_LENGTH: u8 = 4;
const MAC_LENGTH: u8 = 6;
const IPV6_VERSION: u8 = 6;
/// RFC 4861 7.1.2: a receiver drops anything that may have crossed a router.
const HOP_LIMIT: u8 = 255;
const BROADCAST: MacAddress = MacAddress([0xff; 6]);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// [`ALL_NODES`] as Ethernet spells it (RFC 2464 7).
const ALL_NODES_MAC: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0, 1]);

/// Opens the socket for the interface with that index: bound to it, non-blocking, closed on exec, and deaf, since it asks
/// for no protocol.
///
/// # Errors
/// EPERM without CAP_NET_RAW, ENODEV if the interface is not there (any more).
pub fn open(index: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
    let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    bind(fd.as_fd(), index, NO_PROTOCOL)?;
    Ok(fd)
}

/// Binds a packet socket to the interface with that index, to hear frames of one EtherType there (0: none).
pub(crate) fn bind(fd: BorrowedFd<'_>, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: a plain C structure of integers, for which all zeros is a value.
    let mut address = unsafe { mem::zeroed::<libc::sockaddr_ll>() };
    address.sll_family = ADDRESS_FAMILY;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| Errno::NODEV)?;
    // SAFETY: the pointer and the length are those of one live sockaddr_ll.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), ADDRESS_LENGTH) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "17, by linux/socket.h")]
const ADDRESS_FAMILY: libc::sa_family_t = libc::AF_PACKET as libc::sa_family_t;
#[expect(clippy::cast_possible_truncation, reason = "the size of a small structure")]
const ADDRESS_LENGTH: libc::socklen_t = mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t;

/// The unprivileged side of [`open`].
#[derive(Debug)]
pub struct AnnounceSocket {
    fd: OwnedFd,
}

impl AnnounceSocket {
    /// Takes a descriptor that [`open`] made, here or in another process.
    ///
    /// # Errors
    /// `InvalidInput` if it is not a raw packet socket; whatever getsockopt(2) says if it is no socket at all.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_domain(&fd)? != AddressFamily::PACKET
            || sockopt::socket_type(&fd)? != SocketType::RAW
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a raw packet socket"));
        }
        Ok(Self { fd })
    }

    /// Broadcasts that `address` is at `mac`.
    ///
    /// # Errors
    /// send(2): ENETDOWN, ENXIO if the interface is gone, `WouldBlock` or ENOBUFS if the queue is full.
    pub fn gratuitous_arp(&self, mac: MacAddress, address: Ipv4Addr) -> io::Result<()> {
        self.send(&arp_frame(mac, address).ok_or(Errno::MSGSIZE)?)
    }

    /// Tells all nodes on the link that `address` is at `mac`; `router` says whether this host forwards packets, since
    /// hosts take a router that says no from their list of default routers (RFC 4861 7.2.5).
    ///
    /// # Errors
    /// As [`Self::gratuitous_arp`].
    pub fn unsolicited_na(&self, mac: MacAddress, address: Ipv6Addr, router: bool) -> io::Result<()> {
        self.send(&advertisement_frame(mac, address, router).ok_or(Errno::MSGSIZE)?)
    }

    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        loop {
            match rustix::net::send(&self.fd, frame, SendFlags::empty()) {
                // A frame goes out whole or not at all.
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for AnnounceSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn ethernet_header(frame: &mut [u8], to: MacAddress, from: MacAddress, kind: EtherType) -> Option<()> {
    let mut ethernet = MutableEthernetPacket::new(frame)?;
    ethernet.set_destination(to.0.into());
    ethernet.set_source(from.0.into());
    ethernet.set_ethertype(kind);
    Some(())
}

/// A gratuitous ARP in the form that keepalived sends: a request in which sender and target are the address itself and
/// the target's hardware address is the broadcast. All known stacks update their cache from it (RFC 5227 3).
///
/// `None` would mean that a buffer here is too short for its packet.
fn arp_frame(mac: MacAddress, address: Ipv4Addr) -> Option<[u8; ARP_FRAME]> {
    let mut frame = [0; ARP_FRAME];
    ethernet_header(&mut frame, BROADCAST, mac, EtherTypes::Arp)?;
    let mut arp = MutableArpPacket::new(frame.get_mut(ETHERNET_HEADER..)?)?;
    arp.set_hardware_type(ArpHardwareTypes::Ethernet);
    arp.set_protocol_type(EtherTypes::Ipv4);
    arp.set_hw_addr_len(MAC_LENGTH);
    arp.set_proto_addr_len(IPV4_LENGTH);
    arp.set_operation(ArpOperations::Request);
    arp.set_sender_hw_addr(mac.0.into());
    arp.set_sender_proto_addr(address);
    arp.set_target_hw_addr(BROADCAST.0.into());
    arp.set_target_proto_addr(address);
    Some(frame)
}

/// An unsolicited neighbour advertisement with the override flag and the target link-layer address (RFC 4861 7.2.6).
///
/// `None` as in [`arp_frame`].
fn advertisement_frame(
    mac: MacAddress,
    address: Ipv6Addr,
    router: bool,
) -> Option<[u8; ADVERTISEMENT_FRAME]> {
    let mut frame = [0; ADVERTISEMENT_FRAME];
    ethernet_header(&mut frame, ALL_NODES_MAC, mac, EtherTypes::Ipv6)?;
    let (header, message) = frame.get_mut(ETHERNET_HEADER..)?.split_at_mut_checked(IPV6_HEADER)?;

    let mut ipv6 = MutableIpv6Packet::new(header)?;
    ipv6.set_version(IPV6_VERSION);
    ipv6.set_payload_length(u16::try_from(message.len()).ok()?);
    ipv6.set_next_header(IpNextHeaderProtocols::Icmpv6);
    ipv6.set_hop_limit(HOP_LIMIT);
    ipv6.set_source(address);
    ipv6.set_destination(ALL_NODES);

    let mut advertisement = MutableNeighborAdvertPacket::new(message)?;
    advertisement.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
    let router = if router { NeighborAdvertFlags::Router } else { 0 };
    advertisement.set_flags(router | NeighborAdvertFlags::Override);
    advertisement.set_target_addr(address);

    let link_layer = message.get_mut(ADVERTISEMENT..)?;
    let mut option = MutableNdpOptionPacket::new(link_layer)?;
    option.set_option_type(NdpOptionTypes::TargetLLAddr);
    option.set_length(OPTION_UNITS);
    link_layer.get_mut(OPTION_HEADER..)?.copy_from_slice(&mac.0);

    let checksum = icmpv6::checksum(&Icmpv6Packet::new(message)?, &address, &ALL_NODES);
    MutableNeighborAdvertPacket::new(message)?.set_checksum(checksum);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::testing::{Cable, LONG, Side, drop_all_capabilities, ip, readable_within};

    const MAC: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x2a]);
    const VIP4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
    const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);

    #[rustfmt::skip]
    const GOLDEN_ARP: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff,     // to everybody
        0x02, 0x00, 0x00, 0x00, 0x00, 0x2a,
        0x08, 0x06,                             // ARP
        0x00, 0x01, 0x08, 0x00, 6, 4,           // Ethernet, IPv4, their address lengths
        0x00, 0x01,                             // request
        0x02, 0x00, 0x00, 0x00, 0x00, 0x2a, 192, 0, 2, 100,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 192, 0, 2, 100,
    ];

    #[rustfmt::skip]
    const GOLDEN_NA: [u8; 86] = [
        0x33, 0x33, 0x00, 0x00, 0x00, 0x01,     // to all nodes
        0x02, 0x00, 0x00, 0x00, 0x00, 0x2a,
        0x86, 0xdd,                             // IPv6
        0x60, 0x00, 0x00, 0x00,
        0x00, 0x20, 0x3a, 0xff,                 // 32 bytes of ICMPv6, hop limit 255
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00,
        0xff, 0x02, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x01,
        0x88, 0x00, 0x00, 0x00,                 // neighbour advertisement; the checksum is put in below
        0xa0, 0x00, 0x00, 0x00,                 // router, override
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00,
        0x02, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x2a,
    ];
    const CHECKSUM_AT: usize = 56;

    /// RFC 1071 over the pseudo-header of RFC 8200 8.1 and the message: by hand, to judge pnet's.
    fn checksum(frame: &[u8]) -> u16 {
        let pseudo_header = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        let words = pseudo_header.chunks(2).chain(frame[54..].chunks(2));
        let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    /// V3-FSM-4, IPv4.
    #[test]
    fn a_gratuitous_arp_is_what_keepalived_sends() {
        assert_eq!(arp_frame(MAC, VIP4).unwrap(), GOLDEN_ARP);
    }

    /// V3-FSM-4, IPv6: R as told, S not set, O set.
    #[test]
    fn an_unsolicited_advertisement_is_what_the_rfc_draws() {
        let mut golden = GOLDEN_NA;
        let sum = checksum(&golden).to_be_bytes();
        golden[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum);
        assert_eq!(advertisement_frame(MAC, VIP6, true).unwrap(), golden);

        let host = advertisement_frame(MAC, VIP6, false).unwrap();
        assert_eq!(host[58], 0x20, "flags without R");
        assert_eq!(checksum(&host), 0, "a whole message sums up to nothing");
    }

    /// What the frames are for: a neighbour that knew the address elsewhere believes them at once.
    #[test]
    fn a_neighbour_changes_its_mind_and_no_capability_is_needed() {
        let Some(cable) = Cable::lay() else { return };
        let index = cable.index(Side::A);
        let socket = AnnounceSocket::from_fd(open(index).unwrap()).unwrap();
        cable.enter(Side::B);
        // Otherwise an IPv4 neighbour holds on to an entry for its first second (Documentation/networking/ip-sysctl).
        std::fs::write("/proc/sys/net/ipv4/neigh/veth-b/locktime", "0").unwrap();
        let addresses = [IpAddr::from(VIP4), IpAddr::from(VIP6)].map(|address| address.to_string());
        for address in &addresses {
            let old = ["lladdr", "02:00:00:00:00:01", "dev", "veth-b", "nud", "stale"];
            ip(&[&["neighbour", "add", address.as_str()][..], &old].concat());
        }
        std::thread::spawn(move || {
            drop_all_capabilities();
            assert!(open(index).is_err(), "a new packet socket is a privilege");
            socket.gratuitous_arp(MAC, VIP4).unwrap();
            socket.unsolicited_na(MAC, VIP6, true).unwrap();
            assert!(!readable_within(&socket, Duration::ZERO), "it must be deaf");
        })
        .join()
        .unwrap();
        let deadline = clock::now() + LONG;
        for address in &addresses {
            let entry = || ip(&["neighbour", "show", "to", address, "dev", "veth-b"]);
            while !entry().contains(&MAC.to_string()) {
                assert!(clock::now() < deadline, "still {}", entry());
            }
        }
    }

    #[test]
    fn foreign_descriptors_and_absent_interfaces_are_refused() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(AnnounceSocket::from_fd(udp.into()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let Some(cable) = Cable::lay() else { return };
        cable.enter(Side::A);
        assert_eq!(open(999).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
