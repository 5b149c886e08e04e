//! From the administrator's configuration to the core's: names become numbers, trackers find their checks.
//!
//! vrrp-core and `handover simulate` make their cores here, so that a rehearsal can't differ from what will run. Every
//! reference in a valid configuration resolves, so nothing can fail; nothing here decides, and nothing is looked up on
//! the machine. Read `crates/vrrp/src/door.rs` first: what a core is made from.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use config::{Check, Config, Instance, SyncGroup, TrackedCheck};
use model::{CheckName, InstanceName, LinkName};
use vrrp::packet::ChecksumForm;
use vrrp::{
    Announcements, CoreConfig, GroupConfig, InstanceConfig, InstanceId, LinkId, Manners, Peer, Preludes,
    Role, TrackedLink,
};

/// Who ends `startup_script` at its timeout first asks it to go, and has to be there, to say so: that much longer its end is
/// waited for.
const STARTUP_MARGIN: Duration = Duration::from_secs(5);

/// What the core is made from. Instances keep their places; links are numbered in the order of their first appearance.
#[must_use]
pub fn core_config(config: &Config) -> CoreConfig {
    let mut links = Links::default();
    let checks = config.checks.iter().map(|check| (&check.name, check)).collect();
    let instances = config.instances.iter().map(|it| instance_config(it, &checks, &mut links)).collect();
    let groups = group_configs(config, &checks, &mut links);
    CoreConfig {
        links: links.in_order,
        instances,
        groups,
        startup_delay: config.global.startup_delay,
        startup_script: config
            .global
            .startup_script
            .as_ref()
            .map_or(Duration::ZERO, |it| it.timeout + STARTUP_MARGIN),
    }
}

/// What is configured of checks, by name. Looked up for every tracker of thousands of instances.
type Checks<'a> = HashMap<&'a CheckName, &'a Check>;

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

fn instance_config(instance: &Instance, checks: &Checks<'_>, links: &mut Links) -> InstanceConfig {
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
        credential: instance.credential,
        addresses: instance.addresses.iter().map(|address| address.address).collect(),
        placement: placement(instance),
        source: instance.source,
        peers: instance.peers.iter().map(peer).collect(),
        group: instance.multicast_group,
        unicast_ttl: instance.unicast_ttl,
        checks: instance.checks.iter().map(|tracked| tracked_check(tracked, checks)).collect(),
        tracked_links: instance.links.iter().map(|tracked| tracked_link(tracked, links)).collect(),
        follows_source: instance.follows_source,
        follows_link: instance.follows_link,
        announcements: announcements(&instance.announcements),
        manners: Manners { preludes: preludes(&instance.preludes), ..manners(&instance.manners) },
    }
}

/// What follows from an order about the instance, as a number that changes with it.
fn placement(instance: &Instance) -> u64 {
    let mut hasher = DefaultHasher::new();
    for address in instance.held() {
        (address.address, address.prefix, &address.link, &address.options).hash(&mut hasher);
    }
    // Neighbours have to learn of another one.
    instance.virtual_mac.iter().for_each(|own| (&own.link, own.mac.0).hash(&mut hasher));
    instance.routes.iter().for_each(|route| route.to_string().hash(&mut hasher));
    instance.rules.iter().for_each(|rule| rule.to_string().hash(&mut hasher));
    hasher.finish()
}

/// A member that was configured is there: the configuration would be invalid otherwise.
fn group_configs(config: &Config, checks: &Checks<'_>, links: &mut Links) -> Vec<GroupConfig> {
    let places: HashMap<&InstanceName, usize> =
        config.instances.iter().enumerate().map(|(at, instance)| (&instance.name, at)).collect();
    let mut group = |group: &SyncGroup| GroupConfig {
        name: group.name.clone(),
        members: group.members.iter().filter_map(|name| places.get(name)).map(|at| InstanceId(*at)).collect(),
        checks: group.checks.iter().map(|tracked| tracked_check(tracked, checks)).collect(),
        tracked_links: group.links.iter().map(|tracked| tracked_link(tracked, links)).collect(),
    };
    config.groups.iter().map(&mut group).collect()
}

fn tracked_check(tracked: &TrackedCheck, checks: &Checks<'_>) -> vrrp::TrackedCheck {
    let check = checks.get(&tracked.check);
    vrrp::TrackedCheck {
        check: tracked.check.clone(),
        weight: tracked.weight.value,
        reverse: tracked.weight.reverse,
        init_fail: check.is_some_and(|check| check.init_fail),
        role: check.map_or(Role::Any, |check| role(check.role)),
        number: check.is_some_and(|check| check.probe.is_number()),
    }
}

fn role(role: config::Role) -> Role {
    match role {
        config::Role::Any => Role::Any,
        config::Role::Master { grace, penalty } => Role::Master { grace, penalty },
        config::Role::Backup => Role::Backup,
    }
}

fn tracked_link(tracked: &config::TrackedLink, links: &mut Links) -> TrackedLink {
    let (link, weight) = (links.number(&tracked.link), tracked.weight);
    TrackedLink { link, weight: weight.value, reverse: weight.reverse }
}

fn peer(peer: &config::Peer) -> Peer {
    Peer { address: peer.address, min_ttl: peer.min_ttl, max_ttl: peer.max_ttl }
}

fn announcements(wanted: &config::Announcements) -> Announcements {
    Announcements {
        repeat: wanted.repeat,
        delay: wanted.delay,
        refresh: wanted.refresh,
        refresh_repeat: wanted.refresh_repeat,
        lower_priority_delay: wanted.lower_priority_delay,
        lower_priority_repeat: wanted.lower_priority_repeat,
    }
}

/// That there is something to do is all that a core has to know of it.
fn preludes(wanted: &config::Preludes) -> Preludes {
    match (wanted.master.is_some(), wanted.backup.is_some()) {
        // Then the limit is nobody's, and a change of it no change.
        (false, false) => Preludes::default(),
        (master, backup) => Preludes { master, backup, limit: wanted.limit },
    }
}

fn manners(wanted: &config::Manners) -> Manners {
    Manners {
        down_timer_adverts: wanted.down_timer_adverts,
        answer_lower: wanted.answer_lower,
        advertise_before_yielding: wanted.advertise_before_yielding,
        checksum: if wanted.checksum_as_v2 { ChecksumForm::MessageOnly } else { ChecksumForm::PseudoHeader },
        hand_over: wanted.keep_until_taken_over,
        link_patience: wanted.link_patience,
        compare_addresses: wanted.compare_addresses,
        preludes: Preludes::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TEXT: &str = "
vrrp_script chk { script \"/bin/true\" \n weight 20 }
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n virtual_ipaddress { 10.0.0.1/32 } \n track_script { chk } }
vrrp_instance two { interface eth1 \n virtual_router_id 5 \n virtual_ipaddress { 10.1.0.1/32 } }
vrrp_instance three { interface eth0 \n virtual_router_id 6 \n virtual_ipaddress { 10.0.0.2/32 } \n track_script { chk weight -5 reverse } }
";

    #[test]
    fn whatever_is_put_in_place_differently_has_another_number() {
        let placement = |addresses: &str| {
            let text =
                format!("vrrp_instance one {{ interface eth0 \n virtual_router_id 5 \n {addresses} }}");
            core_config(&config::parse("test.conf", &text).config.expect("valid")).instances[0].placement
        };
        let plain = placement("virtual_ipaddress { 10.0.0.1/32 }");
        assert_eq!(placement("priority 50 \n virtual_ipaddress { 10.0.0.1 }"), plain);
        for other in ["10.0.0.1/24", "10.0.0.2/32", "10.0.0.1/32 dev eth1"] {
            assert_ne!(placement(&format!("virtual_ipaddress {{ {other} }}")), plain, "{other}");
        }
    }

    #[test]
    fn links_are_numbered_in_the_order_of_the_file() {
        let core = core_config(&config::parse("test.conf", TEXT).config.expect("valid"));
        let links: Vec<&str> = core.links.iter().map(LinkName::as_str).collect();
        assert_eq!(links, ["eth0", "eth1"]);
        let used: Vec<usize> = core.instances.iter().map(|instance| instance.link.0).collect();
        assert_eq!(used, [0, 1, 0]);
    }

    /// What isn't configured is keepalived's default on both sides.
    #[test]
    fn defaults_are_those_of_the_core() {
        let core = core_config(&config::parse("test.conf", TEXT).config.expect("valid"));
        let one = &core.instances[0];
        assert_eq!((one.announcements, one.manners), (Announcements::default(), Manners::default()));
        assert_eq!((one.follows_link, core.startup_delay.is_zero()), (true, true));
    }

    #[test]
    fn what_is_configured_reaches_the_core() {
        let text = "
global_defs { vrrp_startup_delay 2.5 }
vrrp_instance one { interface eth0 \n virtual_router_id 5 \n version 3 \n virtual_ipaddress { 10.0.0.1/32 }
    garp_master_repeat 2 \n garp_master_delay 0 \n garp_master_refresh 60 \n garp_lower_prio_repeat 0
    down_timer_adverts 5 \n lower_prio_no_advert \n v3_checksum_as_v2 \n keep_until_taken_over off \n link_patience 2.5
    unicast_src_ip 10.0.0.8 \n unicast_peer { 10.0.0.9 min_ttl 254 } \n dont_track_primary \n track_src_ip
    track_interface { eth1 weight -5 reverse } }
";
        let core = core_config(&config::parse("test.conf", text).config.expect("valid"));
        let one = &core.instances[0];
        assert_eq!(core.startup_delay, Duration::from_millis(2500));
        assert_eq!((one.announcements.repeat, one.announcements.delay), (2, None));
        assert_eq!(one.announcements.refresh, Some(Duration::from_secs(60)));
        assert_eq!(one.announcements.lower_priority_repeat, 0);
        assert_eq!((one.manners.down_timer_adverts, one.manners.answer_lower), (5, false));
        assert_eq!(one.manners.link_patience, Duration::from_millis(2500));
        assert_eq!((one.manners.checksum, one.manners.hand_over), (ChecksumForm::MessageOnly, false));
        assert_eq!((one.peers[0].min_ttl, one.peers[0].max_ttl), (254, 255));
        let tracked = &one.tracked_links[0];
        assert_eq!(
            (core.links[tracked.link.0].as_str(), tracked.weight, tracked.reverse),
            ("eth1", -5, true)
        );
        assert_eq!((one.follows_link, one.follows_source), (false, true));
    }

    #[test]
    fn groups_know_their_members_by_their_places() {
        let text = format!(
            "vrrp_sync_group g {{ group {{ three one }} \n track_script {{ chk weight 7 }} \n track_interface {{ eth9 }} }}\n{TEXT}"
        )
        .replace("track_script { chk }", "");
        let core = core_config(&config::parse("test.conf", text).config.expect("valid"));
        let group = &core.groups[0];
        assert_eq!(group.members, [InstanceId(2), InstanceId(0)]);
        assert_eq!((group.checks[0].check.as_str(), group.checks[0].weight), ("chk", 7));
        assert_eq!(core.links[group.tracked_links[0].link.0].as_str(), "eth9");
    }

    #[test]
    fn init_fail_is_the_checks_own() {
        let text = TEXT
            .replace("weight 20 }", "weight 20 \n init_fail }\nvrrp_script fine { script \"/bin/true\" }");
        let text = text.replace("track_script { chk weight", "track_script { fine \n chk weight");
        let core = core_config(&config::parse("test.conf", text).config.expect("valid"));
        let init_fail =
            |at: usize| core.instances[at].checks.iter().map(|it| it.init_fail).collect::<Vec<_>>();
        assert_eq!((init_fail(0), init_fail(2)), (vec![true], vec![false, true]));
    }

    #[test]
    fn a_tracker_keeps_its_own_weight() {
        let core = core_config(&config::parse("test.conf", TEXT).config.expect("valid"));
        assert_eq!(core.instances[0].checks[0].weight, 20);
        let own = &core.instances[2].checks[0];
        assert_eq!((own.weight, own.reverse), (-5, true));
    }
}
