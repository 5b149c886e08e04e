//! The oracles that watch a run from within the world can fail: each is shown a host that was tampered with.
//!
//! What is sabotaged is always the world around a core or what the oracle knows of it, never the core: a core that breaks
//! its promises is what the oracles are for, and nobody has one at hand.

use model::{GroupName, InstanceName, LinkName};
use vrrp::{CoreConfig, GroupConfig, InstanceConfig};

use crate::explore;

use super::*;

/// More peers than the outputs that a host without instances is allowed.
const PEERS: u8 = 40;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn after(time: u64) -> Instant {
    Instant::ZERO + seconds(time)
}

/// A host with one instance.
fn plain() -> CoreConfig {
    explore::pair((100, 100), true).unwrap().nodes.remove(0).config
}

/// Two hosts with many peers that don't exist; the second is the only one that is started.
fn lonely() -> (World, NodeId) {
    let mut config = plain();
    config.instances[0].peers = (1..=PEERS).map(|last| IpAddr::from([10, 0, 9, last]).into()).collect();
    let mut scenario = Scenario::new(1);
    scenario.node("off", config.clone(), seconds(1000));
    let node = scenario.node("on", config, Duration::ZERO);
    (World::new(&scenario), node)
}

/// A firewall on two LANs, with a sync group over both.
fn firewall() -> (World, NodeId) {
    let mut config = plain();
    let outside = config.instances[0].clone();
    let inside =
        InstanceConfig { name: InstanceName::new("inside").unwrap(), link: LinkId(1), ..outside.clone() };
    let members = vec![InstanceId(0), InstanceId(1)];
    let name = GroupName::new("firewall").unwrap();
    config.links.push(LinkName::new("eth1").unwrap());
    config.instances = vec![outside, inside];
    config.groups = vec![GroupConfig { name, members, checks: Vec::new(), tracked_links: Vec::new() }];
    let mut scenario = Scenario::new(1);
    let node = scenario.node("on", config, Duration::ZERO);
    (World::new(&scenario), node)
}

fn running(world: &mut World, node: NodeId) -> &mut Running {
    world.hosts[node.0].running.as_mut().unwrap()
}

/// Oracle 6. The bound is what a host is configured with: without its peers, their adverts are too many.
#[test]
fn more_outputs_than_a_host_is_configured_for_trip_it() {
    let (mut world, _) = lonely();
    assert_eq!(world.run_until(after(10)), Ok(()), "what its peers need is in the bound");
    let (mut world, node) = lonely();
    assert_eq!(world.run_until(after(1)), Ok(()));
    world.hosts[node.0].config.instances.clear();
    let judged = world.run_until(after(10));
    assert!(matches!(judged, Err(Violation::TooManyOutputs { limit: MAX_OUTPUTS, .. })), "{judged:?}");
}

/// Oracle 6.
#[test]
fn a_core_that_never_sleeps_trips_it() {
    let (mut world, node) = lonely();
    assert_eq!(world.run_until(after(1)), Ok(()));
    let incarnation = running(&mut world, node).incarnation;
    for _ in 0..MAX_WAKES_IN_A_MOMENT {
        assert_eq!(world.wake(node, incarnation), Ok(()));
    }
    let judged = world.wake(node, incarnation);
    assert!(matches!(judged, Err(Violation::Restless { limit: MAX_WAKES_IN_A_MOMENT, .. })), "{judged:?}");
    world.now = after(2);
    assert_eq!(world.wake(node, incarnation), Ok(()), "another moment");
}

/// Oracle 6.
#[test]
fn a_storm_of_events_trips_it() {
    let (mut world, _) = lonely();
    world.events = MAX_EVENTS - 1;
    let judged = world.run_until(after(10));
    assert_eq!(judged, Err(Violation::TooManyEvents { limit: MAX_EVENTS }));
}

/// Oracle 7. A clock that stood still while everybody else's ran: its core can't know that it slept.
#[test]
fn a_master_that_speaks_after_a_sleep_trips_it() {
    let sleep = |length: Duration| {
        let (mut world, node) = lonely();
        assert_eq!(world.run_until(after(10)), Ok(()));
        assert_eq!(running(&mut world, node).told, [Some(State::Master)]);
        world.hosts[node.0].clock -= length;
        world.set_alarm(node);
        world.run_until(after(60))
    };
    assert_eq!(sleep(seconds(1)), Ok(()), "nobody could have taken over");
    let judged = sleep(seconds(4));
    assert!(
        matches!(&judged, Err(Violation::LateAdvert { node, silence }) if node == "on" && *silence > seconds(4)),
        "{judged:?}"
    );
}

/// Oracle 8, of sync groups: in each state of its members, another one told of the group is found out by the next input.
#[test]
fn a_group_that_tells_what_its_members_do_not_trips_it() {
    for (time, wrong) in [(1, State::Master), (10, State::Backup), (10, State::Fault)] {
        let (mut world, node) = firewall();
        assert_eq!(world.run_until(after(time)), Ok(()));
        running(&mut world, node).groups_told = vec![Some(wrong)];
        let judged = world.feed(node, Input::Wake);
        assert!(
            matches!(&judged, Err(Violation::WrongGroup { told, .. }) if told.contains(&format!("{wrong:?}"))),
            "{judged:?}"
        );
    }
    let (mut world, node) = firewall();
    assert_eq!(world.run_until(after(10)), Ok(()));
    running(&mut world, node).told = vec![Some(State::Master), Some(State::Fault)];
    let judged = world.feed(node, Input::Wake);
    assert!(matches!(judged, Err(Violation::WrongGroup { .. })), "one member in FAULT: {judged:?}");
}

/// A change that doesn't begin where the last one ended, and a core that stops and never finishes.
#[test]
fn a_history_with_a_gap_and_an_endless_goodbye_trip_it() {
    let (mut world, node) = lonely();
    assert_eq!(world.run_until(after(1)), Ok(()));
    running(&mut world, node).told = vec![Some(State::Fault)];
    let judged = world.run_until(after(10));
    assert!(matches!(judged, Err(Violation::WrongHistory { .. })), "{judged:?}");

    let (mut world, node) = lonely();
    assert_eq!(world.run_until(after(1)), Ok(()));
    let incarnation = running(&mut world, node).incarnation;
    let judged = world.happen(after(2), Event::StopLimit(node, incarnation));
    assert_eq!(judged, Err(Violation::Unfinished { node: "on".to_owned() }));
}
