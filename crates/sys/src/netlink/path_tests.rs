//! Routes and rules against the kernel, in a network namespace of the test's own; iproute2 is the second opinion.

use std::net::IpAddr;

use model::Family;

use super::tests::pair;
use super::*;
use crate::testing::{LONG, ip, namespace, readable_within};

/// An origin that nobody else uses.
const ORIGIN: u8 = 112;

fn path(route: &mut Route, destination: &str, via: Option<&str>) -> Path {
    let (destination, prefix) = destination.split_once('/').unwrap();
    let destination: IpAddr = destination.parse().unwrap();
    let via = via.map(|via| via.parse().unwrap());
    let hop = Hop { via, link: Some(route.link_index("v0").unwrap()), onlink: false, share: 0 };
    Path {
        destination,
        prefix: prefix.parse().unwrap(),
        kind: PathKind::Unicast,
        table: 254,
        metric: if destination.is_ipv6() { 1024 } else { 0 },
        tos: 0,
        scope: if via.is_none() && destination.is_ipv4() { 253 } else { 0 },
        source: None,
        mtu: None,
        hops: vec![hop],
    }
}

fn add(path: &Path) -> PathChange {
    PathChange::Add { path: path.clone() }
}

fn remove(path: &Path) -> PathChange {
    PathChange::Remove { path: path.clone() }
}

fn started() -> Option<Route> {
    let mut route = pair()?;
    route.add_address("v0", "192.0.2.1".parse().unwrap(), 24).unwrap();
    route.add_address("v0", "fd00::1".parse().unwrap(), 64).unwrap();
    Some(route)
}

#[test]
fn a_route_is_listed_as_it_was_asked_for_and_goes() {
    let Some(mut route) = started() else { return };
    let mut paths = vec![
        path(&mut route, "198.51.100.0/24", Some("192.0.2.9")),
        path(&mut route, "198.51.101.0/24", None),
        path(&mut route, "0.0.0.0/0", Some("192.0.2.9")),
        path(&mut route, "2001:db8::/32", Some("fd00::9")),
        path(&mut route, "::/0", Some("fd00::9")),
    ];
    paths[0].table = 1000;
    paths[0].metric = 50;
    paths[0].mtu = Some(1400);
    paths[0].source = Some("192.0.2.1".parse().unwrap());
    paths[2].hops[0] =
        Hop { via: Some("203.0.113.9".parse().unwrap()), onlink: true, ..paths[2].hops[0].clone() };
    let hole = Path {
        kind: PathKind::Blackhole,
        scope: 0,
        hops: vec![],
        ..path(&mut route, "198.51.102.0/24", None)
    };
    let mut several = path(&mut route, "198.51.103.0/24", Some("192.0.2.8"));
    several.hops.push(Hop { share: 4, ..path(&mut route, "10.0.0.0/8", Some("192.0.2.9")).hops.remove(0) });
    paths.extend([hole, several]);
    let changes: Vec<PathChange> = paths.iter().map(add).collect();
    assert!(route.apply_paths(&changes, ORIGIN).iter().all(Result::is_ok));
    let found = route.paths(ORIGIN).unwrap();
    for path in &paths {
        assert!(found.contains(path), "{path:?} among {found:?}");
    }
    assert_eq!(found.len(), paths.len());
    let seen = ip(&["route", "show", "table", "1000"]);
    for words in ["198.51.100.0/24 via 192.0.2.9", "proto 112", "src 192.0.2.1", "metric 50", "mtu 1400"] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    let changes: Vec<PathChange> = paths.iter().map(remove).collect();
    assert!(route.apply_paths(&changes, ORIGIN).iter().all(Result::is_ok));
    assert_eq!(route.paths(ORIGIN).unwrap(), []);
    let again = route.apply_paths(&changes[..1], ORIGIN).remove(0).unwrap_err();
    assert!(again.is_absent(), "{again}");
}

/// Nothing that the administrator set goes, also when it equals ours.
#[test]
fn a_route_of_somebody_else_stays_though_it_is_the_same() {
    let Some(mut route) = started() else { return };
    ip(&["route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0"]);
    ip(&["-6", "route", "add", "2001:db8::/32", "via", "fd00::9", "dev", "v0"]);
    let four = path(&mut route, "198.51.100.0/24", Some("192.0.2.9"));
    assert_eq!(route.paths(ORIGIN).unwrap(), [], "not ours");
    assert!(route.apply_paths(&[remove(&four)], ORIGIN).remove(0).unwrap_err().is_absent());
    assert_eq!(route.apply_paths(&[add(&four)], ORIGIN), [Ok(())]);
    assert_eq!(route.paths(ORIGIN).unwrap(), std::slice::from_ref(&four));
    assert_eq!(route.apply_paths(&[remove(&four)], ORIGIN), [Ok(())]);
    assert!(ip(&["route", "show"]).contains("198.51.100.0/24 via 192.0.2.9"));
    let six = path(&mut route, "2001:db8::/32", Some("fd00::8"));
    let refused = route.apply_paths(&[add(&six)], ORIGIN).remove(0).unwrap_err();
    assert_eq!(refused.errno, libc::EEXIST, "the kernel would have made one of the two: {refused}");
    assert!(ip(&["-6", "route", "show"]).contains("2001:db8::/32 via fd00::9"));
}

#[test]
fn the_kernels_words_about_a_route_arrive() {
    let Some(mut route) = started() else { return };
    let lost = path(&mut route, "198.51.100.0/24", Some("203.0.113.9"));
    let error = route.apply_paths(&[add(&lost)], ORIGIN).remove(0).unwrap_err().to_string();
    assert!(error.contains("198.51.100.0/24 via 203.0.113.9"), "{error}");
    assert!(error.ends_with("Nexthop has invalid gateway"), "{error}");
}

fn rule(family: Family, priority: u32, from: &str, verdict: Verdict) -> Rule {
    let (address, prefix) = from.split_once('/').unwrap();
    Rule {
        family,
        priority,
        not: false,
        from: Some((address.parse().unwrap(), prefix.parse().unwrap())),
        to: None,
        incoming: None,
        outgoing: None,
        mark: None,
        tos: 0,
        suppress_prefix: None,
        verdict,
    }
}

#[test]
fn rules_come_and_go_and_others_stay() {
    let Some(mut route) = started() else { return };
    let full = Rule {
        not: true,
        to: Some(("198.51.100.0".parse().unwrap(), 24)),
        incoming: Some("v0".into()),
        outgoing: Some("nowhere".into()),
        mark: Some((3, 0xff)),
        tos: 8,
        suppress_prefix: Some(0),
        ..rule(Family::V4, 100, "192.0.2.0/24", Verdict::Table(1000))
    };
    let rules = [
        full,
        rule(Family::V4, 101, "192.0.2.7/32", Verdict::Prohibit),
        rule(Family::V6, 100, "2001:db8::/32", Verdict::Table(254)),
        Rule { mark: Some((1, u32::MAX)), from: None, ..rule(Family::V6, 99, "::/0", Verdict::Blackhole) },
    ];
    ip(&["rule", "add", "from", "192.0.2.7", "priority", "101", "prohibit"]);
    let add: Vec<RuleChange> = rules.iter().map(|rule| RuleChange::Add { rule: rule.clone() }).collect();
    for answer in route.apply_rules(&add, ORIGIN) {
        assert_eq!(answer, Ok(()));
    }
    let found = route.rules(ORIGIN).unwrap();
    for rule in &rules {
        assert!(found.contains(rule), "{rule:?} among {found:?}");
    }
    let remove: Vec<RuleChange> =
        rules.iter().map(|rule| RuleChange::Remove { rule: rule.clone() }).collect();
    assert!(route.apply_rules(&remove, ORIGIN).iter().all(Result::is_ok));
    assert_eq!(route.rules(ORIGIN).unwrap(), []);
    assert!(ip(&["rule", "show"]).contains("101:\tfrom 192.0.2.7 prohibit"), "the administrator's");
    assert!(route.apply_rules(&remove[..1], ORIGIN).remove(0).unwrap_err().is_absent());
}

#[test]
fn the_monitor_hears_of_our_routes_and_not_of_others() {
    // Without an interface nothing else happens here.
    if namespace().is_none() {
        eprintln!("skipped: this test needs root, to make a network namespace");
        return;
    }
    let mut route = Route::open().unwrap();
    let monitor = Monitor::open_with_paths(ORIGIN).unwrap();
    ip(&["route", "add", "blackhole", "198.51.100.0/24"]);
    assert_eq!(monitor.drain().unwrap(), Changed::Nothing, "somebody else's");
    let ours = Path {
        destination: "198.51.101.0".parse().unwrap(),
        prefix: 24,
        kind: PathKind::Blackhole,
        table: 254,
        metric: 0,
        tos: 0,
        scope: 0,
        source: None,
        mtu: None,
        hops: vec![],
    };
    assert_eq!(route.apply_paths(&[add(&ours)], ORIGIN), [Ok(())]);
    assert!(readable_within(&monitor, LONG));
    assert_eq!(monitor.drain().unwrap(), Changed::Something);
    ip(&["rule", "add", "from", "192.0.2.7", "priority", "101", "prohibit"]);
    assert!(readable_within(&monitor, LONG));
}
