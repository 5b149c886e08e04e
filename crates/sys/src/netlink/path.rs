//! Routes: listed, added and removed (rtnetlink(7), `RTM_NEWROUTE`; linux/rtnetlink.h).
//!
//! It must never touch a route of another origin: what is listed and what is removed is told by its protocol number
//! (`rtm_protocol`), in the request itself, so that the kernel leaves a route of somebody else alone even if it is the same
//! otherwise. Read ip-route(8) first.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{
    DecodeError, NLM_F_CREATE, NLM_F_EXCL, NlasIterator, parse_ip, parse_u8, parse_u32,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Route;
use super::error::KernelError;
use super::exchange::Request;

/// The size of `struct rtmsg`, after which the attributes begin.
const HEADER: usize = 12;
/// The size of `struct rtnexthop`, after which a hop's attributes begin.
const HOP_HEADER: usize = 8;
/// Attributes (linux/rtnetlink.h).
const RTA_VIA: u16 = 18;
/// The metric that holds an MTU (`RTAX_MTU`).
const METRIC_MTU: u16 = 2;
/// The attributes that are nested or in a list say so in their kind (`NLA_TYPE_MASK`).
const KIND: u16 = 0x3fff;
/// `RTNH_F_ONLINK`.
const ONLINK: u32 = 4;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// It goes on.
    Unicast,
    /// It vanishes.
    Blackhole,
    /// Its sender is told that there is no way.
    Unreachable,
    /// Its sender is told that it is forbidden.
    Prohibit,
}

impl PathKind {
    const fn route_type(self) -> RouteType {
        match self {
            Self::Unicast => RouteType::Unicast,
            Self::Blackhole => RouteType::BlackHole,
            Self::Unreachable => RouteType::Unreachable,
            Self::Prohibit => RouteType::Prohibit,
        }
    }
}

/// One way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// The router; the destination is on the link without one. It may be of the other family.
    pub via: Option<IpAddr>,
    /// The interface's index; the kernel finds it by the router where it is `None`.
    pub link: Option<u32>,
    /// The router is on the link, whatever the addresses say (`RTNH_F_ONLINK`).
    pub onlink: bool,
    /// Its share among several, 0 for one part, as the kernel counts (`rtnh_hops`).
    pub share: u8,
}

/// A route. Its origin is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Where to.
    pub destination: IpAddr,
    /// The length of its prefix; 0 is everywhere.
    pub prefix: u8,
    /// What becomes of the packets.
    pub kind: PathKind,
    /// The table, 254 for `main`.
    pub table: u32,
    /// The metric (`RTA_PRIORITY`): the lowest counts.
    pub metric: u32,
    /// The type of service that it is for, 0 for all.
    pub tos: u8,
    /// `RT_SCOPE_*`; always 0 in IPv6.
    pub scope: u8,
    /// The source of connections that begin here.
    pub source: Option<IpAddr>,
    /// The greatest packet, in bytes.
    pub mtu: Option<u32>,
    /// The ways; none if packets don't go on.
    pub hops: Vec<Hop>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route {}/{}", self.destination, self.prefix)?;
        for hop in &self.hops {
            hop.via.iter().try_for_each(|via| write!(f, " via {via}"))?;
            hop.link.iter().try_for_each(|link| write!(f, " on interface {link}"))?;
        }
        Ok(())
    }
}

/// A change of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// Adds it. An IPv4 route goes before others with its destination and metric, and those stay; where an IPv6 one has
    /// such company it is refused (`EEXIST`), since the kernel would make one of the two.
    Add {
        /// What.
        path: Path,
    },
    /// Removes it.
    Remove {
        /// What.
        path: Path,
    },
}

impl PathChange {
    /// What.
    #[must_use]
    pub const fn path(&self) -> &Path {
        match self {
            Self::Add { path } | Self::Remove { path } => path,
        }
    }

    const fn op(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
        }
    }

    fn request(&self, origin: u8) -> Request {
        match self {
            Self::Add { path } => {
                let alone = if path.destination.is_ipv6() { NLM_F_EXCL } else { 0 };
                let message = RouteNetlinkMessage::NewRoute(path.message(origin));
                Request { message, flags: NLM_F_CREATE | alone }
            }
            Self::Remove { path } => {
                Request { message: RouteNetlinkMessage::DelRoute(path.message(origin)), flags: 0 }
            }
        }
    }
}

impl Path {
    fn message(&self, origin: u8) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(self.destination),
            destination_prefix_length: self.prefix,
            tos: self.tos,
            protocol: RouteProtocol::from(origin),
            scope: RouteScope::from(self.scope),
            kind: self.kind.route_type(),
            ..RouteHeader::default()
        };
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(self.table));
        if self.prefix > 0 {
            attributes.push(RouteAttribute::Destination(self.destination.into()));
        }
        if self.metric > 0 {
            attributes.push(RouteAttribute::Priority(self.metric));
        }
        attributes.extend(self.source.map(|source| RouteAttribute::PrefSource(source.into())));
        attributes.extend(self.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
        match self.hops.as_slice() {
            [] => {}
            [hop] => {
                attributes.extend(hop.via.map(|via| self.gateway(via)));
                attributes.extend(hop.link.map(RouteAttribute::Oif));
                message.header.flags.set(RouteFlags::Onlink, hop.onlink);
            }
            several => {
                let hops = several.iter().map(|hop| self.next_hop(hop)).collect();
                attributes.push(RouteAttribute::MultiPath(hops));
            }
        }
        message
    }

    fn gateway(&self, via: IpAddr) -> RouteAttribute {
        match (self.destination, via) {
            (IpAddr::V4(_), IpAddr::V6(via)) => RouteAttribute::Via(RouteVia::Inet6(via)),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), _) => RouteAttribute::Gateway(via.into()),
        }
    }

    fn next_hop(&self, hop: &Hop) -> RouteNextHop {
        let mut next = RouteNextHop::default();
        next.flags.set(RouteNextHopFlags::Onlink, hop.onlink);
        next.hops = hop.share;
        next.interface_index = hop.link.unwrap_or_default();
        next.attributes.extend(hop.via.map(|via| self.gateway(via)));
        next
    }

    /// `None` for one of another origin, or of a kind or family that nobody here makes.
    fn decode(payload: &[u8], origin: u8) -> Result<Option<Self>, DecodeError> {
        let header = RouteHeader::parse(payload)?;
        let kind = match header.kind {
            RouteType::Unicast => PathKind::Unicast,
            RouteType::BlackHole => PathKind::Blackhole,
            RouteType::Unreachable => PathKind::Unreachable,
            RouteType::Prohibit => PathKind::Prohibit,
            _ => return Ok(None),
        };
        let destination = match header.address_family {
            AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return Ok(None),
        };
        if u8::from(header.protocol) != origin || header.flags.contains(RouteFlags::Cloned) {
            return Ok(None);
        }
        let mut path = Self {
            destination,
            prefix: header.destination_prefix_length,
            kind,
            table: header.table.into(),
            metric: 0,
            tos: header.tos,
            scope: header.scope.into(),
            source: None,
            mtu: None,
            hops: Vec::new(),
        };
        let mut only = Hop { onlink: header.flags.bits() & ONLINK != 0, ..Hop::default() };
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() & KIND {
                libc::RTA_DST => path.destination = parse_ip(value)?,
                libc::RTA_PRIORITY => path.metric = parse_u32(value)?,
                libc::RTA_PREFSRC => path.source = Some(parse_ip(value)?),
                libc::RTA_TABLE => path.table = parse_u32(value)?,
                libc::RTA_METRICS => path.mtu = mtu(value)?,
                libc::RTA_OIF => only.link = Some(parse_u32(value)?),
                libc::RTA_GATEWAY => only.via = Some(parse_ip(value)?),
                RTA_VIA => only.via = Some(other_family(value)?),
                libc::RTA_MULTIPATH => path.hops = hops(value)?,
                _ => {}
            }
        }
        if path.hops.is_empty() && kind == PathKind::Unicast {
            path.hops.push(only);
        }
        Ok(Some(path))
    }
}

/// The greatest packet among the metrics.
fn mtu(bytes: &[u8]) -> Result<Option<u32>, DecodeError> {
    for metric in NlasIterator::new(bytes) {
        let metric = metric?;
        if metric.kind() & KIND == METRIC_MTU {
            return parse_u32(metric.value()).map(Some);
        }
    }
    Ok(None)
}

/// A router of the other family (`struct rtvia`): two bytes of family, then the address.
fn other_family(bytes: &[u8]) -> Result<IpAddr, DecodeError> {
    parse_ip(bytes.get(2..).unwrap_or_default())
}

/// The ways of a route that has several (`struct rtnexthop`).
fn hops(mut bytes: &[u8]) -> Result<Vec<Hop>, DecodeError> {
    let mut hops = Vec::new();
    while let Some(header) = bytes.get(..HOP_HEADER) {
        let length = header.get(..2).and_then(|it| it.try_into().ok()).map_or(0, u16::from_ne_bytes);
        let length = usize::from(length);
        let whole = bytes.get(..length).filter(|_| length >= HOP_HEADER);
        let whole = whole.ok_or_else(|| DecodeError::from("a hop of a route is torn"))?;
        let flags = parse_u8(header.get(2..3).unwrap_or_default())?;
        let share = parse_u8(header.get(3..4).unwrap_or_default())?;
        let link = Some(parse_u32(header.get(4..8).unwrap_or_default())?);
        let mut hop = Hop { via: None, link, onlink: u32::from(flags) & ONLINK != 0, share };
        for attribute in NlasIterator::new(whole.get(HOP_HEADER..).unwrap_or_default()) {
            let attribute = attribute?;
            match attribute.kind() & KIND {
                libc::RTA_GATEWAY => hop.via = Some(parse_ip(attribute.value())?),
                RTA_VIA => hop.via = Some(other_family(attribute.value())?),
                _ => {}
            }
        }
        hops.push(hop);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

impl Route {
    /// Makes the changes in order, many per system call, each with an answer of its own. `origin` is whose the routes are.
    ///
    /// # Errors
    /// Per change, with the kernel's words.
    pub fn apply_paths(&mut self, changes: &[PathChange], origin: u8) -> Vec<Result<(), KernelError>> {
        self.make(changes, |it| it.request(origin), |it| (it.op(), it.path().to_string()))
    }

    /// All routes of that origin. The kernel leaves out the others (since Linux 4.20), so that a host with many of them
    /// costs little.
    ///
    /// # Errors
    /// When a whole and untorn list can't be had after several attempts.
    pub fn paths(&mut self, origin: u8) -> Result<Vec<Path>, KernelError> {
        let mut paths = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            message.header.protocol = RouteProtocol::from(origin);
            let all = RouteNetlinkMessage::GetRoute(message);
            let found = self.exchange.list(&all, |payload| Path::decode(payload, origin));
            paths.extend(found.map_err(|refusal| KernelError::new("list", "routes".into(), refusal))?);
        }
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable as _;
    use proptest::prelude::*;

    use super::*;

    fn hop(via: &str, link: u32, share: u8) -> Hop {
        Hop { via: Some(via.parse().unwrap()), link: Some(link), onlink: false, share }
    }

    fn bytes(path: &Path, origin: u8) -> Vec<u8> {
        let message = path.message(origin);
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    fn several() -> Path {
        Path {
            destination: "198.51.100.0".parse().unwrap(),
            prefix: 24,
            kind: PathKind::Unicast,
            table: 1000,
            metric: 7,
            tos: 8,
            scope: 0,
            source: Some("192.0.2.1".parse().unwrap()),
            mtu: Some(1400),
            hops: vec![hop("192.0.2.2", 3, 0), hop("2001:db8::2", 4, 9)],
        }
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let single = Path { hops: vec![Hop { onlink: true, ..hop("192.0.2.2", 3, 0) }], ..several() };
        let hole = Path { kind: PathKind::Blackhole, hops: vec![], ..several() };
        for path in [several(), single, hole] {
            assert_eq!(Path::decode(&bytes(&path, 9), 9).unwrap(), Some(path.clone()));
            assert_eq!(Path::decode(&bytes(&path, 4), 9).unwrap(), None, "somebody else's");
        }
    }

    proptest! {
        #[test]
        fn any_payload_panics_nothing(at in 0_usize..120, to: u8, length in 0_usize..120) {
            let mut bytes = bytes(&several(), 9);
            let at = at % bytes.len();
            bytes[at] = to;
            bytes.truncate(length);
            let _ = Path::decode(&bytes, 9);
        }
    }
}
