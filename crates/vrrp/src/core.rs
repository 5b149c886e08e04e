//! The core: routes every input to the instances it concerns and keeps the one queue of deadlines.
//!
//! It must never read a clock, touch a socket or wait. What an instance makes of an input is in `machine.rs`.
//! Read RFC 9568 section 6 first.

mod reconfigure;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::{CheckName, Instant, LinkFact, Verdict};

use crate::door::{CoreConfig, GroupId, Input, InstanceId, LinkId, MAX_DRAIN_TEXT, Notice, Output, Packet};
use crate::eligibility::{Facts, Manager, Numbers, Verdicts};
use crate::groups::{self, Group, GroupFacts, MAX_ROUNDS, Move};
use crate::instance::{Instance, Outbox, Turn};
use crate::link::{KnownLink, SOURCE_PATIENCE};
use crate::machine::{Event, Installed};
use crate::queue::{Queue, Who};
use crate::receive;
use crate::remarks::Remarks;
use crate::routes::Routes;
use crate::startup::Startup;
use crate::status::{InstanceView, LinkView, PenaltyView, Status};

pub use reconfigure::Switched;

/// How long [`Input::Shutdown`] waits for ipmgr to take the addresses away, once they aren't kept for a successor.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// All virtual routers of one host.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    instances: Vec<Instance>,
    groups: Vec<Group>,
    /// Per instance, the group that it is in.
    membership: Vec<Option<GroupId>>,
    routes: Routes,
    known_links: Vec<KnownLink>,
    /// Per link, what came in on it for nobody.
    strays: Vec<Remarks>,
    verdicts: Verdicts,
    numbers: Numbers,
    /// Per instance, why it is out by order.
    drains: Vec<Option<Box<str>>>,
    /// What the wall clock showed at [`Instant::ZERO`], as far as we were told.
    wall_at_zero: Duration,
    manager: Manager,
    startup: Startup,
    life: Life,
    queue: Queue,
    /// Kept for its room: a wake allocates nothing.
    due: Vec<Who>,
    out: Outbox,
}

/// How far the core is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// Waits for addresses to go, until then.
    Stopping(Instant),
    Finished,
}

impl Core {
    /// Every instance starts undecided and waits for its link's fact and for the address manager.
    ///
    /// The configuration has been validated: links and VRIDs are unique as [`CoreConfig`] says. An instance whose
    /// link isn't listed hears and says nothing.
    #[must_use]
    pub fn new(mut config: CoreConfig, now: Instant) -> Self {
        groups::share_trackers(&mut config);
        let instances = config.instances.iter().enumerate();
        let instances: Vec<_> =
            instances.map(|(place, one)| Instance::new(InstanceId(place), one.clone(), now)).collect();
        let known_links = config.links.iter().cloned().map(KnownLink::new);
        let mut core = Self {
            groups: groups::form(&config, now),
            membership: groups::membership(&config),
            routes: Routes::of(&config),
            known_links: known_links.collect(),
            strays: config.links.iter().map(|_| Remarks::default()).collect(),
            startup: Startup::begin(&config, now),
            config,
            verdicts: Verdicts::new(),
            numbers: Numbers::new(),
            wall_at_zero: Duration::ZERO,
            drains: vec![None; instances.len()],
            instances,
            manager: Manager::Awaited,
            life: Life::Running,
            queue: Queue::default(),
            due: Vec::new(),
            out: Outbox::default(),
        };
        core.deliver_to_all(now, |_| Event::Facts);
        core
    }

    /// Takes one input. Timers fire on [`Input::Wake`] alone: hand over the packets that have arrived first, so that
    /// a master that spoke in time is not taken for silent because we were slow.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        if self.life == Life::Finished {
            return;
        }
        match input {
            Input::Packet(packet) => self.on_packet(now, &packet),
            Input::Link(fact) => self.on_link(now, fact),
            Input::Number { check, number } => self.on_number(now, check, number),
            Input::Verdict { check, verdict } => self.on_verdict(now, check, verdict),
            Input::ManagerPresent { held } => {
                self.manager = Manager::Present;
                let held: HashSet<_> = held.iter().collect();
                self.deliver_to_all(now, |id| Event::ManagerPresent { held: held.contains(&id) });
            }
            Input::ManagerGone => {
                self.manager = Manager::Gone;
                self.deliver_to_all(now, |_| Event::Facts);
            }
            Input::Placed { instance, order, places } => {
                self.deliver(now, instance, Event::Placed { order, places });
            }
            Input::Installed { instance, order, failures, nothing } => {
                self.deliver(now, instance, Event::Installed(Installed { order, failures, nothing }));
            }
            Input::Withdrawn { instance, order } => self.deliver(now, instance, Event::Withdrawn { order }),
            Input::Moved { instance } => self.deliver(now, instance, Event::Moved),
            Input::Barred { instance, why } => self.deliver(now, instance, Event::Barred(why)),
            Input::Mended { instance } => self.deliver(now, instance, Event::Mended),
            Input::PreludeDone { instance, order } => {
                self.deliver(now, instance, Event::PreludeDone { order });
            }
            Input::StartupDone => {
                let startup = self.startup.script_done(self.config.startup_delay, now);
                self.go_on(now, startup);
            }
            Input::Claim { instance, address, mac } => {
                self.deliver(now, instance, Event::Claim { address, mac });
            }
            Input::Drain { instance, text } => {
                let text = (0..=MAX_DRAIN_TEXT).rev().find_map(|end| text.get(..end));
                self.drain(now, instance, text);
            }
            Input::Undrain { instance } => self.drain(now, instance, None),
            Input::Penalty { instance, penalty } => {
                if let Some(instance) = self.instances.get_mut(instance.0) {
                    instance.roles.recall(now, penalty, &instance.config.checks);
                }
                self.deliver(now, instance, Event::Facts);
            }
            Input::WallClock(wall) => {
                self.wall_at_zero = wall.saturating_sub(Duration::from_nanos(now.as_nanos()));
            }
            Input::Wake => self.on_wake(now),
            Input::Shutdown => {
                if self.life == Life::Running {
                    self.deliver_to_all(now, |_| Event::Shutdown);
                    let kept = self.instances.iter().filter_map(Instance::kept_until).max();
                    self.life = Life::Stopping(kept.unwrap_or(now) + SHUTDOWN_LIMIT);
                }
            }
        }
        self.finish_if_done();
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.outputs.pop_front()
    }

    /// When to send [`Input::Wake`]; may be earlier than anything is due, never later.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let turn_of_life = match self.life {
            Life::Running => self.startup.until(),
            Life::Stopping(limit) => Some(limit),
            Life::Finished => return None,
        };
        self.queue.first().into_iter().chain(turn_of_life).min()
    }

    /// Until when [`Input::StartupDone`] is waited for, if it is.
    #[must_use]
    pub const fn startup_script_until(&self) -> Option<Instant> {
        match self.startup {
            Startup::Script(until) => Some(until),
            Startup::Delay(_) | Startup::Over => None,
        }
    }

    /// What it was configured with.
    #[must_use]
    pub const fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// Everything at once.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            instances: self.instances.iter().map(Instance::view).collect(),
            groups: self.groups.iter().map(Group::view).collect(),
            links: self.strays.iter().map(LinkView::of).collect(),
        }
    }

    /// One instance; `None` if there is no such place in the configuration.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<InstanceView> {
        self.instances.get(id.0).map(Instance::view)
    }

    /// What the instance has failed as master: also what counts no more, but makes the next penalty longer.
    pub fn penalties(&self, id: InstanceId) -> impl Iterator<Item = PenaltyView> {
        self.instances.get(id.0).into_iter().flat_map(|instance| instance.roles.all())
    }

    /// Whether the instance is master with addresses in place now. [`Output::Announce`] is true only as long: who puts
    /// one off asks before it goes.
    #[must_use]
    pub fn may_announce(&self, id: InstanceId) -> bool {
        self.instances.get(id.0).is_some_and(Instance::may_announce)
    }

    /// One link; `None` if there is no such place in the configuration.
    #[must_use]
    pub fn link(&self, id: LinkId) -> Option<LinkView> {
        self.strays.get(id.0).map(LinkView::of)
    }

    fn on_packet(&mut self, now: Instant, packet: &Packet<'_>) {
        let Some(id) = self.routes.of_packet(packet) else {
            self.on_stray(now, packet);
            return;
        };
        let judgement = match self.instances.get(id.0) {
            Some(instance) => instance.judge(packet),
            None => return,
        };
        match judgement {
            Ok(heard) => self.deliver(now, id, Event::Advert(heard)),
            Err(rejected) => self.deliver(now, id, Event::Rejected { rejected, from: packet.source }),
        }
    }

    fn on_stray(&mut self, now: Instant, packet: &Packet<'_>) {
        let Some(strays) = self.strays.get_mut(packet.link.0) else { return };
        let Some(name) = self.config.links.get(packet.link.0) else { return };
        let rejected = receive::judge_stray(packet);
        let text = || format!("{name}: dropped a packet from {}: {rejected}", packet.source);
        if let Some(line) = strays.note(now, rejected.remark(), packet.source, text) {
            let notice = Notice { instance: None, text: line.text, suppressed: line.suppressed };
            self.out.outputs.push_back(Output::Notice(notice));
        }
        self.queue.ensure(Who::Link(packet.link), strays.deadline());
    }

    fn on_link(&mut self, now: Instant, fact: &LinkFact) {
        let Some(id) = self.routes.link(&fact.name) else { return };
        let (Some(known), Some(concerned)) = (self.known_links.get_mut(id.0), self.routes.on_link(id)) else {
            return;
        };
        let intervals = concerned.iter().filter_map(|id| self.instances.get(id.0)).map(Instance::interval);
        known.learn(now, fact, intervals.fold(SOURCE_PATIENCE, Duration::min));
        self.queue.ensure(Who::Link(id), known.deadline());
        self.deliver_to(now, &concerned, Event::Facts);
    }

    /// Silence of checkerd is no verdict: what was known stands, so that one crash never moves every address.
    fn on_verdict(&mut self, now: Instant, check: &CheckName, verdict: Verdict) {
        match verdict {
            Verdict::Unknown => return,
            Verdict::Up | Verdict::Down | Verdict::Unrunnable => {}
        }
        let Some(concerned) = self.routes.tracking(check) else { return };
        self.verdicts.insert(check.clone(), verdict);
        self.deliver_to(now, &concerned, Event::Facts);
    }

    fn on_number(&mut self, now: Instant, check: &CheckName, number: i32) {
        let Some(concerned) = self.routes.tracking(check) else { return };
        self.numbers.insert(check.clone(), number);
        self.deliver_to(now, &concerned, Event::Facts);
    }

    fn drain(&mut self, now: Instant, instance: Option<InstanceId>, text: Option<&str>) {
        let concerned = match instance {
            Some(InstanceId(place)) => place..place.saturating_add(1),
            None => 0..self.drains.len(),
        };
        for place in concerned {
            if let Some(drain) = self.drains.get_mut(place) {
                *drain = text.map(Box::from);
                if let (None, Some(instance)) = (text, self.instances.get_mut(place)) {
                    instance.roles.forgive();
                }
                let event = if text.is_none() { Event::Mended } else { Event::Facts };
                self.deliver(now, InstanceId(place), event);
            }
        }
    }

    /// The start has come so far.
    fn go_on(&mut self, now: Instant, startup: Startup) {
        if std::mem::replace(&mut self.startup, startup) != startup {
            self.deliver_to_all(now, |_| Event::Facts);
        }
    }

    /// Everybody who is due is asked once, so that a wake ends whatever the deadlines are.
    fn on_wake(&mut self, now: Instant) {
        let startup = self.startup.at(self.config.startup_delay, now);
        if let (Startup::Script(_), Startup::Delay(_) | Startup::Over) = (self.startup, startup) {
            let text =
                "nobody has said in time that startup_script has ended: elections begin without".to_owned();
            self.out.outputs.push_back(Output::Notice(Notice { instance: None, text, suppressed: 0 }));
        }
        self.go_on(now, startup);
        let mut due = std::mem::take(&mut self.due);
        while let Some(who) = self.queue.pop_due(now) {
            due.push(who);
        }
        for who in due.drain(..) {
            match who {
                Who::Instance(id) => self.deliver(now, id, Event::Due),
                Who::Link(id) => {
                    self.expire_link(now, id);
                    self.flush_strays(now, id);
                }
            }
        }
        self.due = due;
        match self.life {
            Life::Stopping(limit) if now >= limit => self.deliver_to_all(now, |_| Event::GiveUp),
            Life::Running | Life::Stopping(_) | Life::Finished => {}
        }
    }

    fn expire_link(&mut self, now: Instant, id: LinkId) {
        let (Some(known), Some(concerned)) = (self.known_links.get_mut(id.0), self.routes.on_link(id)) else {
            return;
        };
        if known.expire(now) {
            self.deliver_to(now, &concerned, Event::Facts);
        } else {
            self.queue.ensure(Who::Link(id), known.deadline());
        }
    }

    fn flush_strays(&mut self, now: Instant, id: LinkId) {
        let Some(strays) = self.strays.get_mut(id.0) else { return };
        let Some(name) = self.config.links.get(id.0) else { return };
        for line in strays.flush(now) {
            let text = format!("{name}: {}", line.text);
            self.out.outputs.push_back(Output::Notice(Notice {
                instance: None,
                text,
                suppressed: line.suppressed,
            }));
        }
        self.queue.ensure(Who::Link(id), strays.deadline());
    }

    fn deliver_to_all(&mut self, now: Instant, event: impl Fn(InstanceId) -> Event<'static>) {
        for place in 0..self.instances.len() {
            self.deliver_to_one(now, InstanceId(place), event(InstanceId(place)));
        }
        for place in 0..self.groups.len() {
            self.align(now, GroupId(place));
        }
    }

    fn deliver_to(&mut self, now: Instant, concerned: &[InstanceId], event: Event<'_>) {
        for id in concerned {
            self.deliver_to_one(now, *id, event);
        }
        // Each group once: a link may be everybody's.
        let group = |id: &InstanceId| self.membership.get(id.0).copied().flatten();
        let groups: BTreeSet<_> = concerned.iter().filter_map(group).collect();
        for group in groups {
            self.align(now, group);
        }
    }

    fn deliver(&mut self, now: Instant, id: InstanceId, event: Event<'_>) {
        self.deliver_to_one(now, id, event);
        self.align_group_of(now, id);
    }

    fn align_group_of(&mut self, now: Instant, id: InstanceId) {
        if let Some(group) = self.membership.get(id.0).copied().flatten() {
            self.align(now, group);
        }
    }

    /// Lets a group's members know what has become of the others, until they are all of one mind.
    fn align(&mut self, now: Instant, id: GroupId) {
        for _ in 0..MAX_ROUNDS {
            let Some(group) = self.groups.get_mut(id.0) else { return };
            let members = Arc::clone(&group.ids);
            if group.look(&self.instances) {
                for member in members.iter() {
                    self.deliver_to_one(now, *member, Event::Facts);
                }
                continue;
            }
            let Some(next) = group.next_move(&self.instances) else { break };
            let event = match &next {
                Move::Rise(leader) => Event::Rise(leader),
                Move::Yield(leader) => Event::Yield(leader),
            };
            for member in members.iter() {
                self.deliver_to_one(now, *member, event);
            }
        }
        let told = self.groups.get_mut(id.0).and_then(|group| group.tell(now, &self.instances));
        self.out.outputs.extend(told.map(Output::GroupTransition));
    }

    /// Until when the rest of its group keeps an instance whose own timer may have fired.
    fn held_back_until(&self, id: InstanceId, event: &Event<'_>) -> Option<Instant> {
        let group =
            self.membership.get(id.0).copied().flatten().and_then(|group| self.groups.get(group.0))?;
        matches!(event, Event::Due).then(|| group.held_back_until(id, &self.instances)).flatten()
    }

    fn deliver_to_one(&mut self, now: Instant, id: InstanceId, event: Event<'_>) {
        let held_back_until = self.held_back_until(id, &event);
        let group = self.membership.get(id.0).copied().flatten().and_then(|group| self.groups.get(group.0));
        let Some(instance) = self.instances.get_mut(id.0) else { return };
        let Some(link) = self.known_links.get(instance.config.link.0) else { return };
        let facts = Facts {
            now,
            link,
            links: &self.known_links,
            manager: self.manager,
            wall_at_zero: self.wall_at_zero,
            verdicts: &self.verdicts,
            numbers: &self.numbers,
            startup: self.startup,
            drained: self.drains.get(id.0).and_then(Option::as_deref),
            group: group.map(|group| GroupFacts {
                members: &group.members,
                held_back_until,
                is_shy: group.is_shy,
            }),
        };
        instance.handle(&mut Turn { now, facts, out: &mut self.out }, event);
        if instance.roles.is_stale(now, instance.is_told_master()) {
            instance.handle(&mut Turn { now, facts, out: &mut self.out }, Event::Facts);
        }
        self.queue.ensure(Who::Instance(id), instance.deadline());
    }

    fn finish_if_done(&mut self) {
        match self.life {
            Life::Stopping(_) if self.instances.iter().all(Instance::has_stopped) => {
                self.life = Life::Finished;
                self.out.outputs.push_back(Output::Finished);
            }
            Life::Running | Life::Stopping(_) | Life::Finished => {}
        }
    }
}
