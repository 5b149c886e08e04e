//! Where adverts go and how far, and how fast announcements follow one another: what an administrator may set, on real hosts.

use std::net::IpAddr;

use handover_tests::node::{LIMIT, Node, eventually, start_lab};
use lab::{Frame, Packet};

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
