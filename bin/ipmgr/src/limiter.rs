//! Keeps what others can cause as often as they like from filling the log.

use std::time::Duration;

use model::Instant;

/// How long a while is.
const EVERY: Duration = Duration::from_secs(10);

/// One kind of remark.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    /// How many are made in a while; one if this is 0.
    most: u32,
    made: u32,
    until: Instant,
    held_back: u64,
}

impl Limiter {
    /// At most so many remarks in a while; the default is one.
    pub(crate) fn of(most: u32) -> Self {
        Self { most, ..Self::default() }
    }

    /// From now on.
    pub(crate) const fn allow(&mut self, most: u32) {
        self.most = most;
    }

    /// Makes the remark, unless enough of its kind were made just now; the next one says how many were held back.
    pub(crate) fn mention(&mut self, now: Instant, remark: impl FnOnce()) {
        if self.until <= now {
            (self.made, self.until) = (0, now + EVERY);
        }
        if self.made >= self.most.max(1) {
            self.held_back = self.held_back.saturating_add(1);
            return;
        }
        self.made += 1;
        remark();
        if self.held_back > 0 {
            log::warn!("{} similar ones were not mentioned before", self.held_back);
            self.held_back = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_remark_in_ten_seconds_and_none_is_forgotten() {
        let mut limiter = Limiter::default();
        let mut remarks = Vec::new();
        let start = Instant::from_nanos(5);
        for second in [0, 1, 9, 10, 19, 20] {
            limiter.mention(start + Duration::from_secs(second), || remarks.push(second));
        }
        assert_eq!(remarks, [0, 10, 20]);
        limiter.mention(start + Duration::from_secs(21), || remarks.push(21));
        assert_eq!(limiter.held_back, 1);
    }
    #[test]
    fn a_few_at_once_are_a_few_in_ten_seconds() {
        let mut limiter = Limiter::of(3);
        let mut remarks = Vec::new();
        let start = Instant::from_nanos(5);
        for second in [0, 0, 0, 0, 9, 10, 11] {
            limiter.mention(start + Duration::from_secs(second), || remarks.push(second));
        }
        assert_eq!(remarks, [0, 0, 0, 10, 11]);
        assert_eq!(limiter.held_back, 0, "told with the next");
    }
}
