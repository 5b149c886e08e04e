//! From the administrator's configuration to the core's: names become numbers, trackers find their checks.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use config::{Address, Config, Instance};
use model::{CheckName, InstanceName, LinkName};
use vrrp::{Announcements, CoreConfig, InstanceConfig, InstanceId, LinkId, Manners, Peer, TrackedCheck};

/// The core's configuration and the way back from names to numbers.
#[derive(Debug)]
pub(crate) struct Setup {
    /// What the core is made from.
    pub(crate) core: CoreConfig,
    /// The checks that instances track, each once.
    pub(crate) checks: Vec<CheckName>,
    addresses: Vec<Vec<Placed>>,
    instances: HashMap<InstanceName, InstanceId>,
    links: HashMap<LinkName, LinkId>,
}

impl Setup {
    /// Every reference in a valid configuration resolves, so nothing can fail here.
    pub(crate) fn new(config: &Config) -> Self {
        let mut links = Numbering::default();
        let mut checks = Numbering::default();
        let instances: Vec<InstanceConfig> = config
            .instances
            .iter()
            .map(|instance| instance_config(config, instance, &mut links, &mut checks))
            .collect();
        let names = instances.iter().enumerate().map(|(i, it)| (it.name.clone(), InstanceId(i))).collect();
        let placed = |address: &Address| Placed {
            address: address.address,
            prefix: address.prefix,
            link: address.link.clone(),
        };
        Self {
            addresses: config.instances.iter().map(|it| it.addresses.iter().map(placed).collect()).collect(),
            instances: names,
            links: links.numbers.into_iter().map(|(name, number)| (name, LinkId(number))).collect(),
            checks: checks.in_order,
            core: CoreConfig { links: links.in_order, instances, ..CoreConfig::default() },
        }
    }

    /// The instance of that name.
    pub(crate) fn instance(&self, name: &InstanceName) -> Option<InstanceId> {
        self.instances.get(name).copied()
    }

    /// The link of that name.
    pub(crate) fn link(&self, name: &LinkName) -> Option<LinkId> {
        self.links.get(name).copied()
    }

    /// The addresses of an instance, in the order of the configuration.
    pub(crate) fn addresses(&self, id: InstanceId) -> &[Placed] {
        self.addresses.get(id.0).map_or(&[], Vec::as_slice)
    }

    /// What the core knows of an instance; `None` for a number that no instance has.
    pub(crate) fn instance_config(&self, id: InstanceId) -> Option<&InstanceConfig> {
        self.core.instances.get(id.0)
    }
}

/// An address and where it lives.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// The address.
    pub(crate) address: IpAddr,
    /// The length of its prefix.
    prefix: u8,
    /// The interface that carries it: where its announcements go.
    pub(crate) link: LinkName,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Gives each name a number, in the order of their first appearance.
#[derive(Debug)]
struct Numbering<T> {
    in_order: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { in_order: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbering<T> {
    fn number(&mut self, name: &T) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.in_order.len();
        self.in_order.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }
}

fn instance_config(
    config: &Config,
    instance: &Instance,
    links: &mut Numbering<LinkName>,
    checks: &mut Numbering<CheckName>,
) -> InstanceConfig {
    let tracked = instance.checks.iter().map(|tracked| {
        checks.number(&tracked.check);
        TrackedCheck {
            check: tracked.check.clone(),
            weight: tracked.weight.value,
            reverse: tracked.weight.reverse,
            init_fail: config.check(&tracked.check).is_some_and(|check| check.init_fail),
        }
    });
    InstanceConfig {
        name: instance.name.clone(),
        link: LinkId(links.number(&instance.link)),
        vrid: instance.vrid,
        version: instance.version,
        family: instance.family,
        priority: instance.priority,
        wants_master: instance.wants_master,
        advert_interval: instance.advert_interval,
        preempt: instance.preempt,
        preempt_delay: instance.preempt_delay,
        password: instance.password,
        addresses: instance.addresses.iter().map(|address| address.address).collect(),
        source: instance.source,
        peers: instance.peers.iter().copied().map(Peer::from).collect(),
        checks: tracked.collect(),
        tracked_links: Vec::new(),
        follows_link: true,
        announcements: Announcements::default(),
        manners: Manners::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
vrrp_script chk { script \"/bin/true\" \n weight 20 }
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } \n track_script { chk } }
vrrp_instance two { interface eth1 \n virtual_router_id 5 \n virtual_ipaddress { 10.1.0.1/32 } }
vrrp_instance three { interface eth0 \n virtual_router_id 6 \n virtual_ipaddress { 10.0.0.2/32 } \n track_script { chk weight -5 reverse } }
";

    #[test]
    fn names_become_numbers_in_the_order_of_the_file() {
        let config = config::parse("test.conf", TEXT).config.expect("valid");
        let setup = Setup::new(&config);
        let links: Vec<&str> = setup.core.links.iter().map(LinkName::as_str).collect();
        assert_eq!(links, ["eth0", "eth1"]);
        assert_eq!(setup.core.instances[2].link, LinkId(0));
        assert_eq!(setup.link(&LinkName::new("eth1").unwrap()), Some(LinkId(1)));
        assert_eq!(setup.instance(&InstanceName::new("three").unwrap()), Some(InstanceId(2)));
        assert_eq!(setup.instance(&InstanceName::new("four").unwrap()), None);
    }

    #[test]
    fn a_tracker_keeps_its_own_weight() {
        let config = config::parse("test.conf", TEXT).config.expect("valid");
        let setup = Setup::new(&config);
        assert_eq!(setup.checks.len(), 1);
        assert_eq!(setup.core.instances[0].checks[0].weight, 20);
        let own = &setup.core.instances[2].checks[0];
        assert_eq!((own.weight, own.reverse), (-5, true));
    }
}
