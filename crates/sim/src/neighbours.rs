//! Oracle 9: what the neighbours believe. After a double master the winner's announcement is the last that they saw.
//!
//! Each host is a neighbour of all virtual routers on its LANs: it remembers who announced last, as an ARP cache does, and
//! hears only what reaches it. It must never be asked about a part of the network that lost packets meanwhile: whoever
//! missed an announcement is told again only by chance. RFC 9568 section 8.2.2 has the announcements.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{MacAddress, State};
use vrrp::{Input, InstanceId};

use crate::host::{Host, Power};
use crate::oracle::{Standing, Violation};
use crate::scenario::NodeId;
use crate::world::{Event, World};

/// How much later than the election neighbours may be put right: two announcements against a rival are a second apart.
const PAUSE: Duration = Duration::from_secs(1);

/// What one neighbour knows of one virtual router.
#[derive(Clone, Copy, Debug, Default)]
struct Belief {
    announced: Option<usize>,
    /// It has been on a network with two masters, and has to be put right.
    doubtful: bool,
}

/// What all of them know.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// By host and virtual router.
    beliefs: BTreeMap<(usize, usize), Belief>,
}

impl Neighbours {
    pub(crate) fn hear(&mut self, observer: usize, router: usize, announcer: usize) {
        self.beliefs.entry((observer, router)).or_default().announced = Some(announcer);
    }

    /// Its caches are empty.
    pub(crate) fn forget_one(&mut self, observer: usize) {
        self.beliefs.retain(|(it, _), _| *it != observer);
    }

    /// Packets are lost, so nobody can be sure.
    pub(crate) fn forget_all(&mut self) {
        self.beliefs.clear();
    }

    /// Something else happened: who was in doubt may have been cut off, or the rival may be gone before anybody heard it.
    pub(crate) fn forget_doubts(&mut self) {
        for belief in self.beliefs.values_mut() {
            belief.doubtful = false;
        }
    }

    /// Two masters in one part: all who are there have to be put right.
    pub(crate) fn doubt(&mut self, router: usize, observers: impl Iterator<Item = usize>) {
        for observer in observers {
            if let Some(belief) = self.beliefs.get_mut(&(observer, router)) {
                belief.doubtful = true;
            }
        }
    }

    /// The election is over: `observers`, who share a part with the master, must believe that it is `master`.
    ///
    /// # Errors
    /// An observer and whom it believes in.
    pub(crate) fn check(
        &mut self,
        router: usize,
        master: usize,
        observers: impl Iterator<Item = usize>,
    ) -> Result<(), (usize, usize)> {
        for observer in observers.filter(|observer| *observer != master) {
            let Some(belief) = self.beliefs.get_mut(&(observer, router)) else { continue };
            if !std::mem::take(&mut belief.doubtful) {
                continue;
            }
            if let Some(other) = belief.announced.filter(|other| *other != master) {
                return Err((observer, other));
            }
        }
        Ok(())
    }
}

/// An announcement on its way to a core that overhears claims.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) router: usize,
}

impl World {
    /// A node announces the addresses of an instance. Neighbours learn at once; cores that overhear it, as packets travel.
    pub(crate) fn announce(&mut self, node: NodeId, instance: InstanceId) {
        let Some(host) = self.hosts.get(node.0) else { return };
        let Some(config) = host.config.instances.get(instance.0) else { return };
        let (Some(router), true) = (host.routers.get(instance.0).copied(), host.has_carrier(config.link))
        else {
            return;
        };
        let Some(lan) = host.lans.get(config.link.0).copied() else { return };
        let burst = (node, router, self.now);
        let first = self.announced.replace(burst) != Some(burst);
        for place in 0..self.hosts.len() {
            let to = NodeId(place);
            let hears = |host: &Host| host.link_on(lan).is_some_and(|link| host.has_carrier(link));
            if to == node || !self.connected(node, to) || !self.hosts.get(place).is_some_and(hears) {
                continue;
            }
            if self.rng.chance(self.weather.loss) {
                continue;
            }
            if self.hosts.get(place).is_some_and(|host| host.power == Power::On) {
                self.neighbours.hear(place, router, node.0);
            }
            let concerned = self.hosts.get(place).is_some_and(|host| host.routers.contains(&router));
            if first && concerned {
                let delay = self.rng.between(Duration::ZERO, self.weather.delay);
                self.queue.push(self.now + delay, Event::Claim(Claim { from: node, to, router }));
            }
        }
    }

    /// A core overhears somebody else's announcement.
    pub(crate) fn overhear(&mut self, claim: &Claim) -> Result<(), Violation> {
        let Some(host) = self.hosts.get(claim.to.0).filter(|_| self.connected(claim.from, claim.to)) else {
            return Ok(());
        };
        let Some(place) = host.routers.iter().position(|router| *router == claim.router) else {
            return Ok(());
        };
        let Some(config) = host.config.instances.get(place) else { return Ok(()) };
        let carrier = host.has_carrier(config.link);
        let (Some(address), true) = (config.addresses.first().copied(), carrier) else { return Ok(()) };
        let mac = mac(claim.from);
        self.feed(claim.to, Input::Claim { instance: InstanceId(place), address, mac })
    }

    /// Marks who has seen two masters at once. Whoever only keeps addresses for a successor is none: it says nothing more.
    pub(crate) fn watch_neighbours(&mut self, standings: &[Standing]) {
        let mut masters: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for standing in
            standings.iter().filter(|s| s.held && s.eligible && s.running && s.told == Some(State::Master))
        {
            let Some(part) = standing.part else { continue };
            let count = masters.entry((standing.router, part)).or_default();
            *count += 1;
            if *count == 2 {
                let members = self.sides.iter().enumerate().filter(|(_, side)| **side == part);
                self.neighbours.doubt(standing.router, members.map(|(place, _)| place));
            }
        }
    }

    /// Oracle 9, for virtual routers that have settled.
    pub(crate) fn check_neighbours(&mut self, standings: &[Standing]) -> Result<(), Violation> {
        for standing in standings.iter().filter(|s| s.held && s.running && s.told == Some(State::Master)) {
            let Some(part) =
                standing.part.filter(|_| self.oracle.is_settled(self.now - PAUSE, standing.router))
            else {
                continue;
            };
            let here = self.sides.iter().enumerate().filter(|(_, side)| **side == part);
            let checked = self.neighbours.check(standing.router, standing.node, here.map(|(place, _)| place));
            if let Err((observer, other)) = checked {
                let name = |place: usize| self.scenario.name(NodeId(place)).to_owned();
                return Err(Violation::MisledNeighbour {
                    router: self.oracle.router(standing.router),
                    neighbour: name(observer),
                    believes: name(other),
                    master: name(standing.node),
                });
            }
        }
        Ok(())
    }
}

/// Where a host's announcements say that it lives.
pub(crate) fn mac(node: NodeId) -> MacAddress {
    let [.., high, low] = node.0.to_be_bytes();
    MacAddress([2, 0, 0, 0, high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubtful() -> Neighbours {
        let mut neighbours = Neighbours::default();
        neighbours.hear(2, 0, 1);
        neighbours.doubt(0, [0, 1, 2].into_iter());
        neighbours
    }

    #[test]
    fn who_believes_in_the_loser_trips_it() {
        assert_eq!(doubtful().check(0, 0, [0, 1, 2].into_iter()), Err((2, 1)));
        assert_eq!(doubtful().check(0, 0, [0, 1].into_iter()), Ok(()), "it is in another part");
        let mut corrected = doubtful();
        corrected.hear(2, 0, 0);
        assert_eq!(corrected.check(0, 0, [0, 1, 2].into_iter()), Ok(()));
    }

    #[test]
    fn without_two_masters_nobody_has_to_be_put_right() {
        let mut neighbours = Neighbours::default();
        neighbours.hear(2, 0, 1);
        assert_eq!(neighbours.check(0, 0, [2].into_iter()), Ok(()));
        for forget in
            [Neighbours::forget_all, Neighbours::forget_doubts, |it: &mut Neighbours| it.forget_one(2)]
        {
            let mut neighbours = doubtful();
            forget(&mut neighbours);
            assert_eq!(neighbours.check(0, 0, [2].into_iter()), Ok(()));
        }
    }
}
