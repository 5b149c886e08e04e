//! `use_vmac`: the addresses and the adverts come from the virtual router's own hardware address (V3-PKT-7), which moves with
//! them, so that a client that never asks again is served all the same (D7).

use handover_tests::keepalived::{self, Keepalived};
use handover_tests::node::{LIMIT, Node, RUNTIME_DIR, VIP, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::{Host, Lab, Packet};

const MAC: &str = "00:00:5e:00:01:05";
const MAC6: &str = "00:00:5e:00:02:05";
const VIP6: &str = "2001:db8::100";

fn config(priority: u8, word: &str) -> String {
    format!(
        "vrrp_instance four {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int 0.3
  {word}
  virtual_ipaddress {{ {VIP}/32 }}
}}
"
    )
}

fn both_families(priority: u8) -> String {
    let six = config(priority, "use_vmac")
        .replace("four", "six")
        .replace(&format!("{VIP}/32"), &format!("fe80::100\n{VIP6}/64"));
    format!("{}{six}", config(priority, "use_vmac"))
}

/// What `ip link` says of it; empty if there is none.
fn link(node: &Node, name: &str) -> String {
    node.sh(&format!("ip -d link show dev {name} 2>/dev/null"))
}

fn is_on(node: &Node, name: &str) -> bool {
    link(node, name).contains(",UP")
}

fn is_master(node: &Node, at: usize) -> bool {
    node.at(&format!("/instances/{at}/state")) == "MASTER"
}

/// A client that knows the addresses by their virtual MACs, for ever.
fn client(lab: &Lab) -> Host {
    client_of(lab, &[(VIP, MAC), (VIP6, MAC6)])
}

fn client_of(lab: &Lab, knows: &[(&str, &str)]) -> Host {
    let client = lab.add_host("client", &["192.168.1.9/24", "2001:db8::9/64"]).expect("a client");
    for (address, mac) in knows {
        let known = ["ip", "neighbour", "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent"];
        assert!(client.run(known).expect("ip").success(), "{address}");
    }
    client
}

fn is_served(client: &Host, address: &str) -> bool {
    client.run(["ping", "-c", "1", "-W", "1", address]).is_ok_and(|ping| ping.success())
}

#[test]
fn the_address_moves_with_its_hardware_address() {
    let lab = start_lab();
    let capture = lab.capture().expect("capture");
    let client = client(&lab);
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &both_families(150));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &both_families(100));
    a.start();
    b.start();
    let on_a = || (0..2).all(|at| is_master(&a, at)) && a.holds(VIP) && a.holds(VIP6);
    eventually(&lab, &[&a, &b], "a is MASTER of both", on_a);
    eventually(&lab, &[&a, &b], "the client is served by a", || {
        is_served(&client, VIP) && is_served(&client, VIP6)
    });
    for (name, mac) in [("vrrp.5", MAC), ("vrrp6.5", MAC6)] {
        assert!(link(&a, name).contains(mac) && is_on(&a, name), "{}", link(&a, name));
        // Not a frame from there may leave a backup.
        assert!(link(&b, name).contains(mac) && !is_on(&b, name), "{}", link(&b, name));
    }
    assert!(a.sh("ip address show dev vrrp.5").contains(VIP), "{}", a.story());
    assert!(!a.sh("ip -6 address").contains("tentative"), "{}", a.sh("ip -6 address"));

    // A base that somebody lets answer would draw the addresses to its own hardware address.
    let arp_ignore = "/proc/sys/net/ipv4/conf/eth0/arp_ignore";
    assert_eq!(a.sh(&format!("cat {arp_ignore}; echo 0 > {arp_ignore} 2>&1")).trim(), "1");
    eventually(&lab, &[&a], "eth0 leaves the answers to vrrp.5 again", || {
        a.sh(&format!("cat {arp_ignore}")).trim() == "1"
    });

    // E3: who is killed and comes back goes on.
    for program in ["vrrp-core", "ipmgr"] {
        let before = a.pids(program);
        a.kill(program);
        eventually(&lab, &[&a, &b], &format!("{program} is back"), || {
            let now = a.pids(program);
            now.len() == 1 && now != before && on_a()
        });
        assert!(
            is_on(&a, "vrrp.5") && !is_on(&b, "vrrp.5"),
            "after the kill of {program}: {}{}",
            a.story(),
            b.story()
        );
    }

    a.stop();
    let on_b = || (0..2).all(|at| is_master(&b, at)) && b.holds(VIP) && b.holds(VIP6);
    eventually(&lab, &[&b], "b takes over", on_b);
    eventually(&lab, &[&b], "the client, which asks nobody, is served by b", || {
        is_served(&client, VIP) && is_served(&client, VIP6)
    });
    assert_eq!(link(&a, "vrrp.5") + &link(&a, "vrrp6.5"), "", "left behind");
    assert_eq!(a.sh("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore").trim(), "0", "its base answers as before");

    // V3-PKT-7: all that either said as a router came from there.
    let is_advert = |frame: &lab::Frame| matches!(frame.packet, Packet::Vrrp { .. });
    let adverts: Vec<_> = capture.take().into_iter().filter(is_advert).collect();
    assert!(!adverts.is_empty());
    for advert in adverts {
        assert!([MAC, MAC6].contains(&advert.source_mac.to_string().as_str()), "{advert:?}");
    }
}

/// A1, D7: both have the same hardware address, and hear each other all the same.
#[test]
fn two_masters_with_one_hardware_address_become_one() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150, "use_vmac"));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(100, "use_vmac"));
    a.start();
    b.start();
    eventually(&lab, &[&a, &b], "a is MASTER", || is_master(&a, 0) && a.holds(VIP) && b.state() == "BACKUP");
    b.host().disconnect("eth0").expect("cut the cable");
    eventually(&lab, &[&a, &b], "b is MASTER too", || is_master(&b, 0) && b.holds(VIP));
    assert!(is_on(&a, "vrrp.5") && is_on(&b, "vrrp.5"));
    b.host().connect("eth0").expect("mend the cable");
    eventually(&lab, &[&a, &b], "b has heard a", || {
        b.state() == "BACKUP" && !b.holds(VIP) && !is_on(&b, "vrrp.5")
    });
    assert!(is_master(&a, 0) && a.holds(VIP), "{}", a.story());
}

/// D1, of the interface itself: it is made again, ever more slowly, and the status says who has an opponent.
#[test]
fn a_virtual_mac_that_somebody_deletes_again_and_again_is_a_feud() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150, "use_vmac"));
    node.start();
    eventually(&lab, &[&node], "a is MASTER", || is_master(&node, 0) && is_on(&node, "vrrp.5"));
    for _ in 0..13 {
        let _ = node.sh("ip link del vrrp.5");
        eventually(&lab, &[&node], "it is made again", || is_on(&node, "vrrp.5") && node.holds(VIP));
    }
    eventually(&lab, &[&node], "that is in the status", || {
        let contested = node.sh(&format!("{} status --runtime-dir /run/handover", on_host("handover")));
        contested.contains("contested: virtual MAC vrrp.5 of four: somebody on this host keeps removing it, put back 13 times")
    });
    assert!(
        node.log().contains("(four) put back vrrp.5: it was gone, and not by our doing"),
        "{}",
        node.log()
    );
    let hooks = node.story();
    assert!(!hooks.contains("Entering FAULT"), "who waits for its time is no failure\n{hooks}");
}

/// Who can't have the address doesn't take it from a healthy lower master again and again, and does as soon as it can.
#[test]
fn a_master_is_left_alone_by_a_better_node_whose_virtual_mac_cannot_be() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150, "use_vmac"));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(100, "use_vmac"));
    assert_eq!(a.sh("ip link add vrrp.5 type bridge 2>&1"), "");
    b.start();
    eventually(&lab, &[&b], "b is MASTER", || is_master(&b, 0) && b.holds(VIP));
    let since = b.at("/instances/0/since");
    a.start();
    eventually(&lab, &[&a, &b], "a is in FAULT and says why", || {
        a.state() == "FAULT" && a.at("/instances/0/refused").contains("another interface has that name")
    });
    let heard = || a.at("/instances/0/adverts_received").parse::<u64>().expect("a number");
    let before = heard();
    eventually(&lab, &[&a, &b], "a has heard many adverts of b's", || heard() > before + 30);
    assert_eq!((a.state().as_str(), b.at("/instances/0/since")), ("FAULT", since), "{}", b.story());
    assert_eq!(a.at("/instances/0/adverts_sent"), "0", "it has not even tried");
    assert_eq!(a.sh("ip link delete vrrp.5 2>&1"), "");
    eventually(&lab, &[&a, &b], "a is MASTER", || is_master(&a, 0) && a.holds(VIP) && is_on(&a, "vrrp.5"));
    assert_eq!(a.at("/instances/0/refused/0"), "");
}

#[test]
fn a_reload_makes_and_removes_it_and_nobody_elses_is_touched() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150, ""));
    let _ = a.sh("ip link add vrrp.7 link eth0 type macvlan mode private");
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || is_master(&a, 0) && a.holds(VIP));
    let reload = |text: &str| {
        a.configure(text);
        a.sh(&format!("{} reload --runtime-dir /run/handover 2>&1; true", on_host("handover")))
    };
    let _ = reload(&config(150, "use_vmac"));
    eventually(&lab, &[&a], "the address is on the virtual MAC", || {
        a.sh("ip address show dev vrrp.5 2>/dev/null").contains(VIP) && is_on(&a, "vrrp.5")
    });
    assert!(is_master(&a, 0), "{}", a.story());
    // Somebody takes it away, or what it is on.
    let _ = a.sh("ip link delete vrrp.5");
    eventually(&lab, &[&a], "it is back", || {
        a.sh("ip address show dev vrrp.5 2>/dev/null").contains(VIP) && is_on(&a, "vrrp.5")
    });
    let _ = reload(&config(150, ""));
    eventually(&lab, &[&a], "the address is on the interface", || {
        a.sh("ip address show dev eth0").contains(VIP) && link(&a, "vrrp.5").is_empty()
    });
    // A name that is taken is a reason, and its owner keeps it.
    let _ = reload(&config(150, "use_vmac vrrp.7"));
    eventually(&lab, &[&a], "it says why", || {
        a.state() == "FAULT" && a.story().contains("vrrp.7 can't be made on eth0")
    });
    assert!(link(&a, "vrrp.7").contains("macvlan mode private"));
    a.stop();
    assert!(link(&a, "vrrp.7").contains("macvlan mode private"));
}

/// D7: neighbours know the address by the hardware address that it had.
#[test]
fn another_hardware_address_is_announced_whoever_has_changed_it() {
    let lab = start_lab();
    let client = lab.add_host("client", &["192.168.1.9/24"]).expect("a client");
    // No second round of announcements, which would do it by chance.
    let once = "garp_master_delay 0";
    let own = |mac: &str| config(150, &format!("use_vmac vrrp.5 {mac}\n{once}"));
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &own("02:00:00:00:00:05"));
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || is_master(&a, 0) && a.holds(VIP));
    // It has asked before. What comes from eth0 would tell it of eth0's address, so it doesn't ask while the virtual MAC is there.
    let knew =
        ["ip", "neighbour", "replace", VIP, "lladdr", "02:00:00:00:00:05", "dev", "eth0", "nud", "stale"];
    assert!(client.run(knew).expect("ip").success());
    // Linux believes the first of several within a second (arp(7), locktime).
    let at_once = ["sh", "-c", "echo 0 > /proc/sys/net/ipv4/neigh/eth0/locktime"];
    assert!(client.run(at_once).expect("sh").success());
    let knows = || client.run(["ip", "neighbour", "show", VIP]).expect("ip").stdout;
    a.configure(&own("02:00:00:00:00:06"));
    let reload =
        a.host().run([on_host("handover").as_str(), "reload", "--runtime-dir", RUNTIME_DIR]).expect("reload");
    assert!(reload.success(), "{}", reload.stderr);
    eventually(&lab, &[&a], "the client has heard of the new one", || knows().contains("02:00:00:00:00:06"));
    assert!(is_master(&a, 0), "{}", a.story());

    a.configure(&config(150, once));
    let reload =
        a.host().run([on_host("handover").as_str(), "reload", "--runtime-dir", RUNTIME_DIR]).expect("reload");
    assert!(reload.success(), "{}", reload.stderr);
    let eth0 = a.sh("ip -br link show dev eth0 | awk '{print $3}'");
    eventually(&lab, &[&a], "the client has heard that it is on eth0", || knows().contains(eth0.trim()));
    assert_eq!(a.sh("ip link set eth0 address 02:00:00:00:00:07 2>&1"), "");
    eventually(&lab, &[&a], "the client has heard of eth0's", || knows().contains("02:00:00:00:00:07"));
    assert!(is_master(&a, 0) && is_served(&client, VIP), "{}", a.story());
}

#[test]
fn keepalived_with_a_virtual_mac_is_relieved_and_relieves() {
    if !keepalived::is_installed() {
        return;
    }
    // As the RFC has it, and one's own, of which the VRID is the last octet.
    relieves_and_is_relieved("use_vmac", MAC);
    relieves_and_is_relieved("use_vmac front 02:00:00:00:07", "02:00:00:00:07:05");
}

fn relieves_and_is_relieved(word: &str, mac: &str) {
    let lab = start_lab();
    let client = client_of(&lab, &[(VIP, mac)]);
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(150, word));
    let k = Keepalived::new(&lab, "k", &["192.168.1.12/24"], &config(100, word));
    k.start();
    assert!(lab.wait_for(LIMIT, || k.state("four") == "MASTER"), "{}", k.story());
    assert!(lab.wait_for(LIMIT, || is_served(&client, VIP)), "{}", k.story());
    a.start();
    eventually(&lab, &[&a], "Handover relieves keepalived", || {
        is_master(&a, 0) && k.state("four") == "BACKUP"
    });
    eventually(&lab, &[&a], "the client is served by Handover", || is_served(&client, VIP) && a.holds(VIP));
    a.stop();
    assert!(lab.wait_for(LIMIT, || k.state("four") == "MASTER"), "{}", k.story());
    assert!(lab.wait_for(LIMIT, || is_served(&client, VIP)), "{}", k.story());
}
