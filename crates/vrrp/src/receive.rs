//! Is this packet an advert for this virtual router? The checks of RFC 9568 section 7.1 and RFC 3768 section 7.1.
//!
//! It must never change anything: a rejected packet moves no timer. What the bytes alone can tell is in `packet.rs`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use model::{Credential, Priority, ProtocolVersion, Secret};

use crate::ah::{self, IpHeader, Sequence, Unauthentic};
use crate::cause::enumerate;
use crate::door::{InstanceConfig, Packet};
use crate::packet::{self, Advert, Authentication, ChecksumForm, Dialect, Malformed};
use crate::remarks::Remark;
use crate::settings::Peer;

/// What every multicast advert is sent with (V3-PKT-6) and must arrive with (V3-RX-1): one hop would make it 254.
pub(crate) const TTL: u8 = 255;

/// Why a packet was dropped, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Own,
    Ttl(u8),
    PeerTtl { theirs: u8, peer: Peer },
    Version { theirs: u8, ours: ProtocolVersion },
    Malformed(Malformed),
    AuthenticationType { theirs: &'static str, ours: &'static str },
    AuthenticationData,
    Unauthentic(Unauthentic),
    Replayed { theirs: u32, heard: u32 },
    Interval { theirs: Duration, ours: Duration },
    NotLinkLocal,
    NotAPeer,
    Destination(IpAddr),
    UnknownVrid(u8),
}

impl Rejected {
    /// Which counter it goes to.
    pub(crate) const fn remark(self) -> Remark {
        match self {
            Self::Own => Remark::OwnPacket,
            Self::Ttl(_) | Self::PeerTtl { .. } => Remark::Ttl,
            Self::Version { .. } | Self::Malformed(Malformed::Version(_)) => Remark::Version,
            Self::Malformed(Malformed::Type(_)) => Remark::Type,
            Self::Malformed(Malformed::Length { .. }) => Remark::Length,
            Self::Malformed(Malformed::Checksum) => Remark::Checksum,
            Self::Malformed(Malformed::VridZero) | Self::UnknownVrid(_) => Remark::UnknownVrid,
            Self::Malformed(Malformed::NoAddresses) => Remark::NoAddresses,
            Self::Malformed(Malformed::ZeroInterval) => Remark::ZeroInterval,
            Self::AuthenticationType { .. } | Self::Malformed(Malformed::AuthenticationType(_)) => {
                Remark::AuthenticationType
            }
            Self::AuthenticationData | Self::Unauthentic(Unauthentic::CheckValue) => {
                Remark::AuthenticationData
            }
            Self::Unauthentic(Unauthentic::Short(_)) => Remark::Length,
            Self::Unauthentic(Unauthentic::Form { .. } | Unauthentic::Spi(_)) => Remark::AuthenticationHeader,
            Self::Replayed { .. } => Remark::AuthenticationReplay,
            Self::Interval { .. } => Remark::Interval,
            Self::NotLinkLocal => Remark::NotLinkLocal,
            Self::NotAPeer => Remark::NotAPeer,
            Self::Destination(_) => Remark::Destination,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => {
                f.write_str("its source is our own address: the network loops, or another host has it too")
            }
            Self::Ttl(ttl) => write!(f, "its TTL is {ttl}, not {TTL}: it came through a router"),
            Self::PeerTtl { theirs, peer: Peer { min_ttl, max_ttl, .. } } => {
                write!(f, "its TTL is {theirs}, and {min_ttl} to {max_ttl} is configured for this peer")
            }
            Self::Version { theirs, ours } => write!(f, "it speaks VRRP version {theirs}, we speak {ours}"),
            Self::Malformed(Malformed::Version(version)) => {
                write!(f, "there is no VRRP version {version} here")
            }
            Self::Malformed(Malformed::Type(kind)) => write!(f, "type {kind} is not an advertisement"),
            Self::Malformed(Malformed::Length { expected, got }) => {
                write!(f, "it has {got} bytes where {expected} are announced")
            }
            Self::Malformed(Malformed::Checksum) => f.write_str("its checksum is wrong"),
            Self::Malformed(Malformed::VridZero) => f.write_str("its VRID is 0"),
            Self::Malformed(Malformed::NoAddresses) => f.write_str("it has no addresses"),
            Self::Malformed(Malformed::ZeroInterval) => f.write_str("its interval is 0"),
            Self::Malformed(Malformed::AuthenticationType(kind)) => {
                write!(f, "there is no authentication type {kind}")
            }
            Self::AuthenticationType { theirs, ours } => {
                write!(
                    f,
                    "it carries {theirs}, we are configured with {ours}: both hold themselves for master"
                )
            }
            Self::AuthenticationData => {
                f.write_str("its password is not ours: both hold themselves for master")
            }
            Self::Unauthentic(Unauthentic::CheckValue) => f.write_str(
                "its authentication header doesn't verify: its key is not ours, and both hold themselves for master, or it was changed on its way",
            ),
            Self::Unauthentic(Unauthentic::Short(got)) => {
                write!(f, "it has {got} bytes where an authentication header has {}", ah::HEADER)
            }
            Self::Unauthentic(Unauthentic::Form { next, length }) => write!(
                f,
                "its authentication header is for protocol {next} and of length {length}, not for VRRP with HMAC-MD5-96"
            ),
            Self::Unauthentic(Unauthentic::Spi(spi)) => {
                write!(f, "the SPI of its authentication header is {spi}, not its source")
            }
            Self::Replayed { theirs, heard } => write!(
                f,
                "its sequence number is {theirs}, and {heard} was heard already: somebody replays it, or its sender has started again and not heard us yet"
            ),
            Self::Interval { theirs, ours } => write!(
                f,
                "its interval is {theirs:?}, ours is {ours:?}, and VRRPv2 asks for the same: both hold themselves for master"
            ),
            Self::NotLinkLocal => f.write_str("its first address is not link-local"),
            Self::NotAPeer => f.write_str("it is not a configured unicast peer"),
            Self::Destination(to) => write!(f, "it was sent to {to}, where this instance does not listen"),
            Self::UnknownVrid(vrid) => write!(f, "VRID {vrid} is not configured here"),
        }
    }
}

/// An advert for us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    pub(crate) source: IpAddr,
    pub(crate) advert: Advert<'a>,
    pub(crate) form: ChecksumForm,
    /// In its authentication header, if it has to have one.
    pub(crate) sequence: Option<u32>,
}

/// What is so on our side, besides the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// Of our own adverts.
    pub(crate) source: Option<IpAddr>,
    /// Our own list starts with a link-local address, see [`check_addresses`].
    pub(crate) link_local_first: bool,
    /// What of authentication headers has been heard.
    pub(crate) sequence: Sequence,
}

/// The VRRP message in a packet, whatever is in front of it, nothing checked.
pub(crate) fn message<'a>(packet: &Packet<'a>) -> &'a [u8] {
    match packet.sealed {
        Some(_) => ah::message(packet.message),
        None => packet.message,
    }
}

/// Judges a packet whose link, family and VRID have led to this instance.
pub(crate) fn judge<'a>(
    config: &InstanceConfig,
    own: &Own,
    packet: &Packet<'a>,
) -> Result<Heard<'a>, Rejected> {
    if own.source == Some(packet.source) {
        return Err(Rejected::Own);
    }
    let unicast = !config.peers.is_empty();
    // A peer may be some hops away: what TTL it may come with is configured.
    if !unicast && packet.ttl != TTL {
        return Err(Rejected::Ttl(packet.ttl));
    }
    let sequence = check_header(config.credential, &own.sequence, packet)?;
    let message = message(packet);
    check_version(config.version, message)?;
    let (advert, form) =
        packet::parse(message, packet.source, packet.destination).map_err(Rejected::Malformed)?;
    if let Dialect::V2(authentication) = advert.dialect {
        check_authentication(authentication, config.credential, sequence.is_some())?;
        if advert.interval != config.advert_interval {
            return Err(Rejected::Interval { theirs: advert.interval, ours: config.advert_interval });
        }
    }
    check_addresses(&advert, packet.source, own.link_local_first)?;
    let here = if unicast { !packet.destination.is_multicast() } else { packet.destination == config.group };
    if !here {
        return Err(Rejected::Destination(packet.destination));
    }
    if unicast {
        check_peer(config, packet)?;
    }
    Ok(Heard { source: packet.source, advert, form, sequence })
}

/// Judges a packet that led to no instance: the first thing that is wrong with it.
pub(crate) fn judge_stray(packet: &Packet<'_>) -> Rejected {
    if packet.destination.is_multicast() && packet.ttl != TTL {
        return Rejected::Ttl(packet.ttl);
    }
    match packet::parse(message(packet), packet.source, packet.destination) {
        Ok((advert, _)) => Rejected::UnknownVrid(advert.vrid.get()),
        Err(malformed) => Rejected::Malformed(malformed),
    }
}

/// V3-RX-10 and, for peers, V3-RX-1.
fn check_peer(config: &InstanceConfig, packet: &Packet<'_>) -> Result<(), Rejected> {
    let peer = config.peers.iter().find(|peer| peer.address == packet.source);
    let peer = *peer.ok_or(Rejected::NotAPeer)?;
    if (peer.min_ttl..=peer.max_ttl).contains(&packet.ttl) {
        Ok(())
    } else {
        Err(Rejected::PeerTtl { theirs: packet.ttl, peer })
    }
}

/// V3-RX-2, before anything that depends on the version.
fn check_version(ours: ProtocolVersion, message: &[u8]) -> Result<(), Rejected> {
    let number = match ours {
        ProtocolVersion::V2 => 2,
        ProtocolVersion::V3 => 3,
    };
    match message.first().map(|first| first >> 4) {
        Some(theirs) if theirs != number => Err(Rejected::Version { theirs, ours }),
        // Nothing there at all is a matter of length.
        Some(_) | None => Ok(()),
    }
}

const NO_AUTHENTICATION: &str = "no authentication";
const PASSWORD: &str = "a password";
const AH: &str = "an authentication header (AH)";
const AH_MISSING: &str = "no authentication header (AH), although it says so";

const fn name(ours: Option<Credential>) -> &'static str {
    match ours {
        None => NO_AUTHENTICATION,
        Some(Credential::Password(_)) => PASSWORD,
        Some(Credential::AhKey(_)) => AH,
    }
}

/// V2-RX-2, for AH: it comes before anything that it covers is believed. Gives the sequence number.
fn check_header(
    ours: Option<Credential>,
    heard: &Sequence,
    packet: &Packet<'_>,
) -> Result<Option<u32>, Rejected> {
    let Some(identification) = packet.sealed else { return Ok(None) };
    let (Some(Credential::AhKey(key)), IpAddr::V4(source), IpAddr::V4(destination)) =
        (ours, packet.source, packet.destination)
    else {
        return Err(Rejected::AuthenticationType { theirs: AH, ours: name(ours) });
    };
    let ip = IpHeader { source, destination, ttl: packet.ttl, identification };
    let (sequence, _) = ah::open(packet.message, &ip, key).map_err(Rejected::Unauthentic)?;
    heard.judge(sequence).map_err(|heard| Rejected::Replayed { theirs: sequence, heard })?;
    Ok(Some(sequence))
}

/// V2-RX-2. `verified`: there was an authentication header, and it was good.
fn check_authentication(
    theirs: Authentication,
    ours: Option<Credential>,
    verified: bool,
) -> Result<(), Rejected> {
    let theirs = match (theirs, ours) {
        (Authentication::None, None) => return Ok(()),
        (Authentication::Text(Secret(theirs)), Some(Credential::Password(Secret(ours)))) => {
            return if theirs == ours { Ok(()) } else { Err(Rejected::AuthenticationData) };
        }
        (Authentication::Ah, Some(Credential::AhKey(_))) if verified => return Ok(()),
        (Authentication::None, Some(_)) => NO_AUTHENTICATION,
        (Authentication::Text(_), None | Some(Credential::AhKey(_))) => PASSWORD,
        (Authentication::Ah, _) => AH_MISSING,
    };
    Err(Rejected::AuthenticationType { theirs, ours: name(ours) })
}

/// V3-RX-9. It is not asked of others by a router whose own list starts with another address: two routers with
/// that same configuration (keepalived allows it) would otherwise both be master.
fn check_addresses(advert: &Advert<'_>, source: IpAddr, link_local_first: bool) -> Result<(), Rejected> {
    if source.is_ipv6() && link_local_first && !advert.addresses.starts_link_local() {
        return Err(Rejected::NotLinkLocal);
    }
    Ok(())
}

impl Heard<'_> {
    /// The remarks that do not drop it: V3-RX-12, 13, 14 and the checksum's form (V3-PKT-4).
    pub(crate) fn remarks(
        &self,
        config: &InstanceConfig,
        own: packet::AddressList<'_>,
    ) -> impl Iterator<Item = Remark> + use<> {
        let advert = &self.advert;
        let is_v3 = advert.dialect == Dialect::V3;
        [
            (is_v3 && advert.interval != config.advert_interval).then_some(Remark::IntervalDiffers),
            (config.manners.compare_addresses && !advert.addresses.same_as(&own))
                .then_some(Remark::AddressesDiffer),
            (config.priority == Priority::OWNER && advert.priority != Priority::STOP)
                .then_some(Remark::RivalOwner),
            (is_v3 && self.form == ChecksumForm::MessageOnly).then_some(Remark::ChecksumMessageOnly),
        ]
        .into_iter()
        .flatten()
    }

    /// What a person reads of a remark that does not drop the advert.
    pub(crate) fn sentence(&self, remark: Remark, our_interval: Duration) -> String {
        let Self { source, advert, .. } = self;
        match remark {
            Remark::IntervalDiffers => {
                format!(
                    "{source} advertises every {:?}, we are configured with {our_interval:?}",
                    advert.interval
                )
            }
            Remark::AddressesDiffer => {
                let theirs = enumerate(advert.addresses.iter().map(|address| address.to_string()), ", ");
                format!("{source} advertises other addresses than ours: {theirs}")
            }
            Remark::RivalOwner => {
                format!("{source} advertises priority {}, but we own the addresses", advert.priority)
            }
            Remark::LowerMaster => {
                format!(
                    "a second master: {source} advertises priority {}, and ranks below us",
                    advert.priority
                )
            }
            other => format!("advert from {source}: {}", other.word()),
        }
    }
}
