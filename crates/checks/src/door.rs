//! The one door: what goes in, what comes out, and what it was configured with.

use std::fmt;
use std::time::Duration;

use model::{Cause, Verdict};

/// A check: its place in the list that [`crate::Checks`] was made from, or the number that it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub usize);

/// Counts the runs of one check, so that a late end isn't taken for that of a newer run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunNumber(pub u64);

/// What has to be known of one check beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckConfig {
    /// From the start of one run to the start of the next; at least one millisecond is used.
    pub interval: Duration,
    /// Successes in a row that make it up; 0 is read as 1.
    pub rise: u32,
    /// Failures in a row that make it down; 0 is read as 1.
    pub fall: u32,
}

/// How a run ended. Each is another thing to a person; all but the first count as failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0, or the probe's equivalent.
    Passed,
    /// Another exit status.
    Exited(i32),
    /// A probe without a process got another answer than was wanted; which.
    Failed(String),
    /// What a file says (`track_file`): 0 counts as passed, anything else as failed, and each is a verdict of its own.
    Number(i32),
    /// A signal that wasn't ours.
    Killed(i32),
    /// It took longer than it may, and was ended or is being ended.
    TimedOut,
    /// It couldn't be started; the reason.
    CannotRun(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Exited(code) => write!(f, "exited with status {code}"),
            Self::Failed(why) => f.write_str(why),
            Self::Number(number) => write!(f, "the number is {number}"),
            Self::Killed(signal) => write!(f, "was killed by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
            Self::CannotRun(why) => f.write_str(why),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time went by: whatever is due by `now`.
    Wake,
    /// A run ended, or didn't even start ([`Outcome::CannotRun`]). After a time-out its outcome is no longer of
    /// interest; that it has ended is.
    Ended {
        /// Which check.
        check: CheckId,
        /// Which run.
        run: RunNumber,
        /// How.
        outcome: Outcome,
    },
    /// A run took longer than it may. It is being ended, and has not ended yet.
    Overdue {
        /// Which check.
        check: CheckId,
        /// Which run.
        run: RunNumber,
    },
    /// Something says that a run now would come to something else than the last one: it is made out of turn, and
    /// counts only if that is so. Then the grid begins anew with it.
    Hasten {
        /// Which check.
        check: CheckId,
    },
    /// Start nothing any more.
    Stop,
}

/// What to do or to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Start a run; answered by one [`Input::Ended`], before it perhaps by one [`Input::Overdue`].
    Start {
        /// Which check.
        check: CheckId,
        /// To be given back in the answer.
        run: RunNumber,
    },
    /// The verdict is another one now.
    Verdict {
        /// Which check.
        check: CheckId,
        /// What it is.
        verdict: Verdict,
        /// What it rests on.
        cause: Cause,
    },
}
