//! The protocol's times, all in nanoseconds on the clock that is handed in (TMR-3).
//!
//! It must never round: a skew that becomes 0 makes two routers take over at once. RFC 9568 section 6.1,
//! RFC 3768 section 6.1.

use std::time::Duration;

use model::{Priority, ProtocolVersion};

/// How many adverts a master may miss where nothing else is configured (RFC 9568 6.1: `3 * Active_Adver_Interval`).
const MISSED_ADVERTS: u8 = 3;

/// Skew_Time: the higher the priority, the sooner (V3-TMR-1, V2-TMR-1). `interval` is the master's; VRRPv2 does not use it.
#[must_use]
pub fn skew(version: ProtocolVersion, priority: Priority, interval: Duration) -> Duration {
    let unit = match version {
        ProtocolVersion::V2 => Duration::from_secs(1),
        ProtocolVersion::V3 => interval,
    };
    unit.saturating_mul(256 - u32::from(priority.0)) / 256
}

/// Active_Down_Interval (V3-TMR-2) or Master_Down_Interval (V2-TMR-1), for the master's `interval` and the adverts that it
/// may miss, one at least.
#[must_use]
pub fn down_interval(
    version: ProtocolVersion,
    missed: u8,
    priority: Priority,
    interval: Duration,
) -> Duration {
    interval.saturating_mul(missed.max(1).into()).saturating_add(skew(version, priority, interval))
}

/// How long we may be silent before a peer could have taken over: the down interval of the quickest one, which lets
/// us miss as many adverts as we would, or as the RFC has it, whichever is less.
pub(crate) fn stall_limit(version: ProtocolVersion, missed: u8, interval: Duration) -> Duration {
    down_interval(version, missed.min(MISSED_ADVERTS), Priority::MAX_BACKUP, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn skew_is_never_truncated() {
        // V3-TMR-1: 10 ms * 1/256 is 39 us, not 0.
        assert_eq!(skew(ProtocolVersion::V3, Priority(255), ms(10)), Duration::from_nanos(39_062));
        assert_eq!(skew(ProtocolVersion::V3, Priority(100), ms(1000)), Duration::from_nanos(609_375_000));
        for priority in 1..=255 {
            assert!(skew(ProtocolVersion::V3, Priority(priority), ms(10)) > Duration::ZERO);
        }
    }

    #[test]
    fn a_higher_priority_is_always_quicker() {
        for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
            for priority in 2..=255 {
                assert!(
                    skew(version, Priority(priority), ms(10)) < skew(version, Priority(priority - 1), ms(10))
                );
            }
        }
    }

    #[test]
    fn version_3_counts_in_the_masters_interval() {
        // V3-TMR-2
        assert_eq!(
            down_interval(ProtocolVersion::V3, MISSED_ADVERTS, Priority(200), ms(400)),
            ms(1200) + Duration::from_nanos(87_500_000)
        );
    }

    #[test]
    fn version_2_skews_by_seconds() {
        // V2-TMR-1
        assert_eq!(
            down_interval(ProtocolVersion::V2, MISSED_ADVERTS, Priority(100), ms(5000)),
            ms(15_000) + Duration::from_nanos(609_375_000)
        );
    }

    #[test]
    fn absurd_intervals_saturate() {
        assert_eq!(down_interval(ProtocolVersion::V3, u8::MAX, Priority(1), Duration::MAX), Duration::MAX);
    }
}
