//! Against the kernel, in a network namespace of the test's own; iproute2 is the second opinion.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use model::LinkName;
use netlink_packet_route::link::{InfoKind, LinkInfo};

use super::*;
use crate::testing::{LONG, ip, namespace, readable_within};

/// An origin that nobody else uses.
const ORIGIN: u8 = 18;
const MINUTE: Lifetime = Lifetime { valid: Some(60), preferred: Some(60) };

/// A namespace with a veth pair, `v0` and `v1`, both up; `None` where that isn't allowed.
pub(super) fn pair() -> Option<Route> {
    if namespace().is_none() {
        eprintln!("skipped: this test needs root, to make a network namespace");
        return None;
    }
    let mut route = Route::open().unwrap();
    route.create_veth("v0", "v1").unwrap();
    for name in ["v0", "v1"] {
        route.set_up(name).unwrap();
    }
    Some(route)
}

fn place(route: &mut Route, name: &str, address: &str, prefix: u8) -> Place {
    Place {
        link: route.link_index(name).unwrap(),
        name: LinkName::new(name).unwrap(),
        address: address.parse().unwrap(),
        prefix,
    }
}

fn shaped(place: &Place, shape: Shape, lifetime: Lifetime) -> Change {
    Change::Add { place: place.clone(), shape, lifetime, origin: Some(ORIGIN) }
}

fn remove(place: Place) -> Change {
    Change::Remove { place, peer: None }
}

fn add(place: &Place, lifetime: Lifetime) -> Change {
    shaped(place, Shape::default(), lifetime)
}

/// Carrier is told by a worker of the kernel's (`linkwatch_event`), a moment after what it follows from.
fn carrier_becomes(route: &mut Route, monitor: &Monitor, name: &str, up: bool) -> bool {
    loop {
        let links = route.links().unwrap();
        if links.iter().any(|link| link.name.as_str() == name && link.up == up) {
            return true;
        }
        if !readable_within(monitor, LONG) {
            return false;
        }
        monitor.drain().unwrap();
    }
}

fn found(route: &mut Route, address: &str) -> Option<HostAddress> {
    let address: IpAddr = address.parse().unwrap();
    route.addresses().unwrap().into_iter().find(|it| it.address == address)
}

#[test]
fn an_address_comes_with_its_lifetime_and_origin_and_goes() {
    let Some(mut route) = pair() else { return };
    let v4 = place(&mut route, "v0", "192.0.2.5", 24);
    let v6 = place(&mut route, "v0", "2001:db8::5", 128);
    let deprecated = Lifetime { valid: Some(60), preferred: Some(0) };
    let answers = route.apply(&[add(&v4, MINUTE), add(&v6, deprecated)]);
    assert_eq!(answers, [Ok(()), Ok(())]);

    let it = found(&mut route, "192.0.2.5").unwrap();
    assert_eq!((it.link, it.prefix, it.tentative, it.origin), (v4.link, 24, false, Some(ORIGIN)));
    assert!(it.valid.unwrap() <= Duration::from_secs(60) && it.valid.unwrap() > Duration::ZERO);
    assert!(!found(&mut route, "2001:db8::5").unwrap().tentative, "IFA_F_NODAD");
    let seen = ip(&["-6", "address", "show", "dev", "v0", "to", "2001:db8::5"]);
    assert!(seen.contains("deprecated") && seen.contains("nodad"), "{seen}");
    let seen = ip(&["-4", "address", "show", "dev", "v0"]);
    assert!(seen.contains("192.0.2.5/24") && seen.contains("dynamic"), "{seen}");

    assert_eq!(route.apply(&[remove(v4), remove(v6)]), [Ok(()), Ok(())]);
    assert_eq!(found(&mut route, "192.0.2.5"), None);
    assert_eq!(found(&mut route, "2001:db8::5"), None);
}

/// What `ip` says of an address, and what we read, is what was asked for.
#[test]
fn an_address_has_the_shape_that_was_asked_for() {
    let Some(mut route) = pair() else { return };
    let v4 = place(&mut route, "v0", "192.0.2.5", 24);
    let v6 = place(&mut route, "v0", "2001:db8::5", 64);
    let full = Shape {
        scope: 253,
        broadcast: Some("192.0.2.255".parse().unwrap()),
        label: Some("v0:vip".into()),
        no_prefix_route: true,
        ..Shape::default()
    };
    let six = Shape { home: true, makes_temporary: true, no_prefix_route: true, ..Shape::default() };
    let near = place(&mut route, "v1", "198.51.100.1", 32);
    let peer = Some("198.51.100.2".parse().unwrap());
    let line = Shape { peer, ..Shape::default() };
    let changes = [
        shaped(&v4, full.clone(), MINUTE),
        shaped(&v6, six.clone(), MINUTE),
        shaped(&near, line.clone(), MINUTE),
    ];
    assert_eq!(route.apply(&changes), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(found(&mut route, "192.0.2.5").unwrap().shape, full);
    assert_eq!(found(&mut route, "2001:db8::5").unwrap().shape, six);
    let label = Some("v1".to_owned());
    assert_eq!(found(&mut route, "198.51.100.1").unwrap().shape, Shape { label, ..line });
    let seen = ip(&["-4", "address", "show", "dev", "v0"]);
    for words in ["brd 192.0.2.255", "scope link", "noprefixroute", "v0:vip"] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    let seen = ip(&["-6", "address", "show", "dev", "v0"]);
    assert!(seen.contains("home") && seen.contains("mngtmpaddr") && seen.contains("noprefixroute"), "{seen}");
    let seen = ip(&["-4", "address", "show", "dev", "v1"]);
    assert!(seen.contains("198.51.100.1 peer 198.51.100.2/32"), "{seen}");
    assert_eq!(route.apply(&[Change::Remove { place: near, peer }]), [Ok(())]);
    assert_eq!(found(&mut route, "198.51.100.1"), None);
}

#[test]
fn adding_again_renews_instead_of_failing() {
    let Some(mut route) = pair() else { return };
    for (address, prefix) in [("192.0.2.5", 32), ("2001:db8::5", 64)] {
        let place = place(&mut route, "v0", address, prefix);
        let short = Lifetime { valid: Some(30), preferred: Some(30) };
        let long = Lifetime { valid: Some(3000), preferred: Some(3000) };
        assert_eq!(route.apply(&[add(&place, short), add(&place, long)]), [Ok(()), Ok(())]);
        assert!(found(&mut route, address).unwrap().valid.unwrap() > Duration::from_secs(1000));
        assert_eq!(route.apply(&[add(&place, FOREVER)]), [Ok(())]);
        assert_eq!(found(&mut route, address).unwrap().valid, None);
    }
}

#[test]
fn what_nobody_renews_the_kernel_removes() {
    let Some(mut route) = pair() else { return };
    let monitor = Monitor::open().unwrap();
    let place = place(&mut route, "v0", "192.0.2.5", 32);
    let second = Lifetime { valid: Some(1), preferred: Some(1) };
    assert_eq!(route.apply(&[add(&place, second)]), [Ok(())]);
    while found(&mut route, "192.0.2.5").is_some() {
        monitor.drain().unwrap();
        assert!(readable_within(&monitor, LONG), "the kernel never removed it");
    }
}

#[test]
fn each_change_of_a_batch_has_its_own_answer() {
    let Some(mut route) = pair() else { return };
    let good = place(&mut route, "v0", "192.0.2.5", 24);
    let bad = Place { prefix: 33, ..good.clone() };
    let gone = Place { link: 9999, ..good.clone() };
    let other = place(&mut route, "v1", "192.0.2.6", 24);
    let changes = [add(&good, MINUTE), add(&bad, MINUTE), remove(gone), add(&other, MINUTE)];
    let answers = route.apply(&changes);
    assert_eq!((&answers[0], &answers[3]), (&Ok(()), &Ok(())));
    let error = answers[1].clone().unwrap_err();
    assert_eq!((error.op, error.errno, error.is_absent()), ("add", libc::EINVAL, false));
    assert!(error.to_string().starts_with("add 192.0.2.5/33 on v0: EINVAL (Invalid argument)"), "{error}");
    assert!(answers[2].clone().unwrap_err().is_absent());
    assert!(found(&mut route, "192.0.2.6").is_some(), "a refusal stops nothing");
}

#[test]
fn the_kernels_words_arrive() {
    let Some(mut route) = pair() else { return };
    // A refusal that has had words since Linux 5.0.
    let kind = LinkInfo::Kind(InfoKind::Other("nonsense".into()));
    let error = route.create("make", "v9", vec![kind]).unwrap_err();
    assert_eq!(error.to_string(), "make v9: EOPNOTSUPP (Operation not supported): Unknown device type");
    let error = route.create_veth("v0", "v9").unwrap_err();
    assert_eq!((error.errno, error.target.as_str()), (libc::EEXIST, "v0"));
}

#[test]
fn five_hundred_addresses_go_in_batches_and_all_are_listed() {
    let Some(mut route) = pair() else { return };
    let first = place(&mut route, "v0", "10.1.0.0", 32);
    let places: Vec<Place> = (0..500_u16)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            Place { address: IpAddr::from([10, 1, high, low]), ..first.clone() }
        })
        .collect();
    let changes: Vec<Change> = places.iter().map(|place| add(place, MINUTE)).collect();
    assert!(route.apply(&changes).iter().all(Result::is_ok));
    let listed: BTreeSet<IpAddr> = route.addresses().unwrap().into_iter().map(|it| it.address).collect();
    assert!(places.iter().all(|place| listed.contains(&place.address)));
    let seen = ip(&["-4", "-o", "address", "show", "dev", "v0"]);
    assert_eq!(seen.lines().count(), 500);
    let changes: Vec<Change> = places.into_iter().map(remove).collect();
    assert!(route.apply(&changes).iter().all(Result::is_ok));
    assert_eq!(ip(&["-4", "-o", "address", "show", "dev", "v0"]), "");
}

#[test]
fn links_are_made_joined_renamed_and_deleted() {
    let Some(mut route) = pair() else { return };
    let monitor = Monitor::open().unwrap();
    route.create_bridge("br0").unwrap();
    route.set_master("v1", "br0").unwrap();
    route.set_up("br0").unwrap();
    assert!(ip(&["link", "show", "master", "br0"]).contains("v1"));
    assert!(ip(&["-d", "link", "show", "br0"]).contains("mcast_snooping 0"));

    let by_name = |route: &mut Route, name: &str| {
        route.links().unwrap().into_iter().find(|link| link.name.as_str() == name)
    };
    assert!(carrier_becomes(&mut route, &monitor, "v0", true));
    let v0 = by_name(&mut route, "v0").unwrap();
    assert!(ip(&["link", "show", "v0"]).contains(&v0.mac.unwrap().to_string()));
    assert_eq!(by_name(&mut route, "lo").unwrap().mac, None, "loopback isn't Ethernet");
    route.set_down("v0").unwrap();
    assert!(!by_name(&mut route, "v0").unwrap().up);
    assert!(carrier_becomes(&mut route, &monitor, "v1", false), "no carrier: its other end is down");
    route.rename("v0", "eth0").unwrap();
    assert_eq!(by_name(&mut route, "v0"), None);
    assert_eq!(by_name(&mut route, "eth0").unwrap().index, v0.index);

    route.add_address("eth0", "192.0.2.1".parse().unwrap(), 24).unwrap();
    let it = found(&mut route, "192.0.2.1").unwrap();
    assert_eq!((it.valid, it.origin), (None, None), "as an administrator's");
    route.delete_link("eth0").unwrap();
    assert_eq!(route.link_index("v1").unwrap_err().errno, libc::ENODEV, "a veth goes with its peer");
    assert_eq!(route.set_up("eth0").unwrap_err().to_string(), "find eth0: ENODEV (No such device)");
}

#[test]
fn a_link_moves_to_another_namespace() {
    let Some(mut route) = pair() else { return };
    // The process as a whole is in the machine's own namespace, so only a thread's id names another one.
    let (send, receive) = std::sync::mpsc::channel();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let elsewhere = std::thread::spawn(move || {
        let _keep = namespace();
        send.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        wait.recv().unwrap();
        Route::open().unwrap().link_index("v1").is_ok()
    });
    let thread = u32::try_from(receive.recv().unwrap()).unwrap();
    let moved = route.move_to_namespace("v1", thread);
    done.send(()).unwrap();
    assert!(elsewhere.join().unwrap(), "{moved:?}");
    assert_eq!(moved, Ok(()));
    assert_eq!(route.link_index("v1").unwrap_err().errno, libc::ENODEV);
}

/// A namespace with loopback alone, up: the kernel tells no news of it later, as it does of a link that gets its carrier
/// (`linkwatch_event`) or its IPv6 address (DAD).
fn quiet() -> Option<Route> {
    if namespace().is_none() {
        eprintln!("skipped: this test needs root, to make a network namespace");
        return None;
    }
    let mut route = Route::open().unwrap();
    route.set_up("lo").unwrap();
    Some(route)
}

#[test]
fn the_monitor_tells_that_something_changed() {
    let Some(mut route) = quiet() else { return };
    let monitor = Monitor::open().unwrap();
    assert_eq!(monitor.drain().unwrap(), Changed::Nothing);
    route.add_address("lo", "192.0.2.1".parse().unwrap(), 24).unwrap();
    assert!(readable_within(&monitor, LONG));
    assert_eq!(monitor.drain().unwrap(), Changed::Something);
    assert_eq!(monitor.drain().unwrap(), Changed::Nothing);
    route.create_veth("v0", "v1").unwrap();
    assert_eq!(monitor.drain().unwrap(), Changed::Something);
    for name in ["v0", "v1"] {
        route.set_up(name).unwrap();
    }
    assert!(carrier_becomes(&mut route, &monitor, "v0", true));
    route.set_down("v1").unwrap();
    assert!(carrier_becomes(&mut route, &monitor, "v0", false), "the carrier of v0 is gone");
}

#[test]
fn a_monitor_that_nobody_reads_says_that_it_lost_something() {
    let Some(mut route) = quiet() else { return };
    let monitor = Monitor::open().unwrap();
    let place = place(&mut route, "lo", "192.0.2.5", 32);
    let changes = [add(&place, MINUTE), remove(place)];
    // The kernel counts about a kilobyte for each of two events; the buffer has to be full long before this bound.
    for _ in 0..20 {
        let batch: Vec<Change> = std::iter::repeat_n(&changes, 200).flatten().cloned().collect();
        assert!(route.apply(&batch).iter().all(Result::is_ok));
    }
    assert_eq!(monitor.drain().unwrap(), Changed::Lost);
    assert_eq!(monitor.drain().unwrap(), Changed::Nothing, "and is as good as new");
}
