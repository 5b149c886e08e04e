//! Somebody else claims an address by ARP or NA (X-4, pains A1 and A3): what a master makes of it, and that nobody else does.

use std::time::Duration;

use handover_vrrp::{Announcements, Input, InstanceConfig, Output};
use model::{MacAddress, State};

use crate::support::*;

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x2a]);

fn claimed(host: &mut Host) -> Vec<Output> {
    host.give(Input::Claim { instance: ONE, address: VIP, mac: MAC })
}

#[test]
fn a_claim_is_counted_and_told_with_its_evidence() {
    let mut host = Host::master(v3(100));
    let outputs = claimed(&mut host);
    let text = "192.0.2.100 is claimed by 52:54:00:00:00:2a, and we are MASTER: two masters, or a neighbour answers for it";
    assert_eq!(notices(&outputs), [(text, 0)]);
    let view = host.view();
    let [remark] = view.remarks.as_slice() else { panic!("{:?}", view.remarks) };
    assert_eq!((remark.reason, remark.dropped, remark.count, remark.last_from), ("rival", false, 1, VIP));
    // Nothing is decided by it: anybody on the link can send it.
    assert_eq!(host.state(), Some(State::Master));
    assert_eq!((sent(&outputs), withdraws(&outputs).len()), (vec![], 0));
}

/// What a forger can draw out of us: a burst every ten seconds (RFC 5227 2.4), and one when they are done.
#[test]
fn a_rival_that_only_speaks_arp_is_announced_against_and_again_when_it_is_quiet() {
    let mut host = Host::master(v3(100));
    let mut told = 0;
    let mut count = 0;
    for _ in 0..300 {
        let outputs = claimed(&mut host);
        let passed = host.pass(ms(100));
        count += announcements(&outputs) + announcements(&passed);
        told += notices(&outputs).len() + notices(&passed).len();
    }
    assert_eq!(count, 3 * ANNOUNCEMENTS, "at 0, 10 and 20 seconds");
    assert!((3..=4).contains(&told), "{told} lines in 30 seconds");
    assert_eq!(host.count("rival"), 300);
    assert_eq!(announcements(&host.pass(ms(4899))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), ANNOUNCEMENTS, "5 seconds after the last claim");
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
}

#[test]
fn who_has_not_got_the_addresses_has_no_rival() {
    // The master's own announcements reach its backup.
    let mut backup = Host::new(v3(100));
    for _ in 0..5 {
        backup.hear(&message(&v3(100), GREATER, 200));
        assert_eq!(claimed(&mut backup), []);
        backup.pass(SECOND);
    }
    assert_eq!((backup.state(), backup.count("rival")), (Some(State::Backup), 0));

    let mut cold = Host::cold(vec![v3(100)]);
    assert_eq!(claimed(&mut cold), []);

    // The former master may still have them while ours are being put in place.
    let mut taking_over = Host::new(v3(100));
    let outputs = taking_over.pass_unanswered(Duration::from_secs(4));
    assert_eq!(installs(&outputs).len(), 1);
    assert_eq!(claimed(&mut taking_over), []);
    taking_over.answer(outputs);
    assert_eq!(taking_over.state(), Some(State::Master));
    assert_eq!(announcements(&claimed(&mut taking_over)), ANNOUNCEMENTS);
}

/// The successor announces while its predecessor still keeps the addresses for it.
#[test]
fn who_keeps_the_addresses_for_a_successor_leaves_it_the_word() {
    let config = v3(100);
    let mut host = Host::master(InstanceConfig {
        manners: handover_vrrp::Manners { hand_over: true, ..config.manners },
        ..config.clone()
    });
    let outputs = host.hear(&message(&config, GREATER, 200));
    assert_eq!(withdraws(&outputs), [], "it keeps them");
    assert_eq!(claimed(&mut host), []);
    assert_eq!(host.count("rival"), 0);
}

#[test]
fn who_is_not_to_announce_against_rivals_only_counts_them() {
    let announcements_off = Announcements { lower_priority_repeat: 0, ..Announcements::default() };
    let mut host = Host::master(InstanceConfig { announcements: announcements_off, ..v3(100) });
    assert_eq!(announcements(&claimed(&mut host)), 0);
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
    assert_eq!(host.count("rival"), 1);
}

#[test]
fn a_rival_that_is_heard_too_soon_is_announced_against_when_the_pause_is_over() {
    // what it has announced since must not be the last that neighbours saw.
    let mut host = Host::master(v3(100));
    let rival = message(&v3(100), GREATER, 90);
    assert_eq!(announcements(&host.hear(&rival)), ANNOUNCEMENTS);
    host.pass(ms(100));
    assert_eq!(announcements(&host.hear(&rival)), 0);
    assert_eq!(announcements(&host.pass(ms(899))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), ANNOUNCEMENTS);
    assert_eq!(announcements(&host.pass(ms(4099))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), ANNOUNCEMENTS, "once more, when it has been quiet");
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
}

#[test]
fn whoever_resigns_beside_us_was_a_rival() {
    // X-4, V3-FSM-10: the other members of a sync group that gives way say goodbye
    let mut host = Host::master(v3(100));
    let outputs = host.hear(&message(&v3(100), GREATER, 0));
    assert_eq!((sent(&outputs), announcements(&outputs)), (vec![100], ANNOUNCEMENTS));
}

#[test]
fn the_master_that_we_relieve_is_no_rival() {
    let mut host = Host::new(v3(100));
    let outputs = host.pass_unanswered(ms(3700));
    assert_eq!(installs(&outputs).len(), 1);
    // It answers our first advert with its last.
    let outputs = host.hear(&message(&v3(100), GREATER, 90));
    assert_eq!((announcements(&outputs), notices(&outputs), host.count("lower-master")), (0, vec![], 0));
}
