//! What keepalived lets people choose about elections and announcements, word by word.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::packet::{self, ChecksumForm};
use handover_vrrp::{
    Announcements, CoreConfig, Input, InstanceConfig, LinkId, LowerMaster, Manners, Output, Peer,
    SOURCE_PATIENCE, TrackedLink,
};
use model::{LinkFact, LinkName, Priority, State, Verdict};

fn announcing(announcements: Announcements) -> InstanceConfig {
    InstanceConfig { announcements, ..v3(100) }
}

fn mannered(manners: Manners) -> InstanceConfig {
    InstanceConfig { manners: Manners { hand_over: false, ..manners }, ..v3(100) }
}

#[test]
fn down_timer_adverts_is_how_many_a_master_may_miss() {
    // V3-TMR-2 with another number than 3
    for (down_timer_adverts, seconds) in [(1, 1), (5, 5), (100, 100), (0, 1)] {
        let config = mannered(Manners { down_timer_adverts, ..Manners::default() });
        let mut host = Host::new(config.clone());
        host.hear(&message(&config, GREATER, 120));
        assert_eq!(told(&host.pass(ms(seconds * 1000 + 609))), [], "{down_timer_adverts}: too early");
        assert_eq!(told(&host.pass(ms(1))), [Some(State::Master)], "{down_timer_adverts}: not in time");
    }
}

#[test]
fn who_counts_fewer_adverts_falls_behind_sooner() {
    // X-1, A2: a peer configured alike has taken over after 1 s and its skew.
    let mut host = Host::master(mannered(Manners { down_timer_adverts: 1, ..Manners::default() }));
    host.pass(host.core.next_deadline().unwrap().since(host.now));
    host.freeze(ms(1008));
    host.give(Input::Wake);
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn announcements_as_configured() {
    // V3-FSM-4, A3
    let mut host = Host::new(announcing(Announcements {
        repeat: 2,
        delay: Some(ms(1500)),
        refresh: Some(ms(10_000)),
        refresh_repeat: 3,
        ..Announcements::default()
    }));
    host.pass(ms(3609));
    assert_eq!(announcements(&host.pass(ms(1))), 2, "when the addresses are in place");
    assert_eq!(announcements(&host.pass(ms(1490))), 0);
    assert_eq!(announcements(&host.pass(ms(20))), 2, "once more");
    assert_eq!(announcements(&host.pass(ms(8480))), 0);
    assert_eq!(announcements(&host.pass(ms(20))), 3, "refreshed");
    assert_eq!(announcements(&host.pass(ms(60_000))), 18, "again and again");
}

#[test]
fn announcements_may_be_turned_off() {
    let mut host = Host::new(announcing(Announcements {
        repeat: 1,
        delay: None,
        lower_priority_repeat: 0,
        ..Announcements::default()
    }));
    assert_eq!(announcements(&host.pass(ms(60_000))), 1);
    assert_eq!(announcements(&host.hear(&message(&v3(100), GREATER, 99))), 0);
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
}

#[test]
fn a_refresh_is_never_a_storm() {
    let refresh = Some(Duration::from_nanos(1));
    let mut host = Host::master(announcing(Announcements { refresh, ..Announcements::default() }));
    assert_eq!(announcements(&host.pass(ms(10_000))), 10);
}

#[test]
fn a_lower_master_is_announced_against_as_configured() {
    // X-4, trap 27: each advert draws out one burst a second at most
    let mut host = Host::master(announcing(Announcements {
        lower_priority_delay: Some(ms(2000)),
        lower_priority_repeat: 2,
        ..Announcements::default()
    }));
    assert_eq!(announcements(&host.hear(&message(&v3(100), GREATER, 99))), 2);
    assert_eq!(announcements(&host.hear(&message(&v3(100), GREATER, 99))), 0);
    assert_eq!(announcements(&host.pass(ms(1999))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), 2);
}

/// Anybody on the link can send such adverts, and each that is told may run a hook.
#[test]
fn a_lower_master_is_told_with_its_priority_and_once_in_a_while() {
    let mut host = Host::master(v3(100));
    let lower = message(&v3(100), GREATER, 99);
    let mut told = Vec::new();
    for _ in 0..20 {
        let outputs = host.hear(&lower);
        told.extend(outputs.into_iter().filter(|it| matches!(it, Output::LowerMaster(_))));
        host.pass(ms(100));
    }
    let (source, priority, own) = (GREATER, Priority(99), Priority(100));
    let expected = Output::LowerMaster(LowerMaster { instance: ONE, source, priority, own });
    assert_eq!(told, [expected.clone(), expected], "in two seconds");

    // Until our addresses are in place, it may be the one that we relieve.
    let mut taking_over = Host::new(v3(100));
    taking_over.pass_unanswered(ms(4000));
    assert!(!taking_over.hear(&lower).iter().any(|it| matches!(it, Output::LowerMaster(_))));
}

#[test]
fn a_priority_is_told_when_it_is_another_in_the_same_state() {
    let config = InstanceConfig { checks: vec![tracked("chk", -20)], ..v3(100) };
    let mut host = Host::master(config);
    let told = |outputs: Vec<Output>| {
        let priority = |it| if let Output::Priority { priority, .. } = it { Some(priority) } else { None };
        outputs.into_iter().filter_map(priority).collect::<Vec<_>>()
    };
    host.verdict("chk", Verdict::Up);
    assert_eq!(told(host.verdict("chk", Verdict::Down)), [Priority(80)]);
    assert_eq!(told(host.verdict("chk", Verdict::Down)), []);
    assert_eq!(told(host.verdict("chk", Verdict::Up)), [Priority(100)]);
    assert_eq!(told(host.hear(&message(&v3(100), LOWER, 200))), [], "a transition tells its own");
}

#[test]
fn lower_prio_no_advert_leaves_a_lower_master_unanswered() {
    // V3-FSM-12
    let mut host = Host::master(mannered(Manners { answer_lower: false, ..Manners::default() }));
    let outputs = host.hear(&message(&v3(100), GREATER, 99));
    assert!(sent(&outputs).is_empty());
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS, "neighbours learn who is right all the same");
    assert_eq!(sent(&host.hear(&message(&v3(100), GREATER, 0))), [100], "a goodbye is answered");
}

#[test]
fn higher_prio_send_advert_is_one_more_before_giving_way() {
    // V3-FSM-11
    let mut host = Host::master(mannered(Manners { advertise_before_yielding: true, ..Manners::default() }));
    assert_eq!(sent(&host.hear(&message(&v3(100), LOWER, 200))), [100]);
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn v3_checksum_as_v2_is_what_is_sent() {
    // V3-PKT-4
    let config = mannered(Manners { checksum: ChecksumForm::MessageOnly, ..Manners::default() });
    let mut host = Host::new(config);
    for transmit in transmits(&host.pass(ms(4000))) {
        let (_, form) = packet::parse(&transmit.message, transmit.source, transmit.destination).unwrap();
        assert_eq!(form, ChecksumForm::MessageOnly);
    }
    assert_eq!(host.view().adverts_sent, 1);
}

#[test]
fn skip_check_adv_addr_remarks_on_no_other_addresses() {
    // V3-RX-13, A6
    let other = InstanceConfig { addresses: vec![GREATER], ..v3(100) };
    for (compare_addresses, count) in [(true, 1), (false, 0)] {
        let mut host = Host::new(mannered(Manners { compare_addresses, ..Manners::default() }));
        host.hear(&message(&other, GREATER, 120));
        assert_eq!(host.count("addresses-differ"), count);
        assert_eq!(host.view().adverts_received, 1);
    }
}

#[test]
fn a_peer_has_the_ttl_that_is_configured_for_it() {
    // V3-RX-1, V3-RX-10, trap 20: an advert from three hops away must not win an election
    let near = Peer { min_ttl: 255, ..LOWER.into() };
    let config = InstanceConfig { peers: vec![near, GREATER.into()], ..v3(100) };
    let mut host = Host::new(config.clone());
    for (source, ttl, dropped) in [(LOWER, 252, true), (LOWER, 255, false), (GREATER, 1, false)] {
        let before = host.view().adverts_received;
        host.hear(&Message { ttl, ..message_to(&config, source, OWN, 200) });
        assert_eq!(host.view().adverts_received == before, dropped, "{source} {ttl}");
    }
    assert_eq!(host.count("ttl"), 1);
    let far = Peer { max_ttl: 254, ..near };
    let mut host = Host::new(InstanceConfig { peers: vec![Peer { min_ttl: 253, ..far }], ..v3(100) });
    let outputs = host.hear(&message_to(&config, LOWER, OWN, 200));
    assert_eq!(
        notices(&outputs)[0].0,
        "dropped a packet from 192.0.2.1: its TTL is 255, and 253 to 254 is configured for this peer"
    );
}

fn delayed(startup_delay: Duration) -> Host {
    let links = vec![LinkName::new("eth0").unwrap()];
    Host::configured(CoreConfig { links, instances: vec![v3(100)], startup_delay, ..CoreConfig::default() })
}

#[test]
fn nothing_takes_part_before_the_startup_delay_is_over() {
    let mut host = delayed(ms(20_000));
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(host.view().reasons[0].code, "startup-delay");
    assert_eq!(told(&host.hear(&message(&v3(100), GREATER, 50))), [], "heard, and of no consequence");
    assert_eq!(told(&host.pass(ms(19_999))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Backup)]);
    assert_eq!(told(&host.pass(ms(3609))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Master)]);
}

fn scripted(startup_script: Duration, startup_delay: Duration) -> Host {
    let links = vec![LinkName::new("eth0").unwrap()];
    let instances = vec![v3(100)];
    Host::configured(CoreConfig { links, instances, startup_delay, startup_script, ..CoreConfig::default() })
}

fn waiting(startup_script: Duration, startup_delay: Duration) -> Host {
    let mut host = scripted(startup_script, startup_delay);
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(host.view().reasons[0].code, "startup-script");
    host
}

#[test]
fn nothing_takes_part_before_the_startup_script_has_ended() {
    let mut host = waiting(ms(15_000), ms(2_000));
    assert!(host.core.startup_script_until().is_some());
    assert_eq!(told(&host.pass(ms(10_000))), []);
    assert_eq!(told(&host.give(Input::StartupDone)), []);
    assert_eq!(host.core.startup_script_until(), None);
    assert_eq!(host.view().reasons[0].code, "startup-delay", "it is counted from there");
    assert_eq!(told(&host.give(Input::StartupDone)), [], "once more is no news");
    assert_eq!(told(&host.pass(ms(1_999))), []);
    assert_eq!(told(&host.pass(ms(1))), [Some(State::Backup)]);
}

#[test]
fn a_startup_script_of_which_nothing_is_heard_is_not_waited_for_for_ever() {
    let mut host = waiting(ms(15_000), Duration::ZERO);
    assert_eq!(told(&host.pass(ms(14_999))), []);
    let outputs = host.pass(ms(1));
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(
        notices(&outputs)[0].0,
        "nobody has said in time that startup_script has ended: elections begin without"
    );
    assert_eq!(told(&host.give(Input::StartupDone)), []);
}

#[test]
fn who_resumes_does_not_start() {
    // E3: an upgrade of vrrp-core is no start-up of the node.
    for mut host in [delayed(ms(20_000)), scripted(ms(20_000), Duration::ZERO)] {
        host.give(Input::Link(&eth0()));
        let outputs = host.give(Input::ManagerPresent { held: &[ONE] });
        assert_eq!(told(&host.answer(outputs)), [Some(State::Master)]);
    }
}

/// eth1, tracked.
fn tracking(weight: i16, reverse: bool) -> Host {
    let links = vec![LinkName::new("eth0").unwrap(), LinkName::new("eth1").unwrap()];
    let tracked_links = vec![TrackedLink { link: LinkId(1), weight, reverse }];
    let instances = vec![InstanceConfig { tracked_links, ..v3(100) }];
    let mut host = Host::configured(CoreConfig { links, instances, ..CoreConfig::default() });
    host.give(Input::Link(&eth0()));
    host.give(Input::ManagerPresent { held: &[] });
    host
}

fn eth1(up: bool) -> LinkFact {
    LinkFact { name: LinkName::new("eth1").unwrap(), up, ..eth0() }
}

#[test]
fn a_tracked_link_without_a_weight_decides_on_fitness() {
    // 3.5, D2
    for (reverse, good, code) in [(false, true, "link-down"), (true, false, "link-up")] {
        let mut host = tracking(0, reverse);
        assert_eq!(host.view().reasons[0].code, "link-awaited");
        assert_eq!(told(&host.give(Input::Link(&eth1(good)))), [Some(State::Backup)]);
        assert_eq!(told(&host.give(Input::Link(&eth1(!good)))), [Some(State::Fault)]);
        assert_eq!(host.view().reasons[0].code, code);
        assert_eq!(told(&host.give(Input::Link(&eth1(good)))), [Some(State::Backup)]);
    }
    let mut host = tracking(0, false);
    host.give(Input::Link(&LinkFact::absent(LinkName::new("eth1").unwrap())));
    assert_eq!(host.view().reasons[0].code, "link-absent");
}

#[test]
fn a_tracked_link_with_a_weight_moves_the_priority() {
    // 3.5, as for checks
    for (weight, reverse, before, up, down) in
        [(20, false, 100, 120, 100), (-20, false, 100, 100, 80), (20, true, 100, 80, 100)]
    {
        let mut host = tracking(weight, reverse);
        assert_eq!(host.state(), Some(State::Backup), "a weight is no condition");
        assert_eq!(host.view().effective, Priority(before));
        host.give(Input::Link(&eth1(true)));
        assert_eq!(host.view().effective, Priority(up));
        host.give(Input::Link(&eth1(false)));
        assert_eq!(host.view().effective, Priority(down));
    }
}

#[test]
fn the_own_link_tracked_twice_is_one_reason() {
    let tracked_links = vec![TrackedLink { link: ETH0, weight: 0, reverse: false }];
    let mut host = Host::new(InstanceConfig { tracked_links, ..v3(100) });
    host.give(Input::Link(&LinkFact { up: false, ..eth0() }));
    assert_eq!(host.view().reasons.len(), 1);
}

#[test]
fn dont_track_primary_needs_an_address_and_no_carrier() {
    // D2
    let mut host = Host::master(InstanceConfig { follows_link: false, ..v3(100) });
    assert!(host.give(Input::Link(&LinkFact { up: false, ..eth0() })).is_empty());
    for fact in
        [LinkFact { up: false, ipv4: None, ..eth0() }, LinkFact::absent(LinkName::new("eth0").unwrap())]
    {
        host.give(Input::Link(&fact));
        assert_eq!(host.state(), Some(State::Fault));
    }
    assert_eq!(host.view().reasons[0].code, "link-absent");
}

#[test]
fn a_unicast_source_that_the_host_has_not_got_keeps_it_out_of_elections() {
    // A1: deaf to its peers, it would be a second master.
    let source = "198.51.100.7".parse().unwrap();
    let on_loopback = LinkFact { hosted: vec![source], ..eth0() };
    let peers = vec![Peer::from("198.51.100.8".parse::<std::net::IpAddr>().unwrap())];
    let config = InstanceConfig { source: Some(source), peers, ..v3(100) };
    let mut host = Host::new(config.clone());
    assert_eq!(host.state(), Some(State::Fault));
    let reason = &host.view().reasons[0];
    assert_eq!(reason.code, "source-gone");
    assert!(
        reason.text.starts_with("198.51.100.7, which adverts are to be sent from, is on no interface"),
        "{reason:?}"
    );
    assert!(host.pass(ms(60_000)).is_empty(), "silence says nothing to the deaf");
    assert_eq!(told(&host.give(Input::Link(&on_loopback))), [Some(State::Backup)]);
    assert_eq!(transmits(&host.pass(ms(4000)))[0].source, source);
    assert_eq!(host.state(), Some(State::Master));
    host.give(Input::Link(&eth0()));
    assert_eq!(told(&host.pass(SOURCE_PATIENCE)), [Some(State::Fault)], "it was taken away");
    // Adverts by multicast come in whatever they are answered from.
    let multicast = InstanceConfig { peers: Vec::new(), ..config };
    assert_eq!(Host::new(multicast).state(), Some(State::Backup));
}

#[test]
fn track_src_ip_wants_the_configured_source_on_the_link() {
    // V3-PKT-6, D2
    let source = "192.0.2.77".parse().unwrap();
    let there = LinkFact { sources: vec![LOWER, source], ..eth0() };
    let config = InstanceConfig { source: Some(source), follows_source: true, ..v3(100) };
    let mut host = Host::cold(vec![config.clone()]);
    host.give(Input::Link(&there));
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(transmits(&host.pass(ms(4000)))[0].source, source);
    host.give(Input::Link(&eth0()));
    assert_eq!(told(&host.pass(SOURCE_PATIENCE)), [Some(State::Fault)]);
    let reason = &host.view().reasons[0];
    assert_eq!(
        (reason.code.as_str(), reason.text.as_str()),
        ("source-gone", "192.0.2.77, which adverts are to be sent from, is not on eth0")
    );
    assert_eq!(told(&host.give(Input::Link(&there))), [Some(State::Backup)]);
    // Nobody asks where nothing is configured, or where it need not be there.
    for config in [
        InstanceConfig { source: None, ..config.clone() },
        InstanceConfig { follows_source: false, ..config },
    ] {
        assert_eq!(Host::new(config).state(), Some(State::Backup));
    }
}
