//! ipmgr as a process, with the kernel's real addresses and a vrrp-core that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]

mod harness;

use std::time::Duration;

use harness::{Host, PATIENCE, VIP, eventually, fingerprint, instance, link};
use ipc::core_ipmgr::{Order, PROTOCOL, Report};
use ipc::frame;
use model::{Family, LinkFact, Transport};
use sys::advert::AdvertSocket;
use sys::announce::AnnounceSocket;
use sys::clock::now;
use sys::netlink::{Change, Lifetime, Shape};
use sys::process::{Exit, Signal};
use sys::seqpacket::Connection;
use sys::watch::WatchSocket;

/// The mark of ipmgr's addresses.
const ORIGIN: Option<u8> = Some(18);

#[test]
fn a_vrrp_core_is_told_everything_and_gets_its_sockets() {
    let Some(host) = Host::started() else { return };
    let (_core, told) = host.core();
    assert_eq!(told[0].0, Report::Hello { protocol: PROTOCOL, fingerprint: fingerprint() });
    let facts: Vec<&LinkFact> = told
        .iter()
        .filter_map(|(report, _)| match report {
            Report::Link(fact) => Some(fact),
            _ => None,
        })
        .collect();
    assert_eq!((facts.len(), &facts[1]), (2, &&LinkFact::absent(link("eth1"))));
    assert_eq!((facts[0].name.as_str(), facts[0].up), ("eth0", true));
    assert_eq!(facts[0].ipv4, Some("192.0.2.1".parse().unwrap()));
    assert!(facts[0].mac.is_some());

    let (mut sockets, mut watches) = (Vec::new(), Vec::new());
    for (report, fd) in told {
        match report {
            Report::AdvertSocket { link, transport } => {
                AdvertSocket::from_fd(fd.unwrap(), transport).unwrap();
                sockets.push((link.to_string(), Some(transport)));
            }
            Report::AnnounceSocket { link } => {
                AnnounceSocket::from_fd(fd.unwrap()).unwrap();
                sockets.push((link.to_string(), None));
            }
            Report::WatchSocket { link, family } => {
                WatchSocket::from_fd(fd.unwrap(), family).unwrap();
                watches.push((link.to_string(), family));
            }
            _ => assert!(fd.is_none()),
        }
    }
    let eth0 = || "eth0".to_owned();
    assert_eq!(sockets, [(eth0(), Some(Transport::V4)), (eth0(), Some(Transport::V6)), (eth0(), None)]);
    // A1: who else claims the addresses.
    assert_eq!(watches, [(eth0(), Family::V4), (eth0(), Family::V6)]);
}

#[test]
fn addresses_come_and_go_as_ordered() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 7), [""; 0]);
    let vip = host.found(VIP).unwrap();
    assert_eq!((vip.prefix, vip.origin), (32, ORIGIN));
    assert!(vip.valid.unwrap() <= Duration::from_secs(60), "it outlives nobody by more than a minute");
    assert_eq!(core.install("api_vip", 8), [""; 0], "repeating an order is harmless");
    assert_eq!(core.install("six", 9), [""; 0]);
    assert!(!host.found("fe80::100").unwrap().tentative, "D4: usable at once");
    core.withdraw("api_vip", 10);
    assert_eq!(host.found(VIP), None);
    assert!(host.found("2001:db8::100").is_some(), "another instance's");
    core.withdraw("six", 11);
    core.withdraw("six", 12);
    assert_eq!((host.found("fe80::100"), host.found("2001:db8::100")), (None, None));
    assert!(host.found("192.0.2.1").is_some());
}

/// Trap 23: an interface that isn't there keeps nobody else from starting.
#[test]
fn an_order_for_an_absent_interface_says_so_and_is_kept() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let failures = core.install("elsewhere", 1);
    assert_eq!(failures, ["add 198.51.100.100/24 on eth1: there is no such interface"]);
    host.route.create_veth("eth1", "switch1").unwrap();
    // D2: the interface comes, and with it the sockets, the fact and the address.
    core.find(|(report, fd)| match report {
        Report::AnnounceSocket { link } => (link.as_str() == "eth1" && fd.is_some()).then_some(()),
        _ => None,
    });
    let first = core.find(|(report, _)| match report {
        Report::Link(fact) if fact.name.as_str() == "eth1" => fact.index,
        _ => None,
    });
    ["eth1", "switch1"].iter().for_each(|it| host.route.set_up(it).unwrap());
    eventually("the address is on the new interface", || {
        core.beat();
        host.found("198.51.100.100").is_some_and(|it| it.link == first)
    });
    // And again for another interface of that name.
    host.route.delete_link("eth1").unwrap();
    core.find(|(report, _)| (report == Report::Link(LinkFact::absent(link("eth1")))).then_some(()));
    host.route.create_veth("eth1", "switch1").unwrap();
    core.find(|(report, fd)| match report {
        Report::AdvertSocket { link, .. } => (link.as_str() == "eth1" && fd.is_some()).then_some(()),
        _ => None,
    });
}

/// D1: other network managers delete our addresses.
#[test]
fn what_somebody_removes_is_put_back_while_it_is_wanted() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    for _ in 0..5 {
        let place = host.place("eth0", VIP, 32);
        assert_eq!(host.route.apply(&[Change::Remove { place, peer: None }]), [Ok(())]);
        eventually("it is back", || {
            core.beat();
            host.found(VIP).is_some()
        });
    }
    assert!(host.log().contains("(api_vip) put back 192.0.2.100/32 on eth0"), "{}", host.log());
}

/// Trap 18. The second address of a subnet is a "secondary", which the kernel removes with the first one of that subnet, the
/// host's own (ip-sysctl.rst, `promote_secondaries`): the virtual address goes, and nobody asked for that.
#[test]
fn a_secondary_that_goes_with_its_primary_is_put_back() {
    let Some(mut host) = Host::new() else { return };
    let fingerprint = host.configure(|text| text.replace("192.0.2.100/32", "192.0.2.100/24"));
    // What a namespace begins with is the host's.
    std::fs::write("/proc/sys/net/ipv4/conf/eth0/promote_secondaries", "0").unwrap();
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let before = host.found(VIP).unwrap();
    let primary = host.place("eth0", "192.0.2.1", 24);
    assert_eq!(host.route.apply(&[Change::Remove { place: primary, peer: None }]), [Ok(())]);
    eventually("the kernel has removed it, and it is back", || {
        core.beat();
        host.found(VIP).is_some() && host.log().contains("(api_vip) put back 192.0.2.100/24 on eth0")
    });
    assert_eq!(host.found(VIP).unwrap().prefix, before.prefix);
}

#[test]
fn what_the_administrator_added_stays_the_administrators() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    host.route.add_address("eth0", VIP.parse().unwrap(), 32).unwrap();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    core.withdraw("api_vip", 2);
    let it = host.found(VIP).expect("it was there before us");
    assert_eq!((it.valid, it.origin), (None, None));
    host.signal(Signal::TERM);
    drop(core);
    assert_eq!(host.ended(), Exit::Code(0));
    assert!(host.found(VIP).is_some());
}

/// A4: what was ours goes with its master, whatever somebody has made of its lifetime; a second one would have it for ever.
#[test]
fn what_was_ours_stays_ours_when_somebody_makes_it_last_for_ever() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    for (name, address, prefix) in [("api_vip", VIP, 32), ("six", "2001:db8::100", 128)] {
        assert_eq!(core.install(name, 1), [""; 0]);
        let place = host.place("eth0", address, prefix);
        let lifetime = Lifetime { valid: None, preferred: None };
        let for_ever = [Change::Add { place, shape: Shape::default(), lifetime, origin: None }];
        assert_eq!(host.route.apply(&for_ever), [Ok(())]);
        eventually("it ends again with whoever renews it", || {
            core.beat();
            host.found(address).is_some_and(|it| it.valid.is_some())
        });
        let told = format!("(api_vip) put back {VIP}/32 on eth0: it had been made to last for ever");
        assert!(host.log().contains(&told), "{}", host.log());
        // Who fights over it doesn't keep it here either.
        for _ in 0..20 {
            assert_eq!(host.route.apply(&for_ever), [Ok(())]);
            core.beat();
        }
        core.withdraw(name, 2);
        eventually("it has gone", || host.found(address).is_none());
    }
}

/// D3: a vrrp-core that is stopped, stuck or starved.
#[test]
fn a_silent_vrrp_core_loses_what_would_be_somebody_elses_soon() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let last_sign = now();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    let (name, order, why) = loop {
        if let Report::Withdrawn { instance, order, why } = core.hear_silently() {
            break (instance, order, why);
        }
    };
    assert!(now().since(last_sign) >= Duration::from_secs(2), "two intervals of one second");
    assert_eq!((name, order), (instance("six"), None));
    assert!(why.contains("nothing was heard"), "{why}");
    assert_eq!((host.found("fe80::100"), host.found("2001:db8::100")), (None, None));
    assert!(host.found(VIP).is_some(), "an instance with a longer interval can wait longer");
}

/// What is true of vrrp-core is true of ipmgr: its silence has a meaning, so it may not be silent for nothing.
#[test]
fn an_ipmgr_that_has_nothing_to_say_says_that_it_lives() {
    let Some(host) = Host::started() else { return };
    let (mut core, _) = host.core();
    for _ in 0..2 {
        core.hear_it_lives();
    }
}

fn held(told: &[harness::Told]) -> Vec<String> {
    let names = told.iter().filter_map(|(report, _)| match report {
        Report::Held { instances } => Some(instances.iter().map(ToString::to_string)),
        _ => None,
    });
    names.flatten().collect()
}

/// D3: a vrrp-core that is killed.
#[test]
fn the_next_vrrp_core_gets_what_is_still_there_and_the_rest_goes() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, told) = host.core();
    assert_eq!(held(&told), [""; 0]);
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    drop(core);
    eventually("the impatient one goes", || host.found("fe80::100").is_none());
    assert!(host.found(VIP).is_some());
    let (mut core, told) = host.core();
    assert_eq!(held(&told), ["api_vip"]);
    core.withdraw("api_vip", 1);
    assert_eq!(held(&host.core().1), [""; 0]);
}

/// An order counts even if nobody stays to hear the answer.
#[test]
fn a_vrrp_core_that_withdraws_and_leaves_at_once_is_heard() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let limit = now() + PATIENCE;
    for round in 0..20 {
        assert_eq!(core.install("api_vip", round), [""; 0]);
        core.say(&Order::Withdraw { instance: instance("api_vip"), order: round });
        drop(core);
        eventually("it is gone", || host.found(VIP).is_none());
        core = host.core().0;
    }
    // Silence is judged after a minute, and the kernel is asked every ten seconds: without the orders it takes minutes.
    assert!(now() < limit, "the addresses went, but not by the orders");
}

#[test]
fn a_newer_vrrp_core_takes_the_place_of_the_older() {
    let Some(mut host) = Host::started() else { return };
    let (mut older, _) = host.core();
    assert_eq!(older.install("api_vip", 1), [""; 0]);
    let (mut newer, _) = host.core();
    older.last_words();
    newer.withdraw("api_vip", 2);
    assert_eq!(host.found(VIP), None);
}

/// Whoever may connect and says nothing, or nothing that is right, has not come to relieve anybody.
#[test]
fn the_vrrp_core_that_works_stays_until_another_has_proved_itself() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    let silent = Connection::connect(&host.socket()).unwrap();
    let mut wrong = harness::Core::new(Connection::connect(&host.socket()).unwrap());
    wrong.say(&Order::Hello { protocol: PROTOCOL, fingerprint: 1 });
    wrong.last_words();
    assert_eq!(core.install("api_vip", 1), [""; 0], "it is still in charge");
    drop(silent);
    core.withdraw("api_vip", 2);
    assert_eq!(host.found(VIP), None);
}

/// D3: what a killed ipmgr leaves stays until vrrp-core had time to come, and goes unless it is ordered again.
#[test]
fn after_a_crash_addresses_stay_only_if_they_are_ordered_again() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    host.signal(Signal::KILL);
    assert_eq!(host.ended(), Exit::Signal(9));
    assert!(host.found(VIP).is_some() && host.found("fe80::100").is_some());
    host.start();
    let (mut core, told) = host.core();
    assert_eq!(held(&told), [""; 0], "it was ordered from another");
    assert_eq!(core.install("api_vip", 3), [""; 0]);
    eventually("what nobody ordered goes", || {
        core.beat();
        host.found("fe80::100").is_none()
    });
    assert!(host.found(VIP).is_some());
}

/// E3: both are restarted. The successor goes on as its predecessor would have, and no longer.
#[test]
fn a_successor_knows_whose_addresses_wait_for_the_next_vrrp_core() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    drop(core);
    host.succeed();
    eventually("the impatient one goes", || host.found("fe80::100").is_none());
    let (mut core, told) = host.core();
    assert_eq!(held(&told), ["api_vip"]);
    // Also where we went first: whoever was connected may be on its way out, too.
    assert_eq!(core.install("api_vip", 3), [""; 0]);
    host.succeed();
    let (mut core, told) = host.core();
    assert_eq!(held(&told), ["api_vip"]);
    core.withdraw("api_vip", 4);
    assert_eq!(host.found(VIP), None, "one that lives on withdraws what it has given up meanwhile");
    assert_eq!(core.install("api_vip", 5), [""; 0]);
    drop(core);
    // A note is for one successor.
    host.succeed();
    host.signal(Signal::KILL);
    host.ended();
    host.start();
    assert_eq!(held(&host.core().1), [""; 0]);
}

/// An upgrade: the new vrrp-core is refused by the old ipmgr, and held by the new one.
#[test]
fn who_speaks_another_protocol_costs_nothing_until_the_next_ipmgr() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    drop(core);
    let mut newer = harness::Core::new(Connection::connect(&host.socket()).unwrap());
    newer.say(&Order::Hello { protocol: PROTOCOL + 1, fingerprint: 1 });
    newer.last_words();
    host.succeed();
    assert_eq!(held(&host.core().1), ["api_vip"]);
    assert!(host.found(VIP).is_some());
}

#[test]
fn sigterm_waits_for_vrrp_core_and_leaves_nothing() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    host.signal(Signal::TERM);
    core.withdraw("api_vip", 3);
    assert!(host.found("fe80::100").is_some(), "vrrp-core hasn't finished");
    drop(core);
    assert_eq!(host.ended(), Exit::Code(0));
    assert_eq!((host.found(VIP), host.found("fe80::100")), (None, None));
    assert!(!host.socket().exists());
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    host.signal(Signal::TERM);
    assert_eq!(host.ended(), Exit::Code(0));
    assert_eq!(host.found(VIP), None);
}

#[test]
fn an_unknown_instance_is_refused_by_name_and_nothing_else_happens() {
    let Some(host) = Host::started() else { return };
    let (mut core, _) = host.core();
    core.say(&Order::Install { instance: instance("nobody's"), order: 1 });
    let why = core.find(|(report, _)| match report {
        Report::Refused { why } => Some(why),
        _ => None,
    });
    assert!(why.contains("'nobody's'"), "{why}");
    assert_eq!(core.install("api_vip", 2), [""; 0], "the connection goes on");
}

#[test]
fn what_is_no_order_ends_the_connection_and_moves_no_address() {
    let Some(mut host) = Host::started() else { return };
    let hello = Order::Hello { protocol: PROTOCOL, fingerprint: fingerprint() };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let bad: [Vec<u8>; 4] = [
        vec![0; 5],
        vec![b'x'; frame::MAX_FRAME + 1],
        frame::encode(&"not an order").unwrap(),
        // A second greeting.
        frame::encode(&hello).unwrap(),
    ];
    for bytes in bad {
        core.connection.send(&bytes, None).unwrap();
        core.last_words();
        core = host.core().0;
        assert!(host.found(VIP).is_some());
    }
    let mut impolite = harness::Core::new(Connection::connect(&host.socket()).unwrap());
    impolite.say(&Order::Install { instance: instance("six"), order: 1 });
    let refused = |words: Vec<Report>, text: &str| {
        assert!(
            words.iter().any(|it| matches!(it, Report::Refused { why } if why.contains(text))),
            "{words:?}"
        );
    };
    refused(impolite.last_words(), "hello comes first");
    for (order, text) in [
        (Order::Hello { protocol: PROTOCOL + 1, fingerprint: fingerprint() }, "another protocol"),
        (Order::Hello { protocol: PROTOCOL, fingerprint: 1 }, "another configuration"),
    ] {
        let mut stranger = harness::Core::new(Connection::connect(&host.socket()).unwrap());
        stranger.say(&order);
        refused(stranger.last_words(), text);
    }
    assert_eq!(host.found("fe80::100"), None);
}

/// A vrrp-core that orders and never reads can't make ipmgr grow or keep it from its work.
#[test]
fn a_vrrp_core_that_does_not_read_is_dropped() {
    let Some(host) = Host::started() else { return };
    let (core, _) = host.core();
    let limit = now() + PATIENCE;
    let order =
        frame::encode(&Order::Install { instance: instance("x".repeat(255).as_str()), order: 1 }).unwrap();
    loop {
        match core.connection.send(&order, None) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(()) => {}
            Err(_) => break,
        }
        assert!(now() < limit, "ipmgr still queues");
    }
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
}

#[test]
fn another_configuration_is_taken_in_line_with_the_orders_around_it() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    let renamed = host.configure(|text| {
        text.replace("instance api_vip", "instance web")
            .replace("192.0.2.100/32", "192.0.2.100/32\n    192.0.2.101/32")
    });
    assert_eq!(core.prepare(), (renamed, None));
    core.say(&Order::Install { instance: instance("api_vip"), order: 3 });
    core.say(&Order::Adopt { fingerprint: renamed });
    core.say(&Order::Install { instance: instance("web"), order: 4 });
    // The order before has the name before, and each is answered by its own.
    let mut installed = Vec::new();
    while installed.len() < 2 {
        installed.push(core.find(|(report, _)| match report {
            Report::Installed { instance, order, failures, .. } => {
                Some((instance.to_string(), order, failures))
            }
            _ => None,
        }));
    }
    assert_eq!(installed, [("api_vip".to_owned(), 3, vec![]), ("web".to_owned(), 4, vec![])]);
    assert!(host.found("192.0.2.101").is_some());
    assert!(!host.log().contains("put back"), "it was never there:\n{}", host.log());
    // One address more, and nobody asks.
    let more = host.configure(|text| {
        text.replace("instance api_vip", "instance web")
            .replace("192.0.2.100/32", "192.0.2.100/32\n    192.0.2.102/32")
    });
    assert_eq!(core.adopt(), more);
    eventually("it is there", || {
        core.beat();
        host.found("192.0.2.102").is_some()
    });
    assert!(!host.log().contains("put back"), "it was never there:\n{}", host.log());
    // One address less, and an instance less: whoever is gone takes its addresses along.
    let smaller = host.configure(|text| {
        let (one, rest) = text.split_once("vrrp_instance six").unwrap();
        let (_, elsewhere) = rest.split_once("vrrp_instance elsewhere").unwrap();
        format!("{one}vrrp_instance elsewhere{elsewhere}")
    });
    assert_eq!(core.adopt(), smaller);
    eventually("what isn't configured any more is gone", || {
        core.beat();
        host.found("192.0.2.101").is_none() && host.found("fe80::100").is_none()
    });
    assert!(host.found(VIP).is_some());
}

#[test]
fn what_is_invalid_or_was_not_prepared_is_not_run() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    host.configure(|text| text.replace("virtual_router_id 5", "virtual_router_id 500"));
    let (_, error) = core.prepare();
    assert!(error.as_ref().is_some_and(|error| error.contains("handover.conf:4:")), "{error:?}");
    core.say(&Order::Adopt { fingerprint: 1 });
    core.last_words();
    let (mut core, _) = host.core();
    core.withdraw("api_vip", 2);
    assert_eq!(host.found(VIP), None);
}

/// vrrp-core was restarted after the file had changed: the file decides.
#[test]
fn a_vrrp_core_that_runs_what_the_file_says_is_followed() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let newer = host.configure(|text| text.replace("instance api_vip", "instance web"));
    let (mut core, told) = host.core_that_runs(newer);
    assert_eq!(told[0].0, Report::Hello { protocol: PROTOCOL, fingerprint: newer });
    assert_eq!(held(&told), ["web"], "still in place, under its new name");
    core.withdraw("web", 2);
    assert_eq!(host.found(VIP), None);
}

/// Nobody starts it again, and vrrp-core says goodbye: what it left may not stay beside the successor's.
#[test]
fn an_ipmgr_that_cannot_come_back_takes_along_what_is_left() {
    let Some(mut host) = Host::started() else { return };
    let (mut core, _) = host.core();
    assert_eq!((core.install("api_vip", 1), core.install("six", 2)), (vec![], vec![]));
    host.signal(Signal::KILL);
    host.ended();
    host.configure(|text| text.replace("vrrp_instance", "vrrp_instants"));
    // While another one works, it is that one's; and a mistyped command line says nothing of what runs here.
    let name = sys::sole::claim("handover/ipmgr").unwrap().expect("it has ended");
    assert_eq!(host.fails_to_start(&[]), Exit::Code(78));
    assert!(host.found(VIP).is_some(), "taken from another");
    drop(name);
    assert_eq!(host.fails_to_start(&["--garbage"]), Exit::Code(64));
    assert!(host.found(VIP).is_some() && host.found("fe80::100").is_some());
    assert_eq!(host.fails_to_start(&[]), Exit::Code(78));
    assert_eq!((host.found(VIP), host.found("fe80::100")), (None, None), "{}", host.log());
    assert!(host.log().contains("nobody is going to keep the addresses"), "{}", host.log());
}
