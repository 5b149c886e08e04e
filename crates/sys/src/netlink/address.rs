//! Addresses of interfaces: listed, added and removed (rtnetlink(7), `RTM_NEWADDR`; linux/if_addr.h).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use model::LinkName;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_REPLACE, NlasIterator, Parseable as _};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Route;
use super::error::KernelError;
use super::exchange::Request;

/// The size of `struct ifaddrmsg`, after which the attributes begin.
const HEADER: usize = 8;
/// The kernel's word for a lifetime without end (`INFINITY_LIFE_TIME`, net/addrconf.h).
const INFINITE_SECONDS: u32 = u32::MAX;

/// Where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The interface's index: if another of the same name takes its place, this order is not for that one.
    pub link: u32,
    /// The interface's name, for messages.
    pub name: LinkName,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} on {}", self.address, self.prefix, self.name)
    }
}

/// How long an address lives unless it is renewed, in whole seconds; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Then the kernel removes it.
    pub valid: Option<u32>,
    /// Until then the kernel chooses it as a source of connections; at most `valid`, and 0 for never.
    pub preferred: Option<u32>,
}

/// As the administrator's own addresses live.
pub const FOREVER: Lifetime = Lifetime { valid: None, preferred: None };

/// What the kernel keeps of an address beside its place, its time and who put it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The other end, if it is one end of a point-to-point link; then the prefix is that end's.
    pub peer: Option<IpAddr>,
    /// How far it reaches (`RT_SCOPE_*`, linux/rtnetlink.h), 0 for everywhere. The kernel computes it for IPv6, whatever is said.
    pub scope: u8,
    /// IPv4: the address of all hosts of its network.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4: another name of the interface; the interface's own where it is `None`. At most 15 bytes.
    pub label: Option<String>,
    /// `IFA_F_NOPREFIXROUTE`: its network is not reached through it.
    pub no_prefix_route: bool,
    /// IPv6, `IFA_F_MANAGETEMPADDR`: temporary addresses are made from it (RFC 8981); the prefix has to be 64.
    pub makes_temporary: bool,
    /// IPv6, `IFA_F_HOMEADDRESS`: a mobile host's at home (RFC 6275).
    pub home: bool,
}

impl Shape {
    fn flags(&self, is_ipv6: bool) -> AddressFlags {
        let mut flags = AddressFlags::empty();
        flags.set(AddressFlags::Nodad, is_ipv6);
        flags.set(AddressFlags::Noprefixroute, self.no_prefix_route);
        flags.set(AddressFlags::Managetempaddr, self.makes_temporary);
        flags.set(AddressFlags::Homeaddress, self.home);
        flags
    }
}

/// A change of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds it, or sets the lifetime and origin of the one that is there, and the flags of an IPv6 one. IPv6 addresses work at
    /// once, without duplicate address detection (`IFA_F_NODAD`).
    Add {
        /// What and where.
        place: Place,
        /// What else there is to it.
        shape: Shape,
        /// Counted from now.
        lifetime: Lifetime,
        /// Who put it there (`IFA_PROTO`, since Linux 5.18; older kernels don't keep it).
        origin: Option<u8>,
    },
    /// Removes it.
    Remove {
        /// What and where.
        place: Place,
        /// The other end, if it has one: the kernel tells IPv4 addresses apart by it.
        peer: Option<IpAddr>,
    },
}

impl Change {
    /// What and where.
    #[must_use]
    pub const fn place(&self) -> &Place {
        match self {
            Self::Add { place, .. } | Self::Remove { place, .. } => place,
        }
    }

    const fn op(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
        }
    }

    fn request(&self) -> Request {
        match self {
            Self::Add { place, shape, lifetime, origin } => {
                let mut message = message_for(place, shape.peer);
                message.header.scope = AddressScope::from(shape.scope);
                let mut times = CacheInfo::default();
                times.ifa_valid = lifetime.valid.unwrap_or(INFINITE_SECONDS);
                times.ifa_preferred = lifetime.preferred.unwrap_or(INFINITE_SECONDS);
                message.attributes.push(AddressAttribute::CacheInfo(times));
                let flags = shape.flags(place.address.is_ipv6());
                if !flags.is_empty() {
                    message.attributes.push(AddressAttribute::Flags(flags));
                }
                message.attributes.extend(shape.broadcast.map(AddressAttribute::Broadcast));
                message.attributes.extend(shape.label.clone().map(AddressAttribute::Label));
                let origin = origin.map(|number| AddressAttribute::Protocol(AddressProtocol::Other(number)));
                message.attributes.extend(origin);
                let flags = NLM_F_CREATE | NLM_F_REPLACE;
                Request { message: RouteNetlinkMessage::NewAddress(message), flags }
            }
            Self::Remove { place, peer } => {
                Request { message: RouteNetlinkMessage::DelAddress(message_for(place, *peer)), flags: 0 }
            }
        }
    }
}

/// What identifies an address to the kernel.
fn message_for(place: &Place, peer: Option<IpAddr>) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match place.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = place.prefix;
    message.header.index = place.link;
    message.attributes = vec![
        AddressAttribute::Local(place.address),
        AddressAttribute::Address(peer.unwrap_or(place.address)),
    ];
    message
}

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// The interface's index.
    pub link: u32,
    /// The address (the near end of a point-to-point link).
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
    /// Not usable: duplicate address detection is under way, or found a duplicate.
    pub tentative: bool,
    /// An IPv4 address that goes when the first one of its subnet goes, unless the interface has `promote_secondaries`
    /// (`IFA_F_SECONDARY`).
    pub secondary: bool,
    /// When it ends unless it is renewed; `None` is never.
    pub valid: Option<Duration>,
    /// Who put it there (`IFA_PROTO`); `None` for what a person added, and for everything before Linux 5.18.
    pub origin: Option<u8>,
    /// What else there is to it; of an IPv4 address the label is always told.
    pub shape: Shape,
}

impl HostAddress {
    /// `None` for a family that isn't IP.
    fn decode(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = AddressHeader::parse(payload)?;
        if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
            return Ok(None);
        }
        let (mut local, mut address, mut valid, mut origin) = (None, None, None, None);
        let mut shape = Shape { scope: header.scope.into(), ..Shape::default() };
        let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            if !READ.contains(&attribute.kind()) {
                continue;
            }
            match AddressAttribute::parse(&attribute)? {
                AddressAttribute::Local(it) => local = Some(it),
                AddressAttribute::Address(it) => address = Some(it),
                AddressAttribute::CacheInfo(it) if it.ifa_valid != INFINITE_SECONDS => {
                    valid = Some(Duration::from_secs(it.ifa_valid.into()));
                }
                AddressAttribute::Flags(it) => flags = it,
                AddressAttribute::Protocol(it) => origin = Some(u8::from(it)),
                AddressAttribute::Broadcast(it) => shape.broadcast = Some(it),
                AddressAttribute::Label(it) => shape.label = Some(it),
                _ => {}
            }
        }
        // IPv6 has IFA_LOCAL only with a peer; IPv4 always has it, and both the same without one.
        shape.peer = address.filter(|address| local.is_some_and(|local| local != *address));
        let address = local.or(address).ok_or_else(|| DecodeError::from("an address without an address"))?;
        let tentative = flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed);
        shape.no_prefix_route = flags.contains(AddressFlags::Noprefixroute);
        shape.makes_temporary = flags.contains(AddressFlags::Managetempaddr);
        shape.home = flags.contains(AddressFlags::Homeaddress);
        // The same bit says of an IPv6 address that it is a temporary one.
        let secondary = address.is_ipv4() && flags.contains(AddressFlags::Secondary);
        let prefix = header.prefix_len;
        Ok(Some(Self { link: header.index, address, prefix, tentative, secondary, valid, origin, shape }))
    }
}

/// The attribute with all 32 flags (linux/if_addr.h).
const IFA_FLAGS: u16 = 8;
/// The attribute that says who put the address there (linux/if_addr.h).
const IFA_PROTO: u16 = 11;
/// The attributes that are read; others are a newer kernel's own affair.
const READ: [u16; 7] = [
    libc::IFA_LOCAL,
    libc::IFA_ADDRESS,
    libc::IFA_CACHEINFO,
    libc::IFA_BROADCAST,
    libc::IFA_LABEL,
    IFA_FLAGS,
    IFA_PROTO,
];

impl Route {
    /// Makes the changes in order, many per system call, each with an answer of its own.
    ///
    /// # Errors
    /// Per change, with the kernel's words. `ENOBUFS` means that the answer was lost: only [`Route::addresses`] knows.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        self.make(changes, Change::request, |it| (it.op(), it.place().to_string()))
    }

    /// All IPv4 and IPv6 addresses, in the kernel's order: of one interface, primary ones first.
    ///
    /// # Errors
    /// When a whole and untorn list can't be had after several attempts.
    pub fn addresses(&mut self) -> Result<Vec<HostAddress>, KernelError> {
        let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.exchange
            .list(&all, HostAddress::decode)
            .map_err(|refusal| KernelError::new("list", "addresses".into(), refusal))
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_torn_message_is_an_error_and_an_unknown_attribute_is_not() {
        let place = Place {
            link: 3,
            name: LinkName::new("eth0").unwrap(),
            address: "192.0.2.1".parse().unwrap(),
            prefix: 24,
        };
        let mut message = message_for(&place, None);
        let bytes = |message: &AddressMessage| {
            let mut bytes = vec![0; message.buffer_len()];
            message.emit(&mut bytes);
            bytes
        };
        let plain = bytes(&message);
        let decoded = HostAddress::decode(&plain).unwrap().unwrap();
        assert_eq!((decoded.link, decoded.prefix, decoded.valid, decoded.origin), (3, 24, None, None));
        let unknown = netlink_packet_core::DefaultNla::new(4000, vec![1, 2, 3]);
        message.attributes.push(AddressAttribute::Other(unknown));
        assert_eq!(HostAddress::decode(&bytes(&message)).unwrap(), Some(decoded));
        for length in [0, 7, 9, plain.len() - 1] {
            assert!(HostAddress::decode(&plain[..length]).is_err(), "{length} bytes");
        }
        assert!(HostAddress::decode(&plain[..HEADER]).is_err(), "an address without an address");
    }

    proptest! {
        #[test]
        fn any_payload_panics_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..100), family in 0_u8..12) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = family;
            }
            let _ = HostAddress::decode(&bytes);
        }
    }
}
