//! The simulated world: takes the next event, lets it happen, asks the oracles, and again.
//!
//! Everything that the core asks for happens here, later or never, as weather and faults decide. It must never do for
//! the core what a real host would not do, and nothing may depend on anything but the scenario and its seed.
//! The contract with the core is [`vrrp::Input`] and [`vrrp::Output`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{CheckName, Instant, LinkFact, State, Verdict};
use vrrp::{Input, InstanceId, LinkId, OrderNumber, Output, Packet, Transition, Transmit};

use crate::host::{Host, Power, Running};
use crate::manager::Order;
use crate::neighbours::{Claim, Neighbours};
use crate::oracle::{Oracle, Standing, Violation};
use crate::queue::Queue;
use crate::report::{Chronicle, Ending, Failure, Gist, GroupTold, Line, Report, Told};
use crate::rng::Rng;
use crate::scenario::{Fault, NodeId, Scenario, Watched, Weather};
use crate::settle::shortest_takeover;
use crate::topology::Topology;

/// Oracle 6: what one input may cause, whatever it is, and what each instance may add: its adverts (one per peer twice
/// over), an order, a burst of announcements, changes of state and notices.
const MAX_OUTPUTS: usize = 16;
const MAX_OUTPUTS_PER_INSTANCE: usize = 32;
/// Oracle 6: how often a core may want to be woken in one moment before it can be said never to sleep again.
const MAX_WAKES_IN_A_MOMENT: u32 = 100;
/// Oracle 6: a run that needs more is a storm.
const MAX_EVENTS: u64 = 5_000_000;
/// A core that is told to stop has this long; more than it keeps addresses for a successor, and then waits for an ipmgr
/// that doesn't answer.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What a core is told by its siblings.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Link(LinkFact),
    Present(Vec<InstanceId>),
    /// The manager's socket was closed.
    Gone,
    /// The manager's socket is there again.
    Reconnect,
    Installed(InstanceId, OrderNumber, Vec<String>),
    Withdrawn(InstanceId, Option<OrderNumber>),
    PreludeDone(InstanceId, OrderNumber),
    Verdict(CheckName, Verdict),
    Drained(bool),
    /// The kernel refuses no more.
    Mended,
    Stop,
}

/// A packet on its way to one node.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) link: LinkId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) sealed: Option<u16>,
    pub(crate) message: Arc<[u8]>,
}

impl InFlight {
    /// What it says.
    pub(crate) fn gist(&self) -> Gist {
        Gist::of(self.sealed, &self.message)
    }
}

/// What is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Fault(Fault),
    Packet(InFlight),
    Claim(Claim),
    ToCore(NodeId, u32, Message),
    ToManager(NodeId, u32, Order),
    StartManager(NodeId),
    Release(NodeId),
    Wake(NodeId, u32),
    StopLimit(NodeId, u32),
    /// Something that a checkerd hears of, since its host started so often.
    Check(NodeId, u32, checks::Input),
    /// The check that looks for a service that hooks started or stopped sees it.
    Service(NodeId, CheckName),
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: Rng,
    pub(crate) now: Instant,
    pub(crate) queue: Queue<Event>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) sides: Vec<usize>,
    pub(crate) weather: Weather,
    pub(crate) oracle: Oracle,
    pub(crate) topology: Topology,
    /// Who isn't heard by whom (asymmetric loss).
    pub(crate) blocked: BTreeSet<(NodeId, NodeId)>,
    pub(crate) neighbours: Neighbours,
    /// The last burst of announcements: who, of what, when.
    pub(crate) announced: Option<(NodeId, usize, Instant)>,
    pub(crate) chronicle: Chronicle,
    events: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let (topology, mut hosts, routers) = Topology::of(scenario);
        for (node, service) in &scenario.services {
            if let Some(host) = hosts.get_mut(node.0) {
                host.serve(service.clone());
            }
        }
        for (node, probe) in &scenario.probes {
            if let Some(host) = hosts.get_mut(node.0) {
                host.probe(probe.clone());
            }
        }
        let names = scenario.nodes.iter().map(|spec| spec.name.clone()).collect();
        let mut queue = Queue::new();
        for (time, fault) in &scenario.script {
            queue.push(Instant::ZERO + *time, Event::Fault(fault.clone()));
        }
        Self {
            rng: Rng::new(scenario.seed),
            now: Instant::ZERO,
            queue,
            sides: vec![0; hosts.len()],
            hosts,
            weather: scenario.weather,
            oracle: Oracle::new(routers, names),
            topology,
            blocked: BTreeSet::new(),
            neighbours: Neighbours::default(),
            announced: None,
            chronicle: Chronicle::default(),
            events: 0,
            scenario: scenario.clone(),
        }
    }

    /// Lets everything happen up to `length` from the beginning.
    pub(crate) fn run(mut self, length: Duration) -> Result<Report, Box<Failure>> {
        let end = Instant::ZERO + length;
        match self.run_until(end) {
            Ok(()) => Ok(self.report()),
            Err(violation) => Err(Box::new(self.failure(violation))),
        }
    }

    /// Lets everything happen up to `length` from the beginning, whatever the oracles say. They are asked when a moment
    /// is over, and not after each of the many events that one moment may have.
    pub(crate) fn watch(mut self, length: Duration) -> Watched {
        let end = Instant::ZERO + length;
        let mut failure = None;
        while self.events < MAX_EVENTS && self.queue.next_at().is_some_and(|at| at <= end) {
            let Some((at, event)) = self.queue.pop() else { break };
            let judged = if at > self.now { self.judge() } else { Ok(()) };
            for violation in [judged, self.step(at, event)].into_iter().filter_map(Result::err) {
                failure.get_or_insert_with(|| Box::new(self.failure(violation)));
            }
        }
        self.now = end;
        if let Err(violation) = self.judge() {
            failure.get_or_insert_with(|| Box::new(self.failure(violation)));
        }
        Watched { report: self.report(), failure }
    }

    /// The settling time of the slowest virtual router.
    pub(crate) fn settling(&self) -> Duration {
        self.oracle.settling()
    }

    pub(crate) fn run_until(&mut self, end: Instant) -> Result<(), Violation> {
        while self.queue.next_at().is_some_and(|at| at <= end) {
            if let Some((at, event)) = self.queue.pop() {
                self.happen(at, event)?;
            }
        }
        self.now = end;
        self.judge()
    }

    /// One event, and what the oracles say afterwards.
    pub(crate) fn happen(&mut self, at: Instant, event: Event) -> Result<(), Violation> {
        self.step(at, event)?;
        self.judge()
    }

    /// One event.
    fn step(&mut self, at: Instant, event: Event) -> Result<(), Violation> {
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(Violation::TooManyEvents { limit: MAX_EVENTS });
        }
        self.now = self.now.max(at);
        if let Some(event) = self.unless_standing_still(event) {
            self.dispatch(event)?;
        }
        Ok(())
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            seed: self.scenario.seed,
            events: self.events,
            delivered: self.chronicle.delivered,
            lost: self.chronicle.lost,
            judged: self.oracle.judged(),
            settled: self.oracle.all_settled(self.now),
            story: self.chronicle.story(&self.scenario),
            told: self.chronicle.told.clone(),
            happenings: self.chronicle.happenings(),
            endings: self.endings(),
        }
    }

    pub(crate) fn failure(&self, violation: Violation) -> Failure {
        let trace = self.chronicle.trace(&self.scenario);
        Failure { seed: self.scenario.seed, at: self.now, violation, trace }
    }

    pub(crate) fn standings(&self) -> Vec<Standing> {
        let mut standings = Vec::new();
        for (host, side) in self.hosts.iter().zip(&self.sides) {
            let instances = 0..host.config.instances.len();
            standings.extend(instances.filter_map(|place| host.standing(self.now, InstanceId(place), *side)));
        }
        standings
    }

    fn endings(&self) -> Vec<Ending> {
        let mut endings = Vec::new();
        for (host, side) in self.hosts.iter().zip(&self.sides) {
            let instances = 0..host.config.instances.len();
            endings.extend(instances.filter_map(|place| host.ending(self.now, InstanceId(place), *side)));
        }
        endings
    }

    fn judge(&mut self) -> Result<(), Violation> {
        let standings = self.standings();
        let refusing = self.hosts.iter().any(|host| {
            host.refuses_since.is_some() || host.dawdles.is_some() || self.now < host.forgives_at
        });
        let lossy = self.weather.loss > 0 || !self.blocked.is_empty() || refusing;
        if lossy {
            self.neighbours.forget_all();
        } else {
            self.watch_neighbours(&standings);
        }
        self.oracle.check(self.now, lossy, &standings)?;
        self.check_neighbours(&standings)
    }

    fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Fault(fault) => self.fault(fault),
            Event::Packet(packet) => self.arrive(&packet),
            Event::Claim(claim) => self.overhear(&claim),
            Event::ToCore(node, incarnation, message) => self.tell(node, incarnation, message),
            Event::ToManager(node, incarnation, order) => {
                self.obey(node, incarnation, order);
                Ok(())
            }
            Event::StartManager(node) => {
                self.start_manager(node);
                Ok(())
            }
            Event::Release(node) => {
                self.release(node);
                Ok(())
            }
            Event::Wake(node, incarnation) => self.wake(node, incarnation),
            Event::Check(node, booted, input) => {
                self.check(node, booted, input);
                Ok(())
            }
            Event::Service(node, check) => {
                self.see_service(node, check);
                Ok(())
            }
            Event::StopLimit(node, incarnation) => {
                if self.is_running(node, incarnation) {
                    return Err(Violation::Unfinished { node: self.scenario.name(node).to_owned() });
                }
                Ok(())
            }
        }
    }

    /// Keeps back what a paused host or core can't do now.
    fn unless_standing_still(&mut self, event: Event) -> Option<Event> {
        let (node, for_core) = match &event {
            Event::Fault(Fault::Reload(node, _)) => (*node, true),
            Event::Fault(_) => return Some(event),
            Event::Packet(packet) => (packet.to, true),
            Event::Claim(claim) => (claim.to, true),
            Event::ToCore(node, ..) | Event::Wake(node, _) | Event::StopLimit(node, _) => (*node, true),
            Event::ToManager(node, ..)
            | Event::StartManager(node)
            | Event::Release(node)
            | Event::Check(node, ..)
            | Event::Service(node, _) => (*node, false),
        };
        let host = self.hosts.get_mut(node.0)?;
        if host.stands_still(for_core) {
            host.defer(event);
            return None;
        }
        Some(event)
    }

    pub(crate) fn is_on(&self, node: NodeId) -> bool {
        self.hosts.get(node.0).is_some_and(|host| host.power == Power::On)
    }

    fn is_running(&self, node: NodeId, incarnation: u32) -> bool {
        let running = self.hosts.get(node.0).and_then(|host| host.running.as_ref());
        running.is_some_and(|running| running.incarnation == incarnation)
    }

    fn wake(&mut self, node: NodeId, incarnation: u32) -> Result<(), Violation> {
        let now = self.now;
        let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) else {
            return Ok(());
        };
        if running.incarnation != incarnation {
            return Ok(());
        }
        running.alarm = None;
        let (last, count) = running.wakes;
        running.wakes = (now, if last == now { count + 1 } else { 1 });
        if running.wakes.1 > MAX_WAKES_IN_A_MOMENT {
            let node = self.scenario.name(node).to_owned();
            return Err(Violation::Restless { node, limit: MAX_WAKES_IN_A_MOMENT });
        }
        self.chronicle.note(now, Line::Woken(node));
        self.feed(node, Input::Wake)
    }

    /// A packet reaches a host, if it still can.
    fn arrive(&mut self, packet: &InFlight) -> Result<(), Violation> {
        let gist = packet.gist();
        let connected = self.connected(packet.from, packet.to);
        let hears = self.hosts.get(packet.to.0).is_some_and(|host| {
            connected && host.has_carrier(packet.link) && !host.deaf && host.running.is_some()
        });
        if !hears {
            self.chronicle.note(self.now, Line::Lost(packet.to, packet.source, gist));
            return Ok(());
        }
        self.chronicle.note(self.now, Line::Heard(packet.to, packet.source, gist));
        let input = Packet {
            link: packet.link,
            source: packet.source,
            destination: packet.destination,
            ttl: u8::MAX,
            sealed: packet.sealed,
            message: &packet.message,
        };
        self.feed(packet.to, Input::Packet(input))
    }

    /// A sibling's message reaches the core that it was meant for.
    fn tell(&mut self, node: NodeId, incarnation: u32, message: Message) -> Result<(), Violation> {
        let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) else {
            return Ok(());
        };
        if running.incarnation != incarnation {
            return Ok(());
        }
        self.chronicle.note(self.now, Line::Said(node, format!("vrrp-core is told {message:?}")));
        match message {
            Message::Link(fact) => self.feed(node, Input::Link(&fact)),
            Message::Present(held) => self.feed(node, Input::ManagerPresent { held: &held }),
            Message::Gone => {
                running.forget_under_way();
                self.feed(node, Input::ManagerGone)
            }
            Message::Reconnect => {
                self.say_to_manager(node, incarnation, Order::Hello);
                Ok(())
            }
            Message::Verdict(check, verdict) => self.feed(node, Input::Verdict { check: &check, verdict }),
            Message::Drained(true) => {
                self.feed(node, Input::Drain { instance: None, text: "by the scenario" })
            }
            Message::Drained(false) => self.feed(node, Input::Undrain { instance: None }),
            Message::Mended => (0..running.core.config().instances.len())
                .try_for_each(|place| self.feed(node, Input::Mended { instance: InstanceId(place) })),
            Message::Stop => self.feed(node, Input::Shutdown),
            Message::PreludeDone(instance, order) => self.feed(node, Input::PreludeDone { instance, order }),
            Message::Installed(instance, order, failures) => {
                running.count_under_way(instance, false);
                if failures.is_empty() {
                    self.feed(node, Input::Placed { instance, order, places: &[0] })?;
                }
                self.feed(
                    node,
                    Input::Installed { instance, order, failures: &failures, nothing: !failures.is_empty() },
                )
            }
            Message::Withdrawn(instance, order) => {
                match order {
                    Some(_) => running.count_under_way(instance, false),
                    None => running.count_revocation(instance, false),
                }
                self.feed(node, Input::Withdrawn { instance, order })
            }
        }
    }

    /// One input through the core's door, and everything that comes out of it.
    pub(crate) fn feed(&mut self, node: NodeId, input: Input<'_>) -> Result<(), Violation> {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return Ok(()) };
        let local = host.local(now);
        let Some(running) = host.running.as_mut() else { return Ok(()) };
        let limit = host
            .config
            .instances
            .iter()
            .map(|instance| MAX_OUTPUTS_PER_INSTANCE + 2 * instance.peers.len())
            .sum::<usize>()
            + MAX_OUTPUTS;
        running.core.handle(local, input);
        self.carry_out(node, limit)
    }

    /// Everything that the core wants done, at most `limit`.
    fn carry_out(&mut self, node: NodeId, limit: usize) -> Result<(), Violation> {
        let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) else {
            return Ok(());
        };
        let mut outputs = Vec::new();
        while let Some(output) = running.core.poll_output() {
            if outputs.len() == limit {
                return Err(Violation::TooManyOutputs { node: self.scenario.name(node).to_owned(), limit });
            }
            outputs.push(output);
        }
        for output in outputs {
            self.act(node, output)?;
        }
        self.check_groups(node)?;
        self.set_alarm(node);
        Ok(())
    }

    pub(crate) fn act(&mut self, node: NodeId, output: Output) -> Result<(), Violation> {
        match output {
            Output::Transmit(transmit) => {
                self.check_punctual(node, &transmit)?;
                self.transmit(node, &transmit);
                Ok(())
            }
            Output::Install { instance, order } => {
                self.order(node, instance, Order::Install(instance, order));
                Ok(())
            }
            Output::Withdraw { instance, order } => {
                self.order(node, instance, Order::Withdraw(instance, order));
                Ok(())
            }
            Output::Announce(instance) | Output::AnnouncePlaced { instance, .. } => {
                self.announce(node, instance);
                self.chronicle.note(self.now, Line::Announced(node, instance));
                Ok(())
            }
            Output::Prelude { instance, order, prelude } => {
                self.chronicle.note(self.now, Line::Prelude(node, instance, prelude));
                self.play_prelude(node, instance, order);
                Ok(())
            }
            Output::Transition(transition) => self.hear_told(node, transition),
            Output::GroupTransition(transition) => {
                let vrrp::GroupTransition { group, from, to, cause } = transition;
                let running = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut());
                if let Some(told) = running.and_then(|it| it.groups_told.get_mut(group.0)) {
                    *told = to;
                }
                let told = GroupTold { node, group, to, cause };
                self.chronicle.note(self.now, Line::GroupTold(told, from));
                Ok(())
            }
            // Adverts tell it to everybody who is on the LAN.
            Output::LowerMaster(_) => Ok(()),
            Output::Penalties(_) => {
                if let Some(host) = self.hosts.get_mut(node.0) {
                    host.remember_penalties();
                }
                Ok(())
            }
            Output::Priority { instance, priority } => {
                self.chronicle.note(self.now, Line::Priority(node, instance, priority));
                Ok(())
            }
            Output::Notice(notice) => {
                self.chronicle.note(self.now, Line::Noticed(node, notice.text));
                Ok(())
            }
            Output::Finished => {
                self.finish(node);
                Ok(())
            }
        }
    }

    /// Oracle 7. A goodbye may come late: it takes nothing from anybody.
    fn check_punctual(&mut self, node: NodeId, transmit: &Transmit) -> Result<(), Violation> {
        let (now, instance) = (self.now, transmit.instance);
        let Some(host) = self.hosts.get_mut(node.0) else { return Ok(()) };
        let limit = host.config.instances.get(instance.0).map(shortest_takeover).unwrap_or_default();
        let router = host.routers.get(instance.0).copied();
        let Some(running) = host.running.as_mut() else { return Ok(()) };
        let is_master = running.told.get(instance.0) == Some(&Some(State::Master));
        let Some(spoke) = running.spoke.get_mut(instance.0) else { return Ok(()) };
        let silence = spoke.map(|last| now.since(last)).unwrap_or_default();
        // Whoever has said goodbye takes over like anybody else, even while it keeps the addresses.
        *spoke = (!Gist::of(transmit.sealed, &transmit.message).is_goodbye()).then_some(now);
        if is_master && silence > limit && !Gist::of(transmit.sealed, &transmit.message).is_goodbye() {
            return Err(Violation::LateAdvert { node: self.scenario.name(node).to_owned(), silence });
        }
        let Some(router) = router else { return Ok(()) };
        if Gist::of(transmit.sealed, &transmit.message).is_goodbye() {
            // Its last advert may arrive after it.
            if silence <= self.weather.delay {
                self.oracle.forget_turn(router);
            }
            return Ok(());
        }
        self.oracle.speak(router, node.0)
    }

    /// Oracle 8: a group tells what its members tell together (docs/events.md).
    pub(crate) fn check_groups(&self, node: NodeId) -> Result<(), Violation> {
        let Some(host) = self.hosts.get(node.0) else { return Ok(()) };
        let Some(running) = &host.running else { return Ok(()) };
        for (group, told) in host.config.groups.iter().zip(&running.groups_told) {
            let members: Vec<State> = group
                .members
                .iter()
                .filter_map(|member| running.told.get(member.0).copied().flatten())
                .collect();
            let together = [State::Fault, State::Init, State::Backup]
                .into_iter()
                .find(|state| members.contains(state))
                .or_else(|| members.first().copied());
            if *told != together {
                let node = self.scenario.name(node).to_owned();
                return Err(Violation::WrongGroup {
                    node,
                    told: format!("{told:?}"),
                    members: format!("{members:?}"),
                });
            }
        }
        Ok(())
    }

    /// A state is told: each change starts from what was told before.
    fn hear_told(&mut self, node: NodeId, transition: Transition) -> Result<(), Violation> {
        let mut running = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut());
        let told = running.as_mut().and_then(|running| running.told.get_mut(transition.instance.0));
        let Some(told) = told else { return Ok(()) };
        if *told != Some(transition.from) {
            return Err(Violation::WrongHistory {
                node: self.scenario.name(node).to_owned(),
                said: transition.from.to_string(),
                was: told.map_or("STOP".to_owned(), |state| state.to_string()),
            });
        }
        *told = transition.to;
        if let Some(spoke) = running.and_then(|running| running.spoke.get_mut(transition.instance.0)) {
            *spoke = None;
        }
        let Transition { instance, from, to, cause, priority, .. } = transition;
        if cause.code == "stalled" {
            // Whoever slept gives way without a word: nobody can know whom it has misled.
            self.neighbours.forget_doubts();
        }
        let told = Told { at: self.now, node, instance, to, cause, priority };
        self.chronicle.note(self.now, Line::Told(told, from));
        self.run_hooks(node);
        Ok(())
    }

    pub(crate) fn set_alarm(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let clock = host.clock;
        let Some(running) = host.running.as_mut() else { return };
        let wanted = running.core.next_deadline().map(|local| local - clock);
        if running.alarm.map(|(deadline, _)| deadline) == wanted {
            return;
        }
        if let Some((_, ticket)) = running.alarm.take() {
            self.queue.cancel(ticket);
        }
        running.alarm = wanted.map(|deadline| {
            let late = self.rng.between(Duration::ZERO, self.scenario.delays.wake);
            let at = deadline.max(self.now) + late;
            (deadline, self.queue.push(at, Event::Wake(node, running.incarnation)))
        });
    }

    /// Starts a core: it connects to the manager, and to checkerd, which tells what it knows.
    pub(crate) fn start_core(&mut self, node: NodeId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        host.incarnations += 1;
        let mut running = Running::new(&host.config, host.incarnations, host.local(now));
        for (instance, penalty) in &host.penalties {
            running.core.handle(host.local(now), Input::Penalty { instance: *instance, penalty });
        }
        host.running = Some(running);
        let incarnation = host.incarnations;
        let drained = host.drained;
        let verdicts: Vec<_> =
            host.verdicts.iter().map(|(check, verdict)| (check.clone(), *verdict)).collect();
        if drained {
            self.say_to_core(node, Message::Drained(true));
        }
        self.say_to_manager(node, incarnation, Order::Hello);
        for (check, verdict) in verdicts {
            self.say_to_core(node, Message::Verdict(check, verdict));
        }
        self.set_alarm(node);
    }
}

#[cfg(test)]
mod tests;
