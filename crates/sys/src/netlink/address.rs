//! Addresses of interfaces: listed, added and removed (rtnetlink(7), `RTM_NEWADDR`; linux/if_addr.h).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use model::LinkName;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_REPLACE, NlasIterator, Parseable as _};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Route;
use super::error::KernelError;
use super::exchange::{MAX_BATCH, Request};

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

/// A change of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds it, or sets the lifetime and origin of the one that is there. IPv6 addresses work at once, without duplicate
    /// address detection (`IFA_F_NODAD`).
    Add {
        /// What and where.
        place: Place,
        /// Counted from now.
        lifetime: Lifetime,
        /// Who put it there (`IFA_PROTO`, since Linux 5.18; older kernels don't keep it).
        origin: Option<u8>,
    },
    /// Removes it.
    Remove {
        /// What and where.
        place: Place,
    },
}

impl Change {
    /// What and where.
    #[must_use]
    pub const fn place(&self) -> &Place {
        match self {
            Self::Add { place, .. } | Self::Remove { place } => place,
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
            Self::Add { place, lifetime, origin } => {
                let mut message = message_for(place);
                let mut times = CacheInfo::default();
                times.ifa_valid = lifetime.valid.unwrap_or(INFINITE_SECONDS);
                times.ifa_preferred = lifetime.preferred.unwrap_or(INFINITE_SECONDS);
                message.attributes.push(AddressAttribute::CacheInfo(times));
                if place.address.is_ipv6() {
                    message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
                }
                let origin = origin.map(|number| AddressAttribute::Protocol(AddressProtocol::Other(number)));
                message.attributes.extend(origin);
                let flags = NLM_F_CREATE | NLM_F_REPLACE;
                Request { message: RouteNetlinkMessage::NewAddress(message), flags }
            }
            Self::Remove { place } => {
                Request { message: RouteNetlinkMessage::DelAddress(message_for(place)), flags: 0 }
            }
        }
    }
}

/// What identifies an address to the kernel.
fn message_for(place: &Place) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match place.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = place.prefix;
    message.header.index = place.link;
    message.attributes =
        vec![AddressAttribute::Local(place.address), AddressAttribute::Address(place.address)];
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
    /// When it ends unless it is renewed; `None` is never.
    pub valid: Option<Duration>,
    /// Who put it there (`IFA_PROTO`); `None` for what a person added, and for everything before Linux 5.18.
    pub origin: Option<u8>,
}

impl HostAddress {
    /// `None` for a family that isn't IP.
    fn decode(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = AddressHeader::parse(payload)?;
        if !matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6) {
            return Ok(None);
        }
        let (mut local, mut address, mut valid, mut origin) = (None, None, None, None);
        let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            match attribute.kind() {
                libc::IFA_LOCAL | libc::IFA_ADDRESS | libc::IFA_CACHEINFO | IFA_FLAGS | IFA_PROTO => {}
                _ => continue,
            }
            match AddressAttribute::parse(&attribute)? {
                AddressAttribute::Local(it) => local = Some(it),
                AddressAttribute::Address(it) => address = Some(it),
                AddressAttribute::CacheInfo(it) if it.ifa_valid != INFINITE_SECONDS => {
                    valid = Some(Duration::from_secs(it.ifa_valid.into()));
                }
                AddressAttribute::Flags(it) => flags = it,
                AddressAttribute::Protocol(it) => origin = Some(u8::from(it)),
                _ => {}
            }
        }
        // IPv6 has IFA_LOCAL only with a peer; IPv4 always has it.
        let address = local.or(address).ok_or_else(|| DecodeError::from("an address without an address"))?;
        let tentative = flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed);
        Ok(Some(Self { link: header.index, address, prefix: header.prefix_len, tentative, valid, origin }))
    }
}

/// The attribute with all 32 flags (linux/if_addr.h).
const IFA_FLAGS: u16 = 8;
/// The attribute that says who put the address there (linux/if_addr.h).
const IFA_PROTO: u16 = 11;

impl Route {
    /// Makes the changes in order, many per system call, each with an answer of its own.
    ///
    /// # Errors
    /// Per change, with the kernel's words. `ENOBUFS` means that the answer was lost: only [`Route::addresses`] knows.
    pub fn apply(&mut self, changes: &[Change]) -> Vec<Result<(), KernelError>> {
        let mut answers = Vec::with_capacity(changes.len());
        for batch in changes.chunks(MAX_BATCH) {
            let results = self.exchange.acknowledged(batch.iter().map(Change::request).collect());
            answers.extend(batch.iter().zip(results).map(|(change, result)| {
                result.map_err(|refusal| KernelError::new(change.op(), change.place().to_string(), refusal))
            }));
        }
        answers
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
        let mut message = message_for(&Place {
            link: 3,
            name: LinkName::new("eth0").unwrap(),
            address: "192.0.2.1".parse().unwrap(),
            prefix: 24,
        });
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
