//! What has to be done before addresses come or go (C3): how long it is waited for, and what ends the wait.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::{
    CoreConfig, GroupConfig, Input, InstanceConfig, InstanceId, Manners, OrderNumber, Output, Prelude,
    Preludes, TrackedCheck,
};
use model::{GroupName, State, Verdict, Vrid};

const LIMIT: Duration = Duration::from_millis(800);
const NANO: Duration = Duration::from_nanos(1);
/// 3 s and the skew of priority 100.
const DOWN_100: Duration = Duration::from_nanos(3_609_375_000);

fn config(master: bool, backup: bool) -> InstanceConfig {
    let preludes = Preludes { master, backup, limit: LIMIT };
    InstanceConfig { manners: Manners { preludes, hand_over: false, ..Manners::default() }, ..v3(100) }
}

fn preludes(outputs: &[Output]) -> Vec<(Prelude, OrderNumber)> {
    let each = |output: &Output| match output {
        Output::Prelude { prelude, order, .. } => Some((*prelude, *order)),
        _ => None,
    };
    outputs.iter().filter_map(each).collect()
}

fn done(host: &mut Host, order: OrderNumber) -> Vec<Output> {
    host.give(Input::PreludeDone { instance: ONE, order })
}

/// It has won, and waits for its `pre_master`.
fn winner() -> (Host, OrderNumber) {
    let mut host = Host::new(config(true, false));
    let outputs = host.pass(DOWN_100);
    assert_eq!((sent(&outputs), installs(&outputs)), (vec![100], vec![]), "told at once, ordered later");
    let [(Prelude::Master, order)] = preludes(&outputs)[..] else { panic!("{outputs:?}") };
    (host, order)
}

/// It is master, was told to leave, and waits for its `pre_backup`.
fn leaver(input: Input<'_>) -> (Host, OrderNumber) {
    let mut host = Host::master(config(false, true));
    let outputs = host.give(input);
    assert_eq!(outputs.len(), 1, "it goes on as it was: {outputs:?}");
    let [(Prelude::Backup, order)] = preludes(&outputs)[..] else { panic!("{outputs:?}") };
    (host, order)
}

fn drain() -> Input<'static> {
    Input::Drain { instance: None, text: "by root" }
}

#[test]
fn addresses_wait_for_pre_master_and_the_election_does_not() {
    let (mut host, order) = winner();
    assert_eq!(host.state(), Some(State::Backup), "nobody is told before the addresses are there");
    assert!(done(&mut host, OrderNumber(order.0 + 1)).is_empty(), "an answer to something else");
    let outputs = done(&mut host, order);
    assert_eq!(installs(&outputs).len(), 1);
    assert_eq!(told(&host.answer(outputs)), [Some(State::Master)]);
    assert!(done(&mut host, order).is_empty(), "answered once");
}

#[test]
fn a_pre_master_that_hangs_costs_its_limit() {
    let (mut host, order) = winner();
    assert_eq!(installs(&host.pass(LIMIT - NANO)), []);
    let outputs = host.pass_unanswered(NANO);
    assert_eq!(installs(&outputs).len(), 1);
    assert!(notices(&outputs)[0].0.contains("pre_master isn't done after 0.8 s"), "{outputs:?}");
    assert!(done(&mut host, order).is_empty(), "too late");
    // ipmgr has its whole time from its order on.
    host.pass_unanswered(ms(4999));
    assert_eq!(host.view().reasons, []);
    host.pass_unanswered(ms(1));
    assert_eq!(host.view().reasons[0].code, "install-refused");
}

/// Woken late, for the limit and for an advert at once.
#[test]
fn the_end_of_a_wait_costs_no_advert() {
    let (mut host, _) = winner();
    host.now = host.now + ms(1000);
    let outputs = host.give(Input::Wake);
    assert_eq!((sent(&outputs), installs(&outputs).len()), (vec![100], 1));
}

#[test]
fn who_loses_while_it_waits_puts_nothing_in_place() {
    let (mut host, order) = winner();
    host.hear(&message(&v3(100), GREATER, 200));
    assert_eq!(host.state(), Some(State::Backup));
    assert_eq!(installs(&done(&mut host, order)), []);
    assert_eq!(installs(&host.pass(LIMIT)), []);
}

#[test]
fn a_new_ipmgr_is_ordered_nothing_before_its_time() {
    let (mut host, order) = winner();
    assert_eq!(installs(&host.give(Input::ManagerPresent { held: &[] })), []);
    assert_eq!(installs(&done(&mut host, order)).len(), 1);
}

#[test]
fn an_answer_to_what_ipmgr_was_not_asked_puts_nothing_in_place() {
    let (mut host, order) = winner();
    let lie = Input::Installed { instance: ONE, order, failures: &[], nothing: false };
    assert!(host.give(lie).is_empty(), "that number is the prelude's");
    assert_eq!(installs(&done(&mut host, order)).len(), 1);
}

#[test]
fn what_is_still_held_has_no_before() {
    let mut host = Host::cold(vec![config(true, false)]);
    host.give(Input::Link(&eth0()));
    let outputs = host.give(Input::ManagerPresent { held: &[ONE] });
    assert_eq!((installs(&outputs).len(), preludes(&outputs)), (1, vec![]));
}

#[test]
fn what_was_kept_for_a_successor_has_no_before() {
    let config = config(true, false);
    let manners = Manners { hand_over: true, ..config.manners };
    let mut host = Host::new(InstanceConfig { manners, ..config });
    let outputs = host.pass(DOWN_100 + LIMIT);
    host.answer(outputs);
    assert_eq!(host.state(), Some(State::Master));
    host.give(drain());
    host.give(Input::Undrain { instance: None });
    let outputs = host.give(Input::Wake);
    assert_eq!(withdraws(&outputs), [], "it keeps them");
    let quick = InstanceConfig { advert_interval: ms(50), ..v3(100) };
    host.hear(&message(&quick, GREATER, 0));
    let outputs = host.pass_unanswered(ms(3000));
    assert_eq!((installs(&outputs).len(), preludes(&outputs)), (1, vec![]), "{outputs:?}");
}

#[test]
fn a_drained_master_speaks_and_serves_until_pre_backup_is_done() {
    let (mut host, order) = leaver(drain());
    let outputs = host.give(Input::Wake);
    assert!(outputs.is_empty(), "{outputs:?}");
    assert_eq!(host.state(), Some(State::Master));
    let outputs = done(&mut host, order);
    assert_eq!((sent(&outputs), withdraws(&outputs).len()), (vec![0], 1));
    assert_eq!(told(&outputs), [Some(State::Fault)]);
}

#[test]
fn a_stop_waits_for_pre_backup_no_longer_than_its_limit() {
    let (mut host, _) = leaver(Input::Shutdown);
    let outputs = host.pass(LIMIT - NANO);
    assert_eq!(withdraws(&outputs), []);
    let outputs = host.pass(NANO);
    assert_eq!((sent(&outputs).last(), withdraws(&outputs).len()), (Some(&0), 1));
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn who_stops_and_gets_no_answer_from_anybody_ends() {
    let (mut host, _) = leaver(Input::Shutdown);
    let outputs = host.pass_unanswered(ms(20_000));
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn nothing_is_held_that_another_has_won() {
    for input in [drain(), Input::Shutdown] {
        let stops = matches!(input, Input::Shutdown);
        let (mut host, order) = leaver(input);
        let outputs = host.hear(&message(&v3(100), GREATER, 200));
        assert_eq!(withdraws(&outputs).len(), 1, "{outputs:?}");
        assert!(done(&mut host, order).is_empty(), "nobody waits any more");
        let outputs = host.answer(outputs);
        assert_eq!(told(&outputs), [if stops { None } else { Some(State::Fault) }]);
    }
}

#[test]
fn an_order_that_is_undone_is_as_if_it_had_not_been() {
    let (mut host, order) = leaver(drain());
    assert!(host.give(Input::Undrain { instance: None }).is_empty());
    assert!(done(&mut host, order).is_empty());
    let outputs = host.pass(LIMIT);
    assert!(withdraws(&outputs).is_empty() && told(&outputs).is_empty(), "{outputs:?}");
    // The next one begins anew.
    assert_eq!(preludes(&host.give(drain())).len(), 1);
}

#[test]
fn what_can_not_be_served_waits_for_nothing() {
    let master = || {
        let checks = vec![tracked("chk", 0)];
        let mut host = Host::new(InstanceConfig { checks, ..config(false, true) });
        host.verdict("chk", Verdict::Up);
        host.pass(ms(30_000));
        host
    };
    let mut host = master();
    let outputs = host.verdict("chk", Verdict::Down);
    assert_eq!((sent(&outputs), preludes(&outputs)), (vec![0], vec![]), "not by choice");

    let mut host = master();
    assert_eq!(preludes(&host.give(drain())).len(), 1);
    assert_eq!(sent(&host.verdict("chk", Verdict::Down)), [0], "it fails while it waits");
}

#[test]
fn a_weight_that_moves_the_priority_is_told_at_once() {
    let checks: Vec<TrackedCheck> = vec![tracked("chk", -30)];
    let mut host = Host::master(InstanceConfig { checks, ..config(false, true) });
    let outputs = host.verdict("chk", Verdict::Down);
    assert_eq!((sent(&outputs), preludes(&outputs)), (vec![70], vec![]));
    // Whoever is better now has won by the time that we know: it has the addresses, and nothing is held against it.
    let outputs = host.hear(&message(&v3(100), GREATER, 90));
    assert_eq!((withdraws(&outputs).len(), preludes(&outputs)), (1, vec![]));
}

#[test]
fn members_of_a_group_go_with_the_first_that_is_ready() {
    let other = InstanceConfig { vrid: Vrid::new(6).unwrap(), ..config(false, true) };
    let group = GroupConfig {
        name: GroupName::new("vg").unwrap(),
        members: vec![ONE, InstanceId(1)],
        checks: Vec::new(),
        tracked_links: Vec::new(),
    };
    let (links, instances) = (vec![eth0().name], vec![config(false, true), other]);
    let mut host =
        Host::configured(CoreConfig { links, instances, groups: vec![group], ..CoreConfig::default() });
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host.pass(ms(30_000));
    assert_eq!(host.state(), Some(State::Master));
    let asked = preludes(&host.give(drain()));
    assert_eq!(asked.len(), 2, "each member its own");
    let outputs = done(&mut host, asked[0].1);
    assert_eq!(withdraws(&outputs).len(), 2, "together or not at all: {outputs:?}");
    assert!(host.give(Input::PreludeDone { instance: InstanceId(1), order: asked[1].1 }).is_empty());
}
