//! Who wants which instance's addresses, and for how long silence counts as a yes. Sans I/O.
//!
//! An instance's addresses are *ordered* by a vrrp-core that lives; *left over* from an ipmgr that died, for as long as
//! vrrp-core may need to come and order them again; or wanted by nobody. Silence is judged per instance: vrrp-core must
//! have been heard within twice the instance's advertisement interval, less than what a peer waits before it takes over.

use std::time::Duration;

use ipc::core_ipmgr::GRACE_INTERVALS;
use model::Instant;

/// An instance by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InstanceId(pub(crate) usize);

/// What is to become of an instance's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody wants them: they go.
    Nobody,
    /// They were there when we started: until then they may stay as they are.
    LeftOver(Instant),
    /// vrrp-core wants them: they are put there, kept there and renewed.
    Ordered,
}

/// A claim that has ended because nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunOut {
    /// Whose.
    pub(crate) instance: InstanceId,
    /// What it was.
    pub(crate) claim: Claim,
    /// How long nothing has been heard.
    pub(crate) silence: Duration,
}

#[derive(Debug)]
struct Entry {
    claim: Claim,
    grace: Duration,
}

impl Entry {
    /// When the claim ends if nothing is heard after `heard`.
    fn deadline(&self, heard: Instant) -> Option<Instant> {
        match self.claim {
            Claim::Nobody => None,
            Claim::LeftOver(until) => Some(until),
            Claim::Ordered => Some(heard + self.grace),
        }
    }
}

/// The claims of all instances.
#[derive(Debug)]
pub(crate) struct Claims {
    entries: Vec<Entry>,
    heard: Instant,
    /// What stands still is wanted until we go.
    statics: bool,
}

impl Claims {
    /// Nobody wants anything yet. Takes the advertisement interval of each instance, in the order of the configuration.
    pub(crate) fn new(advert_intervals: impl IntoIterator<Item = Duration>, now: Instant) -> Self {
        let entry = |interval: Duration| Entry {
            claim: Claim::Nobody,
            grace: interval.saturating_mul(GRACE_INTERVALS),
        };
        Self { entries: advert_intervals.into_iter().map(entry).collect(), heard: now, statics: true }
    }

    /// The same claims for another configuration: the advertisement interval of each instance, and which one it was.
    pub(crate) fn carried_over(
        &self,
        instances: impl IntoIterator<Item = (Duration, Option<InstanceId>)>,
    ) -> Self {
        let (intervals, before): (Vec<_>, Vec<_>) = instances.into_iter().unzip();
        let mut claims = Self::new(intervals, self.heard);
        for (entry, before) in claims.entries.iter_mut().zip(before) {
            entry.claim = before.map_or(Claim::Nobody, |id| self.of(id));
        }
        claims
    }

    /// What holds for that instance.
    pub(crate) fn of(&self, instance: InstanceId) -> Claim {
        self.entries.get(instance.0).map_or(Claim::Nobody, |entry| entry.claim)
    }

    /// The instances that vrrp-core has ordered, in the order of the configuration.
    pub(crate) fn ordered(&self) -> impl Iterator<Item = InstanceId> {
        let all = self.entries.iter().enumerate();
        all.filter(|(_, entry)| entry.claim == Claim::Ordered).map(|(number, _)| InstanceId(number))
    }

    /// vrrp-core said something.
    pub(crate) fn hear(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When vrrp-core said something last.
    pub(crate) const fn heard(&self) -> Instant {
        self.heard
    }

    /// vrrp-core wants the addresses.
    pub(crate) fn order(&mut self, instance: InstanceId) {
        self.set(instance, |_| Claim::Ordered);
    }

    /// vrrp-core doesn't want the addresses.
    pub(crate) fn withdraw(&mut self, instance: InstanceId) {
        self.set(instance, |_| Claim::Nobody);
    }

    /// Some of the addresses were there when we started.
    pub(crate) fn leave_over(&mut self, instance: InstanceId, now: Instant) {
        self.set(instance, |grace| Claim::LeftOver(now + grace));
    }

    fn set(&mut self, instance: InstanceId, claim: impl FnOnce(Duration) -> Claim) {
        if let Some(entry) = self.entries.get_mut(instance.0) {
            entry.claim = claim(entry.grace);
        }
    }

    /// The next moment at which [`Self::run_out`] may have something to say.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|entry| entry.deadline(self.heard)).min()
    }

    /// Ends every claim whose time is over. Whatever vrrp-core has sent must be read before this is asked: it may be us
    /// who slept.
    pub(crate) fn run_out(&mut self, now: Instant) -> Vec<RunOut> {
        let heard = self.heard;
        let mut over = Vec::new();
        for (number, entry) in self.entries.iter_mut().enumerate() {
            if entry.deadline(heard).is_some_and(|deadline| deadline <= now) {
                let instance = InstanceId(number);
                over.push(RunOut { instance, claim: entry.claim, silence: now.since(heard) });
                entry.claim = Claim::Nobody;
            }
        }
        over
    }

    /// Whether what stands still is to be there.
    pub(crate) const fn keeps_statics(&self) -> bool {
        self.statics
    }

    /// Nobody wants anything any more.
    pub(crate) fn clear(&mut self) {
        self.statics = false;
        for entry in &mut self.entries {
            entry.claim = Claim::Nobody;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: InstanceId = InstanceId(0);
    const FAST: InstanceId = InstanceId(1);
    const START: Instant = Instant::from_nanos(1_000_000_000);

    fn claims() -> Claims {
        Claims::new([Duration::from_secs(1), Duration::from_millis(10)], START)
    }

    fn after(millis: u64) -> Instant {
        START + Duration::from_millis(millis)
    }

    /// D3: less than the three intervals and a skew after which a peer has the addresses.
    #[test]
    fn silence_ends_each_claim_after_two_of_its_own_intervals() {
        let mut claims = claims();
        claims.order(SLOW);
        claims.order(FAST);
        claims.hear(after(5));
        assert_eq!(claims.next_deadline(), Some(after(25)));
        assert_eq!(claims.run_out(after(24)), []);
        let silence = Duration::from_millis(20);
        assert_eq!(claims.run_out(after(25)), [RunOut { instance: FAST, claim: Claim::Ordered, silence }]);
        assert_eq!(claims.of(SLOW), Claim::Ordered);
        assert_eq!(claims.next_deadline(), Some(after(2005)));
        assert_eq!(claims.run_out(after(2005)).len(), 1);
        assert_eq!((claims.of(SLOW), claims.next_deadline()), (Claim::Nobody, None));
        assert_eq!(claims.run_out(after(9999)), [], "told once");
    }

    #[test]
    fn a_beat_renews_what_is_ordered() {
        let mut claims = claims();
        claims.order(FAST);
        for beat in 1..100 {
            claims.hear(after(beat * 15));
            assert_eq!(claims.run_out(after(beat * 15 + 14)), []);
        }
    }

    #[test]
    fn silence_means_nothing_while_nothing_is_ordered() {
        let mut claims = claims();
        assert_eq!((claims.next_deadline(), claims.run_out(after(1_000_000))), (None, vec![]));
        claims.hear(after(1_000_000));
        claims.order(SLOW);
        assert_eq!(claims.run_out(after(1_000_001)), []);
        claims.withdraw(SLOW);
        assert_eq!(claims.next_deadline(), None);
    }

    #[test]
    fn a_beat_does_not_claim_what_was_left_over_and_an_order_does() {
        let mut claims = claims();
        claims.leave_over(SLOW, START);
        claims.leave_over(FAST, START);
        assert_eq!(claims.ordered().count(), 0, "nobody is told that it holds what it never ordered");
        claims.hear(after(15));
        claims.order(SLOW);
        assert_eq!(claims.run_out(after(20)).iter().map(|it| it.instance).collect::<Vec<_>>(), [FAST]);
        claims.hear(after(1900));
        assert_eq!(claims.run_out(after(2000)), [], "ordered in time");
        assert_eq!(claims.ordered().collect::<Vec<_>>(), [SLOW]);
    }

    #[test]
    fn another_configuration_keeps_the_claims_of_who_is_still_there() {
        let mut before = claims();
        before.order(FAST);
        before.leave_over(SLOW, START);
        before.hear(after(5));
        let second = Duration::from_secs(1);
        let mut claims = before.carried_over([(second, Some(FAST)), (second, None)]);
        assert_eq!((claims.of(InstanceId(0)), claims.of(InstanceId(1))), (Claim::Ordered, Claim::Nobody));
        assert_eq!(claims.next_deadline(), Some(after(2005)), "its new patience, from when it was heard");
        claims.withdraw(InstanceId(0));
        assert_eq!(claims.next_deadline(), None);
    }

    #[test]
    fn an_instance_that_does_not_exist_changes_nothing() {
        let mut claims = claims();
        claims.order(InstanceId(7));
        assert_eq!((claims.of(InstanceId(7)), claims.next_deadline()), (Claim::Nobody, None));
    }
}
