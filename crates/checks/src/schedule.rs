//! When a check is due: a grid of moments, one interval apart, that begins with the first run.
//!
//! The grid never moves, so nothing drifts, however late a timer fires and however long a run takes. What was missed
//! is missed: after a pause there is one run, not many.

use std::time::Duration;

use model::Instant;

/// No check is due more often than this, whatever the configuration says.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The grid of one check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    next: Instant,
    interval: Duration,
}

impl Grid {
    /// The first moment is `now`.
    pub(crate) fn new(now: Instant, interval: Duration) -> Self {
        Self { next: now, interval: interval.max(MIN_INTERVAL) }
    }

    /// The next moment of the grid; it may be in the past, then the check is due.
    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// Every moment up to `now` is used up; the next one is in the future.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.next = self.after(now);
    }

    /// The first moment that is neither used up nor before or at `now`.
    pub(crate) fn after(&self, now: Instant) -> Instant {
        if self.next > now {
            return self.next;
        }
        let interval = self.interval.as_nanos();
        let missed = now.since(self.next).as_nanos().checked_div(interval).unwrap_or(0);
        let ahead = missed.saturating_add(1).saturating_mul(interval);
        self.next + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_interval_of_nothing_is_not_an_endless_loop() {
        let mut grid = Grid::new(Instant::ZERO, Duration::ZERO);
        grid.advance(Instant::ZERO);
        assert!(grid.next() > Instant::ZERO);
    }

    proptest! {
        #[test]
        fn moments_stay_on_the_grid_and_in_the_future(
            interval in 1_000_000_u64..10_000_000_000, start: u32, steps in prop::collection::vec(any::<u32>(), 1..40),
        ) {
            let start = Instant::from_nanos(u64::from(start));
            let mut grid = Grid::new(start, Duration::from_nanos(interval));
            let mut now = start;
            for step in steps {
                now = now + Duration::from_nanos(u64::from(step));
                grid.advance(now);
                prop_assert!(grid.next() > now);
                prop_assert!(grid.next().since(now) <= Duration::from_nanos(interval));
                prop_assert_eq!(grid.next().since(start).as_nanos() % u128::from(interval), 0);
            }
        }
    }
}
