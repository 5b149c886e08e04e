//! A node is taken out for maintenance and brought back (pain A7), on real hosts.

use handover_tests::node::{Node, RUNTIME_DIR, VIP, api_vip, eventually, start_lab};
use handover_tests::programs::on_host;

fn handover(node: &Node, arguments: &[&str]) -> lab::Output {
    let program = on_host("handover");
    let arguments = [&[program.as_str()], arguments, &["--runtime-dir", RUNTIME_DIR]].concat();
    node.host().run(arguments).expect("run handover")
}

#[test]
fn a_drained_node_stays_out_across_restarts_until_it_is_undrained() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &api_vip(150, ""));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &api_vip(100, ""));
    a.start();
    eventually(&lab, &[&a], "a is MASTER", || a.state() == "MASTER" && a.holds(VIP));

    // Nobody else has been heard: refused with the reason, and nothing has changed.
    let refused = handover(&a, &["drain", "api_vip"]);
    assert_eq!(refused.exit, lab::Exit::Code(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("no other router has been heard"), "{}", refused.stderr);
    assert_eq!(a.state(), "MASTER");
    let unknown = handover(&a, &["drain", "api_vpi"]);
    assert!(unknown.stderr.contains("there are: api_vip"), "{}", unknown.stderr);

    b.start();
    eventually(&lab, &[&a, &b], "b is BACKUP", || b.state() == "BACKUP");
    let drained = handover(&a, &["drain", "--all", "--force"]);
    assert!(drained.success(), "{}", drained.stderr);
    eventually(&lab, &[&a, &b], "b takes over", || b.state() == "MASTER" && b.holds(VIP));
    eventually(&lab, &[&a, &b], "a lets go and says who drained it", || {
        !a.holds(VIP) && a.at("/instances/0/reasons/0/text").contains("drained: by root since ")
    });

    // A restart of everything on a changes nothing about it.
    a.stop();
    a.start();
    eventually(&lab, &[&a, &b], "a is up again", || a.at("/instances/0/reasons/0/code") == "drained");
    assert_eq!(b.state(), "MASTER", "{}", b.story());

    let back = handover(&a, &["undrain", "api_vip"]);
    assert!(back.success(), "{}", back.stderr);
    eventually(&lab, &[&a, &b], "a is MASTER again", || a.state() == "MASTER" && a.holds(VIP));
    eventually(&lab, &[&a, &b], "b gave way", || b.state() == "BACKUP" && !b.holds(VIP));
}

/// An ipmgr that hangs keeps the addresses on this node, beside the next master's.
#[test]
fn a_drain_that_ipmgr_does_not_answer_says_so_and_so_does_status() {
    let lab = start_lab();
    let a = Node::new(&lab, "a", &["192.168.1.11/24"], &api_vip(150, ""));
    let b = Node::new(&lab, "b", &["192.168.1.12/24"], &api_vip(100, ""));
    a.start();
    b.start();
    eventually(&lab, &[&a, &b], "a is MASTER", || {
        a.state() == "MASTER" && a.holds(VIP) && b.state() == "BACKUP"
    });
    a.signal("ipmgr", "STOP");
    let drained = handover(&a, &["drain", "--all", "--force"]);
    assert_eq!(drained.exit, lab::Exit::Code(1), "{}", drained.stdout);
    assert!(drained.stderr.contains("drained, but ipmgr has not said"), "{}", drained.stderr);
    let status = || handover(&a, &["status"]).stdout;
    assert!(status().contains("trouble: ipmgr has not said for"), "{}", status());
    assert!(a.log().contains("ipmgr has not said for 5s that the addresses are gone"), "{}", a.log());
    a.signal("ipmgr", "CONT");
    eventually(&lab, &[&a, &b], "it is done", || !status().contains("trouble") && !a.holds(VIP));
    let again = handover(&a, &["drain", "--all", "--force"]);
    assert_eq!((again.success(), again.stdout.as_str()), (true, "api_vip: drained\n"), "{}", again.stderr);
}
