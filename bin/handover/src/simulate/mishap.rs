//! One thing that goes wrong on one node: as the command line names it, as a person reads it, as the simulator does it.
//!
//! Nothing is looked up here; [`super::plan`] knows which nodes and checks there are.

use std::fmt;
use std::time::Duration;

use model::{CheckName, LinkName, Verdict};
use sim::{Fault, NodeId, Scenario};

/// Stands between a failure and its `--at`; no name can hold a control character.
pub(crate) const TIME_MARK: char = '\u{1f}';
/// A longer time is a slip of the keyboard, and would be simulated to its end.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A check fails for good; checkerd says so after the shortest to the longest of these times.
    Check(CheckName, Range),
    /// The node loses power.
    Crash,
    /// The node is cut off from all others.
    Partition,
    /// The node stands still for a time.
    Pause(Duration),
    /// One of its links loses its carrier.
    Link(LinkName),
}

/// What goes wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mishap {
    pub(crate) node: NodeId,
    /// The node's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// From the shortest to the longest that something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl Range {
    /// Both after one another.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    /// One that holds this time, too.
    pub(crate) fn with(self, time: Duration) -> Self {
        Self { least: self.least.min(time), most: self.most.max(time) }
    }
}

impl From<Duration> for Range {
    fn from(time: Duration) -> Self {
        Self { least: time, most: time }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (seconds(self.least), seconds(self.most));
        if least == most { f.write_str(&most) } else { write!(f, "{least} to {most}") }
    }
}

/// `3.57 s`: hundredths are as exact as the simulator's phases.
pub(crate) fn seconds(time: Duration) -> String {
    let text = format!("{:.2}", time.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

impl Mishap {
    /// How long it takes until anybody in the cluster can know of it.
    pub(crate) fn unnoticed(&self) -> Range {
        match &self.kind {
            Kind::Check(_, noticed) => *noticed,
            Kind::Crash | Kind::Partition | Kind::Pause(_) | Kind::Link(_) => Range::default(),
        }
    }

    /// How long it lasts, if it doesn't last for good.
    pub(crate) fn lasts(&self) -> Duration {
        match &self.kind {
            Kind::Pause(time) => *time,
            Kind::Check(..) | Kind::Crash | Kind::Partition | Kind::Link(_) => Duration::ZERO,
        }
    }

    /// Lets it take effect at this time of a scenario; a check has been noticed by then.
    pub(crate) fn strike(&self, scenario: &mut Scenario, at: Duration) {
        let node = self.node;
        match &self.kind {
            Kind::Check(check, _) => scenario.at(at, Fault::Verdict(node, check.clone(), Verdict::Down)),
            Kind::Crash => scenario.at(at, Fault::CrashHost(node)),
            Kind::Partition => scenario.at(at, Fault::Partition(vec![vec![node]])),
            Kind::Link(link) => scenario.at(at, Fault::LinkDown(node, link.clone())),
            Kind::Pause(time) => {
                scenario.at(at, Fault::PauseHost(node));
                scenario.at(at + *time, Fault::ResumeHost(node));
            }
        }
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.kind {
            Kind::Check(check, _) => write!(f, "{check} fails on {name}"),
            Kind::Crash => write!(f, "{name} loses power"),
            Kind::Partition => write!(f, "{name} is cut off"),
            Kind::Pause(time) => write!(f, "{name} stands still for {}", seconds(*time)),
            Kind::Link(link) => write!(f, "{link} of {name} goes down"),
        }
    }
}

/// A time as people write it: `5s`, `500ms`, `1.5s`, `2m`, and seconds where no unit is given.
///
/// # Errors
/// A sentence that says how to write it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0)];
    let (number, unit) = units
        .into_iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|number| (number, seconds)))
        .unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| *time <= MAX_TIME)
        .ok_or_else(|| format!("{text:?} is no time: write 5s, 500ms or 2m, and at most a day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [("5s", 5000), ("500ms", 500), ("1.5", 1500), ("2m", 120_000), ("0s", 0)] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "5h", "NaN", "inf", "1e300s", "25h", "9999m"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_read_well() {
        let range = Range::from(Duration::from_millis(2571)).with(Duration::from_millis(3569));
        assert_eq!(range.to_string(), "2.57 s to 3.57 s");
        assert_eq!(range.plus(Range::from(Duration::from_secs(2))).to_string(), "4.57 s to 5.57 s");
        assert_eq!(Range::from(Duration::from_secs(10)).to_string(), "10 s");
    }
}
