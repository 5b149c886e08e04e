//! From the bytes of a frame to what a test asks for. What is too short or something else is `None`.
//!
//! Read RFC 826 (ARP), RFC 791 3.1, RFC 8200 3 and RFC 4861 4.4 for the offsets. Extension headers are not
//! followed: neither VRRP nor a neighbour advertisement may carry any that we would send.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::MacAddress;

use crate::protocol::Packet;

const VRRP: u8 = 112;
const AH: u8 = 51;
/// An authentication header with a check value of 96 bits (RFC 4302 2).
const AH_LENGTH: usize = 24;
const ICMPV6: u8 = 58;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// The source MAC and the packet of an Ethernet frame.
pub(crate) fn parse(frame: &[u8]) -> Option<(MacAddress, Packet)> {
    let mac = MacAddress(bytes(frame, 6)?);
    let payload = frame.get(14..)?;
    let packet = match bytes(frame, 12)? {
        [0x08, 0x06] => arp(payload)?,
        [0x08, 0x00] => ipv4(payload)?,
        [0x86, 0xdd] => ipv6(payload)?,
        _ => return None,
    };
    Some((mac, packet))
}

fn arp(packet: &[u8]) -> Option<Packet> {
    // Ethernet, IPv4, address lengths 6 and 4: everything else has its addresses elsewhere.
    if bytes(packet, 0)? != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    Some(Packet::Arp {
        operation: u16::from_be_bytes(bytes(packet, 6)?),
        sender: Ipv4Addr::from(bytes::<4>(packet, 14)?),
        target: Ipv4Addr::from(bytes::<4>(packet, 24)?),
    })
}

fn ipv4(packet: &[u8]) -> Option<Packet> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes(bytes(packet, 2)?));
    let [protocol] = bytes(packet, 9)?;
    let in_front = match protocol {
        VRRP => 0,
        AH => AH_LENGTH,
        _ => return None,
    };
    Some(Packet::Vrrp {
        source: Ipv4Addr::from(bytes::<4>(packet, 12)?).into(),
        destination: Ipv4Addr::from(bytes::<4>(packet, 16)?).into(),
        ttl: *packet.get(8)?,
        // Short frames are padded, so the header's length counts.
        message: packet.get(header + in_front..total)?.to_vec(),
    })
}

fn ipv6(packet: &[u8]) -> Option<Packet> {
    let length = usize::from(u16::from_be_bytes(bytes(packet, 4)?));
    let payload = packet.get(40..)?.get(..length)?;
    let source = Ipv6Addr::from(bytes::<16>(packet, 8)?);
    match *packet.get(6)? {
        VRRP => Some(Packet::Vrrp {
            source: source.into(),
            destination: Ipv6Addr::from(bytes::<16>(packet, 24)?).into(),
            ttl: *packet.get(7)?,
            message: payload.to_vec(),
        }),
        ICMPV6 if payload.first() == Some(&NEIGHBOUR_ADVERTISEMENT) => {
            Some(Packet::NeighbourAdvertisement { source, target: Ipv6Addr::from(bytes::<16>(payload, 8)?) })
        }
        _ => None,
    }
}

/// `N` bytes from `start` on.
fn bytes<const N: usize>(from: &[u8], start: usize) -> Option<[u8; N]> {
    from.get(start..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 12] = [1, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 1];

    fn advert() -> Vec<u8> {
        let mut frame = HEADER.to_vec();
        frame.extend([0x08, 0x00, 0x45, 0xc0, 0, 24, 0, 0, 0, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18]);
        frame.extend([0x21, 5, 120, 1]);
        frame.extend([0; 22]); // Ethernet padding
        frame
    }

    #[test]
    fn an_advert_without_its_padding() {
        let (mac, packet) = parse(&advert()).unwrap();
        assert_eq!(mac.to_string(), "02:00:00:00:00:01");
        let Packet::Vrrp { source, ttl, message, .. } = packet else { panic!("{packet:?}") };
        assert_eq!((source.to_string().as_str(), ttl, message), ("10.0.0.1", 255, vec![0x21, 5, 120, 1]));
    }

    #[test]
    fn an_advert_behind_an_authentication_header() {
        let mut frame = advert();
        frame[17] = 24 + 24;
        frame[23] = AH;
        frame.splice(34..34, [0xaa; AH_LENGTH]);
        let Packet::Vrrp { message, .. } = parse(&frame).unwrap().1 else { panic!() };
        assert_eq!(message, [0x21, 5, 120, 1]);
    }

    #[test]
    fn an_announcement() {
        let mut frame = HEADER.to_vec();
        frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 9]);
        frame.extend([255, 255, 255, 255, 255, 255, 10, 0, 0, 9]);
        let vip = Ipv4Addr::new(10, 0, 0, 9);
        assert_eq!(parse(&frame).unwrap().1, Packet::Arp { operation: 1, sender: vip, target: vip });
    }

    #[test]
    fn truncated_frames_are_nothing() {
        let whole = advert();
        for length in 0..38 {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
    }
}
