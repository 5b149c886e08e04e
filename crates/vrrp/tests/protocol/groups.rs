//! Sync groups: one for all, all for one, and nobody waits for the slowest.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::{
    CoreConfig, GroupConfig, GroupTransition, Input, InstanceConfig, InstanceId, LinkId, Manners, Output,
    TrackedCheck, TrackedLink,
};
use model::{GroupName, InstanceName, LinkFact, LinkName, Priority, State, Verdict, Vrid};

const TWO: InstanceId = InstanceId(1);
const ETH1: LinkId = LinkId(1);

/// `one` on eth0 and `two` on eth1, with an interval of its own.
fn members(priority: u8, interval: Duration) -> Vec<InstanceConfig> {
    let one = InstanceConfig { manners: Manners::default(), ..v3(priority) };
    let two = InstanceConfig {
        name: InstanceName::new("two").unwrap(),
        link: ETH1,
        vrid: Vrid::new(6).unwrap(),
        advert_interval: interval,
        ..one.clone()
    };
    vec![one, two]
}

fn group(checks: Vec<TrackedCheck>, tracked_links: Vec<TrackedLink>) -> GroupConfig {
    GroupConfig { name: GroupName::new("vg").unwrap(), members: vec![ONE, TWO], checks, tracked_links }
}

fn cold(instances: Vec<InstanceConfig>, group: GroupConfig) -> Host {
    let links = ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap()).to_vec();
    Host::configured(CoreConfig { links, instances, groups: vec![group], ..CoreConfig::default() })
}

fn eth1(up: bool) -> LinkFact {
    LinkFact { name: LinkName::new("eth1").unwrap(), up, ..eth0() }
}

fn meet_the_world(host: &mut Host, held: &[InstanceId]) -> Vec<Output> {
    host.give(Input::Link(&eth0()));
    host.give(Input::Link(&eth1(true)));
    let outputs = host.give(Input::ManagerPresent { held });
    host.answer(outputs)
}

/// Both are Backup.
fn pair(interval: Duration) -> Host {
    let mut host = cold(members(100, interval), group(Vec::new(), Vec::new()));
    meet_the_world(&mut host, &[]);
    assert_eq!(states(&host), [Some(State::Backup); 2]);
    host
}

fn masters() -> Host {
    let mut host = pair(SECOND);
    host.pass(ms(30_000));
    assert_eq!(states(&host), [Some(State::Master); 2]);
    host
}

fn states(host: &Host) -> Vec<Option<State>> {
    host.core.status().instances.iter().map(|instance| instance.state).collect()
}

fn group_told(outputs: &[Output]) -> Vec<Option<State>> {
    let told = |output: &Output| match output {
        Output::GroupTransition(GroupTransition { to, .. }) => Some(*to),
        _ => None,
    };
    outputs.iter().filter_map(told).collect()
}

/// The peer's advert for a member.
fn hear(host: &mut Host, id: InstanceId, priority: u8) -> Vec<Output> {
    let config = host.core.config().instances[id.0].clone();
    host.hear_on(config.link, &message(&config, GREATER, priority))
}

fn hear_both(host: &mut Host, priority: u8) {
    hear(host, ONE, priority);
    hear(host, TWO, priority);
}

/// When, from now, all are told to be master.
fn takeover(host: &mut Host) -> Duration {
    let start = host.now;
    for _ in 0..100_000 {
        if states(host) == [Some(State::Master); 2] {
            return host.now.since(start);
        }
        let states = states(host);
        assert_eq!(states[0], states[1], "one without the other");
        host.pass(ms(1));
    }
    panic!("nobody took over");
}

#[test]
fn they_are_master_together_and_told_so_once() {
    let mut host = cold(members(100, SECOND), group(Vec::new(), Vec::new()));
    let mut outputs = meet_the_world(&mut host, &[]);
    outputs.extend(host.pass(ms(30_000)));
    assert_eq!(group_told(&outputs), [Some(State::Backup), Some(State::Master)]);
    assert_eq!(told(&outputs).len(), 4);
    let status = host.core.status();
    assert_eq!(status.groups[0].state, Some(State::Master));
    assert_eq!(status.groups[0].cause.code, "no-master");
    let code = &status.instances[1].cause.code;
    assert_eq!(code, "group");
    assert_eq!(status.instances[1].cause.text, "with one of its sync group: no master was heard for 3.609 s");
}

#[test]
fn one_that_cannot_take_part_keeps_all_out() {
    // 3.6, X-3
    let mut host = masters();
    let outputs = host.give(Input::Link(&eth1(false)));
    assert_eq!(sent(&outputs), [0, 0], "the peer learns of it on both");
    assert_eq!(withdraws(&outputs).len(), 2, "not in good health: at once");
    assert_eq!(states(&host), [Some(State::Fault); 2]);
    assert_eq!(group_told(&outputs), [Some(State::Fault)]);
    let status = host.core.status();
    assert_eq!(status.groups[0].cause.code, "link-down");
    let reasons = &status.instances[0].reasons;
    assert_eq!(
        (reasons.len(), reasons[0].code.as_str(), reasons[0].text.as_str()),
        (1, "group-member", "two of its sync group: interface eth1 is down or has no carrier")
    );
    host.answer(outputs);
    assert!(host.pass(ms(60_000)).is_empty());
    let outputs = host.give(Input::Link(&eth1(true)));
    assert_eq!(told(&outputs), [Some(State::Backup); 2]);
    assert_eq!(group_told(&outputs), [Some(State::Backup)]);
    takeover(&mut host);
}

#[test]
fn both_out_for_one_reason_are_out_for_one_reason() {
    let mut host = masters();
    host.give(Input::ManagerGone);
    for instance in host.core.status().instances {
        assert_eq!(instance.reasons.len(), 1, "{:?}", instance.reasons);
        assert_eq!(instance.reasons[0].code, "ipmgr-gone");
    }
}

#[test]
fn a_refusal_to_one_takes_both() {
    let mut host = pair(SECOND);
    let outputs = host.pass_unanswered(ms(3700));
    let orders = installs(&outputs);
    assert_eq!(orders.len(), 2);
    host.give(Input::Installed { instance: ONE, order: orders[0], failures: &[], nothing: false });
    let failures = ["EPERM".to_owned()];
    host.give(Input::Installed { instance: TWO, order: orders[1], failures: &failures, nothing: true });
    assert_eq!(states(&host), [Some(State::Fault); 2]);
    // What the one would lose again, the other doesn't take from a healthy master.
    for _ in 0..100 {
        hear_both(&mut host, 50);
        assert!(sent(&host.pass(SECOND)).is_empty());
    }
    assert_eq!(states(&host), [Some(State::Backup); 2]);
    host.give(Input::Mended { instance: TWO });
    for _ in 0..5 {
        hear_both(&mut host, 50);
        host.pass(SECOND);
    }
    assert_eq!(states(&host), [Some(State::Master); 2]);
}

#[test]
fn a_resigned_peer_is_followed_at_the_first_skew() {
    // trap 16: keepalived takes 3.0 s for this
    let mut host = pair(ms(2000));
    hear_both(&mut host, 120);
    host.pass(ms(500));
    hear_both(&mut host, 0);
    // 156/256 s, not twice that for the slower one.
    assert_eq!(takeover(&mut host), ms(610));
}

#[test]
fn a_goodbye_on_one_does_not_wait_for_the_timer_of_the_other() {
    // trap 16: the other's master is late half a second after its advert was due
    let mut host = pair(SECOND);
    hear(&mut host, ONE, 120);
    hear(&mut host, TWO, 120);
    host.pass(ms(200));
    hear(&mut host, ONE, 0);
    assert_eq!(takeover(&mut host), ms(1300));
}

#[test]
fn a_dead_peer_is_followed_when_nobody_holds_back() {
    // trap 16: 15 s, and not the 36 s of the slowest timer
    let mut host = pair(ms(10_000));
    hear_both(&mut host, 120);
    assert_eq!(takeover(&mut host), ms(15_000));
    // At start it is the same: who has not listened for long enough may not have heard anybody.
    assert_eq!(takeover(&mut pair(ms(10_000))), ms(15_000));
    assert_eq!(takeover(&mut pair(SECOND)), ms(3610));
}

#[test]
fn a_better_master_that_is_alive_on_one_holds_all_back() {
    let mut host = pair(SECOND);
    for _ in 0..60 {
        hear(&mut host, TWO, 120);
        assert!(sent(&host.pass(SECOND)).is_empty());
        assert_eq!(states(&host), [Some(State::Backup); 2]);
    }
    assert!(takeover(&mut host) <= ms(500));
}

#[test]
fn a_lower_master_holds_nobody_back() {
    // V3-FSM-7
    let mut host = pair(SECOND);
    for _ in 0..3 {
        hear_both(&mut host, 90);
        host.pass(SECOND);
    }
    hear_both(&mut host, 90);
    assert_eq!(takeover(&mut host), ms(610));
    // Unless preemption is off.
    let nopreempt = members(100, SECOND).into_iter().map(|it| InstanceConfig { preempt: false, ..it });
    let mut host = cold(nopreempt.collect(), group(Vec::new(), Vec::new()));
    meet_the_world(&mut host, &[]);
    for _ in 0..10 {
        hear(&mut host, TWO, 90);
        host.pass(SECOND);
    }
    assert_eq!(states(&host), [Some(State::Backup); 2]);
}

#[test]
fn one_that_gives_way_takes_the_others_along() {
    // V3-FSM-11; the others say goodbye, since their peers may still be listening, and keep their addresses for them
    let mut host = masters();
    let outputs = hear(&mut host, ONE, 200);
    assert_eq!(sent(&outputs), [100, 0]);
    assert_eq!(transmits(&outputs)[1].instance, TWO);
    assert!(withdraws(&outputs).is_empty());
    let outputs = host.pass(ms(100));
    assert_eq!(
        (told(&outputs), group_told(&outputs)),
        (vec![Some(State::Backup)], vec![Some(State::Backup)])
    );
    hear(&mut host, TWO, 200);
    let outputs = host.pass(ms(100));
    assert_eq!(transitions(&outputs)[0].instance, TWO);
    assert_eq!(transitions(&outputs)[0].cause.code, "group");
    assert_eq!(host.core.status().groups[0].cause.code, "outranked");
    for _ in 0..10 {
        hear_both(&mut host, 200);
        host.pass(SECOND);
        assert_eq!(states(&host), [Some(State::Backup); 2]);
    }
}

#[test]
fn who_sleeps_takes_the_others_along() {
    // one has a short interval and missed it, the other has not
    let mut host = cold(members(100, ms(20_000)), group(Vec::new(), Vec::new()));
    meet_the_world(&mut host, &[]);
    host.pass(ms(120_000));
    assert_eq!(states(&host), [Some(State::Master); 2]);
    host.freeze(ms(5000));
    host.give(Input::Wake);
    assert_eq!(states(&host), [Some(State::Backup), Some(State::Master)], "its addresses are kept");
    assert_eq!(host.core.status().groups[0].state, Some(State::Backup));
    host.pass(ms(10_000));
    assert_eq!(states(&host), [Some(State::Backup); 2]);
}

#[test]
fn a_drain_of_one_drains_all_without_a_hole() {
    // A7
    let mut host = masters();
    let outputs = host.give(Input::Drain { instance: Some(TWO), text: "by root" });
    assert_eq!(sent(&outputs), [0, 0]);
    assert!(withdraws(&outputs).is_empty());
    hear_both(&mut host, 90);
    let outputs = host.pass(ms(100));
    assert_eq!(group_told(&outputs), [Some(State::Fault)]);
    assert_eq!(host.view().reasons[0].text, "two of its sync group: drained: by root");
}

#[test]
fn they_resume_together() {
    // E3: whatever of a master group is still held, it was master of all
    for held in [vec![ONE, TWO], vec![ONE], vec![TWO]] {
        let mut host = cold(members(100, SECOND), group(Vec::new(), Vec::new()));
        meet_the_world(&mut host, &held);
        assert_eq!(states(&host), [Some(State::Master); 2], "{held:?}");
    }
}

#[test]
fn owners_start_as_master_only_together() {
    // V3-FSM-1, 3.6
    let owners = |second: bool| {
        let mut members = members(255, SECOND);
        members[0].wants_master = true;
        members[1].wants_master = second;
        let mut host = cold(members, group(Vec::new(), Vec::new()));
        meet_the_world(&mut host, &[]);
        states(&host)
    };
    assert_eq!(owners(true), [Some(State::Master); 2]);
    assert_eq!(owners(false), [Some(State::Backup); 2]);
}

#[test]
fn trackers_of_the_group_are_everybodys() {
    // 1.5, 3.6: the group's weight replaces a member's, but not its FAULT
    let mut both = members(100, SECOND);
    both[0].checks = vec![tracked("chk", 5)];
    both[1].checks = vec![tracked("chk", 0)];
    let eth1_counts = TrackedLink { link: ETH1, weight: 7, reverse: false };
    let mut host = cold(both, group(vec![tracked("chk", 20), tracked("other", 0)], vec![eth1_counts]));
    meet_the_world(&mut host, &[]);
    assert_eq!(states(&host), [Some(State::Init); 2]);
    host.verdict("other", Verdict::Up);
    host.verdict("chk", Verdict::Up);
    let effective: Vec<_> = host.core.status().instances.iter().map(|it| it.effective).collect();
    assert_eq!(effective, [Priority(127), Priority(107)]);
    host.verdict("chk", Verdict::Down);
    assert_eq!(states(&host), [Some(State::Fault); 2]);
}

#[test]
fn a_stopped_group_is_told_so_once_at_the_end() {
    // C3: STOP isn't told of a group while one of its members still has its addresses
    let mut host = masters();
    assert!(group_told(&host.give(Input::Shutdown)).is_empty());
    hear(&mut host, ONE, 90);
    let outputs = host.pass(ms(200));
    assert_eq!((told(&outputs), group_told(&outputs)), (vec![None], vec![]));
    hear(&mut host, TWO, 90);
    let outputs = host.pass(ms(200));
    assert_eq!((told(&outputs), group_told(&outputs)), (vec![None], vec![None]));
    assert_eq!(outputs.last(), Some(&Output::Finished));
}
