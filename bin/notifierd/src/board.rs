//! Which hook runs next: one lane per instance and per sync group, one hook at a time in each, a bounded number in all.
//! Sans I/O.
//!
//! What it must never do: run a hook for a state that hooks were last run for, or let an old state be told after a newer
//! one. A lane holds at most one state that waits: a newer one takes its place (levels, not edges), so nothing can grow.
//! A state that was begun is told to all its hooks, the state's own first, then the general one.

use std::collections::VecDeque;

use config::{Config, Hook, Hooks};
use ipc::events::Told;

use crate::occasion::{Occasion, Subject};

/// Hooks that run at the same time, for different instances and groups.
pub(crate) const MAX_PARALLEL: usize = 32;

/// An instance or a sync group: first all instances, then all groups, in the order of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneId(pub(crate) usize);

/// One of the hooks of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `notify_master`
    Master,
    /// `notify_backup`
    Backup,
    /// `notify_fault`
    Fault,
    /// `notify_stop`
    Stop,
    /// `notify`
    Any,
}

impl Kind {
    /// The word in the configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Master => "notify_master",
            Self::Backup => "notify_backup",
            Self::Fault => "notify_fault",
            Self::Stop => "notify_stop",
            Self::Any => "notify",
        }
    }

    /// The hook of a state alone; nobody is told of INIT, which only means that nothing is decided yet.
    const fn of(state: Told) -> Option<Self> {
        match state {
            Told::Init => None,
            Told::Backup => Some(Self::Backup),
            Told::Master => Some(Self::Master),
            Told::Fault => Some(Self::Fault),
            Told::Stop => Some(Self::Stop),
        }
    }

    /// What is configured for it.
    pub(crate) const fn hook(self, hooks: &Hooks) -> Option<&Hook> {
        match self {
            Self::Master => hooks.master.as_ref(),
            Self::Backup => hooks.backup.as_ref(),
            Self::Fault => hooks.fault.as_ref(),
            Self::Stop => hooks.stop.as_ref(),
            Self::Any => hooks.any.as_ref(),
        }
    }
}

/// A hook to start; answered by [`Board::ended`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Whose hook.
    pub(crate) lane: LaneId,
    /// Which one.
    pub(crate) kind: Kind,
    /// For what.
    pub(crate) occasion: Occasion,
    /// The state that hooks were run for before; the occasion's own idea of it if there was none.
    pub(crate) previous: Told,
}

/// What became of a state that was offered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Offered {
    /// Its hooks run as soon as may be.
    Taken,
    /// As `Taken`; this older state, which still waited, is told to nobody.
    Overtook(Told),
    /// Hooks were last run for this very state: nothing to do. Named is what waited and is void now.
    Same(Option<Told>),
    /// INIT, which is told to nobody.
    Untold,
}

/// The hooks of one instance or one sync group.
#[derive(Debug)]
pub(crate) struct Lane {
    subject: Subject,
    hooks: Hooks,
    told: Option<Told>,
    active: Option<Active>,
    waiting: Option<Occasion>,
    superseded: u64,
}

#[derive(Debug)]
struct Active {
    occasion: Occasion,
    previous: Told,
    left: VecDeque<Kind>,
    running: Option<Kind>,
}

impl Lane {
    const fn new(subject: Subject, hooks: Hooks) -> Self {
        Self { subject, hooks, told: None, active: None, waiting: None, superseded: 0 }
    }

    /// Whose it is.
    pub(crate) const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Its hooks.
    pub(crate) const fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The last state for which hooks were begun.
    pub(crate) const fn told(&self) -> Option<Told> {
        self.told
    }

    /// The state that waits.
    pub(crate) fn waiting(&self) -> Option<Told> {
        self.waiting.as_ref().map(Occasion::to)
    }

    /// The hook that runs, and for which state.
    pub(crate) fn running(&self) -> Option<(Kind, Told)> {
        self.active.as_ref().and_then(|active| active.running.map(|kind| (kind, active.occasion.to())))
    }

    /// States that were overtaken.
    pub(crate) const fn superseded(&self) -> u64 {
        self.superseded
    }

    fn offer(&mut self, occasion: Occasion) -> Offered {
        let state = occasion.to();
        if Kind::of(state).is_none() {
            return Offered::Untold;
        }
        let overtaken = self.waiting.take().map(|older| older.to());
        self.superseded = self.superseded.saturating_add(u64::from(overtaken.is_some()));
        if self.told == Some(state) {
            return Offered::Same(overtaken);
        }
        self.waiting = Some(occasion);
        overtaken.map_or(Offered::Taken, Offered::Overtook)
    }

    /// The next hook of the state that is begun, else the first of the one that waits.
    fn next(&mut self) -> Option<(Kind, Occasion, Told)> {
        loop {
            if let Some(active) = &mut self.active {
                if active.running.is_some() {
                    return None;
                }
                if let Some(kind) = active.left.pop_front() {
                    active.running = Some(kind);
                    return Some((kind, active.occasion.clone(), active.previous));
                }
            }
            self.active = None;
            let occasion = self.waiting.take()?;
            let state = occasion.to();
            let previous = self.told.unwrap_or(occasion.from());
            self.told = Some(state);
            let kinds = Kind::of(state).into_iter().chain([Kind::Any]);
            let left = kinds.filter(|kind| kind.hook(&self.hooks).is_some()).collect();
            self.active = Some(Active { occasion, previous, left, running: None });
        }
    }

    const fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_none()
    }
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Board {
    lanes: Vec<Lane>,
    running: usize,
    /// Where the search for the next hook begins, so that no lane is always last.
    turn: usize,
}

impl Board {
    /// Nothing has been told to anybody.
    pub(crate) fn new(config: &Config) -> Self {
        let instances = config
            .instances
            .iter()
            .map(|instance| Lane::new(Subject::Instance(instance.name.clone()), instance.hooks.clone()));
        let groups = config
            .groups
            .iter()
            .map(|group| Lane::new(Subject::Group(group.name.clone()), group.hooks.clone()));
        Self { lanes: instances.chain(groups).collect(), running: 0, turn: 0 }
    }

    /// All lanes, by [`LaneId`].
    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The lane of that number.
    pub(crate) fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.get(id.0)
    }

    /// Somebody is in a state. `None` if our configuration doesn't know them.
    pub(crate) fn offer(&mut self, occasion: Occasion) -> Option<Offered> {
        let subject = occasion.subject();
        let lane = self.lanes.iter_mut().find(|lane| lane.subject == subject)?;
        Some(lane.offer(occasion))
    }

    /// The next hook to start. To be asked until there is none, after each offer and each end.
    pub(crate) fn poll_start(&mut self) -> Option<Start> {
        if self.running >= MAX_PARALLEL {
            return None;
        }
        let count = self.lanes.len();
        for offset in 0..count {
            let id = LaneId((self.turn + offset) % count);
            let Some(lane) = self.lanes.get_mut(id.0) else { continue };
            if let Some((kind, occasion, previous)) = lane.next() {
                self.running += 1;
                self.turn = id.0 + 1;
                return Some(Start { lane: id, kind, occasion, previous });
            }
        }
        None
    }

    /// The hook that ran in that lane has ended, or couldn't be started.
    pub(crate) fn ended(&mut self, id: LaneId) {
        let active = self.lanes.get_mut(id.0).and_then(|lane| lane.active.as_mut());
        if active.and_then(|active| active.running.take()).is_some() {
            self.running = self.running.saturating_sub(1);
        }
    }

    /// Whether nothing runs and nothing waits, after [`Board::poll_start`] said `None`.
    pub(crate) fn is_idle(&self) -> bool {
        self.lanes.iter().all(Lane::is_idle)
    }
}

#[cfg(test)]
mod tests;
