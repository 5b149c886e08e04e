//! What an instance follows: its own trackers and those of its sync group, with all that decides what they do.

use std::collections::HashMap;

use config::{Check, Config, Instance, Role, Span, SyncGroup, Weight};
use model::{CheckName, InstanceName};
use vrrp::Of;

/// Something that an instance follows, and what it does to the priority.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracker {
    /// The check's or the interface's name.
    pub name: String,
    /// Whether it is an interface.
    pub is_link: bool,
    /// Whether its weight is multiplied by a number.
    pub is_number: bool,
    /// When it counts.
    pub role: Role,
    /// What it does: 0 means FAULT.
    pub weight: Weight,
    /// Where the weight stands, if it is given.
    pub weight_span: Option<Span>,
    /// Its line.
    pub span: Span,
}

impl Tracker {
    /// What it adds, in the core's arithmetic.
    #[must_use]
    pub fn counts(&self, passes: bool) -> i32 {
        self.weighed(passes).counts()
    }

    /// Of a number that fails: 1, since nobody knows it.
    pub(crate) fn weighed(&self, passes: bool) -> vrrp::Weight {
        let of = if self.is_number { Of::Number(i32::from(!passes)) } else { Of::Success(Some(passes)) };
        vrrp::Weight { weight: self.weight.value, reverse: self.weight.reverse, of }
    }
}

/// What a configuration says, by name: there may be thousands of each.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    checks: HashMap<&'a CheckName, &'a Check>,
    groups: HashMap<&'a InstanceName, &'a SyncGroup>,
}

impl<'a> Index<'a> {
    /// Of this configuration.
    #[must_use]
    pub fn new(config: &'a Config) -> Self {
        let members = |group: &'a SyncGroup| group.members.iter().map(move |name| (name, group));
        Self {
            checks: config.checks.iter().map(|check| (&check.name, check)).collect(),
            groups: config.groups.iter().flat_map(members).collect(),
        }
    }

    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: &CheckName) -> Option<&'a Check> {
        self.checks.get(name).copied()
    }

    /// The sync group that an instance is in.
    #[must_use]
    pub fn group(&self, instance: &InstanceName) -> Option<&'a SyncGroup> {
        self.groups.get(instance).copied()
    }

    /// Everything that an instance follows, in the order of the file: its own trackers, then those of its sync group.
    #[must_use]
    pub fn trackers(&self, instance: &Instance) -> Vec<Tracker> {
        let group = self.group(&instance.name);
        let more_checks = group.into_iter().flat_map(|group| &group.checks);
        let more_links = group.into_iter().flat_map(|group| &group.links);
        let checks = instance.checks.iter().chain(more_checks).map(|tracked| Tracker {
            name: tracked.check.to_string(),
            is_link: false,
            is_number: self.check(&tracked.check).is_some_and(|check| check.probe.is_number()),
            role: self.check(&tracked.check).map_or(Role::Any, |check| check.role),
            weight: tracked.weight,
            weight_span: tracked.weight_span,
            span: tracked.span,
        });
        let links = instance.links.iter().chain(more_links).map(|tracked| Tracker {
            name: tracked.link.to_string(),
            is_link: true,
            is_number: false,
            role: Role::Any,
            weight: tracked.weight,
            weight_span: tracked.weight_span,
            span: tracked.span,
        });
        checks.chain(links).collect()
    }
}
