//! What became of a virtual router's addresses after a failure: who had them, who has them in the end.
//!
//! Judged by where the addresses are, never by what a node says of itself.

use std::time::Duration;

use model::Instant;
use sim::{Happening, NodeId, Report};

use super::plan::Router;
use super::stage::ending;

/// More arrivals than this after one failure, and the address will not come to rest.
const MAX_ARRIVALS: usize = 3;

/// What became of the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody had them, and nobody has.
    Vacant,
    /// Who had them has them, and nobody else had them meanwhile.
    Stays(NodeId),
    /// Another node has them, after this time.
    Moves(NodeId, Duration),
    /// Another had them after a time; who had them before has them again, after the second.
    Returns(NodeId, Duration, Duration),
    /// Nobody has them.
    Lost,
    /// Several have them in the end: since this time, or, if there is none, as before.
    Split(Option<Duration>),
    /// They moved that often, and would go on.
    Restless(usize),
}

impl Outcome {
    /// When another node had the addresses first.
    pub(crate) const fn after(&self) -> Option<Duration> {
        match self {
            Self::Moves(_, after) | Self::Returns(_, after, _) => Some(*after),
            Self::Split(after) => *after,
            Self::Vacant | Self::Stays(_) | Self::Lost | Self::Restless(_) => None,
        }
    }

    /// For programs.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Vacant => "vacant",
            Self::Stays(_) => "stays",
            Self::Moves(..) => "moves",
            Self::Returns(..) => "returns",
            Self::Lost => "lost",
            Self::Split(..) => "split",
            Self::Restless(_) => "restless",
        }
    }

    /// Who else got the addresses.
    pub(crate) const fn to(&self) -> Option<NodeId> {
        match self {
            Self::Moves(to, _) | Self::Returns(to, ..) => Some(*to),
            Self::Vacant | Self::Stays(_) | Self::Lost | Self::Split(..) | Self::Restless(_) => None,
        }
    }
}

/// The nodes that have the addresses at the end of a run.
pub(crate) fn holders(router: &Router, report: &Report) -> Vec<NodeId> {
    let holds = |member: &&super::plan::Member| ending(report, member).is_some_and(|ending| ending.holds);
    router.members.iter().filter(holds).map(|member| member.node).collect()
}

/// Compares how a run ended with how things stood `before`; the failure took effect at `struck`.
pub(crate) fn outcome(router: &Router, before: &Report, report: &Report, struck: Instant) -> Outcome {
    let had = holders(router, before);
    let moves: Vec<(Duration, NodeId, bool)> = report
        .happenings
        .iter()
        .filter(|(at, _)| *at >= struck)
        .filter_map(|(at, happening)| match happening {
            Happening::Held(node, instance, held) => {
                let own = router.member(*node).is_some_and(|member| member.place == instance.0);
                own.then_some((at.since(struck), *node, *held))
            }
            Happening::Told(_)
            | Happening::GroupTold(_)
            | Happening::Fault(_)
            | Happening::Priority(..)
            | Happening::Prelude(..) => None,
        })
        .collect();
    let arrivals: Vec<_> = moves.iter().filter(|(_, _, held)| *held).collect();
    let elsewhere = arrivals.iter().find(|(_, node, _)| !had.contains(node)).or(arrivals.first());
    let last = moves.last().map_or(Duration::ZERO, |(at, ..)| *at);
    if arrivals.len() > MAX_ARRIVALS {
        return Outcome::Restless(arrivals.len());
    }
    match (holders(router, report).as_slice(), elsewhere) {
        ([], _) if had.is_empty() => Outcome::Vacant,
        ([], _) => Outcome::Lost,
        ([on], None) => Outcome::Stays(*on),
        ([on], Some((after, to, _))) if had.contains(on) && to != on => Outcome::Returns(*to, *after, last),
        ([on], Some((after, ..))) => Outcome::Moves(*on, *after),
        ([_, _, ..], _) if had.len() > 1 => Outcome::Split(None),
        ([_, _, ..], first) => Outcome::Split(first.map(|(at, ..)| *at)),
    }
}
