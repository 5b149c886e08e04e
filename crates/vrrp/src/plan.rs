//! What a changed configuration means for every instance and sync group: a pure function of the two configurations.
//!
//! It must never look at what is going on: `handover reload --plan` computes the same plan without a core. An instance is
//! what it is on the wire (link, family, VRID), never its name: that may change without anybody outside noticing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem::{self, Discriminant};

use model::{Credential, Family, GroupName, LinkName, Vrid};

use crate::door::{CoreConfig, GroupConfig, GroupId, InstanceConfig, InstanceId, LinkId};
use crate::groups;
use crate::settings::TrackedLink;

/// What becomes of one instance or group; `was` is its place in the old configuration, `is` in the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<Id> {
    /// Nothing about it changes: no packet, no timer, no event.
    Keep {
        /// Before.
        was: Id,
        /// From now on.
        is: Id,
    },
    /// It goes on in its state with other settings.
    Retune {
        /// Before.
        was: Id,
        /// From now on.
        is: Id,
        /// What is different.
        changed: Vec<Aspect>,
    },
    /// It ends and begins anew: its peers would not take it for the same router.
    Restart {
        /// Before.
        was: Id,
        /// From now on.
        is: Id,
        /// What can't change in place.
        changed: Vec<Aspect>,
    },
    /// It begins.
    Add {
        /// From now on.
        is: Id,
    },
    /// It ends.
    Remove {
        /// Before.
        was: Id,
    },
}

impl<Id: Copy> Step<Id> {
    /// Both places of what is there before and after.
    pub(crate) fn carried(&self) -> Option<(Id, Id)> {
        match self {
            Self::Keep { was, is } | Self::Retune { was, is, .. } | Self::Restart { was, is, .. } => {
                Some((*was, *is))
            }
            Self::Add { .. } | Self::Remove { .. } => None,
        }
    }

    /// Those of a group whose members are the same.
    pub(crate) fn same_members(&self) -> Option<(Id, Id)> {
        match self {
            Self::Retune { changed, .. } if changed.contains(&Aspect::SyncGroup) => None,
            Self::Keep { .. } | Self::Retune { .. } => self.carried(),
            Self::Restart { .. } | Self::Add { .. } | Self::Remove { .. } => None,
        }
    }
}

/// Something about an instance or a group that may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The name in events, status and orders.
    Name,
    /// VRRPv2 or v3.
    Version,
    /// Whether there is authentication, and of which kind.
    Authentication,
    /// Multicast or unicast, the multicast group, the source of unicast.
    Wire,
    /// The password.
    Password,
    /// The base priority.
    Priority,
    /// `state MASTER`, which matters at a start only.
    InitialState,
    /// The advertisement interval.
    Interval,
    /// `nopreempt` and `preempt_delay`.
    Preemption,
    /// The addresses, advertised or only put in place.
    Addresses,
    /// The source of multicast adverts, and `track_src_ip`.
    Source,
    /// The unicast peers and the TTL to them.
    Peers,
    /// Checks, their own and their group's, and what they weigh.
    Checks,
    /// Tracked links likewise, and `dont_track_primary`.
    Links,
    /// The sync group that it is in, or the members of a group.
    SyncGroup,
    /// How often it announces.
    Announcements,
    /// How it treats other routers.
    Manners,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Version => "version",
            Self::Authentication => "authentication",
            Self::Wire => "way of sending",
            Self::Password => "password",
            Self::Priority => "priority",
            Self::InitialState => "initial state",
            Self::Interval => "advert interval",
            Self::Preemption => "preemption",
            Self::Addresses => "addresses",
            Self::Source => "source address",
            Self::Peers => "unicast peers",
            Self::Checks => "checks",
            Self::Links => "tracked interfaces",
            Self::SyncGroup => "sync group",
            Self::Announcements => "announcements",
            Self::Manners => "manners",
        })
    }
}

impl Aspect {
    /// Peers would drop what it sends from now on, or it what they send: it is another router.
    const fn restarts(self) -> bool {
        match self {
            Self::Version | Self::Authentication | Self::Wire => true,
            Self::Name
            | Self::Password
            | Self::Priority
            | Self::InitialState
            | Self::Interval
            | Self::Preemption
            | Self::Addresses
            | Self::Source
            | Self::Peers
            | Self::Checks
            | Self::Links
            | Self::SyncGroup
            | Self::Announcements
            | Self::Manners => false,
        }
    }
}

/// The steps from one configuration to another: those of the new one in its order, then what is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// One per instance of either configuration.
    pub instances: Vec<Step<InstanceId>>,
    /// One per group of either configuration; none of these is ever [`Step::Restart`].
    pub groups: Vec<Step<GroupId>>,
}

/// What [`crate::Core::reconfigure`] would do.
#[must_use]
pub fn plan(old: &CoreConfig, new: &CoreConfig) -> Plan {
    let (mut old, mut new) = (old.clone(), new.clone());
    groups::share_trackers(&mut old);
    groups::share_trackers(&mut new);
    compare(&old, &new)
}

/// The plan for configurations whose groups have given their trackers to their members.
pub(crate) fn compare(old: &CoreConfig, new: &CoreConfig) -> Plan {
    let known: HashMap<_, _> = by_wire(old).collect();
    let mut was_of: Vec<Option<InstanceId>> = vec![None; new.instances.len()];
    let mut is_of: Vec<Option<InstanceId>> = vec![None; old.instances.len()];
    for (key, is) in by_wire(new) {
        let Some(was) = known.get(&key) else { continue };
        if let (Some(to @ None), Some(from)) = (is_of.get_mut(was.0), was_of.get_mut(is.0)) {
            *to = Some(is);
            *from = Some(*was);
        }
    }
    let groups = compare_groups(old, new, &is_of);
    let same_group = unchanged_groups(old, new, &groups);
    let mut instances: Vec<_> = was_of
        .iter()
        .enumerate()
        .map(|(place, was)| {
            let is = InstanceId(place);
            match (was, was.and_then(|was| old.instances.get(was.0)), new.instances.get(place)) {
                (Some(was), Some(before), Some(after)) => {
                    let mut changed = differences((old, before), (new, after));
                    if !same_group(*was, is) {
                        changed.push(Aspect::SyncGroup);
                    }
                    step(*was, is, changed)
                }
                _ => Step::Add { is },
            }
        })
        .collect();
    let removed = is_of.iter().enumerate().filter(|(_, is)| is.is_none());
    instances.extend(removed.map(|(place, _)| Step::Remove { was: InstanceId(place) }));
    Plan { instances, groups }
}

fn step<Id>(was: Id, is: Id, changed: Vec<Aspect>) -> Step<Id> {
    if changed.is_empty() {
        return Step::Keep { was, is };
    }
    if changed.iter().any(|aspect| aspect.restarts()) {
        return Step::Restart { was, is, changed: changed.into_iter().filter(|it| it.restarts()).collect() };
    }
    Step::Retune { was, is, changed }
}

/// What an instance is to the world.
type Wire<'a> = (Option<&'a LinkName>, Family, Vrid);

fn by_wire(config: &CoreConfig) -> impl Iterator<Item = (Wire<'_>, InstanceId)> {
    config.instances.iter().enumerate().map(|(place, instance)| {
        ((link_name(config, instance.link), instance.family, instance.vrid), InstanceId(place))
    })
}

fn link_name(config: &CoreConfig, link: LinkId) -> Option<&LinkName> {
    config.links.get(link.0)
}

/// What is different about an instance. A new field has to be named here before anything compiles.
fn differences(
    (old, before): (&CoreConfig, &InstanceConfig),
    (new, after): (&CoreConfig, &InstanceConfig),
) -> Vec<Aspect> {
    let InstanceConfig {
        name,
        // These three are who it is.
        link: _,
        vrid: _,
        family: _,
        version,
        priority,
        wants_master,
        advert_interval,
        preempt,
        preempt_delay,
        credential,
        addresses,
        placement,
        source,
        follows_source,
        peers,
        unicast_ttl,
        group,
        checks,
        tracked_links,
        follows_link,
        announcements,
        manners,
    } = after;
    let unicast = !peers.is_empty();
    let wire = before.peers.is_empty() == unicast
        || if unicast { before.source != *source } else { before.group != *group };
    [
        (before.name != *name, Aspect::Name),
        (before.version != *version, Aspect::Version),
        (kind(before.credential) != kind(*credential), Aspect::Authentication),
        (wire, Aspect::Wire),
        (before.credential != *credential, Aspect::Password),
        (before.priority != *priority, Aspect::Priority),
        (before.wants_master != *wants_master, Aspect::InitialState),
        (before.advert_interval != *advert_interval, Aspect::Interval),
        ((before.preempt, before.preempt_delay) != (*preempt, *preempt_delay), Aspect::Preemption),
        (before.addresses != *addresses || before.placement != *placement, Aspect::Addresses),
        ((before.source, before.follows_source) != (*source, *follows_source), Aspect::Source),
        (before.peers != *peers || before.unicast_ttl != *unicast_ttl, Aspect::Peers),
        (before.checks != *checks, Aspect::Checks),
        (
            before.follows_link != *follows_link
                || named(old, &before.tracked_links) != named(new, tracked_links),
            Aspect::Links,
        ),
        (before.announcements != *announcements, Aspect::Announcements),
        (before.manners != *manners, Aspect::Manners),
    ]
    .into_iter()
    .filter_map(|(differs, aspect)| differs.then_some(aspect))
    .collect()
}

/// None, a password or a key, whichever it is.
fn kind(credential: Option<Credential>) -> Option<Discriminant<Credential>> {
    credential.as_ref().map(mem::discriminant)
}

/// A group is the one of its name, or else the one of the same members.
fn compare_groups(old: &CoreConfig, new: &CoreConfig, is_of: &[Option<InstanceId>]) -> Vec<Step<GroupId>> {
    let carried = |group: &GroupConfig| -> Vec<_> {
        let members = group.members.iter().map(|member| is_of.get(member.0).copied().flatten());
        sorted(members)
    };
    let ids = || old.groups.iter().enumerate().map(|(place, group)| (GroupId(place), group));
    let by_name: HashMap<&GroupName, GroupId> = ids().map(|(id, group)| (&group.name, id)).collect();
    let by_members: HashMap<_, GroupId> = ids().map(|(id, group)| (carried(group), id)).collect();
    let mut taken = vec![false; old.groups.len()];
    let mut claim = |id: &GroupId| {
        let free = taken.get_mut(id.0).filter(|taken| !**taken)?;
        *free = true;
        Some(*id)
    };
    let mut matched: Vec<_> =
        new.groups.iter().map(|group| by_name.get(&group.name).and_then(&mut claim)).collect();
    for (group, was) in new.groups.iter().zip(&mut matched) {
        let members = sorted(group.members.iter().copied().map(Some));
        *was = was.or_else(|| by_members.get(&members).and_then(&mut claim));
    }
    let mut steps = Vec::with_capacity(new.groups.len());
    for (place, (group, was)) in new.groups.iter().zip(matched).enumerate() {
        let is = GroupId(place);
        let before = was.and_then(|was| Some((was, old.groups.get(was.0)?)));
        steps.push(match before {
            Some((was, before)) => {
                let changed = group_differences((old, before), (new, group), &carried(before));
                step(was, is, changed)
            }
            None => Step::Add { is },
        });
    }
    let removed = taken.iter().enumerate().filter(|(_, taken)| !**taken);
    steps.extend(removed.map(|(place, _)| Step::Remove { was: GroupId(place) }));
    steps
}

fn group_differences(
    (old, before): (&CoreConfig, &GroupConfig),
    (new, after): (&CoreConfig, &GroupConfig),
    carried: &[Option<InstanceId>],
) -> Vec<Aspect> {
    let GroupConfig { name, members, checks, tracked_links } = after;
    let names = |config: &CoreConfig, members: &[InstanceId]| -> Vec<_> {
        sorted(members.iter().map(|id| config.instances.get(id.0).map(|it| it.name.to_string())))
    };
    let same_members = carried == sorted(members.iter().copied().map(Some))
        && names(old, &before.members) == names(new, members);
    [
        (before.name != *name, Aspect::Name),
        (!same_members, Aspect::SyncGroup),
        (before.checks != *checks, Aspect::Checks),
        (named(old, &before.tracked_links) != named(new, tracked_links), Aspect::Links),
    ]
    .into_iter()
    .filter_map(|(differs, aspect)| differs.then_some(aspect))
    .collect()
}

/// Which group changes leave its members' view of each other as it is.
fn unchanged_groups(
    old: &CoreConfig,
    new: &CoreConfig,
    steps: &[Step<GroupId>],
) -> impl Fn(InstanceId, InstanceId) -> bool + use<> {
    let same: HashSet<(GroupId, GroupId)> = steps.iter().filter_map(Step::same_members).collect();
    let (before, after) = (groups::membership(old), groups::membership(new));
    let group = |of: &[Option<GroupId>], id: InstanceId| of.get(id.0).copied().flatten();
    move |was, is| match (group(&before, was), group(&after, is)) {
        (None, None) => true,
        (Some(was), Some(is)) => same.contains(&(was, is)),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Tracked links that can be compared across configurations.
fn named<'a>(config: &'a CoreConfig, tracked: &[TrackedLink]) -> Vec<(Option<&'a LinkName>, i16, bool)> {
    tracked.iter().map(|it| (link_name(config, it.link), it.weight, it.reverse)).collect()
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items
}
