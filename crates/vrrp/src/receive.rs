//! Is this packet an advert for this virtual router? The checks of RFC 9568 section 7.1 and RFC 3768 section 7.1.
//!
//! It must never change anything: a rejected packet moves no timer. What the bytes alone can tell is in `packet.rs`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use model::{Priority, ProtocolVersion};

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
            Self::AuthenticationData => Remark::AuthenticationData,
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
                write!(f, "authentication type {kind} is not supported")
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
}

/// Judges a packet whose link, family and VRID have led to this instance.
///
/// `own` is the source of our own adverts. `link_local_first` is whether our own list starts with a link-local
/// address, see [`check_addresses`].
pub(crate) fn judge<'a>(
    config: &InstanceConfig,
    own: Option<IpAddr>,
    link_local_first: bool,
    packet: &Packet<'a>,
) -> Result<Heard<'a>, Rejected> {
    if own == Some(packet.source) {
        return Err(Rejected::Own);
    }
    let unicast = !config.peers.is_empty();
    // A peer may be some hops away: what TTL it may come with is configured.
    if !unicast && packet.ttl != TTL {
        return Err(Rejected::Ttl(packet.ttl));
    }
    check_version(config.version, packet.message)?;
    let (advert, form) =
        packet::parse(packet.message, packet.source, packet.destination).map_err(Rejected::Malformed)?;
    if let Dialect::V2(authentication) = advert.dialect {
        check_authentication(authentication, config.password)?;
        if advert.interval != config.advert_interval {
            return Err(Rejected::Interval { theirs: advert.interval, ours: config.advert_interval });
        }
    }
    check_addresses(&advert, packet.source, link_local_first)?;
    let here = if unicast { !packet.destination.is_multicast() } else { packet.destination == config.group };
    if !here {
        return Err(Rejected::Destination(packet.destination));
    }
    if unicast {
        check_peer(config, packet)?;
    }
    Ok(Heard { source: packet.source, advert, form })
}

/// Judges a packet that led to no instance: the first thing that is wrong with it.
pub(crate) fn judge_stray(packet: &Packet<'_>) -> Rejected {
    if packet.destination.is_multicast() && packet.ttl != TTL {
        return Rejected::Ttl(packet.ttl);
    }
    match packet::parse(packet.message, packet.source, packet.destination) {
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

/// V2-RX-2.
fn check_authentication(theirs: Authentication, ours: Option<[u8; 8]>) -> Result<(), Rejected> {
    const NONE: &str = "no authentication";
    const TEXT: &str = "a password";
    match (theirs, ours) {
        (Authentication::None, None) => Ok(()),
        (Authentication::Text(theirs), Some(ours)) if theirs == ours => Ok(()),
        (Authentication::Text(_), Some(_)) => Err(Rejected::AuthenticationData),
        (Authentication::None, Some(_)) => Err(Rejected::AuthenticationType { theirs: NONE, ours: TEXT }),
        (Authentication::Text(_), None) => Err(Rejected::AuthenticationType { theirs: TEXT, ours: NONE }),
    }
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
