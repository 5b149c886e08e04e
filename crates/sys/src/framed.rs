//! Adverts in frames of our own making: from the hardware address of the virtual router (RFC 9568 5.1.1, 7.3), which the
//! kernel would only put there for an interface that has it and is up.
//!
//! They leave through an announcement's socket, which is bound to the interface and deaf. Multicast alone: where the frames of
//! one peer go is the kernel's to find out. Read RFC 1112 6.4 and RFC 2464 7 (the destinations), RFC 6864 4.1 (the
//! identification of what isn't fragmented) first.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::MacAddress;
use pnet_packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use rustix::io::Errno;

use crate::advert::{Packet, TRAFFIC_CLASS};
use crate::announce::AnnounceSocket;

const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
/// [`IPV4_HEADER`] as the header counts it.
const IPV4_WORDS: u8 = 5;
const IPV6_HEADER: usize = 40;
const VRRP: IpNextHeaderProtocol = IpNextHeaderProtocols::Vrrp;

impl AnnounceSocket {
    /// Sends an advert to its group from that hardware address.
    ///
    /// # Errors
    /// `InvalidInput` if it isn't for a group; send(2): ENETDOWN, ENXIO if the interface is gone, EMSGSIZE, `WouldBlock` or
    /// ENOBUFS if the queue is full.
    pub fn advert(&self, mac: MacAddress, packet: &Packet<'_>) -> io::Result<()> {
        let frame = match (packet.source, packet.destination) {
            (IpAddr::V4(source), IpAddr::V4(group)) if group.is_multicast() => {
                ipv4_frame(mac, (source, group), packet)
            }
            (IpAddr::V6(source), IpAddr::V6(group)) if group.is_multicast() => {
                ipv6_frame(mac, (source, group), packet)
            }
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        self.send(&frame.ok_or(Errno::MSGSIZE)?)
    }
}

/// `None` for a message that no packet has room for.
fn ipv4_frame(
    mac: MacAddress,
    (source, group): (Ipv4Addr, Ipv4Addr),
    packet: &Packet<'_>,
) -> Option<Vec<u8>> {
    let [_, b, c, d] = group.octets();
    let to = MacAddress([0x01, 0, 0x5e, b & 0x7f, c, d]);
    let mut frame = frame((to, mac), EtherTypes::Ipv4, IPV4_HEADER, packet.message)?;
    let mut ip = MutableIpv4Packet::new(frame.get_mut(ETHERNET_HEADER..)?)?;
    ip.set_version(4);
    ip.set_header_length(IPV4_WORDS);
    ip.set_dscp(TRAFFIC_CLASS >> 2);
    ip.set_total_length(u16::try_from(IPV4_HEADER + packet.message.len()).ok()?);
    match packet.sealed {
        // What the authentication header covers.
        Some(identification) => ip.set_identification(identification),
        None => ip.set_flags(Ipv4Flags::DontFragment),
    }
    ip.set_ttl(packet.ttl);
    ip.set_next_level_protocol(if packet.sealed.is_some() { IpNextHeaderProtocols::Ah } else { VRRP });
    ip.set_source(source);
    ip.set_destination(group);
    let checksum = ipv4::checksum(&ip.to_immutable());
    ip.set_checksum(checksum);
    Some(frame)
}

/// Likewise.
fn ipv6_frame(
    mac: MacAddress,
    (source, group): (Ipv6Addr, Ipv6Addr),
    packet: &Packet<'_>,
) -> Option<Vec<u8>> {
    let [.., a, b, c, d] = group.octets();
    let to = MacAddress([0x33, 0x33, a, b, c, d]);
    let mut frame = frame((to, mac), EtherTypes::Ipv6, IPV6_HEADER, packet.message)?;
    let mut ip = MutableIpv6Packet::new(frame.get_mut(ETHERNET_HEADER..)?)?;
    ip.set_version(6);
    ip.set_traffic_class(TRAFFIC_CLASS);
    ip.set_payload_length(u16::try_from(packet.message.len()).ok()?);
    ip.set_next_header(VRRP);
    ip.set_hop_limit(packet.ttl);
    ip.set_source(source);
    ip.set_destination(group);
    Some(frame)
}

/// An Ethernet header, room for an IP header of that length, and the message.
fn frame(
    (to, from): (MacAddress, MacAddress),
    kind: EtherType,
    header: usize,
    message: &[u8],
) -> Option<Vec<u8>> {
    let mut frame = vec![0; ETHERNET_HEADER + header + message.len()];
    frame.get_mut(ETHERNET_HEADER + header..)?.copy_from_slice(message);
    let mut ethernet = MutableEthernetPacket::new(&mut frame)?;
    ethernet.set_destination(to.0.into());
    ethernet.set_source(from.0.into());
    ethernet.set_ethertype(kind);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use model::{Family, LinkName, Transport, Vrid};

    use super::*;
    use crate::advert::{self, AdvertSocket, GROUP_V4, GROUP_V6, MAX_PACKET, Received, TTL};
    use crate::announce;
    use crate::testing::{Cable, LONG, Side, readable_within};

    const MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 5]);
    const MESSAGE: [u8; 12] = [0x31, 5, 100, 1, 0, 100, 0, 0, 192, 0, 2, 100];

    /// V3-PKT-7: as the RFC and the kernel's own raw socket have it, but for where it comes from.
    #[test]
    fn a_neighbour_hears_what_a_raw_socket_would_have_sent() {
        let Some(cable) = Cable::lay() else { return };
        let cases = [
            (Family::V4, "192.0.2.1".parse().unwrap(), IpAddr::V4(GROUP_V4), None),
            (Family::V4, "192.0.2.1".parse().unwrap(), IpAddr::V4(GROUP_V4), Some(4711)),
            (Family::V6, "fe80::1".parse().unwrap(), IpAddr::V6(GROUP_V6), None),
        ];
        for (family, source, group, sealed) in cases {
            let transport: Transport = if sealed.is_some() { Transport::Ah } else { family.into() };
            cable.enter(Side::B);
            let name = LinkName::new("veth-b").unwrap();
            let vrids = [Vrid::new(5).unwrap()];
            // Behind an authentication header the filter looks for the message.
            let message = if sealed.is_some() {
                [&[112, 4][..], &[0; 22], &MESSAGE].concat()
            } else {
                MESSAGE.to_vec()
            };
            let ear = advert::open(&name, cable.index(Side::B), transport, &vrids, &[group]).unwrap();
            let ear = AdvertSocket::from_fd(ear, transport).unwrap();
            cable.enter(Side::A);
            let mouth = AnnounceSocket::from_fd(announce::open(cable.index(Side::A)).unwrap()).unwrap();
            let packet = Packet { source, destination: group, ttl: TTL, sealed, message: &message };
            mouth.advert(MAC, &packet).unwrap();
            assert!(readable_within(&ear, LONG), "{transport:?}");
            let mut buffer = vec![0; MAX_PACKET];
            match ear.receive(&mut buffer).unwrap() {
                Some(Received::Packet(heard)) => {
                    assert_eq!((heard.source, heard.destination, heard.ttl), (source, group, TTL));
                    assert_eq!((heard.sealed, heard.message), (sealed, &message[..]));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_header_is_as_the_rfc_draws_it() {
        let packet = Packet {
            source: "192.0.2.1".parse().unwrap(),
            destination: IpAddr::V4(GROUP_V4),
            ttl: TTL,
            sealed: None,
            message: &MESSAGE,
        };
        let frame = ipv4_frame(MAC, ("192.0.2.1".parse().unwrap(), GROUP_V4), &packet).unwrap();
        #[rustfmt::skip]
        let golden = [
            0x01, 0x00, 0x5e, 0x00, 0x00, 0x12,
            0x00, 0x00, 0x5e, 0x00, 0x01, 0x05,
            0x08, 0x00,
            0x45, 0xc0, 0x00, 0x20,             // version 4, 5 words, CS6, total 32
            0x00, 0x00, 0x40, 0x00,             // not to be fragmented
            0xff, 0x70, 0xd8, 0x99,             // TTL 255, VRRP, the checksum
            192, 0, 2, 1, 224, 0, 0, 18,
        ];
        assert_eq!(frame, [&golden[..], &MESSAGE].concat());
        let peer = Packet { destination: "192.0.2.2".parse().unwrap(), ..packet };
        let Some(cable) = Cable::lay() else { return };
        cable.enter(Side::A);
        let mouth = AnnounceSocket::from_fd(announce::open(cable.index(Side::A)).unwrap()).unwrap();
        assert_eq!(mouth.advert(MAC, &peer).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
