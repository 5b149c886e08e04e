//! When to look away from the network for a moment, so that adverts that come one after the other are read together.
//!
//! Thousands of adverts in a burst would otherwise wake this process for every second one of them, which costs both us and
//! the sender's host more than the adverts do: a wake-up is worth some three of them. A packet that comes by itself is read
//! at once. It must never delay what is due, and nothing else by more than [`PAUSE`]: an answer of ipmgr, a verdict or a client
//! that comes in a pause waits for its end, and there is no pause after one that came.

use std::time::Duration;

use model::Instant;

/// How long we look away, and how soon a packet has to come after we began to wait for it to count as one of many. It
/// makes a goodbye heard that much later: small against any skew, and nothing when there are no crowds.
const PAUSE: Duration = Duration::from_micros(500);

/// What the last wake-up was like.
#[derive(Debug)]
pub(crate) struct Lull {
    listening_since: Instant,
    crowded: bool,
    disturbed: bool,
}

impl Lull {
    /// Listens from `now` on.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { listening_since: now, crowded: false, disturbed: false }
    }

    /// Packets have come.
    pub(crate) fn on_packets(&mut self, now: Instant) {
        self.crowded |= now < self.listening_since + PAUSE;
    }

    /// Something else has, and there may be more of it, which can't wait.
    pub(crate) const fn on_others(&mut self) {
        self.disturbed = true;
    }

    /// Until when to look away after a turn that ends `now`, if `deadline` is what is due next.
    pub(crate) fn begin(&mut self, now: Instant, deadline: Option<Instant>) -> Option<Instant> {
        let (crowded, disturbed) = (std::mem::take(&mut self.crowded), std::mem::take(&mut self.disturbed));
        let until = deadline.unwrap_or(now + PAUSE).min(now + PAUSE);
        let until = (crowded && !disturbed && until > now).then_some(until);
        self.listening_since = until.unwrap_or(now);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);
    const SOON: Duration = Duration::from_micros(20);

    fn lull() -> Lull {
        let mut lull = Lull::new(START);
        assert_eq!(lull.begin(START, None), None);
        lull
    }

    #[test]
    fn who_comes_alone_is_never_kept_waiting() {
        let (mut lull, mut now) = (lull(), START);
        for _ in 0..10 {
            now = now + PAUSE;
            lull.on_packets(now);
            assert_eq!(lull.begin(now, None), None);
        }
    }

    #[test]
    fn in_a_crowd_we_look_away_for_as_long_as_it_lasts() {
        let (mut lull, mut now) = (lull(), START);
        for _ in 0..10 {
            now = now + SOON;
            lull.on_packets(now);
            let until = lull.begin(now, None);
            assert_eq!(until, Some(now + PAUSE));
            now = now + PAUSE;
        }
        now = now + PAUSE;
        lull.on_packets(now);
        assert_eq!(lull.begin(now, None), None, "the crowd is gone");
    }

    #[test]
    fn what_is_due_and_what_else_comes_in_is_never_late() {
        let (mut lull, now) = (lull(), START + SOON);
        lull.on_packets(now);
        assert_eq!(lull.begin(now, Some(now + SOON)), Some(now + SOON));
        lull.on_packets(now + SOON);
        assert_eq!(lull.begin(now + SOON, Some(now + SOON)), None);
        lull.on_packets(now + SOON);
        lull.on_others();
        assert_eq!(lull.begin(now + SOON, None), None);
    }
}
