//! What each fault does to the world.
//!
//! A fault acts on hosts, links and the network, never on a core: a core only sees what a real one would see of it.

use std::time::Duration;

use model::{CheckName, LinkName, Verdict};
use vrrp::LinkId;

use crate::host::{Host, Power};
use crate::oracle::{Disturbance, Violation};
use crate::report::Line;
use crate::scenario::{Fault, NodeId};
use crate::world::{Event, Message, STOP_LIMIT, World};

/// How long a core leaves alone what was refused: the first time, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// Some time for messages.
const SPARE: Duration = Duration::from_secs(1);

/// How long after a kernel that has refused for a time its core tries again at the latest: each pause is twice the one
/// before, so it is as long as all before it together and the first.
pub(crate) fn forgiving_time(refused: Duration) -> Duration {
    refused.saturating_add(FIRST_PAUSE).min(MAX_PAUSE).saturating_add(SPARE)
}

impl World {
    /// Lets a fault happen and tells the oracles what kind of disturbance it is.
    ///
    /// # Errors
    /// An oracle was violated meanwhile.
    pub(crate) fn fault(&mut self, fault: Fault) -> Result<(), Violation> {
        self.chronicle.note(self.now, Line::Fault(fault.clone()));
        let disturbance = match &fault {
            Fault::Partition(_) | Fault::Heal => Some(Disturbance::Network),
            Fault::Weather(_) | Fault::Block(..) | Fault::Jump(..) => Some(Disturbance::Packets),
            Fault::Deafen(_) | Fault::Result(..) => None,
            Fault::StartHost(_)
            | Fault::CrashHost(_)
            | Fault::PauseHost(_)
            | Fault::ResumeHost(_)
            | Fault::StartCore(_)
            | Fault::CrashCore(_)
            | Fault::StopCore(_)
            | Fault::PauseCore(_)
            | Fault::ResumeCore(_)
            | Fault::CrashManager(_)
            | Fault::StartManager(_)
            | Fault::LinkDown(..)
            | Fault::LinkUp(..)
            | Fault::Verdict(..)
            | Fault::Reload(..)
            | Fault::Refuse(_)
            | Fault::Relent(_)
            | Fault::Dawdle(..)
            | Fault::Drain(_)
            | Fault::Undrain(_) => Some(Disturbance::Nodes),
        };
        self.strike(fault)?;
        match disturbance {
            Some(Disturbance::Packets) => self.neighbours.forget_all(),
            // A rival that is gone before it was heard has left no trace that anybody could follow.
            Some(Disturbance::Network | Disturbance::Nodes) => self.neighbours.forget_doubts(),
            None => {}
        }
        if let Some(disturbance) = disturbance {
            let standings = self.standings();
            self.oracle.disturb(self.now, disturbance, &standings);
        }
        Ok(())
    }

    fn strike(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::StartHost(node) => self.start_host(node),
            Fault::CrashHost(node) => self.crash_host(node),
            Fault::PauseHost(node) => self.pause_host(node),
            Fault::ResumeHost(node) => self.resume_host(node),
            Fault::StartCore(node) => {
                if self.host(node).is_some_and(|host| host.power == Power::On && host.running.is_none()) {
                    self.start_core(node);
                }
            }
            Fault::CrashCore(node) => {
                if self.host(node).is_some_and(|host| host.power == Power::On) {
                    self.end_core(node);
                }
            }
            Fault::StopCore(node) => self.stop_core(node),
            Fault::PauseCore(node) => self.pause_core(node),
            Fault::ResumeCore(node) => self.resume_core(node),
            Fault::CrashManager(node) => {
                if self.host(node).is_some_and(|host| host.power == Power::On) {
                    self.crash_manager(node);
                }
            }
            Fault::StartManager(node) => {
                self.queue.push(self.now, Event::StartManager(node));
            }
            Fault::LinkDown(node, link) => self.set_carrier(node, &link, false),
            Fault::LinkUp(node, link) => self.set_carrier(node, &link, true),
            Fault::Verdict(node, check, verdict) => {
                self.end_service(node, &check);
                self.set_verdict(node, check, verdict);
            }
            Fault::Result(node, check, outcome) => {
                if let Some(host) = self.host(node) {
                    host.script(&check, &outcome);
                }
            }
            Fault::Drain(node) => self.set_drained(node, true),
            Fault::Undrain(node) => self.set_drained(node, false),
            Fault::Partition(parts) => self.part(&parts),
            Fault::Heal => {
                self.blocked.clear();
                self.part(&[]);
            }
            Fault::Block(from, to) => {
                self.blocked.insert((from, to));
            }
            Fault::Reload(node, place) => return self.reload(node, place),
            Fault::Refuse(node) => {
                let now = self.now;
                if let Some(host) = self.host(node) {
                    host.refuses_since.get_or_insert(now);
                }
            }
            Fault::Relent(node) => self.relent(node),
            Fault::Dawdle(node, by) => self.dawdle(node, by),
            Fault::Jump(node, by) => {
                if let Some(host) = self.host(node) {
                    host.clock += by;
                    self.set_alarm(node);
                }
            }
            Fault::Weather(weather) => self.weather = weather,
            Fault::Deafen(node) => {
                if let Some(host) = self.host(node) {
                    host.deaf = true;
                }
            }
        }
        Ok(())
    }

    /// Elections are judged again when its core has tried again too.
    fn relent(&mut self, node: NodeId) {
        let now = self.now;
        let Some(host) = self.host(node) else { return };
        if let Some(since) = host.refuses_since.take() {
            host.forgives_at = now + forgiving_time(now.since(since));
            self.say_to_core(node, Message::Mended);
        }
    }

    /// Whoever waits too long for an answer counts it as a refusal; the last answer may be on its way for all that time.
    fn dawdle(&mut self, node: NodeId, by: Duration) {
        let now = self.now;
        let Some(host) = self.host(node) else { return };
        let before = host.dawdles.take();
        if by > Duration::ZERO {
            host.dawdles = Some((before.map_or(now, |(since, _)| since), by));
        } else if let Some((since, by)) = before {
            host.forgives_at = now + by + forgiving_time(now.since(since).saturating_add(by));
        }
    }

    fn host(&mut self, node: NodeId) -> Option<&mut Host> {
        self.hosts.get_mut(node.0)
    }

    fn start_host(&mut self, node: NodeId) {
        let Some(host) = self.host(node).filter(|host| host.power == Power::Off) else { return };
        host.boot();
        self.start_core(node);
        self.start_checker(node);
    }

    fn crash_host(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0).filter(|host| host.power != Power::Off) else { return };
        let alarm = host.running.as_ref().and_then(|running| running.alarm);
        for ticket in alarm.map(|(_, ticket)| ticket).into_iter().chain(host.release.take()) {
            self.queue.cancel(ticket);
        }
        for instance in host.manager.held() {
            self.chronicle.note(self.now, Line::Held(node, instance, false));
        }
        host.lose_power();
        self.neighbours.forget_one(node.0);
        self.stop_services(node);
    }

    fn pause_host(&mut self, node: NodeId) {
        if let Some(host) = self.host(node).filter(|host| host.power == Power::On) {
            host.power = Power::Frozen;
            self.neighbours.forget_one(node.0);
        }
    }

    fn resume_host(&mut self, node: NodeId) {
        let (now, delay) = (self.now, self.scenario.delays.message);
        let Some(host) = self.host(node).filter(|host| host.power == Power::Frozen) else { return };
        host.power = Power::On;
        // A grace that ran while nothing ran goes on from here, also that of a core which had yet to say hello.
        host.excuse_addresses(now, delay);
        self.catch_up(node);
    }

    fn stop_core(&mut self, node: NodeId) {
        let now = self.now;
        let Some(running) = self.host(node).and_then(|host| host.running.as_mut()) else { return };
        if !running.stopping {
            running.stopping = true;
            let incarnation = running.incarnation;
            self.queue.push(now, Event::ToCore(node, incarnation, Message::Stop));
            self.queue.push(now + STOP_LIMIT, Event::StopLimit(node, incarnation));
        }
    }

    fn pause_core(&mut self, node: NodeId) {
        let (now, delay) = (self.now, self.scenario.delays.message);
        let Some(host) = self.host(node).filter(|host| host.power == Power::On) else { return };
        let Some(running) = host.running.as_mut().filter(|running| !running.frozen) else { return };
        running.frozen = true;
        host.manager.core_silent(now);
        host.excuse_addresses(now, delay);
        self.arrange_release(node);
    }

    fn resume_core(&mut self, node: NodeId) {
        let Some(host) = self.host(node).filter(|host| host.power == Power::On) else { return };
        let Some(running) = host.running.as_mut().filter(|running| running.frozen) else { return };
        running.frozen = false;
        host.manager.core_back();
        self.arrange_release(node);
        self.catch_up(node);
    }

    /// Everything that waited happens now, in its order, the timers last: vrrp-core reads its sockets dry before it
    /// wakes the core ([`vrrp::Core::handle`]).
    fn catch_up(&mut self, node: NodeId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let is_timer = |event: &Event| matches!(event, Event::Wake(..));
        let (timers, others): (Vec<_>, Vec<_>) = host.deferred.drain(..).partition(is_timer);
        for event in others.into_iter().chain(timers) {
            let at = match &event {
                Event::StopLimit(..) => now + STOP_LIMIT,
                Event::Fault(_)
                | Event::Packet(_)
                | Event::Claim(_)
                | Event::ToCore(..)
                | Event::ToManager(..)
                | Event::StartManager(_)
                | Event::Release(_)
                | Event::Service(..)
                | Event::Check(..)
                | Event::Wake(..) => now,
            };
            self.queue.push(at, event);
        }
    }

    fn set_carrier(&mut self, node: NodeId, name: &LinkName, up: bool) {
        let Some(host) = self.host(node) else { return };
        let Some(place) = host.config.links.iter().position(|link| link == name) else { return };
        if let Some(carrier) = host.carrier.get_mut(place) {
            *carrier = up;
        }
        let fact = host.link_fact(LinkId(place));
        self.neighbours.forget_one(node.0);
        if let Some(fact) = fact {
            self.say_to_core(node, Message::Link(fact));
        }
    }

    pub(crate) fn set_verdict(&mut self, node: NodeId, check: CheckName, verdict: Verdict) {
        let Some(host) = self.host(node) else { return };
        // An unknown verdict takes nothing back: what was known is what counts.
        if verdict != Verdict::Unknown {
            host.verdicts.insert(check.clone(), verdict);
        }
        self.say_to_core(node, Message::Verdict(check, verdict));
    }

    fn set_drained(&mut self, node: NodeId, drained: bool) {
        let Some(host) = self.host(node) else { return };
        host.drained = drained;
        self.say_to_core(node, Message::Drained(drained));
    }

    /// Who is named in a part is on that side; everybody else is on side 0.
    fn part(&mut self, parts: &[Vec<NodeId>]) {
        for (place, side) in self.sides.iter_mut().enumerate() {
            let part = parts.iter().position(|part| part.contains(&NodeId(place)));
            *side = part.map_or(0, |part| part + 1);
        }
    }
}
