//! The classic BPF program that keeps a busy LAN from waking vrrp-core.
//!
//! It must never drop a claim that somebody here waits for: when in doubt it passes, and the caller compares. RFC 826 has the
//! layout of ARP, RFC 4861 4.4 that of a neighbour advertisement, RFC 8200 3 the hop limit's place.

use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Family;
use socket2::SockFilter;

use crate::bpf::{BYTE, DROP, IF_EQUAL, PACKET_TYPE, PASS, WORD};

/// Addresses that are compared in the kernel; with more, every claim passes. Each costs two instructions of the 4,096
/// that a program may have (`BPF_MAXINSNS`), and about a nanosecond for each message on the link.
pub const MAX_FILTERED: usize = 1024;

/// It was for somebody else, or for a VLAN that isn't ours: the kernel's own ARP doesn't look at it either.
const OTHER_HOST: u32 = libc::PACKET_OTHERHOST as u32;
/// Offset of an ARP packet's sender protocol address.
const SENDER: u32 = 14;

/// Offset of the hop limit, counted from the IPv6 header wherever the socket's own view begins.
const HOP_LIMIT: u32 = (libc::SKF_NET_OFF + 7).cast_unsigned();
/// RFC 4861 7.1.2: a receiver drops anything that may have crossed a router.
const HOP_LIMIT_ON_LINK: u32 = 255;
/// Offset of the ICMPv6 type.
const TYPE: u32 = 0;
const TYPE_ADVERTISEMENT: u32 = 136;
/// Offset of the last four bytes of a neighbour advertisement's target. They tell addresses apart well enough here.
const TARGET_END: u32 = 20;

/// Passes what says of one of these addresses where it lives; nothing if there are none.
///
/// The kernel shows a filter on a packet socket of type `SOCK_DGRAM` the ARP packet, and one on a raw ICMPv6 socket the
/// message (net/packet/af_packet.c, net/ipv6/raw.c). A message too short to hold what is looked at is dropped.
pub(super) fn program(family: Family, addresses: &[IpAddr]) -> Vec<SockFilter> {
    let words: BTreeSet<u32> = addresses.iter().filter_map(|address| last_word(family, *address)).collect();
    let mut program = match family {
        Family::V4 => vec![
            SockFilter::new(BYTE, 0, 0, PACKET_TYPE),
            SockFilter::new(IF_EQUAL, 0, 1, OTHER_HOST),
            DROP,
            SockFilter::new(WORD, 0, 0, SENDER),
        ],
        Family::V6 => vec![
            SockFilter::new(BYTE, 0, 0, HOP_LIMIT),
            SockFilter::new(IF_EQUAL, 1, 0, HOP_LIMIT_ON_LINK),
            DROP,
            SockFilter::new(BYTE, 0, 0, TYPE),
            SockFilter::new(IF_EQUAL, 1, 0, TYPE_ADVERTISEMENT),
            DROP,
            SockFilter::new(WORD, 0, 0, TARGET_END),
        ],
    };
    if words.len() > MAX_FILTERED {
        program.push(PASS);
        return program;
    }
    for word in words {
        program.extend([SockFilter::new(IF_EQUAL, 0, 1, word), PASS]);
    }
    program.push(DROP);
    program
}

/// The last four bytes of an address as the kernel loads them; `None` for one of the other family.
fn last_word(family: Family, address: IpAddr) -> Option<u32> {
    match (family, address) {
        (Family::V4, IpAddr::V4(address)) => Some(address.to_bits()),
        (Family::V6, IpAddr::V6(address)) => {
            address.octets().last_chunk().map(|bytes| u32::from_be_bytes(*bytes))
        }
        (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => None,
    }
}
