//! When a master tells its neighbours where its addresses live: at first, once more, again and again, against a rival.
//!
//! It must never announce before the addresses are in place (V3-FSM-15), nor more often than its bounds allow, whatever
//! the network sends. RFC 9568 sections 6.4.1 and 6.4.2, keepalived's `garp_*` words.

use std::time::Duration;

use model::Instant;

use crate::door::{LOWER_MASTER_PAUSE, LowerMaster, Output};
use crate::instance::{Instance, Turn};
use crate::receive::Heard;
use crate::state::{Holding, Round, next_on_schedule};

/// The pause between announcements that a lower master makes us send. It hears our adverts and gives way.
const RIVAL_PAUSE: Duration = Duration::from_secs(1);
/// The pause between announcements that somebody's ARP or NA makes us send: `DEFEND_INTERVAL` of RFC 5227 1.1. Two who
/// defend an address against each other more often would only make their neighbours' minds flap.
pub(crate) const DEFEND_PAUSE: Duration = Duration::from_secs(10);
/// The shortest distance of refreshments, whatever is configured.
const MIN_REFRESH: Duration = Duration::from_secs(1);

impl Instance {
    /// Some of the addresses have just been put in place.
    pub(crate) fn announce_placed(&self, turn: &mut Turn<'_>, places: &[u32]) {
        let (places, times) = (places.into(), self.config.announcements.repeat);
        turn.out.outputs.push_back(Output::AnnouncePlaced { instance: self.id, places, times });
    }

    /// The addresses are in place. Those that came one by one are announced already.
    pub(crate) fn announce_first(&self, turn: &mut Turn<'_>, holding: Holding) -> Holding {
        let wanted = &self.config.announcements;
        if !holding.placed {
            self.announce(turn, wanted.repeat);
        }
        Holding {
            install_by: None,
            placed: false,
            announce_again: wanted.delay.map(|delay| Round { at: turn.now + delay, repeat: wanted.repeat }),
            refresh_at: self.next_refresh(turn.now),
            ..holding
        }
    }

    /// Neighbours know another hardware address. Before the addresses are in place they know none.
    pub(crate) fn announce_from_elsewhere(&self, turn: &mut Turn<'_>, holding: Holding) -> Holding {
        if holding.install_by.is_none() { self.announce_first(turn, holding) } else { holding }
    }

    /// When to announce again if it was done now.
    pub(crate) fn next_refresh(&self, now: Instant) -> Option<Instant> {
        self.config.announcements.refresh.map(|refresh| now + refresh.max(MIN_REFRESH))
    }

    /// a lower master has been heard. What it has announced meanwhile must not stand: if it is too soon to announce
    /// again, then when the pause is over.
    pub(crate) fn announce_against_lower_master(&self, turn: &mut Turn<'_>, holding: Holding) -> Holding {
        let holding = self.announce_against_rival(turn, holding, RIVAL_PAUSE);
        let earlier = holding.rival_announced.filter(|last| *last < turn.now);
        Holding { rival_again: earlier.map(|last| last + RIVAL_PAUSE), ..holding }
    }

    /// Tells, at most once in a while, that another master was heard: until our addresses are in place it may only be the one that
    /// we relieve.
    pub(crate) fn tell_of_lower_master(
        &self,
        turn: &mut Turn<'_>,
        holding: Holding,
        heard: &Heard<'_>,
    ) -> Holding {
        let is_recent = |last| turn.now < last + LOWER_MASTER_PAUSE;
        if holding.install_by.is_some() || holding.lower_told.is_some_and(is_recent) {
            return holding;
        }
        turn.out.outputs.push_back(Output::LowerMaster(LowerMaster {
            instance: self.id,
            source: heard.source,
            priority: heard.advert.priority,
            own: self.effective,
        }));
        Holding { lower_told: Some(turn.now), ..holding }
    }

    /// neighbours may have believed the rival. Now, unless it was done less than `pause` ago, and once more when the rival
    /// has fallen quiet.
    pub(crate) fn announce_against_rival(
        &self,
        turn: &mut Turn<'_>,
        mut holding: Holding,
        pause: Duration,
    ) -> Holding {
        let wanted = &self.config.announcements;
        if holding.install_by.is_some() || wanted.lower_priority_repeat == 0 {
            return holding;
        }
        if holding.rival_announced.is_none_or(|last| turn.now >= last + pause) {
            holding = self.announce_against_rival_now(turn, holding);
        }
        if let Some(delay) = wanted.lower_priority_delay {
            holding.announce_again =
                Some(Round { at: turn.now + delay, repeat: wanted.lower_priority_repeat });
        }
        holding
    }

    fn announce_against_rival_now(&self, turn: &mut Turn<'_>, holding: Holding) -> Holding {
        self.announce(turn, self.config.announcements.lower_priority_repeat);
        Holding { rival_announced: Some(turn.now), rival_again: None, ..holding }
    }

    /// What is due by now.
    pub(crate) fn announce_due(&self, turn: &mut Turn<'_>, mut holding: Holding) -> Holding {
        let wanted = &self.config.announcements;
        if holding.rival_again.is_some_and(|at| turn.now >= at) {
            holding = self.announce_against_rival_now(turn, holding);
        }
        if let Some(round) = holding.announce_again
            && turn.now >= round.at
        {
            self.announce(turn, round.repeat);
            holding.announce_again = None;
        }
        if let (Some(at), Some(refresh)) = (holding.refresh_at, wanted.refresh)
            && turn.now >= at
        {
            self.announce(turn, wanted.refresh_repeat);
            holding.refresh_at = Some(next_on_schedule(at, refresh.max(MIN_REFRESH), turn.now));
        }
        holding
    }

    fn announce(&self, turn: &mut Turn<'_>, times: u8) {
        turn.out.outputs.extend(std::iter::repeat_n(Output::Announce(self.id), times.into()));
    }
}
