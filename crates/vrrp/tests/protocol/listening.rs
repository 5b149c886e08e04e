//! on a link that came up, silence is no sign that nobody is there until the link has carried a frame.

use std::time::Duration;

use crate::support::*;
use handover_vrrp::{Input, InstanceConfig, Manners, Output};
use model::{LinkFact, State};

/// 3 s and the skew of priority 100 at one second.
const DOWN_100: Duration = Duration::from_nanos(3_609_375_000);
const NANO: Duration = Duration::from_nanos(1);
const PATIENCE: Duration = Duration::from_secs(40);

fn silent() -> LinkFact {
    LinkFact { carries: false, ..eth0() }
}

/// Just started on a link that has carried nothing.
fn host(config: InstanceConfig) -> Host {
    let mut host = Host::cold(vec![config]);
    host.give(Input::Link(&silent()));
    host.give(Input::ManagerPresent { held: &[] });
    assert_eq!(host.state(), Some(State::Backup));
    host
}

/// Becomes master after exactly `wait`; why.
fn takes_over_after(host: &mut Host, wait: Duration) -> String {
    assert_eq!(told(&host.pass(wait - NANO)), [], "too early");
    let outputs = host.pass(NANO);
    assert_eq!(told(&outputs), [Some(State::Master)], "not in time");
    transitions(&outputs)[0].cause.code.clone()
}

#[test]
fn the_first_frame_gives_whoever_is_there_a_down_interval_to_be_heard() {
    // X-2, pain A4
    let mut host = host(v3(100));
    assert!(host.pass(20 * SECOND).is_empty());
    assert_eq!(host.view().awaits_frames.map(|until| until.since(host.now)), Some(20 * SECOND));
    assert!(host.give(Input::Link(&eth0())).is_empty());
    assert_eq!(host.view().awaits_frames, None);
    assert_eq!(takes_over_after(&mut host, DOWN_100), "no-master");
}

#[test]
fn on_a_live_link_the_first_frame_costs_next_to_nothing() {
    let mut host = host(v3(100));
    host.pass(SECOND / 10);
    host.give(Input::Link(&eth0()));
    assert_eq!(takes_over_after(&mut host, DOWN_100), "no-master");
}

#[test]
fn nobody_waits_for_ever() {
    let mut host = host(v3(100));
    assert_eq!(takes_over_after(&mut host, PATIENCE), "link-silent");
    assert_eq!(host.view().awaits_frames, None);
    assert!(host.view().cause.text.contains("eth0"), "{}", host.view().cause.text);
}

#[test]
fn an_advert_is_a_frame_whatever_the_link_says() {
    let mut heard = host(v3(100));
    heard.pass(10 * SECOND);
    heard.hear(&message(&v3(100), GREATER, 200));
    assert_eq!(heard.view().awaits_frames, None);
    assert_eq!(takes_over_after(&mut heard, DOWN_100), "peer-silent");

    // A goodbye, and the fact that it is the first sign of: the skew is not made longer.
    let mut bidden = host(v3(100));
    bidden.pass(10 * SECOND);
    bidden.hear(&message(&v3(100), GREATER, 0));
    bidden.give(Input::Link(&eth0()));
    assert_eq!(takes_over_after(&mut bidden, DOWN_100 - 3 * SECOND), "peer-resigned");
}

#[test]
fn a_carrier_that_flapped_unseen_makes_silence_meaningless_too() {
    let mut host = Host::new(v3(100));
    host.pass(SECOND);
    host.hear(&message(&v3(100), GREATER, 200));
    host.pass(SECOND);
    host.give(Input::Link(&silent()));
    assert_eq!(takes_over_after(&mut host, PATIENCE), "link-silent");
}

#[test]
fn who_is_master_stays_it_and_whose_link_was_never_silent_does_not_wait() {
    let mut master = Host::master(v3(100));
    assert_eq!(told(&master.give(Input::Link(&silent()))), []);
    assert_eq!(told(&master.pass(2 * PATIENCE)), []);

    let mut usual = Host::new(v3(100));
    assert_eq!(takes_over_after(&mut usual, DOWN_100), "no-master");

    let manners = Manners { link_patience: Duration::ZERO, ..v3(100).manners };
    let mut impatient = host(InstanceConfig { manners, ..v3(100) });
    assert_eq!(takes_over_after(&mut impatient, DOWN_100), "link-silent");
}

/// `dont_track_primary`: a link that is down says nothing, and is not waited for.
#[test]
fn a_link_that_is_down_is_not_waited_for() {
    let mut host = Host::cold(vec![InstanceConfig { follows_link: false, ..v3(100) }]);
    host.give(Input::Link(&LinkFact { up: false, ..silent() }));
    host.give(Input::ManagerPresent { held: &[] });
    let outputs: Vec<Output> = host.pass(DOWN_100);
    assert_eq!(told(&outputs), [Some(State::Master)]);
}
