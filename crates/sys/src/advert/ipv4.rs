//! IPv4: the header is ours to write and ours to read.
//!
//! A raw IPv4 socket delivers the packet with its header, and takes one with `IP_HDRINCL`; so TTL, ToS and both addresses
//! need no socket option and no ancillary data. Never trust a length in a header that was in flight.
//! Read raw(7) and RFC 791 3.1 first.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;

use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv4::{Ipv4Packet, MutableIpv4Packet};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::{Malformed, Packet, Received, TRAFFIC_CLASS};

/// Bytes of a header without options.
const HEADER: usize = 20;
/// The same in words, as the header itself counts.
const HEADER_WORDS: u8 = 5;
const WORD: usize = 4;
const VERSION: u8 = 4;

pub(super) fn receive<'buffer>(
    fd: BorrowedFd<'_>,
    buffer: &'buffer mut [u8],
) -> io::Result<Option<Received<'buffer>>> {
    let length = loop {
        // With MSG_TRUNC the length is the packet's, however much of it the buffer could hold.
        match rustix::net::recv(fd, &mut *buffer, RecvFlags::TRUNC) {
            Ok((_, length)) => break length,
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    let buffer: &'buffer [u8] = buffer;
    let whole = buffer.get(..length).ok_or(Malformed::TooLong);
    Ok(Some(match whole.and_then(parse) {
        Ok(packet) => Received::Packet(packet),
        Err(what) => Received::Malformed { what, source: source(buffer.get(..length).unwrap_or(buffer)) },
    }))
}

/// Reads a header and says where the payload is. What the header promises beyond the end of the packet is ignored (the
/// core knows the length that a message must have); what lies beyond the header's own total length is padding.
///
/// # Errors
/// [`Malformed::Header`]; nothing else is looked at.
pub fn parse(packet: &[u8]) -> Result<Packet<'_>, Malformed> {
    let header = Ipv4Packet::new(packet).ok_or(Malformed::Header)?;
    let begin = usize::from(header.get_header_length()) * WORD;
    let end = usize::from(header.get_total_length()).min(packet.len());
    if header.get_version() != VERSION || begin < HEADER {
        return Err(Malformed::Header);
    }
    let message = packet.get(begin..end).ok_or(Malformed::Header)?;
    Ok(Packet {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        ttl: header.get_ttl(),
        sealed: (header.get_next_level_protocol() == IpNextHeaderProtocols::Ah)
            .then(|| header.get_identification()),
        message,
    })
}

/// Who sent it, as far as what is there of the header can tell.
fn source(packet: &[u8]) -> Option<IpAddr> {
    Ipv4Packet::new(packet).map(|header| header.get_source().into())
}

/// The header in front of a message of `length` bytes. The kernel fills in the checksum, and the identification unless it
/// is `sealed` by an authentication header (raw(7)); "don't fragment" stays unset.
pub(super) fn header(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
    sealed: Option<u16>,
    length: usize,
) -> io::Result<[u8; HEADER]> {
    let too_long = || io::Error::from(Errno::MSGSIZE);
    let total = u16::try_from(HEADER.saturating_add(length)).map_err(|_| too_long())?;
    let mut bytes = [0; HEADER];
    let mut header = MutableIpv4Packet::new(&mut bytes).ok_or_else(too_long)?;
    header.set_version(VERSION);
    header.set_header_length(HEADER_WORDS);
    header.set_dscp(TRAFFIC_CLASS >> 2);
    header.set_total_length(total);
    header.set_ttl(ttl);
    header.set_next_level_protocol(match sealed {
        Some(_) => IpNextHeaderProtocols::Ah,
        None => IpNextHeaderProtocols::Vrrp,
    });
    header.set_identification(sealed.unwrap_or_default());
    header.set_source(source);
    header.set_destination(destination);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const GROUP: Ipv4Addr = super::super::GROUP_V4;

    fn packet(message: &[u8]) -> Vec<u8> {
        let mut packet = header(SOURCE, GROUP, super::super::TTL, None, message.len()).unwrap().to_vec();
        packet.extend_from_slice(message);
        packet
    }

    /// V3-PKT-6, byte by byte as RFC 791 3.1 draws it.
    #[test]
    fn the_header_is_what_the_rfc_draws() {
        #[rustfmt::skip]
        let golden = [
            0x45, 0xc0, 0x00, 0x1c,     // version 4, 5 words, CS6, total 28
            0x00, 0x00, 0x00, 0x00,     // identification and flags: the kernel's, may be fragmented
            0xff, 0x70, 0x00, 0x00,     // TTL 255, protocol 112, checksum: the kernel's
            192, 0, 2, 1,
            224, 0, 0, 18,
        ];
        assert_eq!(header(SOURCE, GROUP, 255, None, 8).unwrap(), golden);
        assert!(header(SOURCE, GROUP, 255, None, 65_516).is_err());
    }

    /// V2-PKT-2: AH covers the identification, so it is the sender's own.
    #[test]
    fn a_sealed_header_names_protocol_51_and_its_identification() {
        let sealed = header(SOURCE, GROUP, 255, Some(0x1234), 8).unwrap();
        assert_eq!((&sealed[4..6], sealed[9]), (&[0x12, 0x34][..], 51));
        assert_eq!(parse(&[&sealed[..], b"covered!"].concat()).unwrap().sealed, Some(0x1234));
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = packet(b"a message");
        let read = parse(&bytes).unwrap();
        assert_eq!((read.source, read.destination), (IpAddr::V4(SOURCE), IpAddr::V4(GROUP)));
        assert_eq!((read.ttl, read.sealed, read.message), (255, None, &b"a message"[..]));
    }

    #[test]
    fn options_are_skipped_padding_is_cut_and_missing_bytes_are_missed() {
        let mut options = packet(b"xxxxmessage");
        options[0] = 0x46;
        assert_eq!(parse(&options).unwrap().message, b"message");

        let mut padded = packet(b"message");
        padded.extend_from_slice(&[0; 20]);
        assert_eq!(parse(&padded).unwrap().message, b"message");

        let mut short = packet(b"message");
        short.truncate(HEADER + 4);
        assert_eq!(parse(&short).unwrap().message, b"mess");
    }

    #[test]
    fn lengths_that_contradict_each_other_are_malformed() {
        for (index, value) in [(0, 0x44), (0, 0x65), (0, 0x4f), (3, 19)] {
            let mut bytes = packet(b"message");
            bytes[index] = value;
            assert_eq!(parse(&bytes), Err(Malformed::Header), "byte {index} = {value:#x}");
        }
        assert_eq!(parse(&packet(b"")[..19]), Err(Malformed::Header));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(read) = parse(&bytes) {
                prop_assert!(read.message.len() + HEADER <= bytes.len());
            }
        }
    }
}
