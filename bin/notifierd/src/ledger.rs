//! What notifierd remembers of the hooks that have ended, for people.

use std::collections::BTreeMap;

use ipc::events::Told;
use ipc::hooks::HookRun;

use crate::board::{Kind, LaneId};

/// What is remembered of one instance or sync group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// The hook that ended last.
    pub(crate) last: Option<HookRun>,
    /// Hooks that were run, or should have been.
    pub(crate) runs: u64,
    /// Those that failed, took too long or couldn't be started.
    pub(crate) failures: u64,
}

/// A hook that has ended, or that couldn't be started.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) state: Told,
    /// In words.
    pub(crate) outcome: String,
    pub(crate) succeeded: bool,
    pub(crate) duration_ms: u64,
    pub(crate) output: String,
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
        account.last = Some(HookRun {
            hook: entry.kind.word().to_owned(),
            state: entry.state,
            outcome: entry.outcome,
            at,
            duration_ms: entry.duration_ms,
            output: entry.output,
        });
    }
}
