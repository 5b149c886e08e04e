//! What others do to the interfaces, and what ipmgr makes of it: flushes, feuds, new names, storms, a routing daemon's noise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use std::fmt::Write as _;
use std::time::Duration;

use harness::{Core, Host, VIP, eventually, instance, link};
use ipc::core_ipmgr::Report;
use model::LinkFact;
use sys::clock::now;
use sys::netlink::Change;
use sys::process::{Spec, spawn};

const SIX: &str = "fe80::100";
/// How often the link goes down and up.
const STORM: usize = 200;
const ROUTES: u32 = 5_000;
/// Addresses that are refused and then aren't.
const MANY: u32 = 200;
/// How often one order follows another at once.
const CLOSE_ORDERS: u64 = 200;

/// A host whose ipmgr holds the addresses of `api_vip` and `six`.
fn holding() -> Option<(Host, Core)> {
    let host = Host::started()?;
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    Some((host, core))
}

fn eventually_back(host: &mut Host, core: &Core) {
    eventually("the addresses are back", || {
        core.beat();
        host.found(VIP).is_some() && host.found(SIX).is_some()
    });
}

/// Runs ip(8) in the host and waits for its end.
fn ip(arguments: &[&str]) {
    let spec = arguments.iter().fold(Spec::new("/sbin/ip"), |spec, word| spec.argument(word));
    let mut child = spawn(&spec).unwrap();
    eventually("ip ends", || child.try_wait().unwrap().is_some());
}

fn take_away(host: &mut Host) {
    let place = host.place("eth0", VIP, 32);
    assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
}

/// D1.
#[test]
fn a_flush_costs_only_what_is_not_ours() {
    let Some((mut host, core)) = holding() else { return };
    ip(&["address", "flush", "dev", "eth0"]);
    eventually_back(&mut host, &core);
    assert!(host.found("192.0.2.1").is_none(), "the administrator's own affair");
    assert!(host.found("2001:db8::100").is_some());
}

/// The kernel tells of a new IPv6 address a moment later: an order that comes in between finds it there all the same, and nobody
/// is said to have taken it away.
#[test]
fn an_order_right_after_another_takes_nothing_for_gone() {
    let Some(host) = Host::started() else { return };
    let (mut core, _) = host.core();
    for round in 0..CLOSE_ORDERS {
        let number = round * 4;
        assert_eq!((core.install("six", number + 1), core.install("api_vip", number + 2)), (vec![], vec![]));
        core.withdraw("six", number + 3);
        core.withdraw("api_vip", number + 4);
    }
    assert!(!host.log().contains("put back"), "{}", host.log());
}

/// D1: whoever never stops gets an opponent that never gives up, and takes its time.
#[test]
fn a_feud_slows_down_and_is_counted() {
    let Some((mut host, mut core)) = holding() else { return };
    let begin = now();
    // Eight times at once, then after 100, 200, 400, 800 and 1,600 ms.
    for _ in 0..14 {
        take_away(&mut host);
        eventually("it is back", || {
            core.beat();
            host.found(VIP).is_some()
        });
    }
    assert!(now().since(begin) >= Duration::from_secs(3), "somebody who never stops is never let wait");
    let told = core.find(|(report, _)| match report {
        Report::Troubles(troubles) => troubles.feuds.into_iter().find(|feud| feud.count == 14),
        _ => None,
    });
    assert_eq!((told.instance, told.thing.as_str()), (Some(instance("api_vip")), "192.0.2.100 on eth0"));
    take_away(&mut host);
    assert_eq!(core.install("api_vip", 3), [""; 0], "an order doesn't wait");
    assert!(host.found(VIP).is_some());
}

/// Each has its line; what is not worth one is counted, and the count comes when nothing else happens any more, too.
#[test]
fn each_repair_is_named_or_counted_before_long() {
    let Some((mut host, core)) = holding() else { return };
    for address in [VIP, SIX, "2001:db8::100"] {
        let prefix = if address == VIP { 32 } else { 128 };
        let place = host.place("eth0", address, prefix);
        assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
        eventually("it is back, and told", || {
            core.beat();
            host.log().contains(&format!(") put back {address}/{prefix} on eth0: it was gone"))
        });
    }
    for _ in 0..5 {
        take_away(&mut host);
        eventually_back(&mut host, &core);
    }
    // Where the machine is slow enough they are named again.
    eventually("all are told", || {
        core.beat();
        let log = host.log();
        let counts =
            log.lines().filter_map(|line| line.split_once(" more lines were left out: what was put"));
        let counts = counts.filter_map(|(before, _)| before.rsplit(' ').next()?.parse::<usize>().ok());
        log.matches("put back 192.0.2.100/32 on eth0: ").count() + counts.sum::<usize>() == 6
    });
}

/// What was refused is told in an order that a person can follow, and what is taken at last in a line for each instance.
#[test]
fn many_addresses_that_are_taken_at_last_are_told_in_one_line() {
    let Some(mut host) = Host::new() else { return };
    let addresses = (1..=MANY).map(|number| format!("    198.51.100.{number}/32\n")).collect::<String>();
    let fingerprint = host.configure(|text| text.replace("    198.51.100.100/24\n", &addresses));
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert!(!core.install("elsewhere", 1).is_empty(), "there is no eth1");
    let log = host.log();
    let refused = log.lines().filter_map(|line| line.split_once("add 198.51.100.")?.1.split_once('/'));
    let refused: Vec<u32> = refused.map(|(number, _)| number.parse().unwrap()).collect();
    assert_eq!(refused, (1..=u32::try_from(refused.len()).unwrap()).collect::<Vec<_>>());
    assert!(refused.len() >= 10, "{log}");
    host.route.create_veth("eth1", "switch1").unwrap();
    ["eth1", "switch1"].iter().for_each(|it| host.route.set_up(it).unwrap());
    let last = format!("198.51.100.{MANY}");
    eventually("all are there, and told", || {
        core.beat();
        host.found("198.51.100.1").is_some() && host.found(&last).is_some() && host.log().contains("at last")
    });
    let log = host.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("at last")).collect();
    let said = format!("(elsewhere) added 198.51.100.1/32 on eth1 and {} more at last", MANY - 1);
    assert!(lines.len() == 1 && lines[0].contains(&said), "{lines:#?}");
}

/// D2: what has another name is another interface, until it has the old name again.
#[test]
fn a_link_that_is_renamed_loses_the_addresses_and_gets_them_back_with_its_name() {
    let Some((mut host, mut core)) = holding() else { return };
    host.route.set_down("eth0").unwrap();
    host.route.rename("eth0", "other0").unwrap();
    core.find(|(report, _)| (report == Report::Link(LinkFact::absent(link("eth0")))).then_some(()));
    eventually("ours are not on a link that nobody configured", || {
        core.beat();
        host.found(VIP).is_none()
    });
    assert!(host.found("192.0.2.1").is_some(), "the administrator's stay");
    host.route.rename("other0", "eth0").unwrap();
    host.route.set_up("eth0").unwrap();
    eventually_back(&mut host, &core);
}

/// D2.
#[test]
fn a_storm_of_downs_and_ups_ends_with_the_addresses_in_place() {
    let Some((mut host, core)) = holding() else { return };
    for _ in 0..STORM {
        host.route.set_down("eth0").unwrap();
        host.route.set_up("eth0").unwrap();
        core.beat();
    }
    eventually_back(&mut host, &core);
}

/// D5: routes of others come and go by the thousand; none is ours, and none keeps us from our work.
#[test]
fn routes_that_churn_beside_disturb_nobody() {
    let Some((mut host, core)) = holding() else { return };
    let mut batch = String::new();
    for word in ["add", "del"] {
        for number in 0..ROUTES {
            let [_, _, high, low] = number.to_be_bytes();
            writeln!(batch, "route {word} 10.1.{high}.{low}/32 via 192.0.2.254 dev eth0 proto 186").unwrap();
        }
    }
    let file = host.socket().with_file_name("routes");
    std::fs::write(&file, batch).unwrap();
    let spec = Spec::new("/sbin/ip").argument("-batch").argument(&file);
    for _ in 0..2 {
        let mut churn = spawn(&spec).unwrap();
        take_away(&mut host);
        eventually_back(&mut host, &core);
        eventually("the routes have come and gone", || {
            core.beat();
            churn.try_wait().unwrap().is_some()
        });
    }
    assert!(host.found(VIP).is_some());
}

/// D2: what goes with its interface is no fight and no failure. The one thing to know is that the interface is off or gone, and
/// vrrp-core hears it first.
#[test]
fn a_link_that_goes_is_the_only_news() {
    let Some((mut host, mut core)) = holding() else { return };
    assert_eq!(core.install("six", 7), [""; 0]);
    let log = host.log();
    host.route.set_down("eth0").unwrap();
    let first = core.find(|(report, _)| (!matches!(report, Report::Alive)).then_some(report));
    assert!(matches!(&first, Report::Link(fact) if !fact.up && fact.index.is_some()), "{first:?}");
    host.route.delete_link("eth0").unwrap();
    let next = core.find(|(report, _)| (!matches!(report, Report::Alive)).then_some(report));
    assert_eq!(next, Report::Link(LinkFact::absent(link("eth0"))));
    core.beat();
    // Whatever was to be said has been when that is answered.
    assert_eq!(core.install("elsewhere", 8).len(), 1);
    let said = host.log().replacen(&log, "", 1);
    assert!(!said.contains("put back") && !said.contains("add 192.0.2.100"), "{said}");
}
