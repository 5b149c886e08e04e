//! The authentication header around a VRRPv2 advert (`auth_type AH`, V2-PKT-2): IP protocol 51, HMAC-MD5-96.
//!
//! It must never look at what it has not verified, nor compare a check value in a time that tells how much of it was
//! right. Read RFC 4302 (the header), RFC 2403 and RFC 2104 (the check value) first. What those leave open is as keepalived
//! 2.2.7 has it on the wire: the SPI is the source address; the check value covers the TTL of a multicast packet (RFC
//! 4302 3.3.3.1.1.1 would leave it out, as is done by unicast), but neither ToS nor fragmentation; the IP header has no
//! options; and the sequence numbers are one row for all routers of an instance, see `Sequence`.

use std::net::Ipv4Addr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use model::{Instant, Secret};

/// An authentication header with a check value of 96 bits (RFC 4302 2).
pub const HEADER: usize = FIXED + CHECK_VALUE;
/// Next header, length, reserved, SPI, sequence number.
const FIXED: usize = 12;
/// The 96 bits that are sent of HMAC-MD5's 128 (RFC 2403 2).
const CHECK_VALUE: usize = 12;
/// The header's length as it counts itself: in words of four bytes, minus two (RFC 4302 2.2).
const LENGTH: u8 = 4;
/// VRRP's number among the IP protocols.
const VRRP: u8 = 112;
/// The authentication header's.
const AH: u8 = 51;
/// Version 4, five words: the only IP header that is sent, and so the only one that verifies.
const VERSION_AND_WORDS: u8 = 0x45;
const IP_HEADER: usize = 20;
/// HMAC pads a key to the block of its hash with zeros (RFC 2104 2).
const BLOCK: usize = 64;

/// What the check value covers of the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpHeader {
    /// Who sends.
    pub source: Ipv4Addr,
    /// The group or one peer.
    pub destination: Ipv4Addr,
    /// Covered if the destination is a group.
    pub ttl: u8,
    /// The sender's; not 0, which a raw socket's kernel would overwrite (raw(7)).
    pub identification: u16,
}

/// What is wrong with an authentication header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthentic {
    /// There are fewer bytes than the header has.
    Short(usize),
    /// It isn't in front of a VRRP message, or not of the length that HMAC-MD5-96 makes.
    Form {
        /// The next header, 112 in a good one.
        next: u8,
        /// The length, 4 in a good one.
        length: u8,
    },
    /// Its SPI isn't the packet's source.
    Spi(Ipv4Addr),
    /// Another key, or a packet that was changed on its way.
    CheckValue,
}

/// The VRRP message behind an authentication header, nothing checked.
#[must_use]
pub fn message(payload: &[u8]) -> &[u8] {
    payload.get(HEADER..).unwrap_or_default()
}

/// The header for a message, and the message behind it: the payload of an IP packet of protocol 51. `message` is an
/// advert, so no longer than an IP packet.
#[must_use]
pub fn seal(message: &[u8], ip: &IpHeader, sequence: u32, key: Secret) -> Vec<u8> {
    let header = header(ip.source, sequence);
    let check_value = check(&header, message, ip, key).finalize().into_bytes();
    let mut payload = Vec::with_capacity(HEADER + message.len());
    payload.extend_from_slice(&header);
    payload.extend(check_value.iter().take(CHECK_VALUE));
    payload.extend_from_slice(message);
    payload
}

/// Verifies a payload; gives the sequence number and the message.
///
/// # Errors
/// The first thing that is wrong.
pub fn open<'a>(payload: &'a [u8], ip: &IpHeader, key: Secret) -> Result<(u32, &'a [u8]), Unauthentic> {
    let short = Unauthentic::Short(payload.len());
    let (fixed, rest) = payload.split_first_chunk::<FIXED>().ok_or(short)?;
    let (check_value, message) = rest.split_first_chunk::<CHECK_VALUE>().ok_or(short)?;
    let [next, length, _, _, a, b, c, d, sequence @ ..] = *fixed;
    if (next, length) != (VRRP, LENGTH) {
        return Err(Unauthentic::Form { next, length });
    }
    let spi = Ipv4Addr::from([a, b, c, d]);
    if spi != ip.source {
        return Err(Unauthentic::Spi(spi));
    }
    check(fixed, message, ip, key).verify_truncated_left(check_value).map_err(|_| Unauthentic::CheckValue)?;
    Ok((u32::from_be_bytes(sequence), message))
}

/// All but the check value.
fn header(source: Ipv4Addr, sequence: u32) -> [u8; FIXED] {
    let ([a, b, c, d], [e, f, g, h]) = (source.octets(), sequence.to_be_bytes());
    [VRRP, LENGTH, 0, 0, a, b, c, d, e, f, g, h]
}

/// HMAC-MD5 over the IP header, its mutable fields zero, and what follows, the check value zero (RFC 4302 3.3.3).
fn check(header: &[u8; FIXED], message: &[u8], ip: &IpHeader, key: Secret) -> Hmac<Md5> {
    let length = IP_HEADER + HEADER + message.len();
    // Cut off where no IP packet is so long, so that it doesn't verify.
    let [.., high, low] = length.to_be_bytes();
    let [id_high, id_low] = ip.identification.to_be_bytes();
    let ttl = if ip.destination.is_multicast() { ip.ttl } else { 0 };
    let mut block = [0; BLOCK];
    block.iter_mut().zip(key.0).for_each(|(to, from)| *to = from);
    let mut check = Hmac::<Md5>::new(&block.into());
    check.update(&[VERSION_AND_WORDS, 0, high, low, id_high, id_low, 0, 0, ttl, AH, 0, 0]);
    check.update(&ip.source.octets());
    check.update(&ip.destination.octets());
    check.update(header);
    check.update(&[0; CHECK_VALUE]);
    check.update(message);
    check
}

/// An instance's place in the row of sequence numbers.
///
/// keepalived has one counter for an instance: what it hears must be greater than it and becomes it, and what it sends is one
/// more. Whoever starts at 1 among routers that have counted further isn't believed until it has heard one of them.
/// So what we send is also never less than what the wall clock makes of itself: a core that was restarted goes on
/// above its predecessor at once. What we *hear* must be greater than what we have heard, but may be less than what
/// we have sent: a router whose adverts nobody hears would otherwise make itself deaf to a master that is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    sent: u32,
    heard: u32,
}

/// 2020-01-01T00:00:00Z in Unix time, where the row begins: before any clock that is right.
const EPOCH: Duration = Duration::from_secs(1_577_836_800);
/// The wall clock's step. Adverts are a second apart, others' in the same row and answers come on top; at four numbers a second
/// the row lasts until 2054.
const STEP: Duration = Duration::from_millis(250);

impl Sequence {
    /// The number for what is sent now to everybody: each destination hears it once. `wall_at_zero` is the wall clock's time
    /// at [`Instant::ZERO`]. At the end of the row it stays there (RFC 4302 3.3.2: it must not cycle).
    pub(crate) fn next(&mut self, now: Instant, wall_at_zero: Duration) -> u32 {
        let wall = wall_at_zero.saturating_add(Duration::from_nanos(now.as_nanos())).saturating_sub(EPOCH);
        let floor = u32::try_from(wall.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX);
        self.sent = self.sent.max(self.heard).saturating_add(1).max(floor);
        self.sent
    }

    /// Whether a packet with this number is none that was heard before (RFC 4302 3.4.3).
    ///
    /// # Errors
    /// The number that it would have to be greater than.
    pub(crate) const fn judge(&self, sequence: u32) -> Result<(), u32> {
        if sequence > self.heard { Ok(()) } else { Err(self.heard) }
    }

    /// A packet with this number was verified.
    pub(crate) fn note(&mut self, sequence: u32) {
        self.heard = self.heard.max(sequence);
    }
}

/// A number for the IP header, different from packet to packet (RFC 6864) and not 0.
pub(crate) const fn identification(sequence: u32) -> u16 {
    let [_, _, high, low] = sequence.to_be_bytes();
    match u16::from_be_bytes([high, low]) {
        0 => u16::MAX,
        number => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Instant = Instant::from_nanos(1_000_000_000);

    fn wall(seconds_after_epoch: u64) -> Duration {
        EPOCH + Duration::from_secs(seconds_after_epoch) - Duration::from_secs(1)
    }

    #[test]
    fn what_is_sent_grows_and_is_above_what_was_heard() {
        let mut sequence = Sequence::default();
        assert_eq!([(); 3].map(|()| sequence.next(NOON, Duration::ZERO)), [1, 2, 3]);
        sequence.note(1000);
        assert_eq!(sequence.next(NOON, Duration::ZERO), 1001);
    }

    #[test]
    fn a_successor_goes_on_above_who_sent_every_second() {
        let mut first = Sequence::default();
        let last = (0..10_000).map(|second| first.next(NOON, wall(1_000_000 + second))).last().unwrap();
        assert!(Sequence::default().next(NOON, wall(1_010_001)) > last);
        // As does one whose predecessor had to answer twice for each advert.
        let mut busy = Sequence::default();
        let last = (0..30_000).map(|third| busy.next(NOON, wall(1_000_000 + third / 3))).last().unwrap();
        assert!(Sequence::default().next(NOON, wall(1_010_001)) > last);
    }

    #[test]
    fn a_successor_half_a_second_later_is_above_too() {
        let last = Sequence::default().next(NOON, wall(1_000_000));
        let later = Instant::from_nanos(1_500_000_000);
        assert!(Sequence::default().next(later, wall(1_000_000)) > last);
    }

    #[test]
    fn a_wrong_clock_and_the_end_of_the_row_break_nothing() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.next(Instant::from_nanos(u64::MAX), Duration::MAX), u32::MAX);
        assert_eq!(sequence.next(NOON, Duration::ZERO), u32::MAX);
        sequence.note(u32::MAX);
        assert_eq!(sequence.judge(u32::MAX), Err(u32::MAX));
    }

    #[test]
    fn a_number_is_believed_once_whatever_we_sent() {
        let mut sequence = Sequence::default();
        sequence.next(NOON, wall(1_000_000));
        assert_eq!(sequence.judge(5), Ok(()));
        sequence.note(5);
        assert_eq!((sequence.judge(5), sequence.judge(4), sequence.judge(6)), (Err(5), Err(5), Ok(())));
        sequence.note(3);
        assert_eq!(sequence.judge(4), Err(5));
    }

    #[test]
    fn no_identification_is_zero() {
        assert_eq!([1, 0x1_0000, 0x1_ffff, 0].map(identification), [1, 0xffff, 0xffff, 0xffff]);
    }
}
