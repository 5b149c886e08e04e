//! Runs what is asked: the start of all nodes, a story, or one failure at every moment that makes a difference.
//!
//! A run begins with the start and is over when the slowest election is. What a failure costs depends on when it comes
//! between two adverts: it is tried just after and just before an advert of every master.

use std::time::Duration;

use model::Instant;
use sim::{Ending, Report};

use super::mishap::{Mishap, Range};
use super::outcome::{Outcome, outcome};
use super::plan::{Member, Plan, Router};

/// How far from an advert a failure happens, to be clearly after or before it.
const BESIDE: Duration = Duration::from_millis(1);
/// How many moments a failure is tried at, at most: masters with adverts at other times add two each.
const MAX_MOMENTS: usize = 16;
/// How many elections may follow from one failure, when a service follows the master and moves the priorities again.
const ELECTIONS: u32 = 3;

/// The settled cluster.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a Plan,
    /// From the start until everything has settled.
    pub(crate) start: Report,
    /// What the simulator's judges said about it: two masters, none, a wrong one.
    pub(crate) trouble: Option<String>,
    /// When to let something happen.
    moments: Vec<Duration>,
    /// How long all consequences of one failure may take.
    window: Duration,
}

/// A story that was told.
#[derive(Debug)]
pub(crate) struct Story {
    /// What goes wrong, and when, from `zero`.
    pub(crate) mishaps: Vec<(Duration, Mishap)>,
    /// When time 0 of the story is.
    pub(crate) zero: Instant,
    pub(crate) report: Report,
}

/// What one failure does.
#[derive(Debug)]
pub(crate) struct Study {
    pub(crate) mishap: Mishap,
    /// One for each virtual router, in the plan's order.
    pub(crate) findings: Vec<Finding>,
    /// How it went when the failure came at the first moment.
    pub(crate) report: Report,
}

/// What one failure does to one virtual router.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    /// From when it takes effect until another node has the address, over all moments.
    pub(crate) after: Option<Range>,
}

impl<'a> Stage<'a> {
    /// Starts all nodes and waits until every election is over.
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let settling = plan.scenario.settling();
        let window = settling.saturating_add(plan.slowest_service).saturating_mul(ELECTIONS);
        let mut scenario = plan.scenario.clone();
        scenario.until(window);
        let watched = scenario.watch();
        let mut stage = Self {
            plan,
            start: watched.report,
            trouble: watched.failure.map(|failure| failure.violation.to_string()),
            moments: Vec::new(),
            window,
        };
        stage.moments = stage.moments();
        stage
    }

    /// Just after the next advert of every master, and just before the one that follows; at once if there is no master.
    fn moments(&self) -> Vec<Duration> {
        let mut moments = Vec::new();
        for member in self.plan.routers.iter().flat_map(|router| &router.members) {
            let spoke = ending(&self.start, member).filter(|it| it.holds).and_then(|ending| ending.spoke);
            let Some(spoke) = spoke.map(|at| at.since(Instant::ZERO)) else { continue };
            let interval = member.instance.advert_interval;
            moments.push(spoke + interval + BESIDE);
            moments.push((spoke + interval + interval).saturating_sub(BESIDE));
        }
        let mut seen = std::collections::BTreeSet::new();
        moments.retain(|moment| seen.insert(*moment));
        moments.truncate(MAX_MOMENTS);
        if moments.is_empty() {
            moments.push(self.window);
        }
        moments
    }

    fn zero(&self) -> Duration {
        self.moments.first().copied().unwrap_or(self.window)
    }

    /// Lets everything happen at its time, checks as late as can be; without failures, the story of the start.
    pub(crate) fn story(&self, mishaps: &[(Duration, Mishap)]) -> Story {
        if mishaps.is_empty() {
            return Story { mishaps: Vec::new(), zero: Instant::ZERO, report: self.start.clone() };
        }
        let zero = self.zero();
        let mut scenario = self.plan.scenario.clone();
        let mut end = zero;
        for (at, mishap) in mishaps {
            let strikes = zero + *at + mishap.unnoticed().most;
            mishap.strike(&mut scenario, strikes);
            end = end.max(strikes + mishap.lasts());
        }
        scenario.until(end + self.window);
        let mishaps = mishaps.to_vec();
        Story { mishaps, zero: Instant::ZERO + zero, report: scenario.watch().report }
    }

    /// Lets one failure happen at every moment that makes a difference.
    pub(crate) fn study(&self, mishap: &Mishap) -> Study {
        let runs: Vec<(Duration, Report)> =
            self.moments.iter().map(|at| (*at, self.run(mishap, *at))).collect();
        let findings = self.plan.routers.iter().map(|router| self.finding(router, &runs)).collect();
        let report = runs.into_iter().next().map_or_else(|| self.start.clone(), |(_, report)| report);
        Study { mishap: mishap.clone(), findings, report }
    }

    fn run(&self, mishap: &Mishap, at: Duration) -> Report {
        let mut scenario = self.plan.scenario.clone();
        mishap.strike(&mut scenario, at);
        scenario.until(at + mishap.lasts() + self.window);
        scenario.watch().report
    }

    /// The outcome at the first moment stands for all; the times are those of every moment.
    fn finding(&self, router: &Router, runs: &[(Duration, Report)]) -> Finding {
        let mut outcomes =
            runs.iter().map(|(at, report)| outcome(router, &self.start, report, Instant::ZERO + *at));
        let first = outcomes.next().unwrap_or(Outcome::Vacant);
        let after =
            outcomes.filter_map(|it| it.after()).fold(first.after().map(Range::from), |range, time| {
                Some(range.map_or(Range::from(time), |range| range.with(time)))
            });
        Finding { outcome: first, after }
    }
}

/// How an instance stood at the end of a run.
pub(crate) fn ending<'r>(report: &'r Report, member: &Member) -> Option<&'r Ending> {
    report.endings.iter().find(|it| it.node == member.node && it.instance.0 == member.place)
}
