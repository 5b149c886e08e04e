//! Sync groups (`vrrp_sync_group`): instances that are master together or not at all. Keepalived's idea, no RFC's.
//!
//! **The rule.** What keeps one member from taking part keeps all of them (the union of their reasons). A group becomes
//! Active as soon as the down timer of *any* member fires and no other member is *held back*: a member is held back
//! while the advert of a master that it may not preempt is not overdue, that is for one and a half of that master's
//! intervals after it was heard, and for as long after it began to listen. A goodbye (priority 0) holds nobody back. So
//! nobody waits for the slowest timer of the group (keepalived does), and nobody takes over half a router that is alive.
//! A group that is Active stops being so as soon as one member does, whatever the reason; the others say goodbye.
//!
//! Nothing here may decide on a single instance: it tells members what the others are, and says "rise" or "yield".

use std::collections::HashMap;
use std::sync::Arc;

use model::{InstanceName, Instant, Priority, State};

use crate::cause::Cause;
use crate::door::{CoreConfig, GroupConfig, GroupId, GroupTransition, InstanceConfig, InstanceId};
use crate::eligibility::Reason;
use crate::instance::Instance;
use crate::status::GroupView;

/// How often members are told of each other's reasons for one input. Each says what it finds by itself, so the second
/// time finds nothing new; the bound is for what nobody has thought of.
pub(crate) const MAX_ROUNDS: usize = 4;

/// What an instance knows of the group that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupFacts<'a> {
    pub(crate) members: &'a [Member],
    /// Another member is held back until then.
    pub(crate) held_back_until: Option<Instant>,
    /// A member's addresses were refused, and have not been put in place since.
    pub(crate) is_shy: bool,
}

impl GroupFacts<'_> {
    /// What keeps the others from taking part, as far as it isn't in `own`.
    pub(crate) fn reasons_of_others(&self, id: InstanceId, own: &[Reason]) -> Vec<Reason> {
        let others = self.members.iter().filter(|member| member.id != id);
        others
            .flat_map(|member| member.reasons.iter().map(move |reason| (&member.name, reason)))
            .filter(|(_, reason)| !own.contains(reason))
            .map(|(name, reason)| Reason::Member(name.clone(), Box::new(reason.clone())))
            .collect()
    }
}

/// One member as the others see it.
#[derive(Debug)]
pub(crate) struct Member {
    id: InstanceId,
    name: InstanceName,
    /// What keeps it from taking part by itself.
    reasons: Vec<Reason>,
}

/// The member that moved first, and why.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) name: InstanceName,
    pub(crate) cause: Cause,
}

impl Leader {
    /// Why whoever follows has moved.
    pub(crate) fn followed(&self) -> Cause {
        Cause::Group { leader: self.name.clone(), cause: Box::new(self.cause.clone()) }
    }
}

/// What the rest of a group has to do.
#[derive(Debug)]
pub(crate) enum Move {
    Rise(Leader),
    Yield(Leader),
}

/// One sync group.
#[derive(Debug)]
pub(crate) struct Group {
    id: GroupId,
    /// For those who deliver to all of them.
    pub(crate) ids: Arc<[InstanceId]>,
    pub(crate) members: Vec<Member>,
    /// What was refused to one of them keeps all from preempting.
    pub(crate) is_shy: bool,
    /// All members are Active.
    active: bool,
    told: Option<State>,
    cause: Cause,
    since: Instant,
}

impl Group {
    fn new(id: GroupId, config: &GroupConfig, instances: &[InstanceConfig], now: Instant) -> Self {
        let member = |id: &InstanceId| {
            let instance = instances.get(id.0)?;
            Some(Member { id: *id, name: instance.name.clone(), reasons: Vec::new() })
        };
        let members: Vec<Member> = config.members.iter().filter_map(member).collect();
        let ids = members.iter().map(|member| member.id).collect();
        let (told, cause) = (Some(State::Init), Cause::Started);
        Self { id, ids, members, is_shy: false, active: false, told, cause, since: now }
    }

    /// Goes on as `before`, a group of a former configuration. With `same_members` nothing has happened to it; otherwise
    /// whoever has joined an Active group rises with it.
    pub(crate) fn carry_on(&mut self, before: Self, same_members: bool) {
        (self.told, self.cause, self.since) = (before.told, before.cause, before.since);
        if same_members {
            self.active = before.active;
            let mut reasons: HashMap<_, _> =
                before.members.into_iter().map(|member| (member.name, member.reasons)).collect();
            for member in &mut self.members {
                member.reasons = reasons.remove(&member.name).unwrap_or_default();
            }
        }
    }

    /// It is in the configuration no longer.
    pub(crate) fn dissolve(&self) -> Option<GroupTransition> {
        let cause = Cause::Removed.told();
        self.told.map(|from| GroupTransition { group: self.id, from, to: None, cause })
    }

    /// Looks at what keeps each member from taking part, and all from preempting. True if anything is new.
    pub(crate) fn look(&mut self, instances: &[Instance]) -> bool {
        let mut news = false;
        self.is_shy = self.ids.iter().filter_map(|id| instances.get(id.0)).any(|it| it.refusals.is_shy());
        for member in &mut self.members {
            if let Some(instance) = instances.get(member.id.0)
                && instance.own_reasons != member.reasons
            {
                member.reasons.clone_from(&instance.own_reasons);
                news = true;
            }
        }
        news
    }

    /// Until when a member other than `id` is held back.
    pub(crate) fn held_back_until(&self, id: InstanceId, instances: &[Instance]) -> Option<Instant> {
        let others = self.ids.iter().filter(|other| **other != id);
        others.filter_map(|other| instances.get(other.0)?.held_back_until()).max()
    }

    /// What has to follow from one member having moved.
    pub(crate) fn next_move(&mut self, instances: &[Instance]) -> Option<Move> {
        let leader = |active: bool| {
            let mut members = self.ids.iter().filter_map(|id| instances.get(id.0));
            let first = members.find(|instance| instance.is_active() == active)?;
            Some(Leader { name: first.config.name.clone(), cause: first.cause() })
        };
        let (risen, fallen) = (leader(true), leader(false));
        let next = match (self.active, risen, fallen) {
            (_, None, _) | (_, Some(_), None) => None,
            (false, Some(leader), Some(_)) => Some(Move::Rise(leader)),
            (true, Some(_), Some(leader)) => Some(Move::Yield(leader)),
        };
        self.active = match &next {
            Some(Move::Rise(_)) => true,
            Some(Move::Yield(_)) => false,
            None => self.ids.iter().filter_map(|id| instances.get(id.0)).any(Instance::is_active),
        };
        next
    }

    /// What is told of the group, which is what its members tell together; `Some` if that has changed.
    pub(crate) fn tell(&mut self, now: Instant, instances: &[Instance]) -> Option<GroupTransition> {
        let members = || self.ids.iter().filter_map(|id| instances.get(id.0));
        let told = || members().filter_map(Instance::told);
        let to = [State::Fault, State::Init, State::Backup]
            .into_iter()
            .find(|state| told().any(|told| told == *state))
            .or_else(|| told().next());
        let from = self.told?;
        if self.told == to {
            return None;
        }
        let first_hand = |instance: &&Instance| instance.told() == to && !instance.cause().is_second_hand();
        let why = members().find(first_hand).or_else(|| members().next());
        self.cause = why.map_or(Cause::Started, Instance::cause);
        (self.told, self.since) = (to, now);
        Some(GroupTransition { group: self.id, from, to, cause: self.cause.told() })
    }

    pub(crate) fn view(&self) -> GroupView {
        GroupView { state: self.told, cause: self.cause.told(), since: self.since }
    }
}

/// Gives the groups' trackers to their members; once is as good as twice.
///
/// A group's tracker replaces a member's weight for the same one, but not a member's lack of one: FAULT is stronger.
/// Owners (priority 255) start as master only if all members do.
pub(crate) fn share_trackers(config: &mut CoreConfig) {
    for group in &config.groups {
        let starts = |id: &InstanceId| {
            let instance = config.instances.get(id.0);
            instance.is_some_and(|it| it.wants_master && it.priority == Priority::OWNER)
        };
        let all_start = group.members.iter().all(starts);
        for member in &group.members {
            let Some(instance) = config.instances.get_mut(member.0) else { continue };
            instance.wants_master &= all_start;
            adopt_trackers(group, instance);
        }
    }
}

/// Per instance, the group that it is in.
pub(crate) fn membership(config: &CoreConfig) -> Vec<Option<GroupId>> {
    let mut membership = vec![None; config.instances.len()];
    for (place, group) in config.groups.iter().enumerate() {
        for member in &group.members {
            if let Some(its_group) = membership.get_mut(member.0) {
                *its_group = Some(GroupId(place));
            }
        }
    }
    membership
}

/// The groups of a configuration.
pub(crate) fn form(config: &CoreConfig, now: Instant) -> Vec<Group> {
    let groups = config.groups.iter().enumerate();
    groups.map(|(place, group)| Group::new(GroupId(place), group, &config.instances, now)).collect()
}

fn adopt_trackers(group: &GroupConfig, instance: &mut InstanceConfig) {
    for tracked in &group.checks {
        match instance.checks.iter_mut().find(|own| own.check == tracked.check) {
            Some(own) if own.weight == 0 => {}
            Some(own) => *own = tracked.clone(),
            None => instance.checks.push(tracked.clone()),
        }
    }
    for tracked in &group.tracked_links {
        match instance.tracked_links.iter_mut().find(|own| own.link == tracked.link) {
            Some(own) if own.weight == 0 => {}
            Some(own) => *own = *tracked,
            None => instance.tracked_links.push(*tracked),
        }
    }
}
