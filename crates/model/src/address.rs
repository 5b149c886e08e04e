//! Facts about a link, as ipmgr tells them and the core weighs them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::LinkName;

/// IPv4 or IPv6: with one VRID they are two virtual routers (V3-FSM-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "ipv4")]
    V4,
    /// IPv6.
    #[serde(rename = "ipv6")]
    V6,
}

impl Family {
    /// The family that an address belongs to.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What adverts travel in: an IP version, and the protocol number in its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// IPv4, protocol 112.
    V4,
    /// IPv6, protocol 112.
    V6,
    /// IPv4, protocol 51: VRRPv2 behind an authentication header (RFC 4302), as keepalived speaks it.
    Ah,
}

impl Transport {
    /// The IP version.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4 | Self::Ah => Family::V4,
            Self::V6 => Family::V6,
        }
    }
}

impl From<Family> for Transport {
    /// Without authentication header.
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4,
            Family::V6 => Self::V6,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
            Self::Ah => "IPv4 AH",
        })
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// How many configured sources a [`LinkFact`] names; so it fits a frame between processes.
pub const MAX_SOURCES: usize = 256;

/// What is so about one interface: all of it, each time anything changes (levels, not edges).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFact {
    /// Its name in the configuration.
    pub name: LinkName,
    /// `None` while no such interface exists; then everything below is empty.
    pub index: Option<u32>,
    /// `IFF_UP` and `IFF_RUNNING` (rtnetlink(7)): administratively up, with carrier.
    pub up: bool,
    /// A frame of another host has come in since the carrier came up, or nobody can tell any more. Until then a silent link
    /// may be one that carries nothing yet, such as a switch port that isn't forwarding.
    pub carries: bool,
    /// The hardware address, of an Ethernet-like interface.
    pub mac: Option<MacAddress>,
    /// The first IPv4 address that is not one of ours: what adverts are sent from (V3-PKT-6).
    pub ipv4: Option<Ipv4Addr>,
    /// The first link-local IPv6 address that is not tentative and not one of ours.
    pub ipv6: Option<Ipv6Addr>,
    /// Of the sources that are configured for adverts (`unicast_src_ip`, `mcast_src_ip`), those that are usable on this
    /// interface, in order; [`MAX_SOURCES`] at most.
    pub sources: Vec<IpAddr>,
    /// Of the same, those that are usable on any interface of this host, such as a router's address on `lo`; likewise.
    pub hosted: Vec<IpAddr>,
}

impl LinkFact {
    /// An interface that is not there.
    #[must_use]
    pub const fn absent(name: LinkName) -> Self {
        Self {
            name,
            index: None,
            up: false,
            carries: false,
            mac: None,
            ipv4: None,
            ipv6: None,
            sources: Vec::new(),
            hosted: Vec::new(),
        }
    }
}
