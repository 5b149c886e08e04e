//! What keepalived lets people choose about elections and announcements, word by word.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::packet::{self, ChecksumForm};
use handover_vrrp::{Announcements, InstanceConfig, Manners};
use model::State;

fn announcing(announcements: Announcements) -> InstanceConfig {
    InstanceConfig { announcements, ..v3(100) }
}

fn mannered(manners: Manners) -> InstanceConfig {
    InstanceConfig { manners, ..v3(100) }
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
    host.give(handover_vrrp::Input::Wake);
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
