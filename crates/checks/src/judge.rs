//! From results to a verdict: rise, fall, and what can't be run.
//!
//! The rule is keepalived's: the very first result counts alone; after it `fall` failures in a row make a check down
//! and `rise` successes in a row make it up; one result of the other kind starts the count anew. A check that fails
//! because it can't be run is `unrunnable` instead of `down`.

use model::{Cause, Verdict};

use crate::{CheckConfig, Outcome};

/// What has been counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Results.
    pub runs: u64,
    /// Those that count as failed.
    pub failures: u64,
    /// Those of the failures that took too long.
    pub timeouts: u64,
    /// How many in a row went the same way, the last one included.
    pub consecutive: u64,
}

/// The verdict on one check.
#[derive(Clone, Debug)]
pub struct Judge {
    rise: u64,
    fall: u64,
    verdict: Verdict,
    last_passed: Option<bool>,
    number: Option<i32>,
    tally: Tally,
}

impl Judge {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(config: &CheckConfig) -> Self {
        Self {
            rise: u64::from(config.rise.max(1)),
            fall: u64::from(config.fall.max(1)),
            verdict: Verdict::Unknown,
            last_passed: None,
            number: None,
            tally: Tally::default(),
        }
    }

    /// What is so now.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What has been counted.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Whether the last result was of the same kind.
    pub(crate) fn is_no_news(&self, outcome: &Outcome) -> bool {
        self.last_passed == Some(passes(outcome)) && self.number == number(outcome)
    }

    /// Takes one result. `Some` when it changes the verdict, or the number.
    pub fn handle(&mut self, outcome: &Outcome) -> Option<(Verdict, Cause)> {
        let passed = passes(outcome);
        let same = self.number == number(outcome);
        self.number = number(outcome);
        self.count(outcome, passed);
        let verdict = self.judge(outcome, passed);
        if verdict == self.verdict && same {
            return None;
        }
        self.verdict = verdict;
        Some((verdict, self.cause(outcome)))
    }

    fn count(&mut self, outcome: &Outcome, passed: bool) {
        let tally = &mut self.tally;
        tally.consecutive =
            if self.last_passed == Some(passed) { tally.consecutive.saturating_add(1) } else { 1 };
        self.last_passed = Some(passed);
        tally.runs = tally.runs.saturating_add(1);
        tally.failures = tally.failures.saturating_add(u64::from(!passed));
        tally.timeouts = tally.timeouts.saturating_add(u64::from(*outcome == Outcome::TimedOut));
    }

    fn judge(&self, outcome: &Outcome, passed: bool) -> Verdict {
        let failed =
            if matches!(outcome, Outcome::CannotRun(_)) { Verdict::Unrunnable } else { Verdict::Down };
        match (self.verdict, passed) {
            (Verdict::Unknown | Verdict::Up, true) => Verdict::Up,
            (Verdict::Unknown | Verdict::Down | Verdict::Unrunnable, false) => failed,
            (Verdict::Up, false) if self.tally.consecutive >= self.fall => failed,
            (Verdict::Up, false) => Verdict::Up,
            (Verdict::Down | Verdict::Unrunnable, true) if self.tally.consecutive >= self.rise => Verdict::Up,
            (verdict @ (Verdict::Down | Verdict::Unrunnable), true) => verdict,
        }
    }

    fn cause(&self, outcome: &Outcome) -> Cause {
        let code = match outcome {
            Outcome::Passed => "check-passed",
            Outcome::Number(_) => "check-number",
            Outcome::Exited(_) | Outcome::Failed(_) | Outcome::Killed(_) => "check-failed",
            Outcome::TimedOut => "check-timed-out",
            Outcome::CannotRun(_) => "check-unrunnable",
        };
        let text = match self.tally.consecutive {
            _ if self.number.is_some() => outcome.to_string(),
            1 => outcome.to_string(),
            times if *outcome == Outcome::Passed => format!("{outcome} {times} times in a row"),
            times => format!("{outcome}, {times} failures in a row"),
        };
        Cause { code: code.to_owned(), text }
    }
}

fn passes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Passed | Outcome::Number(0))
}

const fn number(outcome: &Outcome) -> Option<i32> {
    match outcome {
        Outcome::Number(number) => Some(*number),
        Outcome::Passed
        | Outcome::Exited(_)
        | Outcome::Failed(_)
        | Outcome::Killed(_)
        | Outcome::TimedOut
        | Outcome::CannotRun(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn judge(rise: u32, fall: u32) -> Judge {
        Judge::new(&CheckConfig { interval: Duration::from_secs(1), rise, fall })
    }

    /// `+` passed, `-` exited, `t` timed out, `!` can't run; the verdicts as `U`p, `D`own, un`R`unnable.
    fn story(rise: u32, fall: u32, results: &str) -> String {
        let mut judge = judge(rise, fall);
        results
            .chars()
            .map(|result| {
                judge.handle(&match result {
                    '+' => Outcome::Passed,
                    '-' => Outcome::Exited(1),
                    't' => Outcome::TimedOut,
                    _ => Outcome::CannotRun("no such file".into()),
                });
                match judge.verdict() {
                    Verdict::Up => 'U',
                    Verdict::Down => 'D',
                    Verdict::Unrunnable => 'R',
                    Verdict::Unknown => '?',
                }
            })
            .collect()
    }

    /// Trap 13: after a start nobody waits `fall` intervals for what is down already.
    #[test]
    fn the_first_result_counts_alone() {
        assert_eq!(story(3, 3, "+"), "U");
        assert_eq!(story(3, 3, "-"), "D");
        assert_eq!(story(3, 3, "!"), "R");
    }

    #[test]
    fn then_rise_and_fall_count_in_a_row() {
        assert_eq!(story(2, 3, "+--+---+-++"), "UUUUUUDDDDU");
        assert_eq!(story(1, 1, "+-+-"), "UDUD");
        assert_eq!(story(2, 2, "+-t"), "UUD");
        assert_eq!(story(0, 0, "+-+"), "UDU");
    }

    #[test]
    fn what_cannot_run_counts_as_failed_and_is_named() {
        assert_eq!(story(2, 2, "+!!-!++"), "UURDRRU");
        assert_eq!(story(1, 2, "+!+"), "UUU");
    }

    #[test]
    fn every_number_is_told_once() {
        let mut judge = judge(1, 1);
        let mut told = |outcome| judge.handle(&outcome).map(|(verdict, cause)| (verdict, cause.text));
        assert_eq!(told(Outcome::Number(0)), Some((Verdict::Up, "the number is 0".to_owned())));
        assert_eq!(told(Outcome::Number(0)), None);
        assert_eq!(told(Outcome::Number(7)), Some((Verdict::Down, "the number is 7".to_owned())));
        assert_eq!(told(Outcome::Number(8)), Some((Verdict::Down, "the number is 8".to_owned())));
        assert_eq!(told(Outcome::Number(8)), None);
        assert_eq!(told(Outcome::CannotRun("x".to_owned())).map(|it| it.0), Some(Verdict::Unrunnable));
    }

    #[test]
    fn the_cause_tells_the_evidence() {
        let mut judge = judge(1, 2);
        let (_, cause) = judge.handle(&Outcome::Passed).unwrap();
        assert_eq!((cause.code.as_str(), cause.text.as_str()), ("check-passed", "passed"));
        assert!(judge.handle(&Outcome::Exited(7)).is_none());
        let (_, cause) = judge.handle(&Outcome::Exited(7)).unwrap();
        assert_eq!(
            (cause.code.as_str(), cause.text.as_str()),
            ("check-failed", "exited with status 7, 2 failures in a row")
        );
    }

    proptest! {
        /// Against the definition: the verdict changes only at a run of `rise` or `fall` equal results.
        #[test]
        fn a_verdict_needs_its_evidence(
            rise in 1_u32..5, fall in 1_u32..5, results in prop::collection::vec(any::<bool>(), 1..60),
        ) {
            let mut judge = judge(rise, fall);
            let mut up = None;
            for (i, passed) in results.iter().enumerate() {
                judge.handle(&if *passed { Outcome::Passed } else { Outcome::Exited(1) });
                let row = results[..=i].iter().rev().take_while(|result| *result == passed).count();
                let needed = if *passed { rise } else { fall };
                if up.is_none() || row >= needed as usize {
                    up = Some(*passed);
                }
                prop_assert_eq!(judge.verdict() == Verdict::Up, up == Some(true));
                prop_assert_eq!(judge.tally().consecutive, row as u64);
                prop_assert_eq!(judge.tally().runs, i as u64 + 1);
            }
        }
    }
}
