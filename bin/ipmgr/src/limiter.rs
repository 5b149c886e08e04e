//! Keeps what others can cause as often as they like from filling the log. What it holds back it counts, and the count is told when
//! the time is over, whether or not anything else happens.

use std::time::Duration;

use model::Instant;

/// How long a while is.
const EVERY: Duration = Duration::from_secs(10);

/// One kind of remark.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// What it is about, for who reads the count.
    about: &'static str,
    /// How many are made in a while; one if this is 0.
    most: u32,
    made: u32,
    until: Instant,
    held_back: u64,
}

impl Limiter {
    /// One remark in a while.
    pub(crate) fn about(what: &'static str) -> Self {
        Self::of(1, what)
    }

    /// At most so many remarks in a while.
    pub(crate) fn of(most: u32, about: &'static str) -> Self {
        Self { about, most, made: 0, until: Instant::default(), held_back: 0 }
    }

    /// From now on.
    pub(crate) const fn allow(&mut self, most: u32) {
        self.most = most;
    }

    /// Makes the remark, unless enough of its kind were made just now.
    pub(crate) fn mention(&mut self, now: Instant, remark: impl FnOnce()) {
        self.begin(now);
        if self.made >= self.most.max(1) {
            self.hold_back(now);
            return;
        }
        self.made += 1;
        remark();
    }

    /// Counts one that isn't worth a line of its own.
    pub(crate) fn hold_back(&mut self, now: Instant) {
        self.begin(now);
        self.held_back = self.held_back.saturating_add(1);
    }

    /// Says how many were held back, once the time is over; until then, when that is.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<Instant> {
        if now < self.until {
            return (self.held_back > 0).then_some(self.until);
        }
        self.tell_all();
        None
    }

    /// Says how many were held back by now.
    pub(crate) fn tell_all(&mut self) {
        let count = std::mem::take(&mut self.held_back);
        if count > 0 {
            log::warn!("{count} more lines were left out: {}", self.about);
        }
    }

    fn begin(&mut self, now: Instant) {
        if self.until <= now {
            self.tell_all();
            (self.made, self.until) = (0, now + EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_remark_in_ten_seconds_and_none_is_forgotten() {
        let mut limiter = Limiter::about("tests");
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
    fn what_was_held_back_is_told_when_the_time_is_over_and_nothing_else_happens() {
        let mut limiter = Limiter::about("tests");
        let start = Instant::from_nanos(5);
        limiter.mention(start, || {});
        assert_eq!(limiter.tell(start), None, "nothing to wait for");
        limiter.mention(start + Duration::from_secs(1), || panic!("too many"));
        limiter.hold_back(start + Duration::from_secs(2));
        assert_eq!(limiter.tell(start + Duration::from_secs(3)), Some(start + EVERY));
        assert_eq!(limiter.held_back, 2, "not before its time");
        assert_eq!(limiter.tell(start + EVERY), None);
        assert_eq!(limiter.held_back, 0);
    }

    #[test]
    fn a_few_at_once_are_a_few_in_ten_seconds() {
        let mut limiter = Limiter::of(3, "tests");
        let mut remarks = Vec::new();
        let start = Instant::from_nanos(5);
        for second in [0, 0, 0, 0, 9, 10, 11] {
            limiter.mention(start + Duration::from_secs(second), || remarks.push(second));
        }
        assert_eq!(remarks, [0, 0, 0, 10, 11]);
        assert_eq!(limiter.held_back, 0, "told before the next");
    }
}
