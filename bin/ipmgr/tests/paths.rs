//! Routes, rules and what stands still, in the kernel, beside an administrator's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use std::process::Command;

use std::time::Duration;

use harness::{Core, Host, VIP, eventually};
use ipc::core_ipmgr::Report;
use sys::clock::now;
use sys::netlink::Change;
use sys::process::{Exit, Signal};

/// What `ip` prints; the test's thread is on the host.
#[allow(clippy::disallowed_methods, reason = "a test may start a program the short way")]
fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An ipmgr whose `api_vip` has this beside its address, and these blocks behind all instances.
fn started(block: &str, behind: &str) -> Option<(Host, Core)> {
    let mut host = Host::new()?;
    let fingerprint = configure(&host, block, behind);
    host.start();
    let (core, _) = host.core_that_runs(fingerprint);
    Some((host, core))
}

fn configure(host: &Host, block: &str, behind: &str) -> u64 {
    host.configure(|text| text.replacen("advert_int 30\n", &format!("advert_int 30\n{block}\n"), 1) + behind)
}

fn waits(core: &Core, what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || {
        core.beat();
        condition()
    });
}

const ROUTES: &str = "virtual_routes {
    198.51.100.0/24 via 192.0.2.9 src 192.0.2.100 mtu 1400
    default via 192.0.2.9 dev eth0 table 1000
    2001:db8:9::/48 dev eth0
    blackhole 203.0.113.0/24
}
virtual_rules {
    from 192.0.2.100 table 1000 preference 100
    inet6 fwmark 7 prohibit preference 100
}";

/// The first route begins from the address that moves, so it can't be there before it.
#[test]
fn routes_and_rules_come_after_the_addresses_and_go_with_them() {
    let Some((mut host, mut core)) = started(ROUTES, "") else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let main = ip("route show proto 112");
    assert!(
        main.contains("198.51.100.0/24 via 192.0.2.9") && main.contains("src 192.0.2.100 mtu 1400"),
        "{main}"
    );
    assert!(main.contains("blackhole 203.0.113.0/24"), "{main}");
    assert!(ip("route show table 1000").contains("default via 192.0.2.9"));
    assert!(ip("-6 route show proto 112").contains("2001:db8:9::/48 dev eth0"));
    assert!(ip("rule show").contains("100:\tfrom 192.0.2.100 lookup 1000"));
    assert!(ip("-6 rule show").contains("100:\tfrom all fwmark 0x7 prohibit"));
    core.withdraw("api_vip", 2);
    assert_eq!(ip("route show proto 112 table all") + &ip("-6 route show proto 112 table all"), "");
    assert!(!ip("rule show").contains("100:") && !ip("-6 rule show").contains("100:"));
    assert_eq!(host.found(VIP), None);
}

/// D1: whatever takes one away, it comes back.
#[test]
fn what_somebody_removes_or_a_link_loses_comes_back() {
    let Some((mut host, mut core)) = started(ROUTES, "") else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    ip("route del 198.51.100.0/24");
    waits(&core, "the route is back", || ip("route show proto 112").contains("198.51.100.0/24"));
    ip("rule del priority 100");
    waits(&core, "the rule is back", || ip("rule show").contains("from 192.0.2.100 lookup 1000"));
    // The kernel takes the routes of a link that goes down, and tells nobody of IPv4 ones.
    host.route.set_down("eth0").unwrap();
    waits(&core, "the routes are gone", || !ip("route show proto 112").contains("198.51.100.0/24"));
    host.route.set_up("eth0").unwrap();
    waits(&core, "the routes are back", || {
        ip("route show proto 112").contains("198.51.100.0/24")
            && ip("-6 route show proto 112").contains("2001:db8:9::/48")
            && ip("route show table 1000").contains("default")
    });
    let place = host.place("eth0", VIP, 32);
    assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
    waits(&core, "the address is back, and the route that begins from it", || {
        ip("route show proto 112").contains("src 192.0.2.100")
    });
}

/// Nothing that the administrator set goes, also when it equals ours.
#[test]
fn the_administrators_routes_and_rules_stay() {
    let Some((_host, mut core)) = started(ROUTES, "") else { return };
    ip("route add blackhole 203.0.113.0/24 proto static");
    ip("route add 198.51.100.0/24 via 192.0.2.8");
    ip("rule add from 192.0.2.100 table 1000 preference 100");
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    assert!(ip("route get 198.51.100.1").contains("via 192.0.2.9"), "ours goes first, as with keepalived");
    core.withdraw("api_vip", 2);
    assert_eq!(ip("route show 203.0.113.0/24").trim(), "blackhole 203.0.113.0/24 proto static");
    assert!(ip("route get 198.51.100.1").contains("via 192.0.2.8"));
    assert_eq!(ip("rule show").matches("100:").count(), 1);
}

/// Each one that fails is named, and the others, and the address, are there.
#[test]
fn what_cannot_be_added_is_named_with_the_kernels_words() {
    let block = "virtual_routes {
        198.51.100.0/24 via 203.0.113.9
        198.51.101.0/24 via 192.0.2.9
        2001:db8:9::/48 dev eth0
        10.0.0.0/8 dev eth9 no_track
    }";
    let Some((mut host, mut core)) = started(block, "") else { return };
    ip("-6 route add 2001:db8:9::/48 dev eth0");
    let failures = core.install("api_vip", 1);
    let ends = ["Nexthop has invalid gateway", "EEXIST (File exists)", "there is no interface eth9"];
    assert_eq!(failures.len(), ends.len(), "{failures:?}");
    for (failure, end) in failures.iter().zip(ends) {
        assert!(failure.starts_with("add route ") && failure.ends_with(end), "{failure}");
    }
    assert!(failures[0].contains("198.51.100.0/24 via 203.0.113.9"), "{}", failures[0]);
    assert!(host.found(VIP).is_some() && ip("route show proto 112").contains("198.51.101.0/24"));
}

#[test]
fn a_reload_exchanges_what_has_changed_and_leaves_the_rest() {
    let Some((host, mut core)) = started(ROUTES, "") else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    configure(
        &host,
        &ROUTES.replace("via 192.0.2.9 src", "via 192.0.2.7 src").replace("fwmark 7", "fwmark 8"),
        "",
    );
    core.adopt();
    waits(&core, "the new route and rule", || {
        let routes = ip("route show proto 112");
        let rules = ip("-6 rule show");
        routes.contains("via 192.0.2.7")
            && !routes.contains("via 192.0.2.9")
            && rules.contains("fwmark 0x8")
            && !rules.contains("0x7")
    });
    assert!(ip("route show table 1000").contains("default via 192.0.2.9"));
}

const STILL: &str = "
static_ipaddress {
    198.51.100.77/24 dev eth0
}
static_routes {
    10.0.0.0/8 via 198.51.100.1
}
static_rules {
    to 10.0.0.0/8 table main preference 50
}
";

/// Nobody has to order it.
#[test]
fn what_stands_still_is_there_from_the_start_to_the_end() {
    let Some((mut host, core)) = started("", STILL) else { return };
    waits(&core, "everything is there", || {
        host.found("198.51.100.77").is_some()
            && ip("route show proto 112").contains("10.0.0.0/8")
            && ip("rule show").contains("50:\tfrom all to 10.0.0.0/8 lookup main")
    });
    let place = host.place("eth0", "198.51.100.77", 24);
    assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
    waits(&core, "it is back, and its route", || ip("route show proto 112").contains("10.0.0.0/8"));
    host.signal(Signal::TERM);
    drop(core);
    assert_eq!(host.ended(), Exit::Code(0));
    assert_eq!(host.found("198.51.100.77"), None);
    assert_eq!(ip("route show proto 112"), "");
    assert!(!ip("rule show").contains("50:"));
}

/// D1: what stands still is fought for like what moves: slowly in the end, by name, and for everybody to see.
#[test]
fn a_feud_over_what_stands_still_slows_down_and_is_counted() {
    let Some((mut host, mut core)) = started("", STILL) else { return };
    waits(&core, "everything is there", || {
        host.found("198.51.100.77").is_some()
            && ip("route show proto 112").contains("10.0.0.0/8")
            && ip("rule show").contains("50:")
    });
    assert!(!host.log().contains("put back"), "it was never there:\n{}", host.log());
    let begin = now();
    for _ in 0..14 {
        let place = host.place("eth0", "198.51.100.77", 24);
        assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
        waits(&core, "the address is back", || host.found("198.51.100.77").is_some());
    }
    assert!(now().since(begin) >= Duration::from_secs(3), "somebody who never stops is never let wait");
    for _ in 0..2 {
        ip("rule del priority 50");
        waits(&core, "the rule is back", || ip("rule show").contains("50:"));
        waits(&core, "the route is there", || ip("route show proto 112").contains("10.0.0.0/8"));
        ip("route del 10.0.0.0/8");
        waits(&core, "the route is back", || ip("route show proto 112").contains("10.0.0.0/8"));
    }
    let told = core.find(|(report, _)| match report {
        Report::Troubles(troubles) if troubles.feuds.len() == 3 => Some(troubles.feuds),
        _ => None,
    });
    assert!(told.iter().all(|feud| feud.instance.is_none()), "{told:?}");
    assert_eq!((told[0].thing.as_str(), told[0].count), ("198.51.100.77 on eth0", 14));
    assert!(told[1].thing.contains("10.0.0.0/8") && told[2].thing.contains("10.0.0.0/8"), "{told:?}");
    for thing in ["198.51.100.77/24 on eth0", "route 10.0.0.0/8 ", "rule inet to 10.0.0.0/8 "] {
        assert!(host.log().contains(&format!("static: put back {thing}")), "{thing}:\n{}", host.log());
    }
    assert!(host.log().contains("static: 9 times by now: somebody keeps removing it"), "{}", host.log());
    // Nothing is left to fight over.
    configure(&host, "", "");
    core.adopt();
    core.find(|(report, _)| match report {
        Report::Troubles(troubles) => troubles.feuds.is_empty().then_some(()),
        _ => None,
    });
}

/// D2: what stands still goes with its interface, and nobody has taken it away.
#[test]
fn what_stands_still_on_a_link_that_goes_off_is_not_said_to_be_taken_away() {
    let still = "static_ipaddress {\n 2001:db8:7::7/64 dev eth0\n}\n";
    let Some((mut host, mut core)) = started("", still) else { return };
    waits(&core, "it is there", || host.found("2001:db8:7::7").is_some());
    for up in [false, true] {
        if up {
            host.route.set_up("eth0").unwrap();
        } else {
            host.route.set_down("eth0").unwrap();
        }
        core.find(|(report, _)| match report {
            Report::Link(fact) => (fact.name.as_str() == "eth0" && fact.up == up).then_some(()),
            _ => None,
        });
        waits(&core, "it is there again", || host.found("2001:db8:7::7").is_some());
    }
    // Whatever was to be said has been when that is answered.
    core.install("api_vip", 1);
    assert!(!host.log().contains("put back"), "{}", host.log());
}

/// D3: a route has no lifetime, so the next ipmgr has to find what a killed one left, whatever the file says by then.
#[test]
fn what_a_killed_ipmgr_left_is_found_by_the_next_one() {
    let Some((mut host, mut core)) = started(ROUTES, STILL) else { return };
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    host.signal(Signal::KILL);
    host.ended();
    drop(core);
    assert!(ip("route show proto 112").contains("198.51.100.0/24"));
    host.configure(str::to_owned);
    host.start();
    eventually("nothing of it is left", || {
        ip("route show proto 112 table all").is_empty()
            && ip("-6 route show proto 112 table all").is_empty()
            && !ip("rule show").contains("100:")
            && host.found("198.51.100.77").is_none()
    });
}

/// Trap 18, from the other side: an address of ours that is the first of its network goes, and others stay.
#[test]
fn an_address_that_goes_takes_nobody_elses_with_it() {
    let block = "promote_secondaries\nvirtual_ipaddress_excluded {\n 198.51.100.5/24\n}";
    let Some(mut host) = Host::new() else { return };
    let fingerprint = configure(&host, block, "");
    let setting = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
    for before in ["1\n", "0\n"] {
        std::fs::write(setting, before).unwrap();
        host.start();
        drop(host.core_that_runs(fingerprint));
        assert_eq!(std::fs::read_to_string(setting).unwrap(), "1\n");
        host.signal(Signal::TERM);
        host.ended();
        assert_eq!(std::fs::read_to_string(setting).unwrap(), before, "as it was");
    }
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    host.route.add_address("eth0", "198.51.100.9".parse().unwrap(), 24).unwrap();
    assert!(ip("address show dev eth0").contains("198.51.100.9/24 scope global secondary"));
    core.withdraw("api_vip", 2);
    assert_eq!(host.found("198.51.100.5"), None);
    assert!(host.found("198.51.100.9").is_some(), "the administrator's");
}

/// Nobody asked for `promote_secondaries`: the node's own address was removed and added again, as a DHCP client does, and is
/// secondary to ours since. However ours goes, the other stays.
#[test]
fn a_node_does_not_lose_its_own_address_with_ours() {
    let Some(mut host) = Host::new() else { return };
    let fingerprint = configure(&host, "virtual_ipaddress_excluded {\n 198.51.100.5/24\n}", "");
    let settings = ["all", "eth0"].map(|name| format!("/proc/sys/net/ipv4/conf/{name}/promote_secondaries"));
    let own = "198.51.100.9".parse().unwrap();
    for way in ["an order", "SIGTERM", "a crash", "no start"] {
        settings.iter().for_each(|it| std::fs::write(it, "0").unwrap());
        host.start();
        let (mut core, _) = host.core_that_runs(fingerprint);
        assert_eq!(core.install("api_vip", 1), [""; 0]);
        host.route.add_address("eth0", own, 24).unwrap();
        assert!(ip("address show dev eth0").contains("198.51.100.9/24 scope global secondary"));
        match way {
            "an order" => {
                eventually("it is provided for", || {
                    core.beat();
                    host.log().contains("198.51.100.5/24 would take 198.51.100.9/24 along")
                });
                core.withdraw("api_vip", 2);
                host.signal(Signal::TERM);
            }
            // What the next one finds is no setting of the administrator's.
            "a crash" => {
                eventually("it is provided for", || {
                    core.beat();
                    std::fs::read_to_string(&settings[1]).unwrap() == "1\n"
                });
                host.signal(Signal::KILL);
                drop(core);
                host.ended();
                host.start();
                (core, _) = host.core_that_runs(fingerprint);
                assert_eq!(core.install("api_vip", 1), [""; 0]);
                host.signal(Signal::TERM);
            }
            "SIGTERM" => host.signal(Signal::TERM),
            _ => host.signal(Signal::KILL),
        }
        drop(core);
        host.ended();
        if way == "no start" {
            settings.iter().for_each(|it| std::fs::write(it, "0").unwrap());
            host.configure(|text| text.replace("vrrp_instance", "vrrp_instants"));
            assert_eq!(host.fails_to_start(&[]), Exit::Code(78));
        }
        assert_eq!(host.found("198.51.100.5"), None, "{way}");
        let place = host.place("eth0", "198.51.100.9", 24);
        assert!(host.found("198.51.100.9").is_some(), "{way}: {}", host.log());
        assert_eq!(std::fs::read_to_string(&settings[1]).unwrap(), "0\n", "{way}: as it was");
        assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
    }
}

/// Nobody has taken it away: there was no way to it yet.
#[test]
fn a_route_that_was_refused_is_added_at_last_and_not_put_back() {
    let block = "virtual_routes {\n 203.0.113.0/24 via 198.51.100.1\n}";
    let Some(mut host) = Host::new() else { return };
    let fingerprint = configure(&host, block, "");
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert!(core.install("api_vip", 1)[0].contains("203.0.113.0/24"), "there is no way to the gateway");
    host.route.add_address("eth0", "198.51.100.2".parse().unwrap(), 24).unwrap();
    eventually("it is there", || {
        core.beat();
        ip("route").contains("203.0.113.0/24")
    });
    eventually("and told", || host.log().contains("added route 203.0.113.0/24"));
    assert!(!host.log().contains("put back"), "{}", host.log());
}
