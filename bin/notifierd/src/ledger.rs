//! What notifierd remembers of the hooks that have ended, for people.

use std::collections::BTreeMap;

use ipc::events::Told;
use ipc::hooks::HookRun;
use runner::{End, Finished};

use crate::board::LaneId;
use crate::occasion::Subject;

/// What is remembered of one instance or sync group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// The hook that ended last.
    pub(crate) last: Option<HookRun>,
    /// How each of those failed that failed when it ended last, by its word.
    pub(crate) failed: BTreeMap<&'static str, HookRun>,
    /// Hooks that were run, or should have been.
    pub(crate) runs: u64,
    /// Those that failed, took too long or couldn't be started.
    pub(crate) failures: u64,
}

/// A hook or a prelude that has ended, or that couldn't be started.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its word in the configuration.
    pub(crate) hook: &'static str,
    /// The state for which it was run; of a prelude the state to come.
    pub(crate) state: Told,
    /// In words.
    pub(crate) outcome: String,
    pub(crate) succeeded: bool,
    /// As whom it ran, if it ran.
    pub(crate) user: Option<String>,
    pub(crate) duration_ms: u64,
    pub(crate) output: String,
}

impl Entry {
    /// Of one that ran.
    pub(crate) fn ended(hook: &'static str, state: Told, finished: Finished) -> Self {
        Self {
            hook,
            state,
            outcome: finished.end.to_string(),
            succeeded: matches!(finished.end, End::Exited(exit) if exit.success()),
            user: Some(finished.user),
            duration_ms: u64::try_from(finished.took.as_millis()).unwrap_or(u64::MAX),
            output: finished.output,
        }
    }

    /// Of one that couldn't be started.
    pub(crate) const fn refused(hook: &'static str, state: Told, why: String) -> Self {
        let output = String::new();
        Self { hook, state, outcome: why, succeeded: false, user: None, duration_ms: 0, output }
    }

    /// For the status; `at` is a time of day.
    pub(crate) fn into_run(self, at: String) -> HookRun {
        HookRun {
            hook: self.hook.to_owned(),
            state: self.state,
            outcome: self.outcome,
            at,
            user: self.user,
            duration_ms: self.duration_ms,
            output: self.output,
        }
    }

    /// In the log, with whose it is, if anybody's.
    pub(crate) fn log(&self, whose: Option<&Subject>) {
        let what = match whose {
            Some(whose) => format!("({whose}) {} for {}", self.hook, self.state),
            None => self.hook.to_owned(),
        };
        if self.succeeded {
            log::info!("{what} {} in {} ms", self.outcome, self.duration_ms);
        } else {
            log::warn!("{what} failed: {}{}", self.outcome, runner::quoted(&self.output));
        }
    }
}

/// All lanes, by number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: BTreeMap<LaneId, Account>,
}

impl Ledger {
    /// What is known of one.
    pub(crate) fn account(&self, lane: LaneId) -> Option<&Account> {
        self.accounts.get(&lane)
    }

    /// Lanes that are no more have no account.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(LaneId) -> bool) {
        self.accounts.retain(|lane, _| is_kept(*lane));
    }

    /// A hook has ended at `at`, a time of day.
    pub(crate) fn record(&mut self, lane: LaneId, entry: Entry, at: String) {
        let account = self.accounts.entry(lane).or_default();
        account.runs = account.runs.saturating_add(1);
        account.failures = account.failures.saturating_add(u64::from(!entry.succeeded));
        let (hook, succeeded) = (entry.hook, entry.succeeded);
        let run = entry.into_run(at);
        // Another hook of the same state that goes well mends nothing.
        if succeeded {
            account.failed.remove(hook);
        } else {
            account.failed.insert(hook, run.clone());
        }
        account.last = Some(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_hook_stands_until_it_has_succeeded_itself() {
        let mut ledger = Ledger::default();
        let lane = LaneId(0);
        let refused = |hook| Entry::refused(hook, Told::Master, "not executable".to_owned());
        let went_well = |hook| Entry { succeeded: true, ..refused(hook) };
        ledger.record(lane, refused("notify_master"), "08:15".to_owned());
        ledger.record(lane, went_well("notify"), "08:15".to_owned());
        let failed = |ledger: &Ledger| -> Vec<String> {
            ledger.account(lane).unwrap().failed.values().map(|run| run.hook.clone()).collect()
        };
        assert_eq!(failed(&ledger), ["notify_master"], "another one's success mends nothing");
        ledger.record(lane, went_well("notify_master"), "08:16".to_owned());
        assert_eq!(failed(&ledger), [""; 0]);
        assert_eq!((ledger.account(lane).unwrap().runs, ledger.account(lane).unwrap().failures), (3, 1));
    }
}
