//! Packets: the VRRP message in both versions and families, the IPv4 header in front of it, and other hosts' claims.
//!
//! Read RFC 9568 section 5, RFC 3768 section 5, RFC 4302 section 2, RFC 791 section 3.1, RFC 826 and RFC 4861 section 4
//! first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::Secret;
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::util;
use vrrp::ah::{self, IpHeader};
use vrrp::packet::{self, ChecksumForm};

const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
/// Where a message has its checksum, in either version.
const CHECKSUM: std::ops::Range<usize> = 6..8;
/// An IPv4 header without options, in bytes.
const IPV4_HEADER: usize = 20;

// The first byte of an input says how the rest travels.
const OVER_IPV6: u8 = 1;
const UNICAST: u8 = 2;
/// Write a right checksum into it, so that the fuzzer gets past it: with a pseudo-header, or without.
const SEAL_WITH_PSEUDO_HEADER: u8 = 4;
const SEAL_ALONE: u8 = 8;
/// The rest is behind an authentication header, or put behind one if it is to be sealed.
const AUTHENTICATED: u8 = 16;
/// What the header's check value is made with.
const KEY: Secret = Secret(*b"s3cret\0\0");

/// A message that came in some IP header. Whatever parses says the same when it is written and parsed again.
pub fn vrrp_message(bytes: &[u8]) {
    let Some((how, message)) = bytes.split_first() else { return };
    if how & AUTHENTICATED != 0 {
        return authenticated(message, how & UNICAST != 0, how & SEAL_ALONE != 0);
    }
    let (source, destination) = match (how & OVER_IPV6 != 0, how & UNICAST != 0) {
        (false, false) => (SOURCE_V4.into(), sys::advert::GROUP_V4.into()),
        (false, true) => (SOURCE_V4.into(), PEER_V4.into()),
        (true, false) => (SOURCE_V6.into(), sys::advert::GROUP_V6.into()),
        (true, true) => (SOURCE_V6.into(), PEER_V6.into()),
    };
    let mut message = message.to_vec();
    if how & SEAL_WITH_PSEUDO_HEADER != 0 {
        seal(&mut message, ChecksumForm::PseudoHeader, source, destination);
    } else if how & SEAL_ALONE != 0 {
        seal(&mut message, ChecksumForm::MessageOnly, source, destination);
    }
    let Ok((advert, form)) = packet::parse(&message, source, destination) else { return };
    assert_eq!(packet::peek_vrid(&message), Some(advert.vrid));
    assert_eq!(advert.addresses.iter().count(), advert.addresses.len());
    assert!(advert.addresses.same_as(&advert.addresses));
    let written = packet::emit(&advert, form, source, destination)
        .unwrap_or_else(|why| panic!("parsed and can't be sent: {why}: {advert:?}"));
    assert_eq!(written.len(), message.len());
    assert_eq!(packet::parse(&written, source, destination), Ok((advert, form)));
}

/// The payload of IP protocol 51. Whatever verifies is what would have been sent.
fn authenticated(bytes: &[u8], unicast: bool, seal: bool) {
    let destination = if unicast { PEER_V4 } else { sys::advert::GROUP_V4 };
    let ip = IpHeader { source: SOURCE_V4, destination, ttl: 255, identification: 1 };
    let payload = if seal { ah::seal(bytes, &ip, 1, KEY) } else { bytes.to_vec() };
    match ah::open(&payload, &ip, KEY) {
        Ok((sequence, message)) => {
            assert_eq!(ah::message(&payload), message);
            assert_eq!(ah::seal(message, &ip, sequence, KEY), payload);
        }
        Err(why) => assert!(!seal, "just made and {why:?}"),
    }
}

/// Makes the checksum right, if the message has room for one.
fn seal(message: &mut [u8], form: ChecksumForm, source: IpAddr, destination: IpAddr) {
    let Some(field) = message.get_mut(CHECKSUM) else { return };
    field.fill(0);
    let skip_nothing = usize::MAX;
    let vrrp = IpNextHeaderProtocols::Vrrp;
    let sum = match (form, source, destination) {
        (ChecksumForm::PseudoHeader, IpAddr::V4(from), IpAddr::V4(to)) => {
            util::ipv4_checksum(message, skip_nothing, &[], &from, &to, vrrp)
        }
        (ChecksumForm::PseudoHeader, IpAddr::V6(from), IpAddr::V6(to)) => {
            util::ipv6_checksum(message, skip_nothing, &[], &from, &to, vrrp)
        }
        _ => util::checksum(message, skip_nothing),
    };
    if let Some(field) = message.get_mut(CHECKSUM) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// A packet as a raw IPv4 socket delivers it. The payload lies within the packet, behind a whole header.
pub fn ipv4_packet(bytes: &[u8]) {
    let Ok(read) = sys::advert::parse_ipv4(bytes) else { return };
    let (packet, message) = (bytes.as_ptr_range(), read.message.as_ptr_range());
    assert!(packet.start <= message.start && message.end <= packet.end, "a payload from elsewhere");
    assert!(read.message.len() + IPV4_HEADER <= bytes.len(), "the payload overlaps the header");
    assert_eq!(Some(&read.ttl), bytes.get(8));
    // What it carries goes on to the next parser in production, too.
    let _ = packet::parse(read.message, read.source, read.destination);
}

/// Where ARP over Ethernet has its sender's hardware address and its IPv4 address (RFC 826).
const ARP_SENDER_MAC: std::ops::Range<usize> = 8..14;
const ARP_SENDER: std::ops::Range<usize> = 14..18;
/// Where a neighbour advertisement has its target, and where its options begin (RFC 4861 4.4).
const TARGET: std::ops::Range<usize> = 8..24;
const OPTIONS: usize = 24;

/// What the socket for others' claims delivers: the first byte says whether ARP or a neighbour advertisement. A claim says
/// what stands in the message.
pub fn claim(bytes: &[u8]) {
    let Some((how, message)) = bytes.split_first() else { return };
    if how & OVER_IPV6 == 0 {
        let Some(claim) = sys::watch::claim_in_arp(message) else { return };
        let IpAddr::V4(address) = claim.address else { panic!("ARP about {}", claim.address) };
        assert!(!address.is_unspecified(), "a probe is no claim");
        assert_eq!(message.get(ARP_SENDER), Some(&address.octets()[..]));
        assert_eq!(message.get(ARP_SENDER_MAC), Some(&claim.mac.0[..]));
    } else {
        let Some(claim) = sys::watch::claim_in_advertisement(message) else { return };
        let IpAddr::V6(address) = claim.address else { panic!("an advertisement about {}", claim.address) };
        assert_eq!(message.get(TARGET), Some(&address.octets()[..]));
        let options = message.get(OPTIONS..).unwrap_or_default();
        assert!(options.windows(claim.mac.0.len()).any(|window| window == claim.mac.0), "from nowhere");
    }
}
