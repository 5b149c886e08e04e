//! What vrrp-core is told about links. Sans I/O.
//!
//! A fact never names an address that moves: an advert sent from one would look as if it came from whoever has it next.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use config::Config;
use model::{LinkFact, LinkName, MAX_SOURCES};
use sys::netlink::HostAddress;

use crate::plan::is_ours;
use crate::world::World;

/// What the configuration says about addresses, for all instances together.
#[derive(Debug)]
pub(crate) struct Configured {
    /// Those that move.
    pub(crate) moving: HashSet<IpAddr>,
    /// Those that adverts are to be sent from.
    pub(crate) sources: HashSet<IpAddr>,
    /// Those that we add and that don't move: as good as the administrator's own.
    pub(crate) standing: HashSet<IpAddr>,
}

impl Configured {
    /// What that configuration says.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            moving: config.instances.iter().flat_map(config::Instance::held).map(|it| it.address).collect(),
            sources: config.instances.iter().filter_map(|it| it.source).collect(),
            standing: config.statics.addresses.iter().map(|it| it.address).collect(),
        }
    }
}

/// How that link is now. `carries`: somebody else's frame has come in ([`crate::evidence`]).
pub(crate) fn fact(name: &LinkName, world: &World, configured: &Configured, carries: bool) -> LinkFact {
    let Some(link) = world.link(name) else { return LinkFact::absent(name.clone()) };
    let Configured { moving, sources, standing } = configured;
    let usable: Vec<&HostAddress> = world.on_link(link.index).filter(|found| !found.tentative).collect();
    LinkFact {
        name: name.clone(),
        index: Some(link.index),
        up: link.up,
        carries,
        mac: link.mac,
        ipv4: source(&usable, (moving, standing), |address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }),
        ipv6: source(&usable, (moving, standing), |address| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }),
        sources: among(sources, usable.iter().copied()),
        hosted: among(sources, world.addresses().iter().filter(|found| !found.tentative)),
    }
}

/// The configured sources that are among these addresses.
fn among<'a>(sources: &HashSet<IpAddr>, found: impl Iterator<Item = &'a HostAddress>) -> Vec<IpAddr> {
    let there = found.map(|found| found.address).filter(|address| sources.contains(address));
    there.collect::<BTreeSet<_>>().into_iter().take(MAX_SOURCES).collect()
}

/// The first address of the wanted kind that doesn't move; else, for the owner of the addresses (priority 255), one that
/// the administrator put there although it is configured to move. None that we put there.
fn source<T>(
    usable: &[&HostAddress],
    (moving, stays): (&HashSet<IpAddr>, &HashSet<IpAddr>),
    kind: impl Fn(IpAddr) -> Option<T>,
) -> Option<T> {
    let standing = usable.iter().filter(|found| !moving.contains(&found.address));
    let own = usable.iter().filter(|found| moving.contains(&found.address));
    standing
        .chain(own)
        .filter(|found| stays.contains(&found.address) || !is_ours(found, moving.contains(&found.address)))
        .find_map(|found| kind(found.address))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    use model::MacAddress;
    use sys::netlink::{HostLink, Shape};

    use super::*;
    use crate::plan::ORIGIN;

    fn eth0() -> LinkName {
        LinkName::new("eth0").unwrap()
    }

    fn address(text: &str) -> HostAddress {
        let (address, prefix) = text.split_once('/').unwrap();
        let (address, prefix) = (address.parse().unwrap(), prefix.parse().unwrap());
        let shape = Shape::default();
        HostAddress {
            link: 2,
            address,
            prefix,
            tentative: false,
            secondary: false,
            valid: None,
            origin: None,
            shape,
        }
    }

    fn ours(text: &str) -> HostAddress {
        HostAddress { valid: Some(Duration::from_secs(50)), origin: Some(ORIGIN), ..address(text) }
    }

    fn configured() -> Configured {
        let set = |texts: [&str; 2]| texts.map(|text| text.parse().unwrap()).into();
        Configured {
            moving: set(["192.0.2.5", "fe80::5"]),
            sources: set(["192.0.2.7", "fe80::7"]),
            standing: HashSet::new(),
        }
    }

    fn told(addresses: Vec<HostAddress>) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let mac = Some(MacAddress([2, 0, 0, 0, 0, 1]));
        let link = HostLink {
            index: 2,
            name: eth0(),
            up: true,
            multicast: true,
            mac,
            carrier_ups: 1,
            virtual_link: None,
        };
        let fact = fact(&eth0(), &World::new(vec![link], addresses), &configured(), true);
        assert_eq!((fact.index, fact.up, fact.carries, fact.mac), (Some(2), true, true, mac));
        (fact.ipv4, fact.ipv6)
    }

    #[test]
    fn an_absent_link_is_told_as_absent() {
        assert_eq!(fact(&eth0(), &World::default(), &configured(), true), LinkFact::absent(eth0()));
    }

    /// V3-PKT-6: the primary address, even if ours came first.
    #[test]
    fn adverts_come_from_an_address_that_stays() {
        let all = vec![ours("192.0.2.5/24"), address("192.0.2.1/24"), address("192.0.2.2/24")];
        assert_eq!(told(all).0, Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(told(vec![ours("192.0.2.5/24")]).0, None);
        assert_eq!(told(vec![]), (None, None));
        let elsewhere = HostAddress { link: 3, ..address("192.0.2.1/24") };
        assert_eq!(told(vec![elsewhere]).0, None);
    }

    #[test]
    fn the_owners_own_address_is_better_than_none() {
        assert_eq!(told(vec![address("192.0.2.5/24")]).0, Some(Ipv4Addr::new(192, 0, 2, 5)));
        let all = vec![address("192.0.2.5/24"), address("192.0.2.1/24")];
        assert_eq!(told(all).0, Some(Ipv4Addr::new(192, 0, 2, 1)));
    }

    /// D4: a link-local address that is still tentative can't send.
    #[test]
    fn ipv6_adverts_come_from_a_usable_link_local_address() {
        let tentative = HostAddress { tentative: true, ..address("fe80::1/64") };
        assert_eq!(told(vec![tentative.clone(), address("2001:db8::1/64")]).1, None);
        let all = vec![ours("fe80::5/64"), tentative, address("fe80::2/64")];
        assert_eq!(told(all).1, Some("fe80::2".parse().unwrap()));
    }

    #[test]
    fn configured_sources_are_named_while_they_are_there() {
        let all = vec![
            address("fe80::7/64"),
            HostAddress { tentative: true, ..address("192.0.2.7/24") },
            HostAddress { link: 3, ..address("192.0.2.7/24") },
            address("192.0.2.1/24"),
        ];
        let link = HostLink {
            index: 2,
            name: eth0(),
            up: true,
            multicast: true,
            mac: None,
            carrier_ups: 1,
            virtual_link: None,
        };
        let fact = fact(&eth0(), &World::new(vec![link], all), &configured(), true);
        let parsed = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(fact.sources, [parsed("fe80::7")]);
        assert_eq!(fact.hosted, [parsed("192.0.2.7"), parsed("fe80::7")], "the other is on another link");
    }
}
