//! What goes on between the processes of one host: orders to its ipmgr, answers, graces, and the end of a core.
//!
//! The manager acts at the moment in which an order reaches it; the core learns of it when the answer arrives.

use vrrp::{InstanceId, LinkId};

use crate::host::{Host, Power};
use crate::manager::Order;
use crate::oracle::Disturbance;
use crate::report::Line;
use crate::scenario::NodeId;
use crate::world::{Event, Message, World};

/// How much a socket holds for a process that stands still; what comes on top is lost.
const MAX_DEFERRED_PACKETS: usize = 200;

impl Host {
    /// Whether the host, or what an event on it is for, is paused.
    pub(crate) fn stands_still(&self, for_core: bool) -> bool {
        let core_frozen = self.running.as_ref().is_some_and(|running| running.frozen);
        self.power == Power::Frozen || (for_core && core_frozen)
    }

    /// Keeps an event until the pause is over.
    pub(crate) fn defer(&mut self, event: Event) {
        let is_packet = |event: &Event| matches!(event, Event::Packet(_));
        let full = self.deferred.iter().filter(|event| is_packet(event)).count() >= MAX_DEFERRED_PACKETS;
        if !(full && is_packet(&event)) {
            self.deferred.push(event);
        }
    }
}

impl World {
    /// The core on a node orders something about an instance's addresses.
    pub(crate) fn order(&mut self, node: NodeId, instance: InstanceId, order: Order) {
        let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) else { return };
        running.count_under_way(instance, true);
        let incarnation = running.incarnation;
        self.chronicle.note(self.now, Line::Said(node, format!("vrrp-core orders {order:?}")));
        self.say_to_manager(node, incarnation, order);
    }

    /// An order reaches the manager. What a core said before it died is still read; what was said before power was
    /// lost is not.
    pub(crate) fn obey(&mut self, node: NodeId, incarnation: u32, order: Order) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        if host.power == Power::Off || !host.manager_runs || incarnation < host.booted {
            return;
        }
        let current = host.running.as_ref().is_some_and(|running| running.incarnation == incarnation);
        match order {
            Order::Hello if current => self.greet(node),
            Order::Hello => {}
            Order::Install(instance, number)
                if host.refuses_since.is_some() && !host.manager.holds(instance) =>
            {
                let count = host.config.instances.get(instance.0).map_or(0, |one| one.addresses.len());
                let failures = vec!["the kernel refuses: EPERM".to_owned(); count];
                if current {
                    self.answer(node, Message::Installed(instance, number, failures));
                }
            }
            Order::Install(instance, number) => {
                if !host.manager.holds(instance) {
                    self.chronicle.note(now, Line::Held(node, instance, true));
                }
                host.manager.install(now, instance);
                if current {
                    self.answer(node, Message::Installed(instance, number, Vec::new()));
                }
            }
            Order::Withdraw(instance, number) => {
                if host.manager.holds(instance) {
                    self.chronicle.note(now, Line::Held(node, instance, false));
                }
                host.manager.withdraw(instance);
                if current {
                    self.answer(node, Message::Withdrawn(instance, Some(number)));
                }
            }
            Order::Closed => host.manager.core_gone(now),
        }
        self.arrange_release(node);
    }

    /// A core has connected: it is told of every link and of what is still held, in either order.
    fn greet(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let mut messages: Vec<_> = (0..host.config.links.len())
            .filter_map(|link| host.link_fact(LinkId(link)))
            .map(Message::Link)
            .chain([Message::Present(host.manager.held())])
            .collect();
        self.rng.shuffle(&mut messages);
        for message in messages {
            self.say_to_core(node, message);
        }
    }

    /// A grace is over.
    pub(crate) fn release(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        host.release = None;
        for instance in host.manager.release(self.now) {
            self.chronicle.note(self.now, Line::Held(node, instance, false));
            if let Some(running) = self.hosts.get_mut(node.0).and_then(|host| host.running.as_mut()) {
                running.count_revocation(instance, true);
                self.say_to_core(node, Message::Withdrawn(instance, None));
            }
        }
        self.arrange_release(node);
    }

    /// The manager dies: what was said to it is lost, what it said is still read, and the addresses stay.
    pub(crate) fn crash_manager(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0).filter(|host| host.manager_runs) else { return };
        host.manager_runs = false;
        if let Some(ticket) = host.release.take() {
            self.queue.cancel(ticket);
        }
        self.queue.retain(|event| !matches!(event, Event::ToManager(to, ..) if *to == node));
        self.say_to_core(node, Message::Gone);
    }

    /// A new manager finds what is left on the host, and waits for a core to say what of it is right.
    pub(crate) fn start_manager(&mut self, node: NodeId) {
        let (now, delay) = (self.now, self.scenario.delays.message);
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        if host.power == Power::Off || host.manager_runs {
            return;
        }
        host.manager_runs = true;
        host.manager.core_gone(now);
        host.excuse_addresses(now, delay);
        self.arrange_release(node);
        self.say_to_core(node, Message::Reconnect);
        // Only now the node is one that can be master: the fault that began this came before.
        let standings = self.standings();
        self.oracle.disturb(now, Disturbance::Nodes, &standings);
    }

    pub(crate) fn arrange_release(&mut self, node: NodeId) {
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let wanted = host.manager.next_release();
        if host.release.map(|ticket| ticket.at()) == wanted {
            return;
        }
        if let Some(ticket) = host.release.take() {
            self.queue.cancel(ticket);
        }
        host.release = wanted.map(|at| self.queue.push(at, Event::Release(node)));
    }

    /// A core says that it has finished, and ends.
    pub(crate) fn finish(&mut self, node: NodeId) {
        self.chronicle.note(self.now, Line::Said(node, "vrrp-core has finished".to_owned()));
        self.end_core(node);
    }

    /// The core's process ends; the manager sees its socket closed, later.
    pub(crate) fn end_core(&mut self, node: NodeId) {
        let (now, delay) = (self.now, self.scenario.delays.message);
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let Some(running) = host.running.take() else { return };
        if let Some((_, ticket)) = running.alarm {
            self.queue.cancel(ticket);
        }
        host.deferred.retain(|event| {
            matches!(
                event,
                Event::ToManager(..)
                    | Event::StartManager(_)
                    | Event::Release(_)
                    | Event::Fault(_)
                    | Event::Check(..)
            )
        });
        host.excuse_addresses(now, delay);
        self.say_to_manager(node, running.incarnation, Order::Closed);
    }
}
