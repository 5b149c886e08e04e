//! Two suites by mistake on one host: the second says so and touches nothing, since each would take the other's addresses for
//! what a dead one has left behind.

use handover_tests::node::{Node, VIP, api_vip, eventually, start_lab};
use lab::Spec;

const OTHER: &str = "vrrp_instance other {\n interface eth0\n virtual_router_id 77\n use_vmac\n virtual_ipaddress {\n \
                     192.168.1.177/24\n }\n}\n";

#[test]
fn a_second_suite_on_one_host_is_refused_and_changes_nothing() {
    let lab = start_lab();
    let node = Node::new(&lab, "a", &["192.168.1.11/24"], &api_vip(150, ""));
    node.start();
    eventually(&lab, &[&node], "it is MASTER", || node.state() == "MASTER" && node.holds(VIP));
    let removed =
        node.host().spawn(Spec::new(["ip", "-o", "monitor", "address", "link"])).expect("ip monitor");
    node.host().write_file("/tmp/other.conf", OTHER, 0o600).expect("another configuration");
    let programs = lab::PROGRAMS;
    for second in [
        format!("{programs}/handover run -f /tmp/other.conf --runtime-dir /tmp/other --state-dir /tmp/other"),
        format!("mkdir -p /tmp/alone; {programs}/ipmgr -f /tmp/other.conf --runtime-dir /tmp/alone"),
    ] {
        let said = node.sh(&format!("({second}) 2>&1; echo status $?"));
        let pid = node.pids("ipmgr");
        assert!(
            said.contains("another ipmgr (process ")
                && said.contains("end that one first")
                && said.contains("status 1"),
            "{second}: {said}"
        );
        assert_eq!(pid.len(), 1, "a second ipmgr stayed");
    }
    // Whoever holds the name without an ipmgr's rights keeps nobody from starting.
    node.stop();
    let squat = "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.bind('\\0handover/ipmgr'); s.listen(); \
                 print('bound', flush=True); time.sleep(1000)";
    let squatter = Spec::new(["setpriv", "--reuid", "65534", "--clear-groups", "python3", "-c", squat]);
    let changed =
        removed.lines().into_iter().find(|line| line.text.contains("177") || line.text.contains("vrrp."));
    assert!(changed.is_none(), "the second suite did something: {changed:?}");
    if !sys::user::can_become(65_534).unwrap_or(false) {
        println!("SKIPPED in part: there is no other user here");
        assert!(std::env::var_os("CI").is_none(), "CI is set");
        return;
    }
    let squatter = node.host().spawn(squatter).expect("start python");
    assert!(squatter.wait_for_line(handover_tests::node::LIMIT, |line| line == "bound").is_some());
    node.start();
    eventually(&lab, &[&node], "it is MASTER again", || node.state() == "MASTER" && node.holds(VIP));
    assert!(node.log().contains("holds the name by which a second ipmgr is noticed"), "{}", node.log());
}
