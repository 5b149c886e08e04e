//! From the administrator's configuration to the core's: names become numbers, trackers find their checks.
//!
//! vrrp-core and `handover simulate` make their cores here, so that a rehearsal can't differ from what will run. Every
//! reference in a valid configuration resolves, so nothing can fail; nothing here decides, and nothing is looked up on
//! the machine. Read `crates/vrrp/src/door.rs` first: what a core is made from.

use std::collections::HashMap;

use config::{Config, Instance, TrackedCheck};
use model::LinkName;
use vrrp::{Announcements, CoreConfig, InstanceConfig, LinkId, Manners, Peer};

/// What the core is made from. Instances keep their places; links are numbered in the order of their first appearance.
#[must_use]
pub fn core_config(config: &Config) -> CoreConfig {
    let mut links = Links::default();
    let instances = config.instances.iter().map(|it| instance_config(config, it, &mut links)).collect();
    CoreConfig { links: links.in_order, instances, ..CoreConfig::default() }
}

/// The numbers of links.
#[derive(Debug, Default)]
struct Links {
    in_order: Vec<LinkName>,
    numbers: HashMap<LinkName, LinkId>,
}

impl Links {
    fn number(&mut self, name: &LinkName) -> LinkId {
        *self.numbers.entry(name.clone()).or_insert_with(|| {
            self.in_order.push(name.clone());
            LinkId(self.in_order.len() - 1)
        })
    }
}

fn instance_config(config: &Config, instance: &Instance, links: &mut Links) -> InstanceConfig {
    let tracked = |tracked: &TrackedCheck| vrrp::TrackedCheck {
        check: tracked.check.clone(),
        weight: tracked.weight.value,
        reverse: tracked.weight.reverse,
        init_fail: config.check(&tracked.check).is_some_and(|check| check.init_fail),
    };
    InstanceConfig {
        name: instance.name.clone(),
        link: links.number(&instance.link),
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
        checks: instance.checks.iter().map(tracked).collect(),
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
    fn links_are_numbered_in_the_order_of_the_file() {
        let core = core_config(&config::parse("test.conf", TEXT).config.expect("valid"));
        let links: Vec<&str> = core.links.iter().map(LinkName::as_str).collect();
        assert_eq!(links, ["eth0", "eth1"]);
        let used: Vec<usize> = core.instances.iter().map(|instance| instance.link.0).collect();
        assert_eq!(used, [0, 1, 0]);
    }

    #[test]
    fn a_tracker_keeps_its_own_weight() {
        let core = core_config(&config::parse("test.conf", TEXT).config.expect("valid"));
        assert_eq!(core.instances[0].checks[0].weight, 20);
        let own = &core.instances[2].checks[0];
        assert_eq!((own.weight, own.reverse), (-5, true));
    }
}
