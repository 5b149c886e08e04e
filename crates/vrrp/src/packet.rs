//! The bytes of an advert: VRRPv2 (RFC 3768 section 5) and VRRPv3 (RFC 9568 section 5).
//!
//! It must never believe a byte that it has not checked, and never panic: everything here was in flight.
//! Checks run in the order of RFC 9568 section 7.1 and RFC 3768 section 7.1. What depends on the receiving
//! virtual router (its version, its password or key, its interval) is judged in `receive.rs`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use model::{Family, Priority, ProtocolVersion, Secret, Vrid};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::util;

/// Type, the only one there is (RFC 9568 5.2.2).
const TYPE_ADVERTISEMENT: u8 = 1;
/// Version, type, VRID, priority, count, interval or authentication, checksum.
const HEADER: usize = 8;
/// VRRPv2 ends with this much authentication data, whatever its type (RFC 3768 5.3.10).
const V2_AUTHENTICATION: usize = Secret::LENGTH;
/// Authentication types of VRRPv2 (RFC 3768 5.3.6; type 1 is RFC 2338's).
const AUTH_NONE: u8 = 0;
const AUTH_TEXT: u8 = 1;
const AUTH_AH: u8 = 2;
/// The checksum is the message's fourth 16-bit word.
const CHECKSUM: std::ops::Range<usize> = 6..8;
/// No word to leave out: a sum over everything, the checksum too, is zero when it is right (RFC 1071).
const SKIP_NOTHING: usize = usize::MAX;
/// One unit of VRRPv3's interval.
const CENTISECOND: Duration = Duration::from_millis(10);
/// The largest number in VRRPv3's 12 bits: 40.95 s.
const MAX_CENTISECONDS: u128 = 0x0fff;
/// Addresses that the count's 8 bits can say.
pub const MAX_ADDRESSES: usize = 255;

/// One advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert<'a> {
    /// The virtual router.
    pub vrid: Vrid,
    /// The sender's priority; 0 when it stops.
    pub priority: Priority,
    /// What the sender says of its interval.
    pub interval: Duration,
    /// The addresses it is master of.
    pub addresses: AddressList<'a>,
    /// Version, and what only that version has.
    pub dialect: Dialect,
}

/// What differs between the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// VRRPv2 with its authentication.
    V2(Authentication),
    /// VRRPv3, which has none.
    V3,
}

impl Dialect {
    /// The version alone.
    #[must_use]
    pub const fn version(self) -> ProtocolVersion {
        match self {
            Self::V2(_) => ProtocolVersion::V2,
            Self::V3 => ProtocolVersion::V3,
        }
    }
}

/// VRRPv2's authentication (V2-PKT-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Type 0; the data is ignored when received and zero when sent.
    None,
    /// Type 1: a password that anybody on the link can read, zero padded.
    Text(Secret),
    /// Type 2: there is an authentication header in front of the message (`ah.rs`); the data is as in type 0.
    Ah,
}

/// Addresses as they stand in a message: borrowed bytes of one family, a whole number of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    bytes: &'a [u8],
}

/// Bytes of one address.
const fn width(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}

impl<'a> AddressList<'a> {
    /// Takes bytes as addresses; what is left over after the last whole one is cut off.
    #[must_use]
    pub fn new(family: Family, bytes: &'a [u8]) -> Self {
        let whole = bytes.len() - bytes.len() % width(family);
        Self { family, bytes: bytes.get(..whole).unwrap_or_default() }
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / width(self.family)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let (v4, v6) = match self.family {
            Family::V4 => (self.bytes.as_chunks::<4>().0, [].as_slice()),
            Family::V6 => ([].as_slice(), self.bytes.as_chunks::<16>().0),
        };
        let v4 = v4.iter().map(|octets| IpAddr::from(*octets));
        v4.chain(v6.iter().map(|octets| IpAddr::from(*octets)))
    }

    /// The same addresses, in whatever order (V3-RX-13 asks for nothing more).
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.bytes == other.bytes
            || (self.len() == other.len()
                && self.iter().all(|mine| other.iter().any(|theirs| theirs == mine))
                && other.iter().all(|theirs| self.iter().any(|mine| mine == theirs)))
    }

    /// Whether the first address is IPv6 and link-local (erratum 8300).
    #[must_use]
    pub fn starts_link_local(&self) -> bool {
        self.iter().next().is_some_and(|first| match first {
            IpAddr::V4(_) => false,
            IpAddr::V6(first) => first.is_unicast_link_local(),
        })
    }
}

/// Which of the two checksums of VRRPv3 over IPv4 a message carried (V3-PKT-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumForm {
    /// With a pseudo-header (RFC 5798, keepalived); the only form over IPv6.
    PseudoHeader,
    /// The message alone (RFC 9568 5.2.8); the only form of VRRPv2.
    MessageOnly,
}

/// What is wrong with the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Neither 2 nor 3, or 2 over IPv6 (V3-RX-2).
    Version(u8),
    /// Not an advertisement (V3-RX-3).
    Type(u8),
    /// Shorter or longer than its count says (V3-RX-4).
    Length {
        /// What the count asks for.
        expected: usize,
        /// What was there.
        got: usize,
    },
    /// V3-RX-5.
    Checksum,
    /// VRID 0 (RFC 9568 5.2.3: 1 to 255).
    VridZero,
    /// V3-RX-7.
    NoAddresses,
    /// V3-RX-8.
    ZeroInterval,
    /// Authentication that there is not (V2-RX-2).
    AuthenticationType(u8),
}

/// Why an advert can't be put into bytes: the configuration asks for what the protocol can't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// VRRPv2 over IPv6 (V2-PKT-3).
    Version2OverIpv6,
    /// None, more than [`MAX_ADDRESSES`], or of the other family.
    Addresses(usize),
    /// Not a whole number of units, or outside their range.
    Interval(ProtocolVersion, Duration),
    /// Source and destination are not of the addresses' family.
    Family,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version2OverIpv6 => f.write_str("VRRPv2 can't carry IPv6 addresses"),
            Self::Addresses(n) => {
                write!(f, "an advert holds 1 to {MAX_ADDRESSES} addresses of its family, not {n}")
            }
            Self::Interval(ProtocolVersion::V2, interval) => {
                write!(f, "VRRPv2 can only say whole seconds from 1 to 255, not {interval:?}")
            }
            Self::Interval(ProtocolVersion::V3, interval) => {
                write!(f, "VRRPv3 can only say whole centiseconds from 0.01 s to 40.95 s, not {interval:?}")
            }
            Self::Family => f.write_str("its source or destination is of another family than its addresses"),
        }
    }
}

/// The VRID as far as one is there, before anything has been checked: whose counters a bad packet belongs to.
#[must_use]
pub fn peek_vrid(message: &[u8]) -> Option<Vrid> {
    message.get(1).copied().and_then(Vrid::new)
}

/// Reads a message that came in the given IP header.
///
/// # Errors
/// The first check that it fails, in the RFC's order.
pub fn parse(
    message: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> Result<(Advert<'_>, ChecksumForm), Malformed> {
    let family = Family::of(source);
    let Some((&[first, vrid, priority, count, byte4, byte5, _, _], rest)) =
        message.split_first_chunk::<HEADER>()
    else {
        return Err(match message.first().map(|first| version_and_type(*first, family)) {
            Some(Err(malformed)) => malformed,
            Some(Ok(_)) | None => Malformed::Length { expected: HEADER, got: message.len() },
        });
    };
    let version = version_and_type(first, family)?;
    let addresses_end = usize::from(count) * width(family);
    let expected = HEADER
        + addresses_end
        + match version {
            ProtocolVersion::V2 => V2_AUTHENTICATION,
            ProtocolVersion::V3 => 0,
        };
    let (Some((addresses, authentication)), true) =
        (rest.split_at_checked(addresses_end), message.len() == expected)
    else {
        return Err(Malformed::Length { expected, got: message.len() });
    };
    let form = checksum_form(version, message, source, destination).ok_or(Malformed::Checksum)?;
    let vrid = Vrid::new(vrid).ok_or(Malformed::VridZero)?;
    if count == 0 {
        return Err(Malformed::NoAddresses);
    }
    let (interval, dialect) = match version {
        ProtocolVersion::V2 => {
            (Duration::from_secs(u64::from(byte5)), Dialect::V2(read_authentication(byte4, authentication)?))
        }
        // The upper four bits are reserved and ignored (V3-PKT-1).
        ProtocolVersion::V3 => {
            (CENTISECOND * u32::from(u16::from_be_bytes([byte4 & 0x0f, byte5])), Dialect::V3)
        }
    };
    if interval.is_zero() {
        return Err(Malformed::ZeroInterval);
    }
    let addresses = AddressList::new(family, addresses);
    Ok((Advert { vrid, priority: Priority(priority), interval, addresses, dialect }, form))
}

fn version_and_type(first: u8, family: Family) -> Result<ProtocolVersion, Malformed> {
    let version = match (first >> 4, family) {
        (2, Family::V4) => ProtocolVersion::V2,
        (3, Family::V4 | Family::V6) => ProtocolVersion::V3,
        (other, Family::V4 | Family::V6) => return Err(Malformed::Version(other)),
    };
    match first & 0x0f {
        TYPE_ADVERTISEMENT => Ok(version),
        other => Err(Malformed::Type(other)),
    }
}

fn read_authentication(kind: u8, data: &[u8]) -> Result<Authentication, Malformed> {
    match (kind, data.first_chunk::<V2_AUTHENTICATION>()) {
        (AUTH_NONE, _) => Ok(Authentication::None),
        (AUTH_TEXT, Some(text)) => Ok(Authentication::Text(Secret(*text))),
        (AUTH_AH, _) => Ok(Authentication::Ah),
        (other, _) => Err(Malformed::AuthenticationType(other)),
    }
}

/// Which checksum verifies, if any does.
fn checksum_form(
    version: ProtocolVersion,
    message: &[u8],
    source: IpAddr,
    destination: IpAddr,
) -> Option<ChecksumForm> {
    let alone = || (util::checksum(message, SKIP_NOTHING) == 0).then_some(ChecksumForm::MessageOnly);
    let pseudo = |sum: u16| (sum == 0).then_some(ChecksumForm::PseudoHeader);
    match (version, source, destination) {
        (ProtocolVersion::V2, _, _) => alone(),
        (ProtocolVersion::V3, IpAddr::V4(source), IpAddr::V4(destination)) => {
            pseudo(sum_v4(message, source, destination)).or_else(alone)
        }
        (ProtocolVersion::V3, IpAddr::V6(source), IpAddr::V6(destination)) => {
            pseudo(sum_v6(message, source, destination))
        }
        (ProtocolVersion::V3, IpAddr::V4(_), IpAddr::V6(_))
        | (ProtocolVersion::V3, IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

fn sum_v4(message: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> u16 {
    util::ipv4_checksum(message, SKIP_NOTHING, &[], &source, &destination, IpNextHeaderProtocols::Vrrp)
}

fn sum_v6(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    util::ipv6_checksum(message, SKIP_NOTHING, &[], &source, &destination, IpNextHeaderProtocols::Vrrp)
}

/// Writes an advert for one destination. `form` is for VRRPv3 over IPv4, where there is a choice (V3-PKT-4): with the
/// pseudo-header, each destination has a checksum of its own. keepalived before 2.2.8 takes no other.
///
/// # Errors
/// [`Unsendable`] says what the protocol can't express.
pub fn emit(
    advert: &Advert<'_>,
    form: ChecksumForm,
    source: IpAddr,
    destination: IpAddr,
) -> Result<Vec<u8>, Unsendable> {
    let family = advert.addresses.family;
    if Family::of(source) != family || Family::of(destination) != family {
        return Err(Unsendable::Family);
    }
    let count = u8::try_from(advert.addresses.len())
        .ok()
        .filter(|count| *count != 0)
        .ok_or(Unsendable::Addresses(advert.addresses.len()))?;
    let (version, [byte4, byte5], tail) = match advert.dialect {
        Dialect::V2(_) if family == Family::V6 => return Err(Unsendable::Version2OverIpv6),
        Dialect::V2(authentication) => {
            let (kind, data) = match authentication {
                Authentication::None => (AUTH_NONE, [0; V2_AUTHENTICATION]),
                Authentication::Text(Secret(text)) => (AUTH_TEXT, text),
                Authentication::Ah => (AUTH_AH, [0; V2_AUTHENTICATION]),
            };
            (2u8, [kind, whole_seconds(advert.interval)?], Some(data))
        }
        Dialect::V3 => (3u8, centiseconds(advert.interval)?.to_be_bytes(), None),
    };
    let first = version << 4 | TYPE_ADVERTISEMENT;
    let mut message = vec![first, advert.vrid.get(), advert.priority.0, count, byte4, byte5, 0, 0];
    message.extend_from_slice(advert.addresses.bytes);
    message.extend(tail.into_iter().flatten());
    let sum = match (version, form, source, destination) {
        (3, ChecksumForm::PseudoHeader, IpAddr::V4(source), IpAddr::V4(destination)) => {
            sum_v4(&message, source, destination)
        }
        (3, _, IpAddr::V6(source), IpAddr::V6(destination)) => sum_v6(&message, source, destination),
        _ => util::checksum(&message, SKIP_NOTHING),
    };
    if let Some(field) = message.get_mut(CHECKSUM) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    Ok(message)
}

fn whole_seconds(interval: Duration) -> Result<u8, Unsendable> {
    let unsendable = Unsendable::Interval(ProtocolVersion::V2, interval);
    let seconds = u8::try_from(interval.as_secs()).map_err(|_| unsendable)?;
    if seconds == 0 || interval.subsec_nanos() != 0 { Err(unsendable) } else { Ok(seconds) }
}

fn centiseconds(interval: Duration) -> Result<u16, Unsendable> {
    let unsendable = Unsendable::Interval(ProtocolVersion::V3, interval);
    let units = interval.as_nanos() / CENTISECOND.as_nanos();
    let whole = interval.as_nanos().is_multiple_of(CENTISECOND.as_nanos());
    if !whole || units == 0 || units > MAX_CENTISECONDS {
        return Err(unsendable);
    }
    u16::try_from(units).map_err(|_| unsendable)
}

/// Addresses of one family as the bytes that [`AddressList::new`] borrows.
///
/// # Errors
/// [`Unsendable::Addresses`] with the number of addresses if one is of the other family.
pub fn encode_addresses(family: Family, addresses: &[IpAddr]) -> Result<Vec<u8>, Unsendable> {
    let mut bytes = Vec::with_capacity(addresses.len() * width(family));
    for address in addresses {
        match (family, address) {
            (Family::V4, IpAddr::V4(address)) => bytes.extend_from_slice(&address.octets()),
            (Family::V6, IpAddr::V6(address)) => bytes.extend_from_slice(&address.octets()),
            (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => {
                return Err(Unsendable::Addresses(addresses.len()));
            }
        }
    }
    Ok(bytes)
}
