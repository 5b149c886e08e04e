//! Addresses that would go along with one of ours, and aren't ours to take: the kernel removes an IPv4 address together with all
//! secondary ones of its subnet (`__inet_del_ifa`, net/ipv4/devinet.c; ip-sysctl.rst, `promote_secondaries`). Sans I/O.
//!
//! An address of ours is usually the secondary one, since the node's own was there first. It is the other way round when that was
//! removed and added again under us, as by a DHCP client, or when two instances have addresses in a subnet of which the node has
//! none.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use config::Config;
use model::LinkName;
use sys::netlink::HostAddress;

use crate::plan::is_ours;
use crate::world::World;

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// The administrator's, or another program's.
    Somebody,
    /// One of our instances', by its place in the configuration.
    Instance(usize),
    /// Ours, of an earlier configuration.
    Former,
}

/// An address, and one that it would take along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    first: (IpAddr, u8),
    follower: (IpAddr, u8),
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first: (first, prefix), follower: (follower, _) } = self;
        write!(f, "{first}/{prefix} would take {follower}/{prefix} along if it went")
    }
}

/// The links, by index, on which an address of ours has secondary ones that are another's, with one such pair for each.
pub(crate) fn endangered(config: &Config, world: &World) -> HashMap<u32, Pair> {
    let mut found = HashMap::new();
    if !world.addresses().iter().any(|it| it.secondary) {
        return found;
    }
    // In nearly every subnet the first one is the node's own, and nothing more is asked.
    let firsts = world.addresses().iter().filter(|it| !it.secondary && is_ours(it, true));
    let firsts: HashMap<_, _> = firsts.map(|first| ((first.link, subnet(first)), first)).collect();
    let mut owners = None;
    for follower in world.addresses().iter().filter(|it| it.secondary) {
        let first = firsts.get(&(follower.link, subnet(follower)));
        let (Some(first), Some(name)) = (first, world.name(follower.link)) else { continue };
        let owners = owners.get_or_insert_with(|| instances(config));
        let whose = owner(owners, first, name);
        if whose != Owner::Somebody && whose != owner(owners, follower, name) {
            found.entry(follower.link).or_insert_with(|| Pair {
                first: (first.address, first.prefix),
                follower: (follower.address, follower.prefix),
            });
        }
    }
    found
}

type Owners<'a> = HashMap<(&'a LinkName, IpAddr, u8), usize>;

fn instances(config: &Config) -> Owners<'_> {
    let instances = config.instances.iter().enumerate();
    instances
        .flat_map(|(number, instance)| {
            instance.held().map(move |it| ((&it.link, it.address, it.prefix), number))
        })
        .collect()
}

fn owner(owners: &Owners<'_>, found: &HostAddress, link: &LinkName) -> Owner {
    let instance = owners.get(&(link, found.address, found.prefix)).copied();
    match instance {
        _ if !is_ours(found, instance.is_some()) => Owner::Somebody,
        Some(number) => Owner::Instance(number),
        None => Owner::Former,
    }
}

/// As the kernel compares them: by the far end where there is one. Of IPv4 alone.
fn subnet(found: &HostAddress) -> Option<(Ipv4Addr, u8)> {
    let IpAddr::V4(address) = found.shape.peer.unwrap_or(found.address) else { return None };
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(found.prefix.into())?).unwrap_or(0);
    Some((Ipv4Addr::from_bits(address.to_bits() & mask), found.prefix))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sys::netlink::{HostLink, Shape};

    use super::*;
    use crate::plan::ORIGIN;

    const TWO: &str = "vrrp_instance one {
  interface eth0
  virtual_router_id 1
  virtual_ipaddress { 192.0.2.5/24 \n 192.0.2.6/24 }
}
vrrp_instance two {
  interface eth0
  virtual_router_id 2
  virtual_ipaddress { 192.0.2.7/24 \n 192.0.3.7/24 }
}
";

    /// One word for each address: `+` is ours, `~` is secondary.
    fn seen(words: &[&str]) -> Option<String> {
        let config = config::parse("two", TWO).config.unwrap();
        let link = HostLink {
            index: 2,
            name: LinkName::new("eth0").unwrap(),
            up: true,
            multicast: true,
            mac: None,
            carrier_ups: 1,
            virtual_link: None,
        };
        let address = |word: &&str| {
            let (address, prefix) = word.trim_matches(['+', '~']).split_once('/').unwrap();
            let ours = word.contains('+');
            HostAddress {
                link: 2,
                address: address.parse().unwrap(),
                prefix: prefix.parse().unwrap(),
                tentative: false,
                secondary: word.contains('~'),
                valid: ours.then_some(Duration::from_secs(50)),
                origin: ours.then_some(ORIGIN),
                shape: Shape::default(),
            }
        };
        let world = World::new(vec![link], words.iter().map(address).collect());
        endangered(&config, &world).remove(&2).map(|pair| pair.to_string())
    }

    #[test]
    fn ours_before_the_nodes_own_is_a_danger_and_after_it_is_none() {
        let told = "192.0.2.5/24 would take 192.0.2.11/24 along if it went";
        assert_eq!(seen(&["+192.0.2.5/24", "~192.0.2.11/24"]).as_deref(), Some(told));
        assert_eq!(seen(&["192.0.2.11/24", "+~192.0.2.5/24"]), None);
        assert_eq!(seen(&["+192.0.2.5/24", "~192.0.2.11/25"]), None, "another mask is another subnet");
        assert_eq!(seen(&["+192.0.2.5/24", "192.0.3.11/24", "~192.0.3.12/24"]), None, "not ours to take");
        let former = "192.0.2.99/24 would take 192.0.2.11/24 along if it went";
        assert_eq!(seen(&["+192.0.2.99/24", "~192.0.2.11/24"]).as_deref(), Some(former));
    }

    #[test]
    fn instances_are_no_followers_of_each_other_and_an_instance_is_its_own() {
        let told = "192.0.2.5/24 would take 192.0.2.7/24 along if it went";
        assert_eq!(seen(&["+192.0.2.5/24", "+~192.0.2.6/24", "+~192.0.2.7/24"]).as_deref(), Some(told));
        assert_eq!(seen(&["+192.0.2.5/24", "+~192.0.2.6/24", "+192.0.3.7/24"]), None);
    }
}
