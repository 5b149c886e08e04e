//! A failing scenario without what it doesn't need to fail: what a person wants to read.
//!
//! It must never settle for another failure: a step is left out only if the same oracle still complains. (Zeller and
//! Hildebrandt, "Simplifying and isolating failure-inducing input", 2002, in its simplest form.)

use std::mem;

use crate::report::Failure;
use crate::scenario::{Described, Scenario};

/// How many runs it may take.
const MAX_RUNS: usize = 2000;

/// A scenario that fails, and how.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left of it.
    pub scenario: Scenario,
    /// The same oracle's complaint.
    pub failure: Box<Failure>,
}

impl Shrunk {
    /// The script that is left, one line each, for people.
    #[must_use]
    pub fn script(&self) -> Vec<String> {
        let line = |(at, fault)| format!("{at:?}  {}", Described(&self.scenario, fault));
        self.scenario.script.iter().map(|(at, fault)| line((at, fault))).collect()
    }
}

impl Scenario {
    /// Leaves out of the script whatever isn't needed for `failure`, which its run has ended with.
    #[must_use]
    pub fn shrink(&self, failure: Box<Failure>) -> Shrunk {
        let mut shrunk = Shrunk { scenario: self.clone(), failure };
        let mut runs = 0;
        // What comes last goes first; and again, since a fault may only have mended an earlier one.
        let mut place = shrunk.scenario.script.len();
        let mut left = usize::MAX;
        while runs < MAX_RUNS {
            if place == 0 {
                place = shrunk.scenario.script.len();
                if mem::replace(&mut left, place) == place {
                    break;
                }
                continue;
            }
            place -= 1;
            runs += 1;
            let mut candidate = shrunk.scenario.clone();
            candidate.script.remove(place);
            if let Err(failure) = candidate.run()
                && mem::discriminant(&failure.violation) == mem::discriminant(&shrunk.failure.violation)
            {
                shrunk = Shrunk { scenario: candidate, failure };
            }
        }
        shrunk
    }
}
