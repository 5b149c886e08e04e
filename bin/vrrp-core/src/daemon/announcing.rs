//! The neighbours' half of the loop: where our addresses live is told by gratuitous ARP and unsolicited NA.
//!
//! It must never tell what isn't true any more: that would take the addresses away from whoever has them now.

use model::{Family, Instant};
use vrrp::InstanceId;

use super::Daemon;
use crate::pacing::Announcement;
use crate::setup::Placed;

/// Announcements of as many links that may go in one turn, as with the backlog.
const PACED_TURN: usize = 32;

impl Daemon {
    /// It may have waited: what isn't true any more would take the addresses away from whoever has them now.
    pub(super) fn announce(&mut self, id: InstanceId, now: Instant) {
        if !self.core.may_announce(id) {
            return;
        }
        for (place, placed) in self.setup.addresses(id).iter().enumerate() {
            let family = Family::of(placed.address);
            match self.setup.carrier(&placed.link) {
                Some(carrier) if !self.pacer.distance(family).is_zero() => {
                    self.pacer.push((carrier, family), Announcement { instance: id, place }, now);
                }
                Some(_) | None => self.tell_neighbours(placed),
            }
        }
    }

    /// What kept its distance and may go now.
    pub(super) fn announce_paced(&mut self) {
        for _ in 0..PACED_TURN {
            // Not the time at which the turn began: the distance is between frames.
            let next = self.pacer.pop(sys::clock::now(), |instance| self.core.may_announce(instance));
            let Some(Announcement { instance, place }) = next else { return };
            if let Some(placed) = self.setup.addresses(instance).get(place) {
                self.tell_neighbours(placed);
            }
        }
    }

    fn tell_neighbours(&self, placed: &Placed) {
        match self.wire.announce(placed) {
            Ok(()) => log::debug!("announced {placed} on {}", placed.link),
            Err(error) => log::warn!("announce {placed} on {}: {error}", placed.link),
        }
    }
}
