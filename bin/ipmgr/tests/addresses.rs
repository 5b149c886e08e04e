//! Everything that an instance may hold, in the kernel: what follows an address, excluded addresses, what can't be added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stderr, reason = "a test may say why it was skipped and why it failed")]
#![allow(dead_code, reason = "not every file of tests needs all of the harness")]

mod harness;

use harness::{Core, Host, VIP, eventually};
use ipc::core_ipmgr::{Order, Report};
use sys::netlink::{HostAddress, Shape};

/// `api_vip` with this block beside the others.
fn with(host: &Host, block: &str) -> u64 {
    host.configure(|text| text.replacen("advert_int 30\n", &format!("advert_int 30\n{block}\n"), 1))
}

fn shape(host: &mut Host, address: &str) -> Shape {
    host.found(address).unwrap_or_else(|| panic!("{address} is not there")).shape
}

/// The next answer to an order: what failed, and whether everything did.
fn answer(core: &mut Core) -> (u64, Vec<String>, bool) {
    core.find(|(report, _)| match report {
        Report::Installed { order, failures, nothing, .. } => Some((order, failures, nothing)),
        _ => None,
    })
}

/// More than fit two messages to the kernel.
const MANY: u32 = 400;

const RICH: &str = "virtual_ipaddress_excluded {
    198.51.100.5/24 brd + label eth0:vip scope link noprefixroute
    198.51.100.9 peer 203.0.113.9
    2001:db8:1::5/64 mngtmpaddr
    2001:db8:1::6
}";

/// D4: an IPv6 address works at once.
#[test]
fn what_follows_an_address_is_in_the_kernel() {
    let Some(mut host) = Host::new() else { return };
    let fingerprint = with(&host, RICH);
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let rich = shape(&mut host, "198.51.100.5");
    assert_eq!(rich.broadcast, Some("198.51.100.255".parse().unwrap()));
    assert_eq!((rich.label.as_deref(), rich.scope, rich.no_prefix_route), (Some("eth0:vip"), 253, true));
    assert_eq!(shape(&mut host, "198.51.100.9").peer, Some("203.0.113.9".parse().unwrap()));
    assert!(shape(&mut host, "2001:db8:1::5").makes_temporary);
    assert!(!host.found("2001:db8:1::5").unwrap().tentative);
    core.withdraw("api_vip", 2);
    for address in ["198.51.100.5", "198.51.100.9", "2001:db8:1::5", "2001:db8:1::6", VIP] {
        assert_eq!(host.found(address), None);
    }
}

/// Nothing of it is what the kernel would change in an address that is there.
#[test]
fn another_prefix_or_label_of_the_same_address_takes_its_place() {
    let Some(mut host) = Host::new() else { return };
    let fingerprint = with(&host, RICH);
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    assert_eq!(core.install("api_vip", 1), [""; 0]);
    let others = RICH
        .replace("::5/64 mngtmpaddr", "::5/80")
        .replace("eth0:vip", "eth0:1")
        .replace(".9 peer", ".9/30 peer");
    with(&host, &others);
    core.adopt();
    let prefix = |found: Option<HostAddress>| found.map(|it| it.prefix);
    eventually("everything is as the file has it now", || {
        core.beat();
        prefix(host.found("2001:db8:1::5")) == Some(80)
            && prefix(host.found("198.51.100.9")) == Some(30)
            && host.found("198.51.100.5").is_some_and(|it| it.shape.label.as_deref() == Some("eth0:1"))
    });
    assert!(!host.found("2001:db8:1::5").unwrap().tentative);
    let count = host.route.addresses().unwrap().iter().filter(|it| it.origin == Some(18)).count();
    assert_eq!(count, 5, "and none is there twice");
}

/// One object that the kernel refuses keeps nobody else from working, and what is told of it follows what is so.
#[test]
fn what_cannot_be_added_is_named_and_the_rest_works() {
    let Some(mut host) = Host::new() else { return };
    let block = "virtual_ipaddress_excluded {\n 198.51.100.7/24 dev eth9\n 198.51.100.8/24\n}";
    let fingerprint = with(&host, block);
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    core.say(&Order::Install { instance: harness::instance("api_vip"), order: 1 });
    let missing = "add 198.51.100.7/24 on eth9: there is no such interface";
    assert_eq!(answer(&mut core), (1, vec![missing.to_owned()], false));
    assert!(host.found(VIP).is_some() && host.found("198.51.100.8").is_some());
    host.route.create_veth("eth9", "switch9").unwrap();
    assert_eq!(answer(&mut core), (1, vec![], false), "told without being asked");
    assert!(host.found("198.51.100.7").is_some());
    host.route.delete_link("eth9").unwrap();
    assert_eq!(answer(&mut core), (1, vec![missing.to_owned()], false));
}

/// The kernel lets two interfaces have one address; whose it was before keeps it, and it is told for as long as it is so.
#[test]
fn an_address_that_is_on_another_interface_is_left_there() {
    let Some(mut host) = Host::started() else { return };
    host.route.create_veth("eth7", "switch7").unwrap();
    host.route.add_address("eth7", VIP.parse().unwrap(), 32).unwrap();
    let (mut core, _) = host.core();
    let told = core.install("api_vip", 1);
    assert!(told.len() == 1 && told[0].starts_with(&format!("{VIP} is on eth7 as well")), "{told:?}");
    assert_eq!(core.install("elsewhere", 2).len(), 1, "others are told of their own alone");
    core.withdraw("api_vip", 3);
    let left = host.found(VIP).expect("the administrator's");
    assert_eq!((left.link, left.valid), (host.route.link_index("eth7").unwrap(), None));
    core.say(&Order::Install { instance: harness::instance("api_vip"), order: 4 });
    let (order, told, nothing) = answer(&mut core);
    assert!(order == 4 && told.len() == 1 && !nothing, "{told:?}");
    host.route.delete_link("eth7").unwrap();
    assert_eq!(answer(&mut core), (4, vec![], false));
}

/// V3-FSM-15: vrrp-core may announce what is in place, and nothing else. It hears of each address once, of the first ones
/// before the last are added.
#[test]
fn what_is_in_place_of_many_is_told_before_all_of_it_is() {
    let Some(mut host) = Host::new() else { return };
    let many: String =
        (0..MANY).map(|number| format!("10.9.{}.{}/32\n", number / 256, number % 256)).collect();
    let block = format!("virtual_ipaddress_excluded {{\n10.8.0.1/32 dev nowhere\n{many}}}");
    let fingerprint = with(&host, &block);
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    core.say(&Order::Install { instance: harness::instance("api_vip"), order: 5 });
    let (mut told, mut parts) = (Vec::new(), 0);
    let (failures, rest) = core.find(|(report, _)| match report {
        Report::Placed { instance, order, places } => {
            assert_eq!((instance.as_str(), order), ("api_vip", 5));
            told.extend(places);
            parts += 1;
            None
        }
        Report::Installed { order: 5, failures, nothing: false, places, .. } => Some((failures, places)),
        _ => None,
    });
    assert!((2..=4).contains(&parts), "a batch each: {parts}");
    assert!(!rest.is_empty(), "the last ones come with the answer");
    told.extend(rest);
    told.sort_unstable();
    // The advertised one is the first, and the one that has nowhere to go the second.
    let expected: Vec<u32> = (0..MANY + 2).filter(|number| *number != 1).collect();
    assert_eq!(told, expected);
    assert_eq!(failures.len(), 1, "{failures:?}");
    let held = host.route.addresses().unwrap();
    assert_eq!(held.iter().filter(|it| it.prefix == 32 && it.address.is_ipv4()).count(), expected.len());
}

/// Somebody better has come while thousands of addresses are being added: the rest isn't added after all.
#[test]
fn an_instance_that_is_given_up_meanwhile_gets_no_more_addresses() {
    const VERY_MANY: u32 = 3000;
    /// How often a vrrp-core may be too slow to say so in time.
    const ATTEMPTS: u64 = 20;
    let Some(mut host) = Host::new() else { return };
    let many: String =
        (0..VERY_MANY).map(|number| format!("10.9.{}.{}/32\n", number / 256, number % 256)).collect();
    let fingerprint = with(&host, &format!("virtual_ipaddress_excluded {{\n{many}}}"));
    host.start();
    let (mut core, _) = host.core_that_runs(fingerprint);
    for attempt in 1..=ATTEMPTS {
        let (install, withdraw) = (2 * attempt, 2 * attempt + 1);
        core.say(&Order::Install { instance: harness::instance("api_vip"), order: install });
        core.find(|(report, _)| {
            matches!(report, Report::Placed { order, .. } if order == install).then_some(())
        });
        core.say(&Order::Withdraw { instance: harness::instance("api_vip"), order: withdraw });
        let failures = core.find(|(report, _)| match report {
            Report::Installed { order, failures, .. } if order == install => Some(failures),
            _ => None,
        });
        core.find(|(report, _)| match report {
            Report::Withdrawn { order, .. } if order == Some(withdraw) => Some(()),
            _ => None,
        });
        let held = host.route.addresses().unwrap();
        assert!(!held.iter().any(|it| it.address.to_string().starts_with("10.9.")), "some have stayed");
        if failures == ["a later order withdrew the addresses"] {
            return;
        }
    }
    panic!("all addresses were added each time before anybody listened");
}
