//! A reload: one host's processes take another configuration at the same moment (oracle 11: nobody else notices).
//!
//! It must find out by itself whom the change doesn't concern, and never ask the core. Instances and links have other places
//! afterwards, so everything that is under way is readdressed: in reality names travel, not places. ARCHITECTURE.md,
//! "A reload", has the order of things.

use std::collections::BTreeSet;

use model::{Instant, State, Verdict};
use vrrp::{CoreConfig, InstanceConfig, InstanceId, LinkId, Output, Step};

use crate::host::{Host, Running};
use crate::manager::Order;
use crate::oracle::Violation;
use crate::report::Line;
use crate::scenario::NodeId;
use crate::world::{Event, Message, World};

/// Per place of the old configuration, the place in the new one; `None` for who ends or begins anew.
type Moved = Vec<Option<InstanceId>>;

impl World {
    /// The host takes one of the scenario's configurations.
    pub(crate) fn reload(&mut self, node: NodeId, place: usize) -> Result<(), Violation> {
        let Some(config) = self.scenario.reloads.get(place).cloned() else { return Ok(()) };
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return Ok(()) };
        let local = host.local(now);
        let before = host.config.clone();
        let moved = moved(&before, &config);
        let untouched = untouched(&before, &config);
        let mut farewells = Vec::new();
        if let Some(running) = host.running.as_mut() {
            match running.core.reconfigure(local, config.clone()) {
                Some(switched) => farewells = switched.farewells,
                // It has been told to stop: the next one will have it.
                None => return Ok(()),
            }
        }
        let untouched_before = untouched.iter().map(|(was, _)| *was).collect();
        self.check_unmoved(node, &untouched_before, &farewells)?;
        for output in farewells {
            self.act(node, output)?;
        }
        self.switch(node, &config, &moved);
        let mut outputs = Vec::new();
        if let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) {
            outputs.extend(std::iter::from_fn(|| running.core.poll_output()));
        }
        let untouched_after = untouched.iter().map(|(_, is)| *is).collect();
        self.check_unmoved(node, &untouched_after, &outputs)?;
        for output in outputs {
            self.act(node, output)?;
        }
        self.tell_all_again(node);
        self.check_groups(node)?;
        self.set_alarm(node);
        Ok(())
    }

    /// Everything that is counted by places counts by the new ones.
    fn switch(&mut self, node: NodeId, config: &CoreConfig, moved: &Moved) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        for (place, is) in moved.iter().enumerate() {
            let was = InstanceId(place);
            if is.is_none() && host.manager.holds(was) {
                host.manager.withdraw(was);
                self.chronicle.note(self.now, Line::Held(node, was, false));
            }
            if let (None, Some(router)) = (is, host.routers.get(place)) {
                self.oracle.dismiss(*router, node.0);
            }
        }
        let (lans, routers) = (self.topology.lans(config), self.topology.routers(config));
        host.switch(config, moved, lans, routers);
        let readdress = |event: Event| readdress(event, node, moved);
        host.deferred = std::mem::take(&mut host.deferred).into_iter().filter_map(readdress).collect();
        self.queue.change(readdress);
        self.arrange_release(node);
    }

    /// Whoever knows says everything to the core once more: some of it may be news.
    fn tell_all_again(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get(node.0) else { return };
        let links: Vec<_> =
            (0..host.config.links.len()).filter_map(|link| host.link_fact(LinkId(link))).collect();
        let verdicts: Vec<_> =
            host.verdicts.iter().map(|(check, verdict)| (check.clone(), *verdict)).collect();
        let (drained, manager_runs) = (host.drained, host.manager_runs);
        if manager_runs {
            for fact in links {
                self.say_to_core(node, Message::Link(fact));
            }
        }
        for (check, verdict) in verdicts {
            self.say_to_core(node, Message::Verdict(check, verdict));
        }
        if drained {
            self.say_to_core(node, Message::Drained(true));
        }
    }

    /// Oracle 11.
    fn check_unmoved(
        &self,
        node: NodeId,
        untouched: &BTreeSet<InstanceId>,
        outputs: &[Output],
    ) -> Result<(), Violation> {
        match outputs.iter().filter_map(concerns).find(|instance| untouched.contains(instance)) {
            Some(instance) => {
                Err(Violation::Moved { node: self.scenario.name(node).to_owned(), instance: instance.0 })
            }
            None => Ok(()),
        }
    }
}

impl Host {
    fn switch(&mut self, config: &CoreConfig, moved: &Moved, lans: Vec<usize>, routers: Vec<usize>) {
        let carrier =
            |name| self.config.links.iter().position(|link| link == name).and_then(|at| self.carrier.get(at));
        let carrier = config.links.iter().map(|name| carrier(name).copied().unwrap_or(true)).collect();
        self.carrier = carrier;
        let count = config.instances.len();
        self.excused_until = carried(&self.excused_until, moved, count, Instant::ZERO);
        let penalties = std::mem::take(&mut self.penalties).into_iter();
        let is = |was: InstanceId| moved.get(was.0).copied().flatten();
        self.penalties = penalties.filter_map(|(was, penalty)| Some((is(was)?, penalty))).collect();
        self.manager.switch(config.instances.iter().map(|it| it.advert_interval), moved);
        for tracked in checks_of(config) {
            self.verdicts.entry(tracked.clone()).or_insert(Verdict::Up);
        }
        if let Some(running) = &mut self.running {
            running.switch(&self.config, config, moved);
        }
        self.config = config.clone();
        (self.lans, self.routers) = (lans, routers);
    }
}

impl Running {
    fn switch(&mut self, before: &CoreConfig, config: &CoreConfig, moved: &Moved) {
        let count = config.instances.len();
        self.told = carried(&self.told, moved, count, Some(State::Init));
        self.spoke = carried(&self.spoke, moved, count, None);
        self.under_way = carried(&self.under_way, moved, count, 0);
        self.revocations = carried(&self.revocations, moved, count, 0);
        let mut groups_told = vec![Some(State::Init); config.groups.len()];
        for step in vrrp::plan(before, config).groups {
            if let Step::Keep { was, is } | Step::Retune { was, is, .. } | Step::Restart { was, is, .. } =
                step
                && let (Some(to), Some(from)) = (groups_told.get_mut(is.0), self.groups_told.get(was.0))
            {
                *to = *from;
            }
        }
        self.groups_told = groups_told;
    }
}

/// The values of who goes on, at their new places.
pub(crate) fn carried<T: Copy>(values: &[T], moved: &[Option<InstanceId>], count: usize, fresh: T) -> Vec<T> {
    let mut carried = vec![fresh; count];
    for (value, is) in values.iter().zip(moved) {
        if let Some(to) = is.and_then(|is| carried.get_mut(is.0)) {
            *to = *value;
        }
    }
    carried
}

fn checks_of(config: &CoreConfig) -> impl Iterator<Item = &model::CheckName> {
    let own = config.instances.iter().flat_map(|instance| &instance.checks);
    let shared = config.groups.iter().flat_map(|group| &group.checks);
    own.chain(shared).map(|tracked| &tracked.check)
}

fn moved(before: &CoreConfig, after: &CoreConfig) -> Moved {
    let mut moved = vec![None; before.instances.len()];
    for step in vrrp::plan(before, after).instances {
        if let Step::Keep { was, is } | Step::Retune { was, is, .. } = step
            && let Some(to) = moved.get_mut(was.0)
        {
            *to = Some(is);
        }
    }
    moved
}

/// Whom the change doesn't concern: the same settings by the same names, outside of groups. Old and new places.
fn untouched(before: &CoreConfig, after: &CoreConfig) -> Vec<(InstanceId, InstanceId)> {
    let alone = |config: &CoreConfig, place: usize| {
        !config.groups.iter().any(|group| group.members.contains(&InstanceId(place)))
    };
    let plain = |config: &CoreConfig, instance: &InstanceConfig| {
        let name = config.links.get(instance.link.0).cloned();
        (name, InstanceConfig { link: LinkId(0), ..instance.clone() })
    };
    let mut untouched = Vec::new();
    for (was, old) in before.instances.iter().enumerate().filter(|(_, it)| it.tracked_links.is_empty()) {
        let same = |(is, new): &(usize, &InstanceConfig)| {
            plain(before, old) == plain(after, new) && alone(before, was) && alone(after, *is)
        };
        if let Some((is, _)) = after.instances.iter().enumerate().find(same) {
            untouched.push((InstanceId(was), InstanceId(is)));
        }
    }
    untouched
}

/// Which instance an output is about.
fn concerns(output: &Output) -> Option<InstanceId> {
    match output {
        Output::Transmit(transmit) => Some(transmit.instance),
        Output::Install { instance, .. }
        | Output::Withdraw { instance, .. }
        | Output::Prelude { instance, .. }
        | Output::Announce(instance)
        | Output::AnnouncePlaced { instance, .. } => Some(*instance),
        Output::Transition(transition) => Some(transition.instance),
        Output::LowerMaster(lower) => Some(lower.instance),
        Output::Priority { instance, .. } => Some(*instance),
        Output::Notice(notice) => notice.instance,
        // Nobody outside hears of penalties.
        Output::GroupTransition(_) | Output::Penalties(_) | Output::Finished => None,
    }
}

/// What is under way within a host goes to the same instance; what is for nobody any more is lost.
fn readdress(event: Event, node: NodeId, moved: &Moved) -> Option<Event> {
    let now_at = |was: InstanceId| moved.get(was.0).copied().flatten();
    Some(match event {
        Event::ToManager(to, incarnation, order) if to == node => {
            let order = match order {
                Order::Install(was, number) => Order::Install(now_at(was)?, number),
                Order::Withdraw(was, number) => Order::Withdraw(now_at(was)?, number),
                Order::Hello | Order::Closed => order,
            };
            Event::ToManager(to, incarnation, order)
        }
        Event::ToCore(to, incarnation, message) if to == node => {
            let message = match message {
                Message::Installed(was, number, failures) => {
                    Message::Installed(now_at(was)?, number, failures)
                }
                Message::Withdrawn(was, number) => Message::Withdrawn(now_at(was)?, number),
                Message::PreludeDone(was, number) => Message::PreludeDone(now_at(was)?, number),
                Message::Present(held) => Message::Present(held.into_iter().filter_map(now_at).collect()),
                Message::Link(_)
                | Message::Gone
                | Message::Reconnect
                | Message::Verdict(..)
                | Message::Drained(_)
                | Message::Mended
                | Message::Stop => message,
            };
            Event::ToCore(to, incarnation, message)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_their_instances() {
        let moved = [Some(InstanceId(2)), None, Some(InstanceId(0))];
        assert_eq!(carried(&[1, 2, 3], &moved, 4, 0), [3, 0, 1, 0]);
    }

    /// A reload that is no reload, and then somebody who stirs all the same.
    #[test]
    fn whoever_stirs_without_a_reason_trips_it() {
        let mut scenario = crate::random(1);
        let config = scenario.nodes[0].config.clone();
        let untouched = untouched(&config, &config);
        assert_eq!(untouched.len(), config.instances.len());
        scenario.reload(std::time::Duration::ZERO, NodeId(0), config);
        let mut world = World::new(&scenario);
        assert_eq!(world.reload(NodeId(0), 0), Ok(()));
        let untouched = BTreeSet::from([InstanceId(0)]);
        let stirs = |instance| Output::Announce(InstanceId(instance));
        let moved = world.check_unmoved(NodeId(0), &untouched, &[stirs(1), stirs(0)]);
        assert!(matches!(moved, Err(Violation::Moved { instance: 0, .. })), "{moved:?}");
        assert_eq!(world.check_unmoved(NodeId(0), &untouched, &[stirs(1), Output::Finished]), Ok(()));
    }
}
