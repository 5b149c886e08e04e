use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn config(interval: Duration, rise: u32, fall: u32) -> CheckConfig {
    CheckConfig { interval, rise, fall }
}

fn drain(checks: &mut Checks) -> Vec<Output> {
    std::iter::from_fn(|| checks.poll_output()).collect()
}

fn started(checks: &mut Checks, now: Instant) -> Option<RunNumber> {
    checks.handle(now, Input::Wake);
    drain(checks).into_iter().find_map(|output| match output {
        Output::Start { run, .. } => Some(run),
        Output::Verdict { .. } => None,
    })
}

fn ended(run: RunNumber, outcome: Outcome) -> Input {
    Input::Ended { check: CheckId(0), run, outcome }
}

#[test]
fn the_first_run_is_due_at_once_and_the_next_ones_on_the_grid() {
    let mut checks = Checks::new(at(500), &[config(2 * SECOND, 1, 1)]);
    assert_eq!(checks.next_deadline(), Some(at(500)));
    // The timer was 7 ms late and the run took 300 ms: the grid doesn't care.
    let run = started(&mut checks, at(507)).unwrap();
    assert_eq!(checks.next_deadline(), None);
    checks.handle(at(807), ended(run, Outcome::Passed));
    assert_eq!(checks.next_deadline(), Some(at(2500)));
}

#[test]
fn a_long_run_delays_the_next_start_to_its_end_and_no_further() {
    let mut checks = Checks::new(at(0), &[config(2 * SECOND, 1, 1)]);
    let run = started(&mut checks, at(0)).unwrap();
    assert_eq!(started(&mut checks, at(2000)), None);
    checks.handle(at(2500), ended(run, Outcome::Passed));
    assert!(checks.next_deadline().unwrap() <= at(2500), "due since 2 s");
    let run = started(&mut checks, at(2500)).unwrap();
    checks.handle(at(2600), ended(run, Outcome::Passed));
    assert_eq!(checks.next_deadline(), Some(at(4000)));
}

fn hastened(checks: &mut Checks, now: Instant, outcome: Outcome) -> Vec<Output> {
    checks.handle(now, Input::Hasten { check: CheckId(0) });
    let run = drain(checks).into_iter().find_map(|output| match output {
        Output::Start { run, .. } => Some(run),
        Output::Verdict { .. } => None,
    });
    checks.handle(now, ended(run.unwrap(), outcome));
    drain(checks)
}

/// Four workers that end together are one failure, not four in a row.
#[test]
fn a_run_out_of_turn_counts_only_if_it_finds_something_else() {
    let mut checks = Checks::new(at(0), &[config(2 * SECOND, 1, 3)]);
    let run = started(&mut checks, at(0)).unwrap();
    checks.handle(at(1), ended(run, Outcome::Passed));
    drain(&mut checks);
    assert!(hastened(&mut checks, at(500), Outcome::Passed).is_empty());
    assert_eq!((checks.view(CheckId(0)).unwrap().tally.runs, checks.next_deadline()), (1, Some(at(2000))));
    for _ in 0..4 {
        assert!(hastened(&mut checks, at(700), Outcome::Exited(1)).is_empty());
    }
    let view = checks.view(CheckId(0)).unwrap();
    assert_eq!((view.tally.consecutive, view.verdict), (1, Verdict::Up));
    assert_eq!(checks.next_deadline(), Some(at(2700)), "the grid begins with what was found");
    let run = started(&mut checks, at(2700)).unwrap();
    checks.handle(at(2700), Input::Hasten { check: CheckId(0) });
    assert!(drain(&mut checks).is_empty(), "one run at a time");
    checks.handle(at(2701), ended(run, Outcome::Exited(1)));
    let run = started(&mut checks, at(4700)).unwrap();
    checks.handle(at(4700), ended(run, Outcome::Exited(1)));
    assert_eq!(checks.view(CheckId(0)).unwrap().verdict, Verdict::Down);
}

#[test]
fn a_time_out_counts_at_its_moment_and_the_end_of_the_run_does_not_count() {
    let mut checks = Checks::new(at(0), &[config(2 * SECOND, 1, 1)]);
    let run = started(&mut checks, at(0)).unwrap();
    checks.handle(at(1000), Input::Overdue { check: CheckId(0), run });
    assert!(matches!(drain(&mut checks)[..], [Output::Verdict { verdict: Verdict::Down, .. }]));
    checks.handle(at(1500), ended(run, Outcome::Passed));
    assert_eq!(drain(&mut checks), []);
    let view = checks.view(CheckId(0)).unwrap();
    assert_eq!((view.tally.runs, view.tally.timeouts, view.verdict), (1, 1, Verdict::Down));
    assert_eq!(checks.next_deadline(), Some(at(2000)));
}

#[test]
fn a_time_out_as_long_as_the_interval_does_not_halve_the_rate() {
    let mut checks = Checks::new(at(0), &[config(2 * SECOND, 1, 1)]);
    let run = started(&mut checks, at(0)).unwrap();
    checks.handle(at(2000), Input::Overdue { check: CheckId(0), run });
    checks.handle(at(2001), ended(run, Outcome::Killed(15)));
    assert!(started(&mut checks, at(2001)).is_some());
}

#[test]
fn what_cannot_be_ended_fails_again_at_each_interval() {
    let mut checks = Checks::new(at(0), &[config(SECOND, 1, 3)]);
    let run = started(&mut checks, at(0)).unwrap();
    checks.handle(at(10), ended(run, Outcome::Passed));
    let run = started(&mut checks, at(1000)).unwrap();
    drain(&mut checks);
    checks.handle(at(1900), Input::Overdue { check: CheckId(0), run });
    assert_eq!(checks.next_deadline(), Some(at(2000)));
    checks.handle(at(2000), Input::Wake);
    assert_eq!(drain(&mut checks), []);
    checks.handle(at(3000), Input::Wake);
    assert!(matches!(drain(&mut checks)[..], [Output::Verdict { verdict: Verdict::Down, .. }]));
    // It never started a second run meanwhile, and starts one when it is gone.
    checks.handle(at(3500), ended(run, Outcome::Killed(9)));
    assert_eq!(checks.next_deadline(), Some(at(4000)));
}

#[test]
fn late_and_unknown_numbers_change_nothing() {
    let mut checks = Checks::new(at(0), &[config(SECOND, 1, 1)]);
    let first = started(&mut checks, at(0)).unwrap();
    checks.handle(at(1), ended(first, Outcome::Passed));
    drain(&mut checks);
    let second = started(&mut checks, at(1000)).unwrap();
    checks.handle(at(1001), ended(first, Outcome::Exited(1)));
    checks.handle(at(1001), Input::Overdue { check: CheckId(0), run: first });
    checks.handle(at(1001), Input::Ended { check: CheckId(9), run: second, outcome: Outcome::Exited(1) });
    assert_eq!(drain(&mut checks), []);
    let view = checks.view(CheckId(0)).unwrap();
    assert!(view.running);
    assert_eq!(view.tally.runs, 1);
}

#[test]
fn stop_is_final() {
    let mut checks = Checks::new(at(0), &[config(SECOND, 1, 1), config(SECOND, 1, 1)]);
    checks.handle(at(0), Input::Wake);
    assert_eq!(drain(&mut checks).len(), 2);
    checks.handle(at(0), Input::Stop);
    checks.handle(at(1), ended(RunNumber(1), Outcome::Exited(1)));
    checks.handle(at(5000), Input::Wake);
    assert_eq!((drain(&mut checks), checks.next_deadline()), (vec![], None));
}

proptest! {
    /// Runs of any length, over the timeout or not: never two at once, each start on the grid or at the end of the run before, none forgotten.
    #[test]
    fn runs_follow_the_grid_and_never_overlap(
        interval in 1_u64..50, timeout in 1_u64..80,
        script in prop::collection::vec((0_u64..200, any::<bool>()), 1..60),
    ) {
        let mut checks = Checks::new(at(0), &[config(Duration::from_millis(interval), 2, 2)]);
        let mut now = 0_u64;
        let mut last_end = None;
        for (duration, passes) in script {
            let due = checks.next_deadline().unwrap().as_nanos() / 1_000_000;
            now = now.max(due);
            let run = started(&mut checks, at(now));
            prop_assert!(run.is_some(), "due at {due}, nothing started at {now}");
            prop_assert!(now.is_multiple_of(interval) || last_end == Some(now), "started at {now}, last end {last_end:?}");
            let run = run.unwrap();
            let end = now + duration;
            if duration > timeout {
                checks.handle(at(now + timeout), Input::Overdue { check: CheckId(0), run });
                while let Some(moment) = checks.next_deadline().filter(|moment| *moment < at(end)) {
                    checks.handle(moment, Input::Wake);
                    for output in drain(&mut checks) {
                        prop_assert!(!matches!(output, Output::Start { .. }), "a second run beside {run:?}");
                    }
                }
            }
            let outcome = if passes { Outcome::Passed } else { Outcome::Exited(1) };
            checks.handle(at(end), ended(run, outcome));
            prop_assert!(!checks.view(CheckId(0)).unwrap().running);
            drain(&mut checks);
            now = end;
            last_end = Some(end);
        }
    }

    /// Any inputs in any order: nothing panics, and at most one deadline exists for a check.
    #[test]
    fn any_order_of_inputs_is_survived(
        inputs in prop::collection::vec((0_u64..5_000, 0_u8..6, 0_usize..3, 0_u64..6), 0..200),
    ) {
        let mut checks = Checks::new(at(0), &[config(SECOND, 2, 2), config(Duration::ZERO, 0, 0)]);
        for (millis, kind, check, run) in inputs {
            let (check, run) = (CheckId(check), RunNumber(run));
            let input = match kind {
                0 | 1 => Input::Wake,
                2 => Input::Ended { check, run, outcome: Outcome::Passed },
                3 => Input::Ended { check, run, outcome: Outcome::CannotRun("gone".into()) },
                4 => Input::Overdue { check, run },
                _ if millis == 7 => Input::Stop,
                _ => Input::Ended { check, run, outcome: Outcome::TimedOut },
            };
            checks.handle(at(millis), input);
            drain(&mut checks);
            prop_assert!(checks.deadlines.len() <= 2);
        }
    }
}

#[test]
fn a_check_that_is_removed_is_not_heard_of_again() {
    let mut checks = Checks::new(at(0), &[config(SECOND, 1, 1), config(SECOND, 1, 1)]);
    checks.handle(at(0), Input::Wake);
    checks.remove(CheckId(0));
    let started = Output::Start { check: CheckId(1), run: RunNumber(1) };
    assert_eq!(drain(&mut checks), [started], "what it had still to say is void");
    checks.handle(at(5), ended(RunNumber(1), Outcome::Passed));
    assert!(checks.view(CheckId(0)).is_none() && drain(&mut checks).is_empty());
    let added = checks.add(at(7), &config(SECOND, 1, 1));
    assert_eq!((added, checks.next_deadline()), (CheckId(2), Some(at(7))));
    checks.handle(at(8), Input::Stop);
    checks.add(at(9), &config(SECOND, 1, 1));
    assert_eq!(checks.next_deadline(), None, "nothing is started any more");
}
