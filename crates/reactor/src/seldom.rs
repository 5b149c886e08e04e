//! What others can cause as often as they like, and is told now and then.

use std::time::Duration;

use model::Instant;

/// From one time that it is told to the next.
const EVERY: Duration = Duration::from_secs(60);

/// Something that is worth a line in the log once a minute at most.
#[derive(Debug, Default)]
pub struct Seldom {
    told: Option<Instant>,
}

impl Seldom {
    /// Whether to tell it now; then not again for a minute.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.told.is_none_or(|told| now >= told + EVERY);
        if is_due {
            self.told = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_minute() {
        let mut seldom = Seldom::default();
        let start = Instant::from_nanos(5);
        let due =
            [0, 1, 59, 60, 61, 119, 120].map(|second| seldom.is_due(start + Duration::from_secs(second)));
        assert_eq!(due, [true, false, false, true, false, false, true]);
    }
}
