//! When a check is due: at once, and then on a grid of moments, one interval apart.
//!
//! Where its grid lies depends on the check's number, so that five hundred checks of one interval are spread over it and
//! don't start in one moment, in which nothing else would find a CPU. A few neighbours do share a moment: the second script
//! finds the caches warm that the first one has filled, and so costs two thirds of one that starts alone
//! (docs/benchmarks.md). The second run comes half an interval to one and a half after the first one.
//!
//! The grid moves only when a run out of turn finds something new ([`crate::Input::Hasten`]). So nothing drifts, however
//! late a timer fires and however long a run takes. What was missed is missed: after a pause there is one run, not many.

use std::time::Duration;

use model::Instant;

/// No check is due more often than this, whatever the configuration says.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// How many checks start together: what one CPU starts at a time even where every check is a script.
const TOGETHER: usize = 8;

/// 2^64 divided by the golden ratio: its multiples, modulo 2^64, lie evenly spread however many there are.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The grid of one check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// The first run's moment, until it is used up.
    first: Option<Instant>,
    next: Instant,
    interval: Duration,
}

impl Grid {
    /// The first moment is `now`; `number` says where the others lie. Those of the first few numbers are whole intervals
    /// after the first.
    pub(crate) fn new(now: Instant, interval: Duration, number: usize) -> Self {
        let interval = interval.max(MIN_INTERVAL);
        let number = u64::try_from(number / TOGETHER).unwrap_or(u64::MAX);
        // A fraction of 2^64: one half and what the number adds.
        let fraction = number.wrapping_mul(GOLDEN).wrapping_add(1 << 63);
        let share = interval.as_nanos().saturating_mul(u128::from(fraction)) >> u64::BITS;
        let share = Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX));
        Self { first: Some(now), next: now + interval / 2 + share, interval }
    }

    /// Begins anew, with `now` used up.
    pub(crate) fn restart(&mut self, now: Instant) {
        (self.first, self.next) = (None, now + self.interval);
    }

    /// The next moment; it may be in the past, then the check is due.
    pub(crate) fn next(&self) -> Instant {
        self.first.unwrap_or(self.next)
    }

    /// Every moment up to `now` is used up; the next one is in the future.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.first = None;
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
        let mut grid = Grid::new(Instant::ZERO, Duration::ZERO, 0);
        grid.advance(Instant::ZERO);
        assert!(grid.next() > Instant::ZERO);
    }

    #[test]
    fn five_hundred_checks_are_spread_over_their_interval() {
        let second = Duration::from_secs(1);
        let mut moments: Vec<_> = (0..500).map(|number| Grid::new(Instant::ZERO, second, number)).collect();
        assert!(moments.iter().all(|grid| grid.next() == Instant::ZERO), "the first run is due at once");
        moments.iter_mut().for_each(|grid| grid.advance(Instant::ZERO));
        let mut at: Vec<_> = moments.iter().map(|grid| grid.next().since(Instant::ZERO)).collect();
        assert!(at.iter().all(|at| (second / 2..second * 3 / 2).contains(at)), "{at:?}");
        at.sort();
        let widest = at.iter().zip(at.iter().skip(1)).map(|(one, next)| *next - *one).max();
        assert!(widest < Some(second / 25), "{widest:?}");
        let most = at.chunk_by(|one, next| one == next).map(<[_]>::len).max();
        assert_eq!(most, Some(TOGETHER), "{at:?}");
    }

    proptest! {
        #[test]
        fn moments_stay_on_the_grid_and_in_the_future(
            interval in 1_000_000_u64..10_000_000_000, start: u32, number in 0_usize..1000,
            steps in prop::collection::vec(any::<u32>(), 1..40),
        ) {
            let start = Instant::from_nanos(u64::from(start));
            let mut grid = Grid::new(start, Duration::from_nanos(interval), number);
            grid.advance(start);
            let second = grid.next();
            prop_assert!(second.since(start) >= Duration::from_nanos(interval / 2));
            let mut now = second;
            for step in steps {
                now = now + Duration::from_nanos(u64::from(step));
                grid.advance(now);
                prop_assert!(grid.next() > now);
                prop_assert!(grid.next().since(now) <= Duration::from_nanos(interval));
                prop_assert_eq!(grid.next().since(second).as_nanos() % u128::from(interval), 0);
            }
        }
    }
}
