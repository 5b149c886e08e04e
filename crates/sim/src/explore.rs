//! Every run there is, for two nodes and a handful of steps: what random runs would need luck to find.
//!
//! A path starts with a settled pair. At each step one of these happens: the oldest packet arrives, or is lost; the next
//! other event happens (a timer, an order, an answer); a node loses power, or starts. After the last step everything
//! goes on by itself and must settle. Every path is run from the beginning: a world can't be copied, and needn't be.

use std::time::Duration;

use model::{Family, InstanceName, LinkName, Priority, ProtocolVersion, Vrid};
use vrrp::{Announcements, CoreConfig, InstanceConfig, LinkId, Manners, default_group};

use crate::oracle::{Disturbance, Violation};
use crate::report::Failure;
use crate::scenario::{Fault, HostDelays, NodeId, Scenario, Weather};
use crate::world::{Event, World};

/// When the pair has settled, and exploring begins.
const BEGIN: Duration = Duration::from_secs(5);
/// By when it must have settled again: the settling time of a pair with one second is below 11 s.
const SETTLE: Duration = Duration::from_secs(12);
/// The longest that a packet takes, and a message within a host, when the path does not hold it up.
const DELAY: Duration = Duration::from_millis(20);

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Deliver,
    Lose,
    Proceed,
    Crash(NodeId),
    Start(NodeId),
}

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
/// Every step that a path may take.
const STEPS: [Step; 7] = [
    Step::Deliver,
    Step::Lose,
    Step::Proceed,
    Step::Crash(A),
    Step::Crash(B),
    Step::Start(A),
    Step::Start(B),
];

/// How much was explored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// Paths of the full depth.
    pub paths: u64,
    /// Paths that ended early, since a step had nothing to happen to.
    pub pruned: u64,
}

/// Runs every path of `depth` steps of a pair with these priorities; `preempt` is that of the second node.
///
/// # Errors
/// The first violation, with the path in the trace.
pub fn explore(depth: usize, priorities: (u8, u8), preempt: bool) -> Result<Explored, Box<Failure>> {
    let Some(scenario) = pair(priorities, preempt) else { return Ok(Explored::default()) };
    let mut explored = Explored::default();
    let mut path = Vec::with_capacity(depth);
    extend(&scenario, &mut path, depth, &mut explored)?;
    Ok(explored)
}

/// Depth first: a prefix in which a step could not happen is not extended.
fn extend(
    scenario: &Scenario,
    path: &mut Vec<Step>,
    depth: usize,
    explored: &mut Explored,
) -> Result<(), Box<Failure>> {
    let whole = path.len() == depth;
    if !walk(scenario, path, whole)? {
        explored.pruned += 1;
        return Ok(());
    }
    if whole {
        explored.paths += 1;
        return Ok(());
    }
    for step in STEPS {
        path.push(step);
        extend(scenario, path, depth, explored)?;
        path.pop();
    }
    Ok(())
}

/// Runs one path; false if its last step had nothing to happen to. A whole path is followed until it settles.
fn walk(scenario: &Scenario, path: &[Step], whole: bool) -> Result<bool, Box<Failure>> {
    let mut world = World::new(scenario);
    let fail = |world: &World, violation: Violation| {
        let mut failure = world.failure(violation);
        failure.trace.push(format!("path: {path:?}"));
        Box::new(failure)
    };
    let begin = model::Instant::ZERO + BEGIN;
    world.run_until(begin).map_err(|violation| fail(&world, violation))?;
    for step in path {
        match take(&mut world, *step) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(violation) => return Err(fail(&world, violation)),
        }
    }
    if whole {
        // Both run in the end, so there must be one master.
        for node in [A, B] {
            let now = world.now;
            world
                .happen(now, Event::Fault(Fault::StartHost(node)))
                .map_err(|violation| fail(&world, violation))?;
        }
        let end = world.now + SETTLE;
        world.run_until(end).map_err(|violation| fail(&world, violation))?;
        if !world.oracle.all_settled(world.now) {
            return Err(fail(&world, Violation::NeverSettled));
        }
    }
    Ok(true)
}

/// Takes a step; false if it has nothing to happen to. Packets may stand still for as long as a path likes, which no
/// settling time covers: each step is a disturbance, and elections are judged when the path is over.
fn take(world: &mut World, step: Step) -> Result<bool, Violation> {
    let is_packet = |event: &Event| matches!(event, Event::Packet(_));
    world.oracle.disturb(world.now, Disturbance::Packets, &[]);
    let next = match step {
        Step::Deliver => world.queue.take_first(is_packet),
        Step::Lose => return Ok(world.queue.take_first(is_packet).is_some()),
        Step::Proceed => world.queue.take_first(|event| !is_packet(event)),
        Step::Crash(node) => world.is_on(node).then_some((world.now, Event::Fault(Fault::CrashHost(node)))),
        Step::Start(node) => {
            (!world.is_on(node)).then_some((world.now, Event::Fault(Fault::StartHost(node))))
        }
    };
    let Some((at, event)) = next else { return Ok(false) };
    world.happen(at, event)?;
    Ok(true)
}

/// Two nodes with one virtual router, one second apart from an advert to the next.
pub(crate) fn pair(priorities: (u8, u8), preempt: bool) -> Option<Scenario> {
    let mut scenario = Scenario::new(0);
    scenario.weather(Weather { delay: DELAY, ..Weather::CALM });
    scenario.delays(HostDelays { message: DELAY, ..HostDelays::NONE });
    for (name, priority, preempt) in [("a", priorities.0, true), ("b", priorities.1, preempt)] {
        let instance = InstanceConfig {
            name: InstanceName::new("vi").ok()?,
            link: LinkId(0),
            vrid: Vrid::new(5)?,
            version: ProtocolVersion::V3,
            family: Family::V4,
            priority: Priority(priority),
            wants_master: false,
            advert_interval: Duration::from_secs(1),
            preempt,
            preempt_delay: Duration::ZERO,
            credential: None,
            addresses: vec![std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 1, 5))],
            placement: 0,
            source: None,
            peers: Vec::new(),
            unicast_ttl: u8::MAX,
            group: default_group(Family::V4),
            checks: Vec::new(),
            tracked_links: Vec::new(),
            follows_source: false,
            follows_link: true,
            announcements: Announcements::default(),
            manners: Manners::default(),
        };
        let config = CoreConfig {
            links: vec![LinkName::new("eth0").ok()?],
            instances: vec![instance],
            ..CoreConfig::default()
        };
        scenario.node(name, config, Duration::ZERO);
    }
    Some(scenario)
}
