//! The address manager: what is ordered from it, and what its answers, its silence and its memory mean.

use std::time::Duration;

use handover_vrrp::{AwaitedWhat, Input, InstanceConfig, LinkId, OrderNumber, Output};
use model::{LinkFact, MacAddress, State, Verdict, Vrid};

use crate::support::*;

fn refused(host: &mut Host, order: OrderNumber, failures: &[&str]) -> Vec<Output> {
    answered(host, order, failures, !failures.is_empty())
}

fn answered(host: &mut Host, order: OrderNumber, failures: &[&str], nothing: bool) -> Vec<Output> {
    let failures: Vec<String> = failures.iter().map(|text| (*text).to_owned()).collect();
    host.give(Input::Installed { instance: ONE, order, failures: &failures, nothing })
}

/// Active, with the order to install under way.
fn claiming(config: InstanceConfig) -> (Host, OrderNumber) {
    let mut host = Host::new(config);
    let outputs = host.pass_unanswered(ms(3700));
    let order = installs(&outputs)[0];
    assert_eq!(host.state(), Some(State::Backup));
    (host, order)
}

#[test]
fn announcements_wait_for_the_addresses_and_are_repeated() {
    // V3-FSM-15, D1
    let (mut host, order) = claiming(v3(100));
    let outputs = host.pass_unanswered(ms(4000));
    assert_eq!(sent(&outputs), [100; 4], "it advertises meanwhile");
    assert_eq!(announcements(&outputs), 0);
    assert_eq!(announcements(&host.hear(&message(&v3(100), LOWER, 50))), 0, "nor against a rival");
    let outputs = refused(&mut host, order, &[]);
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
    assert_eq!(told(&outputs), [Some(State::Master)]);
    assert_eq!(announcements(&host.pass(ms(4999))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), ANNOUNCEMENTS);
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
}

#[test]
fn who_has_another_hardware_address_announces_itself_anew() {
    // V3-FSM-15, D7
    let (mut host, order) = claiming(v3(100));
    assert_eq!(announcements(&host.give(Input::Moved { instance: ONE })), 0, "nothing is in place yet");
    refused(&mut host, order, &[]);
    host.pass(ms(60_000));
    assert_eq!(announcements(&host.give(Input::Moved { instance: ONE })), ANNOUNCEMENTS);
    assert_eq!(announcements(&host.pass(ms(60_000))), ANNOUNCEMENTS, "and once more later");
    let outputs = host.hear(&message(&v3(100), GREATER, 200));
    host.answer(outputs);
    assert_eq!(announcements(&host.give(Input::Moved { instance: ONE })), 0, "they are somebody else's");
}

/// The places of each announcement of some addresses.
fn announced_places(outputs: &[Output]) -> Vec<Vec<u32>> {
    let places = |output: &Output| match output {
        Output::AnnouncePlaced { places, times, .. } if usize::from(*times) == ANNOUNCEMENTS => {
            Some(places.to_vec())
        }
        _ => None,
    };
    outputs.iter().filter_map(places).collect()
}

fn placed(host: &mut Host, order: OrderNumber, places: &[u32]) -> Vec<Output> {
    host.give(Input::Placed { instance: ONE, order, places })
}

#[test]
fn what_comes_into_place_is_announced_then_and_not_again_with_the_rest() {
    // V3-FSM-15: MASTER is told when all is there.
    let (mut host, order) = claiming(v3(100));
    let outputs = placed(&mut host, order, &[3, 4]);
    assert_eq!(announced_places(&outputs), [vec![3, 4]]);
    assert_eq!((told(&outputs), announcements(&outputs)), (vec![], 0));
    assert!(host.core.may_announce(ONE));
    assert_eq!(
        announcements(&host.hear(&message(&v3(100), LOWER, 50))),
        0,
        "against a rival when all is there"
    );
    let other = OrderNumber(order.0 + 1);
    assert_eq!(placed(&mut host, other, &[5]), [], "that is about another order");
    let outputs = refused(&mut host, order, &[]);
    assert_eq!((told(&outputs), announcements(&outputs)), (vec![Some(State::Master)], 0));
    assert_eq!(announcements(&host.pass(ms(5000))), ANNOUNCEMENTS, "the second round is everybody's");
    assert_eq!(placed(&mut host, order, &[3]), [], "all was said about that order");
    assert_eq!(announcements(&refused(&mut host, order, &[])), ANNOUNCEMENTS, "something has changed");
}

#[test]
fn an_ipmgr_that_is_at_work_may_take_its_time() {
    let (mut host, order) = claiming(v3(100));
    for _ in 0..4 {
        assert_eq!(told(&host.pass_unanswered(ms(4000))), []);
        placed(&mut host, order, &[0]);
    }
    assert_eq!(told(&refused(&mut host, order, &[])), [Some(State::Master)]);
}

#[test]
fn a_late_answer_is_not_taken_for_a_new_one() {
    let (mut host, order) = claiming(v3(100));
    host.hear(&message(&v3(100), GREATER, 200));
    assert!(refused(&mut host, order, &[]).is_empty(), "no longer wanted");
    assert_eq!(host.state(), Some(State::Backup));
    let outputs = host.pass_unanswered(ms(4000));
    let newer = installs(&outputs)[0];
    assert!(newer > order);
    assert!(refused(&mut host, order, &[]).is_empty(), "that was the former order");
    assert_eq!(told(&refused(&mut host, newer, &[])), [Some(State::Master)]);
}

#[test]
fn giving_way_before_the_addresses_came_takes_them_back() {
    // V3-FSM-3: the order to install may have been carried out meanwhile.
    let (mut host, order) = claiming(v3(100));
    let outputs = host.hear(&message(&v3(100), GREATER, 200));
    assert!(withdraws(&outputs)[0] > order);
    assert!(told(&outputs).is_empty(), "nobody was told of a master");
}

#[test]
fn refused_addresses_are_a_fault_and_tried_again() {
    let (mut host, order) = claiming(v3(100));
    let outputs = refused(&mut host, order, &["add 192.0.2.100/32 on eth0: EPERM"]);
    assert_eq!(sent(&outputs), [0]);
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    let cause = &transitions(&outputs)[0].cause;
    assert_eq!(cause.code, "install-refused");
    assert!(cause.text.contains("EPERM"), "{}", cause.text);
    assert_eq!(host.view().refused, ["add 192.0.2.100/32 on eth0: EPERM"]);
    assert_eq!(told(&host.pass(ms(9999))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Backup)]);
    assert_eq!(host.view().refused[0], "add 192.0.2.100/32 on eth0: EPERM", "it has not succeeded yet");
    assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
    assert!(host.view().refused.is_empty());
}

/// Backup, after the kernel has refused its addresses and the pause is over; a lower master was heard meanwhile, and is on.
fn shy(config: &InstanceConfig) -> Host {
    let mut host = Host::new(config.clone());
    refuse_once(&mut host);
    hear_for(&mut host, config, 11);
    assert_eq!(host.state(), Some(State::Backup));
    host
}

fn refuse_once(host: &mut Host) {
    let order = installs(&host.pass_unanswered(ms(3700)))[0];
    let outputs = refused(host, order, &["EPERM"]);
    host.answer(outputs);
    assert_eq!(host.state(), Some(State::Fault));
}

/// A lower master advertises for so many seconds. Returns what came of it.
fn hear_for(host: &mut Host, config: &InstanceConfig, seconds: u64) -> Vec<Output> {
    let mut outputs = Vec::new();
    for _ in 0..seconds {
        outputs.extend(host.hear(&message(config, LOWER, 50)));
        outputs.extend(host.pass(ms(1000)));
    }
    outputs
}

/// Else the address is nowhere for as long as each attempt takes.
#[test]
fn who_was_refused_leaves_a_healthy_lower_master_alone_and_succeeds_a_silent_one() {
    let owner = InstanceConfig { wants_master: true, ..v3(255) };
    for config in [v3(100), v2(100), owner] {
        let mut host = if config.wants_master {
            let mut host = Host::cold(vec![config.clone()]);
            host.give(Input::Link(&eth0()));
            let order = installs(&host.give(Input::ManagerPresent { held: &[] }))[0];
            let outputs = refused(&mut host, order, &["EPERM"]);
            host.answer(outputs);
            hear_for(&mut host, &config, 11);
            host
        } else {
            shy(&config)
        };
        assert!(sent(&hear_for(&mut host, &config, 1000)).is_empty());
        let view = host.view();
        assert_eq!(view.state, Some(State::Backup));
        assert!(view.cause.text.contains("preempts nobody"), "{}", view.cause.text);
        assert_eq!(view.refused.len(), 2, "{:?}", view.refused);
        assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
        assert!(host.view().refused.is_empty());
        // It has succeeded, so it is as others are.
        let mut outputs = host.hear(&message(&config, GREATER, 255));
        outputs.extend(host.pass(ms(20_000)));
        assert_eq!(host.state(), Some(State::Master));
    }
}

/// What ipmgr knows nobody has to find out.
#[test]
fn who_is_barred_does_not_even_try() {
    let mut host = Host::new(v3(100));
    let outputs = host.give(Input::Barred { instance: ONE, why: "vrrp.5 can't be made" });
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    assert!(host.view().cause.text.contains("vrrp.5 can't be made"), "{}", host.view().cause.text);
    assert!(host.pass(ms(600_000)).is_empty());
    host.give(Input::Link(&LinkFact { index: Some(7), ..eth0() }));
    assert_eq!(host.state(), Some(State::Fault));
    assert_eq!(told(&host.give(Input::Mended { instance: ONE })), [Some(State::Backup)]);
    assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
    host.give(Input::Barred { instance: ONE, why: "vrrp.5 can't be made" });
    assert_eq!(host.state(), Some(State::Master), "what it has is in place");
}

#[test]
fn who_may_have_been_mended_preempts_as_ever() {
    let mends: [&dyn Fn(&mut Host); 4] = [
        &|host| drop(host.give(Input::Mended { instance: ONE })),
        &|host| drop(host.give(Input::Undrain { instance: Some(ONE) })),
        &|host| drop(host.give(Input::ManagerPresent { held: &[] })),
        &|host| drop(host.give(Input::Link(&LinkFact { index: Some(7), ..eth0() }))),
    ];
    for mend in mends {
        let mut host = shy(&v3(100));
        mend(&mut host);
        assert!(host.view().refused.is_empty());
        hear_for(&mut host, &v3(100), 5);
        assert_eq!(host.state(), Some(State::Master));
    }
    // Not even the pause is waited for.
    let mut host = Host::new(v3(100));
    refuse_once(&mut host);
    assert_eq!(told(&host.give(Input::Mended { instance: ONE })), [Some(State::Backup)]);
    assert_eq!(host.view().cause.text, "nothing is in the way; listening 3.609 s for a master");
}

/// One that was silent and answers in time again isn't what stands in the way any more; until it does, nobody is preempted.
#[test]
fn a_manager_that_was_silent_is_asked_until_it_answers_in_time() {
    let config = v3(100);
    let (mut host, _) = claiming(config.clone());
    let mut asked = withdraws(&host.pass_unanswered(ms(5000)))[0];
    for _ in 0..10 {
        for _ in 0..6 {
            let mut outputs = host.hear(&message(&config, LOWER, 50));
            outputs.extend(host.pass_unanswered(ms(1000)));
            assert!(sent(&outputs).is_empty());
        }
        let outputs = host.give(Input::Withdrawn { instance: ONE, order: Some(asked) });
        asked = withdraws(&outputs)[0];
    }
    host.pass_unanswered(ms(100));
    let outputs = host.give(Input::Withdrawn { instance: ONE, order: Some(asked) });
    assert!(withdraws(&outputs).is_empty());
    hear_for(&mut host, &config, 5);
    assert_eq!(host.state(), Some(State::Master));
}

/// Refuses until the instance is in FAULT; returns how long it is left alone then, in seconds.
fn refused_for(host: &mut Host) -> u64 {
    while host.state() != Some(State::Fault) {
        let order = installs(&host.pass_unanswered(ms(500))).last().copied();
        if let Some(order) = order {
            refused(host, order, &["EPERM"]);
        }
    }
    (1..=3600).find(|_| !told(&host.pass_unanswered(ms(1000))).is_empty()).expect("never tried again")
}

/// Each attempt takes the address from a healthy lower master for a moment: it is disturbed ever more rarely.
#[test]
fn a_kernel_that_goes_on_refusing_is_asked_more_and_more_rarely() {
    let mut host = Host::new(v3(100));
    let pauses: Vec<u64> = (0..8).map(|_| refused_for(&mut host)).collect();
    assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
    // An installation that succeeds ends the row.
    assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
    let lost = host.hear(&message(&v3(100), GREATER, 200));
    host.answer(lost);
    assert_eq!(refused_for(&mut host), 10);
    assert_eq!(refused_for(&mut host), 20);
}

/// What may have mended it isn't waited for: another link, the same one up again, another hardware address, another ipmgr.
#[test]
fn a_refusal_is_forgotten_when_what_was_refused_is_not_the_same() {
    let down = LinkFact { up: false, ..eth0() };
    let absent = LinkFact { index: None, ..eth0() };
    let recreated = LinkFact { index: Some(7), ..eth0() };
    let remade = LinkFact { mac: Some(MacAddress([2, 0, 0, 0, 0, 1])), ..eth0() };
    for changes in [vec![recreated], vec![remade], vec![down, eth0()], vec![absent, eth0()]] {
        let mut host = Host::new(v3(100));
        assert_eq!([refused_for(&mut host), refused_for(&mut host)], [10, 20]);
        let order = installs(&host.pass_unanswered(ms(4000)))[0];
        refused(&mut host, order, &["EPERM"]);
        assert_eq!(host.state(), Some(State::Fault));
        for change in &changes {
            host.give(Input::Link(change));
        }
        assert_eq!(host.state(), Some(State::Backup), "at once after {changes:?}");
        assert_eq!(refused_for(&mut host), 10);
    }
    // An address more or less on the link, or the same fact once more, is none of that.
    let mut host = Host::new(v3(100));
    assert_eq!(refused_for(&mut host), 10);
    host.give(Input::Link(&LinkFact { sources: vec![VIP], ..eth0() }));
    assert_eq!(refused_for(&mut host), 20);
    host.give(Input::ManagerGone);
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(refused_for(&mut host), 10);
}

#[test]
fn some_refused_addresses_are_shown() {
    let config = InstanceConfig { addresses: vec![VIP, "192.0.2.101".parse().unwrap()], ..v3(100) };
    let (mut host, order) = claiming(config);
    let outputs = answered(&mut host, order, &["add 192.0.2.101/32 on eth0: EEXIST"], false);
    assert_eq!(told(&outputs), [Some(State::Master)]);
    assert!(notices(&outputs)[0].0.contains("EEXIST"));
    assert_eq!(host.view().refused.len(), 1);
    let outputs = host.hear(&message(&v3(100), GREATER, 200));
    host.answer(outputs);
    assert!(host.view().refused.is_empty());
}

#[test]
fn a_manager_that_does_not_answer_is_a_fault() {
    let (mut host, _) = claiming(v3(100));
    let outputs = host.pass_unanswered(ms(5000));
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    assert_eq!(sent(&outputs).last(), Some(&0));
    assert!(transitions(&outputs)[0].cause.text.contains("did not answer"));
}

/// The addresses may be on two hosts for that long, and whoever asks has to hear of it.
#[test]
fn what_a_manager_does_not_answer_is_told() {
    let (mut host, _) = claiming(v3(100));
    let began = host.now;
    let what = |host: &Host| host.view().awaited.map(|it| (it.what, host.now.since(it.since)));
    assert_eq!(what(&host).map(|it| it.0), Some(AwaitedWhat::Placing));
    host.pass_unanswered(ms(1000));
    assert!(what(&host).expect("it still waits").1 >= ms(1000));
    assert!(host.now > began);
    let mut host = Host::master(v3(100));
    assert_eq!(what(&host), None);
    let asked = withdraws(&host.hear(&message(&v3(100), GREATER, 200)));
    // Its successor has the addresses before it is asked to remove them.
    let asked = asked.into_iter().chain(withdraws(&host.pass_unanswered(ms(200)))).last().expect("an order");
    let mut hear = |seconds| {
        let mut outputs = Vec::new();
        for _ in 0..seconds {
            outputs.extend(host.hear(&message(&v3(100), GREATER, 200)));
            outputs.extend(host.pass_unanswered(ms(1000)));
        }
        outputs
    };
    assert!(notices(&hear(4)).is_empty());
    let outputs = hear(30);
    let told = notices(&outputs);
    assert_eq!(what(&host).map(|it| it.0), Some(AwaitedWhat::Removing));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0.contains("they may still be here"), "{told:?}");
    host.give(Input::Withdrawn { instance: ONE, order: Some(asked) });
    assert_eq!(what(&host), None);
}

#[test]
fn a_manager_that_goes_takes_mastership_along() {
    let mut host = Host::master(v3(100));
    let outputs = host.give(Input::ManagerGone);
    assert_eq!(sent(&outputs), [0]);
    assert_eq!(told(&outputs), [Some(State::Fault)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "ipmgr-gone");
    assert!(host.pass(ms(60_000)).is_empty());
    let outputs = host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(told(&host.pass(ms(4000))), [Some(State::Master)]);
}

#[test]
fn what_was_given_up_is_not_resumed() {
    // The goodbye has been said: a peer may be master by now.
    let mut host = Host::master(v3(100));
    host.give(Input::ManagerGone);
    let outputs = host.give(Input::ManagerPresent { held: &[ONE] });
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    // The same for a backup.
    let mut host = Host::new(v3(100));
    let outputs = host.give(Input::ManagerPresent { held: &[ONE] });
    assert_eq!(withdraws(&outputs).len(), 1);
    assert!(told(&outputs).is_empty());
}

#[test]
fn a_manager_that_gives_us_up_is_believed() {
    let mut host = Host::master(v3(100));
    let outputs = host.give(Input::Withdrawn { instance: ONE, order: None });
    assert!(sent(&outputs).is_empty());
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "ipmgr-gave-up");
    assert_eq!(withdraws(&outputs).len(), 1, "an order to install may be under way");
    assert_eq!(told(&host.pass(ms(3609))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Master)]);
}

#[test]
fn a_new_manager_gets_the_standing_order() {
    let mut host = Host::master(v3(100));
    let outputs = host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(installs(&outputs).len(), 1);
    let outputs = host.answer(outputs);
    assert!(told(&outputs).is_empty());
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
    assert_eq!(host.state(), Some(State::Master));
}

#[test]
fn a_new_core_resumes_what_the_manager_still_holds() {
    let mut host = Host::cold(vec![InstanceConfig { checks: vec![tracked("chk", 0)], ..v3(100) }]);
    // Facts come in any order, and the first result is waited for.
    host.give(Input::ManagerPresent { held: &[ONE] });
    assert!(host.give(Input::Link(&eth0())).is_empty());
    let outputs = host.verdict("chk", Verdict::Up);
    assert_eq!(sent(&outputs), [100], "at once: a peer is counting");
    assert_eq!(installs(&outputs).len(), 1, "again, which does no harm");
    let outputs = host.answer(outputs);
    assert_eq!(told(&outputs), [Some(State::Master)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "resumed");
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
}

#[test]
fn what_is_held_by_somebody_unfit_is_taken_away() {
    let mut host = Host::cold(vec![v3(100)]);
    host.give(Input::ManagerPresent { held: &[ONE] });
    let outputs = host.give(Input::Link(&model::LinkFact { up: false, ..eth0() }));
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&outputs), [Some(State::Fault)]);
}

#[test]
fn what_the_manager_let_go_in_time_is_not_resumed() {
    let mut host = Host::cold(vec![v3(100)]);
    host.give(Input::ManagerPresent { held: &[ONE] });
    host.give(Input::Withdrawn { instance: ONE, order: None });
    assert_eq!(told(&host.give(Input::Link(&eth0()))), [Some(State::Backup)]);
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let mut host = Host::master(v3(100));
    assert_eq!(sent(&host.give(Input::Shutdown)), [0]);
    assert!(host.give(Input::Shutdown).is_empty());
    assert!(host.pass_unanswered(ms(1999)).is_empty());
    let outputs = host.pass_unanswered(ms(1));
    assert_eq!(told(&outputs), [None]);
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn stopping_waits_for_nobody_who_is_gone() {
    let mut host = Host::master(v3(100));
    host.give(Input::Shutdown);
    let outputs = host.give(Input::ManagerGone);
    assert_eq!(told(&outputs), [None]);
    assert_eq!(outputs.last(), Some(&Output::Finished));

    let mut host = Host::master(v3(100));
    host.give(Input::ManagerGone);
    let outputs = host.give(Input::Shutdown);
    assert_eq!((told(&outputs), outputs.last()), (vec![None], Some(&Output::Finished)));
}

#[test]
fn an_order_that_was_lost_with_a_manager_is_not_waited_for() {
    // The answer to the order never came; the manager that is there now holds nothing, or is told again.
    for held in [&[] as &[_], &[ONE]] {
        let mut host = Host::master(v3(100));
        host.hear(&message(&v3(100), GREATER, 200));
        let outputs = host.give(Input::ManagerPresent { held });
        assert_eq!(withdraws(&outputs).len(), held.len());
        host.answer(outputs);
        assert_eq!(host.give(Input::Shutdown).last(), Some(&Output::Finished));
    }
}

/// D3: an ipmgr that has started again keeps what it found for a grace, in case it is ours. Once somebody else is heard to be master
/// it is on both hosts.
#[test]
fn what_may_be_left_is_given_up_when_a_master_is_heard_and_not_before() {
    let mut host = Host::new(v3(100));
    assert_eq!(withdraws(&host.pass(ms(1000))).len(), 0);
    assert_eq!(withdraws(&host.hear(&message(&v3(100), GREATER, 0))).len(), 0, "somebody who goes");
    assert_eq!(withdraws(&host.hear(&message(&v3(100), GREATER, 90))).len(), 1, "a lower one, too");
    assert_eq!(withdraws(&host.hear(&message(&v3(100), GREATER, 200))).len(), 0, "once");
    // And again for another ipmgr; not what it says that is ours.
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(withdraws(&host.hear(&message(&v3(100), GREATER, 200))).len(), 1);
    let mut resumes = Host::cold(vec![v3(100)]);
    resumes.give(Input::ManagerPresent { held: &[ONE] });
    assert_eq!(withdraws(&resumes.hear(&message(&v3(100), GREATER, 90))).len(), 0);
}

#[test]
fn stopping_ends_every_instance_and_starts_none() {
    let second = InstanceConfig { vrid: Vrid::new(6).unwrap(), ..v3(90) };
    let third = InstanceConfig { vrid: Vrid::new(7).unwrap(), checks: vec![tracked("chk", 0)], ..v3(90) };
    let mut host = Host::with(vec![v3(100), second.clone(), third]);
    let outputs = host.hear(&message(&second, GREATER, 200));
    host.answer(outputs);
    host.pass(ms(3000));
    host.hear(&message(&second, GREATER, 200));
    host.pass(ms(2000));
    let outputs = host.give(Input::Shutdown);
    assert_eq!(sent(&outputs), [0], "one master, one backup, one that waits");
    // Facts still come in; nobody rises again.
    assert!(host.verdict("chk", Verdict::Up).is_empty());
    assert!(host.give(Input::Link(&eth0())).is_empty());
    let outputs = host.answer(outputs);
    assert_eq!(told(&outputs), [None; 3]);
    assert_eq!(outputs.iter().filter(|output| **output == Output::Finished).count(), 1);
}

#[test]
fn stopping_a_core_that_never_decided_gives_back_what_is_held() {
    let mut host = Host::cold(vec![v3(100)]);
    host.give(Input::ManagerPresent { held: &[ONE] });
    let outputs = host.give(Input::Shutdown);
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&host.answer(outputs)), [None]);
}

#[test]
fn an_instance_without_a_link_does_nothing() {
    let mut host = Host::cold(vec![InstanceConfig { link: LinkId(9), ..v3(100) }]);
    host.give(Input::ManagerPresent { held: &[ONE] });
    assert!(host.pass(Duration::from_secs(60)).is_empty());
    assert_eq!(host.state(), Some(State::Init));
}
