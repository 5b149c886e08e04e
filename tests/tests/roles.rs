//! A service that runs only on the master, and its death there (pains A5, B1 and B6): real HAProxy on real hosts, with the
//! configurations and the hook of examples/haproxy-on-master-only.
//!
//! Hosts of a lab have no systemd: a `systemctl` of their own starts and stops HAProxy. Intervals are shortened.

use std::fs;
use std::path::Path;

use handover_tests::node::{Node, RUNTIME_DIR, eventually, start_lab};
use handover_tests::programs::on_host;
use lab::Lab;

const VIP: &str = "192.168.1.100";
const SYSTEMCTL: &str = "#!/bin/sh
case $1 in
    start) pidof haproxy >/dev/null || haproxy -D -f /etc/haproxy.cfg ;;
    stop) killall -q haproxy; : ;;
esac
";
const HAPROXY: &str = "defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend web
  bind :8080
  http-request return status 200
";

fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/haproxy-on-master-only").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same, in a hurry.
fn hurried(file: &str) -> String {
    let text = example(file);
    let text = text.replace("interval 2\n", "interval 0.3\n");
    text.replace("while master\n", "while master\n  grace 5\n  penalty 600\n")
}

fn node(lab: &Lab, name: &str, address: &str, config: &str) -> Node {
    let node = Node::new(lab, name, &[address], config);
    let files = [
        ("/usr/local/bin/systemctl", SYSTEMCTL, 0o755),
        ("/usr/local/bin/haproxy-follows-master.sh", &example("haproxy-follows-master.sh"), 0o755),
        ("/etc/haproxy.cfg", HAPROXY, 0o644),
    ];
    for (path, text, mode) in files {
        node.host().write_file(path, text, mode).expect("a file");
    }
    node
}

fn serves(node: &Node) -> bool {
    node.state() == "MASTER" && node.holds(VIP) && !node.pids("haproxy").is_empty()
}

#[test]
fn haproxy_that_dies_on_the_master_moves_the_address() {
    let lab = start_lab();
    let a = node(&lab, "a", "192.168.1.11/24", &hurried("cure/a.conf"));
    let b = node(&lab, "b", "192.168.1.12/24", &hurried("cure/b.conf"));
    if a.sh("command -v haproxy").is_empty() {
        eprintln!("SKIPPED: haproxy is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI installs haproxy");
        return;
    }
    a.start();
    eventually(&lab, &[&a], "a is MASTER, and the hook has started HAProxy", || serves(&a));
    b.start();
    eventually(&lab, &[&a, &b], "b waits", || {
        b.state() == "BACKUP" && b.at("/instances/0/master/priority") == "120"
    });
    assert_eq!(b.at("/instances/0/priority/effective"), "110", "without HAProxy, and fit");
    assert_eq!(b.pids("haproxy"), [] as [u32; 0]);

    let _ = a.sh("killall -9 haproxy");
    eventually(&lab, &[&a, &b], "b has taken over and runs HAProxy", || serves(&b));
    eventually(&lab, &[&a, &b], "a gave way", || a.state() == "BACKUP" && !a.holds(VIP));
    assert_eq!(a.at("/instances/0/priority/effective"), "100");
    assert_eq!(a.at("/instances/0/penalties/0/check"), "chk_haproxy");
    assert_eq!(a.at("/instances/0/penalties/0/length_ms"), "600000");

    // Its own HAProxy is stopped there, which says nothing; the operator says that it is well again.
    let undrain = a.host().run([&on_host("handover"), "undrain", "--all", "--runtime-dir", RUNTIME_DIR]);
    let undrain = undrain.expect("run handover");
    assert!(undrain.success(), "{}", undrain.stderr);
    eventually(&lab, &[&a, &b], "a serves again", || serves(&a));
    eventually(&lab, &[&a, &b], "b has stopped its HAProxy", || {
        !b.holds(VIP) && b.pids("haproxy").is_empty()
    });
    assert_eq!(a.at("/instances/0/penalties"), "");
}
