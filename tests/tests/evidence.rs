//! X-2 on real hosts: a switch port that has carrier and carries nothing makes no second master.
//!
//! A closed port is one that isn't on the bridge: the node behind it has carrier, and nobody's frames come through, as
//! with a switch for as long as spanning tree isn't sure.

use handover_tests::node::{HOOK, Node, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

const VIP: &str = "192.168.1.100";
/// Down intervals of a backup with priority 100 at 0.1 s are 0.36 s: in this time there are many.
const MANY_DOWN_INTERVALS_MS: u64 = 5000;

fn config(priority: u8, patience: u32) -> String {
    format!(
        "
global_defs {{ vrrp_link_patience {patience} }}
vrrp_instance api_vip {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int 0.1
  virtual_ipaddress {{ {VIP}/32 }}
  notify {HOOK}
}}
"
    )
}

/// Pulls the cable out and plugs it into a port that isn't forwarding yet.
fn move_to_closed_port(lab: &Lab, node: &Node) {
    node.host().link_down("eth0").expect("pull the cable out");
    eventually(lab, &[node], "it is FAULT", || node.state() == "FAULT");
    node.host().disconnect("eth0").expect("close the port");
    node.host().link_up("eth0").expect("plug the cable in");
}

/// Pains A1 and A4.
#[test]
fn a_port_that_does_not_forward_yet_makes_no_second_master() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &config(100, 40));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(150, 600));
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || a.state() == "MASTER");
    b.start();
    // The better router takes over, then its cable goes into another port.
    eventually(&lab, &[&a, &b], "b is MASTER", || b.state() == "MASTER" && a.state() == "BACKUP");
    move_to_closed_port(&lab, &b);
    eventually(&lab, &[&a, &b], "a is MASTER again", || a.state() == "MASTER" && b.state() == "BACKUP");
    eventually(&lab, &[&b], "b waits for a frame", || !b.at("/instances/0/awaits_frames_ms").is_empty());
    eventually(&lab, &[&b], "b goes on waiting", || {
        let left = b.at("/instances/0/awaits_frames_ms").parse().unwrap_or(u64::MAX);
        left < 600_000 - MANY_DOWN_INTERVALS_MS
    });
    let shown = b.sh(&format!("{} status", on_host("handover")));
    assert!(shown.contains("eth0 came up and has carried no frame yet: listening for"), "{shown}");
    let told = ["BACKUP", "MASTER", "FAULT", "BACKUP"].map(|state| format!("INSTANCE api_vip {state} 150"));
    assert_eq!(b.hooks(), told, "{}", b.story());
    assert!(a.state() == "MASTER" && !b.holds(VIP), "{}{}", a.story(), b.story());

    b.host().connect("eth0").expect("open the port");
    // It hears the lower master now, and takes over from it in order.
    eventually(&lab, &[&a, &b], "b is MASTER again", || b.state() == "MASTER" && a.state() == "BACKUP");
    assert_eq!(b.at("/instances/0/cause/code"), "preempting", "{}", b.story());
}

#[test]
fn a_lonely_node_does_not_wait_for_ever() {
    let lab = start_lab();
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &config(150, 3));
    b.start();
    eventually(&lab, &[&b], "b is MASTER", || b.state() == "MASTER");
    move_to_closed_port(&lab, &b);
    eventually(&lab, &[&b], "b is MASTER after all", || b.state() == "MASTER" && b.holds(VIP));
    assert_eq!(b.at("/instances/0/cause/code"), "link-silent", "{}", b.story());
}
