//! How packets and messages travel: the LAN between hosts, and the streams between the processes of one host.
//!
//! Packets are lost, doubled, echoed and overtake each other as the weather says. Streams lose nothing and keep their
//! order, as Unix sockets do.

use std::time::Duration;

use vrrp::Transmit;

use crate::manager::Order;
use crate::report::{Gist, Line};
use crate::scenario::NodeId;
use crate::world::{Event, InFlight, Message, World};

impl World {
    /// Whether packets can pass between two nodes, links aside.
    pub(crate) fn connected(&self, one: NodeId, other: NodeId) -> bool {
        self.sides.get(one.0) == self.sides.get(other.0)
    }

    /// A packet leaves a node for whoever it is meant for.
    pub(crate) fn transmit(&mut self, from: NodeId, transmit: &Transmit) {
        let gist = Gist::of(transmit.sealed, &transmit.message);
        self.chronicle.note(self.now, Line::Sent(from, transmit.destination, gist));
        let Some(sender) = self.hosts.get(from.0).filter(|sender| sender.has_carrier(transmit.link)) else {
            return;
        };
        let Some(lan) = sender.lans.get(transmit.link.0).copied() else { return };
        let mut receivers = Vec::new();
        for (place, host) in self.hosts.iter().enumerate() {
            let Some(link) = host.link_on(lan) else { continue };
            let meant = transmit.destination.is_multicast() || host.answers_to(link, transmit.destination);
            let echo = place == from.0 && self.rng.chance(self.weather.echoes);
            if echo || (meant && place != from.0) {
                receivers.push((NodeId(place), link));
            }
        }
        for (to, link) in receivers {
            let (source, destination, sealed) = (transmit.source, transmit.destination, transmit.sealed);
            let message = transmit.message.clone();
            self.put_on_the_wire(InFlight { from, to, link, source, destination, sealed, message });
        }
    }

    fn put_on_the_wire(&mut self, packet: InFlight) {
        let blocked = self.blocked.contains(&(packet.from, packet.to));
        if blocked || !self.connected(packet.from, packet.to) || self.rng.chance(self.weather.loss) {
            self.chronicle.note(self.now, Line::Lost(packet.to, packet.source, packet.gist()));
            return;
        }
        let copies = if self.rng.chance(self.weather.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            let delay = self.rng.between(Duration::ZERO, self.weather.delay);
            self.queue.push(self.now + delay, Event::Packet(packet.clone()));
        }
    }

    /// A message sets out to the core that runs on a node now, if one does.
    pub(crate) fn say_to_core(&mut self, node: NodeId, message: Message) {
        let delay = self.rng.between(Duration::ZERO, self.scenario.delays.message);
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let Some(running) = &host.running else { return };
        host.to_core = host.to_core.max(self.now + delay);
        self.queue.push(host.to_core, Event::ToCore(node, running.incarnation, message));
    }

    /// The manager answers an order, when it comes to it.
    pub(crate) fn answer(&mut self, node: NodeId, message: Message) {
        let late = self.rng.between(Duration::ZERO, self.scenario.delays.answer);
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let dawdles = host.dawdles.map(|(_, by)| by).unwrap_or_default();
        host.to_core = host.to_core.max(self.now + late + dawdles);
        self.say_to_core(node, message);
    }

    /// A message sets out from a core to the manager of its host.
    pub(crate) fn say_to_manager(&mut self, node: NodeId, incarnation: u32, order: Order) {
        let delay = self.rng.between(Duration::ZERO, self.scenario.delays.message);
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        host.to_manager = host.to_manager.max(self.now + delay);
        self.queue.push(host.to_manager, Event::ToManager(node, incarnation, order));
    }
}
