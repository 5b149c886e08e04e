//! Weights: what a failure makes of a priority, and weights that can never move an address (pain B1).
//!
//! Whoever reads "never" has to be able to check it by hand, so every message holds the whole sum.

use std::collections::HashMap;

use config::{Role, Severity, Span};
use model::Priority;

use crate::cluster::{Cluster, Member, Router};
use crate::finding::{At, Finding};
use crate::follow::Tracker;
use crate::page::{Page, When};

/// So many trackers of one instance are tried in all combinations; of more, each alone and all together.
const MAX_COMBINED: usize = 8;

pub(crate) const NEVER_MOVES: Page = Page {
    id: "weight-never-moves",
    severity: Severity::Warning,
    when: When::Compared,
    summary: "A weight is too small to move the address",
    why: "A check with a weight changes the priority, and only a priority below that of another node gives the address away. \
          Here it stays above, however much else fails: the check fails, the service is dead, and the address stays with it. \
          Without a weight (or with `weight 0`) a failed check means FAULT, which always gives the address away.",
    example: &[
        (
            "a.conf",
            "vrrp_script chk_web {\n  script \"/usr/bin/killall -0 nginx\"\n  weight -2\n}\nvrrp_instance web {\n  priority 103\n  track_script {\n    chk_web\n  }\n  ...\n}",
        ),
        ("b.conf", "vrrp_instance web {\n  priority 100\n  ...\n}"),
    ],
    cure: "Make the weight larger than the distance between the priorities, on all nodes; or remove it, so that a failure means \
           FAULT. `handover simulate` shows the difference.",
};

/// What becomes of an instance when some of its trackers fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Those that fail, by their places.
    pub failing: Vec<usize>,
    /// What is advertised; `None` for FAULT.
    pub priority: Option<Priority>,
}

/// Every combination of failures, those with few failures first; beyond `MAX_COMBINED` trackers only none, each alone, and all.
#[must_use]
pub fn outcomes(base: Priority, trackers: &[Tracker]) -> Vec<Outcome> {
    let all: Vec<usize> = (0..trackers.len()).collect();
    let mut sets: Vec<Vec<usize>> = if trackers.len() <= MAX_COMBINED {
        let subset = |bits: usize| all.iter().copied().filter(|at| bits >> at & 1 == 1).collect();
        (0..1_usize << trackers.len()).map(subset).collect()
    } else {
        let alone = all.iter().map(|at| vec![*at]);
        std::iter::once(Vec::new()).chain(alone).chain([all.clone()]).collect()
    };
    // Stable: those of one size stay in the order of the file.
    sets.sort_by_key(Vec::len);
    sets.into_iter()
        .map(|failing| Outcome { priority: priority(base, trackers, &failing), failing })
        .collect()
}

/// `None` for FAULT.
fn priority(base: Priority, trackers: &[Tracker], failing: &[usize]) -> Option<Priority> {
    let passes = |at: usize| !failing.contains(&at);
    let fault =
        trackers.iter().enumerate().any(|(at, it)| it.weight.value == 0 && passes(at) == it.weight.reverse);
    let weights = trackers.iter().enumerate().map(|(at, it)| it.weighed(passes(at)));
    (!fault).then(|| vrrp::weigh(base, weights))
}

/// `103 - 2 = 101`: base, what the trackers make of it when these fail, result.
#[must_use]
pub fn sum(base: Priority, trackers: &[Tracker], failing: &[usize]) -> String {
    if base == Priority::OWNER {
        return format!("{base} (owner of the addresses)");
    }
    let counts = trackers.iter().enumerate().map(|(at, it)| it.counts(!failing.contains(&at)));
    let counts: Vec<i32> = counts.filter(|count| *count != 0).collect();
    let total = i32::from(base.0) + counts.iter().sum::<i32>();
    let mut text = base.to_string();
    for count in &counts {
        text += &format!(" {} {}", if *count < 0 { '-' } else { '+' }, count.abs());
    }
    if !counts.is_empty() {
        text += &format!(" = {total}");
    }
    let effective =
        vrrp::weigh(base, trackers.iter().enumerate().map(|(at, it)| it.weighed(!failing.contains(&at))));
    if total == i32::from(effective.0) { text } else { format!("{text} (counts as {effective})") }
}

impl Member<'_> {
    /// What it advertises when nothing fails.
    pub(crate) fn best(&self) -> Priority {
        vrrp::weigh(self.instance.priority, self.trackers.iter().map(|it| it.weighed(true)))
    }

    /// How that comes about.
    pub(crate) fn sum_at_best(&self) -> String {
        sum(self.instance.priority, &self.trackers, &[])
    }
}

/// One line may give the weight for many instances: it is told once.
pub(crate) fn judge(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let mut told: Vec<(Finding, usize)> = Vec::new();
    let mut seen: HashMap<(usize, Span), usize> = HashMap::new();
    for router in cluster.shared() {
        let Some(holder) = holder(router) else { continue };
        let Some(rival) = rival(router, holder) else { continue };
        for (at, tracker) in holder.trackers.iter().enumerate() {
            // A master doesn't heed it, so that it is no matter here.
            if tracker.role == Role::Backup {
                continue;
            }
            // Nobody knows how great a number will be.
            if tracker.weight.value == 0 || tracker.is_number || ever_matters(holder, at, rival.best()) {
                continue;
            }
            let place = *seen.entry((holder.node, weight_span(tracker))).or_insert(told.len());
            match told.get_mut(place) {
                Some((_, more)) => *more += 1,
                None => told.push((never(holder, rival, at, tracker), 0)),
            }
        }
    }
    findings.extend(told.into_iter().map(|(finding, more)| match more {
        0 => finding,
        1 => finding.and("; so it is with 1 more instance"),
        more => finding.and(&format!("; so it is with {more} more instances")),
    }));
}

fn weight_span(tracker: &Tracker) -> Span {
    tracker.weight_span.unwrap_or(tracker.span)
}

/// Who is master when all is well. An owner's weights are [`config`]'s to speak of; of equals nobody knows.
fn holder<'r, 'a>(router: &'r Router<'a>) -> Option<&'r Member<'a>> {
    let holder = router.members.iter().max_by_key(|member| member.best())?;
    (holder.instance.priority != Priority::OWNER).then_some(holder)
}

/// The highest of the others that takes over from a lower master.
fn rival<'r, 'a>(router: &'r Router<'a>, holder: &Member<'_>) -> Option<&'r Member<'a>> {
    let others = router.members.iter().filter(|it| it.node != holder.node);
    others.filter(|it| it.instance.preempt).max_by_key(|it| it.best())
}

/// Whether there is anything else whose failure, together with this one, gives the address away and wouldn't without.
fn ever_matters(holder: &Member<'_>, at: usize, rival: Priority) -> bool {
    let (base, trackers) = (holder.instance.priority, &holder.trackers);
    let moves = |failing: &[usize]| priority(base, trackers, failing).is_none_or(|own| own < rival);
    let with = outcomes(base, trackers).into_iter().filter(|it| it.failing.contains(&at));
    with.into_iter().any(|it| {
        let without: Vec<usize> = it.failing.iter().copied().filter(|other| *other != at).collect();
        moves(&it.failing) != moves(&without)
    })
}

fn never(holder: &Member<'_>, rival: &Member<'_>, at: usize, tracker: &Tracker) -> Finding {
    let own = sum(holder.instance.priority, &holder.trackers, &[at]);
    let theirs = rival.sum_at_best();
    let left = priority(holder.instance.priority, &holder.trackers, &[at]);
    let relation = if left == Some(rival.best()) { "is no less than" } else { "is still above" };
    let message = format!(
        "{} failing on {} never moves {}: {own} {relation} {theirs} on {}",
        tracker.name, holder.name, holder.instance.name, rival.name
    );
    let weight = At::within(holder.node, holder.instance, weight_span(tracker));
    let theirs = At::word(rival.node, rival.instance, "priority");
    Finding::new(&NEVER_MOVES, weight, message)
        .label("too small to matter")
        .related(theirs, format!("{} stays master above {}", holder.name, rival.best()))
}
