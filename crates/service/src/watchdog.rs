//! Telling the service manager that the loop still turns (sd_watchdog_enabled(3), systemd.service(5) `WatchdogSec=`).
//!
//! It must never be fed from anywhere but the loop itself: a thread that does it for a loop that hangs would be a lie.

use std::time::Duration;

use model::Instant;

/// How often within the manager's limit: one message may be late.
const MESSAGES_PER_LIMIT: u32 = 3;

/// When the manager hears from us next; never, if it didn't ask.
#[derive(Debug)]
pub(crate) struct Watchdog {
    every: Option<Duration>,
    due: Instant,
}

impl Watchdog {
    /// As the manager wants it; it says so in variables that are meant for this process alone.
    pub(crate) fn from_environment(now: Instant) -> Self {
        Self::new(sd_notify::watchdog_enabled(), now)
    }

    fn new(limit: Option<Duration>, now: Instant) -> Self {
        let every = limit.map(|limit| limit / MESSAGES_PER_LIMIT).filter(|every| !every.is_zero());
        Self { every, due: now }
    }

    /// Whether a message is due at `now`; if so, the next one is planned.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let Some(every) = self.every.filter(|_| now >= self.due) else { return false };
        self.due = now + every;
        true
    }

    /// The deadline of a loop that would sleep until `deadline`.
    pub(crate) fn no_later(&self, deadline: Option<Instant>) -> Option<Instant> {
        deadline.into_iter().chain(self.every.map(|_| self.due)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);

    #[test]
    fn nobody_is_told_who_did_not_ask() {
        for limit in [None, Some(Duration::ZERO)] {
            let mut watchdog = Watchdog::new(limit, NOW);
            assert!(!watchdog.is_due(NOW));
            assert_eq!(watchdog.no_later(None), None);
            assert_eq!(watchdog.no_later(Some(NOW)), Some(NOW));
        }
    }

    #[test]
    fn an_idle_loop_turns_often_enough() {
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(15)), NOW);
        assert!(watchdog.is_due(NOW), "at once");
        assert!(!watchdog.is_due(NOW), "and once");
        let next = NOW + Duration::from_secs(5);
        assert_eq!(watchdog.no_later(None), Some(next));
        assert_eq!(watchdog.no_later(Some(NOW)), Some(NOW));
        assert!(watchdog.is_due(next));
    }
}
