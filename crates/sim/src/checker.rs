//! A host's checkerd: the real scheduling, rise and fall, over runs whose results the script decides.
//!
//! It must never decide about a verdict itself: results go into [`checks::Checks`], verdicts come out. A host that loses
//! power forgets everything, so what was meant for an earlier checkerd never reaches the next one.

use std::time::Duration;

use checks::{CheckConfig, CheckId, Checks, Input, Outcome, Output, RunNumber};
use model::{CheckName, Verdict};

use crate::host::Host;
use crate::oracle::Disturbance;
use crate::queue::Ticket;
use crate::report::Line;
use crate::scenario::{Fault, NodeId};
use crate::world::{Event, World};

/// How long a run takes that is neither overdue nor impossible, unless its timeout is shorter.
const RUN: Duration = Duration::from_millis(20);
/// How long a run takes to end after it was told to.
const KILL: Duration = Duration::from_millis(5);

/// A check that a node really makes.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) check: CheckName,
    pub(crate) config: CheckConfig,
    pub(crate) timeout: Duration,
    /// How a run that starts now will end.
    pub(crate) outcome: Outcome,
}

/// All checks that a node really makes.
#[derive(Debug)]
pub(crate) struct Checker {
    probes: Vec<Probe>,
    checks: Checks,
    alarm: Option<Ticket>,
}

impl Checker {
    fn name(&self, check: CheckId) -> Option<CheckName> {
        self.probes.get(check.0).map(|probe| probe.check.clone())
    }

    /// What becomes of a run that starts now: after which time, and what checkerd hears of it.
    fn course(&self, check: CheckId, run: RunNumber) -> Vec<(Duration, Input)> {
        let Some(Probe { timeout, outcome, .. }) = self.probes.get(check.0) else { return Vec::new() };
        let ended = Input::Ended { check, run, outcome: outcome.clone() };
        match outcome {
            Outcome::TimedOut => {
                vec![(*timeout, Input::Overdue { check, run }), (timeout.saturating_add(KILL), ended)]
            }
            Outcome::CannotRun(_) => vec![(Duration::ZERO, ended)],
            Outcome::Passed
            | Outcome::Number(_)
            | Outcome::Exited(_)
            | Outcome::Failed(_)
            | Outcome::Killed(_) => {
                vec![(RUN.min(*timeout), ended)]
            }
        }
    }
}

impl Host {
    /// One more check that this host makes; from its start on.
    pub(crate) fn probe(&mut self, probe: Probe) {
        let checker = self.checker.get_or_insert_with(|| Checker {
            probes: Vec::new(),
            checks: Checks::new(model::Instant::ZERO, &[]),
            alarm: None,
        });
        checker.probes.push(probe);
    }

    /// From now on runs end otherwise.
    pub(crate) fn script(&mut self, check: &CheckName, outcome: &Outcome) {
        let probes = self.checker.iter_mut().flat_map(|checker| &mut checker.probes);
        for probe in probes.filter(|probe| probe.check == *check) {
            probe.outcome = outcome.clone();
        }
    }
}

impl World {
    /// Power comes on: the first run of each check is due.
    pub(crate) fn start_checker(&mut self, node: NodeId) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0) else { return };
        let booted = host.booted;
        let Some(checker) = &mut host.checker else { return };
        let configs: Vec<_> = checker.probes.iter().map(|probe| probe.config.clone()).collect();
        checker.checks = Checks::new(now, &configs);
        self.check(node, booted, Input::Wake);
    }

    /// One input through the door of the checks, and everything that comes out of it.
    pub(crate) fn check(&mut self, node: NodeId, booted: u32, input: Input) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(node.0).filter(|host| host.booted == booted) else { return };
        let Some(checker) = &mut host.checker else { return };
        checker.checks.handle(now, input);
        let mut verdicts = Vec::new();
        while let Some(output) = checker.checks.poll_output() {
            match output {
                Output::Start { check, run } => {
                    for (after, input) in checker.course(check, run) {
                        self.queue.push(now + after, Event::Check(node, booted, input));
                    }
                }
                Output::Verdict { check, verdict, .. } => {
                    verdicts.extend(checker.name(check).map(|name| (name, verdict)));
                }
            }
        }
        if let Some(ticket) = checker.alarm.take() {
            self.queue.cancel(ticket);
        }
        let wake = |at| self.queue.push(at, Event::Check(node, booted, Input::Wake));
        checker.alarm = checker.checks.next_deadline().map(wake);
        for (check, verdict) in verdicts {
            self.pronounce(node, check, verdict);
        }
    }

    /// A verdict is another one now.
    pub(crate) fn pronounce(&mut self, node: NodeId, check: CheckName, verdict: Verdict) {
        if self.hosts.get(node.0).is_none_or(|host| host.verdicts.get(&check) == Some(&verdict)) {
            return;
        }
        self.chronicle.note(self.now, Line::Fault(Fault::Verdict(node, check.clone(), verdict)));
        self.set_verdict(node, check, verdict);
        let standings = self.standings();
        self.oracle.disturb(self.now, Disturbance::Nodes, &standings);
    }
}
