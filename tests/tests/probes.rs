//! Probes without a process on a real host: what they see is that host's network and its processes.

use handover_tests::node::{Node, eventually, start_lab};

const PINGS: &str = "sysctl -qw net.ipv4.ping_group_range";

fn check(name: &str, line: &str) -> String {
    format!("vrrp_script {name} {{\n {line}\n interval 0.3\n}}\n")
}

#[test]
fn probes_see_the_host_that_they_run_on() {
    let lab = start_lab();
    let config = check("own_address", "ping 10.0.0.1")
        + &check("nobody", "ping 10.0.0.77")
        + &check("here", "process checkerd")
        + &check("elsewhere", "process handover-probes-elsewhere")
        + "vrrp_instance v {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n 10.0.0.9/32\n }\n}\n";
    let node = Node::new(&lab, "a", &["10.0.0.1/24"], &config);
    let other = Node::new(&lab, "b", &["10.0.0.2/24"], &config);
    // A process of the right name, on another host.
    let _ = other.sh(
        "cp /bin/sleep /tmp/handover-probes-elsewhere; /tmp/handover-probes-elsewhere 1000 >/dev/null 2>&1 &",
    );
    let verdicts = || {
        let verdict = |at: usize| node.at(&format!("/checks/{at}/verdict"));
        (verdict(0), verdict(1), verdict(2), verdict(3))
    };
    let _ = node.sh(&format!("{PINGS}='1 0'"));
    node.start();
    eventually(&lab, &[&node], "pings need a permission, and say which", || {
        node.at("/checks/0/last_outcome").contains("net.ipv4.ping_group_range")
            && verdicts() == ("unrunnable".into(), "unrunnable".into(), "up".into(), "down".into())
    });
    let _ = node.sh(&format!("{PINGS}='0 2147483647'"));
    eventually(&lab, &[&node], "one is there, the other not", || {
        verdicts() == ("up".into(), "down".into(), "up".into(), "down".into())
    });
    assert_eq!(node.at("/checks/3/last_outcome"), "no process handover-probes-elsewhere runs");
}
