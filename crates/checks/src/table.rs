//! All checks: one state machine for each, and the queue of their deadlines.
//!
//! ```text
//! Waiting --due--> Running --ended--> Waiting
//!                     \--overdue--> Overdue --ended--> Waiting      (each moment of the grid in Overdue: a failure)
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Instant, Verdict};

use crate::schedule::Grid;
use crate::{CheckConfig, CheckId, Input, Judge, Outcome, Output, RunNumber, Tally};

/// What a check is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing runs; due at the next moment of the grid.
    Waiting,
    /// A run is active.
    Running(RunNumber),
    /// A run took too long, which has been counted, and has not ended yet; at `recount` it counts again.
    Overdue { run: RunNumber, recount: Instant },
    /// Nothing will be started any more.
    Stopped,
}

/// What can happen to a check.
#[derive(Clone, Debug)]
enum Event {
    /// A moment of its grid has come.
    Due,
    Ended(RunNumber, Outcome),
    Overdue(RunNumber),
    /// A run now would come to something else.
    Hasten,
    Stop,
}

/// One check.
#[derive(Debug)]
struct Entry {
    phase: Phase,
    grid: Grid,
    runs: RunNumber,
    /// The run that is active was made out of turn.
    hastened: bool,
    judge: Judge,
    last_outcome: Option<Outcome>,
}

impl Entry {
    /// When time alone makes something happen.
    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting => Some(self.grid.next()),
            Phase::Overdue { recount, .. } => Some(recount),
            // How long a run may take is known to who runs it.
            Phase::Running(_) | Phase::Stopped => None,
        }
    }
}

/// What is known of one check.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// After rise and fall.
    pub verdict: Verdict,
    /// What has been counted.
    pub tally: Tally,
    /// Whether a run is active, overdue or not.
    pub running: bool,
    /// How the last run ended.
    pub last_outcome: Option<&'a Outcome>,
}

/// All checks. The first run of each is due at once.
#[derive(Debug)]
pub struct Checks {
    entries: BTreeMap<CheckId, Entry>,
    /// Numbers are never given twice: whatever is still said of a check that was removed is about nobody.
    next: usize,
    stopped: bool,
    deadlines: BTreeSet<(Instant, CheckId)>,
    outputs: VecDeque<Output>,
}

impl Checks {
    /// In this order they are numbered; `now` is when each is due first.
    #[must_use]
    pub fn new(now: Instant, configs: &[CheckConfig]) -> Self {
        let mut checks = Self {
            entries: BTreeMap::new(),
            next: 0,
            stopped: false,
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
        };
        for config in configs {
            checks.add(now, config);
        }
        checks
    }

    /// One more, with the next number.
    pub fn add(&mut self, now: Instant, config: &CheckConfig) -> CheckId {
        let id = CheckId(self.next);
        self.next += 1;
        let entry = Entry {
            phase: if self.stopped { Phase::Stopped } else { Phase::Waiting },
            grid: Grid::new(now, config.interval, id.0),
            runs: RunNumber::default(),
            hastened: false,
            judge: Judge::new(config),
            last_outcome: None,
        };
        self.deadlines.extend(entry.deadline().map(|at| (at, id)));
        self.entries.insert(id, entry);
        id
    }

    /// Nothing more is started, expected or told of that check. A run that is active is the caller's to end.
    pub fn remove(&mut self, check: CheckId) {
        if let Some(deadline) = self.entries.remove(&check).and_then(|entry| entry.deadline()) {
            self.deadlines.remove(&(deadline, check));
        }
        self.outputs.retain(|output| match output {
            Output::Start { check: other, .. } | Output::Verdict { check: other, .. } => *other != check,
        });
    }

    /// Takes one input. Late or unknown numbers are ignored.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Wake => self.wake(now),
            Input::Ended { check, run, outcome } => self.step(now, check, Event::Ended(run, outcome)),
            Input::Overdue { check, run } => self.step(now, check, Event::Overdue(run)),
            Input::Hasten { check } => self.step(now, check, Event::Hasten),
            Input::Stop => {
                self.stopped = true;
                for check in self.entries.keys().copied().collect::<Vec<_>>() {
                    self.step(now, check, Event::Stop);
                }
            }
        }
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with [`Input::Wake`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// What is known of a check.
    #[must_use]
    pub fn view(&self, check: CheckId) -> Option<View<'_>> {
        self.entries.get(&check).map(|entry| View {
            verdict: entry.judge.verdict(),
            tally: entry.judge.tally(),
            running: matches!(entry.phase, Phase::Running(_) | Phase::Overdue { .. }),
            last_outcome: entry.last_outcome.as_ref(),
        })
    }

    fn wake(&mut self, now: Instant) {
        while let Some((at, check)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, check));
            self.step(now, check, Event::Due);
        }
    }

    /// The table: every pair is listed. Whatever happens, the deadline of the check is set anew afterwards.
    fn step(&mut self, now: Instant, check: CheckId, event: Event) {
        let Some(entry) = self.entries.get_mut(&check) else { return };
        if let Some(deadline) = entry.deadline() {
            self.deadlines.remove(&(deadline, check));
        }
        match (entry.phase, event) {
            (Phase::Waiting, Event::Due) => {
                entry.grid.advance(now);
                Self::on_start(&mut self.outputs, entry, check, false);
            }
            (Phase::Waiting, Event::Hasten) => Self::on_start(&mut self.outputs, entry, check, true),
            (Phase::Overdue { run, .. }, Event::Due) => {
                entry.grid.advance(now);
                Self::on_overdue(&mut self.outputs, entry, (check, run), now);
            }
            (Phase::Running(active), Event::Overdue(run)) if active == run => {
                Self::on_overdue(&mut self.outputs, entry, (check, run), now);
            }
            (Phase::Running(active), Event::Ended(run, outcome)) if active == run => {
                entry.phase = Phase::Waiting;
                if !entry.hastened {
                    Self::on_result(&mut self.outputs, entry, check, outcome);
                } else if !entry.judge.is_no_news(&outcome) {
                    entry.grid.restart(now);
                    Self::on_result(&mut self.outputs, entry, check, outcome);
                }
            }
            // What it comes to in the end doesn't matter any more.
            (Phase::Overdue { run: active, .. }, Event::Ended(run, _)) if active == run => {
                entry.phase = Phase::Waiting;
            }
            // Of another run than the one that is active.
            (
                Phase::Waiting | Phase::Running(_) | Phase::Overdue { .. },
                Event::Ended(..) | Event::Overdue(_),
            ) => {}
            // The run decides when the next one starts: never two at once.
            (Phase::Running(_), Event::Due | Event::Hasten) | (Phase::Overdue { .. }, Event::Hasten) => {}
            (Phase::Waiting | Phase::Running(_) | Phase::Overdue { .. }, Event::Stop) => {
                entry.phase = Phase::Stopped;
            }
            (
                Phase::Stopped,
                Event::Due | Event::Ended(..) | Event::Overdue(_) | Event::Hasten | Event::Stop,
            ) => {}
        }
        if let Some(deadline) = entry.deadline() {
            self.deadlines.insert((deadline, check));
        }
    }

    fn on_start(outputs: &mut VecDeque<Output>, entry: &mut Entry, check: CheckId, hastened: bool) {
        entry.hastened = hastened;
        entry.runs = RunNumber(entry.runs.0.wrapping_add(1));
        entry.phase = Phase::Running(entry.runs);
        outputs.push_back(Output::Start { check, run: entry.runs });
    }

    /// It counts now, and at each later moment of the grid until it has ended.
    fn on_overdue(
        outputs: &mut VecDeque<Output>,
        entry: &mut Entry,
        (check, run): (CheckId, RunNumber),
        now: Instant,
    ) {
        entry.phase = Phase::Overdue { run, recount: entry.grid.after(now) };
        Self::on_result(outputs, entry, check, Outcome::TimedOut);
    }

    fn on_result(outputs: &mut VecDeque<Output>, entry: &mut Entry, check: CheckId, outcome: Outcome) {
        if let Some((verdict, cause)) = entry.judge.handle(&outcome) {
            outputs.push_back(Output::Verdict { check, verdict, cause });
        }
        entry.last_outcome = Some(outcome);
    }
}

#[cfg(test)]
mod tests;
