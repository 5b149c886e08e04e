//! How long an election may take: the settling time, as a formula with its reasons.
//!
//! It must be an upper bound of what RFC 9568 6.4 and keepalived's `preempt_delay` allow, and no more: a bound that is
//! too generous hides a router that waits a down interval too long.

use std::time::Duration;

use model::{Priority, ProtocolVersion};
use vrrp::InstanceConfig;

use crate::scenario::{HostDelays, Weather};

/// The adverts that may be missed before a master counts as gone (RFC 9568 6.1).
const MISSED: u32 = 3;
/// How many down intervals can follow each other, see [`settling_time`].
const DOWN_INTERVALS: u32 = 2;
/// How many adverts have to arrive along the way, each up to an interval after it could.
const ADVERTS: u32 = 2;
/// How many preludes can follow each other.
const PRELUDES: u32 = 2;
/// How many times a packet, a message within a host or a late timer can stand between two steps of an election.
const HOPS: u32 = 10;

/// How long a master may be silent before the quickest peer, of priority 254, has taken over (X-1; RFC 9568 6.1, RFC 3768
/// 6.1): sooner than that, none has.
pub(crate) fn shortest_takeover(instance: &InstanceConfig) -> Duration {
    let unit = match instance.version {
        ProtocolVersion::V2 => Duration::from_secs(1),
        ProtocolVersion::V3 => instance.advert_interval,
    };
    let skew = unit.saturating_mul(256 - u32::from(Priority::MAX_BACKUP.0)) / 256;
    instance.advert_interval.saturating_mul(MISSED).saturating_add(skew)
}

/// The time after the last disturbance by which one virtual router has exactly the master that it will have:
///
/// `settling = 2 * D + P + 2 * I + 2 * L + 10 * (d + m + a + w)`
///
/// - `I` is the longest advertisement interval among its nodes: VRRPv3 backups wait as long as the master says (V3-TMR-2).
/// - `D = 3 * I + skew` is the longest down interval, with the skew below its limit: `I` in VRRPv3, 1 s in VRRPv2,
///   whatever the checks make of a priority.
/// - `P` is the longest `preempt_delay` of a node that preempts.
/// - `L` is the longest that a prelude is waited for: once before the addresses go, once before they come.
/// - `d`, `m`, `a` and `w` are the longest delays of a packet, of a message between two processes of a host, of ipmgr's
///   answer to an order, of a timer.
///
/// Why. A node that starts, wakes from a stall or has its link back listens for `D` at most; so do all that heard a master
/// just before it vanished; they listen at the same time: one `D`. (A dead core's addresses are gone sooner, after
/// 2 * `I`.) If that makes a lower router master, its first advert reaches the best one, which may then be bound to wait
/// `P`, accepting one more advert (`I`) at the very end of it and listening for another `D`. Then it advertises, and the
/// lower one yields on the first advert; two that became master in the same moment settle by their first or next
/// advert (the second `I`). Each step can cost a packet, a message to ipmgr and back, and a late timer; fewer than ten.
#[must_use]
pub fn settling_time<'a>(
    instances: impl Iterator<Item = &'a InstanceConfig>,
    weather: Weather,
    delays: HostDelays,
) -> Duration {
    let (mut interval, mut preempt_delay, mut skew) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut preludes = Duration::ZERO;
    for instance in instances {
        preludes = preludes.max(instance.manners.preludes.limit);
        interval = interval.max(instance.advert_interval);
        if instance.preempt {
            preempt_delay = preempt_delay.max(instance.preempt_delay);
        }
        skew = skew.max(match instance.version {
            ProtocolVersion::V2 => Duration::from_secs(1),
            ProtocolVersion::V3 => Duration::ZERO,
        });
    }
    let down = interval.saturating_mul(MISSED).saturating_add(skew.max(interval));
    let hop = weather
        .delay
        .saturating_add(delays.message)
        .saturating_add(delays.answer)
        .saturating_add(delays.wake);
    down.saturating_mul(DOWN_INTERVALS)
        .saturating_add(preempt_delay)
        .saturating_add(preludes.saturating_mul(PRELUDES))
        .saturating_add(interval.saturating_mul(ADVERTS))
        .saturating_add(hop.saturating_mul(HOPS))
}
