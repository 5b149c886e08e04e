//! The state machine: RFC 9568 section 6.4 and RFC 3768 section 6.4, point by point, and what is wanted beyond.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::{Input, InstanceConfig, Output};
use model::{Priority, State, Verdict, Vrid};

/// 3 s and the skew of priority 100 at one second.
const DOWN_100: Duration = Duration::from_nanos(3_609_375_000);
const SKEW_100: Duration = Duration::from_nanos(609_375_000);
const NANO: Duration = Duration::from_nanos(1);

/// Becomes master after exactly `wait`, and not before.
fn assert_takes_over_after(host: &mut Host, wait: Duration) -> Vec<Output> {
    assert_eq!(told(&host.pass(wait - NANO)), [], "too early");
    let outputs = host.pass(NANO);
    assert_eq!(told(&outputs), [Some(State::Master)], "not in time");
    outputs
}

// Initialize

#[test]
fn an_owner_starts_as_master() {
    // V3-FSM-1
    let mut host = Host::cold(vec![InstanceConfig { wants_master: true, ..v3(255) }]);
    host.give(Input::Link(&eth0()));
    let outputs = host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(sent(&outputs), [255]);
    assert_eq!(installs(&outputs).len(), 1);
    let outputs = host.answer(outputs);
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
    assert_eq!(told(&outputs), [Some(State::Master)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "owner");
    let outputs = host.pass(SECOND);
    assert_eq!(sent(&outputs), [255]);
}

#[test]
fn an_owner_with_state_backup_listens_first() {
    // V3-FSM-2, as keepalived does it
    let mut host = Host::new(v3(255));
    assert_eq!(host.state(), Some(State::Backup));
    assert_takes_over_after(&mut host, Duration::from_nanos(3_003_906_250));
}

#[test]
fn everybody_else_listens_first() {
    // V3-FSM-2; `state MASTER` does not start sooner
    for wants_master in [false, true] {
        let mut host = Host::cold(vec![InstanceConfig { wants_master, ..v3(100) }]);
        assert_eq!(host.state(), Some(State::Init));
        assert!(host.give(Input::ManagerPresent { held: &[] }).is_empty());
        assert_eq!(host.state(), Some(State::Init));
        assert_eq!(host.view().reasons[0].code, "link-awaited");
        let outputs = host.give(Input::Link(&eth0()));
        assert_eq!(told(&outputs), [Some(State::Backup)]);
        assert!(sent(&outputs).is_empty());
        let outputs = assert_takes_over_after(&mut host, DOWN_100);
        let cause = &transitions(&outputs)[0].cause;
        assert_eq!(
            (cause.code.as_str(), cause.text.as_str()),
            ("no-master", "no master was heard for 3.609 s")
        );
    }
}

// Backup

#[test]
fn the_down_timer_makes_a_master() {
    // V3-FSM-4, V3-FSM-15, V3-TMR-1, V3-TMR-2
    let mut host = Host::new(v3(100));
    host.hear(&message(&v3(100), GREATER, 120));
    host.now = host.now + DOWN_100;
    let outputs = host.give(Input::Wake);
    // The advert and the order at once, and nothing told before the addresses are there.
    assert!(matches!(outputs.as_slice(), [Output::Transmit(_), Output::Install { .. }]), "{outputs:?}");
    let transmit = transmits(&outputs)[0];
    assert_eq!((transmit.source, transmit.destination), (OWN, GROUP));
    assert_eq!(host.state(), Some(State::Backup));
    let order = installs(&outputs)[0];
    let outputs = host.give(Input::Installed { instance: ONE, order, failures: &[], nothing: false });
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
    let transition = transitions(&outputs)[0];
    assert_eq!((transition.from, transition.to), (State::Backup, Some(State::Master)));
    assert_eq!(transition.priority, Priority(100));
    assert_eq!(transition.cause.code, "peer-silent");
    assert_eq!(
        transition.cause.text,
        "no advert from 192.0.2.3 (priority 120) for 3.609 s; its interval is 1 s"
    );
    let last = outputs.last().unwrap();
    assert!(matches!(last, Output::Transition(_)), "announcements come first: {outputs:?}");
}

#[test]
fn ipv6_goes_the_same_way() {
    // V3-FSM-4, V3-PKT-6
    let mut host = Host::new(v6(100));
    let outputs = assert_takes_over_after(&mut host, DOWN_100);
    let transmit = transmits(&outputs)[0];
    assert_eq!((transmit.source, transmit.destination), (OWN6, GROUP6));
}

#[test]
fn a_group_of_its_own_is_where_it_speaks() {
    // V3-PKT-6, and the checksum is over that destination (V3-PKT-4).
    let group = "224.0.0.77".parse().unwrap();
    let mut host = Host::new(InstanceConfig { group, unicast_ttl: 64, ..v3(100) });
    let outputs = assert_takes_over_after(&mut host, DOWN_100);
    let transmit = transmits(&outputs)[0];
    assert_eq!((transmit.destination, transmit.ttl), (group, 255), "the TTL is for peers only");
    assert!(handover_vrrp::packet::parse(&transmit.message, OWN, group).is_ok());
}

#[test]
fn each_unicast_peer_gets_its_advert() {
    // V3-PKT-4, V3-PKT-6
    let peers = vec![LOWER.into(), GREATER.into()];
    let mut host = Host::new(InstanceConfig { peers, unicast_ttl: 64, ..v3(100) });
    let outputs = assert_takes_over_after(&mut host, DOWN_100);
    let to: Vec<_> =
        transmits(&outputs).iter().map(|transmit| (transmit.destination, transmit.ttl)).collect();
    assert_eq!(to, [(LOWER, 64), (GREATER, 64)]);
    for transmit in transmits(&outputs) {
        let (_, form) =
            handover_vrrp::packet::parse(&transmit.message, transmit.source, transmit.destination).unwrap();
        assert_eq!(form, handover_vrrp::packet::ChecksumForm::PseudoHeader);
    }
    assert_eq!(host.view().adverts_sent, 2);
}

#[test]
fn a_backup_holds_no_addresses() {
    // V3-FSM-3, V3-FSM-14: who answers ARP and NS is whoever the addresses were ordered to.
    let mut host = Host::new(v3(100));
    let mut outputs = host.hear(&message(&v3(100), GREATER, 120));
    outputs.extend(host.pass(SECOND));
    assert!(installs(&outputs).is_empty());
    assert_eq!(installs(&host.pass(Duration::from_secs(10))).len(), 1);
    let outputs = host.hear(&message(&v3(100), GREATER, 120));
    assert_eq!(withdraws(&outputs).len(), 1);
}

#[test]
fn a_goodbye_leaves_the_skew() {
    // V3-FSM-5
    let mut host = Host::new(v3(100));
    host.hear(&message(&v3(100), GREATER, 120));
    host.pass(ms(300));
    host.hear(&message(&v3(100), GREATER, 0));
    let outputs = assert_takes_over_after(&mut host, SKEW_100);
    assert_eq!(transitions(&outputs)[0].cause.code, "peer-resigned");
}

#[test]
fn version_2_skews_by_seconds() {
    // V2-TMR-1
    let config = InstanceConfig { advert_interval: ms(3000), ..v2(100) };
    let mut host = Host::new(config.clone());
    assert_takes_over_after(&mut host, ms(9000) + SKEW_100);
    let mut host = Host::new(config.clone());
    host.hear(&message(&config, GREATER, 0));
    assert_takes_over_after(&mut host, SKEW_100);
}

#[test]
fn an_advert_that_is_not_lower_resets_the_timer() {
    // V3-FSM-6: equal is enough
    for priority in [100, 101, 255] {
        let mut host = Host::new(v3(100));
        host.pass(ms(3500));
        host.hear(&message(&v3(100), LOWER, priority));
        assert_takes_over_after(&mut host, DOWN_100);
    }
}

#[test]
fn the_masters_interval_is_learned() {
    // V3-FSM-6, V3-TMR-2
    let theirs = InstanceConfig { advert_interval: ms(200), ..v3(100) };
    let mut host = Host::new(v3(100));
    host.hear(&message(&theirs, GREATER, 120));
    // 3 * 200 ms + 156/256 * 200 ms
    assert_takes_over_after(&mut host, Duration::from_nanos(721_875_000));
    // As master it keeps its own.
    assert_eq!(sent(&host.pass(ms(999))), [] as [u8; 0]);
    assert_eq!(sent(&host.pass(ms(1))), [100]);
}

#[test]
fn a_lower_advert_is_discarded() {
    // V3-FSM-7
    let mut host = Host::new(v3(100));
    host.pass(ms(3000));
    host.hear(&message(&v3(100), GREATER, 99));
    let outputs = assert_takes_over_after(&mut host, DOWN_100 - ms(3000));
    let cause = &transitions(&outputs)[0].cause;
    assert_eq!(cause.code, "preempting");
    assert_eq!(cause.text, "192.0.2.3 advertises priority 99, lower than our 100");
}

#[test]
fn nopreempt_leaves_a_lower_master_alone() {
    // V3-FSM-6, A4
    let mut host = Host::new(InstanceConfig { preempt: false, ..v3(100) });
    for _ in 0..10 {
        host.hear(&message(&v3(100), GREATER, 1));
        assert_eq!(told(&host.pass(SECOND)), []);
    }
    assert_takes_over_after(&mut host, DOWN_100 - SECOND);
}

#[test]
fn an_owner_preempts_even_with_nopreempt() {
    // V3-FSM-16
    let mut host = Host::new(InstanceConfig { preempt: false, ..v3(255) });
    host.pass(ms(3000));
    host.hear(&message(&v3(255), GREATER, 254));
    assert_eq!(told(&host.pass(ms(10))), [Some(State::Master)]);
}

#[test]
fn preempt_delay_starts_with_the_first_lower_advert() {
    // A4; as in keepalived the takeover is the delay and what is left of the down timer.
    let mut host = Host::new(InstanceConfig { preempt_delay: ms(5000), ..v3(100) });
    for _ in 0..5 {
        host.pass(SECOND);
        host.hear(&message(&v3(100), GREATER, 90));
    }
    // First lower advert at 1 s, the last accepted one at 5 s; at 6 s patience is over.
    host.pass(SECOND);
    host.hear(&message(&v3(100), GREATER, 90));
    assert_eq!(host.state(), Some(State::Backup));
    assert_takes_over_after(&mut host, DOWN_100 - SECOND);
}

#[test]
fn preempt_delay_starts_again_after_a_better_master() {
    // A4
    let mut host = Host::new(InstanceConfig { preempt_delay: ms(2000), ..v3(100) });
    host.hear(&message(&v3(100), GREATER, 90));
    host.pass(ms(1500));
    host.hear(&message(&v3(100), LOWER, 100));
    host.pass(ms(1500));
    host.hear(&message(&v3(100), GREATER, 90));
    assert_takes_over_after(&mut host, DOWN_100);
}

#[test]
fn preempt_delay_delays_nothing_without_a_master() {
    // A4
    let mut host = Host::new(InstanceConfig { preempt_delay: ms(900_000), ..v3(100) });
    assert_takes_over_after(&mut host, DOWN_100);
}

#[test]
fn a_new_priority_moves_the_running_timer_by_the_skew() {
    let mut host = Host::new(InstanceConfig { checks: vec![tracked("chk", 100)], ..v3(100) });
    host.pass(SECOND);
    host.verdict("chk", Verdict::Up);
    assert_eq!(host.view().effective, Priority(200));
    assert_takes_over_after(&mut host, ms(3000) + SKEW_100 * 56 / 156 - SECOND);
}

#[test]
fn a_stopped_backup_says_nothing() {
    // V3-FSM-8
    let mut host = Host::new(v3(100));
    let outputs = host.give(Input::Shutdown);
    assert_eq!(told(&outputs), [None]);
    assert!(sent(&outputs).is_empty());
    assert_eq!(outputs.last(), Some(&Output::Finished));
    assert_eq!(host.core.next_deadline(), None);
    assert!(host.hear(&message(&v3(100), GREATER, 1)).is_empty());
}

// Active

#[test]
fn adverts_keep_an_absolute_schedule() {
    // V3-FSM-9: late wakes do not add up, and nothing that was missed is sent after.
    let mut host = Host::master(v3(100));
    host.pass(host.core.next_deadline().unwrap().since(host.now));
    let start = host.now;
    for step in 1..=20 {
        host.now = start + SECOND * step + ms(40);
        assert_eq!(sent(&host.give(Input::Wake)), [100]);
    }
    assert_eq!(host.core.next_deadline(), Some(start + SECOND * 21));
    host.now = start + ms(22_900);
    assert_eq!(sent(&host.give(Input::Wake)), [100]);
    assert_eq!(host.core.next_deadline(), Some(start + SECOND * 23));
}

#[test]
fn adverts_due_within_a_millisecond_leave_in_one_wake() {
    // V3-FSM-9, V3-TMR-2: their schedules are 100 ms / 256 apart, and stay so; nobody takes over early.
    let quick = |vrid, priority| InstanceConfig {
        vrid: Vrid::new(vrid).unwrap(),
        advert_interval: ms(100),
        ..v3(priority)
    };
    let mut host = Host::with(vec![quick(5, 200), quick(6, 199)]);
    for priority in [200, 199] {
        host.now = host.core.next_deadline().unwrap();
        let outputs = host.give(Input::Wake);
        assert_eq!(sent(&outputs), [priority], "each takes over in its own time");
        host.answer(outputs);
    }
    let first = host.core.next_deadline().unwrap();
    for round in 0..20 {
        host.now = first + ms(100) * round;
        assert_eq!(host.core.next_deadline(), Some(host.now), "the schedule stays");
        assert_eq!(sent(&host.give(Input::Wake)), [200, 199]);
    }
}

#[test]
fn a_goodbye_is_answered_at_once() {
    // V3-FSM-10
    let mut host = Host::master(v3(100));
    assert_eq!(sent(&host.hear(&message(&v3(100), GREATER, 0))), [100]);
    assert_eq!(host.state(), Some(State::Master));
    assert_eq!(sent(&host.pass(SECOND - NANO)), [] as [u8; 0], "rearmed");
    assert_eq!(sent(&host.pass(NANO)), [100]);
}

#[test]
fn a_better_router_is_given_way() {
    // V3-FSM-11, V3-FSM-18: also with nopreempt; X-4: it hears whom it has to win the neighbours over from
    for (source, priority) in [(LOWER, 101), (GREATER, 100)] {
        let mut host = Host::master(InstanceConfig { preempt: false, ..v3(100) });
        let theirs = InstanceConfig { advert_interval: ms(500), ..v3(100) };
        let outputs = host.hear(&message(&theirs, source, priority));
        assert_eq!(sent(&outputs), [100], "no priority 0");
        assert_eq!(withdraws(&outputs).len(), 1);
        assert_eq!(told(&outputs), [Some(State::Backup)]);
        assert_eq!(transitions(&outputs)[0].cause.code, "outranked");
        // 3 * 500 ms + 156/256 * 500 ms: its interval is learned.
        assert_takes_over_after(&mut host, Duration::from_nanos(1_804_687_500));
    }
}

#[test]
fn anybody_else_is_answered_at_once() {
    // V3-FSM-12, V3-FSM-18, X-4
    for (source, priority) in [(GREATER, 99), (LOWER, 100)] {
        let mut host = Host::master(v3(100));
        let outputs = host.hear(&message(&v3(100), source, priority));
        assert_eq!(sent(&outputs), [100]);
        assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
        assert!(told(&outputs).is_empty());
        assert_eq!(host.count("lower-master"), 1);
    }
}

#[test]
fn a_rival_is_announced_against_and_again_when_it_is_quiet() {
    //
    let mut host = Host::master(v3(100));
    let mut count = 0;
    for _ in 0..40 {
        count += announcements(&host.hear(&message(&v3(100), GREATER, 99)));
        count += announcements(&host.pass(ms(250)));
    }
    assert_eq!(count, 11 * ANNOUNCEMENTS, "once a second");
    assert_eq!(announcements(&host.pass(ms(4749))), 0);
    assert_eq!(announcements(&host.pass(ms(1))), ANNOUNCEMENTS);
    assert_eq!(announcements(&host.pass(ms(60_000))), 0);
}

#[test]
fn forged_adverts_draw_out_a_bounded_number_of_answers() {
    let mut host = Host::master(v3(100));
    for priority in [0, 50] {
        host.pass(SECOND);
        let mut answers = 0;
        for _ in 0..1000 {
            host.now = host.now + Duration::from_micros(100);
            answers += sent(&host.hear(&message(&v3(100), GREATER, priority))).len();
        }
        assert_eq!(answers, 10, "priority {priority}: one per 10 ms");
    }
}

#[test]
fn a_stopped_master_says_goodbye() {
    // V3-FSM-13
    let mut host = Host::master(v3(100));
    let outputs = host.give(Input::Shutdown);
    assert_eq!(sent(&outputs), [0]);
    let order = withdraws(&outputs)[0];
    assert!(told(&outputs).is_empty(), "the addresses are still there");
    let outputs = host.give(Input::Withdrawn { instance: ONE, order: Some(order) });
    assert_eq!(told(&outputs), [None]);
    assert_eq!(transitions(&outputs)[0].from, State::Master);
    assert_eq!(outputs.last(), Some(&Output::Finished));
}

#[test]
fn the_two_families_are_two_routers() {
    // V3-FSM-17
    let mut host = Host::with(vec![v3(100), v6(100)]);
    for _ in 0..5 {
        host.hear(&message(&v6(100), PEER6, 200));
        host.pass(SECOND);
    }
    let status = host.core.status();
    let states: Vec<_> = status.instances.iter().map(|instance| instance.state).collect();
    assert_eq!(states, [Some(State::Master), Some(State::Backup)]);
}

#[test]
fn a_new_priority_is_advertised_now() {
    // A1: a peer that may have to take over learns of it at once
    let mut host = Host::master(InstanceConfig { checks: vec![tracked("chk", 20)], ..v3(100) });
    assert_eq!(sent(&host.verdict("chk", Verdict::Up)), [120]);
    assert_eq!(sent(&host.verdict("chk", Verdict::Up)), [] as [u8; 0]);
    let outputs = host.verdict("chk", Verdict::Down);
    assert_eq!(sent(&outputs), [100]);
    assert!(told(&outputs).is_empty());
    assert_eq!(sent(&host.pass(SECOND)), [100], "the schedule stays");
}

// Stalls

#[test]
fn a_master_that_slept_too_long_does_not_speak() {
    // X-1, A2: three intervals and the skew of priority 254 after its last advert
    let limit = ms(3000) + Duration::from_nanos(7_812_500);
    let mut host = Host::master(v3(100));
    host.now = host.core.next_deadline().unwrap();
    assert_eq!(sent(&host.give(Input::Wake)), [100], "in time");
    host.freeze(limit);
    assert_eq!(sent(&host.give(Input::Wake)), [100], "just in time");
    host.freeze(limit + NANO);
    let outputs = host.give(Input::Wake);
    assert!(sent(&outputs).is_empty());
    assert_eq!(withdraws(&outputs).len(), 1);
    assert_eq!(told(&outputs), [Some(State::Backup)]);
    assert_eq!(transitions(&outputs)[0].cause.code, "stalled");
    // Nobody took over: it does again, and announces.
    let outputs = assert_takes_over_after(&mut host, DOWN_100);
    assert_eq!(announcements(&outputs), ANNOUNCEMENTS);
}

#[test]
fn any_input_finds_out_that_we_slept() {
    // whatever comes first after the sleep
    let mut host = Host::master(InstanceConfig { checks: vec![tracked("chk", 20)], ..v3(100) });
    host.freeze(ms(60_000));
    let outputs = host.verdict("chk", Verdict::Up);
    assert!(sent(&outputs).is_empty());
    assert_eq!(told(&outputs), [Some(State::Backup)]);

    let mut host = Host::master(v3(100));
    host.freeze(ms(60_000));
    let outputs = host.hear(&message(&v3(100), GREATER, 50));
    assert!(sent(&outputs).is_empty());
    assert_eq!(host.state(), Some(State::Backup));

    let mut host = Host::master(v3(100));
    host.freeze(ms(60_000));
    assert!(sent(&host.give(Input::Shutdown)).is_empty(), "no goodbye for what is not ours any more");
}

#[test]
fn a_backup_that_slept_too_long_listens_again() {
    // what its master said meanwhile may never have reached it
    let mut host = Host::new(v3(100));
    let outputs = host.hear(&message(&v3(100), GREATER, 120));
    host.answer(outputs);
    host.freeze(ms(60_000));
    assert!(host.give(Input::Wake).is_empty());
    assert_takes_over_after(&mut host, DOWN_100);
}

#[test]
fn packets_that_waited_are_heard_before_timers_fire() {
    // A2: a slow process is not a silent master
    let mut host = Host::new(v3(100));
    host.freeze(ms(5000));
    assert_eq!(told(&host.hear(&message(&v3(100), GREATER, 120))), []);
    assert!(host.give(Input::Wake).is_empty());
    assert_eq!(host.state(), Some(State::Backup));
}

#[test]
fn only_the_time_that_is_handed_in_counts() {
    // TMR-3: a time before the last one does no harm either
    let mut host = Host::master(v3(100));
    host.now = host.now - ms(20_000);
    host.give(Input::Wake);
    assert_eq!(host.state(), Some(State::Master));
    assert!(sent(&host.hear(&message(&v3(100), GREATER, 99))).len() == 1);
}
