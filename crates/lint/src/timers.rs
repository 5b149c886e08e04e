//! The times that follow from an instance's settings, as the core computes them.

use std::time::Duration;

use config::Instance;
use model::Priority;

/// An instance's times at one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Between two adverts of a master.
    pub advert: Duration,
    /// How much longer than others a router of this priority waits (RFC 9568 6.1, `Skew_Time`).
    pub skew: Duration,
    /// How long it waits without an advert until it takes over; in VRRPv3 a master's own interval counts instead of
    /// this one.
    pub down: Duration,
}

/// The times of an instance with this effective priority.
#[must_use]
pub fn timers(instance: &Instance, priority: Priority) -> Timers {
    let advert = instance.advert_interval;
    let missed = instance.manners.down_timer_adverts;
    Timers {
        advert,
        skew: vrrp::skew(instance.version, priority, advert),
        down: vrrp::down_interval(instance.version, missed, priority, advert),
    }
}
