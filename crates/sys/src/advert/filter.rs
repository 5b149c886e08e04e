//! The classic BPF program that spares vrrp-core the wake-ups for other people's packets.
//!
//! It must never drop an advert that somebody here waits for: when in doubt it passes, and the core judges.
//! RFC 9568 5.2 has the first two bytes of a VRRP message (version and type, VRID), the same in VRRPv2.

use std::collections::BTreeSet;

use model::{Transport, Vrid};
use socket2::SockFilter;

use crate::bpf::{AND, BYTE_FROM_X, CONSTANT_TO_X, DROP, HEADER_LENGTH_TO_X, IF_EQUAL, PASS};

/// Bytes of the only authentication header that is spoken here, RFC 4302 2 with a check value of 96 bits: the message
/// is behind it. One of another length is none of ours.
const AUTHENTICATION_HEADER: u32 = 24;
/// Offset of the byte that holds the version (high nibble) and the type (low nibble).
const VERSION_AND_TYPE: u32 = 0;
/// Offset of the VRID.
const VRID: u32 = 1;
const TYPE_MASK: u32 = 0x0f;
/// The one type that RFC 9568 5.2.2 defines.
const TYPE_ADVERTISEMENT: u32 = 1;

/// Passes advertisements of any version whose VRID is in the set; an empty set passes nothing.
///
/// The kernel shows a filter on a raw IPv4 socket the packet from its IP header on, and one on a raw IPv6 socket
/// the payload alone (net/ipv4/raw.c, net/ipv6/raw.c). A message too short to hold what is looked at is dropped:
/// a load beyond its end ends the program with 0.
pub(super) fn program(transport: Transport, vrids: &[Vrid]) -> Vec<SockFilter> {
    let vrids: BTreeSet<Vrid> = vrids.iter().copied().collect();
    let (payload_to_x, message) = match transport {
        Transport::V4 => (HEADER_LENGTH_TO_X, 0),
        Transport::V6 => (CONSTANT_TO_X, 0),
        Transport::Ah => (HEADER_LENGTH_TO_X, AUTHENTICATION_HEADER),
    };
    let mut program = vec![
        SockFilter::new(payload_to_x, 0, 0, 0),
        SockFilter::new(BYTE_FROM_X, 0, 0, message + VERSION_AND_TYPE),
        SockFilter::new(AND, 0, 0, TYPE_MASK),
        SockFilter::new(IF_EQUAL, 1, 0, TYPE_ADVERTISEMENT),
        DROP,
        SockFilter::new(BYTE_FROM_X, 0, 0, message + VRID),
    ];
    // One comparison per VRID; from each, the way to the last instruction is over those that are left and the drop.
    // There are at most 255, since no VRID is 0: that fits the 8 bits of a jump.
    for (vrid, left) in vrids.iter().zip((0..=u8::MAX).take(vrids.len() + 1).skip(1).rev()) {
        program.push(SockFilter::new(IF_EQUAL, left, 0, u32::from(vrid.get())));
    }
    program.extend([DROP, PASS]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vrid_at_once_is_within_what_a_jump_can_reach() {
        let all: Vec<Vrid> = (1..=u8::MAX).filter_map(Vrid::new).collect();
        let twice: Vec<Vrid> = all.iter().chain(&all).copied().collect();
        assert_eq!(program(Transport::V4, &twice).len(), 6 + 255 + 2);
        assert_eq!(program(Transport::V6, &[]).len(), 6 + 2);
    }
}
