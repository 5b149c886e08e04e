//! Keeps what others can cause as often as they like from filling the log.

use std::time::Duration;

use model::Instant;

/// At most one line in this time.
const EVERY: Duration = Duration::from_secs(10);

/// One kind of remark.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    next_at: Instant,
    held_back: u64,
}

impl Limiter {
    /// Makes the remark, unless one of its kind was made just now; then says how many were held back.
    pub(crate) fn mention(&mut self, now: Instant, remark: impl FnOnce()) {
        if now < self.next_at {
            self.held_back = self.held_back.saturating_add(1);
            return;
        }
        remark();
        if self.held_back > 0 {
            log::warn!("{} similar ones were not mentioned before", self.held_back);
        }
        *self = Self { next_at: now + EVERY, held_back: 0 };
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
}
