//! Other configurations of a node that an administrator could mean: what a random reload leads to.
//!
//! Peers must go on understanding the node, so that the oracles may demand what they demanded before: version, interval and
//! way of sending stay. ARCHITECTURE.md, "A reload".

use std::time::Duration;

use model::{CheckName, GroupName, InstanceName, Priority};
use vrrp::{CoreConfig, GroupConfig, InstanceConfig, InstanceId, Role, TrackedCheck};

use crate::rng::Rng;

/// How many of a thousand instances a reload changes, and how many nodes it puts into another order or takes one from.
const CHANGED_SHARE: u16 = 500;
const REORDERED_SHARE: u16 = 300;
const REMOVED_SHARE: u16 = 250;

/// The configuration with something different about it.
pub(crate) fn vary(rng: &mut Rng, config: &CoreConfig, checks: &[CheckName]) -> CoreConfig {
    let mut config = config.clone();
    let grouped: Vec<_> = config.groups.iter().flat_map(|group| &group.members).map(|id| id.0).collect();
    for (place, instance) in config.instances.iter_mut().enumerate() {
        if !grouped.contains(&place) && rng.chance(CHANGED_SHARE) {
            retune(rng, instance, checks);
        } else if rng.chance(CHANGED_SHARE / 2) {
            rename(rng, instance);
        }
    }
    // Members of groups are counted by their places, and those come first.
    let movable = grouped.len();
    if rng.chance(REORDERED_SHARE)
        && let Some(rest) = config.instances.get_mut(movable..)
    {
        rest.reverse();
    }
    if rng.chance(REMOVED_SHARE) && config.instances.len() > movable.max(1) {
        config.instances.pop();
    }
    config
}

fn retune(rng: &mut Rng, instance: &mut InstanceConfig, checks: &[CheckName]) {
    match rng.below(7) {
        // There is one owner at most, and it stays the one.
        0 | 1 if instance.priority != Priority::OWNER => {
            instance.priority = Priority(rng.pick(100, &[1, 50, 120, 150, 254]));
        }
        2 => instance.preempt = !instance.preempt,
        3 => {
            instance.preempt_delay = Duration::ZERO;
            instance.placement += 1;
        }
        4 => {
            let check = checks.first().filter(|_| rng.chance(500)).or(checks.last());
            let weight = rng.pick(0, &[20, -30]);
            instance.checks = check.map(|check| tracked(check, weight)).into_iter().collect();
        }
        5 => instance.announcements.delay = Some(Duration::from_secs(1 + rng.below(5))),
        _ => instance.checks.clear(),
    }
}

fn rename(rng: &mut Rng, instance: &mut InstanceConfig) {
    let name = InstanceName::new(format!("vrid_{}_{}", instance.vrid, rng.below(10)));
    // Families share VRIDs: two of one name would be no configuration.
    if let Ok(name) = name.and_then(|name| InstanceName::new(format!("{name}_{}", instance.family))) {
        instance.name = name;
    }
}

fn tracked(check: &CheckName, weight: i16) -> TrackedCheck {
    TrackedCheck {
        check: check.clone(),
        weight,
        reverse: false,
        init_fail: false,
        role: Role::Any,
        number: false,
    }
}

/// Makes one sync group of the first `count` instances of a node. They must be of one mind on every node, or no group could
/// ever be master of all: what decides on the first decides on all.
pub(crate) fn group(config: &mut CoreConfig, count: usize) {
    let (Ok(name), Some(first)) = (GroupName::new("vg"), config.instances.first().cloned()) else { return };
    for member in config.instances.iter_mut().take(count) {
        member.priority = first.priority;
        member.wants_master = first.wants_master;
        (member.preempt, member.preempt_delay) = (first.preempt, first.preempt_delay);
        member.checks.clear();
    }
    let members = (0..count).map(InstanceId).collect();
    config.groups = vec![GroupConfig { name, members, checks: first.checks, tracked_links: Vec::new() }];
}
