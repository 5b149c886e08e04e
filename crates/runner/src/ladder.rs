//! The time-out of a run, as a ladder: SIGTERM when its time is up, SIGKILL a little later. Sans I/O.

use std::time::Duration;

use model::Instant;
use sys::process::Signal;

/// How long a script has between SIGTERM and SIGKILL.
pub const KILL_AFTER: Duration = Duration::from_secs(2);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ladder {
    /// In time so far.
    InTime { until: Instant },
    /// SIGTERM was sent.
    Terminated { kill_at: Instant },
    /// SIGKILL was sent; there is nothing more to do than wait.
    Killed,
}

impl Ladder {
    pub(crate) fn new(now: Instant, timeout: Duration) -> Self {
        Self::InTime { until: now + timeout }
    }

    /// When it goes on.
    pub(crate) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::InTime { until } => Some(until),
            Self::Terminated { kill_at } => Some(kill_at),
            Self::Killed => None,
        }
    }

    /// The signal that is due by now, if any.
    pub(crate) fn climb(&mut self, now: Instant) -> Option<Signal> {
        match *self {
            Self::InTime { until } if until <= now => {
                *self = Self::Terminated { kill_at: now + KILL_AFTER };
                Some(Signal::TERM)
            }
            Self::Terminated { kill_at } if kill_at <= now => {
                *self = Self::Killed;
                Some(Signal::KILL)
            }
            Self::InTime { .. } | Self::Terminated { .. } | Self::Killed => None,
        }
    }

    /// Whether its time was up.
    pub(crate) const fn timed_out(self) -> bool {
        match self {
            Self::InTime { .. } => false,
            Self::Terminated { .. } | Self::Killed => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn term_first_then_kill_then_nothing() {
        let mut ladder = Ladder::new(at(10), Duration::from_secs(5));
        assert_eq!(
            (ladder.deadline(), ladder.climb(at(14)), ladder.timed_out()),
            (Some(at(15)), None, false)
        );
        assert_eq!((ladder.climb(at(15)), ladder.timed_out()), (Some(Signal::TERM), true));
        assert_eq!((ladder.deadline(), ladder.climb(at(16))), (Some(at(17)), None));
        assert_eq!(ladder.climb(at(99)), Some(Signal::KILL));
        assert_eq!((ladder.deadline(), ladder.climb(at(100))), (None, None));
    }

    #[test]
    fn however_late_we_wake_there_is_time_between_term_and_kill() {
        let mut ladder = Ladder::new(at(0), Duration::from_secs(1));
        assert_eq!(ladder.climb(at(1000)), Some(Signal::TERM));
        assert_eq!(ladder.climb(at(1000)), None);
        assert_eq!(ladder.deadline(), Some(at(1000) + KILL_AFTER));
    }
}
