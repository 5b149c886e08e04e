//! whatever way led to the facts, they make the same eligibility, priority and state as a cold start; and so does
//! whatever way led to the configuration.
//!
//! proptest prints the smallest failing way and keeps its seed beside this file.

use handover_vrrp::{
    CoreConfig, GroupConfig, Input, InstanceConfig, InstanceId, InstanceView, LinkId, Manners, Output,
    TrackedLink,
};
use model::{
    Cause, GroupName, InstanceName, LinkFact, LinkName, Priority, ProtocolVersion, State, Verdict, Vrid,
};
use proptest::prelude::*;

use crate::support::*;

const CHECKS: [&str; 3] = ["a", "b", "c"];
const LINKS: [&str; 3] = ["eth0", "eth1", "eth2"];
/// Two in a group, one alone; and who is drained is known by it.
const VRIDS: [u8; 3] = [5, 6, 7];
/// How many there are of [`config`].
const CONFIGS: usize = 6;

fn instances() -> Vec<InstanceConfig> {
    let manners = Manners::default();
    let heavy = TrackedLink { link: LinkId(2), weight: 25, reverse: false };
    let vital = TrackedLink { link: LinkId(2), weight: 0, reverse: true };
    let named = |name: &str, vrid: u8, link: usize| InstanceConfig {
        name: InstanceName::new(name).unwrap(),
        vrid: Vrid::new(vrid).unwrap(),
        link: LinkId(link),
        manners,
        ..v3(100)
    };
    vec![
        InstanceConfig { checks: vec![tracked("a", 0), tracked("b", 30)], ..named("one", 5, 0) },
        InstanceConfig { tracked_links: vec![heavy], checks: vec![tracked("c", -40)], ..named("two", 6, 1) },
        InstanceConfig {
            follows_link: false,
            priority: Priority(200),
            checks: vec![tracked("b", -60)],
            tracked_links: vec![vital],
            ..named("three", 7, 0)
        },
    ]
}

/// Configurations that lead from one to another in every way: other settings, names, places, members; some begin anew.
fn config(number: usize) -> CoreConfig {
    let mut config = base();
    match number {
        0 => {}
        1 => {
            config.instances[0].priority = Priority(150);
            config.instances[1].advert_interval = ms(300);
            config.instances[1].addresses.push(GREATER);
            config.instances[2].checks = vec![tracked("b", 0), tracked("c", 20)];
            config.groups[0].checks = vec![tracked("c", 0)];
        }
        2 => {
            config.instances.reverse();
            config.links.swap(1, 2);
            for instance in &mut config.instances {
                instance.name = InstanceName::new(format!("x-{}", instance.name)).unwrap();
                instance.link = [LinkId(0), LinkId(2), LinkId(1)][instance.link.0];
                for tracked in &mut instance.tracked_links {
                    tracked.link = LinkId(1);
                }
            }
            config.groups[0].name = GroupName::new("other").unwrap();
            config.groups[0].members = vec![InstanceId(2), InstanceId(1)];
        }
        3 => {
            config.instances.remove(1);
            config.groups[0].members = vec![InstanceId(0), InstanceId(1)];
        }
        4 => {
            config.groups.clear();
            config.instances[0].version = ProtocolVersion::V2;
            config.instances[1].peers = vec![LOWER.into()];
            config.instances[2].preempt_delay = ms(700);
        }
        _ => {
            config.groups[0].members.push(InstanceId(2));
            config.instances[0].priority = Priority(50);
            config.instances[2].manners.down_timer_adverts = 5;
        }
    }
    config
}

fn base() -> CoreConfig {
    let group = GroupConfig {
        name: GroupName::new("vg").unwrap(),
        members: vec![InstanceId(0), InstanceId(1)],
        checks: vec![tracked("b", 10)],
        tracked_links: Vec::new(),
    };
    let links = LINKS.map(|name| LinkName::new(name).unwrap()).to_vec();
    CoreConfig { links, instances: instances(), groups: vec![group], ..CoreConfig::default() }
}

/// Everything that is so around a core.
#[derive(Clone, Debug)]
struct World {
    config: usize,
    links: [LinkFact; 3],
    verdicts: [Verdict; 3],
    drained: [bool; VRIDS.len()],
    manager: bool,
}

/// One fact, as it becomes.
#[derive(Clone, Copy, Debug)]
enum Change {
    Config(usize),
    Carrier(usize, bool),
    There(usize, bool),
    Source(usize, bool),
    Check(usize, Verdict),
    Drain(usize, bool),
    DrainAll(bool),
    Manager(bool),
}

fn change() -> impl Strategy<Value = Change> {
    let verdict =
        prop_oneof![2 => Just(Verdict::Up), 1 => Just(Verdict::Down), 1 => Just(Verdict::Unrunnable)];
    prop_oneof![
        3 => (0usize..3, any::<bool>()).prop_map(|(link, up)| Change::Carrier(link, up)),
        1 => (0usize..3, any::<bool>()).prop_map(|(link, there)| Change::There(link, there)),
        1 => (0usize..3, any::<bool>()).prop_map(|(link, there)| Change::Source(link, there)),
        4 => (0usize..3, verdict).prop_map(|(check, verdict)| Change::Check(check, verdict)),
        2 => (0..CONFIGS).prop_map(Change::Config),
        2 => (0..VRIDS.len(), any::<bool>()).prop_map(|(instance, out)| Change::Drain(instance, out)),
        1 => any::<bool>().prop_map(Change::DrainAll),
        2 => any::<bool>().prop_map(Change::Manager),
    ]
}

impl World {
    fn good() -> Self {
        let link = |name: &str| LinkFact { name: LinkName::new(name).unwrap(), ..eth0() };
        Self {
            config: 0,
            links: LINKS.map(link),
            verdicts: [Verdict::Up; 3],
            drained: [false; VRIDS.len()],
            manager: true,
        }
    }

    fn become_so(&mut self, change: Change) {
        match change {
            Change::Config(number) => self.config = number,
            Change::Carrier(link, up) => self.links[link].up = up,
            Change::There(link, there) => self.links[link].index = there.then_some(2),
            Change::Source(link, there) => self.links[link].ipv4 = eth0().ipv4.filter(|_| there),
            Change::Check(check, verdict) => self.verdicts[check] = verdict,
            Change::Drain(instance, out) => self.drained[instance] = out,
            Change::DrainAll(out) => self.drained = [out; VRIDS.len()],
            Change::Manager(there) => self.manager = there,
        }
    }

    /// Tells a core the fact that a change has made.
    fn tell(&self, host: &mut Host, change: Change) -> Vec<Output> {
        let drain = |host: &mut Host, instance: Option<InstanceId>, out| {
            host.give(if out { Input::Drain { instance, text: "x" } } else { Input::Undrain { instance } })
        };
        let outputs = match change {
            Change::Config(number) => return self.reconfigure(host, number),
            Change::Carrier(link, _) | Change::There(link, _) | Change::Source(link, _) => {
                host.give(Input::Link(&self.links[link]))
            }
            Change::Check(check, verdict) => host.verdict(CHECKS[check], verdict),
            Change::Drain(instance, out) => {
                let vrid = |it: &InstanceConfig| it.vrid.get() == VRIDS[instance];
                match host.core.config().instances.iter().position(vrid) {
                    Some(place) => drain(host, Some(InstanceId(place)), out),
                    None => Vec::new(),
                }
            }
            Change::DrainAll(out) => drain(host, None, out),
            Change::Manager(true) => host.give(Input::ManagerPresent { held: &[] }),
            Change::Manager(false) => host.give(Input::ManagerGone),
        };
        host.answer(outputs)
    }

    /// Who knows says everything again: some of it may be news.
    fn reconfigure(&self, host: &mut Host, number: usize) -> Vec<Output> {
        let mut outputs = host.reconfigure(config(number)).farewells;
        let what_follows = host.drain();
        outputs.extend(host.answer(what_follows));
        for fact in self.all() {
            if !matches!(fact, Change::Manager(_)) {
                outputs.extend(self.tell(host, fact));
            }
        }
        outputs
    }

    /// Every fact once.
    fn all(&self) -> Vec<Change> {
        let links = (0..3).map(|link| Change::Carrier(link, self.links[link].up));
        let checks = (0..3).map(|check| Change::Check(check, self.verdicts[check]));
        let drains = (0..VRIDS.len()).map(|instance| Change::Drain(instance, self.drained[instance]));
        links.chain(checks).chain(drains).chain([Change::Manager(self.manager)]).collect()
    }

    /// A core that has never known anything else, told in this order.
    fn cold_start(&self, order: &[usize]) -> Host {
        let mut host = Host::configured(config(self.config));
        let mut facts = self.all();
        facts.sort_by_key(|fact| order[self.place(*fact)]);
        for fact in facts {
            self.tell(&mut host, fact);
        }
        host
    }

    fn place(&self, fact: Change) -> usize {
        match fact {
            Change::Carrier(link, _) | Change::There(link, _) | Change::Source(link, _) => link,
            Change::Check(check, _) => 3 + check,
            Change::Drain(instance, _) => 6 + instance,
            Change::DrainAll(_) | Change::Manager(_) | Change::Config(_) => 9,
        }
    }
}

/// What must not depend on the way.
#[derive(Debug, PartialEq)]
struct Gist {
    state: Option<State>,
    effective: Priority,
    reasons: Vec<Cause>,
}

fn gist(host: &Host) -> (Vec<Gist>, Vec<Option<State>>) {
    let status = host.core.status();
    let one = |it: InstanceView| Gist { state: it.state, effective: it.effective, reasons: it.reasons };
    (status.instances.into_iter().map(one).collect(), status.groups.iter().map(|group| group.state).collect())
}

proptest! {
    #[test]
    fn the_way_to_the_facts_does_not_matter(
        way in proptest::collection::vec((change(), 0u64..4000), 0..40),
        order in Just((0..10).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut world = World::good();
        let mut long = world.cold_start(&order);
        for (change, pause) in way {
            world.become_so(change);
            world.tell(&mut long, change);
            long.pass(ms(pause));
        }
        let mut cold = world.cold_start(&order);
        cold.pass(ms(60_000));
        long.pass(ms(60_000));
        prop_assert_eq!(gist(&long), gist(&cold));
        // The next adverts say so too, whatever happened while there was no address to send from.
        for host in [&mut long, &mut cold] {
            let next = host.pass(SECOND);
            for transmit in transmits(&next) {
                let effective = host.core.instance(transmit.instance).unwrap().effective.0;
                prop_assert_eq!(transmit.message[2], effective);
            }
        }
    }
}
