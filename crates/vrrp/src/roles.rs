//! Checks that count in one role only (`while`), and the penalty of a master that failed one.
//!
//! A service that hooks start on the master alone can't be checked anywhere else: out of its role a check says nothing,
//! so it counts as passed there. Then a master that gave way for it would be fit again in the same moment and come back;
//! so what it failed keeps counting for a while after it has left the role, twice as long if it fails again soon.
//!
//! It must never be told of events: [`RoleChecks::look`] compares what is so with what was so, whenever anything may
//! have changed, and a look too many changes nothing. Pains A5 (flapping) and B6 (a check that needs to know the role).

use std::collections::BTreeMap;
use std::time::Duration;

use model::{CheckName, Instant, Verdict};

use crate::door::TrackedCheck;
use crate::eligibility::Verdicts;
use crate::settings::Role;
use crate::status::PenaltyView;

/// However often a master fails: no penalty is longer, unless it was configured so.
pub(crate) const MAX_PENALTY: Duration = Duration::from_secs(3600);

/// How a check is to be counted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// By its verdict.
    Verdict,
    /// As passed, whatever its verdict: it isn't in its role, or its grace isn't over.
    AsPassed,
    /// As failed, whatever its verdict: it failed in its role, so long does it count after that.
    AsFailed(Duration),
}

/// How a check does in its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conduct {
    Fails,
    /// Or isn't in its role.
    Passes,
    /// Nothing can be said: its grace isn't over, or its role isn't known yet.
    NotSeen,
}

/// What a failure costs.
#[derive(Clone, Copy, Debug)]
struct Penalty {
    length: Duration,
    /// `None` while the failure lasts: the end is counted from its end.
    until: Option<Instant>,
}

/// What one instance remembers of its role and of what it failed there.
#[derive(Debug)]
pub(crate) struct RoleChecks {
    looked: Instant,
    /// Some check is bound to a role: otherwise nobody has to look again.
    needed: bool,
    /// Master with the addresses in place: hooks start services then, and not before.
    master_since: Option<Instant>,
    /// When a grace ends.
    grace_ends: Option<Instant>,
    penalties: BTreeMap<CheckName, Penalty>,
    /// They are other than they were when that was asked last.
    changed: bool,
}

impl RoleChecks {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            looked: now,
            needed: false,
            master_since: None,
            grace_ends: None,
            penalties: BTreeMap::new(),
            changed: false,
        }
    }

    /// Compares what is so with what was so. `is_master` is none until it is decided: what failed in a life before
    /// ([`Self::recall`]) may fail still.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        is_master: Option<bool>,
        checks: &[TrackedCheck],
        verdicts: &Verdicts,
    ) {
        self.looked = now;
        self.needed = checks.iter().any(|tracked| tracked.role != Role::Any);
        self.master_since = (is_master == Some(true)).then(|| self.master_since.unwrap_or(now));
        self.grace_ends = None;
        for tracked in checks {
            let Role::Master { grace, penalty } = tracked.role else { continue };
            let judged_from = self.master_since.map(|since| since + grace);
            if let Some(from) = judged_from.filter(|from| *from > now) {
                self.grace_ends = Some(self.grace_ends.map_or(from, |earlier| earlier.min(from)));
            }
            let conduct = match judged_from {
                None if is_master.is_none() => Conduct::NotSeen,
                Some(from) if from > now => Conduct::NotSeen,
                Some(_) if fails(tracked, verdicts) => Conduct::Fails,
                Some(_) | None => Conduct::Passes,
            };
            self.punish(&tracked.check, conduct, penalty);
        }
        // Checks that aren't tracked any more have nothing to wait for.
        let before = self.penalties.len();
        let role_of = |name: &CheckName| {
            checks.iter().find(|tracked| tracked.check == *name).map(|tracked| tracked.role)
        };
        self.penalties.retain(|check, _| matches!(role_of(check), Some(Role::Master { .. })));
        self.changed |= self.penalties.len() != before;
    }

    fn punish(&mut self, check: &CheckName, conduct: Conduct, length: Duration) {
        let Some(penalty) = self.penalties.get_mut(check) else {
            if conduct == Conduct::Fails {
                self.penalties.insert(check.clone(), Penalty { length, until: None });
                self.changed = true;
            }
            return;
        };
        match (conduct, penalty.until) {
            (Conduct::Fails | Conduct::NotSeen, None) => return,
            (Conduct::Fails, Some(_)) => {
                penalty.length = penalty.length.saturating_mul(2).min(MAX_PENALTY).max(length);
                penalty.until = None;
            }
            (Conduct::Passes, None) => penalty.until = Some(self.looked + penalty.length),
            // As long again without a failure, and it is forgotten.
            (Conduct::Passes | Conduct::NotSeen, Some(until)) if until + penalty.length <= self.looked => {
                self.penalties.remove(check);
            }
            (Conduct::Passes | Conduct::NotSeen, Some(_)) => return,
        }
        self.changed = true;
    }

    /// What a core before this one has remembered. A check that isn't tracked as master any more is none of ours; and nothing counts
    /// for longer than it could.
    pub(crate) fn recall(&mut self, now: Instant, remembered: &PenaltyView, checks: &[TrackedCheck]) {
        let tracked = checks.iter().find(|tracked| tracked.check == remembered.check);
        let Some(Role::Master { penalty, .. }) = tracked.map(|tracked| tracked.role) else { return };
        let length = remembered.length.min(MAX_PENALTY.max(penalty));
        let until = remembered.until.map(|until| until.min(now + length));
        self.penalties.insert(remembered.check.clone(), Penalty { length, until });
    }

    /// Whether penalties have changed since this was asked last, but for the time that goes by.
    pub(crate) const fn take_change(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// How a check counts, as of the last look.
    pub(crate) fn counting(&self, tracked: &TrackedCheck) -> Counting {
        match tracked.role {
            Role::Any => Counting::Verdict,
            Role::Backup if self.master_since.is_some() => Counting::AsPassed,
            Role::Backup => Counting::Verdict,
            Role::Master { .. } => match self.penalties.get(&tracked.check) {
                Some(penalty) if penalty.until.is_none_or(|until| self.looked < until) => {
                    Counting::AsFailed(penalty.length)
                }
                Some(_) | None => Counting::AsPassed,
            },
        }
    }

    /// Whether another look would see something else: the role has changed, or time has made a difference.
    pub(crate) fn is_stale(&self, now: Instant, is_master: bool) -> bool {
        self.needed
            && (is_master != self.master_since.is_some() || self.deadline().is_some_and(|at| at <= now))
    }

    /// When time alone makes a difference.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let ends = self.penalties.values().filter_map(|penalty| penalty.until);
        ends.chain(self.grace_ends).filter(|at| *at > self.looked).min()
    }

    /// The operator says that it is well again.
    pub(crate) fn forgive(&mut self) {
        self.changed |= !self.penalties.is_empty();
        self.penalties.clear();
    }

    /// What counts now, for people.
    pub(crate) fn view(&self) -> Vec<PenaltyView> {
        let counts = |penalty: &PenaltyView| penalty.until.is_none_or(|until| self.looked < until);
        self.all().filter(counts).collect()
    }

    /// Also what counts no more, and makes the next one longer.
    pub(crate) fn all(&self) -> impl Iterator<Item = PenaltyView> {
        self.penalties.iter().map(|(check, penalty)| PenaltyView {
            check: check.clone(),
            length: penalty.length,
            until: penalty.until,
        })
    }
}

/// What is not known has not failed: silence of checkerd moves nothing.
fn fails(tracked: &TrackedCheck, verdicts: &Verdicts) -> bool {
    match verdicts.get(&tracked.check) {
        Some(Verdict::Up) => tracked.reverse,
        Some(Verdict::Down) => !tracked.reverse,
        Some(Verdict::Unrunnable) => true,
        Some(Verdict::Unknown) | None => false,
    }
}
