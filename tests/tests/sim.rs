//! Thousands of years in a few seconds: random networks with random faults, some told by heart, and all of a small kind.
//!
//! `SIM_SEEDS` runs (default 100) from `SIM_FIRST_SEED` (default 1); a failure prints its seed, and
//! `SIM_SEEDS=1 SIM_FIRST_SEED=N` runs it again. `UPDATE_GOLDEN=1` writes the transcripts under `golden/sim` anew.
//! Nothing here touches the network.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may say why it failed, and which seeds it ran"
)]

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use model::{
    CheckName, Credential, Family, GroupName, InstanceName, LinkName, Priority, ProtocolVersion, Secret,
    Verdict, Vrid,
};
use sim::{Fault, NodeId, Scenario, Violation};
use vrrp::{
    Announcements, CoreConfig, GroupConfig, InstanceConfig, InstanceId, LinkId, Manners, Role, TrackedCheck,
    default_group,
};

const DEFAULT_SEEDS: u64 = 100;
const DEFAULT_FIRST_SEED: u64 = 1;
/// How many steps of a pair are explored in every order, and how many paths that must be at least.
const EXPLORED_STEPS: usize = 6;
const MIN_PATHS: u64 = 1000;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn number(variable: &str, default: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
        Err(_) => default,
    }
}

#[test]
fn random_networks_keep_their_promises() {
    let (seeds, first) = (number("SIM_SEEDS", DEFAULT_SEEDS), number("SIM_FIRST_SEED", DEFAULT_FIRST_SEED));
    println!("SIM_SEEDS={seeds} SIM_FIRST_SEED={first}");
    let (mut events, mut judged, mut masters) = (0, 0, 0);
    for seed in first..first + seeds {
        match sim::run(seed) {
            Ok(report) => {
                assert!(report.settled, "seed {seed} ended before its elections were judged");
                events += report.events;
                judged += report.judged;
                masters += report.told.iter().filter(|told| told.to == Some(model::State::Master)).count();
            }
            Err(failure) => {
                let shrunk = sim::random(seed).shrink(failure.clone());
                panic!(
                    "{failure}\nagain: SIM_SEEDS=1 SIM_FIRST_SEED={seed}; when it is mended, add {seed} to golden/seeds.txt\n\
                     enough for it:\n{}\n{}",
                    shrunk.script().join("\n"),
                    shrunk.failure.violation
                )
            }
        }
    }
    println!("{events} events, {judged} times judged, {masters} times MASTER was told");
}

/// Each of these was the end of a run once.
#[test]
fn seeds_that_once_failed_keep_their_promises() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/seeds.txt");
    let text = fs::read_to_string(path).unwrap();
    let seeds: Vec<u64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().next().and_then(|seed| seed.parse().ok()).expect("SEED  WHY"))
        .collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        sim::run(seed).unwrap_or_else(|failure| panic!("{failure}"));
    }
}

/// What is left of a failing scenario is what made it fail: two nodes that start, and the firewall.
#[test]
fn a_failing_scenario_shrinks_to_what_matters() {
    let Pair { mut scenario, alpha, beta, check } = pair();
    scenario.at(seconds(10), Fault::Verdict(alpha, check.clone(), Verdict::Down));
    scenario.at(seconds(15), Fault::Verdict(alpha, check, Verdict::Up));
    scenario.at(seconds(20), Fault::Deafen(beta));
    scenario.at(seconds(30), Fault::Drain(alpha));
    scenario.at(seconds(31), Fault::Undrain(alpha));
    scenario.until(seconds(60));
    let failure = scenario.run().expect_err("two masters were not noticed");
    let shrunk = scenario.shrink(failure);
    assert!(matches!(shrunk.failure.violation, Violation::SeveralMasters { .. }));
    assert_eq!(
        shrunk.script(),
        ["0ns  alpha starts", "0ns  beta starts", "20s  beta's firewall drops protocol 112 on its way in"]
    );
}

/// A thousand routers on one LAN have one master; whatever one says, all others hear.
#[test]
fn a_thousand_nodes_elect_one() {
    let check = CheckName::new("chk").unwrap();
    let mut scenario = Scenario::new(1);
    for place in 0..1000_u16 {
        let mut config = node(u8::try_from(1 + place % 200).unwrap(), &check);
        config.instances[0].checks.clear();
        scenario.node(format!("n{place}"), config, seconds(0));
    }
    scenario.until(seconds(12));
    let watched = scenario.watch();
    assert!(watched.failure.is_none(), "{}", watched.failure.unwrap());
    let masters: Vec<_> = watched.report.endings.iter().filter(|ending| ending.holds).collect();
    // Of the best, the one with the greatest address.
    assert_eq!(masters.len(), 1);
    assert_eq!(masters[0].address, IpAddr::V4(Ipv4Addr::new(10, 1, 3, 232)));
}

/// What a host with thousands of virtual routers does grows with their number and no faster: counted, not timed.
#[test]
fn thousands_of_instances_cost_what_they_are() {
    let events = |count: u16| {
        let mut scenario = Scenario::new(1);
        for (name, priority) in [("alpha", 120), ("beta", 100)] {
            scenario.node(name, crowd(count, priority), seconds(0));
        }
        scenario.until(seconds(12));
        let watched = scenario.watch();
        assert!(watched.failure.is_none(), "{}", watched.failure.unwrap());
        let held = watched.report.endings.iter().filter(|ending| ending.holds).count();
        assert_eq!(held, usize::from(count));
        watched.report.events
    };
    let (few, many) = (events(500), events(4000));
    assert!(many < 8 * few + few, "{few} events for 500 instances, {many} for 4000");
}

/// So many virtual routers on as many LANs as it takes, 250 on each.
fn crowd(count: u16, priority: u8) -> CoreConfig {
    let one = node(priority, &CheckName::new("chk").unwrap()).instances.remove(0);
    let instance = |place: u16| InstanceConfig {
        name: InstanceName::new(format!("vi_{place}")).unwrap(),
        link: LinkId(usize::from(place / 250)),
        vrid: Vrid::new(u8::try_from(1 + place % 250).unwrap()).unwrap(),
        checks: Vec::new(),
        ..one.clone()
    };
    CoreConfig {
        links: (0..count.div_ceil(250)).map(|lan| LinkName::new(format!("eth{lan}")).unwrap()).collect(),
        instances: (0..count).map(instance).collect(),
        ..CoreConfig::default()
    }
}

#[test]
fn a_seed_decides_everything() {
    let seed = number("SIM_FIRST_SEED", DEFAULT_FIRST_SEED);
    assert_eq!(sim::run(seed), sim::run(seed), "seed {seed} ran differently the second time");
    assert_ne!(sim::run(seed), sim::run(seed + 1));
}

/// X-3 and V3-FSM-18 among others: whatever order a pair's packets, timers and crashes come in, one is master in the end.
#[test]
fn every_short_story_of_a_pair_ends_well() {
    for (priorities, preempt) in [((100, 100), true), ((100, 200), true), ((100, 200), false)] {
        match sim::explore(EXPLORED_STEPS, priorities, preempt) {
            Ok(explored) => {
                println!("{priorities:?} preempt {preempt}: {explored:?}");
                assert!(explored.paths > MIN_PATHS, "{explored:?}");
            }
            Err(failure) => panic!("{priorities:?} preempt {preempt}: {failure}"),
        }
    }
}

/// The oracles can fail: a firewall that drops protocol 112 makes two masters (pain A1), and they say so.
#[test]
fn a_deaf_node_is_found_out() {
    let Pair { mut scenario, beta, .. } = pair();
    scenario.at(seconds(20), Fault::Deafen(beta));
    scenario.until(seconds(60));
    let failure = scenario.run().expect_err("two masters were not noticed");
    assert!(
        matches!(&failure.violation, Violation::SeveralMasters { nodes, .. } if nodes.len() == 2),
        "{failure}"
    );
    assert!(failure.trace.len() <= sim::MAX_TRACE_LINES);
    let text = failure.to_string();
    for part in ["beta does not hear", "alpha, beta all hold the addresses", "seed 1 at "] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
}

/// V3-TMR-2: nobody says goodbye, so the backup waits for its down interval. V3-FSM-11: the better one comes back.
#[test]
fn golden_crash_of_the_master() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(10), Fault::CrashHost(alpha));
    scenario.at(seconds(20), Fault::StartHost(alpha));
    compare("crash-of-the-master", &mut scenario);
}

/// V3-FSM-13 and V3-FSM-5: priority 0 lets the backup take over after its skew.
#[test]
fn golden_graceful_stop() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(10), Fault::StopCore(alpha));
    scenario.at(seconds(20), Fault::StartCore(alpha));
    compare("graceful-stop", &mut scenario);
}

/// A check with weight 20 fails: 120 becomes 100, which is less than the other's 110; nothing is in FAULT.
#[test]
fn golden_failed_check() {
    let Pair { mut scenario, alpha, check, .. } = pair();
    scenario.at(seconds(10), Fault::Verdict(alpha, check.clone(), Verdict::Down));
    scenario.at(seconds(20), Fault::Verdict(alpha, check, Verdict::Up));
    compare("failed-check", &mut scenario);
}

/// Every silence has a meaning: a core that is back within the grace resumes as master without a failover, and one that
/// is not loses the addresses before a peer takes over.
#[test]
fn golden_restart_of_the_core() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(10), Fault::CrashCore(alpha));
    scenario.at(seconds(11), Fault::StartCore(alpha));
    scenario.at(seconds(20), Fault::CrashCore(alpha));
    compare("restart-of-the-core", &mut scenario);
}

/// a paused master says nothing when it wakes, and listens first.
#[test]
fn golden_pause_of_the_master() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(10), Fault::PauseHost(alpha));
    scenario.at(seconds(20), Fault::ResumeHost(alpha));
    compare("pause-of-the-master", &mut scenario);
}

/// Trap 16: two LANs and a sync group over both. One link down, and all addresses move within the skew; a power cut, and
/// they move when the down timer fires; on their way back they move without a hole.
#[test]
fn golden_sync_group() {
    let mut scenario = Scenario::new(1);
    let alpha = scenario.node("alpha", grouped(100), seconds(0));
    scenario.node("beta", grouped(90), seconds(0));
    let eth1 = LinkName::new("eth1").unwrap();
    scenario.at(seconds(6), Fault::LinkDown(alpha, eth1.clone()));
    scenario.at(seconds(12), Fault::LinkUp(alpha, eth1));
    scenario.at(seconds(20), Fault::CrashHost(alpha));
    compare("sync-group", &mut scenario);
}

/// A reload: a rename tells nothing, a lower priority moves the address, and what begins anew says so.
#[test]
fn golden_reload() {
    let Pair { mut scenario, alpha, beta, check } = pair();
    let renamed = |priority: u8| {
        let mut config = node(priority, &check);
        config.instances[0].name = InstanceName::new("web_vip").unwrap();
        config
    };
    scenario.reload(seconds(10), alpha, renamed(100));
    scenario.reload(seconds(12), alpha, renamed(80));
    let mut anew = node(90, &check);
    anew.instances[0].credential = Some(Credential::Password(Secret::of(b"secret")));
    scenario.reload(seconds(20), beta, anew);
    scenario.at(seconds(20), Fault::CrashHost(alpha));
    compare("reload", &mut scenario);
}

/// A kernel that refuses addresses makes nobody master, and the other takes over; when it has come to its senses, the
/// address comes back.
#[test]
fn golden_refusal() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(0), Fault::Refuse(alpha));
    scenario.at(seconds(12), Fault::Relent(alpha));
    compare("refusal", &mut scenario);
}

/// An ipmgr that carries out orders and answers them later than a core waits: nobody is told of a master, the addresses are
/// taken back, and the other takes over; later the address comes back.
#[test]
fn golden_late_answers() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(0), Fault::Dawdle(alpha, seconds(6)));
    scenario.at(seconds(16), Fault::Dawdle(alpha, seconds(0)));
    compare("late-answers", &mut scenario);
}

/// Checks as checkerd makes them: one failure of two changes nothing, two do, a run that hangs counts
/// at its timeout, and one success of two is not enough to come back. The address stays: 100 for three seconds is not enough.
#[test]
fn golden_results_of_a_check() {
    let Pair { mut scenario, alpha, check, .. } = pair();
    let config = sim::CheckConfig { interval: seconds(1), rise: 2, fall: 2 };
    scenario.probe(alpha, check.clone(), config, Duration::from_millis(600));
    let results = [
        (5500, sim::Outcome::Exited(1)),
        (6500, sim::Outcome::Passed),
        (7500, sim::Outcome::Exited(1)),
        (10_500, sim::Outcome::Passed),
        (17_500, sim::Outcome::TimedOut),
        (20_500, sim::Outcome::Passed),
    ];
    for (at, outcome) in results {
        scenario.at(Duration::from_millis(at), Fault::Result(alpha, check.clone(), outcome));
    }
    compare("results-of-a-check", &mut scenario);
}

/// a clock that jumps is a sleep, whoever caused it.
#[test]
fn golden_jump_of_a_clock() {
    let Pair { mut scenario, alpha, .. } = pair();
    scenario.at(seconds(10), Fault::Jump(alpha, seconds(60)));
    compare("jump-of-a-clock", &mut scenario);
}

/// Asymmetric loss: who isn't heard loses to who is, without ever being told.
#[test]
fn golden_one_way_loss() {
    let Pair { mut scenario, alpha, beta, .. } = pair();
    scenario.at(seconds(10), Fault::Block(alpha, beta));
    scenario.at(seconds(16), Fault::Heal);
    compare("one-way-loss", &mut scenario);
}

/// A firewall between two LANs: one sync group over both.
fn grouped(priority: u8) -> CoreConfig {
    let CoreConfig { instances, .. } = node(priority, &CheckName::new("chk").unwrap());
    let member = |place: usize, name: &str| InstanceConfig {
        name: InstanceName::new(name).unwrap(),
        link: LinkId(place),
        checks: Vec::new(),
        ..instances[0].clone()
    };
    CoreConfig {
        links: ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap()).to_vec(),
        instances: vec![member(0, "outside"), member(1, "inside")],
        groups: vec![GroupConfig {
            name: GroupName::new("firewall").unwrap(),
            members: vec![InstanceId(0), InstanceId(1)],
            checks: Vec::new(),
            tracked_links: Vec::new(),
        }],
        ..CoreConfig::default()
    }
}

struct Pair {
    scenario: Scenario,
    alpha: NodeId,
    beta: NodeId,
    check: CheckName,
}

/// The pair of the README: 100 and 90, and a check that is worth 20.
fn pair() -> Pair {
    let mut scenario = Scenario::new(1);
    let check = CheckName::new("chk_haproxy").unwrap();
    let alpha = scenario.node("alpha", node(100, &check), seconds(0));
    let beta = scenario.node("beta", node(90, &check), seconds(0));
    Pair { scenario, alpha, beta, check }
}

fn node(priority: u8, check: &CheckName) -> CoreConfig {
    let instance = InstanceConfig {
        name: InstanceName::new("api_vip").unwrap(),
        link: LinkId(0),
        vrid: Vrid::new(5).unwrap(),
        version: ProtocolVersion::V2,
        family: Family::V4,
        priority: Priority(priority),
        wants_master: false,
        advert_interval: seconds(1),
        preempt: true,
        preempt_delay: Duration::ZERO,
        credential: None,
        addresses: vec![IpAddr::V4(Ipv4Addr::new(192, 168, 1, 100))],
        placement: 0,
        source: None,
        peers: Vec::new(),
        unicast_ttl: u8::MAX,
        group: default_group(Family::V4),
        checks: vec![TrackedCheck {
            check: check.clone(),
            weight: 20,
            reverse: false,
            init_fail: false,
            number: false,
            role: Role::Any,
        }],
        tracked_links: Vec::new(),
        follows_source: false,
        follows_link: true,
        announcements: Announcements::default(),
        manners: Manners::default(),
    };
    CoreConfig {
        links: vec![LinkName::new("eth0").unwrap()],
        instances: vec![instance],
        ..CoreConfig::default()
    }
}

/// Runs a scenario to its end and holds its transcript against the one that is kept.
fn compare(name: &str, scenario: &mut Scenario) {
    scenario.until(seconds(30));
    let report = scenario.run().unwrap_or_else(|failure| panic!("{failure}"));
    let told = report.transcript();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/sim").join(name).with_extension("txt");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &told).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        told,
        kept,
        "{} tells another story; UPDATE_GOLDEN=1 writes this one:\n{told}",
        path.display()
    );
}
