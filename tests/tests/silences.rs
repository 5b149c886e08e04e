//! What each silence means (ARCHITECTURE.md): any one process may be killed at any moment, and the address stays
//! where it was; all of them, and the other node has it.

use handover_tests::node::{HOOK, Node, RUNTIME_DIR, eventually, start_lab};
use lab::Lab;

const VIP: &str = "192.168.1.100";

fn config(priority: u8, advert_interval: &str) -> String {
    format!(
        "vrrp_script chk {{ script \"/bin/true\" \n interval 1 }}
vrrp_instance api_vip {{
  version 3
  interface eth0
  virtual_router_id 5
  priority {priority}
  advert_int {advert_interval}
  virtual_ipaddress {{ {VIP}/32 }}
  track_script {{ chk }}
  notify {HOOK}
}}
"
    )
}

/// Two running nodes; `a` is master and said so.
fn pair(lab: &Lab) -> (Node, Node) {
    let a = Node::new(lab, "a", &["192.168.1.11/24"], &config(150, "0.3"));
    let b = Node::new(lab, "b", &["192.168.1.12/24"], &config(100, "0.3"));
    a.start();
    eventually(lab, &[&a], "a is MASTER and holds the address", || a.state() == "MASTER" && a.holds(VIP));
    b.start();
    let heard = || b.state() == "BACKUP" && b.at("/instances/0/master/address") == "192.168.1.11";
    eventually(lab, &[&a, &b], "b is BACKUP and has heard a", heard);
    (a, b)
}

/// Nothing that anybody was told changed: one state each since the start.
fn nothing_moved(lab: &Lab, a: &Node, b: &Node, after: &str) {
    eventually(lab, &[a, b], &format!("a is MASTER after {after}"), || a.state() == "MASTER" && a.holds(VIP));
    assert!(!b.holds(VIP), "{after}: b took the address\n{}{}", a.story(), b.story());
    let b_hooks = b.hooks();
    assert_eq!(b_hooks, ["INSTANCE api_vip BACKUP 100"], "{after}: b moved\n{}{}", a.story(), b.story());
}

fn killed_and_back(lab: &Lab, node: &Node, program: &str) {
    let before = node.pids(program);
    node.kill(program);
    eventually(lab, &[node], &format!("{program} was started again"), || {
        let now = node.pids(program);
        now.len() == 1 && now != before
    });
}

#[test]
fn a_vrrp_core_that_is_killed_resumes_as_master() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    killed_and_back(&lab, &a, "vrrp-core");
    eventually(&lab, &[&a, &b], "it resumes", || a.at("/instances/0/cause/code") == "resumed");
    nothing_moved(&lab, &a, &b, "vrrp-core was killed");
}

#[test]
fn an_ipmgr_that_is_killed_costs_nothing() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    killed_and_back(&lab, &a, "ipmgr");
    eventually(&lab, &[&a, &b], "vrrp-core is connected again", || {
        a.at("/processes/ipmgr/running") == "true" && a.at("/processes/ipmgr/trouble") == "null"
    });
    nothing_moved(&lab, &a, &b, "ipmgr was killed");
    let count = a.hooks().iter().filter(|line| line.contains("MASTER")).count();
    assert_eq!(count, 1, "a was told MASTER once\n{}", a.story());
}

#[test]
fn a_checkerd_that_is_killed_moves_nothing() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    killed_and_back(&lab, &a, "checkerd");
    eventually(&lab, &[&a, &b], "the check is up again", || a.at("/checks/0/verdict") == "up");
    nothing_moved(&lab, &a, &b, "checkerd was killed");
}

#[test]
fn a_notifierd_that_is_killed_runs_no_hook_twice_for_the_other_node() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    killed_and_back(&lab, &a, "notifierd");
    eventually(&lab, &[&a, &b], "it runs", || a.at("/processes/notifierd/running") == "true");
    nothing_moved(&lab, &a, &b, "notifierd was killed");
}

/// A2 and X-1: stopped like a paused machine, it neither keeps the address nor speaks before it has listened.
/// Somebody cleans up `/run`: whoever can't be reached any more makes room for one that can.
#[test]
fn sockets_that_are_removed_are_made_again_and_nothing_moves() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    let _ = a.sh(&format!("rm {RUNTIME_DIR}/*.sock"));
    let sockets = || a.sh(&format!("ls {RUNTIME_DIR}")).matches(".sock").count();
    eventually(&lab, &[&a], "all four are there again", || sockets() == 4);
    assert!(a.story().contains("somebody removed"), "{}", a.story());
    nothing_moved(&lab, &a, &b, "the removal of all sockets");
}

#[test]
fn a_vrrp_core_that_is_frozen_loses_the_address_before_b_takes_it() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    let core = a.pids("vrrp-core");
    let core = core.first().expect("vrrp-core runs");
    let _ = a.sh(&format!("kill -STOP {core}"));
    let mut both = false;
    eventually(&lab, &[&a, &b], "b takes over", || {
        both |= a.holds(VIP) && b.holds(VIP);
        b.state() == "MASTER" && b.holds(VIP)
    });
    assert!(!both, "the address was on both nodes\n{}", b.story());
    let _ = a.sh(&format!("kill -CONT {core}"));
    // It has the higher priority, so it takes over in the end; but first it has been told that it slept.
    eventually(&lab, &[&a, &b], "a is MASTER again", || a.state() == "MASTER" && a.holds(VIP));
    let hooks = a.hooks();
    let expected = ["BACKUP 150", "MASTER 150", "BACKUP 150", "MASTER 150"];
    let told: Vec<&str> = hooks.iter().filter_map(|line| line.strip_prefix("INSTANCE api_vip ")).collect();
    assert_eq!(told, expected, "{}", a.story());
    eventually(&lab, &[&a, &b], "b gave way", || b.state() == "BACKUP" && !b.holds(VIP));
}

#[test]
fn a_host_that_dies_is_replaced() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    a.host().kill_all().expect("kill everything on a");
    a.host().link_down("eth0").expect("a's link goes with it");
    eventually(&lab, &[&b], "b takes over", || b.state() == "MASTER" && b.holds(VIP));
    eventually(&lab, &[&b], "b's hook was run", || {
        b.hooks() == ["INSTANCE api_vip BACKUP 100", "INSTANCE api_vip MASTER 100"]
    });
    assert_eq!(b.at("/instances/0/cause/code"), "peer-silent", "{}", b.story());
}

#[test]
fn a_stop_says_goodbye_and_leaves_nothing() {
    let lab = start_lab();
    let (a, b) = pair(&lab);
    let capture = lab.capture().expect("capture");
    let before = a.log().lines().count();
    a.stop();
    let log = a.log();
    let alarming =
        log.lines().skip(before).find(|line| line.contains("warning: ") || line.contains("error: "));
    assert_eq!(alarming, None, "whoever is woken by warnings sleeps through a planned stop");
    // Stopped means: the address is gone, priority 0 was on the wire, and the stop hook has run.
    assert!(!a.holds(VIP), "{}", a.story());
    let goodbye = |frame: &lab::Frame| match &frame.packet {
        lab::Packet::Vrrp { message, .. } => message.get(2) == Some(&0),
        _ => false,
    };
    let seen = capture.wait_for(handover_tests::node::LIMIT, goodbye);
    assert!(seen.is_some(), "priority 0 on the wire (V3-FSM-13)");
    assert_eq!(
        a.hooks(),
        ["INSTANCE api_vip BACKUP 150", "INSTANCE api_vip MASTER 150", "INSTANCE api_vip STOP 150"]
    );
    eventually(&lab, &[&b], "b takes over", || b.state() == "MASTER" && b.holds(VIP));
    for program in ["vrrp-core", "ipmgr", "checkerd", "notifierd"] {
        assert!(a.pids(program).is_empty(), "{program} is still there");
    }
}
