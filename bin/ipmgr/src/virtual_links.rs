//! The interfaces with the virtual routers' hardware addresses (`use_vmac`): which have to be made, which have to go, and which
//! are switched on. Sans I/O.
//!
//! A pure function of the configuration, the claims and what the kernel says. One is there for as long as the configuration
//! names it, and on only while its instance holds its addresses: a backup that lets out a single frame from the virtual router's
//! hardware address takes the master's traffic away (switches learn where it is). It is filled before it is switched on, since
//! then thousands of IPv6 addresses cost milliseconds. What is not ours must never be touched, whatever its name.

use std::collections::{BTreeMap, HashMap, HashSet};

use config::{Config, Instance, VirtualMac};
use model::{LinkName, MacAddress};
use sys::netlink::{Change, HostLink};

use crate::claims::{Claim, Claims, InstanceId};
use crate::plan::Plan;
use crate::world::World;

/// What has to be done before addresses are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It isn't there.
    Make { base: u32, link: LinkName, mac: MacAddress },
    /// Nobody wants it, or it is on another interface than it should be.
    Delete { index: u32, link: LinkName },
}

/// The steps, and why there can't be one, by name.
pub(crate) fn steps(config: &Config, world: &World) -> (Vec<Step>, HashMap<LinkName, String>) {
    let (mut steps, mut impossible) = (Vec::new(), HashMap::new());
    let wanted: BTreeMap<&LinkName, (&LinkName, &VirtualMac)> =
        config.instances.iter().filter_map(of).map(|(base, own)| (&own.link, (base, own))).collect();
    for found in world.links().filter(|found| found.virtual_link.is_some()) {
        let agrees = wanted.get(&found.name).is_some_and(|(base, own)| is_as_wanted(found, base, own, world));
        if !agrees {
            steps.push(Step::Delete { index: found.index, link: found.name.clone() });
        }
    }
    for (link, (base, own)) in wanted {
        // Without a base nobody can be master; that is told as a fact.
        let Some(base_index) = world.link(base).map(|base| base.index) else { continue };
        match world.link(link) {
            Some(found) if found.virtual_link.is_none() => {
                let text = format!("{link} can't be made on {base}: another interface has that name already");
                impossible.insert(link.clone(), text);
            }
            Some(found) if is_as_wanted(found, base, own, world) => {}
            Some(_) | None => steps.push(Step::Make { base: base_index, link: link.clone(), mac: own.mac }),
        }
    }
    (steps, impossible)
}

/// The interface that an instance's virtual MAC is made on, and what it is.
fn of(instance: &Instance) -> Option<(&LinkName, &VirtualMac)> {
    Some((&instance.link, instance.virtual_mac.as_ref()?))
}

fn is_as_wanted(found: &HostLink, base: &LinkName, own: &VirtualMac, world: &World) -> bool {
    let base = world.link(base).map(|base| base.index);
    found.virtual_link.map(|it| it.base) == base && found.mac == Some(own.mac)
}

/// Those of ours that are to be switched: on, after they were filled, or off, before they are emptied.
pub(crate) fn to_switch(config: &Config, claims: &Claims, world: &World, on: bool) -> Vec<(u32, LinkName)> {
    let own = config.instances.iter().enumerate().filter_map(|(number, instance)| {
        let link = world.link(&instance.virtual_mac.as_ref()?.link)?;
        Some((claims.of(InstanceId(number)), link.virtual_link?, link))
    });
    let switched = own.filter(|(claim, own, _)| match claim {
        Claim::Ordered => on && !own.on,
        Claim::Nobody => !on && own.on,
        // As it was left.
        Claim::LeftOver(_) => false,
    });
    switched.map(|(.., link)| (link.index, link.name.clone())).collect()
}

/// What has to be said once more of what comes to an interface that is off: the kernel gives an IPv6 address the route to its
/// network while the interface is on, or when it is renewed (`inet6_addr_modify`, net/ipv6/addrconf.c).
pub(crate) fn without_route(plan: &Plan, world: &World) -> Vec<Change> {
    let is_off = |name| world.link(name).and_then(|link| link.virtual_link).is_some_and(|own| !own.on);
    let changes = plan.changes.iter().map(|(change, _)| change);
    let lacking = changes.filter(|change| match change {
        Change::Add { place, .. } => place.address.is_ipv6() && place.prefix < 128 && is_off(&place.name),
        Change::Remove { .. } => false,
    });
    lacking.cloned().collect()
}

/// The interfaces on which some of ours remember that they answered for everybody.
pub(crate) fn quietened(world: &World) -> HashSet<u32> {
    let ours = world.links().filter_map(|link| link.virtual_link);
    ours.filter(|own| own.quietened).map(|own| own.base).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Instant;
    use sys::netlink::VirtualLink;

    use super::*;

    const TEXT: &str = "vrrp_instance one { interface eth0 \n use_vmac \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } }";
    const MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 5]);

    fn config(text: &str) -> Config {
        config::parse("test.conf", text).config.expect("valid")
    }

    fn name(text: &str) -> LinkName {
        LinkName::new(text).unwrap()
    }

    fn link(index: u32, text: &str, virtual_link: Option<VirtualLink>) -> HostLink {
        let mac = Some(if virtual_link.is_some() { MAC } else { MacAddress([2; 6]) });
        HostLink { index, name: name(text), up: true, multicast: true, mac, carrier_ups: 0, virtual_link }
    }

    fn own(index: u32, text: &str, base: u32, on: bool) -> HostLink {
        link(index, text, Some(VirtualLink { base, on, quietened: true }))
    }

    fn world(links: Vec<HostLink>) -> World {
        World::new(links, Vec::new())
    }

    #[test]
    fn it_is_made_where_its_base_is_and_goes_with_the_word() {
        let (config, eth0) = (config(TEXT), link(2, "eth0", None));
        let make = Step::Make { base: 2, link: name("vrrp.5"), mac: MAC };
        let delete = Step::Delete { index: 9, link: name("vrrp.5") };
        assert_eq!(steps(&config, &world(vec![])).0, []);
        assert_eq!(steps(&config, &world(vec![eth0.clone()])).0, std::slice::from_ref(&make));
        let there = |base| world(vec![eth0.clone(), own(9, "vrrp.5", base, false)]);
        assert_eq!(steps(&config, &there(2)).0, []);
        assert_eq!(steps(&config, &there(3)).0, [delete.clone(), make], "it is on another interface");
        let without = config_without();
        assert_eq!(steps(&without, &there(2)).0, [delete]);
    }

    fn config_without() -> Config {
        config(&TEXT.replace("use_vmac", ""))
    }

    #[test]
    fn what_somebody_else_made_is_left_alone_and_told() {
        let (steps, impossible) =
            steps(&config(TEXT), &world(vec![link(2, "eth0", None), link(9, "vrrp.5", None)]));
        assert_eq!(steps, []);
        assert!(impossible[&name("vrrp.5")].contains("another interface has that name"));
    }

    /// V3-FSM-3: nothing may leave a backup from the virtual router's hardware address.
    #[test]
    fn it_is_on_while_its_addresses_are_held() {
        let config = config(TEXT);
        let mut claims = Claims::new([Duration::from_secs(1)], Instant::ZERO);
        let vrrp5 = (9, name("vrrp.5"));
        let at = |on| world(vec![link(2, "eth0", None), own(9, "vrrp.5", 2, on)]);
        assert_eq!(to_switch(&config, &claims, &at(false), true), []);
        assert_eq!(to_switch(&config, &claims, &at(true), false), std::slice::from_ref(&vrrp5));
        claims.order(InstanceId(0));
        assert_eq!(to_switch(&config, &claims, &at(false), true), [vrrp5]);
        assert_eq!(to_switch(&config, &claims, &at(true), true), []);
        assert_eq!(to_switch(&config, &claims, &at(true), false), []);
        claims.leave_over(InstanceId(0), Instant::ZERO);
        for (there, on) in [(true, false), (false, true)] {
            assert_eq!(to_switch(&config, &claims, &at(there), on), [], "as it was left");
        }
    }
}
