//! The random scenario of a seed: a topology, some minutes of faults, a healing, and time to settle.
//!
//! What is drawn must be a configuration that an administrator could mean, and faults that could happen: an oracle must
//! never trip because of the scenario. The limits that this takes are named here, each with its reason.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use checks::{CheckConfig, Outcome};
use model::{
    CheckName, Credential, Family, InstanceName, LinkName, NameError, Priority, ProtocolVersion, Secret,
    Verdict, Vrid,
};
use vrrp::{Announcements, CoreConfig, InstanceConfig, LinkId, Manners, Role, TrackedCheck, default_group};

use crate::faults::forgiving_time;
use crate::host::address;
use crate::prelude;
use crate::rng::Rng;
use crate::scenario::{Fault, HostDelays, NodeId, Scenario, Weather};
use crate::settle::settling_time;
use crate::vary;

/// The most nodes and virtual routers of a run.
const MAX_NODES: u64 = 8;
const MAX_ROUTERS: u64 = 3;
/// The fewest and most faults of a run before the healing.
const MIN_FAULTS: u64 = 8;
const MAX_FAULTS: u64 = 24;
/// A packet may take up to this part of the shortest interval: otherwise two adverts could be further apart than a
/// down interval without any being lost.
const DELAY_PART: u32 = 4;
/// A timer may be late by this part of the shortest interval.
const WAKE_PART: u32 = 20;
/// A message within a host may take this long.
const MAX_MESSAGE_DELAY: Duration = Duration::from_millis(20);
/// ipmgr's answers may take this much longer, in so many of a thousand runs: less than a core waits for them.
const MAX_ANSWER_DELAY: Duration = Duration::from_millis(300);
const SLOW_ANSWERS_SHARE: u16 = 200;
/// In so many of a thousand runs one ipmgr's answers come so late for a while that its core gives up waiting, or nearly.
const DAWDLING_SHARE: u16 = 50;
const MAX_DAWDLING: Duration = Duration::from_secs(9);
/// In so many of a thousand runs checks are really made, so that verdicts come when rise, fall and timeouts let them.
const CHECKED_SHARE: u16 = 300;
const MAX_IN_A_ROW: u64 = 3;
/// What a seed is mixed with for what was added later, so that its story up to then stays the same.
const LATER: u64 = 0x6461_7764_6c69_6e67;
/// By how much intervals differ where they do: enough that who does not learn the master's takes it for gone.
const UNEQUAL: u64 = 5;
/// A supervisor brings a killed ipmgr back within this time.
const MAX_MANAGER_ABSENCE: Duration = Duration::from_secs(1);
/// The longest `preempt_delay`.
const MAX_PREEMPT_DELAY: Duration = Duration::from_secs(4);
/// How many of a thousand faults end by themselves, whatever comes after.
const PASSING_SHARE: u16 = 400;
/// How many of a thousand runs have a sync group.
const GROUPED_SHARE: u16 = 400;
/// How many of a thousand runs have a few rarer troubles, of which elections are judged after the healing only.
const RARE_SHARE: u16 = 150;
/// How many reloads a run has at most.
const MAX_RELOADS: u64 = 6;
/// How far a clock may jump.
const MAX_JUMP: Duration = Duration::from_secs(20);
/// All nodes start within this time.
const MAX_START: Duration = Duration::from_secs(3);
/// The only link of each node.
const LINK: &str = "eth0";

/// The scenario that this seed decides.
#[must_use]
pub fn random(seed: u64) -> Scenario {
    let (mut rng, mut later) = (Rng::new(seed), Rng::new(seed ^ LATER));
    let names = Names::new();
    let Ok(names) = names else { return Scenario::new(seed) };
    let count = 2 + rng.below(MAX_NODES - 1).min(rng.below(MAX_NODES - 1));
    let count = usize::try_from(count).unwrap_or(2);
    let routers: Vec<Plan> = (0..=rng.below(MAX_ROUTERS)).filter_map(|place| plan(&mut rng, place)).collect();
    let mut scenario = Scenario::new(rng.bits());
    scenario.seed = seed;
    scenario.fickle_preludes = true;
    let mut configs = vec![CoreConfig { links: vec![names.link.clone()], ..CoreConfig::default() }; count];
    let grouped = if routers.len() > 1 && rng.chance(GROUPED_SHARE) { 2 } else { 0 };
    let mut places = Vec::new();
    for (turn, router) in routers.iter().enumerate() {
        if turn == 0 || turn >= grouped {
            places = some_places(&mut rng, count);
        }
        join(&mut rng, &names, router, &places, &mut configs);
    }
    if grouped > 0 {
        for config in configs.iter_mut().filter(|config| config.instances.len() >= grouped) {
            let of_group =
                |it: &InstanceConfig| routers.iter().take(grouped).any(|plan| plan.name == it.name);
            if config.instances.iter().take(grouped).all(of_group) {
                vary::group(config, grouped);
            }
        }
    }
    prelude::draw(seed, &mut configs);
    let shortest = configs.iter().flat_map(|config| &config.instances).map(|one| one.advert_interval).min();
    let shortest = shortest.unwrap_or_default();
    scenario.delays(HostDelays {
        message: rng.between(Duration::ZERO, MAX_MESSAGE_DELAY),
        answer: if later.chance(SLOW_ANSWERS_SHARE) {
            later.between(Duration::ZERO, MAX_ANSWER_DELAY)
        } else {
            Duration::ZERO
        },
        wake: rng.between(Duration::ZERO, shortest / WAKE_PART),
    });
    let fair = Weather {
        delay: rng.between(Duration::ZERO, shortest / DELAY_PART),
        duplicates: rng.pick(0, &[20, 200]),
        echoes: rng.pick(0, &[100]),
        ..Weather::CALM
    };
    scenario.weather(fair);
    // All of them together take as long as the slowest.
    let instances = configs.iter().flat_map(|config| &config.instances);
    let settling = settling_time(instances, fair, scenario.delays);
    for (place, config) in configs.into_iter().enumerate() {
        let start = rng.between(Duration::ZERO, MAX_START);
        scenario.node(letter(place), config, start);
    }
    let checked = later.chance(CHECKED_SHARE).then(|| schedule(&mut later));
    trouble(&mut rng, &mut scenario, &names, Troubles { fair, settling, later });
    if let Some((config, timeout)) = checked {
        make_checks(&mut scenario, &names, &config, timeout);
    }
    scenario
}

/// The names that scenarios use; all of them are valid.
struct Names {
    link: LinkName,
    checks: [CheckName; 2],
}

impl Names {
    fn new() -> Result<Self, NameError> {
        Ok(Self {
            link: LinkName::new(LINK)?,
            checks: [CheckName::new("chk_web")?, CheckName::new("chk_db")?],
        })
    }
}

/// What the nodes of one virtual router agree on.
struct Plan {
    name: InstanceName,
    vrid: Vrid,
    version: ProtocolVersion,
    family: Family,
    intervals: Vec<Duration>,
    credential: Option<Credential>,
    unicast: bool,
    owner: bool,
}

fn plan(rng: &mut Rng, place: u64) -> Option<Plan> {
    let (version, family) = rng.pick(
        (ProtocolVersion::V2, Family::V4),
        &[(ProtocolVersion::V3, Family::V4), (ProtocolVersion::V3, Family::V6)],
    );
    let milliseconds: u64 = match version {
        ProtocolVersion::V2 => rng.pick(1000, &[1000, 2000]),
        ProtocolVersion::V3 => rng.pick(1000, &[100, 250, 500]),
    };
    let mut intervals = vec![Duration::from_millis(milliseconds)];
    // VRRPv2 drops what has another interval (V2-RX-1); VRRPv3 adopts it (V3-RX-12).
    if version == ProtocolVersion::V3 && rng.chance(150) {
        intervals.push(Duration::from_millis(milliseconds * UNEQUAL));
    }
    // Instances of different families share VRIDs now and then: they are two virtual routers (V3-FSM-17).
    let vrid = match family {
        Family::V4 => 10 + place,
        Family::V6 => 10 + rng.below(MAX_ROUTERS) * 10 + place,
    };
    Some(Plan {
        name: InstanceName::new(format!("vi_{place}")).ok()?,
        vrid: Vrid::new(u8::try_from(vrid).ok()?)?,
        version,
        family,
        intervals,
        credential: (version == ProtocolVersion::V2 && rng.chance(300)).then(|| credential(place)),
        unicast: rng.chance(250),
        owner: rng.chance(150),
    })
}

/// One of the two kinds in turn.
fn credential(place: u64) -> Credential {
    let secret = Secret::of(b"secret");
    if place.is_multiple_of(2) { Credential::AhKey(secret) } else { Credential::Password(secret) }
}

/// Most of the nodes, and two at least.
fn some_places(rng: &mut Rng, count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    rng.shuffle(&mut places);
    let spare = places.len().saturating_sub(2);
    places.truncate(2 + usize::try_from(rng.below(u64::try_from(spare + 1).unwrap_or(1))).unwrap_or(spare));
    places
}

/// Gives an instance of the virtual router to these nodes.
fn join(rng: &mut Rng, names: &Names, plan: &Plan, places: &[usize], configs: &mut [CoreConfig]) {
    for (turn, place) in places.iter().enumerate() {
        let mut instance = instance(rng, names, plan);
        if plan.owner && turn == 0 {
            instance.priority = Priority::OWNER;
            instance.wants_master = rng.chance(500);
        }
        if plan.unicast {
            instance.peers = places
                .iter()
                .filter(|peer| *peer != place)
                .map(|peer| own_address(*peer, plan.family).into())
                .collect();
        }
        if let Some(config) = configs.get_mut(*place) {
            config.instances.push(instance);
        }
    }
}

fn own_address(place: usize, family: Family) -> IpAddr {
    address(0, u16::try_from(place).unwrap_or(u16::MAX), family)
}

fn instance(rng: &mut Rng, names: &Names, plan: &Plan) -> InstanceConfig {
    let interval = plan.intervals.first().copied().unwrap_or_default();
    let preempt = !rng.chance(250);
    let preempt_delay = if preempt && rng.chance(200) {
        rng.between(Duration::from_millis(1), MAX_PREEMPT_DELAY)
    } else {
        Duration::ZERO
    };
    let any = u8::try_from(1 + rng.below(254)).unwrap_or(1);
    let mut checks = Vec::new();
    for check in &names.checks {
        if rng.chance(300) {
            let weight = rng.pick(0, &[0, 20, 60, -30, -110]);
            let tracked = TrackedCheck {
                check: check.clone(),
                weight,
                reverse: weight != 0 && rng.chance(150),
                init_fail: rng.chance(200),
                number: false,
                role: Role::Any,
            };
            checks.push(tracked);
        }
    }
    InstanceConfig {
        name: plan.name.clone(),
        link: LinkId(0),
        vrid: plan.vrid,
        version: plan.version,
        family: plan.family,
        // Ties and extremes are likelier than chance would make them.
        priority: Priority(rng.pick(100, &[100, 120, 150, 1, 254, any, any])),
        wants_master: false,
        advert_interval: rng.pick(interval, &plan.intervals),
        preempt,
        preempt_delay,
        credential: plan.credential,
        addresses: virtual_addresses(plan),
        placement: 0,
        source: None,
        peers: Vec::new(),
        unicast_ttl: u8::MAX,
        group: default_group(plan.family),
        checks,
        tracked_links: Vec::new(),
        follows_source: false,
        follows_link: true,
        announcements: Announcements::default(),
        manners: Manners::default(),
    }
}

fn virtual_addresses(plan: &Plan) -> Vec<IpAddr> {
    let vrid = plan.vrid.get();
    match plan.family {
        Family::V4 => {
            vec![IpAddr::V4(Ipv4Addr::new(10, 1, 1, vrid)), IpAddr::V4(Ipv4Addr::new(10, 1, 2, vrid))]
        }
        // The first is link-local (V3-PKT-5).
        Family::V6 => vec![
            IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xff, u16::from(vrid))),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(vrid))),
        ],
    }
}

fn letter(place: usize) -> String {
    char::from(b'a'.saturating_add(u8::try_from(place).unwrap_or(u8::MAX))).to_string()
}

/// What the faults are to be measured by.
struct Troubles {
    fair: Weather,
    settling: Duration,
    /// Chance, apart from all other.
    later: Rng,
}

/// Writes faults into the script, then the healing, then time to settle.
fn trouble(rng: &mut Rng, scenario: &mut Scenario, names: &Names, troubles: Troubles) {
    let Troubles { fair, settling, mut later } = troubles;
    let (mut time, mut ended) = (MAX_START, Duration::ZERO);
    for _ in 0..MIN_FAULTS + rng.below(MAX_FAULTS - MIN_FAULTS + 1) {
        // Some come in a burst, some while an election is on, some when all is quiet again.
        time += match rng.below(10) {
            0..3 => rng.between(Duration::ZERO, Duration::from_millis(100)),
            3..6 => rng.between(Duration::ZERO, settling),
            _ => rng.between(settling, settling + settling / 4),
        };
        let count = scenario.nodes.len();
        if rng.chance(PASSING_SHARE) {
            let (fault, duration, end) = passing_fault(rng, count, settling);
            scenario.at(time, fault);
            scenario.at(time + duration, end);
            ended = ended.max(time + duration);
        } else {
            for fault in some_fault(rng, count, names, fair) {
                scenario.at(time, fault);
            }
        }
    }
    reloads(rng, scenario, names, time);
    if rng.chance(RARE_SHARE) {
        let node = some_node(rng, scenario.nodes.len());
        let other = some_node(rng, scenario.nodes.len());
        let at = rng.between(MAX_START, time);
        match rng.below(3) {
            0 => {
                scenario.at(at, Fault::Refuse(node));
                scenario.at(time, Fault::Relent(node));
                // What was refused is left alone for a while.
                time += forgiving_time(time.saturating_sub(at));
            }
            1 => scenario.at(at, Fault::Jump(node, rng.between(Duration::ZERO, MAX_JUMP))),
            _ => scenario.at(at, Fault::Block(node, other)),
        }
    }
    if later.chance(DAWDLING_SHARE) {
        let node = some_node(&mut later, scenario.nodes.len());
        let (at, by) = (later.between(MAX_START, time), later.between(MAX_MESSAGE_DELAY, MAX_DAWDLING));
        scenario.at(at, Fault::Dawdle(node, by));
        scenario.at(time, Fault::Dawdle(node, Duration::ZERO));
        time += by + forgiving_time(time.saturating_sub(at) + by);
    }
    time = ended.max(time + rng.between(Duration::ZERO, settling));
    scenario.at(time, Fault::Weather(fair));
    scenario.at(time, Fault::Heal);
    for node in (0..scenario.nodes.len()).map(NodeId) {
        scenario.at(time, Fault::LinkUp(node, names.link.clone()));
        scenario.at(time, Fault::ResumeHost(node));
        scenario.at(time, Fault::ResumeCore(node));
        scenario.at(time, Fault::StartHost(node));
        scenario.at(time, Fault::StartManager(node));
        scenario.at(time, Fault::StartCore(node));
        for check in &names.checks {
            scenario.at(time, Fault::Verdict(node, check.clone(), Verdict::Up));
        }
    }
    // A core that was told to stop just before the healing is gone only after it, and is started then.
    let stopped = time + crate::world::STOP_LIMIT;
    for node in (0..scenario.nodes.len()).map(NodeId) {
        scenario.at(stopped, Fault::StartCore(node));
    }
    scenario.until(stopped + settling + settling / 4);
}

/// How often checks are made, how many results in a row count, and the timeout.
fn schedule(rng: &mut Rng) -> (CheckConfig, Duration) {
    let mut in_a_row = || u32::try_from(1 + rng.below(MAX_IN_A_ROW)).unwrap_or(1);
    let (rise, fall) = (in_a_row(), in_a_row());
    let interval = rng.pick(Duration::from_secs(1), &[Duration::from_millis(200), Duration::from_secs(2)]);
    // A run that hangs may be overdue before the next one is due, or long after.
    (CheckConfig { interval, rise, fall }, rng.between(interval / 2, interval * 2))
}

/// What the script says of verdicts, it says of results from now on.
fn make_checks(scenario: &mut Scenario, names: &Names, config: &CheckConfig, timeout: Duration) {
    for node in (0..scenario.nodes.len()).map(NodeId) {
        for check in &names.checks {
            scenario.probe(node, check.clone(), config.clone(), timeout);
        }
    }
    for (turn, (_, fault)) in scenario.script.iter_mut().enumerate() {
        if let Fault::Verdict(node, check, verdict) = fault {
            let outcome = match verdict {
                Verdict::Up => Outcome::Passed,
                Verdict::Down if turn.is_multiple_of(2) => Outcome::Exited(1),
                Verdict::Down | Verdict::Unknown => Outcome::TimedOut,
                Verdict::Unrunnable => Outcome::CannotRun("no such program".to_owned()),
            };
            *fault = Fault::Result(*node, check.clone(), outcome);
        }
    }
    // The last verdict comes so much later than the last result begins.
    let verdict = timeout.saturating_add(config.interval.saturating_mul(config.rise.saturating_add(2)));
    scenario.until(scenario.length.saturating_add(verdict));
}

/// A few nodes get other configurations, and now and then their first one back.
fn reloads(rng: &mut Rng, scenario: &mut Scenario, names: &Names, end: Duration) {
    for _ in 0..rng.below(MAX_RELOADS + 1) {
        let node = some_node(rng, scenario.nodes.len());
        let Some(first) = scenario.nodes.get(node.0).map(|spec| spec.config.clone()) else { continue };
        let config = if rng.chance(250) { first } else { vary::vary(rng, &first, &names.checks) };
        scenario.reload(rng.between(MAX_START, end), node, config);
    }
}

/// One fault, or the two of a restart. Recoveries are as likely as troubles, so that runs don't end in a graveyard.
fn some_fault(rng: &mut Rng, count: usize, names: &Names, fair: Weather) -> Vec<Fault> {
    let node = some_node(rng, count);
    let [web, db] = &names.checks;
    let check = if rng.chance(500) { web.clone() } else { db.clone() };
    let link = names.link.clone();
    match rng.below(26) {
        0 => vec![Fault::CrashHost(node)],
        1..3 => vec![Fault::StartHost(node)],
        3 => vec![Fault::CrashHost(node), Fault::StartHost(node)],
        4 => vec![Fault::CrashCore(node)],
        5..7 => vec![Fault::StartCore(node)],
        7 => vec![Fault::CrashCore(node), Fault::StartCore(node)],
        8 => vec![Fault::StopCore(node)],
        9 => vec![Fault::PauseHost(node)],
        10..12 => vec![Fault::ResumeHost(node)],
        12 => vec![Fault::PauseCore(node)],
        13..15 => vec![Fault::ResumeCore(node)],
        15 => vec![Fault::LinkDown(node, link)],
        16..18 => vec![Fault::LinkUp(node, link)],
        18 => vec![Fault::Verdict(node, check, rng.pick(Verdict::Down, &[Verdict::Unrunnable]))],
        19..21 => vec![Fault::Verdict(node, check, Verdict::Up)],
        21 => vec![Fault::Verdict(node, check, Verdict::Unknown)],
        22 => vec![Fault::Partition(parts(rng, count))],
        23 => vec![Fault::Heal],
        24 => vec![Fault::Weather(Weather { loss: rng.pick(50, &[200, 600]), ..fair })],
        _ => vec![Fault::Weather(fair)],
    }
}

/// A fault that ends by itself, and when: long enough to lose an election now and then, or not.
fn passing_fault(rng: &mut Rng, count: usize, settling: Duration) -> (Fault, Duration, Fault) {
    let node = some_node(rng, count);
    let duration = match rng.below(2) {
        0 => rng.between(Duration::ZERO, settling / 2),
        _ => rng.between(settling, settling * 2),
    };
    match rng.below(5) {
        0 => (Fault::PauseHost(node), duration, Fault::ResumeHost(node)),
        1 => (Fault::PauseCore(node), duration, Fault::ResumeCore(node)),
        2 => (Fault::Partition(parts(rng, count)), duration, Fault::Heal),
        3 => (Fault::Drain(node), duration, Fault::Undrain(node)),
        _ => {
            let absence = rng.between(Duration::ZERO, MAX_MANAGER_ABSENCE);
            (Fault::CrashManager(node), absence, Fault::StartManager(node))
        }
    }
}

fn some_node(rng: &mut Rng, count: usize) -> NodeId {
    NodeId(usize::try_from(rng.below(u64::try_from(count).unwrap_or(1))).unwrap_or_default())
}

/// Splits the nodes into two or three parts, of which one may be empty.
fn parts(rng: &mut Rng, count: usize) -> Vec<Vec<NodeId>> {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for node in (0..count).map(NodeId) {
        match rng.below(3) {
            0 => one.push(node),
            1 => other.push(node),
            _ => {}
        }
    }
    vec![one, other]
}
