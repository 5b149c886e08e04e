//! The states of RFC 9568 section 6.2 and their timers: what the machine remembers between two events.
//!
//! Plain values; only `machine.rs` decides what follows from them. RFC 9568 section 6.1 defines the timers.

use std::net::IpAddr;
use std::time::Duration;

use model::{Instant, LinkName, Priority};

use crate::cause::Cause;
use crate::door::OrderNumber;
use crate::prelude::Pause;
use crate::receive::Heard;

/// The states of RFC 9568 section 6.2, each with its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Initialize,
    Backup(Listening),
    Active(Holding),
}

/// Backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) since: Instant,
    /// Active_Down_Timer.
    pub(crate) down_at: Instant,
    /// Active_Adver_Interval.
    pub(crate) interval: Duration,
    /// The last advert that held us back.
    pub(crate) accepted: Option<Sign>,
    /// The last advert that could not.
    pub(crate) lower: Option<Sign>,
    /// Since when its link has been up and carries no frames, as far as is known; `None` otherwise.
    pub(crate) deaf_since: Option<Instant>,
    /// `preempt_delay`, counted from the first lower advert.
    pub(crate) patient_until: Option<Instant>,
}

/// Active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    /// When its addresses were ordered as they are now, or their prelude was.
    pub(crate) since: Instant,
    /// Adver_Timer.
    pub(crate) advert_at: Instant,
    pub(crate) order: OrderNumber,
    /// Until when ipmgr may take its time; `None` once the addresses are in place.
    pub(crate) install_by: Option<Instant>,
    /// Some of them are in place already, and announced.
    pub(crate) placed: bool,
    /// What is waited for before the addresses come or go.
    pub(crate) pause: Option<Pause>,
    /// Announcements once more.
    pub(crate) announce_again: Option<Round>,
    /// Announcements again and again.
    pub(crate) refresh_at: Option<Instant>,
    pub(crate) rival_announced: Option<Instant>,
    /// Announcements against a rival that was there again too soon after the last ones.
    pub(crate) rival_again: Option<Instant>,
    pub(crate) answered: Option<Instant>,
    /// When a lower master was told of.
    pub(crate) lower_told: Option<Instant>,
}

/// Announcements to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) at: Instant,
    pub(crate) repeat: u8,
}

/// A router that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub(crate) source: IpAddr,
    pub(crate) priority: Priority,
    pub(crate) at: Instant,
}

impl Sign {
    pub(crate) const fn of(heard: &Heard<'_>, at: Instant) -> Self {
        Self { source: heard.source, priority: heard.advert.priority, at }
    }
}

impl Listening {
    /// When listening is over: with the down timer, but not before `patience` with a link on which silence means nothing.
    pub(crate) fn ends_at(&self, patience: Duration) -> Instant {
        self.awaits_frames(patience).map_or(self.down_at, |until| until.max(self.down_at))
    }

    /// Until when it waits for a sign that its link carries frames; `None` if it doesn't.
    pub(crate) fn awaits_frames(&self, patience: Duration) -> Option<Instant> {
        let since = self.deaf_since?;
        let heard = [self.accepted, self.lower].into_iter().flatten().any(|sign| sign.at >= since);
        (!heard).then(|| since + patience)
    }

    /// Takes note of whether the link carries frames. If that is news, whoever is there gets the time to be heard.
    pub(crate) fn with_link(self, deaf: bool, now: Instant, down_interval: Duration) -> Self {
        match (self.deaf_since, deaf) {
            (None, true) => Self { deaf_since: Some(now), ..self },
            (Some(_), false) if self.awaits_frames(Duration::ZERO).is_some() => {
                Self { deaf_since: None, down_at: self.down_at.max(now + down_interval), ..self }
            }
            (Some(_), false) => Self { deaf_since: None, ..self },
            (None, false) | (Some(_), true) => self,
        }
    }

    /// Until when its master, or the one that it may not have heard yet, isn't late: half an interval after it was due.
    /// `None` if there is none that it would respect.
    pub(crate) fn held_back_until(&self) -> Option<Instant> {
        let heard = match (self.lower, self.accepted) {
            (Some(_), _) | (None, Some(Sign { priority: Priority::STOP, .. })) => return None,
            (None, Some(Sign { at, .. })) => at,
            (None, None) => self.since,
        };
        Some((heard + self.interval + self.interval / 2).min(self.down_at))
    }

    /// Why the down timer fired.
    pub(crate) fn cause(&self, now: Instant, own: Priority, link: &LinkName) -> Cause {
        if self.awaits_frames(Duration::ZERO).is_some() {
            return Cause::Deaf { listened: now.since(self.since), link: link.clone() };
        }
        match (self.lower, self.accepted) {
            (Some(Sign { source, priority, .. }), _) => Cause::Preempting { source, priority, own },
            (None, Some(Sign { source, priority: Priority::STOP, at })) => {
                Cause::Resigned { source, waited: now.since(at) }
            }
            (None, Some(Sign { source, priority, at })) => {
                Cause::Silent { source, priority, silence: now.since(at), interval: self.interval }
            }
            (None, None) => Cause::Unheard { listened: now.since(self.since) },
        }
    }
}

/// The first point of the schedule after `now`: adverts that were missed are not sent late, and nothing drifts.
pub(crate) fn next_on_schedule(due: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.since(due).as_nanos() / interval.as_nanos().max(1);
    let steps = u32::try_from(missed.saturating_add(1)).unwrap_or(u32::MAX);
    due + interval.saturating_mul(steps)
}
