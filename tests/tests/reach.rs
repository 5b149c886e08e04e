//! Where adverts go and how far, and how fast announcements follow one another: what an administrator may set, on real hosts.

use std::net::IpAddr;
use std::time::Duration;

use handover_tests::node::{HOOK, LIMIT, Node, eventually, start_lab};
use lab::{Frame, Packet};
use model::Instant;

/// How many addresses are announced with a distance.
const ADDRESSES: u8 = 40;
/// How often each is, when they are in place.
const ROUND: usize = 5;

/// An instance with VRID 5 that is quick enough for a test.
fn instance(priority: u8, addresses: &str, more: &str) -> String {
    format!(
        "vrrp_instance vip {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int 0.3
  virtual_ipaddress {{ {addresses} }}
  notify {HOOK}
  {more}
}}
"
    )
}

/// Whether a frame is an advert from that host.
fn is_advert(frame: &Frame, host: &str) -> bool {
    frame.host == host && matches!(frame.packet, Packet::Vrrp { .. })
}

/// Where an advert goes and with which TTL; `None` for other frames.
fn reach(frame: &Frame) -> Option<(IpAddr, u8)> {
    match &frame.packet {
        Packet::Vrrp { destination, ttl, .. } => Some((*destination, *ttl)),
        Packet::Arp { .. } | Packet::NeighbourAdvertisement { .. } => None,
    }
}

/// Whether a frame tells everybody where an address lives. (An ordinary ARP question is for somebody else.)
fn is_announcement(frame: &Frame) -> bool {
    match &frame.packet {
        Packet::Arp { sender, target, .. } => sender == target,
        Packet::NeighbourAdvertisement { source, target } => source == target,
        Packet::Vrrp { .. } => false,
    }
}

/// How many valid adverts a node has heard.
fn heard(node: &Node) -> u64 {
    node.at("/instances/0/adverts_received").parse().unwrap_or_default()
}

/// `vrrp_mcast_group4`, `vrrp_mcast_group6`, `mcast_dst_ip`: who shares a group elects one master, and who doesn't hears
/// nothing of it (V3-RX-10).
#[test]
fn groups_of_ones_own_are_networks_of_their_own() {
    for (defaults, own, address, group, other) in [
        ("vrrp_mcast_group4 224.0.0.77", "", "192.168.1.100/24", "224.0.0.77", "224.0.0.18"),
        (
            "vrrp_mcast_group4 224.0.0.77",
            "mcast_dst_ip 224.0.0.78",
            "192.168.1.100/24",
            "224.0.0.78",
            "224.0.0.77",
        ),
        ("vrrp_mcast_group6 ff02::77", "", "fe80::100/64", "ff02::77", "ff02::12"),
    ] {
        let lab = start_lab();
        let wire = lab.capture().expect("capture");
        let config = |priority| format!("global_defs {{ {defaults} }}\n{}", instance(priority, address, own));
        let stranger = instance(50, &address.replace("100", "200"), &format!("mcast_dst_ip {other}"));
        let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150));
        let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(100));
        let c = Node::new(&lab, "c", &["192.168.1.13/24"], &stranger);
        let nodes = [&a, &b, &c];
        nodes.iter().for_each(|node| node.start());
        eventually(&lab, &nodes, "a is MASTER", || a.state() == "MASTER");
        eventually(&lab, &nodes, "c is MASTER of its own", || c.state() == "MASTER");
        eventually(&lab, &nodes, "b hears a", || {
            a.state() == "MASTER" && b.state() == "BACKUP" && heard(&b) > 3
        });
        assert_eq!(heard(&c), 0, "{}", c.story());
        let advert = wire.wait_for(LIMIT, |frame| is_advert(frame, "a"));
        assert_eq!(advert.as_ref().and_then(reach), Some((group.parse().expect("a group"), 255)));
        nodes.iter().for_each(|node| node.stop());
    }
}

/// `unicast_ttl`: what a peer sees, and what it may insist on with `min_ttl` and `max_ttl` (V3-RX-1).
#[test]
fn adverts_to_peers_go_as_far_as_they_may() {
    for (addresses, vip) in
        [(["192.168.1.11", "192.168.1.12"], "192.168.1.100/24"), (["fd00::11", "fd00::12"], "fe80::100/64")]
    {
        let lab = start_lab();
        let wire = lab.capture().expect("capture");
        let config = |priority, [own, peer]: [&str; 2], ttl: u8| {
            let reach = format!(
                "unicast_src_ip {own}\n unicast_ttl {ttl}\n unicast_peer {{\n {peer} min_ttl 63 max_ttl 64\n }}"
            );
            instance(priority, vip, &reach)
        };
        let [own, peer] = addresses;
        let host = |address: &str| format!("{address}/{}", if address.contains(':') { 64 } else { 24 });
        let a = Node::new(&lab, "a", &[&host(own)], &config(150, [own, peer], 64));
        let b = Node::new(&lab, "b", &[&host(peer)], &config(100, [peer, own], 64));
        a.start();
        b.start();
        eventually(&lab, &[&a, &b], "a is MASTER and b hears it", || {
            a.state() == "MASTER" && b.state() == "BACKUP" && heard(&b) > 3
        });
        let advert = wire.wait_for(LIMIT, |frame| is_advert(frame, "a"));
        assert_eq!(advert.as_ref().and_then(reach), Some((peer.parse().expect("an address"), 64)));
        a.stop();
        b.stop();
    }
}

/// `vrrp_garp_interval`, `vrrp_gna_interval`: announcements keep their distance, and adverts go on meanwhile (V3-FSM-4).
#[test]
fn announcements_keep_their_distance_and_delay_no_advert() {
    let distance = Duration::from_millis(20);
    let defaults = "global_defs {\n vrrp_garp_interval 0.02\n vrrp_gna_interval 0.02\n}\n";
    let last_octets = 100..100 + ADDRESSES;
    let v4: String = last_octets.clone().map(|octet| format!("192.168.1.{octet}/24\n")).collect();
    let v6: String = last_octets.map(|octet| format!("fe80::{octet}/64\n")).collect();
    for addresses in [v4, v6] {
        let lab = start_lab();
        let wire = lab.capture().expect("capture");
        let a = Node::new(
            &lab,
            "a",
            &["192.168.1.11/24"],
            &format!("{defaults}{}", instance(150, &addresses, "")),
        );
        let b = Node::new(
            &lab,
            "b",
            &["192.168.1.12/24"],
            &format!("{defaults}{}", instance(100, &addresses, "")),
        );
        a.start();
        b.start();
        let (mut announced, mut adverts): (Vec<Instant>, usize) = (Vec::new(), 0);
        while announced.len() < ROUND * usize::from(ADDRESSES) {
            let next = wire.wait_for(LIMIT, |frame| {
                frame.host == "a" && (is_advert(frame, "a") || is_announcement(frame))
            });
            let frame =
                next.unwrap_or_else(|| panic!("{} announcements only\n{}", announced.len(), a.story()));
            if is_announcement(&frame) {
                announced.push(frame.at);
            } else if !announced.is_empty() {
                adverts += 1;
            }
        }
        let (first, last) = (announced.first().expect("some"), announced.last().expect("some"));
        let took = last.since(*first);
        // The capture is as late as the machine is busy, so single gaps prove nothing; all of them together do.
        let least = distance * u32::try_from(announced.len() - 1).expect("few");
        assert!(took >= least * 9 / 10, "{} announcements within {took:?}", announced.len());
        assert!(adverts >= 3, "{adverts} adverts during {took:?}");
        eventually(&lab, &[&a, &b], "b hears a", || heard(&b) > 3);
        assert_eq!((a.state(), b.state()), ("MASTER".to_owned(), "BACKUP".to_owned()), "{}", b.story());
        assert!(b.hooks().iter().all(|line| !line.contains("MASTER")), "{}", b.story());
        a.stop();
        b.stop();
    }
}

/// A1: a node whose unicast source is on none of its interfaces hears nobody. It must not take silence for an answer, when it
/// starts like that and when the address goes later; an address on `lo` is as good as any.
#[test]
fn a_unicast_source_that_is_not_there_makes_no_second_master() {
    let lab = start_lab();
    let config = |own: &str, peer: &str, priority| {
        let unicast = format!("unicast_src_ip {own}\n  unicast_peer {{ {peer} }}");
        instance(priority, "192.168.1.100/24", &unicast)
    };
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config("192.168.1.11", "192.168.1.99", 100));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config("192.168.1.99", "192.168.1.11", 150));
    let change = |verb: &str, link: &str| {
        let _ = b.sh(&format!("ip addr {verb} 192.168.1.99/32 dev {link}"));
    };
    let becomes = |what: &str, states: [&str; 2]| {
        eventually(&lab, &[&a, &b], what, || [a.state(), b.state()] == states);
    };
    a.start();
    b.start();
    becomes("b has no source", ["MASTER", "FAULT"]);
    assert_eq!(b.at("/instances/0/reasons/0/code"), "source-gone", "{}", b.story());
    // Its priority is the higher one: with its source it hears the other and takes over.
    change("add", "lo");
    becomes("b's source is on lo", ["BACKUP", "MASTER"]);
    change("del", "lo");
    becomes("b's source went", ["MASTER", "FAULT"]);
    change("add", "eth0");
    becomes("b's source is on eth0", ["BACKUP", "MASTER"]);
    a.stop();
    b.stop();
}
