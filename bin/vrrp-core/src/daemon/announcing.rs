//! The neighbours' half of the loop: where our addresses live is told by gratuitous ARP and unsolicited NA.
//!
//! It must never tell what isn't true any more: that would take the addresses away from whoever has them now.

use std::io;

use model::{Family, Instant};
use vrrp::{Input, InstanceId, OrderNumber};

use super::Daemon;
use crate::pacing::Announcement;

/// Announcements that may go in one turn, as with the backlog: a master of thousands of addresses has adverts to send
/// meanwhile.
const TURN: usize = 32;

impl Daemon {
    /// ipmgr has put some of the addresses in place.
    pub(super) fn on_placed(&mut self, id: InstanceId, order: OrderNumber, places: &[u32], now: Instant) {
        if !places.is_empty() {
            self.in_place.add(id, order, places, self.setup.addresses(id).len());
            self.core.handle(now, Input::Placed { instance: id, order, places });
        }
    }

    /// All addresses of the instance that are in place, behind what waits already.
    pub(super) fn announce(&mut self, id: InstanceId, now: Instant) {
        let all = 0..self.setup.addresses(id).len();
        self.announce_these(id, all, 1, now);
    }

    /// The same of some.
    pub(super) fn announce_placed(&mut self, id: InstanceId, places: &[u32], times: u8, now: Instant) {
        let places = places.iter().filter_map(|place| usize::try_from(*place).ok());
        self.announce_these(id, places, times, now);
    }

    fn announce_these(
        &mut self,
        id: InstanceId,
        places: impl Iterator<Item = usize>,
        times: u8,
        now: Instant,
    ) {
        if !self.core.may_announce(id) {
            return;
        }
        for place in places.filter(|place| self.in_place.has(id, *place)) {
            let Some(placed) = self.setup.addresses(id).get(place) else { continue };
            // Whatever is placed somewhere is placed on a carrier.
            let Some(carrier) = self.setup.carrier(&placed.link) else { continue };
            let lane = (carrier, Family::of(placed.address));
            self.pacer.push(lane, Announcement { instance: id, place }, times, now);
        }
    }

    /// What may go now of what waits.
    pub(super) fn announce_waiting(&mut self) {
        for _ in 0..TURN {
            // Not the time at which the turn began: the distance is between frames.
            let next = self.pacer.pop(sys::clock::now(), |it| {
                self.core.may_announce(it.instance) && self.in_place.has(it.instance, it.place)
            });
            let Some((lane, what)) = next else { return };
            let Some(placed) = self.setup.addresses(what.instance).get(what.place) else { continue };
            let link = &placed.link;
            match self.wire.announce(placed) {
                Ok(()) => {
                    log::debug!("announced {placed} on {link}");
                    self.pacer.sent(lane);
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    log::debug!("announce {placed} on {link}: {error}");
                }
                Err(error) => {
                    let times = self.pacer.failed(lane, what, sys::clock::now());
                    // As with adverts: told ever more rarely while it goes on.
                    if times.is_power_of_two() {
                        log::warn!(
                            "announce {placed} on {link}: {error}; it is tried again until it goes \
                             ({times} refused on this interface)"
                        );
                    }
                }
            }
        }
    }
}
