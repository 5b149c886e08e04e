//! Services that run only on the master, since hooks start and stop them, and the checks that look for them.
//!
//! A model of three processes at once: notifierd runs the hook for MASTER, the service starts, and after `rise` runs
//! checkerd says that it is up; the other way round when the node is no longer master. Only what is told counts: hooks
//! know nothing else. docs/events.md says when they run.

use std::time::Duration;

use model::{CheckName, State, Verdict};

use crate::host::Host;
use crate::queue::Ticket;
use crate::scenario::NodeId;
use crate::world::{Event, World};

/// A check that can only pass on the master.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    check: CheckName,
    /// From MASTER until the check is up: the start of the service, and `rise`.
    starting: Duration,
    /// From the loss of MASTER until the check is down.
    stopping: Duration,
    runs: bool,
    /// When the check will notice the last change.
    noticed: Option<Ticket>,
}

impl Service {
    pub(crate) const fn new(check: CheckName, starting: Duration, stopping: Duration) -> Self {
        Self { check, starting, stopping, runs: false, noticed: None }
    }
}

impl Host {
    /// Nobody is master yet, so the service doesn't run.
    pub(crate) fn serve(&mut self, service: Service) {
        self.verdicts.insert(service.check.clone(), Verdict::Down);
        self.services.push(service);
    }

    /// Whether the node tells MASTER for an instance that tracks the check.
    fn is_master_for(&self, check: &CheckName) -> bool {
        let Some(running) = &self.running else { return false };
        self.config.instances.iter().zip(&running.told).any(|(instance, told)| {
            *told == Some(State::Master) && instance.checks.iter().any(|tracked| tracked.check == *check)
        })
    }
}

impl World {
    /// A state was told: hooks start or stop what has to change.
    pub(crate) fn run_hooks(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        for place in 0..host.services.len() {
            let wanted = host.services.get(place).is_some_and(|service| host.is_master_for(&service.check));
            let Some(service) = host.services.get_mut(place).filter(|service| service.runs != wanted) else {
                continue;
            };
            service.runs = wanted;
            if let Some(ticket) = service.noticed.take() {
                self.queue.cancel(ticket);
            }
            let after = if wanted { service.starting } else { service.stopping };
            let event = Event::Service(node, service.check.clone());
            service.noticed = Some(self.queue.push(self.now + after, event));
        }
    }

    /// The check sees what became of its service.
    pub(crate) fn see_service(&mut self, node: NodeId, check: CheckName) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let Some(service) = host.services.iter_mut().find(|service| service.check == check) else { return };
        service.noticed = None;
        let verdict = if service.runs { Verdict::Up } else { Verdict::Down };
        self.pronounce(node, check, verdict);
    }

    /// From now on hooks can't help: the script decides about this check.
    pub(crate) fn end_service(&mut self, node: NodeId, check: &CheckName) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        for service in host.services.extract_if(.., |service| service.check == *check) {
            if let Some(ticket) = service.noticed {
                self.queue.cancel(ticket);
            }
        }
    }

    /// The host lost power: nothing runs, and that is what the first checks will see.
    pub(crate) fn stop_services(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        for service in &mut host.services {
            service.runs = false;
            if let Some(ticket) = service.noticed.take() {
                self.queue.cancel(ticket);
            }
            host.verdicts.insert(service.check.clone(), Verdict::Down);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use model::{Family, InstanceName, LinkName, Priority, ProtocolVersion, Vrid};
    use vrrp::{
        Announcements, CoreConfig, InstanceConfig, LinkId, Manners, Role, TrackedCheck, default_group,
    };

    use crate::report::Happening;
    use crate::scenario::{Fault, Scenario};

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn check() -> CheckName {
        CheckName::new("chk").unwrap()
    }

    fn node(priority: u8, weight: i16) -> CoreConfig {
        let tracked = TrackedCheck {
            check: check(),
            weight,
            reverse: false,
            init_fail: false,
            role: Role::Any,
            number: false,
        };
        let instance = InstanceConfig {
            name: InstanceName::new("vi").unwrap(),
            link: LinkId(0),
            vrid: Vrid::new(5).unwrap(),
            version: ProtocolVersion::V3,
            family: Family::V4,
            priority: Priority(priority),
            wants_master: false,
            advert_interval: seconds(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            credential: None,
            addresses: vec![IpAddr::from([10, 1, 1, 5])],
            placement: 0,
            source: None,
            peers: Vec::new(),
            unicast_ttl: u8::MAX,
            group: default_group(Family::V4),
            checks: vec![tracked],
            tracked_links: Vec::new(),
            follows_source: false,
            follows_link: true,
            announcements: Announcements::default(),
            manners: Manners::default(),
        };
        CoreConfig {
            links: vec![LinkName::new("eth0").unwrap()],
            instances: vec![instance],
            ..CoreConfig::default()
        }
    }

    /// The pair in which the service follows the master: 100, 90 and a minute.
    fn pair(weight: i16) -> (Scenario, NodeId, NodeId) {
        let mut scenario = Scenario::new(1);
        let [a, b] = [("a", 100), ("b", 90)].map(|(name, priority)| {
            let id = scenario.node(name, node(priority, weight), Duration::ZERO);
            scenario.only_on_master(id, check(), seconds(4), seconds(2));
            id
        });
        scenario.until(seconds(60));
        (scenario, a, b)
    }

    fn holders(scenario: &Scenario) -> Vec<NodeId> {
        let report = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
        report.endings.iter().filter(|ending| ending.holds).map(|ending| ending.node).collect()
    }

    /// Pain B1: the other one's check is down because it waits, so its priority is never the higher one.
    #[test]
    fn a_service_that_follows_the_master_moves_nothing_by_its_death() {
        let (mut scenario, a, _) = pair(20);
        let report = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
        let priorities: Vec<u8> = report.endings.iter().map(|it| it.priority.effective.0).collect();
        assert_eq!(priorities, [120, 90], "the service runs where the master is");
        scenario.at(seconds(30), Fault::Verdict(a, check(), Verdict::Down));
        assert_eq!(holders(&scenario), [a]);
    }

    #[test]
    fn hooks_start_the_service_on_the_next_master() {
        let (mut scenario, a, b) = pair(20);
        scenario.at(seconds(20), Fault::CrashHost(a));
        scenario.at(seconds(40), Fault::StartHost(a));
        let report = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
        let up = Happening::Fault(Fault::Verdict(b, check(), Verdict::Up));
        assert!(report.happenings.iter().any(|(_, it)| *it == up), "{}", report.transcript());
        // 100 comes back while b has 90 + 20.
        assert_eq!(holders(&scenario), [b]);
    }

    #[test]
    fn without_a_weight_nobody_can_ever_begin() {
        let (scenario, ..) = pair(0);
        assert_eq!(holders(&scenario), []);
    }
}
