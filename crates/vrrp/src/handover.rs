//! A hand-over without a hole: who gives way in good health keeps the addresses until its successor has them.
//!
//! A master that says goodbye and lets go leaves the addresses nowhere for a whole skew (611 ms at one second); one that
//! keeps them, silent on the wire, answers requests until the successor's announcements have drawn them away. It must
//! never keep what it can't serve: not after a failed check, a lost link or an unanswered order, and not against a
//! rival, who has the addresses already. It must never announce meanwhile, and never keep for longer than a peer may
//! take to notice the silence. Until the addresses are gone, what is told stays MASTER: a hook that stops a service
//! on BACKUP must not run while requests still come here. RFC 9568 section 6.4.3 is what this departs from.

use std::time::Duration;

use model::Instant;

use crate::eligibility::{self, Reason};
use crate::instance::{Instance, Turn};
use crate::state::Holding;

/// The longest that addresses are kept, whatever the interval.
const MAX_KEEPING: Duration = Duration::from_secs(10);
/// How long a successor may take from its first advert, which it sends when it *orders* its addresses (V3-FSM-4), to
/// its announcements. The shorter, the fewer neighbours can ask in between and hear two answers (pain A3).
const SUCCESSOR_INSTALLS: Duration = Duration::from_millis(100);

/// Addresses that are kept for a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// At the latest until then.
    pub(crate) until: Instant,
}

impl Instance {
    /// Lets go of the addresses for a successor that has yet to speak.
    pub(crate) fn leave_to_whom_it_concerns(&mut self, turn: &mut Turn<'_>, holding: &Holding) {
        self.leave(turn, holding, Keeping { until: turn.now + self.longest_keeping() });
    }

    /// How long addresses may be kept for a successor.
    pub(crate) fn longest_keeping(&self) -> Duration {
        self.down_interval(self.interval()).min(MAX_KEEPING)
    }

    /// Lets go of the addresses for a successor whose first advert has just come, with its interval.
    pub(crate) fn leave_to_successor(&mut self, turn: &mut Turn<'_>, holding: &Holding, interval: Duration) {
        let until = turn.now + interval.min(SUCCESSOR_INSTALLS);
        self.leave(turn, holding, Keeping { until });
    }

    /// Keeps them if that may be, or has them taken away at once.
    fn leave(&mut self, turn: &mut Turn<'_>, holding: &Holding, keeping: Keeping) {
        let in_place = holding.install_by.is_none();
        if self.config.manners.hand_over && in_place && self.serves(turn) {
            self.keeping = Some(keeping);
        } else {
            self.withdraw(turn);
        }
    }

    /// Somebody else advertises. Only the first advert counts: another may follow at once, as an answer to our goodbye.
    pub(crate) fn notice_successor(&mut self, now: Instant, interval: Duration) {
        if let Some(keeping) = &mut self.keeping {
            keeping.until = keeping.until.min(now + interval.min(SUCCESSOR_INSTALLS));
        }
    }

    /// Nobody has come for them in time, or they can't be served any more.
    pub(crate) fn reconsider_keeping(&mut self, turn: &mut Turn<'_>) {
        let Some(keeping) = self.keeping else { return };
        if turn.now >= keeping.until || !self.serves(turn) {
            self.release(turn);
        }
    }

    /// Whether requests that come here are answered as they should be.
    pub(crate) fn serves(&self, turn: &Turn<'_>) -> bool {
        self.reasons.iter().all(Reason::leaves_service_fit)
            && eligibility::is_fit(&self.config, &turn.facts, &self.roles)
    }

    /// Has what is kept taken away, and tells what has been so on the wire for a while.
    pub(crate) fn release(&mut self, turn: &mut Turn<'_>) {
        if self.keeping.take().is_some() {
            self.withdraw(turn);
            self.tell_again(turn);
        }
    }

    /// They were taken away without our order.
    pub(crate) fn lose_kept(&mut self, turn: &mut Turn<'_>) {
        if self.keeping.take().is_some() {
            self.tell_again(turn);
        }
    }
}
