//! Checks that count in one role only (`while`), and the penalty of a master that failed one: pains A5 and B6.

use std::time::Duration;

use handover_vrrp::{CoreConfig, Input, InstanceConfig, Output, PenaltyView, Role, TrackedCheck};
use model::{Priority, State, Verdict};

use crate::support::*;

const GRACE: u64 = 10_000;
const PENALTY: u64 = 60_000;
/// From the end of a penalty to MASTER, where nobody else is: a down interval at priority 100.
const ELECTION: u64 = 3_610;

fn bound(weight: i16) -> TrackedCheck {
    TrackedCheck { role: Role::Master { grace: ms(GRACE), penalty: ms(PENALTY) }, ..tracked("chk", weight) }
}

fn one(check: TrackedCheck) -> InstanceConfig {
    InstanceConfig { checks: vec![check], ..v3(100) }
}

/// MASTER, and the grace is over.
fn settled(weight: i16) -> Host {
    let host = Host::master(one(bound(weight)));
    assert_eq!(host.view().penalties, []);
    host
}

fn penalty(host: &Host) -> Option<u64> {
    let penalties = host.view().penalties;
    let only = penalties.first()?;
    let left = only.until.map_or(only.length, |until| until.since(host.now));
    Some(u64::try_from(left.as_millis()).unwrap())
}

#[test]
fn out_of_its_role_a_check_is_neither_awaited_nor_failed() {
    let mut host = Host::new(one(bound(0)));
    assert_eq!(host.state(), Some(State::Backup), "before the first result");
    for verdict in [Verdict::Down, Verdict::Unrunnable, Verdict::Up, Verdict::Down] {
        assert_eq!(told(&host.verdict("chk", verdict)), []);
    }
    assert_eq!(host.view().reasons, []);
}

#[test]
fn a_failure_on_the_master_moves_the_address_once_the_grace_is_over() {
    let mut host = Host::new(one(bound(0)));
    host.verdict("chk", Verdict::Down);
    assert_eq!(told(&host.pass(ms(ELECTION))), [Some(State::Master)]);
    assert_eq!(told(&host.pass(ms(GRACE - 20))), [], "the service may take its time to start");
    let outputs = host.pass(ms(20));
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    // At once, and with a goodbye, so that the peer needn't wait.
    assert_eq!((sent(&outputs).last(), withdraws(&outputs).len()), (Some(&0), 1));
    assert_eq!(transitions(&outputs)[0].cause.code, "failed-as-master");
    assert_eq!(host.view().reasons[0].text, "check chk failed while MASTER, and counts for 60 s after that");
}

#[test]
fn what_passes_again_before_the_grace_is_over_has_not_failed() {
    let mut host = Host::new(one(bound(0)));
    host.verdict("chk", Verdict::Down);
    host.pass(ms(ELECTION + 4_000));
    host.verdict("chk", Verdict::Up);
    assert_eq!(told(&host.pass(ms(20_000))), []);
    assert_eq!(host.state(), Some(State::Master));
}

#[test]
fn silence_of_checkerd_moves_nothing() {
    let mut host = settled(0);
    assert_eq!(told(&host.pass(ms(600_000))), [], "no result at all");
}

/// A5: whoever gave way for a check that doesn't count in its new role doesn't come back at once.
#[test]
fn a_failure_keeps_the_former_master_out_and_each_one_soon_after_for_twice_as_long() {
    let mut host = settled(0);
    for expected in [PENALTY, 2 * PENALTY, 4 * PENALTY] {
        let outputs = host.verdict("chk", Verdict::Down);
        let outputs = if outputs.is_empty() { host.pass(ms(GRACE + 10)) } else { host.answer(outputs) };
        assert!(told(&outputs).contains(&Some(State::Fault)));
        let left = penalty(&host).unwrap();
        assert!(left <= expected && left + 100 > expected, "{left} of {expected}");
        // The service is stopped, or well: neither counts.
        host.verdict("chk", Verdict::Up);
        assert_eq!(told(&host.pass(ms(left - 10))), []);
        assert_eq!(told(&host.pass(ms(20))), [Some(State::Backup)]);
        host.verdict("chk", Verdict::Down);
        assert_eq!(told(&host.pass(ms(ELECTION))), [Some(State::Master)]);
    }
}

#[test]
fn as_long_again_without_a_failure_and_it_is_forgotten() {
    let mut host = settled(0);
    host.verdict("chk", Verdict::Down);
    host.verdict("chk", Verdict::Up);
    host.pass(ms(3 * PENALTY));
    // Something looks, as something always does: any fact will do.
    host.give(Input::Link(&eth0()));
    host.verdict("chk", Verdict::Down);
    let left = penalty(&host).unwrap();
    assert!(left <= PENALTY, "{left}");
}

#[test]
fn no_penalty_grows_beyond_an_hour() {
    let mut host = settled(0);
    host.verdict("chk", Verdict::Down);
    let mut longest = 0;
    for _ in 0..12 {
        host.pass(ms(penalty(&host).unwrap() + 10 + ELECTION + GRACE + 10));
        longest = longest.max(penalty(&host).unwrap());
    }
    assert!((3_590_000..=3_600_000).contains(&longest), "{longest}");
}

#[test]
fn the_operator_says_that_it_is_well_again() {
    let mut host = settled(0);
    let outputs = host.verdict("chk", Verdict::Down);
    host.answer(outputs);
    assert_eq!(host.state(), Some(State::Fault));
    assert_eq!(told(&host.give(Input::Undrain { instance: None })), [Some(State::Backup)]);
    assert_eq!(host.view().penalties, []);
}

#[test]
fn weights_count_as_passed_out_of_the_role_and_as_failed_for_the_penalty() {
    for (weight, well, failed) in [(20, 120, 100), (-20, 100, 80)] {
        let mut host = Host::new(one(bound(weight)));
        host.verdict("chk", Verdict::Down);
        let effective = |host: &Host| host.view().effective;
        assert_eq!(effective(&host), Priority(well), "backup: {weight}");
        host.verdict("chk", Verdict::Up);
        host.pass(ms(30_000));
        assert_eq!(host.state(), Some(State::Master));
        let outputs = host.verdict("chk", Verdict::Down);
        assert_eq!(sent(&outputs), [failed], "said at once");
        let better = message(&one(bound(weight)), GREATER, 200);
        let outputs = host.hear(&better);
        host.answer(outputs);
        assert_eq!((host.state(), effective(&host)), (Some(State::Backup), Priority(failed)));
        for _ in 0..PENALTY / 1000 {
            assert_eq!(effective(&host), Priority(failed), "it failed, whatever its role is now");
            host.pass(SECOND);
            host.hear(&better);
        }
        assert_eq!(effective(&host), Priority(well), "the penalty is over: {weight}");
    }
}

#[test]
fn a_check_of_the_backup_decides_who_may_become_master_and_no_more() {
    let check = TrackedCheck { role: Role::Backup, ..tracked("chk", 0) };
    let mut host = Host::new(one(check));
    assert_eq!(host.state(), Some(State::Init), "its first result is awaited");
    host.verdict("chk", Verdict::Down);
    assert_eq!(host.state(), Some(State::Fault));
    host.verdict("chk", Verdict::Up);
    host.pass(ms(30_000));
    assert_eq!(host.state(), Some(State::Master));
    assert_eq!(told(&host.verdict("chk", Verdict::Down)), []);
}

/// Promise 2: a look too many changes nothing, and no wake comes without a reason.
#[test]
fn looking_again_and_again_changes_nothing() {
    let mut once = settled(0);
    let mut often = settled(0);
    for host in [&mut once, &mut often] {
        let outputs = host.verdict("chk", Verdict::Down);
        host.answer(outputs);
    }
    let mut wakes = 0;
    for _ in 0..PENALTY / 100 {
        once.pass(ms(100));
        often.pass(ms(100));
        let outputs = often.give(Input::Link(&eth0()));
        assert!(
            !outputs.iter().any(|it| matches!(it, Output::Transmit(_)))
                || often.state() != Some(State::Fault)
        );
        often.answer(outputs);
        wakes += usize::from(often.core.next_deadline().is_some_and(|at| at <= often.now));
    }
    assert_eq!(once.view(), often.view());
    assert_eq!(wakes, 0, "every deadline is in the future");
}

fn remembered(host: &Host) -> Vec<PenaltyView> {
    host.core.penalties(ONE).collect()
}

/// The core that comes after `host`'s: it knows what was remembered, and nothing else.
fn successor(host: &Host, weight: i16, penalties: &[PenaltyView]) -> Host {
    let mut next = Host { now: host.now, ..Host::cold(vec![one(bound(weight))]) };
    for penalty in penalties {
        next.give(Input::Penalty { instance: ONE, penalty });
    }
    next
}

fn says_to_remember(outputs: &[Output]) -> bool {
    outputs.contains(&Output::Penalties(ONE))
}

/// Else it would take over from a healthy peer, with a service that is known to be dead, for as long as a grace is.
#[test]
fn who_dies_in_its_penalty_is_succeeded_by_one_that_knows() {
    let mut host = settled(0);
    let outputs = host.verdict("chk", Verdict::Down);
    let outputs = host.answer(outputs);
    assert!(says_to_remember(&outputs), "{outputs:?}");
    host.pass(ms(5_000));
    let left = penalty(&host).unwrap();

    let mut next = successor(&host, 0, &remembered(&host));
    // Known to be unfit before anything else is known: what is waited for isn't the cause.
    assert_eq!((next.state(), next.view().cause.code.as_str()), (Some(State::Fault), "failed-as-master"));
    next.give(Input::Link(&eth0()));
    next.verdict("chk", Verdict::Down);
    next.give(Input::ManagerPresent { held: &[] });
    assert_eq!(next.state(), Some(State::Fault));
    assert_eq!(next.view().reasons[0].code, "failed-as-master");
    assert_eq!(told(&next.pass(ms(left - 10))), []);
    assert_eq!(told(&next.pass(ms(20))), [Some(State::Backup)]);
    // And the next one is twice as long.
    next.pass(ms(ELECTION + GRACE + 10));
    assert_eq!(remembered(&next)[0].length, ms(2 * PENALTY));
}

/// The failure of a master that goes on as master is one failure, however many cores see it.
#[test]
fn a_failure_that_outlasts_a_core_goes_on() {
    let mut host = settled(20);
    assert!(says_to_remember(&host.verdict("chk", Verdict::Down)));
    for _ in 0..3 {
        host.pass(ms(100));
        let mut next = successor(&host, 20, &remembered(&host));
        next.verdict("chk", Verdict::Down);
        next.give(Input::Link(&eth0()));
        let outputs = next.give(Input::ManagerPresent { held: &[ONE] });
        next.answer(outputs);
        assert_eq!((next.state(), next.view().effective), (Some(State::Master), Priority(100)));
        next.pass(ms(2 * GRACE));
        assert_eq!(next.view().effective, Priority(100));
        assert_eq!((remembered(&next)[0].length, remembered(&next)[0].until), (ms(PENALTY), None));
        host = next;
    }
    // Its end is its end, also in the grace that a successor gives.
    let mut next = successor(&host, 20, &remembered(&host));
    next.verdict("chk", Verdict::Up);
    next.give(Input::Link(&eth0()));
    let outputs = next.give(Input::ManagerPresent { held: &[ONE] });
    next.answer(outputs);
    next.pass(ms(GRACE));
    assert_eq!(remembered(&next)[0].until, Some(next.now + ms(PENALTY)));
}

#[test]
fn what_is_remembered_changes_with_the_penalty_and_not_with_the_time() {
    let mut host = settled(0);
    let outputs = host.verdict("chk", Verdict::Down);
    host.answer(outputs);
    for _ in 0..PENALTY / 1000 - 1 {
        let mut outputs = host.pass(SECOND);
        outputs.extend(host.verdict("chk", Verdict::Down));
        assert!(!says_to_remember(&outputs));
    }
    assert!(says_to_remember(&host.give(Input::Undrain { instance: Some(ONE) })));
    assert_eq!(remembered(&host), []);
    assert!(!says_to_remember(&host.give(Input::Undrain { instance: Some(ONE) })));
}

#[test]
fn a_memory_that_cannot_be_ours_is_bounded() {
    let host = settled(0);
    let strange = |check: &str| PenaltyView {
        check: check_name(check),
        length: Duration::MAX,
        until: Some(model::Instant::from_nanos(u64::MAX)),
    };
    let next = successor(&host, 0, &[strange("chk"), strange("of-nobody")]);
    let longest = ms(3_600_000);
    assert_eq!(
        remembered(&next),
        [PenaltyView { length: longest, until: Some(next.now + longest), ..strange("chk") }]
    );
}

/// A reload that makes another router of it makes no other service of what it failed.
#[test]
fn who_begins_anew_by_a_reload_keeps_its_penalty() {
    let mut host = settled(0);
    let outputs = host.verdict("chk", Verdict::Down);
    host.answer(outputs);
    host.pass(SECOND);
    let before = remembered(&host);
    let other = InstanceConfig { version: model::ProtocolVersion::V2, ..one(bound(0)) };
    host.reconfigure(CoreConfig { instances: vec![other], ..host.core.config().clone() });
    let outputs = host.drain();
    host.answer(outputs);
    assert_eq!((remembered(&host), host.state()), (before, Some(State::Fault)));
    assert_eq!(told(&host.pass(ms(PENALTY - 1_500))), []);
}
