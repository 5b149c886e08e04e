//! Who may be master, and with which priority: facts in, one answer out.

use handover_vrrp::{Input, InstanceConfig, SOURCE_PATIENCE, TrackedCheck};
use model::{LinkFact, LinkName, Priority, State, Verdict};

use crate::support::*;

fn with_checks(priority: u8, checks: Vec<TrackedCheck>) -> InstanceConfig {
    InstanceConfig { checks, ..v3(priority) }
}

fn codes(host: &Host) -> Vec<String> {
    host.view().reasons.into_iter().map(|reason| reason.code).collect()
}

#[test]
fn nothing_is_decided_before_the_facts_are_there() {
    let mut host = Host::cold(vec![with_checks(100, vec![tracked("chk", 0)])]);
    assert_eq!(codes(&host), ["link-awaited", "ipmgr-awaited", "check-awaited"]);
    assert_eq!(host.core.next_deadline(), None);
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(codes(&host), ["check-awaited"]);
    assert_eq!(host.view().reasons[0].text, "waiting for the first result of chk");
    assert!(host.pass(ms(3_600_000)).is_empty(), "never master before the first result");
    assert_eq!(host.state(), Some(State::Init));
    assert_eq!(told(&host.verdict("chk", Verdict::Up)), [Some(State::Backup)]);
}

#[test]
fn a_link_that_cannot_carry_adverts_is_a_fault() {
    let absent = LinkFact::absent(LinkName::new("eth0").unwrap());
    let down = LinkFact { up: false, ..eth0() };
    let nameless = LinkFact { ipv4: None, ..eth0() };
    for (fact, code) in [(absent, "link-absent"), (down, "link-down"), (nameless, "no-source")] {
        let mut host = Host::master(v3(100));
        let mut outputs = host.give(Input::Link(&fact));
        if code == "no-source" {
            assert_eq!(outputs, []);
            outputs = host.pass(SOURCE_PATIENCE);
        }
        // V3-FSM-13's way out: priority 0 if there is still a way to send it, then the addresses.
        assert_eq!(sent(&outputs), [0]);
        assert_eq!(withdraws(&outputs).len(), 1);
        assert_eq!(told(&outputs), [Some(State::Fault)]);
        assert_eq!(transitions(&outputs)[0].cause.code, code);
        assert_eq!(codes(&host), [code]);
        // Back by way of a full listening interval.
        let outputs = host.give(Input::Link(&eth0()));
        assert_eq!(told(&outputs), [Some(State::Backup)]);
        assert_eq!(told(&host.pass(ms(3600))), []);
        assert_eq!(told(&host.pass(ms(10))), [Some(State::Master)]);
    }
}

#[test]
fn ipv6_wants_its_own_source() {
    let mut host = Host::new(v6(100));
    host.give(Input::Link(&LinkFact { ipv4: None, ..eth0() }));
    assert_eq!(host.state(), Some(State::Backup));
    host.give(Input::Link(&LinkFact { ipv6: None, ..eth0() }));
    host.pass(SOURCE_PATIENCE);
    assert_eq!(codes(&host), ["no-source"]);
}

/// Whatever manages the network is restarted, and takes the link's addresses away for a moment.
#[test]
fn an_address_that_is_back_within_its_patience_was_never_gone() {
    let nameless = LinkFact { ipv4: None, ..eth0() };
    let mut host = Host::master(v3(100));
    for _ in 0..3 {
        assert_eq!(host.give(Input::Link(&nameless)), []);
        assert_eq!(told(&host.pass(SOURCE_PATIENCE - ms(1))), []);
        assert_eq!(host.give(Input::Link(&eth0())), []);
        assert_eq!(told(&host.pass(SOURCE_PATIENCE)), []);
    }
    // It is counted from the first word of it, and what is worse counts at once.
    host.give(Input::Link(&nameless));
    assert_eq!(told(&host.pass(SOURCE_PATIENCE - ms(1))), []);
    assert_eq!(host.give(Input::Link(&LinkFact { carries: false, ..nameless.clone() })), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Fault)]);
    let mut host = Host::master(v3(100));
    host.give(Input::Link(&nameless));
    assert_eq!(told(&host.give(Input::Link(&LinkFact { up: false, ..nameless }))), [Some(State::Fault)]);
    assert_eq!(told(&host.pass(SOURCE_PATIENCE)), []);
    assert_eq!(codes(&host), ["link-down"]);
}

/// No peer may have taken over before we let go.
#[test]
fn patience_with_an_address_is_shorter_than_the_shortest_interval() {
    let mut host = Host::master(InstanceConfig { advert_interval: ms(10), ..v3(100) });
    assert_eq!(host.give(Input::Link(&LinkFact { ipv4: None, ..eth0() })), []);
    assert_eq!(told(&host.pass(ms(10))), [Some(State::Fault)]);
}

#[test]
fn a_configured_source_stands_for_the_links_own() {
    // V3-PKT-6
    let source = "192.0.2.77".parse().unwrap();
    let mut host = Host::cold(vec![InstanceConfig { source: Some(source), ..v3(100) }]);
    host.give(Input::Link(&LinkFact { ipv4: None, ..eth0() }));
    host.give(Input::ManagerPresent { held: &[] });
    let outputs = host.pass(ms(4000));
    assert_eq!(transmits(&outputs)[0].source, source);
}

#[test]
fn a_new_source_address_is_used_at_once() {
    let mut host = Host::master(v3(100));
    let outputs = host.give(Input::Link(&LinkFact { ipv4: Some("192.0.2.9".parse().unwrap()), ..eth0() }));
    assert_eq!(transmits(&outputs)[0].source, "192.0.2.9".parse::<std::net::IpAddr>().unwrap());
}

#[test]
fn an_unknown_link_changes_nothing() {
    let mut host = Host::master(v3(100));
    assert!(host.give(Input::Link(&LinkFact::absent(LinkName::new("eth9").unwrap()))).is_empty());
}

#[test]
fn what_the_protocol_cannot_say_is_a_fault_with_a_reason() {
    // V2-PKT-3
    for config in [
        InstanceConfig { advert_interval: ms(1500), ..v2(100) },
        InstanceConfig { addresses: Vec::new(), ..v3(100) },
        InstanceConfig { addresses: vec![VIP6], ..v3(100) },
        InstanceConfig { family: model::Family::V6, group: GROUP6, addresses: vec![VIP6], ..v2(100) },
    ] {
        let mut host = Host::new(config);
        assert_eq!(host.state(), Some(State::Fault));
        assert_eq!(codes(&host), ["unsendable"]);
        assert!(host.pass(ms(60_000)).is_empty());
    }
}

#[test]
fn an_unweighted_check_decides_on_fitness() {
    // B1, 3.5
    let mut host = Host::new(with_checks(100, vec![tracked("chk", 0)]));
    host.verdict("chk", Verdict::Up);
    host.pass(ms(30_000));
    for verdict in [Verdict::Down, Verdict::Unrunnable] {
        let outputs = host.verdict("chk", verdict);
        let outputs = host.answer(outputs);
        assert_eq!(sent(&outputs), [0]);
        assert_eq!(told(&outputs), [Some(State::Fault)]);
        assert_eq!(transitions(&outputs)[0].cause.text, format!("check chk is {verdict}"));
        assert_eq!(told(&host.verdict("chk", Verdict::Up)), [Some(State::Backup)]);
        host.pass(ms(30_000));
        assert_eq!(host.state(), Some(State::Master));
    }
}

#[test]
fn silence_of_the_prober_moves_nothing() {
    // Design: checkerd's death is never a mass failover.
    let mut host = Host::new(with_checks(100, vec![tracked("chk", 0), tracked("weighs", 20)]));
    host.verdict("weighs", Verdict::Up);
    host.verdict("chk", Verdict::Up);
    host.pass(ms(30_000));
    for check in ["chk", "weighs"] {
        assert!(host.verdict(check, Verdict::Unknown).is_empty());
    }
    assert_eq!((host.state(), host.view().effective), (Some(State::Master), Priority(120)));
    // And what had failed stays failed.
    host.verdict("chk", Verdict::Down);
    host.verdict("chk", Verdict::Unknown);
    assert_eq!(host.state(), Some(State::Fault));
}

#[test]
fn one_recovery_of_two_faults_is_not_enough() {
    // The fault bit of keepalived 2.3.3: a set of reasons, not a bit and not a counter.
    let mut host = Host::new(with_checks(100, vec![tracked("a", 0), tracked("b", 0)]));
    host.verdict("a", Verdict::Down);
    host.verdict("b", Verdict::Down);
    host.verdict("b", Verdict::Down);
    host.verdict("b", Verdict::Up);
    assert_eq!((host.state(), codes(&host)), (Some(State::Fault), vec!["check-failed".to_owned()]));
    host.verdict("a", Verdict::Up);
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn reverse_and_init_fail() {
    let reverse = TrackedCheck { reverse: true, ..tracked("chk", 0) };
    let mut host = Host::new(with_checks(100, vec![reverse]));
    host.verdict("chk", Verdict::Down);
    assert_eq!(host.state(), Some(State::Backup));
    host.verdict("chk", Verdict::Up);
    assert_eq!(host.state(), Some(State::Fault));
    // What can't run is no success of anything.
    host.verdict("chk", Verdict::Unrunnable);
    assert_eq!(host.state(), Some(State::Fault));

    let init_fail = TrackedCheck { init_fail: true, ..tracked("chk", 0) };
    let mut host = Host::new(with_checks(100, vec![init_fail]));
    assert_eq!(host.state(), Some(State::Fault));
    host.verdict("chk", Verdict::Up);
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn weights_as_in_keepalived() {
    // 3.5; trap 9
    let reversed = |weight| TrackedCheck { reverse: true, ..tracked("chk", weight) };
    let cases = [
        // (base, check, before any verdict, up, down)
        (100, tracked("chk", 20), 100, 120, 100),
        (100, tracked("chk", -20), 100, 100, 80),
        (100, reversed(20), 100, 80, 100),
        (100, reversed(-20), 100, 100, 120),
        (100, tracked("chk", 253), 100, 254, 100),
        (100, tracked("chk", -253), 100, 100, 1),
        (255, tracked("chk", -253), 255, 255, 255),
        (100, TrackedCheck { init_fail: true, ..tracked("chk", -20) }, 80, 100, 80),
    ];
    for (base, check, before, up, down) in cases {
        let mut host = Host::new(with_checks(base, vec![check.clone()]));
        assert_eq!(host.state(), Some(State::Backup), "a weight is no condition");
        assert_eq!(host.view().effective.0, before, "{check:?}");
        host.verdict("chk", Verdict::Up);
        assert_eq!(host.view().effective.0, up, "{check:?}");
        for verdict in [Verdict::Down, Verdict::Unrunnable] {
            host.verdict("chk", verdict);
            assert_eq!(host.view().effective.0, down, "{check:?}");
        }
    }
}

#[test]
fn only_the_sum_is_clamped() {
    // 3.5: +253 and -253 cancel
    let mut host = Host::new(with_checks(100, vec![tracked("a", 253), tracked("b", -253)]));
    host.verdict("a", Verdict::Up);
    host.verdict("b", Verdict::Down);
    assert_eq!(host.view().effective, Priority(100));
}

/// 3.5: the number of a `track_file` times its weight is added; the verdict doesn't matter.
#[test]
fn a_number_multiplies_its_weight() {
    let numbered = |weight, reverse| TrackedCheck { number: true, reverse, ..tracked("load", weight) };
    let cases = [
        // (base, check, number, effective; None for FAULT)
        (100, numbered(1, false), 20, Some(120)),
        (100, numbered(1, false), -20, Some(80)),
        (100, numbered(-3, false), 10, Some(70)),
        (100, numbered(-3, true), 10, Some(130)),
        (100, numbered(2, false), i32::MAX, Some(254)),
        (100, numbered(1, false), -253, Some(1)),
        (100, numbered(1, false), -254, None),
        (100, numbered(254, true), 1, None),
        (255, numbered(1, false), -254, Some(255)),
    ];
    for (base, check, number, wanted) in cases {
        let mut host = Host::new(with_checks(base, vec![check.clone()]));
        assert_eq!(host.view().effective.0, base, "0 until it is known");
        let name = check_name("load");
        host.give(Input::Number { check: &name, number });
        host.verdict("load", Verdict::Down);
        match wanted {
            Some(wanted) => assert_eq!(host.view().effective.0, wanted, "{check:?} {number}"),
            None => assert_eq!(codes(&host), ["check-failed"], "{check:?} {number}"),
        }
        host.give(Input::Number { check: &name, number: 0 });
        assert_eq!((host.view().effective.0, codes(&host).len()), (base, 0));
    }
    let mut host = Host::new(with_checks(100, vec![numbered(0, false)]));
    assert_eq!(codes(&host), ["check-awaited"]);
    host.verdict("load", Verdict::Up);
    assert!(codes(&host).is_empty());
    host.give(Input::Number { check: &check_name("load"), number: 1 });
    host.verdict("load", Verdict::Down);
    assert_eq!(codes(&host), ["check-failed"], "without a weight any number but 0 is a failure");
}
