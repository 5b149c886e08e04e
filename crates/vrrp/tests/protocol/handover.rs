//! Giving way without a hole: who keeps addresses for a successor, for how long, and who must not.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::{Input, InstanceConfig, InstanceId, MAX_DRAIN_TEXT, Manners, Output};
use model::{LinkFact, State, Verdict};

/// What a successor may take from its first advert to its announcements.
const INSTALLS: Duration = Duration::from_millis(100);
/// 3 s and the skew of priority 100.
const DOWN_100: Duration = Duration::from_nanos(3_609_375_000);
const NANO: Duration = Duration::from_nanos(1);

fn config(priority: u8) -> InstanceConfig {
    InstanceConfig { manners: Manners::default(), ..v3(priority) }
}

fn master() -> Host {
    Host::master(config(100))
}

/// Keeps its addresses, and says and tells nothing.
fn assert_keeps(outputs: &[Output]) {
    assert!(outputs.is_empty(), "{outputs:?}");
}

/// The same, but for an advert that lets its successor know of it.
fn assert_says_and_keeps(outputs: &[Output], priority: u8) {
    assert_eq!((sent(outputs), outputs.len()), (vec![priority], 1), "{outputs:?}");
}

#[test]
fn a_stopped_master_keeps_its_addresses_until_the_next_one_has_them() {
    // V3-FSM-13, C3, issue: no request lost at a planned stop
    let mut host = master();
    let outputs = host.give(Input::Shutdown);
    assert!(matches!(outputs.as_slice(), [Output::Transmit(_)]), "a goodbye and nothing else: {outputs:?}");
    assert_eq!(sent(&outputs), [0]);
    assert_keeps(&host.pass(ms(600)));
    assert_keeps(&host.hear(&message(&v3(100), GREATER, 90)));
    assert_keeps(&host.pass(INSTALLS - NANO));
    let outputs = host.pass_unanswered(NANO);
    let order = withdraws(&outputs)[0];
    assert_eq!(outputs.len(), 1, "nothing is announced, nothing told before they are gone: {outputs:?}");
    assert_eq!(host.state(), Some(State::Master));
    let outputs = host.give(Input::Withdrawn { instance: ONE, order: Some(order) });
    assert_eq!(told(&outputs), [None]);
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn a_successor_has_one_of_its_intervals_from_its_first_advert() {
    let quick = InstanceConfig { advert_interval: ms(50), ..config(100) };
    let mut host = Host::master(quick.clone());
    host.give(Input::Shutdown);
    for _ in 0..3 {
        // Those after the first answer our goodbye (V3-FSM-10), and prove nothing.
        assert_keeps(&host.hear(&message(&quick, GREATER, 90)));
    }
    assert_keeps(&host.pass(ms(50) - NANO));
    assert_eq!(withdraws(&host.pass(NANO)).len(), 1);
}

#[test]
fn without_a_successor_the_addresses_are_kept_for_a_down_interval() {
    let mut host = master();
    host.give(Input::Shutdown);
    assert_keeps(&host.pass(DOWN_100 - NANO));
    assert_eq!(withdraws(&host.pass_unanswered(NANO)).len(), 1);
    // ipmgr doesn't answer: stopped all the same.
    let outputs = host.pass_unanswered(ms(2000));
    assert_eq!(told(&outputs), [None]);
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn a_long_interval_does_not_keep_anybody_for_long() {
    let slow = InstanceConfig { advert_interval: ms(40_000), ..config(100) };
    let mut host = Host::new(slow);
    host.pass(ms(200_000));
    host.give(Input::Shutdown);
    assert_keeps(&host.pass(ms(9999)));
    assert_eq!(withdraws(&host.pass(ms(1))).len(), 1);
}

#[test]
fn a_preempting_router_gets_the_addresses_without_a_hole() {
    // V3-FSM-11: the hook that stops a service runs when requests have stopped coming
    let mut host = master();
    assert_says_and_keeps(&host.hear(&message(&v3(100), LOWER, 150)), 100);
    assert_eq!(host.state(), Some(State::Master));
    assert_keeps(&host.pass(INSTALLS - NANO));
    let outputs = host.pass_unanswered(NANO);
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "outranked");
    assert_eq!(announcements(&outputs), 0);
}

#[test]
fn a_rival_of_equal_rank_gets_them_at_once() {
    // A3, V3-FSM-18: equals don't preempt, so both held them already.
    let mut host = master();
    let outputs = host.hear(&message(&v3(100), GREATER, 100));
    assert_eq!((withdraws(&outputs).len(), told(&outputs)), (1, vec![Some(State::Backup)]));
}

#[test]
fn whoever_is_not_fit_keeps_nothing() {
    let checks = vec![tracked("fatal", 0), tracked("weighs", 20), tracked("drags", -20)];
    let healthy = || {
        let mut host = Host::new(InstanceConfig { checks: checks.clone(), ..config(100) });
        for check in ["fatal", "weighs", "drags"] {
            host.verdict(check, Verdict::Up);
        }
        host.pass(ms(30_000));
        assert_eq!(host.state(), Some(State::Master));
        host
    };
    assert_says_and_keeps(&healthy().hear(&message(&v3(100), LOWER, 150)), 120);
    // A check that fails takes the addresses along, whether by FAULT or by weight.
    assert_eq!(withdraws(&healthy().verdict("fatal", Verdict::Down)).len(), 1);
    for check in ["weighs", "drags"] {
        let mut host = healthy();
        host.verdict(check, Verdict::Down);
        assert_eq!(withdraws(&host.hear(&message(&v3(100), LOWER, 150))).len(), 1, "{check}");
        let mut host = healthy();
        host.verdict(check, Verdict::Down);
        assert_eq!(withdraws(&host.give(Input::Shutdown)).len(), 1, "{check}");
    }
    let down = LinkFact { up: false, ..eth0() };
    assert_eq!(withdraws(&healthy().give(Input::Link(&down))).len(), 1);
}

#[test]
fn what_goes_wrong_meanwhile_ends_the_keeping() {
    let checks = vec![tracked("fatal", 0), tracked("weighs", 20)];
    let keeping = || {
        let mut host = Host::new(InstanceConfig { checks: checks.clone(), ..config(100) });
        host.verdict("fatal", Verdict::Up);
        host.verdict("weighs", Verdict::Up);
        host.pass(ms(30_000));
        assert_says_and_keeps(&host.hear(&message(&v3(100), LOWER, 150)), 120);
        host
    };
    assert_eq!(withdraws(&keeping().verdict("fatal", Verdict::Down)).len(), 1);
    assert_eq!(withdraws(&keeping().verdict("weighs", Verdict::Down)).len(), 1);
    assert_eq!(told(&keeping().give(Input::ManagerGone)), [Some(State::Backup), Some(State::Fault)]);
    // A manager that is new to us is told once, if there is anything to tell it.
    for (held, orders) in [([ONE].as_slice(), 1), (&[], 0)] {
        let outputs = keeping().give(Input::ManagerPresent { held });
        assert_eq!((withdraws(&outputs).len(), told(&outputs)), (orders, vec![Some(State::Backup)]));
    }
    // ipmgr has taken them away by itself: there is nothing to order.
    let outputs = keeping().give(Input::Withdrawn { instance: ONE, order: None });
    assert_eq!((withdraws(&outputs).len(), told(&outputs)), (0, vec![Some(State::Backup)]));
}

#[test]
fn addresses_that_are_not_in_place_are_not_kept() {
    let mut host = Host::new(config(100));
    let outputs = host.pass_unanswered(ms(3700));
    assert_eq!(installs(&outputs).len(), 1);
    assert_eq!(withdraws(&host.hear(&message(&v3(100), LOWER, 150))).len(), 1);
}

#[test]
fn who_is_needed_again_has_never_let_go() {
    // V3-FSM-5 with the shortest skew: the successor resigns before it has the addresses.
    let mut host = Host::master(config(254));
    assert_says_and_keeps(&host.hear(&message(&v3(254), LOWER, 255)), 254);
    host.hear(&message(&v3(254), LOWER, 0));
    let outputs = host.pass(ms(8));
    assert_eq!(sent(&outputs), [254]);
    assert!(withdraws(&outputs).is_empty() && told(&outputs).is_empty(), "{outputs:?}");
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
    assert!(withdraws(&host.pass(ms(10_000))).is_empty());
}

#[test]
fn while_keeping_nobody_is_answered() {
    let mut host = master();
    host.hear(&message(&v3(100), LOWER, 150));
    for priority in [0, 50, 150] {
        assert!(sent(&host.hear(&message(&v3(100), LOWER, priority))).is_empty());
    }
    assert!(sent(&host.pass(ms(500))).is_empty());
}

// Drain, pain A7

const ORDER: Input<'static> = Input::Drain { instance: None, text: "by root since noon" };

#[test]
fn a_drained_master_hands_over_and_stays_out() {
    // A7, X-3
    let mut host = master();
    let outputs = host.give(ORDER);
    assert_eq!((outputs.len(), sent(&outputs)), (1, vec![0]));
    assert_eq!(host.view().reasons[0].code, "drained");
    host.pass(ms(600));
    assert_keeps(&host.hear(&message(&v3(100), GREATER, 90)));
    let outputs = host.pass(INSTALLS);
    assert_eq!((withdraws(&outputs).len(), told(&outputs)), (1, vec![Some(State::Fault)]));
    let cause = &transitions(&outputs)[0].cause;
    assert_eq!((cause.code.as_str(), cause.text.as_str()), ("drained", "drained: by root since noon"));
    assert!(host.pass(ms(60_000)).is_empty());
    let outputs = host.give(Input::Undrain { instance: None });
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(told(&host.pass(ms(3610))), [Some(State::Master)]);
}

#[test]
fn a_drain_concerns_whom_it_names() {
    let mut host = Host::with(vec![config(100), v6(100)]);
    host.give(Input::Drain { instance: Some(ONE), text: "x" });
    let states = |host: &Host| host.core.status().instances.iter().map(|it| it.state).collect::<Vec<_>>();
    assert_eq!(states(&host), [Some(State::Fault), Some(State::Backup)]);
    // An order to one ends with an order to all, and nobody is there for a third.
    host.give(Input::Undrain { instance: Some(InstanceId(7)) });
    assert_eq!(states(&host), [Some(State::Fault), Some(State::Backup)]);
    host.give(Input::Undrain { instance: None });
    assert_eq!(states(&host), [Some(State::Backup), Some(State::Backup)]);
}

#[test]
fn a_drained_node_that_fails_keeps_nothing() {
    let mut host = Host::new(InstanceConfig { checks: vec![tracked("chk", 0)], ..config(100) });
    host.verdict("chk", Verdict::Up);
    host.pass(ms(30_000));
    assert_eq!(sent(&host.give(ORDER)), [0]);
    assert_eq!(withdraws(&host.verdict("chk", Verdict::Down)).len(), 1);
}

#[test]
fn a_drain_without_hand_over_lets_go_at_once() {
    let mut host = Host::master(v3(100));
    let outputs = host.give(ORDER);
    assert_eq!((withdraws(&outputs).len(), told(&outputs)), (1, vec![Some(State::Fault)]));
}

#[test]
fn a_long_text_is_cut_off() {
    let mut host = master();
    host.give(Input::Drain { instance: None, text: &"\u{e4}".repeat(1000) });
    let text = &host.view().reasons[0].text;
    assert_eq!(text.len(), "drained: ".len() + MAX_DRAIN_TEXT);
}
