//! What a run leaves behind: the story (what a person would tell), the trace (its last lines, one per event), and the
//! failure if an oracle was violated.
//!
//! Trace lines are kept as data and only become text when somebody has to read them: most runs are never read.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

use model::{Cause, Instant, Priority, State};
use vrrp::{GroupId, InstanceId, Prelude};

use crate::oracle::Violation;
use crate::scenario::{Described, Fault, NodeId, Scenario};

/// How many of the last events a failure shows.
pub const MAX_TRACE_LINES: usize = 300;

/// A run in which every oracle held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What decided it.
    pub seed: u64,
    /// Events simulated.
    pub events: u64,
    /// Adverts delivered to a core.
    pub delivered: u64,
    /// Adverts lost, by weather, partition, link or firewall.
    pub lost: u64,
    /// How often a settled virtual router was judged by oracles 1 to 3.
    pub judged: u64,
    /// Whether all of them had settled, and so were judged, in the end.
    pub settled: bool,
    /// Faults, states told and addresses moved, one line each, in order.
    pub story: Vec<String>,
    /// Every state that was told.
    pub told: Vec<Told>,
    /// The story as data.
    pub happenings: Vec<(Instant, Happening)>,
    /// How every instance stood in the end, node by node.
    pub endings: Vec<Ending>,
}

/// A line of the story as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A fault struck, or a check's verdict changed.
    Fault(Fault),
    /// A host has the addresses of an instance from now on, or no longer.
    Held(NodeId, InstanceId, bool),
    /// A state was told.
    Told(Told),
    /// A state of a sync group was told, after those of its members.
    GroupTold(GroupTold),
    /// The effective priority of an instance is another, in the same state.
    Priority(NodeId, InstanceId, Priority),
    /// Something is to be done before addresses come or go.
    Prelude(NodeId, InstanceId, Prelude),
}

/// How an instance stood in the end, seen from outside of its core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Where.
    pub node: NodeId,
    /// Which of the node's instances.
    pub instance: InstanceId,
    /// What it told last; `None` if it has stopped or does not run.
    pub told: Option<State>,
    /// Whether the host has its addresses.
    pub holds: bool,
    /// Whether it may be master: its host runs, is connected, and no check without a weight keeps it out.
    pub eligible: bool,
    /// What keeps it from taking part, in its core's words; empty if nothing does, or if it doesn't run.
    pub reasons: Vec<String>,
    /// What it sends from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: Arithmetic,
    /// When it sent its last advert since it tells what it tells.
    pub spoke: Option<Instant>,
}

/// How an effective priority comes about (pain B1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arithmetic {
    /// As configured.
    pub base: Priority,
    /// What each check and link adds or takes away now, by name; those that do neither are left out.
    pub contributions: Vec<(String, i32)>,
    /// The sum within 1 to 254; an owner's base.
    pub effective: Priority,
}

/// A state that a node told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Who.
    pub node: NodeId,
    /// About which of its instances.
    pub instance: InstanceId,
    /// `None` when it stopped for good.
    pub to: Option<State>,
    /// Why.
    pub cause: Cause,
    /// The effective priority.
    pub priority: Priority,
}

/// A state that a node told of a sync group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTold {
    /// Who.
    pub node: NodeId,
    /// About which of its groups.
    pub group: GroupId,
    /// `None` when all members stopped for good.
    pub to: Option<State>,
    /// Why: that of the member that moved first.
    pub cause: Cause,
}

impl Report {
    /// The story as a text, one line each: for golden files and for people.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.story.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// An oracle was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What decided the run: the same seed fails again.
    pub seed: u64,
    /// When.
    pub at: Instant,
    /// Which oracle, and who.
    pub violation: Violation,
    /// The last events before it, at most [`MAX_TRACE_LINES`].
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {} at {}: {}", self.seed, self.at, self.violation)
    }
}

impl std::error::Error for Failure {}

/// What a VRRP message says, as far as a line of the trace needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gist {
    vrid: u8,
    priority: u8,
}

impl Gist {
    /// Byte 1 is the VRID and byte 2 the priority in both versions (V3-PKT-1, V2-PKT-1).
    pub(crate) fn of(sealed: Option<u16>, message: &[u8]) -> Self {
        let message = sealed.map_or(message, |_| vrrp::ah::message(message));
        let byte = |index: usize| message.get(index).copied().unwrap_or_default();
        Self { vrid: byte(1), priority: byte(2) }
    }

    /// Priority 0 (V3-FSM-13).
    pub(crate) const fn is_goodbye(self) -> bool {
        self.priority == 0
    }
}

impl fmt::Display for Gist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vrid {} priority {}", self.vrid, self.priority)
    }
}

/// One event.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Fault(Fault),
    Sent(NodeId, IpAddr, Gist),
    Heard(NodeId, IpAddr, Gist),
    Lost(NodeId, IpAddr, Gist),
    /// What one process said to another; instances by their place.
    Said(NodeId, String),
    Held(NodeId, InstanceId, bool),
    Announced(NodeId, InstanceId),
    Told(Told, State),
    GroupTold(GroupTold, State),
    Priority(NodeId, InstanceId, Priority),
    Prelude(NodeId, InstanceId, Prelude),
    Noticed(NodeId, String),
    Woken(NodeId),
}

/// A line with the names of the scenario.
struct Named<'a>(&'a Scenario, Instant, &'a Line);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(scenario, at, line) = self;
        let name = |node: &NodeId| scenario.name(*node);
        let instance = |node: &NodeId, instance: &InstanceId| {
            let config = scenario.nodes.get(node.0).and_then(|spec| spec.config.instances.get(instance.0));
            config.map_or("?", |config| config.name.as_str())
        };
        write!(f, "{:>12}  ", at.to_string())?;
        match line {
            Line::Fault(fault) => write!(f, "*** {}", Described(scenario, fault)),
            Line::Sent(node, to, gist) => write!(f, "{} sends {gist} to {to}", name(node)),
            Line::Heard(node, from, gist) => write!(f, "{} hears {gist} from {from}", name(node)),
            Line::Lost(node, from, gist) => write!(f, "{} does not hear {gist} from {from}", name(node)),
            Line::Said(node, text) => write!(f, "{}: {text}", name(node)),
            Line::Held(node, id, true) => write!(f, "{} {}: addresses on", name(node), instance(node, id)),
            Line::Held(node, id, false) => write!(f, "{} {}: addresses off", name(node), instance(node, id)),
            Line::Announced(node, id) => write!(f, "{} {}: announces", name(node), instance(node, id)),
            Line::Told(told, from) => {
                let to = told.to.map_or("STOP".to_owned(), |state| state.to_string());
                let (node, id) = (name(&told.node), instance(&told.node, &told.instance));
                write!(f, "{node} {id}: {from} -> {to} ({}, priority {})", told.cause.code, told.priority)
            }
            Line::GroupTold(told, from) => {
                let to = told.to.map_or("STOP".to_owned(), |state| state.to_string());
                let specs = scenario.nodes.get(told.node.0);
                let group = specs.and_then(|spec| spec.config.groups.get(told.group.0));
                let group = group.map_or("?", |group| group.name.as_str());
                write!(f, "{} group {group}: {from} -> {to} ({})", name(&told.node), told.cause.code)
            }
            Line::Priority(node, id, priority) => {
                write!(f, "{} {}: priority {priority}", name(node), instance(node, id))
            }
            Line::Prelude(node, id, prelude) => {
                write!(f, "{} {}: {} first", name(node), instance(node, id), prelude.word())
            }
            Line::Noticed(node, text) => write!(f, "{} notes: {text}", name(node)),
            Line::Woken(node) => write!(f, "{} wakes", name(node)),
        }
    }
}

/// Collects the story and the last lines of the trace.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    pub(crate) told: Vec<Told>,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    story: Vec<(Instant, Line)>,
    trace: VecDeque<(Instant, Line)>,
}

impl Chronicle {
    pub(crate) fn note(&mut self, at: Instant, line: Line) {
        match &line {
            Line::Told(told, _) => {
                self.told.push(told.clone());
                self.story.push((at, line.clone()));
            }
            Line::Fault(_)
            | Line::Held(..)
            | Line::GroupTold(..)
            | Line::Priority(..)
            | Line::Prelude(..) => self.story.push((at, line.clone())),
            Line::Heard(..) => self.delivered += 1,
            Line::Lost(..) => self.lost += 1,
            Line::Sent(..) | Line::Said(..) | Line::Announced(..) | Line::Noticed(..) | Line::Woken(_) => {}
        }
        if self.trace.len() == MAX_TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back((at, line));
    }

    pub(crate) fn happenings(&self) -> Vec<(Instant, Happening)> {
        let happening = |line: &Line| match line {
            Line::Fault(fault) => Some(Happening::Fault(fault.clone())),
            Line::Held(node, instance, held) => Some(Happening::Held(*node, *instance, *held)),
            Line::Told(told, _) => Some(Happening::Told(told.clone())),
            Line::GroupTold(told, _) => Some(Happening::GroupTold(told.clone())),
            Line::Priority(node, id, priority) => Some(Happening::Priority(*node, *id, *priority)),
            Line::Prelude(node, id, prelude) => Some(Happening::Prelude(*node, *id, *prelude)),
            Line::Sent(..)
            | Line::Heard(..)
            | Line::Lost(..)
            | Line::Said(..)
            | Line::Announced(..)
            | Line::Noticed(..)
            | Line::Woken(_) => None,
        };
        self.story.iter().filter_map(|(at, line)| Some((*at, happening(line)?))).collect()
    }

    pub(crate) fn story(&self, scenario: &Scenario) -> Vec<String> {
        self.story.iter().map(|(at, line)| Named(scenario, *at, line).to_string()).collect()
    }

    pub(crate) fn trace(&self, scenario: &Scenario) -> Vec<String> {
        self.trace.iter().map(|(at, line)| Named(scenario, *at, line).to_string()).collect()
    }
}
