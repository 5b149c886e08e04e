//! The neighbours' half of the loop: where our addresses live is told by gratuitous ARP and unsolicited NA.
//!
//! It must never tell what isn't true any more: that would take the addresses away from whoever has them now.

use std::io;

use model::{Family, Instant};
use vrrp::InstanceId;

use super::Daemon;
use crate::pacing::Announcement;

/// Announcements that may go in one turn, as with the backlog: a master of thousands of addresses has adverts to send
/// meanwhile.
const TURN: usize = 32;

impl Daemon {
    /// All addresses of the instance, behind what waits already.
    pub(super) fn announce(&mut self, id: InstanceId, now: Instant) {
        if !self.core.may_announce(id) {
            return;
        }
        for (place, placed) in self.setup.addresses(id).iter().enumerate() {
            // Whatever is placed somewhere is placed on a carrier.
            let Some(carrier) = self.setup.carrier(&placed.link) else { continue };
            let lane = (carrier, Family::of(placed.address));
            self.pacer.push(lane, Announcement { instance: id, place }, now);
        }
    }

    /// What may go now of what waits.
    pub(super) fn announce_waiting(&mut self) {
        for _ in 0..TURN {
            // Not the time at which the turn began: the distance is between frames.
            let next = self.pacer.pop(sys::clock::now(), |instance| self.core.may_announce(instance));
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
