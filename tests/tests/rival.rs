//! Silent split brain (pains A1, A3; X-4): what VRRP can't see because adverts don't arrive, ARP and neighbour advertisements
//! show. Whoever holds an address hears others claim it, says so, and tells the neighbours again where it lives.

use std::net::IpAddr;

use handover_tests::node::{HOOK, LIMIT, Node, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Capture, Frame, Lab, Packet};
use serde_json::Value;

const VIP4: &str = "192.168.1.100";
const VIP6: &str = "2001:db8::100";
/// A hardware address that no host of a lab has.
const CLAIMANT: &str = "52:54:00:00:00:66";
/// Announcements of one address when a master has its addresses, and again 5 s later.
const ROUND: usize = 5;

/// A router that is master soon.
fn config(version: u8, vrid: u8, addresses: &str) -> String {
    let interval = if version == 2 { "1" } else { "0.3" };
    format!(
        "vrrp_instance vip {{
  version {version}
  interface eth0
  virtual_router_id {vrid}
  priority 250
  advert_int {interval}
  virtual_ipaddress {{ {addresses} }}
}}
"
    )
}

/// How often `node` has counted a rival of that address.
fn rivals(node: &Node, address: &str) -> u64 {
    let status = node.status().unwrap_or_default();
    let remarks =
        status.pointer("/instances/0/remarks").and_then(Value::as_array).cloned().unwrap_or_default();
    let rival = remarks.iter().filter(|it| it["reason"] == "rival" && it["last_from"] == address);
    rival.filter_map(|it| it["count"].as_u64()).sum()
}

/// Whether a frame is `host` telling everybody where that address lives. (An ordinary ARP question is for somebody else.)
fn announces(frame: &Frame, host: &str, address: &str) -> bool {
    let address: IpAddr = address.parse().expect("an address");
    frame.host == host
        && match &frame.packet {
            Packet::Arp { sender, target, .. } => sender == target && IpAddr::from(*sender) == address,
            Packet::NeighbourAdvertisement { source, target } => {
                source == target && IpAddr::from(*target) == address
            }
            Packet::Vrrp { .. } => false,
        }
}

/// Starts `node` and waits until it is master and has nothing more to announce by itself.
fn settle_as_master(lab: &Lab, node: &Node, address: &str, wire: &Capture) {
    node.start();
    eventually(lab, &[node], "it is MASTER", || node.state() == "MASTER" && node.holds(address));
    for count in 0..2 * ROUND {
        let announced = wire.wait_for(LIMIT, |frame| announces(frame, node.host().name(), address));
        assert!(announced.is_some(), "it has announced {count} times only\n{}", node.story());
    }
}

/// Two routers that are deaf to each other become master both; whoever was first finds out from the other's announcements.
fn find_each_other(a_config: &str, b_config: &str, address: &str) {
    let lab = start_lab();
    let wire = lab.capture().expect("capture");
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], a_config);
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], b_config);
    settle_as_master(&lab, &a, address, &wire);
    assert_eq!(rivals(&a, address), 0, "{}", a.story());

    b.start();
    let theirs = wire.wait_for(LIMIT, |frame| announces(frame, "b", address));
    assert!(theirs.is_some(), "{}", b.story());
    let again = wire.wait_for(LIMIT, |frame| announces(frame, "a", address));
    assert!(again.is_some(), "a leaves the neighbours to b\n{}", a.story());
    eventually(&lab, &[&a, &b], "a sees its rival", || rivals(&a, address) > 0);
    eventually(&lab, &[&a, &b], "b sees its rival", || rivals(&b, address) > 0);
    // It is for a person to end: by VRRP's rules both are right.
    assert_eq!((a.state(), b.state()), ("MASTER".to_owned(), "MASTER".to_owned()));
    assert_eq!(a.at("/instances/0/adverts_received"), "0", "{}", a.story());
    assert!(a.story().contains("two masters, or a neighbour answers for it"), "{}", a.story());
    let shown =
        a.host().run([&on_host("handover"), "status", "--runtime-dir", "/run/handover"]).expect("status");
    assert!(shown.stdout.contains("remarked on: rival"), "{}", shown.stdout);
    assert!(shown.stdout.contains(" 0 heard in "), "{}", shown.stdout);
}

#[test]
fn two_masters_of_different_versions_find_each_other_by_arp() {
    find_each_other(&config(3, 5, VIP4), &config(2, 5, VIP4), VIP4);
}

#[test]
fn two_masters_of_different_vrids_find_each_other_by_neighbour_advertisements() {
    let addresses = format!("fe80::100/64\n    {VIP6}/64");
    find_each_other(&config(3, 5, &addresses), &config(3, 6, &addresses), VIP6);
}

/// Somebody configured the address by hand, or has bad intentions: no VRRP at all.
#[test]
fn a_host_that_takes_the_address_is_named_and_bounded() {
    let lab = start_lab();
    let wire = lab.capture().expect("capture");
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(3, 5, VIP4));
    let mallory = lab.add_host("mallory", &["192.168.1.66/24", "192.168.1.100/24"]).expect("host");
    settle_as_master(&lab, &a, VIP4, &wire);

    let poke = on_host("poke");
    let claim = |address: &str, mac: &str, times: &str| {
        let output = mallory.run([&poke, "claim", "eth0", address, mac, times]).expect("poke");
        assert!(output.success(), "{}", output.stderr);
    };
    // Other addresses than ours are nobody's business here, and what we said ourselves may come back by a loop.
    let own = a.sh("ip -o link show dev eth0");
    let own =
        own.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).expect("a hardware address");
    claim("192.168.1.101", CLAIMANT, "100");
    claim(VIP4, own, "10000");
    claim(VIP4, CLAIMANT, "1000");
    // How many of a burst there was room for is the kernel's; the first of ours is seen.
    eventually(&lab, &[&a], "the rival is counted", || rivals(&a, VIP4) > 0);
    assert!(rivals(&a, VIP4) <= 1000, "{}", a.story());
    assert!(a.story().contains(&format!("{VIP4} is claimed by {CLAIMANT}")), "{}", a.story());
    assert_eq!(a.state(), "MASTER");

    // A round now and one when it has been quiet; then nothing, however many claims there were.
    for count in 0..2 * ROUND {
        let announced = wire.wait_for(LIMIT, |frame| announces(frame, "a", VIP4));
        assert!(announced.is_some(), "it has announced {count} times only\n{}", a.story());
    }
    let adverts = |frame: &Frame| frame.host == "a" && matches!(frame.packet, Packet::Vrrp { .. });
    for _ in 0..10 {
        let next = wire.wait_for(LIMIT, |frame| adverts(frame) || announces(frame, "a", VIP4));
        assert!(next.is_some_and(|frame| adverts(&frame)), "{}", a.story());
    }
}

/// Threat model: claims as fast as a host can make them. No advert is late enough for the backup to notice.
#[test]
fn a_flood_of_claims_silences_nobody() {
    const CLAIMS: u64 = 300_000;
    let lab = start_lab();
    let with_hook = |priority: u8| {
        let text = config(3, 5, VIP4).replace("priority 250", &format!("priority {priority}"));
        text.replace("advert_int", &format!("notify {HOOK}\n  advert_int"))
    };
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &with_hook(150));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &with_hook(100));
    let mallory = lab.add_host("mallory", &["192.168.1.66/24"]).expect("host");
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || a.state() == "MASTER" && a.holds(VIP4));
    b.start();
    eventually(&lab, &[&a, &b], "b is BACKUP", || b.state() == "BACKUP");

    let flood = [&on_host("poke"), "claim", "eth0", VIP4, CLAIMANT, &CLAIMS.to_string()];
    let output = mallory.run(flood).expect("poke");
    assert!(output.success(), "{}", output.stderr);
    let adverts = || a.at("/instances/0/adverts_sent").parse().unwrap_or(0_u64);
    let before = adverts();
    eventually(&lab, &[&a, &b], "a goes on", || adverts() > before + 3);
    println!("{} of {CLAIMS} claims were looked at", rivals(&a, VIP4));
    assert!(rivals(&a, VIP4) > 0, "no flood at all\n{}", a.story());
    assert_eq!((a.state(), b.state()), ("MASTER".to_owned(), "BACKUP".to_owned()));
    assert!(b.hooks().iter().all(|told| !told.contains("MASTER")), "{}{}", a.story(), b.story());
    assert_eq!(rivals(&b, VIP4), 0, "a backup has no rival\n{}", b.story());
    // One at once, and one for all that were held back.
    let told = a.story().matches("is claimed by").count();
    assert!((1..=3).contains(&told), "{told} lines\n{}", a.story());
}
